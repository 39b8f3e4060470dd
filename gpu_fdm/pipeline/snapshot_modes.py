"""The modes of snapshots on the grid of a box: what all spectra of them begin with. Every rank reads its own part."""

import logging
from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InputError, RunError, UnfitError
from ..fields.box import Box
from ..fields.particles import ParticleGrid, deposit_batches
from ..parallel.domain import Domain
from ..parallel.memory import available
from ..parallel.ranks import Ranks
from ..snapshots.snapshot import Batches, GridSnapshot, ParticleSnapshot
from ..spectra.modes import Modes, contrast_modes
from ..spectra.particles import ParticleModes, particle_modes
from ..vectors import three
from .progress import in_words

log = logging.getLogger(__name__)

_MOST_CELLS = 512  # a side, of the grid for particles where the user names none
_MOST_OUTSIDE = 0.01  # share of particles outside of the box, above which its unit may be another
_LEAST_FILLED, _LEAST_NUMBER = 0.9, 100  # share of each side that so many particles fill, or more


def modes_of_grid(
    snapshot: GridSnapshot, domain: Domain, dtype: DTypeLike | None = None, *, complete: bool = True
) -> Modes:
    """The modes of a stored density or of |psi|^2.

    dtype  of the density and its transform, that of the snapshot by default;  complete  as in contrast_modes
    """
    slab = snapshot.slab(domain.planes.start, domain.planes.stop)
    snapshot.tell_round_off(domain.ranks)
    density = domain.backend.to_device(slab if dtype is None else slab.astype(dtype, copy=False))
    return contrast_modes(density, domain, snapshot.field, complete=complete)


def modes_of_particles(
    snapshot: ParticleSnapshot, box: Box, domain: Domain, assignment: str, interlaced: bool
) -> ParticleModes:
    """The modes of particles, over the window of their assignment; it is logged where they seem to have another unit.

    box  of the grid, with its cells;  interlaced  whether a second grid is averaged with the first
    """
    shifts = (0.0, 0.5) if interlaced else (0.0,)
    grids = [ParticleGrid(box, assignment, shift=shift, domain=domain) for shift in shifts]
    extent = _Extent(snapshot.box_size)
    deposit_batches(extent.of(snapshot.batches(*domain.ranks.share(snapshot.number), grids[0].batch)), grids)
    extent.warn(snapshot, domain.ranks)
    return particle_modes(*grids, name=snapshot.field)


def room_of_grid(cells: Sequence[int], dtype: DTypeLike) -> int:
    """Bytes that the modes of a density take while they are made: it and its transform, as large as it."""
    return 2 * np.dtype(dtype).itemsize * prod(cells)


def room_of_particles(cells: Sequence[int], interlaced: bool) -> int:
    """Bytes that the modes of particles take while they are made: grids and their transforms."""
    return (2 if interlaced else 1) * room_of_grid(cells, np.float64)


def box_for_particles(box_size: tuple[float, float, float], number: int, side: int | None = None) -> Box:
    """The box of a grid for so many particles, with cells of about one size.

    side  cells along its longest side; by default about one particle a cell, 512 at most
    """
    side = side or min(_MOST_CELLS, max(8, round(number ** (1 / 3))))
    return Box(box_size, three(_cells_along(box_size, side)))


def _cells_along(box_size: Sequence[float], side: int) -> list[int]:
    """Cells of about one size in a box that need not be a cube."""
    longest = max(box_size)
    return [max(2, round(side * length / longest)) for length in box_size]


def check_planes(path: str, domain: Domain, remedy: str = "") -> None:
    """InputError, the same on all ranks, where some would have no plane."""

    def check() -> None:
        try:
            domain.require_planes()
        except UnfitError as error:
            raise InputError(f"{path}: {error}{remedy}") from None

    domain.ranks.on_root(check)


def check_room(path: str, size: int, ranks: Ranks) -> None:
    """RunError where the ranks of this node would need more memory than there is."""
    needed = size * ranks.local_size // ranks.size
    if needed > available():
        raise RunError(
            f"{path}: too little memory: the grids need {in_words(needed)} on this node, {in_words(available())} are "
            "available (more nodes, or for particles fewer --cells)"
        )


class _Extent:
    """Where particles are: how many outside of the box, and between which coordinates.

    box_size  sides [cMpc/h]
    """

    def __init__(self, box_size: tuple[float, float, float]):
        self._box = np.array(box_size)
        self._number = self._outside = 0
        self._low, self._high = np.full(3, np.inf), np.full(3, -np.inf)

    def of(self, batches: Batches) -> Batches:
        """The batches, whose particles are counted as they pass."""
        for positions, masses in batches:
            self._number += len(positions)
            low, high = positions.min(axis=0), positions.max(axis=0)
            if np.any((low < 0) | (high > self._box)):
                self._outside += int(np.count_nonzero(np.any((positions < 0) | (positions > self._box), axis=1)))
            self._low, self._high = np.minimum(self._low, low), np.maximum(self._high, high)
            yield positions, masses

    def warn(self, snapshot: ParticleSnapshot, ranks: Ranks) -> None:
        """Log what speaks for another unit of the box than of the positions; all ranks call this."""
        of_ranks = ranks.allgather((self._number, self._outside, self._low, self._high))
        if not ranks.is_root:
            return
        number, outside = (sum(values) for values in list(zip(*of_ranks, strict=True))[:2])
        low, high = np.min([item[2] for item in of_ranks], axis=0), np.max([item[3] for item in of_ranks], axis=0)
        ranges = ", ".join(f"{first:.4g} to {last:.4g}" for first, last in zip(low, high, strict=True))
        box = " x ".join(f"{side:g}" for side in snapshot.box_size)
        what = ""
        if outside > _MOST_OUTSIDE * number:
            what = f"{outside / number:.0%} of the particles are outside of the box, and are wrapped into it"
        elif number >= _LEAST_NUMBER and np.all(high - low < _LEAST_FILLED * self._box):
            what = "the particles fill only a part of the box"
        if what:
            log.warning(
                "%s: %s: they are at %s cMpc/h in a box of %s cMpc/h: have both the same unit? (--box-size)",
                *(snapshot.path, what, ranges, box),
            )
