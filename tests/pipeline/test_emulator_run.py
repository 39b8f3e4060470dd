"""A run of an emulator: what it is trained on, what it writes, and that it resumes; it needs the extra learn."""

from itertools import count

import h5py
import numpy as np
import pytest

pytest.importorskip("jax", reason="the extra learn is not installed")

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError, RunError
from gpu_fdm.filament.model import Filament
from gpu_fdm.io.cache import Cache
from gpu_fdm.io.schema import INTERACTION_BASIS
from gpu_fdm.learn.basis import basis_of_averages
from gpu_fdm.learn.directions import echelon
from gpu_fdm.learn.emulator import Emulator
from gpu_fdm.learn.modules import Modules
from gpu_fdm.learn.network import Network
from gpu_fdm.learn.training import TrainingState
from gpu_fdm.pipeline import run as pipeline
from gpu_fdm.pipeline.emulator_data import EmulatorData
from gpu_fdm.pipeline.interaction import NAMES, Analysis
from gpu_fdm.pipeline.run import check
from gpu_fdm.pipeline.trained_emulator import Trained
from gpu_fdm.plots import emulator as plots
from gpu_fdm.population.shapes import published_shape
from gpu_fdm.spectra.similarity.filaments import filament_spectra
from gpu_fdm.spectra.similarity.published import published_similarity

SMALL = "[emulator]\npoints = 60\ntest_points = 20\nwidths = 5, 4\nepochs = 30\nbatch = 20\n"


def config(text=SMALL, **changes):
    return parse_config(text, "one.ini", [f"{name.replace('__', '.')}={value}" for name, value in changes.items()])


def test_points_are_spectra_of_published_filaments():
    """At z = 4 they are those of filament_spectra, whose filament has the published shape and length."""
    data = EmulatorData.of(config(emulator__length_ratio=""))
    mass, k = 5e9, np.array([20.0, 80.0])
    length, r0, sigma = published_shape(mass)
    axis = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0))
    filament = Filament(0, mass, length, r0, sigma, 0.0, None, *axis, 10 / length, 4.0, 1.5)
    found = filament_spectra([filament], k, data.h, data.omega_m)
    points = np.column_stack([np.log(k), *np.log([[1.5] * 2, [mass] * 2, [5.0] * 2])])
    wanted = found.fixed[0] / found.weight_sum[0] ** 2
    np.testing.assert_allclose(np.exp(data.values(points)), wanted, rtol=1e-9)


def test_powers_of_similarity_variables():
    np.testing.assert_allclose(
        EmulatorData.of(config()).powers, [[1, 0, 0.33619234, 0], [0, 1, 0.33619234 + 0.3618256, -0.5]], atol=1e-6
    )
    one, other = (published_similarity(m22, 5e9, z, 0.67, 0.31) for m22, z in ((1.0, 4.0), (3.0, 1.25)))
    np.testing.assert_allclose(other / one, [3 * np.sqrt(5 / 2.25), 1, 1], rtol=1e-12)


@pytest.mark.parametrize(
    ("output", "length_ratio", "plane", "third"),
    [
        ("spectrum", 60, (0.33619, 0.69802), 1e-11),
        ("boost", 60, (0.33619, 0.69802), 1e-11),
        ("spectrum", "", (0.31786, 0.68762), 1.55e-5),  # their length over r0 is a third, which turns the plane
        ("boost", "", (0.33620, 0.69807), 1e-11),  # of which it cancels
    ],
)
def test_combinations_of_the_table_itself(output, length_ratio, plane, third):
    """By derivatives, without a network: k M^a and m22 M^b (1+z)^-0.5; the numbers of docs/degeneracy.md."""
    data = EmulatorData.of(config(emulator__output=output, emulator__length_ratio=length_ratio, emulator__points=500))
    box = np.log([[10, 300], [1, 4], [3e9, 3e10], [4, 7]])
    points = np.array([low + (high - low) * np.random.default_rng(1).random(500) for low, high in box]).T
    steps = 1e-4 * np.eye(4)
    slope = np.array([data.values(points + step) - data.values(points - step) for step in steps]).T / 2e-4
    width = points.std(axis=0)
    found = basis_of_averages(0, points.mean(axis=0), np.diag(width**2), slope.T @ slope / 500, 1e-12, 1e-20)
    rows = echelon(np.linalg.qr(found.to_features[:, :2])[0].T)
    np.testing.assert_allclose(rows, [[1, 0, plane[0], 0], [0, 1, plane[1], -0.5]], atol=5e-3 if third > 1e-6 else 1e-4)
    ratio = found.importance[2] / found.importance[0] if len(found.importance) > 2 else 0.0
    assert ratio == pytest.approx(third, rel=0.3) if third > 1e-6 else ratio < third


