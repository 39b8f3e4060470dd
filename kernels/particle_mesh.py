"""Particles and a mesh, cloud in cell: masses to the mesh, forces on the mesh, kicks and drifts.

The CUDA kernels are in particle_mesh.cu. Callers check the arguments. Arrays are where the backend computes, but for
    position   (3, n), finite, in [0, side) [L];  momentum  (3, n), both double
    mesh       of the whole box: cells per unit of length (3,) [1/L], cells (3,), first plane of the slab
which functions take as they are. Masses and cells of particles are the same on every backend, bit for bit.
"""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from attrs import frozen

from ..parallel.backend import CPU, GPU, THREADS_PER_BLOCK, Double
from ..parallel.slices import slices_of
from .compiled import njit

FIXED_POINT = 2.0**36  # of masses on the mesh: sums of integers do not depend on their order

TILE = 2, 4, 16  # cells of a tile, in whose order a card has its particles
_BATCH = 1 << 13  # particles that a thread moves at a time: they stay in the cache between a kick and a drift
_SORTED = 1 << 26  # particles that are sorted at a time

# no fused multiply-add: a particle on the edge of a cell must be in the same cell for all of the loops below
_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy"}


@frozen(cache_hash=True)
class Mesh:
    """Where the cells of a slab lie.

    inverse_spacing  cells per unit of length along x, y, z [1/L];  cells  of the whole mesh;  x_first  first plane
    sides            of the box [L]
    """

    inverse_spacing: tuple[float, float, float]
    cells: tuple[int, int, int]
    x_first: int
    sides: tuple[float, float, float]


def lower_planes(x: Any, mesh: Mesh, backend: CPU | GPU) -> Any:
    """The first of the two planes that each particle touches, int64, (n,); x  of their positions."""
    planes = backend.xp.empty(len(x), np.int64)
    if backend.name == "gpu":
        arguments = (len(x), x, Double(mesh.inverse_spacing[0]), mesh.cells[0], planes)
        backend.launch("particle_mesh", "lower_planes", np.float64, len(x), arguments)
    else:

        def work(batch: slice) -> None:
            lower_planes_loop(x[batch], mesh.inverse_spacing[0], mesh.cells[0], planes[batch])

        backend.for_each(slices_of(len(x), _BATCH), work)
    return planes


def sort_by_tile(position: Any, momentum: Any, identity: Any, mesh: Mesh, backend: CPU | GPU) -> None:
    """Put particles, in place, in the order of tiles of cells, and in each in the order of memory: on a card alone.

    There a block of threads takes particles side by side, and sums what they add to the cells that they share: at
    random a deposit takes ten times as long. To spare memory 2^26 particles are moved at a time.
    """
    if backend.name == "cpu":
        return
    dtype = np.int32 if prod(n + side for n, side in zip(mesh.cells, TILE, strict=True)) < 2**31 else np.int64
    count = len(identity)
    places = backend.xp.empty(count, np.int64)
    arguments = (count, position, *map(Double, mesh.inverse_spacing), *mesh.cells, places)
    backend.launch("particle_mesh", "places_in_tiles", np.float64, count, arguments)
    places = places.astype(dtype)
    for part in slices_of(count, _SORTED):
        # a stable order, as CuPy's always is
        order = backend.xp.argsort(places[part], kind="stable")
        for values in (*position, *momentum, identity):
            values[part] = values[part][order]


