"""The emulator of ini/emulator.ini finds the similarity variables with any seed, and says when points are too few."""

import h5py
import numpy as np
import pytest
from locations import REPOSITORY

pytest.importorskip("jax", reason="the extra learn is not installed")

from gpu_fdm.config.config import read_config
from gpu_fdm.pipeline import run as pipeline

pytestmark = pytest.mark.slow  # 20 s of training each


@pytest.fixture(autouse=True)
def optimised():
    """These networks are trained for long: what conftest.py spares others halves their time."""
    from jax import config

    name = "jax_disable_most_optimizations"
    before = config.read(name)
    config.update(name, False)
    yield
    config.update(name, before)


def groups_of(tmp_path, *overrides):
    config = read_config(REPOSITORY / "ini" / "emulator.ini", [f"run.output={tmp_path}/a.hdf5", *overrides])
    pipeline.run(config)
    return h5py.File(tmp_path / "a.hdf5")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_two_combinations(seed, tmp_path):
    with groups_of(tmp_path, f"emulator.seed={seed}") as file:
        emulator, basis = file["emulator"], file["interaction_basis"]
        assert emulator.attrs["error"] < 0.01 and not emulator.attrs["few_points"]
        assert basis["0"].attrs["effective_rank"] == 2
        np.testing.assert_allclose(basis["combinations"], basis["similarity"], atol=0.01)
        assert basis.attrs["edges_neurons"] >= 50 * basis.attrs["edges"]
        third = np.searchsorted(basis["pruned_to"], 64 // 3, side="right") - 1  # a number of features below a third
        assert basis["error"][third] < 1.05 * emulator.attrs["error"]


def test_few_points(tmp_path, caplog):
    with groups_of(tmp_path, "emulator.points=300") as file:
        assert file["emulator"].attrs["few_points"]
    assert "emulator: 300 points are too few: the rms error of ln spectrum is " in caplog.text
