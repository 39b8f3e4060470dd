"""Particles of one type in several files: batches of positions and masses, each of them checked."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .options import OptionNeeded, SnapshotOptions
from .snapshot import Batches

DARK_MATTER = 1  # type of particles that is read by default


class FileOfParticles(Protocol):
    """The particles of one type in a file."""

    @property
    def path(self) -> str:
        """Path of the file."""

    @property
    def count(self) -> int:
        """Number of its particles, at least one."""

    def arrays(self) -> AbstractContextManager[tuple[Any, Any]]:
        """Positions and masses, to be sliced; None instead of masses where all are the same."""

    def velocities(self) -> AbstractContextManager[Any]:
        """Velocities, to be sliced."""


@dataclass(frozen=True)
class ParticleFiles:
    """Particles of one type in several files.

    files      those that hold some
    group      PartTypeN
    length     unit of the positions [cMpc/h]
    box_size   sides [cMpc/h]
    options    that they are read with
    """

    files: tuple[FileOfParticles, ...]
    group: str
    length: float
    box_size: tuple[float, float, float]
    options: SnapshotOptions

    def batches(self, first: int, last: int, batch_size: int) -> Batches:
        """See ParticleSnapshot.batches."""
        for file, slices in self._parts(first, last, batch_size):
            with file.arrays() as (coordinates, masses):
                for part in slices:
                    yield (
                        self._positions(file.path, coordinates[part], part.start),
                        None if masses is None else self._masses(file.path, masses[part], part.start),
                    )

    def velocities(self, first: int, last: int, batch_size: int) -> Iterator[NDArray]:
        """See ParticleSource.velocities."""
        for file, slices in self._parts(first, last, batch_size):
            with file.velocities() as stored:
                for part in slices:
                    velocities = stored[part].astype(np.float64)
                    if not np.all(np.isfinite(velocities)):
                        n, axis = np.argwhere(~np.isfinite(velocities))[0]
                        value = velocities[n, axis]
                        where = f"{file.path}: {self.group}/Velocities[{part.start + n}, {axis}]"
                        raise InputError(f"{where} = {value:g}: must be finite")
                    yield velocities

    def _parts(self, first: int, last: int, batch_size: int) -> Iterator[tuple[FileOfParticles, list[slice]]]:
        """Files with some of the particles first..last - 1, and slices of each."""
        begin = 0
        for file in self.files:
            start, stop = max(first - begin, 0), min(last - begin, file.count)
            begin += file.count
            if start < stop:
                yield file, [slice(a, min(a + batch_size, stop)) for a in range(start, stop, batch_size)]

    def _positions(self, path: str, stored: NDArray, begin: int) -> NDArray:
        positions = stored.astype(np.float64) * self.length
        box = np.array(self.box_size)
        # comparisons with NaN are false
        if not np.all((positions.min(axis=0) >= -box) & (positions.max(axis=0) < 2 * box)):
            n, axis = np.argwhere(~((positions >= -box) & (positions < 2 * box)))[0]
            if not np.isfinite(positions[n, axis]):
                raise InputError(
                    f"{path}: {self.group}/Coordinates[{begin + n}, {axis}] = {stored[n, axis]:g}: must be finite"
                )
            flag = self.options.flag
            raise InputError(
                f"{path}: {self.group}/Coordinates[{begin + n}, {axis}] = {stored[n, axis]:g}, that is "
                f"{positions[n, axis]:g} cMpc/h: must be less than a box length outside of 0 to {box[axis]:g} cMpc/h "
                f"({flag('box_size')} or {flag('unit_length')}, if the units are wrong)"
            )
        return positions

    def _masses(self, path: str, stored: NDArray, begin: int) -> NDArray:
        masses = stored.astype(np.float64)
        if not (masses.min() >= 0 and masses.max() < np.inf):
            n = np.argmax(~((masses >= 0) & (masses < np.inf)))
            raise InputError(
                f"{path}: {self.group}/Masses[{begin + n}] = {stored[n]:g}: must be finite and not negative"
            )
        return masses


def numbers_in_all(
    first: Path, kind: int, numbers: list[tuple[int, ...]], total: int | None, options: SnapshotOptions
) -> tuple[dict[str, int], int]:
    """Numbers of particles by type, of those types that there are, and that of the chosen type.

    numbers  of each type, in each file
    total    of the chosen type by the header, or None if it does not say or files are missing
    Raises InputError where the header has another total, and for a type without particles.
    """
    group = f"PartType{kind}"
    of_types = enumerate(sum(of_files) for of_files in zip(*numbers, strict=True))
    found = {f"PartType{of_type}": count for of_type, count in of_types if count}
    number = found.get(group, 0)
    if total not in (None, number):
        raise InputError(
            f"{first}: NumPart_Total is {total} for {group}: must be {number}, the particles in its {len(numbers)} "
            "files"
        )
    if not number:
        what = (
            f"{first}: no particles of {group}; found: {', '.join(found) or 'none'} ({options.flag('particle_type')})"
        )
        types = tuple(int(name.removeprefix("PartType")) for name in found)
        raise OptionNeeded(what, first, ("particle_type",), types)
    return found, number
