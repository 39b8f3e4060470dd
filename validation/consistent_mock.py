"""fdm/cdm of one universe by sums of its own, to be found again by a fit: what a consistent simulation would measure.

    (P_lin T^2 + P_1f,fdm) / (P_lin + P_1f,classical of the CDM mass function)

Masses are summed by a Gauss-Legendre rule, orientations by midpoints, growth and transfer function are written out, and
linear power is the published table. Filaments of few states are solved for at every mass; for many states the limits of
a locally thermal field stand in closed form. Only the mass function and the shapes of filaments are those of the
program, which other rows check. Modes are as they are: the mass beyond the energy cut is missing in P_1f,fdm.

`python -m validation.consistent_mock FILE` writes the table of the tests.
"""

import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.integrate import quad
from scipy.special import j0, k1, kn

from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.population.population import Population
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.phase_average import polar_spectrum
from gpu_fdm.spectra.tables import write_boost
from gpu_fdm.units import CodeUnits

from .shared import OMEGA_M, H, columns, power

WINDOW = 1e8, 1e12  # [Msun/h]
REDSHIFT = 4.0
CUT = 0.99  # mass fraction inside the energy cut
LEAST, THERMAL = 0.3, 4.0  # nu from which filaments count, and from which they are in closed form
MASSES, ANGLES = 26, 1500
K = np.geomspace(2, 150, 22)  # of the table [h/Mpc]
ERROR = 0.03  # relative
RHO = 2.77536627e11 * OMEGA_M  # mean density of matter [(Msun/h) / (Mpc/h)^3]


@lru_cache
def population():
    """Mass functions and shapes."""
    return Population(power("camb"), H, REDSHIFT, mass_min=WINDOW[0], mass_max=WINDOW[1])


def table(m22=1.0):
    """fdm/cdm with small errors, as a table to be fitted."""
    values = mock(m22)
    return Boost(
        K,
        values,
        "fdm",
        "cdm",
        error=ERROR * values,
        redshift=REDSHIFT,
        object="matter with filaments of {:g} to {:g} Msun/h".format(*WINDOW),
        source=f"a mock of m22 = {m22:g}: python -m validation.consistent_mock",
    )


@lru_cache
def mock(m22=1.0):
    """fdm/cdm at K, shape (k,)."""
    linear = growth(1 / (1 + REDSHIFT)) ** 2 * np.exp(
        np.interp(np.log(K), *(np.log(columns("linear_power_z0.csv")[name]) for name in ("k", "power")))
    )
    return (linear * cut_off(K, m22) ** 2 + one_filament(m22)) / (linear + one_filament(None))


def growth(a):
    """D(a) of matter and a cosmological constant, D(1) = 1: H int da/(aH)^3."""

    def unnormalised(a):
        hubble = lambda x: np.sqrt(OMEGA_M / x**3 + 1 - OMEGA_M)  # noqa: E731
        return hubble(a) * quad(lambda x: (x * hubble(x)) ** -3, 0, a)[0]

    return unnormalised(a) / unnormalised(1.0)


def cut_off(k, m22):
    """T(k) of Hu, Barkana & Gruzinov 2000; k in h/Mpc."""
    x = 1.61 * m22 ** (1 / 18) * k * H / (9 * np.sqrt(m22))
    return np.cos(x**3) / (1 + x**8)


def one_filament(m22):
    """P_1f of fuzzy dark matter, or, for None, of particles with the mass function of CDM [(Mpc/h)^3], shape (k,)."""
    x, w = np.polynomial.legendre.leggauss(MASSES)
    low, high = np.log(WINDOW)
    total, number = np.zeros(len(K)), population().mass_function(m22)
    for mass, weight in zip(np.exp(low + (high - low) * (1 + x) / 2).tolist(), (high - low) / 2 * w, strict=True):
        shape = population().shape(mass, m22, 0.0)
        spectrum = over_orientations(*polar(m22, float(shape.r0), float(shape.sigma)), float(shape.length))
        total += weight * mass**2 * float(number(mass)) / RHO**2 * spectrum
    return total


def over_orientations(plane, scale, length):
    """P(k|M)/M^2: sinc^2 of soft ends times the spectrum in the plane, a function of q = k_perp scale."""
    mu = (np.arange(ANGLES) + 0.5) / ANGLES
    # most of the power is at small mu, where the window is: mu = u^3
    along, measure = K[:, None] * mu**3, 3 * mu**2 / ANGLES
    window = np.sinc(along * length / (2 * np.pi)) ** 2 * np.exp(-0.5 * (along * length / 10) ** 2)
    return (window * plane(K[:, None] * np.sqrt(1 - mu**6) * scale)) @ measure


def polar(m22, r0, sigma):
    """The spectrum in the plane over the line mass squared, a function of q = k r0/a, and r0/a [cMpc/h]."""
    scale = r0 * (1 + REDSHIFT)
    if m22 is None:
        return lambda q: (q * k1(np.maximum(q, 1e-9))) ** 2, scale
    units = CodeUnits(m22, H, OMEGA_M)
    nu = r0 * sigma / (units.length * units.velocity)
    if nu < LEAST:
        return np.zeros_like, scale
    return (solved(nu) if nu < THERMAL else thermal(nu)), scale


def solved(nu):
    """P2 of WKB weights from the eigenstates of a cylinder of r0 = a = 1."""
    cylinder = SteadyStateCylinder(1.0, nu, 0.0, 1.0)
    library = eigenstates(cylinder, CUT)
    weight = 2 / nu**2 * np.exp(-2 * library.energy / (2 * nu**2))
    rows = np.geomspace(0.005, 12 * nu, 220)
    values = polar_spectrum(library, weight, rows).fixed
    return lambda q: np.exp(np.interp(np.log(np.maximum(q, rows[0])), np.log(rows), np.log(np.maximum(values, 1e-20))))


def thermal(nu):
    """P2 to order 1/nu^2: the truncated density, its quantum correction, and locally thermal fringes."""
    edge = np.sqrt(CUT / (1 - CUT))
    x, w = np.polynomial.legendre.leggauss(600)
    radius = edge * (1 + x) / 2
    shares = edge / 2 * w * 2 * radius * ((1 + radius**2) ** -2 - (1 - CUT) ** 2)
    rows = np.geomspace(0.005, 60, 400)
    half = rows / 2
    correction = 2 / 3 * half**3 * kn(3, rows) - half**2 * kn(2, rows)
    amplitude = j0(rows[:, None] * radius) @ shares - 2 / (3 * nu**2) * correction

    def spectrum(q):
        kappa = q / (2 * nu)
        # 1.041 is that of the cut for kappa below 2, over CUT^4
        fringes = 1.041 * CUT**4 * np.exp(-(kappa**2)) / (3 * nu**2) * (1 + (kappa**2 - 4) / (5 * nu**2))
        smooth = np.interp(np.log(np.maximum(q, rows[0])), np.log(rows), amplitude) ** 2
        return np.where(q < 1, smooth, smooth + fringes)  # where the self term is most of the fringes they do not count

    return spectrum


if __name__ == "__main__":
    write_boost(table(), Path(sys.argv[1]))
