"""Growth of beads along a self-gravitating cylinder in linear theory, for a wave number k along its axis.

fluid: the isothermal cylinder (Ostriker 1964) with the line mass of the profile and half of it within R_50, sound speed
sigma_z = sqrt(mu/(8 pi a)). With u the density's perturbation, phi its potential and rho the density,

    gamma^2 u = div( rho grad( c^2 u/rho + phi ) ),    laplacian phi = u/a,       u, phi ~ exp(ikz + gamma t),

solved as a symmetric eigenproblem on Gauss-Legendre nodes in R. It is stable above k R_50 = 1.5954 and grows fastest,
by 0.3418 sqrt(4 pi G rho_c), at 0.807; published are 1.587, 0.339, 0.803 (Nagasawa 1987; see also Larson 1985,
Inutsuka & Miyama 1992).

collisionless: particles whose cross-section stays as it is, rho(R) [1 + d(z)], and which move freely along the axis
with a Maxwellian of dispersion sigma_z. The line mass then has the dispersion relation of a Jeans instability in one
dimension,

    (k s)^2/W^2 = 1 - sqrt(pi) y exp(y^2) erfc(y),   y = gamma/(sqrt(2) k s),   s = sigma_z/a,
    W^2 = k^2 mu/(2 pi a^3) int q dq F(q)^2/(q^2 + k^2),

with F the form factor of the profile. Without momentum along the axis gamma^2 = W^2 - (k^2/(2 a^2))^2, the last term
from quantum pressure. Scale factor a constant; code units.
"""

from math import pi, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.linalg import cho_factor, cho_solve, cholesky, eigvalsh
from scipy.optimize import brentq
from scipy.special import erfcx, k0e, k1e, roots_legendre

from .axial import axial_dispersion
from .profile import Profile

_NODES = 160
_EDGE = 25.0  # of the nodes, over R_50: the density has fallen by 2.6e-6 there
_LARGEST_RATE = 50.0  # y at which the dispersion relation is all of the cold limit


def fluid_growth(profile: Profile, wavenumber: float) -> float:
    """Growth rate of a fluid cylinder [1/T], 0 where it is stable.

    wavenumber  k along the axis [1/L], positive
    """
    radius = float(profile.radius_enclosing(0.5))
    density = profile.line_mass / (pi * radius**2)  # on the axis of the isothermal cylinder, where R_50 is its scale
    return isothermal_growth(wavenumber * radius) * sqrt(density / profile.scale_factor**3)


def isothermal_growth(k: float) -> float:
    """gamma/sqrt(4 pi G rho_c) of the isothermal cylinder rho_c/(1 + x^2)^2, x = R/R_50; k in 1/R_50, positive."""
    nodes, weights = roots_legendre(_NODES)
    x, measure = _EDGE * (1 + nodes) / 2, _EDGE / 2 * weights * _EDGE * (1 + nodes) / 2
    slope, at_edge = _derivative(nodes, weights)
    slope *= 2 / _EDGE
    density = (1 + x**2) ** -2
    root = np.sqrt(measure)
    # both operators act on fields times the root of the measure, so that they are symmetric
    flow = (slope.T * (measure * density)) @ slope / root[:, None] / root + k**2 * np.diag(density)
    outside = k * k1e(k * _EDGE) / k0e(k * _EDGE)  # -phi'/phi of the solution that vanishes at infinity
    poisson = (slope.T * measure) @ slope + k**2 * np.diag(measure) + _EDGE * outside * np.outer(at_edge, at_edge)
    potential = -cho_solve(cho_factor(poisson), np.diag(root)) * root[:, None]
    enthalpy = np.diag(0.125 / density) + 0.5 * (potential + potential.T)  # c^2 = R_50^2 4 pi G rho_c/8
    lower = cholesky(flow, lower=True)
    return sqrt(max(0.0, -float(eigvalsh(lower.T @ enthalpy @ lower, subset_by_index=(0, 0))[0])))


def _derivative(nodes: NDArray, weights: NDArray) -> tuple[NDArray, NDArray]:
    """Matrix of the derivative at Gauss-Legendre nodes, and the row that extrapolates to +1 (barycentric formula)."""
    scale = (-1.0) ** np.arange(len(nodes)) * np.sqrt((1 - nodes**2) * weights)
    difference = nodes[:, None] - nodes
    np.fill_diagonal(difference, 1.0)
    matrix = scale / scale[:, None] / difference
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))
    at_edge = scale / (1 - nodes)
    return matrix, at_edge / at_edge.sum()


def collisionless_growth(profile: Profile, wavenumber: float, momentum: str = "thermal") -> float:
    """Growth rate of a cylinder of particles whose cross-section is rigid [1/T], 0 where it is stable.

    wavenumber  k along the axis [1/L], positive
    momentum    thermal, with a Maxwellian along the axis, or coherent: none, and the wave's quantum pressure
    """
    a = profile.scale_factor
    squared = _rigid_rate_squared(profile, wavenumber)
    if momentum == "coherent":
        return sqrt(max(0.0, squared - (wavenumber**2 / (2 * a**2)) ** 2))
    speed = wavenumber * axial_dispersion(profile) / a**2  # k s: momenta a sigma_z over a^2
    if squared <= speed**2:
        return 0.0
    # 1 - sqrt(pi) y erfcx(y) -> 1/(2 y^2): the cold limit is a bound
    largest = sqrt(squared) / (sqrt(2) * speed)

    def excess(y: float) -> float:
        return 1 - sqrt(pi) * y * float(erfcx(y)) - speed**2 / squared

    return float(sqrt(2) * speed * brentq(excess, 0.0, 1.001 * largest)) if largest < _LARGEST_RATE else sqrt(squared)


def _rigid_rate_squared(profile: Profile, k: float) -> float:
    """W^2: of line mass that falls together along the axis, cross-section unchanged [1/T^2]."""
    scale = 1 / float(profile.radius_enclosing(0.5))

    def integrand(log_q: float) -> float:
        q = np.exp(log_q)
        return float(q**2 * profile.form_factor(q) ** 2 / (q**2 + k**2))

    integral = quad(integrand, np.log(1e-4 * min(k, scale)), np.log(30 * scale), epsrel=1e-7, limit=200)[0]
    return k**2 * profile.line_mass / (2 * pi * profile.scale_factor**3) * float(integral)
