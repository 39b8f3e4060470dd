"""The interaction basis of a network (Bushnaq et al. 2024, arXiv:2405.10927; its local variant arXiv:2405.10928).

Of the activations h of a layer, with averages over a data set,

    G = cov(h) = U D U^T,  R = U D^-1/2,  R+ = D^1/2 U^T;      M' = <J^T J>
    R+ M' R+^T = V Lambda V^T,        C = R V Lambda^1/2,      C+ = Lambda^-1/2 V^T R+

J is d output/d h (global), or C'^T d h'/d h with the basis C' of the next layer (local). Features (h - <h>) C have
C^T G C = Lambda and C+ M' C+^T = 1: they are uncorrelated, the output depends equally on each, and their variances
Lambda, eigenvalues of G M', say how much each of them matters to the output. Under an invertible map of a layer they
keep their values but for signs. In the basis of a linear network each feature interacts with one of the next layer.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..quantities import takes
from ..values import brief
from .layers import BATCH, Layer, applied, checked_data, summed
from .libraries import library

log = logging.getLogger(__name__)

KINDS = ("global", "local", "principal", "neurons")
TOLERANCE = 1e-12  # of eigenvalues of G, over the largest: smaller ones are directions in which nothing varies
LEAST = 1e-9  # of Lambda, over the largest: smaller ones are round-off of the larger


@brief
@frozen(eq=False)
class LayerBasis:
    """The basis of one layer.

    mean           of the activations, shape (neurons,)
    to_features    C, shape (neurons, features);  from_features  C+, shape (features, neurons)
    importance     Lambda, variances of the features, falling, shape (features,)
    rank           of the covariance of the activations;  gradient_rank  of M'
    """

    mean: NDArray
    to_features: NDArray
    from_features: NDArray
    importance: NDArray
    rank: int
    gradient_rank: int

    def features(self, activations: ArrayLike) -> NDArray:
        """Features of activations, shape (..., features)."""
        return (np.asarray(activations) - self.mean) @ self.to_features

    def activations(self, features: ArrayLike) -> NDArray:
        """Activations that features stand for, shape (..., neurons)."""
        return self.mean + np.asarray(features) @ self.from_features

    def effective_rank(self, cut: float = 1e-3) -> int:
        """Number of features whose importance is above a cut, over that of the first."""
        return int(np.count_nonzero(self.importance > cut * self.importance[0]))

    def first(self, number: int) -> "LayerBasis":
        """The basis of the first features alone."""
        parts = self.to_features[:, :number], self.from_features[:number], self.importance[:number]
        return LayerBasis(self.mean, *parts, self.rank, self.gradient_rank)


@frozen(eq=False)
class _Sums:
    """Averages over the data: activations of each layer, their covariance G, and M' of the global basis."""

    mean: list[NDArray]
    covariance: list[NDArray]
    gradient: list[NDArray]


@takes()
def interaction_basis(
    layers: Sequence[Layer],
    data: ArrayLike,
    kind: str = "global",
    *,
    tolerance: float = TOLERANCE,
    least: float = LEAST,
    ranks: int | Sequence[int] | None = None,
    output: str = "neurons",
    batch: int = BATCH,
) -> tuple[LayerBasis, ...]:
    """The bases of the data and of the activations after each layer, one more than there are layers.

    layers     JAX functions of one point, from vector to vector, one after the other
    data       shape (points, inputs)
    kind       global or local; principal (components: C = U) and neurons (C = 1) to compare with
    tolerance  of eigenvalues of G over the largest, below which nothing varies
    least      of Lambda over the largest, below which a feature is left out (global and local)
    ranks      largest number of features, of all layers or of each; all where not given
    output     features of the last layer: neurons, or principal (components)
    batch      points at a time: memory is batch x outputs x neurons
    Raises InputError for data that are not finite, for a layer whose activations are constant or not finite, and for
    one on which the output does not depend. Warns where there are fewer points than neurons.
    """
    for name, value, known in (("kind", kind, KINDS), ("output", output, ("neurons", "principal"))):
        if value not in known:
            raise InputError(f"{name} = {value}: must be one of {', '.join(known)}")
    points = checked_data(data)
    sums = _averages(layers, points, batch)
    most = _most(ranks, len(layers) + 1)
    widths = [len(mean) for mean in sums.mean]
    for number, width in enumerate(widths):
        if len(points) <= width:
            log.warning(
                "layer %d: %d points for %d neurons: ranks are at most %d", number, len(points), width, len(points) - 1
            )
    if kind == "neurons":
        bases = [_neurons(*each) for each in zip(sums.mean, sums.covariance, sums.gradient, strict=True)]
    elif kind == "principal":
        bases = [
            basis_of_averages(number, *each, tolerance, least, principal=True)
            for number, each in enumerate(zip(sums.mean, sums.covariance, sums.gradient, strict=True))
        ]
    else:
        last = (sums.mean[-1], sums.covariance[-1], sums.gradient[-1])
        bases = [_neurons(*last) if output == "neurons" else basis_of_averages(len(layers), *last, tolerance, least)]
        for number in range(len(layers) - 1, -1, -1):
            gradient = sums.gradient[number]
            if kind == "local":
                gradient = _local_gradient(layers, number, bases[0], points, batch)
            basis = basis_of_averages(number, sums.mean[number], sums.covariance[number], gradient, tolerance, least)
            bases.insert(0, basis.first(most[number]))
        bases[-1] = bases[-1].first(most[-1]) if output == "principal" else bases[-1]
        return tuple(bases)
    return tuple(basis.first(number) for basis, number in zip(bases, most, strict=True))


