"""Filaments of a population, solved at nested Chebyshev masses: every level halves the steps, until P_1f has converged.

The masses of all bosons are spread over ranks, and the spectra of each are cached as soon as they are done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..config.cache_keys import key_of
from ..config.config import Config
from ..config.sections import OneFilamentSection
from ..filament.eigenstates import estimated_states
from ..filament.model import END_SHARPNESS, Filament
from ..population.population import Population
from ..population.shapes import published_mass_function, published_shape
from ..spectra.one_filament import (
    ClassicalSpectrum,
    MassFunction,
    OneFilamentSpectrum,
    chebyshev_masses,
    population_density,
)
from ..spectra.scaled_population import ScaledPopulation
from ..spectra.single_filament import mean_power, single_power
from ..units import mean_matter_density
from .model import code_units, for_boson, profile_of, solve
from .progress import progress
from .stage import Context
from .tasks import Arrays, arrays_of

FIRST_LEVEL, LAST_LEVEL = 2, 6  # 5 masses, then 9, 17, 33, and 65 at most
USUAL_LEVEL = 3  # at which the spectra have converged to a per cent
Nodes = dict[tuple[float, float], Arrays]  # of every boson and mass that was solved for
# keys of the ini that the spectra of a filament depend on, but for its mass and boson
NODE_KEYS = (
    "cosmology",
    "wavefunction",
    "-wavefunction.time",
    "population",
    "-population.m22",
    "-population.masses",
    "one_filament",
    *(
        f"-one_filament.{name}"
        for name in (
            "mass_function",
            "normalisation",
            "mode_mass",
            "statistics",
            "method",
            "table",
            "tolerance",
            "budget",
        )
    ),
)


@dataclass(frozen=True, eq=False)
class Boson:
    """The filaments of the population for one boson mass [1e-22 eV]."""

    of_run: Config
    population: Population
    m22: float

    @cached_property
    def config(self) -> Config:
        """The config with this boson mass."""
        return for_boson(self.of_run, self.m22)

    @property
    def section(self) -> OneFilamentSection:
        """[one_filament]."""
        return self.config.one_filament

    @cached_property
    def mass_function(self) -> MassFunction:
        """dn/dlnM [(h/Mpc)^3] of mass [Msun/h]."""
        if self.section.mass_function == "collapse":
            return self.population.mass_function(self.m22)
        return published_mass_function

    def filament(self, mass: float) -> Filament:
        """A filament of a mass [Msun/h]."""
        length, r0, sigma = shape_of(self.config, self.population, mass, self.m22)
        return Filament(
            number=0,
            mass=mass,
            length=length,
            r0=r0,
            sigma=sigma,
            beta=self.section.beta,
            centre=None,
            direction=(0.0, 0.0, 1.0),
            orientation=(1.0, 0.0, 0.0),
            sharpness=END_SHARPNESS / length,
            redshift=self.config.cosmology.redshift,
            m22=self.m22,
        )

    @cached_property
    def key(self) -> dict[str, Any]:
        """What the spectrum of a filament of any mass depends on."""
        return key_of(self.config, "one_filament", NODE_KEYS, m22=self.m22)

    def modes(self, nodes: Nodes) -> dict[str, np.ndarray]:
        """Masses of the filaments, and how well their modes describe them, by the names of datasets."""
        names = ("weight_sum", "rms_log_density", "missing_mass")
        return dict(zip(("masses", *names), self._columns(nodes, *names), strict=True))

    def spectrum(self, k: np.ndarray, nodes: Nodes) -> OneFilamentSpectrum:
        """P_1f from the spectra of the filaments."""
        masses, fdm, smooth = self.spectra(nodes)
        density = density_of(self.config, self.mass_function)
        return OneFilamentSpectrum.from_masses(k, masses, fdm, smooth, self.mass_function, density)

    def spectra(self, nodes: Nodes) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Masses of the filaments, and their spectra over M^2 of |psi|^2 and of the smooth part, shape (masses, k)."""
        section = self.section
        masses, modes, completed, interference, self_term, weight_sum = self._columns(
            nodes, "modes", "completed", "interference", "self_term", "weight_sum"
        )
        smooth = completed if section.mode_mass == "completed" else modes
        fdm = mean_power(smooth, interference, self_term, section.statistics)
        scale = weight_sum[:, None] ** -2 if section.mode_mass == "scaled" else 1.0
        return masses, scale * fdm, scale * smooth

    def _columns(self, nodes: Nodes, *names: str) -> tuple[np.ndarray, ...]:
        """Masses of the nodes of this boson, and arrays of theirs, in the order of mass."""
        masses = sorted(mass for m22, mass in nodes if m22 == self.m22)
        return np.array(masses), *(np.array([nodes[self.m22, mass][name] for mass in masses]) for name in names)


