"""The digest of all bytes: damage is seen before HDF5 sees the file, on any number of ranks, and told in one line."""

import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.errors import InputError
from gpu_fdm.io import trial
from gpu_fdm.io.digest import append_digest, damage_of, has_digest, hash_of_bytes
from gpu_fdm.io.hdf5 import open_result, opened
from gpu_fdm.io.opening import is_intact, open_hdf5
from gpu_fdm.io.result_file import atomic_result

EARLIER = Path(__file__).parents[1] / "data/result_0.1.hdf5"
PAGE = 4096
MIB = 1 << 20


def write(path, values=None):
    values = np.random.default_rng(1).random(3000) if values is None else values
    with atomic_result(path, "[run]\n", seed=3, backend="cpu", device="test") as file:
        file.reserve("/density/fdm", (30, 10, 10), np.float64, box_size=(1.0, 1.0, 1.0))
        file.write_slab("/density/fdm", 0, values.reshape(30, 10, 10))
        file.dataset("/power/fdm/k", np.arange(9.0))
        file.write_key("key")
    return path


def offset_of(path):
    with h5py.File(path) as file:
        return file["density/fdm"].id.get_offset()


def swapped(good, begin):
    first, second = good[begin : begin + PAGE], good[begin + PAGE : begin + 2 * PAGE]
    return good[:begin] + second + first + good[begin + 2 * PAGE :]


def reversed_values(good, begin):
    values = np.frombuffer(good, "f8", 3000, begin)[::-1].tobytes()
    return good[:begin] + values + good[begin + len(values) :]


def two_flips_that_cancel(good, begin):
    words = np.frombuffer(good, "u8", 3000, begin).copy()
    bit = np.uint64(1 << 22)
    words[np.flatnonzero(words & bit)[0]] ^= bit
    words[np.flatnonzero(~words & bit)[1]] ^= bit
    return good[:begin] + words.tobytes() + good[begin + words.nbytes :]


@pytest.mark.parametrize("change", [swapped, reversed_values, two_flips_that_cancel])
def test_what_a_sum_of_words_does_not_see(tmp_path, caplog, change):
    path = write(tmp_path / "a.hdf5")
    good, begin = path.read_bytes(), offset_of(path)
    assert len(good) % PAGE == 0
    assert is_intact(path, "key") and not is_intact(path, "other key") and caplog.messages == []
    damaged = change(good, begin)
    assert len(damaged) == len(good) and damaged != good
    path.write_bytes(damaged)
    assert not is_intact(path, "key")
    why = "its bytes are not those that were written"
    assert caplog.messages == [f"{path} is damaged ({why}): it will be replaced"]
    with pytest.raises(InputError, match=f"^{path}: .*damaged or cut: {why}$"), open_result(path):
        pass
    path.write_bytes(good)
    assert is_intact(path, "key")


