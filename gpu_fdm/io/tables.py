"""Small tables that users bring: names of columns, numbers, `#` comments; errors name file, line and value.

Cells are separated by commas (CSV) or, where the row of names has none, by blanks. The names are in a row of their own,
or in the last comment above the numbers, as numpy.savetxt, CAMB (`#  k/h  P`) and CLASS (`# 1:k (h/Mpc)  2:P
(Mpc/h)^3`) write them.
"""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError, printable
from .input_content import MOST_BYTES, content_of

TABLE_ENDINGS = (".csv", ".ecsv")  # of the names of tables
_BEGINNING = 1 << 16  # bytes
_NOT_OF_TEXT = bytes({*range(32), 127} - set(b"\t\n\f\r"))  # control characters
_HEADER_LINE = re.compile(r"#\s*([a-z]\w*)\s*:\s*(.*?)\s*$", re.IGNORECASE)
_FORMULA = re.compile(r"((?:^|[,;\t])\s*)([=+@-])")  # a cell that begins as formulas do
_NUMBERED = re.compile(r"\d+:\s*([^\s(\[]+)\s*(.*?)\s*(?=\s\d+:|$)")  # a column and its unit in comments of CLASS
_BRACKETS = re.compile(r"^[(\[]([^()\[\]]*)[)\]]$")
# names that Boltzmann codes give columns, and the units that they imply
_OTHER_NAMES = {"k/h": "k", "k_h": "k", "p": "power", "pk": "power", "p_k": "power", "p(k)": "power"}
_OTHER_UNITS = {"k/h": "h/Mpc", "k_h": "h/Mpc"}


@dataclass(frozen=True)
class _Layout:
    """Names and units of the columns, the line of the names, and the lines of the rows with their numbers."""

    names: list[str]
    units: dict[str, str]
    number: int
    rows: list[tuple[int, str]]
    blanks: bool


def read_text(path: str | Path, most: int = MOST_BYTES) -> str:
    """A text file, UTF-8 with or without a byte order mark, with line ends as \\n.

    most  bytes that it may have: devices and sparse files can be larger than memory
    Raises OSError, or InputError that names the file, for what is no text or has more than `most` bytes.
    """
    octets = content_of(path, most)
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"byte {error.start} is 0x{octets[error.start]:02x}"
        raise InputError(f"{path}: not a text file in UTF-8 ({found})") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def beginning(path: str | Path) -> str:
    """The first 64 KiB of a text, in any encoding that has ASCII; empty for what is no text.

    Raises InputError, naming the file, where it cannot be read.
    """
    with errors_of_text(path), open(path, "rb") as file:
        octets = file.read(_BEGINNING)
    return "" if octets.translate(None, _NOT_OF_TEXT) != octets else octets.decode("utf-8-sig", errors="replace")


