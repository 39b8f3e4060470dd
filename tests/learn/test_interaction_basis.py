"""The interaction basis against what follows from its definition, and for networks of which it is known."""

import numpy as np
import pytest
from toy_networks import modular_addition, orthogonal_points, rotation

from gpu_fdm.errors import InputError
from gpu_fdm.learn.basis import interaction_basis
from gpu_fdm.learn.edges import DEFINITIONS, interactions, number_of_edges
from gpu_fdm.learn.layers import activations, outputs
from gpu_fdm.learn.modules import find_modules
from gpu_fdm.learn.network import Network
from gpu_fdm.learn.pruning import pruning_errors, reparameterised

jax = pytest.importorskip("jax", reason="the extra learn is not installed")
DATA = np.random.default_rng(1).standard_normal((200, 4))
TANH = Network.random((4, 6, 5, 3), "tanh", 2)
LINEAR = Network.random((4, 6, 5, 3), "tanh", 4)
LINEAR_LAYERS = [lambda h, w=weight, b=bias: w @ h + b for weight, bias in LINEAR.parameters]


@pytest.fixture(scope="module")
def bases():
    return {kind: interaction_basis(TANH.layers(), DATA, kind) for kind in ("global", "local")}


@pytest.fixture(scope="module")
def edges(bases):
    return {name: interactions(TANH.layers(), bases["global"], DATA, name) for name in DEFINITIONS}


@pytest.mark.parametrize("kind", ["global", "local"])
def test_variances_and_gradients_are_diagonal(bases, kind):
    values = activations(TANH.layers(), DATA)
    gradients = [np.eye(3)]  # of the whole output, by the chain rule in NumPy
    jacobians = []
    for before, (weight, _), after in zip(values[:-1], TANH.parameters, values[1:], strict=True):
        slope = 1 - after**2 if after is not values[-1] else np.ones_like(after)
        jacobians.append(slope[:, :, None] * weight)
        assert before.shape[1] == weight.shape[1]
    for number in (2, 1, 0):
        basis, after = bases[kind][number], bases[kind][number + 1]
        covariance = np.cov(values[number].T, bias=True)
        found = basis.to_features.T @ covariance @ basis.to_features
        np.testing.assert_allclose(
            found / basis.importance[0], np.diag(basis.importance) / basis.importance[0], atol=1e-13
        )
        if kind == "global":
            chain = jacobians[number]
            for following in jacobians[number + 1 :]:
                chain = following @ chain
        else:
            chain = after.to_features.T @ jacobians[number]
        second = np.einsum("poi,poj->ij", chain, chain) / len(DATA)
        one = basis.from_features @ second @ basis.from_features.T
        np.testing.assert_allclose(one, np.eye(len(one)), atol=1e-8)
    assert gradients


def test_linear_networks_are_diagonal_in_both_bases():
    """E_ii = Lambda_i, the same in all layers, and local and global bases agree."""
    found = {kind: interaction_basis(LINEAR_LAYERS, DATA, kind, output="principal") for kind in ("global", "local")}
    importance = found["global"][-1].importance
    for whole, local in zip(found["global"], found["local"], strict=True):
        assert len(whole.importance) == 3
        np.testing.assert_allclose(whole.importance, importance, rtol=1e-12)
        np.testing.assert_allclose(local.importance, importance, rtol=1e-12)
        np.testing.assert_allclose(np.abs(local.to_features), np.abs(whole.to_features), atol=1e-10)
    for each in interactions(LINEAR_LAYERS, found["global"], DATA):
        np.testing.assert_allclose(each, np.diag(importance), atol=1e-12 * importance[0])


