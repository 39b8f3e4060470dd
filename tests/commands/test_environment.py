"""What users, notebooks and clusters leave in the environment stops no command; nor do caches that cannot be kept."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gpu_fdm.commands.main import main
from gpu_fdm.io.atomic import atomic_write
from gpu_fdm.io.tables import without_formulas
from gpu_fdm.kernels import binning, compiled
from gpu_fdm.parallel.ranks import launched, launched_ranks, start_ranks
from gpu_fdm.quantities import home_for_astropy

GIVEN = ("--box-size", "1", "--redshift", "0")


@pytest.fixture
def density(tmp_path):
    path = tmp_path / "rho.npy"
    np.save(path, np.random.default_rng(0).lognormal(size=(6, 8, 10)))
    return path


def command(folder, *words, **environment):
    """gpu-fdm in a process of its own."""
    environment = {**os.environ, **environment}
    words = [sys.executable, "-m", "gpu_fdm", *map(str, words)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, cwd=folder, env=environment)


def test_variables_that_are_meant_for_others(density, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home/matplotlibrc").write_bytes(b"\xff\xfe broken")
    done = command(
        tmp_path,
        *("power", density, *GIVEN, "--dpi", "20"),
        MPLBACKEND="module://matplotlib_inline.backend_inline",
        MATPLOTLIBRC=str(tmp_path / "home"),
        MPLCONFIGDIR=str(tmp_path / "home"),
        NUMBA_NUM_THREADS="0",
        SLURM_STEP_NUM_TASKS="",
        NUMBA_CACHE_DIR="/proc/nowhere",
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "rho_power_power.png").is_file()
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning")]
    assert len(warnings) <= 1 and "Traceback" not in done.stderr


@pytest.mark.parametrize("text", ["", " ", "x", "-1", "1.5"])
def test_numbers_of_tasks_that_are_none(monkeypatch, text):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", text)
    monkeypatch.delenv("PMI_SIZE", raising=False)
    monkeypatch.delenv("PMI_RANK", raising=False)
    assert not launched()


@pytest.mark.parametrize(
    ("variables", "number"),
    [
        ({"PMI_RANK": "0", "PMI_SIZE": "1"}, 1),
        ({"PMIX_RANK": "0", "SLURM_STEP_NUM_TASKS": "1"}, 1),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, 4),
        ({"PMIX_RANK": "0"}, None),
    ],
)
def test_one_task_of_a_launcher_needs_no_mpi(monkeypatch, variables, number):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert launched() and launched_ranks() == number
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    if number == 1:
        assert start_ranks().size == 1
    else:
        with pytest.raises(RuntimeError, match="started by an MPI launcher"):
            start_ranks()


def test_a_cache_of_loops_that_was_cut(tmp_path):
    """numba's index is cut, then its code: loops are compiled again, and cached anew."""
    code = (
        "import numpy as np, logging; logging.basicConfig()\n"
        "from gpu_fdm.kernels.compiled import njit\n"
        f"exec(compile(open({str(tmp_path / 'loop.py')!r}).read(), {str(tmp_path / 'loop.py')!r}, 'exec'))\n"
        "print(twice(2))"
    )
    (tmp_path / "loop.py").write_text("@njit(nogil=True)\ndef twice(x):\n    return 2 * x\n")
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")}

    def run():
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, env=environment
        )
        assert (done.returncode, done.stdout) == (0, "4\n"), done.stderr
        return done.stderr

    assert run() == ""
    for ending in ("nbi", "nbc"):
        (path,) = (tmp_path / "cache").rglob(f"*.{ending}")
        path.write_bytes(path.read_bytes()[:9])
        assert run().count("compiled loops are not cached but compiled again") == 1
        assert run() == ""
    assert binning.njit is compiled.njit


def test_no_home(monkeypatch):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.delenv("HOME", raising=False)
    with home_for_astropy():
        assert os.listdir(os.environ["HOME"]) == []
    assert "HOME" not in os.environ


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.EACCES])
def test_folders_that_cannot_be_flushed(tmp_path, monkeypatch, number):
    fsync = os.fsync

    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse)
    with atomic_write(tmp_path / "a.csv") as part:
        part.write_text("k\n")
    assert (tmp_path / "a.csv").read_text() == "k\n"


# control characters and formulas


def test_names_with_escapes(density, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "\x1b]0;owned\x07\x1b[31mrho.npy"
    density.rename(tmp_path / name)
    assert main(["power", name, *GIVEN, "--dpi", "0", "--output", "\x1b[31mo.hdf5"]) == 0
    assert main(["info", "\x1b[31mo.hdf5"]) == 0
    assert main(["power", "\x1b[31mnone.npy"]) == 2
    said = capsys.readouterr()
    for text in (said.out, said.err):
        assert "\x1b" not in text and "\x07" not in text and r"\x1b[31m" in text


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"),
        ("+1", "'+1"),
        ("a,=1+1;@SUM(A1)", "a,'=1+1;'@SUM(A1)"),
        ("out/result.hdf5 power/fdm", "out/result.hdf5 power/fdm"),
        ("\x1b[31mred", r"\x1b[31mred"),
        (-1.5, -1.5),
        (None, None),
    ],
)
def test_no_cell_is_a_formula(text, cell):
    assert without_formulas(text) == cell
