"""Filaments and haloes of a boson, or of cold dark matter, as terms of the power of all matter."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..config.config import Config
from ..config.shared_sections import HaloSection
from ..errors import InputError
from ..haloes.form_factor import form_factor
from ..haloes.laws import CoredNFW
from ..haloes.relations import CONCENTRATIONS, concentration, core_radius, halo_radius, soliton_mass
from ..haloes.scaled import NU_MIN, HaloScaling, HaloTable, concentration_nodes, halo_table
from ..population.population import Population
from ..spectra.similarity.population import last_wavenumber
from ..spectra.total_power import Objects, TotalPower, total_power
from ..units import CodeUnits, mean_matter_density
from .one_filament_table import FromTable, covering_table, mass_nodes
from .population_filaments import Boson, shape_of

POINT = 1e-3  # core of a halo of cold dark matter over its scale radius
_MORE = 1.1  # nu of the table over that of the heaviest halo, so that similar runs share one
_NAME = "haloes"

log = logging.getLogger(__name__)


class Keeper(Protocol):
    """An io.cache.Cache, or what keeps arrays likewise."""

    def load(self, name: str, key: dict, *, report: bool) -> dict[str, np.ndarray] | None:
        """The arrays of a name and key, or None."""

    def store(self, name: str, key: dict, arrays: dict[str, np.ndarray]) -> None:
        """Keep them."""


def halo_sizes(config: Config, mass: np.ndarray, m22: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """nu, concentration and comoving radius [cMpc/h] of haloes of mass [Msun/h], shape (masses,) each."""
    section, cosmology = config.halo or HaloSection(), config.cosmology
    units, z = CodeUnits(m22, cosmology.h, cosmology.omega_m), cosmology.redshift
    definition = CONCENTRATIONS[section.concentration][0]
    radius = np.array([halo_radius(each, definition, cosmology.omega_m, z) for each in mass.tolist()])
    in_units = mass / (units.mean_matter_density * units.length**3)
    nu = np.sqrt(radius / units.length * in_units / (4 * np.pi * (1 + z)))
    c = [section.concentration_factor * concentration(each, z, section.concentration) for each in mass.tolist()]
    return nu, np.array(c), radius


def scaling_of(config: Config, exact_l_max: int) -> HaloScaling:
    """What haloes of all masses and bosons have in common at the redshift of a config."""
    section, cosmology, mass, m22 = config.halo or HaloSection(), config.cosmology, 1e10, 1.0
    nu, _, radius = halo_sizes(config, np.array([mass]), m22)
    numbers = mass, m22, cosmology.h, cosmology.omega_m, cosmology.redshift
    core = section.core_factor * core_radius(*numbers) / float(radius[0]) * float(nu[0])
    soliton = soliton_mass(*numbers) / mass * float(nu[0]) if section.soliton == "yes" else None
    with config.errors_in("halo"):
        return HaloScaling(core, soliton, section.energy_cut, section.statistics, exact_l_max)


def check_haloes(config: Config, lightest: float, bosons: tuple[float, ...]) -> None:
    """InputError for haloes whose core is most of them, or that have next to no states."""
    core = scaling_of(config, config.total_power.exact_l_max).core
    for m22 in bosons:
        nu = float(halo_sizes(config, np.array([lightest]), m22)[0][0])
        if nu < NU_MIN:
            least = lightest * (NU_MIN / nu) ** 1.5 * 1.001
            why = f"at m22 = {m22:g} the core of this halo is {core / nu:.2g} of its radius"
            raise config.error("total_power", "mass_min", f"must be at least {least:.3g}: {why}")


def table_of_haloes(
    config: Config, bosons: tuple[float, ...], window: tuple[float, float], exact_l_max: int, cache: Keeper | None
) -> HaloTable:
    """The table for haloes of a window of masses [Msun/h], from a cache, or made now and stored in it."""
    ends = np.geomspace(*window, 33)
    sizes = [halo_sizes(config, ends, m22) for m22 in bosons]
    nu_max = _MORE * max(float(nu.max()) for nu, _, _ in sizes)
    scaling, c = scaling_of(config, exact_l_max), sizes[0][1]
    nodes = concentration_nodes(float(c.min()), float(c.max()))
    key = {
        "core": scaling.core,
        "soliton": scaling.soliton,
        "energy_cut": scaling.energy_cut,
        "statistics": scaling.statistics,
        "exact_l_max": exact_l_max,
        "nu_max": nu_max,
        "concentration": nodes.tolist(),
    }
    if cache is not None and (arrays := cache.load(_NAME, key, report=False)) is not None:
        return HaloTable.from_arrays(scaling, arrays)
    log.info("states of haloes of these concentrations: computed once and kept, up to half a minute")
    table = halo_table(scaling, nu_max, nodes)
    if cache is not None:
        cache.store(_NAME, key, table.arrays)
    return table


def haloes(
    config: Config,
    population: Population,
    k: np.ndarray,
    m22: float | None,
    window: tuple[float, float],
    table: HaloTable,
) -> tuple[np.ndarray, Objects]:
    """Masses [Msun/h] of the nodes of a window, and the haloes there; of cold dark matter they are NFW."""
    mass, step = mass_nodes(*window)
    density = mean_matter_density(config.cosmology.omega_m)
    weight = step * mass**2 * population.halo_mass_function(m22)(mass) / density**2
    nu, c, radius = halo_sizes(config, mass, 1.0 if m22 is None else m22)
    core = np.full(len(mass), POINT) / c if m22 is None else table.scaling.core / nu
    laws = [CoredNFW(1 / each, size, 1.0) for each, size in zip(c.tolist(), core.tolist(), strict=True)]
    smooth = np.array([form_factor(law, k * size) for law, size in zip(laws, radius.tolist(), strict=True)])
    if m22 is None:
        return mass, Objects(weight, smooth, np.zeros(smooth.shape))
    fringes, deficit, of_all = table.parts(nu, c, radius[:, None] * k)
    return mass, Objects(weight, (smooth + deficit) / (1 + of_all[:, None]), fringes)


def filaments(boson: Boson, k: np.ndarray) -> tuple[np.ndarray, Objects]:
    """Masses [Msun/h] of the nodes of [one_filament], and the filaments there, from the table of similarity."""
    found = FromTable.of(boson)
    weight = _weight(boson.config, found.masses, found.steps, boson.mass_function)
    nu, ratio, scale = found.similarity
    smooth, fringes = np.zeros((2, len(found.masses), len(k)))
    rows = k <= last_wavenumber(found.similarity)
    if rows.any():
        _, interference, self_term, completed = found.table.parts(nu, ratio, scale[:, None] * k[rows])
        both = interference - self_term if boson.section.statistics == "fixed" else interference
        smooth[:, rows], fringes[:, rows] = completed, found.table.mass(nu)[:, None] ** 2 * both
    return found.masses, Objects(weight, smooth, fringes)


def cold_filaments(config: Config, population: Population, k: np.ndarray) -> tuple[np.ndarray, Objects]:
    """The same of cold dark matter."""
    section, table = config.one_filament, covering_table(config)
    masses, steps = mass_nodes(section.mass_min, section.mass_max)
    shapes = [shape_of(config, population, mass, None) for mass in masses.tolist()]
    length, r0, _ = np.array(shapes).T
    scale = r0 * (1 + config.cosmology.redshift)
    smooth = table.classical(length / scale, scale[:, None] * k)
    weight = _weight(config, masses, steps, population.mass_function(None))
    return masses, Objects(weight, smooth, np.zeros(smooth.shape))


def _weight(
    config: Config, masses: np.ndarray, steps: np.ndarray, mass_function: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    return steps * masses**2 * mass_function(masses) / mean_matter_density(config.cosmology.omega_m) ** 2


@dataclass(frozen=True)
class Matter:
    """The power of all matter of a boson, or of cold dark matter (m22 None), and what it is the sum of."""

    m22: float | None
    total: TotalPower
    filaments: Objects
    haloes: Objects

    @classmethod
    def of(
        cls,
        config: Config,
        population: Population,
        k: np.ndarray,
        m22: float | None,
        window: tuple[float, float],
        table: HaloTable,
    ) -> "Matter":
        """Raises InputError for filaments that no table covers, and where there are no haloes."""
        linear = population.power.at(k, config.cosmology.redshift) * population.cut_off(m22)(k) ** 2
        if m22 is None:
            masses, of_filaments = cold_filaments(config, population, k)
        else:
            masses, of_filaments = filaments(Boson(config, population, m22), k)
        halo_masses, of_haloes = haloes(config, population, k, m22, window, table)
        share = population.share_by_halo(masses, halo_masses, m22)
        return cls(m22, total_power(k, linear, of_filaments, of_haloes, share), of_filaments, of_haloes)

    @property
    def filaments_alone(self) -> tuple[np.ndarray, np.ndarray]:
        """P_1f with fringes and without, all mass counted as that of filaments, over all matter."""
        smooth = self.filaments.weight @ self.filaments.smooth
        return smooth + self.filaments.weight @ self.filaments.fringes, smooth


def require_collapse(config: Config) -> None:
    """InputError for filaments without haloes in them, or with other masses than these follow from."""
    if config.population.ellipticity != "collapse":
        reason = "must be collapse for haloes: with that of today's variance 1e-4 of all matter is in haloes"
        raise config.error("population", "ellipticity", reason)
    for key, wanted in (("mass_function", "collapse"), ("shape", "collapse"), ("mode_mass", "completed")):
        if getattr(config.one_filament, key) != wanted:
            raise config.error("one_filament", key, f"must be {wanted} for the power of all matter")
    low, high = config.population.mass_min, config.population.mass_max
    for key in ("mass_min", "mass_max"):
        if not low <= getattr(config.total_power, key) <= high:
            raise config.error("total_power", key, f"must be in [{low:g}, {high:g}], the masses of [population]")


def no_table(error: InputError) -> InputError:
    """The error of filaments that no table covers, with what can be done."""
    return InputError(f"{error}; the power of all matter needs a table: raise [one_filament] mass_min, or m22")
