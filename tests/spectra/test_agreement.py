"""Chi-squared of a table about a model."""

import numpy as np
import pytest
from toy_boosts import K, boost

from gpu_fdm.errors import InputError
from gpu_fdm.spectra.agreement import agreement
from gpu_fdm.spectra.boost import Boost


def test_chi_squared_of_known_differences():
    model = boost(K, K**1.5)
    k = np.array([20.0, 40.0, 100.0, 200.0, 300.0])
    factor = np.exp([9.0, 0.3, -0.2, 0.1, 5.0])
    table = boost(k, k**1.5 * factor, error=0.1 * k**1.5 * factor, beyond_nyquist=k == 300)
    found = agreement(table, model)
    # a power law is a straight line to the spline
    assert found.chi_squared == pytest.approx(3**2 + 2**2 + 1, rel=1e-9)
    assert found.rms == pytest.approx(np.sqrt(0.14 / 3), rel=1e-9)
    assert (found.rows, found.left_out) == (3, 2)
    assert agreement(boost(k, k**1.5), model).chi_squared is None


def test_chi_squared_of_correlated_rows():
    """Two rows with correlation r: (x^2 + y^2 - 2 r x y)/(1 - r^2)."""
    k, x, y, r = np.array([50.0, 100.0]), 0.3, -0.1, 0.8
    table = boost(k, np.exp([x, y]), error=0.1 * np.exp([x, y]))
    found = agreement(table, boost(K, np.ones(40)), correlation=[[1, r], [r, 1]])
    assert found.chi_squared == pytest.approx((x * x + y * y - 2 * r * x * y) / 0.01 / (1 - r * r), rel=1e-12)


@pytest.mark.parametrize(
    ("redshift", "alike"), [(4.0, True), (4.0049, True), (3.9951, True), (4.0051, False), (3.9949, False), (None, True)]
)
def test_redshifts_that_are_alike(redshift, alike):
    """Within 1e-3 of 1 + z: at z = 4 they may differ by 0.005; one that is not known is like any."""
    table, model = boost(K, K, redshift=redshift), boost(K, K, redshift=4.0)
    if alike:
        assert agreement(table, model).rms == pytest.approx(0, abs=1e-12)
        return
    with pytest.raises(
        InputError, match=rf"^fdm/smooth: redshift = {redshift:g} and 4: must be the same to be compared$"
    ):
        agreement(table, model)


@pytest.mark.parametrize(
    ("table", "correlation", "message"),
    [
        (
            Boost(K, K, "fdm", "cdm"),
            None,
            "fdm/cdm and fdm/smooth: must be ratios of the same things to be compared",
        ),
        (
            boost(K, K, redshift=3.0),
            None,
            "fdm/smooth: redshift = 3 and 4: must be the same to be compared",
        ),
        (
            boost(K + 500, K),
            None,
            "fdm/smooth: 0 rows in [30, 400] h/Mpc, the range of the model, that are positive and not beyond the "
            "Nyquist wavenumber: must be 1 or more",
        ),
        (
            boost(K, K, error=K - K[0]),
            None,
            "fdm/smooth: error = 0 at k = 30 h/Mpc: must be positive to be compared",
        ),
        (boost(K, K), np.eye(3), "correlation of shape (3, 3): must be (40, 40), the rows of the table"),
        (
            boost(K, K),
            np.ones((40, 40)),
            "correlation: must be symmetric and positive definite, with 1 on its diagonal",
        ),
        (boost(K, K), 2 * np.eye(40), "correlation: must be symmetric and positive definite, with 1 on its diagonal"),
    ],
)
def test_comparisons_that_are_refused(table, correlation, message):
    with pytest.raises(InputError) as caught:
        agreement(table, boost(K, K, redshift=4.0), correlation)
    assert str(caught.value) == message
