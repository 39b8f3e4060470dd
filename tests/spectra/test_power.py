"""P(k) of grids, against sums over the full complex transform with bins found in exact arithmetic."""

import itertools
import tracemalloc
from collections import defaultdict
from fractions import Fraction
from math import isqrt, prod

import numpy as np
import pytest
from scipy import fft

from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.spectra.modes import contrast_modes
from gpu_fdm.spectra.power import Bins, ModeSums, PowerSpectrum, bin_modes, power_of_modes, power_spectrum

MEAN = 3.7
# Cells and sides [cMpc/h], the latter as decimal strings, which Fraction reads exactly. Sides in the ratio 3:2
# put modes on the edges of bins; in the second grid round-off of 0.3 / 0.2 would put them below.
GRIDS = [
    ((12, 15, 10), ("3.0", "2.0", "2.5")),
    ((9, 8, 7), ("0.3", "0.2", "0.25")),
    ((8, 9, 6), ("1.0", "4.0", "2.0")),
    ((5, 1, 2), ("2.0", "2.0", "1.0")),
    ((1, 6, 1), ("0.1", "0.3", "0.2")),
]
grids = pytest.mark.parametrize(("cells", "sides"), GRIDS)


def floats(sides):
    return tuple(float(side) for side in sides)


def random_density(cells, dtype=np.float64, contrast=0.3, seed=1):
    return (MEAN * (1 + contrast * np.random.default_rng(seed).standard_normal(cells))).astype(dtype)


