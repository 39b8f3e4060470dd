"""Filaments of a snapshot: the ridges of its smoothed density, found over ranks, or those of a skeleton."""

from math import prod
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..cosmic_web.ridges import ridge_points
from ..cosmic_web.skeleton import points_along, read_skeleton
from ..cosmic_web.tracing import Ridge, trace
from ..errors import InputError, RunError, UnfitError
from ..fields.box import Box
from ..fields.particles import ParticleGrid, deposit_batches
from ..parallel.domain import Domain
from ..parallel.memory import available
from ..parallel.ranks import Ranks
from ..snapshots.snapshot import GridSnapshot, ParticleSnapshot
from ..vectors import three

Snapshot = GridSnapshot | ParticleSnapshot

SMOOTH_SHARE = 1 / 64  # of the longest side of the box, where no scale is given
LEAST_CELLS = 2  # in the smoothing scale
_MOST_CELLS = 1024  # along a side
_LEAST_LENGTH = 8.0  # of a ridge, smoothing scales
_COPIES = 6  # of the search grid that its search takes, as real numbers


@frozen
class Search:
    """How ridges are found.

    smooth       dispersion of the Gaussian [cMpc/h];  overdensity  least smoothed density over the mean of the box
    mask         smoothed density above which a cell belongs to a halo, over the mean of the box; None: no cell does
    """

    smooth: float
    overdensity: float = 5.0
    mask: float | None = None


def smooth_of(snapshot: Snapshot, smooth: float | None) -> float:
    """The smoothing scale [cMpc/h]: the one given, or 1/64 of the longest side, two cells of a grid at least.

    Raises InputError for one that is out of range.
    """
    longest = max(snapshot.box_size)
    cells = [
        side / number for side, number in zip(snapshot.box_size, getattr(snapshot, "cells", (np.inf,) * 3), strict=True)
    ]
    least = max(LEAST_CELLS * max(cells), LEAST_CELLS * longest / _MOST_CELLS)
    most = min(snapshot.box_size) / 8
    if least > most * (1 + 1e-9):
        raise InputError(
            f"{snapshot.path}: two of its cells, {least:.4g} cMpc/h, must be at most an eighth of its shortest side, "
            f"{most:.4g} cMpc/h: ridges are not resolved"
        )
    if smooth is None:
        return max(longest * SMOOTH_SHARE, least)
    if not least * (1 - 1e-9) <= smooth <= most:
        raise InputError(
            f"--smooth {smooth:g}: must be in {least:.4g} ... {most:.4g} cMpc/h, two cells to an eighth of the box"
        )
    return smooth


def find_ridges(snapshot: Snapshot, search: Search, ranks: Ranks) -> list[Ridge]:
    """The ridges of a snapshot, the best first; all ranks call this and get the same.

    Raises InputError for a snapshot without mass, RunError where memory is too small.
    """
    box = Box(snapshot.box_size, _search_cells(snapshot, search.smooth))
    domain = Domain(box.cells, ranks)
    needed = _COPIES * 4 * prod(box.cells) * ranks.local_size // ranks.size
    if needed > available():
        raise RunError(
            f"{snapshot.path}: the search for ridges takes {needed / 2**30:.1f} GiB of memory, "
            f"{available() / 2**30:.1f} GiB are available (a larger --smooth, or more nodes)"
        )
    density = _coarse(snapshot, domain) if isinstance(snapshot, GridSnapshot) else _deposited(snapshot, box, domain)
    try:
        points = ridge_points(density, box, search.smooth, search.overdensity, search.mask, domain)
    except UnfitError as error:
        raise InputError(f"{snapshot.path}: {error}") from None
    return ranks.on_root(lambda: trace(points, box.size, search.smooth, _LEAST_LENGTH * search.smooth))


def ridges_of_skeleton(path: Path, snapshot: Snapshot, smooth: float) -> list[Ridge]:
    """The straight ridges of a skeleton, the longest first; InputError for a skeleton of another box."""
    points = points_along(read_skeleton(path, snapshot.box_size), smooth, snapshot.box_size)
    return trace(points, snapshot.box_size, smooth, _LEAST_LENGTH * smooth)


def _search_cells(snapshot: Snapshot, smooth: float) -> tuple[int, int, int]:
    """Cells of at most half the smoothing scale: of a grid so many of its own joined, if their number divides."""
    if isinstance(snapshot, GridSnapshot):
        return three(n // factor for n, factor in zip(snapshot.cells, _factors(snapshot, smooth), strict=True))
    return Box(snapshot.box_size, (1, 1, 1)).cells_resolving(np.pi * LEAST_CELLS / smooth)


def _factors(snapshot: GridSnapshot, smooth: float) -> tuple[int, int, int]:
    """How many cells are joined along each axis."""
    factors = []
    for number, side in zip(snapshot.cells, snapshot.box_size, strict=True):
        most = max(1, int(smooth / LEAST_CELLS / (side / number) * (1 + 1e-9)))
        factors.append(max(factor for factor in range(1, most + 1) if number % factor == 0))
    return three(factors)


def _coarse(snapshot: GridSnapshot, domain: Domain) -> NDArray:
    """This rank's slab of the mean density of joined cells, float32."""
    factors = three(fine // coarse for fine, coarse in zip(snapshot.cells, domain.cells, strict=True))
    planes, (fx, fy, fz) = domain.planes, factors
    slab = np.empty(domain.shape, np.float32)
    step = max(1, 2**24 // (prod(snapshot.cells[1:]) * fx))  # of 128 MiB at a time
    for first in range(planes.start, planes.stop, step):
        last = min(first + step, planes.stop)
        part = snapshot.slab(first * fx, last * fx).astype(np.float64, copy=False)
        part = part.reshape(last - first, fx, domain.cells[1], fy, domain.cells[2], fz).mean(axis=(1, 3, 5))
        slab[first - planes.start : last - planes.start] = part
    snapshot.tell_round_off(domain.ranks)
    return slab


def _deposited(snapshot: ParticleSnapshot, box: Box, domain: Domain) -> NDArray:
    """This rank's slab of the mass of particles."""
    grid = ParticleGrid(box, "tsc", dtype=np.float32, domain=domain)
    deposit_batches(snapshot.batches(*domain.ranks.share(snapshot.number), grid.batch), [grid])
    return grid.slab
