"""Quadrature that many integrals share."""

from functools import lru_cache

from numpy.typing import NDArray
from scipy.special import roots_legendre


@lru_cache(maxsize=64)
def gauss_legendre(points: int) -> tuple[NDArray, NDArray]:
    """Nodes and weights of Gauss and Legendre on [-1, 1], shape (points,); cached."""
    return roots_legendre(points)
