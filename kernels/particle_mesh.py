"""Particles and a mesh, cloud in cell, on the CPU alone: masses to the mesh, forces to the particles, and drifts.

Callers check the arguments.
"""

import math
from typing import Any

import numpy as np

from .compiled import njit

FIXED_POINT = 2.0**36  # of masses on the mesh: sums of integers do not depend on their order

# no fused multiply-add: a particle on the edge of a cell must be in the same cell for all of the loops below
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


@njit(inline="always", **_OPTIONS)
def _cloud(position, inverse_spacing, cells):
    """Lower cell of a cloud-in-cell weight along an axis, in [0, cells), and the weight of the upper one."""
    at = position * inverse_spacing - 0.5
    floor = math.floor(at)
    cell = int(floor)
    return (cell + cells if cell < 0 else cell), at - floor


@njit(**_OPTIONS)
def lower_planes(x, inverse_spacing, cells, planes):
    """Write the first of the two planes that a particle touches into planes, int64, (n,); see deposit_clouds."""
    for n in range(len(x)):
        planes[n], _ = _cloud(x[n], inverse_spacing, cells)


@njit(**_OPTIONS)
def deposit_clouds(position, inverse_spacing, cells, x_first, mass):
    """Add particles to a mesh, cloud in cell, in units of 1/FIXED_POINT.

    position  (3, n), finite, in [0, side) [L], with lower planes in the slab;  inverse_spacing  (3,) [1/L]
    cells     (3,) of the whole mesh;  x_first  first plane of the slab
    mass      int64, (planes + 1, ny, nz), added to: the slab and the plane that follows it; up to 2^27 particles a cell
    """
    for n in range(position.shape[1]):
        i, u = _cloud(position[0, n], inverse_spacing[0], cells[0])
        j, v = _cloud(position[1, n], inverse_spacing[1], cells[1])
        m, w = _cloud(position[2, n], inverse_spacing[2], cells[2])
        i -= x_first
        j_next = j + 1 if j + 1 < cells[1] else 0
        m_next = m + 1 if m + 1 < cells[2] else 0
        for side in range(2):
            along = (u if side else 1 - u) * FIXED_POINT
            mass[i + side, j, m] += np.int64(along * (1 - v) * (1 - w) + 0.5)
            mass[i + side, j, m_next] += np.int64(along * (1 - v) * w + 0.5)
            mass[i + side, j_next, m] += np.int64(along * v * (1 - w) + 0.5)
            mass[i + side, j_next, m_next] += np.int64(along * v * w + 0.5)


@njit(**_OPTIONS)
def push(position, inverse_spacing, cells, x_first, force, factor, momentum):
    """Add factor times the force at each particle, cloud in cell, to its momentum.

    force  (3, planes + 1, ny, nz), on the mesh of deposit_clouds;  momentum  (3, n), added to
    """
    for n in range(position.shape[1]):
        i, u = _cloud(position[0, n], inverse_spacing[0], cells[0])
        j, v = _cloud(position[1, n], inverse_spacing[1], cells[1])
        m, w = _cloud(position[2, n], inverse_spacing[2], cells[2])
        i -= x_first
        j_next = j + 1 if j + 1 < cells[1] else 0
        m_next = m + 1 if m + 1 < cells[2] else 0
        for axis in range(3):
            total = 0.0
            for side in range(2):
                plane = force[axis, i + side]
                total += (u if side else 1 - u) * (
                    (1 - v) * ((1 - w) * plane[j, m] + w * plane[j, m_next])
                    + v * ((1 - w) * plane[j_next, m] + w * plane[j_next, m_next])
                )
            momentum[axis, n] += factor * total


@njit(**_OPTIONS)
def move(position, momentum, factor, sides):
    """position + factor momentum, in place, wrapped into [0, side)."""
    for axis in range(3):
        side = sides[axis]
        for n in range(position.shape[1]):
            at = position[axis, n] + factor * momentum[axis, n]
            at -= side * math.floor(at / side)
            # what was negative by less than round-off is now the side itself
            position[axis, n] = at if at < side else 0.0
