"""Filaments in boxes: extruded against direct, averages, images, masses, exact moves, error bounds."""

from itertools import product

import numpy as np
import pytest
from scipy.special import erf

from gpu_fdm.fields.box import Box, Placement, averaged_ends, image_distance, images
from gpu_fdm.fields.cross_section import psi_at, tabulate
from gpu_fdm.fields.extruded import tabulate_extruded, tabulate_mean
from gpu_fdm.fields.fill import fill, tabulate_direct
from gpu_fdm.parallel.backend import CPU

UNIT = 0.0137  # cMpc/h for the code unit of length, as for m22 = 1
BOX = Box((0.70, 0.65, 1.10), (33, 30, 50))
TILTED = Placement((0.1, 0.6, 0.5), (0.3, 0.2, 1.0), (1.0, 0.0, 0.0), 0.8)


def filled(wave, box, placement, source, dtype=np.float64, backend=None):
    fields = np.zeros((2, *box.cells), dtype)
    if backend is not None:
        fields = backend.to_device(fields)
    fill(fields[0], fields[1], box, placement, source, UNIT, backend=backend)
    return fields if backend is None else backend.to_host(fields)


def brute_force(wave, box, placement):
    """Both densities by the definition: psi in every cell, over all images, with NumPy alone."""
    table, mean = tabulate(wave, tolerance=1e-11), tabulate_mean(wave, 1e-11)
    axes = [
        (np.arange(n) + 0.5) * side / n - c for n, side, c in zip(box.cells, box.size, placement.centre, strict=True)
    ]
    position = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    total = np.zeros((2, *box.cells))
    for shift in product((-2, -1, 0, 1, 2), repeat=3):
        u, v, z = np.moveaxis((position - np.array(shift) * box.size) @ placement.basis.T, -1, 0)
        radius = np.hypot(u, v) / UNIT
        near = (radius < wave.library.radius_max) & (np.abs(z) < placement.axial_reach)
        if not near.any():
            continue
        depth = placement.end_sharpness * (placement.length / 2 - np.abs(z[near]))
        end = (1 + erf(depth)) / 2
        total[0][near] += end * np.abs(psi_at(table, u[near] / UNIT, v[near] / UNIT)) ** 2
        total[1][near] += end * mean.at(radius[near])
    return total


@pytest.fixture(scope="module")
def reference(wave):
    return brute_force(wave, BOX, TILTED)


def test_direct_is_the_definition(wave, reference, backend):
    fields = filled(wave, BOX, TILTED, tabulate_direct(wave), backend=backend)
    assert np.max(np.abs(fields - reference)) < 1e-7 * reference.max()


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6, 1e-8])
def test_extruded_agrees_with_direct_to_the_stated_error(wave, reference, tolerance, backend):
    section = tabulate_extruded(wave, tolerance=tolerance)
    assert section.error <= tolerance
    fields = filled(wave, BOX, TILTED, section, backend=backend)
    assert np.max(np.abs(fields[0] - reference[0])) < tolerance * reference[0].max()
    assert np.max(np.abs(fields[1] - reference[1])) < tolerance * reference[1].max()


def test_at_another_time(wave):
    time = 0.05
    section, direct = tabulate_extruded(wave, time), tabulate_direct(wave, time)
    box = Box((0.7, 0.65, 0.5), (20, 21, 9))
    placement = Placement((0.3, 0.3, 0.2), (0.0, 0.0, 1.0), (1.0, 1.0, 0.0), 0.4)
    extruded, exact, before = (filled(wave, box, placement, s) for s in (section, direct, tabulate_direct(wave)))
    assert np.max(np.abs(extruded - exact)) < 1e-5 * exact.max()
    assert np.max(np.abs(exact[0] - before[0])) > 0.1 * exact[0].max()
    assert np.array_equal(exact[1], before[1])


def test_single_precision(wave, reference, backend):
    fields = filled(wave, BOX, TILTED, tabulate_extruded(wave, dtype=np.float32), np.float32, backend)
    assert np.max(np.abs(fields - reference)) < 2e-5 * reference.max()


@pytest.mark.parametrize(
    "placement",
    [
        TILTED,
        Placement((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), 1.0),  # through the corner
        Placement((0.35, 0.3, 1.09), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), 0.65),
        Placement((0.69, 0.3, 0.0), (-1.0, 2.0, 0.5), (0.0, 0.0, 1.0), 0.7, 20.0),
    ],
)
def test_mass(wave, placement):
    """Cells that resolve the fringes hold line mass times length, wherever the filament lies."""
    box = Box(BOX.size, (96, 90, 150))
    expected = wave.line_mass * UNIT**2 * placement.length
    for dtype, tolerance in ((np.float64, 1e-5), (np.float32, 1e-5)):
        fields = filled(wave, box, placement, tabulate_extruded(wave, dtype=dtype), dtype)
        mass = fields.mean(axis=(1, 2, 3), dtype=np.float64) * box.volume
        assert mass == pytest.approx(expected, rel=tolerance)


def test_move_by_whole_cells_is_exact(wave):
    section = tabulate_extruded(wave)
    shift = np.array([7, -11, 25])
    moved = Placement(
        tuple(np.array(TILTED.centre) + shift * BOX.spacing), TILTED.direction, TILTED.orientation, TILTED.length
    )
    here, there = filled(wave, BOX, TILTED, section), filled(wave, BOX, moved, section)
    assert np.array_equal(np.roll(here, shift, axis=(1, 2, 3)), there)


