"""The CUDA kernels of the wave give what the numba loops give: through cuda_on_cpu, and on a GPU where there is one."""

import numpy as np
import pytest

from gpu_fdm.cosmology.background import Background
from gpu_fdm.kernels import wave
from gpu_fdm.parallel.backend import CPU
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
    np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=1e-12)
    np.testing.assert_allclose(found[:, 1], expected[:, 1], rtol=0, atol=1e-11 * np.abs(expected[:, 1]).max())
    # lines of the potential with padding
    padded = np.full((*shape[:2], shape[2] + 2), np.nan, potential.dtype)
    padded[..., : shape[2]] = potential
    again = cuda.to_device(psi.copy())
    np.testing.assert_array_equal(wave.potential_phase(again, cuda.to_device(padded), 1.7, cuda), found)
    np.testing.assert_array_equal(cuda.to_host(again), cuda.to_host(mine))
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
    padded = cuda.to_device(np.full((*shape[:2], shape[2] + 1), 7, expected.dtype))
    padded = cuda.to_host(wave.squared_modulus(cuda.to_device(psi), cuda, padded))
    np.testing.assert_array_equal(padded[..., : shape[2]], cuda.to_host(found))
    assert np.all(padded[..., shape[2]] == 7)
    np.testing.assert_allclose(expected, np.abs(psi) ** 2, rtol=1e-6 if dtype == np.complex64 else 1e-14)


@pytest.mark.parametrize("angles", [1e-3, 0.3, 0.78, 2.0])
def test_small_phases_of_single_precision_keep_the_modulus(cuda, angles):
    """What a single-precision sine does to the mass of many kicks: less than rounding the result does."""
    psi = numbers((2, 8, 40), np.complex64, 8)
    potential = np.random.default_rng(9).uniform(-angles, angles, psi.shape).astype(np.float32)
    kicked, at = cuda.to_device(psi.copy()), cuda.to_device(potential)
    for _ in range(100):
        wave.potential_phase(kicked, at, 1.0, cuda)
    ratio = np.abs(cuda.to_host(kicked).astype(complex)) / np.abs(psi.astype(complex))
    assert np.abs(ratio - 1).max() < 100 * 6e-8
    assert abs(ratio.mean() - 1) < 100 * 6e-9
    exact = psi.astype(complex) * np.exp(-100j * potential.astype(float))
    assert np.abs(cuda.to_host(kicked) - exact).max() < 100 * 1.5e-7 * np.abs(psi).max()


@precisions
@shapes
def test_largest_size(cuda, shape, dtype):
    values = np.ascontiguousarray(numbers(shape, dtype, 4).real)
    for number in (0.0, -70.5, np.inf, np.nan):
        values[-1, 0, shape[2] // 2] = number
        expected = wave.largest_size(values, shape[2], CPU(1))
        padded = np.concatenate([values, np.full((*shape[:2], 2), 1e30, values.dtype)], axis=2)
        for given in (values, padded):
            np.testing.assert_equal(wave.largest_size(cuda.to_device(given), shape[2], cuda), expected)


@precisions
@shapes
def test_modes(cuda, shape, dtype):
    """The kinetic phase, Poisson's equation and the kinetic energy, on modes of shape (nx, columns)."""
    modes, every = numbers(shape, dtype, 4), slice(0, shape[1] * shape[2])
    parts = [np.random.default_rng(seed).uniform(0, 3, size) for seed, size in zip((5, 6, 7), shape, strict=True)]
    for part in parts:
        part[0] = 0
    here, there = (wave.SquaredWavenumbers(*parts, backend) for backend in (cuda, CPU(1)))
    squared = parts[0][:, None, None] + parts[1][:, None] + parts[2]
    flat = (shape[0], -1)

    def both(function, *arguments):
        mine, theirs = cuda.to_device(modes.copy().reshape(flat)), modes.copy().reshape(flat)
        pair = [tuple(value[i] if isinstance(value, list) else value for value in arguments) for i in (0, 1)]
        sums = function(mine, every, *pair[0], cuda), function(theirs, every, *pair[1], CPU(1))
        close(cuda, mine, theirs, dtype)
        return theirs.reshape(shape), sums

    phases = [wave.Phases(squares, 1.3, 0.5).scaled(1.25) for squares in (here, there)]
    found, _ = both(wave.multiply_phases, phases)
    exact = modes * np.exp(-1.3j * squared) * 0.625
    np.testing.assert_allclose(found, exact, rtol=1e-5 if dtype == np.complex64 else 1e-13)
    found, _ = both(wave.divide_by_k_squared, [here, there], 0.3)
    with np.errstate(divide="ignore"):
        exact = modes * np.where(squared > 0, -0.3 / squared, 0)
    np.testing.assert_allclose(found, exact, rtol=1e-6 if dtype == np.complex64 else 1e-14)
    _, sums = both(wave.weigh_k_squared, [here, there])
    assert sums[0] == pytest.approx(sums[1], rel=1e-12)
    assert sums[1] == pytest.approx(np.sum(squared * np.abs(modes.astype(complex)) ** 2), rel=1e-12)


@precisions
@shapes
def test_phase_changes(cuda, shape, dtype):
    psi, beyond = numbers(shape, dtype, 4), numbers((1, *shape[1:]), dtype, 5)
    found = wave.phase_changes(cuda.to_device(psi), cuda.to_device(beyond), 0.9, cuda)
    expected = wave.phase_changes(psi, beyond, 0.9, CPU(1))
    np.testing.assert_allclose(found, expected, rtol=1e-12 if dtype == np.complex128 else 1e-6)
    first = psi[0].astype(complex)
    neighbours = (psi[1] if shape[0] > 1 else beyond[0]), np.roll(first, -1, axis=0), np.roll(first, -1, axis=1)
    size = sum(np.abs(neighbour * first).sum() for neighbour in neighbours)
    assert expected[0, 0] == pytest.approx(size, rel=1e-6)


@precisions
@pytest.mark.parametrize(("order", "stop", "one_pass"), [(2, 0.11, False), (2, 0.11, True), (4, 0.15, False)])
def test_a_run(cuda, order, stop, one_pass, dtype):
    """All together, over five steps or more: the same wave, and the same health."""
    grid = Grid((64, 5, 7), (40.0, 5.0, 4.5)) if one_pass else Grid((9, 10, 7), (6.0, 5.0, 4.5))
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
            [stop],
            order=order,
            watch=2,
            alarms=Alarms(1, 1, 1),
            external=backend.to_device(external),
            domain=Domain(grid.cells, backend=backend),
        )
        states.append(next(run))
    found, expected = states
    assert found.times.step == expected.times.step >= 5
    tolerance = {np.complex128: 1e-12, np.complex64: 2e-5}[dtype]
    np.testing.assert_allclose(cuda.to_host(found.psi), expected.psi, rtol=0, atol=tolerance)
    for name in ("mass", "kinetic", "potential", "phase_change", "unresolved"):
        given, wanted = getattr(found.health, name), getattr(expected.health, name)
        assert given == pytest.approx(wanted, rel=10 * tolerance, abs=tolerance), name
