"""Result files in HDF5: they appear when they are complete, and hold what io.schema describes.

Every dataset has the attributes `units`, `units_text` and `description`; the root has what is needed to repeat the run.
"""

import logging
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path, PurePosixPath

import h5py
import numpy as np
import psutil
from numpy.typing import ArrayLike, DTypeLike

from .. import __version__
from ..errors import RunError, reason
from ..parallel.ranks import SERIAL, Ranks
from .atomic import atomic_write, temporary_prefix
from .digest import bit_sum, write_digest
from .schema import RESULT, Schema

log = logging.getLogger(__name__)

RESULT_ENDINGS = (".hdf5", ".h5")  # of the names of result files
_PIECE = 1 << 30  # bytes written at a time: message sizes in MPI are 32-bit numbers


class GroupWriter(ABC):
    """Writes groups of datasets and attributes."""

    @abstractmethod
    def attributes(self, path: str, **values: object) -> None:
        """Set attributes of a group, which is made where there is none; None is left out."""

    @abstractmethod
    def dataset(self, path: str, values: ArrayLike, scale: float = 1.0, **attributes: object) -> None:
        """Write an array with its units and description.

        scale       what the number 1 stands for, in the units that the schema has for it
        attributes  further ones
        """

    def group(self, path: str, datasets: Mapping[str, ArrayLike | None], **attributes: object) -> None:
        """Write datasets by their names in a group, and its attributes; None is left out."""
        for name, values in datasets.items():
            if values is not None:
                self.dataset(f"{path}/{name}", values)
        if attributes:
            self.attributes(path, **attributes)


class Writer(GroupWriter):
    """An HDF5 file that is being written: rank 0 writes, all ranks write their slabs of large datasets.

    Arrays are contiguous and not compressed, so that ranks and other codes can map them. Units and descriptions are
    those of the schema; what it does not describe raises LookupError. A file without a schema has neither.
    """

    def __init__(self, path: Path, ranks: Ranks, file: h5py.File | None, schema: Schema | None = RESULT):
        self._path, self._ranks, self._file, self._schema = path, ranks, file, schema
        self._offsets: dict[str, int] = {}
        self._sums: dict[str, int] = {}
        self.kept_on_error = False

    def attributes(self, path: str, **values: object) -> None:
        """Set attributes of a group, which is made where there is none; None is left out."""
        if self._schema is not None:
            _require_known(path, values, self._schema.group(path).attributes)
        if self._file is None:
            return
        with _hdf5_as_os_error():
            group = self._file.require_group(path)
            group.attrs.update({name: value for name, value in values.items() if value is not None})

    def dataset(self, path: str, values: ArrayLike, scale: float = 1.0, **attributes: object) -> None:
        """Write an array, see GroupWriter."""
        attributes = self._described(path, scale, attributes)
        if self._file is None:
            return
        with _hdf5_as_os_error():
            self._file.create_dataset(path, data=values).attrs.update(attributes)

    def reserve(self, path: str, shape: tuple[int, ...], dtype: DTypeLike, **attributes: object) -> None:
        """Allocate a dataset that write_slab fills; all ranks call this."""
        attributes = self._described(path, 1.0, attributes)
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
                stored.attrs.update(attributes)
                self._file.flush()
            offset = stored.id.get_offset()
        self._offsets[path] = self._ranks.bcast(offset)

    def write_slab(self, path: str, first: int, values: np.ndarray) -> None:
        """Write rows from index `first` on into a reserved dataset; all ranks call this."""
        values = np.ascontiguousarray(values)
        self._sums[path] = self._sums.get(path, 0) + bit_sum(values)
        if self._offsets[path] is None:  # HDF5 allocates nothing for an array without elements
            return
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

    def keep_on_error(self) -> None:
        """Leave the temporary file where it is after an error, for the run that resumes; all ranks call this."""
        self.kept_on_error = True

    def location(self, path: str) -> tuple[str, int]:
        """Name of the temporary file, and where in it a reserved dataset begins [bytes]."""
        return self._path.name, self._offsets[path]

    def bit_sum(self, path: str) -> int:
        """The bit sum of a reserved dataset that all ranks have written; all call this."""
        return sum(self._ranks.allgather(self._sums[path])) % 2**64

    def write_digest(self, key: str) -> None:
        """Last of all, write the key that the file was made with and a hash of its content; all ranks call this."""
        sums = {path.strip("/"): self.bit_sum(path) for path in self._offsets}
        if self._file is not None:
            with _hdf5_as_os_error():
                write_digest(self._file, key, sums)

    def _described(self, path: str, scale: float, attributes: Mapping[str, object]) -> dict[str, object]:
        """All attributes of a dataset."""
        if self._schema is None:
            return dict(attributes)
        entry = self._schema.dataset(path)
        _require_known(path, attributes, entry.attributes)
        return {**entry.stored_units(scale), "description": entry.description, **attributes}


def _require_known(path: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise LookupError(f"{path}: attribute {name} is not in the schema of files")


def _write_all(raw: FileIO, octets: np.ndarray) -> None:
    """Write to an unbuffered file, which may take less than it is given."""
    view = octets.data
    while view:
        view = view[raw.write(view) :]


@contextmanager
def atomic_hdf5(path: Path, schema: Schema | None, ranks: Ranks = SERIAL) -> Iterator[Writer]:
    """A Writer for an HDF5 file that appears when it is complete; its folder is made. All ranks call this.

    After an error the temporary file is removed, unless keep_on_error was called.
    Raises RunError where the disk is full or the folder cannot be written.
    """
    writer: Writer | None = None
    with atomic_write(path, ranks, lambda: writer is not None and writer.kept_on_error) as temporary:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = None
        if ranks.is_root:
            with _hdf5_as_os_error():
                file = h5py.File(temporary, "w")
        ranks.barrier()
        try:
            writer = Writer(temporary, ranks, file, schema)
            yield writer
        finally:
            if file is not None:
                with _hdf5_as_os_error():
                    file.close()


@contextmanager
def atomic_result(
    path: str | Path,
    config_text: str,
    *,
    seed: int,
    backend: str,
    device: str,
    ranks: Ranks = SERIAL,
    schema: Schema | None = RESULT,
    spare: Collection[str] = frozenset(),
) -> Iterator[Writer]:
    """A Writer for a result with its provenance, see atomic_hdf5; all ranks call this.

    spare  names of temporary files of killed runs that are deleted when the result is complete; others are deleted now
    """
    path = Path(path)
    if ranks.is_root:
        _remove_abandoned(path, spare)
    with atomic_hdf5(path, schema, ranks) as writer:
        writer.attributes(
            "/",
            version=__version__,
            git_revision=git_revision() if ranks.is_root else "",
            config=config_text,
            seed=seed,
            ranks=ranks.size,
            backend=backend,
            device=device,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        yield writer
    if ranks.is_root:
        for name in spare:
            path.with_name(name).unlink(missing_ok=True)
    ranks.barrier()


def _remove_abandoned(path: Path, spare: Collection[str]) -> None:
    """Delete temporary files of a result whose processes ended on this machine; those of living processes stay."""
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
def _hdf5_as_os_error() -> Iterator[None]:
    """HDF5 reports a full disk as RuntimeError when it flushes: raise the OSError that it is."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(reason(error)) from error


def require_writable(folder: str | Path) -> None:
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
