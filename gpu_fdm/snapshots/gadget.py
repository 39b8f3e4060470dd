"""Particles of GADGET-2/3/4, AREPO, GIZMO and their relatives in HDF5, in one file or many."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..io import hdf5
from . import parts
from .gadget_header import counts, is_gadget, number_of_files, read_header, shared
from .options import SnapshotOptions
from .reader import Reader
from .snapshot import ParticleSnapshot

DARK_MATTER = 1  # the type of particles that is read by default


@dataclass(frozen=True)
class ParticleFiles:
    """Particles of one type in several files.

    files      path and number of particles of each
    group      PartTypeN
    length     unit of the positions [cMpc/h]
    box_size   sides [cMpc/h]
    has_mass   whether there is a dataset of masses
    """

    files: tuple[tuple[str, int], ...]
    group: str
    length: float
    box_size: tuple[float, float, float]
    has_mass: bool

    def batches(self, first: int, last: int, most: int):
        """See ParticleSnapshot.batches."""
        begin = 0
        for path, count in self.files:
            start, stop = max(first - begin, 0), min(last - begin, count)
            begin += count
            if start >= stop:
                continue
            with hdf5.opened(path) as file:
                coordinates, masses = _datasets(file, self.group, count, self.has_mass)
                for a in range(start, stop, most):
                    b = min(a + most, stop)
                    yield (
                        self._positions(path, coordinates[a:b], a),
                        None if masses is None else self._masses(path, masses[a:b], a),
                    )

    def _positions(self, path, stored, begin):
        positions = stored.astype(np.float64) * self.length
        box = np.array(self.box_size)
        # NaN fails the comparisons
        if not np.all((positions.min(axis=0) >= -box) & (positions.max(axis=0) < 2 * box)):
            n, axis = np.argwhere(~((positions >= -box) & (positions < 2 * box)))[0]
            if not np.isfinite(positions[n, axis]):
                raise InputError(
                    f"{path}: {self.group}/Coordinates[{begin + n}, {axis}] = {stored[n, axis]:g}: must be finite"
                )
            raise InputError(
                f"{path}: {self.group}/Coordinates[{begin + n}, {axis}] = {stored[n, axis]:g}, that is "
                f"{positions[n, axis]:g} cMpc/h: must be less than a box length outside of 0 to {box[axis]:g} cMpc/h "
                "(--unit-length, if the units are wrong)"
            )
        return positions

    def _masses(self, path, stored, begin):
        masses = stored.astype(np.float64)
        if not (masses.min() >= 0 and masses.max() < np.inf):
            n = np.argmax(~((masses >= 0) & (masses < np.inf)))
            raise InputError(
                f"{path}: {self.group}/Masses[{begin + n}] = {stored[n]:g}: must be finite and not negative"
            )
        return masses


def read(path: Path, options: SnapshotOptions) -> ParticleSnapshot:
    """Opens all files, reads their headers and compares them with what is in them."""
    first = parts.first_part(path)
    kind = DARK_MATTER if options.particle_type is None else options.particle_type
    group = f"PartType{kind}"
    files: list[tuple[str, int]] = []
    said, header = [], None
    for part in parts.all_parts(first, number_of_files(first)):
        with hdf5.opened(part) as file:
            said.append(_PartHeader.read(file, kind))
            if said[-1].common != said[0].common:
                raise InputError(
                    f"{part}: box size, redshift, masses or total numbers in its header differ from those in "
                    f"{files[0][0]}: not a part of the same snapshot"
                )
            count = said[-1].numbers[kind]
            files.append((str(part), count))
            if count:
                coordinates, _ = _datasets(file, group, count, not said[0].mass)
                header = header or read_header(file, options, coordinates)
    number = sum(count for _, count in files)
    if said[0].total not in (None, number):
        raise InputError(
            f"{first}: NumPart_Total says {said[0].total} of {group}, its {len(files)} files hold {number}"
        )
    fields = tuple(f"PartType{t}" for t in range(len(said[0].numbers)) if any(each.numbers[t] for each in said))
    if header is None:
        raise InputError(f"{first}: no particles of {group}; found: {', '.join(fields) or 'none'} (--particle-type)")
    return ParticleSnapshot(
        path=str(first),
        format=READER.name,
        box_size=header.box_size,
        redshift=header.redshift,
        fields=fields,
        field=group,
        h=header.h,
        omega_m=header.omega_m,
        number=number,
        particle_mass=said[0].mass or None,
        source=ParticleFiles(tuple(files), group, header.length, header.box_size, not said[0].mass),
    )


@dataclass(frozen=True)
class _PartHeader:
    """The header of one file.

    numbers  of particles in this file, by type
    total    of the type asked for, over all files, or None where the file does not say
    mass     of each particle of that type, 0 where they differ
    common   what the headers of all files share
    """

    numbers: tuple[int, ...]
    total: int | None
    mass: float
    common: tuple

    @classmethod
    def read(cls, file, kind):
        numbers = counts(file, "NumPart_ThisFile") or ()
        if kind >= len(numbers):
            raise InputError(f"{file.filename}: --particle-type {kind}: its header has {len(numbers)} types, from 0")
        masses = hdf5.numbers(hdf5.find(file, "Header"), "MassTable") or ()
        mass = masses[kind] if kind < len(masses) else 0.0
        if not 0 <= mass < np.inf:
            raise InputError(f"{file.filename}: MassTable[{kind}] = {mass}: must be finite and not negative")
        total = _total(file, kind)
        return cls(numbers, total, mass, (len(numbers), mass, total, *shared(file)))


def _total(file, kind):
    """Particles of a type in all files, or None: a number of 64 bits, or two words of 32."""
    low, high = (counts(file, name) or () for name in ("NumPart_Total", "NumPart_Total_HighWord"))
    if kind >= len(low):
        return None
    return low[kind] + (high[kind] << 32 if kind < len(high) else 0)


def _datasets(file, group, count, has_mass):
    """Positions and masses (or None) of a file; InputError where they are not what the header says."""
    coordinates = hdf5.checked_dataset(file, f"{group}/Coordinates", 2, "f")
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
)
