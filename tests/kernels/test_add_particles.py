"""The kernel that adds particles to a grid gives what the numba loops give, through cuda_on_cpu and on a GPU."""

from itertools import pairwise

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu

from gpu_fdm.errors import InputError
from gpu_fdm.fields.assignment import ASSIGNMENTS
from gpu_fdm.fields.box import Box
from gpu_fdm.fields.particles import ParticleGrid, deposit
from gpu_fdm.kernels.deposit import add_particles
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.spectra.particles import particle_spectrum

SIZE = (3.0, 2.0, 2.5)
GRIDS = [(12, 15, 10), (5, 1, 2), (1, 3, 4)]
# of the largest cell: the order of additions, of some hundreds in the smallest grids
ROUND_OFF = {np.float64: 1e-14, np.float32: 1e-5}

assignments = pytest.mark.parametrize("name", ASSIGNMENTS)
precisions = pytest.mark.parametrize("dtype", ROUND_OFF)


def particles(number, dtype=np.float64, seed=1):
    """Positions in and around the box, with weights."""
    random = np.random.default_rng(seed)
    positions = random.uniform(-1.3, 2.4, (number, 3)) * SIZE
    return positions.astype(dtype), random.uniform(0.1, 3, number).astype(dtype)


def assert_same(found, expected, dtype):
    assert found.dtype == expected.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUND_OFF[dtype] * expected.max())


@assignments
@precisions
@pytest.mark.parametrize("of_positions", [np.float32, np.float64])
@pytest.mark.parametrize("cells", GRIDS, ids=str)
def test_particles(cuda, name, dtype, of_positions, cells):
    positions, weights = particles(700, of_positions)
    options = {"shift": 0.5, "dtype": dtype}
    for given in (weights, None):
        found = deposit(positions, Box(SIZE, cells), name, weights=given, domain=Domain(cells, backend=cuda), **options)
        expected = deposit(
            positions, Box(SIZE, cells), name, weights=given, domain=Domain(cells, backend=CPU(1)), **options
        )
        assert_same(cuda.to_host(found), expected, dtype)


@precisions
def test_order_changes_nothing(cuda, dtype):
    """Particles are added as integers: the same bits, in whatever order threads arrive."""
    positions, weights = particles(500)
    weights[::3] *= -1e-3
    shuffle, box = np.random.default_rng(3).permutation(500), Box(SIZE, (12, 15, 10))
    domain = Domain(box.cells, backend=cuda)
    for given in (weights, None):
        grids = [
            cuda.to_host(
                deposit(
                    positions[some], box, weights=None if given is None else given[some], dtype=dtype, domain=domain
                )
            )
            for some in (slice(None), shuffle)
        ]
        np.testing.assert_array_equal(*grids)
    none = deposit(positions, box, weights=np.zeros(500), domain=domain)
    assert not none.any()


@assignments
def test_one_particle(cuda, name):
    """Nothing is added up: the cells are the twin's own, weights to round-off (a card fuses multiply and add)."""
    for position in particles(40)[0]:
        domains = [Domain((12, 15, 10), backend=backend) for backend in (cuda, CPU(1))]
        grids = [deposit(position[None], Box(SIZE, (12, 15, 10)), name, domain=domain) for domain in domains]
        np.testing.assert_allclose(cuda.to_host(grids[0]), grids[1], rtol=0, atol=1e-15)


@assignments
def test_slabs(cuda, name):
    """What falls on the planes of others is left out; slabs may be thinner than what a particle touches."""
    cells, order = (13, 6, 5), ASSIGNMENTS[name].order
    positions, weights = particles(300)
    box = Box(SIZE, cells)
    whole = deposit(positions, box, name, weights=weights, domain=Domain(box.cells, backend=CPU(1)))
    scale, offset = tuple(1 / box.spacing), -0.5 if order % 2 == 0 else 0.0
    for first, last in pairwise([0, 1, 3, 3, 9, 13]):
        for backend in (cuda, CPU(1)):
            slab = backend.to_device(np.zeros((last - first, *cells[1:])))
            assert add_particles(positions, scale, offset, cells, weights, order, first, slab, backend) == -1
            np.testing.assert_allclose(backend.to_host(slab), whole[first:last], rtol=0, atol=1e-14 * whole.max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -3e9])
def test_bad_positions(cuda, dtype, value):
    grid = ParticleGrid(Box(SIZE, (12, 15, 10)), domain=Domain((12, 15, 10), backend=cuda), batch=300)
    positions = particles(1000, dtype)[0]
    positions[[417, 419], 2] = value, np.nan
    with pytest.raises(InputError, match=r"^particle 417: position \(.*\): must be finite, within 2\^30 cells"):
        grid.add(positions)


def test_bad_weights(cuda):
    positions, weights = particles(1000)
    weights[417] = np.nan
    with pytest.raises(InputError, match=r"^particle 417: weight nan: must be finite"):
        domain = Domain((12, 15, 10), backend=cuda)
        deposit(cuda.to_device(positions), Box(SIZE, (12, 15, 10)), weights=cuda.to_device(weights), domain=domain)


@precisions
@pytest.mark.parametrize("interlaced", [False, True])
def test_spectrum(cuda, dtype, interlaced):
    positions, weights = particles(3000)
    box, options = Box(SIZE, (12, 15, 10)), {"interlaced": interlaced, "dtype": dtype, "mu_bins": 2}
    found = particle_spectrum([(positions, weights)], box, "cic", domain=Domain(box.cells, backend=cuda), **options)
    expected = particle_spectrum(
        [(positions, weights)], box, "cic", domain=Domain(box.cells, backend=CPU(1)), **options
    )
    np.testing.assert_array_equal(found.spectrum.modes, expected.spectrum.modes)
    np.testing.assert_allclose(found.shot_noise, expected.shot_noise, rtol=1e-12)
    scale = np.nanmax(expected.spectrum.power)
    tolerance = {np.float64: 1e-13, np.float32: 1e-5}[dtype]
    np.testing.assert_allclose(found.spectrum.power, expected.spectrum.power, rtol=0, atol=tolerance * scale)
    assert type(found.shot_noise) is type(found.spectrum.power) is np.ndarray


def test_no_particles():
    grid = ParticleGrid(Box(SIZE, (3, 4, 5)), domain=Domain((3, 4, 5), backend=CudaOnCpu()))
    grid.add(np.empty((0, 3)))
    assert not grid.slab.any()
