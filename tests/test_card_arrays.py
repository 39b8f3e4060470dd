"""Public functions compute where their arrays are: CuPy arrays in, CuPy arrays out, the numbers of NumPy arrays."""

import numpy as np
import pytest

from gpu_fdm.parallel.backend import GPU, gpu_count, on_card
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.integrator import Static, Times
from gpu_fdm.simulation.particle_mesh import ParticleState, evolve_particles
from gpu_fdm.simulation.schroedinger_poisson import Alarms, WaveState, evolve_wave
from gpu_fdm.spectra.correlation import correlation_function
from gpu_fdm.spectra.power import power_spectrum

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(gpu_count() == 0, reason="no CUDA device that CuPy can use")]
CELLS = (64, 12, 10)


def density(seed=1):
    return 2 + 0.5 * np.random.default_rng(seed).standard_normal(CELLS)


def test_spectra():
    gpu = GPU()
    first, second = density(), density(2)
    found = power_spectrum(gpu.to_device(first), 3.0, other=gpu.to_device(second), mu_bins=2)
    expected = power_spectrum(first, 3.0, other=second, mu_bins=2)
    np.testing.assert_array_equal(found.modes, expected.modes)
    np.testing.assert_allclose(found.power, expected.power, atol=1e-12 * np.nanmax(np.abs(expected.power)))
    found, expected = (correlation_function(field, 3.0) for field in (gpu.to_device(first), first))
    np.testing.assert_allclose(found.correlation, expected.correlation, rtol=0, atol=1e-14)


def test_wave():
    gpu, grid = GPU(), Grid(CELLS, (6.4, 1.2, 1.0))
    psi = np.sqrt(density()) * np.exp(1j * np.random.default_rng(3).uniform(0, 0.1, CELLS))
    ends = []
    for array in (gpu.to_device(psi.copy()), psi.copy()):
        run = evolve_wave(
            WaveState(array, Times.start(0.0)), grid, Static(longest=1e-4), [1e-3], alarms=Alarms(1, 1, 1)
        )
        ends.append(next(run).psi)
    assert on_card(ends[0]) and not on_card(ends[1])
    np.testing.assert_allclose(gpu.to_host(ends[0]), ends[1], rtol=0, atol=1e-12)


def test_particles():
    gpu, grid = GPU(), Grid(CELLS, (6.4, 1.2, 1.0))
    random = np.random.default_rng(4)
    position = random.uniform(0, 1, (3, 500)) * np.array(grid.sides)[:, None]
    momentum, identity = 0.1 * random.standard_normal((3, 500)), np.arange(500)
    ends = []
    for arrays in (map(gpu.to_device, (position, momentum, identity)), (position.copy(), momentum.copy(), identity)):
        run = evolve_particles(ParticleState(*arrays, Times.start(0.0)), grid, Static(longest=1e-3), [1e-2])
        ends.append(next(run))
    assert on_card(ends[0].position) and not on_card(ends[1].position)
    order = np.argsort(gpu.to_host(ends[0].identity))  # a card has them in the order of tiles
    np.testing.assert_allclose(gpu.to_host(ends[0].position)[:, order], ends[1].position, rtol=0, atol=1e-11)
