"""The ratio of means against numbers worked out by hand, and its error against draws."""

import numpy as np
import pytest

from gpu_fdm.errors import InputError
from gpu_fdm.spectra.ratio_of_means import RatioOfMeans


def test_by_hand():
    """a = 2, 6; b = 4, 4: R = 8/8, residuals -2, 2, scatter sqrt(8/1)/4. A box without power has no ratio."""
    found = RatioOfMeans.of([[2, 3], [6, 0]], [[4, 6], [4, 0]])
    assert found.ratio.tolist() == [1.0, 0.5]
    assert found.scatter == pytest.approx([np.sqrt(8) / 4, 0])
    assert found.error == pytest.approx([0.5, 0])
    assert found.each[0].tolist() == [0.5, 0.5] and found.each[1, 0] == 1.5 and np.isnan(found.each[1, 1])


def test_what_both_halves_have_in_common_drops_out():
    power = np.random.default_rng(1).lognormal(size=(8, 5))
    found = RatioOfMeans.of(0.7 * power, power)
    assert found.ratio == pytest.approx(np.full(5, 0.7)) and found.scatter == pytest.approx(np.zeros(5), abs=1e-15)


def test_the_error_is_the_scatter_of_ratios():
    """4000 sets of 40 boxes: the ratio scatters as its error says, to 5 % (the error has a bias of order 1/40)."""
    random = np.random.default_rng(2)
    below = random.lognormal(sigma=0.3, size=(40, 4000))
    found = RatioOfMeans.of(below * (0.8 + 0.2 * random.standard_normal((40, 4000))), below)
    assert np.std(found.ratio) == pytest.approx(np.sqrt(np.mean(found.error**2)), rel=0.05)
    assert found.error == pytest.approx(found.scatter / np.sqrt(40))


@pytest.mark.parametrize(
    ("above", "below", "message"),
    [
        ([[1.0]], [[1.0]], "power of shapes (1, 1) and (1, 1): must be the same, (realisations, k), of two or more"),
        (np.ones((2, 3)), np.ones((2, 2)), "power of shapes (2, 3) and (2, 2): must be the same"),
        (np.ones((2, 1)), np.zeros((2, 1)), "power below the line: must have a positive mean over realisations"),
    ],
)
def test_what_is_refused(above, below, message):
    with pytest.raises(InputError) as caught:
        RatioOfMeans.of(above, below)
    assert str(caught.value).startswith(message)
