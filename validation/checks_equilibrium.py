"""Equilibrium of a cylinder and its distribution function: closed forms against quadrature."""

from functools import lru_cache, partial

import numpy as np
from scipy.integrate import quad
from scipy.special import gamma

from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.filament.tabulated import TabulatedProfile

from .registry import RELATIVE, Check

A, R0, SIGMA = 0.2, 0.27, 7.2
BETAS = (0.0, 0.5)
FRACTIONS = np.linspace(0.005, 0.98, 12)


@lru_cache
def cylinder(beta):
    """A cylinder similar to the published filament for m22 = 1, in code units."""
    return SteadyStateCylinder(R0, SIGMA, beta, A)


@lru_cache
def _radii(beta):
    return cylinder(beta).radius_enclosing(FRACTIONS)


@lru_cache
def _tabulated(beta):
    source = cylinder(beta)
    radius = np.geomspace(*source.radius_enclosing([1e-4, 0.9995]), 200)
    return TabulatedProfile(radius, source.density(radius), beta, A)


def _force(beta):
    """R V' from differences with Richardson extrapolation."""
    radius, profile = _radii(beta), cylinder(beta)
    step = 2e-3 * radius

    def slope(h):
        return (profile.potential(radius + h) - profile.potential(radius - h)) / (2 * h)

    return radius * (64 * slope(step / 4) - 20 * slope(step / 2) + slope(step)) / 45


def _line_mass_inside(beta):
    """2 pi int R dR rho, R = radius t^2 for the cusp."""
    return [
        quad(lambda t, r=r: 4 * np.pi * r**2 * t**3 * float(cylinder(beta).density(r * t**2)), 0, 1, epsrel=1e-10)[0]
        for r in _radii(beta)
    ]


def _density_of_distribution(beta):
    """rho from g(E); the substitution E = V + sigma^2 t^(1/(1-b)), b = beta/2, removes the singularity."""
    b, scale, profile = beta / 2, SIGMA**2, cylinder(beta)
    constant = 2 ** (1 - b) * np.sqrt(np.pi) * A ** (2 - beta) * gamma((1 - beta) / 2) / gamma(1 - b)

    def density(radius):
        depth = float(profile.potential(radius))
        integral = sum(
            quad(lambda t: float(profile.energy_distribution(depth + scale * t ** (1 / (1 - b)))), *span, epsabs=0)[0]
            for span in ((0, 2), (2, 8), (8, 40))
        )
        return constant * radius**-beta * integral * scale ** (1 - b) / (1 - b)

    return [density(radius) for radius in _radii(beta)]


def _energies(beta):
    return cylinder(beta).potential(_radii(beta))


_ELT = "Eisenstein, Loeb & Turner 1997, ApJ 475, 421; Z25"

CHECKS = (
    *(
        check
        for beta in BETAS
        for check in (
            Check(
                f"R dV/dR = mu(<R)/(2 pi a) at 12 radii, beta = {beta:g}",
                lambda beta=beta: cylinder(beta).enclosed_line_mass(_radii(beta)) / (2 * np.pi * A),
                partial(_force, beta),
                1e-8,
                RELATIVE,
                f"Poisson's equation; {_ELT}",
                "finite differences of V",
            ),
            Check(
                f"mu(<R) at 12 radii, beta = {beta:g}",
                lambda beta=beta: cylinder(beta).enclosed_line_mass(_radii(beta)),
                partial(_line_mass_inside, beta),
                1e-8,
                RELATIVE,
                f"closed form; {_ELT}",
                "quadrature of rho",
            ),
            Check(
                f"fraction of the mass within R_f, f = 0.005 to 0.98, beta = {beta:g}",
                lambda: FRACTIONS,
                lambda beta=beta: cylinder(beta).enclosed_line_mass(_radii(beta)) / cylinder(beta).line_mass,
                1e-10,
                RELATIVE,
                f"a R_f/r0 = (f/(1-f))^(1/(2-beta)); {_ELT}",
                "round-off",
            ),
            Check(
                f"rho at 12 radii from f(E, L), beta = {beta:g}",
                lambda beta=beta: cylinder(beta).density(_radii(beta)),
                partial(_density_of_distribution, beta),
                1e-7,
                RELATIVE,
                "g(E) = g0 exp(-E/sigma^2), derived in docs/theory.md",
                "quadrature of g; Z25 trains a network instead, see the errata",
            ),
            Check(
                f"g(E) of the tabulated density by Abel inversion, 12 energies, beta = {beta:g}",
                lambda beta=beta: cylinder(beta).energy_distribution(_energies(beta)),
                lambda beta=beta: _tabulated(beta).energy_distribution(_energies(beta)),
                1e-3,
                RELATIVE,
                "the closed form of g",
                "a second route: 200 rows, no mass beyond 99.95 %",
            ),
            Check(
                f"V(R) of the tabulated density, 12 radii, beta = {beta:g}",
                lambda beta=beta: _energies(beta),
                lambda beta=beta: _tabulated(beta).potential(_radii(beta)),
                1e-5,
                RELATIVE,
                "the closed form of V",
                "quadrature of the enclosed mass",
            ),
        )
    ),
    Check(
        "g0 for beta = 0, times r0^2/a",
        lambda: 4 / np.pi,
        lambda: cylinder(0.0).energy_distribution(0.0) * R0**2 / A,
        1e-10,
        RELATIVE,
        "closed form: 4 a/(pi r0^2)",
        "round-off",
    ),
)
