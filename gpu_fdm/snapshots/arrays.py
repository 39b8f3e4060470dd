"""Arrays without metadata: any HDF5 dataset by its name, MATLAB's too, and NumPy's npy and npz files."""

from pathlib import Path

import h5py

from ..errors import InputError
from ..io import hdf5
from . import numpy_files
from .options import OptionNeeded, SnapshotOptions
from .reader import Reader, snapshot_of_array
from .snapshot import GridSnapshot

ARRAY_OPTIONS = ("dataset", "box_size", "redshift", "h")  # of formats without metadata


def read_hdf5(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The chosen dataset, or the only one with three dimensions."""
    with hdf5.opened(path) as file:
        names = options.dataset
        if names is None:
            names = tuple(hdf5.list_grids(file))
            if not names:
                raise InputError(f"{path}: {without_grids(file)}")
            if len(names) > 1:
                what = f"{path}: no array chosen: give {options.flag('dataset')}; found: {', '.join(names)}"
                raise OptionNeeded(what, path, ("dataset",), names)
        source = hdf5.Hdf5Arrays.check(file, names, axes_reversed=hdf5.is_of_matlab(file, names[0]))
    return snapshot_of_array(source, HDF5.name, options)


def without_grids(file: h5py.File) -> str:
    """What is said of a file without an array of three dimensions: which of its arrays may be positions, too."""
    what = "holds no array of three dimensions"
    columns = [name for name in hdf5.list_grids(file, dimensions=2) if file[name].shape[1] == 3]
    return f"{what}; {columns[0]} has three columns: {numpy_files.POSITIONS}" if columns else what


def read_numpy(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The array of an npy file, or one of those in an npz file."""
    source = numpy_files.open_array(path, options)
    return snapshot_of_array(source, NUMPY.name, options)


HDF5 = Reader("hdf5", "any real or complex HDF5 dataset of three dimensions", ARRAY_OPTIONS, hdf5.is_hdf5, read_hdf5)
NUMPY = Reader("numpy", "any npy or npz array of three dimensions", ARRAY_OPTIONS, numpy_files.is_numpy, read_numpy)
