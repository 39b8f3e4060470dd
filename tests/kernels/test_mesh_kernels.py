"""Particles on a mesh: the CUDA kernels give what the numba loops give, masses and cells bit for bit."""

import numpy as np
import pytest

from gpu_fdm.cosmology.background import Background
from gpu_fdm.kernels import mesh_passes, particle_mesh
from gpu_fdm.kernels.particle_mesh import FIXED_POINT, Mesh
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.integrator import Expanding, Times
from gpu_fdm.simulation.particle_mesh import MeshLimits, ParticleState, evolve_particles

SIDES = (3.0, 2.0, 1.0)
# a whole box, and a slab of one that has no first plane; sizes at which a particle touches a cell twice
MESHES = [((7, 6, 5), slice(0, 7)), ((9, 3, 2), slice(4, 7)), ((2, 1, 1), slice(0, 2))]
meshes = pytest.mark.parametrize("cells, planes", MESHES, ids=str)
ROUND_OFF = {np.float64: 1e-14, np.float32: 3e-7}
precisions = pytest.mark.parametrize("dtype", ROUND_OFF)


def mesh_of(cells, planes):
    return Mesh(tuple(n / side for n, side in zip(cells, SIDES, strict=True)), cells, planes.start, SIDES)


def particles(cells, planes, number=700):
    """Positions whose lower planes are in the slab, some on edges of cells, and momenta."""
    random, sides = np.random.default_rng(1), np.array(SIDES)[:, None]
    position = random.uniform(0, 1, (3, number)) * sides
    width = SIDES[0] / cells[0]
    first = (planes.start + 0.5) * width
    position[0] = (first + random.uniform(0, (planes.stop - planes.start) * width, number)) % SIDES[0]
    position[0, :3] = first, np.nextafter(first, 0), np.nextafter(planes.stop * width + 0.5 * width, 0) % SIDES[0]
    position[1:, :4] = [0, 1e-17, 0.5, np.nextafter(1, 0)] * sides[1:]
    plane = np.floor(position[0] * (cells[0] / SIDES[0]) - 0.5).astype(int) % cells[0]
    keep = (plane >= planes.start) & (plane < planes.stop)
    return np.ascontiguousarray(position[:, keep]), random.standard_normal((3, np.count_nonzero(keep)))


