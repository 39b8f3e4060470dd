"""Cubic splines along the last axis of rows over one equally spaced grid, each row at positions of its own."""

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline


def piecewise(grid: NDArray, rows: NDArray) -> NDArray:
    """Coefficients of the splines through rows, shape (..., cells, 4): they depend on the rows linearly.

    grid  equally spaced, shape (points,);  rows  shape (..., points)
    """
    return np.moveaxis(CubicSpline(grid, rows, axis=-1).c, (0, 1), (-1, -2))


def along_rows(grid: NDArray, coefficients: NDArray, position: NDArray) -> NDArray:
    """Values of every row at positions of its own, shape (rows, points); beyond the grid the cells at its ends go on.

    coefficients  of `piecewise`, shape (rows, cells, 4);  position  shape (rows, points)
    """
    step = (grid[-1] - grid[0]) / (len(grid) - 1)
    cell = np.clip(((position - grid[0]) / step).astype(np.intp), 0, len(grid) - 2)
    offset = position - grid[cell]
    c = coefficients[np.arange(len(position))[:, None], cell]
    return ((c[..., 0] * offset + c[..., 1]) * offset + c[..., 2]) * offset + c[..., 3]
