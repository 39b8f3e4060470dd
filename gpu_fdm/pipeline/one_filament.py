"""One-filament power spectra: means over the population."""

import logging
from collections.abc import Iterable, Mapping
from typing import ClassVar

import numpy as np

from ..config.config import Config
from ..errors import InputError
from ..filament.mode_fits import ModeFits
from ..io import schema
from ..io.result_file import GroupWriter
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from ..population.population import Population
from ..population.shapes import FIT_REDSHIFT
from ..spectra.one_filament import ClassicalSpectrum, MassFunction, OneFilamentSpectrum
from .budget import budget_seconds, budgets, choices_of
from .inputs import Inputs
from .one_filament_table import FromTable, from_tables
from .population import POPULATION_CHOICES
from .population_filaments import NODE_KEYS, Boson, classical_spectrum, converged, usual_masses
from .result_spectra import several_filaments
from .sizes import ModelSize
from .stage import Context, Estimate, Stage
from .window_haloes import WindowHaloes, halo_line

log = logging.getLogger(__name__)

TABLE_SECONDS, TABLE_MEMORY = 0.1, 16 << 20  # of a boson from the table, and of the table [bytes]
_NO_PLANE = 0.6  # of the time of exact spectra, without those in the plane
_BEYOND, _HALOES = 0.2, 0.4  # seconds for the mass beyond the energy cut of a filament; for the haloes of a boson
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
        Figure(
            "budget",
            "how choices of the model change one-filament spectra",
            "budget.budget",
            (f"{schema.ONE_FILAMENT}/m22_*/{schema.BUDGET}",),
        ),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """What the spectrum of one filament of the population depends on, but for its mass and boson."""
        return NODE_KEYS

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
        from_tables(_bosons(inputs))
        return []

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """The memory of the heaviest filament for the heaviest boson, and the time of nine of each boson."""
        config, method = inputs.config, inputs.config.wavefunction.weights
        section = config.one_filament
        masses = usual_masses(section)
        bosons = _bosons(inputs)
        in_table, direct = from_tables(bosons)
        sizes = [ModelSize.of(config, bosons[m22].filament(mass)) for m22 in direct for mass in masses]
        seconds = sum(each.solving_seconds(method) + _NO_PLANE * each.exact_seconds() + _BEYOND for each in sizes)
        seconds += TABLE_SECONDS * len(in_table) + _HALOES * (1 + len(bosons))
        if section.budget == "yes":
            seconds += budget_seconds(config)
        if not direct:
            return Estimate({"table of similarity": TABLE_MEMORY}, 0, seconds)
        size = _largest(direct, bosons)
        return Estimate({**size.solving((method,)), "exact spectra": size.exact_spectra()}, 0, seconds)

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """Number of modes of the heaviest filament, and of choices in the budget."""
        bosons = _bosons(inputs)
        in_table, direct = from_tables(bosons)
        lines = []
        if in_table:
            which = ", ".join(f"{m22:g}" for m22 in in_table)
            error = max(each.error for each in in_table.values())
            lines.append(f"one-filament spectra, m22 = {which}: from the table of similarity, error {error:.1e}")
        for m22, why in direct.items():
            modes, why = _largest((m22,), bosons).modes, f" ({why})" if why else ""
            how = f"sums over states{why}, about {modes:.4g} in the heaviest filament"
            lines.append(f"one-filament spectrum, m22 = {m22:g}: {how}")
        if inputs.config.one_filament.budget == "yes":
            lines.append(f"budget of P_1f: {len(choices_of(inputs.config)) - 1} other choices")
        return lines

    def run(self, context: Context) -> list[str]:
        """Solve filaments until the spectra of all bosons have converged, and write them."""
        config, section, title = context.config, context.config.one_filament, "one-filament spectra"
        k = np.geomspace(section.k_min, section.k_max, section.points)
        with context.timer(title):
            bosons = _bosons(context.inputs)
            in_table, reasons = from_tables(bosons)
            spectra, nodes = converged(context, {m22: bosons[m22] for m22 in reasons}, k)
            spectra = {m22: in_table[m22].spectrum(k) if m22 in in_table else spectra[m22] for m22 in bosons}
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
        haloes = context.ranks.on_root(lambda: _haloes(config, population, mass_functions))
        for m22, known in classical.items():
            attributes = choices | (haloes[m22].attributes if m22 in haloes else {})
            spectrum: OneFilamentSpectrum | None = None
            modes: Mapping[str, np.ndarray] = {}
            if m22 is not None:
                spectrum, modes = spectra[m22], in_table[m22].modes if m22 in in_table else bosons[m22].modes(nodes)
                attributes |= {"method": "table" if m22 in in_table else "direct"}
            write_one_filament(context.file, m22, spectrum, known, attributes, modes)
        line = halo_line(several_filaments(section.mass_min, section.mass_max), haloes.values())
        lines = [line] if line else []
        if section.budget == "yes":
            with context.timer("budget"):
                of_bosons = budgets(context, spectra)
            for budget in of_bosons:
                budget.write(context.file)
                lines.append(budget.line)
            context.timer.log("budget")
        _warn_of_fits({m22: ModeFits.stored(bosons[m22].modes(nodes)) for m22 in reasons})
        warn_of_modes(in_table)
        for m22, spectrum in spectra.items():
            how = "from the table of similarity" if m22 in in_table else f"{len(spectrum.masses)} masses"
            limit = f"P(k -> 0) = {classical[m22].limit:.4g} (Mpc/h)^3"
            lines.append(f"one-filament spectrum, m22 = {m22:g}: {how}, error {spectrum.error:.1e}, {limit}")
            if spectrum.error > section.tolerance and m22 not in in_table:
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