def places(position, cells):
    """Places of the lower cells in the order of tiles."""
    tile = np.array(particle_mesh.TILE)[:, None]
    lower = [np.floor(x * (n / side) - 0.5) % n for x, n, side in zip(position, cells, SIDES, strict=True)]
    lower, along = np.array(lower).astype(int), -(-np.array(cells) // particle_mesh.TILE)
    return np.ravel_multi_index([*(lower // tile), *(lower % tile)], [*along, *particle_mesh.TILE])


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("cells, planes", [*MESHES, ((18, 21, 70), slice(5, 12))], ids=str)
def test_masses_are_the_same_bit_for_bit(cuda, cells, planes, in_order):
    """In any order, where a block adds most particles alone, and in that of tiles, where it sums masses first."""
    position, _ = particles(cells, planes, 700 if cells[2] < 50 else 20000)
    if in_order:
        order = np.argsort(places(position, cells), kind="stable")
        position = np.concatenate([position[:, order], position[:, order[:300]]], axis=1)
    found = []
    for backend in (cuda, CPU(1), CPU(3)):
        mass = backend.to_device(np.full((planes.stop - planes.start + 1, *cells[1:]), -5))
        particle_mesh.deposit_clouds(backend.to_device(position), mesh_of(cells, planes), mass, backend)
        found.append(backend.to_host(mass))
        lower = particle_mesh.lower_planes(backend.to_device(position[0]), mesh_of(cells, planes), backend)
        wanted = np.floor(position[0] * (cells[0] / SIDES[0]) - 0.5) % cells[0]
        np.testing.assert_array_equal(backend.to_host(lower), wanted)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[2], found[1])
    # each particle has mass one; eight numbers are rounded
    total = found[1].sum() + 5 * found[1].size
    assert total == pytest.approx(position.shape[1] * FIXED_POINT, abs=4 * position.shape[1])


@pytest.mark.parametrize("padding", [0, 2])
@precisions
@meshes
def test_push(cuda, cells, planes, dtype, padding):
    """Kicks and drifts, and the largest momentum, against a linear interpolation by NumPy.

    padding  numbers at the end of the forces' lines, which mean nothing
    """
    position, momentum = particles(cells, planes)
    random, shape = np.random.default_rng(2), (planes.stop - planes.start, cells[1], cells[2] + padding)
    forces = [random.standard_normal(shape).astype(dtype) for _ in range(3)]
    beyond = random.standard_normal((3, *shape[1:])).astype(dtype)
    for values in (*forces, beyond):
        values[..., cells[2] :] = np.nan
    for drift in (0.0, 0.7):
        results = []
        for backend in (cuda, CPU(1), CPU(2)):
            x, p = (backend.to_device(values.copy()) for values in (position, momentum))
            on_device = [backend.to_device(force) for force in forces], backend.to_device(beyond)
            largest = particle_mesh.push(x, p, mesh_of(cells, planes), *on_device, 0.3, drift, backend)
            results.append((backend.to_host(x), backend.to_host(p), float(largest)))
        (x, p, largest), (x_cpu, p_cpu, largest_cpu), again = results
        np.testing.assert_allclose(p, p_cpu, rtol=0, atol=ROUND_OFF[np.float64] * np.abs(p_cpu).max())
        apart = np.abs(x - x_cpu)
        assert np.minimum(apart, np.array(SIDES)[:, None] - apart).max() < 1e-14
        assert largest == pytest.approx(largest_cpu, rel=1e-14) == np.abs(p_cpu).max()
        assert all(np.array_equal(one, two) for one, two in zip(again, results[1], strict=True))
        if drift == 0:
            np.testing.assert_array_equal(x, position)
        assert x.min() >= 0 and np.all(x.max(axis=1) < SIDES)
    at = [position[axis] * (cells[axis] / SIDES[axis]) - 0.5 for axis in range(3)]
    for axis in range(3):
        force = np.concatenate([forces[axis], beyond[axis : axis + 1]]).astype(float)
        expected = np.zeros(position.shape[1])
        for corner in np.ndindex(2, 2, 2):
            weight = np.prod([np.abs(1 - side - (u - np.floor(u))) for side, u in zip(corner, at, strict=True)], axis=0)
            i, j, k = (np.floor(u).astype(int) % n for u, n in zip(at, cells, strict=True))
            expected += (
                weight * force[i - planes.start + corner[0], (j + corner[1]) % cells[1], (k + corner[2]) % cells[2]]
            )
        np.testing.assert_allclose(p_cpu[axis], momentum[axis] + 0.3 * expected, rtol=0, atol=1e-13)


def test_sort_by_tile(cuda):
    """On a card: in the order of tiles, those of one place as they came. Elsewhere they stay."""
    position, momentum = particles(*MESHES[0])
    order = np.argsort(places(position, MESHES[0][0]), kind="stable")
    for backend, expected in ((cuda, order), (CPU(1), np.arange(len(order)))):
        given = [backend.to_device(values.copy()) for values in (position, momentum, np.arange(len(order)))]
        particle_mesh.sort_by_tile(*given, mesh_of(*MESHES[0]), backend)
        x, p, identity = map(backend.to_host, given)
        np.testing.assert_array_equal(identity, expected)
        np.testing.assert_array_equal(x, position[:, expected])
        np.testing.assert_array_equal(p, momentum[:, expected])


@precisions
def test_push_and_deposit(cuda, dtype):
    """In one call: what the two calls give, bit for bit, whose masses are those of the CPU."""
    cells = MESHES[0][0]
    mesh, (position, momentum) = mesh_of(*MESHES[0]), particles(*MESHES[0])
    forces, beyond = (
        np.random.default_rng(2).standard_normal((3, *cells)).astype(dtype),
        np.zeros((3, *cells[1:]), dtype),
    )
    beyond[...] = forces[:, 0]
    for backend in (cuda, CPU(2)):
        on_device = [backend.to_device(force) for force in forces], backend.to_device(beyond)
        found = []
        for together in (True, False):
            x, p = (backend.to_device(values.copy()) for values in (position, momentum))
            mass = backend.to_device(np.full((cells[0] + 1, *cells[1:]), 3))
            largest = particle_mesh.push(x, p, mesh, *on_device, 0.3, 0.7, backend, mass if together else None)
            if not together:
                particle_mesh.deposit_clouds(x, mesh, mass, backend)
            found.append([*map(backend.to_host, (x, p, mass)), float(largest)])
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)


def test_what_is_not_a_number_is_noticed(cuda):
    position, momentum = particles(*MESHES[0])
    momentum[1, 5] = np.nan
    zeros = [np.zeros(MESHES[0][0]) for _ in range(3)]
    for backend in (cuda, CPU(2)):
        arrays = [backend.to_device(values.copy()) for values in (position, momentum)]
        forces, beyond = [backend.to_device(force) for force in zeros], backend.to_device(np.zeros((3, 6, 5)))
        assert np.isnan(float(particle_mesh.push(*arrays, mesh_of(*MESHES[0]), forces, beyond, 1.0, 0.0, backend)))
        assert np.isnan(float(mesh_passes.largest_size([backend.to_device(momentum)], backend)))
        assert mesh_passes.largest_size([backend.to_device(-position)], backend) == position.max()
        lines = np.full((2, 3, 5), np.nan)
        lines[..., :3] = np.arange(-18, 0).reshape(2, 3, 3)
        two = [backend.to_device(np.nan_to_num(lines) * sign) for sign in (1, -1.5)]
        assert mesh_passes.largest_size([backend.to_device(lines)], backend, 3) == 18
        assert mesh_passes.largest_size(two, backend, 3) == 27
        assert mesh_passes.largest_size([backend.to_device(np.empty((3, 0)))], backend) == 0
        for number in range(3):
            three = [backend.to_device(np.full((2, 3, 5), 4.0 if n == number else -2.0)) for n in range(3)]
            assert mesh_passes.largest_size(three, backend, 3) == 4


def test_move(cuda):
    """Bit for bit the same, in the box from both sides of it."""
    position, momentum = particles(*MESHES[0])
    position[:, 0], momentum[:, 0] = 0, -1e-18
    found = []
    for backend in (cuda, CPU(2)):
        x = backend.to_device(position.copy())
        particle_mesh.move(x, backend.to_device(momentum), 3.0, SIDES, backend)
        found.append(backend.to_host(x))
    np.testing.assert_array_equal(*found)
    assert found[1].min() >= 0 and np.all(found[1].max(axis=1) < SIDES)
    turns = (position + 3 * momentum - found[1]) / np.array(SIDES)[:, None]
    np.testing.assert_allclose(turns, np.rint(turns), rtol=0, atol=1e-12)


@precisions
def test_density(cuda, dtype):
    """Bit for bit the same; padding of lines stays, and so does nothing of the masses."""
    mass = np.random.default_rng(5).integers(-(2**40), 2**40, (3, 5, 7))
    for backend in (cuda, CPU(2)):
        given, density = backend.to_device(mass.copy()), backend.to_device(np.full((3, 5, 9), 8, dtype))
        mesh_passes.to_density(given, 1 / 3e9, -4, density, backend)
        found = backend.to_host(density)
        np.testing.assert_array_equal(found[..., :7], (mass * (1 / 3e9)).astype(dtype))
        assert np.all(found[..., 7:] == 8) and np.all(backend.to_host(given) == -4)


@precisions
@pytest.mark.parametrize("shape", [(4, 3, 7), (9, 20, 5)], ids=str)
def test_gradient(cuda, shape, dtype):
    random = np.random.default_rng(3)
    modes = (random.standard_normal(shape) + 1j * random.standard_normal(shape)).astype(np.result_type(dtype, "c8"))
    green = random.standard_normal((shape[0] // 2 + 1, *shape[1:])).astype(dtype)
    rows = np.minimum(np.arange(shape[0]), shape[0] - np.arange(shape[0]))
    along = [random.standard_normal(number) for number in shape]
    broadcast = along[0][:, None, None], along[1][:, None], along[2]
    for backend in (cuda, CPU(2)):
        given = (backend.to_device(modes.copy()), backend.to_device(green), [*map(backend.to_device, along)])
        for found, k in zip(mesh_passes.gradient(*given, backend), broadcast, strict=True):
            expected = 1j * k * green[rows] * modes
            found = backend.to_host(found)
            assert found.dtype == modes.dtype
            np.testing.assert_allclose(found, expected, rtol=0, atol=ROUND_OFF[dtype] * np.abs(expected).max())


@pytest.mark.parametrize("order, planes", [(2, 7), (4, 7), (2, 64)])
@precisions
def test_a_run(cuda, order, planes, dtype):
    """All together: the same particles. Their mesh in single precision moves them by its round-off.

    planes  7 are transformed whole, with 64 lines go along x and back in one pass
    """
    grid = Grid((planes, 6, 5), SIDES)
    position, momentum = particles(grid.cells, slice(0, planes), 210)
    found = []
    for backend, kind in ((cuda, dtype), (CPU(1), np.float64)):
        arrays = (position.copy(), 0.2 * momentum, np.arange(position.shape[1]))
        begin = ParticleState(*map(backend.to_device, arrays), Times.start(0.1))
        options = {"order": order, "limits": MeshLimits(3.0, 3.0), "domain": Domain(grid.cells, backend=backend)}
        (last,) = evolve_particles(begin, grid, Expanding(Background(0.3)), [0.12], dtype=kind, **options)
        x, p, identity = map(backend.to_host, (last.position, last.momentum, last.identity))
        back = np.argsort(identity)
        np.testing.assert_array_equal(identity[back], np.arange(len(identity)))
        found.append((last.times.step, x[:, back], p[:, back]))
    (steps, x, p), (steps_cpu, x_cpu, p_cpu) = found
    assert steps == steps_cpu > 1
    apart, tolerance = np.abs(x - x_cpu), {np.float64: 1e-12, np.float32: 1e-5}[dtype]
    assert np.minimum(apart, np.array(SIDES)[:, None] - apart).max() < tolerance
    np.testing.assert_allclose(p, p_cpu, rtol=0, atol=tolerance)
