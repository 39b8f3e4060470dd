"""Whole runs on a stand-in for a card, on which the sources of CUDA are executed, give what they give on the CPU."""

import numpy as np
import pytest
from fault_runs import contents
from locations import TESTS
from rank_runs import needs_mpi, result_of_ranks
from strict_cupy import choose_strict_card
from tiny_runs import RUNS

from gpu_fdm.config.config import parse_config
from gpu_fdm.pipeline import run as pipeline

ROUND_OFF = 1e-9  # of the largest number of a dataset, in double precision
RELATIVE = "mass_error", "energy_error"  # what a simulation loses: round-off itself, over what is conserved
LONG = ("steady_state",)  # fifteen seconds, and as long again along the axis, which is evolved as a simulation is
TEXTS = RUNS | {"steady_state": RUNS["steady_state"].partition("axis = ")[0]}


def text_of(name, backend, output):
    """The ini of a tiny run in double precision."""
    return f"[run]\nbackend = {backend}\nprecision = double\nthreads = 1\noutput = {output}\n{TEXTS[name]}"


def result(name, backend, folder):
    """All datasets and attributes of the result of a tiny run."""
    return contents(pipeline.run(parse_config(text_of(name, backend, folder))).result)


def assert_alike(found, expected):
    """To round-off; integers are equal, and texts name the backend."""
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        here, there = np.asarray(values), np.asarray(found[key])
        assert here.shape == there.shape, key
        if here.dtype.kind in "fc":
            largest = np.max(np.abs(here), initial=0, where=np.isfinite(here))
            scale = 1.0 if key.endswith(RELATIVE) else largest
            np.testing.assert_allclose(there, here, rtol=0, atol=ROUND_OFF * scale, err_msg=key)
        elif here.dtype.kind in "iub":
            np.testing.assert_array_equal(there, here, err_msg=key)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in RUNS])
def test_a_run_is_the_same_as_on_the_cpu(name, tmp_path, monkeypatch):
    expected = result(name, "cpu", tmp_path / "cpu")
    choose_strict_card(monkeypatch)
    assert_alike(result(name, "gpu", tmp_path / "gpu"), expected)


@pytest.mark.slow
@needs_mpi
@pytest.mark.parametrize("name", ["gas", "simulation"])
def test_ranks_that_share_a_card(name, tmp_path):
    (tmp_path / "one.ini").write_text(text_of(name, "gpu", "out"))
    found = result_of_ranks(tmp_path / "one.ini", 3, tmp_path / "three", (str(TESTS / "strict_run.py"),))
    assert_alike(contents(found), result(name, "cpu", tmp_path / "cpu"))
