"""Interactions of features in successive layers, by three definitions (Bushnaq et al. 2024).

Of features f of a layer and f' of the next, E_ij is how much f'_i changes with f_j, averaged over the data:

    data         <(f_j df'_i/df_j)^2>, the derivative at the data
    integrated   the same with the derivative averaged along the straight path from the mean of the data to each point
    jacobian     <(df'_i/df_j)^2> <f_j^2>
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..quantities import takes
from .basis import LayerBasis
from .layers import BATCH, Layer, applied, checked_data, summed
from .libraries import library

DEFINITIONS = ("data", "integrated", "jacobian")


@takes()
def interactions(
    layers: Sequence[Layer],
    bases: Sequence[LayerBasis],
    data: ArrayLike,
    definition: str = "data",
    *,
    steps: int = 8,
    batch: int = BATCH,
) -> tuple[NDArray, ...]:
    """E of each layer, shape (features of the next layer, features of the layer).

    bases  of interaction_basis: one more than there are layers;  data  shape (points, inputs)
    steps  nodes of Gauss and Legendre of a path, where the definition is `integrated`
    Raises InputError for another definition, and for bases of another network.
    """
    if definition not in DEFINITIONS:
        raise InputError(f"definition = {definition}: must be one of {', '.join(DEFINITIONS)}")
    if len(bases) != len(layers) + 1:
        raise InputError(f"{len(bases)} bases for {len(layers)} layers: must be {len(layers) + 1}")
    points, path = checked_data(data), np.polynomial.legendre.leggauss(steps)
    nodes = ((path[0] + 1) / 2, path[1] / 2) if definition == "integrated" else (np.ones(1), np.ones(1))
    found = []
    for number in range(len(layers)):
        squares, variance = _squares(layers, bases, number, points, nodes, definition == "jacobian", batch)
        found.append(squares * variance if definition == "jacobian" else squares)
    return tuple(found)


def _squares(
    layers: Sequence[Layer],
    bases: Sequence[LayerBasis],
    number: int,
    data: NDArray,
    nodes: tuple[NDArray, NDArray],
    alone: bool,
    batch: int,
) -> tuple[NDArray, NDArray]:
    """<(df'_i/df_j)^2>, times f_j^2 at each point unless it is asked for alone, and <f_j^2>."""
    jax = library("jax")
    jnp = jax.numpy
    layer, before, after = layers[number], bases[number], bases[number + 1]
    mean, to, back = (jnp.asarray(each) for each in (before.mean, before.to_features, before.from_features))
    to_next = jnp.asarray(after.to_features)
    forward = back.shape[0] <= to_next.shape[1]

    def derivative(activation: Any) -> Any:
        """df'/df, shape (features of the next layer, features)."""
        if forward:
            return to_next.T @ jax.vmap(lambda tangent: jax.jvp(layer, (activation,), (tangent,))[1])(back).T
        return jax.vmap(jax.vjp(layer, activation)[1])(to_next.T)[0] @ back.T

    def of_one(point: Any) -> tuple[Any, Any]:
        moved = applied(layers[:number], point) - mean
        along = sum(weight * derivative(mean + node * moved) for node, weight in zip(*nodes, strict=True))
        feature = moved @ to
        return along**2 * (1.0 if alone else feature**2), feature**2

    def of_batch(rows: Any, weight: Any) -> tuple[Any, Any]:
        squares, variance = jax.vmap(of_one)(rows)
        return jnp.tensordot(weight, squares, 1), weight @ variance

    squares, variance = summed(jax.jit(of_batch), data, batch)
    return squares / len(data), variance / len(data)


def number_of_edges(edges: Sequence[NDArray], cut: float = 1e-3) -> int:
    """Number of interactions above a cut, over the largest of their layer."""
    return sum(int(np.count_nonzero(each > cut * each.max())) for each in edges)
