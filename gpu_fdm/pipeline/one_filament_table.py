"""P_1f of a boson from a table of similarity, where one covers its filaments: no state is solved for."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import log
from pathlib import Path

import numpy as np

from ..config.config import Config
from ..config.sections import OneFilamentSection
from ..config.shared_sections import WavefunctionSection
from ..errors import InputError
from ..filament.mode_fits import LEAST_SUM
from ..parallel.blas import on_one_thread
from ..quadrature import gauss_legendre
from ..spectra.one_filament import OneFilamentSpectrum
from ..spectra.similarity.population import last_wavenumber, population_parts, relative_error
from ..spectra.similarity.recipe import Recipe
from ..spectra.similarity.store import table_for
from ..spectra.similarity.table import SimilarityTable
from .model import code_units
from .population_filaments import Boson, density_of, shape_of

LEAST_MASSES, DECADES = 24, 1.2  # nodes of the integral over ln M for so many decades; twice as many for twice as many
FEW_STATES = 0.9  # nu, 43 states: of fewer, the modes do not follow the density, and states cost nothing


def covering_table(config: Config, table: SimilarityTable | str | Path | None = None) -> SimilarityTable:
    """The table of similarity for the filaments of [one_filament] and the modes of [wavefunction], or their defaults.

    table  a table or its file; that of [one_filament], or else one of those that come with the package, where not given
    Raises InputError that names the key which no table covers, or the command that makes another table.
    """
    section, wave = config.one_filament or OneFilamentSection(), config.wavefunction or WavefunctionSection()
    for key, wanted in (("weights", "wkb"), ("axial", "coherent")):
        if (value := getattr(wave, key)) != wanted:
            what = f"[wavefunction] {key} = {value}: must be {wanted} for spectra from a table of similarity"
            raise InputError(f"{config.source}: {what}")
    given = {} if wave.l0_angular_momentum is None else {"l0_angular_momentum": wave.l0_angular_momentum}
    with config.errors_in("one_filament"):
        return table_for(
            Recipe(wave.energy_cut, section.beta, **(given if section.beta else {})),
            section.table if table is None else table,
        )


def mass_nodes(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Masses of a window [Msun/h], and steps of ln M, of the integral over masses; shape (masses,) both."""
    width = log(high / low)
    doublings = max(0, int(np.ceil(np.log2(width / log(10) / DECADES))))
    x, w = gauss_legendre(LEAST_MASSES << doublings)
    return low * np.exp(width * (1 + x) / 2), width / 2 * w


def doubts_of_modes(masses: np.ndarray, nu: np.ndarray, weight_sum: np.ndarray) -> list[str]:
    """A line where light filaments have few modes, and one where the modes of others lack mass.

    masses  [Msun/h];  weight_sum  share of the line mass that modes have; shape (masses,) all
    """
    few, lines = nu < FEW_STATES, []
    if few.any():
        lines.append(
            f"filaments of up to {masses[few].max():.3g} Msun/h have few modes (nu < {FEW_STATES:g}), which do not "
            "describe them; take a larger [one_filament] mass_min, or heavier bosons"
        )
    lack = (weight_sum <= LEAST_SUM) & ~few
    if lack.any():
        lines.append(
            f"the modes of filaments from {masses[lack].min():.3g} to {masses[lack].max():.3g} Msun/h do not describe "
            f"them: at worst they make {100 * weight_sum[lack].min():.3g} % of the line mass; take a larger "
            "[one_filament] mass_min, a higher energy_cut, or heavier bosons"
        )
    return lines


@dataclass(frozen=True, eq=False)
class FromTable:
    """The filaments of a boson in a table.

    masses, steps  of the integral, shape (masses,);  similarity  as in population_parts, shape (3, masses)
    """

    boson: Boson
    table: SimilarityTable
    masses: np.ndarray
    steps: np.ndarray
    similarity: np.ndarray

    @classmethod
    def of(cls, boson: Boson) -> "FromTable":
        """Raises InputError where no table covers the filaments."""
        section, cosmology, table = boson.section, boson.config.cosmology, covering_table(boson.config)
        masses, steps = mass_nodes(section.mass_min, section.mass_max)
        units = code_units(boson.config)
        shapes = [shape_of(boson.config, boson.population, mass, boson.m22) for mass in masses.tolist()]
        length, r0, sigma = np.array(shapes).T
        scale = r0 * (1 + cosmology.redshift)
        similarity = np.array([r0 * sigma / (units.length * units.velocity), length / scale, scale])
        with boson.config.errors_in("one_filament"):
            try:
                table.check(*similarity[:2])
            except InputError as error:
                raise InputError(f"m22 = {boson.m22:g}: {error}") from None
        return cls(boson, table, masses, steps, similarity)

    @property
    def few_states(self) -> np.ndarray:
        """Masses of filaments that have few states [Msun/h]."""
        return self.masses[self.similarity[0] < FEW_STATES]

    @property
    def weight_sum(self) -> np.ndarray:
        """Share of the line mass that modes have at the masses."""
        return self.table.mass(self.similarity[0])

    @property
    def doubts(self) -> list[str]:
        """What is to be said of filaments whose modes do not describe them."""
        return doubts_of_modes(self.masses, self.similarity[0], self.weight_sum)

    @property
    def error(self) -> float:
        """Of P_1f, relative, where it is above 1e-7 of its limit."""
        return relative_error(self.table.recipe.energy_cut)

    @on_one_thread
    def spectrum(self, k: np.ndarray) -> OneFilamentSpectrum:
        """P_1f; zero where the fringes of all filaments have ended."""
        section, mass_function = self.boson.section, self.boson.mass_function
        density = density_of(self.boson.config, mass_function)
        weight = self.steps * self.masses**2 * mass_function(self.masses) / density**2
        fdm, smooth = np.zeros(len(k)), np.zeros(len(k))
        rows = k <= last_wavenumber(self.similarity)
        if rows.any():
            parts = population_parts(self.table, k[rows], self.similarity, weight, section.mode_mass)
            fdm[rows], smooth[rows] = parts.power(section.statistics), parts.smooth
        return OneFilamentSpectrum(k, fdm, smooth, self.masses, self.error, density)

    @property
    def modes(self) -> Mapping[str, np.ndarray]:
        """Share of the line mass that modes have at the masses, by the names of datasets."""
        return {"masses": self.masses, "weight_sum": self.weight_sum}


def from_tables(bosons: Mapping[float, Boson]) -> tuple[dict[float, FromTable], dict[float, str]]:
    """The bosons whose spectra come from a table, and for the others why they do not.

    Raises InputError for the first that no table covers where [one_filament] method = table, and for a table that the
    config names and that is not of its states.
    """
    found, reasons = {}, {}
    for boson in [*bosons.values()][:1]:
        if boson.section.table is not None:
            covering_table(boson.config)
    for m22, boson in bosons.items():
        method = boson.section.method
        if method == "direct":
            reasons[m22] = ""
            continue
        try:
            of_table = FromTable.of(boson)
        except InputError as error:
            if method == "table":
                raise
            reasons[m22] = str(error).removeprefix(f"{boson.config.source}: ").removeprefix("[one_filament] ")
            continue
        if method == "auto" and len(of_table.few_states):
            least = of_table.similarity[0].min()
            reasons[m22] = f"nu = {least:.3g}: filaments of nu < {FEW_STATES:g} have few states"
        elif method == "auto" and boson.section.tolerance < of_table.error:
            less = f"less than the error of the table, {of_table.error:g}"
            reasons[m22] = f"tolerance = {boson.section.tolerance:g}, {less}"
        else:
            found[m22] = of_table
    return found, reasons
