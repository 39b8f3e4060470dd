"""Means over the modes of a box against sums by hand and against a measurement on a grid."""

import numpy as np
import pytest

from gpu_fdm.fields.box import Box
from gpu_fdm.spectra.box_modes import EXACT, mean_over_modes
from gpu_fdm.spectra.power import power_spectrum


def test_the_first_bin_of_a_cube_by_hand():
    """6 modes at k_f and 12 at sqrt(2) k_f are below 1.5 k_f."""
    box = Box((2 * np.pi,) * 3, (16,) * 3)
    k = np.array([(6 + 12 * np.sqrt(2)) / 18])
    assert mean_over_modes(lambda k: k**-4.0, box, k) == pytest.approx([(6 + 12 / 4) / 18], rel=1e-14)
    # the value at the mean k is a quarter less
    assert k**-4.0 == pytest.approx([0.75 * 0.5], rel=0.01)


@pytest.mark.parametrize("cells", [(18, 16, 15), (40, 80, 36)])
def test_bins_are_those_of_a_measurement(cells):
    """The mean of |k| over the modes of a bin is what a spectrum stores, of boxes whose sides and cells differ."""
    size = tuple(0.1 * np.array(cells) * [1, 1.1, 0.9])
    measured = power_spectrum(np.random.default_rng(1).random(cells), size)
    k = measured.k[1:]
    rows = k < (min(EXACT, 17) - 1) * k[0]
    found = mean_over_modes(lambda k: k.copy(), Box(size, cells), k)
    assert found[rows] == pytest.approx(k[rows], rel=1e-12) and rows.sum() > 7


def test_where_the_spectrum_is_not_known():
    box = Box((1.0,) * 3, (64,) * 3)
    k = 2 * np.pi * np.arange(1.0, 60.0)
    found = mean_over_modes(lambda k: np.where(k < 100, 1.0, np.nan), box, k)
    assert np.all(found[k < 90] == 1) and np.all(np.isnan(found[k > 110]))
