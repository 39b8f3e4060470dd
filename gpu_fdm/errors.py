"""Errors of the input and of the machine, and their messages of one line."""

from collections.abc import Iterable
from pathlib import Path
from traceback import walk_tb

_BEGIN, _END = 400, 500  # characters that are shown of the two ends of a long message


def one_line(message: object) -> str:
    """A message as one printable line, whatever names and values are in it.

    Line ends become blanks, control characters and lone surrogates their escapes; the middle of a long text is left
    out.
    """
    return _shortened(printable(_shortened(str(message))))


def printable(text: str) -> str:
    """A text as one line without control characters and lone surrogates, which are shown as their escapes."""
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(character: str) -> str:
    return character if character.isprintable() else " " if character.isspace() else ascii(character)[1:-1]


def _shortened(text: str) -> str:
    return text if len(text) <= _BEGIN + _END else f"{text[:_BEGIN]} ... {text[-_END:]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question in brackets, with a blank before it, that names the known word most like this one; empty if none is.

    A word that is a part of a single known one is like it.
    """
    from difflib import get_close_matches

    known = tuple(known)
    holding = [name for name in known if len(word) > 2 and word.lower() in name.lower()]
    close = get_close_matches(word, known, 1) or (holding if len(holding) == 1 else [])
    return f" (did you mean {close[0]}?)" if close else ""


def reason(error: BaseException) -> str:
    """Why something failed, in one line: the text of the operating system, else the message, else the type of error."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text or type(error).__name__


def raised_by(error: BaseException, *packages: str) -> bool:
    """Whether code of one of these packages, or what it called, raised an error; not ours, nor what ours called."""
    for frame, _ in reversed(list(walk_tb(error.__traceback__))):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package in (*packages, __package__):
            return package in packages
    return False


class InputError(ValueError):
    """The user's input is wrong; the message is one line that names the place, the value and what is allowed."""

    on_all_ranks: bool  # set where every rank raises it; only rank 0 reports it

    def __str__(self) -> str:
        return one_line(super().__str__())


class UnfitError(ValueError):
    """A check of ours finds values unfit for what is computed of them; the message does not say where they come from.

    Who knows the place catches this and raises an InputError. A ValueError of a library is a fault of the program.
    """


class RunError(RuntimeError):
    """The input is right but the run is impossible on this machine: no space, no permission, no device."""

    on_all_ranks: bool  # see InputError

    def __str__(self) -> str:
        return one_line(super().__str__())


def require_file(path: Path) -> None:
    """InputError for a path that is no file, which names the result in a folder of one."""
    if not path.is_file():
        result = path / "result.hdf5"
        inside = f"a folder: give {result}" if result.is_file() else "is no file"
        raise InputError(f"{path}: {inside if path.exists() else 'no such file'}")
