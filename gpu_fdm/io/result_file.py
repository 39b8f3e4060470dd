"""Results in HDF5: written beside, then put in place, so that a file under its final name is always whole.

Every dataset has `units` and `description`; the root has what is needed to repeat the run.
"""

import logging
import os
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import h5py
import numpy as np
import psutil

from .. import __version__
from ..errors import RunError, reason
from ..parallel.ranks import SERIAL, Ranks
from .atomic import temporary_path, temporary_prefix
from .digest import bit_sum, write_digest

log = logging.getLogger(__name__)

RESULT_ENDINGS = (".hdf5", ".h5")  # of the names of result files


class Writer:
    """A result file in the making, with this program's habits: rank 0 writes, all write slabs of large datasets."""

    def __init__(self, path: Path, ranks: Ranks, file: h5py.File | None):
        self._path, self._ranks, self._file = path, ranks, file
        self._offsets: dict[str, int] = {}
        self._sums: dict[str, int] = {}
        self.kept_on_error = False

    def attributes(self, path: str, **values):
        """Set attributes of a group, which is made if it is not there; None is left out."""
        if self._file is None:
            return
        group = self._file.require_group(path)
        for name, value in values.items():
            if value is not None:
                group.attrs[name] = value

    def dataset(self, path: str, values, units: str, description: str, **attributes):
        """Write an array (contiguous, not compressed: ranks and other codes can map it)."""
        if self._file is None:
            return
        with _hdf5_as_os_error():
            stored = self._file.create_dataset(path, data=values)
        stored.attrs.update({"units": units, "description": description, **attributes})

    def reserve(self, path: str, shape, dtype, units: str, description: str, **attributes):
        """Make room for a dataset that write_slab fills; all ranks call this."""
        offset = None
        if self._file is not None:
            layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            layout.set_layout(h5py.h5d.CONTIGUOUS)
            layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            with _hdf5_as_os_error():
                self._file.require_group(str(PurePosixPath(path).parent))
                h5py.h5d.create(
                    self._file.id,
                    path.encode(),
                    h5py.h5t.py_create(np.dtype(dtype)),
                    h5py.h5s.create_simple(shape),
                    layout,
                )
                stored = self._file[path]
                stored.attrs.update({"units": units, "description": description, **attributes})
                self._file.flush()
            offset = stored.id.get_offset()
        self._offsets[path] = self._ranks.bcast(offset, 0)

    def keep_on_error(self):
        """From now on leave the file where it is on an error, for the run that goes on; all ranks call this."""
        self.kept_on_error = True

    def location(self, path: str) -> tuple[str, int]:
        """Name of the file in the making, and where in it a reserved dataset begins [bytes]."""
        return self._path.name, self._offsets[path]

    def bit_sum(self, path: str) -> int:
        """Of a reserved dataset that was written on all ranks; all call this."""
        return sum(self._ranks.allgather(self._sums[path])) % 2**64

    def write_digest(self, key: str):
        """Last of all: note the key that the file was made with, and a hash of what is in it; all ranks call this."""
        sums = {path.strip("/"): self.bit_sum(path) for path in self._offsets}
        if self._file is not None:
            with _hdf5_as_os_error():
                write_digest(self._file, key, sums)

    def write_slab(self, path: str, first: int, values: np.ndarray):
        """Write planes from index `first` on into a reserved dataset; all ranks call."""
        values = np.ascontiguousarray(values)
        self._sums[path] = self._sums.get(path, 0) + bit_sum(values)
        offset = self._offsets[path] + first * int(np.prod(values.shape[1:])) * values.dtype.itemsize
        octets = values.reshape(-1).view(np.uint8)
        pieces = [(start, octets[start : start + _PIECE]) for start in range(0, len(octets), _PIECE)]
        if self._ranks.size == 1:
            with open(self._path, "r+b", buffering=0) as raw:
                for start, piece in pieces:
                    raw.seek(offset + start)
                    _write_all(raw, piece)
            return
        from mpi4py import MPI

        try:
            shared = MPI.File.Open(self._ranks.communicator, str(self._path), MPI.MODE_WRONLY)
            for start, piece in pieces:
                shared.Write_at(offset + start, [piece, MPI.BYTE])
            shared.Close()
        except MPI.Exception as error:
            raise OSError(f"{error.Get_error_string()} (writing planes from {first} on)") from error


_PIECE = 1 << 30  # bytes: message sizes in MPI are 32-bit numbers


def _write_all(raw, octets):
    """An unbuffered write may take less than it is given."""
    view = memoryview(octets)
    while view:
        view = view[raw.write(view) :]


@contextmanager
def atomic_result(
    path, config_text: str, *, seed: int, backend: str, device: str, ranks: Ranks = SERIAL, spare=frozenset()
):
    """A Writer for a file that appears under `path` only when everything is in it; all ranks call this.

    On an error nothing is left behind, unless the Writer was told to hold it, and a file that was there before is
    untouched. What runs that were killed left is removed: at once, but for names in `spare`, those when all is done.
    Raises RunError where the disk is full or the folder refuses.
    """
    path = Path(path)
    part, writer = ranks.bcast(temporary_path(path), 0), None
    if ranks.is_root:
        _remove_abandoned(path, spare)
    try:
        file = None
        if ranks.is_root:
            with _hdf5_as_os_error():
                file = h5py.File(part, "w")
        ranks.barrier()
        try:
            if file is not None:
                file.attrs.update(
                    version=__version__,
                    git_revision=git_revision(),
                    config=config_text,
                    seed=seed,
                    ranks=ranks.size,
                    backend=backend,
                    device=device,
                    created=datetime.now(UTC).isoformat(timespec="seconds"),
                )
            writer = Writer(part, ranks, file)
            yield writer
        finally:
            if file is not None:
                with _hdf5_as_os_error():
                    file.close()
        ranks.barrier()
        if ranks.is_root:
            _flush_to_disk(part)
            os.replace(part, path)
            _flush_to_disk(path.parent)
            for name in spare:
                path.with_name(name).unlink(missing_ok=True)
        ranks.barrier()
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {reason(error)}") from error
    finally:
        if writer is None or not writer.kept_on_error:
            part.unlink(missing_ok=True)


def _remove_abandoned(path, spare):
    """Remove what runs that ended on this machine left beside a result; those of other living processes stay."""
    prefix = temporary_prefix(path)
    if not path.parent.is_dir():
        return
    for left in path.parent.iterdir():
        number = left.name.removeprefix(prefix).split("-")[0]
        if left.name in spare or not left.name.startswith(prefix) or not number.isdigit():
            continue
        if int(number) == os.getpid() or not psutil.pid_exists(int(number)):
            log.info("removing %s, left by a run that was stopped", left)
            left.unlink(missing_ok=True)


@contextmanager
def _hdf5_as_os_error():
    """HDF5 reports a disk that is full as RuntimeError when it flushes: make it the OSError that it is."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(reason(error)) from error


def require_writable(folder):
    """Make a folder and write in it, or raise RunError: before hours are spent, not after."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".gpu_fdm-probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except (OSError, ValueError) as error:
        why = "it is a file, not a folder" if isinstance(error, FileExistsError) else reason(error)
        raise RunError(f"{folder}: output folder cannot be written: {why}") from error


def git_revision() -> str:
    """Revision of the source that runs, with -dirty where it was changed; empty where it is not in git."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _flush_to_disk(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
