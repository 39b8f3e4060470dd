"""The spectrum for nu -> infinity: infinitely many states, a wave in local equilibrium at every place of the filament.

Its parts are integrals over the phase space of classical orbits below the energy cut, in lengths of r0/a, energies of
2 sigma^2, and p with H = p^2/4 + ln(1 + x^2):

    A(q)     f^-2 int_0^x_c 2x [ (1+x^2)^-2 - (1-f)^2 ] J_0(q x) dx,                         x_c^2 = f/(1-f)
    3 nu^2 I exp(-kappa^2) c(kappa),   kappa = q/(2 nu)
             c = 12/(pi f^4) int dX (1+X)^-4 int d^2u exp(-4 u^2),    |u +- kappa/2|^2 < eps_c - ln(1+X)
    nu^2 S   s(q) = 4/f^4 int d eps d lambda (T/2pi) exp(-4 eps) <J_0(q x)>^2,   averages over orbits of period T
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import erf, j0

from ...quadrature import gauss_legendre

_LENS = 120  # nodes along each side of the lens of two circles
_ORBITS = 96  # nodes of energy and of angular momentum
_CIRCULAR = 1e-8  # of the square of the largest angular momentum: orbits that are circular to round-off
_ROOT = 1e-40  # absolute error of roots that can be small
_Q_STEP = 0.14  # of ln q, of s(q)


def amplitude(q: ArrayLike, mass_fraction: float) -> NDArray:
    """A(q), one at q = 0; any shape."""
    q, f = np.asarray(q, float), mass_fraction
    edge = np.sqrt(f / (1 - f))
    x, weight = gauss_legendre(int(0.6 * edge * float(q.max(initial=0.0))) + 200)
    radius = edge * (1 + x) / 2
    shares = edge / 2 * weight * 2 * radius * ((1 + radius**2) ** -2 - (1 - f) ** 2) / f**2
    parts = np.array_split(q.ravel(), q.size * len(radius) // (1 << 22) + 1)
    return np.concatenate([j0(part[:, None] * radius) @ shares for part in parts]).reshape(q.shape)


def fringes(kappa: ArrayLike, mass_fraction: float) -> NDArray:
    """c(kappa), shape of kappa; zero where no orbit below the cut has the momentum kappa/2."""
    cut = -np.log(1 - mass_fraction)
    return np.vectorize(lambda value: _lens(float(value), cut) / mass_fraction**4, otypes=[float])(kappa)


def _lens(kappa: float, cut: float) -> float:
    """The integral over places and over the lens of momenta that two circles around +-kappa/2 share, times 12/pi."""
    deepest = np.sqrt(cut)
    if kappa / 2 >= deepest:
        return 0.0
    x, weight = gauss_legendre(_LENS)
    node, weight = (1 + x) / 2, weight / 2
    # the lens grows from nothing as (r - kappa/2)^(3/2), and its height along u as a root at its tip: squares of nodes
    reach = (deepest - kappa / 2) * node**2
    r = kappa / 2 + reach
    of_r = 2 * r * 2 * (deepest - kappa / 2) * node * weight  # ds, s = eps_c - r^2 = ln(1 + X)
    u = reach[:, None] * (1 - node**2)
    of_u = reach[:, None] * 2 * node * weight
    height = np.sqrt(np.maximum(r[:, None] ** 2 - (u + kappa / 2) ** 2, 0.0))
    across = 2 * np.sum(of_u * np.exp(-4 * u**2) * np.sqrt(np.pi) / 2 * erf(2 * height), axis=1)
    return float(12 / np.pi * np.sum(of_r * np.exp(-3 * (cut - r**2)) * across))


class SelfTerm:
    """s(q), a function of q of any shape up to q_max: interpolated, constant below the first row."""

    def __init__(self, mass_fraction: float, q_max: float):
        self.q = np.exp(np.arange(np.log(2e-3), np.log(q_max) + _Q_STEP, _Q_STEP))
        self._spline = CubicSpline(np.log(self.q), np.log(_self_term(self.q, mass_fraction)))

    def __call__(self, q: NDArray) -> NDArray:
        """s(q) at any q."""
        return np.exp(self._spline(np.log(np.clip(q, self.q[0], self.q[-1]))))


def _self_term(q: NDArray, mass_fraction: float) -> NDArray:
    """s(q), shape (q,), by sums over orbits."""
    cut = -np.log(1 - mass_fraction)
    x, weight = gauss_legendre(_ORBITS)
    node, weight = (1 + x) / 2, weight / 2
    total = np.zeros(len(q))
    for energy, of_energy in zip(cut * node**2, cut * 2 * node * weight, strict=True):
        circular = _circular_radius(energy)
        largest = np.sqrt(_radicand(circular, energy, 0.0))
        # both ends of angular momentum, a radial orbit and a circular one, are approached as a square
        share = node**2 * (3 - 2 * node)
        of_share = largest * 6 * node * (1 - node) * weight
        for angular_momentum, of_momentum in zip(largest * share, of_share, strict=True):
            period, averages = _orbit(q, energy, angular_momentum, circular)
            # both senses of rotation
            total += 2 * of_energy * of_momentum * period / (2 * np.pi) * np.exp(-4 * energy) * averages**2
    return 4 / mass_fraction**4 * total


def _radicand(area: NDArray | float, energy: float, angular_momentum: float) -> NDArray | float:
    """X p_r^2 for X = x^2: the orbit lies where it is positive."""
    return 4 * area * (energy - np.log1p(area)) - angular_momentum**2


def _circular_radius(energy: float) -> float:
    """x^2 of the circular orbit, where the radicand is largest: energy = ln(1 + X) + X/(1 + X)."""

    def slope(area: float) -> float:
        return energy - np.log1p(area) - area / (1 + area)

    return brentq(slope, 0.0, np.expm1(energy), xtol=_ROOT, rtol=1e-14)


def _orbit(q: NDArray, energy: float, angular_momentum: float, circular: float) -> tuple[float, NDArray]:
    """The radial period of an orbit, and the average of J_0(q x) over it, shape (q,)."""

    def radicand(area: float) -> float:
        return float(_radicand(area, energy, angular_momentum))

    if angular_momentum**2 > (1 - _CIRCULAR) * float(_radicand(circular, energy, 0.0)):
        curvature = 2 * (2 + circular) / (1 + circular) ** 2  # of the radicand, half of it
        return 2 * np.pi / np.sqrt(curvature), j0(q * np.sqrt(circular))
    inner = brentq(radicand, 0.0, circular, xtol=_ROOT, rtol=1e-14)
    outer = brentq(radicand, circular, np.expm1(energy) * (1 + 1e-6), xtol=_ROOT, rtol=1e-14)
    averages, period = np.empty(len(q)), 0.0
    # x^2 = m + h cos(angle): the integrand is periodic and smooth, so that equal steps converge fast
    for part in np.array_split(np.arange(len(q)), min(6, len(q))):
        count = 48 + int(0.7 * q[part[-1]] * (np.sqrt(outer) - np.sqrt(inner)) + 0.2 * q[part[-1]])
        angle = np.pi * (np.arange(count) + 0.5) / count
        area = (inner + outer) / 2 + (outer - inner) / 2 * np.cos(angle)
        near = (area - inner) * (outer - area) / np.maximum(_radicand(area, energy, angular_momentum), 1e-300)
        time = 2 * np.pi / count * np.sqrt(near)
        period = float(np.sum(time))
        averages[part] = j0(q[part, None] * np.sqrt(area)) @ time / period
    return period, averages
