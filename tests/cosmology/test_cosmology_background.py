"""Expansion and growth: the growth equation and Heath's integral as second routes, and the limits."""

import re

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp

from gpu_fdm.cosmology.background import EARLIEST, Background
from gpu_fdm.errors import InputError

SCALE_FACTORS = np.array([EARLIEST, 0.05, 0.2, 0.5, 1.0])
OMEGA_M = [0.05, 0.314649, 0.9, 1.0]


def growth_equation(omega_m, scale_factors):
    """g and f from g'' + (3/a + E'/E) g' = 3/2 Om g/(a^5 E^2), begun at a = 1e-4 with g = a."""

    def slope(log_a, state):
        a = np.exp(log_a)
        squared = omega_m / a**3 + 1 - omega_m
        log_slope = -1.5 * omega_m / a**3 / squared  # dlnE/dlna
        growth, growth_slope = state
        return growth_slope, -(2 + log_slope) * growth_slope + 1.5 * omega_m / a**3 / squared * growth

    start = 1e-4
    span = np.log([start, 1.0])
    solution = solve_ivp(
        slope, span, [start, start], method="DOP853", t_eval=np.log(scale_factors), rtol=1e-12, atol=1e-16
    )
    return solution.y[0], solution.y[1] / solution.y[0]


@pytest.mark.parametrize("omega_m", OMEGA_M)
def test_age(omega_m):
    """int da/(a E), to the quadrature's tolerance; 2/3 a^(3/2) of matter alone."""
    background = Background(omega_m)
    for a in SCALE_FACTORS:
        expected = quad(lambda x: 1 / (x * background.expansion(x)), 0, a, epsabs=0, epsrel=1e-11)[0]
        assert background.age(a) == pytest.approx(expected, rel=1e-10)
    if omega_m == 1:
        np.testing.assert_allclose(background.age(SCALE_FACTORS), 2 / 3 * SCALE_FACTORS**1.5, rtol=1e-14)


@pytest.mark.parametrize("omega_m", OMEGA_M)
def test_growth_solves_the_growth_equation(omega_m):
    background = Background(omega_m)
    growth, rate = growth_equation(omega_m, SCALE_FACTORS)
    # 1e-10: the tolerance of the integration; the start at a = 1e-4 is off by (1-Om)/Om 1e-12
    np.testing.assert_allclose(background.unnormalised_growth(SCALE_FACTORS), growth, rtol=1e-10)
    np.testing.assert_allclose(background.growth(SCALE_FACTORS), growth / growth[-1], rtol=1e-10)
    np.testing.assert_allclose(background.growth_rate(SCALE_FACTORS), rate, rtol=1e-10)


@pytest.mark.parametrize("a", SCALE_FACTORS)
def test_growth_is_heaths_integral(a):
    # g = 5/2 Om E(a) int_0^a da'/(a' E(a'))^3: Heath 1977
    background = Background(0.314649)
    integral = quad(lambda x: (x * background.expansion(x)) ** -3, 0, a, epsabs=0, epsrel=1e-12)[0]
    expected = 2.5 * 0.314649 * background.expansion(a) * integral
    assert background.unnormalised_growth(a) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("omega_m", OMEGA_M)
def test_growth_rate_is_the_slope_of_growth(omega_m):
    background = Background(omega_m)
    step = 1e-4
    ahead, behind = (np.log(background.growth(SCALE_FACTORS * np.exp(sign * step))) for sign in (1, -1))
    # central differences: step^2/6 times a third derivative of order one
    np.testing.assert_allclose((ahead - behind) / (2 * step), background.growth_rate(SCALE_FACTORS), atol=1e-8)


def test_einstein_de_sitter():
    background = Background(1.0)
    a = SCALE_FACTORS
    np.testing.assert_allclose(background.expansion(a), a**-1.5, rtol=1e-15)
    np.testing.assert_allclose(background.growth(a), a, rtol=1e-15)
    np.testing.assert_allclose(background.growth_rate(a), 1, rtol=1e-15)
    np.testing.assert_allclose(background.matter_fraction(a), 1, rtol=1e-15)
    np.testing.assert_allclose(background.virial_overdensity(a), 18 * np.pi**2, rtol=1e-15)


def test_early_universe_is_einstein_de_sitter():
    background, a = Background(0.314649), 1e-4
    assert background.unnormalised_growth(a) == pytest.approx(a, rel=1e-11)
    assert background.growth_rate(a) == pytest.approx(1, rel=1e-11)
    assert background.virial_overdensity(a) == pytest.approx(18 * np.pi**2, rel=1e-11)


def test_flat():
    background, a = Background(0.314649), SCALE_FACTORS
    assert background.expansion(1.0) == pytest.approx(1, rel=1e-15)
    np.testing.assert_allclose(
        background.matter_fraction(a), 0.314649 / a**3 / background.expansion(a) ** 2, rtol=1e-14
    )


def test_virial_overdensity_today():
    # 337 over the mean density for Om = 0.3: Bullock et al. 2001, MNRAS 321, 559
    assert Background(0.3).virial_overdensity(1.0) == pytest.approx(337, abs=0.5)


@pytest.mark.parametrize("omega_m", [0, -0.3, 1.01, np.nan])
def test_omega_m_out_of_range(omega_m):
    with pytest.raises(InputError, match=re.escape(f"omega_m = {omega_m}: must be in (0, 1]")):
        Background(omega_m)
