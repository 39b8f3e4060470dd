"""Vortices of a cross-section: points where psi = 0 and its phase winds.

The winding around each square of a grid counts the zeros inside it; Newton's method on psi then finds each to
round-off. Pairs of opposite winding within one square cancel: the search finds those farther apart than its step.
"""

from dataclasses import dataclass

import numpy as np

from ..parallel.backend import CPU, GPU
from ..quantities import takes
from ..values import brief
from .cross_section import RadialTable, flow_at, psi_at

POINTS_A_WAVELENGTH = 24  # the shortest of psi, of the grid on which vortices are searched
_NEWTON_STEPS = 30
_POINTS_A_BAND = 1 << 21
_SUBDIVISIONS = 4  # squares where Newton's method strays are cut into this many along a side
_MAX_DEPTH = 8


@brief
@dataclass(frozen=True, eq=False)
class Vortices:
    """Positions (x, y) [L] and winding numbers, arrays of one shape (vortices,)."""

    x: np.ndarray
    y: np.ndarray
    winding: np.ndarray

    def __len__(self) -> int:
        return len(self.winding)


def winding_numbers(psi: np.ndarray) -> np.ndarray:
    """Phase winding around every square of a grid of psi [y, x], in units of 2 pi, counter-clockwise.

    psi  complex, shape (m, n);  returns integers, shape (m - 1, n - 1)
    """
    phase = np.angle(psi)

    def step(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.angle(np.exp(1j * (second - first)))

    lower_left, lower_right = phase[:-1, :-1], phase[:-1, 1:]
    upper_left, upper_right = phase[1:, :-1], phase[1:, 1:]
    around = step(lower_left, lower_right) + step(lower_right, upper_right)
    around += step(upper_right, upper_left) + step(upper_left, lower_left)
    return np.rint(around / (2 * np.pi)).astype(int)


@takes()
def find_vortices(
    table: RadialTable, radius: float, step: float | None = None, backend: CPU | GPU | None = None
) -> Vortices:
    """All vortices within `radius` [L] of the axis.

    step  of the search grid [L]; a 24th of the shortest wavelength where not given
    Raises ValueError for a radius that is negative or not finite, RuntimeError if a winding cannot be traced to zeros
    (the grid is then far too coarse).
    """
    if not 0 <= radius < np.inf:
        raise ValueError(f"radius = {radius:g}: must be finite and not negative [L]")
    radius = min(radius, table.radius_max)  # psi is zero beyond
    step = step or 2 * np.pi / table.wavenumber_max / POINTS_A_WAVELENGTH
    points = 2 * int(np.ceil(radius / step)) + 2
    line = step * (np.arange(points) - (points - 1) / 2)
    left, bottom = [], []
    # bands of rows that share their edge, so that the memory is that of a band
    rows = max(2, _POINTS_A_BAND // points)
    for first in range(0, points - 1, rows - 1):
        band = line[first : first + rows]
        row, column = np.nonzero(winding_numbers(psi_at(table, line[None, :], band[:, None], backend)))
        left.append(line[column])
        bottom.append(band[row])
    x, y, winding = _refine(table, np.concatenate(left), np.concatenate(bottom), step, backend, 0)
    inside = np.hypot(x, y) < radius
    order = np.lexsort((x[inside], y[inside]))
    return Vortices(x[inside][order], y[inside][order], winding[inside][order])


def _refine(
    table: RadialTable, left: np.ndarray, bottom: np.ndarray, step: float, backend: CPU | GPU | None, depth: int
) -> tuple:
    """Zeros in squares with lower left corners (left, bottom); squares where Newton's method strays are cut up."""
    x, y, settled, winding = _newton(table, left + step / 2, bottom + step / 2, step, backend)
    # a zero on the rim may be reached from the next square too: it belongs to the square that holds it
    settled &= (np.abs(x - left - step / 2) <= 0.5 * step * (1 + 1e-9)) & (
        np.abs(y - bottom - step / 2) <= 0.5 * step * (1 + 1e-9)
    )
    if np.all(settled):
        return x, y, winding
    if depth == _MAX_DEPTH:
        raise RuntimeError(f"{np.count_nonzero(~settled)} phase windings without a zero of psi: use a smaller step")
    found = [(x[settled], y[settled], winding[settled])]
    fine = step / _SUBDIVISIONS
    offsets = fine * np.arange(_SUBDIVISIONS + 1)
    for corner_x, corner_y in zip(left[~settled], bottom[~settled], strict=True):
        psi = psi_at(table, corner_x + offsets[None, :], corner_y + offsets[:, None], backend)
        row, column = np.nonzero(winding_numbers(psi))
        found.append(_refine(table, corner_x + offsets[column], corner_y + offsets[row], fine, backend, depth + 1))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _newton(table: RadialTable, x: np.ndarray, y: np.ndarray, step: float, backend: CPU | GPU | None) -> tuple:
    """Newton's method from (x, y), steps of at most half a square; also whether it settled, and the winding."""
    x, y = x.copy(), y.copy()
    settled = np.zeros(len(x), bool)
    winding = np.zeros(len(x), int)
    for _ in range(_NEWTON_STEPS):
        if len(x) == 0:
            break
        flow = flow_at(table, x, y, backend)
        # vorticity / 2 is the determinant of the real Jacobian of (Re psi, Im psi)
        determinant = flow.vorticity / 2
        winding = np.sign(determinant).astype(int)
        with np.errstate(divide="ignore", invalid="ignore"):
            move_x = (np.conj(flow.psi_y) * flow.psi).imag / determinant
            move_y = -(np.conj(flow.psi_x) * flow.psi).imag / determinant
        size = np.hypot(move_x, move_y)
        size = np.where(np.isfinite(size), size, np.inf)
        settled = size < 1e-10 * step
        limit = np.where(size > step / 2, step / 2 / np.where(size > 0, size, 1), 1.0)
        x += np.where(np.isfinite(move_x), move_x * limit, 0)
        y += np.where(np.isfinite(move_y), move_y * limit, 0)
        if np.all(settled):
            break
    return x, y, settled, winding
