"""Directions of parameters that change nothing, counted in two ways: by ranks and patterns, and by the Hessian."""

import numpy as np
import pytest

from gpu_fdm.errors import InputError
from gpu_fdm.learn.basis import interaction_basis
from gpu_fdm.learn.degeneracy import behavioural_loss, count_degeneracy, effective_parameters, hessian_eigenvalues
from gpu_fdm.learn.network import Network

pytest.importorskip("jax", reason="the extra learn is not installed")
RANK = 1e-10  # of eigenvalues of the Hessian over the largest


def rank(values):
    return int(np.count_nonzero(values > RANK * values[0]))


def test_duplicated_neurons():
    """Of eight tanh neurons two are copies: rank 80 of the Hessian, as of six neurons, and 6 of the activations.

    Copies with other output weights leave only these free, two for each.
    """
    numbers = np.random.default_rng(1)
    first, bias = numbers.standard_normal((6, 10)) / 3, numbers.standard_normal(6)
    copied = np.concatenate([first, first[:2]]), np.concatenate([bias, bias[:2]])
    last = numbers.standard_normal((2, 8))
    last[:, 6:] = last[:, :2]
    network = Network((copied[0], last), (copied[1], np.zeros(2)), "tanh")
    data = numbers.standard_normal((300, 10))
    values = hessian_eigenvalues(network.output, network.parameters, data)
    assert len(values) == 106 and rank(values) == 80
    assert interaction_basis(network.layers(), data)[1].rank == 6
    before, after = count_degeneracy(network, data)
    assert (before.rank, before.gradient_rank, after.rank, after.gradient_rank) == (11, 6, 7, 2)
    assert after.free == 18 - 14
    assert effective_parameters(values, RANK * values[0]) == 80
    sketch = hessian_eigenvalues(network.output, network.parameters, data, rank=10, more=30)
    np.testing.assert_allclose(sketch, values[:10], rtol=1e-3)
    with pytest.raises(InputError, match="resolution = 1e-30: must be above"):
        effective_parameters(sketch, 1e-30)
    last[:, 6:] *= [[1.0], [2.0]]
    assert rank(hessian_eigenvalues(network.output, network.parameters, data)) == 102


@pytest.mark.parametrize(("together", "free"), [(0, 7), (1, 7), (2, 9), (3, 13)])
def test_relus_that_fire_together(together, free):
    """Of seven ReLUs s fire on the same points: s^2 + (7 - s) directions are free, and the Hessian has the others."""
    numbers = np.random.default_rng(5)
    data = numbers.standard_normal((400, 3))
    data[:, 0] += 3 * np.sign(data[:, 0])  # a gap, in which the edges of those that fire together lie
    first, bias = numbers.standard_normal((7, 3)), 0.3 * numbers.standard_normal(7)
    first[:, 0] *= 0.1
    first[:together] = np.column_stack([np.ones(together), 0.2 * numbers.standard_normal((together, 2))])
    bias[:together] = 0
    network = Network((first, numbers.standard_normal((4, 7))), (bias, np.zeros(4)), "relu")
    block, _ = count_degeneracy(network, data)
    assert block.dead == 0 and sum(block.synchronised) == 7 and block.synchronised[0] == max(together, 1)
    values = hessian_eigenvalues(network.output, network.parameters, data)
    assert block.free_by_relus == free == len(values) - rank(values)


def test_behavioural_loss_is_quadratic_in_the_hessian():
    network = Network.random((2, 3, 1), "gelu", 1)
    data = np.random.default_rng(2).standard_normal((50, 2))
    direction = [(weight * 0 + 1, bias * 0 - 1) for weight, bias in network.parameters]
    moved = [
        (weight + 1e-4 * one, bias + 1e-4 * other)
        for (weight, bias), (one, other) in zip(network.parameters, direction, strict=True)
    ]
    found = behavioural_loss(network.output, network.parameters, moved, data)
    flat = np.concatenate([part.ravel() for pair in direction for part in pair])
    values = hessian_eigenvalues(network.output, network.parameters, data)
    assert 0 < found < 1.001e-8 * values[0] * flat @ flat
    with pytest.raises(InputError, match=r"rank = 20: must be in \[1, 13\]"):
        hessian_eigenvalues(network.output, network.parameters, data, rank=20)
