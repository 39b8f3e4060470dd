"""Whole runs on a stand-in for a card, on which the sources of CUDA are executed, give what they give on the CPU."""

import numpy as np
import pytest
from fault_runs import contents
from strict_cupy import choose_strict_card
from tiny_runs import RUNS

from gpu_fdm.config.config import parse_config
from gpu_fdm.pipeline import run as pipeline

ROUND_OFF = 1e-9  # of the largest number of a dataset, in double precision
RELATIVE = "mass_error", "energy_error"  # what a simulation loses: round-off itself, over what is conserved
LONG = ("steady_state",)  # forty seconds


def result(folder, backend, text):
    """All datasets and attributes of the result of an ini."""
    config = parse_config(f"[run]\nbackend = {backend}\nprecision = double\nthreads = 1\noutput = {folder}\n{text}")
    return contents(pipeline.run(config).result)


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in RUNS])
def test_a_run_is_the_same_as_on_the_cpu(name, tmp_path, monkeypatch):
    expected = result(tmp_path / "cpu", "cpu", RUNS[name])
    choose_strict_card(monkeypatch)
    found = result(tmp_path / "gpu", "gpu", RUNS[name])
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        here, there = np.asarray(values), np.asarray(found[key])
        assert here.shape == there.shape, key
        if here.dtype.kind in "fc":
            largest = np.max(np.abs(here), initial=0, where=np.isfinite(here))
            scale = 1.0 if key.endswith(RELATIVE) else largest
            np.testing.assert_allclose(there, here, rtol=0, atol=ROUND_OFF * scale, err_msg=key)
