"""gpu-fdm run: run all stages that an ini file asks for, or, with --dry-run, print what they would need."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from .shared import file_name, print_figures

if TYPE_CHECKING:
    from ..config.config import Config
    from ..parallel.ranks import Ranks

HELP = "run all stages that an ini file asks for"
PARALLEL = True
# what a dry run solves for, in seconds: modes, and bytes of them and of a fit of their weights
CHEAP_MODES, CHEAP_MEMORY = 15_000, 1 << 30


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("ini", type=file_name, help="ini file; gpu-fdm init prints one to start from")
    text = "override a key of the ini; may be given several times"
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help=text)
    text = "print what would be done, with its modes, memory and output, and write nothing"
    parser.add_argument("--dry-run", action="store_true", help=text)
    text = "start over: delete the cached parts of this result first"
    parser.add_argument("--fresh", action="store_true", help=text)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Run the stages; print what was found and where it is. A note on KeyboardInterrupt says what can be resumed."""
    from ..config.config import read_config

    config = ranks.on_root(lambda: read_config(options.ini, options.set))
    from ..pipeline import run as pipeline

    if options.dry_run:
        ranks.on_root(lambda: _dry_run(config, ranks))
        return
    try:
        outcome = pipeline.run(config, ranks, options.fresh)
    except KeyboardInterrupt as error:
        folder = pipeline.cache_folder(pipeline.result_path(config))
        if folder.exists():  # a stop may come before the first part is done
            without = " without --fresh" if options.fresh else ""
            error.add_note(f"finished parts are cached in {folder}; run the same command again{without} to resume")
        raise
    if ranks.is_root:
        print("\n".join(outcome.summary))
        print(f"result: {outcome.result}")
        print_figures(outcome.figures)


def _dry_run(config: "Config", ranks: "Ranks") -> None:
    from ..pipeline import plan, results
    from ..pipeline import run as pipeline
    from ..pipeline.model import solve
    from ..pipeline.progress import in_words
    from ..pipeline.sources import place
    from ..pipeline.steady_state import steady_state_cases

    table, warnings = pipeline.check(config, ranks)
    planned = pipeline.plan_of(config, table, ranks)
    of_model = max(planned.stages.get(stage, 0) for stage in ("model", "weights"))
    cheap = len(table) == 1 and planned.modes < CHEAP_MODES and of_model < CHEAP_MEMORY
    if cheap:
        model = solve(config, table[0])
        print(results.describe(results.record(model)))
        print(f"largest wavenumber of the fringes: {model.fringe_wavenumber:.4g} h/cMpc")
    if config.box:
        box, _ = place(config, table[0])
        print(f"box: {' x '.join(map(str, box.cells))} cells, Nyquist wavenumber {box.nyquist:.4g} h/cMpc")
    for warning in warnings:
        print(f"warning: {warning}")
    if config.population:
        masses = ", ".join(f"{m22:g}" for m22 in config.population.m22)
        print(f"mass functions of CDM and m22 = {masses} at z = {config.cosmology.redshift:g}")
    if config.one_filament:
        print(f"one-filament spectra: the heaviest filament has about {planned.modes:.4g} modes")
    elif table and not cheap:
        count = "1 filament" if len(table) == 1 else f"{len(table)} filaments, the largest"
        print(f"{count} with about {planned.modes:.4g} modes")
    if config.steady_state:
        cases = steady_state_cases(config)
        print(f"steady state: {config.steady_state.periods:g} periods of {'; '.join(case.title for case in cases)}")
    if config.simulation:
        section, size = config.simulation, in_words(plan.checkpoint_size(config))
        print(
            f"simulation: {', '.join(section.runs)}; {' x '.join(map(str, section.cells))} cells, "
            f"z = {section.redshift_start:g} to {section.redshift_end:g}, checkpoints of up to {size}"
        )
    for stage, memory in planned.stages.items():
        print(f"memory, {stage}: {in_words(memory)} a rank")
    print(f"peak memory: {in_words(planned.peak)} a rank, {ranks.size} rank{'s' if ranks.size > 1 else ''}")
    print(f"output: {pipeline.result_path(config)}, {in_words(planned.output)}")
