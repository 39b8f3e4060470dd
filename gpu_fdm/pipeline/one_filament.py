"""One-filament power spectra: means over the population.

Single filaments are solved at nested Chebyshev masses: every level halves the steps, until the spectrum of each boson
has converged. The masses of all bosons are spread over ranks, and the spectrum of each is cached as soon as it is done.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..config.cache_keys import key_of
from ..config.config import Config
from ..config.sections import OneFilamentSection
from ..filament.eigenstates import estimated_states
from ..filament.mode_fits import ModeFits
from ..filament.model import END_SHARPNESS, Filament
from ..io import schema
from ..io.result_file import GroupWriter
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from ..population.population import Population
from ..population.shapes import FIT_REDSHIFT, published_mass_function, published_shape
from ..spectra.one_filament import (
    ClassicalSpectrum,
    MassFunction,
    OneFilamentSpectrum,
    chebyshev_masses,
    population_density,
)
from ..spectra.single_filament import single_power
from ..units import mean_matter_density
from .inputs import Inputs
from .model import for_boson, profile_of, solve
from .population import POPULATION_CHOICES
from .sizes import ModelSize
from .stage import Context, Estimate, Stage
from .tasks import Arrays, arrays_of

log = logging.getLogger(__name__)

FIRST_LEVEL, LAST_LEVEL = 2, 6  # 5 masses, then 9, 17, 33, and 65 at most
_NO_PLANE = 0.6  # of the time of exact spectra, without those in the plane
USUAL_LEVEL = 3  # at which the spectra have converged to a per cent
Nodes = dict[tuple[float, float], Arrays]  # of every boson and mass that was solved for
WINDOW_CHOICES = ("mass_min", "mass_max", "normalisation", "mass_function", "shape", "beta", "mode_mass", "statistics")


class OneFilamentStage(Stage):
    """P_1f of every boson of the population."""

    section: ClassVar[str] = "one_filament"
    selects: ClassVar[tuple[str, ...]] = ("one_filament",)
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            "one_filament",
            "one-filament spectra of the population",
            "spectra.one_filament",
            ("one_filament_power",),
        ),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """What the spectrum of one filament of the population depends on, but for its mass and boson."""
        return (
            "cosmology",
            "wavefunction",
            "-wavefunction.time",
            "population",
            "-population.m22",
            "-population.masses",
            self.section,
            "-one_filament.mass_function",
            "-one_filament.normalisation",
            "-one_filament.tolerance",
        )

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """InputError for masses beyond those of the population, and for fits at another redshift than theirs."""
        config, section = inputs.config, inputs.config.one_filament
        for key in ("mass_function", "shape"):
            if getattr(section, key) == "published" and config.cosmology.redshift != FIT_REDSHIFT:
                raise config.error(self.section, key, f"holds at z = {FIT_REDSHIFT:g} only")
        low, high = config.population.mass_min, config.population.mass_max
        for key in ("mass_min", "mass_max"):
            if section.mass_function == "collapse" and not low <= getattr(section, key) <= high:
                raise config.error(self.section, key, f"must be in [{low:g}, {high:g}], the masses of [population]")
        return []

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """The memory of the heaviest filament for the heaviest boson, and the time of nine of each boson."""
        config, method = inputs.config, inputs.config.wavefunction.weights
        size, section = _largest(inputs), config.one_filament
        masses = chebyshev_masses(section.mass_min, section.mass_max, USUAL_LEVEL).tolist()
        bosons = [Boson(config, inputs.population, m22) for m22 in config.population.m22]
        sizes = [ModelSize.of(config, boson.filament(mass)) for boson in bosons for mass in masses]
        seconds = sum(each.solving_seconds(method) + _NO_PLANE * each.exact_seconds() for each in sizes)
        return Estimate({**size.solving((method,)), "exact spectra": size.exact_spectra()}, 0, seconds)

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """Number of modes of the heaviest filament."""
        return [f"one-filament spectra: the heaviest filament has about {_largest(inputs).modes:.4g} modes"]

    def run(self, context: Context) -> list[str]:
        """Solve filaments until the spectra of all bosons have converged, and write them."""
        config, section, title = context.config, context.config.one_filament, "one-filament spectra"
        k = np.geomspace(section.k_min, section.k_max, section.points)
        with context.timer(title):
            bosons = {m22: Boson(config, context.inputs.population, m22) for m22 in config.population.m22}
            spectra, nodes = _converged(context, bosons, k)
            population = context.inputs.population
            mass_functions: dict[float | None, MassFunction] = {m22: bosons[m22].mass_function for m22 in bosons}
            if section.mass_function == "collapse":  # none of CDM is published
                mass_functions[None] = population.mass_function(None)
            classical = {
                m22: classical_spectrum(config, population, k, m22, mass_function)
                for m22, mass_function in mass_functions.items()
            }
        choices = {name: getattr(section, name) for name in WINDOW_CHOICES}
        choices |= {name: getattr(config.wavefunction, name) for name in ("weights", "axial")}
        choices |= {"redshift": config.cosmology.redshift}
        choices |= {name: getattr(config.population, name) for name in POPULATION_CHOICES}
        for m22, known in classical.items():
            spectrum, fits = (None, None) if m22 is None else (spectra[m22], bosons[m22].fits(nodes))
            write_one_filament(context.file, m22, spectrum, known, choices, fits)
        _warn_of_fits({m22: boson.fits(nodes) for m22, boson in bosons.items()})
        lines = []
        for m22, spectrum in spectra.items():
            lines.append(
                f"one-filament spectrum, m22 = {m22:g}: {len(spectrum.masses)} masses, error {spectrum.error:.1e}, "
                f"P(k -> 0) = {classical[m22].limit:.4g} (Mpc/h)^3"
            )
            if spectrum.error > section.tolerance:
                log.warning(
                    "one-filament spectrum, m22 = %g: error %.2g after %d masses, more than [one_filament] tolerance "
                    "= %g (few modes make it a rough function of mass: take wavefunction.weights = wkb)",
                    m22,
                    spectrum.error,
                    len(spectrum.masses),
                    section.tolerance,
                )
        context.timer.log(title)
        return lines


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
        return key_of(self.config, OneFilamentStage.section, OneFilamentStage().keys(self.config), m22=self.m22)

    def fits(self, nodes: Nodes) -> ModeFits:
        """How well the modes describe the filaments."""
        return ModeFits(*self._columns(nodes, "weight_sum", "rms_log_density"))

    def spectrum(self, k: np.ndarray, nodes: Nodes) -> OneFilamentSpectrum:
        """P_1f from the spectra of the filaments."""
        masses, fdm, smooth = self._columns(nodes, "fdm", "smooth")
        density = density_of(self.config, self.mass_function)
        return OneFilamentSpectrum.from_masses(k, masses, fdm, smooth, self.mass_function, density)

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
        """Spectra over M^2, and how well the modes describe the filament."""
        boson, section = self.boson, self.boson.section
        model = solve(boson.config, boson.filament(self.mass), context.threads)
        power = single_power(model, self.k, section.statistics, context.backend, plane=False)
        scale = model.weights.weight_sum**-2 if section.mode_mass == "scaled" else 1.0
        step()
        return {
            "fdm": scale * power.fdm,
            "smooth": scale * power.smooth,
            "weight_sum": np.array(model.weights.weight_sum),
            "rms_log_density": np.array(model.weights.rms_log_density),
        }


def _converged(
    context: Context, bosons: dict[float, Boson], k: np.ndarray
) -> tuple[dict[float, OneFilamentSpectrum], Nodes]:
    """P_1f of all bosons, from as many masses as each needs, and what they are made of."""
    section = context.config.one_filament
    nodes: Nodes = {}
    spectra: dict[float, OneFilamentSpectrum] = {}
    for level in range(FIRST_LEVEL, LAST_LEVEL + 1):
        unfinished = [m22 for m22 in bosons if m22 not in spectra or spectra[m22].error > section.tolerance]
        if not unfinished:
            break
        masses = chebyshev_masses(section.mass_min, section.mass_max, level).tolist()
        wanted = [Node(bosons[m22], mass, k) for m22 in unfinished for mass in masses if (m22, mass) not in nodes]
        found = arrays_of(context, wanted, "filaments")
        nodes |= {(node.boson.m22, node.mass): found[node.name] for node in wanted}
        for m22 in unfinished:
            spectra[m22] = bosons[m22].spectrum(k, nodes)
    return spectra, nodes


def _warn_of_fits(of_boson: dict[float, ModeFits]) -> None:
    """One warning about all filaments whose modes do not describe them."""
    told = [f"m22 = {m22:g}: {fits.text}" for m22, fits in of_boson.items() if fits.text]
    if told:
        log.warning(
            "one-filament spectra, %s; take a larger [one_filament] mass_min, another [wavefunction] weights, a higher "
            "energy_cut, or heavier bosons",
            "; ".join(told),
        )


def _largest(inputs: Inputs) -> ModelSize:
    """The states of the heaviest filament for the heaviest boson."""
    m22 = max(inputs.config.population.m22)
    boson = Boson(inputs.config, inputs.population, m22)
    return ModelSize.of(inputs.config, boson.filament(inputs.config.one_filament.mass_max))


def write_one_filament(
    file: GroupWriter,
    m22: float | None,
    spectrum: OneFilamentSpectrum | None,
    classical: ClassicalSpectrum,
    attributes: dict,
    fits: ModeFits | None = None,
) -> None:
    """/one_filament_power/<cdm | m22_...>; attributes: the window of masses and the choices made.

    spectrum, fits  of the wave; None for CDM, which has only the classical one
    """
    columns = {"k": classical.k, "power_classical": classical.power}
    if spectrum is not None:
        columns |= {"power_fdm": spectrum.fdm, "power_smooth": spectrum.smooth, "masses": spectrum.masses}
    if fits is not None:
        columns |= {"weight_sum": fits.weight_sum, "rms_log_density": fits.rms_log_density}
    file.group(
        f"/{schema.ONE_FILAMENT}/{schema.boson(m22)}",
        columns,
        m22=m22,
        error=None if spectrum is None else spectrum.error,
        density=classical.density,
        limit=classical.limit,
        **attributes,
    )
