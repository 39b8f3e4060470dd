"""Particles of GADGET-2/3/4, AREPO, GIZMO and related codes in HDF5, in one file or many."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ..errors import InputError
from ..io import hdf5
from . import parts
from .gadget_header import (
    Header,
    counts,
    is_gadget,
    mass_unit,
    number_of_files,
    numbers_of_types,
    read_header,
    shared_attributes,
    velocity_unit,
)
from .options import SnapshotOptions
from .particle_files import DARK_MATTER, ParticleFiles, numbers_in_all
from .reader import Reader
from .snapshot import ParticleSnapshot

log = logging.getLogger(__name__)

_COMPARED = 1000  # Masses that are compared with the entry in MassTable


@dataclass(frozen=True)
class Hdf5Particles:
    """The particles of a type in a file; has_mass  whether they have masses of their own."""

    path: str
    count: int
    group: str
    has_mass: bool

    @contextmanager
    def arrays(self) -> Iterator[tuple[h5py.Dataset, h5py.Dataset | None]]:
        """The datasets of positions and of masses."""
        with hdf5.opened(self.path) as file:
            yield _datasets(file, self.group, self.count, self.has_mass)

    @contextmanager
    def velocities(self) -> Iterator[h5py.Dataset]:
        """The dataset of velocities."""
        with hdf5.opened(self.path) as file:
            stored = hdf5.checked_dataset(file, f"{self.group}/Velocities", 2, "f")
            if stored.shape != (self.count, 3):
                shape = f"{stored.name} has shape {stored.shape}: must be {(self.count, 3)} by NumPart_ThisFile"
                raise InputError(f"{self.path}: {shape}")
            yield stored


def read(path: Path, options: SnapshotOptions, incomplete: bool = False) -> ParticleSnapshot:
    """The particles of all files, whose headers must agree with each other and with the data.

    incomplete  whether files may be missing
    """
    first = parts.first_part(path)
    kind = DARK_MATTER if options.particle_type is None else options.particle_type
    group = f"PartType{kind}"
    files: list[tuple[str, int]] = []
    headers: list[_PartHeader] = []
    header: Header | None = None
    speed: float | None = None
    weight: float | None = None
    table = 0.0  # mass of a particle where they have none of their own
    expected = number_of_files(first)
    for part in parts.all_parts(first, expected, incomplete=incomplete):
        with hdf5.opened(part) as file:
            headers.append(_PartHeader.read(file, kind, options))
            if headers[-1].common != headers[0].common:
                raise InputError(
                    f"{part}: box size, redshift, masses or total numbers in its header differ from those in "
                    f"{files[0][0]}: not a part of the same snapshot"
                )
            count = headers[-1].numbers[kind]
            files.append((str(part), count))
            if count and header is None:
                table = _mass_of_table(file, group, headers[0].mass)
            if count:
                coordinates, _ = _datasets(file, group, count, not table)
                if header is None:
                    header = read_header(file, options, coordinates)
                    speed = velocity_unit(file, f"{group}/Velocities", header.redshift)
                    weight = mass_unit(file, coordinates, header.h)
    total = headers[0].total
    complete = len(files) == expected
    found, number = numbers_in_all(
        first, kind, [part.numbers for part in headers], total if complete else None, options
    )
    assert header is not None  # of a file with particles, which there are
    return ParticleSnapshot(
        path=str(first),
        format=READER.name,
        box_size=header.box_size,
        redshift=header.redshift,
        fields=tuple(found),
        field=group,
        h=header.h,
        omega_m=header.omega_m,
        files=expected,
        missing=expected - len(files),
        number=number,
        total=total,
        others=tuple((name, count) for name, count in found.items() if name != group),
        particle_mass=table or None,
        masses=headers[0].masses,
        mass_unit=weight,
        velocity_unit=speed,
        source=ParticleFiles(
            tuple(Hdf5Particles(path, count, group, not table) for path, count in files if count),
            *(group, header.length, header.box_size, options),
        ),
    )


def _mass_of_table(file: h5py.File, group: str, mass: float) -> float:
    """The mass in MassTable, or 0 where the particles have masses of their own, which then count."""
    if not mass or hdf5.find(file, f"{group}/Masses") is None:
        return mass
    own = hdf5.checked_dataset(file, f"{group}/Masses", 1, "f")[:_COMPARED]
    for value in own[~np.isclose(own, mass, rtol=1e-5, atol=0)][:1]:
        log.warning(
            "%s: MassTable has %g for %s, whose Masses differ (%g): the Masses are taken",
            *(file.filename, mass, group, value),
        )
    return 0.0


@dataclass(frozen=True)
class _PartHeader:
    """The header of one file.

    numbers  of particles in this file, by type
    total    number of particles of the chosen type in all files, or None if the file does not have it
    masses   of a particle of each type, 0 if they differ
    mass     of one of the chosen type
    common   attributes that are the same in all files of a snapshot
    """

    numbers: tuple[int, ...]
    total: int | None
    masses: tuple[float, ...]
    mass: float
    common: tuple

    @classmethod
    def read(cls, file: h5py.File, kind: int, options: SnapshotOptions) -> "_PartHeader":
        numbers = numbers_of_types(file)
        if kind >= len(numbers):
            given = f"{options.flag('particle_type')} {kind}"
            raise InputError(f"{file.filename}: {given}: its header has {len(numbers)} types, from 0")
        masses = hdf5.numbers(hdf5.find(file, "Header"), "MassTable") or ()
        mass = masses[kind] if kind < len(masses) else 0.0
        if not 0 <= mass < np.inf:
            raise InputError(f"{file.filename}: MassTable[{kind}] = {mass}: must be finite and not negative")
        total = _total(file, kind)
        return cls(numbers, total, masses, mass, (len(numbers), repr(mass), total, *shared_attributes(file)))


def _total(file: h5py.File, kind: int) -> int | None:
    """Particles of a type in all files, or None; stored as a number of 64 bits, or two words of 32 bits."""
    low, high = (counts(file, name) or () for name in ("NumPart_Total", "NumPart_Total_HighWord"))
    if kind >= len(low):
        return None
    return low[kind] + (high[kind] << 32 if kind < len(high) else 0)


def _datasets(file: h5py.File, group: str, count: int, has_mass: bool) -> tuple[h5py.Dataset, h5py.Dataset | None]:
    """Positions and masses (or None) of a file; InputError if they disagree with the header."""
    coordinates = hdf5.checked_dataset(file, f"{group}/Coordinates", 2, "f")
    if has_mass and hdf5.find(file, f"{group}/Masses") is None:
        raise InputError(f"{file.filename}: {group}: must have Masses, or a mass above zero in the MassTable of Header")
    masses = hdf5.checked_dataset(file, f"{group}/Masses", 1, "f") if has_mass else None
    for dataset, shape in ((coordinates, (count, 3)), (masses, (count,))):
        if dataset is not None and dataset.shape != shape:
            raise InputError(
                f"{file.filename}: {dataset.name} has shape {dataset.shape}: must be {shape} by NumPart_ThisFile"
            )
    return coordinates, masses


READER = Reader(
    name="gadget",
    description="GADGET or AREPO particles in HDF5, one file or many",
    options=("particle_type", "unit_length", "box_size", "redshift", "h"),
    detect=is_gadget,
    read=read,
    in_parts=True,
)
