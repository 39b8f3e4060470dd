"""Equilibria of haloes: closed forms, integrals by other routes, and what every law must obey."""

import re

import numpy as np
import pytest
from scipy.integrate import quad

from gpu_fdm import InputError, SphericalProfile
from gpu_fdm.haloes.laws import Burkert, CoredNFW, Plummer, TabulatedDensity

SCALE, MASS, A = 1.7, 7.0, 0.2


def test_plummer():
    """Closed forms with G = 1/(4 pi a): f is that of rho = rho_0 (Psi/Psi_0)^5."""
    profile = SphericalProfile(Plummer(SCALE), MASS, A)
    x = np.geomspace(3e-3, 25, 60)
    depth, radius = MASS / (4 * np.pi * A * SCALE), SCALE * x
    assert profile.enclosed_mass(radius) == pytest.approx(MASS * x**3 / (1 + x**2) ** 1.5, rel=1e-10)
    assert profile.potential(radius) == pytest.approx(-depth / np.sqrt(1 + x**2), rel=1e-12)
    assert profile.central_potential == pytest.approx(-depth, rel=1e-12)
    energy = depth / np.sqrt(1 + x**2)
    f = 20 * 3 * MASS / (4 * np.pi * SCALE**3) / depth**5 * energy**3.5 * 32 / 35 / (np.sqrt(8) * np.pi**2 * A**3)
    assert profile.distribution(-energy) == pytest.approx(f, rel=1e-9)
    assert profile.turning_radius(-energy) == pytest.approx(radius, rel=1e-9)


class LawContract:
    """What every density law must obey in equilibrium."""

    wide = 1e-6  # of the density from the distribution function
    radii = 0.3, 1.0, 3.0  # far inside 25 scales, beyond which energies are left out

    def profile(self):
        return SphericalProfile(self.make(), MASS, A)

    def test_slopes_are_derivatives(self):
        law = self.make()
        x, h = np.log(np.geomspace(0.011, 90, 40)), 1e-4
        s, t = law.slopes(np.exp(x))
        up, down = (law.log_density(np.exp(x + sign * h)) for sign in (1, -1))
        assert s == pytest.approx(-(up - down) / (2 * h), rel=1e-5, abs=1e-6)
        up, down = (law.slopes(np.exp(x + sign * h))[0] for sign in (1, -1))
        assert t == pytest.approx((up - down) / (2 * h), rel=1e-4, abs=1e-5)

    def test_mass(self):
        profile = self.profile()
        for radius in (0.1, 1.0, 5.0):
            mass = quad(lambda r: 4 * np.pi * r**2 * float(profile.density(r)), 0, radius, epsrel=1e-11, limit=200)[0]
            assert float(profile.enclosed_mass(radius)) == pytest.approx(mass, rel=1e-8)
        assert float(profile.enclosed_mass(1e12)) == pytest.approx(MASS, rel=1e-8)
        assert float(profile.enclosed_mass(profile.radius_enclosing(0.99))) == pytest.approx(0.99 * MASS, rel=1e-10)

    def test_potential(self):
        """V' = M/(4 pi a r^2), and V r -> -M/(4 pi a)."""
        profile, r = self.profile(), np.geomspace(0.05, 20, 20)
        h = 1e-3 * r
        slope = (profile.potential(r + h) - profile.potential(r - h)) / (2 * h)
        assert slope == pytest.approx(profile.enclosed_mass(r) / (4 * np.pi * A * r**2), rel=2e-5)
        assert float(profile.potential(1e12) * 1e12) == pytest.approx(-MASS / (4 * np.pi * A), rel=1e-8)

    def test_distribution_makes_the_density(self):
        """rho = 4 pi sqrt(2) a^3 int_V^0 f sqrt(E - V) dE, in ln(r_e)."""
        profile = self.profile()
        last = 25 * max(profile.law.scales)
        for radius in self.radii:
            x, w = np.polynomial.legendre.leggauss(300)
            reach = np.sqrt(np.log(last / radius))
            u = reach * (1 + x) / 2
            r = radius * np.exp(u**2)
            energy = profile.potential(r)
            step = profile.enclosed_mass(r) / (4 * np.pi * A * r) * u * reach * w  # dE
            root = np.sqrt(np.maximum(energy - float(profile.potential(radius)), 0))
            density = 4 * np.pi * np.sqrt(2) * A**3 * np.sum(profile.distribution(energy) * root * step)
            assert density == pytest.approx(float(profile.density(radius)), rel=self.wide)


