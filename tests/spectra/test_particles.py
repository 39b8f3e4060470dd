"""P(k) of particles: modes against sums over images, shot noise and mocks of known spectrum within their errors."""

from functools import cache
from math import prod

import numpy as np
import pytest
from rank_runs import agree, needs_mpi, run_here
from scipy import fft

from gpu_fdm.fields.assignment import ASSIGNMENTS
from gpu_fdm.fields.box import Box
from gpu_fdm.fields.particles import ParticleGrid
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.spectra.particles import (
    first_untrusted,
    image_power,
    particle_modes,
    particle_spectrum,
    power_of_particles,
)
from gpu_fdm.spectra.power import Bins, PowerSpectrum, bin_modes

SIZE = (3.0, 2.0, 2.5)
assignments = pytest.mark.parametrize("name", ASSIGNMENTS)
grids_of = pytest.mark.parametrize("interlaced", [False, True], ids=["one grid", "interlaced"])


def particles(number, seed=1):
    """Positions at random in the box, with weights."""
    random = np.random.default_rng(seed)
    return random.random((number, 3)) * SIZE, random.uniform(0.1, 3, number)


def filled(name, positions, weights=None, shifts=(0.0, 0.5), cells=(12, 15, 10), **options):
    """One grid for each shift, with the particles on them."""
    grids = [ParticleGrid(Box(SIZE, cells), name, shift=shift, **options) for shift in shifts]
    for grid in grids:
        grid.add(positions, weights)
    return grids


def measured(*grids):
    """P(k) and shot noise of the particles on one grid or two."""
    return power_of_particles(particle_modes(*grids), Bins(grids[0].box.cells, grids[0].box.size))


def in_bins(values, bins):
    """Mean over the modes of bins of values in the half space of the real transform."""
    sums = bin_modes(np.sqrt(values).astype(complex), None, 0, bins)
    return PowerSpectrum.from_sums(sums, bins, (1.0,)).power * (prod(bins.cells) ** 2 / prod(bins.box_size))


def phases(cells):
    """k times the width of a cell along the axes of the real transform."""
    numbers = fft.fftfreq(cells[0]), fft.fftfreq(cells[1]), fft.rfftfreq(cells[2])
    return [2 * np.pi * number for number in numbers]


def assert_scatter(z, correlation=1.0):
    """Deviations in errors: their mean and mean square within three sigma, that of the mean with a correlation."""
    assert abs(z.mean()) < 3 * correlation / np.sqrt(len(z))
    assert abs(np.mean(z**2) - 1) < 3 * np.sqrt(2 / len(z))


# modes


@assignments
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_modes_of_one_grid(name, dtype):
    """The transform of the contrast over the window."""
    positions, weights = particles(2000)
    (grid,) = filled(name, positions, weights, (0.0,), dtype=dtype)
    x, y, z = (ASSIGNMENTS[name].window(phase) for phase in phases(grid.box.cells))
    double = filled(name, positions, weights, (0.0,))[0].slab
    expected = np.fft.rfftn(double / double.mean() - 1)
    expected[0, 0, 0] = 0
    before = grid.slab.copy()
    found = particle_modes(grid).transform.values
    assert found.dtype == np.result_type(dtype, np.complex64)
    tolerance = {np.float64: 1e-14, np.float32: 2e-6}[dtype]
    windowed = found * (x[:, None, None] * y[:, None] * z)
    np.testing.assert_allclose(windowed, expected, rtol=0, atol=tolerance * np.abs(expected).max())
    assert found[0, 0, 0] == 0
    np.testing.assert_array_equal(grid.slab, before)


def image_sum(order, n, place, shift):
    """Transform along an axis of one particle on n cells, from the images of each mode: all of them, far enough.

    place  of the particle [cells];  shift  of the grid's particles [cells]
    Cell i has its centre at i + 1/2, so that the mode q has the phase q (1/2 - place - shift).
    """
    mode = np.fft.fftfreq(n, 1 / n)
    q = 2 * np.pi / n * np.add.outer(mode, n * np.arange(-4000, 4001))
    return np.sum(np.sinc(q / (2 * np.pi)) ** order * np.exp(1j * q * (0.5 - place - shift)), axis=1)


