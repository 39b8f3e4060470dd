"""NumPy's npy and npz files in slabs, never unpickled: npy mapped into memory, npz read as a stream."""

import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, RunError
from ..io.hdf5 import number_type
from ..vectors import three
from .options import OptionNeeded, SnapshotOptions

POSITIONS = "particles are read from HDF5, as PartType1/Coordinates and PartType1/Masses"
_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"
_NUMBERS = "fciu"  # kinds of dtypes of real and complex numbers
# errors that numpy and zipfile raise for damaged files
_DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, OverflowError, RuntimeError),
    *(SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)


def is_numpy(path: Path) -> bool:
    """Whether a file begins like npy files, or like zip files and is called .npz."""
    return path.is_file() and (_begins(path, _NPY) or (_begins(path, _ZIP) and path.suffix == ".npz"))


def _begins(path: Path, octets: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(octets)) == octets


@contextmanager
def _readable(path: str | Path) -> Iterator[None]:
    """Errors of a file become InputErrors of one line that name it."""
    try:
        yield
    except (InputError, RunError):
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except PermissionError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a NumPy file, or damaged or cut: {reason}") from None


@dataclass(frozen=True)
class NumpyArray:
    """An array in a file.

    member         name in an npz file, else empty
    shape          in the order of the file: x last if the array is stored in Fortran order
    """

    path: str
    member: str
    shape: tuple[int, int, int]
    dtype: str
    axes_reversed: bool

    @property
    def names(self) -> tuple[str]:
        """Name of the array, for messages."""
        return (self.member or "array",)

    @property
    def cells(self) -> tuple[int, int, int]:
        """Cells along x, y, z."""
        return self.shape[::-1] if self.axes_reversed else self.shape

    @contextmanager
    def arrays(self) -> Iterator[list[Any]]:
        """The array, its slowest axis first."""
        with ExitStack() as stack:
            with _readable(self.path):
                array = self._in_archive(stack) if self.member else self._mapped()
            yield [array]

    def _in_archive(self, stack: ExitStack) -> "_Stream":
        archive = stack.enter_context(zipfile.ZipFile(self.path))
        if _npz_array(self.path, self.member, archive) != self:
            raise InputError(f"{self.path}: {self.member} has changed since it was opened")
        stream = stack.enter_context(archive.open(f"{self.member}.npy"))
        _header(stream)
        return _Stream(stream, self)

    def _mapped(self) -> NDArray:
        if _npy_array(self.path) != self:
            raise InputError(f"{self.path}: has changed since it was opened")
        mapped = np.load(self.path, mmap_mode="r", allow_pickle=False).view(self.dtype)
        return mapped.T if self.axes_reversed else mapped


class _Stream:
    """An array in a stream, to be sliced along its slowest axis in increasing order."""

    def __init__(self, stream: IO[bytes], array: NumpyArray):
        self.dtype = np.dtype(array.dtype)
        self._path, self._stream, self._shape, self._start = array.path, stream, array.shape, stream.tell()

    def __getitem__(self, key: slice | tuple[slice, ...]) -> NDArray:
        rows, *inside = key if isinstance(key, tuple) else (key,)
        row = prod(self._shape[1:]) * self.dtype.itemsize
        with _readable(self._path):
            self._stream.seek(self._start + rows.start * row)
            octets = self._stream.read((rows.stop - rows.start) * row)
            values = np.frombuffer(octets, self.dtype).reshape(rows.stop - rows.start, *self._shape[1:])
        return values[(slice(None), *inside)]


def open_array(path: Path, options: SnapshotOptions) -> NumpyArray:
    """The array of an npy file, or the chosen one of an npz file (by default its only one, or its only grid).

    Raises InputError for an array that is no grid of numbers, and for truncated files.
    """
    with _readable(path):
        if _begins(path, _ZIP):
            with zipfile.ZipFile(path) as archive:
                return _npz_array(path, _member(path, archive, options), archive)
        if options.dataset is not None:
            given = f"{options.flag('dataset')} {','.join(options.dataset)}"
            raise InputError(f"{path}: {given}: an npy file holds one array, without a name")
        return _npy_array(path)


def _member(path: Path, archive: zipfile.ZipFile, options: SnapshotOptions) -> str:
    dataset, flag = options.dataset, options.flag("dataset")
    found = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    wanted = dataset or tuple(found)
    if dataset is None and len(found) > 1:
        wanted = tuple(name for name in found if _is_grid(archive, name))
    if len(wanted) != 1 or wanted[0] not in found:
        known = f"found: {', '.join(found[:20]) or 'none'}"
        if dataset is None and wanted:
            raise OptionNeeded(f"{path}: no array chosen: give {flag}; {known}", path, ("dataset",), wanted)
        problem = f"no array chosen: give {flag}"
        if dataset is not None:
            problem = f"{flag} {','.join(dataset)}: no such array"
            if len(dataset) == 2:
                problem = f"{flag} {','.join(dataset)}: must be one array in an npz file, complex where it is psi"
        raise InputError(f"{path}: {problem}; {known}")
    return wanted[0]


def _is_grid(archive: zipfile.ZipFile, member: str) -> bool:
    """Whether an array has three dimensions, and numbers."""
    with archive.open(f"{member}.npy") as stream:
        shape, _, dtype = _header(stream)
    return len(shape) == 3 and number_type(dtype).kind in _NUMBERS


def _npz_array(path: str | Path, member: str, archive: zipfile.ZipFile) -> NumpyArray:
    info = archive.getinfo(f"{member}.npy")
    with archive.open(info) as stream:
        return _described(stream, info.file_size, path, member)


def _npy_array(path: str | Path) -> NumpyArray:
    with open(path, "rb") as stream:
        return _described(stream, Path(path).stat().st_size, path, "")


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and dtype; leaves the stream at the first value."""
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the npy format")
    return readers[version](stream)


def _described(stream: IO[bytes], size: int, path: str | Path, member: str) -> NumpyArray:
    """The array in a stream of `size` bytes."""
    name = f"{path}: {member}" if member else f"{path}"
    shape, fortran, dtype = _header(stream)
    dtype = number_type(dtype)
    if dtype.kind not in _NUMBERS:
        raise InputError(f"{name}: holds values of type {dtype}: must be real or complex numbers")
    shape = tuple(map(int, shape))  # NumPy's reader accepts True as an integer
    if len(shape) != 3 or any(n < 1 for n in shape):
        positions = f"; {POSITIONS}" if len(shape) == 2 and shape[1] == 3 else ""
        raise InputError(f"{name}: has shape {shape}: must have 3 dimensions, none of them empty{positions}")
    found, needed = size - stream.tell(), prod(shape) * dtype.itemsize
    if found != needed:
        raise InputError(f"{name}: has {found} bytes after its header: must be {needed} for shape {shape}")
    return NumpyArray(str(path), member, three(shape[::-1] if fortran else shape), dtype.str, bool(fortran))
