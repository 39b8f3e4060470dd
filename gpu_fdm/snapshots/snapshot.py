"""Snapshots as the statistics read them: a density in slabs of planes, or particles in batches.

A snapshot is a plain value without open files: rank 0 opens it, all ranks receive it and read their own parts.
"""

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, RunError
from ..io.schema.common import MATTER
from ..parallel.memory import available
from ..parallel.ranks import Ranks

log = logging.getLogger(__name__)

PIECE = 1 << 26  # bytes read at a time
BATCH = 1_000_000  # particles in a batch
_ROUND_OFF = 1e-12  # of the largest density: negative ones below are made by sums that cancel
_CONTRAST = 0.1  # share of negative cells above which a field is a contrast: of a density few are, by interpolation

Block = tuple[slice, slice, slice]  # part of a slab
Batches = Iterator[tuple[NDArray, NDArray | None]]


class GridSource(Protocol):
    """The stored cells of a grid."""

    @property
    def path(self) -> str:
        """Path of the file, for messages."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the array, or names of the real and the imaginary part."""

    @property
    def dtype(self) -> str:
        """Type of the cells in the file, an np.dtype.str."""

    @property
    def axes_reversed(self) -> bool:
        """Whether x is the last axis of the arrays."""

    def arrays(self) -> AbstractContextManager[list]:
        """The open arrays, to be sliced along their first axis or, if reversed, along all three."""


class ParticleSource(Protocol):
    """Stored particles."""

    def batches(self, first: int, last: int, batch_size: int) -> Batches:
        """Positions and masses of particles first..last - 1, see ParticleSnapshot.batches."""

    def velocities(self, first: int, last: int, batch_size: int) -> Iterator[NDArray]:
        """Velocities of the same batches, in the unit of the file."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """Metadata of all snapshots.

    path      file, folder or first part
    format    name of its reader
    box_size  sides along x, y, z [cMpc/h]
    redshift  redshift of the snapshot
    fields    names of all densities (--field) or types of particles (--particle-type)
    field     the one that is read
    h, omega_m, m22 [1e-22 eV], time [Myr]  None if the file lacks them
    files     number of files that belong to it
    missing   number of those that are not there, 0 unless it was opened incomplete
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
    files: int = 1
    missing: int = 0


