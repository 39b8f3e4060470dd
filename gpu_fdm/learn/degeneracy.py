"""Degeneracy of a network: directions of its parameters in which its outputs do not change.

The behavioural loss L_B(theta) = <|f_theta - f_theta0|^2> has the Hessian H = 2 <J^T J>, J = df/dtheta. Parameters that
matter at a resolution eps are counted by the eigenvalues of H/2 above eps, and the learning coefficient is at least
rank(H)/2. Of the parameters between activations of rank r_a, with the bias as one of them, and gradients of rank r_g at
most r_a r_g matter. ReLUs that fire on the same data may be mixed: s of them leave s^2 free directions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..quantities import takes
from ..values import brief
from .basis import TOLERANCE, falling, matrix_rank
from .layers import BATCH, batches, checked_data, summed
from .libraries import library
from .network import Network

Function = Callable[[Any, Any], Any]  # of parameters (any tree of arrays) and one point, to a vector
MOST_EXACT = 4000  # parameters of which the Hessian is computed as a matrix


@takes()
def behavioural_loss(function: Function, parameters: Any, others: Any, data: ArrayLike, batch: int = BATCH) -> float:
    """<|f(others) - f(parameters)|^2> over the points of data, shape (points, inputs)."""
    jax, points = library("jax"), checked_data(data)

    def of_batch(rows: Any, weight: Any) -> Any:
        def both(point: Any) -> Any:
            return jax.numpy.sum((function(others, point) - function(parameters, point)) ** 2)

        return weight @ jax.vmap(both)(rows)

    return float(summed(jax.jit(of_batch), points, batch)) / len(points)


@takes()
def hessian_eigenvalues(
    function: Function,
    parameters: Any,
    data: ArrayLike,
    rank: int | None = None,
    *,
    more: int = 8,
    seed: int = 0,
    batch: int = BATCH,
) -> NDArray:
    """Eigenvalues of H/2 = <J^T J> of the behavioural loss, falling.

    rank  number of the largest that a randomised sketch finds from products with H alone; all, by the whole matrix,
          where not given, which is allowed for up to 4000 parameters
    more  directions of the sketch beyond the rank
    A sketch (Halko, Martinsson & Tropp 2011, one power iteration) finds none too large.
    """
    jax, points = library("jax"), checked_data(data)
    from jax.flatten_util import ravel_pytree

    flat, unravel = ravel_pytree(parameters)
    flat = flat.astype(float)
    size = len(flat)

    def output(vector: Any, point: Any) -> Any:
        return function(unravel(vector), point)

    if rank is None:
        if size > MOST_EXACT:
            raise InputError(
                f"rank: must be given for {size} parameters, more than {MOST_EXACT}: a sketch finds the largest"
            )

        def whole(rows: Any, weight: Any) -> Any:
            jacobian = jax.vmap(lambda point: jax.jacrev(output)(flat, point))(rows)
            scaled = (jacobian * jax.numpy.sqrt(weight)[:, None, None]).reshape(-1, size)
            return scaled.T @ scaled

        return falling(summed(jax.jit(whole), points, batch) / len(points))[0]
    if not 1 <= rank <= size:
        raise InputError(f"rank = {rank}: must be in [1, {size}], the number of parameters")

    def product(rows: Any, weight: Any, vectors: Any) -> Any:
        def of_all(vector: Any) -> Any:
            return jax.vmap(lambda point: output(vector, point))(rows)

        _, back = jax.vjp(of_all, flat)

        def of_one(direction: Any) -> Any:
            change = jax.jvp(of_all, (flat,), (direction,))[1]
            return back(change * weight[:, None])[0]

        return jax.lax.map(of_one, vectors)

    compiled = jax.jit(product)
    vectors = np.random.default_rng(seed).standard_normal((min(rank + more, size), size))
    for _ in range(2):
        vectors = np.linalg.qr(summed(compiled, points, batch, vectors).T)[0].T
    return falling(vectors @ summed(compiled, points, batch, vectors).T / len(points))[0][:rank]


def effective_parameters(eigenvalues: NDArray, resolution: float) -> int:
    """N_eff: number of eigenvalues of H/2 above a resolution. Raises InputError where a sketch ends above it."""
    number = int(np.count_nonzero(eigenvalues > resolution))
    if number == len(eigenvalues):
        least = float(np.min(eigenvalues))
        raise InputError(f"resolution = {resolution:g}: must be above {least:g}, the least eigenvalue that is known")
    return number


@brief
@frozen
class BlockDegeneracy:
    """Degeneracy of the weights and biases between two layers.

    parameters    number of weights and biases
    rank          of the activations before, the bias counted as one;  gradient_rank  of gradients of pre-activations
    free          number of directions that are free by these ranks: parameters - rank gradient_rank
    synchronised  sizes of groups of ReLUs that fire on the same points, falling; none of another activation
    dead          number of ReLUs that never fire
    """

    parameters: int
    rank: int
    gradient_rank: int
    synchronised: tuple[int, ...]
    dead: int

    @property
    def free(self) -> int:
        """Number of directions that are free by the ranks."""
        return self.parameters - self.rank * self.gradient_rank

    @property
    def free_by_relus(self) -> int:
        """Number of directions that ReLUs leave free: s^2 of a group of s."""
        return sum(size**2 for size in self.synchronised)


@takes()
def count_degeneracy(
    network: Network, data: ArrayLike, tolerance: float = TOLERANCE, batch: int = BATCH
) -> tuple[BlockDegeneracy, ...]:
    """Degeneracy of each layer of weights of a network over data, shape (points, inputs)."""
    jax, points = library("jax"), checked_data(data)
    jnp, activation = jax.numpy, network.function

    def of_one(point: Any) -> tuple[list, list, list]:
        before, backs, pre = [point], [], []
        last = len(network.weights) - 1
        for number, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            values = weight @ before[-1] + bias
            after, back = (values, lambda g: (g,)) if number == last else jax.vjp(activation, values)
            pre.append(values)
            backs.append(back)
            before.append(after)
        gradients = [jnp.eye(len(before[-1]))]
        for number in range(last, -1, -1):
            at_pre = jax.vmap(backs[number])(gradients[0])[0]
            gradients[0] = at_pre
            gradients.insert(0, at_pre @ network.weights[number])
        return before[:-1], gradients[1:], pre

    def of_batch(rows: Any) -> Any:
        return jax.vmap(of_one)(rows)

    compiled = jax.jit(of_batch)
    layers = len(network.weights)
    fires: list[list[NDArray]] = [[] for _ in range(layers)]
    second, outer = ([np.zeros(1)] * layers for _ in range(2))
    for rows, weight in batches(points, batch):
        for number, (before, gradient, pre) in enumerate(zip(*compiled(rows), strict=True)):
            with_bias = np.column_stack([before, np.ones(len(weight))])[weight > 0]
            flat = np.asarray(gradient)[weight > 0].reshape(-1, gradient.shape[-1])
            second[number] = second[number] + with_bias.T @ with_bias
            outer[number] = outer[number] + flat.T @ flat
            fires[number].append(np.asarray(pre)[weight > 0] > 0)
    found = []
    for number, weight in enumerate(network.weights):
        groups: tuple[int, ...] = ()
        dead = 0
        if network.activation == "relu" and number < layers - 1:
            groups, dead = _synchronised(np.concatenate(fires[number]))
        ranks = matrix_rank(second[number], tolerance), matrix_rank(outer[number], tolerance)
        found.append(BlockDegeneracy(weight.size + len(weight), *ranks, groups, dead))
    return tuple(found)


def _synchronised(fires: NDArray) -> tuple[tuple[int, ...], int]:
    """Sizes of groups of columns that are equal, falling, and the number of columns that are never true."""
    alive = fires[:, fires.any(axis=0)]
    sizes = np.unique(alive, axis=1, return_counts=True)[1] if alive.shape[1] else np.empty(0, int)
    return tuple(sorted(sizes.tolist(), reverse=True)), fires.shape[1] - alive.shape[1]