def shape_of(config: Config, population: Population, mass: float, m22: float | None) -> tuple[float, float, float]:
    """Length [cMpc/h], r0 [Mpc/h, physical] and sigma [km/s] of the filament of a mass [Msun/h]; m22 None is CDM."""
    section = config.one_filament
    if section.shape == "published":
        return published_shape(mass, section.beta)
    with config.errors_in("population"):
        shape = population.shape(mass, m22, section.beta)
    return float(shape.length), float(shape.r0), float(shape.sigma)


def scaled_population(config: Config, population: Population, m22: float) -> ScaledPopulation:
    """The filaments of a boson mass [1e-22 eV] as those of a few nu."""
    section, units = config.one_filament, code_units(for_boson(config, m22))

    def shapes(masses: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if section.shape == "published":
            lengths, r0, sigma = np.array([published_shape(mass, section.beta) for mass in masses.tolist()]).T
            return lengths, r0, sigma
        with config.errors_in("population"):
            shape = population.shape(masses, m22, section.beta)
        return shape.length, shape.r0, shape.sigma

    window = section.mass_min, section.mass_max
    return ScaledPopulation(shapes, window, units.length * units.velocity, 1 / (1 + config.cosmology.redshift))


def density_of(config: Config, mass_function: MassFunction) -> float:
    """The mean density that P_1f is relative to [(Msun/h) / (Mpc/h)^3]."""
    section = config.one_filament
    if section.normalisation == "population":
        return population_density(mass_function, section.mass_min, section.mass_max)
    return mean_matter_density(config.cosmology.omega_m)


def classical_spectrum(
    config: Config, population: Population, k: np.ndarray, m22: float | None, mass_function: MassFunction
) -> ClassicalSpectrum:
    """P_1f of the filaments of a boson mass [1e-22 eV], or of CDM (None), made of particles."""
    section = config.one_filament
    return ClassicalSpectrum.from_shapes(
        k,
        lambda mass: shape_of(config, population, mass, m22),
        section.beta,
        1 / (1 + config.cosmology.redshift),
        mass_function,
        (section.mass_min, section.mass_max),
        density_of(config, mass_function),
    )


@dataclass(frozen=True, eq=False)
class Node:
    """A filament of one mass [Msun/h], whose spectra over the mass squared are a pipeline.tasks.Task."""

    boson: Boson
    mass: float
    k: np.ndarray
    steps: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """Name of its part in the cache."""
        return f"filament-m22_{self.boson.m22:g}-{self.mass:.4e}"

    @cached_property
    def cost(self) -> float:
        """Time, in arbitrary units: the square of the number of states, as matrix products take."""
        config = self.boson.config
        return estimated_states(profile_of(config, self.boson.filament(self.mass)), config.wavefunction.energy_cut) ** 2

    def key(self, context: Context) -> dict[str, Any]:
        """Everything that its spectra depend on."""
        return {**self.boson.key, "mass": self.mass, "backend": context.backend.arithmetic}

    def compute(self, context: Context, step: Callable[[], None]) -> Arrays:
        """Parts of the spectra over M^2, and how well the modes describe the filament."""
        boson = self.boson
        model = solve(boson.config, boson.filament(self.mass), context.threads)
        power = single_power(model, self.k, "fixed", context.backend, plane=False, beyond=True)
        assert power.completed is not None  # beyond=True
        step()
        return {
            "modes": power.smooth,
            "completed": power.completed,
            "interference": power.interference,
            "self_term": power.self_term,
            "weight_sum": np.array(model.weights.weight_sum),
            "rms_log_density": np.array(model.weights.rms_log_density),
            "missing_mass": model.missing_form_factor(0.0),
        }


def usual_masses(section: OneFilamentSection) -> list[float]:
    """The masses of which most spectra need no more [Msun/h]."""
    return chebyshev_masses(section.mass_min, section.mass_max, USUAL_LEVEL).tolist()


def converged(
    context: Context, bosons: dict[float, Boson], k: np.ndarray
) -> tuple[dict[float, OneFilamentSpectrum], Nodes]:
    """P_1f of all bosons, from as many masses as each needs, and what they are made of."""
    section = context.config.one_filament
    nodes: Nodes = {}
    spectra: dict[float, OneFilamentSpectrum] = {}
    expected, begun = len(usual_masses(section)) * len(bosons), 0
    with progress("filaments", expected, context.ranks) as bar:
        for level in range(FIRST_LEVEL, LAST_LEVEL + 1):
            unfinished = [m22 for m22 in bosons if m22 not in spectra or spectra[m22].error > section.tolerance]
            if not unfinished:
                break
            masses = chebyshev_masses(section.mass_min, section.mass_max, level).tolist()
            wanted = [Node(bosons[m22], mass, k) for m22 in unfinished for mass in masses if (m22, mass) not in nodes]
            begun += len(wanted)
            bar.add(max(0, begun - expected))
            expected = max(begun, expected)
            found = arrays_of(context, wanted, "filaments", bar)
            nodes |= {(node.boson.m22, node.mass): found[node.name] for node in wanted}
            for m22 in unfinished:
                spectra[m22] = bosons[m22].spectrum(k, nodes)
    return spectra, nodes
