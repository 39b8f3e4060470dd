"""Multilayer perceptrons: plain arrays, evaluated in NumPy, and as layers of JAX functions where they are analysed."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf

from ..errors import InputError
from ..values import brief
from .layers import Layer
from .libraries import library

_NUMPY: dict[str, Callable[[NDArray], NDArray]] = {
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "square": np.square,
}
ACTIVATIONS = tuple(_NUMPY)


@brief
@frozen(eq=False)
class Network:
    """h' = activation(W h + b) for each layer, the last without activation.

    weights  W, shape (neurons of the next layer, neurons) each;  biases  b, shape (neurons of the next layer,) each
    activation  gelu (x times the normal distribution function), tanh, relu or square
    Raises InputError for shapes that do not follow each other, and for another activation.
    """

    weights: tuple[NDArray, ...]
    biases: tuple[NDArray, ...]
    activation: str

    def __attrs_post_init__(self) -> None:
        if self.activation not in _NUMPY:
            raise InputError(f"activation = {self.activation}: must be one of {', '.join(ACTIVATIONS)}")
        if not self.weights or len(self.weights) != len(self.biases):
            raise InputError(f"{len(self.weights)} weights, {len(self.biases)} biases: must be as many, one or more")
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if weight.ndim != 2 or bias.shape != (len(weight),):
                shapes = f"{list(weight.shape)} and {list(bias.shape)}"
                raise InputError(f"weights and biases of layer {number} of shape {shapes}: must be [n, m] and [n]")
        for number, (before, after) in enumerate(pairwise(self.weights), start=1):
            if after.shape[1] != len(before):
                raise InputError(f"weights of layer {number}: {after.shape[1]} columns: must be {len(before)}")

    @classmethod
    def random(cls, sizes: Sequence[int], activation: str, seed: int) -> "Network":
        """A network of normal weights of variance 2 / neurons (1 for tanh) and biases 0.

        sizes  numbers of inputs, of neurons of each hidden layer, and of outputs
        """
        numbers, gain = np.random.default_rng(seed), 1.0 if activation == "tanh" else 2.0
        weights = [
            numbers.standard_normal((after, before)) * np.sqrt(gain / before) for before, after in pairwise(sizes)
        ]
        return cls(tuple(weights), tuple(np.zeros(after) for after in sizes[1:]), activation)

    def __call__(self, points: ArrayLike) -> NDArray:
        """Outputs, shape (points, outputs), of points of shape (points, inputs); by NumPy alone."""
        values, last = np.asarray(points, float), len(self.weights) - 1
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            values = values @ weight.T + bias
            values = values if number == last else _NUMPY[self.activation](values)
        return values

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of inputs, of neurons of each hidden layer, and of outputs."""
        return self.weights[0].shape[1], *(len(weight) for weight in self.weights)

    @property
    def parameters(self) -> list[tuple[NDArray, NDArray]]:
        """Weights and biases, layer by layer."""
        return list(zip(self.weights, self.biases, strict=True))

    @property
    def function(self) -> Callable[[Any], Any]:
        """The activation as a JAX function."""
        jax = library("jax")
        known = {"gelu": lambda x: jax.nn.gelu(x, approximate=False), "tanh": jax.numpy.tanh, "relu": jax.nn.relu}
        return known.get(self.activation, jax.numpy.square)

    def layers(self) -> list[Layer]:
        """The network as JAX functions, each from the activations of a layer to those of the next."""
        activation, last = self.function, len(self.weights) - 1
        return [
            _layer(weight, bias, None if number == last else activation)
            for number, (weight, bias) in enumerate(self.parameters)
        ]

    def output(self, parameters: Any, point: Any) -> Any:
        """Outputs of one point for other parameters, in JAX: a function that hessian_eigenvalues takes."""
        activation = self.function
        for weight, bias in parameters[:-1]:
            point = activation(weight @ point + bias)
        weight, bias = parameters[-1]
        return weight @ point + bias


def _layer(weight: NDArray, bias: NDArray, activation: Callable[[Any], Any] | None) -> Layer:
    def layer(values: Any) -> Any:
        after = weight @ values + bias
        return after if activation is None else activation(after)

    return layer