def test_zeroed_pages_never_reach_hdf5(tmp_path):
    """Several of these make HDF5 2.0 loop for ever."""
    path = write(tmp_path / "a.hdf5")
    good, began = path.read_bytes(), time.perf_counter()
    for page in range(len(good) // PAGE - 1):
        path.write_bytes(good[: page * PAGE] + bytes(PAGE) + good[(page + 1) * PAGE :])
        with pytest.raises(InputError, match="its bytes are not those"), opened(path):
            pass
    # the page of the digest itself: the file is whole, and what to do is said
    path.write_bytes(good[:-PAGE] + bytes(PAGE))
    with pytest.raises(InputError, match="changed or cut after gpu-fdm wrote it"), opened(path):
        pass
    assert time.perf_counter() - began < 20


def test_a_file_that_was_changed(tmp_path, caplog):
    path = write(tmp_path / "a.hdf5")
    with h5py.File(path, "r+") as file:
        file.attrs["note"] = "mine"
    assert not has_digest(path) and damage_of(path) is None and not is_intact(path, "key")
    assert caplog.messages == [f"{path} is of an earlier version, or was cut or changed: it will be replaced"]
    says = "without its attribute digest it is read all the same"
    with pytest.raises(InputError, match=says), opened(path):
        pass
    with h5py.File(path, "r+") as file:
        del file.attrs["digest"]
    with opened(path) as file:
        assert file.attrs["note"] == "mine"


def test_a_copy_carries_its_digest(tmp_path):
    path = write(tmp_path / "a.hdf5")
    copy = shutil.copy(path, tmp_path / "b.hdf5")
    assert damage_of(copy) == "" and is_intact(copy, "key")
    assert path.read_bytes().split(b"\0\n")[-1].startswith(b"gpu_fdm: BLAKE2b of ")


def test_results_of_earlier_versions_are_read_by_their_sums(tmp_path, caplog):
    path = shutil.copy(EARLIER, tmp_path / "earlier.hdf5")
    says = f"{path}: of an earlier version, checked by the sum of its words, which does not see swapped ones"
    with caplog.at_level(logging.INFO, "gpu_fdm"):
        for _ in range(2):
            with opened(path) as file:
                assert "density" in file or len(file)
    assert caplog.messages == [says]  # once
    with h5py.File(path, "r+") as file:
        name = next(name for name in file["filaments/00/profile"])
        values = file[f"filaments/00/profile/{name}"]
        values[0] = values[0] + 1
    with pytest.raises(InputError, match="its content is not what was written"), opened(path):
        pass


def test_hashes_are_of_pieces_and_see_every_byte(tmp_path):
    path = tmp_path / "bytes"
    octets = np.random.default_rng(0).integers(0, 255, 9 * MIB + 5, np.uint8)
    path.write_bytes(octets)
    whole = hash_of_bytes(path, 0, len(octets))
    assert hash_of_bytes(path, 0, len(octets) - 1) != whole != hash_of_bytes(path, 1, len(octets))
    assert len(hash_of_bytes(path, 7, 7)) == 64
    for place in (0, 4 * MIB - 1, 4 * MIB, len(octets) - 1):
        other = octets.copy()
        other[place] ^= 1
        path.write_bytes(other)
        assert hash_of_bytes(path, 0, len(octets)) != whole
    with pytest.raises(OSError, match="it is shorter than it was"):
        hash_of_bytes(path, 0, len(octets) + 1)


def check(ranks):
    """The hash is that of one rank; a damage that one rank sees is told by all."""
    folder = ranks.bcast(tempfile.mkdtemp() if ranks.is_root else None)
    path = Path(folder) / "pieces"
    ranks.on_root(lambda: path.write_bytes(bytes(range(256)) * (9 << 12)))
    assert hash_of_bytes(path, 5, 9 << 20, ranks) == hash_of_bytes(path, 5, 9 << 20)
    append_digest(path, ranks)
    assert damage_of(path, ranks) == ""

    def damage():
        with open(path, "r+b") as file:
            file.seek(8 << 20)
            file.write(b"x")

    ranks.on_root(damage)
    assert damage_of(path, ranks) == "its bytes are not those that were written"
    with pytest.raises(OSError, match="shorter"):
        hash_of_bytes(path, 0, 99 << 20, ranks)
    ranks.barrier()
    ranks.on_root(lambda: shutil.rmtree(folder))


@needs_mpi
def test_ranks_share_the_work():
    agree(__file__, 3)


# files of others


def test_files_of_others_that_hdf5_loops_in(tmp_path, monkeypatch):
    """A page of zeros in a small file without a digest: the other process that reads it first does not end."""
    path = tmp_path / "loops.h5"
    with h5py.File(path, "w") as file:
        for number in range(60):
            file.attrs[f"attribute{number}"] = "x" * 100
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + bytes(1024) + whole[5120:])
    monkeypatch.setattr(trial, "SECONDS", 1)
    says = "HDF5 does not come to an end in it within 1 s" if h5py.version.hdf5_version.startswith("2.0") else ".*"
    for _ in range(2):  # the second time it is known
        with pytest.raises(InputError, match=f"^{path}: not an HDF5 file, or damaged or cut: {says}$"), opened(path):
            pass
    fine = tmp_path / "fine.h5"
    with h5py.File(fine, "w") as file:
        file["rho"] = np.ones((2, 2, 2))
    with opened(fine) as file:  # a new process was started
        assert file["rho"].shape == (2, 2, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="limits of address space as Linux has them")
def test_files_of_others_below_a_hard_limit_of_memory(tmp_path):
    path = tmp_path / "rho.h5"
    with h5py.File(path, "w") as file:
        file["rho"] = np.ones((2, 2, 2))
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom gpu_fdm.io.hdf5 import opened\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 6 << 30))\n"
        "with opened(Path(sys.argv[1])) as file:\n    assert file['rho'].shape == (2, 2, 2)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_groups_that_are_nested_too_deeply(tmp_path):
    path = tmp_path / "deep.h5"
    with h5py.File(path, "w") as file:
        group = file
        for _ in range(5_000):
            group = group.create_group("a")
    with pytest.raises(InputError, match="its groups are nested more than 100 deep"), opened(path):
        pass


def test_a_file_that_another_process_writes(tmp_path):
    path = tmp_path / "busy.h5"
    with h5py.File(path, "w", locking=True) as file:
        file["rho"] = np.ones((2, 2, 2))
        file.flush()
        says = f"^{path}: is in use: another process has it open for writing"
        with pytest.raises(InputError, match=says), opened(path):
            pass
    with opened(path) as file:
        assert "rho" in file


@pytest.mark.parametrize("number", ["ENOLCK", "EOPNOTSUPP", "EINVAL", "EIO", "EACCES", "ENOSYS"])
def test_file_systems_without_locks(tmp_path, monkeypatch, number):
    """Neither HDF5 nor this program needs a lock to read and write."""
    import errno
    import fcntl

    def refuse(*arguments):
        code = getattr(errno, number)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = write(tmp_path / "a.hdf5")
    assert is_intact(path, "key")
    with open_hdf5(path) as file:
        assert file["density/fdm"].shape == (30, 10, 10)


if __name__ == "__main__":
    run_here(check)
