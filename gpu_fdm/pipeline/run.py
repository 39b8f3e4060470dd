"""A run: the stages that a config asks for, over ranks; the command line and Python users call `run`.

config -> filaments -> solve -> cross_section, densities in the box -> power -> result file -> figures
"""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from ..config.cache_keys import key_of
from ..config.config import Config
from ..errors import InputError
from ..filament.model import Filament
from ..io.cache import Cache, fingerprint
from ..io.digest import is_intact
from ..io.lock import only_run
from ..io.result_file import RESULT_ENDINGS, atomic_result, require_writable
from ..parallel.backend import choose_on_ranks
from ..parallel.ranks import SERIAL, Ranks
from . import plan, results
from .box import box_warnings, fill_box, run_box
from .context import Context, StageTimer
from .densities import files_noted, forget_others, frames
from .filament import build_model, cross_section, describe_gas, run_cross_section, run_single_power, warn_of_fits
from .model import filaments
from .population import heaviest_filament, prepared_population, run_one_filament, run_population
from .simulation import run_simulation
from .simulation_setup import check_simulation
from .sources import Sources
from .steady_state import check_steady_state, run_steady_state, steady_state_cases

log = logging.getLogger(__name__)

__all__ = ["Outcome", "build_model", "check", "cross_section", "fill_box", "result_path", "run"]


@dataclass(frozen=True)
class Outcome:
    """What a run made: the result file, the figures, and lines to tell the user."""

    result: Path
    figures: tuple[Path, ...] = ()
    summary: tuple[str, ...] = ()


def run(config: Config, ranks: Ranks = SERIAL, fresh: bool = False) -> Outcome:
    """All stages that a config asks for; results appear under their final names when they are whole.

    What a run before has done, of this very config and code, is not done again, unless a fresh start is asked for.
    Every rank calls it with the same config.
    """
    timer = StageTimer()
    with timer("all"):
        result = result_path(config)
        ranks.on_root(lambda: (_require_stages(config), check_tables(config)))
        backend = choose_on_ranks(config.run.backend, config.run.threads, ranks)
        context = Context(config, ranks, backend, cache=Cache(cache_folder(result)), timer=timer)
        # snapshots lie beside the result of a simulation, which looks after them itself
        if not fresh and config.simulation is None and is_intact(result, _key(context), ranks):
            summary = [f"nothing to compute: {result} is whole and of these settings (--fresh computes it again)"]
        else:
            summary = _compute(context, result, fresh)
        figures = _figures(context, result)
    summary.append(f"{timer.seconds['all']:.1f} s")
    return Outcome(result, figures, tuple(summary))


def _key(context):
    """Of the whole result."""
    return fingerprint(key_of(context.config, "result", backend=context.backend.arithmetic))


def _compute(context, result, fresh):
    """The result file; returns the lines of the summary."""
    config, ranks, backend = context.config, context.ranks, context.backend
    table, warnings = ranks.on_root(lambda: check(config, ranks))
    if ranks.is_root:
        for warning in warnings:
            log.warning("%s", warning)
    planned = plan_of(config, table, ranks)
    ranks.on_root(lambda: plan.check_memory(planned, ranks))
    ranks.on_root(lambda: require_writable(result.parent))
    provenance = {"seed": config.run.seed, "ranks": ranks, **backend.provenance}
    with only_run(result, ranks):
        spare = ranks.on_root(lambda: _left_before(context.cache, fresh))
        with atomic_result(result, config.to_ini(), **provenance, spare=spare) as file:
            context = replace(context, file=file)
            summary = _stages(context, table, result)
            file.write_digest(_key(context))
        ranks.on_root(lambda: forget_others(context))
    return summary


def _left_before(cache, fresh):
    """Unfinished results with densities that a run before left; none after a fresh start, which forgets them."""
    if fresh:
        cache.clear()
    cache.remove_abandoned()
    return files_noted(cache)


def _figures(context, result):
    figures: tuple[Path, ...] = ()
    if context.config.figures and context.ranks.is_root:
        from ..plots import draw

        with context.timer("figures"):
            figures = tuple(draw(result, context.config.figures.dpi))
        context.timer.log("figures")
    context.ranks.barrier()
    return figures


def _stages(context, table, result):
    """All stages in their order; returns the lines of the summary."""
    config = context.config
    summary = []
    if config.population:
        summary += run_population(context)
    if config.one_filament:
        summary += run_one_filament(context)
    if config.simulation:
        summary += run_simulation(context, result)
    if table:
        summary += _filaments(context, table, result)
    return summary


def _filaments(context, table, result):
    """One filament or a gas: modes, cross-section, exact spectrum, box."""
    config, file, timer = context.config, context.file, context.timer
    sources = Sources(context, table, keep=config.gas is None or len(frames(config)) > 1)
    summary = []
    if config.gas is None and context.ranks.is_root:
        with timer("model"):
            model = sources.model(0)
        log.info("%s", results.describe(sources.records[0]))
        timer.log("model")
        if config.cross_section:
            run_cross_section(context, model)
    if config.single_power:
        summary += run_single_power(context, sources)
    if config.steady_state:
        summary += run_steady_state(context)
    if config.box:
        summary += run_box(context, sources, result)
    records = sources.all_records()
    centre = None if not config.box else tuple(side / 2 for side in config.box.size)
    for kept in records:
        results.write_filament(file, kept, centre)
    if config.gas:
        results.write_gas(file, table)
    warn_of_fits(records)
    return [results.describe(records[0]) if len(records) == 1 else describe_gas(records), *summary]


def check(config: Config, ranks: Ranks = SERIAL) -> tuple[list[Filament], list[str]]:
    """The filaments and the warnings of a config, after all checks that cost nothing."""
    _require_stages(config)
    if config.box and ranks.size > config.box.cells[0]:
        raise config.error("box", "cells", f"more ranks ({ranks.size}) than planes along x ({config.box.cells[0]})")
    check_tables(config)
    if config.population:
        prepared_population(config)
    warnings = check_simulation(config, ranks) if config.simulation else []
    table = filaments(config) if config.filament or config.gas else []
    if config.steady_state:
        check_steady_state(config)
    return table, [*warnings, *(box_warnings(config, table) if config.box else [])]


def _require_stages(config):
    if config.wavefunction is None and config.population is None and config.simulation is None:
        sections = "[wavefunction], [population] or [simulation]"
        raise InputError(f"{config.source}: nothing to do: there is no section {sections}")


def plan_of(config: Config, table: list[Filament], ranks: Ranks = SERIAL) -> plan.Plan:
    """Memory and output of the stages of a config whose filaments are known."""
    heaviest = [heaviest_filament(config)] if config.one_filament else []
    evolved = steady_state_cases(config)[0].filament if config.steady_state else None
    return plan.plan(config, [*table, *heaviest], ranks, evolved)


def result_path(config: Config) -> Path:
    """The result file of a config: run.output itself if it ends in .hdf5 or .h5, else result.hdf5 in that folder."""
    try:
        output = Path(config.run.output).expanduser()
    except RuntimeError:
        raise config.error("run", "output", "there is no home directory of this user") from None
    return output if output.suffix.lower() in RESULT_ENDINGS else output / "result.hdf5"


def cache_folder(result: Path) -> Path:
    """Where the parts of a result are kept while it is not yet whole, and for runs to come."""
    return result.with_name(f"{result.stem}_kept")


def check_tables(config: Config):
    """InputError for a table that is named but not there."""
    for section, key, name in config.input_files():
        if not Path(name).is_file():
            raise config.error(section, key, "is no file that can be read" if Path(name).exists() else "no such file")
