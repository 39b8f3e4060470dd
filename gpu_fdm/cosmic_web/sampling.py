"""Values of a periodic field on a grid at points around an axis, by splines, and the masses that they stand for.

psi takes quintic ones: a plane wave of 5 cells comes back to 6e-4, where cubic ones miss 1e-2. A density takes cubic
ones, which swing less where the grid does not resolve it. Ranks take blocks of planes in turn; every rank reads what
its blocks need, a few planes more than the block on either side: the spline of a block then differs from that of the
whole field by 1e-6 of its values.
"""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter

from ..errors import InputError, RunError
from ..fields.box import Box
from ..kernels.spline_points import spline_points
from ..parallel.ranks import SERIAL, Ranks
from .axis import Axis

SECTORS = 8  # around the axis
_BLOCK, _MARGIN = 32, 16  # planes
_FINE = 32  # steps in a radius

# planes first..last - 1 along x of a field, shape (last - first, ny, nz), real or complex
Planes = Callable[[int, int], NDArray]


def sampled(planes: Planes, box: Box, points: NDArray, ranks: Ranks = SERIAL) -> NDArray:
    """A field at points, shape (points,); all ranks call this with the same points and get the same.

    points  shape (points, 3), anywhere [cMpc/h]; values of the field are at cell centres
    Raises on all ranks what `planes` raises on one.
    """
    cells = np.array(box.cells)
    place = points / box.spacing - 0.5
    block = np.floor(place[:, 0] / _BLOCK).astype(int)
    numbers = np.unique(block)[ranks.rank :: ranks.size]
    found, error = [], None
    try:
        for number in numbers:
            chosen = np.flatnonzero(block == number)
            inside = place[chosen]
            low = np.floor(inside.min(axis=0)).astype(int) - _MARGIN
            high = np.floor(inside.max(axis=0)).astype(int) + 2 + _MARGIN
            values = _cut(planes, low, high, cells)
            found.append((chosen, _between(values, inside - low)))
    except (InputError, RunError) as caught:
        error = caught
    ranks.raise_first(error)
    parts = [part for of_rank in ranks.allgather(found) for part in of_rank]
    out = np.empty(len(points), np.result_type(*(values for _, values in parts)) if parts else float)
    for chosen, values in parts:
        out[chosen] = values
    return out


def _between(values: NDArray, place: NDArray) -> NDArray:
    """A field at places inside its lattice, in steps of it."""
    if values.dtype.kind != "c":
        return map_coordinates(values, place.T, order=3, mode="nearest")
    real, imag = (spline_points(place, spline_filter(part, 5)) for part in (values.real, values.imag))
    return real + 1j * imag


def _cut(planes: Planes, low: NDArray, high: NDArray, cells: NDArray) -> NDArray:
    """A part of a periodic field between two corners, in cells."""
    y, z = (np.arange(low[i], high[i]) % cells[i] for i in (1, 2))
    pieces, first = [], int(low[0])
    while first < high[0]:
        inside = first % cells[0]
        last = min(int(high[0]), first - inside + int(cells[0]))
        part = planes(inside, inside + last - first)
        pieces.append(part[:, y][:, :, z])
        first = last
    return np.concatenate(pieces)


def cylinder_points(axis: Axis, edges: NDArray, slices: int, step: float) -> tuple[NDArray, NDArray, NDArray]:
    """Points that fill the shells around an axis evenly, and the volume of each.

    edges   of the shells, from 0 on [cMpc/h];  slices  along the axis
    step    distance of points, at least; it is 1/32 of the radius where that is more
    Returns frames (u, v, z), shape (points, 3), volumes, shape (points,), and the numbers of slice, sector and shell of
    every point, shape (3, points): midpoints of rings in r^2, so that a constant has its mass exactly.
    """
    along = int(np.ceil(axis.length / slices / step))
    z = ((np.arange(slices * along) + 0.5) / (slices * along) - 0.5) * axis.length
    of_slice = np.arange(slices * along) // along
    rings = []
    for shell, (inner, outer) in enumerate(pairwise(edges)):
        width = max(step, outer / _FINE)
        bounds = np.linspace(inner, outer, int(np.ceil((outer - inner) / width)) + 1)
        for a, b in pairwise(bounds):
            radius = np.sqrt((a**2 + b**2) / 2)
            number = SECTORS * max(1, int(np.ceil(2 * np.pi * radius / width / SECTORS)))
            angle = 2 * np.pi * (np.arange(number) + 0.5) / number
            rings.append(
                (
                    radius * np.cos(angle),
                    radius * np.sin(angle),
                    np.full(number, np.pi * (b**2 - a**2) / number),
                    np.arange(number) * SECTORS // number,
                    np.full(number, shell),
                )
            )
    u, v, area, sector, shell_of = (np.concatenate(parts) for parts in zip(*rings, strict=True))
    count = len(u)
    frame = np.stack([np.tile(u, len(z)), np.tile(v, len(z)), np.repeat(z, count)], axis=-1)
    volume = np.tile(area, len(z)) * (axis.length / len(z))
    return frame, volume, np.stack([np.repeat(of_slice, count), np.tile(sector, len(z)), np.tile(shell_of, len(z))])


def lattice(radius: float, low: float, high: float, step: float) -> tuple[NDArray, tuple[int, int, int]]:
    """A regular lattice in the frame of an axis: a square of half side `radius` across it, z from low to high.

    Returns frames, shape (nu nv nz, 3), and (nu, nv, nz); points are at the centres of cells of at most `step`.
    """
    across, along = max(2, int(np.ceil(2 * radius / step))), max(2, int(np.ceil((high - low) / step)))
    line = ((np.arange(across) + 0.5) / across * 2 - 1) * radius
    z = low + (np.arange(along) + 0.5) / along * (high - low)
    frame = np.stack(np.meshgrid(line, line, z, indexing="ij"), axis=-1).reshape(-1, 3)
    return frame, (across, across, along)
