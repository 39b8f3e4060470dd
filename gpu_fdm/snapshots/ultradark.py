"""Grids of UltraDark.jl: rho_<n> or psi_<n> in npy or h5, without attributes; Julia's axes are reversed in HDF5."""

import re
from pathlib import Path

from ..errors import InputError
from ..io import hdf5
from . import numpy_files
from .arrays import ARRAY_OPTIONS
from .options import SnapshotOptions
from .reader import Reader, snapshot_of_array
from .snapshot import GridSnapshot

DATASETS = ("psi", "rho")
_NAME = re.compile(r"(rho|psi)_\d+\.(npy|h5)")


def detect(path: Path) -> bool:
    """Whether the file has the name of an UltraDark.jl grid, and in HDF5 only its dataset."""
    if _NAME.fullmatch(path.name) is None:
        return False
    if hdf5.is_hdf5(path):
        with hdf5.opened(path) as file:
            return len(file) == 1 and next(iter(file)) in DATASETS
    return numpy_files.is_numpy(path)


def read(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The only array in the file."""
    source: hdf5.Hdf5Arrays | numpy_files.NumpyArray
    if hdf5.is_hdf5(path):
        with hdf5.opened(path) as file:
            names = options.dataset or tuple(name for name in DATASETS if name in file)[:1]
            if not names:
                raise InputError(f"{path}: no dataset {' or '.join(DATASETS)}: give {options.flag('dataset')}")
            source = hdf5.Hdf5Arrays.check(file, names, axes_reversed=True)
    else:
        source = numpy_files.open_array(path, options)
    return snapshot_of_array(source, READER.name, options)


READER = Reader("ultradark", "UltraDark.jl grid, npy or h5", ARRAY_OPTIONS, detect, read)
