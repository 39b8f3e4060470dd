"""Training of a network by AdamW (Loshchilov & Hutter 2019), with a state from which it goes on to the same bits.

The loss is the mean square error. The rate falls as a cosine from its first value to a thousandth of it over all
epochs. Points come in a new order in each epoch, which follows from the seed and the number of the epoch alone.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from attrs import evolve, frozen
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, RunError
from .layers import checked_data
from .libraries import library
from .network import Network

RATE, DECAY = 3e-3, 0.03  # of the first step; of weights
LAST_RATE = 1e-3  # over the first


@frozen(eq=False)
class TrainingState:
    """A network that is being trained.

    epoch    number of epochs that are done
    network  as it is;  moments  arrays of the optimiser, in its order
    loss     mean square error in each epoch, shape (epochs done,)
    """

    epoch: int
    network: Network
    moments: tuple[NDArray, ...]
    loss: NDArray

    @property
    def arrays(self) -> dict[str, NDArray]:
        """All of it as arrays by name."""
        found = {"epoch": np.array(self.epoch), "loss": self.loss}
        for number, (weight, bias) in enumerate(self.network.parameters):
            found |= {f"weight_{number}": weight, f"bias_{number}": bias}
        return found | {f"moment_{number}": each for number, each in enumerate(self.moments)}

    @classmethod
    def of(cls, arrays: dict[str, NDArray], activation: str) -> "TrainingState":
        """The state of `arrays`."""

        def series(name: str) -> tuple[NDArray, ...]:
            return tuple(
                arrays[f"{name}_{number}"] for number in range(sum(key.startswith(f"{name}_") for key in arrays))
            )

        network = Network(series("weight"), series("bias"), activation)
        return cls(int(arrays["epoch"]), network, series("moment"), arrays["loss"])


def train(
    network: Network,
    inputs: ArrayLike,
    outputs: ArrayLike,
    epochs: int,
    *,
    batch: int = 256,
    seed: int = 0,
    rate: float = RATE,
    decay: float = DECAY,
    state: TrainingState | None = None,
    after: int = 50,
    report: Callable[[TrainingState], None] | None = None,
) -> TrainingState:
    """Train a network, or go on from a state of the same training.

    inputs   shape (points, inputs);  outputs  shape (points, outputs), both about standardised
    epochs   over all points;  batch  points of a step
    report   called with the state after each `after` epochs
    Raises InputError for data that are not finite or do not fit the network, RunError where the loss is not finite.
    """
    points, targets = checked_data(inputs, "inputs"), checked_data(outputs, "outputs", "output")
    sizes = network.sizes
    if (points.shape[1], targets.shape[1]) != (sizes[0], sizes[-1]) or len(points) != len(targets):
        shapes = f"{list(points.shape)} and {list(targets.shape)}"
        raise InputError(
            f"inputs and outputs of shape {shapes}: must be [points, {sizes[0]}] and [points, {sizes[-1]}]"
        )
    if state is None:
        state = TrainingState(0, network, (), np.empty(0))
    last = state
    for last in _epochs(state, points, targets, epochs, min(batch, len(points)), seed, rate, decay, after):
        if not np.all(np.isfinite(last.loss)):
            raise RunError(
                f"training: the loss is not finite after {last.epoch} epochs: take a smaller rate than {rate:g}"
            )
        if report is not None:
            report(last)
    return last


def _epochs(
    state: TrainingState,
    points: NDArray,
    targets: NDArray,
    epochs: int,
    batch: int,
    seed: int,
    rate: float,
    decay: float,
    after: int,
) -> Iterator[TrainingState]:
    """States after each few epochs, and the last."""
    jax, optax = library("jax"), library("optax")
    jnp, steps = jax.numpy, len(points) // batch
    schedule = optax.cosine_decay_schedule(rate, steps * epochs, LAST_RATE)
    optimiser = optax.adamw(schedule, weight_decay=decay)
    network = state.network
    parameters: Any = network.parameters
    structure: Any = optimiser.init(parameters)
    tree = jax.tree.structure(structure)
    moments = jax.tree.unflatten(tree, state.moments) if state.moments else structure
    everywhere = jax.vmap(network.output, (None, 0))

    def loss_of(values: Any, rows: Any, wanted: Any) -> Any:
        return jnp.mean((everywhere(values, rows) - wanted) ** 2)

    def step(carried: Any, chosen: Any) -> Any:
        values, inner = carried
        loss, slope = jax.value_and_grad(loss_of)(values, all_points[chosen], all_targets[chosen])
        change, inner = optimiser.update(slope, inner, values)
        return (optax.apply_updates(values, change), inner), loss

    all_points, all_targets = jnp.asarray(points), jnp.asarray(targets)
    one_epoch = jax.jit(lambda carried, order: jax.lax.scan(step, carried, order))
    carried, losses = (jax.tree.map(jnp.asarray, parameters), moments), list(state.loss)
    for epoch in range(state.epoch, epochs):
        order = np.random.default_rng([seed, epoch]).permutation(len(points))[: steps * batch].reshape(steps, batch)
        carried, loss = one_epoch(carried, order)
        losses.append(float(np.mean(loss)))
        if (epoch + 1) % after == 0 or epoch + 1 == epochs:
            weights, biases = zip(*jax.tree.map(np.asarray, carried[0]), strict=True)
            yield evolve(
                state,
                epoch=epoch + 1,
                network=Network(weights, biases, network.activation),
                moments=tuple(np.asarray(leaf) for leaf in jax.tree.leaves(carried[1])),
                loss=np.array(losses),
            )
