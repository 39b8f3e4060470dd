"""The particles: collisionless matter on the grid and the clocks of the wave, by a particle-mesh method.

    dx/dt = p/a^2,   dp/dt = -grad Phi/a,   laplacian Phi = rho - <rho>                       (code units)

Masses go to the mesh cloud in cell, forces -i k Phi_k are found by FFT and interpolated in the same way, so that no
particle pulls itself and pairs pull each other equally. The transform is divided by the cloud's window, once for the
deposit and once for the interpolation, so that long waves grow as they should, and multiplied by
exp(-(k/(0.7 k_Nyquist))^4), for a sharp end at the Nyquist modes makes the force ring. A pair 4 cells apart then feels
Newton's force to 4 %, one of 6 cells or more to 1 %, whatever its direction (bare clouds: 18 %), and waves of 8, 12, 16
cells feel 0.98, 0.996, 0.999 of it (bare clouds: 0.90, 0.955, 0.97). Masses are summed as integers: the result does not
depend on the order of particles, thus not on threads or ranks. Best with one particle a cell; runs on the CPU, always
in double precision.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any

import numpy as np

from ..errors import InputError, RunError
from ..kernels.particle_mesh import FIXED_POINT, deposit_clouds, lower_planes, move, push
from ..parallel.domain import Domain, domain_of
from ..parallel.exchange import alltoall_rows, neighbour_plane
from ..parallel.fft import Transform, inverse, transform
from ..parallel.ranks import on_all_ranks
from .grid import Grid
from .integrator import Clock, Times, integrate, scheme_of_order

_BATCH = 2**16  # particles that a thread moves at a time
_TAPER = 0.7  # of the Nyquist wavenumber: where modes fade; the best of 0.5 to 0.8 for pairs of particles


@dataclass(frozen=True)
class MeshLimits:
    """What a drift and a kick may be at most, on average over the drifts and kicks of a step.

    courant   distance that the fastest particle moves in a drift [cells]
    fall      distance that a particle at rest, under the largest force, moves in one drift and kick [cells]
    """

    courant: float = 0.5
    fall: float = 0.1

    def __post_init__(self) -> None:
        for name in ("courant", "fall"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} = {getattr(self, name)}: must be > 0")


@dataclass(frozen=True, eq=False)
class ParticleState:
    """Complete restart state; resuming from it is bitwise identical.

    position  (3, n), in [0, side) [L];  momentum  a^2 dx/dt, (3, n) [L/T], short of kicks where the clocks differ
    identity  (n,), int64: the order of particles in these arrays changes, and so do their ranks
    times     epochs of the two clocks and the step
    """

    position: np.ndarray
    momentum: np.ndarray
    identity: np.ndarray
    times: Times


def evolve_particles(
    state: ParticleState,
    grid: Grid,
    clock: Clock,
    stops: Iterable[float],
    *,
    order: int = 2,
    limits: MeshLimits = MeshLimits(),
    on_step: Callable[[ParticleState], None] | None = None,
    domain: Domain | None = None,
) -> Iterator[ParticleState]:
    """Evolve particles of equal mass, and yield the synchronised state at each stop.

    state    to begin with, e.g. ParticleState(*particles_from_modes(...), Times.start(a)); over ranks every rank
             may give any of the particles. Its arrays may be changed in place
    grid     the mesh; best that of the modes: on a finer one the lattice shows, waves grow 3 % too fast and more
    domain   ranks that share the mesh; the particles are on the CPU wherever its backend is
    The rest as for schroedinger_poisson.evolve_wave. All particles together have the mean density.
    Memory: the particles, eight real arrays of the mesh's size, and over ranks the particles once more.
    Raises InputError for stops and orders that make no sense, ValueError for arrays that do not fit and for more ranks
    than planes, RunError where a position is no longer finite.
    """
    domain = domain_of(grid.cells, domain).on_host
    domain.require_planes()
    mesh = _Mesh(state, grid, domain, limits)
    scheme = scheme_of_order(order)
    report = None if on_step is None else lambda times: on_step(mesh.state(times))
    return (mesh.state(times) for times in integrate(mesh, state.times, clock, scheme, stops, 0, report))


class _Mesh:
    """The dynamics that integrator.integrate advances: particles and the forces on the mesh."""

    def __init__(self, state: ParticleState, grid: Grid, domain: Domain, limits: MeshLimits):
        count = state.position.shape[-1]
        for name, shape in (("position", (3, count)), ("momentum", (3, count)), ("identity", (count,))):
            kind = np.int64 if name == "identity" else np.float64
            given = getattr(state, name)
            if given.shape != shape or given.dtype != kind:
                raise ValueError(f"{name} is {given.dtype} of shape {given.shape}: must be {np.dtype(kind)}, {shape}")
        self.position, self.momentum, self.identity = state.position, state.momentum, state.identity
        self.sides = np.array(grid.sides)
        move(self.position, self.momentum, 0.0, self.sides)  # wrapped into the box
        self.grid, self.domain, self.limits = grid, domain, limits
        self.number = domain.ranks.allreduce(count)
        self.inverse_spacing = 1 / grid.spacing
        self.cells = np.array(grid.cells)
        planes, ny, nz = domain.shape
        self.force = np.empty((3, planes + 1, ny, nz))
        self.largest_force = 0.0

    def state(self, times: Times) -> ParticleState:
        """The state that may be saved."""
        return ParticleState(self.position, self.momentum, self.identity, times)

    def longest_stage(self, drift_rate: float, kick_rate: float) -> float:
        """The lesser of the two limits."""
        fastest = max(self.domain.ranks.allgather(float(np.abs(self.momentum).max(initial=0.0))))
        self._require_finite(fastest)
        width, limits = float(self.grid.spacing.min()), self.limits
        speed, fall = fastest * drift_rate, self.largest_force * drift_rate * kick_rate
        return min(
            limits.courant * width / speed if speed > 0 else inf,
            sqrt(limits.fall * width / fall) if fall > 0 else inf,
        )

    def update_forces(self) -> None:
        """Find the forces -grad Phi of the present positions on the mesh, and the largest component."""
        self._require_finite(self.position)
        self._to_owners()
        made = transform(self._density(), self.domain)
        k = [self.grid.wavenumbers(axis, axis == 2) for axis in range(3)]
        k[1] = k[1][self.domain.lines]
        nyquist = [along * width / np.pi for along, width in zip(k, self.grid.spacing, strict=True)]
        # the window of the cloud, squared; np.sinc(x) = sin(pi x)/(pi x)
        window = [np.sinc(0.5 * along) ** 4 for along in nyquist]
        for i, values in enumerate(made.values):
            squared = k[0][i] ** 2 + k[1][:, None] ** 2 + k[2] ** 2
            squared[squared == 0] = np.inf
            reach = (nyquist[0][i] ** 2 + nyquist[1][:, None] ** 2 + nyquist[2] ** 2) / _TAPER**2
            values *= np.exp(-(reach**2)) / (squared * (window[0][i] * window[1][:, None] * window[2]))
        largest = 0.0
        for axis in range(3):
            # i k at the Nyquist mode of an even size is the sine that vanishes at every cell
            along = 1j * np.where(np.abs(nyquist[axis]) > 1 - 1e-9, 0, k[axis])
            shape = [-1 if other == axis else 1 for other in range(3)]
            force = self.force[axis]
            force[:-1] = inverse(Transform(made.values * along.reshape(shape), self.domain))
            force[-1:] = neighbour_plane(force[:1], self.domain, 1)
            largest = max(largest, float(force.max()), -float(force.min()))
        self.largest_force = max(self.domain.ranks.allgather(largest))

    def kick(self, factor: float, growth: float) -> None:
        """Set the momenta to p - factor grad Phi."""

        def work(batch: slice) -> None:
            mesh = self.inverse_spacing, self.cells, self.domain.planes.start, self.force
            push(self.position[:, batch], *mesh, factor, self.momentum[:, batch])

        if factor != 0:
            self.domain.backend.for_each(self._batches(), work)

    def drift(self, factor: float) -> None:
        """Set the positions to x + factor p."""

        def work(batch: slice) -> None:
            move(self.position[:, batch], self.momentum[:, batch], factor, self.sides)

        self.domain.backend.for_each(self._batches(), work)

    def measure(self, times: Times, scale_factor: float) -> None:
        """Measure nothing: particles have no health."""

    def _require_finite(self, numbers: Any) -> None:
        if not all(self.domain.ranks.allgather(bool(np.isfinite(numbers).all()))):
            raise on_all_ranks(RunError("positions or momenta of particles are no longer finite"))

    def _batches(self) -> list[slice]:
        count = self.position.shape[1]
        return [slice(first, min(first + _BATCH, count)) for first in range(0, count, _BATCH)]

    def _density(self) -> np.ndarray:
        """rho over the mean on this rank's planes."""
        planes, ny, nz = self.domain.shape
        mass = np.zeros((planes + 1, ny, nz), np.int64)
        deposit_clouds(self.position, self.inverse_spacing, self.cells, self.domain.planes.start, mass)
        # what lies beyond this rank's last plane is the next rank's
        mass[:1] += neighbour_plane(mass[-1:], self.domain, -1)
        return mass[:-1] * (self.grid.points / (self.number * FIXED_POINT))

    def _to_owners(self) -> None:
        """Send every particle to the rank whose planes hold its lower cell."""
        ranks = self.domain.ranks
        if ranks.size == 1:
            return
        plane = np.empty(self.position.shape[1], np.int64)
        lower_planes(self.position[0], self.inverse_spacing[0], self.grid.cells[0], plane)
        firsts = [planes.start for planes in self.domain.planes_of_ranks]
        owner = np.searchsorted(firsts, plane, side="right") - 1
        if not any(ranks.allgather(bool(np.any(owner != ranks.rank)))):
            return
        order = np.argsort(owner, kind="stable")
        sent = np.bincount(owner, minlength=ranks.size)

        def moved(row: np.ndarray) -> np.ndarray:
            return alltoall_rows([row[order]], sent, ranks)[0]

        # a row at a time, for memory
        self.position = np.array([moved(row) for row in self.position])
        self.momentum = np.array([moved(row) for row in self.momentum])
        self.identity = moved(self.identity)
