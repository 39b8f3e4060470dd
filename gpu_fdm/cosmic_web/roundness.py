"""How round a filament is: the ellipse across it, by moments under a Gaussian window that has the shape it finds.

    W = exp(-(x - c)^T M^-1 (x - c)/2),   c = <x>_W,   M = 2 <(x - c)(x - c)^T>_W

until M stays (adaptive moments: Bernstein & Jarvis 2002, AJ 123, 583). M is the covariance of a Gaussian, and stretches
as any cross-section stretches, however far out it goes: the root of the ratio of its eigenvalues is the axis ratio.
"""

import numpy as np
from numpy.typing import NDArray

_ITERATIONS, _STILL = 300, 1e-4
_WIDEST = 0.5  # of the radius: the window of a wider one is cut
_NARROWEST = 1e-3  # of the scale to begin with: a window that closes on single points


def axis_ratio(
    position: NDArray, mass: NDArray, scale: float, radius: float, background: float = 0.0
) -> tuple[float, float]:
    """Axis ratio b/a of the cross-section, and the angle of its long axis from u [rad], in [0, pi); NaN without one.

    position  (u, v) of masses, shape (points, 2);  scale  to begin with;  radius  within which they are [cMpc/h]
    background  constant mass on an area, which is subtracted [that of mass/(cMpc/h)^2]
    """
    none = float("nan"), float("nan")
    centre, matrix = np.zeros(2), scale**2 * np.eye(2)
    for _ in range(_ITERATIONS):
        off = position - centre
        weight = mass * np.exp(-0.5 * np.sum((off @ np.linalg.inv(matrix)) * off, axis=1))
        beside = background * 2 * np.pi * np.sqrt(np.linalg.det(matrix))
        total = weight.sum() - beside
        if not total > 0:
            return none
        shift = weight @ off / total
        better = 2 * ((off.T * weight) @ off - beside * matrix) / total - 2 * np.outer(shift, shift)
        values, vectors = np.linalg.eigh(better)
        if not (_NARROWEST * scale) ** 2 < values[0] <= values[1] <= (_WIDEST * radius) ** 2:
            return none
        still = np.abs(better - matrix).max() < _STILL * values[1] and np.abs(shift).max() < _STILL * np.sqrt(values[1])
        centre, matrix = centre + shift, better
        if still:
            return float(np.sqrt(values[0] / values[1])), float(np.arctan2(vectors[1, 1], vectors[0, 1]) % np.pi)
    return none


def axis_ratios(
    frame: NDArray, mass: NDArray, row: NDArray, slices: int, scale: float, radius: float, background: float = 0.0
) -> tuple[NDArray, NDArray]:
    """Axis ratio and angle of every slice, as axis_ratio has them, shape (slices,); NaN where there is none.

    frame  (u, v, z) of masses, shape (points, 3);  row  their slices;  background  of one slice
    """
    order = np.argsort(row, kind="stable")
    parts = np.split(order, np.searchsorted(row[order], np.arange(1, slices)))
    found = [axis_ratio(frame[part, :2], mass[part], scale, radius, background) for part in parts]
    ratio, angle = np.array(found).T
    return ratio, angle
