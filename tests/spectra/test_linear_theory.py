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


# one-filament spectra in closed form
FILAMENTS = {
    "fdm": lambda k: 2 / (1 + k),
    "smooth": lambda k: 2 / (1 + k) ** 3,
    "classical": lambda k: 2 / (1 + k) ** 2,
    "classical cdm": lambda k: 3 / (1 + k) ** 2,
}


def filament_spectra(k, m22=1.0, redshift=4.0):
    known = {"redshift": redshift, "source": "one-filament spectrum", "floor": 1e-15}
    return {
        name: Spectrum(k, power(k), name, m22=None if name == "classical cdm" else m22, **known)
        for name, power in FILAMENTS.items()
    }


def test_theory_adds_filaments_to_linear_power():
    linear, cut_off, k = linear_power(), transfer("hu00", 1.0, h=0.7), np.geomspace(0.01, 100, 40)
    boosts = {boost.name: boost for boost in theory_boosts(linear, cut_off, filament_spectra(k))}
    k = k[k <= 50]
    cold = Background(0.3).growth(0.2) ** 2 * linear(k)
    cut = cold * cut_off(k) ** 2
    above = cut + FILAMENTS["fdm"](k)
    expected = {
        "fdm/smooth": above / (cut + FILAMENTS["smooth"](k)),
        "fdm/n-body": above / (cut + FILAMENTS["classical"](k)),
        "fdm/cdm": above / (cold + FILAMENTS["classical cdm"](k)),
        "fdm/linear-cdm": above / cold,
    }
    assert list(boosts) == list(expected)
    for name, ratio in expected.items():
        assert np.array_equal(boosts[name].k, k)
        assert boosts[name].boost == pytest.approx(ratio, rel=1e-12)
        assert (boosts[name].redshift, boosts[name].m22, boosts[name].error) == (4.0, 1.0, None)
    assert boosts["fdm/linear-cdm"].source == (
        "linear power: a fit, transfer hu00, plus one-filament spectrum over linear power: a fit"
    )
    # where the cut-off has left nothing, the filaments alone: (1 + k)^2
    assert boosts["fdm/smooth"].boost[-1] == pytest.approx((1 + k[-1]) ** 2, rel=1e-6)


def test_theory_has_the_denominators_that_are_known():
    spectra = filament_spectra(K)
    known = {name: spectra[name] for name in ("fdm", "classical")}
    boosts = theory_boosts(linear_power(), transfer("hu00", 1.0, h=0.7), known)
    assert [boost.name for boost in boosts] == ["fdm/n-body", "fdm/linear-cdm"]


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
        theory_boosts(linear_power(), transfer("hu00", 1.0, h=0.7), filament_spectra(np.array(k), m22))
    assert str(caught.value) == message


def test_spectra_must_be_at_the_same_k():
    spectra = filament_spectra(K)
    spectra["smooth"] = spectra["smooth"].rows(slice(2))
    with pytest.raises(InputError, match="at the same k, in the same units"):
        theory_boosts(linear_power(), transfer("hu00", 1.0, h=0.7), spectra)
