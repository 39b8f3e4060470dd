"""Result files in HDF5: they appear when they are complete, and hold what io.schema describes.

Every dataset has the attributes `units`, `units_text` and `description`; the root has what is needed to repeat the run.
"""

import errno
import logging
import os
import subprocess
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .. import __version__
from ..errors import RunError, printable, reason
from ..parallel.ranks import SERIAL, Ranks
from ..parallel.signals import signals_after
from ..parallel.staging import host_pieces
from .atomic import atomic_write, final_path, is_temporary, of_other_machines, remove_abandoned
from .digest import DIGEST, DIGEST_TEXT, append_digest, has_digest, hash_of_bytes
from .ownership import not_replaced
from .schema import RESULT, Schema
from .unfailing import UnfailingFile

log = logging.getLogger(__name__)

RESULT_ENDINGS = (".hdf5", ".h5")  # of the names of result files
_PIECE = 1 << 30  # bytes written at a time: message sizes in MPI are 32-bit numbers
_SIGNATURE, _PROVENANCE = b"\x89HDF\r\n\x1a\n", b"git_revision"  # by which a damaged result is known as one
_SEARCHED = 1 << 24  # bytes of the two ends of a file that are searched for it


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

    def __init__(
        self,
        path: Path,
        ranks: Ranks,
        file: h5py.File | None,
        schema: Schema | None = RESULT,
        raw: UnfailingFile | None = None,
    ):
        self._path, self._ranks, self._file, self._raw, self._schema = path, ranks, file, raw, schema
        self._extents: dict[str, tuple[int | None, int]] = {}
        self.kept_on_error = False

    def attributes(self, path: str, **values: object) -> None:
        """Set attributes of a group, which is made where there is none; None is left out."""
        if self._schema is not None:
            _require_known(path, values, self._schema.group(path).attributes)
        if self._file is None:
            return
        stored = {name: _storable(value) for name, value in values.items() if value is not None}
        with signals_after():
            self._file.require_group(path).attrs.update(stored)
        _raise_unwritten(self._raw)

    def dataset(self, path: str, values: ArrayLike, scale: float = 1.0, **attributes: object) -> None:
        """Write an array, see GroupWriter."""
        attributes = self._described(path, scale, attributes)
        if self._file is None:
            return
        with signals_after():
            self._file.create_dataset(path, data=values).attrs.update(attributes)
        _raise_unwritten(self._raw)

    def reserve(self, path: str, shape: tuple[int, ...], dtype: DTypeLike, **attributes: object) -> None:
        """Allocate a dataset that write_slab fills; all ranks call this."""
        attributes = self._described(path, 1.0, attributes)
        offset = None
        if self._file is not None:
            with signals_after():
                offset = _allocated(self._file, path, shape, np.dtype(dtype), attributes)
            _raise_unwritten(self._raw)
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        self._extents[path] = self._ranks.bcast(offset), size

    def write_slab(self, path: str, first: int, values: Any) -> None:
        """Write rows from index `first` on into a reserved dataset; all ranks call this, and raise the same OSError.

        values  NumPy or CuPy: of an array on a card the next piece is copied to the host while one is written
        """
        begin, _ = self._extents[path]
        if begin is None:  # HDF5 allocates nothing for an array without elements
            return
        offset = begin + first * int(np.prod(values.shape[1:])) * values.dtype.itemsize
        error = None
        try:
            with closing(_pieces(values, offset)) as pieces:
                (_write_serially if self._ranks.size == 1 else self._write_together)(self._path, pieces)
        except OSError as caught:
            error = OSError(f"{reason(caught)} (writing planes from {first} on)")
        self._ranks.raise_first(error)

    def _write_together(self, path: Path, pieces: Iterable[tuple[int, np.ndarray]]) -> None:
        from mpi4py import MPI

        try:
            shared = MPI.File.Open(self._ranks.communicator, str(path), MPI.MODE_WRONLY)
            try:
                for start, piece in pieces:
                    shared.Write_at(start, [piece, MPI.BYTE])
            finally:
                shared.Close()
        except MPI.Exception as error:
            raise OSError(_reason_of(error.Get_error_string())) from error

    def keep_on_error(self) -> None:
        """Leave the temporary file where it is after an error, for the run that resumes; all ranks call this."""
        self.kept_on_error = True

    def location(self, path: str) -> tuple[str, int | None, str]:
        """Name of the temporary file, where in it a reserved dataset begins [bytes], and the hash of its bytes.

        All ranks have written it, and all call this.
        """
        offset, size = self._extents[path]
        begin = offset or 0
        return self._path.name, offset, hash_of_bytes(self._path, begin, begin + size, self._ranks)

    def write_key(self, key: str) -> None:
        """Write the key that the file is made with."""
        if self._file is not None:
            with signals_after():
                self._file.attrs["key"] = key
            _raise_unwritten(self._raw)

    def _described(self, path: str, scale: float, attributes: Mapping[str, object]) -> dict[str, object]:
        """All attributes of a dataset."""
        if self._schema is None:
            return dict(attributes)
        entry = self._schema.dataset(path)
        _require_known(path, attributes, entry.attributes)
        return {**entry.stored_units(scale), "description": entry.description, **attributes}


