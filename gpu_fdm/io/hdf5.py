"""HDF5 files of other programs, read with care: nothing outside the file, no fill values for data, no traceback."""

import configparser
import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, RunError, raised_by, reason, require_file
from ..vectors import three
from .tables import beginning

if TYPE_CHECKING:
    import h5py

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MOST_LINKS = 16  # soft links followed on the way to an object
_MOST_LISTED = 20
_MOST_NUMBERS = 256  # in an attribute
_COMPLEX = (("r", "i"), ("real", "imag"), ("re", "im"))  # members of complex numbers: of h5py, of MATLAB, of others
_DAMAGE = OSError, KeyError, RuntimeError, ValueError, TypeError  # all that h5py raises for it
_MOST_CHUNK = 1 << 26  # bytes of a chunk that is larger than its array: HDF5 unpacks complete chunks


@contextmanager
def opened(path: str | Path) -> "Iterator[h5py.File]":
    """The open file, read only, see open_hdf5; what h5py raises becomes an InputError of one line that names it.

    Errors of what the block does with the content are not of the file, and stay what they are.
    """
    from .opening import open_hdf5

    require_file(Path(path))
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_hdf5(Path(path)))
        except FileNotFoundError:
            raise InputError(f"{path}: no such file") from None
        except PermissionError as error:
            raise InputError(f"{path}: cannot be read: {reason(error)}") from None
        except BlockingIOError as error:
            raise InputError(f"{path}: is in use: {reason(error)}") from None
        except _DAMAGE as error:
            raise _no_hdf5(path, error) from None
        try:
            yield file
        except _DAMAGE as error:
            if not raised_by(error, "h5py"):
                raise
            if _is_vouched_for(path):
                what = "is as gpu-fdm wrote it, but lacks what is read here (another version wrote it?)"
                raise InputError(f"{path}: {what}: {reason(error)[:200]}") from error
            raise _damaged(path, error) from None


def _no_hdf5(path: str | Path, error: Exception) -> InputError:
    """The error for a file that h5py does not open."""
    if Path(path).is_file() and beginning(path):
        return InputError(f"{path}: not an HDF5 file, but a text")
    return _damaged(path, error)


def _damaged(path: str | Path, error: Exception) -> InputError:
    return InputError(f"{path}: not an HDF5 file, or damaged or cut: {reason(error)[:200]}")


def is_hdf5(path: str | Path) -> bool:
    """Whether a file begins as HDF5 files do (or may, after a user block)."""
    import h5py

    path = Path(path)
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(SIGNATURE)) == SIGNATURE or bool(h5py.is_hdf5(path))


def find(file: "h5py.Group", name: str) -> "h5py.Group | h5py.Dataset | None":
    """The group or dataset of a name, or None; soft links are followed inside the file.

    Raises InputError for a link to another file, and for links that run in a circle.
    """
    return _walk(file, name, name, _MOST_LINKS)


def _walk(file: "h5py.Group", name: str, asked: str, links: int) -> "h5py.Group | h5py.Dataset | None":
    import h5py

    node = file
    steps = [step for step in name.split("/") if step not in ("", ".")]
    for number, step in enumerate(steps):
        link = node.get(step, getlink=True) if isinstance(node, h5py.Group) else None
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise InputError(f"{file.filename}: {asked}: a link into another file, {link.filename}, is not followed")
        if isinstance(link, h5py.SoftLink):
            if not links:
                raise InputError(f"{file.filename}: {asked}: links that run in a circle")
            start = "" if link.path.startswith("/") else node.name
            return _walk(file, "/".join([start, link.path, *steps[number + 1 :]]), asked, links - 1)
        node = node[step]
    return node


def grid_fields(file: "h5py.File", folder: str) -> tuple[str, ...]:
    """Names of the datasets in a group, and in the groups right below it, as name and group/name."""
    import h5py

    group = find(file, folder)
    names = []
    for name in sorted(group) if isinstance(group, h5py.Group) else ():
        node = find(file, f"{folder}/{name}")
        if isinstance(node, h5py.Dataset):
            names.append(name)
        elif isinstance(node, h5py.Group):
            names += [f"{name}/{below}" for below in sorted(node, key=lambda text: (len(text), text))]
    return tuple(names)


