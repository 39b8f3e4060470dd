"""A network as a list of functions, each from the activations of a layer to those of the next, and sums over its data.

A layer is a JAX function of one point: it takes a vector and returns a vector. Modules of equinox are such functions;
of flax they are lambda h: module.apply(parameters, h).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from .libraries import library

Layer = Callable[[Any], Any]
BATCH = 256  # points at a time


def checked_data(data: ArrayLike, what: str = "data", column_name: str = "input") -> NDArray:
    """Points of a data set, shape (points, inputs), in double precision. InputError, with its name, for others."""
    points = np.asarray(data, float)
    if points.ndim != 2 or len(points) < 2 or not points.shape[1]:
        raise InputError(f"{what} of shape {list(points.shape)}: must be [points, {column_name}s], two points or more")
    wrong = np.argwhere(~np.isfinite(points))
    if len(wrong):
        row, column = wrong[0]
        raise InputError(f"{what}: point {row}, {column_name} {column} is {points[row, column]}: must be finite")
    return points


def batches(data: NDArray, size: int) -> Iterator[tuple[NDArray, NDArray]]:
    """Rows of equal number, which are compiled for once, and their weights: the last batch is filled with weight 0."""
    size = min(size, len(data))
    for first in range(0, len(data), size):
        rows = data[first : first + size]
        weight = np.ones(size)
        weight[len(rows) :] = 0.0
        yield np.concatenate([rows, np.repeat(rows[-1:], size - len(rows), axis=0)]), weight


def summed(function: Callable, data: NDArray, size: int, *arguments: Any) -> Any:
    """Sums over all points of the arrays that function(rows, weight, *arguments) sums over a batch; on the host."""
    jax = library("jax")
    total: Any = None
    for rows, weight in batches(data, size):
        found = jax.tree.map(np.asarray, function(rows, weight, *arguments))
        total = found if total is None else jax.tree.map(np.add, total, found)
    return total


def applied(layers: Sequence[Layer], point: Any) -> Any:
    """Activations after some layers, of one point."""
    for layer in layers:
        point = layer(point)
    return point


def activations(layers: Sequence[Layer], data: ArrayLike, batch: int = BATCH) -> tuple[NDArray, ...]:
    """Activations of all layers, the data first, shape (points, neurons) each."""
    jax, points = library("jax"), checked_data(data)

    def of_all(point: Any) -> list:
        found = [point]
        for layer in layers:
            found.append(layer(found[-1]))
        return found

    function = jax.jit(jax.vmap(of_all))
    parts = [[np.asarray(each)[weight > 0] for each in function(rows)] for rows, weight in batches(points, batch)]
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def outputs(layers: Sequence[Layer], data: ArrayLike, batch: int = BATCH) -> NDArray:
    """Outputs of a network, shape (points, outputs)."""
    jax, points = library("jax"), checked_data(data)
    function = jax.jit(jax.vmap(lambda point: applied(layers, point)))
    return np.concatenate([np.asarray(function(rows))[weight > 0] for rows, weight in batches(points, batch)])
