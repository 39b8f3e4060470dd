"""Add particles to a periodic grid. The CUDA kernels are in deposit.cu.

Callers check the arguments. All functions take, in this order,
    positions  shape (particles, 3), float32 or float64
    scale      cells per unit of length along x, y, z;  offset  added to all three coordinates [cells], so that the
               cell of a particle is the integer below it, and the first that it touches lies (order - 1) // 2 before
    cells      of the whole periodic grid along x, y, z
Coordinates and weights of the assignment are double, rounded to the precision of the grid before they are added to it.
On a card they are rounded to integers instead, whose sum does not depend on the order in which threads arrive.
"""

import math
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np

from ..parallel.backend import CPU, GPU, Double
from .compiled import njit

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_INLINE: dict[str, Any] = {"inline": "always", **_OPTIONS}

# Cells from the box within which positions are taken: beyond, double precision has no fractions of a cell to speak of.
FARTHEST = 2.0**30

_LEAST_PARTICLES_A_PART, _MOST_PARTS = 1 << 16, 64
_LEAST_PLANES_A_COLUMN = 4  # as many as a particle touches, or more
_LEAST_LINES_A_TILE = 8
_CELLS_A_PARTICLE_SORTED = 8  # at most, for particles on a card to be worth sorting
_MOST_TILES = 1 << 15  # more would take longer to sort than they save


def add_particles(
    positions: np.ndarray,
    scale: tuple[float, float, float],
    offset: float,
    cells: tuple[int, int, int],
    weights: np.ndarray | None,
    order: int,
    x_first: int,
    grid: np.ndarray,
    backend: CPU | GPU,
) -> int:
    """Add particles to the planes of a slab; what falls on other planes is left out.

    weights  shape (particles,), or None for one each
    order    of the assignment: cells that a particle touches along an axis, 1 to 4
    x_first  plane of the whole grid with which the slab begins
    grid     shape (planes, ny, nz), contiguous, on the backend's device, added to
    Returns the number of the first particle whose position is not finite or lies FARTHEST cells away or more, or -1.
    Cells do not depend on the number of threads, bit for bit, nor on a card on the order of particles in a call, whose
    weights are rounded to less than 2^-61 of their number times the largest; it takes 16 bytes a cell, 12 a particle.
    """
    if len(positions) == 0:
        return -1
    lattice = scale, offset, cells
    if backend.name == "gpu":
        return _add_on_card(positions, lattice, weights, order, x_first, grid, backend)
    return _add_in_threads(positions, lattice, weights, order, x_first, grid, backend)


def numbers_by_owner(
    positions: Any,
    scale: tuple[float, float, float],
    offset: float,
    cells: tuple[int, int, int],
    order: int,
    planes: Sequence[int],
    backend: CPU | GPU,
) -> tuple[int, Any, np.ndarray]:
    """The particles that touch planes of each rank.

    planes  number of the planes of each rank
    Returns the number of the first particle with a bad position, as add_particles does, or -1; the numbers of the
    particles for one rank after another, int64, where the positions are; and how many there are for every rank, NumPy.
    """
    owners, counts = np.repeat(np.arange(len(planes)), planes), np.zeros(len(planes), np.int64)
    if backend.name == "cpu":
        lattice = scale, offset, cells, order, owners
        bad = count_by_owner(positions, *lattice, counts)
        numbers = np.empty(0 if bad >= 0 else counts.sum(), np.int64)
        if bad < 0:
            list_by_owner(positions, *lattice, np.cumsum(counts) - counts, numbers)
        return bad, numbers, counts
    xp = backend.xp
    good = (abs(positions * backend.to_device(np.array(scale))) <= FARTHEST).all(axis=1)
    if not bool(good.all()):
        return int(good.argmin()), xp.empty(0, np.int64), counts
    # each operation rounded by itself, as in the loops
    below = xp.floor(positions[:, 0].astype(np.float64) * scale[0] + offset).astype(np.int64) - (order - 1) // 2
    of_planes = backend.to_device(owners)
    touched = [of_planes[(below + a) % cells[0]] for a in range(order)]
    found = [xp.nonzero(reduce(or_, (owner == rank for owner in touched)))[0] for rank in range(len(planes))]
    return -1, xp.concatenate(found), np.array([len(numbers) for numbers in found])