def require_self_contained(file: "h5py.File") -> None:
    """InputError where a link or dataset leads into another file, or a dataset is not stored completely."""
    import h5py

    seen, waiting = set(), [file["/"]]
    while waiting:
        group = waiting.pop()
        for name in group:
            where, link = f"{file.filename}: {group.name.rstrip('/')}/{name}", group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise InputError(f"{where}: a link into another file, {link.filename}, is not followed")
            if not isinstance(link, h5py.HardLink):  # its target is checked where it is stored
                continue
            node = group[name]
            if isinstance(node, h5py.Dataset):
                _check_stored(node, where)
            elif isinstance(node, h5py.Group) and (address := h5py.h5o.get_info(node.id).addr) not in seen:
                seen.add(address)
                waiting.append(node)


@contextmanager
def open_result(path: str | Path) -> "Iterator[h5py.File]":
    """A result of this program, open; InputError, naming it, for one that is damaged or not self-contained.

    A file without a digest may hold anything: errors of what the block does with it become InputErrors. In one whose
    digest fits is what the program wrote: they are defects of the program, and stay what they are.
    """
    with opened(path) as file:
        require_self_contained(file)
        try:
            yield file
        except (InputError, RunError):
            raise
        except (*_DAMAGE, AttributeError, IndexError, ArithmeticError, configparser.Error) as error:
            if (isinstance(error, _DAMAGE) and raised_by(error, "h5py")) or _is_vouched_for(path):
                raise
            what = "not what gpu-fdm writes, or changed, for it has no digest"
            raise InputError(f"{path}: {what}: {reason(error)[:200]}") from error


def _is_vouched_for(path: str | Path) -> bool:
    """Whether a file has the bytes that this program wrote."""
    from .digest import damage_of

    return damage_of(Path(path)) == ""


def list_grids(file: "h5py.File", dimensions: int = 3) -> list[str]:
    """Names of arrays of numbers of three dimensions, or as many as wanted, at most 20; links are not followed."""
    import h5py

    names: list[str] = []

    def note(name: str, node: "h5py.HLObject") -> bool | None:
        if isinstance(node, h5py.Dataset) and node.ndim == dimensions and _dtype(node) is not None:
            names.append(name)
        return True if len(names) == _MOST_LISTED else None

    file.visititems(note)
    return names


def numbers(node: "h5py.HLObject | None", name: str) -> tuple | None:
    """An attribute of one or more numbers, as Python numbers; None where there is none.

    Raises InputError for one that does not hold numbers.
    """
    if node is None or name not in node.attrs:
        return None
    where = f"{node.file.filename}: attribute {name} of {node.name}"
    attribute = node.attrs.get_id(name)
    if attribute.shape is None or not 1 <= math.prod(attribute.shape) <= _MOST_NUMBERS:
        raise InputError(f"{where}: must be one or a few numbers")
    if attribute.dtype.kind not in "iuf":
        raise InputError(f"{where}: is of type {attribute.dtype}: must be a number")
    return tuple(np.asarray(node.attrs[name]).ravel().tolist())


def number(node: "h5py.HLObject | None", name: str) -> Any:
    """An attribute that is a single number, or None where there is none."""
    values = numbers(node, name)
    if node is not None and values is not None and len(values) != 1:
        raise InputError(f"{node.file.filename}: attribute {name} of {node.name} = {values}: must be one number")
    return None if values is None else values[0]


def text(node: "h5py.HLObject", name: str) -> str:
    """An attribute that is a text; empty where there is none, or no text."""
    if name not in node.attrs or node.attrs.get_id(name).shape != ():
        return ""
    value = node.attrs[name]
    value = value.decode(errors="replace") if isinstance(value, bytes) else value
    return value if isinstance(value, str) else ""


def is_of_matlab(file: "h5py.File", name: str) -> bool:
    """Whether MATLAB wrote a dataset, which has its axes reversed."""
    node = find(file, name)
    return node is not None and "MATLAB_class" in node.attrs


def checked_dataset(file: "h5py.File", name: str, dimensions: int, kinds: str = "fciu") -> "h5py.Dataset":
    """A dataset of numbers that is stored in the file completely.

    dimensions  it must have
    kinds       of numbers allowed, as in numpy.dtype.kind
    Raises InputError for one that is missing, of another kind, empty, or not stored in this file completely.
    """
    import h5py

    node = find(file, name)
    where = f"{file.filename}: {name}"
    if not isinstance(node, h5py.Dataset):
        found = ", ".join(list_grids(file))
        raise InputError(f"{where}: no such dataset{found and f'; found: {found}'}")
    dtype = _dtype(node)
    if dtype is None or dtype.kind not in kinds:
        allowed = "real or complex numbers" if "c" in kinds else "real numbers"
        raise InputError(f"{where}: holds {_type_name(node)}: must be {allowed}")
    if node.ndim != dimensions or 0 in node.shape:
        raise InputError(f"{where}: has shape {node.shape}: must have {dimensions} dimensions, none of them empty")
    _check_stored(node, where)
    return node