@contextmanager
def errors_of_text(path: str | Path) -> Iterator[None]:
    """Errors of reading a file of text become InputErrors that name it."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def header_lines(text: str) -> dict[str, str]:
    """Texts by name, in lower case, of the comments `# name: text` in a table, and units beside names of columns."""
    matches = (_HEADER_LINE.match(line.strip()) for line in text.splitlines())
    layout = _layout(text)
    return (layout.units if layout else {}) | {match[1].lower(): match[2] for match in matches if match}


def column_names(text: str) -> list[str]:
    """Names of the columns of a table; none in an empty file."""
    layout = _layout(text)
    return layout.names if layout else []


def without_formulas(value: object) -> object:
    """A text for a CSV file: without control characters, and with no cell that a spreadsheet takes for a formula."""
    return _FORMULA.sub(r"\1'\2", printable(value)) if isinstance(value, str) else value


def read_columns(path: str | Path, names: tuple[str, ...], text: str | None = None) -> dict[str, np.ndarray]:
    """Columns of a table as float arrays of one shape (rows,); other columns are ignored.

    path   file with at least the columns `names`, in any order; lines with # are comments
    text   of the file, where it has been read
    Returns the columns, and under "line" the line number of each row, for messages.
    Raises FileNotFoundError, or InputError naming the place, for a missing column or a value that is no number.
    """
    layout = _layout(read_text(path) if text is None else text)
    if layout is None:
        raise InputError(f"{path}: empty, must have a header row with columns {', '.join(names)}")
    header = layout.names
    missing = [name for name in names if name not in header]
    if missing:
        raise InputError(
            f"{path}, line {layout.number}: no column {', '.join(missing)}; "
            f"the header must hold {', '.join(names)} (found {', '.join(header)})"
        )
    for name in names:
        if header.count(name) > 1:
            raise InputError(f"{path}, line {layout.number}: column {name} is there {header.count(name)} times")
    rows = []
    for number, line in layout.rows:
        cells = line.split() if layout.blanks else _cells(path, number, line)
        if len(cells) != len(header):
            raise InputError(f"{path}, line {number}: {len(cells)} values, must be {len(header)}")
        row = []
        for name in names:
            cell = cells[header.index(name)].strip()
            try:
                value = float(cell)
            except ValueError:
                value = np.nan
            if not np.isfinite(value):
                raise InputError(f"{path}, line {number}: {name} = {cell or '(empty)'}: must be a finite number")
            row.append(value)
        rows.append(row)
    if not rows:
        raise InputError(f"{path}: no rows below the header")
    columns = {name: np.array([row[index] for row in rows]) for index, name in enumerate(names)}
    columns["line"] = np.array([number for number, _ in layout.rows])
    return columns


def require_rows(path: str | Path, columns: dict[str, np.ndarray], good: np.ndarray, names: str, rule: str) -> None:
    """InputError that names file, line and values of the first row of read_columns that is not good.

    good  mask, shape (rows,);  names  of the columns at fault, with commas;  rule  what must be, in words
    """
    for row in np.flatnonzero(~good)[:1]:
        value = ", ".join(f"{columns[name][row]:.10g}" for name in names.split(","))
        raise InputError(f"{path}, line {columns['line'][row]}: {names} = {value}: {rule}")


def _layout(text: str) -> _Layout | None:
    """Where names and numbers of a table are; None where it has no line but comments."""
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    rows = [(number, line) for number, line in lines if line[0] != "#"]
    if not rows:
        return None
    first, line = rows[0]
    blanks, cells = "," not in line, _split(line)
    if all(_is_number(cell) for cell in cells):
        for number, comment in reversed([(number, line) for number, line in lines if number < first]):
            names, units = _names_in(comment)
            if len(names) == len(cells):
                return _Layout(names, units, number, rows, blanks)
    return _Layout([name.strip() for name in cells], {}, first, rows[1:], blanks)


def _names_in(comment: str) -> tuple[list[str], dict[str, str]]:
    """Names of columns in a comment, and units by name where it has them."""
    text = comment.lstrip("# \t")
    if _HEADER_LINE.match(comment):
        return [], {}
    found = _NUMBERED.findall(text) or [(name.strip(), "") for name in _split(text)]
    names = [_OTHER_NAMES.get(name.lower(), name) for name, _ in found]
    units = zip(names, (unit or _OTHER_UNITS.get(name.lower(), "") for name, unit in found), strict=True)
    return names, {name: _BRACKETS.sub(r"\1", unit) for name, unit in units if unit}


def _split(line: str) -> list[str]:
    """Cells of a line that need not be well formed."""
    try:
        return next(csv.reader([line])) if "," in line else line.split()
    except csv.Error:
        return line.split(",")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _cells(path: str | Path, number: int, line: str) -> list[str]:
    """The texts in a line that is not empty."""
    try:
        return next(csv.reader([line]))
    except csv.Error as error:
        raise InputError(f"{path}, line {number}: {error}") from None