@pytest.mark.parametrize("name", ["tsc", "pcs"])
def test_modes_of_a_particle_hold_its_images(name):
    """Two grids hold those of even n_x + n_y + n_z alone; sums over images converge as n^-3 and n^-4."""
    order, cells = ASSIGNMENTS[name].order, (6, 5, 4)
    position = np.array([[1.234, 0.777, 2.1]])
    place = position[0] / SIZE * cells
    grids = filled(name, position, cells=cells)
    found = particle_modes(*grids).transform.values / prod(cells)
    sums = []
    for shift in (0.0, 0.5):
        x, y, z = (image_sum(order, n, at, shift) for n, at in zip(cells, place, strict=True))
        sums.append(x[:, None, None] * y[:, None] * z[: cells[2] // 2 + 1])
    half = [np.exp(0.5j * phase) for phase in phases(cells)]
    window = [ASSIGNMENTS[name].window(phase) for phase in phases(cells)]
    turn = half[0][:, None, None] * half[1][:, None] * half[2]
    # at the Nyquist wavenumber the sign of a mode is a convention
    turn[:, :, -1] = half[0][:, None] * half[1] * 1j
    expected = (sums[0] + sums[1] * turn) / 2 / (window[0][:, None, None] * window[1][:, None] * window[2])
    expected[0, 0, 0] = 0
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)
    # without images a particle has the modulus 1; the nearest that are left are two Nyquist wavenumbers further
    low = np.s_[:2, :2, :1]
    off = np.abs(np.abs(found[low]) - 1).ravel()[1:]
    off_alone = np.abs(np.abs(particle_modes(grids[0]).transform.values[low]) / prod(cells) - 1).ravel()[1:]
    assert off.max() < 0.1 * off_alone.max()


def displaced_lattice(n, cut_off, displacement, seed=1):
    """A lattice of n^3 particles in a unit box, displaced by Gaussian modes with a cut-off, as initial conditions are.

    cut_off  over the Nyquist wavenumber of the lattice;  displacement  standard deviation [spacings]
    """
    k = [2 * np.pi * fft.fftfreq(n, 1 / n)] * 2 + [2 * np.pi * fft.rfftfreq(n, 1 / n)]
    square = k[0][:, None, None] ** 2 + k[1][:, None] ** 2 + k[2] ** 2
    square[0, 0, 0] = 1
    modes = np.fft.rfftn(np.random.default_rng(seed).standard_normal((n, n, n)))
    modes *= np.exp(-((square / (cut_off * np.pi * n) ** 2) ** 2)) / square**1.5
    shapes = (-1, 1, 1), (1, -1, 1), (1, 1, -1)
    moved = np.stack([fft.irfftn(1j * k[i].reshape(shapes[i]) * modes, (n, n, n)) for i in range(3)], -1)
    lattice = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n] * 3, indexing="ij"), -1)
    return (lattice + moved * (displacement / n / moved.std())).reshape(-1, 3) % 1


