"""xi(r) of grids, against sums over pairs of cells with bins found in exact arithmetic."""

import itertools
from collections import defaultdict
from fractions import Fraction
from math import isqrt, prod

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu
from scipy import fft

from gpu_fdm.parallel.backend import CPU, GPU, gpu_count
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.spectra import power
from gpu_fdm.spectra.correlation import correlation_function

MEAN = 3.7
# Cells and sides [cMpc/h], the latter as decimal strings, which Fraction reads exactly. Cells with sides in the
# ratio 2:1 put separations on the edges of bins; in the second and third grid round-off would put them below.
GRIDS = [
    ((8, 10, 9), ("2.0", "1.25", "1.35")),
    ((9, 8, 7), ("2.7", "1.2", "1.4")),
    ((6, 7, 12), ("0.6", "2.1", "2.4")),
    ((5, 1, 2), ("2.0", "2.0", "1.0")),
    ((1, 6, 1), ("0.1", "0.3", "0.2")),
]
grids = pytest.mark.parametrize(("cells", "sides"), GRIDS)


@pytest.fixture(params=["cpu", "cuda on cpu", pytest.param("gpu", marks=pytest.mark.gpu)])
def anywhere(request):
    """Every backend, the kernels on the CPU too."""
    if request.param == "cpu":
        return CPU(2)
    if request.param == "cuda on cpu":
        return CudaOnCpu()
    if gpu_count() == 0:
        pytest.skip("no CUDA device that CuPy can use")
    return GPU()


def floats(sides):
    return tuple(float(side) for side in sides)


def random_density(cells, dtype=np.float64, seed=1):
    return (MEAN * (1 + 0.3 * np.random.default_rng(seed).standard_normal(cells))).astype(dtype)


