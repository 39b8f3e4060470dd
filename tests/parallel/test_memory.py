"""What a dry run says of memory is what the run takes; for all of ini/, `make memory`."""

import subprocess
import sys

import pytest
from locations import REPOSITORY

from gpu_fdm.commands.main import main

MEMORY = REPOSITORY / "benchmarks" / "memory.py"


@pytest.mark.parametrize(
    ("name", "settings"),
    [("mass_function", ()), ("single_filament", ("dark_matter.m22=3", "box.cells=64"))],
)
def test_planned_peak_memory(name, settings, tmp_path):
    # a first run, of a small boson mass, compiles loops, which takes memory once
    small = "dark_matter.m22=0.4", "box.cells=16", "figures.dpi=20"
    first = [part for each in (f"run.output={tmp_path}", *(small if settings else ())) for part in ("--set", each)]
    assert main(["--quiet", "run", str(REPOSITORY / "ini" / f"{name}.ini"), *first]) == 0
    options = [part for each in settings for part in ("--set", each)]
    # a process of its own: the peak of a child begins with what its parent had
    command = [sys.executable, str(MEMORY), name, *options]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
    assert told[0] == name
    planned, measured = float(told[1]), float(told[3])
    assert measured == pytest.approx(planned, rel=0.2)