def test_slabs_and_threads_make_no_difference(wave):
    section = tabulate_extruded(wave)
    whole = filled(wave, BOX, TILTED, section)
    parts = np.zeros_like(whole)
    for first, last in ((0, 1), (1, 14), (14, 33)):
        slab = np.zeros((2, last - first, *BOX.cells[1:]))
        fill(slab[0], slab[1], BOX, TILTED, section, UNIT, first, CPU(threads=3))
        parts[:, first:last] = slab
    assert np.array_equal(parts, whole)


def test_cell_averages(wave):
    """Averages over coarse cells against Gauss quadrature of the definition inside single cells."""
    box = Box((0.7, 0.65, 1.1), (23, 20, 30))
    cell = np.diag(box.spacing / UNIT) @ TILTED.basis[:2].T
    section = tabulate_extruded(wave, tolerance=1e-6, cell=cell)
    fields = filled(wave, box, averaged_ends(TILTED, box), section)
    table, mean = tabulate(wave, tolerance=1e-10), tabulate_mean(wave, 1e-10)
    x, w = np.polynomial.legendre.leggauss(24)
    weight = w[:, None, None] * w[None, :, None] * w[None, None, :] / 8
    offset = np.stack(np.meshgrid(x, x, x, indexing="ij"), axis=-1) * box.spacing / 2
    rng = np.random.default_rng(5)
    peak, worst = fields.max(), 0.0
    for along in rng.uniform(-0.35, 0.35, 12):
        point = np.array(TILTED.centre) + along * TILTED.basis[2] + rng.normal(0, 0.03, 3)
        index = np.floor(point / box.spacing).astype(int)
        position = (index + 0.5) * box.spacing + offset - TILTED.centre
        u, v, z = np.moveaxis(position @ TILTED.basis.T, -1, 0)
        end = (1 + erf(TILTED.end_sharpness * (TILTED.length / 2 - np.abs(z)))) / 2
        exact = [
            np.sum(weight * end * np.abs(psi_at(table, u / UNIT, v / UNIT)) ** 2),
            np.sum(weight * end * mean.at(np.hypot(u, v) / UNIT)),
        ]
        found = fields[(slice(None), *(index % box.cells))]
        worst = max(worst, np.max(np.abs(found - exact)) / peak)
    # what remains is the change of the soft end across a cell that correlates with the density's
    assert worst < 3e-3
    mass = fields.mean(axis=(1, 2, 3)) * box.volume
    assert mass == pytest.approx(wave.line_mass * UNIT**2 * TILTED.length, rel=2e-4)


def test_averages_keep_the_mass_where_points_do_not(wave):
    box = Box((0.8, 0.8, 0.8), (9, 9, 9))
    placement = Placement((0.42, 0.4, 0.4), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), 0.5)
    cell = np.diag(box.spacing / UNIT) @ placement.basis[:2].T
    expected = wave.line_mass * UNIT**2 * placement.length
    averaged = filled(wave, box, averaged_ends(placement, box), tabulate_extruded(wave, cell=cell))
    sampled = filled(wave, box, placement, tabulate_extruded(wave))
    assert averaged[0].mean() * box.volume == pytest.approx(expected, rel=1e-3)
    assert abs(sampled[0].mean() * box.volume / expected - 1) > 1e-2


def test_images_of_a_slab_are_those_that_touch_it(wave):
    reach = 0.05
    placement = Placement((0.35, 0.3, 0.5), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), 0.5)
    assert len(images(BOX, placement, reach)) >= 1
    assert len(images(BOX, placement, reach, (0, 3))) == 0
    corner = Placement((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), 0.2)
    assert len(images(BOX, corner, reach)) == 8


def test_distance_to_own_images():
    along = Placement((0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), 0.8)
    assert image_distance(BOX, along) == pytest.approx(0.65)  # the next one along the axis lies behind, not beside
    across = Placement((0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), 0.01)
    assert image_distance(BOX, across) == pytest.approx(0.65)
    diagonal = Placement((0.0, 0.0, 0.0), (1.0, 0.0, 1.0), (0.0, 1.0, 0.0), 1.2)
    # (0.7, 0, 1.1) lies 0.2828 beside a diagonal axis and 1.2728 along it, (0.7, 0, 0) 0.495 beside it
    assert image_distance(BOX, diagonal) == pytest.approx(0.7 / np.sqrt(2))
    longer = Placement((0.0, 0.0, 0.0), (1.0, 0.0, 1.0), (0.0, 1.0, 0.0), 1.28)
    assert image_distance(BOX, longer) == pytest.approx(0.4 / np.sqrt(2))


def test_basis_is_right_handed():
    u, v, axis = TILTED.basis
    assert np.cross(u, v) == pytest.approx(axis)
    assert u @ axis == pytest.approx(0, abs=1e-15)
    with pytest.raises(ValueError, match="parallel"):
        _ = Placement((0, 0, 0), (1.0, 1.0, 0.0), (2.0, 2.0, 0.0), 1.0).basis


def test_cells_resolving():
    cells = Box((1.0, 2.0, 0.5), (10, 10, 10)).cells_resolving(100.0)
    for n, side in zip(cells, (1.0, 2.0, 0.5), strict=True):
        assert np.pi * n / side >= 100 and np.pi * (n * 0.9) / side < 100


def test_slab_of_another_box_is_refused(wave):
    with pytest.raises(ValueError, match="slabs"):
        fill(np.zeros((2, 3, 4)), np.zeros((2, 3, 4)), BOX, TILTED, tabulate_direct(wave), UNIT)