def _most(ranks: int | Sequence[int] | None, layers: int) -> list[int]:
    """The largest number of features of each layer."""
    found = [ranks] * layers if isinstance(ranks, int) else [2**62] * layers if ranks is None else list(ranks)
    if len(found) != layers or any(number < 1 for number in found):
        raise InputError(
            f"ranks = {ranks}: must be one number from 1, or one for each of {layers} layers of activations"
        )
    return found


def _averages(layers: Sequence[Layer], data: NDArray, batch: int) -> _Sums:
    """Means, covariances and global M', in one pass over the data; covariances about the first point of each layer."""
    jax = library("jax")
    jnp = jax.numpy

    def of_one(point: Any) -> tuple[list, list]:
        found, backs = [point], []
        for layer in layers:
            activation, back = jax.vjp(layer, found[-1])
            found.append(activation)
            backs.append(back)
        gradients = [jnp.eye(len(found[-1]), dtype=found[-1].dtype)]
        for back in reversed(backs):
            gradients.append(jax.vmap(back)(gradients[-1])[0])
        return found, gradients[::-1]

    def of_batch(rows: Any, weight: Any, shift: list) -> list:
        found, gradients = jax.vmap(of_one)(rows)
        sums = []
        for activation, gradient, origin in zip(found, gradients, shift, strict=True):
            moved = activation - origin
            flat = (gradient * jnp.sqrt(weight)[:, None, None]).reshape(-1, gradient.shape[-1])
            sums.append((weight @ moved, (moved * weight[:, None]).T @ moved, flat.T @ flat))
        return sums

    shift = [data[0]]
    for layer in layers:
        shift.append(np.asarray(layer(shift[-1])))
    for number, activation in enumerate(shift):
        if activation.ndim != 1:
            raise InputError(
                f"layer {number}: activations of a point of shape {list(activation.shape)}: must be a vector"
            )
    sums = summed(jax.jit(of_batch), data, batch, shift)
    parts: tuple[list, list, list] = [], [], []
    for number, ((first, second, gradient), origin) in enumerate(zip(sums, shift, strict=True)):
        moved = first / len(data)
        covariance = second / len(data) - np.outer(moved, moved)
        for name, values in (("activations", covariance), ("gradients", gradient)):
            if not np.all(np.isfinite(values)):
                raise InputError(f"layer {number}: {name} are not all finite")
        for part, values in zip(parts, (moved + origin, covariance, gradient / len(data)), strict=True):
            part.append(values)
    return _Sums(*parts)


def _local_gradient(layers: Sequence[Layer], number: int, after: LayerBasis, data: NDArray, batch: int) -> NDArray:
    """M' of the features of the next layer."""
    jax = library("jax")
    jnp = jax.numpy

    def of_one(point: Any) -> Any:
        _, back = jax.vjp(layers[number], applied(layers[:number], point))
        return jax.vmap(back)(jnp.asarray(after.to_features.T))[0]

    def of_batch(rows: Any, weight: Any) -> Any:
        gradient = jax.vmap(of_one)(rows) * jnp.sqrt(weight)[:, None, None]
        flat = gradient.reshape(-1, gradient.shape[-1])
        return flat.T @ flat

    return summed(jax.jit(of_batch), data, batch) / len(data)


def _neurons(mean: NDArray, covariance: NDArray, gradient: NDArray) -> LayerBasis:
    """C = 1."""
    one = np.eye(len(mean))
    return LayerBasis(mean, one, one, np.diag(covariance).copy(), matrix_rank(covariance), matrix_rank(gradient))


def basis_of_averages(
    number: int,
    mean: NDArray,
    covariance: NDArray,
    gradient: NDArray,
    tolerance: float,
    least: float,
    principal: bool = False,
) -> LayerBasis:
    """The basis of a layer from averages; needs NumPy alone.

    number    of the layer, for messages
    mean      of its activations, shape (neurons,);  covariance  G;  gradient  M', shape (neurons, neurons) both
    principal  principal components instead: C = U
    tolerance, least, errors  as for interaction_basis
    """
    variance, axes = falling(covariance)
    scale = float(np.max(np.abs(mean), initial=0.0))
    if not variance[0] > (1e-14 * scale) ** 2 * len(mean):
        raise InputError(f"layer {number}: all activations are constant: nothing goes through it")
    rank = int(np.count_nonzero(variance > tolerance * variance[0]))
    variance, axes = variance[:rank], axes[:, :rank]
    if principal:
        return LayerBasis(mean, axes, axes.T, variance, rank, matrix_rank(gradient))
    whitening, back = axes / np.sqrt(variance), np.sqrt(variance)[:, None] * axes.T
    importance, turned = falling(back @ gradient @ back.T)
    if not importance[0] > 0:
        raise InputError(f"layer {number}: the output does not depend on its activations")
    kept = int(np.count_nonzero(importance > least * importance[0]))
    importance, turned = importance[:kept], turned[:, :kept]
    to_features = whitening @ turned * np.sqrt(importance)
    from_features = turned.T @ back / np.sqrt(importance)[:, None]
    return LayerBasis(mean, to_features, from_features, importance, rank, matrix_rank(gradient))


def falling(matrix: NDArray) -> tuple[NDArray, NDArray]:
    """Eigenvalues of a symmetric matrix, falling, and eigenvectors as columns, the largest entry of each positive."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = vectors[np.argmax(np.abs(vectors), axis=0), np.arange(len(values))]
    return values, vectors * np.where(largest < 0, -1.0, 1.0)


def matrix_rank(matrix: NDArray, tolerance: float = TOLERANCE) -> int:
    """Number of eigenvalues of a symmetric matrix without negative ones above a tolerance, over the largest."""
    values = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    return int(np.count_nonzero(values > tolerance * max(values[-1], 0.0))) if values[-1] > 0 else 0
