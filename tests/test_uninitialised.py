"""Results do not depend on what is in memory before it is written: glibc fills it with one byte or another."""

import os
import platform
import subprocess
import sys

import h5py
import pytest
from tiny_runs import RUNS

CODE = """
import sys
import numpy as np
from gpu_fdm.commands.main import main

print(np.empty(1000, np.uint8)[0])
sys.exit(max(main(["--quiet", "run", path]) for path in sys.argv[1:]))
"""
# a byte is filled in with all bits of the setting turned: 1e306 and 3e38, -5e303 and -2e38
FILLED = {0x7F: 0x80, 0xFE: 0x01}
KINDS = "filament", "gas", "projection", "simulation", "steady_state"


def numbers(path):
    """The bytes of all datasets by name."""
    found = {}

    def look_at(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item.dtype.str, item.shape, item[()].tobytes() if item.dtype.kind != "O" else None

    with h5py.File(path) as file:
        file.visititems(look_at)
    return found


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone fills memory")
def test_uninitialised_memory_changes_no_result(tmp_path):
    results = []
    for byte, setting in FILLED.items():
        folder = tmp_path / str(byte)
        folder.mkdir()
        for name in KINDS:
            head = f"[run]\nbackend = cpu\nthreads = 1\noutput = {folder / name}.hdf5\n"
            (folder / f"{name}.ini").write_text(head + RUNS[name])
        filled = {"GLIBC_TUNABLES": f"glibc.malloc.perturb={setting}:glibc.malloc.tcache_count=0"}
        words = [sys.executable, "-c", CODE, *(str(folder / f"{name}.ini") for name in KINDS)]
        done = subprocess.run(words, capture_output=True, text=True, env=os.environ | filled, timeout=120)
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[0] == str(byte)
        results.append({name: numbers(folder / f"{name}.hdf5") for name in KINDS})
    for name in KINDS:
        one, other = (result[name] for result in results)
        assert one.keys() == other.keys() and len(one) > 5
        assert [each for each in one if one[each] != other[each]] == [], name
