"""A network with the first features of each layer alone, and a network written in its basis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..quantities import takes
from .basis import LayerBasis
from .layers import BATCH, Layer, outputs
from .libraries import library


@takes()
def pruned(layers: Sequence[Layer], bases: Sequence[LayerBasis], number: int | Sequence[int]) -> list[Layer]:
    """Layers that hand on the first features of their activations alone; the input and the output stay whole.

    bases   of interaction_basis;  number  of features of all hidden layers, or of each
    """
    hidden = len(layers) - 1
    numbers = [number] * hidden if isinstance(number, int) else list(number)
    if len(numbers) != hidden or any(each < 1 for each in numbers):
        raise InputError(f"number = {number}: must be one number from 1, or one for each of {hidden} hidden layers")
    found = [_projected(*each) for each in zip(layers, bases[1:], numbers, strict=False)]
    return [*found, layers[-1]]


def _projected(layer: Layer, basis: LayerBasis, number: int) -> Layer:
    jnp, first = library("jax").numpy, basis.first(number)
    mean, projection = jnp.asarray(first.mean), jnp.asarray(first.to_features @ first.from_features)

    def projected(activation: Any) -> Any:
        return mean + (layer(activation) - mean) @ projection

    return projected


@takes()
def reparameterised(layers: Sequence[Layer], bases: Sequence[LayerBasis]) -> list[Layer]:
    """The same network from features to features: the first layer takes the features of the input.

    Layers have the features of their bases alone; with all of them they compute what the network does.
    """
    return [_between(*each) for each in zip(layers, bases[:-1], bases[1:], strict=True)]


def _between(layer: Layer, before: LayerBasis, after: LayerBasis) -> Layer:
    jnp = library("jax").numpy
    mean, back = jnp.asarray(before.mean), jnp.asarray(before.from_features)
    next_mean, to_next = jnp.asarray(after.mean), jnp.asarray(after.to_features)

    def between(feature: Any) -> Any:
        return (layer(mean + feature @ back) - next_mean) @ to_next

    return between


def pruning_errors(
    layers: Sequence[Layer],
    bases: Sequence[LayerBasis],
    data: ArrayLike,
    truth: ArrayLike,
    numbers: Sequence[int],
    batch: int = BATCH,
) -> NDArray:
    """Rms difference of outputs from the truth for some numbers of features in each hidden layer, shape (numbers,).

    data  shape (points, inputs);  truth  shape (points, outputs), such as the outputs of the whole network
    """
    known = np.asarray(truth, float)
    found = [outputs(pruned(layers, bases, number), data, batch) - known for number in numbers]
    return np.array([np.sqrt(np.mean(each**2)) for each in found])
