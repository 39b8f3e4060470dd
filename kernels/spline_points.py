"""Quintic splines on a lattice at points between its own; on the CPU alone, since a snapshot is read there.

Callers check the arguments.
"""

import numpy as np

from .common import FAST, TAPS, quintic_weights
from .compiled import njit


def spline_points(place: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Values of a spline at points, shape (points,), float64.

    place         shape (points, 3), in steps of the lattice; the six coefficients around each are on it
    coefficients  shape (nx, ny, nz), float64
    """
    out = np.empty(len(place))
    spline_points_loop(place, coefficients, out)
    return out


@njit(**FAST)
def spline_points_loop(place, coefficients, out):
    """spline_points; out is written."""
    wx, wy, wz = np.empty(TAPS), np.empty(TAPS), np.empty(TAPS)
    for p in range(len(place)):
        i, j, k = int(place[p, 0]), int(place[p, 1]), int(place[p, 2])
        quintic_weights(place[p, 0] - i, wx)
        quintic_weights(place[p, 1] - j, wy)
        quintic_weights(place[p, 2] - k, wz)
        z0, z1, z2, z3, z4, z5 = wz[0], wz[1], wz[2], wz[3], wz[4], wz[5]
        total = 0.0
        for a in range(TAPS):
            plane = coefficients[i - 2 + a]
            of_plane = 0.0
            for b in range(TAPS):
                c = plane[j - 2 + b]
                line = z0 * c[k - 2] + z1 * c[k - 1] + z2 * c[k] + z3 * c[k + 1] + z4 * c[k + 2] + z5 * c[k + 3]
                of_plane += wy[b] * line
            total += wx[a] * of_plane
        out[p] = total
