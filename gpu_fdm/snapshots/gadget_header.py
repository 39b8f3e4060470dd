"""The header of GADGET, AREPO and related codes: box, redshift, cosmology and units."""

import math
from dataclasses import dataclass
from pathlib import Path

import h5py

from ..errors import InputError
from ..io import hdf5
from ..vectors import three
from . import parts
from .options import SnapshotOptions

MPC_CM = 1e6 * 648000 / math.pi * 1.495978707e13  # IAU 2012 B2, 2015 B2
UNIT_DIGITS = 1e-5  # relative: codes write the kiloparsec as 3.085678e21 cm, which is taken as exact
_GROUPS = ("Header", "Parameters", "Units", "Cosmology")
# exponents of the scale factor and of h in a dataset's unit: AREPO and GADGET-4, EAGLE, SWIFT
_SCALE_FACTOR = ("a_scaling", "aexp-scale-exponent", "a-scale exponent")
_HUBBLE = ("h_scaling", "h-scale-exponent", "h-scale exponent")


@dataclass(frozen=True)
class Header:
    """Box, redshift and cosmology of a snapshot, from its file and the options.

    length    comoving size of the file's unit of length [cMpc/h]
    box_size  sides [cMpc/h]
    """

    length: float
    box_size: tuple[float, float, float]
    redshift: float
    h: float | None
    omega_m: float | None


def is_gadget(path: Path) -> bool:
    """Whether a file, or the first of several, has the header of a GADGET snapshot."""
    first = parts.find_file(path)
    if first is None or not hdf5.is_hdf5(first):
        return False
    with hdf5.opened(first) as file:
        return hdf5.numbers(hdf5.find(file, "Header"), "NumPart_ThisFile") is not None


def number_of_files(first: Path) -> int:
    """Number of files of the snapshot to which a file belongs."""
    with hdf5.opened(first) as file:
        count = counts(file, "NumFilesPerSnapshot")
    if count is not None and (len(count) > 1 or count[0] < 1):
        raise InputError(f"{first}: NumFilesPerSnapshot = {count}: must be a positive integer")
    return 1 if count is None else count[0]


def counts(file: h5py.File, name: str) -> tuple[int, ...] | None:
    """Numbers of files or particles, as Python integers of any size; None if the header has no such attribute.

    Negative numbers are read as 32-bit words without sign.
    """
    values = hdf5.numbers(hdf5.find(file, "Header"), name)
    if values is None:
        return None
    if not all(math.isfinite(value) and value == int(value) and value >= -(2**31) for value in values):
        raise InputError(f"{file.filename}: {name} = {values}: must be numbers of files or particles")
    return tuple(int(value) % 2**32 if value < 0 else int(value) for value in values)


def shared_attributes(file: h5py.File) -> tuple:
    """Attributes that are the same in the headers of all files of a snapshot."""
    header = hdf5.find(file, "Header")
    return tuple(hdf5.numbers(header, name) for name in ("BoxSize", "Redshift", "Time", "NumFilesPerSnapshot"))


def read_header(file: h5py.File, options: SnapshotOptions, coordinates: h5py.Dataset | None = None) -> Header:
    """The header of an open file, with the options of the user.

    coordinates  dataset of positions, whose attributes may have its unit
    Raises InputError for missing values, naming the option that gives them, and for values out of range.
    """
    path = file.filename
    redshift = options.resolve("redshift", _first(file, "Redshift"), path)
    h = options.resolve("h", _first(file, "HubbleParam", "h"), path, needed=False)
    if h is None and options.unit_length is None and _is_without_h(file, coordinates):
        raise InputError(f"{path}: lengths are not per h, and the file has no h: give --h")
    length = options.resolve("unit_length", _unit_length(file, coordinates, redshift, h), path)
    box_size = options.resolve("box_size", _box_size(file, length), path)
    return Header(length, box_size, redshift, h, _first(file, "Omega0", "Omega_m"))


def _box_size(file: h5py.File, length: float) -> tuple[float, float, float] | None:
    """Sides in cMpc/h, or None for a run without a box (0)."""
    sides = hdf5.numbers(hdf5.find(file, "Header"), "BoxSize")
    if sides is None or not any(sides):
        return None
    if len(sides) not in (1, 3):
        raise InputError(f"{file.filename}: BoxSize = {sides}: must be one or three numbers")
    return three(side * length for side in (sides * 3)[:3])


def _unit_length(file: h5py.File, coordinates: h5py.Dataset | None, redshift: float, h: float | None) -> float | None:
    """Unit of length of the positions [cMpc/h], or None if the file does not have it.

    Lengths are per h and comoving, as GADGET's internal units are, unless attributes say otherwise.
    """
    centimetres = _first(file, "UnitLength_in_cm", "Unit length in cgs (U_L)")
    if centimetres is None:
        return None
    if not (centimetres > 0 and math.isfinite(centimetres)):
        raise InputError(f"{file.filename}: UnitLength_in_cm = {centimetres:g}: must be positive")
    length = _exact_power(centimetres / MPC_CM)
    factor = 1.0
    if _is_without_h(file, coordinates):
        if h is None:
            return None
        factor = h
    return length * (1 + redshift if _is_physical(file, coordinates) else 1) * factor


def _exact_power(length: float) -> float:
    """The nearest power of ten if a unit of length [Mpc] is within UNIT_DIGITS of it, else the unit itself."""
    power = 10.0 ** round(math.log10(length))
    return power if abs(length / power - 1) < UNIT_DIGITS else length


def _is_physical(file: h5py.File, coordinates: h5py.Dataset | None) -> bool:
    exponent = _exponent(coordinates, _SCALE_FACTOR, (0, 1))
    return _first(file, "ComovingIntegrationOn") == 0 if exponent is None else exponent == 0


def _is_without_h(file: h5py.File, coordinates: h5py.Dataset | None) -> bool:
    exponent = _exponent(coordinates, _HUBBLE, (0, -1))
    return _is_physical(file, coordinates) if exponent is None else exponent == 0


def _exponent(dataset: h5py.Dataset | None, names: tuple[str, ...], allowed: tuple[int, int]) -> float | None:
    if dataset is None:
        return None
    for name in names:
        value = hdf5.number(dataset, name)
        if value is not None and value not in allowed:
            attribute = f"{dataset.file.filename}: attribute {name} of {dataset.name}"
            raise InputError(f"{attribute} = {value:g}: must be {allowed[0]} or {allowed[1]} for a length")
        if value is not None:
            return value
    return None


def _first(file: h5py.File, *names: str) -> float | None:
    """An attribute from the first group that has it, or None."""
    for group in _GROUPS:
        node = hdf5.find(file, group)
        for name in names:
            value = hdf5.number(node, name)
            if value is not None:
                return value
    return None
