"""What can be wrong with what a user gave, and with the machine."""

from pathlib import Path

_BEGIN, _END = 400, 500  # characters that are kept of a message that is too long to read


def one_line(message) -> str:
    """A message as one line of text that a terminal shows as it is, whatever names and values are in it.

    Line ends become blanks, control characters and lone surrogates their escapes; of a text that is too long the
    middle is left out.
    """
    shown = "".join(map(_shown, _shortened(str(message))))
    return _shortened(shown)


def _shown(character):
    return character if character.isprintable() else " " if character.isspace() else ascii(character)[1:-1]


def _shortened(text):
    return text if len(text) <= _BEGIN + _END else f"{text[:_BEGIN]} ... {text[-_END:]}"


def reason(error: BaseException) -> str:
    """Why something failed, in one line: what the operating system said, else the message, else the kind of error."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split())
    return text or type(error).__name__


class InputError(ValueError):
    """The user's input is wrong; the message is one line that names the place, the value and what is allowed."""

    on_all_ranks: bool  # there where every rank raises it: one of them then says it

    def __str__(self):
        return one_line(super().__str__())


class RunError(RuntimeError):
    """The input is right but the run cannot be done here: no room, no rights, no device."""

    on_all_ranks: bool  # as above

    def __str__(self):
        return one_line(super().__str__())


def require_file(path: Path):
    """InputError for a path that is no file."""
    if not path.is_file():
        raise InputError(f"{path}: {'is no file' if path.exists() else 'no such file'}")
