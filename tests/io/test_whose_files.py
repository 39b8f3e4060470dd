"""A run reads, replaces and deletes only what the program wrote, and nothing through links."""

import logging
import os
import socket
import time

import numpy as np
import pytest

from gpu_fdm.errors import InputError, RunError
from gpu_fdm.io.atomic import atomic_write, hidden_name, is_temporary, remove_abandoned, temporary_path
from gpu_fdm.io.cache import Cache
from gpu_fdm.io.lock import only_run
from gpu_fdm.io.result_file import atomic_result, require_result, require_writable

PROVENANCE = {"seed": 3, "backend": "cpu", "device": "test"}


def write(path):
    with atomic_result(path, "[run]\n", **PROVENANCE) as file:
        file.dataset("/power/fdm/k", np.arange(9.0))
    return path


@pytest.fixture
def precious(tmp_path):
    path = tmp_path / "thesis/thesis.tex"
    path.parent.mkdir()
    path.write_text("precious")
    yield path
    assert path.read_text() == "precious"


def test_what_others_wrote_is_not_replaced(tmp_path):
    path = tmp_path / "result.hdf5"
    for octets in (b"k,power\n1,2\n", b"\x89HDF\r\n\x1a\n of another program"):
        path.write_bytes(octets)
        with pytest.raises(InputError, match=f"^{path}: is a file that gpu-fdm did not write: it is not replaced"):
            write(path)
        assert path.read_bytes() == octets and os.listdir(tmp_path) == ["result.hdf5"]
    path.write_bytes(b"")
    whole = write(path).read_bytes()
    page = 4096
    # damaged results of this program are replaced, without HDF5 having seen them
    for damaged in (whole, whole[: len(whole) // 2], bytes(page) + whole[page:], whole[:-page] + bytes(page)):
        path.write_bytes(damaged)
        require_result(path)
        assert write(path).read_bytes()[:8] == b"\x89HDF\r\n\x1a\n"


def test_a_result_that_is_a_link_is_written_to_where_it_leads(tmp_path):
    (tmp_path / "disk").mkdir()
    path, target = tmp_path / "result.hdf5", tmp_path / "disk/big.hdf5"
    path.symlink_to(target)
    write(path)
    assert path.is_symlink() and target.is_file() and os.listdir(tmp_path / "disk") == ["big.hdf5"]
    target.write_text("of another program")
    with pytest.raises(InputError, match="did not write"):
        write(path)
    path.unlink()
    path.symlink_to("result.hdf5")
    with pytest.raises(RunError, match=r"result.hdf5: cannot be written: .*symbolic links"):
        write(path)


def test_locks_are_not_taken_through_links(tmp_path, precious):
    lock = tmp_path / ".result.hdf5.lock"
    for target in (precious, tmp_path / "nowhere"):
        lock.symlink_to(target)
        with (
            pytest.raises(RunError, match="it is a link, which no run makes: remove it"),
            only_run(tmp_path / "result.hdf5"),
        ):
            pass
        assert not (tmp_path / "nowhere").exists()
        lock.unlink()
    os.link(precious, lock)
    with pytest.raises(RunError, match="is no lock that a run made"), only_run(tmp_path / "result.hdf5"):
        pass
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(RunError, match="is no lock that a run made"), only_run(tmp_path / "result.hdf5"):
        pass


def test_probes_and_temporary_files_are_new(tmp_path, precious, monkeypatch):
    for number in range(os.getpid() - 3, os.getpid() + 3):
        (tmp_path / f".gpu_fdm-probe-{number}").symlink_to(precious)
    require_writable(tmp_path)
    monkeypatch.setattr(time, "time_ns", lambda: 7)
    monkeypatch.setattr("gpu_fdm.io.atomic.time_ns", lambda: 7)
    temporary_path(tmp_path / "table.csv").symlink_to(precious)
    with pytest.raises(RunError, match="File exists"), atomic_write(tmp_path / "table.csv") as part:
        part.write_text("not there")


def test_both_endings_have_one_lock(tmp_path):
    says = "another run is writing it"
    with only_run(tmp_path / "a.h5"), pytest.raises(RunError, match=says), only_run(tmp_path / "a.hdf5"):
        pass


KEY = {"part": "x"}


def test_only_parts_are_deleted(tmp_path):
    cache = Cache(tmp_path / "result_kept")
    cache.store("part", KEY, {"a": 1})
    mine = ["mine.hdf5", "weights.npz", "part-notes.hdf5", ".part-mine", "part-0123456789AB.hdf5"]
    for name in mine:
        (cache.folder / name).write_text("mine")
    (cache.folder / "old-0123456789ab.npz").write_text("of an earlier version")
    cache.remove_abandoned()
    cache.prune()
    assert sorted(os.listdir(cache.folder)) == sorted([*mine, cache.path("part", KEY).name])
    cache.clear()
    assert sorted(os.listdir(cache.folder)) == sorted(mine)


def test_a_linked_folder_of_parts_stays(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "result_kept").symlink_to(tmp_path / "data")
    cache = Cache(tmp_path / "result_kept")
    cache.store("part", KEY, {"a": 1})
    cache.clear()
    assert (tmp_path / "result_kept").is_symlink() and os.listdir(tmp_path / "data") == []


def test_four_parts_of_each_name_stay(tmp_path):
    cache = Cache(tmp_path)
    for number in range(6):
        for name in ("model-00", "power"):
            cache.store(name, KEY | {"seed": number}, {"a": number})
            os.utime(cache.path(name, KEY | {"seed": number}), (number, number))
    assert cache.load("power", KEY | {"seed": 0}) is not None  # used last now
    cache.prune()
    left = {
        name: [seed for seed in range(6) if cache.load(name, KEY | {"seed": seed}, report=False)]
        for name in ("model-00", "power")
    }
    assert left == {"model-00": [2, 3, 4, 5], "power": [0, 3, 4, 5]}


@pytest.mark.parametrize("name", ["thesis.tex", "../x", "", "..", "a\0b", ".result.hdf5.part-", "x" * 300])
def test_names_that_no_run_gives(tmp_path, name):
    assert not is_temporary(tmp_path / "result.hdf5", name)
    with atomic_result(tmp_path / "result.hdf5", "", spare={name}, **PROVENANCE) as file:
        file.attributes("/power/fdm", nyquist=1.0)


def test_long_names(tmp_path):
    path = tmp_path / ("ü" * 120 + "n" * 10 + ".hdf5")
    assert len(os.fsencode(path.name)) == 255
    write(path)
    assert os.listdir(tmp_path) == [path.name]
    assert is_temporary(path, temporary_path(path).name) and not is_temporary(path, temporary_path(tmp_path / "b").name)
    with only_run(path):
        assert len(os.fsencode(hidden_name(path.name, ".lock"))) <= 255


def test_what_killed_runs_left(tmp_path):
    here, dead = socket.gethostname(), 2**22 - 3
    names = [f".power.png.part-{here}-{dead}-1", f".movie.mp4.part-{here}-{dead}-1.mp4", f".a.hdf5.part-{here}-1-1"]
    others = [f".power.png.part-not{here}-{dead}-1", f".b.part-{here}-{os.getppid()}-{time.time_ns()}", ".part-1-1"]
    for name in names + others:
        (tmp_path / name).write_text("half")
    assert sorted(path.name for path in remove_abandoned(tmp_path, lambda name: True)) == sorted(names)
    assert sorted(os.listdir(tmp_path)) == sorted(others)


def test_what_runs_on_other_machines_left_is_named(tmp_path, caplog):
    path = tmp_path / "result.hdf5"
    left = [f".result.hdf5.part-another-{number}-1" for number in (1, 2)]
    for name in (*left, ".other.hdf5.part-another-1-1", f".result.hdf5.part-{socket.gethostname()}-{os.getppid()}-1"):
        (tmp_path / name).touch()
    with caplog.at_level(logging.INFO):
        write(path)
    told = [message for message in caplog.messages if "another machine" in message]
    assert told == [
        f"{tmp_path}/{left[0]}: of a run on another machine, one of 2 such files: remove it if none is running"
    ]
    assert all((tmp_path / name).is_file() for name in left)
    (tmp_path / left[1]).unlink()
    caplog.clear()
    with caplog.at_level(logging.INFO), atomic_result(path, "", spare={left[0]}, **PROVENANCE):
        pass  # a run that goes on with it, and removes it at the end
    assert not any("another machine" in message for message in caplog.messages)
    assert not (tmp_path / left[0]).exists()