def states_of(of_run, stop=None):
    """Arrays of the checkpoints of a training that is stopped after one, by epoch; all is due each time it looks."""
    states, store = {}, Cache.store

    def recorded(cache, name, key, arrays, **options):
        store(cache, name, key, arrays, **options)
        if name == "emulator_training":
            states[int(arrays["epoch"])] = arrays
            if int(arrays["epoch"]) == stop:
                raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gpu_fdm.pipeline.emulator.monotonic", count(step=100.0).__next__)
        patch.setattr(Cache, "store", recorded)
        if stop is None:
            return states, pipeline.run(of_run).summary
        with pytest.raises(KeyboardInterrupt):
            pipeline.run(of_run)
        return states, []


@pytest.fixture(scope="module")
def of_run(tmp_path_factory):
    """Folder, checkpoints and summary of a run."""
    folder = tmp_path_factory.mktemp("emulator")
    return folder, *states_of(config(run__output=folder / "a.hdf5"))


def test_a_run_writes_an_emulator_and_goes_on_from_its_cache(of_run, caplog):
    folder, _, summary = of_run
    caplog.set_level("INFO")
    emulator = Emulator.read(folder / "a_emulator.npz")
    found = emulator(k=50.0, m22=[1.0, 2.0], mass=5e9, redshift=4.0)
    assert found.shape == (2,) and np.all(found > 0)
    with pytest.raises(InputError, match=r"m22 = 9 1e-22 eV: must be in \[1, 4\]"):
        emulator(k=50.0, m22=9.0, mass=5e9, redshift=4.0)
    (folder / "a_emulator.npz").unlink()
    again = pipeline.run(config(run__output=folder / "a.hdf5"))
    assert "training of the emulator: taken from the cache" in caplog.text
    assert again.summary[:-1] == summary[:-1]
    np.testing.assert_array_equal(
        Emulator.read(folder / "a_emulator.npz")(k=50.0, m22=[1.0, 2.0], mass=5e9, redshift=4.0), found
    )


def test_a_training_that_was_stopped_ends_with_the_same_bits(of_run, tmp_path, caplog):
    """It is stopped after epoch 25, and resumed up to 30, the last: what follows from that has no random numbers."""
    caplog.set_level("INFO")
    again = config(run__output=tmp_path / "a.hdf5")
    stopped, _ = states_of(again, stop=25)
    resumed, _ = states_of(again, stop=30)
    assert "training of the emulator: resumed after epoch 25" in caplog.text
    assert (list(stopped), list(resumed), list(of_run[1])) == ([25], [30], [25, 30])
    for epoch, states in ((25, stopped), (30, resumed)):
        for name, values in of_run[1][epoch].items():
            np.testing.assert_array_equal(states[epoch][name], values)


