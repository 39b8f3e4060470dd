"""Particles on periodic grids: the mass that every cell receives, in slabs over ranks, batch by batch."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InputError
from ..kernels.deposit import add_particles, numbers_by_owner
from ..parallel.domain import Domain, domain_of
from ..parallel.exchange import alltoall_in_rounds
from ..parallel.fft import in_place
from ..parallel.ranks import Ranks
from ..parallel.slices import slices_of
from ..vectors import three
from .assignment import find_assignment
from .box import Box

# Particles added at a time: with 16 to 36 bytes a particle they need less than the slab of a large grid.
_CELLS_A_PARTICLE, _LEAST_BATCH, _MOST_BATCH = 8, 1 << 20, 1 << 24
_MOST_ON_CARD = 1 << 26  # as many as cells at most: each batch takes passes over all cells


class ParticleGrid:
    """The sum of particles on a periodic grid: this rank's planes along x.

    box         size in the unit of the positions [cMpc/h], and cells
    assignment  "ngp", "cic", "tsc" or "pcs"
    shift       added to all coordinates [cells], -1 ... 1; 1/2 for the second grid of an interlaced pair
    dtype       of the grid, float32 or float64
    domain      ranks that share the grid, and where it is; one rank's on the CPU by default
    batch       number of particles added at a time, the same on all ranks; by default an eighth of the cells, 2^20 ...
                2^24: in a large grid fewer take up to three times as long. On a card as many as cells, 2^20 ... 2^26
    Raises InputError for an unknown assignment, ValueError for a shift, a dtype or a batch out of range and for a
    domain of other cells.

    slab        sum of the weights that each cell received, shape domain.shape
    """

    def __init__(
        self,
        box: Box,
        assignment: str = "tsc",
        *,
        shift: float = 0.0,
        dtype: DTypeLike = np.float64,
        domain: Domain | None = None,
        batch: int | None = None,
    ):
        self.box = box
        self.assignment = find_assignment(assignment)
        if not -1 <= shift <= 1:
            raise ValueError(f"shift = {shift}: must be in -1 ... 1 [cells]")
        if np.dtype(dtype) not in (np.dtype(np.float32), np.dtype(np.float64)):
            raise ValueError(f"dtype = {np.dtype(dtype)}: must be float32 or float64")
        if batch is not None and batch < 1:
            raise ValueError(f"batch = {batch}: must be at least 1 [particles]")
        self.shift = float(shift)
        self.domain = domain_of(box.cells, domain)
        self.slab = self.domain.backend.xp.zeros(self.domain.shape, dtype)
        cells, most = self.slab.size, _MOST_ON_CARD
        if not in_place(self.domain):
            cells, most = cells // _CELLS_A_PARTICLE, _MOST_BATCH
        self.batch = batch or int(np.clip(cells, _LEAST_BATCH, most))
        self._number = 0
        self._sums = np.zeros(2)

    def totals(self) -> tuple[int, float, float]:
        """Number of particles, sum of their weights and of the squares of these, over all ranks; all call this."""
        ranks = self.domain.ranks
        number, sums = ranks.allreduce(np.array([self._number])), ranks.allreduce(self._sums)
        return int(number[0]), float(sums[0]), float(sums[1])

    def add(self, positions: Any, weights: Any = None) -> None:
        """Add particles; all ranks call this, with any particles of the box, or with none.

        positions  shape (particles, 3), float32 or float64 [cMpc/h]; wrapped into the box
        weights    masses, shape (particles,), float32 or float64; one where not given
        Cells do not depend on the number of threads, bit for bit, nor on a card on the order of particles in a batch.
        From one number of ranks to another they receive the same numbers in another order. A cell that received n
        numbers is off by about sqrt(n) times the round-off of the grid: 6e-8 of its value in float32, 1e-16 in float64.
        Numbers below the round-off of what a cell holds are lost: with 50 particles a cell 2e-7 of the mass for tsc in
        float32, 1e-6 for pcs. On a card only the sum of a batch is rounded so.
        Memory beyond slab and particles: 16 to 36 bytes for each of `batch` particles, on a card 16 bytes a cell; over
        ranks at most three times as much for particles.
        Raises InputError that names the first particle whose position or weight is not finite, or which is more than
        2^30 cells away (the grid may then hold some of the others), ValueError for arrays of other shapes or types, on
        all ranks.
        """
        if self.domain.ranks.size > 1:
            self._add_over_ranks(positions, weights)
            return
        positions, weights = _checked_arrays(positions, weights)
        self._check_weights(weights)
        for batch in self._batches(len(positions)):
            part = positions[batch], None if weights is None else weights[batch]
            self._check_position(part[0], self._add_here(*part))
            self._count(*part)

    def _add_over_ranks(self, positions: Any, weights: Any) -> None:
        """Send every particle to all ranks whose planes it touches, a batch at a time, and add what arrives."""
        ranks, error = self.domain.ranks, None
        try:
            positions, weights = _checked_arrays(positions, weights)
            self._check_weights(weights)
        except ValueError as caught:
            error = caught
        ranks.raise_first(error)
        positions, weights = _of_one_kind(positions, weights, ranks)
        batches, backend = self._batches(len(positions)), self.domain.backend
        lattice = *self._geometry, self.assignment.order
        planes = [part.stop - part.start for part in self.domain.planes_of_ranks]
        for number in range(max(ranks.allgather(len(batches)))):
            batch = batches[number] if number < len(batches) else slice(0, 0)
            arrays = (None if array is None else array[batch] for array in (positions, weights))
            part = [None if array is None else backend.to_device(array) for array in arrays]
            bad, numbers, counts = numbers_by_owner(part[0], *lattice, planes, backend)
            try:
                self._check_position(part[0], bad)
            except InputError as caught:
                error = caught
            ranks.raise_first(error)
            for received in alltoall_in_rounds(part, numbers, counts, self.batch, self.domain):
                self._add_here(*received)
            self._count(*part)

    def _batches(self, number: int) -> list[slice]:
        """Slices of particles that are added at a time."""
        return slices_of(number, self.batch)

    @property
    def _geometry(self) -> tuple[tuple[float, float, float], float, tuple[int, int, int]]:
        """Scale, offset and cells, see kernels.deposit."""
        scale = three(n / side for n, side in zip(self.domain.cells, self.box.size, strict=True))
        return scale, self.shift - (0.5 if self.assignment.order % 2 == 0 else 0.0), self.domain.cells

    def _add_here(self, positions: Any, weights: Any) -> int:
        """Add particles to the slab; returns the number of the first with a bad position, or -1."""
        scale, offset, cells = self._geometry
        grid = self.domain.planes.start, self.slab, self.domain.backend
        return add_particles(positions, scale, offset, cells, weights, self.assignment.order, *grid)

    def _check_weights(self, weights: Any) -> None:
        """InputError that names the first weight that is not finite."""
        if weights is None:
            return
        with np.errstate(invalid="ignore"):
            if bool(np.isfinite(weights.sum(dtype=np.float64))):
                return
        weights = self.domain.backend.to_host(weights)
        number = int(np.argmin(np.isfinite(weights)))
        raise InputError(f"particle {self._number + number}: weight {weights[number]}: must be finite")

    def _check_position(self, positions: Any, number: int) -> None:
        """InputError that names a particle, unless its number is -1."""
        if number >= 0:
            position = self.domain.backend.to_host(positions[number]).tolist()
            raise InputError(
                f"particle {self._number + number}: position ({', '.join(map(str, position))}): must be finite, within "
                "2^30 cells of the box"
            )

    def _count(self, positions: Any, weights: Any) -> None:
        self._number += len(positions)
        if weights is None:
            self._sums += len(positions)
        else:
            weights = weights.astype(np.float64, copy=False)
            self._sums += float(weights.sum()), float(weights @ weights)


def deposit(
    positions: Any,
    box: Box,
    assignment: str = "tsc",
    *,
    weights: Any = None,
    shift: float = 0.0,
    dtype: DTypeLike = np.float64,
    domain: Domain | None = None,
) -> Any:
    """Sum of the weights of particles in this rank's cells of a periodic grid, shape domain.shape.

    Arguments, errors and memory as for ParticleGrid and ParticleGrid.add.
    """
    grid = ParticleGrid(box, assignment, shift=shift, dtype=dtype, domain=domain)
    grid.add(positions, weights)
    return grid.slab


def deposit_batches(batches: Iterable[tuple], grids: Sequence[ParticleGrid]) -> None:
    """Add batches (positions, weights) to one grid or several, which have the same ranks.

    All ranks call this; they may have different numbers of batches.
    """
    batches, ranks = iter(batches), grids[0].domain.ranks
    while True:
        batch = next(batches, None)
        if not any(ranks.allgather(batch is not None)):
            return
        for grid in grids:
            grid.add(*((np.empty((0, 3)), None) if batch is None else batch))


def _of_one_kind(positions: Any, weights: Any, ranks: Ranks) -> tuple:
    """The particles, in the types of the other ranks where this one has none; ValueError where types differ."""
    kind = (positions.dtype.name, None if weights is None else weights.dtype.name)
    kinds = set(ranks.allgather(kind if len(positions) else None)) - {None}
    if len(kinds) > 1:
        raise ValueError(f"types of positions and weights {sorted(map(str, kinds))}: must be the same on all ranks")
    if len(positions) or not kinds:
        return positions, weights
    position, weight = kinds.pop()
    return np.empty((0, 3), position), None if weight is None else np.empty(0, weight)


def _checked_arrays(positions: Any, weights: Any) -> list:
    """Both as arrays in the byte order of the machine; ValueError for wrong shapes and types."""
    positions = positions if hasattr(positions, "dtype") else np.asarray(positions)
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise ValueError(f"positions have shape {positions.shape}: must be (particles, 3)")
    if weights is not None:
        weights = weights if hasattr(weights, "dtype") else np.asarray(weights)
        if weights.shape != positions.shape[:1]:
            raise ValueError(f"weights have shape {weights.shape}: must be {positions.shape[:1]}")
    arrays = []
    for name, array in (("positions", positions), ("weights", weights)):
        if array is not None and (array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8)):
            raise ValueError(f"{name} are {array.dtype}: must be float32 or float64")
        arrays.append(array if array is None or array.dtype.isnative else array.astype(array.dtype.newbyteorder("=")))
    return arrays
