"""The power of all matter: linear power, filaments, and the haloes in them, with fringes and without."""

from typing import ClassVar

import numpy as np

from ..config.config import Config
from ..errors import InputError
from ..io import schema
from ..io.result_file import GroupWriter
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from ..population.population import Population
from ..spectra.single_filament import DETACHED
from .haloes import extrapolation
from .inputs import Inputs
from .one_filament_table import FromTable
from .population import POPULATION_CHOICES
from .population_filaments import Boson
from .stage import Context, Estimate, Stage
from .total_objects import Matter, check_haloes, no_table, require_collapse, table_of_haloes

_TABLE_SECONDS, _TABLE_BYTES = 10.0, 300 << 20  # of the states of the table of haloes at exact_l_max = 140
_BOSON_SECONDS, _BOSON_BYTES = 0.6, 64 << 20
_COLUMNS = 14  # of a result, numbers of 8 bytes


class TotalPowerStage(Stage):
    """Spectra of haloes and of all matter, of CDM and of every boson of the population."""

    section: ClassVar[str] = "total_power"
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            "total_power",
            "power of all matter, its parts, and where it leaves its smooth counterpart and CDM",
            "total_power.total_power",
            (schema.TOTAL_POWER,),
        ),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """Everything about filaments and haloes."""
        return ("cosmology", "wavefunction", "-wavefunction.time", "population", "one_filament", "halo", self.section)

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """InputError for what has no haloes, for haloes that are all core, and filaments that no table covers."""
        config = inputs.config
        require_collapse(config)
        check_haloes(config, config.total_power.mass_min, config.population.m22)
        population = inputs.population
        with config.errors_in("population"):
            for m22 in (None, *config.population.m22):
                population.halo_mass_function(m22)
        for m22 in config.population.m22:
            try:
                FromTable.of(Boson(config, population, m22))
            except InputError as error:
                raise no_table(error) from None
        warnings, last = extrapolation(config), population.power.k_max
        if config.one_filament.k_max > last:
            ends = f"power of all matter: ends at {last:.4g} h/Mpc, as linear power does, before [one_filament] k_max"
            warnings.append(ends)
        return warnings

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Those of the last sums over states, and of terms of the sums over masses."""
        config = inputs.config
        larger, bosons = config.total_power.exact_l_max / 140, 1 + len(config.population.m22)
        memory = int(_TABLE_BYTES * larger**3) + _BOSON_BYTES
        seconds = _TABLE_SECONDS * (0.3 + 0.7 * larger**4) + _BOSON_SECONDS * bosons
        disk = 8 * bosons * (_COLUMNS * config.one_filament.points + 3 * config.population.masses)
        return Estimate({"haloes": memory}, disk, seconds)

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """The haloes, and how their spectra are computed."""
        section = inputs.config.total_power
        window = f"haloes of {section.mass_min:g} to {section.mass_max:g} Msun/h"
        return [
            f"power of all matter: {window}, sums over states up to l_max = {section.exact_l_max}, the limit beyond"
        ]

    def run(self, context: Context) -> list[str]:
        """Make the table of haloes, sum over masses, and write, on rank 0."""
        with context.timer("total power"):
            lines = context.ranks.on_root(lambda: _run(context)) or []
        context.timer.log("total power")
        return lines


def _run(context: Context) -> list[str]:
    config, population, section = context.config, context.inputs.population, context.config.total_power
    window, bosons = (section.mass_min, section.mass_max), config.population.m22
    k = np.geomspace(config.one_filament.k_min, config.one_filament.k_max, config.one_filament.points)
    k = k[(k >= population.power.k_min) & (k <= population.power.k_max)]
    with config.errors_in("halo"):
        table = table_of_haloes(config, bosons, window, section.exact_l_max, context.cache)
    matter = {m22: Matter.of(config, population, k, m22, window, table) for m22 in (None, *bosons)}
    cold, lines = matter[None], []
    for m22, each in matter.items():
        _write_haloes(context.file, config, population, each, table.exact_nu)
        columns = columns_of(each, cold)
        found = {} if m22 is None else {name: detached(columns, name) for name in schema.MARKS_OF_TOTAL}
        marks = {name: k for name, k in found.items() if k is not None}
        _write_total(context.file, config, m22, columns, marks)
        if m22 is not None:
            lines.append(_line(m22, marks))
    exact = f"exact up to l_max = {section.exact_l_max}, nu = {table.exact_nu:.3g}, the semiclassical limit beyond"
    return [*lines, f"haloes of {section.mass_min:g} to {section.mass_max:g} Msun/h: {exact}"]


def columns_of(matter: Matter, cold: Matter) -> dict[str, np.ndarray]:
    """The datasets of /total_power/<boson>."""
    total = matter.total
    columns = {
        "k": total.k,
        "linear": total.linear,
        "filaments_smooth": total.filaments_smooth,
        "haloes_smooth": total.haloes_smooth,
        "power_smooth": total.smooth,
    }
    if matter.m22 is None:
        return columns
    alone, alone_smooth = matter.filaments_alone
    return columns | {
        "filaments_fringes": total.filaments_fringes,
        "haloes_fringes": total.haloes_fringes,
        "power_fdm": total.power,
        "power_cdm": cold.total.smooth,
        "filaments_alone_fdm": alone,
        "filaments_alone_smooth": alone_smooth,
    }


def detached(columns: dict[str, np.ndarray], mark: str) -> float | None:
    """k [h/Mpc] where the first power of a mark passes DETACHED times the second; None where it does nowhere."""
    above, below = (columns[name] for name in schema.MARKS_OF_TOTAL[mark])
    rows = (above > 0) & (below > 1e-12 * below.max())
    ratio = above[rows] / below[rows]
    beyond = np.flatnonzero(ratio > DETACHED)
    if not len(beyond):
        return None
    first, k = int(beyond[0]), columns["k"][rows]
    if not first:
        return float(k[0])
    pair = slice(first - 1, first + 1)
    return float(np.exp(np.interp(np.log(DETACHED), np.log(ratio[pair]), np.log(k[pair]))))


def _line(m22: float, marks: dict[str, float]) -> str:
    names = {"k_detach_filaments": "filaments alone", "k_detach_smooth": "all matter", "k_detach_cdm": "over CDM"}
    told = ", ".join(
        f"{what} {f'from {marks[name]:.4g}' if name in marks else 'nowhere'}" for name, what in names.items()
    )
    return f"power of all matter, m22 = {m22:g}: more than {DETACHED:g} times smooth or CDM's, [h/Mpc]: {told}"


def _write_haloes(file: GroupWriter, config: Config, population: Population, matter: Matter, exact_nu: float) -> None:
    """/halo_mass_function/<boson> and /one_halo_power/<boson>."""
    m22, section = matter.m22, config.total_power
    function = population.halo_mass_function(m22)
    choices = {name: getattr(config.population, name) for name in POPULATION_CHOICES}
    choices |= {"redshift": config.cosmology.redshift}
    file.group(
        f"/{schema.HALO_MASS_FUNCTION}/{schema.boson(m22)}",
        {
            "mass": function.mass,
            "dn_dlnm": function.dn_dlnm,
            "share_in_haloes": _shares(population, function.mass, m22),
        },
        m22=m22,
        error=function.error,
        **choices,
    )
    total = matter.total
    columns = {"k": total.k, "power_smooth": total.haloes_smooth}
    attributes: dict[str, object] = {}
    if m22 is not None:
        columns["power_fdm"] = total.haloes_smooth + total.haloes_fringes
        attributes = {"exact_nu": exact_nu, "exact_l_max": section.exact_l_max, "statistics": config.halo.statistics}
    names = ("concentration", "concentration_factor", "core_factor", "soliton", "energy_cut")
    file.group(
        f"/{schema.ONE_HALO}/{schema.boson(m22)}",
        columns,
        m22=m22,
        mass_min=section.mass_min,
        mass_max=section.mass_max,
        redshift=config.cosmology.redshift,
        **{name: getattr(config.halo, name) for name in names},
        **attributes,
    )


def _shares(population: Population, masses: np.ndarray, m22: float | None) -> np.ndarray:
    """Shares of filaments that are in haloes, interpolated between a few masses."""
    few = np.geomspace(masses[0], masses[-1], 33)
    return np.interp(np.log(masses), np.log(few), population.halo_share(few, m22))


def _write_total(
    file: GroupWriter, config: Config, m22: float | None, columns: dict[str, np.ndarray], marks: dict[str, float]
) -> None:
    """/total_power/<boson>."""
    section, filaments = config.total_power, config.one_filament
    file.group(
        f"/{schema.TOTAL_POWER}/{schema.boson(m22)}",
        columns,
        m22=m22,
        redshift=config.cosmology.redshift,
        mass_min=filaments.mass_min,
        mass_max=filaments.mass_max,
        halo_mass_min=section.mass_min,
        halo_mass_max=section.mass_max,
        detach_threshold=DETACHED,
        **marks,
    )
