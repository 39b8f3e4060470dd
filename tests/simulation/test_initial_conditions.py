"""Random modes, and the wave and the particles made of them."""

from dataclasses import replace

import numpy as np
import pytest
from rank_runs import TWO, agree, needs_mpi, run_here

from gpu_fdm.cosmology.background import Background
from gpu_fdm.errors import InputError
from gpu_fdm.fields.box import Box
from gpu_fdm.kernels.random_modes import gaussian_modes, philox
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.initial_conditions import (
    LinearModes,
    contrast_from_modes,
    linear_modes,
    particles_from_modes,
    require_small,
    wave_from_modes,
)
from gpu_fdm.simulation.integrator import Expanding, Times
from gpu_fdm.simulation.particle_mesh import ParticleState, evolve_particles
from gpu_fdm.simulation.schroedinger_poisson import Alarms, WaveState, evolve_wave
from gpu_fdm.simulation.second_order import LARGEST_RATIO, to_second_order
from gpu_fdm.spectra.power import power_spectrum
from gpu_fdm.units import CodeUnits

COSMOS = Background(0.3)
UNITS = CodeUnits(1e-3, 0.7, 0.3)
BOX = Box((40.0, 30.0, 20.0), (24, 18, 15))


def power(k):
    """Of no cosmology: rms 0.1 at a = 0.02 in the box above."""
    return 60 * k**-1.5