def test_an_invertible_map_between_layers_changes_nothing(bases, edges):
    turn = rotation(6, 5) @ np.diag(np.geomspace(1, 341, 6)) @ rotation(6, 6)
    back, layers = np.linalg.inv(turn), TANH.layers()
    mapped = [lambda x: turn @ layers[0](x), lambda h: layers[1](back @ h), layers[2]]
    found = interaction_basis(mapped, DATA)
    for one, other in zip(bases["global"], found, strict=True):
        np.testing.assert_allclose(other.importance, one.importance, rtol=1e-7, atol=1e-9 * one.importance[0])
    before, after = (
        basis[1].features(values[1])
        for basis, values in ((bases["global"], activations(layers, DATA)), (found, activations(mapped, DATA)))
    )
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-6)
    for one, other in zip(edges["data"], interactions(mapped, found, DATA), strict=True):
        np.testing.assert_allclose(other, one, atol=1e-8 * one.max())


def test_definitions_of_edges_agree_for_linear_networks_and_by_hand(bases, edges):
    basis = interaction_basis(LINEAR_LAYERS, DATA, output="principal")
    one, *others = (interactions(LINEAR_LAYERS, basis, DATA, name) for name in DEFINITIONS)
    for other in others:
        for before, after in zip(one, other, strict=True):
            np.testing.assert_allclose(after, before, atol=1e-12 * before.max())
    # the last layer of the other network is linear: dy_i/df_j is W C+^T at all points
    hidden = bases["global"][2]
    slope = TANH.weights[-1] @ hidden.from_features.T
    for name in DEFINITIONS:
        np.testing.assert_allclose(edges[name][-1], slope**2 * hidden.importance, rtol=1e-9)
    assert not np.allclose(edges["data"][0], edges["integrated"][0], rtol=0.01)


def test_rank_one_output():
    """Two output weights in proportion: one feature of the last hidden layer, though it has four neurons."""
    weights, biases = list(TANH.weights), TANH.biases
    weights[-1] = np.outer([1.0, -2.0, 0.5], np.arange(1.0, 6.0))
    network = Network(tuple(weights), biases, "tanh")
    basis = interaction_basis(network.layers(), DATA)
    assert [len(each.importance) for each in basis[:-1]] == [4, 5, 1] and basis[2].rank == 5
    assert basis[2].gradient_rank == 1


