"""Multipoles of P(k, mu): exact where P(k, mu) has no others, by sums over the full complex transform, of a mock."""

from itertools import pairwise
from math import prod

import numpy as np
import pytest
from scipy import fft
from scipy.special import eval_legendre

from gpu_fdm.parallel.backend import CPU
from gpu_fdm.spectra.multipoles import Multipoles, add_multipoles
from gpu_fdm.spectra.power import Bins, PowerSpectrum, bin_modes

CELLS, SIZE = (12, 15, 10), (3.0, 2.0, 2.5)
axes = pytest.mark.parametrize("axis", [0, 1, 2])
BETA = 0.7
KAISER = 1 + 2 / 3 * BETA + BETA**2 / 5, 4 / 3 * BETA + 4 / 7 * BETA**2, 8 / 35 * BETA**2


def signed(bins, half=True):
    """k along the axes of the real transform, or of the complex one [k_f], to be broadcast."""
    last = np.fft.rfftfreq if half else np.fft.fftfreq
    numbers = [np.fft.fftfreq(n, 1 / n) for n in bins.cells[:2]] + [last(bins.cells[2], 1 / bins.cells[2])]
    scaled = [max(bins.box_size) / side * each for side, each in zip(bins.box_size, numbers, strict=True)]
    return np.ix_(*scaled)


def cosine(bins, half=True):
    """|k| [k_f] and mu^2 of the modes, 0 for k = 0."""
    along = signed(bins, half)
    square = sum(each**2 for each in along)
    mu_squared = np.divide(along[bins.mu_axis] ** 2, square, out=np.zeros(square.shape), where=square > 0)
    return np.sqrt(square), mu_squared


def noise(cells, seed=1):
    return fft.rfftn(np.random.default_rng(seed).standard_normal(cells))


def multipoles(values, bins, method="sum", **options):
    return Multipoles.from_sums(add_multipoles(values, 0, bins, **options), bins, method)


@axes
@pytest.mark.parametrize("width", [1, 2.5])
def test_against_full_sums(axis, width):
    bins = Bins(CELLS, SIZE, width, mu_axis=axis)
    field = np.random.default_rng(1).standard_normal(CELLS)
    found = multipoles(fft.rfftn(field), bins)
    size = np.abs(fft.fftn(field)) ** 2 * prod(SIZE) / prod(CELLS) ** 2
    k, mu_squared = cosine(bins, half=False)
    row = np.floor(k / width + 0.5 + 1e-9).astype(int) + 1
    row[0, 0, 0] = 0
    for number, each in enumerate(np.unique(row)[1:], 1):
        here = row == each
        assert found.modes[number] == here.sum()
        assert found.k[number] == pytest.approx(bins.fundamental * k[here].mean(), rel=1e-13)
        for column, order in enumerate((0, 2, 4)):
            legendre = eval_legendre(order, np.sqrt(mu_squared[here]))
            expected = (2 * order + 1) * np.mean(size[here] * legendre)
            assert found.power[number, column] == pytest.approx(expected, rel=1e-11, abs=1e-13 * size.max())
            for other, mixing in zip((0, 2, 4), found.mixing[number, column], strict=True):
                mixed = (2 * order + 1) * np.mean(legendre * eval_legendre(other, np.sqrt(mu_squared[here])))
                assert mixing == pytest.approx(mixed, rel=1e-12, abs=1e-13)
    assert found.modes.sum() == prod(CELLS) and np.all(found.power[0] == 0)


@axes
def test_monopole_is_the_power_spectrum(axis):
    bins, values = Bins(CELLS, SIZE, mu_axis=axis), noise(CELLS)
    found = multipoles(values, bins)
    expected = PowerSpectrum.from_sums(bin_modes(values, None, 0, bins), bins, (1.0,))
    np.testing.assert_array_equal(found.modes, expected.modes)
    np.testing.assert_allclose(found.k, expected.k, rtol=1e-13)
    np.testing.assert_allclose(found.power[:, 0], expected.power, rtol=1e-12)


