"""The wave: comoving Schroedinger-Poisson equations by a pseudo-spectral split step.

    i dpsi/dt = [ -laplacian/(2 a^2) + Phi/a ] psi,    laplacian Phi = |psi|^2 - <|psi|^2>      (code units)

A drift multiplies modes by exp(-i k^2/2 int dt/a^2), a kick multiplies cells by exp(-i Phi int dt/a). A step of second
order costs two complex transforms and the two real ones of Poisson's equation, and the kick is part of the pass that
begins the first: see integrator.py for how kicks of neighbouring steps merge. Energies per volume, with
K = <|grad psi|^2>/2 and W = <|psi|^2 Phi>/2 (+ <|psi|^2 U> in an external potential U/a), obey dK + a dW = 0: the
Layzer-Irvine equation, whose integral K + a W - int W da is monitored.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import inf, prod

import numpy as np

from ..errors import InputError, RunError
from ..kernels.along_x import fits, green_along_x, phases_along_x
from ..kernels.wave import (
    Phases,
    SquaredWavenumbers,
    divide_by_k_squared,
    largest_size,
    multiply_phases,
    phase_changes,
    potential_phase,
    squared_modulus,
    weigh_k_squared,
)
from ..parallel.cufft import lines_of
from ..parallel.domain import Domain, domain_of
from ..parallel.exchange import neighbour_plane
from ..parallel.fft import in_place, multiply_modes, multiply_real_modes, plane_blocks
from ..parallel.ranks import on_all_ranks
from .grid import Grid
from .integrator import Clock, Times, integrate, scheme_of_order

log = logging.getLogger(__name__)

_ROUND_OFF = 1e-5  # of the mass: where it is further from that at the start it is no round-off, and is not undone


@dataclass(frozen=True)
class WaveLimits:
    """What a drift and a kick may be at most, on average over the drifts and kicks of a step.

    kinetic    phase k^2/2 int dt/a^2 of the fastest mode of the grid in a drift [rad]
    potential  phase max|Phi| int dt/a in a kick [rad]
    """

    kinetic: float = 2.0
    potential: float = 0.5

    def __post_init__(self) -> None:
        for name in ("kinetic", "potential"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} = {getattr(self, name)}: must be > 0")


@dataclass(frozen=True)
class Health:
    """How accurate a wave is, at a time when kicks and drifts are synchronised.

    epoch, step   when it was measured
    mass          <|psi|^2>;  mass_error    its change since the start, relative
    kinetic       K = <|grad psi|^2>/2;  potential  W = <|psi|^2 Phi>/2 + <|psi|^2 U>
    energy_error  change of K + a W - int W da since the start, over K + a |W|
    phase_change  largest |arg(psi_j+1 conj psi_j)| between neighbours that both have half the mean density [rad]
    unresolved    part of the mass, counted as |psi_j+1 psi_j|, with a phase change of more than pi/2
    """

    epoch: float
    step: int
    mass: float
    mass_error: float
    kinetic: float
    potential: float
    energy_error: float
    phase_change: float
    unresolved: float


@dataclass(frozen=True)
class Alarms:
    """Limits beyond which a run warns, or ends.

    mass, energy  largest |mass_error| and |energy_error|;  unresolved  largest unresolved part, see Health
    stop          raise RunError where a limit is exceeded, instead of a warning in the log
    """

    mass: float = 1e-3
    energy: float = 0.02
    unresolved: float = 0.01
    stop: bool = False

    def raised(self, health: Health) -> dict[str, str]:
        """Name and message of every limit that is exceeded."""
        found = {"mass": health.mass_error, "energy": health.energy_error, "unresolved": health.unresolved}
        words = {
            "mass": "relative change of the mass",
            "energy": "violation of the energy balance",
            "unresolved": "part of the mass that moves faster than the cells resolve",
        }
        # `not <=`: NaN exceeds every limit
        return {
            name: f"{words[name]} {value:.3g} at epoch {health.epoch:.6g}, step {health.step}: "
            f"more than {getattr(self, name):g}"
            for name, value in found.items()
            if not abs(value) <= getattr(self, name)
        }


@dataclass(frozen=True, eq=False)
class WaveState:
    """Complete restart state; resuming from it is bitwise identical.

    psi      this rank's planes along x, (planes, ny, nz), complex64 or complex128, in sqrt(mean matter density today)
    times    epochs of the two clocks and the step; psi is short of kicks where they differ, |psi|^2 never is
    work     int W da so far
    mass, balance  <|psi|^2> and K + a W at the start; None before the first step
    health   as last measured; not needed to resume
    """

    psi: np.ndarray
    times: Times
    work: float = 0.0
    mass: float | None = None
    balance: float | None = None
    health: Health | None = None


def evolve_wave(
    state: WaveState,
    grid: Grid,
    clock: Clock,
    stops: Iterable[float],
    *,
    order: int = 2,
    limits: WaveLimits = WaveLimits(),
    watch: int = 32,
    alarms: Alarms = Alarms(),
    gravity: float = 1.0,
    external: np.ndarray | None = None,
    on_step: Callable[[WaveState], None] | None = None,
    domain: Domain | None = None,
) -> Iterator[WaveState]:
    """Evolve a wave, and yield the synchronised state at each stop.

    state     to begin with, e.g. WaveState(psi, Times.start(a)); its psi is changed in place
    clock     Expanding(background), or Static(a)
    stops     scale factors (expanding) or times (static), ascending; stops that are not ahead are skipped
    order     of the splitting, 2 or 4
    watch     the wave is synchronised and measured after so many steps (2 transforms more); 0: at the stops only
    gravity   laplacian Phi = gravity (|psi|^2 - mean);  external  U, added to Phi, real, of psi's shape
    on_step   called after every step with a state that may be saved, before it returns, since its psi is the array at
              work; resuming from it is bitwise identical
    domain    ranks that share the grid, and where psi is; by default one rank's, where it is
    The state yielded holds the array at work, not a copy. Memory: psi, one array of its size, and one more over ranks.
    The result does not depend on the number of threads, nor on that of ranks, on cards but for round-off.
    Raises InputError for stops and orders that make no sense, ValueError for arrays that do not fit and for more ranks
    than planes, RunError where psi is no longer finite, or where a limit of `alarms` with stop is exceeded.
    """
    domain = domain_of(grid.cells, domain, state.psi)
    domain.require_planes()
    scheme = scheme_of_order(order)
    wave = _Wave(state, grid, domain, limits, alarms, gravity, external)
    report = None if on_step is None else lambda times: on_step(wave.state(times))
    return (wave.state(times) for times in integrate(wave, state.times, clock, scheme, stops, watch, report))


class _Wave:
    """The dynamics that integrator.integrate advances: psi, its potential, and the kick that is due."""

    def __init__(
        self,
        state: WaveState,
        grid: Grid,
        domain: Domain,
        limits: WaveLimits,
        alarms: Alarms,
        gravity: float,
        external: np.ndarray | None,
    ):
        xp = domain.backend.xp
        if state.psi.shape != domain.shape or state.psi.dtype not in (np.complex64, np.complex128):
            raise ValueError(f"psi is {state.psi.dtype} of shape {state.psi.shape}: must be complex, {domain.shape}")
        if not state.psi.flags.c_contiguous:
            raise ValueError("psi must be contiguous")
        if external is not None and external.shape != domain.shape:
            raise ValueError(f"external has shape {external.shape}: must be {domain.shape}")
        self.psi, self.grid, self.domain = state.psi, grid, domain
        self.limits, self.alarms, self.gravity, self.external = limits, alarms, gravity, external
        self.work, self.mass, self.balance, self.health = state.work, state.mass, state.balance, state.health
        planes, ny, nz = domain.shape
        self.spectrum = xp.empty((planes, ny, nz // 2 + 1) if gravity else (0, ny, 1), state.psi.dtype)
        if gravity and in_place(domain):
            self.potential = lines_of(self.spectrum)
        else:
            self.potential = xp.zeros(domain.shape, state.psi.real.dtype)
            if external is not None:
                self.potential += external
        self.buffer = None
        if domain.ranks.size > 1:
            self.buffer = xp.empty(prod(domain.transposed_shape(nz)), state.psi.dtype)
        # of complex and of real transforms, for this rank's lines
        x, y, z = (grid.wavenumbers(axis) ** 2 for axis in range(3))
        y = y[domain.lines]
        self.squares = SquaredWavenumbers(x, y, z, domain.backend)
        self.squares_real = SquaredWavenumbers(x, y, grid.wavenumbers(2, real=True) ** 2, domain.backend)
        self.one_pass = fits(domain.cells[0], domain.backend)
        self.largest_potential = 0.0
        self._kick = (0.0, 0.0)
        self._warned: set[str] = set()

    def state(self, times: Times) -> WaveState:
        """The state that may be saved."""
        return WaveState(self.psi, times, self.work, self.mass, self.balance, self.health)

    def longest_stage(self, drift_rate: float, kick_rate: float) -> float:
        """The lesser of the two limits."""
        kinetic = 0.5 * self.grid.k_squared_max * drift_rate
        potential = self.largest_potential * kick_rate
        return min(
            self.limits.kinetic / kinetic if kinetic > 0 else inf,
            self.limits.potential / potential if potential > 0 else inf,
        )

    def update_forces(self) -> None:
        """Find Phi of the present |psi|^2, and its largest size."""
        backend, nz = self.domain.backend, self.grid.cells[2]
        extremes = {}

        def before(planes: slice, cells: np.ndarray) -> None:
            squared_modulus(self.psi[planes], backend, cells)

        strength = self.gravity / self.grid.points

        def multiply(modes: np.ndarray, columns: slice) -> None:
            divide_by_k_squared(modes, columns, self.squares_real, strength, backend)

        def one_pass(lines: np.ndarray) -> None:
            green_along_x(lines, self.squares_real, strength, backend)

        def after(planes: slice, cells: np.ndarray) -> None:
            if self.external is not None:
                cells[..., :nz] += self.external[planes]
            if not in_place(self.domain):
                self.potential[planes] = cells
            extremes[planes.start] = largest_size(cells, nz, backend)

        if self.gravity:
            multiply_real_modes(
                self.spectrum, self.domain, before, multiply, after, self.buffer, one_pass if self.one_pass else None
            )
        elif self.external is not None:
            extremes[0] = float(abs(self.potential).max())
        # numpy's maximum, unlike Python's, is NaN where one of the numbers is
        self.largest_potential = float(np.max(self.domain.ranks.allgather(np.max([0.0, *extremes.values()]))))
        if not np.isfinite(self.largest_potential):
            raise on_all_ranks(RunError("psi is no longer finite"))

    def kick(self, factor: float, growth: float) -> None:
        """Note the kick as due: it is done where the next transform begins."""
        self._kick = (factor, growth)

    def drift(self, factor: float) -> None:
        """Kick, and multiply every mode by exp(-i k^2/2 factor)."""
        phases, backend = Phases(self.squares, 0.5 * factor, 1 / self.grid.points), self.domain.backend

        def multiply(modes: np.ndarray, columns: slice) -> None:
            multiply_phases(modes, columns, phases, backend)

        def one_pass(lines: np.ndarray) -> None:
            phases_along_x(lines, phases, backend)

        def restore(mass: float) -> None:
            nonlocal phases
            phases = phases.scaled(self._restoring(mass))

        self._through_modes(multiply, restore, one_pass if self.one_pass else None)

    def _restoring(self, mass: float) -> float:
        """Factor of psi that undoes what round-off did to the mass of a single-precision wave; 1 in double precision.

        A transform there and back in single precision is not quite unitary: cuFFT's loses 5e-7 of the mass, always.
        """
        if self.mass is None or self.psi.dtype != np.complex64 or not mass > 0:
            return 1.0
        ratio = self.mass / mass
        return float(np.sqrt(ratio)) if abs(ratio - 1) <= _ROUND_OFF else 1.0

    def measure(self, times: Times, scale_factor: float) -> None:
        """Kick, find Health, and warn or stop where it exceeds a limit."""
        sums, divisor = {}, float(self.grid.points)

        def restore(mass: float) -> None:
            nonlocal divisor
            divisor = self.grid.points / self._restoring(mass)

        def multiply(modes: np.ndarray, columns: slice) -> None:
            sums[columns.start] = weigh_k_squared(modes, columns, self.squares, self.domain.backend)
            modes /= modes.real.dtype.type(divisor)

        mass, potential = self._through_modes(multiply, restore)
        kinetic = self.domain.ranks.allreduce(sum(sums[start] for start in sorted(sums)))
        kinetic *= 0.5 / float(self.grid.points) ** 2
        balance = kinetic + scale_factor * potential
        if self.balance is None or self.mass is None:
            self.mass, self.balance = mass, balance
        phase_change, unresolved = _phase_changes(self.psi, self.domain, mass)
        self.health = Health(
            epoch=times.epoch,
            step=times.step,
            mass=mass,
            mass_error=mass / self.mass - 1,
            kinetic=kinetic,
            potential=potential,
            energy_error=(balance - self.work - self.balance) / max(kinetic + scale_factor * abs(potential), 1e-300),
            phase_change=phase_change,
            unresolved=unresolved,
        )
        self._alarm(self.health)

    def _through_modes(
        self,
        multiply: Callable[[np.ndarray, slice], None],
        restore: Callable[[float], None],
        one_pass: Callable[[np.ndarray], None] | None = None,
    ) -> tuple[float, float]:
        """Do the kick that is due, multiply the modes; returns <|psi|^2> and W at the time of the kick.

        restore             called with <|psi|^2> before modes are multiplied
        multiply, one_pass  as for parallel.fft.multiply_modes
        """
        backend = self.domain.backend
        factor, growth = self._kick
        sums: dict[int, np.ndarray] = {}
        found: list[np.ndarray] = []

        def before(planes: slice) -> None:
            psi = self.psi[planes]
            weights = potential_phase(psi, self.potential[planes], factor, backend)
            if self.external is not None:  # no energy of its own: counts in full, not half
                outside = self.external[planes] * squared_modulus(psi, backend)
                weights[0, 1] += float(outside.sum(dtype=float))
            sums[planes.start] = weights

        def between() -> None:
            # plane by plane in their order: the same sum on any number of ranks
            mine = np.concatenate([sums[start] for start in sorted(sums)])
            found.extend(np.concatenate(self.domain.ranks.allgather(mine)).sum(axis=0) / self.grid.points)
            restore(float(found[0]))

        multiply_modes(self.psi, self.domain, before, multiply, self.buffer, between, one_pass)
        self._kick = (0.0, 0.0)
        mass, energy = found
        potential = 0.5 * float(energy)
        self.work += potential * growth
        return float(mass), potential

    def _alarm(self, health: Health) -> None:
        """Warn, once for every kind, or stop."""
        for name, line in self.alarms.raised(health).items():
            if self.alarms.stop:
                raise on_all_ranks(RunError(line))
            if name not in self._warned and self.domain.ranks.is_root:
                log.warning(line)
            self._warned.add(name)


def _phase_changes(psi: np.ndarray, domain: Domain, mean: float) -> tuple[float, float]:
    """phase_change and unresolved of Health; mean  of |psi|^2."""
    beyond = neighbour_plane(psi[:1], domain, 1)
    blocks = plane_blocks(domain, 8 * psi.dtype.itemsize)
    found: dict[int, np.ndarray] = {}

    def measure(planes: slice) -> None:
        rest = psi[planes.stop : planes.stop + 1] if planes.stop < len(psi) else beyond
        sums = phase_changes(psi[planes], rest, 0.5 * mean, domain.backend)
        found[planes.start] = np.array([*sums[:, :2].sum(axis=0), sums[:, 2].max()])

    domain.backend.for_each(blocks, measure)
    mine = np.array([found[start] for start in sorted(found)])
    everywhere = np.concatenate(domain.ranks.allgather(mine))
    total, fast = everywhere[:, :2].sum(axis=0)
    return float(everywhere[:, 2].max()), float(fast / total) if total > 0 else 0.0
