"""Tests over MPI ranks: a test file that mpiexec runs as a script, on every rank."""

import os
import shutil
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from locations import TESTS

from gpu_fdm.parallel.ranks import Ranks

MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
TWO = pytest.param(2, marks=pytest.mark.slow)  # beside three, whose shares differ, and which make test runs
needs_mpi = pytest.mark.skipif(MPIEXEC is None, reason="no mpiexec: install the extra mpi, or an MPI library")


def agree(file: str, number: int):
    """Run a test file, which ends with run_here, on so many ranks; each of them must say that results agree."""
    command = [MPIEXEC, "-n", str(number), sys.executable, file, str(number)]
    # the file lies in a folder below that of the modules it imports
    search = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": search}
    finished = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split().count("agree") == number


def result_of_ranks(ini: Path, number: int, output: Path, program: tuple[str, ...] = ("-m", "gpu_fdm")) -> Path:
    """Run an ini on so many ranks; returns the result in the folder `output`."""
    command = [MPIEXEC, "-n", str(number), sys.executable, *program, "run", str(ini)]
    command += ["--set", f"run.output={output}"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return output / "result.hdf5"


def run_here(check):
    """What a rank does: check(ranks), and says that results agree, or ends all ranks."""
    from mpi4py import MPI

    ranks = Ranks(MPI.COMM_WORLD)
    assert ranks.size == int(sys.argv[1])
    try:
        check(ranks)
    except Exception:
        traceback.print_exc()
        ranks.abort(1)
        raise
    sys.stdout.write("agree\n")
