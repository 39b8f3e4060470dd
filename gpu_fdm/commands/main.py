"""The command line: gpu-fdm, also python -m gpu_fdm.

Exit 0 done, 1 failed, 2 the user's input was wrong. Imports what a command needs when it needs it.
"""

import argparse
import logging
import os
import sys
import time
from pathlib import Path

from .. import __version__
from ..errors import InputError, RunError, one_line, reason, require_file
from ..parallel.signals import EXIT, GOES_ON, NOTHING, signals_as_exceptions

SHELLS = ("bash", "zsh", "fish")
# arguments that name a file
FILES = ("ini", "snapshot", "above", "below", "model", "models", "table", "ratios", "file", "output")
# what a dry run solves for, in seconds: modes, and bytes of them and of a fit of their weights
CHEAP_MODES, CHEAP_MEMORY = 15_000, 1 << 30


def main(arguments: list[str] | None = None) -> int:
    """Run a command; returns the exit code."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may hold what is no text
    options = _parser().parse_args(arguments)
    keeps = options.command is _run and not options.dry_run
    with signals_as_exceptions(GOES_ON if keeps else NOTHING):
        return _guarded(options)


def _guarded(options):
    """The exit code of a command; what went wrong is one line, from one rank, and no rank is left waiting."""
    ranks = None
    try:
        if options.parallel:
            from ..parallel.ranks import start_ranks

            ranks = start_ranks()
        _start_logging(options.quiet, ranks is None or ranks.is_root)
        return options.command(options, *([ranks] if options.parallel else [])) or 0
    except InputError as error:
        return _fail(error, 2, error, ranks)
    except RunError as error:
        return _fail(error, 1, error, ranks)
    except MemoryError as error:
        return _fail(f"out of memory: {error or 'an allocation failed'} (see gpu-fdm run --dry-run)", 1, error, ranks)
    except KeyboardInterrupt as error:
        if ranks is not None and not ranks.is_root:
            # where all were stopped the first one says so for all, and ends them
            time.sleep(1.5)
        return _fail(_of_a_stop(*error.args), EXIT, error, ranks)
    except BrokenPipeError:
        # the reader of our output has gone; point stdout elsewhere so that the interpreter's last flush is quiet
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        return _fail(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}", 1, error, ranks)
    except RuntimeError as error:
        if "new thread" not in str(error):
            raise
        return _fail("the system allows no more threads or memory for them (set run.threads)", 1, error, ranks)
    except BaseException:
        if ranks is not None and ranks.size > 1:
            # a defect: show it here, and do not leave the other ranks waiting for this one
            import traceback

            traceback.print_exc()
            ranks.abort(1)
        raise


def _of_a_stop(name="", kept=None, fresh=False):
    """What to say of a command that was stopped by a signal, and that kept what was done in a folder."""
    what = f"stopped by {name}" if name else "interrupted"
    if kept is None:
        return f"{what}: {NOTHING}"
    without = " without --fresh" if fresh else ""
    return f"{what}: what is done is kept in {kept}, the same command{without} goes on from there"


def _fail(message, code, error, ranks):
    """Say what is wrong; an error that not all ranks have ends them all."""
    everywhere = getattr(error, "on_all_ranks", False)
    if ranks is None or ranks.is_root or not everywhere:
        place = f" (rank {ranks.rank})" if ranks is not None and ranks.size > 1 and not everywhere else ""
        print(f"gpu-fdm: error: {one_line(message)}{place}", file=sys.stderr, flush=True)
    if ranks is not None and not everywhere:
        ranks.abort(code)
    return code


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as all else does."""

    def error(self, message):
        self.exit(2, f"gpu-fdm: error: {one_line(message)} ({self.prog} --help)\n")


def _parser():
    parser = _Parser(
        prog="gpu-fdm", description="Interference of fuzzy dark matter in cosmic filaments.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"gpu_fdm {__version__}")
    parser.add_argument("--quiet", action="store_true", help="warnings and errors only")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="all stages that an ini asks for", allow_abbrev=False)
    run.add_argument("ini", help="ini file; gpu-fdm init writes one to start from")
    run.add_argument(
        "--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a key, any number of times"
    )
    run.add_argument(
        "--dry-run", action="store_true", help="say what would be done: modes, memory, output; write nothing"
    )
    run.add_argument(
        "--fresh", action="store_true", help="start over: what runs before have kept of this result is removed"
    )
    run.set_defaults(command=_run, parallel=True)

    from .spectra import add_boost, add_compare, add_power

    for add in (add_power, add_boost, add_compare):
        add(commands)

    plot = commands.add_parser("plot", help="figures for whatever a result file holds")
    plot.add_argument("file", help="result file")
    plot.add_argument("--dpi", type=int, default=150, help="resolution (default: %(default)s)")
    kinds = plot.add_mutually_exclusive_group()
    kinds.add_argument(
        "--volume",
        nargs="?",
        const="",
        metavar="DENSITY",
        help="instead, a density as a volume: density/fdm, density/smooth/0 ... (default: the first; extra volume)",
    )
    text = "instead, a movie of a simulation or of the frames of a box: MP4 with ffmpeg, else an animated GIF"
    kinds.add_argument("--movie", action="store_true", help=text)
    plot.set_defaults(command=_plot, parallel=False)

    init = commands.add_parser("init", help="print a commented ini to start from")
    init.add_argument("kind", nargs="?", help="which; without it, list the kinds")
    init.set_defaults(command=_init, parallel=False)

    info = commands.add_parser("info", help="versions, devices, MPI, memory")
    info.set_defaults(command=_info, parallel=False)

    completion = commands.add_parser("completion", help="print what makes a shell complete commands, options and files")
    completion.add_argument("shell", choices=SHELLS, help='which; bash: eval "$(gpu-fdm completion bash)"')
    completion.set_defaults(command=_completion, parallel=False)
    return parser


