"""Networks that are trained, resumed and stored, and emulators that refuse what they were not trained on."""

import sys

import numpy as np
import pytest

from gpu_fdm.errors import InputError, RunError
from gpu_fdm.learn.directions import angle, echelon, in_words
from gpu_fdm.learn.emulator import Emulator
from gpu_fdm.learn.libraries import library
from gpu_fdm.learn.network import ACTIVATIONS, Network
from gpu_fdm.learn.training import TrainingState, train

NETWORK = Network.random((2, 5, 1), "gelu", 1)


def emulator(**changes):
    values = {
        "output": "spectrum",
        "names": ("k", "redshift"),
        "low": np.array([1.0, 3.0]),
        "high": np.array([100.0, 6.0]),
        "mean": np.array([2.0, 1.6]),
        "width": np.array([1.0, 0.2]),
        "output_mean": -1.0,
        "output_width": 2.0,
        "network": NETWORK,
        "error": 0.01,
        "about": "a test",
    }
    return Emulator(**values | changes)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_numpy_and_jax_agree(activation):
    jax = pytest.importorskip("jax", reason="the extra learn is not installed")
    from gpu_fdm.learn.layers import applied

    network = Network.random((2, 4, 3), activation, 3)
    points = np.random.default_rng(1).standard_normal((5, 2))
    layers = network.layers()
    found = np.array([applied(layers, point) for point in points])
    np.testing.assert_allclose(network(points), found, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(network.output(network.parameters, points[0]), found[0], rtol=1e-12)
    assert jax.config.jax_enable_x64


def test_training_resumes_to_the_same_bits():
    pytest.importorskip("optax", reason="the extra learn is not installed")
    points = np.random.default_rng(1).standard_normal((60, 2))
    wanted = np.tanh(points[:, :1] - points[:, 1:])
    states = []
    whole = train(NETWORK, points, wanted, 40, batch=16, seed=3, rate=0.03, after=15, report=states.append)
    assert [state.epoch for state in states] == [15, 30, 40] and len(whole.loss) == 40
    assert whole.loss[-1] < whole.loss[0] / 3
    again = TrainingState.of(states[0].arrays, "gelu")
    resumed = train(NETWORK, points, wanted, 40, batch=16, seed=3, rate=0.03, state=again)
    for name, values in whole.arrays.items():
        np.testing.assert_array_equal(resumed.arrays[name], values)
    with pytest.raises(InputError, match=r"inputs and outputs of shape \[60, 2\] and \[60, 2\]"):
        train(NETWORK, points, points, 1)
    with pytest.raises(InputError, match=r"^outputs: point 2, output 0 is nan: must be finite"):
        train(NETWORK, points, np.where(np.arange(60)[:, None] == 2, np.nan, wanted), 1)
    with pytest.raises(InputError, match=r"^inputs: point 0, input 1 is inf: must be finite"):
        train(NETWORK, np.where(points == points[0, 1], np.inf, points), wanted, 1)
    with pytest.raises(RunError, match="the loss is not finite after 40 epochs"):
        train(NETWORK, 1e160 * points, wanted, 40, rate=1e10)


def test_a_file_has_all_of_it(tmp_path):
    first = emulator()
    first.write(tmp_path / "one.npz")
    first.write(tmp_path / "one.npz")  # its own file is replaced
    again = Emulator.read(tmp_path / "one.npz")
    k = np.geomspace(1, 100, 4)
    np.testing.assert_array_equal(again(k=k, redshift=4.0), first(k=k, redshift=4.0))
    assert (again.names, again.about, again.error) == (first.names, "a test", 0.01)
    points = np.column_stack([np.log(k) - 2.0, np.full(4, (np.log(5.0) - 1.6) / 0.2)])
    np.testing.assert_allclose(again(k=k, redshift=4.0), np.exp(-1 + 2 * NETWORK(points)[:, 0]), rtol=1e-14)
    (tmp_path / "notes.npz").write_text("mine")
    with pytest.raises(InputError, match="did not write"):
        first.write(tmp_path / "notes.npz")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"k": 2.0}, "inputs k: must be k, redshift"),
        ({"k": 2.0, "redshift": 7.0}, r"redshift = 7: must be in \[3, 6\], the range of the emulator"),
        ({"k": [2.0, 200.0], "redshift": 4.0}, r"k = 200 h/Mpc: must be in \[1, 100\]"),
        ({"k": np.nan, "redshift": 4.0}, "k = nan h/Mpc: must be in"),
    ],
)
def test_refused_outside_of_its_range(inputs, message):
    with pytest.raises(InputError, match=message):
        emulator()(**inputs)


def stored(tmp_path, **changes):
    emulator().write(tmp_path / "one.npz")
    with np.load(tmp_path / "one.npz") as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez(tmp_path / "one.npz", **{name: values for name, values in arrays.items() if values is not None})
    return tmp_path / "one.npz"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_0": np.zeros((5, 3))}, "one.npz: network of 3 inputs and 1 outputs: must be of 2 and 1"),
        ({"weight_1": np.zeros((1, 4))}, "one.npz: weights of layer 1: 4 columns: must be 5"),
        ({"bias_0": None}, "one.npz: has no bias_0"),
        ({"activation": np.array("swish")}, "one.npz: activation = swish: must be one of"),
        ({"format": np.array(b"another")}, "one.npz: must be an emulator that gpu-fdm wrote"),
        ({"names": np.array([{}, 1], dtype=object)}, "one.npz: must be an .npz of an emulator: Object arrays"),
        ({"low": np.zeros(3)}, r"one.npz: low of shape \[3\]: must be \[2\]"),
    ],
)
def test_other_files_are_refused(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        Emulator.read(stored(tmp_path, **changes))


def test_damaged_files_are_refused(tmp_path):
    path = stored(tmp_path)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(InputError, match=r"one.npz: must be an .npz of an emulator"):
        Emulator.read(path)
    with pytest.raises(InputError, match="no such file"):
        Emulator.read(tmp_path / "none.npz")


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(
        RunError, match=r"^optax is not installed, which trains networks: pip install jax optax networkx$"
    ):
        library("optax")


def test_planes_as_products_of_powers():
    plane = np.array([[1.0, 0.0, 1 / 3, 0.0], [0.0, 1.0, 0.7, -0.5]])
    turned = np.array([[0.6, 0.8], [-0.8, 0.6]]) @ np.diag([5, 0.2]) @ plane
    np.testing.assert_allclose(echelon(np.linalg.qr(turned.T)[0].T), plane, atol=1e-12)
    assert angle(turned, plane) < 1e-9
    assert angle(plane[:, :2], np.eye(2)) < 1e-9
    assert angle([[1.0, 0.0]], [[1.0, 1.0]]) == pytest.approx(45)
    assert angle(plane, plane[:1]) == angle(plane[:1], plane) < 1e-6
    assert [in_words(row, ["k", "m22", "M", "(1+z)"]) for row in plane] == ["k M^0.333", "m22 M^0.700 (1+z)^-0.500"]
    assert echelon([[1.0, 2.0], [2.0, 4.0]]).shape == (1, 2)