def waves(box, amplitudes):
    """LinearModes of given waves: {(nx, ny, nz): complex A} with nz >= 0 stands for 2 Re(A exp(i k x))."""
    shape = (*box.cells[:2], box.cells[2] // 2 + 1)
    amplitude = np.zeros(shape, complex)
    for mode, value in amplitudes.items():
        amplitude[mode] = value
        if mode[2] == 0:
            amplitude[-mode[0], -mode[1], 0] = np.conj(value)
    k = [2 * np.pi * np.linalg.norm(np.array(mode) / box.size) for mode in amplitudes]
    variance = 2 * sum(abs(value) ** 2 for value in amplitudes.values())
    displacement = 2 * sum(abs(value) ** 2 / each**2 for value, each in zip(amplitudes.values(), k, strict=True))
    return LinearModes(amplitude, Domain(box.cells), box, variance, displacement)


# random numbers


@pytest.mark.parametrize(
    "counter, key, expected",
    [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox(counter, key, expected):
    """Known answers of Random123, kat_vectors, philox4x32 10."""
    assert philox(*map(np.uint32, (*counter, *key))) == expected


def test_numbers_are_complex_gaussians():
    """Of 2e5: mean 0, mean square 1, kurtosis of each part 3, parts and neighbours independent."""
    mode = np.arange(1, 60)
    numbers = np.empty((59, 59, 59), complex)
    gaussian_modes(mode, mode, mode, np.array([1000, 1000, 1000]), np.uint64(5), numbers)
    count = numbers.size
    # five standard deviations
    assert abs(numbers.mean()) < 5 / np.sqrt(count)
    assert np.mean(np.abs(numbers) ** 2) == pytest.approx(1, abs=5 / np.sqrt(count))
    assert abs(np.mean(numbers**2)) < 5 * np.sqrt(2 / count)
    assert np.mean(numbers.real**4) == pytest.approx(0.75, abs=5 * np.sqrt(6 / count))
    for axis in range(3):
        assert abs(np.mean(numbers * np.roll(numbers, 1, axis).conj())) < 5 / np.sqrt(count)
    other = np.empty_like(numbers)
    gaussian_modes(mode, mode, mode, np.array([1000, 1000, 1000]), np.uint64(5 + 2**32), other)
    assert abs(np.mean(numbers * other.conj())) < 5 / np.sqrt(count)


# modes


def test_modes_are_those_of_a_real_field():
    """Counted: all but k = 0 and the Nyquist planes of even sizes, conjugate in pairs."""
    modes = linear_modes(BOX, power, 3)
    assert modes.amplitude.shape == (24, 18, 8)
    # with conjugates: (24 - 1) (18 - 1) 15 - 1
    weight = np.where(np.arange(8) > 0, 2, 1)
    assert np.sum(weight * (modes.amplitude != 0)) == 23 * 17 * 15 - 1
    assert np.all(modes.amplitude[12] == 0) and np.all(modes.amplitude[:, 9] == 0) and modes.amplitude[0, 0, 0] == 0
    flat = modes.amplitude[:, :, 0]
    np.testing.assert_array_equal(flat, np.roll(flat[::-1, ::-1], (1, 1), (0, 1)).conj())
    contrast = contrast_from_modes(modes, 0.02, COSMOS)
    assert contrast.shape == BOX.cells
    assert contrast.std() == pytest.approx(modes.rms(0.02, COSMOS), rel=1e-12)
    assert modes.rms(0.02, COSMOS) == pytest.approx(np.sqrt(modes.variance) * COSMOS.growth(0.02), rel=1e-12)
    assert contrast.mean() == pytest.approx(0, abs=1e-15)


def test_power_is_the_one_asked_for():
    box = Box((60.0, 50.0, 45.0), (40, 36, 33))
    modes = linear_modes(box, power, 11, transfer=lambda k: 1 / (1 + k))
    spectrum = power_spectrum(1 + contrast_from_modes(modes, 1.0, COSMOS) / 100, box.size)
    some = (spectrum.k > 0) & (spectrum.k < 1.6)  # below the Nyquist planes, which are 0
    expected = power(spectrum.k[some]) / (1 + spectrum.k[some]) ** 2 / 1e4
    deviation = (spectrum.power[some] / expected - 1) / np.sqrt(2 / spectrum.modes[some])
    # bins are wide at the first few k
    assert np.count_nonzero(some) > 10
    assert np.abs(deviation[2:]).max() < 4
    assert np.mean(deviation[2:] ** 2) == pytest.approx(1, abs=0.8)


def test_a_finer_grid_has_the_same_large_modes():
    coarse, fine = (linear_modes(Box(BOX.size, cells), power, 3) for cells in (BOX.cells, (48, 31, 30)))
    for n in [(1, 2, 3), (-5, 8, 7), (11, -8, 0), (0, -3, 0), (-11, 0, 7)]:
        assert coarse.amplitude[n] == fine.amplitude[n] != 0
    # and so the same field: at a cell of the coarse grid the sum of the modes that it shares with the fine
    kept = np.zeros_like(fine.amplitude)
    for x in range(-11, 12):
        for y in range(-8, 9):
            kept[x, y, :8] = fine.amplitude[x, y, :8]
    grid = Grid(BOX.cells, BOX.size)
    found = contrast_from_modes(coarse, 1.0, COSMOS)
    point = [grid.centres(axis)[cell] for axis, cell in enumerate((5, 13, 9))]
    modes = (np.fft.fftfreq(48, 1 / 48), np.fft.fftfreq(31, 1 / 31), np.fft.rfftfreq(30, 1 / 30))
    turns = [np.exp(2j * np.pi * n * x / side) for n, x, side in zip(modes, point, BOX.size, strict=True)]
    weight = np.where(np.arange(16) > 0, 2, 1)
    value = np.einsum("xyz,x,y,z,z->", kept, *turns, weight).real
    assert found[5, 13, 9] == pytest.approx(value, rel=1e-10)


def test_transfer_multiplies_the_same_numbers():
    cold = linear_modes(BOX, power, 3)
    fuzzy = linear_modes(BOX, power, 3, transfer=lambda k: np.cos(k))
    grid = Grid(BOX.cells, BOX.size)
    k = [grid.wavenumbers(axis, axis == 2) for axis in range(3)]
    k = np.sqrt(k[0][:, None, None] ** 2 + k[1][:, None] ** 2 + k[2] ** 2)
    assert np.cos(k).min() < 0  # its sign is kept
    np.testing.assert_allclose(fuzzy.amplitude, cold.amplitude * np.cos(k), rtol=1e-14, atol=0)
    assert not np.array_equal(linear_modes(BOX, power, 4).amplitude, cold.amplitude)
    single = linear_modes(BOX, power, 3, dtype=np.float32)
    assert single.amplitude.dtype == np.complex64
    np.testing.assert_allclose(single.amplitude, cold.amplitude, rtol=1e-6, atol=0)


# the wave and the particles


def test_wave_and_particles_flow_alike():
    """u = grad S of the wave is the momentum of Zel'dovich particles, and drives the growth of the contrast:
    div u = -a^2 f H delta."""
    a = 0.02
    modes = linear_modes(BOX, power, 3)
    psi = wave_from_modes(modes, a, COSMOS, UNITS)
    contrast = contrast_from_modes(modes, a, COSMOS)
    np.testing.assert_allclose(np.abs(psi) ** 2, 1 + contrast, rtol=1e-12)
    grid = Grid.of(BOX, UNITS)
    assert np.abs(np.angle(psi)).max() < 3
    phase = np.fft.rfftn(np.angle(psi))
    position, momentum, identity = particles_from_modes(modes, a, COSMOS, UNITS, order=1)
    np.testing.assert_array_equal(identity, np.arange(position.shape[1]))
    k = [grid.wavenumbers(axis, axis == 2) for axis in range(3)]
    divergence = 0
    for axis in range(3):
        along = k[axis].reshape([-1 if each == axis else 1 for each in range(3)])
        # particles are displaced from corners, the wave lives at centres
        half = sum(
            0.5 * (k[each] * grid.spacing[each]).reshape([-1 if other == each else 1 for other in range(3)])
            for each in range(3)
        )
        velocity = np.fft.irfftn(1j * along * phase * np.exp(-1j * half), BOX.cells, (0, 1, 2))
        np.testing.assert_allclose(momentum[axis], velocity.ravel(), rtol=0, atol=1e-9 * np.abs(velocity).max())
        divergence = divergence - along**2 * phase
        # x - q = D Psi and p = a^2 f H D Psi
        shift = momentum[axis] / (a**2 * COSMOS.growth_rate(a) * Expanding(COSMOS).hubble(a))
        corner = np.meshgrid(*(np.arange(n) * w for n, w in zip(BOX.cells, grid.spacing, strict=True)), indexing="ij")
        moved = position[axis] - corner[axis].ravel() - shift
        moved -= grid.sides[axis] * np.rint(moved / grid.sides[axis])
        assert np.abs(moved).max() < 1e-12 * grid.sides[axis]
        assert position[axis].min() >= 0 and position[axis].max() < grid.sides[axis]
    # in km/s: the unit of velocity, over a
    speed = np.sqrt(np.mean(np.sum(momentum**2, axis=0))) * UNITS.velocity / a
    assert modes.rms_velocity(a, COSMOS) == pytest.approx(speed, rel=1e-6)
    rate = a**2 * COSMOS.growth_rate(a) * Expanding(COSMOS).hubble(a)
    np.testing.assert_allclose(np.fft.irfftn(divergence, BOX.cells, (0, 1, 2)), -rate * contrast, atol=1e-9)


def test_second_order_of_crossed_waves():
    """phi = -2A/k^2 cos kx - 2B/q^2 cos qy: the source is 4AB cos kx cos qy, Psi_2 its gradient over -(k^2 + q^2)."""
    box = Box((40.0, 30.0, 20.0), (12, 10, 8))
    first, second, a = 0.9, 0.7, 0.05
    modes = waves(box, {(1, 0, 0): first, (0, 2, 0): second})
    one, two = (particles_from_modes(modes, a, COSMOS, UNITS, order=order) for order in (1, 2))
    k, q = 2 * np.pi / 40, 4 * np.pi / 30
    x, y = np.meshgrid(np.arange(12) / 12 * 40, np.arange(10) / 10 * 30, indexing="ij")
    size = 4 * first * second / (k**2 + q**2) / UNITS.length
    expected = [size * k * np.sin(k * x) * np.cos(q * y), size * q * np.cos(k * x) * np.sin(q * y), 0 * x]
    matter = COSMOS.matter_fraction(a)
    growth = -3 / 7 * COSMOS.growth(a) ** 2 * matter ** (-1 / 143)
    for axis in range(3):
        shift = (two[0] - one[0])[axis].reshape(box.cells)
        side = Grid.of(box, UNITS).sides[axis]
        shift -= side * np.rint(shift / side)
        np.testing.assert_allclose(shift, (growth * expected[axis])[..., None] + np.zeros(8), rtol=0, atol=1e-14 * side)
        rate = a**2 * Expanding(COSMOS).hubble(a) * 2 * matter ** (6 / 11)
        np.testing.assert_allclose((two[1] - one[1])[axis].reshape(box.cells), rate * shift, rtol=0, atol=1e-12)


def test_a_plane_wave_has_no_second_order():
    modes = waves(Box((40.0, 30.0, 20.0), (12, 10, 8)), {(1, 0, 1): 0.9})
    one, two = (particles_from_modes(modes, 0.05, COSMOS, UNITS, order=order) for order in (1, 2))
    np.testing.assert_allclose(one[0], two[0], rtol=0, atol=1e-13)
    np.testing.assert_allclose(one[1], two[1], rtol=0, atol=1e-13)


def test_both_dynamics_grow_the_same_modes():
    """Small modes far above the Jeans length grow as D."""
    box = Box((40.0, 30.0, 36.0), (20, 15, 18))
    units = CodeUnits(0.02, 0.7, 0.3)
    modes = waves(box, {(1, 0, 1): 2e-3, (0, 1, 1): 1e-3j, (2, -1, 0): 1e-3})
    begin, end = 0.05, 0.2
    grid = Grid.of(box, units)
    k_jeans = (4 * begin) ** 0.25 / units.length
    assert k_jeans > 10 * 2 * np.pi * np.hypot(2 / 40, 1 / 30)
    growth = float(COSMOS.growth(end) / COSMOS.growth(begin))
    initial = np.fft.rfftn(contrast_from_modes(modes, begin, COSMOS))
    chosen = np.abs(initial) > 1e-6
    assert np.count_nonzero(chosen) == 4  # of (2, -1, 0) both

    clock, quiet = Expanding(COSMOS), Alarms(1, 1, 1)
    psi = wave_from_modes(modes, begin, COSMOS, units)
    (wave,) = evolve_wave(WaveState(psi, Times.start(begin)), grid, clock, [end], alarms=quiet)
    ratio = np.fft.rfftn(np.abs(wave.psi) ** 2)[chosen] / initial[chosen]
    # what the quantum pressure takes, and the scheme
    np.testing.assert_allclose(ratio / growth, 1, rtol=0, atol=1e-3)

    particles = ParticleState(*particles_from_modes(modes, begin, COSMOS, units), Times.start(begin))
    (late,) = evolve_particles(particles, grid, clock, [end])
    # displacements at corners, their divergence at centres: each mode as exp(-i k x) sum over particles
    for n in ((1, 0, 1), (0, 1, 1), (2, -1, 0)):
        phase = 2 * np.pi * np.array(n) / np.array(grid.sides)
        found = np.exp(-1j * phase @ late.position).mean()
        # the mesh: the shortest wave has ten cells
        assert found / (COSMOS.growth(end) * modes.amplitude[n]) == pytest.approx(1, abs=0.025)


# wrong input


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-13), (np.float32, 1e-6)])
def test_where_modes_are(cuda, dtype, tolerance):
    """On a card: the same modes bit for bit, and the same wave and particles to round-off, which stay there."""
    a, found = 0.02, []
    for backend in (cuda, CPU(2)):
        modes = linear_modes(BOX, power, 3, dtype=dtype, domain=Domain(BOX.cells, backend=backend))
        psi = wave_from_modes(modes, a, COSMOS, UNITS)
        ratio = to_second_order(psi, modes, a, COSMOS, UNITS)
        arrays = (modes.amplitude, psi, *particles_from_modes(modes, a, COSMOS, UNITS))
        assert all(type(array) is type(backend.xp.empty(0)) for array in arrays)
        found.append((ratio, *map(backend.to_host, arrays)))
    (ratio, amplitude, psi, position, momentum, identity), expected = found
    assert ratio == pytest.approx(expected[0], rel=10 * tolerance) and 0 < ratio < LARGEST_RATIO
    np.testing.assert_array_equal(amplitude, expected[1])
    np.testing.assert_array_equal(identity, expected[5])
    assert psi.dtype == expected[2].dtype == amplitude.dtype
    np.testing.assert_allclose(psi, expected[2], rtol=0, atol=tolerance)
    sides = np.array(Grid.of(BOX, UNITS).sides)[:, None]
    apart = np.abs(position - expected[3])
    assert (np.minimum(apart, sides - apart) / sides).max() < tolerance
    np.testing.assert_allclose(momentum, expected[4], rtol=0, atol=tolerance * np.abs(momentum).max())


