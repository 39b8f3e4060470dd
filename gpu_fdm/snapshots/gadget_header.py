"""The header of GADGET, AREPO and related codes: box, redshift, cosmology and units."""

import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ..errors import InputError
from ..io import hdf5
from ..units import SOLAR_MASS
from ..vectors import three
from . import parts
from .options import OptionNeeded, SnapshotOptions

log = logging.getLogger(__name__)

MPC_CM = 1e6 * 648000 / math.pi * 1.495978707e13  # IAU 2012 B2, 2015 B2
UNIT_DIGITS = 1e-5  # relative: codes write the kiloparsec as 3.085678e21 cm, which is taken as exact
_GROUPS = ("Header", "Parameters", "Units", "Cosmology")
_REDSHIFT = ("Redshift", "Scale-factor")
_LENGTH, _LENGTH_OVER_H = ("UnitLength_in_cm", "Unit length in cgs (U_L)"), "UnitLength_In_CGS"
_LENGTHS = (*_LENGTH, _LENGTH_OVER_H)
# exponents of the scale factor and of h in a dataset's unit: AREPO and GADGET-4, EAGLE, SWIFT
_SCALE_FACTOR = ("a_scaling", "aexp-scale-exponent", "a-scale exponent")
_HUBBLE = ("h_scaling", "h-scale-exponent", "h-scale exponent")
_TABLE = ("Ngroups_ThisFile", "Ngroups_Total", "Nsubhalos_ThisFile", "Nsubgroups_ThisFile")  # of FOF and SUBFIND
_PARTICLES = re.compile(r"PartType(\d{1,2})")


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
    """Whether a file, or the first of several, has the header or the particles of a GADGET snapshot.

    A table of its groups is one too.
    """
    first = parts.find_file(path)
    if first is None or not hdf5.is_hdf5(first):
        return False
    with hdf5.opened(first) as file:
        header = hdf5.find(file, "Header")
        known = header is not None and any(name in header.attrs for name in ("NumPart_ThisFile", *_TABLE))
        return known or bool(particle_numbers(file))


def particle_numbers(file: h5py.File) -> dict[int, int]:
    """Number of the particles of each type that a file holds, whatever its header says."""
    groups = {int(match[1]): f"{match[0]}/Coordinates" for match in map(_PARTICLES.fullmatch, file) if match}
    found = {kind: hdf5.find(file, name) for kind, name in sorted(groups.items())}
    return {kind: node.shape[0] for kind, node in found.items() if isinstance(node, h5py.Dataset) and node.ndim == 2}


def numbers_of_types(file: h5py.File) -> tuple[int, ...]:
    """Number of particles of each type in a file, by its header, else by its arrays.

    Raises InputError for a table of groups.
    """
    header = hdf5.find(file, "Header")
    stored = counts(file, "NumPart_ThisFile")
    if stored is not None:
        return stored
    found = particle_numbers(file)
    if not found and header is not None and any(name in header.attrs for name in _TABLE):
        raise InputError(
            f"{file.filename}: a table of the groups of FOF or SUBFIND, without particles: must be the snapshot in "
            "which they were found"
        )
    if not found:
        raise InputError(f"{file.filename}: no NumPart_ThisFile in its header, and no PartTypeN/Coordinates")
    log.warning(
        "%s: no NumPart_ThisFile in its header: the numbers of particles are those of the arrays, and whether some are "
        "missing is not known",
        file.filename,
    )
    return tuple(found.get(kind, 0) for kind in range(max(found) + 1))


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
    """Attributes that are the same in the headers of all files of a snapshot, as texts: not a number equals itself."""
    header = hdf5.find(file, "Header")
    names = ("BoxSize", "Redshift", "Time", "NumFilesPerSnapshot")
    return tuple(repr(None if header is None else np.asarray(header.attrs.get(name)).tolist()) for name in names)


def read_header(file: h5py.File, options: SnapshotOptions, coordinates: h5py.Dataset | None = None) -> Header:
    """The header of an open file, with the options of the user.

    coordinates  dataset of positions, whose attributes may have its unit
    Raises InputError for missing values, naming the option that gives them, and for values out of range.
    """
    path = file.filename
    options.require(path, redshift=_has(file, *_REDSHIFT), unit_length=_has(file, *_LENGTHS), box_size=_has_box(file))
    redshift = options.resolve("redshift", lambda: _redshift(file), path)
    h = options.resolve("h", lambda: _first(file, "HubbleParam", "h"), path, needed=False)
    without_h = options.unit_length is None and (_is_without_h(file, coordinates) or not _has(file, *_LENGTH))
    if h is None and without_h:
        raise OptionNeeded(
            f"{path}: lengths are not per h, and the file has no h: give {options.flag('h')}", path, ("h",)
        )
    length = options.resolve("unit_length", lambda: _unit_length(file, coordinates, redshift, h, options), path)
    box_size = options.resolve("box_size", lambda: _box_size(file, length), path)
    return Header(length, box_size, redshift, h, _first(file, "Omega0", "Omega_m", "Omega_Matter"))


def _has(file: h5py.File, *names: str) -> bool:
    """Whether the file has one of these attributes."""
    nodes = [node for node in (hdf5.find(file, group) for group in _GROUPS) if node is not None]
    return any(name in node.attrs for node in nodes for name in names)