def deposit_clouds(position: Any, mesh: Mesh, mass: Any, backend: CPU | GPU) -> None:
    """Add particles to a mesh, cloud in cell, in units of 1/FIXED_POINT.

    position  with lower planes in the slab
    mass      int64, (planes + 1, ny, nz), added to: the slab and the plane that follows it; up to 2^27 particles a cell
    """
    count = position.shape[1]
    if backend.name == "gpu":
        scale = map(Double, mesh.inverse_spacing)
        arguments = (count, position, *scale, *mesh.cells, mesh.x_first, mass)
        backend.launch("particle_mesh", "deposit_clouds", np.float64, count, arguments)
        return
    # each thread has planes of its own, to which it adds what touches them
    parts = min(backend.threads, len(mass))
    shares = [(len(mass) * part // parts, len(mass) * (part + 1) // parts) for part in range(parts)]

    def work(share: tuple[int, int]) -> None:
        deposit_clouds_loop(position, mesh.inverse_spacing, mesh.cells, mesh.x_first, share, mass)

    backend.for_each(shares, work)


def push(
    position: Any,
    momentum: Any,
    mesh: Mesh,
    forces: Any,
    beyond: Any,
    kick: float,
    drift: float,
    backend: CPU | GPU,
    mass: Any = None,
) -> Any:
    """Add kick times the force at each particle, cloud in cell, to its momentum, then drift times that to its position.

    The rest as for prepare_push.
    """
    return prepare_push(position, momentum, mesh, forces, beyond, backend, mass)(kick, drift)


def prepare_push(
    position: Any,
    momentum: Any,
    mesh: Mesh,
    forces: Any,
    beyond: Any,
    backend: CPU | GPU,
    mass: Any = None,
) -> Callable[[float, float], Any]:
    """What push does, as a function of kick and drift: a card has nothing to do between their being known and the push.

    forces  along x, y, z: three arrays (planes, ny, length), nz of whose lines count
    beyond  the plane that follows them, (3, ny, length)
    mass    to which the particles are then added as by deposit_clouds, where it is given: the slab is the whole mesh
    Positions are wrapped into the box; where drift is 0 they stay. Returns the largest size of a momentum along an
    axis, as largest_size does.
    """
    count = position.shape[1]
    if backend.name == "gpu":
        return _prepare_push_on_card(position, momentum, mesh, forces, beyond, backend, mass)

    def push_here(kick: float, drift: float) -> float:
        found = {}

        def work(batch: slice) -> None:
            some = batch.start, batch.stop
            slab = mesh.inverse_spacing, mesh.cells, mesh.x_first
            found[batch.start] = push_loop(position, *slab, *forces, beyond, kick, some, momentum)
            if drift != 0:
                move_loop(position, momentum, drift, mesh.sides, some)

        backend.for_each(slices_of(count, _BATCH), work)
        if mass is not None:
            deposit_clouds(position, mesh, mass, backend)
        return float(np.max([0.0, *found.values()]))

    return push_here


def _prepare_push_on_card(
    position: Any, momentum: Any, mesh: Mesh, forces: Any, beyond: Any, card: GPU, mass: Any
) -> Callable[[float, float], Any]:
    """prepare_push of particles on a card."""
    count, xp = position.shape[1], card.xp
    if count == 0:
        return lambda kick, drift: xp.zeros(())
    largest = xp.empty(-(-count // THREADS_PER_BLOCK))  # a block writes one
    box = map(Double, (*mesh.inverse_spacing, *mesh.sides))
    slab = *mesh.cells, mesh.x_first, len(forces[0])
    arguments = count, position, momentum, *box, *slab, *forces, beyond, beyond.shape[2], largest
    name, more = ("push", ()) if mass is None else ("push_and_deposit", (mass,))
    run = card.prepare("particle_mesh", name, beyond.dtype, count, (*arguments, *more))

    def push_there(kick: float, drift: float) -> Any:
        run(Double(kick), Double(drift))
        return largest.max()

    return push_there


def move(position: Any, momentum: Any, factor: float, sides: tuple[float, float, float], backend: CPU | GPU) -> None:
    """position + factor momentum, in place, wrapped into [0, side)."""
    count = position.shape[1]
    if backend.name == "gpu":
        arguments = (count, position, momentum, backend.to_device(np.array([*sides, factor])))
        backend.launch("particle_mesh", "move", np.float64, count, arguments)
        return
    backend.for_each(
        slices_of(count, _BATCH), lambda batch: move_loop(position, momentum, factor, sides, (batch.start, batch.stop))
    )


@njit(inline="always", **_OPTIONS)
def _cloud(position, inverse_spacing, cells):
    """Lower cell of a cloud-in-cell weight along an axis, in [0, cells), and the weight of the upper one."""
    at = position * inverse_spacing - 0.5
    floor = np.floor(at)
    cell = np.int64(floor)
    return (cell + cells if cell < 0 else cell), at - floor


@njit(**_OPTIONS)
def lower_planes_loop(x, inverse_spacing, cells, planes):
    """lower_planes on the CPU: of x, into planes."""
    for n in range(len(x)):
        planes[n], _ = _cloud(x[n], inverse_spacing, cells)


@njit(**_OPTIONS)
def deposit_clouds_loop(position, inverse_spacing, cells, x_first, share, mass):
    """deposit_clouds on the CPU; share  first plane of mass to add to, and the one after the last."""
    ny, nz = cells[1], cells[2]
    first, last = share
    flat = mass.reshape(-1)
    x, y, z = position[0], position[1], position[2]
    for n in range(len(x)):
        i, u = _cloud(x[n], inverse_spacing[0], cells[0])
        i -= x_first
        if i + 1 < first or i >= last:
            continue
        j, v = _cloud(y[n], inverse_spacing[1], ny)
        m, w = _cloud(z[n], inverse_spacing[2], nz)
        j_next = j + 1 if j + 1 < ny else 0
        m_next = m + 1 if m + 1 < nz else 0
        for side in range(2):
            if i + side < first or i + side >= last:
                continue
            along = (u if side else 1 - u) * FIXED_POINT
            near, far = ((i + side) * ny + j) * nz, ((i + side) * ny + j_next) * nz
            # unsigned: no test for counts from the end
            flat[np.uint64(near + m)] += np.int64(along * (1 - v) * (1 - w) + 0.5)
            flat[np.uint64(near + m_next)] += np.int64(along * (1 - v) * w + 0.5)
            flat[np.uint64(far + m)] += np.int64(along * v * (1 - w) + 0.5)
            flat[np.uint64(far + m_next)] += np.int64(along * v * w + 0.5)


@njit(inline="always", **_OPTIONS)
def _in_plane(cells, near, far, m, m_next, v, w):
    """Value of a plane, flat, between the cells of two lines that begin at near and far."""
    return (1 - v) * ((1 - w) * cells[np.uint64(near + m)] + w * cells[np.uint64(near + m_next)]) + v * (
        (1 - w) * cells[np.uint64(far + m)] + w * cells[np.uint64(far + m_next)]
    )


@njit(**_OPTIONS)
def push_loop(position, inverse_spacing, cells, x_first, force_x, force_y, force_z, beyond, kick, some, momentum):
    """The kick of push on the CPU for particles from some[0] to some[1]; returns the largest size of a momentum."""
    ny, nz = cells[1], cells[2]
    planes, length = len(force_x), force_x.shape[2]
    flat_x, flat_y, flat_z = force_x.reshape(-1), force_y.reshape(-1), force_z.reshape(-1)
    beyond_x, beyond_y, beyond_z = beyond[0].reshape(-1), beyond[1].reshape(-1), beyond[2].reshape(-1)
    x, y, z = position[0, some[0] : some[1]], position[1, some[0] : some[1]], position[2, some[0] : some[1]]
    px, py, pz = momentum[0, some[0] : some[1]], momentum[1, some[0] : some[1]], momentum[2, some[0] : some[1]]
    largest = 0.0
    for n in range(len(x)):
        i, u = _cloud(x[n], inverse_spacing[0], cells[0])
        j, v = _cloud(y[n], inverse_spacing[1], ny)
        m, w = _cloud(z[n], inverse_spacing[2], nz)
        i -= x_first
        j_next = j + 1 if j + 1 < ny else 0
        m_next = m + 1 if m + 1 < nz else 0
        near, far = (i * ny + j) * length, (i * ny + j_next) * length
        fx = (1 - u) * _in_plane(flat_x, near, far, m, m_next, v, w)
        fy = (1 - u) * _in_plane(flat_y, near, far, m, m_next, v, w)
        fz = (1 - u) * _in_plane(flat_z, near, far, m, m_next, v, w)
        if i + 1 < planes:
            near, far = near + ny * length, far + ny * length
            fx += u * _in_plane(flat_x, near, far, m, m_next, v, w)
            fy += u * _in_plane(flat_y, near, far, m, m_next, v, w)
            fz += u * _in_plane(flat_z, near, far, m, m_next, v, w)
        else:
            near, far = j * length, j_next * length
            fx += u * _in_plane(beyond_x, near, far, m, m_next, v, w)
            fy += u * _in_plane(beyond_y, near, far, m, m_next, v, w)
            fz += u * _in_plane(beyond_z, near, far, m, m_next, v, w)
        px[n] += kick * fx
        py[n] += kick * fy
        pz[n] += kick * fz
        for p in (px[n], py[n], pz[n]):
            size = abs(p)
            # not a number stays
            if size > largest or size != size:
                largest = size
    return largest


@njit(**_OPTIONS)
def move_loop(position, momentum, factor, sides, some):
    """move on the CPU for particles from some[0] to some[1]."""
    for axis in range(3):
        side = sides[axis]
        x, p = position[axis, some[0] : some[1]], momentum[axis, some[0] : some[1]]
        for n in range(len(x)):
            at = x[n] + factor * p[n]
            at -= side * np.floor(at / side)
            # what was negative by less than round-off is now the side itself
            x[n] = at if at < side else 0.0
