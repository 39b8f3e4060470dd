"""Lines on a terminal: wrapped between words at its width; in a file or a pipe each stays one line."""

import sys
from typing import TextIO

_NARROWEST, _WIDEST = 40, 160  # columns
_INDENT = "    "


def show(lines: str, stream: TextIO | None = None) -> None:
    """Write lines to a stream, standard output where none is given, and flush it."""
    stream = sys.stdout if stream is None else stream
    print(fitted(lines, stream), file=stream, flush=True)


def fitted(lines: str, stream: TextIO) -> str:
    """The lines as they fit a stream."""
    return "\n".join(wrapped(line, _columns()) for line in lines.split("\n")) if stream.isatty() else lines


def wrapped(line: str, columns: int) -> str:
    """The line in lines of at most so many columns, the second and later ones indented; words stay whole."""
    if len(line) <= columns:
        return line
    from textwrap import fill

    return fill(line, columns, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False)


def _columns() -> int:
    from shutil import get_terminal_size

    return min(max(get_terminal_size().columns, _NARROWEST), _WIDEST)