@axes
def test_fit_is_exact(axis):
    """Where P(k, mu) is a sum of the three: in bins of few modes too, and beyond the Nyquist wavenumber."""
    bins = Bins(CELLS, SIZE, mu_axis=axis)
    k, mu_squared = cosine(bins)
    values = (1 + BETA * mu_squared) * np.exp(1j * k)
    scale = prod(SIZE) / prod(CELLS) ** 2
    found = multipoles(values, bins, "fit")
    determined = np.isfinite(found.power[:, 0])
    assert determined.sum() >= len(determined) - 2
    assert np.all(np.isfinite(found.power) == determined[:, None])
    # round-off, multiplied in the corner of k space, where all modes have nearly the same mu
    np.testing.assert_allclose(
        found.power[determined][1:] / scale, np.tile(KAISER, (determined.sum() - 1, 1)), rtol=1e-5
    )
    # what the sums say is that, mixed
    summed = multipoles(values, bins)
    np.testing.assert_allclose(summed.power[1:] / scale, summed.mixing[1:] @ KAISER, rtol=1e-12)
    assert np.abs(summed.power[1] / scale / KAISER - 1).max() > 0.5
    np.testing.assert_array_equal(summed.mixing, found.mixing)


def test_bins_that_determine_nothing():
    """The first bin of this box holds modes along one axis alone: mu is 1, or 0."""
    for axis in range(3):
        bins = Bins((8, 8, 8), (4.0, 1.0, 1.0), mu_axis=axis)
        found = multipoles(noise((8, 8, 8)), bins, "fit")
        assert found.modes[1] == 2 and np.all(np.isnan(found.power[1])) and np.all(found.power[0] == 0)
        assert np.all(np.isfinite(multipoles(noise((8, 8, 8)), bins).power))


@pytest.mark.parametrize(
    ("modes", "mixing"), [((900, 2000), 0.13), ((10_000, 30_000), 0.04), ((30_000, 50_000), 0.015)]
)
def test_mixing_in_a_cube(modes, mixing):
    """Smaller with more modes, as the module says; beyond the Nyquist wavenumber directions are missing."""
    bins = Bins((128,) * 3, 1.0)
    found = multipoles(np.ones(bins.transform_shape, complex), bins)
    off = np.abs(found.mixing - np.eye(3)).max(axis=(1, 2))
    inside = (found.k < bins.nyquist - 0.5 * bins.fundamental) & (found.modes > modes[0]) & (found.modes < modes[1])
    assert inside.sum() > 2 and 0.4 * mixing < off[inside].max() < mixing
    assert off[1] > 1 and off[70] > 1


@axes
def test_gaussian_field_in_redshift_space(axis):
    """Kaiser's multipoles within their errors, from the modes of each bin; 2 P^2/modes is the variance of a mode's."""
    cells, sides = (64, 72, 60), (100.0, 110.0, 96.0)
    bins = Bins(cells, sides, 2.0, mu_axis=axis)
    k, mu_squared = cosine(bins)
    power = np.divide(1, k, out=np.zeros_like(k), where=k > 0)
    values = noise(cells, seed=axis) * np.sqrt(power) * (1 + BETA * mu_squared)
    found = {method: multipoles(values, bins, method) for method in ("sum", "fit")}
    inside = (found["sum"].k > 0) & (found["sum"].k < bins.nyquist)
    # of the modes of white noise the mean is the number of cells; 1/k varies within a bin: its mean over the modes
    mean = multipoles(np.sqrt(power) + 0j, bins).power[inside, 0] * prod(cells)
    mu = np.linspace(0, 1, 2001)
    weight = np.array([(2 * order + 1) * eval_legendre(order, mu) for order in (0, 2, 4)])
    variance = np.trapezoid(weight**2 * (1 + BETA * mu**2) ** 4, mu, axis=1)
    error = mean[:, None] * np.sqrt(2 * variance / found["sum"].modes[inside, None])
    for method in found:
        truth = np.array(KAISER) * mean[:, None]
        if method == "sum":
            truth = np.einsum("bij,j->bi", found["sum"].mixing[inside], KAISER) * mean[:, None]
        z = (found[method].power[inside] - truth) / error
        z = z[3:]  # the first bins determine the three badly
        assert len(z) > 10
        assert np.all(np.abs(z.mean(axis=0)) < 3 / np.sqrt(len(z)))
        assert np.all(np.abs(np.mean(z**2, axis=0) - 1) < 3 * np.sqrt(2 / len(z)))
        assert np.sum(truth / error, axis=0)[1] > 100  # so many sigma, all bins together