def test_wrong_input():
    modes = linear_modes(BOX, power, 3)
    with pytest.raises(InputError, match=r"^seed = -1: must be in \[0, 2\^64\)$"):
        linear_modes(BOX, power, -1)
    with pytest.raises(InputError, match=r"^power at k = 0.314159 h/Mpc is nan: must be finite and >= 0$"):
        linear_modes(BOX, lambda k: np.where(k > 0.3, np.nan, 1), 3)
    with pytest.raises(InputError, match=r"^power at k = 0.314159 h/Mpc is -1: must be finite and >= 0$"):
        linear_modes(BOX, lambda k: np.where(k > 0.3, -1, 1), 3)
    with pytest.raises(InputError, match=r"^transfer at k = .* h/Mpc is inf: must be finite$"):
        linear_modes(BOX, power, 3, transfer=lambda k: np.where(k > 0.3, np.inf, 1))
    rms = modes.rms(0.2, COSMOS)
    message = (
        rf"^initial redshift 4: the linear contrast on the grid has an rms of {rms:.3g}: "
        r"must be at most 0.2, start earlier$"
    )
    for make in (wave_from_modes, particles_from_modes):
        with pytest.raises(InputError, match=message):
            make(modes, 0.2, COSMOS, UNITS)
    require_small(modes, 0.02, COSMOS)
    deep = waves(BOX, {(1, 0, 0): 0.3, (2, 0, 0): 0.3, (3, 0, 0): 0.3, (4, 0, 0): 0.3, (5, 0, 0): 0.3})
    deep = replace(deep, amplitude=-deep.amplitude, variance=1e-6)
    with pytest.raises(InputError, match=r"^initial redshift 0: the linear contrast falls to -2\.\d+: start earlier$"):
        wave_from_modes(deep, 1.0, COSMOS, UNITS)
    message = (
        r"^cells = 24 along x: the initial velocities, up to 64.26 km/s, turn the phase by 16 rad a cell "
        r"for m22 = 0.1: must be at least 122$"
    )
    with pytest.raises(InputError, match=message):
        wave_from_modes(modes, 0.02, COSMOS, CodeUnits(0.1, 0.7, 0.3))
    with pytest.raises(InputError, match=r"^order = 3: must be 1 or 2$"):
        particles_from_modes(modes, 0.02, COSMOS, UNITS, order=3)


