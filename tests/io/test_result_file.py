"""Result files appear whole or not at all."""

import os
import socket
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from gpu_fdm.errors import RunError, reason
from gpu_fdm.io.result_file import atomic_result, require_writable

PROVENANCE = {"seed": 3, "backend": "cpu", "device": "test"}


def write(path, values):
    with atomic_result(path, "[run]\nseed = 3\n", **PROVENANCE) as file:
        file.dataset("/power/fdm/k", values)
        file.attributes("/power/fdm", nyquist=3.0, bin_width=None)


def test_what_is_written(tmp_path):
    path = tmp_path / "result.hdf5"
    write(path, np.arange(3.0))
    with h5py.File(path) as file:
        assert set(file.attrs) == {
            "version",
            "git_revision",
            "config",
            "seed",
            "ranks",
            "backend",
            "device",
            "mpi_buffers",
            "created",
            "digest",
        }
        assert file.attrs["config"] == "[run]\nseed = 3\n"
        data = file["power/fdm/k"]
        described = {"units": "littleh/Mpc", "units_text": "h/Mpc"}
        described["description"] = "mean wavenumber of the modes of each bin, comoving"
        assert dict(data.attrs) == described
        assert data.chunks is None and np.array_equal(data[:], np.arange(3.0))
        assert dict(file["power/fdm"].attrs) == {"nyquist": 3.0}
    assert os.listdir(tmp_path) == ["result.hdf5"]


def test_what_the_schema_does_not_describe_cannot_be_written(tmp_path):
    writes = (
        lambda file: file.dataset("/power/fdm/colour", [1.0]),
        lambda file: file.dataset("/power/fdm/k", [1.0], colour="red"),
        lambda file: file.reserve("/density/wdm", (2, 2, 2), float),
        lambda file: file.attributes("/power/fdm", colour="red"),
        lambda file: file.attributes("/colours", number=1),
    )
    for write_something in writes:
        with pytest.raises(LookupError, match="schema"), atomic_result(tmp_path / "a.hdf5", "", **PROVENANCE) as file:
            write_something(file)
    assert os.listdir(tmp_path) == []


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "result.hdf5"
    write(path, np.arange(3.0))
    before = path.read_bytes()
    with pytest.raises(KeyError), atomic_result(path, "", **PROVENANCE) as file:
        file.dataset("/gas/mass", np.zeros(1000))
        raise KeyError("half way")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["result.hdf5"]


def test_what_killed_runs_left_is_removed(tmp_path):
    finished = subprocess.Popen([sys.executable, "-c", ""])
    finished.wait()
    host = socket.gethostname()
    dead = tmp_path / f".result.hdf5.part-{host}-{finished.pid}-{time.time_ns()}"
    alive = tmp_path / f".result.hdf5.part-{host}-{os.getppid()}-{time.time_ns()}"
    number_used_again = tmp_path / f".result.hdf5.part-{host}-{os.getppid()}-1"
    elsewhere = tmp_path / f".result.hdf5.part-not{host}-{finished.pid}-1"
    another = tmp_path / f".other.hdf5.part-{host}-{finished.pid}-1"
    for left in (dead, alive, number_used_again, elsewhere, another):
        left.write_bytes(b"half")
    write(tmp_path / "result.hdf5", np.arange(3.0))
    assert {path.name for path in tmp_path.iterdir()} == {"result.hdf5", alive.name, elsewhere.name, another.name}


def test_an_open_reader_keeps_the_old_file(tmp_path):
    path = tmp_path / "result.hdf5"
    write(path, np.arange(3.0))
    with h5py.File(path) as reader:
        write(path, np.arange(5.0))
        assert len(reader["power/fdm/k"]) == 3
    with h5py.File(path) as reader:
        assert len(reader["power/fdm/k"]) == 5


def test_full_disk(tmp_path):
    """A file size limit stands for a full disk: one error, nothing left, the old result whole."""
    resource = pytest.importorskip("resource", reason="file size limits are a feature of Unix")
    import signal

    path = tmp_path / "result.hdf5"
    write(path, np.arange(3.0))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
        with pytest.raises(RunError, match=r"result.hdf5: cannot be written"):
            write(path, np.zeros(1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["result.hdf5"]


def test_folder_that_refuses(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="output folder cannot be written"):
        require_writable(tmp_path / "file" / "folder")
    with pytest.raises(RunError, match=r"file: output folder cannot be written: it is a file, not a folder$"):
        require_writable(tmp_path / "file")
    require_writable(tmp_path / "new" / "folder")
    assert os.listdir(tmp_path / "new" / "folder") == []


def test_a_run_killed_while_it_asks_whether_a_folder_can_be_written_leaves_nothing(tmp_path):
    try:
        os.close(os.open(tmp_path, os.O_RDWR | os.O_TMPFILE))
    except (OSError, AttributeError):
        pytest.skip("this file system has no files without names")
    ends = "import os, sys; os.unlink = os.remove = lambda *_, **__: os._exit(9)"  # where a name would be removed
    asks = "from gpu_fdm.io.result_file import require_writable; require_writable(sys.argv[1])"
    subprocess.run([sys.executable, "-c", f"{ends}; {asks}", str(tmp_path)], check=False)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(28, "No space left"), "No space left"),
        (ValueError("two\n lines"), "two lines"),
        (EOFError(), "EOFError"),
    ],
)
def test_why_something_failed(error, text):
    assert reason(error) == text
