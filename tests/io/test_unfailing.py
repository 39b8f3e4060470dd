"""A signal at any write, or change of size, of the file under HDF5: the file is written, or the signal ends the run."""

import itertools
import os
import signal

import h5py
import pytest

from gpu_fdm.io.result_file import atomic_hdf5
from gpu_fdm.io.unfailing import UnfailingFile

LATEST = 100  # calls of the file in `write`, at most


def write(path):
    with atomic_hdf5(path, None) as writer:
        writer.dataset("a", range(10))
        writer.attributes("/", b=3)
        writer.dataset("c", range(20000))
        writer.reserve("d", (100,), "f8")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_at_any_call_of_hdf5(tmp_path, monkeypatch, name):
    calls = itertools.count()
    number = getattr(signal, name)
    previous = signal.signal(number, signal.default_int_handler)
    try:
        for method in ("write", "truncate"):
            kept = getattr(UnfailingFile, method)

            def signalled(*args, kept=kept):
                if next(calls) == at:
                    signal.raise_signal(number)
                return kept(*args)

            monkeypatch.setattr(UnfailingFile, method, signalled)
        for at in range(LATEST):
            calls, path = itertools.count(), tmp_path / f"{at}.hdf5"
            try:
                write(path)
            except KeyboardInterrupt:
                assert os.listdir(tmp_path) == []
                assert signal.getsignal(number) is signal.default_int_handler
            else:
                break
    finally:
        signal.signal(number, previous)
    assert 10 < at < LATEST - 1, "each call was tried"
    with h5py.File(path) as file:
        assert file["c"].shape == (20000,) and file.attrs["b"] == 3
