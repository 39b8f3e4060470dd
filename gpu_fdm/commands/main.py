"""The command line: gpu-fdm, also python -m gpu_fdm.

Each subcommand is a module of this package: HELP, one line; PARALLEL, whether it runs on several MPI ranks;
add(parser), which adds its arguments; execute(options), or execute(options, ranks) where PARALLEL, which does it; and
RESUMES, True where a stopped command goes on where it was.
A subcommand imports libraries, and packages that need them, inside of functions, so that the command line starts at
once.

Exit 0 done, 1 failed, 2 the user's input was wrong, 130 stopped by a signal.
"""

import argparse
import logging
import os
import re
import shlex
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn

from .. import __version__
from ..errors import InputError, RunError, did_you_mean, one_line
from ..parallel.cards import out_of_memory
from ..parallel.memory import require_address_space
from ..parallel.signals import EXIT, NOTHING_WRITTEN, RESUME, signals_as_exceptions
from .environment import open_closed_streams, printable_output, settle_environment
from .terminal import fitted, show

if TYPE_CHECKING:
    from ..parallel.ranks import Ranks

# name of each subcommand, and what it does, as --help lists them
COMMANDS = {
    "run": "run all stages that an ini file asks for",
    "predict": "predict spectra and boosts of boson masses, in seconds",
    "power": "measure the power spectrum of a snapshot of a simulation, or of a box",
    "filament": "find filaments in a snapshot of a simulation, and measure their profiles",
    "boost": "write and draw the ratio of two power spectra, with both named",
    "compare": "compare models with tables, simulations or their filaments, in figures, tables and a report",
    "fit": "fit the boson mass of a population to tables of boosts or spectra: posterior by MCMC",
    "forecast": "forecast the error of the boson mass from P(k) of given errors, with and without interference",
    "combinations": "find which combinations of parameters P(k) or a boost measures, and how well",
    "plot": "draw figures of everything that a result file holds",
    "tabulate": "make a table of spectra of filaments over nu = m r0 sigma / hbar",
    "init": "print a commented ini file to start from",
    "info": "print versions, devices, MPI library and memory, or what snapshots hold and whether results are whole",
    "completion": "print a script that makes a shell complete commands, options and files",
}
_QUIET = "log warnings and errors only; run prints no summary"  # before or after the name of a subcommand


def main(arguments: list[str] | None = None) -> int:
    """Execute a subcommand; returns the exit code."""
    open_closed_streams()
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    settle_environment()
    with printable_output():
        try:
            return _executed(arguments)
        except KeyboardInterrupt:  # before signals are heeded or after that, or once more while one is reported
            print("gpu-fdm: error: interrupted", file=sys.stderr, flush=True)
            return EXIT