def test_blocks_that_are_rotated_into_each_other():
    """Two networks side by side on a product data set, rotated in each layer: no interaction between them."""
    sides = [Network.random((2, 4, 3, 1), "tanh", seed) for seed in (1, 2)]
    points = [orthogonal_points(15, 2, seed) for seed in (3, 4)]
    data = np.array([np.concatenate([a, b]) for a in points[0] for b in points[1]])
    turns = [rotation(size, seed) for size, seed in zip((4, 8, 6), (5, 6, 7), strict=True)]

    def rotated(number):
        def layer(values):
            values = turns[number].T @ values
            half = len(values) // 2
            after = jax.numpy.concatenate(
                [side.layers()[number](part) for side, part in zip(sides, (values[:half], values[half:]), strict=True)]
            )
            return after if number == 2 else turns[number + 1] @ after

        return layer

    layers = [rotated(number) for number in range(3)]
    basis = interaction_basis(layers, data @ turns[0].T)
    values = activations(layers, data @ turns[0].T)
    blocks = []  # which of the two networks each feature is of
    for each, turn in zip(basis, (*turns, np.eye(2)), strict=True):
        share = np.sum((turn.T @ each.to_features)[: len(turn) // 2] ** 2, axis=0) / np.sum(each.to_features**2, axis=0)
        assert np.all((share < 1e-12) | (share > 1 - 1e-12)), share
        blocks.append(share > 0.5)
    assert len(values) == 4
    found = interactions(layers, basis, data @ turns[0].T)
    for number, each in enumerate(found):
        crossing = blocks[number + 1][:, None] != blocks[number]
        assert each[crossing].max() < 1e-20 * each.max()
    for seed in range(20):
        modules = find_modules(found, seed=seed)
        for label in np.unique(np.concatenate(modules.labels)):
            members = [block[labels == label] for block, labels in zip(blocks, modules.labels, strict=True)]
            assert len(np.unique(np.concatenate(members))) == 1
    assert modules.components == 2


def test_modular_addition():
    """12, 6 and 6 features, a module for each frequency; principal components are 18, in one piece."""
    network, data = modular_addition()
    layers = network.layers()
    a, b = (each.ravel() for each in np.meshgrid(np.arange(23), np.arange(23), indexing="ij"))
    wanted = sum(
        amplitude * np.cos(2 * np.pi * frequency * (a + b - 4) / 23)
        for frequency, amplitude in ((1, 1), (2, 0.8), (5, 0.6))
    )
    np.testing.assert_allclose(outputs(layers, data)[:, 4] * np.sqrt(23 / 2), wanted, atol=1e-12)
    basis = interaction_basis(layers, data, output="principal", least=1e-10, tolerance=1e-10)
    # those of the output of no variance are left out
    assert [len(each.importance) for each in basis] == [12, 6, 6]
    np.testing.assert_allclose(basis[1].importance, np.repeat([0.5, 0.32, 0.18], 2), rtol=1e-12)
    modules = find_modules(interactions(layers, basis, data))
    assert (modules.number, modules.components) == (3, 3) and modules.modularity == pytest.approx(2 / 3, abs=0.01)
    principal = interaction_basis(layers, data, "principal", tolerance=1e-10)
    assert len(principal[1].importance) == 18
    assert find_modules(interactions(layers, principal, data)).components == 1


def test_a_network_in_its_basis_and_pruned(bases):
    layers = TANH.layers()
    truth = outputs(layers, DATA)
    in_basis = reparameterised(layers, bases["global"])
    features = bases["global"][0].features(DATA)
    found = bases["global"][-1].activations(outputs(in_basis, features))
    np.testing.assert_allclose(found, truth, atol=1e-9)
    errors = pruning_errors(layers, bases["global"], DATA, truth, [1, 3, 6])
    assert errors[0] > errors[1] > errors[2] < 1e-9


def test_batches_and_ranks(bases):
    found = interaction_basis(TANH.layers(), DATA, ranks=(2, 3, 1, 3), batch=64)
    assert [len(each.importance) for each in found] == [2, 3, 1, 3]
    for one, other in zip(bases["global"], found, strict=True):
        number = len(other.importance)
        np.testing.assert_allclose(other.importance, one.importance[:number], rtol=1e-9)
    assert number_of_edges(interactions(TANH.layers(), found, DATA)) <= 2 * 3 + 3 * 1 + 3


@pytest.mark.parametrize(
    ("layers", "data", "message"),
    [
        ([lambda x: x], [[0.0, 1.0], [np.nan, 2.0]], "data: point 1, input 0 is nan"),
        ([lambda x: x], [1.0, 2.0], r"data of shape \[2\]: must be \[points, inputs\]"),
        ([lambda x: 0 * x + 3], DATA, "layer 1: all activations are constant|layer 0: the output does not depend"),
        ([lambda x: 0 * x + 3, lambda x: x[:1] * 1.0], DATA, "layer 1: all activations are constant"),
        ([lambda x: jax.numpy.log(x)], DATA, "layer 1: activations are not all finite"),
        ([lambda x: x[:, None] * x], DATA, r"layer 1: activations of a point of shape \[4, 4\]: must be a vector"),
    ],
)
def test_bad_input_is_one_line(layers, data, message):
    with pytest.raises(InputError, match=message):
        interaction_basis(layers, data)


def test_an_input_without_effect_and_few_points(caplog):
    basis = interaction_basis([lambda x: jax.numpy.tanh(x[:2])], DATA[:4])
    assert "layer 0: 4 points for 4 neurons: ranks are at most 3" in caplog.text
    assert basis[0].rank == 3
    whole = interaction_basis([lambda x: jax.numpy.tanh(x[:2])], DATA)[0]
    np.testing.assert_allclose(whole.from_features.shape, (2, 4))
    assert np.abs(whole.to_features[2:]).max() < 1e-12 * np.abs(whole.to_features).max()
