"""The particles: collisionless matter on the grid and the clocks of the wave, by a particle-mesh method.

    dx/dt = p/a^2,   dp/dt = -grad Phi/a,   laplacian Phi = rho - <rho>                       (code units)

Masses go to the mesh cloud in cell, forces -i k Phi_k are found by FFT and interpolated in the same way, so that no
particle pulls itself and pairs pull each other equally. The transform is divided by the cloud's window, once for the
deposit and once for the interpolation, so that long waves grow as they should, and multiplied by
exp(-(k/(0.7 k_Nyquist))^4), for a sharp end at the Nyquist modes makes the force ring. A pair 4 cells apart then feels
Newton's force to 4 %, one of 6 cells or more to 1 %, whatever its direction (bare clouds: 18 %), and waves of 8, 12, 16
cells feel 0.98, 0.996, 0.999 of it (bare clouds: 0.90, 0.955, 0.97). Masses are summed as integers: the result does not
depend on the order of particles, thus not on threads or ranks. Best with one particle a cell. Positions and momenta
are double, the mesh and its transforms double or single.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf, isfinite, prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InputError, RunError
from ..kernels import planes
from ..kernels.along_x import fits, slopes_along_x
from ..kernels.mesh_passes import gradient, largest_size, to_density
from ..kernels.particle_mesh import (
    FIXED_POINT,
    Mesh,
    deposit_clouds,
    lower_planes,
    move,
    prepare_push,
    push,
    sort_by_tile,
)
from ..parallel.cufft import lines_of
from ..parallel.domain import Domain, domain_of
from ..parallel.exchange import alltoall_rows, neighbour_plane
from ..parallel.fft import (
    Transform,
    inverse_in_place,
    lines_to_planes,
    planes_to_lines,
    transform,
    transform_planes,
)
from ..parallel.ranks import on_all_ranks
from ..vectors import three
from .grid import Grid
from .integrator import Clock, Times, integrate, scheme_of_order

# On a card particles are put in the order of tiles of cells after so many drifts, each of half a cell at most
_DRIFTS_SORTED = 32
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
    identity  (n,), int64: the order of particles in these arrays changes, over ranks and on a card; so do their ranks
    times     epochs of the two clocks and the step
    Arrays are NumPy's, or CuPy's where the run is on a card.
    """

    position: Any
    momentum: Any
    identity: Any
    times: Times


def evolve_particles(
    state: ParticleState,
    grid: Grid,
    clock: Clock,
    stops: Iterable[float],
    *,
    order: int = 2,
    limits: MeshLimits = MeshLimits(),
    dtype: DTypeLike = np.float64,
    on_step: Callable[[ParticleState], None] | None = None,
    domain: Domain | None = None,
) -> Iterator[ParticleState]:
    """Evolve particles of equal mass, and yield the synchronised state at each stop.

    state    to begin with, e.g. ParticleState(*particles_from_modes(...), Times.start(a)); over ranks every rank
             may give any of the particles. Its arrays may be changed in place
    grid     the mesh; best that of the modes: on a finer one the lattice shows, waves grow 3 % too fast and more
    dtype    of the mesh and its transforms, float32 or float64; positions and momenta are double
    domain   ranks that share the mesh, and where the particles are; by default one rank's, where they are
    The rest as for schroedinger_poisson.evolve_wave. All particles together have the mean density.
    Memory: the particles, eight real arrays of the mesh's size, and over ranks the particles once more.
    Raises InputError for stops and orders that make no sense, ValueError for arrays that do not fit and for more ranks
    than planes, RunError where a position is no longer finite.
    """
    domain = domain_of(grid.cells, domain, state.position)
    domain.require_planes()
    if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"dtype = {np.dtype(dtype)}: must be float32 or float64")
    scheme = scheme_of_order(order)
    mesh = _Mesh(state, grid, domain, limits, np.dtype(dtype), state.times.step * scheme.stages)
    report = None if on_step is None else lambda times: on_step(mesh.state(times))
    return (mesh.state(times) for times in integrate(mesh, state.times, clock, scheme, stops, 0, report))


