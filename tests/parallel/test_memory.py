"""What a dry run says of memory is what the run takes; for all of ini/, `make memory`."""

import subprocess
import sys

import pytest
from locations import REPOSITORY

MEMORY = REPOSITORY / "benchmarks" / "memory.py"


@pytest.mark.parametrize(
    ("name", "settings"),
    [("mass_function", ()), ("single_filament", ("dark_matter.m22=4", "box.cells=64"))],
)
def test_planned_peak_memory(name, settings):
    options = [part for each in settings for part in ("--set", each)]
    # a process of its own: the peak of a child begins with what its parent had
    command = [sys.executable, str(MEMORY), name, *options]
    # the first run compiles loops, which takes memory once
    for _ in range(2):
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
    assert told[0] == name
    planned, measured = float(told[1]), float(told[3])
    assert measured == pytest.approx(planned, rel=0.2)
