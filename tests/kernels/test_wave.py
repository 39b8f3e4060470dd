"""The CUDA kernels of the wave give what the numba loops give: through cuda_on_cpu, and on a GPU where there is one."""

import numpy as np
import pytest

from gpu_fdm.cosmology.background import Background
from gpu_fdm.kernels import wave
from gpu_fdm.parallel.backend import CPU, THREADS_PER_BLOCK
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.integrator import Expanding, Times
from gpu_fdm.simulation.schroedinger_poisson import Alarms, WaveState, evolve_wave

# round-off over the maximum; arithmetic is double, where phases of 50 rad are good to 1e-14, results are rounded
ROUND_OFF = {np.complex128: 3e-14, np.complex64: 2e-7}

precisions = pytest.mark.parametrize("dtype", ROUND_OFF)
# less than a block of threads, several, and a part of one
shapes = pytest.mark.parametrize("shape", [(1, 3, 7), (4, 16, 4), (3, 17, 11)], ids=str)


def numbers(shape, dtype, seed):
    parts = np.random.default_rng(seed).standard_normal((2, *shape))
    return (parts[0] + 1j * parts[1]).astype(dtype)


def close(cuda, found, expected, dtype):
    found = cuda.to_host(found)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUND_OFF[dtype] * np.abs(expected).max())


def test_blocks_are_those_of_the_backend():
    """kernels/wave.cu sums over blocks of that many threads."""
    assert THREADS_PER_BLOCK == 256


@precisions
@shapes
def test_potential_phase(cuda, shape, dtype):
    """Phases of any quadrant, and the sums."""
    psi, potential = numbers(shape, dtype, 1), 10 * numbers(shape, dtype, 2).real
    potential.flat[:3] = 0, np.pi, -np.pi / 2
    potential = np.ascontiguousarray(potential)
    mine, theirs = cuda.to_device(psi.copy()), psi.copy()
    found = wave.potential_phase(mine, cuda.to_device(potential), 1.7, cuda)
    expected = wave.potential_phase(theirs, potential, 1.7, CPU(1))
    close(cuda, mine, theirs, dtype)
    np.testing.assert_allclose(found.sum(axis=0), expected.sum(axis=0), rtol=1e-12)
    # the same by numpy
    exact = psi.astype(complex) * np.exp(-1.7j * potential.astype(float))
    np.testing.assert_allclose(theirs, exact, rtol=0, atol=2 * ROUND_OFF[dtype] * np.abs(exact).max())
    density = np.abs(psi.astype(complex)) ** 2
    np.testing.assert_allclose(expected, np.stack([density, density * potential], -1).sum((1, 2)), rtol=1e-10)


@precisions
@shapes
def test_squared_modulus(cuda, shape, dtype):
    psi = numbers(shape, dtype, 3)
    found = wave.squared_modulus(cuda.to_device(psi), cuda)
    expected = wave.squared_modulus(psi, CPU(1))
    close(cuda, found, expected, dtype)
    np.testing.assert_allclose(expected, np.abs(psi) ** 2, rtol=1e-6 if dtype == np.complex64 else 1e-14)


@precisions
@shapes
def test_modes(cuda, shape, dtype):
    """The kinetic phase, Poisson's equation and the kinetic energy, on modes of shape (nx, columns)."""
    shape = (shape[0] * shape[1], shape[2])
    modes = numbers(shape, dtype, 4)
    along, across = numbers(shape[:1], complex, 5), numbers(shape[1:], complex, 6)
    mine, theirs = cuda.to_device(modes.copy()), modes.copy()
    wave.multiply_phases(mine, cuda.to_device(along), cuda.to_device(across), cuda)
    wave.multiply_phases(theirs, along, across, CPU(1))
    close(cuda, mine, theirs, dtype)
    np.testing.assert_allclose(theirs, modes * np.outer(along, across), rtol=1e-5 if dtype == np.complex64 else 1e-13)
    along, across = along.real**2, across.real**2
    along[0] = across[0] = 0
    mine, theirs = cuda.to_device(modes.copy()), modes.copy()
    wave.divide_by_k_squared(mine, cuda.to_device(along), cuda.to_device(across), 0.3, cuda)
    wave.divide_by_k_squared(theirs, along, across, 0.3, CPU(1))
    close(cuda, mine, theirs, dtype)
    squared = along[:, None] + across
    squared[0, 0] = np.inf
    np.testing.assert_allclose(theirs, -0.3 * modes / squared, rtol=1e-6 if dtype == np.complex64 else 1e-14)
    found = wave.weigh_k_squared(cuda.to_device(modes), cuda.to_device(along), cuda.to_device(across), cuda)
    expected = wave.weigh_k_squared(modes, along, across, CPU(1))
    assert found == pytest.approx(expected, rel=1e-12 if dtype == np.complex128 else 1e-6)
    squared[0, 0] = 0
    assert expected == pytest.approx(np.sum(squared * np.abs(modes.astype(complex)) ** 2), rel=1e-12)


@precisions
@pytest.mark.parametrize("order", [2, 4])
def test_a_run(cuda, order, dtype):
    """All together: the same wave, and the same health."""
    grid = Grid((9, 10, 7), (6.0, 5.0, 4.5))
    x, y, z = np.meshgrid(*(2 * np.pi * grid.centres(i) / grid.sides[i] for i in range(3)), indexing="ij")
    psi = (np.sqrt(1 + 0.3 * np.cos(x) + 0.2 * np.cos(y + z)) * np.exp(0.5j * np.sin(x))).astype(dtype)
    external = np.cos(y).astype(psi.real.dtype)
    states = []
    for backend in (cuda, CPU(1)):
        begin = WaveState(backend.to_device(psi.copy()), Times.start(0.1))
        run = evolve_wave(
            begin,
            grid,
            Expanding(Background(0.3)),
            [0.15],
            order=order,
            watch=2,
            alarms=Alarms(1, 1, 1),
            external=backend.to_device(external),
            domain=Domain(grid.cells, backend=backend),
        )
        states.append(next(run))
    found, expected = states
    assert found.times.step == expected.times.step
    tolerance = {np.complex128: 1e-12, np.complex64: 2e-5}[dtype]
    np.testing.assert_allclose(cuda.to_host(found.psi), expected.psi, rtol=0, atol=tolerance)
    for name in ("mass", "kinetic", "potential", "phase_change", "unresolved"):
        given, wanted = getattr(found.health, name), getattr(expected.health, name)
        assert given == pytest.approx(wanted, rel=10 * tolerance, abs=tolerance), name
