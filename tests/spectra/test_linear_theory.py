"""Boosts of linear power with one-filament spectra added."""

import numpy as np
import pytest

from gpu_fdm.cosmology.background import Background
from gpu_fdm.cosmology.linear_power import LinearPower
from gpu_fdm.cosmology.transfer import transfer
from gpu_fdm.errors import InputError
from gpu_fdm.spectra.boost import boost_of
from gpu_fdm.spectra.linear_theory import linear_spectrum, theory_boosts
from gpu_fdm.spectra.spectrum import Spectrum

K = np.array([1.0, 2.0, 4.0])


def linear_power():
    k = np.geomspace(1e-3, 50, 60)
    return LinearPower(k, 1e4 * k / (1 + (k / 0.02) ** 2) ** 1.8, Background(0.3), "a fit")


def filament_spectra(k, m22=1.0, redshift=4.0):
    known = {"redshift": redshift, "m22": m22, "source": "one-filament spectrum", "floor": 1e-15}
    return Spectrum(k, 2 / (1 + k), "fdm", **known), Spectrum(k, 2 / (1 + k) ** 3, "smooth", **known)


def test_theory_adds_filaments_to_linear_power():
    linear, cut_off, k = linear_power(), transfer("hu00", 1.0, h=0.7), np.geomspace(0.01, 100, 40)
    fdm, smooth = filament_spectra(k)
    over_smooth, over_cdm = theory_boosts(linear, cut_off, fdm, smooth)
    k = k[k <= 50]
    assert np.array_equal(over_smooth.k, k)
    growth = Background(0.3).growth(0.2) ** 2
    cold = growth * linear(k)
    above, below = (cold * cut_off(k) ** 2 + filaments for filaments in (2 / (1 + k), 2 / (1 + k) ** 3))
    assert over_smooth.boost == pytest.approx(above / below, rel=1e-12)
    assert over_cdm.boost == pytest.approx(above / cold, rel=1e-12)
    assert (over_smooth.name, over_cdm.name) == ("fdm/smooth", "fdm/cdm")
    assert (over_cdm.redshift, over_cdm.m22, over_cdm.error) == (4.0, 1.0, None)
    assert over_cdm.source == (
        "linear power: a fit, transfer hu00, plus one-filament spectrum over linear power: a fit"
    )
    # where the cut-off has left nothing, the filaments alone: (1 + k)^2
    assert over_smooth.boost[-1] == pytest.approx((1 + k[-1]) ** 2, rel=1e-6)


def test_cut_off_of_linear_power():
    linear, k = linear_power(), np.array([1.0, 5.0, 9.0])
    fdm, cdm = linear_spectrum(linear, k, 3.0, transfer("ph22", 1.0, h=0.7)), linear_spectrum(linear, k, 3.0)
    assert boost_of(fdm, cdm).boost == pytest.approx(transfer("ph22", 1.0, h=0.7)(k) ** 2, rel=1e-13)
    assert (fdm.of, fdm.m22, cdm.of, cdm.m22) == ("fdm", 1.0, "cdm", None)


@pytest.mark.parametrize(
    ("m22", "k", "message"),
    [
        (2.0, [1.0, 2.0], "m22 = 1 of the transfer: must be that of the one-filament spectrum, 2"),
        (1.0, [60.0, 80.0], "fdm: no k within [0.001, 50] h/Mpc, the range of linear power"),
    ],
)
def test_theory_that_is_refused(m22, k, message):
    with pytest.raises(InputError) as caught:
        theory_boosts(linear_power(), transfer("hu00", 1.0, h=0.7), *filament_spectra(np.array(k), m22))
    assert str(caught.value) == message


def test_theory_needs_spectra_of_one_population():
    fdm, smooth = filament_spectra(K)
    with pytest.raises(
        InputError, match=r"^fdm, smooth: must be one-filament spectra at the same k, in the same units$"
    ):
        theory_boosts(linear_power(), transfer("hu00", 1.0, h=0.7), fdm, smooth.rows(slice(2)))
