"""What libraries read from the environment when they are imported, made harmless; output without control characters.

A notebook leaves MPLBACKEND, a cluster NUMBA_NUM_THREADS=0, a user a broken matplotlibrc: none is meant for this
program, and each would end it with a traceback. Names of files and headers may hold escapes that a terminal obeys.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO

from ..errors import printable


def settle_environment() -> None:
    """Set what the command line needs; libraries are imported after it."""
    os.environ["MPLBACKEND"] = "agg"
    os.environ["MATPLOTLIBRC"] = os.devnull
    threads = os.environ.get("NUMBA_NUM_THREADS", "1")
    if not threads.strip().isdigit() or int(threads) < 1:
        del os.environ["NUMBA_NUM_THREADS"]


def open_closed_streams() -> None:
    """Open the null device where a standard stream is closed (>&-): a result would get its descriptor and output."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w", closefd=False))


@contextmanager
def printable_output() -> Iterator[None]:
    """Standard output and error whose lines have no control characters."""
    streams = _Printable(sys.stdout), _Printable(sys.stderr)
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        yield
    for stream in streams:  # numba's colorama keeps them, and resets colours when the interpreter ends
        stream.escapes = False


class _Printable:
    """A text stream that shows control characters as their escapes; line ends and tabs stay.

    unescaped  the stream itself, for a progress bar, which is made of control characters
    escapes    whether control characters are shown as escapes
    """

    escapes = True

    def __init__(self, stream: TextIO) -> None:
        self.unescaped = stream

    def write(self, text: str) -> int:
        """Write a text."""
        plain = not self.escapes or text.isprintable()
        return self.unescaped.write(text if plain else "".join(map(_shown, text)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unescaped, name)


def _shown(character: str) -> str:
    return character if character in "\n\t" else printable(character)
