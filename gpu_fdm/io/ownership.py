"""Whose a file is: figures, movies, reports and tables are replaced only where this program wrote them.

They are known by a mark, which only this program writes, in their first or last bytes; results by their digest.
"""

from pathlib import Path

from ..errors import InputError

PROGRAM = "gpu-fdm"
FIGURE_MARK = f"Software\0{PROGRAM}".encode()  # a text of a PNG: name, zero, value
FIGURE_MARKS = {  # by the ending of the name
    ".png": FIGURE_MARK,
    ".pdf": f"/Creator ({PROGRAM})".encode(),
    ".svg": f"<dc:title>{PROGRAM}</dc:title>".encode(),
}
MOVIE_COMMENT = f"made by {PROGRAM}"
MOVIE_MARK = MOVIE_COMMENT.encode()
_SEARCHED = 2**16  # bytes at either end


def figure_mark(path: Path) -> bytes:
    """The mark of a figure of this name; InputError for a format that figures do not have."""
    if path.suffix.lower() not in FIGURE_MARKS:
        raise InputError(f"{path}: must end in {', '.join(FIGURE_MARKS)}")
    return FIGURE_MARKS[path.suffix.lower()]


def require_own(path: Path, mark: bytes) -> None:
    """InputError for what is there and not written by this program, as its mark says; an empty file may be replaced."""
    if path.is_file() and not path.stat().st_size:
        return
    if path.exists() and not (path.is_file() and _has(path, mark)):
        raise not_replaced(path, " (or version 0.1, whose figures do not say so)" if mark == FIGURE_MARK else "")


def is_own(path: Path, mark: bytes) -> bool:
    """Whether this program wrote a file, as its mark says."""
    return path.is_file() and _has(path, mark)


def not_replaced(path: Path, more: str = "") -> InputError:
    """The error for a file of others under the name of what is to be written."""
    what = f"a file that gpu-fdm did not write{more}" if path.is_file() else "a folder" if path.is_dir() else "no file"
    return InputError(f"{path}: is {what}: it is not replaced, take another name")


def _has(path: Path, mark: bytes) -> bool:
    with open(path, "rb") as file:
        if mark in file.read(_SEARCHED):
            return True
        file.seek(max(0, path.stat().st_size - _SEARCHED))
        return mark in file.read(_SEARCHED)
