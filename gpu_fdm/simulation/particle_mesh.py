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

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

from ..errors import InputError, RunError
from ..kernels.particle_mesh import FIXED_POINT, deposit_clouds, lower_planes, move, push
from ..parallel.backend import CPU
from ..parallel.fft import Transform, inverse, transform
from ..parallel.ranks import SERIAL, Ranks
from ..vectors import three
from .fourier import Slab, next_plane, on_all_ranks
from .grid import Grid
from .schedule import Clock, Times, integrate, scheme_of_order

_BATCH = 2**16  # particles that a thread pushes at a time
_TAPER = 0.7  # of the Nyquist wavenumber: where modes fade; the best of 0.5 to 0.8 for pairs of particles


@dataclass(frozen=True)
class MeshLimits:
    """What a drift and a kick may be at most, on average over the drifts and kicks of a step.

    courant   way of the fastest particle in a drift [cells]
    fall      way of a particle at rest, under the largest force, in one drift and kick [cells]
    """

    courant: float = 0.5
    fall: float = 0.1

    def __post_init__(self):
        for name in ("courant", "fall"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} = {getattr(self, name)}: must be > 0")


@dataclass(frozen=True, eq=False)
class ParticleState:
    """All that a run must know to go on: save these, and it goes on with the same bits.

    position  (3, n), in [0, side) [L];  momentum  a^2 dx/dt, (3, n) [L/T], short of kicks where the clocks differ
    identity  (n,), int64: particles change their places in these arrays, and their ranks
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
    stops,
    *,
    order: int = 2,
    limits: MeshLimits = MeshLimits(),
    on_step: Callable[[ParticleState], None] | None = None,
    ranks: Ranks = SERIAL,
    backend: CPU | None = None,
) -> Iterator[ParticleState]:
    """Evolve particles of equal mass, and yield the synchronised state at each stop.

    state    where to begin, e.g. ParticleState(*particles_from_modes(...), Times.start(a)); over ranks each may give
             any of the particles. Its arrays may be changed in place
    grid     the mesh; best that of the modes: on a finer one the lattice shows, waves grow 3 % too fast and more
    The rest as for schroedinger_poisson.evolve_wave. All particles together have the mean density.
    Memory: the particles, eight real arrays of the mesh's size, and over ranks the particles once more.
    Raises InputError for stops and orders that make no sense, ValueError for arrays that do not fit, RunError where a
    position is no longer finite.
    """
    backend = CPU() if backend is None else backend
    if not isinstance(backend, CPU):
        raise ValueError(f"backend {backend}: particles run on the CPU")
    mesh = _Mesh(state, grid, Slab(three(grid.cells), ranks, backend), limits)
    scheme = scheme_of_order(order)
    report = None if on_step is None else lambda times: on_step(mesh.state(times))
    return (mesh.state(times) for times in integrate(mesh, state.times, clock, scheme, stops, 0, report))


class _Mesh:
    """The dynamics that schedule.integrate advances: particles and the forces on the mesh."""

    def __init__(self, state, grid, slab, limits):
        count = state.position.shape[-1]
        for name, shape in (("position", (3, count)), ("momentum", (3, count)), ("identity", (count,))):
            kind = np.int64 if name == "identity" else np.float64
            given = getattr(state, name)
            if given.shape != shape or given.dtype != kind:
                raise ValueError(f"{name} is {given.dtype} of shape {given.shape}: must be {np.dtype(kind)}, {shape}")
        self.position, self.momentum, self.identity = state.position, state.momentum, state.identity
        self.sides = np.array(grid.sides)
        move(self.position, self.momentum, 0.0, self.sides)  # wrapped into the box
        self.grid, self.slab, self.limits = grid, slab, limits
        self.number = slab.ranks.allreduce(count)
        self.inverse_spacing = 1 / grid.spacing
        self.cells = np.array(grid.cells)
        planes, ny, nz = slab.shape
        self.force = np.empty((3, planes + 1, ny, nz))
        self.largest_force = 0.0

    def state(self, times: Times) -> ParticleState:
        """What is worth saving."""
        return ParticleState(self.position, self.momentum, self.identity, times)

    def longest_stage(self, drift_rate, kick_rate) -> float:
        """Of the two limits, the lesser."""
        fastest = max(self.slab.ranks.allgather(float(np.abs(self.momentum).max(initial=0.0))))
        self._require_finite(fastest)
        width, limits = float(self.grid.spacing.min()), self.limits
        speed, fall = fastest * drift_rate, self.largest_force * drift_rate * kick_rate
        return min(
            limits.courant * width / speed if speed > 0 else inf,
            sqrt(limits.fall * width / fall) if fall > 0 else inf,
        )

    def solve(self):
        """Forces -grad Phi of the present positions on the mesh, and the largest component."""
        slab, cells = self.slab, self.grid.cells
        self._require_finite(self.position)
        self._to_owners()
        made = transform(self._density(), cells, slab.ranks, slab.backend)
        k = [self.grid.wavenumbers(axis, axis == 2) for axis in range(3)]
        k[1] = k[1][made.y_first : made.y_first + made.values.shape[1]]
        nyquist = [each * width / np.pi for each, width in zip(k, self.grid.spacing, strict=True)]
        # the window of the cloud, squared; np.sinc(x) = sin(pi x)/(pi x)
        window = [np.sinc(0.5 * each) ** 4 for each in nyquist]
        for i, values in enumerate(made.values):
            squared = k[0][i] ** 2 + k[1][:, None] ** 2 + k[2] ** 2
            squared[squared == 0] = np.inf
            reach = (nyquist[0][i] ** 2 + nyquist[1][:, None] ** 2 + nyquist[2] ** 2) / _TAPER**2
            values *= np.exp(-(reach**2)) / (squared * (window[0][i] * window[1][:, None] * window[2]))
        largest = 0.0
        for axis in range(3):
            # i k at the Nyquist mode of an even size is the sine that vanishes at every cell
            along = 1j * np.where(np.abs(nyquist[axis]) > 1 - 1e-9, 0, k[axis])
            shape = [-1 if each == axis else 1 for each in range(3)]
            modes = Transform(made.values * along.reshape(shape), made.y_first)
            force = self.force[axis]
            force[:-1] = inverse(modes, cells, slab.ranks, slab.backend)
            force[-1:] = next_plane(force[:1], slab)
            largest = max(largest, float(force.max()), -float(force.min()))
        self.largest_force = max(slab.ranks.allgather(largest))

    def kick(self, factor, growth):
        """p - factor grad Phi."""

        def work(batch):
            mesh = self.inverse_spacing, self.cells, self.slab.planes[0], self.force
            push(self.position[:, batch], *mesh, factor, self.momentum[:, batch])

        if factor != 0:
            self.slab.backend.for_each(self._batches(), work)

    def drift(self, factor):
        """x + factor p."""

        def work(batch):
            move(self.position[:, batch], self.momentum[:, batch], factor, self.sides)

        self.slab.backend.for_each(self._batches(), work)

    def measure(self, times: Times, scale_factor: float):
        """Nothing that the state needs."""

    def _require_finite(self, numbers):
        if not all(self.slab.ranks.allgather(bool(np.isfinite(numbers).all()))):
            raise on_all_ranks(RunError("positions or momenta of particles are no longer finite"))

    def _batches(self):
        count = self.position.shape[1]
        return [slice(first, min(first + _BATCH, count)) for first in range(0, count, _BATCH)]

    def _density(self):
        """rho over the mean on this rank's planes."""
        slab, ranks = self.slab, self.slab.ranks
        planes, ny, nz = slab.shape
        mass = np.zeros((planes + 1, ny, nz), np.int64)
        deposit_clouds(self.position, self.inverse_spacing, self.cells, slab.planes[0], mass)
        # what lies beyond my last plane is the next rank's
        received = mass[-1]
        if ranks.size > 1:
            received = np.empty_like(received)
            before, after = (ranks.rank - 1) % ranks.size, (ranks.rank + 1) % ranks.size
            ranks.communicator.Sendrecv(mass[-1], dest=after, recvbuf=received, source=before)
        mass[0] += received
        return mass[:-1] * (self.grid.points / (self.number * FIXED_POINT))

    def _to_owners(self):
        """Send every particle to the rank whose planes hold its lower cell."""
        ranks = self.slab.ranks
        if ranks.size == 1:
            return
        plane = np.empty(self.position.shape[1], np.int64)
        lower_planes(self.position[0], self.inverse_spacing[0], self.grid.cells[0], plane)
        firsts = [first for first, _ in ranks.slabs(self.grid.cells[0])]
        owner = np.searchsorted(firsts, plane, side="right") - 1
        if not any(ranks.allgather(bool(np.any(owner != ranks.rank)))):
            return
        order = np.argsort(owner, kind="stable")
        sent = np.bincount(owner, minlength=ranks.size)
        received = np.array(ranks.communicator.alltoall(sent.tolist()))
        for name in ("position", "momentum"):
            rows = [_exchange(row[order], sent, received, ranks) for row in getattr(self, name)]
            setattr(self, name, np.array(rows))
        self.identity = _exchange(self.identity[order], sent, received, ranks)


def _exchange(values, sent, received, ranks):
    """Numbers for rank 0, rank 1, ... from every rank to every rank."""
    incoming = np.empty(int(received.sum()), values.dtype)
    ranks.communicator.Alltoallv([values, sent], [incoming, received])
    return incoming
