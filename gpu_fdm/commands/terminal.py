"""Lines on a terminal: wrapped between words at its width; in a file or a pipe each stays one line."""

from typing import TextIO

_NARROWEST, _WIDEST = 40, 160  # columns
_INDENT = "    "


def show(line: str, stream: TextIO) -> None:
    """Write a line to a stream, and flush it."""
    print(wrapped(line, _columns()) if stream.isatty() else line, file=stream, flush=True)


def wrapped(line: str, columns: int) -> str:
    """The line in lines of at most so many columns, the second and later ones indented; words stay whole."""
    if len(line) <= columns:
        return line
    from textwrap import fill

    return fill(line, columns, subsequent_indent=_INDENT, break_long_words=False, break_on_hyphens=False)


def _columns() -> int:
    from shutil import get_terminal_size

    return min(max(get_terminal_size().columns, _NARROWEST), _WIDEST)
