"""How much memory and time the states of a filament take, and its exact spectra, before they are solved for.

Times are rough: they are those of two cores, from the table in docs/performance.md.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..config.config import Config
from ..filament.eigenstates import axial_states, estimated_states, extent
from ..filament.model import Filament
from ..filament.profile import Profile
from ..filament.weights import RADII_PER_HALF_WAVE
from ..parallel.backend import cpu_count
from ..spectra.phase_average import memory_needed
from ..spectra.sampled import BATCH_BYTES
from .model import code_units, for_boson, profile_of

_EIGENPROBLEMS = 3  # copies of the states while they are solved for
_EXACT_POINTS = 2.25, -48  # nodes of the exact spectra from those of the states, a line
_EXACT_WAVENUMBERS = 0.93, 30  # of their table, likewise
_STATES_A_SECOND = 1.3e4
_FIT = 2e-7  # seconds for each mode and radius of a fit
_EXACT_START, _EXACT_RATE = 0.15, 1.35e10  # seconds, multiply-adds a second
_DRAW = 1.2e-9  # seconds for each node of the states and value of rho_m of a draw
_POINTS_A_SECOND = 2e8  # of a plane, times the root of the number of states
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
    def fringe_wavenumber(self) -> float:
        """Twice the largest momentum of a mode [h/cMpc]."""
        depth = float(self.profile.potential(self.profile.radius_enclosing(self.energy_cut)))
        return float(2 * self.profile.scale_factor * np.sqrt(2 * depth) / code_units(self.config).length)

    @property
    def radii(self) -> int:
        """Number of radii at which weights are fitted."""
        return self.config.wavefunction.radii or RADII_PER_HALF_WAVE * axial_states(self.profile, self.energy_cut)

    @property
    def states(self) -> int:
        """Memory of all states at all nodes [bytes]."""
        return int(self.modes) * self.extent[2] * 8

    def solving(self, methods: tuple[str, ...]) -> dict[str, int]:
        """Memory while the states are solved for, and while weights are fitted by one of these methods [bytes]."""
        memory = {"model": _EIGENPROBLEMS * self.states}
        if set(methods) & set(_FITS):
            # the response of every radius to every mode, and a copy of what is in use
            memory["weights"] = self.states + int(1.5 * 8 * self.modes * self.radii)
        return memory

    def solving_seconds(self, method: str) -> float:
        """Time to solve for the states and to find their weights."""
        fit = _FIT * self.modes * self.radii if method in _FITS else 0.0
        return self.modes / _STATES_A_SECOND + fit

    def exact_spectra(self, in_plane: int = 0) -> int:
        """Memory of exact spectra, and of the states [bytes]; in_plane is the number of wavenumbers in the plane."""
        points, wavenumbers = self._exact_table
        return self.states + memory_needed(self.modes, points, wavenumbers + in_plane, cpu_count())

    def exact_seconds(self, in_plane: int = 0) -> float:
        """Time of exact spectra: all of it is in products of matrices."""
        points, wavenumbers = self._exact_table
        wavenumbers += in_plane
        orders = 3.5 * self.modes**0.5 + 1  # 2 l_max + 1: states fill a triangle of n and l
        return _EXACT_START + points**2 / 2 * (0.75 * orders**2 + 2 * orders * wavenumbers) / _EXACT_RATE

    def draws(self, number: int, in_plane: int) -> tuple[int, float]:
        """Memory [bytes] and time of draws of the phases, at so many wavenumbers in the plane."""
        points, _ = self._exact_table
        values = int(3.5 * self.modes**0.5 + 1) * points
        memory = 3 * min(BATCH_BYTES, 16 * values * number) + 16 * in_plane * number
        return memory, _DRAW * values * self.extent[2] * number

    def evaluation_seconds(self, points: float) -> float:
        """Time to sum all states at points of the plane."""
        return points * self.modes**0.5 / _POINTS_A_SECOND

    @property
    def _exact_table(self) -> tuple[int, int]:
        """Nodes and wavenumbers of the exact spectra."""
        nodes = self.extent[2]
        points, wavenumbers = (int(slope * nodes + start) for slope, start in (_EXACT_POINTS, _EXACT_WAVENUMBERS))
        return points, wavenumbers


def largest_of(sizes: Iterable[ModelSize]) -> ModelSize:
    """The one with the largest line mass."""
    return max(sizes, key=lambda size: size.profile.line_mass)
