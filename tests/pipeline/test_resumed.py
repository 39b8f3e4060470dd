"""Runs on each backend that are killed at known places, and resume: all bits, those of P(k) too, are as without a stop.

A stand-in for a card executes the sources of CUDA on the CPU. tests/pipeline/test_kills.py kills runs of all kinds at
any moment, on the CPU.
"""

import signal
import subprocess
import sys
import time

import pytest
from fault_runs import assert_same, contents, hidden
from locations import TESTS

from gpu_fdm.parallel.backend import gpu_count

BACKENDS = [
    pytest.param("cpu", marks=pytest.mark.slow),
    pytest.param("stand-in", marks=pytest.mark.slow),
    pytest.param("gpu", marks=pytest.mark.gpu),
]
COMMAND = {"stand-in": [str(TESTS / "strict_run.py")]}
LONGEST = 120  # seconds in which a run must come to where it is killed, and end

RUN = "[run]\nbackend = {backend}\noutput = {output}\n"
# what a run says before it is killed: once a wave evolves, once particles do; lines of 64 cells have their own kernels
SIMULATION = (
    RUN + "[simulation]\nsize = 1.7\ncells = 64\nruns = wave_fdm, particles_fdm\nredshift_start = 31\n"
    "redshift_end = 26\nspectra = 3\ncontent = full\ncheckpoint_minutes = 0\n",
    ("wave_fdm: z = 28.", "particles_fdm: z = 28."),
)
# once some filaments are solved, once the densities are written
GAS = (
    RUN + "[dark_matter]\nm22 = 0.3\n[gas]\nnumber = 5\nmass_max = 6e9\n[wavefunction]\n[box]\nsize = 3\n"
    "cells = 60, 64, 54\n[power]\nmu_bins = 3\ncross = yes\n[correlation]\n",
    ("", "writing:"),
)


def start(ini, said, backend):
    """A run in a process of its own; what it says is added to a file."""
    command = [sys.executable, *COMMAND.get(backend, ["-m", "gpu_fdm"]), "run", str(ini)]
    with open(said, "ab") as file:
        return subprocess.Popen(command, stdout=file, stderr=file)


def has_come(folder, said, words):
    """Whether a run has said something; without words, whether it has cached anything."""
    return words in said.read_text() if words else any(folder.glob("result_kept/*"))


def kill(ini, folder, said, words, backend):
    """Start a run, and kill it once it has come so far."""
    process, began = start(ini, said, backend), time.perf_counter()
    while process.poll() is None and time.perf_counter() - began < LONGEST:
        if has_come(folder, said, words):
            process.kill()
            break
        time.sleep(0.002)
    assert process.wait(LONGEST) == -signal.SIGKILL, said.read_text()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", [SIMULATION, GAS], ids=["simulation", "gas"])
def test_bits_of_a_run_that_was_killed(tmp_path, kind, backend):
    if backend == "gpu" and gpu_count() == 0:
        pytest.skip("no CUDA device that CuPy can use")
    pytest.importorskip("astropy")
    text, moments = kind
    folders = undisturbed, stopped = tmp_path / "undisturbed", tmp_path / "stopped"
    inis = [folder.with_suffix(".ini") for folder in folders]
    for folder, ini in zip(folders, inis, strict=True):
        ini.write_text(text.format(output=folder, backend="cpu" if backend == "cpu" else "gpu"))
    said = tmp_path / "said"
    assert start(inis[0], said, backend).wait(LONGEST) == 0, said.read_text()
    for words in moments:
        said.write_text("")
        kill(inis[1], stopped, said, words, backend)
        assert not (stopped / "result.hdf5").exists()
    assert start(inis[1], said, backend).wait(LONGEST) == 0, said.read_text()
    assert hidden(stopped) == []
    files = sorted(path.name for path in undisturbed.glob("*.hdf5"))
    assert "result.hdf5" in files
    for name in files:  # snapshots too
        expected = contents(undisturbed / name)
        assert_same(stopped / name, expected)
        if name == "result.hdf5":
            assert any("power" in dataset for dataset in expected)
