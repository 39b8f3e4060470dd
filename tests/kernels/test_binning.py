"""The kernels that bin modes and separations give what the numba loops give, and P(k) is the same on a card."""

from itertools import pairwise
from math import prod

import numpy as np
import pytest
from scipy import fft

from gpu_fdm.kernels.binning import add_separations, bin_numbers
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.fft import inverse, transform
from gpu_fdm.spectra.power import Bins, ModeSums, bin_modes, power_spectrum

# round-off: products and sums are double at both precisions, transforms are not
SUMS = 1e-12
TRANSFORMS = {np.float64: 1e-12, np.float32: 1e-6}
# sides in the ratio 3:2 put modes on the edges of bins, round-off of 0.3 / 0.2 below them
GRIDS = [
    ((12, 15, 10), (3.0, 2.0, 2.5)),
    ((9, 8, 7), (0.3, 0.2, 0.25)),
    ((8, 9, 6), (1.0, 4.0, 2.0)),
    ((5, 1, 2), (2.0, 2.0, 1.0)),
    ((1, 6, 1), (0.1, 0.3, 0.2)),
]
SHARED = 4096  # bins that the kernels sum in shared memory

grids = pytest.mark.parametrize(("cells", "sides"), GRIDS)
precisions = pytest.mark.parametrize("dtype", TRANSFORMS)


def spectrum(cells, dtype, seed=1):
    """Transform of a random field, complex64 or complex128, of numbers that differ from mode to mode."""
    return fft.rfftn(np.random.default_rng(seed).standard_normal(cells).astype(dtype))


def density(cells, dtype, seed=1):
    return (2 + 0.5 * np.random.default_rng(seed).standard_normal(cells)).astype(dtype)


def assert_same_sums(found, expected, scale=None):
    """Counts exactly; sums to round-off over the largest, or over `scale`: terms of cross spectra cancel."""
    for sums in (found.power, found.k, found.modes):
        assert type(sums) is np.ndarray
    assert found.modes.dtype == np.int64
    np.testing.assert_array_equal(found.modes, expected.modes)
    np.testing.assert_allclose(found.k, expected.k, rtol=SUMS, atol=0)
    scale = np.abs(expected.power).max() if scale is None else scale
    np.testing.assert_allclose(found.power, expected.power, rtol=SUMS, atol=SUMS * scale)


@grids
@precisions
@pytest.mark.parametrize("width", [1, 0.3, 2.5])
def test_modes(cuda, cells, sides, dtype, width):
    bins, modes = Bins(cells, sides, width), spectrum(cells, dtype)
    found = bin_modes(cuda.to_device(modes), None, 0, bins, backend=cuda)
    expected = bin_modes(modes, None, 0, bins, backend=CPU(1))
    assert_same_sums(found, expected)
    assert found.modes.sum() == prod(cells)
    np.testing.assert_allclose(found.power, expected.power, rtol=SUMS)  # nothing cancels


@grids
@precisions
def test_two_fields(cuda, cells, sides, dtype):
    bins = Bins(cells, sides)
    first, second = spectrum(cells, dtype), spectrum(cells, dtype, seed=2)
    expected = bin_modes(first, second, 0, bins, backend=CPU(1))
    scale = bin_modes(first, None, 0, bins, backend=CPU(1)).power.max()
    assert_same_sums(bin_modes(*map(cuda.to_device, (first, second)), 0, bins, backend=cuda), expected, scale)
    mixed = spectrum(cells, np.float64 if dtype == np.float32 else np.float32, seed=2)
    expected = bin_modes(first, mixed, 0, bins, backend=CPU(1))
    assert_same_sums(bin_modes(*map(cuda.to_device, (first, mixed)), 0, bins, backend=cuda), expected, scale)


