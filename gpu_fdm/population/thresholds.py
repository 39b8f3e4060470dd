"""Thresholds of filaments from a table that comes with the package: no ellipsoid is followed.

At a given shear they depend on the scale factor a of collapse, since the start is at a fixed one, and on omega_m by
x = (1-Om) a^3/Om alone. The table has them at Chebyshev points of ln a and x and at rows of the cube root of the
shear; polynomials and a spline lie between. delta_ec and a_i are right to ERROR, relative, mostly to 1e-8.
`python -m validation.thresholds` makes the table, in a minute.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ..quadrature import barycentric_weights, chebyshev_points
from .collapse import START, CollapseModel

FILE = Path(__file__).parent / "data" / "thresholds.npy"
# of the bytes of FILE: parts of results that follow from it are computed again where it changes
SHA256 = "e2eefb2fcc5330b8320eb2e80c82b5887bf216700736ada3b895d835d4028054"
ERROR = 3e-7
FREEZE_OUT = "virial"
REDSHIFTS = 2.0, 8.0  # of the table
LARGEST_X = 0.15  # omega_m >= 0.20 at z = 2, 0.09 at z = 3
LARGEST_SHEAR = (2**6.5 / 5) ** 0.5  # a variance of 90 with ellipticity = published
SCALE_FACTORS, MATTER, ROWS = 11, 6, 129  # points
_ROUND_OFF = 1 + 1e-12  # of ends of ranges
_LAST = REDSHIFTS[1] * _ROUND_OFF**2


def nodes() -> tuple[NDArray, NDArray, NDArray]:
    """ln a, shape (SCALE_FACTORS,), x, shape (MATTER,), and shears, shape (ROWS,), of the table."""
    low, high = (-np.log1p(redshift) for redshift in REDSHIFTS[::-1])
    root = np.linspace(0, np.cbrt(LARGEST_SHEAR), ROWS)
    return chebyshev_points(low, high, SCALE_FACTORS), chebyshev_points(0.0, LARGEST_X, MATTER), root**3


def are_tabulated(model: CollapseModel, largest_shear: float) -> bool:
    """Whether the table has the thresholds of filaments up to a shear s = e delta.

    model  background, scale factor, freeze-out
    """
    of_table = (model.freeze_out, model.start) == (FREEZE_OUT, START) and largest_shear <= LARGEST_SHEAR * _ROUND_OFF
    return of_table and _x(model) <= LARGEST_X and REDSHIFTS[0] <= (1 / model.scale_factor - 1) * _ROUND_OFF <= _LAST


def tabulated_thresholds(model: CollapseModel, shear: NDArray) -> tuple[NDArray, NDArray]:
    """delta_ec, shape (shears,), and the axes a_i at collapse, shape (shears, 3), of filaments that are_tabulated.

    model  background, scale factor, freeze-out;  shear  s = e delta, shape (shears,)
    """
    log_a, x, rows = nodes()
    of_a, of_x = barycentric_weights(np.log(model.scale_factor), log_a), barycentric_weights(_x(model), x)
    table = np.einsum("a,x,axsc->sc", of_a, of_x, _table())
    found = CubicSpline(np.cbrt(rows), table)(np.cbrt(shear))
    return found[:, 0], np.exp(found[:, 1:])


def _x(model: CollapseModel) -> float:
    matter = model.background.omega_m
    return (1 - matter) / matter * model.scale_factor**3


@cache
def _table() -> NDArray:
    """delta_ec and ln a_i, shape (SCALE_FACTORS, MATTER, ROWS, 4)."""
    return np.load(FILE, allow_pickle=False)