def _add_in_threads(
    positions: np.ndarray,
    lattice: tuple,
    weights: np.ndarray | None,
    order: int,
    x_first: int,
    grid: np.ndarray,
    backend: CPU,
) -> int:
    """Sort by tiles, so that neighbours come after each other, then add tile by tile."""
    positions = np.ascontiguousarray(positions)
    weights = None if weights is None else np.ascontiguousarray(weights)
    number = len(positions)
    x_tiles, y_tiles, columns, tiles = number_tiles(lattice[2], order, x_first, len(grid))
    parts = int(np.clip(number // _LEAST_PARTICLES_A_PART, 1, _MOST_PARTS))
    shares = [(number * part // parts, number * (part + 1) // parts) for part in range(parts)]
    tile = np.empty(number, np.int32)
    counts = np.zeros((parts, tiles), np.int64)
    bad = np.empty(parts, np.int64)

    def find(part: int) -> None:
        bad[part] = find_tiles(positions, *lattice, x_tiles, y_tiles, shares[part], tile, counts[part])

    backend.for_each(range(parts), find)
    if np.any(bad >= 0):
        return int(bad[bad >= 0][0])
    # tile after tile, and in a tile part after part: the order in which particles came, however many threads
    starts = (np.cumsum(counts.T).reshape(tiles, parts) - counts.T).T.copy()
    edges = [*starts[0, :: tiles // columns].tolist(), number]
    in_order = np.empty_like(positions), None if weights is None else np.empty_like(weights)
    # equal weights take the loop that is compiled for weights of the positions' precision
    each = (np.ones(1, positions.dtype), 0) if in_order[1] is None else (in_order[1], 1)

    def sort(part: int) -> None:
        sort_by_tile(positions, weights, tile, shares[part], starts[part], *in_order)

    def add(column: int) -> None:
        share = edges[column], edges[column + 1]
        add_particles_loop(in_order[0], *each, *lattice, (0,) * order, x_first, share, grid)

    backend.for_each(range(parts), sort)
    # particles of columns side by side touch the same planes: every other column at a time
    backend.for_each(range(0, columns, 2), add)
    backend.for_each(range(1, columns, 2), add)
    return -1


def number_tiles(cells: tuple[int, int, int], order: int, x_first: int, planes: int) -> tuple:
    """Tiles of the cells of a slab: the number of a tile is the sum of one for the cell along x and one along y.

    Returns both, int64, shapes (nx,) and (ny,), the number of columns of tiles along x, and that of all tiles.
    Columns are counted by the first plane that a particle touches. There is one, or an even number: around the box
    too, every other one touches planes of its own.
    """
    nx, ny, _ = cells
    touched = (np.arange(nx) - (order - 1) // 2 - x_first) % nx
    before = 0
    if planes < nx:
        before = order - 1  # planes before the slab, from which particles reach into it
        touched = np.where(touched < planes, touched, np.maximum(touched - nx, -before)) + before
    reached = max(1, planes + before)
    columns = max(1, 2 * (reached // (2 * _LEAST_PLANES_A_COLUMN)))
    lines = _LEAST_LINES_A_TILE
    while lines < ny and columns * -(-ny // lines) > _MOST_TILES:
        lines *= 2
    rows = -(-ny // lines)
    return touched * columns // reached * rows, np.arange(ny) // lines, columns, columns * rows


def _add_on_card(
    positions: np.ndarray,
    lattice: tuple,
    weights: np.ndarray | None,
    order: int,
    x_first: int,
    grid: np.ndarray,
    backend: GPU,
) -> int:
    """One thread a particle, where there are many in the order of their cells."""
    xp, device, (scale, offset, cells) = backend.xp, backend.to_device, lattice
    bad = xp.zeros(1, np.uint64)
    positions, count = device(positions), len(positions)
    weights = None if weights is None else device(weights).astype(np.float64, copy=False)
    largest = 1.0 if weights is None else float(abs(weights).max())
    # as many units as there can be without an overflow, a power of two
    units_of_one = math.ldexp(1.0, min(62 - math.frexp(largest)[1] - count.bit_length(), 1000)) if largest > 0 else 1.0
    place = device(np.array([*scale, offset, FARTHEST, units_of_one]))
    slab = *cells, x_first, len(grid)
    numbers = _numbers_by_cell(positions, place, slab, grid.size, backend)
    units = xp.zeros(grid.shape, np.int64)
    arguments = (
        count,
        positions,
        place if weights is None else weights,
        0 if weights is None else 1,
        xp.empty(1, np.uint32) if numbers is None else numbers,
        0 if numbers is None else 1,
        place,
        *slab,
        order,
        units,
        bad,
    )
    backend.launch("deposit", f"add_particles_{positions.dtype.name}", np.float64, count, arguments)
    del numbers
    if int(bad[0]) == 0:
        sizes = grid.size, units, Double(1 / units_of_one), grid
        backend.launch("deposit", "add_units", grid.dtype, grid.size, sizes)
        return -1
    cells_away = np.abs(backend.to_host(positions) * np.array(scale))
    return int(np.argmin((cells_away <= FARTHEST).all(axis=1)))


def _numbers_by_cell(positions: Any, place: Any, slab: tuple, cells: int, backend: GPU) -> Any:
    """Numbers of particles in the order of the slab's cells, uint32; None where they are few beside these."""
    xp, count = backend.xp, len(positions)
    if not 0 < cells < min(_CELLS_A_PARTICLE_SORTED * count, 2**32) or count >= 2**32:
        return None
    number, rank = xp.empty(count, np.uint32), xp.empty(count, np.uint32)
    counts = xp.zeros(cells, np.uint32)
    arguments = (count, positions, place, *slab, number, rank, counts)
    backend.launch("deposit", f"count_in_cells_{positions.dtype.name}", np.float64, count, arguments)
    ends, numbers = xp.cumsum(counts, dtype=np.uint32), xp.empty(count, np.uint32)
    backend.launch("deposit", "number_by_cell", np.float64, count, (count, number, rank, ends, numbers))
    return numbers


@njit(**_INLINE)
def _cell(position, scale, offset, cells):
    """Cell of a coordinate on the periodic grid, and how far into it."""
    u = position * scale + offset
    below = np.floor(u)
    cell = np.int64(below)
    if cell < 0 or cell >= cells:
        cell %= cells
    return cell, u - below


@njit(**_INLINE)
def _weights(order, t):
    """Weights of the cells that a particle touches along an axis, of which the first `order` count.

    t  coordinate over the integer below it, 0 ... 1
    The B-spline of that order at the distances to their centres (Hockney & Eastwood 1981; Chaniotis & Poulikakos 2004).
    """
    if order == 1:
        return 1.0, 0.0, 0.0, 0.0
    s = 1 - t
    if order == 2:
        return s, t, 0.0, 0.0
    if order == 3:
        first, last = 0.5 * s * s, 0.5 * t * t
        return first, 1 - first - last, last, 0.0
    first, last = s * s * s / 6, t * t * t / 6
    second = (4 + t * t * (3 * t - 6)) / 6
    return first, second, 1 - first - second - last, last


@njit(**_INLINE)
def _four_cells(cell, order, cells):
    """The cells that a particle touches along an axis, of which the first `order` count."""
    first = cell - (order - 1) // 2
    if first >= 0 and first + 4 <= cells:
        return first, first + 1, first + 2, first + 3
    return first % cells, (first + 1) % cells, (first + 2) % cells, (first + 3) % cells


@njit(**_OPTIONS)
def find_tiles(positions, scale, offset, cells, x_tiles, y_tiles, share, tile, counts):
    """Write the tile of each particle, count those in each; returns the first particle with a bad position, or -1.

    x_tiles, y_tiles  number of a tile: the sum of what is here for the cell along x and for that along y
    share             (first, last) particles to work on, last excluded
    tile              written, int32, shape (particles,);  counts  added to, int64, shape (tiles,)
    """
    for p in range(share[0], share[1]):
        for axis in range(3):
            # not the other way round: it also sees NaN
            if not abs(positions[p, axis] * scale[axis]) <= FARTHEST:
                return p
        i, _ = _cell(positions[p, 0], scale[0], offset, cells[0])
        j, _ = _cell(positions[p, 1], scale[1], offset, cells[1])
        number = x_tiles[i] + y_tiles[j]
        tile[p] = number
        counts[number] += 1
    return -1


@njit(**_OPTIONS)
def sort_by_tile(positions, weights, tile, share, starts, sorted_positions, sorted_weights):
    """Write particles where those of their tile lie, in the order in which they come.

    weights  shape (particles,), or None
    starts   where the next particle of each tile goes, int64, shape (tiles,), advanced
    sorted_positions, sorted_weights  written, as positions and weights
    """
    for p in range(share[0], share[1]):
        number = tile[p]
        place = starts[number]
        starts[number] = place + 1
        for axis in range(3):
            sorted_positions[place, axis] = positions[p, axis]
        if weights is not None:
            sorted_weights[place] = weights[p]


@njit(**_OPTIONS)
def add_particles_loop(positions, weights, stride, scale, offset, cells, taps, x_first, share, grid):
    """add_particles on the CPU, for some of the particles, whose positions are good.

    weights  that of particle p is number p * stride
    taps     tuple as long as the order of the assignment: a constant to the compiler, which unrolls the loops
    share    (first, last) particles to add, last excluded
    """
    order = len(taps)
    planes, ny, nz = grid.shape
    number = grid.dtype.type
    flat = grid.reshape(-1)
    whole = planes == cells[0]
    for p in range(share[0], share[1]):
        cell, t = _cell(positions[p, 0], scale[0], offset, cells[0])
        x, wx = _four_cells(cell, order, cells[0]), _weights(order, t)
        cell, t = _cell(positions[p, 1], scale[1], offset, ny)
        y, wy = _four_cells(cell, order, ny), _weights(order, t)
        cell, t = _cell(positions[p, 2], scale[2], offset, nz)
        z, (w0, w1, w2, w3) = _four_cells(cell, order, nz), _weights(order, t)
        wz = number(w0), number(w1), number(w2), number(w3)
        weight = np.float64(weights[p * stride])
        for a in range(order):
            plane = x[a]
            if not whole:
                plane -= x_first
                if plane < 0 or plane >= planes:
                    continue
            weight_a = weight * wx[a]
            for b in range(order):
                line = (plane * ny + y[b]) * nz
                weight_ab = number(weight_a * wy[b])
                for c in range(order):
                    flat[np.uint64(line + z[c])] += weight_ab * wz[c]  # unsigned: no test for counts from the end


@njit(**_INLINE)
def _is_first(a, x, owners):
    """Whether none of the planes before number a has the owner of that one."""
    first = True
    for earlier in range(a):
        first = first and owners[x[earlier]] != owners[x[a]]
    return first


@njit(**_OPTIONS)
def count_by_owner(positions, scale, offset, cells, order, owners, counts):
    """Count the particles that touch planes of each rank; returns the first particle with a bad position, or -1.

    owners  rank of each plane, int64, shape (cells[0],);  counts  added to, int64, shape (ranks,)
    """
    for p in range(len(positions)):
        for axis in range(3):
            if not abs(positions[p, axis] * scale[axis]) <= FARTHEST:
                return p
        cell, _ = _cell(positions[p, 0], scale[0], offset, cells[0])
        x = _four_cells(cell, order, cells[0])
        for a in range(order):
            if _is_first(a, x, owners):
                counts[owners[x[a]]] += 1
    return -1


@njit(**_OPTIONS)
def list_by_owner(positions, scale, offset, cells, order, owners, starts, numbers):
    """Write the numbers of the particles that touch planes of each rank, one rank after another.

    starts  where the next number for each rank goes, int64, advanced;  numbers  written, int64
    """
    for p in range(len(positions)):
        cell, _ = _cell(positions[p, 0], scale[0], offset, cells[0])
        x = _four_cells(cell, order, cells[0])
        for a in range(order):
            if _is_first(a, x, owners):
                owner = owners[x[a]]
                numbers[starts[owner]] = p
                starts[owner] += 1