def _allocated(
    file: h5py.File, path: str, shape: tuple[int, ...], dtype: np.dtype, attributes: Mapping[str, object]
) -> int | None:
    """Allocate a contiguous dataset; returns where in the file it begins [bytes]."""
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    file.require_group(str(PurePosixPath(path).parent))
    space = h5py.h5s.create_simple(shape)
    h5py.h5d.create(file.id, path.encode(), h5py.h5t.py_create(dtype), space, layout)
    stored = file[path]
    stored.attrs.update(attributes)
    file.flush()
    return stored.id.get_offset()


def _require_known(path: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            raise LookupError(f"{path}: attribute {name} is not in the schema of files")


def _storable(value: object) -> object:
    """A value as HDF5 has it: texts without control characters and undecodable bytes, which names of files may have."""
    if isinstance(value, (list, tuple)):
        return [_storable(each) for each in value]
    return "\n".join(map(printable, value.split("\n"))) if isinstance(value, str) else value


def _reason_of(message: str) -> str:
    """The part of an error of MPI that the operating system gave, where it is the usual one; else its first line."""
    full = os.strerror(errno.ENOSPC)
    return full if full in message else message.partition(", error stack")[0].strip()


def _pieces(values: Any, offset: int) -> Generator[tuple[int, np.ndarray], None, None]:
    """Pieces of an array: where in the file they begin, and their bytes."""
    with closing(host_pieces(values)) as parts:
        for part in parts:
            octets = part.view(np.uint8)
            for start in range(0, len(octets), _PIECE):
                yield offset + start, octets[start : start + _PIECE]
            offset += len(octets)


def _write_serially(path: Path, pieces: Iterable[tuple[int, np.ndarray]]) -> None:
    with open(path, "r+b", buffering=0) as raw:
        for start, piece in pieces:
            raw.seek(start)
            _write_all(raw, piece)


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
        file = raw = None
        if ranks.is_root:
            raw = UnfailingFile(temporary)
            with signals_after():
                file = h5py.File(raw, "w")
        try:
            writer = Writer(temporary, ranks, file, schema, raw)
            yield writer
            if file is not None:
                with signals_after():
                    file.attrs[DIGEST] = DIGEST_TEXT
        finally:
            if file is not None and raw is not None:
                with signals_after():
                    file.close()
                    raw.close()
        ranks.on_root(lambda: _raise_unwritten(raw))
        append_digest(temporary, ranks)


@contextmanager
def atomic_result(
    path: str | Path,
    config_text: str,
    *,
    seed: int,
    backend: str,
    device: str,
    mpi_buffers: str = "host",
    ranks: Ranks = SERIAL,
    schema: Schema | None = RESULT,
    spare: Collection[str] = frozenset(),
) -> Iterator[Writer]:
    """A Writer for a result with its provenance, see atomic_hdf5; all ranks call this.

    spare  names of temporary files of killed runs that are deleted when the result is complete; others are deleted now
    """
    final: Path = ranks.on_root(lambda: _replaceable(Path(path)))
    spare = {name for name in spare if is_temporary(final, name)}
    if ranks.is_root:
        remove_unfinished(final, spare)
    with atomic_hdf5(final, schema, ranks) as writer:
        writer.attributes(
            "/",
            version=__version__,
            git_revision=git_revision() if ranks.is_root else "",
            config=config_text,
            seed=seed,
            ranks=ranks.size,
            backend=backend,
            device=device,
            mpi_buffers=mpi_buffers,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        yield writer
    if ranks.is_root:
        for name in spare:
            final.with_name(name).unlink(missing_ok=True)
    ranks.barrier()


def remove_unfinished(path: Path, spare: Collection[str] = frozenset()) -> None:
    """Delete temporary files of a result whose processes ended on this machine, but for those of names in `spare`."""
    for left in remove_abandoned(path.parent, lambda name: is_temporary(path, name) and name not in spare):
        log.info("removing %s, left by a run that was stopped", left)
    others = [left for left in of_other_machines(path) if left.name not in spare]
    if others:
        log.info(
            "%s: of a run on another machine%s: remove it if none is running",
            others[0],
            f", one of {len(others)} such files" if len(others) > 1 else "",
        )


def require_result(path: Path) -> None:
    """InputError for a file that is no result of this program, not even a damaged one: it is not replaced."""
    if path.is_dir() or (path.is_file() and path.stat().st_size and not _is_result(path)):
        raise not_replaced(path)


def _is_result(path: Path) -> bool:
    """By its digest or its provenance; HDF5 does not see it, for it may be damaged."""
    if has_digest(path):
        return True
    with open(path, "rb") as file:
        begin = file.read(_SEARCHED)
        file.seek(max(0, path.stat().st_size - _SEARCHED))
        return begin.startswith(_SIGNATURE) and (_PROVENANCE in begin or _PROVENANCE in file.read(_SEARCHED))


def _replaceable(path: Path) -> Path:
    """Where a result is written: where a link leads. Raises InputError for what is not replaced."""
    try:
        path = final_path(path)
        require_result(path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {reason(error)}") from error
    return path


def _raise_unwritten(raw: UnfailingFile | None) -> None:
    """Raise the error of the file, which HDF5 does not see."""
    if raw is not None and raw.error is not None:
        raise raw.error


def require_writable(folder: str | Path) -> None:
    """Make a folder and write in it, or raise RunError: before hours are spent, not after."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # it has no name where the file system can do so: a run that is killed here leaves nothing
        with tempfile.TemporaryFile(dir=folder, prefix=".gpu_fdm-"):
            pass
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
