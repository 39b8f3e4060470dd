"""Cells in the cylinder of one filament, and its soft ends: the geometry that the loops of fill.py share.

Lines of cells run along z; a row of the images of fill_extruded says where the filament lies and points to. The CUDA
functions are in fill.cu.
"""

import math
from functools import cache

import numpy as np

from .common import FAST
from .compiled import njit

SOFT_END_DEPTH = 6.0  # erf(6) is 1 to 2e-17
_SOFT_END_STEPS = 4096  # cubic pieces over -6 ... 6: good to 1e-12, four times as fast as erf


@cache
def soft_end_pieces() -> np.ndarray:
    """Cubic pieces of [1 + erf(depth)] / 2 over equal steps of -6 ... 6, for soft_end; shape (steps, 4)."""
    edges = np.linspace(-SOFT_END_DEPTH, SOFT_END_DEPTH, _SOFT_END_STEPS + 1)
    step = edges[1] - edges[0]
    value = 0.5 * np.array([math.erfc(-edge) for edge in edges])  # 1 + erf has round-off below zero
    slope = step * np.exp(-(edges**2)) / math.sqrt(math.pi)
    rise = np.diff(value)
    return np.stack(
        [value[:-1], slope[:-1], 3 * rise - 2 * slope[:-1] - slope[1:], slope[:-1] + slope[1:] - 2 * rise], axis=1
    )


@njit(inline="always", **FAST)
def row_interval(ux, uy, u_step, v_step, s0, s_step, reach, axial_reach):
    """Interval of the coordinate t of a row where (u, v) = (ux, uy) + t (u_step, v_step) lies within `reach`
    and the axial coordinate s0 + t s_step within `axial_reach`; empty where the first exceeds the second."""
    low = -math.inf
    high = math.inf
    across = u_step * u_step + v_step * v_step
    middle = ux * u_step + uy * v_step
    excess = ux * ux + uy * uy - reach * reach
    if across > 1e-14:
        discriminant = middle * middle - across * excess
        if discriminant < 0:
            return 1.0, 0.0
        root = math.sqrt(discriminant)
        low = (-middle - root) / across
        high = (-middle + root) / across
    elif excess > 0:
        return 1.0, 0.0
    if abs(s_step) > 1e-14:
        first = (-axial_reach - s0) / s_step
        second = (axial_reach - s0) / s_step
        low = max(low, min(first, second))
        high = min(high, max(first, second))
    elif abs(s0) > axial_reach:
        return 1.0, 0.0
    return low, high


@njit(inline="always", **FAST)
def soft_end(axial, half_length, sharpness, pieces):
    """[erf(sharpness (half_length - |axial|)) + 1] / 2."""
    depth = sharpness * (half_length - abs(axial))
    if depth >= SOFT_END_DEPTH:
        return 1.0
    position = max(depth + SOFT_END_DEPTH, 0.0) * (len(pieces) / (2 * SOFT_END_DEPTH))
    piece = int(position)
    t = position - piece
    return pieces[piece, 0] + t * (pieces[piece, 1] + t * (pieces[piece, 2] + t * pieces[piece, 3]))


@njit(inline="always", **FAST)
def extent(image, axis, reach, axial_reach):
    """Half width along a box axis of the cylinder that holds a filament."""
    along = image[12 + axis]
    return abs(along) * axial_reach + reach * math.sqrt(max(0.0, 1.0 - along * along))


@njit(inline="always", **FAST)
def y_range(image, spacing, reach, axial_reach, ny):
    """First and last row of a plane that the cylinder of a filament can touch."""
    half_width = extent(image, 1, reach, axial_reach)
    first = max(0, math.floor(-half_width / spacing[1] - image[4] + image[1]))
    last = min(ny - 1, math.ceil(half_width / spacing[1] - image[4] + image[1]))
    return first, last


@njit(inline="always", **FAST)
def z_range(image, spacing, low, high, nz):
    """First and last cell of a row in an interval of its coordinate; empty where low exceeds high."""
    if low > high:
        return 0, -1
    first = max(0, math.floor(max(low / spacing[2] - image[5] + image[2], -1.0)))
    last = min(nz - 1, math.ceil(min(high / spacing[2] - image[5] + image[2], float(nz))))
    return first, last


@njit(inline="always", **FAST)
def line_start(image, spacing, bx, j):
    """Coordinates across and along a filament of the point of row j, at bx, whose coordinate along the row is 0."""
    by = ((j - image[1]) + image[4]) * spacing[1]
    return (
        bx * image[6] + by * image[7],
        bx * image[9] + by * image[10],
        bx * image[12] + by * image[13],
    )
