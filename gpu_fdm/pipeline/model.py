"""Explicit values for the physics from an ini: cosmology, population, filaments and their models.

config -> linear power, population -> filaments: one, a table, or drawn -> profile, eigenstates, weights, phases

What is wrong is raised as an InputError that names the ini file, the section, and the key where there is one.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from ..config.config import Config
from ..config.sections import PopulationSection
from ..config.shared_sections import DarkMatter
from ..errors import UnfitError
from ..filament.eigenstates import Library, eigenstates
from ..filament.gas import draw_gas
from ..filament.gas_table import FilamentTable, read_table
from ..filament.model import END_SHARPNESS, Filament, Model, library_and_weights, model_of
from ..filament.profile import Profile, SteadyStateCylinder
from ..filament.weights import Weights, choose_weights, weights_from_table
from ..io.tables import read_columns
from ..population.population import Population
from ..population.shapes import FIT_REDSHIFT, published_shape
from ..quantities import takes
from ..units import CodeUnits
from .linear_power import linear_power_of
from .measured import fit_of, measured_equilibrium
from .named_files import of_file

# (mass [Msun/h], beta) -> length [cMpc/h], r0 [Mpc/h, physical], sigma [km/s]
ShapeOfMass = Callable[[float, float], tuple[float, float, float]]


def dtype_of(config: Config) -> type[np.floating]:
    """Precision of densities, [run] precision."""
    return np.float32 if config.run.precision == "single" else np.float64


def for_boson(config: Config, m22: float) -> Config:
    """The config with another boson mass [1e-22 eV]."""
    return config if m22 == config.dark_matter.m22 else replace(config, dark_matter=DarkMatter(m22))


def code_units(config: Config) -> CodeUnits:
    """The code units of the boson of [dark_matter]."""
    return CodeUnits(config.dark_matter.m22, config.cosmology.h, config.cosmology.omega_m)


def needs_linear_power(config: Config) -> bool:
    """Whether any part of a config follows from the linear power."""
    if config.population or config.one_filament or config.simulation:
        return True
    if config.gas is not None:
        collapse = config.gas.number is not None and config.gas.shape == "collapse"
        return collapse or config.gas.halo_mass_min is not None
    section = config.filament
    if section is None or section.shape != "collapse":
        return False
    shape = (section.length,) if section.profile_table else (section.length, section.r0, section.sigma)
    return None in shape


@takes(masses="Msun/h")
def population_of(config: Config, masses: tuple[float, ...] = ()) -> Population:
    """The population of [population], or of its defaults where only shapes are asked for.

    masses  [Msun/h] that will be asked for besides those of the mass function
    """
    section = config.population or PopulationSection()
    power = linear_power_of(config)
    with config.errors_in("cosmology"):
        return Population(
            power,
            config.cosmology.h,
            config.cosmology.redshift,
            transfer=section.transfer,
            transfer_table=section.transfer_table,
            window=section.window,
            freeze_out=section.freeze_out,
            ellipticity=section.ellipticity,
            mass_min=section.mass_min,
            mass_max=section.mass_max,
            masses=section.masses,
            other_masses=(section.example_mass, *masses),
        )


def filaments(config: Config, shape: ShapeOfMass | None = None) -> list[Filament]:
    """All filaments that a config describes, in their order.

    shape  of a mass, where it is known already, for [filament] with shape = collapse
    Raises InputError where a value is missing that the mass cannot give, a table is wrong, or a box cannot hold them.
    """
    if config.gas is None:
        return [_single(config, shape)]
    if config.gas.table is None and config.gas.number is None:
        return []  # of haloes alone
    table = _read_gas(config) if config.gas.table else _draw_gas(config)
    return table.filaments(config.gas.beta, config.cosmology.redshift, config.dark_matter.m22)


def profile_of(config: Config, filament: Filament) -> Profile:
    """The equilibrium of a filament, in code units."""
    units, scale_factor = code_units(config), 1 / (1 + filament.redshift)
    if filament.r0 is None or filament.sigma is None:
        return measured_equilibrium(config, units)
    return SteadyStateCylinder(filament.r0 / units.length, filament.sigma / units.velocity, filament.beta, scale_factor)


def solve(config: Config, filament: Filament, threads: int | None = None) -> Model:
    """Profile, eigenstates, weights and phases of one filament.

    threads  CPUs to use, all where not given
    """
    wave = config.wavefunction
    profile = profile_of(config, filament)
    try:
        library = eigenstates(profile, wave.energy_cut, threads=threads)
        weights = weights_of(config, profile, library)
    except UnfitError as error:
        raise config.error("dark_matter", "m22", f"the filament of {filament.mass:.4g} Msun/h has {error}") from None
    return model_of(filament, profile, code_units(config), library, weights, config.run.seed, wave.axial)


def weights_of(config: Config, profile: Profile, library: Library) -> Weights:
    """Weights of the eigenstates of a profile, as [wavefunction] chooses them."""
    wave = config.wavefunction
    if wave.weights == "table":
        return of_file(config, "wavefunction", "weights_table", weights_from_table, library, profile)
    if wave.weights == "projection":
        from .cut_out import projected_weights  # sparse matrices, which other models do without

        return projected_weights(config, code_units(config), profile, library)
    return choose_weights(
        profile,
        library,
        wave.weights,
        l0_angular_momentum=wave.l0_angular_momentum,
        scatter=wave.scatter,
        radii=wave.radii,
    )


@takes()
def build_model(config: Config) -> Model:
    """The filament of a config, solved; the first of a gas. InputError for a config that has none."""
    config.require([("filament", "gas"), ("wavefunction",)], "build_model")
    for filament in filaments(config)[:1]:
        return solve(config, filament)
    raise config.error("gas", "number", "must be given, or a table: a model is of a filament, not of a halo")


def solved_before(config: Config, filament: Filament, arrays: dict[str, np.ndarray]) -> Model:
    """The model with the eigenstates and weights of Model.arrays, and its phases made anew."""
    library, weights = library_and_weights(arrays)
    seed, axial = config.run.seed, config.wavefunction.axial
    return model_of(filament, profile_of(config, filament), code_units(config), library, weights, seed, axial)


def _single(config: Config, known: ShapeOfMass | None) -> Filament:
    section, cosmology = config.filament, config.cosmology
    given = {"length": section.length, "r0": section.r0, "sigma": section.sigma}
    if section.profile_table is not None:
        for key in ("r0", "sigma"):
            if given.pop(key) is not None:
                raise config.error("filament", key, "must be empty where profile_table gives the profile")
    beta = section.beta
    if section.profile_fit == "cylinder":
        units = code_units(config)
        fitted = fit_of(config, units).values
        given |= {"r0": fitted["r0"][0] * units.length, "sigma": fitted["sigma"][0] * units.velocity}
        beta = fitted["beta"][0]
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
        of_mass = known or _shape_of_mass(config, section.shape, section.mass, section.mass)
        fits = dict(zip(("length", "r0", "sigma"), of_mass(section.mass, section.beta), strict=True))
    shape = {key: fits[key] if value is None else value for key, value in given.items()}
    return Filament(
        number=0,
        mass=section.mass,
        length=shape["length"],
        r0=shape.get("r0"),
        sigma=shape.get("sigma"),
        beta=beta,
        centre=section.centre,
        direction=section.direction,
        orientation=section.orientation,
        sharpness=END_SHARPNESS / shape["length"] if section.sharpness is None else section.sharpness,
        redshift=cosmology.redshift,
        m22=config.dark_matter.m22,
    )


def _shape_of_mass(config: Config, name: str, mass_min: float, mass_max: float) -> ShapeOfMass:
    """The shape of a mass between two: published, the fits for z = 4, or collapse, as [population] describes it."""
    if name == "published":
        return published_shape

    @cache  # at the first mass: what else is wrong is cheaper to find
    def population() -> Population:
        return population_of(config, (mass_min, mass_max))

    def from_collapse(mass: float, beta: float) -> tuple[float, float, float]:
        with config.errors_in("population"):
            shape = population().shape(mass, config.dark_matter.m22, beta)
        return float(shape.length), float(shape.r0), float(shape.sigma)

    return from_collapse


def _read_gas(config: Config) -> FilamentTable:
    return of_file(config, "gas", "table", read_table, config.box.size)


def _draw_gas(config: Config) -> FilamentTable:
    gas = config.gas
    assert gas.number is not None  # Config has checked it: there is no table
    mass_table = None
    if gas.mass_function is not None:
        columns = of_file(config, "gas", "mass_function", read_columns, ("mass", "dn_dlnm"))
        mass_table = columns["mass"], columns["dn_dlnm"]
    with config.errors_in("gas"):
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
            shape=_shape_of_mass(config, gas.shape, gas.mass_min, gas.mass_max),
            centres=gas.centres,
            min_distance=gas.min_distance,
            overlap_mass_fraction=gas.overlap_mass_fraction,
            max_attempts=gas.max_attempts,
        )
