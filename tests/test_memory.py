"""What a dry run says of memory is what the run takes; for all of ini/, `make memory`."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    ("name", "settings"),
    [("mass_function", ()), ("single_filament", ("dark_matter.m22=4", "box.cells=64"))],
)
def test_planned_peak_memory(name, settings):
    memory = runpy.run_path(str(ROOT / "benchmarks" / "memory.py"))
    options = [part for each in settings for part in ("--set", each)]
    ini = str(ROOT / "ini" / f"{name}.ini")
    memory["measured"](ini, *options)  # loops are compiled, which takes memory once
    taken, _ = memory["measured"](ini, *options)
    assert taken == pytest.approx(memory["planned"](ini, *options), rel=0.2)
