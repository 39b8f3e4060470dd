"""How much memory the states of a filament take, and its exact spectra, before they are solved for."""

from dataclasses import dataclass
from functools import cached_property

from ..config.config import Config
from ..filament.eigenstates import axial_states, estimated_states, extent
from ..filament.model import Filament
from ..filament.profile import Profile
from ..filament.weights import RADII_PER_HALF_WAVE
from ..parallel.backend import cpu_count
from ..spectra.phase_average import memory_needed
from .model import for_boson, profile_of

_EIGENPROBLEMS = 3  # copies of the states while they are solved for
_EXACT_POINTS = 2.25, -48  # nodes of the exact spectra from those of the states, a line
_EXACT_WAVENUMBERS = 0.93, 230  # of their table, likewise
_FITS = ("adaptive_lasso", "poisson", "least_squares")


@dataclass(frozen=True)
class ModelSize:
    """The states of one filament, counted by their phase-space area."""

    config: Config
    profile: Profile

    @classmethod
    def of(cls, config: Config, filament: Filament) -> "ModelSize":
        """The states of a filament for its boson."""
        return cls(config, profile_of(for_boson(config, filament.m22), filament))

    @classmethod
    def of_largest(cls, config: Config, filaments: list[Filament]) -> "ModelSize":
        """The states of the filament with the largest line mass."""
        return max((cls.of(config, filament) for filament in filaments), key=lambda size: size.profile.line_mass)

    @property
    def energy_cut(self) -> float:
        """[wavefunction] energy_cut, a mass fraction."""
        return self.config.wavefunction.energy_cut

    @cached_property
    def modes(self) -> float:
        """Number of states."""
        return estimated_states(self.profile, self.energy_cut)

    @cached_property
    def extent(self) -> tuple[float, float, int]:
        """Largest energy, radius where the states end, and number of nodes, as filament.eigenstates.extent."""
        return extent(self.profile, self.energy_cut)

    @property
    def states(self) -> int:
        """Memory of all states at all nodes [bytes]."""
        return int(self.modes) * self.extent[2] * 8

    def solving(self, methods: tuple[str, ...]) -> dict[str, int]:
        """Memory while the states are solved for, and while weights are fitted by one of these methods [bytes]."""
        memory = {"model": _EIGENPROBLEMS * self.states}
        if set(methods) & set(_FITS):
            # the response of every radius to every mode, and a copy of what is in use
            radii = self.config.wavefunction.radii or RADII_PER_HALF_WAVE * axial_states(self.profile, self.energy_cut)
            memory["weights"] = self.states + int(1.5 * 8 * self.modes * radii)
        return memory

    @property
    def exact_spectra(self) -> int:
        """Memory of exact spectra, and of the states [bytes]."""
        nodes = self.extent[2]
        points, wavenumbers = (int(slope * nodes + start) for slope, start in (_EXACT_POINTS, _EXACT_WAVENUMBERS))
        return self.states + memory_needed(self.modes, points, wavenumbers, cpu_count())