def _has_box(file: h5py.File) -> bool:
    """Whether the file has a BoxSize other than 0, which stands for a run without a box."""
    header = hdf5.find(file, "Header")
    if header is None or "BoxSize" not in header.attrs:
        return False
    stored = header.attrs["BoxSize"]
    return np.size(stored) not in (1, 3) or bool(np.any(stored != np.zeros_like(stored)))


def _redshift(file: h5py.File) -> float | None:
    """The redshift, or that of a scale factor; InputError for a scale factor that is not positive."""
    redshift = _first(file, "Redshift")
    if redshift is not None:
        return redshift
    a = _first(file, "Scale-factor")
    if a is not None and not 0 < a < math.inf:
        raise InputError(f"{file.filename}: Scale-factor = {a:g}: must be positive")
    return None if a is None else 1 / a - 1


def _box_size(file: h5py.File, length: float) -> tuple[float, float, float] | None:
    """Sides in cMpc/h, or None for a run without a box (0)."""
    sides = hdf5.numbers(hdf5.find(file, "Header"), "BoxSize")
    if sides is None or not any(sides):
        return None
    if len(sides) not in (1, 3):
        raise InputError(f"{file.filename}: BoxSize = {sides}: must be one or three numbers")
    return three(side * length for side in (sides * 3)[:3])


def _unit_length(
    file: h5py.File, coordinates: h5py.Dataset | None, redshift: float, h: float | None, options: SnapshotOptions
) -> float | None:
    """Unit of length of the positions [cMpc/h], or None if the file does not have it.

    Lengths are per h and comoving, as GADGET's internal units are, unless attributes say otherwise.
    """
    length = _megaparsecs(file, *_LENGTH)
    if length is not None and _is_without_h(file, coordinates):
        length = None if h is None else length * h
    elif length is None:
        length = _gizmo_length(file, h, options)
    return None if length is None else length * (1 + redshift if _is_physical(file, coordinates) else 1)


def velocity_unit(file: h5py.File, name: str, redshift: float) -> float | None:
    """Peculiar velocity of the number 1 in a dataset [km/s], or None where there is no such dataset.

    GADGET stores the peculiar velocity over the root of the scale factor a. Attributes of the dataset may name another
    power of a that the stored number is to be multiplied with (0 of SWIFT); it is 0 without expansion. The unit of
    velocity is 1 km/s where the file has none.
    """
    dataset = hdf5.find(file, name)
    if not isinstance(dataset, h5py.Dataset):
        return None
    unit = (_first(file, "UnitVelocity_in_cm_per_s", "UnitVelocity_In_CGS", "Unit velocity in cgs (U_V)") or 1e5) / 1e5
    if not (unit > 0 and math.isfinite(unit)):
        raise InputError(f"{file.filename}: unit of velocity = {unit:g} km/s: must be positive")
    stored = [hdf5.number(dataset, attribute) for attribute in _SCALE_FACTOR]
    power = next((value for value in stored if value is not None), None)
    if power is None:
        power = 0.0 if _first(file, "ComovingIntegrationOn") == 0 else 0.5
    return unit * (1 + redshift) ** -power


def mass_unit(file: h5py.File, coordinates: h5py.Dataset, h: float | None) -> float | None:
    """Mass of the number 1 in a file [Msun/h], or None where the file does not say it.

    Masses are per h where lengths are.
    """
    grams = _first(file, "UnitMass_in_g", "Unit mass in cgs (U_M)")
    if grams is None or not 0 < grams < math.inf:
        return None
    per_h = 1.0 if not _is_without_h(file, coordinates) else h
    return None if per_h is None else grams / (1e3 * SOLAR_MASS) * per_h


def _gizmo_length(file: h5py.File, h: float | None, options: SnapshotOptions) -> float | None:
    """The unit of length of a file of GIZMO [Mpc/h], which writes it over h: in centimetres, whatever h.

    Source: UNIT_LENGTH_IN_CGS in its allvars.h. GIZMO's first files had no GIZMO_version; without it a kiloparsec or a
    megaparsec is taken as other codes mean it, per h.
    """
    length = _megaparsecs(file, _LENGTH_OVER_H)
    if length is None or h is None:
        return None
    times_h = _exact_power(length * h)
    if _first(file, "GIZMO_version") is None and _is_power(length) and not _is_power(times_h):
        log.warning(
            "%s: %s = %g Mpc is taken as per h; GIZMO would have divided it by h = %g (%s %g if it did)",
            *(file.filename, _LENGTH_OVER_H, length, h, options.flag("unit_length"), times_h),
        )
        return length
    return times_h


def _megaparsecs(file: h5py.File, *names: str) -> float | None:
    """A unit of length [Mpc], or None if the file does not have it."""
    centimetres = _first(file, *names)
    if centimetres is None:
        return None
    if not (centimetres > 0 and math.isfinite(centimetres)):
        raise InputError(f"{file.filename}: {names[0]} = {centimetres:g}: must be positive")
    return _exact_power(centimetres / MPC_CM)


def _exact_power(length: float) -> float:
    """The nearest power of ten if a unit of length [Mpc] is within UNIT_DIGITS of it, else the unit itself."""
    power = 10.0 ** round(math.log10(length))
    return power if abs(length / power - 1) < UNIT_DIGITS else length


def _is_power(length: float) -> bool:
    return length == 10.0 ** round(math.log10(length))


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