def test_figures(of_run):
    """Each is drawn, with its panels, names and numbers."""
    with h5py.File(of_run[0] / "a.hdf5") as file:
        group = file[INTERACTION_BASIS]
        graphs, spectrum, powers = (
            getattr(plots, name)(file) for name in ("interactions", "importance", "combinations")
        )
        titles = [panel.get_title() for panel in graphs.axes]
        numbers = [group.attrs[name] for name in ("edges_neurons", "edges_principal", "edges")]
        names = ["neurons", "principal components", "interaction basis"]
        assert titles == [f"{name}: {number}" for name, number in zip(names, numbers, strict=True)]
        for panel, name in zip(graphs.axes, ("edges_neurons", "edges_principal", "edges"), strict=True):
            assert [text.get_text() for text in panel.get_xticklabels()] == ["inputs", "layer 1", "layer 2", "output"]
            shown = sum(len(lines.get_segments()) for lines in panel.collections if hasattr(lines, "get_segments"))
            assert shown == sum(
                int(np.count_nonzero(group[f"{layer}/{name}"][:] > 1e-3 * group[f"{layer}/{name}"][:].max()))
                for layer in range(3)
            )
        left, right = spectrum.axes
        assert [line.get_label() for line in left.get_lines()[:3]] == [
            f"{name}, rank {group[str(layer)].attrs['effective_rank']}"
            for layer, name in enumerate(("inputs", "layer 1", "layer 2"))
        ]
        assert (
            right.get_ylabel() == "rms error of ln spectrum" and right.get_xlabel() == "features of each hidden layer"
        )
        assert len(powers.axes) == max(len(group["combinations"]), len(group["similarity"]))
        labels = [text.get_text() for text in powers.axes[-1].get_xticklabels()]
        assert labels == ["$k$", "$m_{22}$", "$M$", "$1+z$"]
        for figure in (graphs, spectrum, powers):
            assert figure.get_suptitle().startswith("emulator of spectrum, 60 points")
            figure.canvas.draw()


def test_an_input_that_the_output_does_not_depend_on_is_named():
    edges = {kind: (np.ones((1, 1)),) for kind in NAMES}
    modules = {"global": Modules((np.zeros(1, int),) * 2, 0.0, 1)}
    plane, wanted = np.array([[1.0, 0.0, 0.3]]), np.eye(3)[:2]
    found = Analysis(("k", "m22", "mass"), {}, edges, modules, plane, wanted, np.ones(1), {})
    assert found.lines()[:2] == ["the output depends on 1 combination: k M^0.300", "it does not depend on m22"]


def test_few_points_and_dead_layers():
    few = config(emulator__points=16, emulator__widths="20", emulator__batch=8)
    assert "emulator: 16 points for 20 neurons of a layer: ranks are at most 15" in check(few)[1]
    data = EmulatorData.of(config(emulator__activation="relu", emulator__widths="1"))
    silent = Network((np.zeros((1, 4)), np.ones((1, 1))), (-np.ones(1), np.ones(1)), "relu")
    trained = Trained.of(data, TrainingState(30, silent, (), np.ones(30)))
    with pytest.raises(
        RunError, match=r"^emulator: layer \d: .*: take another \[emulator\] seed, activation or widths$"
    ):
        trained.analysis()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"emulator__k": "10, 2000"}, r"\[emulator\] k = 2000 h/Mpc is .* must be at most 4.4, where fringes end"),
        (
            {"emulator__m22": "0.01, 4"},
            r"\[emulator\] nu = .*: must be in \[0.5, inf\], as the table has it \(narrow mass",
        ),
        ({"emulator__mass": "3e10, 3e9"}, r"\[emulator\] mass = 30000000000, 3000000000: must increase"),
        ({"emulator__batch": "100"}, r"\[emulator\] batch = 100: must be at most the number of points, 60"),
        (
            {"emulator__output": "boost", "emulator__k": "1e-6, 2e-6"},
            r"\[emulator\] output = boost: is 1 in all corners of the ranges: must change there",
        ),
        ({"emulator__inputs": "k, k"}, r"\[emulator\] inputs = k, k: must not name a input twice"),
    ],
)
def test_boxes_that_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        check(config(**changes))
