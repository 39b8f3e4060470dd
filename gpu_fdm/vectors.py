"""Vectors in space."""

from collections.abc import Iterable
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

PARALLEL = 1e-6  # sine of the angle between axis and orientation below which they count as parallel

Value = TypeVar("Value")


def three(values: Iterable[Value]) -> tuple[Value, Value, Value]:
    """Values for x, y and z; ValueError for another number of them."""
    x, y, z = values
    return x, y, z


def unit_vectors(vectors: ArrayLike) -> NDArray:
    """Unit vectors along vectors of any length but zero, shape (..., 3); no length over- or underflows.

    Raises ValueError for one that is zero or not finite.
    """
    vectors = np.asarray(vectors, float)
    largest = np.abs(vectors).max(axis=-1, keepdims=True)
    if not np.all((largest > 0) & np.isfinite(largest)):
        raise ValueError("a direction must be finite and not zero")
    scaled = vectors / largest
    return scaled / np.linalg.norm(scaled, axis=-1, keepdims=True)
