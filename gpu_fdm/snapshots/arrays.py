"""Arrays without anything else: any HDF5 dataset by its name, and NumPy's npy and npz files."""

from pathlib import Path

from ..errors import InputError
from ..io import hdf5
from . import numpy_files
from .options import SnapshotOptions
from .reader import Reader, bare_grid
from .snapshot import GridSnapshot

BARE = ("dataset", "box_size", "redshift", "h")  # options of arrays without anything else


def read_hdf5(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The dataset that is asked for, or the only three-dimensional one."""
    with hdf5.opened(path) as file:
        names = options.dataset
        if names is None:
            names = tuple(hdf5.list_grids(file))
            if len(names) != 1:
                found = ", ".join(names) or "no array of three dimensions"
                raise InputError(f"{path}: no array chosen: give --dataset; found: {found}")
        source = hdf5.Hdf5Arrays.check(file, names)
    return bare_grid(source, source.cells, HDF5.name, options)


def read_numpy(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The array of an npy file, or one of an npz file."""
    source = numpy_files.open_array(path, options.dataset)
    return bare_grid(source, source.cells, NUMPY.name, options)


HDF5 = Reader("hdf5", "any real or complex HDF5 dataset of three dimensions", BARE, hdf5.is_hdf5, read_hdf5)
NUMPY = Reader("numpy", "any npy or npz array of three dimensions", BARE, numpy_files.is_numpy, read_numpy)