@pytest.mark.parametrize("displacement", [0.01, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("cut_off", [0.15, 0.3, 0.5])
def test_images_say_from_where_rows_are_not_to_be_trusted(displacement, cut_off):
    """With four times the cells a side as the truth, rows before are right to 13 %."""
    positions, unit = displaced_lattice(32, cut_off, displacement), (1.0, 1.0, 1.0)
    found, truth = (
        power_of_particles(particle_modes(*pair), Bins(pair[0].box.cells, unit)).spectrum
        for pair in (grids_in(Box(unit, (32,) * 3), positions), grids_in(Box(unit, (128,) * 3), positions))
    )
    pair = grids_in(Box(unit, (32,) * 3), positions)
    begin = first_untrusted(found, image_power(particle_modes(*pair), Bins((32,) * 3, unit)))
    rows = slice(1, 15)  # up to 0.9 of the Nyquist wavenumber
    off = np.abs(found.power[rows] / truth.power[rows] - 1)
    trusted = found.k[rows] < (begin or np.inf)
    assert np.all(off[trusted] < 0.13), off
    # nothing is said where all is right
    assert begin is None or off.max() > 0.1 or displacement > 0.1
    assert begin is not None or displacement == 1.0


def grids_in(box, positions, name="tsc"):
    grids = [ParticleGrid(box, name, shift=shift) for shift in (0.0, 0.5)]
    for grid in grids:
        grid.add(positions)
    return grids


@assignments
def test_images_of_particles_at_random(name):
    """The images of odd n_x + n_y + n_z of shot noise: half the difference of the sums with and without signs."""
    positions, _ = particles(40_000)
    grids = filled(name, positions, cells=(24, 30, 20))
    bins = Bins(grids[0].box.cells, grids[0].box.size)
    modes = particle_modes(*grids)
    sums = []
    for alternating in (False, True):
        x, y, z = (ASSIGNMENTS[name].images(phase, alternating) for phase in phases(bins.cells))
        sums.append(x[:, None, None] * y[:, None] * z)
    x, y, z = (ASSIGNMENTS[name].window(phase) ** 2 for phase in phases(bins.cells))
    over = x[:, None, None] * y[:, None] * z
    expected = modes.white_noise * in_bins(np.maximum(sums[0] - sums[1], 0) / 2 / over, bins)
    images, spectrum = image_power(modes, bins), power_of_particles(modes, bins).spectrum
    inside = (spectrum.k > 0) & (spectrum.k < spectrum.nyquist)
    ratio, number = images[inside] / expected[inside], spectrum.modes[inside]
    assert np.all(np.abs(ratio - 1) < 5 * np.sqrt(2 / number))
    assert np.average(ratio, weights=number) == pytest.approx(1, abs=4 * np.sqrt(2 / number.sum()))
    assert name == "ngp" or first_untrusted(spectrum, images) is None
    assert image_power(particle_modes(grids[0]), bins) is None


def test_either_grid_may_be_the_shifted():
    positions, weights = particles(2000)
    first, second = filled("tsc", positions, weights)
    (third,) = filled("tsc", positions, weights, (-0.5,))
    powers = [measured(*pair).spectrum.power for pair in ((first, second), (second, first), (first, third))]
    # but for the Nyquist wavenumbers, whose sign is a convention, all modes are the same
    inside = first.box.nyquist > measured(first).spectrum.k
    np.testing.assert_allclose(powers[1][inside], powers[0][inside], rtol=1e-11)
    np.testing.assert_allclose(powers[2][inside], powers[0][inside], rtol=1e-11)


# shot noise


@cache
def scattered():
    """A million particles at random, half of them with another weight."""
    positions = np.random.default_rng(7).random((1_000_000, 3)) * SIZE
    return positions, np.tile([0.5, 1.5], 500_000)


@assignments
@grids_of
def test_particles_at_random(name, interlaced):
    """Their power is the expected one up to the corner of k space, and flat up to 0.7 of the Nyquist wavenumber."""
    positions, weights = scattered()
    cells = (64, 48, 40)
    found = particle_spectrum([(positions, weights)], Box(SIZE, cells), name, interlaced=interlaced)
    # V sum w^2 / (sum w)^2
    assert found.white_noise == pytest.approx(prod(SIZE) * (0.25 + 2.25) / 2 / 1e6, rel=1e-13)
    assert (found.number, found.assignment, found.interlaced) == (1_000_000, name, interlaced)
    spectrum = found.spectrum
    assert spectrum.modes.sum() == prod(cells) and spectrum.power[0] == found.shot_noise[0] == 0
    z = (spectrum.power[1:] / found.shot_noise[1:] - 1) * np.sqrt(spectrum.modes[1:] / 2)
    low = spectrum.k[1:] < 0.7 * spectrum.nyquist
    assert_scatter(z[low])
    # images share their noise: z of single bins is not as Gaussian there
    assert np.abs(z).max() < 4.5
    # what images add to the white noise
    added = found.shot_noise[1:][low].max() / found.white_noise - 1
    limits = {"ngp": (0.14, 0.6), "cic": (0.002, 0.05), "tsc": (5e-5, 0.01), "pcs": (2e-6, 0.002)}[name]
    assert 0 <= added < limits[0 if interlaced else 1]


@assignments
def test_noise_of_one_grid(name):
    """On one grid, the sum of all images, before it is divided by the window (Jing 2005 for cic)."""
    positions, _ = particles(100)
    (grid,) = filled(name, positions, shifts=(0.0,))
    noise = measured(grid).shot_noise / (prod(SIZE) / 100)
    sine = [np.sin(phase / 2) ** 2 for phase in phases(grid.box.cells)]
    images = {
        "ngp": lambda s: 1 + 0 * s,
        "cic": lambda s: 1 - 2 / 3 * s,
        "tsc": lambda s: 1 - s + 2 / 15 * s**2,
        "pcs": lambda s: 1 - 4 / 3 * s + 2 / 5 * s**2 - 4 / 315 * s**3,
    }[name]
    order = ASSIGNMENTS[name].order
    x, y, z = (
        images(s) / np.sinc(p / 2 / np.pi) ** (2 * order) for s, p in zip(sine, phases(grid.box.cells), strict=1)
    )
    expected = in_bins(x[:, None, None] * y[:, None] * z, Bins(grid.box.cells, SIZE))
    np.testing.assert_allclose(noise, expected, rtol=1e-12)


def test_shot_noise_taken_off():
    positions, weights = particles(5000)
    found = particle_spectrum([(positions, weights)], Box(SIZE, (12, 15, 10)), mu_bins=3, mu_axis=0)
    less = found.less_shot_noise()
    assert found.shot_noise.shape == found.spectrum.power.shape == (len(less.k), 3)
    np.testing.assert_array_equal(less.power, found.spectrum.power - found.shot_noise)
    np.testing.assert_array_equal(less.modes, found.spectrum.modes)
    assert np.nanmedian(np.abs(less.power[1:])) < 0.3 * found.white_noise


# mocks


FINE, CELLS, SIDES = (128, 96, 80), (64, 48, 40), (320.0, 240.0, 200.0)
VARIANCE, NUMBER = 1.0, 1_000_000
CORRELATION = 1.4  # scatter of the mean of deviations times the root of their number, from 20 seeds


@cache
def mock():
    """A million particles that sample a log-normal field (Coles & Jones 1991) of known spectrum.

    The logarithm has P ~ 1/k; particles lie around the centres of fine cells as CIC's cloud does, so that beyond the
    Nyquist wavenumber of the fine cells, twice that of the grids, nothing is left.
    Returns positions, and per mode of the grid of CELLS the power of the field [(cMpc/h)^3]: of this realisation, and
    expected.
    """
    random = np.random.default_rng(1)
    bins = Bins(FINE, SIDES)
    x, y, z = (bins.wavenumbers(axis) ** 2 for axis in range(3))
    k = np.sqrt(x[:, None, None] + y[:, None] + z)
    power = np.divide(1, k, out=np.zeros_like(k), where=k > 0)
    correlation = fft.irfftn(power, FINE)
    scale = VARIANCE / correlation[0, 0, 0]
    gaussian = fft.irfftn(fft.rfftn(random.standard_normal(FINE)) * np.sqrt(scale * power), FINE)
    density = np.exp(gaussian - VARIANCE / 2)
    counts = random.poisson(density * (NUMBER / density.size)).ravel()
    cell = np.stack(np.unravel_index(np.repeat(np.arange(density.size), counts), FINE), axis=1)
    cloud = random.random((2, len(cell), 3)).sum(axis=0) - 1
    positions = (cell + 0.5 + cloud) * (np.array(SIDES) / FINE)

    window = [np.sinc(phase * n / m / 2 / np.pi) ** 2 for phase, n, m in zip(phases(CELLS), CELLS, FINE, strict=True)]
    window = window[0][:, None, None] * window[1][:, None] * window[2]
    numbers = np.ix_(*(np.rint(fft.fftfreq(n, 1 / n)).astype(int) for n in CELLS[:2]), np.arange(CELLS[2] // 2 + 1))
    modes = fft.rfftn(density)[numbers] / density.size * (NUMBER / len(positions))
    expected = fft.rfftn(np.expm1(scale * correlation)).real[numbers] / density.size
    return positions, *(prod(SIDES) * window**2 * each for each in (np.abs(modes) ** 2, expected))


def scores(found, realised, expected):
    """Deviations of bins below 0.7 of the Nyquist wavenumber in their errors.

    From the power of the realisation, by the noise of particles: a mode has the variance P_s^2 + 2 P P_s; and from the
    expected power, by that of the modes too.
    """
    spectrum, bins = found.less_shot_noise(), found.spectrum.bins
    low = (spectrum.k > 0) & (spectrum.k < 0.7 * spectrum.nyquist)
    p, e = (in_bins(np.maximum(each, 0), bins)[low] for each in (realised, expected))
    power, modes, noise = spectrum.power[low], spectrum.modes[low], found.white_noise
    return (
        (power - p) / np.sqrt((noise**2 + 2 * p * noise) * 2 / modes),
        (power - e) / ((e + noise) * np.sqrt(2 / modes)),
    )


@assignments
def test_mock_without_bias(name):
    """With two grids, within errors up to 0.7 of the Nyquist wavenumber; particles cluster, so that bins correlate."""
    positions, realised, expected = mock()
    found = particle_spectrum([(positions, None)], Box(SIDES, CELLS), name)
    assert found.white_noise == pytest.approx(prod(SIDES) / len(positions), rel=1e-14)
    for z in scores(found, realised, expected):
        assert len(z) > 20
        assert np.abs(z).max() < 3.5
        assert_scatter(z, CORRELATION)


def test_what_images_add_to_the_mock():
    """The same particles, whose noise is the same too, by all assignments, over pcs on two grids: the last bins."""
    positions, _, _ = mock()
    box, added = Box(SIDES, CELLS), {}
    best = particle_spectrum([(positions, None)], box, "pcs").less_shot_noise()
    last = np.flatnonzero(best.k < 0.7 * best.nyquist)[-6:]
    for name in ASSIGNMENTS:
        for interlaced in (False, True):
            found = particle_spectrum([(positions, None)], box, name, interlaced=interlaced).less_shot_noise()
            added[name, interlaced] = np.mean(found.power[last] / best.power[last] - 1)
    assert 0.04 < added["ngp", False] < 0.1
    assert 0.002 < added["ngp", True] < 0.01
    assert abs(added["cic", False]) < 0.006 and abs(added["cic", True]) < 0.003
    assert 0.0005 < added["tsc", False] < 0.003 and abs(added["tsc", True]) < 0.0005
    assert 0 < added["pcs", False] < 0.001


# other


def test_single_precision():
    positions, _, _ = mock()
    double, single = (particle_spectrum([(positions, None)], Box(SIDES, CELLS), dtype=t) for t in (float, np.float32))
    inside = double.spectrum.k < double.spectrum.nyquist
    np.testing.assert_allclose(single.spectrum.power[inside], double.spectrum.power[inside], rtol=1e-5)
    np.testing.assert_array_equal(single.shot_noise, double.shot_noise)


def test_batches_and_names():
    positions, weights = particles(3000)
    box = Box(SIZE, (12, 15, 10))
    whole = particle_spectrum([(positions, weights)], box, name="stars", bin_width=2)
    cut = particle_spectrum(((positions[i::3], weights[i::3]) for i in range(3)), box, name="stars", bin_width=2)
    np.testing.assert_allclose(cut.spectrum.power, whole.spectrum.power, rtol=1e-11)
    assert whole.spectrum.names == ("stars",) and whole.spectrum.bins.width == 2
    assert whole.spectrum.mean_density == pytest.approx((weights.sum() / 1800,), rel=1e-14)


@pytest.mark.parametrize(
    ("weights", "said"), [([1.0, -1.0], "2 particles: their sum 0"), ([], "0 particles: their sum 0")]
)
def test_no_mass(weights, said):
    positions, _ = particles(len(weights))
    with pytest.raises(ValueError, match=f"^masses of {said} must be positive$"):
        particle_spectrum([(positions, np.array(weights))], Box(SIZE, (4, 4, 4)))


def test_grids_that_are_no_pair():
    positions, _ = particles(50)
    grid, shifted = filled("tsc", positions)
    wrong = [*filled("cic", positions, shifts=(0.5,)), *filled("tsc", positions, shifts=(0.0, 0.25))]
    wrong += [*filled("tsc", positions, shifts=(0.5,), cells=(4, 4, 4))]
    wrong += [*filled("tsc", positions, shifts=(0.5,), dtype=np.float32)]
    for other in wrong:
        with pytest.raises(ValueError, match=r"grids of tsc and .*must be alike but for half a cell"):
            measured(grid, other)
    shifted.add(positions[:1])
    with pytest.raises(ValueError, match="grids of 50 and 51 particles: must be the same particles"):
        measured(grid, shifted)


# over ranks


@needs_mpi
def test_ranks():
    """The same under mpiexec, on three ranks, of which one holds no line of the smallest grid."""
    agree(__file__, 3)


def check_same(ranks, cells, interlaced):
    positions, weights = particles(2000)
    options = {"assignment": "cic", "interlaced": interlaced, "mu_bins": 2}
    expected = particle_spectrum([(positions, weights)], Box(SIZE, cells), **options)
    own = slice(ranks.rank, None, ranks.size)
    batches = [(positions[own], weights[own])] * (ranks.rank != 1) + [(positions[:0], weights[:0])] * ranks.rank
    if ranks.rank == 1:
        batches += [(positions[own], weights[own])]
    found = particle_spectrum(batches, Box(SIZE, cells), **options, domain=Domain(cells, ranks, CPU(1)))
    np.testing.assert_array_equal(found.spectrum.modes, expected.spectrum.modes)
    np.testing.assert_allclose(found.spectrum.power, expected.spectrum.power, rtol=1e-11)
    np.testing.assert_allclose(found.shot_noise, expected.shot_noise, rtol=1e-13)
    assert found.white_noise == pytest.approx(expected.white_noise, rel=1e-14)


def check_ranks(ranks):
    for cells in ((12, 15, 10), (4, 2, 3)):
        for interlaced in (False, True):
            check_same(ranks, cells, interlaced)


if __name__ == "__main__":
    run_here(check_ranks)
