"""Small CSV tables that users bring: a header row, numbers, `#` comments; errors name file, line and value."""

import csv
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ..errors import InputError, printable
from .input_content import MOST_BYTES, content_of

TABLE_ENDINGS = (".csv", ".ecsv")  # of the names of tables
_HEADER_LINE = re.compile(r"#\s*([a-z]\w*)\s*:\s*(.*?)\s*$", re.IGNORECASE)
_FORMULA = re.compile(r"((?:^|[,;\t])\s*)([=+@-])")  # a cell that begins as formulas do


def read_text(path: str | Path, most: int = MOST_BYTES) -> str:
    """A text file, UTF-8 with or without a byte order mark, with line ends as \\n.

    most  bytes that it may have: devices and sparse files can be larger than memory
    Raises OSError, or ValueError that names the file, for what is no text or has more than `most` bytes.
    """
    octets = content_of(path, most)
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file (byte {error.start})") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


@contextmanager
def errors_of_text(path: str | Path) -> Iterator[None]:
    """Errors of reading a file of text become InputErrors that name it."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(str(error)) from None


def header_lines(text: str) -> dict[str, str]:
    """Texts by name, in lower case, of the comments `# name: text` in a CSV file."""
    matches = (_HEADER_LINE.match(line.strip()) for line in text.splitlines())
    return {match[1].lower(): match[2] for match in matches if match}


def column_names(text: str) -> list[str]:
    """Names of the columns of a CSV file: its first line that is no comment; none in an empty file."""
    names = next((line.split(",") for line in text.splitlines() if line.strip() and line.lstrip()[0] != "#"), [])
    return [name.strip() for name in names]


def without_formulas(value: object) -> object:
    """A text for a CSV file: without control characters, and with no cell that a spreadsheet takes for a formula."""
    return _FORMULA.sub(r"\1'\2", printable(value)) if isinstance(value, str) else value


def read_columns(path: str | Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Columns of a CSV file as float arrays of one shape (rows,); other columns are ignored.

    path   file with a header row that holds at least `names`, in any order; lines with # are comments
    Returns the columns, and under "line" the line number of each row, for messages.
    Raises FileNotFoundError, or ValueError naming the place, for a missing column or a value that is no number.
    """
    try:
        lines = read_text(path).splitlines()
    except IsADirectoryError:
        raise ValueError(f"{path}: is a folder, must be a CSV file with columns {', '.join(names)}") from None
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and line.lstrip()[0] != "#"]
    if not numbered:
        raise ValueError(f"{path}: empty, must have a header row with columns {', '.join(names)}")
    header = [name.strip() for name in _cells(path, *numbered[0])]
    missing = [name for name in names if name not in header]
    if missing:
        raise ValueError(
            f"{path}, line {numbered[0][0]}: no column {', '.join(missing)}; "
            f"the header must hold {', '.join(names)} (found {', '.join(header)})"
        )
    for name in names:
        if header.count(name) > 1:
            raise ValueError(f"{path}, line {numbered[0][0]}: column {name} is there {header.count(name)} times")
    rows = []
    for number, line in numbered[1:]:
        cells = _cells(path, number, line)
        if len(cells) != len(header):
            raise ValueError(f"{path}, line {number}: {len(cells)} values, must be {len(header)}")
        row = []
        for name in names:
            text = cells[header.index(name)].strip()
            try:
                value = float(text)
            except ValueError:
                value = np.nan
            if not np.isfinite(value):
                raise ValueError(f"{path}, line {number}: {name} = {text or '(empty)'}: must be a finite number")
            row.append(value)
        rows.append(row)
    if not rows:
        raise ValueError(f"{path}: no rows below the header")
    columns = {name: np.array([row[index] for row in rows]) for index, name in enumerate(names)}
    columns["line"] = np.array([number for number, _ in numbered[1:]])
    return columns


def require_rows(path: str | Path, columns: dict[str, np.ndarray], good: np.ndarray, names: str, rule: str) -> None:
    """InputError that names file, line and values of the first row of read_columns that is not good.

    good  mask, shape (rows,);  names  of the columns at fault, with commas;  rule  what must be, in words
    """
    for row in np.flatnonzero(~good)[:1]:
        value = ", ".join(f"{columns[name][row]:.10g}" for name in names.split(","))
        raise InputError(f"{path}, line {columns['line'][row]}: {names} = {value}: {rule}")


def _cells(path: str | Path, number: int, line: str) -> list[str]:
    """The texts in a line that is not empty."""
    try:
        return next(csv.reader([line]))
    except csv.Error as error:
        raise ValueError(f"{path}, line {number}: {error}") from None
