"""Disks that are full: one line and exit code 1, on one rank and on two, and nothing half written under a name."""

import os
import shlex
import shutil
import subprocess
import sys

import pytest
from rank_runs import MPIEXEC, needs_mpi

POPULATION = """
[cosmology]
linear_power = eisenstein_hu
[population]
m22 = 1
masses = 8
"""
SIMULATION = """
[cosmology]
linear_power = eisenstein_hu
[simulation]
size = 0.4
cells = 16
runs = wave_fdm
redshift_start = 31
redshift_end = 16
spectra = 2
snapshots = 16
checkpoint_minutes = 0.001
"""


def can_mount():
    command = ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="no file system can be mounted here")


@needs_mount
@pytest.mark.parametrize(
    ("text", "ranks", "size"),
    [
        pytest.param(POPULATION, 1, "16k", id="population"),
        pytest.param(POPULATION, 2, "16k", id="population-2", marks=needs_mpi),
        pytest.param(SIMULATION, 1, "64k", id="simulation"),
        pytest.param(SIMULATION, 2, "96k", id="simulation-2", marks=needs_mpi),
    ],
)
def test_a_full_disk_is_one_line(tmp_path, text, ranks, size):
    disk = tmp_path / "disk"
    disk.mkdir()
    (tmp_path / "a.ini").write_text(f"[run]\noutput = {disk}/out\nbackend = cpu\n{text}")
    command = [sys.executable, "-m", "gpu_fdm", "--quiet", "run", f"{tmp_path}/a.ini"]
    run = shlex.join([str(MPIEXEC), "-n", str(ranks), *command] if ranks > 1 else command)
    script = f"mount -t tmpfs -o size={size} tmpfs {disk} || exit 9; {run}; code=$?; ls -A {disk}/out; exit $code"
    done = subprocess.run(["unshare", "-m", "bash", "-c", script], capture_output=True, text=True, timeout=120)
    errors = [line for line in done.stderr.splitlines() if line.startswith("gpu-fdm: error:")]
    assert done.returncode == 1 and len(errors) == 1, done.stderr
    assert "cannot be written: " in errors[0] and os.strerror(28) in errors[0], errors
    assert not any(word in done.stderr for word in ("Traceback", "Exception ignored", "Segmentation"))
    assert "result.hdf5" not in done.stdout.split(), done.stdout
