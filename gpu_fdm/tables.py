"""Small CSV tables that users bring: a header row, numbers, `#` comments; errors name file, line and value."""

import csv
from pathlib import Path

import numpy as np


def read_columns(path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Columns of a CSV file as float arrays of one shape (rows,); other columns are ignored.

    path   file with a header row that holds at least `names`, in any order; lines with # are comments
    Returns the columns, and under "line" the line number of each row, for messages.
    Raises FileNotFoundError, or ValueError naming the place, for a missing column or a value that is no number.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file (byte {error.start})") from None
    except IsADirectoryError:
        raise ValueError(f"{path}: is a folder, must be a CSV file with columns {', '.join(names)}") from None
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip() and line.lstrip()[0] != "#"]
    if not numbered:
        raise ValueError(f"{path}: empty, must have a header row with columns {', '.join(names)}")
    header = [name.strip() for name in next(csv.reader([numbered[0][1]]))]
    missing = [name for name in names if name not in header]
    if missing:
        raise ValueError(
            f"{path}, line {numbered[0][0]}: no column {', '.join(missing)}; "
            f"the header must hold {', '.join(names)} (found {', '.join(header)})"
        )
    rows = []
    for number, line in numbered[1:]:
        cells = next(csv.reader([line]))
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