def shells(cells, sides, width="1"):
    """Separations by bin, in exact arithmetic, bins beyond half the smallest side left out: list of lists of
    (shift, |r| [cMpc/h])."""
    steps = [Fraction(side) / number for side, number in zip(sides, cells, strict=True)]
    unit = max(steps) * Fraction(width)
    found = defaultdict(list)
    for shift in itertools.product(*map(range, cells)):
        nearest = [min(i, n - i) for i, n in zip(shift, cells, strict=True)]
        square = sum((i * step) ** 2 for i, step in zip(nearest, steps, strict=True))
        twice = 4 * square / unit**2  # (2 r / width)^2
        bin_number = (isqrt(twice.numerator // twice.denominator) + 1) // 2
        if square == 0:
            found[-1].append((shift, 0.0))
        elif (2 * bin_number + 1) * unit <= min(map(Fraction, sides)):
            found[bin_number].append((shift, float(square) ** 0.5))
    return [found[number] for number in sorted(found)]


def pair_sums(first, second, sides, width="1"):
    """r, xi, separations by a sum over all pairs of cells."""
    a, b = (field / field.mean() - 1 for field in (first, second))
    rows = shells(first.shape, sides, width)
    r = [np.mean([distance for _, distance in row]) for row in rows]
    xi = [np.mean([np.mean(np.roll(a, shift, (0, 1, 2)) * b) for shift, _ in row]) for row in rows]
    return r, xi, [len(row) for row in rows]


@grids
@pytest.mark.parametrize("width", ["1", "0.3", "2"])
def test_pair_sums(anywhere, cells, sides, width):
    first, second = random_density(cells), random_density(cells, seed=2)
    r, xi, separations = pair_sums(first, first, sides, width)
    options = {"box_size": floats(sides), "bin_width": float(width), "domain": Domain(cells, backend=anywhere)}
    found = correlation_function(anywhere.to_device(first), **options)
    assert found.separations.dtype == np.int64
    assert found.separations.tolist() == separations
    np.testing.assert_allclose(found.r, r, rtol=1e-13)
    np.testing.assert_allclose(found.correlation, xi, rtol=0, atol=1e-14)  # the variance is 0.09
    _, xi, _ = pair_sums(first, second, sides, width)
    cross = correlation_function(anywhere.to_device(first), other=anywhere.to_device(second), **options)
    np.testing.assert_allclose(cross.correlation, xi, rtol=0, atol=1e-14)
    assert cross.separations.tolist() == separations
    for values in (found.r, found.correlation, found.separations):
        assert type(values) is np.ndarray


def test_lowest_bins_of_a_cubic_grid():
    # |n|^2 = 1 (6), 2 (12) | 3 (8), 4 (6), 5 (24), 6 (24) | up to 3.5 <= 4
    found = correlation_function(random_density((8, 8, 8)), 2.0)
    assert found.separations[:3].tolist() == [1, 18, 62]
    assert len(found.r) == 4
    first = (6 + 12 * np.sqrt(2)) / 18
    second = (8 * np.sqrt(3) + 6 * 2 + 24 * np.sqrt(5) + 24 * np.sqrt(6)) / 62
    np.testing.assert_allclose(found.r[:3], 0.25 * np.array([0, first, second]), rtol=1e-14)


@grids
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_zero_lag_is_the_variance(anywhere, cells, sides, dtype):
    density, other = random_density(cells, dtype), random_density(cells, dtype, seed=2)
    found = correlation_function(anywhere.to_device(density), floats(sides), domain=Domain(cells, backend=anywhere))
    contrast, second = (field / field.mean(dtype=float) - 1 for field in (density, other))
    tolerance = 10 * float(np.finfo(dtype).eps)
    assert (found.r[0], found.separations[0]) == (0, 1)
    assert found.correlation[0] == pytest.approx(np.mean(contrast**2), rel=tolerance)
    arguments = (anywhere.to_device(density), floats(sides))
    cross = correlation_function(*arguments, other=anywhere.to_device(other), domain=Domain(cells, backend=anywhere))
    scale = np.mean(contrast**2)
    assert cross.correlation[0] == pytest.approx(np.mean(contrast * second), rel=0, abs=tolerance * scale)


@pytest.mark.parametrize("numbers", [(1, 0, 0), (0, 0, 1), (0, 3, 0), (2, -3, 1)])
def test_plane_wave(numbers):
    """xi = A^2/2 cos(k.s), and A B/2 cos(k.s + phase), whose mean over s and -s is cos(phase) of it."""
    (cells, sides), amplitude, second, phase = GRIDS[0], 0.4, 0.2, 2.0
    x = np.meshgrid(*(np.arange(n) / n for n in cells), indexing="ij")
    angle = 2 * np.pi * sum(n * at for n, at in zip(numbers, x, strict=True)) + 0.7
    density = MEAN * (1 + amplitude * np.cos(angle))
    shifts = [[shift for shift, _ in row] for row in shells(cells, sides)]
    turns = [np.array(row) / cells @ numbers for row in shifts]
    expected = amplitude**2 / 2 * np.array([np.mean(np.cos(2 * np.pi * row)) for row in turns])
    found = correlation_function(density, floats(sides))
    np.testing.assert_allclose(found.correlation, expected, rtol=0, atol=1e-15)
    other = 5 * (1 + second * np.cos(angle + phase))
    cross = correlation_function(density, floats(sides), other=other)
    expected *= second / amplitude * np.cos(phase)
    np.testing.assert_allclose(cross.correlation, expected, rtol=0, atol=1e-15)


def test_fourier_pair():
    """xi(s) = sum over modes of P(k) exp(i k.s) / V, by the full complex transform and a sum over modes."""
    cells, sides = GRIDS[1]
    density = random_density(cells)
    volume = prod(floats(sides))
    power_of_modes = np.abs(fft.fftn(density / density.mean() - 1)) ** 2 * volume / prod(cells) ** 2
    waves = [np.exp(2j * np.pi * np.outer(np.arange(n), np.arange(n)) / n) for n in cells]
    xi = np.einsum("abc,ai,bj,ck->ijk", power_of_modes, *waves).real / volume
    expected = [np.mean([xi[shift] for shift, _ in row]) for row in shells(cells, sides)]
    found = correlation_function(density, floats(sides))
    np.testing.assert_allclose(found.correlation, expected, rtol=0, atol=1e-14)


def test_cross_correlation_with_itself_and_description():
    cells, sides = GRIDS[0]
    density = random_density(cells)
    found = correlation_function(density, floats(sides), names=["fdm"], bin_width=0.5)
    cross = correlation_function(density, floats(sides), other=5 * density, bin_width=0.5)
    np.testing.assert_allclose(cross.correlation, found.correlation, rtol=0, atol=1e-15)
    assert (found.names, cross.names) == (("fdm",), ("density", "other"))
    assert (found.cells, found.box_size, found.bin_width) == (cells, floats(sides), 0.5)
    mean = density.mean()
    assert cross.mean_density == pytest.approx([mean, 5 * mean], rel=1e-14)


def test_input_is_not_changed_and_may_be_a_view():
    density = random_density((10, 18, 8))
    before = density.copy()
    view = density.transpose(2, 1, 0)[:, ::2]
    found = correlation_function(view, 2.0)
    np.testing.assert_array_equal(density, before)
    copied = correlation_function(view.copy(), 2.0)
    np.testing.assert_allclose(found.correlation, copied.correlation, rtol=0, atol=1e-15)  # the mean is rounded too


def test_single_precision():
    first, second = random_density((32, 30, 27)), random_density((32, 30, 27), seed=2)
    options = {"box_size": (3, 2, 2.5), "bin_width": 0.5}
    exact = correlation_function(first, other=second, **options)
    for a, b in itertools.product((np.float32, np.float64), repeat=2):
        found = correlation_function(first.astype(a), other=second.astype(b), **options)
        assert found.correlation.dtype == np.float64
        np.testing.assert_allclose(found.correlation, exact.correlation, rtol=0, atol=3e-7 * 0.09)


def test_number_of_threads_does_not_matter():
    density = random_density((48, 45, 40), np.float32)
    domains = (Domain(density.shape, backend=CPU(threads)) for threads in (1, 2, 5))
    one, two, five = (correlation_function(density, (3, 2, 2.5), domain=domain) for domain in domains)
    for other in (two, five):
        np.testing.assert_array_equal(one.correlation, other.correlation)
        np.testing.assert_array_equal(one.r, other.r)


def test_a_wide_bin_leaves_zero_lag_alone():
    found = correlation_function(random_density((8, 9, 10)), 2.0, bin_width=40)
    assert found.separations.tolist() == [1]


def test_ends_exactly_at_half_the_side():
    """A bin that ends there is whole, one that ends the least beyond is not."""
    # cells of 0.1; bins of 0.3 end at 0.15, 0.45, 0.75 = 1.5 / 2 up to round-off
    density = random_density((20, 15, 18))
    assert len(correlation_function(density, (2.0, 1.5, 1.8), bin_width=3).r) == 4
    assert len(correlation_function(density, (2.0, 1.5, 1.8), bin_width=3 + 1e-6).r) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"box_size": 0.0}, "box_size"),
        ({"box_size": (1.0, 2.0)}, "box_size"),
        ({"box_size": np.nan}, "box_size"),
        ({"bin_width": 0.0}, "bin_width"),
        ({"bin_width": -1.0}, "bin_width"),
        ({"bin_width": np.inf}, "bin_width"),
        ({"bin_width": np.nan}, "bin_width"),
        ({"bin_width": 1e-9}, f"at most {power.MOST_BINS}"),
        ({"domain": Domain((6, 4, 3))}, r"density has shape \(5, 4, 3\): must be \(6, 4, 3\)"),
        ({"other": np.ones((5, 4, 4))}, r"other has shape \(5, 4, 4\).*\(5, 4, 3\)"),
        ({"other": np.ones((5, 4, 3), complex)}, "other is complex128"),
        ({"other": np.zeros((5, 4, 3))}, "other is zero in all cells"),
        ({"names": ("a", "b")}, "names"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        correlation_function(random_density((5, 4, 3)), **{"box_size": 2.0, **options})


@pytest.mark.parametrize("density", [np.ones((4, 3)), np.ones((5, 4, 3), int), np.full((5, 4, 3), np.nan)])
def test_bad_fields(density):
    with pytest.raises(ValueError, match="density"):
        correlation_function(density, 2.0)
