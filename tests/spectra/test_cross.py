"""Cross spectra of Gaussian fields whose correlation is known: their mean, sign and errors, with and without noise."""

import numpy as np
import pytest

from gpu_fdm.spectra.cross import correlation, correlation_error, cross_error
from gpu_fdm.spectra.modes import contrast_modes
from gpu_fdm.spectra.power import Bins, powers_of_modes

CELLS, SIZE = (14, 12, 10), (3.0, 2.0, 2.5)
BINS = Bins(CELLS, SIZE, 1.5)
SEEDS = 300


def white(seed, rms=0.01):
    field = np.random.default_rng(seed).standard_normal(CELLS)
    return rms * (field - field.mean())


def spectra(first, second):
    """Powers of 1 + first and of 1 + second, and their cross power, without k = 0."""
    modes = [contrast_modes(1 + field) for field in (first, second)]
    found = powers_of_modes(modes, [((0,), BINS), ((1,), BINS), ((0, 1), BINS)])
    return [each.power[1:] for each in found], found[0].modes[1:]


def test_a_field_with_itself_has_its_own_power():
    """Bit for bit, with r = 1, an error of r of zero, and the error of the power."""
    (power, _, cross), modes = spectra(white(1), white(1))
    np.testing.assert_array_equal(cross, power)
    np.testing.assert_allclose(correlation(cross, power, power), 1, rtol=1e-15)
    assert np.max(correlation_error(cross, (power, power), (power, power), modes)) < 1e-7
    np.testing.assert_allclose(cross_error(cross, power, power, modes), np.sqrt(2 / modes) * power, rtol=1e-15)


def test_the_sign_is_that_of_the_relation():
    (power, other, cross), modes = spectra(white(1), -0.5 * white(1))
    np.testing.assert_allclose(cross, -0.5 * power, rtol=1e-9)
    np.testing.assert_allclose(correlation(cross, power, other), -1, rtol=1e-12)
    assert np.max(correlation_error(cross, (power, other), (power, other), modes)) < 1e-5


def test_no_correlation_where_power_is_not_positive():
    cross, first, second = np.array([[0, 1.0, 1.0, 3.0], [0, 1.0, -1.0, 4.0], [0, 4.0, 1.0, 1.0]])
    np.testing.assert_array_equal(correlation(cross, first, second), [np.nan, 0.5, np.nan, 1.5])
    known = np.isfinite(correlation_error(cross, (first, second), (first, second), np.full(4, 8)))
    np.testing.assert_array_equal(known, [False, True, False, True])


@pytest.mark.parametrize("slope", [0.9, -0.3, 0.0])
@pytest.mark.parametrize("noise", [0.0, 0.7])
def test_a_linear_relation(slope, noise):
    """d_2 = slope d_1 + n, of which r is known, each with noise of its own, which is subtracted from P_1 and P_2.

    Means of P_12 and of r, and both errors against the scatter over seeds.
    """
    volume, cells = np.prod(SIZE), np.prod(CELLS)
    unit = 0.01**2 * volume / cells
    one, two, part = 1.0, slope**2 + 0.25, slope  # powers in that unit
    found, predicted = [], []
    for seed in range(SEEDS):
        d, n, *noises = (white([seed, number]) for number in range(4))
        (first, second, cross), modes = spectra(d + noise * noises[0], slope * d + 0.5 * n + noise * noises[1])
        powers = first - noise**2 * unit, second - noise**2 * unit
        found.append((cross, correlation(cross, *powers)))
        predicted.append(
            (cross_error(cross, first, second, modes), correlation_error(cross, powers, (first, second), modes))
        )
    rows = modes > 100
    assert np.count_nonzero(rows) >= 5
    for number, expected in enumerate((part * unit, part / np.sqrt(one * two))):
        values = np.array(found)[:, number, rows]
        scatter = values.std(axis=0, ddof=1)
        # the mean is off by the scatter over sqrt(SEEDS), and r by terms of second order
        assert np.all(
            np.abs(values.mean(axis=0) - expected) < 4.5 * scatter / np.sqrt(SEEDS) + 0.01 * unit ** (1 - number)
        )
        error = np.sqrt(np.mean(np.array(predicted)[:, number, rows] ** 2, axis=0))
        # a scatter over 300 seeds is off by 4 %
        np.testing.assert_allclose(error, scatter, rtol=0.16)
        assert np.mean(error / scatter) == pytest.approx(1, abs=0.05)
