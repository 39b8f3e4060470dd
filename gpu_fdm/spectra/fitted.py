"""A table of a boost or spectrum over the model that fits it."""

from attrs import frozen
from numpy.typing import NDArray


@frozen(eq=False)
class FittedTable:
    """A table over its model, shape (rows,) each.

    name    of the table;  quantity  of its values;  error  of its values, lower and upper, shape (2, rows)
    best    the best model;  band  quantiles 0.025, 0.16, 0.84, 0.975 of the model, shape (4, rows), or None
    pulls   (table - best)/error, differences of ln where errors are those of ln;  band_pulls  likewise of the band
    """

    name: str
    quantity: str
    k: NDArray
    values: NDArray
    error: NDArray
    best: NDArray
    pulls: NDArray
    band: NDArray | None = None
    band_pulls: NDArray | None = None
