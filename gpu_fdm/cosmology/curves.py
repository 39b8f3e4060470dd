"""Functions of k that are given by rows: how they are checked and read."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..io.spectral_units import COMOVING, UNITS_OF_K, UNITS_OF_POWER, known_unit
from ..io.tables import errors_of_text, header_lines, read_columns, read_text

LEAST_ROWS = 8
# largest values, and k and 1/k [h/Mpc]: larger ones are no measurements, and their products overflow
LARGEST, LARGEST_K = 1e60, 1e30
ROUND_OFF = 1e-9  # relative, by which a value may leave its range: amply that of exp(ln k)
_REDSHIFT = re.compile(r"\b(?:z\s*=|redshift\s*[:=])\s*(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)", re.IGNORECASE)

Curve = TypeVar("Curve")


def read_only(values: ArrayLike) -> NDArray:
    """A copy as floating-point numbers that cannot be changed."""
    copy = np.array(values, float)
    copy.setflags(write=False)
    return copy


def check_rows(k: NDArray, values: NDArray, name: str) -> None:
    """InputError unless k and values are a function of k, shape (rows,), at least 8.

    k  [h/Mpc], positive and increasing;  values  finite;  both of sizes that measurements have
    name  of the values, for messages
    The error begins with "row" and its number, from 1, where one row is wrong.
    """
    if k.ndim != 1 or k.shape != values.shape or len(k) < LEAST_ROWS:
        raise InputError(f"table of shape {k.shape}: must hold at least {LEAST_ROWS} rows of k and {name}")
    for column, column_name, good, allowed in (
        (k, "k", (k > 1 / LARGEST_K) & (k < LARGEST_K), f"positive, and below {LARGEST_K:g}"),
        (values, name, np.abs(values) < LARGEST, f"finite, and below {LARGEST:g}"),
    ):
        for row in np.flatnonzero(~good)[:1]:
            raise InputError(f"row {row + 1}: {column_name} = {column[row]:g}: must be {allowed}")
    for row in np.flatnonzero(np.diff(k) <= 0)[:1] + 1:
        raise InputError(f"row {row + 1}: k = {k[row]:g}: must be larger than {k[row - 1]:g}, the one before")


def check_range(name: str, values: NDArray, low: float, high: float, unit: str, what: str) -> None:
    """InputError for the first of the values that is outside low..high (but for round-off), or NaN."""
    good = (values >= low * (1 - ROUND_OFF)) & (values <= high * (1 + ROUND_OFF))
    for outside in values[~good].flat:
        raise InputError(f"{name} = {outside:g} {unit}: must be in [{low:g}, {high:g}], the range of the {what}")


def read_curve(path: str | Path, name: str, make: Callable[[NDArray, NDArray], Curve]) -> Curve:
    """make(k, values) from a table with columns k [h/Mpc] and `name`; InputError names the file and the line.

    Units in its header must be these, and the redshift of power 0; where there are none, they are taken for granted.
    """
    with errors_of_text(path):
        text = read_text(path)
        columns, header = read_columns(path, ("k", name), text), header_lines(text)
    for column, known, unit in (("k", UNITS_OF_K, "h/Mpc"), ("power", UNITS_OF_POWER, COMOVING)):
        given = header.get(column, unit) if column in columns else unit
        if known_unit(given.partition(",")[0], known) != unit:
            raise InputError(f"{path}: {column}: {given} in the header: must be {unit}")
    for line in text.splitlines() if name == "power" else ():
        found = _REDSHIFT.search(line) if line.lstrip().startswith("#") else None
        if found and float(found[1]) != 0:
            raise InputError(f"{path}: z = {found[1]} in the header: must be the power today, z = 0")
    try:
        return make(columns["k"], columns[name])
    except InputError as error:
        # make names a row, the user needs its line
        message = re.sub(r"^row (\d+)", lambda row: f"line {columns['line'][int(row[1]) - 1]}", str(error))
        raise InputError(f"{path}: {message}") from None
