"""What a snapshot offers to the statistics: a density in slabs of planes, or particles in batches.

A snapshot is a plain value without open files: rank 0 opens it, all ranks get it, and each reads its own part.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import prod
from typing import ClassVar, Protocol

import numpy as np

from ..errors import InputError, RunError
from ..parallel.memory import available

PIECE = 1 << 26  # bytes read at a time
BATCH = 1_000_000  # particles handed out at a time


class GridSource(Protocol):
    """Where the cells of a grid are stored."""

    @property
    def path(self) -> str:
        """Of the file, for messages."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the array, or of those of the real and the imaginary part."""

    @property
    def dtype(self) -> str:
        """Of the cells in the file, as np.dtype.str has it."""

    @property
    def axes_reversed(self) -> bool:
        """Whether x is the last axis of the arrays."""

    def arrays(self) -> AbstractContextManager[list]:
        """The arrays, open, to be sliced along their first axis or, if reversed, all three."""


class ParticleSource(Protocol):
    """Where particles are stored."""

    def batches(self, first: int, last: int, most: int) -> Iterator[tuple]:
        """Positions and masses of particles first..last - 1, as ParticleSnapshot.batches has them."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What every snapshot says of itself.

    path      of the file, the folder or the first part
    format    name of its reader
    box_size  sides along x, y, z [cMpc/h]
    redshift  of the snapshot
    fields    names of what there is: densities for --field, types of particles for --particle-type
    field     the one that is read
    h, omega_m, m22 [1e-22 eV], time [Myr]  where the file tells them, else None
    """

    path: str
    format: str
    box_size: tuple[float, float, float]
    redshift: float
    fields: tuple[str, ...]
    field: str
    h: float | None = None
    omega_m: float | None = None
    m22: float | None = None
    time: float | None = None


@dataclass(frozen=True, kw_only=True)
class GridSnapshot(Snapshot):
    """A density, or psi, on a regular grid that fills the periodic box.

    cells          along x, y, z
    density_units  units of the values that slab returns
    source         where the cells are stored
    """

    cells: tuple[int, int, int]
    density_units: str
    source: GridSource

    @property
    def kind(self) -> str:
        """Either "psi", where the density is |psi|^2 of what is stored, or "density"."""
        return "psi" if len(self.source.names) == 2 or np.dtype(self.source.dtype).kind == "c" else "density"

    @property
    def dtype(self) -> np.dtype:
        """Of the density: float32 where the file has no more digits, else float64."""
        stored = np.dtype(self.source.dtype)
        digits = stored.itemsize // (2 if stored.kind == "c" else 1)
        return np.dtype(np.float32 if stored.kind in "fc" and digits <= 4 else np.float64)

    def slab(self, first: int, last: int) -> np.ndarray:
        """Density of the planes first..last - 1 along x, shape (last - first, ny, nz).

        Not divided by its mean; |psi|^2 where psi is stored. Reads the slab alone, 64 MiB at a time.
        Raises ValueError for planes that there are not, InputError naming file, array and cell where a density is
        negative or not finite or the file cannot be read, RunError where the slab does not fit into memory.
        """
        if not 0 <= first <= last <= self.cells[0]:
            raise ValueError(f"planes {first}..{last}: must be in 0..{self.cells[0]}")
        shape = (last - first, *self.cells[1:])
        if 0 in shape:
            return np.empty(shape, self.dtype)
        with self.source.arrays() as arrays:
            step, row = _piece(arrays, self.cells, first, last, self.source.axes_reversed)
            size, free = prod(shape) * self.dtype.itemsize + step * row, available()
            if size > free:
                raise RunError(
                    f"{self.path}: planes {first}..{last} take {size / 2**30:.1f} GiB of memory, "
                    f"{free / 2**30:.1f} GiB are available: use more ranks"
                )
            density = np.empty(shape, self.dtype)
            for place, values in blocks(arrays, self.cells, first, last, self.source.axes_reversed):
                _fill(density[place], values)
                self._check(density[place], place, first)
        return density

    def _check(self, part, place, first):
        # a NaN is carried by min and max, and fails the comparison
        if part.min() >= 0 and part.max() < np.inf:
            return
        inside = np.unravel_index(np.argmax(~((part >= 0) & (part < np.inf))), part.shape)
        offset = (first, 0, 0)
        cell = [offset[i] + (place[i].start or 0) + int(inside[i]) for i in range(3)]
        what = "|psi|^2" if self.kind == "psi" else "density"
        raise InputError(
            f"{self.source.path}: {', '.join(self.source.names)}: {what} = {part[inside]:g} in cell {cell}: "
            "must be finite and not negative"
        )


@dataclass(frozen=True, kw_only=True)
class ParticleSnapshot(Snapshot):
    """Particles in the periodic box.

    number         of particles, over all files
    particle_mass  of each particle where all have the same, in the file's units, else None
    source         where they are stored
    """

    number: int
    particle_mass: float | None
    source: ParticleSource
    kind: ClassVar[str] = "particles"

    def batches(self, first: int = 0, last: int | None = None, most: int = BATCH) -> Iterator[tuple]:
        """Positions (n, 3) [cMpc/h], float64, and masses (n,) or None where all are the same, at most `most` at a time.

        first, last  range of particles over all files, for a rank ranks.slab(snapshot.number); all by default
        Positions are comoving and as in the file: a particle may be outside the box by less than a box length.
        Raises ValueError for particles that there are not, InputError naming file, array and particle for values
        that make no sense or a file that cannot be read.
        """
        last = self.number if last is None else last
        if not 0 <= first <= last <= self.number or most < 1:
            raise ValueError(f"particles {first}..{last}, {most} at a time: must be in 0..{self.number}, at least 1")
        return self.source.batches(first, last, most)


def blocks(arrays, cells, first: int, last: int, axes_reversed: bool):
    """Parts of a slab as they lie in the file, about PIECE bytes each: (place in the slab, arrays [x, y, z]).

    The file is read once and in its own order: where x is its last axis, in blocks along z.
    """
    begin, end = (0, cells[2]) if axes_reversed else (first, last)
    step, _ = _piece(arrays, cells, first, last, axes_reversed)
    everything = slice(None)
    start = begin
    while start < end:
        stop = min(end, (start // step + 1) * step)
        if axes_reversed:
            yield (
                (everything, everything, slice(start, stop)),
                [np.asarray(array[start:stop, :, first:last]).T for array in arrays],
            )
        else:
            yield (
                (slice(start - first, stop - first), everything, everything),
                [np.asarray(array[start:stop]) for array in arrays],
            )
        start = stop


def _piece(arrays, cells, first, last, axes_reversed):
    """Rows of the file that are read at a time, at most as many as there are, and the bytes of one."""
    rows, width = (cells[2], last - first) if axes_reversed else (last - first, cells[2])
    # whole chunks at a time, so that none is unpacked twice
    chunk = max((getattr(array, "chunks", None) or (1,))[0] for array in arrays)
    row = sum(array.dtype.itemsize for array in arrays) * cells[1] * width
    return min(max(chunk, PIECE // row // chunk * chunk), max(chunk, rows)), row


def _fill(part, values):
    """The density of stored values: themselves, or |psi|^2 of a complex array or of two real ones."""
    if len(values) == 1 and values[0].dtype.kind == "c":
        values = [values[0].real, values[0].imag]
    # what is not finite is found and named afterwards
    with np.errstate(over="ignore", invalid="ignore"):
        if len(values) == 1:
            part[...] = values[0]
        else:
            real, imaginary = (value.astype(part.dtype, copy=False) for value in values)
            np.multiply(real, real, out=part)
            part += imaginary * imaginary
