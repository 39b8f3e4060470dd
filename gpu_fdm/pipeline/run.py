"""A run: the stages that a config asks for, over ranks; the command line and Python users call `run`."""

import logging
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..config.cache_keys import selected_keys
from ..config.config import Config
from ..cosmology.camb_power import remove_abandoned_tables
from ..errors import InputError, RunError, reason
from ..io.atomic import final_path, remove_abandoned
from ..io.cache import Cache, fingerprint
from ..io.lock import only_run
from ..io.opening import is_intact
from ..io.result_file import RESULT_ENDINGS, atomic_result, remove_unfinished, require_result, require_writable
from ..io.schema import INPUTS
from ..parallel.blas import on_one_thread
from ..parallel.choice import choose_on_ranks
from ..parallel.ranks import SERIAL, Ranks
from ..plots import FORMATS, draw, figures_in, require_own_figures
from ..quantities import takes
from . import plan
from .inputs import Inputs, contents, read_inputs
from .progress import StageTimer, progress
from .replaced import what_is_replaced
from .stage import Context
from .stages import STAGES, figures, result_key, result_schema, stages_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """Files that a run made: the result and the figures; and the lines of its summary."""

    result: Path
    figures: tuple[Path, ...] = ()
    summary: tuple[str, ...] = ()


@takes()
@on_one_thread
def run(config: Config, ranks: Ranks = SERIAL, fresh: bool = False) -> Outcome:
    """Run all stages that a config asks for; results appear under their final names when they are complete.

    What an earlier run of this very config and code has computed is not computed again, unless a fresh start is asked
    for. Every rank calls this with the same config.
    """
    timer = StageTimer()
    with timer("all"):
        result = result_path(config)
        config = ranks.on_root(lambda: _with_inputs(config))
        ranks.on_root(lambda: _check_output(config))
        backend = choose_on_ranks(config.run.backend, config.run.threads, ranks, config.run.mpi_buffers)
        cache, stages = Cache(cache_folder(result)), stages_of(config)
        context = Context(Inputs(config), ranks, backend, result, cache=cache, timer=timer, stages=stages)
        beside = any(stage.beside for stage in stages)
        if not fresh and not beside and is_intact(result, _key(context), ranks):
            summary = [f"nothing to compute: {result} is whole and of these settings (--fresh computes it again)"]
            ranks.on_root(lambda: _tidy(context))
        else:
            summary = _compute(context, fresh)
        drawn = _draw(context)
    summary.append(f"{timer.seconds['all']:.1f} s")
    return Outcome(result, drawn, tuple(summary))


def dry_run(config: Config, ranks: Ranks = SERIAL) -> list[str]:
    """Lines that say what a run would do and need; nothing is written. Rank 0 calls this."""
    _check_output(config)
    inputs, warnings = _checked(config, ranks)
    return plan.describe(stages_of(config), inputs, warnings, result_path(config), ranks)


def check(config: Config, ranks: Ranks = SERIAL) -> tuple[Inputs, list[str]]:
    """The inputs of a run, and warnings; rank 0 calls this before anything costly is done.

    Stages are checked in reverse, because those that draw on others come after them: wrong keys are found before
    anything is computed for them. Raises InputError.
    """
    config = _with_inputs(config)
    inputs = Inputs(config)
    warnings: list[str] = []
    for stage in reversed(stages_of(config)):
        warnings = stage.check(inputs, ranks) + warnings
    return inputs, [*_ignored_boson(config), *warnings]


def _checked(config: Config, ranks: Ranks) -> tuple[Inputs, list[str]]:
    """As check, with a warning of a result that is replaced."""
    inputs, warnings = check(config, ranks)
    return inputs, [*warnings, *what_is_replaced(result_path(config), inputs.config)]


def _ignored_boson(config: Config) -> list[str]:
    """A warning about a [dark_matter] m22 that was given, or that is none of the population's, and changes nothing."""
    stages, section = stages_of(config), config.population
    given, m22 = "dark_matter.m22" in config.overridden, config.dark_matter.m22
    used = any("dark_matter.m22" in selected_keys(config, stage.keys(config)) for stage in stages)
    if used or section is None or (m22 in section.m22 and not given):
        return []
    masses = ", ".join(f"{mass:g}" for mass in section.m22)
    return [f"[dark_matter] m22 = {m22:g} is not used: the bosons are those of [population] m22 = {masses}"]


def result_path(config: Config) -> Path:
    """The result file of a config: run.output itself if it ends in .hdf5 or .h5, else result.hdf5 in that folder.

    Links are followed.
    """
    try:
        output = Path(config.run.output).expanduser()
    except RuntimeError:
        raise config.error("run", "output", "there is no home directory of this user") from None
    try:
        return final_path(output if output.suffix.lower() in RESULT_ENDINGS else output / "result.hdf5")
    except OSError as error:
        raise config.error("run", "output", f"cannot be written: {reason(error)}") from None