# ranks

SIZES = [(9, 10, 8), (5, 2, 7), (3, 1, 1)]


def check_ranks(ranks):
    for cells in SIZES:
        box = Box(BOX.size, cells)
        domain = Domain(cells, ranks)
        modes, alone = linear_modes(box, power, 3, domain=domain), linear_modes(box, power, 3)
        np.testing.assert_array_equal(modes.amplitude, alone.amplitude[:, domain.lines])
        assert modes.variance == pytest.approx(alone.variance, rel=1e-12)
        psi = wave_from_modes(modes, 0.02, COSMOS, UNITS)
        expected = wave_from_modes(alone, 0.02, COSMOS, UNITS)[domain.planes]
        np.testing.assert_allclose(psi, expected, rtol=0, atol=1e-13)
        found = particles_from_modes(modes, 0.02, COSMOS, UNITS)
        expected = particles_from_modes(alone, 0.02, COSMOS, UNITS)
        mine = np.isin(expected[2], found[2])
        np.testing.assert_array_equal(found[2], expected[2][mine])
        np.testing.assert_allclose(found[0], expected[0][:, mine], rtol=0, atol=1e-9)
        np.testing.assert_allclose(found[1], expected[1][:, mine], rtol=0, atol=1e-13)
        assert sum(ranks.allgather(found[0].shape[1])) == np.prod(cells)


@needs_mpi
@pytest.mark.parametrize("number", [1, TWO, 3])
def test_ranks(number):
    """The same modes, wave and particles; on three ranks some hold no lines of the smallest grids."""
    agree(__file__, number)


if __name__ == "__main__":
    run_here(check_ranks)
