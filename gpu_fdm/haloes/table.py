"""Haloes as a table: what describes one, and how they are read from a CSV file."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..io.tables import column_names, read_columns, read_text, require_rows

_COLUMNS = "mass", "cx", "cy", "cz"
_OPTIONAL = "concentration", "core", "seed"
MOST_SEED = 2**53  # up to which every integer is a number of double precision


@dataclass(frozen=True)
class HaloRow:
    """A row of a table of haloes.

    line    of the file, from 1;  mass  [Msun/h];  centre  (3,) in units of the sides of the box, in [0, 1]
    concentration  radius of the mass definition over the scale radius;  core  core radius [cMpc/h, comoving];  seed  of
    the phases; each is None where the table has no such column
    """

    line: int
    mass: float
    centre: tuple[float, float, float]
    concentration: float | None = None
    core: float | None = None
    seed: int | None = None


def read_halo_table(path: str | Path) -> list[HaloRow]:
    """Rows of a CSV file with columns mass, cx, cy, cz and, where wanted, concentration, core, seed; see HaloRow.

    Raises FileNotFoundError, or InputError that names file, line and value: a column that is missing or not known, a
    value that is no number or out of range.
    """
    text = read_text(path)
    found = column_names(text)
    unknown = [name for name in found if name not in _COLUMNS + _OPTIONAL]
    if unknown and set(_COLUMNS) <= set(found):
        known = f"{', '.join(_COLUMNS)} and, where wanted, {', '.join(_OPTIONAL)}"
        raise InputError(f"{path}: column {unknown[0]}: must be one of {known}")
    optional = tuple(name for name in _OPTIONAL if name in found)
    columns = read_columns(path, (*_COLUMNS, *optional), text)

    require = partial(require_rows, path, columns)
    require(columns["mass"] > 0, "mass", "must be > 0")
    for name in _COLUMNS[1:]:
        outside = "the halo is outside of the box, must be in [0, 1], in units of its side"
        require((columns[name] >= 0) & (columns[name] <= 1), name, outside)
    for name in ("concentration", "core"):
        if name in optional:
            require(columns[name] > 0, name, "must be > 0")
    if "seed" in optional:
        seed = columns["seed"]
        whole = (seed == np.floor(seed)) & (seed >= 0) & (seed < MOST_SEED)
        require(whole, "seed", f"must be an integer in [0, {MOST_SEED})")
    values = zip(*(column.tolist() for column in columns.values()), strict=True)
    rows = [dict(zip(columns, row, strict=True)) for row in values]
    return [
        HaloRow(
            line=row["line"],
            mass=row["mass"],
            centre=(row["cx"], row["cy"], row["cz"]),
            concentration=row.get("concentration"),
            core=row.get("core"),
            seed=int(row["seed"]) if "seed" in row else None,
        )
        for row in rows
    ]