@grids
@pytest.mark.parametrize("mu_axis", [0, 1, 2])
@pytest.mark.parametrize("mu_bins", [1, 2, 5])
def test_mu_bins(cuda, cells, sides, mu_bins, mu_axis):
    bins, modes = Bins(cells, sides, mu_bins=mu_bins, mu_axis=mu_axis), spectrum(cells, np.float64)
    found = bin_modes(cuda.to_device(modes), None, 0, bins, backend=cuda)
    assert found.modes.shape == bins.sums_shape
    assert_same_sums(found, bin_modes(modes, None, 0, bins, backend=CPU(1)))


@pytest.mark.parametrize("axis", [0, 1, 2])
@precisions
def test_slabs(cuda, axis, dtype):
    cells = (36, 40, 10)  # more lines than the kernel takes at a time, along x and along y
    bins = Bins(cells, (3.0, 2.0, 2.5), mu_bins=3, mu_axis=1)
    first, second = spectrum(cells, dtype), spectrum(cells, dtype, seed=2)
    scale = bin_modes(first, None, 0, bins, backend=CPU(1)).power.max()
    added = None
    for begin, end in pairwise([0, 1, 4, 4, first.shape[axis]]):
        part = [slice(None)] * 3
        part[axis] = slice(begin, end)
        slabs = first[tuple(part)], second[tuple(part)]  # views, which are not contiguous
        found = bin_modes(*map(cuda.to_device, slabs), begin, bins, axis=axis, backend=cuda)
        assert_same_sums(found, bin_modes(*slabs, begin, bins, axis=axis, backend=CPU(1)), scale)
        added = found if added is None else added + found
    assert_same_sums(added, bin_modes(first, second, 0, bins, backend=CPU(1)), scale)


# the ways a kernel sums: several warps of a block in shared memory, one alone, global memory for more bins than fit


