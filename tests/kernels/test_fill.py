"""The kernels that fill boxes and evaluate psi agree with the numba loops, through cuda_on_cpu and on a GPU."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.special import erfc, jv

from gpu_fdm.fields.axial import Axial, AxialTable
from gpu_fdm.fields.box import Box, Placement, images
from gpu_fdm.fields.cross_section import RadialTable, flow_at, psi_at
from gpu_fdm.fields.extruded import ExtrudedTable, MeanTable, tabulate_extruded
from gpu_fdm.fields.fill import Direct, fill
from gpu_fdm.fields.spline import radial_coefficients
from gpu_fdm.kernels.common import TAPS
from gpu_fdm.kernels.cylinders import soft_end_pieces
from gpu_fdm.kernels.fill import fill_extruded
from gpu_fdm.parallel.backend import CPU, GPU, THREADS_PER_BLOCK, gpu_count

# round-off, over the maximum; in float32 that of the loops, where the angle's comes back l times as large
ROUND_OFF = {np.float64: 1e-12, np.float32: 1e-5}
RADIUS_MAX = 3.0

precisions = pytest.mark.parametrize("dtype", ROUND_OFF)


def radial_table(l_count, dtype, radius_max=RADIUS_MAX, steps=384, seed=1):
    """A table of F_l ~ R^l at the axis that vanish smoothly at radius_max [L]; step 1/128 by default."""
    random = np.random.default_rng(seed)
    radius = np.linspace(0, radius_max, steps + 1)
    window = np.exp(-4 * (radius / (0.6 * radius_max)) ** 8)
    order = np.arange(l_count)
    values = np.zeros((steps + 1, 4, l_count))
    for wavenumber in np.linspace(20, 90, 5) * RADIUS_MAX / radius_max:
        wave = jv(order, wavenumber * radius[:, None]) * window[:, None]
        values += random.standard_normal((4, l_count)) * wave[:, None]
    coefficients = radial_coefficients(values, (-1.0) ** order)
    return RadialTable(coefficients.astype(dtype), radius_max / steps, radius_max, 90.0)


def positions(count, step):
    """Points inside, outside, on the edge, on the axis and nearer to it than gradients divide by R [L]."""
    x, y = np.random.default_rng(2).uniform(-1.1 * RADIUS_MAX, 1.1 * RADIUS_MAX, (2, count))
    x[:7] = 0, -0.0, 1e-4 * step, 0, RADIUS_MAX, 0, 0.2 * step
    y[:7] = 0, 0, 0, -2e-4 * step, 0, -RADIUS_MAX, 0.1 * step
    return x.astype(np.float32), y.astype(np.float32)  # the same points in both precisions


def difference(found, expected):
    """Largest difference over the largest value expected."""
    assert np.all(np.isfinite(expected))
    assert found.shape == expected.shape
    return np.max(np.abs(found - expected)) / np.max(np.abs(expected))


# psi


@precisions
@pytest.mark.parametrize("count", [7, THREADS_PER_BLOCK, 1000])
@pytest.mark.parametrize("l_count", [8, 24, 96])
def test_psi(cuda, l_count, count, dtype):
    table = radial_table(l_count, dtype)
    x, y = positions(count, table.step)
    found, expected = psi_at(table, x, y, cuda), psi_at(table, x, y, CPU(1))
    assert found.dtype == np.result_type(dtype, np.complex64)
    assert difference(found, expected) < ROUND_OFF[dtype]
    outside = np.hypot(x, y) >= RADIUS_MAX
    assert 0 < np.count_nonzero(outside) < count
    assert np.all(found[outside] == 0)


@precisions
@pytest.mark.parametrize("count", [7, THREADS_PER_BLOCK, 1000])
@pytest.mark.parametrize("l_count", [8, 24, 96])
def test_psi_and_gradient(cuda, l_count, count, dtype):
    table = radial_table(l_count, dtype)
    x, y = positions(count, table.step)
    found, expected = flow_at(table, x, y, cuda), flow_at(table, x, y, CPU(1))
    for name in ("psi", "psi_x", "psi_y"):
        assert difference(getattr(found, name), getattr(expected, name)) < ROUND_OFF[dtype], name
    outside = np.hypot(x, y) >= RADIUS_MAX
    assert np.all(found.psi_x[outside] == 0)
    assert np.all(found.psi_y[outside] == 0)


def test_single_precision_holds_up_to_large_l(cuda):
    """Round-off of radius and angle comes back l times as large; in double they leave a few eps = 6e-8."""
    l_count = 200
    table = radial_table(l_count, np.float32)
    exact = RadialTable(table.coefficients.astype(float), table.step, table.radius_max, table.wavenumber_max)
    x, y = positions(1000, table.step)
    assert difference(psi_at(table, x, y, cuda), psi_at(exact, x, y, CPU(1))) < 1e-6


@pytest.mark.parametrize("count", [7, THREADS_PER_BLOCK, 1000])
def test_mean_density(cuda, count):
    steps, random = 40, np.random.default_rng(4)
    mean = MeanTable(random.uniform(0, 1, steps + TAPS), RADIUS_MAX / steps, RADIUS_MAX)
    radius = random.uniform(0, 1.2 * RADIUS_MAX, count)
    radius[:4] = 0, RADIUS_MAX, np.nextafter(RADIUS_MAX, 0), 0.1
    found, expected = (backend.to_host(mean.at(radius, backend)) for backend in (cuda, CPU(1)))
    assert difference(found, expected) < ROUND_OFF[np.float64]
    assert np.all((found == 0) == (radius >= RADIUS_MAX))


@precisions
@pytest.mark.parametrize("cell", [None, [(0.02, 0.01), (-0.01, 0.03), (0.0, 0.02)]])
def test_cross_sections_are_tabulated_on_the_backend(cuda, wave, cell, dtype):
    found, expected = (tabulate_extruded(wave, 0.7, 1e-4, dtype, cell, backend) for backend in (cuda, CPU(1)))
    assert isinstance(found.coefficients, cuda.xp.ndarray)
    assert difference(cuda.to_host(found.coefficients), expected.coefficients) < ROUND_OFF[dtype]
    assert (found.step, found.reach) == (expected.step, expected.reach)
    assert found.error == pytest.approx(expected.error, rel=1e-9)
    np.testing.assert_array_equal(found.on(CPU(1)).coefficients, cuda.to_host(found.coefficients))


@pytest.mark.gpu
@precisions
def test_results_lie_where_the_positions_are(dtype):
    """CuPy arrays are computed on their card and give CuPy arrays; others give NumPy, wherever they are computed."""
    if gpu_count() == 0:
        pytest.skip("no CUDA device that CuPy can use")
    gpu, table = GPU(), radial_table(24, dtype)
    x, y = positions(1000, table.step)
    expected, flow = psi_at(table, x, y), flow_at(table, x, y)
    for backend in None, gpu, CPU(1):
        on_card = psi_at(table, gpu.to_device(x), y, backend), flow_at(table, x, gpu.to_device(y), backend)
        assert all(isinstance(array, gpu.xp.ndarray) for array in (on_card[0], on_card[1].psi))
        assert difference(on_card[0].get(), expected) < ROUND_OFF[dtype]
        for name in ("density", "phase", "momentum_density", "vorticity"):
            difference_of = getattr(on_card[1], name).get() - getattr(flow, name)
            assert difference_of.shape == getattr(flow, name).shape
            if name != "phase":
                assert np.max(np.abs(difference_of)) < 30 * ROUND_OFF[dtype] * np.max(np.abs(getattr(flow, name)))
        assert isinstance(on_card[1].velocity, gpu.xp.ndarray)
    with pytest.raises(ValueError, match="finite"):
        psi_at(table, gpu.xp.full(3, np.nan), 0.0)
    assert isinstance(psi_at(table, x, y, gpu), np.ndarray)
    grid = psi_at(table, gpu.to_device(x[:5])[:, None], gpu.to_device(y[:7]))
    assert grid.shape == (5, 7)
    tabulated = RadialTable(gpu.to_device(table.coefficients), table.step, RADIUS_MAX, 90.0)
    np.testing.assert_array_equal(psi_at(tabulated, x, y), expected)


@pytest.mark.gpu
@pytest.mark.parametrize("kernel", ["fill_extruded", "fill_direct", "fill_axial"])
def test_a_slab_of_cupy_is_filled_on_its_card(kernel):
    if gpu_count() == 0:
        pytest.skip("no CUDA device that CuPy can use")
    gpu, source = GPU(), SOURCES[kernel](np.float64)
    before = np.random.default_rng(5).uniform(-1, 1, (2, PLANES, *BOX.cells[1:]))
    slab = gpu.to_device(before.copy())
    fill(slab[0], slab[1], BOX, placement(DIRECTIONS["tilted"]), source, LENGTH_UNIT, X_FIRST)
    assert difference(slab.get(), filled(CPU(1), source, DIRECTIONS["tilted"], before)) < ROUND_OFF[np.float64]
    with pytest.raises(ValueError, match="both must be CuPy arrays"):
        fill(slab[0], before[1], BOX, placement(DIRECTIONS["tilted"]), source, LENGTH_UNIT, X_FIRST)


# filling


BOX = Box((2.6, 1.9, 3.1), (13, 10, 17))
X_FIRST, PLANES = 4, 5  # not a multiple of the threads of a block, by a whole plane
LENGTH_UNIT = 0.8
DIRECTIONS = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1), "tilted": (0.6, -0.5, 0.7)}


def placement(direction):
    """A filament longer than the box, so that several of its images cross the slab, with soft ends inside."""
    return Placement((0.93, 1.62, 2.87), direction, (0.3, 0.8, 0.45), length=3.9, sharpness=3.0)


def section(dtype):
    """Random coefficients, at the reach and beyond it too."""
    points, step = 48, 0.03
    coefficients = np.random.default_rng(3).uniform(-1, 2, (points, 2 * points)).astype(dtype)
    return ExtrudedTable(coefficients, step, reach=(points // 2 - TAPS) * step - 0.0123, error=0.0)


def direct(dtype):
    """psi that vanishes at the reach, and a mean density that does not."""
    reach, steps = 0.57, 40
    psi = radial_table(24, dtype, radius_max=reach, steps=384)
    mean = np.random.default_rng(4).uniform(0, 1, steps + TAPS)
    return Direct(psi, MeanTable(mean, reach / steps, reach))


class AxialPieces(Axial):
    """Random coefficients of psi on three pieces of the axis, at the reach too [L]."""

    reach = 0.57

    def pieces(self, axial_reach):
        return list(pairwise(np.linspace(-axial_reach, axial_reach, 4)))

    def table(self, low, high):
        step, rows = (high - low) / 20.5, 64
        coefficients = np.random.default_rng(7).uniform(-1, 1, (21 + TAPS, rows + TAPS, 4, 24)).astype(self.dtype)
        return AxialTable(coefficients, low, step, self.reach / rows, low, high)


def axial(dtype):
    """psi and a mean density on pieces of the axis."""
    return AxialPieces(None, direct(dtype).mean, 0.0, 1e-6, dtype)


SOURCES = {"fill_extruded": section, "fill_direct": direct, "fill_axial": axial}


def filled(backend, source, direction, before):
    """Both densities after fill, shape (2, PLANES, ny, nz)."""
    fdm, smooth = (backend.to_device(field.copy()) for field in before)
    fill(fdm, smooth, BOX, placement(direction), source, LENGTH_UNIT, X_FIRST, backend)
    return np.array([backend.to_host(fdm), backend.to_host(smooth)])


@precisions
@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("kernel", SOURCES)
def test_fill(cuda, kernel, direction, dtype):
    source = SOURCES[kernel](dtype)
    slab = (PLANES, *BOX.cells[1:])
    assert len(images(BOX, placement(direction), source.reach * LENGTH_UNIT, (X_FIRST, X_FIRST + PLANES))) > 1
    before = np.random.default_rng(5).uniform(-1, 1, (2, *slab)).astype(dtype)
    found, expected = (filled(backend, source, direction, before) for backend in (cuda, CPU(1)))
    assert found.dtype == dtype
    for number in range(2):
        assert difference(found[number], expected[number]) < ROUND_OFF[dtype]
    changed = np.any(expected != before, axis=0)
    assert 0.05 < np.mean(changed) < 0.95


@pytest.mark.parametrize("direction", DIRECTIONS.values(), ids=DIRECTIONS)
@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 3, 1), (3, 5, 7), (2, 4, 8), (4, 6, 33), (1, 9, 64)])
def test_boxes_of_any_shape(cuda, cells, direction):
    """Lines and cells that do not fill a warp, a filament that begins and ends between cells, images at the faces."""
    box, source = Box((1.1, 1.3, 1.7), cells), section(np.float64)
    for centre in (0.0, 0.0, 0.0), tuple(box.size), (0.55, 0.001, 1.699):
        at = Placement(centre, direction, (0.3, 0.8, 0.45), length=0.9, sharpness=20.0)
        for first in range(cells[0]):
            fields = []
            for backend in cuda, CPU(1):
                fields.append([backend.to_device(np.full((1, *cells[1:]), 0.5)) for _ in range(2)])
                fill(*fields[-1], box, at, source, LENGTH_UNIT, first, backend)
            for found, expected in zip(*fields, strict=True):
                assert difference(cuda.to_host(found), expected) < ROUND_OFF[np.float64]


@precisions
def test_images_add_in_their_order(cuda, dtype):
    """All images of a filament at once leave the bits of one image after the other."""
    source = section(dtype)
    touching = images(BOX, placement(DIRECTIONS["tilted"]), source.reach, (X_FIRST, X_FIRST + PLANES))
    together, in_turn = (
        [cuda.to_device(np.zeros((PLANES, *BOX.cells[1:]), dtype)) for _ in range(2)] for _ in range(2)
    )
    rest = source.coefficients, 1 / source.step, source.reach, (1.9, 3.0, 3.9), cuda
    fill_extruded(*together, X_FIRST, BOX.spacing, touching, *rest)
    for number in range(len(touching)):
        fill_extruded(*in_turn, X_FIRST, BOX.spacing, touching[number : number + 1], *rest)
    assert len(touching) > 4
    assert np.count_nonzero(cuda.to_host(together[0])) > 100
    for found, expected in zip(together, in_turn, strict=True):
        np.testing.assert_array_equal(cuda.to_host(found), cuda.to_host(expected))


@pytest.mark.parametrize("kernel", SOURCES)
def test_cells_out_of_reach_are_not_written(cuda, kernel):
    source = SOURCES[kernel](np.float64)
    before = np.full((2, PLANES, *BOX.cells[1:]), -0.0)  # adding nothing to it would make it +0
    found, expected = (filled(backend, source, DIRECTIONS["tilted"], before) for backend in (cuda, CPU(1)))
    untouched = np.signbit(expected) & (expected == 0)
    assert 0.1 < np.mean(untouched) < 0.9
    assert np.all(np.signbit(found[untouched]))
    assert np.all(found[untouched] == 0)


def extruded(cuda, dtype, x_first, filaments):
    """Both densities of a small box, filaments centred anywhere, by the kernel and by its twin in float64."""
    cells, spacing, reach = 12, np.full(3, 0.125), 0.5
    ends = (1e4, 1.0, 2e4)
    coefficients = section(dtype).coefficients

    def densities(backend, precision):
        fields = [backend.to_device(np.zeros((cells,) * 3, precision)) for _ in range(2)]
        source = coefficients.astype(precision), 32.0
        fill_extruded(*fields, x_first, spacing, filaments, *source, reach, ends, backend)
        return np.array([backend.to_host(field) for field in fields])

    return densities(cuda, dtype), densities(CPU(1), float)


def test_soft_ends_reach_zero_from_above():
    """A density is never below zero, where an end has faded to round-off."""
    pieces, t = soft_end_pieces(), np.linspace(0, 1, 9)[:, None]
    found = pieces[:, 0] + t * (pieces[:, 1] + t * (pieces[:, 2] + t * pieces[:, 3]))
    depth = -6 + 12 * (np.arange(len(pieces)) + t) / len(pieces)
    assert found == pytest.approx(erfc(-depth) / 2, rel=1e-8)
    assert found.min() > 0


def test_single_precision_keeps_the_section_in_place(cuda):
    """Thousands of cells from the centre, the terms of a position across the axis are large and cancel."""
    basis = placement(DIRECTIONS["tilted"]).basis
    centre = np.round(6 - 5000 * basis[2])
    filaments = np.array([[*centre, 0.3, -0.1, 0.7, *basis.ravel()]])
    assert difference(*extruded(cuda, np.float32, 0, filaments)) < 1e-6  # a few eps


@precisions
def test_filling_far_from_the_origin(cuda, dtype):
    """Moved by whole cells, however many, a filament fills the very same numbers."""
    basis = placement(DIRECTIONS["tilted"]).basis
    near, far = (
        extruded(cuda, dtype, x_first, np.array([[6 + x_first, 5, 7, 0.3, 0.1, 0.7, *basis.ravel()]]))[0]
        for x_first in (0, 10**9)
    )
    assert np.any(near != 0)
    np.testing.assert_array_equal(near, far)