def _haloes(
    config: Config, population: Population, mass_functions: Mapping[float | None, MassFunction]
) -> dict[float | None, WindowHaloes]:
    """Haloes in the filaments of every boson and of CDM; none, and a warning, where there is no barrier of haloes."""
    window = config.one_filament.mass_min, config.one_filament.mass_max
    try:
        return {m22: WindowHaloes.of(population, m22, each, window) for m22, each in mass_functions.items()}
    except InputError as error:
        log.warning("one-filament spectra: the share of their mass that is in haloes is not known: %s", error)
        return {}


def _warn_of_fits(of_boson: dict[float, ModeFits | None]) -> None:
    """One warning about all filaments whose modes do not describe them."""
    told = [f"m22 = {m22:g}: {fits.text}" for m22, fits in of_boson.items() if fits is not None and fits.text]
    if told:
        log.warning(
            "one-filament spectra, %s; take a larger [one_filament] mass_min, another [wavefunction] weights, a higher "
            "energy_cut, or heavier bosons",
            "; ".join(told),
        )


def warn_of_modes(in_table: Mapping[float, FromTable]) -> None:
    """A line for each boson whose light filaments have few modes, and for each whose modes lack mass."""
    for m22, found in in_table.items():
        for line in found.doubts:
            log.warning("one-filament spectrum, m22 = %g: %s", m22, line)


def _bosons(inputs: Inputs) -> dict[float, Boson]:
    """The bosons of [population]."""
    return {m22: Boson(inputs.config, inputs.population, m22) for m22 in inputs.config.population.m22}


def _largest(which: Iterable[float], bosons: Mapping[float, Boson]) -> ModelSize:
    """The states of the heaviest filament for the heaviest of these bosons."""
    boson = bosons[max(which)]
    return ModelSize.of(boson.of_run, boson.filament(boson.section.mass_max))


def write_one_filament(
    file: GroupWriter,
    m22: float | None,
    spectrum: OneFilamentSpectrum | None,
    classical: ClassicalSpectrum,
    attributes: dict,
    modes: Mapping[str, np.ndarray] | None = None,
) -> None:
    """/one_filament_power/<cdm | m22_...>; attributes: the window of masses and the choices made.

    spectrum, modes  of the wave; None for CDM, which has only the classical one
    """
    columns = {"k": classical.k, "power_classical": classical.power}
    if spectrum is not None:
        columns |= {"power_fdm": spectrum.fdm, "power_smooth": spectrum.smooth, "masses": spectrum.masses}
    columns |= modes or {}
    file.group(
        f"/{schema.ONE_FILAMENT}/{schema.boson(m22)}",
        columns,
        m22=m22,
        error=None if spectrum is None else spectrum.error,
        density=classical.density,
        limit=classical.limit,
        **attributes,
    )
