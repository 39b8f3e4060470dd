"""gpu-fdm run: run all stages that an ini file asks for, or, with --dry-run, print what they would need."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ..errors import InputError
from .shared import add_set_option, file_name, print_figures
from .terminal import show

if TYPE_CHECKING:
    from ..parallel.ranks import Ranks

PARALLEL = True
_MOST_RANKS = 1_000_000
RESUMES = True


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("ini", type=file_name, help="ini file; gpu-fdm init prints one to start from")
    add_set_option(parser)
    text = "print what would be done, with its modes, memory and output, and write nothing"
    parser.add_argument("--dry-run", action="store_true", help=text)
    text = "with --dry-run: plan for so many MPI ranks instead of those that are there"
    parser.add_argument("--ranks", type=int, metavar="N", help=text)
    text = "start over: delete the cached parts of this result first"
    parser.add_argument("--fresh", action="store_true", help=text)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Run the stages; print what was found and where it is. A note on KeyboardInterrupt says what can be resumed."""
    from ..config.config import read_config

    if options.ranks is not None and not (options.dry_run and 1 <= options.ranks <= _MOST_RANKS):
        raise InputError(f"--ranks {options.ranks}: must be in [1, {_MOST_RANKS}], with --dry-run (else mpiexec -n)")
    config = ranks.on_root(lambda: read_config(options.ini, options.set))
    from ..pipeline import run as pipeline

    if options.dry_run:
        from ..parallel.ranks import RanksToCome

        planned = RanksToCome(number=options.ranks) if options.ranks else ranks
        lines = ranks.on_root(lambda: pipeline.dry_run(config, planned))
        if ranks.is_root:
            show("\n".join(lines))
        return
    try:
        outcome = pipeline.run(config, ranks, options.fresh)
    except KeyboardInterrupt as error:
        folder = pipeline.cache_folder(pipeline.result_path(config))
        if folder.exists():  # a stop may come before the first part is done
            without = " without --fresh" if options.fresh else ""
            error.add_note(f"finished parts are cached in {folder}; run the same command again{without} to resume")
        raise
    if ranks.is_root and not options.quiet:
        for line in (*outcome.summary, f"result: {outcome.result}"):
            show(line)
        print_figures(outcome.figures)
