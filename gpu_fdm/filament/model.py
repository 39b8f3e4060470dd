"""Filaments as an ini describes them, one or a gas, and each of them solved: profile, modes, weights, phases."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from ..config.config import Config
from ..errors import InputError
from ..io.tables import read_columns
from ..population.population import Population
from ..population.shapes import FIT_REDSHIFT, published_shape
from ..units import CodeUnits
from .eigenstates import Library, eigenstates
from .gas import FilamentTable, draw_gas, read_table
from .profile import Profile, SteadyStateCylinder
from .tabulated import read_profile
from .wavefunction import WaveFunction, random_phases
from .weights import Weights, choose_weights, weights_from_table


@dataclass(frozen=True)
class Filament:
    """One filament; as attributes of /filaments/<number> in a result file.

    number     in its gas: with the seed it sets the phases
    mass       [Msun/h] that the ini or the table names;  length  [cMpc/h]
    r0         physical scale radius [Mpc/h];  sigma  [km/s]; both None for a tabulated profile
    centre     [cMpc/h], None for the middle of the box;  direction, orientation  as given
    sharpness  of the soft ends [h/cMpc]
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


@dataclass(frozen=True)
class Model:
    """One filament, solved: everything in code units but `filament`."""

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
        """Mass of |psi|^2 in the length that the filament has [Msun/h]."""
        return self.wave.line_mass * self.units.line_mass * self.filament.length

    def code_time(self, myr: float) -> float:
        """A time [Myr] in code units [T]."""
        return myr / self.units.time_myr

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Eigenstates and weights, which `solved_before` makes a Model of."""
        parts = (("library", Library, self.library), ("weights", Weights, self.weights))
        values = {f"{name}.{f.name}": getattr(part, f.name) for name, kind, part in parts for f in fields(kind)}
        return {name: np.asarray(value) for name, value in values.items() if value is not None}


def code_units(config: Config) -> CodeUnits:
    """The code units of a config."""
    return CodeUnits(config.dark_matter.m22, config.cosmology.h, config.cosmology.omega_m)


def filaments(config: Config) -> list[Filament]:
    """All filaments that a config describes, in their order.

    Raises InputError where a value is missing that the mass cannot give, a table is wrong, or a box cannot hold them.
    """
    if config.gas is None:
        return [_single(config)]
    table = _read_gas(config) if config.gas.table else _draw_gas(config)
    return [
        Filament(
            number=number,
            mass=float(table.mass[number]),
            length=float(table.length[number]),
            r0=float(table.r0[number]),
            sigma=float(table.sigma[number]),
            beta=config.gas.beta,
            centre=tuple(table.centre[number].tolist()),
            direction=tuple(table.direction[number].tolist()),
            orientation=tuple(table.orientation[number].tolist()),
            sharpness=10 / float(table.length[number]),
            redshift=config.cosmology.redshift,
            m22=config.dark_matter.m22,
        )
        for number in range(len(table))
    ]


def solve(config: Config, filament: Filament, threads: int | None = None) -> Model:
    """Profile, eigenstates, weights and phases of one filament.

    threads  CPUs to use, all where not given
    """
    wave = config.wavefunction
    profile = profile_of(config, filament)
    try:
        library = eigenstates(profile, wave.energy_cut, threads=threads)
    except ValueError as error:
        raise config.error("dark_matter", "m22", str(error)) from None
    if wave.weights == "table":
        weights = _of_file(config, "wavefunction", "weights_table", weights_from_table, library, profile)
    else:
        weights = choose_weights(
            profile,
            library,
            wave.weights,
            l0_angular_momentum=wave.l0_angular_momentum,
            scatter=wave.scatter,
            radii=wave.radii,
        )
    return _with_phases(config, filament, profile, library, weights)


def solved_before(config: Config, filament: Filament, arrays: dict[str, np.ndarray]) -> Model:
    """The model whose eigenstates and weights were kept; its phases are made anew."""
    values: dict[str, Any] = {"optimality": None}
    for name, value in arrays.items():
        values[name.split(".")[1]] = value if value.ndim else value.item()
    library = Library(**{f.name: values[f.name] for f in fields(Library)})
    weights = Weights(**{f.name: values[f.name] for f in fields(Weights)})
    return _with_phases(config, filament, profile_of(config, filament), library, weights)


def _with_phases(config, filament, profile, library, weights):
    phase = random_phases(library, config.run.seed, filament.number)
    wave = WaveFunction(library, weights.weight, phase)
    return Model(filament, profile, code_units(config), library, weights, wave)


def shape_of_mass(config: Config, name: str, mass_min: float, mass_max: float):
    """A function (mass [Msun/h], beta) -> length [cMpc/h], r0 [Mpc/h, physical], sigma [km/s], for a window of masses.

    name  published: the fits for z = 4; collapse: as [population] has it, for the boson of [dark_matter]
    """
    if name == "published":
        return published_shape
    population = Population(config, masses=(mass_min, mass_max))

    def from_collapse(mass, beta=0.0):
        shape = population.shape(mass, config.dark_matter.m22, beta)
        return float(shape.length), float(shape.r0), float(shape.sigma)

    return from_collapse


def _single(config):
    section, cosmology = config.filament, config.cosmology
    given = {"length": section.length, "r0": section.r0, "sigma": section.sigma}
    if section.profile_table is not None:
        for key in ("r0", "sigma"):
            if given.pop(key) is not None:
                raise config.error("filament", key, "must be empty where profile_table gives the profile")
    missing = [key for key, value in given.items() if value is None]
    if missing and section.shape == "published" and cosmology.redshift != FIT_REDSHIFT:
        raise config.error(
            "cosmology",
            "redshift",
            f"the published fits from mass to shape hold at z = {FIT_REDSHIFT:g} only; "
            f"at another redshift give [filament] {', '.join(missing)}, or take shape = collapse",
        )
    fits = {}
    if missing:
        of_mass = shape_of_mass(config, section.shape, section.mass, section.mass)
        fits = dict(zip(("length", "r0", "sigma"), of_mass(section.mass, section.beta), strict=True))
    shape = {key: fits[key] if value is None else value for key, value in given.items()}
    return Filament(
        number=0,
        mass=section.mass,
        length=shape["length"],
        r0=shape.get("r0"),
        sigma=shape.get("sigma"),
        beta=section.beta,
        centre=section.centre,
        direction=section.direction,
        orientation=section.orientation,
        sharpness=10 / shape["length"] if section.sharpness is None else section.sharpness,
        redshift=cosmology.redshift,
        m22=config.dark_matter.m22,
    )


def profile_of(config: Config, filament: Filament) -> Profile:
    """The equilibrium of a filament, in code units."""
    units, scale_factor = code_units(config), 1 / (1 + filament.redshift)
    if filament.r0 is None or filament.sigma is None:
        return _of_file(config, "filament", "profile_table", read_profile, units.length, filament.beta, scale_factor)
    return SteadyStateCylinder(filament.r0 / units.length, filament.sigma / units.velocity, filament.beta, scale_factor)


def _read_gas(config) -> FilamentTable:
    return _of_file(config, "gas", "table", read_table, config.box.size)


def _draw_gas(config) -> FilamentTable:
    gas = config.gas
    mass_table = None
    if gas.mass_function is not None:
        columns = _of_file(config, "gas", "mass_function", read_columns, ("mass", "dn_dlnm"))
        mass_table = columns["mass"], columns["dn_dlnm"]
    try:
        return draw_gas(
            gas.number,
            config.box.size,
            seed=config.run.seed,
            mass_min=gas.mass_min,
            mass_max=gas.mass_max,
            slope=gas.slope,
            mass_table=mass_table,
            beta=gas.beta,
            redshift=config.cosmology.redshift,
            shape=shape_of_mass(config, gas.shape, gas.mass_min, gas.mass_max),
            centres=gas.centres,
            min_distance=gas.min_distance,
            overlap_mass_fraction=gas.overlap_mass_fraction,
            max_attempts=gas.max_attempts,
        )
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{config.source}: [gas] {error}") from None


def _of_file(config, section, key, read, *arguments):
    """Read the file that a key names; what is wrong with it becomes an InputError that names the key."""
    path = getattr(getattr(config, section), key)
    try:
        return read(path, *arguments)
    except FileNotFoundError:
        raise config.error(section, key, "no such file") from None
    except (OSError, ValueError) as error:
        message = str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, ")
        raise config.error(section, key, message) from None
