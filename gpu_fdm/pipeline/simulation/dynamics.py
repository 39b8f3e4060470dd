"""A wave and particles behind one interface: initial state, evolution, measurements, and the arrays of a checkpoint."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, TypeVar

import numpy as np

from ...fields.particles import ParticleGrid, deposit_batches
from ...io.result_file import Writer
from ...kernels.wave import squared_modulus
from ...parallel.backend import CPU, GPU
from ...parallel.domain import Domain
from ...parallel.fft import in_place
from ...simulation.initial_conditions import particles_from_modes, wave_from_modes
from ...simulation.integrator import Times
from ...simulation.particle_mesh import ParticleState, evolve_particles
from ...simulation.schroedinger_poisson import Alarms, WaveLimits, WaveState, evolve_wave
from ...simulation.second_order import LARGEST_RATIO, to_second_order
from ...spectra.particles import particle_spectrum
from ...spectra.power import PowerSpectrum, power_spectrum
from ..stage import Context
from . import snapshots
from .checkpoint import Saved
from .needs import BATCH, BATCH_ON_CARD
from .setup import Setup

log = logging.getLogger(__name__)

WATCH = 32  # steps between two looks at the health of a wave
_COLUMNS = "position", "momentum"


State = WaveState | ParticleState
S = TypeVar("S", WaveState, ParticleState)


@dataclass(frozen=True)
class Dynamics(ABC, Generic[S]):
    """What a run needs of a wave or of particles; all ranks call everything.

    cold  whether it begins with the power of CDM
    """

    context: Context
    setup: Setup
    cold: bool

    @property
    def backend(self) -> CPU | GPU:
        """The backend of the run, where its state is."""
        return self.context.backend

    @property
    def domain(self) -> Domain:
        """The grid, or mesh, of the run, where its state is."""
        return Domain(self.setup.box.cells, self.context.ranks, self.backend)

    @abstractmethod
    def initial(self) -> tuple[S, int]:
        """The state at redshift_start, and the order of perturbation theory to which it is right."""

    @abstractmethod
    def evolve(self, state: S, stops: Sequence[float], on_step: Callable[[S], None]) -> Iterator[S]:
        """States at the stops, and on_step(state) after every step."""

    @abstractmethod
    def spectrum(self, state: S) -> tuple[PowerSpectrum, np.ndarray | None]:
        """P(k), and what particles at random would have [(Mpc/h)^3]."""

    @abstractmethod
    def density(self, state: S) -> Any:
        """This rank's planes along x, where the state is [mean matter densities]."""

    @abstractmethod
    def write_state(self, file: Writer, state: S) -> None:
        """Write psi, or the particles, into a snapshot."""

    @abstractmethod
    def packed(self, state: S) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays, cut along their first axis, where they are, and numbers: what is unpacked; not the times."""

    @abstractmethod
    def unpacked(self, saved: Saved) -> S:
        """The state of a checkpoint."""


class WaveRun(Dynamics[WaveState]):
    """psi, on the backend of the run."""

    def initial(self) -> tuple[WaveState, int]:
        """To second order where the series converges, see simulation.second_order."""
        setup = self.setup
        modes = setup.modes(self.cold, setup.dtype, domain=self.domain)
        given = modes, setup.start, setup.background, setup.units
        psi, order = wave_from_modes(*given), 2
        ratio = to_second_order(psi, *given, order=setup.section.lagrangian_order)
        if ratio > LARGEST_RATIO:
            order = 1
            log.warning(
                "a wave with %s initial power begins to first order: the second is %.2g of it, more than %g "
                "(particles do not; start earlier for what is below their flows)",
                "CDM" if self.cold else "FDM",
                ratio,
                LARGEST_RATIO,
            )
        return WaveState(psi, Times.start(setup.start)), order

    def evolve(
        self, state: WaveState, stops: Sequence[float], on_step: Callable[[WaveState], None]
    ) -> Iterator[WaveState]:
        section = self.setup.section
        return evolve_wave(
            state,
            self.setup.grid,
            self.setup.clock,
            stops,
            order=section.order,
            limits=WaveLimits(section.kinetic_phase, section.potential_phase),
            watch=WATCH,
            alarms=Alarms(stop=section.alarms == "stop"),
            on_step=on_step,
            domain=self.domain,
        )

    def spectrum(self, state: WaveState) -> tuple[PowerSpectrum, np.ndarray | None]:
        density = squared_modulus(state.psi, self.backend)
        return power_spectrum(density, self.setup.box.size, domain=self.domain), None

    def density(self, state: WaveState) -> Any:
        return squared_modulus(state.psi, self.backend)

    def write_state(self, file: Writer, state: WaveState) -> None:
        snapshots.write_psi(file, self.setup.box, state.psi, self.context.ranks)

    def packed(self, state: WaveState) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        numbers = {name: getattr(state, name) for name in ("work", "mass", "balance")}
        return {"psi": state.psi}, numbers

    def unpacked(self, saved: Saved) -> WaveState:
        numbers: dict[str, Any] = {name: saved.numbers[name] for name in ("work", "mass", "balance")}
        return WaveState(self.backend.to_device(saved.arrays["psi"]), _times(saved), **numbers)


class ParticleRun(Dynamics[ParticleState]):
    """Positions and momenta, on the backend of the run, in double precision."""

    def initial(self) -> tuple[ParticleState, int]:
        setup, order = self.setup, self.setup.section.lagrangian_order
        modes = setup.modes(self.cold, np.float64, domain=self.domain)
        begin = setup.start, setup.background, setup.units
        return ParticleState(*particles_from_modes(modes, *begin, order=order), Times.start(setup.start)), order

    def evolve(
        self, state: ParticleState, stops: Sequence[float], on_step: Callable[[ParticleState], None]
    ) -> Iterator[ParticleState]:
        section, setup = self.setup.section, self.setup
        options: dict[str, Any] = {"order": section.order, "dtype": section.mesh_precision}
        return evolve_particles(state, setup.grid, setup.clock, stops, on_step=on_step, domain=self.domain, **options)

    def spectrum(self, state: ParticleState) -> tuple[PowerSpectrum, np.ndarray | None]:
        measured = particle_spectrum(self._batches(state), self.setup.box, "tsc", domain=self.domain)
        return measured.spectrum, measured.shot_noise

    def density(self, state: ParticleState) -> Any:
        grid = ParticleGrid(self.setup.box, "cic", dtype=self.setup.dtype, domain=self.domain)
        deposit_batches(self._batches(state), [grid])
        return grid.slab

    def write_state(self, file: Writer, state: ParticleState) -> None:
        omega_m = self.setup.config.cosmology.omega_m
        snapshots.write_particles(file, state, self.setup.box, self.setup.units, omega_m, self.context.ranks)

    def packed(self, state: ParticleState) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        columns = {"identity": state.identity}
        for name in _COLUMNS:
            columns |= {f"{name}_{axis}": row for axis, row in zip("xyz", getattr(state, name), strict=True)}
        return columns, {}

    def unpacked(self, saved: Saved) -> ParticleState:
        to_device = self.backend.to_device
        position, momentum = (
            self.backend.xp.stack([to_device(saved.arrays[f"{name}_{axis}"]) for axis in "xyz"]) for name in _COLUMNS
        )
        return ParticleState(position, momentum, to_device(saved.arrays["identity"]), _times(saved))

    def _batches(self, state: ParticleState) -> Iterator[tuple[Any, None]]:
        """Positions [cMpc/h] and no weights: all particles weigh the same, and there is one a cell."""
        length, batch = self.setup.units.length, BATCH_ON_CARD if in_place(self.domain) else BATCH
        for first in range(0, len(state.identity), batch):
            yield self.backend.xp.ascontiguousarray(state.position[:, first : first + batch].T) * length, None


def _times(saved: Saved) -> Times:
    numbers: dict[str, Any] = {item.name: saved.numbers[item.name] for item in fields(Times)}
    return Times(**numbers)
