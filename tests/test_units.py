"""Code units against the definitions, with numbers from elsewhere."""

import numpy as np
import pytest

from gpu_fdm import units
from gpu_fdm.units import CodeUnits, mean_matter_density

UNITS = CodeUnits(m22=1.0, h=0.6731, omega_m=0.314649)


def test_constants_are_those_of_astropy():
    constants = pytest.importorskip("astropy.constants")
    assert constants.hbar.si.value == units.HBAR and constants.c.si.value == units.LIGHT
    assert constants.e.si.value == units.ELECTRONVOLT and constants.G.si.value == units.GRAVITY
    assert constants.M_sun.si.value == units.SOLAR_MASS and constants.pc.si.value * 1e6 == units.MEGAPARSEC


def test_poisson_equation_has_unit_coefficient():
    # physical: laplacian V = (3/2) Om H0^2 delta / a; in units of T that coefficient is one
    assert 1.5 * UNITS.omega_m * UNITS.hubble**2 * UNITS.time_s**2 == pytest.approx(1, rel=1e-14)


def test_length_makes_hbar_over_m_one():
    hbar_over_m = 1.054571817e-34 / (1e-22 * 1.602176634e-19 / 299792458.0**2)  # m^2/s
    assert (UNITS.length_mpc * 3.0856775814913673e22) ** 2 / UNITS.time_s == pytest.approx(hbar_over_m, rel=1e-9)


def test_sizes_scale_with_boson_mass():
    heavy = CodeUnits(m22=4.0, h=0.6731, omega_m=0.314649)
    assert heavy.length / UNITS.length == pytest.approx(0.5, rel=1e-14)
    assert heavy.velocity / UNITS.velocity == pytest.approx(0.5, rel=1e-14)
    assert heavy.time_s == UNITS.time_s


def test_mean_matter_density():
    # 2.77536627e11 h^2 Msun/Mpc^3 is the critical density (PDG 2024, with G of CODATA 2018 and 2022)
    assert mean_matter_density(1.0) == pytest.approx(2.77536627e11, rel=1e-5)


def test_line_mass_follows_the_virial_relation():
    # mu = a (2 - beta) sigma^2 / G for the cylinder, G = 4.30091e-9 Mpc (km/s)^2 / Msun
    sigma, a = 6.8, 0.2
    code = 4 * np.pi * a * (sigma / UNITS.velocity) ** 2 * 2
    assert code * UNITS.line_mass == pytest.approx(a * 2 * sigma**2 / 4.300917e-9, rel=1e-5)