def _check_stored(dataset: "h5py.Dataset", where: str) -> None:
    """InputError for data in other files, and for data that were never written, which HDF5 reads as zeros."""
    import h5py

    if dataset.shape is None:
        raise InputError(f"{where}: holds nothing")
    if dataset.is_virtual or dataset.external:
        raise InputError(f"{where}: lies in other files (virtual or external storage), which are not followed")
    layout = dataset.id.get_create_plist().get_layout()
    if layout == h5py.h5d.CHUNKED:
        size = math.prod(dataset.chunks) * dataset.dtype.itemsize
        if size > max(_MOST_CHUNK, dataset.size * dataset.dtype.itemsize):
            raise InputError(
                f"{where}: chunks of {size} bytes, of shape {dataset.chunks}: larger than the array itself"
            )
        needed = math.prod(-(-n // chunk) for n, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        stored, what = dataset.id.get_num_chunks(), "chunks"
    else:
        needed, what = dataset.size * dataset.dtype.itemsize, "bytes"
        # the size in the header, but no more than the file has
        stored = min(dataset.id.get_storage_size(), Path(dataset.file.filename).stat().st_size)
    if stored < needed:
        raise InputError(f"{where}: {stored} of {needed} {what} were written: the file is not complete")


def _dtype(dataset: "h5py.Dataset") -> np.dtype | None:
    """The NumPy type of a dataset of numbers, complex for pairs of real ones, or None for another one."""
    try:
        dtype = dataset.dtype
    except (TypeError, ValueError):  # a type that NumPy does not know
        return None
    dtype = number_type(dtype)
    return dtype if dtype.kind in "fciu" and dtype.subdtype is None else None


def number_type(dtype: np.dtype) -> np.dtype:
    """The complex type with the same bits as a pair of real numbers; other types as they are."""
    if dtype.names not in _COMPLEX:
        return dtype
    first, second = (dtype[name] for name in dtype.names)
    is_pair = (
        first == second and first.kind == "f" and first.itemsize in (4, 8) and dtype.itemsize == 2 * first.itemsize
    )
    return np.dtype(f"{first.byteorder}c{dtype.itemsize}") if is_pair else dtype


def _type_name(dataset: "h5py.Dataset") -> str:
    try:
        return f"values of type {dataset.dtype}"
    except (TypeError, ValueError):
        return "values of a type that NumPy does not know"


@dataclass(frozen=True)
class Hdf5Arrays:
    """Cells in one dataset of a file, or the real and the imaginary part in two."""

    path: str
    names: tuple[str, ...]
    shape: tuple[int, int, int]
    dtype: str
    axes_reversed: bool = False

    @classmethod
    def check(cls, file: "h5py.File", names: tuple[str, ...], axes_reversed: bool = False) -> "Hdf5Arrays":
        """Arrays of the datasets of an open file; InputError for datasets that are no grid."""
        kinds = "fciu" if len(names) == 1 else "f"
        found = [checked_dataset(file, name, 3, kinds) for name in names]
        if found[0].shape != found[-1].shape:
            raise InputError(
                f"{file.filename}: {names[0]} has shape {found[0].shape}, {names[1]} {found[1].shape}: must be the same"
            )
        dtype = np.result_type(*(number_type(dataset.dtype) for dataset in found))
        return cls(str(file.filename), tuple(names), three(map(int, found[0].shape)), dtype.str, axes_reversed)

    @property
    def cells(self) -> tuple[int, int, int]:
        """Along x, y, z."""
        return self.shape[::-1] if self.axes_reversed else self.shape

    @contextmanager
    def arrays(self) -> "Iterator[list[h5py.Dataset]]":
        """The open datasets."""
        with opened(self.path) as file:
            if Hdf5Arrays.check(file, self.names, self.axes_reversed) != self:
                raise InputError(f"{self.path}: {', '.join(self.names)}: has changed since it was opened")
            found = [checked_dataset(file, name, 3) for name in self.names]
            yield [_Pairs(node) if node.dtype.names else node for node in found]


class _Pairs:
    """A dataset of pairs of real numbers, to be sliced as one of complex numbers."""

    def __init__(self, dataset: "h5py.Dataset"):
        self._dataset, self.chunks, self.dtype = dataset, dataset.chunks, number_type(dataset.dtype)

    def __getitem__(self, key: Any) -> NDArray:
        return self._dataset[key].view(self.dtype)
