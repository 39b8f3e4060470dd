"""One filament as data: what describes it, and its solution of profile, modes, weights and phases."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..parallel.backend import CPU, GPU
from ..quantities import takes
from ..units import CodeUnits
from ..values import brief
from .axial import AxialModes, axial_dispersion
from .eigenstates import Library
from .profile import Profile
from .wavefunction import WaveFunction, random_phases
from .weights import FITTED, Weights

END_SHARPNESS = 10.0  # of soft ends, over 1/length, where none is given
SOFT_END_REACH = 6.0  # in 1/sharpness beyond the end: erfc(6)/2 = 1e-17


@takes(
    mass="Msun/h",
    length="cMpc/h",
    r0="Mpc/h",
    sigma="km/s",
    centre="cMpc/h",
    sharpness="h/cMpc",
    m22="1e-22 eV",
)
@dataclass(frozen=True)
class Filament:
    """One filament; as attributes of /filaments/<number> in a result file.

    number     index in its gas, from 0: with the seed it sets the phases
    mass       [Msun/h], as the ini or the table gives it;  length  comoving [cMpc/h]
    r0         physical scale radius [Mpc/h];  sigma  velocity dispersion [km/s]; both None for a tabulated profile
    beta       velocity anisotropy
    centre     [cMpc/h], None for the middle of the box
    direction, orientation  vectors of the axis and of phi = 0, of any length
    sharpness  of the soft ends [h/cMpc];  m22  boson mass [1e-22 eV]
    """

    number: int
    mass: float
    length: float
    r0: float | None
    sigma: float | None
    beta: float
    centre: tuple | None
    direction: tuple
    orientation: tuple
    sharpness: float
    redshift: float
    m22: float


def segment_reach(filament: Filament) -> float:
    """How far a filament reaches from its middle along the axis, soft ends included [cMpc/h]."""
    return filament.length / 2 + SOFT_END_REACH / filament.sharpness


@brief
@dataclass(frozen=True, eq=False)
class Model:
    """A filament with its equilibrium, modes and wave function; everything but `filament` is in code units."""

    filament: Filament
    profile: Profile
    units: CodeUnits
    library: Library
    weights: Weights
    wave: WaveFunction

    @property
    def fringe_wavenumber(self) -> float:
        """Largest wavenumber of |psi|^2, twice that of psi [h/cMpc]."""
        return 2 * self.library.wavenumber_max / self.units.length

    @property
    def segment_mass(self) -> float:
        """Mass of |psi|^2 over the length of the filament [Msun/h]."""
        return self.wave.line_mass * self.units.line_mass * self.filament.length

    def missing_form_factor(self, wavenumber: ArrayLike, backend: CPU | GPU | None = None) -> NDArray:
        """missing_form_factor of this filament's modes."""
        return missing_form_factor(self.profile, self.library, self.weights.method, wavenumber, backend)

    def code_time(self, myr: float) -> float:
        """A time [Myr] in code units [T]."""
        return myr / self.units.time_myr

    @property
    def arrays(self) -> dict[str, NDArray]:
        """Eigenstates and weights, from which `library_and_weights` makes them again."""
        parts = (("library", Library, self.library), ("weights", Weights, self.weights))
        values = {f"{name}.{f.name}": getattr(part, f.name) for name, kind, part in parts for f in fields(kind)}
        return {name: np.asarray(value) for name, value in values.items() if value is not None}


def model_of(
    filament: Filament,
    profile: Profile,
    units: CodeUnits,
    library: Library,
    weights: Weights,
    seed: int,
    axial: str = "coherent",
) -> Model:
    """The model of a filament with random phases, which depend on the seed and on the filament's number.

    axial  one of axial.AXIAL: coherent, psi is the same all along the axis, or thermal, with momentum along it
    """
    waves = None
    if axial == "thermal":
        reach = segment_reach(filament) / units.length
        waves = AxialModes.of_segment(axial_dispersion(profile), reach, seed, filament.number)
    wave = WaveFunction(library, weights.weight, random_phases(library, seed, filament.number), waves)
    return Model(filament, profile, units, library, weights, wave)


def missing_form_factor(
    profile: Profile, library: Library, method: str, wavenumber: ArrayLike, backend: CPU | GPU | None = None
) -> NDArray:
    """Transform of the mass that modes leave out, with its own density, over the line mass; any shape.

    WKB weights, and those of a table, are of energies below the cut: it is the mass of the energies beyond. Fitted
    weights follow the whole density inside the turning point of the cut: it is the mass outside.

    method      of the weights;  wavenumber  k >= 0 comoving [1/L];  backend  CPU or GPU, where the integrals are summed
    """
    transform = profile.form_factor_outside if method in FITTED else profile.form_factor_beyond
    return transform(library.energy_cut, wavenumber, backend)


def library_and_weights(arrays: dict[str, NDArray]) -> tuple[Library, Weights]:
    """Eigenstates and weights from the arrays of a Model."""
    values: dict[str, Any] = {"optimality": None}
    for name, value in arrays.items():
        values[name.split(".")[1]] = value if value.ndim else value.item()
    library = Library(**{f.name: values[f.name] for f in fields(Library)})
    return library, Weights(**{f.name: values[f.name] for f in fields(Weights)})