def cache_folder(result: Path) -> Path:
    """The folder of the parts of a result, while it is made and for later runs."""
    return result.with_name(f"{result.stem}_kept")


def _with_inputs(config: Config) -> Config:
    """The config with what it names, read; InputError where it asks for nothing, or names a table that is not there."""
    if not stages_of(config):
        *others, last = [f"[{stage.section}]" for stage in STAGES if stage.begins]
        raise InputError(f"{config.source}: nothing to do: there is no section {', '.join(others)} or {last}")
    return read_inputs(config)


def _check_output(config: Config) -> None:
    """InputError where results would replace files of others, or share the names of parts with another one."""
    result = result_path(config)
    require_result(result)
    if config.figures:
        of_run = (figure for stage in stages_of(config) for figure in stage.figures)
        require_own_figures(result, of_run, config.figures.format)
    for other in result.parent.iterdir() if result.parent.is_dir() else ():
        if other.stem == result.stem and other.suffix.lower() in RESULT_ENDINGS and other.name != result.name:
            raise config.error("run", "output", f"{other.name} is there: both would have the same cache and figures")


def _key(context: Context) -> str:
    """The key of the result, a short hash."""
    return fingerprint(result_key(context.config, context.backend.arithmetic))


def _compute(context: Context, fresh: bool) -> list[str]:
    """Make the result file; returns the lines of the summary."""
    config, ranks, backend, result = context.config, context.ranks, context.backend, context.result
    inputs, warnings = ranks.on_root(lambda: _checked(config, ranks))
    planned = plan.plan(context.stages, inputs, ranks)
    ranks.on_root(lambda: plan.check_memory(planned, ranks))
    ranks.on_root(lambda: require_writable(result.parent))
    if ranks.is_root:
        for warning in (*warnings, *plan.disk_warnings(planned, result)):
            log.warning("%s", warning)
        for line in plan.time_of_long_runs(planned, inputs, ranks):
            log.info("%s", line)
    with only_run(result, ranks):
        spare = ranks.on_root(lambda: _unfinished(context, fresh))
        options: dict[str, Any] = {"ranks": ranks, "schema": result_schema(), "spare": spare, **backend.provenance}
        with atomic_result(result, config.to_ini(), seed=config.run.seed, **options) as file:
            context = replace(context, inputs=inputs, file=file)
            file.group(f"/{INPUTS}", contents(config))
            summary = context.run_within("")
            file.write_key(_key(context))
        ranks.on_root(lambda: _clean_up(context))
    return summary


def _unfinished(context: Context, fresh: bool) -> frozenset[str]:
    """Names of unfinished results of earlier runs that hold cached parts; a fresh start deletes the cache first.

    What else killed runs left is deleted.
    """
    cache = context.cache
    if fresh:
        cache.clear()
    cache.remove_abandoned()
    _remove_leftovers(context.result)
    return frozenset[str]().union(*(stage.unfinished(cache) for stage in STAGES))


def _remove_leftovers(result: Path) -> None:
    """Delete what killed runs left of snapshots, figures and movies beside a result, and of tables in the cache."""
    remove_abandoned_tables()
    endings = "|".join((*FORMATS, "gif", "mp4"))
    pattern = re.compile(rf"\.({re.escape(result.stem)}_\w+_z[\d.]+\.hdf5|.+\.({endings}))\.part-.+")
    remove_abandoned(result.parent, lambda name: pattern.fullmatch(name) is not None)


def _clean_up(context: Context) -> None:
    for stage in STAGES:
        stage.clean_up(context)
    context.cache.prune()


def _tidy(context: Context) -> None:
    """Delete what killed runs left beside a whole result, where that is possible: it may lie in an archive."""
    result = context.result
    with suppress(OSError, RunError):
        beside = [*result.parent.iterdir(), *context.cache.folder.glob(".*")]
        if any(path.name.startswith(".") for path in beside):
            with only_run(result):
                remove_unfinished(result)
                _remove_leftovers(result)
                _clean_up(context)


def _draw(context: Context) -> tuple[Path, ...]:
    """Draw the figures, on rank 0, if they are asked for."""
    drawn: tuple[Path, ...] = ()
    if context.config.figures and context.ranks.is_root:
        with context.timer("figures"):
            section, shown = context.config.figures, figures_in(context.result, figures())
            with progress("figures", len(shown)) as step:
                drawn = tuple(draw(context.result, shown, section.dpi, section.format, step=step))
        context.timer.log("figures")
    context.ranks.barrier()
    return drawn
