"""Where boosts detach and peak, and how they fall."""

import numpy as np
import pytest
from toy_boosts import K, boost, toy

from gpu_fdm.errors import InputError
from gpu_fdm.spectra.features import boost_features


def test_features_of_a_bump():
    features = boost_features(toy(1.0), threshold=2.0)
    # exp(1.5 exp(-2 x^2)) = 2 and its largest value exp(1.5)
    crossing = 120 * np.exp(-np.sqrt(np.log(1.5 / np.log(2)) / 2))
    assert features.k_detach == pytest.approx(crossing, rel=2e-3)  # 40 rows, straight lines between them in logarithms
    assert features.k_peak == pytest.approx(120, rel=0.04)  # half a step
    assert features.height == pytest.approx(np.exp(1.5), rel=5e-3)
    assert not features.at_end


def test_slope_of_the_decline_is_that_of_a_power_law():
    k = np.geomspace(1, 100, 31)
    broken = 50 * np.minimum((k / 10) ** 2, (k / 10) ** -3)
    for error in (None, 0.1 * broken, 0.1 * k):
        assert boost_features(boost(k, broken, error=error)).slope == pytest.approx(-3, rel=1e-10)
    # rows with large errors count for little
    bent = np.where(k < 50, broken, 40)
    assert boost_features(boost(k, bent, error=np.where(k < 50, 1e-3, 1e3) * bent)).slope == pytest.approx(-3, abs=1e-4)
    rising = boost_features(boost(k, k**2))
    assert (rising.k_peak, rising.at_end, rising.slope) == (100, True, None)


def test_detachment_must_be_significant():
    k, values = np.array([1.0, 2, 4, 8, 16]), np.array([1.0, 3.0, 1.5, 2.8, 9.0])
    assert boost_features(boost(k, values)).k_detach == pytest.approx(
        np.exp(np.interp(np.log(2), np.log([1, 3]), np.log([1, 2])))
    )
    noisy = boost_features(boost(k, values, error=np.full(5, 0.7)))
    # ln(3/2) and ln(2.8/2) are less than two errors: the crossing is the last below the first significant row
    assert noisy.k_detach == pytest.approx(np.exp(np.interp(np.log(2), np.log([1.5, 2.8]), np.log([4, 8]))))
    assert boost_features(boost(k, values, error=np.full(5, 40.0))).k_detach is None
    assert boost_features(boost(k, values + 2)).k_detach == 1.0
    assert boost_features(boost(k, [0, 0, 3, 3, 3])).k_detach == 4.0


def test_features_leave_out_what_is_beyond_nyquist():
    marked = boost(K, toy(1.0).boost, beyond_nyquist=K > 100)
    assert (boost_features(marked).at_end, boost_features(marked).k_peak) == (True, K[K <= 100][-1])
    with pytest.raises(InputError, match=r"^fdm/smooth: all rows are beyond the Nyquist wavenumber$"):
        boost_features(boost(K, K, beyond_nyquist=K > 0))
    with pytest.raises(InputError, match=r"^threshold = 1: must be above 1, the boost without an effect$"):
        boost_features(toy(1.0), threshold=1.0)