@axes
def test_slabs_threads_and_backends(axis):
    bins, values = Bins(CELLS, SIZE, mu_axis=axis), noise(CELLS)
    whole = add_multipoles(values, 0, bins, CPU(1))
    parts = [add_multipoles(values[:, a:b], a, bins) for a, b in pairwise([0, 1, 1, 7, 15])]
    added = parts[0] + parts[1] + parts[2] + parts[3]
    for name in ("power", "mu", "k", "modes"):
        np.testing.assert_allclose(getattr(added, name), getattr(whole, name), rtol=1e-12)
        for backend in (CPU(2), CPU(5)):
            np.testing.assert_array_equal(getattr(add_multipoles(values, 0, bins, backend), name), getattr(whole, name))
    single = multipoles(values.astype(np.complex64), bins)
    np.testing.assert_allclose(single.power, multipoles(values, bins).power, rtol=0, atol=1e-6 * single.power.max())


@axes
@pytest.mark.parametrize("dtype", [np.complex128, np.complex64])
def test_a_card_sums_the_same(cuda, axis, dtype):
    bins, values = Bins(CELLS, SIZE, mu_axis=axis), noise(CELLS).astype(dtype)
    for part in (slice(None), slice(2, 9)):
        expected = add_multipoles(values[:, part], part.start or 0, bins, CPU(1))
        found = add_multipoles(cuda.to_device(values[:, part]), part.start or 0, bins, cuda)
        np.testing.assert_array_equal(found.modes, expected.modes)
        for name in ("power", "mu", "k"):
            np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-11, err_msg=name)


def test_what_is_refused():
    bins = Bins((5, 4, 3), 2.0)
    for shape, first in (((5, 4, 3), 0), ((4, 4, 2), 0), ((5, 3, 2), 2), ((5, 3, 2), -1), ((4, 2), 0)):
        with pytest.raises(ValueError, match="no part of a transform of shape"):
            add_multipoles(np.ones(shape, complex), first, bins)
    sums = add_multipoles(np.ones((5, 3, 2), complex), 0, bins)
    with pytest.raises(ValueError, match="sums over 45 modes of 60: slabs missing or counted twice"):
        Multipoles.from_sums(sums, bins)
    with pytest.raises(ValueError, match="method = mean: must be sum or fit"):
        Multipoles.from_sums(sums, bins, "mean")


def test_errors_are_the_scatter_of_white_noise():
    bins = Bins(CELLS, SIZE, mu_axis=2)
    modes = [fft.rfftn(np.random.default_rng(seed).standard_normal(CELLS)) for seed in range(400)]
    found = [Multipoles.from_sums(add_multipoles(each, 0, bins), bins) for each in modes]
    scatter = np.std([each.power for each in found], axis=0)
    mean = np.mean([each.power[:, 0] for each in found], axis=0)
    error = found[0].gaussian_error(np.sqrt(2 / found[0].modes) * mean)
    many = found[0].modes > 20
    assert many.sum() > 5
    # the scatter of 400 is known to 3.5 % each
    np.testing.assert_allclose(scatter[many], error[many], rtol=0.15)
