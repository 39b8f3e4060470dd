"""Grids of PyUltraLight: rho_#<n> or psi_#<n> in npy, npz, or HDF5 (dataset "init"), without attributes."""

import re
from pathlib import Path

from ..io import hdf5
from . import numpy_files
from .arrays import ARRAY_OPTIONS
from .options import SnapshotOptions
from .reader import Reader, snapshot_of_array
from .snapshot import GridSnapshot

DATASET = "init"
_NAME = re.compile(r"(rho|psi)_#\d+\.(npy|npz)")


def detect(path: Path) -> bool:
    """Whether the file has the name of a PyUltraLight grid, or only its dataset."""
    if hdf5.is_hdf5(path):
        with hdf5.opened(path) as file:
            return list(file) == [DATASET]
    return _NAME.fullmatch(path.name) is not None and numpy_files.is_numpy(path)


def read(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The only array in the file."""
    source: hdf5.Hdf5Arrays | numpy_files.NumpyArray
    if hdf5.is_hdf5(path):
        with hdf5.opened(path) as file:
            source = hdf5.Hdf5Arrays.check(file, options.dataset or (DATASET,))
    else:
        source = numpy_files.open_array(path, options)
    return snapshot_of_array(source, READER.name, options)


READER = Reader("pyultralight", "PyUltraLight grid, npy, npz or HDF5", ARRAY_OPTIONS, detect, read)