@pytest.mark.parametrize(
    ("width", "mu_bins", "least", "most"),
    [
        (90.0, None, 2, 2),
        (1.0, None, 10, SHARED // 64),
        (0.06, None, SHARED // 8 + 1, SHARED // 4),
        (0.015, None, SHARED // 2 + 1, SHARED),
        (0.002, None, SHARED + 1, 10**6),
        (0.3, 300, SHARED + 1, 10**6),
    ],
)
def test_all_ways_of_summing(cuda, width, mu_bins, least, most):
    cells = (12, 15, 70)
    bins, modes = Bins(cells, (3.0, 2.0, 2.5), width, mu_bins), spectrum(cells, np.float64)
    found = bin_modes(cuda.to_device(modes), None, 0, bins, backend=cuda)
    assert least <= prod(bins.sums_shape) <= most, prod(bins.sums_shape)
    assert_same_sums(found, bin_modes(modes, None, 0, bins, backend=CPU(1)))
    again = bin_modes(cuda.to_device(modes), None, 0, bins, backend=cuda)
    np.testing.assert_array_equal(found.power, again.power)


def test_more_lines_than_warps(cuda):
    """A warp takes several lines, and the same sums come out in every run."""
    cells = (150, 131, 5)
    bins, modes = Bins(cells, 1.0), spectrum(cells, np.float32)
    first, again = (bin_modes(cuda.to_device(modes), None, 0, bins, backend=cuda) for _ in range(2))
    assert_same_sums(first, bin_modes(modes, None, 0, bins, backend=CPU(1)))
    np.testing.assert_array_equal(first.power, again.power)


@pytest.mark.parametrize("beyond", [0, 1])
def test_as_many_bins_as_fit_and_one_more(cuda, beyond):
    shape = (SHARED + beyond, 1)
    along = [np.arange(n) * 100.0 for n in (3, 4, 7)]
    along[2][-1] = SHARED + beyond - 2  # lies in the last bin, with the first two axes at 0
    values = np.random.default_rng(3).standard_normal((1, 1, 7))
    along[0], along[1] = along[0][:1], along[1][:1]
    arguments = ([(0,)], along, np.ones(7, np.int64), 1.0, shape, 2)
    found, expected = (
        ModeSums(*bin_numbers(add_separations, [backend.to_device(values)], *arguments, backend, axis=0)[0])
        for backend in (cuda, CPU(1))
    )
    assert_same_sums(found, expected)
    assert expected.modes[-1, 0] == 1


@precisions
def test_separations(cuda, dtype):
    cells, shape = (7, 10, 9), (40, 3)
    along = [np.minimum(np.arange(n), n - np.arange(n)) * step for n, step in zip(cells, (1.0, 1.5, 0.7), strict=True)]
    values = np.random.default_rng(4).standard_normal(cells).astype(dtype)
    arguments = ([(0,)], along, np.ones(cells[2], np.int64), 0.5, shape, 0)
    found, expected = (
        ModeSums(*bin_numbers(add_separations, [backend.to_device(values)], *arguments, backend, axis=0)[0])
        for backend in (cuda, CPU(1))
    )
    assert_same_sums(found, expected)
    assert expected.modes.sum() == prod(cells)
    assert expected.power.sum() == pytest.approx(values.sum(dtype=float), rel=1e-12)


# all the way


@precisions
@grids
def test_power_spectrum(cuda, cells, sides, dtype):
    field = density(cells, dtype)
    options = {"box_size": sides, "mu_bins": 3, "mu_axis": 1}
    found = power_spectrum(cuda.to_device(field), **options, domain=Domain(field.shape, backend=cuda))
    expected = power_spectrum(field, **options, domain=Domain(field.shape, backend=CPU(1)))
    for values in (found.k, found.power, found.modes):
        assert type(values) is np.ndarray
    np.testing.assert_array_equal(found.modes, expected.modes)
    np.testing.assert_allclose(found.k, expected.k, rtol=SUMS)
    assert found.mean_density == pytest.approx(expected.mean_density, rel=SUMS)
    tolerance = TRANSFORMS[dtype] * np.nanmax(expected.power)
    np.testing.assert_allclose(found.power, expected.power, rtol=0, atol=tolerance)


@precisions
def test_cross_spectrum(cuda, dtype):
    cells, sides = (12, 15, 10), (3.0, 2.0, 2.5)
    first, second = density(cells, dtype), density(cells, dtype, seed=2)
    domain = Domain(cells, backend=cuda)
    found = power_spectrum(cuda.to_device(first), sides, other=cuda.to_device(second), domain=domain)
    expected = power_spectrum(first, sides, other=second, domain=Domain(cells, backend=CPU(1)))
    tolerance = TRANSFORMS[dtype] * power_spectrum(first, sides).power.max()
    np.testing.assert_allclose(found.power, expected.power, rtol=0, atol=tolerance)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_numbers(cuda, value):
    field = density((5, 4, 3), np.float32)
    field[1, 2, 1] = value
    with pytest.raises(ValueError, match="NaN or infinity"):
        power_spectrum(cuda.to_device(field), 2.0, domain=Domain(field.shape, backend=cuda))
    with pytest.raises(ValueError, match="is zero in all cells"):
        power_spectrum(
            cuda.to_device(density((5, 4, 3), np.float64) * 0), 2.0, domain=Domain(field.shape, backend=cuda)
        )
    field = np.full((5, 4, 3), 0.1)
    field[1, 2, 1] = -5  # and the rest 5.9: what is left is no mean density
    with pytest.raises(ValueError, match="zero mean"):
        power_spectrum(cuda.to_device(field), 2.0, domain=Domain(field.shape, backend=cuda))


@precisions
def test_transform_and_back(cuda, dtype):
    field = density((7, 9, 10), dtype)
    found = transform(cuda.to_device(field), Domain(field.shape, backend=cuda))
    expected = fft.rfftn(field)
    assert found.values.flags.c_contiguous and found.values.dtype == expected.dtype
    tolerance = 10 * np.finfo(dtype).eps
    np.testing.assert_allclose(cuda.to_host(found.values), expected, rtol=0, atol=tolerance * np.abs(expected).max())
    back = inverse(found)
    assert back.dtype == dtype
    np.testing.assert_allclose(cuda.to_host(back), field, rtol=0, atol=tolerance * field.max())