class TestCoredNFW(LawContract):
    def make(self):
        return CoredNFW(0.5, 0.17, 1.7)


class TestBurkert(LawContract):
    def make(self):
        return Burkert(0.4, 2.0)


class TestPlummer(LawContract):
    wide = 5e-6  # what has energies beyond those of 25 scales
    radii = 0.06, 0.3

    def make(self):
        return Plummer(0.6)


class TestTabulated(LawContract):
    wide = 1e-3  # f is that of a spline, whose slope has a kink of its second derivative at the ends

    def make(self):
        radius = np.geomspace(0.01, 60, 120)
        return TabulatedDensity(radius, np.exp(CoredNFW(0.5, 0.17, 1.7).log_density(radius)))

    def test_is_that_of_its_law(self):
        law, table = SphericalProfile(CoredNFW(0.5, 0.17, 1.7), MASS, A), self.profile()
        r = np.geomspace(0.05, 3, 20)
        assert table.potential(r) == pytest.approx(law.potential(r), rel=1e-5)
        assert table.distribution(law.potential(r)) == pytest.approx(law.distribution(law.potential(r)), rel=2e-3)

    def test_keeps_its_normalisation(self):
        radius = np.geomspace(0.01, 60, 120)
        rows = 3.0 * np.exp(Plummer(1.0).log_density(radius))
        profile = SphericalProfile(TabulatedDensity(radius, rows))
        assert profile.mass == pytest.approx(3 * 4 * np.pi / 3, rel=1e-4)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: CoredNFW(1, 0.1, np.inf), "truncation = inf: the mass is infinite, it must be finite"),
        (lambda: Burkert(1, np.inf), "truncation = inf: the mass is infinite"),
        (lambda: CoredNFW(1, 3, 2), "core = 3 is larger than the halo: must be smaller than truncation = 2"),
        (lambda: Burkert(3, 2), "core = 3 is larger than the halo"),
        (lambda: CoredNFW(1, 0, 2), "core = 0: must be positive and finite"),
        (lambda: Plummer(-1), "scale = -1: must be positive"),
        (
            lambda: TabulatedDensity(np.arange(1, 9), np.arange(1.0, 9) ** -2),
            "the mass is infinite, it must fall faster",
        ),
        (lambda: TabulatedDensity(np.arange(1, 4), np.ones(3)), "at least 8 rows"),
        (
            lambda: TabulatedDensity([1, 2, 3, 4, 6, 5, 7, 8], np.ones(8)),
            "row 6: radius = 5: must be larger than that before it, 6",
        ),
        (lambda: TabulatedDensity(np.arange(1, 9), [1, 1, 0, 1, 1, 1, 1, 1]), "row 3: density = 0: must be positive"),
        (lambda: SphericalProfile(Plummer(1), -1.0), "halo mass = -1.0: must be positive"),
        (lambda: SphericalProfile(Plummer(1), 1.0, 2.0), "scale_factor = 2.0: must be in (0, 1]"),
        (lambda: SphericalProfile(Plummer(1), 1.0).radius_enclosing(1.0), "mass fraction 1.0: must lie in (0, 1)"),
        (lambda: SphericalProfile(Plummer(1), 1.0).radius_enclosing(0.9999999), "must be below 0.998"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make()


def test_negative_distribution():
    """A shell: its density rises outwards, which no isotropic equilibrium has."""
    r = np.geomspace(0.01, 60, 80)
    with pytest.raises(InputError, match=r"distribution function is negative, .* no isotropic equilibrium"):
        SphericalProfile(TabulatedDensity(r, (0.001 + r**4) / (1 + r**2) ** 5))


def test_a_distribution_that_is_made_later_is_the_same():
    """Sizes of thousands of haloes follow without it, and it takes longest."""
    law = CoredNFW(1.0, 0.2, 5.0)
    now, later = SphericalProfile(law, 3.0, 0.2), SphericalProfile(law, 3.0, 0.2, invert=False)
    assert "_table" not in vars(later) and later.radius_enclosing(0.9) == now.radius_enclosing(0.9)
    energy = now.potential(np.geomspace(0.1, 3, 9))
    assert np.array_equal(later.distribution(energy), now.distribution(energy))
    r = np.geomspace(0.01, 60, 80)
    shell = SphericalProfile(TabulatedDensity(r, (0.001 + r**4) / (1 + r**2) ** 5), invert=False)
    with pytest.raises(InputError, match=r"distribution function is negative, .* no isotropic equilibrium"):
        shell.require_equilibrium()