class _Mesh:
    """The dynamics that integrator.integrate advances: particles, forces on the mesh, and the kick that is due."""

    def __init__(
        self, state: ParticleState, grid: Grid, domain: Domain, limits: MeshLimits, dtype: np.dtype, drifts: int
    ):
        backend = domain.backend
        count = state.position.shape[-1]
        for name, shape in (("position", (3, count)), ("momentum", (3, count)), ("identity", (count,))):
            kind = np.int64 if name == "identity" else np.float64
            given = getattr(state, name)
            if given.shape != shape or given.dtype != kind:
                raise ValueError(f"{name} is {given.dtype} of shape {given.shape}: must be {np.dtype(kind)}, {shape}")
        self.grid, self.domain, self.limits = grid, domain, limits
        self.position, self.momentum = map(backend.to_device, (state.position, state.momentum))
        self.identity = backend.to_device(state.identity)
        inverse_spacing, sides = (three(map(float, numbers)) for numbers in (1 / grid.spacing, grid.sides))
        self.mesh = Mesh(inverse_spacing, domain.cells, domain.planes.start, sides)
        # largest sizes where the backend computes, until they are read: of momenta, and of forces times a number; at
        # first of positions, which must be finite too
        self._speed, self._force = largest_size([self.momentum], backend), largest_size([self.position], backend)
        self.fastest, _ = self._largest_of_ranks(*self._read())
        move(self.position, self.momentum, 0.0, sides, backend)  # wrapped into the box
        self.number = domain.ranks.allreduce(count)
        # without particles, but between a deposit and the transform that follows
        self.mass = backend.xp.empty((domain.shape[0] + 1, *domain.shape[1:]), np.int64)
        # forces, and the plane that follows them, are times a number: self.times
        self.forces: list[Any] = []
        self.beyond: Any = None
        self._push: Callable[[float, float], Any] = _without_forces
        self.times = 1
        self.dtype = dtype
        self.width = float(grid.spacing.min())
        self.green = backend.to_device(_green(grid, domain).astype(dtype, copy=False))
        self.along = [backend.to_device(k) for k in grid.slopes(domain)]
        self.one_pass = fits(domain.cells[0], backend)
        self.one_pass_planes = self.one_pass and planes.plane_fits(*domain.cells[1:], backend)
        self.largest_force = 0.0
        self._kick, self._moved, self._deposited, self._drifts = 0.0, True, False, drifts
        self._empty_mass()

    def state(self, times: Times) -> ParticleState:
        """The state that may be saved."""
        return ParticleState(self.position, self.momentum, self.identity, times)

    def longest_stage(self, drift_rate: float, kick_rate: float) -> float:
        """The lesser of the two limits."""
        width, limits = self.width, self.limits
        speed, fall = self.fastest * drift_rate, self.largest_force * drift_rate * kick_rate
        return min(
            limits.courant * width / speed if speed > 0 else inf,
            sqrt(limits.fall * width / fall) if fall > 0 else inf,
        )

    def update_forces(self) -> None:
        """Find the forces -grad Phi of the present positions on the mesh, and the largest component.

        They are those of before where no particle has moved.
        """
        domain, backend = self.domain, self.domain.backend
        if self._moved:
            # their memory is free; the push that is prepared holds them, and arrays of particles too
            self.forces, self.beyond, self._push = [], None, _without_forces
            self._to_owners()
            # decided by the number of the step: a run that resumes has its particles in the same order
            if self._drifts % _DRIFTS_SORTED == 0:
                sort_by_tile(self.position, self.momentum, self.identity, self.mesh, backend)
            slopes_of = slopes_along_x if self.one_pass else gradient
            slopes = list(slopes_of(self._density_modes(), self.green, self.along, backend))
            self._force = self._make_forces(slopes)
            first = backend.xp.stack([force[0] for force in self.forces])
            self.beyond = neighbour_plane(first, domain, 1)
            given = self.position, self.momentum, self.mesh, self.forces, self.beyond, backend
            # masses are added at once, without reading positions again, unless some may come to another rank's planes
            self._push = prepare_push(*given, self.mass if domain.ranks.size == 1 else None)
            self._moved = False
        speed, force = self._read()
        self.fastest, self.largest_force = self._largest_of_ranks(speed, force / self.times)

    def _make_forces(self, slopes: list[Any]) -> Any:
        """Set the forces on the mesh from their modes, whose memory they take; returns the largest component."""
        domain, backend = self.domain, self.domain.backend
        if self.one_pass_planes:
            largest = backend.xp.empty((len(slopes), planes.blocks_of(domain.shape)))
            for of_blocks in largest:
                modes = lines_to_planes(Transform(slopes.pop(0), domain))
                planes.modes_to_real(modes, of_blocks, backend)
                self.forces.append(lines_of(modes))
            self.times = prod(domain.cells)
            return largest.max()
        while slopes:
            force, self.times = inverse_in_place(Transform(slopes.pop(0), domain), self.one_pass)
            self.forces.append(force)
        return largest_size(self.forces, backend, domain.cells[2])

    def kick(self, factor: float, growth: float) -> None:
        """Note that p - factor grad Phi is due: it is done with the drift, or the measurement, that follows."""
        self._kick = factor

    def drift(self, factor: float) -> None:
        """Set the momenta to what they are due to be, and the positions to x + factor p."""
        if self._deposited:
            self._empty_mass()
        self._speed = self._push(self._kick / self.times, factor)
        self._kick, self._moved, self._deposited = 0.0, True, self.domain.ranks.size == 1
        self._drifts += 1

    def measure(self, times: Times, scale_factor: float) -> None:
        """Set the momenta to what they are due to be; particles have no health."""
        if self._kick != 0:
            given = self.position, self.momentum, self.mesh, self.forces, self.beyond, self._kick / self.times, 0.0
            self._speed = push(*given, self.domain.backend)
            self._kick = 0.0

    def _read(self) -> list[float]:
        """The largest size of a momentum, and that of a force: one copy, for a card has nothing to do until it ends."""
        backend = self.domain.backend
        numbers: list[float] = backend.to_host(backend.xp.stack([self._speed, self._force])).tolist()
        return numbers

    def _largest_of_ranks(self, *numbers: float) -> list[float]:
        of_ranks = self.domain.ranks.allgather(numbers)
        if not all(isfinite(number) for of_rank in of_ranks for number in of_rank):
            raise on_all_ranks(RunError("positions or momenta of particles are no longer finite"))
        return [max(number) for number in zip(*of_ranks, strict=True)]

    def _density_modes(self) -> Any:
        """This rank's modes of rho over the mean, less its mean in single precision; not yet along x for one_pass."""
        domain, backend = self.domain, self.domain.backend
        if not self._deposited:
            deposit_clouds(self.position, self.mesh, self.mass, backend)
        # what lies beyond this rank's last plane is the next rank's
        self.mass[:1] += neighbour_plane(self.mass[-1:], domain, -1)

        factor = 1 / self._mean_mass
        if self.one_pass_planes:
            dtype = np.result_type(self.dtype, np.complex64)
            modes = backend.xp.empty((*domain.shape[:2], domain.cells[2] // 2 + 1), dtype)
            planes.masses_to_modes(self.mass[:-1], factor, self._empty, modes, backend)
            modes = planes_to_lines(modes, domain).values
        else:
            to_modes = transform_planes if self.one_pass else transform

            def over_mean(mass: Any, first: int, density: Any) -> None:
                to_density(mass, factor, self._empty, density, backend)

            modes = to_modes(self.mass[:-1], domain, over_mean, self.dtype).values
        self.mass[-1:] = 0
        self._deposited = False
        return modes

    @property
    def _mean_mass(self) -> float:
        """Of a cell, in units of 1/FIXED_POINT."""
        return self.number * FIXED_POINT / self.grid.points

    @property
    def _empty(self) -> int:
        """Mass of a cell without particles: less the mean in single precision, as integers have no round-off."""
        return 0 if self.dtype == np.float64 else -round(self._mean_mass)

    def _empty_mass(self) -> None:
        self.mass[:-1], self.mass[-1:] = self._empty, 0
        self._deposited = False

    def _to_owners(self) -> None:
        """Send every particle to the rank whose planes hold its lower cell."""
        ranks, backend = self.domain.ranks, self.domain.backend
        if ranks.size == 1:
            return
        xp = backend.xp
        firsts = np.array([slab.start for slab in self.domain.planes_of_ranks])
        plane = lower_planes(self.position[0], self.mesh, backend)
        owner = xp.searchsorted(backend.to_device(firsts), plane, side="right") - 1
        staying, leaving = (xp.nonzero(some)[0] for some in (owner == ranks.rank, owner != ranks.rank))
        if not any(ranks.allgather(len(leaving) > 0)):
            return
        owner = backend.to_host(owner[leaving])
        sent = np.bincount(owner, minlength=ranks.size).astype(np.int64, copy=False)
        leaving = leaving[backend.to_device(np.argsort(owner, kind="stable"))]
        rows = xp.concatenate([self.position[:, leaving], self.momentum[:, leaving]]).T
        rows, identity = alltoall_rows([xp.ascontiguousarray(rows), self.identity[leaving]], sent, self.domain)

        def with_those_that_came(values: Any, came: Any) -> Any:
            return xp.concatenate([xp.take(values, staying, axis=-1), xp.ascontiguousarray(came)], axis=-1)

        self.position = with_those_that_came(self.position, rows[:, :3].T)
        self.momentum = with_those_that_came(self.momentum, rows[:, 3:].T)
        self.identity = with_those_that_came(self.identity, identity)


def _without_forces(kick: float, drift: float) -> None:
    """In place of a push until there are forces."""
    raise RuntimeError("particles are pushed before there are forces")


def _green(grid: Grid, domain: Domain) -> np.ndarray:
    """1/k^2 over the window, with its sharp end taken off, for the modes of a rank, 0 <= kx; 0 where k = 0."""
    k, nyquist = grid.real_modes(domain)
    # the window of the cloud, squared; np.sinc(x) = sin(pi x)/(pi x)
    window = [np.sinc(0.5 * along) ** 4 for along in nyquist]
    green = np.empty((grid.cells[0] // 2 + 1, len(k[1]), len(k[2])))
    for i, plane in enumerate(green):
        squared = k[0][i] ** 2 + k[1][:, None] ** 2 + k[2] ** 2
        squared[squared == 0] = np.inf
        reach = (nyquist[0][i] ** 2 + nyquist[1][:, None] ** 2 + nyquist[2] ** 2) / _TAPER**2
        plane[...] = np.exp(-(reach**2)) / (squared * (window[0][i] * window[1][:, None] * window[2]))
    return green