@dataclass(frozen=True, kw_only=True)
class GridSnapshot(Snapshot):
    """A density, or psi, on a regular grid that fills the periodic box.

    cells          along x, y, z; 0 where files are missing
    density_units  units of the values that slab returns
    source         the stored cells
    """

    cells: tuple[int, int, int]
    density_units: str
    source: GridSource

    @property
    def kind(self) -> str:
        """Either "psi", if the density is |psi|^2 of the stored values, or "density"."""
        return "psi" if len(self.source.names) == 2 or np.dtype(self.source.dtype).kind == "c" else "density"

    @property
    def dtype(self) -> np.dtype:
        """Type of the density: float32 if the file has no more digits, else float64, as for |psi|^2.

        The square of a psi in small or large units need not be a number of float32.
        """
        stored = np.dtype(self.source.dtype)
        single = self.kind == "density" and stored.kind == "f" and stored.itemsize <= 4
        return np.dtype(np.float32 if single else np.float64)

    def slab(self, first: int, last: int) -> np.ndarray:
        """Density of the planes first..last - 1 along x, shape (last - first, ny, nz).

        The density is not divided by its mean; it is |psi|^2 if psi is stored. Only the slab is read, 64 MiB at a time.
        Densities that are negative by round-off are taken as zero, and a warning says so, once for each file.
        Raises ValueError for planes outside the grid, InputError naming file, array and cell for a density that is
        negative or not finite and for a damaged file, RunError for a slab that does not fit into memory.
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
            density, negative = np.empty(shape, self.dtype), []
            for block, values in blocks(arrays, self.cells, first, last, self.source.axes_reversed):
                _fill(density[block], values)
                self._check(density[block], block, first, -np.inf)
                if density[block].min() < 0:
                    negative.append(block)
        if negative:
            self._clear_round_off(density, negative, first)
        return density

    def _clear_round_off(self, density: NDArray, negative: list[Block], first: int) -> None:
        """Make zeros of densities that are negative by round-off; InputError for others."""
        largest = max(float(density.max()), 1.0 if self.density_units == MATTER else 0.0)
        for block in negative:
            self._check(density[block], block, first, -_ROUND_OFF * largest)
        least = min(density[block].min() for block in negative)
        for block in negative:
            np.maximum(density[block], 0, out=density[block])
        self._tell_round_off(float(least))

    def tell_round_off(self, ranks: Ranks) -> None:
        """Warn of negative densities that ranks other than 0 alone have taken as zero; all ranks call this."""
        least = min(ranks.allgather(_told().get(self._array, 0.0)))
        if ranks.is_root and least < 0:
            self._tell_round_off(least)

    def _tell_round_off(self, least: float) -> None:
        if self._array not in _told():
            _told()[self._array] = least
            log.warning("%s: cells are negative by round-off, down to %.2g: taken as zero", self._array, least)

    @property
    def _array(self) -> str:
        """File and arrays, for messages."""
        return f"{self.source.path}: {', '.join(self.source.names)}"

    def wave(self, first: int, last: int) -> np.ndarray:
        """psi of the planes first..last - 1 along x, complex128, shape (last - first, ny, nz), in the unit of the file.

        Raises ValueError for planes outside the grid, InputError where the file has a density, without phases, and for
        values that are not finite.
        """
        if not 0 <= first <= last <= self.cells[0]:
            raise ValueError(f"planes {first}..{last}: must be in 0..{self.cells[0]}")
        if self.kind != "psi":
            name = ", ".join(self.source.names)
            raise InputError(f"{self.path}: {name}: is a density, without phases: must be psi (--dataset or --field)")
        wave = np.empty((last - first, *self.cells[1:]), complex)
        with self.source.arrays() as arrays:
            for block, values in blocks(arrays, self.cells, first, last, self.source.axes_reversed):
                if len(values) == 1:
                    wave[block] = values[0]
                else:
                    wave.real[block], wave.imag[block] = values
                self._check(np.abs(wave[block]), block, first, 0.0)
        return wave

    def _check(self, part: NDArray, block: Block, first: int, least: float) -> None:
        """InputError for values that are not finite, or below the least that is allowed."""
        # min and max are NaN if one value is, and comparisons with NaN are false
        if -np.inf < part.min() >= least and part.max() < np.inf:
            return
        good = (part >= least) & np.isfinite(part)
        inside = np.unravel_index(np.argmin(good), part.shape)
        offset = (first, 0, 0)
        cell = [offset[i] + (block[i].start or 0) + int(inside[i]) for i in range(3)]
        name = "|psi|^2" if self.kind == "psi" else "density"
        negative = np.count_nonzero(part < 0) / part.size
        contrast = f", but {negative:.0%} of the cells are: give the density, not the contrast density/mean - 1"
        raise InputError(
            f"{self._array}: {name} = {part[inside]:g} in cell {cell}: "
            f"must be finite and not negative{contrast if negative > _CONTRAST else ''}"
        )


@dataclass(frozen=True, kw_only=True)
class ParticleSnapshot(Snapshot):
    """Particles in the periodic box.

    number         number of particles in all files
    total          that by the header, which is another where files are missing; None if it does not say
    others         types of particles that are left out, and their numbers
    particle_mass  mass of a particle if all have the same, in the file's units, else None
    masses         that of each type by the header, 0 where particles have their own
    mass_unit      mass of the number 1 in the file [Msun/h], None where the file does not say it
    velocity_unit  peculiar velocity of the number 1 in the file [km/s], None where it has no velocities
    source         the stored particles
    """

    number: int
    total: int | None = None
    others: tuple[tuple[str, int], ...] = ()
    particle_mass: float | None
    masses: tuple[float, ...] = ()
    mass_unit: float | None = None
    velocity_unit: float | None = None
    source: ParticleSource
    kind: ClassVar[str] = "particles"

    def batches(self, first: int = 0, last: int | None = None, batch_size: int = BATCH) -> Batches:
        """Positions (n, 3) [cMpc/h], float64, and masses (n,) or None if all are the same, with n <= batch_size.

        first, last  range of particles over all files, for a rank ranks.share(snapshot.number); all by default
        Positions are comoving and as in the file: a particle may be outside the box by less than a box length.
        Raises ValueError for particles out of range, InputError naming file, array and particle for invalid values and
        for a damaged file.
        """
        last = self.number if last is None else last
        if not 0 <= first <= last <= self.number or batch_size < 1:
            raise ValueError(
                f"particles {first}..{last}, {batch_size} at a time: must be in 0..{self.number}, at least 1"
            )
        return self.source.batches(first, last, batch_size)

    def velocities(self, first: int = 0, last: int | None = None, batch_size: int = BATCH) -> Iterator[NDArray]:
        """Peculiar velocities (n, 3) [km/s], float64, of the particles of `batches` with the same arguments.

        Raises InputError where the file has none, and for values that are not finite.
        """
        if self.velocity_unit is None:
            raise InputError(f"{self.path}: {self.field} has no velocities")
        for stored in self.source.velocities(first, self.number if last is None else last, batch_size):
            yield stored * self.velocity_unit


@cache
def _told() -> dict[str, float]:
    """Files and arrays in which this process has told of round-off, and the least density."""
    return {}


def blocks(
    arrays: list, cells: tuple[int, int, int], first: int, last: int, axes_reversed: bool
) -> Iterator[tuple[Block, list[NDArray]]]:
    """Blocks of a slab in the order of the file, about PIECE bytes each: (indices in the slab, arrays [x, y, z]).

    The file is read once: in blocks along z if x is its last axis.
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


def _piece(arrays: list, cells: tuple[int, int, int], first: int, last: int, axes_reversed: bool) -> tuple[int, int]:
    """Rows of the file in a block, and the bytes of a row."""
    rows, width = (cells[2], last - first) if axes_reversed else (last - first, cells[2])
    # blocks end where chunks end, so that no chunk is unpacked twice
    chunk = max((getattr(array, "chunks", None) or (1,))[0] for array in arrays)
    row = sum(array.dtype.itemsize for array in arrays) * cells[1] * width
    return min(max(chunk, PIECE // row // chunk * chunk), max(chunk, rows)), row


def _fill(part: NDArray, values: list[NDArray]) -> None:
    """Write the density of stored values into part: the values, or |psi|^2 of a complex array or of two real ones."""
    if len(values) == 1 and values[0].dtype.kind == "c":
        values = [values[0].real, values[0].imag]
    # GridSnapshot._check finds values that are not finite
    with np.errstate(over="ignore", invalid="ignore"):
        if len(values) == 1:
            part[...] = values[0]
        else:
            real, imaginary = (value.astype(part.dtype, copy=False) for value in values)
            np.multiply(real, real, out=part)
            part += imaginary * imaginary