def _start_logging(quiet, first):
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain())
    ours = logging.getLogger("gpu_fdm")
    ours.handlers = [handler]
    ours.propagate = False
    ours.setLevel(logging.ERROR if not first else logging.WARNING if quiet else logging.INFO)


class _Plain(logging.Formatter):
    """Log lines as they are; warnings marked."""

    def format(self, record):
        text = record.getMessage()
        return one_line(text if record.levelname == "INFO" else f"{record.levelname.lower()}: {text}")


def _run(options, ranks):
    from ..config.config import read_config

    config = ranks.on_root(lambda: read_config(options.ini, options.set))
    from ..pipeline import run as pipeline

    if options.dry_run:
        return ranks.on_root(lambda: _dry_run(config, ranks))
    try:
        outcome = pipeline.run(config, ranks, options.fresh)
    except KeyboardInterrupt as error:
        kept = pipeline.cache_folder(pipeline.result_path(config))
        # a stop may come before the first part is done
        raise KeyboardInterrupt(str(error), kept if kept.exists() else None, options.fresh) from None
    if ranks.is_root:
        print("\n".join(outcome.summary))
        print(f"result: {outcome.result}")
        _tell_figures(outcome.figures)
    return 0


def _tell_figures(figures):
    """Where they are, and what they show."""
    if figures:
        from ..plots import shown_in

        for figure in figures:
            print(f"figure: {figure}  {shown_in(figure)}".rstrip())


def _dry_run(config, ranks):
    from ..filament.model import solve
    from ..pipeline import plan, results
    from ..pipeline import run as pipeline
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
    return 0


def _plot(options):
    from ..plots import draw
    from .spectra import check_dpi

    check_dpi(options.dpi)
    require_file(Path(options.file))
    from ..io.hdf5 import is_hdf5

    if not is_hdf5(options.file):
        raise InputError(f"{options.file}: not a result of gpu-fdm run")
    if options.volume is not None:
        from ..plots.volume import draw_volume

        figures = [draw_volume(Path(options.file), options.volume)]
    elif options.movie:
        from ..plots.movie import movie

        figures = [movie(Path(options.file), options.dpi)]
    else:
        figures = draw(Path(options.file), options.dpi)
    if not figures:
        raise InputError(f"{options.file}: holds nothing to draw (no group that gpu-fdm run writes)")
    if options.movie:
        print(f"movie: {figures[0]}{' (there is no ffmpeg for an MP4)' if figures[0].suffix == '.gif' else ''}")
    else:
        _tell_figures(figures)
    return 0


def _init(options):
    from ..config.presets import PRESETS, preset_ini

    if options.kind is None:
        for name, (text, _) in PRESETS.items():
            print(f"{name}: {text}")
        return 0
    if options.kind not in PRESETS:
        raise InputError(f"init {options.kind}: unknown kind; known: {', '.join(PRESETS)}")
    print(preset_ini(options.kind), end="")
    return 0


def _completion(options):
    import shtab

    from ..config.presets import PRESETS

    parser = _parser()
    (commands,) = (action.choices for action in parser._actions if isinstance(action.choices, dict))
    for command in commands.values():
        for action in command._actions:
            if action.dest in FILES:
                action.complete = shtab.FILE
            elif action.dest == "kind":
                action.choices = list(PRESETS)
    print(shtab.complete(parser, options.shell), end="")
    return 0


def _info(options):
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from ..io.result_file import git_revision
    from ..parallel import memory
    from ..parallel.backend import GPU, cpu_count, gpu_count
    from ..pipeline.progress import in_words

    print(f"gpu_fdm {__version__} {git_revision()}".rstrip())
    print(f"Python {platform.python_version()}, {platform.platform()}")
    for name in ("numpy", "scipy", "numba", "h5py", "astropy", "matplotlib", "mpi4py"):
        print(f"{name} {version(name)}")
    cupy = "not installed (pip install gpu_fdm[gpu12] or [gpu13])"
    for name in ("cupy-cuda13x", "cupy-cuda12x", "cupy"):
        try:
            cupy = version(name)
            break
        except PackageNotFoundError:
            continue
    print(f"cupy: {cupy}")
    print(f"CPUs: {cpu_count()}")
    print(f"memory available: {in_words(memory.available())}")
    devices = gpu_count()
    print(f"CUDA devices: {devices or 'none'}")
    for index in range(devices):
        print(f"  {GPU(index).device}")
    print(f"MPI: {_mpi()}")
    return 0


def _mpi():
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        return f"none ({reason(error)[:120]})"
    return MPI.Get_library_version().splitlines()[0].strip("\0 ")


if __name__ == "__main__":
    sys.exit(main())