def shells(cells, sides, width="1"):
    """Modes of the full Fourier space by bin, in exact arithmetic: row -> list of (index, k^2 [k_f^2])."""
    sides = [Fraction(side) for side in sides]
    scale = [max(sides) / side for side in sides]
    found = defaultdict(list)
    for index in itertools.product(*map(range, cells)):
        signed = [i if 2 * i <= n else i - n for i, n in zip(index, cells, strict=True)]
        square = sum((i * s) ** 2 for i, s in zip(signed, scale, strict=True))
        twice = 4 * square / Fraction(width) ** 2  # (2 k / width)^2
        bin_number = (isqrt(twice.numerator // twice.denominator) + 1) // 2
        found[bin_number + 1 if square else 0].append((index, square))
    return dict(sorted(found.items()))


def brute_force(first, second, sides, width="1"):
    """k, P, modes by the full complex transform and the exact bins."""
    sizes = floats(sides)
    a, b = (fft.fftn(field / field.mean() - 1) for field in (first, second))
    product = (a * b.conj()).real * prod(sizes) / first.size**2
    product[0, 0, 0] = 0
    rows = shells(first.shape, sides, width).values()
    k = [2 * np.pi / max(sizes) * np.mean([float(square) ** 0.5 for _, square in row]) for row in rows]
    power = [np.mean([product[index] for index, _ in row]) for row in rows]
    return np.array(k), np.array(power), [len(row) for row in rows]


def wave(cells, numbers, amplitude, phase):
    """MEAN (1 + A cos(2 pi n.x/L + phase))."""
    x = np.meshgrid(*(np.arange(n) / n for n in cells), indexing="ij")
    turns = sum(n * at for n, at in zip(numbers, x, strict=True))
    return MEAN * (1 + amplitude * np.cos(2 * np.pi * turns + phase))


# counting


@grids
@pytest.mark.parametrize("width", ["1", "0.25", "0.3", "2", "2.5", "7"])
def test_modes_and_k_agree_with_exact_count(cells, sides, width):
    spectrum = power_spectrum(random_density(cells), floats(sides), bin_width=float(width))
    k, _, modes = brute_force(random_density(cells), random_density(cells), sides, width)
    assert spectrum.modes.dtype == np.int64
    assert spectrum.modes.sum() == prod(cells)
    assert spectrum.modes.tolist() == modes
    assert (spectrum.k[0], spectrum.power[0], spectrum.modes[0]) == (0, 0, 1)
    np.testing.assert_allclose(spectrum.k, k, rtol=1e-14)  # round-off of a mean


def test_lowest_k_are_means_over_modes():
    # |n|^2 = 1 (6 modes), 2 (12) | 3 (8), 4 (6), 5 (24), 6 (24)
    spectrum = power_spectrum(random_density((12, 15, 10)), 2.0)
    first = (6 + 12 * np.sqrt(2)) / 18
    second = (8 * np.sqrt(3) + 6 * 2 + 24 * np.sqrt(5) + 24 * np.sqrt(6)) / 62
    np.testing.assert_allclose(spectrum.k[:3], np.pi * np.array([0, first, second]), rtol=1e-14)
    assert spectrum.modes[:3].tolist() == [1, 18, 62]
    # k = 1 (2 modes) | 2 (2 + 2), sqrt 5 (4), in units of 2 pi / 4
    spectrum = power_spectrum(random_density((12, 15, 10)), (4, 2, 1))
    np.testing.assert_allclose(spectrum.k[:3], np.pi / 2 * np.array([0, 1, (2 + np.sqrt(5)) / 2]), rtol=1e-14)
    assert spectrum.modes[:3].tolist() == [1, 2, 8]


def test_description_of_the_grid():
    spectrum = power_spectrum(random_density((12, 15, 10)), (3, 2, 2.5), names=["fdm"])
    assert spectrum.box_size == (3, 2, 2.5)
    assert spectrum.cells == (12, 15, 10)
    assert spectrum.names == ("fdm",)
    assert spectrum.mean_density == pytest.approx([random_density((12, 15, 10)).mean()], rel=1e-14)
    assert spectrum.nyquist == pytest.approx(4 * np.pi, rel=1e-15)
    assert power_spectrum(random_density((5, 4, 3)), 2).box_size == (2, 2, 2)


# amplitudes


@pytest.mark.parametrize(
    ("cells", "numbers", "is_own_conjugate"),
    [
        ((12, 15, 10), (1, 0, 0), False),
        ((12, 15, 10), (0, 0, 1), False),
        ((12, 15, 10), (0, 7, 0), False),
        ((12, 15, 10), (2, -3, 0), False),
        ((12, 15, 10), (3, 2, 4), False),
        ((12, 15, 10), (5, -7, 3), False),
        ((12, 15, 10), (1, 2, 5), False),
        ((12, 15, 10), (6, 1, 1), False),
        ((12, 15, 10), (0, 0, 5), True),
        ((12, 15, 10), (6, 0, 0), True),
        ((12, 15, 10), (6, 0, 5), True),
        ((9, 8, 7), (4, -3, 3), False),
        ((9, 8, 7), (0, 4, 0), True),
    ],
)
def test_plane_wave_lands_in_one_bin_with_its_amplitude(cells, numbers, is_own_conjugate):
    sides, amplitude, phase = ("3.0", "2.0", "2.5"), 0.4, 0.7
    spectrum = power_spectrum(wave(cells, numbers, amplitude, phase), floats(sides))
    for position, row in enumerate(shells(cells, sides).values()):
        if tuple(n % c for n, c in zip(numbers, cells, strict=True)) in {index for index, _ in row}:
            home, modes = position, len(row)
    # the wave and its conjugate hold A/2 each; where they are the same mode it holds A cos(phase)
    squares = amplitude**2 * (np.cos(phase) ** 2 if is_own_conjugate else 2 / 4)
    assert spectrum.power[home] == pytest.approx(15 * squares / modes, rel=1e-13)
    others = np.delete(spectrum.power, home)
    assert np.abs(others).max() < 1e-28  # round-off squared


@grids
@pytest.mark.parametrize("width", ["1", "0.3", "2.5"])
def test_brute_force(cells, sides, width):
    first, second = random_density(cells), random_density(cells, seed=2)
    k, power, _ = brute_force(first, first, sides, width)
    spectrum = power_spectrum(first, floats(sides), bin_width=float(width))
    np.testing.assert_allclose(spectrum.power, power, rtol=1e-12)
    _, power, _ = brute_force(first, second, sides, width)
    cross = power_spectrum(first, floats(sides), other=second, bin_width=float(width))
    # terms of a cross spectrum cancel: round-off is relative to the power of the fields
    np.testing.assert_allclose(cross.power, power, rtol=1e-12, atol=1e-12 * spectrum.power.max())
    np.testing.assert_array_equal(cross.modes, spectrum.modes)
    np.testing.assert_allclose(cross.k, k, rtol=1e-14)


@grids
def test_parseval(cells, sides):
    density = random_density(cells)
    spectrum = power_spectrum(density, floats(sides))
    variance = np.sum(spectrum.modes * spectrum.power) / prod(floats(sides))
    assert variance == pytest.approx(np.var(density / density.mean()), rel=1e-13)


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_units_of_the_density_do_not_matter(factor):
    density = random_density((12, 15, 10), np.float32)
    spectrum = power_spectrum(density, (3, 2, 2.5))
    scaled = power_spectrum(density * np.float32(factor), (3, 2, 2.5))
    np.testing.assert_allclose(scaled.power, spectrum.power, rtol=1e-5)  # round-off of single precision
    assert scaled.mean_density[0] == pytest.approx(factor * spectrum.mean_density[0], rel=1e-6)


def test_input_is_not_changed_and_may_be_a_view():
    density = random_density((10, 30, 12))
    before = density.copy()
    view = density.transpose(2, 1, 0)[:, ::2]
    spectrum = power_spectrum(view, (3, 2, 2.5))
    np.testing.assert_array_equal(density, before)
    # the sums of a view are taken in another order: the mean differs by round-off
    np.testing.assert_allclose(spectrum.power, power_spectrum(view.copy(), (3, 2, 2.5)).power, rtol=1e-13)
    swapped = view.astype(view.dtype.newbyteorder())
    np.testing.assert_allclose(spectrum.power, power_spectrum(swapped, (3, 2, 2.5)).power, rtol=1e-13)


# two fields


def test_cross_spectrum_with_itself_is_the_power():
    density = random_density((12, 15, 10))
    spectrum = power_spectrum(density, (3, 2, 2.5))
    cross = power_spectrum(density, (3, 2, 2.5), other=5 * density)
    np.testing.assert_allclose(cross.power, spectrum.power, rtol=1e-13)
    assert cross.names == ("density", "other")
    mean = spectrum.mean_density[0]
    assert cross.mean_density == pytest.approx([mean, 5 * mean], rel=1e-14)


def test_cross_spectrum_of_shifted_fields_is_the_real_part():
    cells, numbers = (12, 15, 10), (2, -3, 1)
    first, second = wave(cells, numbers, 0.4, 0.7), wave(cells, numbers, 0.2, 0.7 + 2.0)
    auto = power_spectrum(first, (3, 2, 2.5))
    cross = power_spectrum(first, (3, 2, 2.5), other=second)
    home = np.argmax(auto.power)
    assert cross.power[home] == pytest.approx(0.5 * np.cos(2.0) * auto.power[home], rel=1e-12)


@pytest.mark.parametrize("mu_bins", [None, 3])
def test_statistics_of_modes_are_those_of_densities(mu_bins):
    """Whether modes are transformed along x at once or line by line changes no bit."""
    fields = {name: random_density((12, 15, 10), seed=seed) for seed, name in enumerate("ab")}
    options = {"bin_width": 0.7, "mu_bins": mu_bins, "mu_axis": 1}
    bins = Bins((12, 15, 10), (3, 2, 2.5), 0.7, mu_bins, 1)
    first, second = (contrast_modes(field, name=name) for name, field in fields.items())
    for modes, names in (((first,), ("a",)), ((second,), ("b",)), ((first, second), ("a", "b"))):
        found = power_of_modes(modes[0], bins, *modes[1:])
        other = fields[names[1]] if len(names) > 1 else None
        expected = power_spectrum(fields[names[0]], (3, 2, 2.5), other=other, names=names, **options)
        assert (found.names, found.mean_density, found.bins) == (names, expected.mean_density, expected.bins)
        for name in ("k", "power", "modes"):
            np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_modes_that_do_not_fit():
    first, second = (contrast_modes(random_density((12, 15, 10)), complete=complete) for complete in (True, False))
    with pytest.raises(
        ValueError, match="modes of density and density: must have the same cells, all complete or none"
    ):
        power_of_modes(first, Bins((12, 15, 10), 1.0), second)
    with pytest.raises(ValueError, match=r"modes of \(12, 15, 10\) cells: must have the \(12, 15, 9\) of the bins"):
        power_of_modes(first, Bins((12, 15, 9), 1.0))
    with pytest.raises(ValueError, match=r"other has shape \(5, 4, 4\): must be \(5, 4, 3\) on this rank"):
        power_spectrum(np.ones((5, 4, 3)), 2.0, other=np.ones((5, 4, 4)))


def test_precisions_may_differ_between_fields():
    first, second = random_density((12, 15, 10)), random_density((12, 15, 10), seed=2)
    mixed = power_spectrum(first.astype(np.float32), 2.0, other=second)
    exact = power_spectrum(first, 2.0, other=second)
    scale = power_spectrum(first, 2.0).power.max()
    np.testing.assert_allclose(mixed.power, exact.power, rtol=0, atol=1e-6 * scale)


# precision, threads, memory, slabs


@pytest.mark.parametrize("contrast", [0.3, 1e-4])
def test_single_precision_agrees_with_double(contrast):
    density = random_density((48, 45, 40), np.float32, contrast)
    single = power_spectrum(density, (3, 2, 2.5))
    double = power_spectrum(density.astype(np.float64), (3, 2, 2.5))
    np.testing.assert_allclose(single.power, double.power, rtol=1e-5)
    assert single.power.dtype == np.float64
    assert single.mean_density == pytest.approx(double.mean_density, rel=1e-13)  # summed in double
    np.testing.assert_array_equal(single.k, double.k)


def test_single_precision_of_a_steep_spectrum():
    # ten decades in power: the transform's round-off is white, so the smallest power suffers
    density, _ = gaussian_field((48, 45, 40), (3.0, 2.0, 2.5), lambda k: k**-5.0, seed=3)
    single = power_spectrum(density.astype(np.float32), (3, 2, 2.5))
    double = power_spectrum(density.astype(np.float32).astype(np.float64), (3, 2, 2.5))
    assert double.power[1] / double.power[-1] > 1e6
    np.testing.assert_allclose(single.power, double.power, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mu_bins", [None, 3])
def test_number_of_threads_does_not_matter(dtype, mu_bins):
    density = random_density((48, 45, 40), dtype)
    one, two, five = (
        power_spectrum(density, (3, 2, 2.5), mu_bins=mu_bins, domain=Domain(density.shape, backend=CPU(threads)))
        for threads in (1, 2, 5)
    )
    for other in (two, five):
        np.testing.assert_array_equal(one.power, other.power)
        np.testing.assert_array_equal(one.k, other.k)
        assert one.mean_density == other.mean_density


@pytest.mark.parametrize("fields", [1, 2])
def test_memory(fields):
    density, domain = random_density((192, 160, 128), np.float32), Domain((192, 160, 128), backend=CPU(2))
    arguments = {"other": random_density((192, 160, 128), np.float32, seed=2)} if fields == 2 else {}
    power_spectrum(density, 2.0, **arguments, domain=domain)  # compiles
    tracemalloc.start()
    power_spectrum(density, 2.0, **arguments, domain=domain)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # a transform a field, which is larger by the Nyquist plane; the rest is planes, lines and partial sums
    assert peak < (fields * (1 + 2 / 128) + 0.25) * density.nbytes


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_over_slabs_add_up(axis, dtype):
    cells, bins = (12, 15, 10), Bins((12, 15, 10), (3, 2, 2.5), mu_bins=3, mu_axis=1)
    first, second = random_density(cells, dtype), random_density(cells, dtype, seed=2)
    a, b = (fft.rfftn(field / field.mean(dtype=float).astype(dtype) - 1) for field in (first, second))
    whole = bin_modes(a, b, 0, bins)
    cuts = [0, 1, 4, a.shape[axis]]
    slabs = []
    for begin, end in itertools.pairwise(cuts):
        part = [slice(None)] * 3
        part[axis] = slice(begin, end)
        slabs.append(bin_modes(a[tuple(part)], b[tuple(part)], begin, bins, axis=axis))
    added = slabs[0] + slabs[1] + slabs[2]
    np.testing.assert_array_equal(added.modes, whole.modes)
    np.testing.assert_allclose(added.k, whole.k, rtol=1e-14)
    np.testing.assert_allclose(added.power, whole.power, rtol=1e-13, atol=1e-13 * np.abs(whole.power).max())
    reference = power_spectrum(first, (3, 2, 2.5), other=second, mu_bins=3, mu_axis=1)
    spectrum = PowerSpectrum.from_sums(added, bins, (1, 1), ("a", "b"))
    scale = np.nanmax(np.abs(reference.power))
    np.testing.assert_allclose(spectrum.power, reference.power, rtol=0, atol=1e-6 * scale)
    with pytest.raises(ValueError, match="slabs missing"):
        PowerSpectrum.from_sums(slabs[0] + slabs[2], bins, (1, 1))
    with pytest.raises(ValueError, match="counted twice"):
        PowerSpectrum.from_sums(added + slabs[0], bins, (1, 1))


def test_sums_of_single_precision_are_formed_in_double():
    bins = Bins((12, 15, 10), (3, 2, 2.5))
    transform = fft.rfftn(random_density(bins.cells, np.float32))
    single = bin_modes(transform, None, 0, bins)
    double = bin_modes(transform.astype(np.complex128), None, 0, bins)
    np.testing.assert_array_equal(single.power, double.power)


# statistics


def gaussian_field(cells, sides, power, seed):
    """1 + a Gaussian field of given P(|k|), and the wave numbers of its modes: white noise, coloured."""
    n = np.meshgrid(*(np.fft.fftfreq(c, 1 / c) for c in cells), indexing="ij")
    k = 2 * np.pi * np.sqrt(sum((m / side) ** 2 for m, side in zip(n, sides, strict=True)))
    k[0, 0, 0] = 1
    white = fft.fftn(np.random.default_rng(seed).standard_normal(cells))
    coloured = fft.ifftn(white * np.sqrt(power(k) * prod(cells) / prod(sides)))
    k[0, 0, 0] = 0
    return 1 + coloured.real - coloured.real.mean(), k


def test_white_noise_is_flat_within_its_errors():
    cells, contrast = (48, 45, 40), 0.1
    spectrum = power_spectrum(random_density(cells, contrast=contrast), (3, 2, 2.5))
    expected = contrast**2 * 15 / prod(cells)
    deviation = (spectrum.power[1:] - expected) / (expected * np.sqrt(2 / spectrum.modes[1:]))
    assert np.abs(deviation).max() < 4
    assert np.mean(deviation**2) == pytest.approx(1, abs=4 * np.sqrt(2 / len(deviation)))
    total = np.average(spectrum.power[1:], weights=spectrum.modes[1:])
    assert total == pytest.approx(expected, rel=4 * np.sqrt(2 / prod(cells)))


def test_error_is_the_scatter_of_gaussian_fields():
    cells, draws = (12, 9, 10), 400
    domain = Domain(cells, backend=CPU(1))
    spectra = [power_spectrum(random_density(cells, contrast=0.1, seed=s), 2.0, domain=domain) for s in range(draws)]
    scatter = np.std([s.power[1:] for s in spectra], axis=0)
    expected = np.mean([s.error[1:] for s in spectra], axis=0)
    np.testing.assert_allclose(scatter, expected, rtol=4 / np.sqrt(2 * draws) * 1.3)
    assert np.mean(scatter / expected) == pytest.approx(1, abs=0.03)


def test_error_formula():
    spectrum = power_spectrum(random_density((12, 15, 10)), 2.0, mu_bins=4)
    filled = spectrum.modes > 0
    expected = np.sqrt(2 / spectrum.modes[filled]) * spectrum.power[filled]
    np.testing.assert_allclose(spectrum.error[filled], expected, rtol=1e-15)
    assert np.all(np.isnan(spectrum.error[~filled]))
    cross = power_spectrum(random_density((12, 15, 10)), 2.0, other=random_density((12, 15, 10), seed=2))
    with pytest.raises(ValueError, match="error of a cross spectrum"):
        _ = cross.error


def test_steep_gaussian_field_is_recovered():
    cells, sides = (64, 54, 50), (3.0, 2.0, 2.5)

    def power(k):
        return 1e-3 * k**-3.0

    density, k = gaussian_field(cells, sides, power, seed=4)
    spectrum = power_spectrum(density, sides)
    k = k.ravel()[1:]
    row = np.floor(k / (2 * np.pi / 3) + 0.5 + 1e-9).astype(int)
    mean = np.bincount(row, power(k))[1:] / np.bincount(row)[1:]
    # the power varies within a bin: its scatter is that of the sum of independent modes
    scatter = np.sqrt(2 * np.bincount(row, power(k) ** 2))[1:] / np.bincount(row)[1:]
    deviation = (spectrum.power[1:] - mean) / scatter
    assert np.abs(deviation).max() < 4
    assert np.mean(deviation**2) == pytest.approx(1, abs=4 * np.sqrt(2 / len(deviation)))
    # and k is where the power of a bin belongs: within its curvature, 1/2 P'' var(k) <= 6 (1/12) / bin^2
    bins = np.arange(1, len(mean) + 1)
    assert np.all(np.abs(mean / power(spectrum.k[1:]) - 1)[3:] < 0.6 / bins[3:] ** 2)


# angles


@pytest.mark.parametrize("mu_axis", [0, 1, 2])
@pytest.mark.parametrize("mu_bins", [1, 2, 5])
def test_mu_bins_add_up_to_the_isotropic_result(mu_axis, mu_bins):
    density, sides = random_density((12, 15, 10)), (3, 2, 2.5)
    isotropic = power_spectrum(density, sides)
    spectrum = power_spectrum(density, sides, mu_bins=mu_bins, mu_axis=mu_axis)
    assert spectrum.power.shape == spectrum.modes.shape == (len(isotropic.k), mu_bins)
    np.testing.assert_array_equal(spectrum.modes.sum(axis=1), isotropic.modes)
    np.testing.assert_array_equal(np.isnan(spectrum.power), spectrum.modes == 0)
    total = np.nansum(spectrum.power * spectrum.modes, axis=1) / isotropic.modes
    np.testing.assert_allclose(total, isotropic.power, rtol=1e-13)
    np.testing.assert_allclose(spectrum.k, isotropic.k, rtol=1e-14)
    again = spectrum.isotropic()
    np.testing.assert_allclose(again.power, isotropic.power, rtol=1e-13)
    np.testing.assert_array_equal(again.modes, isotropic.modes)
    assert again.bins.mu_bins is None and again.names == isotropic.names


@pytest.mark.parametrize("mu_axis", [0, 1, 2])
@pytest.mark.parametrize("sides", [("2.0", "2.0", "2.0"), ("0.3", "0.2", "0.25"), ("0.3", "0.4", "0.5")])
def test_mu_bins_against_exact_count(sides, mu_axis):
    # mu = 3/5, an edge of five bins, occurs; in the last two boxes round-off would put some of its modes below
    cells, mu_bins = (12, 15, 10), 5
    spectrum = power_spectrum(random_density(cells), floats(sides), mu_bins=mu_bins, mu_axis=mu_axis)
    scale = max(map(Fraction, sides)) / Fraction(sides[mu_axis])
    rows = shells(cells, sides).values()
    expected = np.zeros((len(rows), mu_bins), int)
    for row, modes in enumerate(rows):
        for index, square in modes:
            parallel = scale * min(index[mu_axis], cells[mu_axis] - index[mu_axis])
            squared = (mu_bins * parallel) ** 2 / square if square else Fraction(0)
            expected[row, min(isqrt(squared.numerator // squared.denominator), mu_bins - 1)] += 1
    np.testing.assert_array_equal(spectrum.modes, expected)
    np.testing.assert_allclose(spectrum.bins.mu_edges, [0, 0.2, 0.4, 0.6, 0.8, 1], rtol=1e-15)


@pytest.mark.parametrize("mu_axis", [0, 1, 2])
def test_waves_along_and_across_the_mu_axis(mu_axis):
    for along in range(3):
        numbers = [0, 0, 0]
        numbers[along] = 3
        spectrum = power_spectrum(wave((12, 15, 10), numbers, 0.4, 0.7), 2.0, mu_bins=4, mu_axis=mu_axis)
        column = 3 if along == mu_axis else 0
        total = np.nansum(spectrum.power * spectrum.modes, axis=0)
        assert total[column] == pytest.approx(8 * 0.4**2 / 2, rel=1e-13)
        assert np.delete(total, column).max() < 1e-25


# ratio


def test_ratio():
    first, second = random_density((12, 15, 10)), random_density((12, 15, 10), seed=2)
    a, b = (power_spectrum(field, (3, 2, 2.5)) for field in (first, second))
    k, ratio = a.ratio(b)
    np.testing.assert_array_equal(k, a.k[1:])
    np.testing.assert_allclose(ratio, a.power[1:] / b.power[1:], rtol=1e-15)
    uniform = power_spectrum(np.full((12, 15, 10), 2.0), (3, 2, 2.5))
    assert np.all(uniform.power == 0)
    assert np.all(np.isnan(a.ratio(uniform)[1]))
    a, b = (power_spectrum(field, (3, 2, 2.5), mu_bins=3) for field in (first, second))
    np.testing.assert_allclose(a.ratio(b)[1], a.power[1:] / b.power[1:], rtol=1e-15)


@pytest.mark.parametrize(
    ("cells", "options"),
    [
        ((12, 15, 10), {"box_size": (3, 2, 2.4)}),
        ((12, 15, 10), {"box_size": (6, 4, 5)}),
        ((12, 15, 10), {"bin_width": 2}),
        ((12, 15, 10), {"mu_bins": 2}),
        ((12, 15, 11), {}),
    ],
)
def test_ratio_of_different_bins(cells, options):
    spectrum = power_spectrum(random_density((12, 15, 10)), (3, 2, 2.5))
    other = power_spectrum(random_density(cells), **{"box_size": (3, 2, 2.5), **options})
    with pytest.raises(ValueError, match="different bins"):
        spectrum.ratio(other)


# what is refused


def spoiled(value):
    density = random_density((5, 4, 3))
    density[1, 2, 1] = value
    return density


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (np.ones((4, 3)), "three dimensions"),
        (np.ones((4, 0, 3)), "none empty"),
        (np.ones((5, 4, 3), complex), "complex128: must be float32 or float64"),
        (np.ones((5, 4, 3), np.int64), "int64: must be float32 or float64"),
        (np.ones((5, 4, 3), np.float16), "float16: must be float32 or float64"),
        (spoiled(np.nan), "NaN or infinity"),
        (spoiled(np.inf), "NaN or infinity"),
        (spoiled(-np.inf), "NaN or infinity"),
        (np.zeros((5, 4, 3)), "is zero in all cells"),
        (wave((5, 4, 3), (1, 0, 0), 0.3, 0.1) - MEAN, "zero mean"),
        (-random_density((5, 4, 3)), "must be positive"),
    ],
)
@pytest.mark.parametrize("place", ["density", "other"])
def test_bad_fields(density, message, place):
    fields = {"density": np.ones(density.shape if density.ndim == 3 and density.size else (5, 4, 3))}
    fields[place] = density
    with pytest.raises(ValueError, match=f"{place} .*{message}"):
        power_spectrum(fields.pop("density"), 2.0, **fields)


def test_infinities_of_both_signs():
    density = spoiled(np.inf)
    density[1, 1, 1] = -np.inf
    with pytest.raises(ValueError, match="NaN or infinity"):
        power_spectrum(density, 2.0)


def test_density_in_a_single_cell_is_no_zero_mean():
    density = np.zeros((5, 4, 3), np.float32)
    density[1, 2, 1] = 0.1
    spectrum = power_spectrum(density, 2.0)
    np.testing.assert_allclose(spectrum.power[1:], 8, rtol=1e-5)  # V: all modes have |delta_k| = 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"box_size": 0.0}, "box_size"),
        ({"box_size": -1.0}, "box_size"),
        ({"box_size": np.nan}, "box_size"),
        ({"box_size": (1.0, np.inf, 1.0)}, "box_size"),
        ({"box_size": (1.0, 0.0, 1.0)}, "box_size"),
        ({"box_size": (1.0, 2.0)}, "box_size"),
        ({"bin_width": 0.0}, "bin_width"),
        ({"bin_width": np.nan}, "bin_width"),
        ({"bin_width": 1e-9}, "at most"),
        ({"mu_bins": 0}, "mu_bins"),
        ({"mu_bins": 1.5}, "mu_bins"),
        ({"mu_bins": 3, "mu_axis": 3}, "mu_axis"),
        ({"other": np.ones((5, 4, 4))}, r"other has shape \(5, 4, 4\).*\(5, 4, 3\)"),
        ({"names": ("a", "b")}, "names"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        power_spectrum(random_density((5, 4, 3)), **{"box_size": 2.0, **options})


@pytest.mark.parametrize(
    ("shape", "other", "first", "axis", "message"),
    [
        ((5, 4, 3), None, 0, 0, "no part of a transform"),  # of the field, not of the half that is kept
        ((3, 4, 2), None, 3, 0, "no part of a transform"),
        ((3, 4, 2), None, -1, 0, "no part of a transform"),
        ((3, 4, 2), None, 0, 1, "no part of a transform"),
        ((5, 4, 2), None, 0, -1, "axis"),
        ((5, 4, 2), (4, 4, 2), 0, 0, "other has shape"),
    ],
)
def test_bad_slabs(shape, other, first, axis, message):
    bins = Bins((5, 4, 3), 2.0)
    with pytest.raises(ValueError, match=message):
        bin_modes(np.ones(shape, complex), other and np.ones(other, complex), first, bins, axis=axis)


@pytest.mark.parametrize("cells", [(5, 4), (5, 4, 0), (5.0, 4.0, 3.0)])
def test_bad_cells(cells):
    with pytest.raises(ValueError, match="cells"):
        Bins(cells, 2.0)


def test_sums_are_of_the_announced_shape():
    bins = Bins((12, 15, 10), (3, 2, 2.5), 0.7, mu_bins=3)
    sums = bin_modes(np.ones(bins.transform_shape, np.complex64), None, 0, bins)
    assert isinstance(sums, ModeSums)
    assert sums.power.shape == sums.k.shape == sums.modes.shape == bins.sums_shape
    np.testing.assert_array_equal(sums.power, sums.modes)
    assert sums.modes[-1].sum() > 0
