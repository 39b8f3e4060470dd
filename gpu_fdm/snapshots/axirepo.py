"""Wave functions of AxiREPO: FuzzyDM/PsiRe and FuzzyDM/PsiIm, a cube flat in C order, split over snap.<i>.hdf5.

A file need not end with a plane. Source: May & Springel 2021 (MNRAS 506, 2603) for the code; the layout is that which
other readers of its files assume.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..io import hdf5
from . import parts
from .gadget_header import number_of_files, read_header, shared_attributes
from .options import SnapshotOptions
from .reader import Reader
from .snapshot import GridSnapshot

NAMES = ("FuzzyDM/PsiRe", "FuzzyDM/PsiIm")


@dataclass(frozen=True)
class FlatParts:
    """Cells of a cube, flat in C order, split over files.

    files  path and number of cells of each file
    side   cells along a side of the cube
    """

    path: str
    files: tuple[tuple[str, int], ...]
    side: int
    dtype: str
    names: tuple[str, str] = NAMES
    axes_reversed = False

    @contextmanager
    def arrays(self) -> Iterator[list["_Planes"]]:
        """The real and the imaginary part, to be sliced along x."""
        yield [_Planes(self, name) for name in self.names]


@dataclass(frozen=True)
class _Planes:
    """The real or the imaginary part, to be sliced along x."""

    parts: FlatParts
    name: str

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.parts.dtype)

    def __getitem__(self, planes: slice) -> NDArray:
        side = self.parts.side
        first, last = planes.start * side**2, planes.stop * side**2
        values = np.empty(last - first, self.dtype)
        begin = 0
        for path, count in self.parts.files:
            start, stop = max(first - begin, 0), min(last - begin, count)
            if start < stop:
                with hdf5.opened(path) as file:
                    stored = _checked(file, self.name, count)
                    values[begin + start - first : begin + stop - first] = stored[start:stop]
            begin += count
        return values.reshape(-1, side, side)


def _checked(file: h5py.File, name: str, count: int | None = None) -> h5py.Dataset:
    """A flat dataset of a file, with as many cells as expected."""
    stored = hdf5.checked_dataset(file, name, 1, "f")
    if count is not None and stored.size != count:
        raise InputError(f"{file.filename}: {name} has {stored.size} cells: must be {count}")
    return stored


def detect(path: Path) -> bool:
    """Whether a file, or the first of several, has a wave function."""
    first = parts.find_file(path)
    if first is None or not hdf5.is_hdf5(first):
        return False
    with hdf5.opened(first) as file:
        return hdf5.find(file, NAMES[0]) is not None


def read(path: Path, options: SnapshotOptions, incomplete: bool = False) -> GridSnapshot:
    """The wave function of all files, whose sizes and headers must agree.

    incomplete  whether files may be missing: the number of cells is then not known, and is 0
    """
    first = parts.first_part(path)
    expected = number_of_files(first)
    files, dtypes, headers = [], [], []
    for part in parts.all_parts(first, expected, incomplete=incomplete):
        with hdf5.opened(part) as file:
            real = _checked(file, NAMES[0])
            dtypes += [real.dtype, _checked(file, NAMES[1], real.size).dtype]
            files.append((str(part), int(real.size)))
            headers.append(shared_attributes(file))
            if headers[-1] != headers[0]:
                raise InputError(f"{part}: its header differs from {files[0][0]}: not a part of the same snapshot")
    total = sum(count for _, count in files)
    missing = expected - len(files)
    side = 0 if missing else round(total ** (1 / 3))
    if side**3 != total and not missing:
        raise InputError(f"{first}: {total} cells of psi in its {len(files)} files: must be those of a cube")
    with hdf5.opened(files[0][0]) as file:
        header = read_header(file, options)
    return GridSnapshot(
        path=str(first),
        format=READER.name,
        box_size=header.box_size,
        redshift=header.redshift,
        fields=("psi",),
        field="psi",
        h=header.h,
        omega_m=header.omega_m,
        files=expected,
        missing=missing,
        cells=(side, side, side),
        density_units="units of the file",
        source=FlatParts(str(first), tuple(files), side, np.result_type(*dtypes).str),
    )


READER = Reader(
    name="axirepo",
    description="AxiREPO wave function, FuzzyDM/PsiRe and FuzzyDM/PsiIm",
    options=("unit_length", "box_size", "redshift", "h"),
    detect=detect,
    read=read,
    in_parts=True,
)
