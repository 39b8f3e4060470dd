"""NumPy's npy and npz files, in slabs: never unpickled, npy mapped into memory, npz read as a stream."""

import lzma
import struct
import tokenize
import zipfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from ..errors import InputError, RunError

_NPY, _ZIP = b"\x93NUMPY", b"PK\x03\x04"
# what numpy and zipfile raise for it
_DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, OverflowError, RuntimeError),
    *(SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)


def is_numpy(path) -> bool:
    """Whether a file begins as npy or npz files do, and an npz ends in .npz."""
    path = Path(path)
    return path.is_file() and (_begins(path, _NPY) or (_begins(path, _ZIP) and path.suffix == ".npz"))


def _begins(path, octets):
    with open(path, "rb") as file:
        return file.read(len(octets)) == octets


@contextmanager
def _readable(path):
    """What goes wrong in a file becomes an InputError of one line that names it."""
    try:
        yield
    except (InputError, RunError):
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a NumPy file, or damaged or cut: {reason}") from None


@dataclass(frozen=True)
class NumpyArray:
    """An array in a file.

    member         of an npz file, else empty
    shape          in the order of the file: x last where the array is stored in Fortran order
    """

    path: str
    member: str
    shape: tuple[int, int, int]
    dtype: str
    axes_reversed: bool

    @property
    def names(self) -> tuple[str]:
        """The array, for messages."""
        return (self.member or "array",)

    @property
    def cells(self) -> tuple[int, int, int]:
        """Along x, y, z."""
        return self.shape[::-1] if self.axes_reversed else self.shape

    @contextmanager
    def arrays(self):
        """The array, its slowest axis first."""
        with _readable(self.path):
            if self.member:
                with zipfile.ZipFile(self.path) as archive, archive.open(f"{self.member}.npy") as stream:
                    if _npz_array(self.path, self.member, archive) != self:
                        raise InputError(f"{self.path}: {self.member} has changed since it was opened")
                    _header(stream)
                    yield [_Stream(stream, self)]
            else:
                if _npy_array(self.path) != self:
                    raise InputError(f"{self.path}: has changed since it was opened")
                mapped = np.load(self.path, mmap_mode="r", allow_pickle=False)
                yield [mapped.T if self.axes_reversed else mapped]


class _Stream:
    """An array that comes as a stream, to be sliced along its slowest axis, forwards."""

    def __init__(self, stream, array):
        self.dtype = np.dtype(array.dtype)
        self._stream, self._shape, self._start = stream, array.shape, stream.tell()

    def __getitem__(self, key):
        rows, *inside = key if isinstance(key, tuple) else (key,)
        row = prod(self._shape[1:]) * self.dtype.itemsize
        self._stream.seek(self._start + rows.start * row)
        octets = self._stream.read((rows.stop - rows.start) * row)
        values = np.frombuffer(octets, self.dtype).reshape(rows.stop - rows.start, *self._shape[1:])
        return values[(slice(None), *inside)]


def open_array(path, dataset: tuple[str, ...] | None) -> NumpyArray:
    """The array of an npy file, or the one of an npz file that is asked for (the only one if none is).

    Raises InputError for what is no grid of numbers, and for files that are cut.
    """
    path = Path(path)
    with _readable(path):
        if _begins(path, _ZIP):
            with zipfile.ZipFile(path) as archive:
                return _npz_array(path, _member(path, archive, dataset), archive)
        if dataset is not None:
            raise InputError(f"{path}: --dataset {','.join(dataset)}: an npy file holds one array, without a name")
        return _npy_array(path)


def _member(path, archive, dataset):
    found = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    wanted = tuple(found) if dataset is None else dataset
    if len(wanted) != 1 or wanted[0] not in found:
        said = "no array chosen: give --dataset" if dataset is None else f"--dataset {','.join(dataset)}: no such array"
        raise InputError(f"{path}: {said}; found: {', '.join(found[:20]) or 'none'}")
    return wanted[0]


def _npz_array(path, member, archive):
    info = archive.getinfo(f"{member}.npy")
    with archive.open(info) as stream:
        return _described(stream, info.file_size, path, member)


def _npy_array(path):
    with open(path, "rb") as stream:
        return _described(stream, Path(path).stat().st_size, path, "")


def _header(stream):
    """Shape, Fortran order and dtype; leaves the stream where the values begin."""
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the npy format")
    return readers[version](stream)


def _described(stream, size, path, member):
    """The array whose file, or part of one, begins at the stream and has `size` bytes."""
    place = f"{path}: {member}" if member else f"{path}"
    shape, fortran, dtype = _header(stream)
    if dtype.kind not in "fciu":
        raise InputError(f"{place}: holds values of type {dtype}: must be real or complex numbers")
    shape = tuple(map(int, shape))  # True is an integer to NumPy's reader
    if len(shape) != 3 or any(n < 1 for n in shape):
        raise InputError(f"{place}: has shape {shape}: must have 3 dimensions, none of them empty")
    found, needed = size - stream.tell(), prod(shape) * dtype.itemsize
    if found != needed:
        raise InputError(f"{place}: has {found} bytes after its header: must be {needed} for shape {shape}")
    return NumpyArray(str(path), member, shape[::-1] if fortran else shape, dtype.str, bool(fortran))
