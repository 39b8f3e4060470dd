"""Quadrature and interpolation that many modules share."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_legendre


@lru_cache(maxsize=64)
def gauss_legendre(points: int) -> tuple[NDArray, NDArray]:
    """Nodes and weights of Gauss and Legendre on [-1, 1], shape (points,); cached."""
    return roots_legendre(points)


def chebyshev_points(low: float, high: float, points: int) -> NDArray:
    """Chebyshev extrema from low to high, both among them, shape (points,); at least two points."""
    x = -np.cos(np.pi * np.arange(points) / (points - 1))
    found = (low * (1 - x) + high * (1 + x)) / 2
    found[[0, -1]] = low, high
    return found


def barycentric_weights(value: float, points: NDArray) -> NDArray:
    """What the polynomial through values at Chebyshev extrema takes of each of them, shape of points; their sum is 1.

    Source: Berrut & Trefethen 2004, SIAM Review 46, 501.
    """
    distance = value - points
    if not np.all(distance):
        return (distance == 0).astype(float)
    weight = (-1.0) ** np.arange(len(points)) / distance
    weight[[0, -1]] /= 2
    return weight / weight.sum()