def _executed(arguments: list[str] | None) -> int:
    try:
        parser = build_parser()
        options = parser.parse_args(arguments)
        if not hasattr(options, "command"):
            parser.print_help()
            parser.exit()
    except SystemExit:  # after help, the version, or an error
        error = _output_lost()
        if error is None:
            raise
        return 1 if isinstance(error, BrokenPipeError) else _fail(_of_output(error), 1, error, None)
    options.command_line = shlex.join(["gpu-fdm", *(sys.argv[1:] if arguments is None else arguments)])
    resumes = getattr(options.command, "RESUMES", False) and not getattr(options, "dry_run", False)
    with signals_as_exceptions(RESUME if resumes else NOTHING_WRITTEN):
        return _guarded(options)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line; what it parses has the module of the subcommand as `command`."""
    parser = _Parser(prog="gpu-fdm", description="Interference of fuzzy dark matter in cosmic filaments.")
    parser.add_argument("--version", action="version", version=f"gpu_fdm {__version__}")
    parser.add_argument("--quiet", action="store_true", help=_QUIET)
    parser.set_defaults(parser=parser)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name, what in COMMANDS.items():
        subparsers.add_parser(name, help=what, subcommand=name)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; that of a subcommand imports it and adds its arguments when it is first used.

    subcommand  its name: what it imports then costs the others no time
    """

    def __init__(self, subcommand: str | None = None, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)
        self._negative_number_matcher = re.compile(r"-\.?\d")  # as from Python 3.14 on: of lists of numbers too
        self._subcommand = subcommand

    def add_arguments(self) -> None:
        """Add the arguments of a subcommand, and its module as `command`, once."""
        name, self._subcommand = self._subcommand, None
        if name is not None:
            command = import_module(f"{__package__}.{name}")
            command.add(self)
            self.add_argument("--quiet", action="store_true", default=argparse.SUPPRESS, help=_QUIET)
            self.set_defaults(command=command)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.add_arguments()
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            # of a subcommand its own parser says it, with its own options
            name, _, value = unknown[0].partition("=")
            meant = ""
            if "--set" in self._option_string_actions:
                from ..config.config import keys_meant

                follows = next(iter(unknown[1:]), "-")
                is_value = not follows.startswith("-") or self._negative_number_matcher.match(follows)
                value = value or (follows if is_value else "VALUE")
                meant = keys_meant(name.strip("-").replace("-", "_"), value, "--set ")
            meant = meant or did_you_mean(name, self._option_string_actions)
            self.error(f"unknown argument{'s' if len(unknown) > 1 else ''}: {' '.join(unknown)}{meant}")
        return parsed, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse, with the name that may have been meant."""
        if action.choices is None or value in action.choices:
            return
        names = [str(choice) for choice in action.choices]
        meant, known = did_you_mean(str(value), names), ", ".join(names)
        if isinstance(action.choices, dict):
            raise argparse.ArgumentError(None, f"{value}: unknown command{meant}; known: {known}")
        raise argparse.ArgumentError(action, f"{value}: must be one of {known}{meant}")

    def error(self, message: str) -> NoReturn:
        self.exit(2, fitted(f"gpu-fdm: error: {one_line(message)} ({self.prog} --help)", sys.stderr) + "\n")


def _guarded(options: argparse.Namespace) -> int:
    """Execute a command; returns its exit code. An error is one line, from one rank, and leaves no rank waiting."""
    ranks = None
    try:
        require_address_space()
        if options.command.PARALLEL:
            from ..parallel.ranks import start_ranks

            ranks = start_ranks()
        _start_logging(options.quiet, ranks is None or ranks.is_root)
        options.command.execute(options, *([] if ranks is None else [ranks]))
        sys.stdout.flush()  # what was printed is a result too
        return 0
    except InputError as error:
        return _fail(error, 2, error, ranks)
    except RunError as error:
        return _fail(error, 1, error, ranks)
    except MemoryError as error:
        here = f"out of memory: {str(error) or 'an allocation failed'}: gpu-fdm run --dry-run estimates what is needed"
        return _fail(out_of_memory(error) or here, 1, error, ranks)
    except KeyboardInterrupt as error:
        if ranks is not None and not ranks.is_root:
            # where all ranks were stopped, rank 0 reports it for all, and ends them
            time.sleep(1.5)
        stopped = f"stopped by {error}" if str(error) else "interrupted"
        left = " ".join(getattr(error, "__notes__", [NOTHING_WRITTEN]))
        return _fail(f"{stopped}: {left}", EXIT, error, ranks)
    except BrokenPipeError:  # nobody reads the output any more
        _output_lost()
        return 1
    except OSError as error:
        lost = _output_lost()
        what = f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}"
        return _fail(_of_output(error) if lost and not error.filename else what, 1, error, ranks)
    except RuntimeError as error:
        what = out_of_memory(error)
        if not what and "new thread" in str(error):
            what = "the system allows no more threads, or no memory for them: set run.threads to fewer"
        if what:
            return _fail(what, 1, error, ranks)
        _end_other_ranks(ranks)
        raise
    except BaseException:
        _end_other_ranks(ranks)
        raise


def _end_other_ranks(ranks: "Ranks | None") -> None:
    """Show the defect that is being handled here, and end the other ranks, which would wait for this one."""
    if ranks is not None and ranks.size > 1:
        import traceback

        traceback.print_exc()
        ranks.abort(1)


def _output_lost() -> OSError | None:
    """Why standard output cannot be written, or None; it is then discarded, so that Python's last flush is quiet."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return error
    return None


def _of_output(error: OSError) -> str:
    return f"standard output cannot be written: {error.strerror or error}"


def _fail(message: object, code: int, error: BaseException, ranks: "Ranks | None") -> int:
    """Print what is wrong; returns the exit code. An error that not all ranks have ends them all."""
    on_all_ranks = getattr(error, "on_all_ranks", False)
    if ranks is None or ranks.is_root or not on_all_ranks:
        rank = f" (rank {ranks.rank})" if ranks is not None and ranks.size > 1 and not on_all_ranks else ""
        show(f"gpu-fdm: error: {one_line(message)}{rank}", sys.stderr)
    if ranks is not None and not on_all_ranks:
        ranks.abort(code)
    return code


def _start_logging(quiet: bool, first: bool) -> None:
    handler = _Lines()
    handler.setFormatter(_Plain())
    ours = logging.getLogger("gpu_fdm")
    ours.handlers = [handler]
    ours.propagate = False
    ours.setLevel(logging.ERROR if not first else logging.WARNING if quiet else logging.INFO)


class _Lines(logging.Handler):
    """Log lines to what is standard error when they are logged: a bar puts itself there, and stays below them."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            show(self.format(record), sys.stderr)
        except (OSError, ValueError):  # a line that cannot be written must not end a run
            self.handleError(record)


class _Plain(logging.Formatter):
    """Log lines without more; warnings and errors marked as such."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        return one_line(text if record.levelname == "INFO" else f"{record.levelname.lower()}: {text}")


if __name__ == "__main__":
    sys.exit(main())
