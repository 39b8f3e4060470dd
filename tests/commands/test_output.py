"""Standard output that cannot be written: one line, and an exit code that says so."""

import os
import subprocess
import sys

import numpy as np
import pytest

needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def gpu_fdm(stdout, *arguments, unbuffered=False):
    environment = ENVIRONMENT | ({"PYTHONUNBUFFERED": "1"} if unbuffered else {})
    command = [sys.executable, "-m", "gpu_fdm", *arguments]
    return subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, env=environment, text=True, timeout=100)


@needs_full
@pytest.mark.parametrize(
    "arguments", [["init"], ["init", "single_filament"], ["--help"], ["--version"], ["power", "-h"]]
)
def test_a_full_disk(arguments):
    with open("/dev/full", "w") as full:
        done = gpu_fdm(full, *arguments)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("gpu-fdm: error: "), done.stderr
    assert "No space left on device" in done.stderr


@needs_full
@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_result_is_there_all_the_same(tmp_path, unbuffered):
    np.save(tmp_path / "rho.npy", np.random.default_rng(1).random((6, 6, 6)))
    given = ("--box-size", "1", "--redshift", "0", "--dpi", "0", "--output", str(tmp_path / "out.hdf5"))
    with open("/dev/full", "w") as full:
        done = gpu_fdm(full, "power", str(tmp_path / "rho.npy"), *given, unbuffered=unbuffered)
    assert done.returncode == 1 and "No space left on device" in done.stderr and "Exception" not in done.stderr
    assert (tmp_path / "out.hdf5").is_file()


@pytest.mark.parametrize("arguments", [["init", "single_filament"], ["--help"]])
def test_nobody_reads(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = gpu_fdm(pipe, *arguments)
    assert done.returncode == 1 and done.stderr == ""


@pytest.mark.parametrize(
    ("closing", "arguments", "code"),
    [("<&- >&-", "init single_filament", 0), (">&- 2>&-", "--help", 0), ("2>&-", "nonsense", 2)],
)
def test_closed_streams(closing, arguments, code):
    done = subprocess.run(
        ["bash", "-c", f'"{sys.executable}" -m gpu_fdm {arguments} {closing}'],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (code, "")


def test_an_error_stays_one(tmp_path):
    """Of the input, whatever becomes of the output."""
    done = gpu_fdm(subprocess.DEVNULL, "power", str(tmp_path / "gone.npy"))
    assert done.returncode == 2 and "gone.npy: no such file" in done.stderr
