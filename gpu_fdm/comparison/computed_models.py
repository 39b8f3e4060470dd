"""Boosts of the filament, or of the population, of a config, for the boson masses that a fit goes over.

Spectra of a population come from the table of similarity where it covers the filaments. Others are made of states that
are solved for beforehand, those that are needed, which many configs share.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Protocol

import numpy as np
from attrs import evolve
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ..config.config import Config
from ..errors import InputError
from ..filament.model import Filament
from ..pipeline.inputs import contents
from ..pipeline.model import code_units, filaments, for_boson, population_of, profile_of
from ..pipeline.one_filament_table import FromTable, from_tables
from ..pipeline.population_filaments import Boson, classical_spectrum, scaled_population
from ..pipeline.result_spectra import one_filament, several_filaments
from ..pipeline.single_power import FRINGES_AND_MORE
from ..population.population import Population
from ..population.shapes import published_mass_function
from ..spectra.boost import Boost, boost_of
from ..spectra.boost_grid import BoostGrid
from ..spectra.linear_theory import DENOMINATORS, matter_with, theory_boosts
from ..spectra.one_filament import FLOOR, MassFunction
from ..spectra.phase_average import NO_POWER
from ..spectra.scaled_population import STEP, ScaledPopulation
from ..spectra.single_filament import ROUND_OFF
from ..spectra.spectrum import COMOVING, NORMALISED, Spectrum
from ..units import mean_matter_density
from .states import Solved, States

GRID_MASSES = 9  # boson masses of the grid that a fit goes over
BEYOND = 1.1  # factor by which wavenumbers of a population go beyond those of a table
WAVENUMBERS = 120  # of a population
_SCANNED = 40  # boson masses at which nu is computed, to find those of given nu


class ComputedModels(Protocol):
    """Boosts of one config for several boson masses."""

    @property
    def objects(self) -> tuple[str, ...]:
        """What their boosts are of."""

    @property
    def needed(self) -> dict[States, float]:
        """States that must be solved for, and the largest k of each [1/L]."""

    def grid(self, solved: Solved, denominator: str, of: str) -> BoostGrid:
        """Boosts over a denominator, of an object; InputError where there is none."""


@dataclass(frozen=True, eq=False)
class SingleFilaments:
    """Boosts fdm/smooth and fdm/classical of the filament of a config.

    masses   first and last boson mass [1e-22 eV]
    lattice  nu at which states are solved for, increasing, and extended in equal ratios where it does not suffice; None
             for nu of boson masses in equal ratios
    """

    config: Config
    masses: tuple[float, float]
    lattice: tuple[float, ...] | None = None

    @property
    def objects(self) -> tuple[str, ...]:
        """The filament; boosts of a box do not say what they are of."""
        return one_filament(self.config.filament.mass), ""

    @cached_property
    def models(self) -> list[tuple[Config, Filament, States]]:
        """Config, filament and states of each boson mass, in their order."""
        bosons = self._masses_of_lattice if self.lattice and self._scales else np.geomspace(*self.masses, GRID_MASSES)
        models = []
        for number, m22 in enumerate(bosons.tolist()):
            config, filament = self._filament(m22)
            if not self._scales:
                models.append((config, filament, States.own(self.config, m22)))
                continue
            nu = self._lattice_between[number] if self.lattice else _nu(config, filament)
            models.append((config, filament, States.scaled(config, nu, filament.beta)))
        return models

    @property
    def nu(self) -> tuple[float, ...] | None:
        """nu of the states, None where they do not scale."""
        found = [states.nu for _, _, states in self.models if states.nu is not None]
        return tuple(found) if len(found) == len(self.models) and np.all(np.diff(found) > 0) else None

    @property
    def needed(self) -> dict[States, float]:
        """States, and k up to the largest of the spectra."""
        return {
            states: float(self._wavenumbers(config, filament)[-1]) * _unit(config, filament)
            for config, filament, states in self.models
        }

    def grid(self, solved: Solved, denominator: str, of: str) -> BoostGrid:
        """Boosts over smooth or classical."""
        if denominator not in ("smooth", "classical"):
            raise InputError(f"--fit: over {denominator}: one filament has boosts over smooth and over classical only")
        return BoostGrid(tuple(self._boost(solved, denominator, of, *model) for model in self.models))

    def _boost(
        self, solved: Solved, denominator: str, of: str, config: Config, filament: Filament, states: States
    ) -> Boost:
        k, unit, found = self._wavenumbers(config, filament), _unit(config, filament), solved[states]
        ends = filament.length, filament.sharpness
        fdm, smooth = found.power(k, unit, *ends, config.single_power.statistics, config.wavefunction.axial)
        metadata: dict[str, Any] = {"redshift": filament.redshift, "m22": filament.m22, "object": of}
        numerator = Spectrum(k, fdm, "fdm", NORMALISED, floor=ROUND_OFF, **metadata)
        if denominator == "classical":
            classical = found.particles(k, unit, *ends)
            return boost_of(numerator, Spectrum(k, classical, denominator, NORMALISED, **metadata))
        return boost_of(numerator, Spectrum(k, smooth, denominator, NORMALISED, floor=ROUND_OFF, **metadata))

    def _wavenumbers(self, config: Config, filament: Filament) -> NDArray:
        """k of the spectra [h/Mpc]: those of [single_power], as far as there is power."""
        section, profile, fraction = config.single_power, profile_of(config, filament), config.wavefunction.energy_cut
        cut = float(profile.potential(profile.radius_enclosing(fraction)))
        fringes = 2 * profile.scale_factor * np.sqrt(2 * cut) / code_units(config).length
        k = np.geomspace(section.k_min, section.k_max or FRINGES_AND_MORE * fringes, section.points)
        return k[k < NO_POWER * fringes]

    @property
    def _scales(self) -> bool:
        """Whether the states of one nu are those of all filaments of it."""
        return self.config.filament.profile_table is None and self.config.wavefunction.weights != "table"

    @cached_property
    def _population(self) -> Population:
        return population(self.config, self.config.filament.mass)

    def _filament(self, m22: float) -> tuple[Config, Filament]:
        """The config and the filament for a boson mass."""
        config = for_boson(self.config, m22)
        if config.filament.shape == "published":
            return config, filaments(config)[0]

        def from_collapse(mass: float, beta: float) -> tuple[float, float, float]:
            with config.errors_in("population"):
                shape = self._population.shape(mass, m22, beta)
            return float(shape.length), float(shape.r0), float(shape.sigma)

        return config, filaments(config, from_collapse)[0]

    @cached_property
    def _log_nu(self) -> CubicSpline:
        """ln nu of ln m22, a little beyond the boson masses too."""
        bosons = np.geomspace(self.masses[0] / 2, 2 * self.masses[1], _SCANNED)
        log_nu = np.log([_nu(*self._filament(m22)) for m22 in bosons.tolist()])
        if np.any(np.diff(log_nu) <= 0):
            raise InputError("r0 sigma of the filament: must rise with m22 for its spectra to be interpolated")
        return CubicSpline(np.log(bosons), log_nu)

    @cached_property
    def _lattice_between(self) -> list[float]:
        """nu of the lattice that enclose those of the boson masses."""
        lattice = list(self.lattice or ())
        low, high = np.exp(self._log_nu(np.log(self.masses)))
        while lattice[0] > low:
            lattice.insert(0, lattice[0] ** 2 / lattice[1])
        while lattice[-1] < high:
            lattice.append(lattice[-1] ** 2 / lattice[-2])
        first = np.searchsorted(lattice, low, side="right") - 1
        last = np.searchsorted(lattice, high, side="left")
        return lattice[first : last + 1]

    @property
    def _masses_of_lattice(self) -> NDArray:
        """m22 of filaments of these nu."""
        x = self._log_nu.x
        return np.exp(CubicSpline(self._log_nu(x), x)(np.log(self._lattice_between)))


@dataclass(frozen=True, eq=False)
class Populations:
    """Boosts of the population of a config: of its filaments, over smooth and classical, and of matter with these.

    masses       first and last boson mass [1e-22 eV]
    wavenumbers  first and last k of the tables [h/Mpc]
    window       of masses that the boosts are told to be of [Msun/h]: a fit may ask what another window would change
    """

    config: Config
    masses: tuple[float, float]
    wavenumbers: tuple[float, float]
    window: tuple[float, float]

    @property
    def objects(self) -> tuple[str, ...]:
        """The filaments, and matter with them."""
        filaments_of = several_filaments(*self.window)
        return filaments_of, matter_with(filaments_of)

    @cached_property
    def _population(self) -> Population:
        section = self.config.one_filament
        return population(self.config, section.mass_min, section.mass_max)

    @cached_property
    def _bosons(self) -> list[tuple[float, ScaledPopulation]]:
        bosons = np.geomspace(*self.masses, GRID_MASSES).tolist()
        return [(m22, scaled_population(self.config, self._population, m22)) for m22 in bosons]

    @property
    def _k(self) -> NDArray:
        """k of all boson masses, which the grid compares at equal k m22^(-1/2)."""
        shift = BEYOND * np.sqrt(self.masses[1] / self.masses[0])
        return np.geomspace(self.wavenumbers[0] / shift, self.wavenumbers[1] * shift, WAVENUMBERS)

    @cached_property
    def _in_table(self) -> dict[float, FromTable]:
        """The bosons whose spectra come from a table, as those of a run do: [one_filament] method."""
        config = _of_matter(self.config)
        found, _ = from_tables({m22: Boson(config, self._population, m22) for m22, _ in self._bosons})
        return found

    @property
    def needed(self) -> dict[States, float]:
        """States of the other bosons, and k up to the largest."""
        needed: dict[States, float] = {}
        for m22, scaled in self._bosons:
            if m22 in self._in_table:
                continue
            for power, unit in scaled.needed.items():
                states = self._states(power)
                needed[states] = max(needed.get(states, 0.0), float(self._k[-1]) * unit)
        return needed

    def _states(self, power: int) -> States:
        return States.scaled(self.config, STEP**power, self.config.one_filament.beta)

    def grid(self, solved: Solved, denominator: str, of: str) -> BoostGrid:
        """Boosts of the filaments, or of matter."""
        matter = of == self.objects[1]
        below = DENOMINATORS.get(denominator, (None, False))[0] if matter else denominator
        boosts = []
        for m22, scaled in self._bosons:
            spectra = self._spectra(solved, m22, scaled, below)
            found = {boost.denominator: boost for boost in self._boosts(spectra, m22, matter)}
            if denominator not in found:
                raise InputError(f"--fit: over {denominator}: {of} has no such boost")
            boosts.append(evolve(found[denominator], object=of, m22=m22))
        return BoostGrid(tuple(boosts))

    def _boosts(self, spectra: dict[str, Spectrum], m22: float, matter: bool) -> list[Boost]:
        if matter:
            return theory_boosts(self._population.power, self._population.cut_off(m22), spectra)
        return [boost_of(spectra["fdm"], spectrum) for name, spectrum in spectra.items() if name != "fdm"]

    def _spectra(self, solved: Solved, m22: float, scaled: ScaledPopulation, below: str | None) -> dict[str, Spectrum]:
        """P_1f relative to all matter, that of fdm and that below it, by the names that theory_boosts has for them."""
        section, redshift = self.config.one_filament, self.config.cosmology.redshift
        if m22 in self._in_table:
            found = self._in_table[m22].spectrum(self._k)
            fdm, smooth = found.fdm, found.smooth
        else:
            fdm, smooth = scaled.spectra(
                self._k,
                {power: solved[self._states(power)] for power in scaled.needed},
                self._mass_function(m22),
                mean_matter_density(self.config.cosmology.omega_m),
                section.statistics,
                self.config.wavefunction.axial,
                section.mode_mass,
            )
        powers = {"fdm": fdm}
        if below == "smooth":
            powers[below] = smooth
        elif below == "classical":
            powers[below] = self._classical(m22)
        elif below == "classical cdm" and section.mass_function == "collapse":  # none of CDM is published
            powers[below] = self._classical_cdm

        def spectrum(name: str, power: NDArray) -> Spectrum:
            boson, floor = None if name == "classical cdm" else m22, FLOOR * float(power.max())
            source = "one-filament spectra"
            return Spectrum(self._k, power, name, COMOVING, floor=floor, redshift=redshift, m22=boson, source=source)

        return {name: spectrum(name, power) for name, power in powers.items()}

    def _classical(self, m22: float | None) -> NDArray:
        """P_1f of filaments of particles, relative to all matter."""
        config = _of_matter(self.config)
        return classical_spectrum(config, self._population, self._k, m22, self._mass_function(m22)).power

    @cached_property
    def _classical_cdm(self) -> NDArray:
        return self._classical(None)

    def _mass_function(self, m22: float | None) -> MassFunction:
        if self.config.one_filament.mass_function == "published":
            return published_mass_function
        return self._population.mass_function(m22)


def _of_matter(config: Config) -> Config:
    """The config with one-filament spectra relative to all matter."""
    return replace(config, one_filament=evolve(config.one_filament, normalisation="matter"))


def population(config: Config, *masses: float) -> Population:
    """The population of a config, whose barrier is computed once; masses as for population_of."""
    of = Config(cosmology=config.cosmology, population=config.population)
    return _population_once(of, masses, tuple(content.tobytes() for content in contents(of).values()))


@lru_cache(maxsize=32)
def _population_once(config: Config, masses: tuple[float, ...], held: tuple[bytes, ...]) -> Population:
    """held  contents of tables: equal configs may name different ones."""
    return population_of(config, masses)


def _unit(config: Config, filament: Filament) -> float:
    """Comoving size of the unit of length of its states [cMpc/h]: r0/a where they scale, else the code unit."""
    scales = filament.r0 is not None and config.wavefunction.weights != "table"
    return filament.r0 * (1 + filament.redshift) if scales and filament.r0 else code_units(config).length


def _nu(config: Config, filament: Filament) -> float:
    """r0 sigma in code units."""
    assert filament.r0 is not None and filament.sigma is not None  # no filament with a tabulated profile comes here
    units = code_units(config)
    return float(filament.r0 * filament.sigma / (units.length * units.velocity))
