"""Error budget of P_1f: how it changes where one choice of its model is made in another way, one at a time.

The spectra that are compared are relative to all matter, to whose power they add: relative to the filaments themselves,
what changes their number would cancel.

Filaments of one nu = m r0 sigma/hbar share their states (spectra/scaled_population.py): those of a few nu, for each
method of weights, serve all bosons, masses and choices. They are spread over ranks and cached, and so is the spectrum
of each choice.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from attrs import evolve

from ..config.cache_keys import key_of
from ..config.config import Config
from ..errors import InputError
from ..filament.eigenstates import eigenstates, estimated_states
from ..filament.profile import SteadyStateCylinder
from ..io import schema
from ..io.result_file import GroupWriter
from ..population.population import Population
from ..spectra.one_filament import OneFilamentSpectrum, population_density, relative_change
from ..spectra.scaled_filament import ScaledFilament, tabulated
from ..spectra.scaled_population import FIRST, LAST, STEP, ScaledPopulation
from .model import population_of, weights_of
from .population_filaments import Boson, scaled_population
from .sizes import ModelSize
from .stage import Context
from .switches import population_switches
from .tasks import Arrays, arrays_of
from .window_haloes import outside_haloes

log = logging.getLogger(__name__)

OWN, HALOES, ALL_MASSES = "", "haloes", "all_masses"
SUMMARY_K = 10.0, 100.0  # [h/Mpc], of the numbers in the summary
LEAST_TOLD = 0.02  # in ln P_1f, of choices that the summary names
WORST_LATTICE = 0.02  # difference of the spectra from few nu to those of the run, above which a warning says so


@dataclass(frozen=True)
class Choice:
    """A choice of the model made in another way.

    name  of the dataset;  text  what is other, section.key = value;  config  with it
    """

    name: str
    text: str
    config: Config

    @property
    def method(self) -> str:
        """Method of the weights."""
        return self.config.wavefunction.weights


def choices_of(config: Config) -> list[Choice]:
    """The choice of the run itself, and all others."""
    choices = [Choice(OWN, "", config)]
    for switch in population_switches(config):
        name = switch.name.split(".", 1)[1].replace(" = ", "_")
        choices.append(Choice(name, switch.name, switch.config))
    section, population = config.one_filament, config.population
    if section.mass_function == "collapse":
        window = evolve(section, mass_min=population.mass_min, mass_max=population.mass_max)
        if window != section:
            text = f"[one_filament] masses = {population.mass_min:g} to {population.mass_max:g}"
            choices.append(Choice(ALL_MASSES, text, replace(config, one_filament=window)))
        choices.append(Choice(HALOES, "without the mass that is in haloes", config))
    return choices


@dataclass(frozen=True, eq=False)
class Nu:
    """The states of nu = STEP^power in units of r0/a, whose spectra up to k_max are a pipeline.tasks.Task."""

    config: Config
    power: int
    k_max: float
    steps: ClassVar[int] = 1

    @property
    def method(self) -> str:
        """Method of the weights."""
        return self.config.wavefunction.weights

    @property
    def name(self) -> str:
        """Name of its part in the cache."""
        return f"budget-{self.method}-nu_{self.power}"

    @cached_property
    def profile(self) -> SteadyStateCylinder:
        """The equilibrium."""
        return SteadyStateCylinder(1.0, STEP**self.power, self.config.one_filament.beta, 1.0)

    @cached_property
    def cost(self) -> float:
        """Time, in arbitrary units."""
        return estimated_states(self.profile, self.config.wavefunction.energy_cut) ** 2

    @property
    def seconds(self) -> float:
        """Time, roughly."""
        size = ModelSize(self.config, self.profile)
        return size.solving_seconds(self.method) + size.exact_seconds()

    def key(self, context: Context) -> dict[str, Any]:
        """Everything that its spectra depend on."""
        names = "wavefunction", "-wavefunction.time", "-wavefunction.axial", "one_filament.beta"
        arithmetic = context.backend.arithmetic
        return key_of(self.config, "budget", names, power=self.power, k_max=self.k_max, backend=arithmetic)

    def compute(self, context: Context, step: Callable[[], None]) -> Arrays:
        """Their spectra."""
        wave = self.config.wavefunction
        library = eigenstates(self.profile, wave.energy_cut, threads=context.threads)
        weight = weights_of(self.config, self.profile, library).weight
        step()
        return tabulated(self.profile, library, weight, self.k_max, context.backend, wave.weights)


@dataclass(frozen=True, eq=False)
class Changed:
    """P_1f of a boson with a choice, times the square of the mean density: a pipeline.tasks.Task."""

    boson: Boson
    choice: Choice
    scaled: ScaledPopulation
    solved: Mapping[tuple[str, int], ScaledFilament]
    k: np.ndarray
    steps: ClassVar[int] = 1
    cost: ClassVar[float] = 1.0

    @property
    def name(self) -> str:
        """Name of its part in the cache."""
        return f"budget-m22_{self.boson.m22:g}-{self.choice.name or 'own'}"

    def key(self, context: Context) -> dict[str, Any]:
        """Everything that it depends on."""
        names = "cosmology", "wavefunction", "-wavefunction.time", "population", "-population.m22", "one_filament"
        arithmetic = context.backend.arithmetic
        return key_of(self.boson.of_run, self.name, names, m22=self.boson.m22, backend=arithmetic)

    def compute(self, context: Context, step: Callable[[], None]) -> Arrays:
        """The spectrum, NaN where there is a reason why there is none, and the mean density of the filaments."""
        boson, section, of_boson = self.boson, self.boson.section, self.boson.mass_function
        share: Callable[[np.ndarray], np.ndarray] = np.ones_like
        if self.choice.name == HALOES:
            share = outside_haloes(boson.population, boson.m22, (section.mass_min, section.mass_max))
        density = population_density(lambda mass: share(mass) * of_boson(mass), section.mass_min, section.mass_max)
        solved = {power: self.solved[self.choice.method, power] for power in self.scaled.needed}
        power, reason = np.full(len(self.k), np.nan), ""
        try:
            power, _ = self.scaled.spectra(
                self.k,
                solved,
                lambda mass: share(mass) ** 2 * of_boson(mass),  # of the mass that is left
                1.0,
                section.statistics,
                boson.config.wavefunction.axial,
                section.mode_mass,
            )
        except InputError as error:
            reason = str(error)
        step()
        return {"power": power, "density": np.array(density), "reason": np.array(reason)}


@dataclass(frozen=True, eq=False)
class Budget:
    """The budget of one boson.

    k            [h/Mpc], shape (k,)
    ratios       P_1f with each choice over that of the run, both relative to all matter, shape (k,) each
    densities    mean density of the filaments with each choice over that of the run
    texts        what is other
    quadrature   error of the integral over masses of the run;  lattice  largest relative difference of the run's P_1f
                 from that of few nu
    """

    m22: float
    k: np.ndarray
    ratios: dict[str, np.ndarray]
    densities: dict[str, float]
    texts: dict[str, str]
    quadrature: float
    lattice: float

    @property
    def line(self) -> str:
        """The budget at two wavenumbers, the largest changes first."""
        at = [k for k in SUMMARY_K if self.k[0] <= k <= self.k[-1]] or [float(self.k[0])]
        found = {name: np.interp(np.log(at), np.log(self.k), ratio) for name, ratio in self.ratios.items()}
        size = {name: float(np.max(np.abs(np.log(values)))) for name, values in found.items()}
        told = sorted((name for name in found if size[name] >= LEAST_TOLD), key=lambda name: -size[name])
        changes = [f"{name} {', '.join(f'{value:.3g}' for value in found[name])}" for name in told]
        changes.append(f"others within {100 * LEAST_TOLD:g} %")
        where = ", ".join(f"{k:g}" for k in at)
        return (
            f"budget of P_1f, m22 = {self.m22:g}, k = {where} h/Mpc: {'; '.join(changes)}; "
            f"integral over masses {self.quadrature:.1e}"
        )

    def write(self, file: GroupWriter) -> None:
        """Write /one_filament_power/<boson>/budget."""
        folder = f"/{schema.ONE_FILAMENT}/{schema.boson(self.m22)}/{schema.BUDGET}"
        file.group(folder, {"k": self.k}, quadrature_error=self.quadrature, lattice_error=self.lattice)
        for name, ratio in self.ratios.items():
            file.dataset(f"{folder}/{name}", ratio, choice=self.texts[name], density_ratio=self.densities[name])


def budgets(context: Context, spectra: Mapping[float, OneFilamentSpectrum]) -> list[Budget]:
    """The budgets of all bosons; all ranks call this."""
    k = next(iter(spectra.values())).k
    cases = _cases(context, tuple(spectra))
    needed: dict[tuple[str, int], float] = {}
    for _, choice, scaled in cases:
        for power, unit in scaled.needed.items():
            name = choice.method, power
            needed[name] = max(needed.get(name, 0.0), float(k[-1]) * unit)
    configs = {choice.method: choice.config for _, choice, _ in cases}
    nus = {(method, power): Nu(configs[method], power, k_max) for (method, power), k_max in needed.items()}
    found = arrays_of(context, list(nus.values()), "filaments of the budget")
    solved = {name: ScaledFilament.from_arrays(found[nu.name]) for name, nu in nus.items()}
    tasks = [Changed(boson, choice, scaled, solved, k) for boson, choice, scaled in cases]
    changed = arrays_of(context, tasks, "spectra of the budget")
    return [
        _budget(m22, spectrum, [task for task in tasks if task.boson.m22 == m22], changed)
        for m22, spectrum in spectra.items()
    ]


def budget_seconds(config: Config) -> float:
    """Rough time of the budgets: that of the states of all nu."""
    configs = {choice.method: choice.config for choice in choices_of(config)}
    return sum(Nu(each, power, 1.0).seconds for each in configs.values() for power in range(FIRST, LAST + 1))


def _cases(context: Context, bosons: tuple[float, ...]) -> list[tuple[Boson, Choice, ScaledPopulation]]:
    """Every boson with every choice that has a population, and its filaments; the others are told."""
    known: dict[Any, Population] = {context.config.population: context.inputs.population}
    cases = []
    for choice in choices_of(context.config):
        config, section = choice.config, choice.config.one_filament
        try:
            if config.population not in known:
                known[config.population] = population_of(config, (section.mass_min, section.mass_max))
            population = known[config.population]
            for m22 in bosons:
                boson = Boson(config, population, m22)
                _ = boson.mass_function
                scaled = scaled_population(config, population, m22)
                _ = scaled.needed
                cases.append((boson, choice, scaled))
        except InputError as error:
            log.warning("the budget of P_1f leaves out %s: %s", choice.text, error)
            cases = [case for case in cases if case[1] is not choice]
    return cases


def _budget(m22: float, spectrum: OneFilamentSpectrum, tasks: list[Changed], changed: Mapping[str, Arrays]) -> Budget:
    """The ratios of one boson; choices without a spectrum are told."""
    found = {}
    for task in tasks:
        reason = str(changed[task.name]["reason"])
        if reason:
            log.warning("the budget of P_1f, m22 = %g, leaves out %s: %s", m22, task.choice.text or "all", reason)
        else:
            found[task.choice.name] = changed[task.name]
    if OWN not in found:
        return Budget(m22, spectrum.k, {}, {}, {}, spectrum.error, np.nan)
    own = found.pop(OWN)
    lattice = relative_change(spectrum.fdm, own["power"] / spectrum.density**2)
    if lattice > WORST_LATTICE:
        log.warning("the budget of P_1f, m22 = %g, is good to %.1g only: its modes are few", m22, lattice)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = {name: arrays["power"] / own["power"] for name, arrays in found.items()}
    densities = {name: float(arrays["density"] / own["density"]) for name, arrays in found.items()}
    texts = {task.choice.name: task.choice.text for task in tasks}
    return Budget(m22, spectrum.k, ratios, densities, texts, spectrum.error, lattice)
