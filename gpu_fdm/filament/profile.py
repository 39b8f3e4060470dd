"""Equilibria of a filament: infinite cylinders in their own gravity, in code units (gpu_fdm.units).

A profile is a subclass of `Profile`; tabulated.py has the one for measured densities. Radii are comoving and measured
from the axis.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq
from scipy.special import gamma, gammaincc, hankel1, k1, roots_legendre

from ..kernels.bessel import transform_0
from ..parallel.backend import CPU, GPU
from ..quantities import takes_numbers

BLOCK = 1 << 22  # values of J_0 at a time
# the form factor of a cuspy cylinder is tabulated in ln(k r0/a): interpolated to 1e-8, 1 to 3e-7 below the first row
_TABLE_FIRST, _TABLE_ROWS, _RAY_POINTS = 1e-6, 600, 300


@takes_numbers
class Profile(ABC):
    """An infinite cylinder with density rho(R), self-gravity V(R) and distribution L^(-beta) g(E).

    Public methods check their arguments; the methods of a subclass (_density, ...) compute on float arrays.

    scale_factor  a, in (0, 1]
    beta          velocity anisotropy, in [0, 1)
    """

    scale_factor: float
    beta: float

    @property
    @abstractmethod
    def line_mass(self) -> float:
        """Total mass per comoving length [rho_m0 L^2]."""

    @abstractmethod
    def _density(self, radius: NDArray) -> NDArray: ...

    @abstractmethod
    def _enclosed(self, radius: NDArray) -> NDArray: ...

    @abstractmethod
    def _potential(self, radius: NDArray) -> NDArray: ...

    @abstractmethod
    def _radius_enclosing(self, fraction: NDArray) -> NDArray: ...

    @abstractmethod
    def _energy_distribution(self, energy: NDArray) -> NDArray: ...

    @abstractmethod
    def _form_factor(self, wavenumber: NDArray) -> NDArray: ...

    @abstractmethod
    def _density_beyond(self, energy: float, radius: NDArray) -> NDArray:
        """The density of energies above one, at radii inside its turning point."""

    def density(self, radius: ArrayLike) -> NDArray:
        """Comoving density at R > 0 [rho_m0]; any shape."""
        return self._density(_positive(radius))

    def enclosed_line_mass(self, radius: ArrayLike) -> NDArray:
        """Line mass within R >= 0 [rho_m0 L^2]; any shape."""
        return self._enclosed(_not_negative(radius))

    def potential(self, radius: ArrayLike) -> NDArray:
        """V(R) of the cylinder's own gravity, zero on the axis [(L/T)^2]; any shape."""
        return self._potential(_not_negative(radius))

    def radius_enclosing(self, fraction: ArrayLike) -> NDArray:
        """Radius that holds a fraction in (0, 1) of the line mass [L]; any shape."""
        fraction = np.asarray(fraction, dtype=float)
        if not np.all((fraction > 0) & (fraction < 1)):
            raise ValueError(f"mass fraction {fraction}: must lie in (0, 1)")
        return self._radius_enclosing(fraction)

    def energy_distribution(self, energy: ArrayLike) -> NDArray:
        """g(E) of the distribution function f(E, L) = L^(-beta) g(E), E >= 0; any shape."""
        return self._energy_distribution(_not_negative(energy, "energy"))

    def form_factor(self, wavenumber: ArrayLike) -> NDArray:
        """F(k) = (2 pi/mu) int R rho(R) J_0(k R) dR, one at k = 0, k >= 0 comoving [1/L]; any shape.

        F^2 is the power over mu^2 of the classical cylinder in the plane across it: that of its smooth density.
        """
        return self._form_factor(_not_negative(wavenumber, "wavenumber"))

    def density_beyond(self, energy: float, radius: ArrayLike) -> NDArray:
        """Density at R > 0 of what has energies above one [rho_m0]; any shape.

            rho(> E; R) = 2^(1-beta/2) sqrt(pi) a^(2-beta) Gamma((1-beta)/2)/Gamma(1-beta/2) R^(-beta)
                          int_max(E, V)^inf g(E') (E' - V)^(-beta/2) dE',

        all of it beyond the turning point V(R) = E.

        energy  E > 0 [(L/T)^2]
        """
        radius = _positive(radius)
        edge = self._turning_point(energy)
        inside = self._density_beyond(energy, np.minimum(radius, edge))
        return np.where(radius < edge, inside, self._density(radius))

    def form_factor_beyond(self, energy: float, wavenumber: ArrayLike, backend: CPU | GPU | None = None) -> NDArray:
        """(2 pi/mu) int R rho(> E; R) J_0(k R) dR of density_beyond, whose share of the mass it is at k = 0; any shape.

        energy  E > 0 [(L/T)^2];  wavenumber  k >= 0 comoving [1/L];  backend  where integrals are summed
        The error is below 1e-9, but for that of a table.
        """
        return self._less_inside(
            energy, wavenumber, lambda radius: self._density(radius) - self._density_beyond(energy, radius), backend
        )

    def form_factor_outside(self, energy: float, wavenumber: ArrayLike, backend: CPU | GPU | None = None) -> NDArray:
        """The same of all mass beyond the turning point V(R) = E."""
        return self._less_inside(energy, wavenumber, self._density, backend)

    def _less_inside(
        self, energy: float, wavenumber: ArrayLike, inside: Callable[[NDArray], NDArray], backend: CPU | GPU | None
    ) -> NDArray:
        """The form factor without that of a density inside the turning point R_E, both over the line mass.

        That is a Gauss-Legendre quadrature in s, where R = R_E (1 - s^2)^(1/(2-beta)) if beta = 0, and twice that power
        else: a smooth function at both ends.
        """
        wavenumber = _not_negative(wavenumber, "wavenumber")
        edge, beta = self._turning_point(energy), self.beta
        power = 1 if beta == 0 else 2
        # the isothermal density has a pole, the nearer to s = 1 the less mass is outside
        outside = 1 - float(self._enclosed(np.asarray(edge))) / self.line_mass
        points = int(power * (0.4 * float(np.max(wavenumber, initial=0.0)) * edge + 40) + 14 / np.sqrt(outside))
        x, w = roots_legendre(points)
        s = (1 + x) / 2
        radius = edge * (1 - s**2) ** (power / (2 - beta))
        measure = edge ** (2 - beta) / (2 - beta) * power * (1 - s**2) ** (power - 1) * s * w  # R^(1-beta) dR
        shares = 2 * np.pi * measure * radius**beta * inside(radius) / self.line_mass
        return self._form_factor(wavenumber) - transform_0(wavenumber, radius, shares, BLOCK, backend or CPU())

    def _turning_point(self, energy: float) -> float:
        """The radius where V is an energy; ValueError for one that is not positive."""
        if not 0 < energy < np.inf:
            raise ValueError(f"energy = {energy}: must be positive and finite")
        edge = float(self.radius_enclosing(0.5))
        while self._potential(np.asarray(edge)) < energy:
            edge *= 2
        return float(brentq(lambda r: float(self._potential(np.asarray(r))) - energy, 0, edge, xtol=1e-14 * edge))

    def distribution(self, energy: ArrayLike, angular_momentum: ArrayLike) -> NDArray:
        """f(E, L) = L^(-beta) g(E), mass per phase-space area; arrays that broadcast, L > 0 if beta > 0."""
        if self.beta == 0:
            return self.energy_distribution(energy) + 0 * np.asarray(angular_momentum, dtype=float)
        return self.energy_distribution(energy) * _positive(angular_momentum, "angular momentum") ** -self.beta


@takes_numbers
class SteadyStateCylinder(Profile):
    """The self-gravitating cylinder of Eisenstein, Loeb & Turner (1997) with anisotropy beta.

        x = a R / r0
        rho(R)    = 2 a^3 (2-beta)^2 sigma^2/r0^2 x^(-beta) / (1 + x^(2-beta))^2
        mu(<R)    = 4 pi a sigma^2 (2-beta) x^(2-beta) / (1 + x^(2-beta))
        V(R)      = 2 sigma^2 ln(1 + x^(2-beta))
        g(E)      = g0 exp(-E / sigma^2)          exact, see docs/theory.md
        F(k)      = q K_1(q) for beta = 0,  q = k r0/a

    r0            physical scale radius [L]
    sigma         radial velocity dispersion [L/T]
    beta          velocity anisotropy, in [0, 1)
    scale_factor  a, in (0, 1]
    """

    def __init__(self, r0: float, sigma: float, beta: float = 0.0, scale_factor: float = 1.0):
        for name, value, good, allowed in (
            ("r0", r0, r0 > 0, "positive"),
            ("sigma", sigma, sigma > 0, "positive"),
            ("beta", beta, 0 <= beta < 1, "in [0, 1)"),
            ("scale_factor", scale_factor, 0 < scale_factor <= 1, "in (0, 1]"),
        ):
            if not (good and np.isfinite(value)):
                raise ValueError(f"{name} = {value}: must be {allowed}")
        self.r0, self.sigma, self.beta, self.scale_factor = map(float, (r0, sigma, beta, scale_factor))

    def __repr__(self) -> str:
        return (
            f"SteadyStateCylinder(r0={self.r0!r}, sigma={self.sigma!r}, "
            f"beta={self.beta!r}, scale_factor={self.scale_factor!r})"
        )

    @property
    def line_mass(self) -> float:
        """4 pi a sigma^2 (2 - beta) [rho_m0 L^2]."""
        return 4 * np.pi * self.scale_factor * self.sigma**2 * (2 - self.beta)

    def _power(self, radius: NDArray) -> NDArray:
        """x^(2-beta), of which everything but the density is a rational function."""
        return (self.scale_factor * radius / self.r0) ** (2 - self.beta)

    def _density(self, radius: NDArray) -> NDArray:
        x = self.scale_factor * radius / self.r0
        peak = 2 * self.scale_factor**3 * ((2 - self.beta) * self.sigma / self.r0) ** 2
        return peak * x**-self.beta / (1 + self._power(radius)) ** 2

    def _enclosed(self, radius: NDArray) -> NDArray:
        power = self._power(radius)
        return self.line_mass * power / (1 + power)

    def _potential(self, radius: NDArray) -> NDArray:
        return 2 * self.sigma**2 * np.log1p(self._power(radius))

    def _radius_enclosing(self, fraction: NDArray) -> NDArray:
        return self.r0 / self.scale_factor * (fraction / (1 - fraction)) ** (1 / (2 - self.beta))

    def _energy_distribution(self, energy: NDArray) -> NDArray:
        beta = self.beta
        g0 = self.scale_factor * (2 - beta) ** 2 * self.sigma**beta * self.r0 ** (beta - 2) * 2 ** (beta / 2)
        g0 /= np.sqrt(np.pi) * gamma((1 - beta) / 2)
        return g0 * np.exp(-energy / self.sigma**2)

    def _density_beyond(self, energy: float, radius: NDArray) -> NDArray:
        # g is an exponential: of the energies at a radius the share exp(-(E - V)/sigma^2) is above E for beta = 0
        above = np.maximum(energy - self._potential(radius), 0) / self.sigma**2
        return self._density(radius) * gammaincc(1 - self.beta / 2, above)

    def _form_factor(self, wavenumber: NDArray) -> NDArray:
        q = wavenumber * self.r0 / self.scale_factor
        if self.beta == 0:
            with np.errstate(invalid="ignore"):
                return np.where(q > 0, q * k1(q), 1.0)
        nodes = np.geomspace(_TABLE_FIRST, max(2 * _TABLE_FIRST, np.max(q, initial=0.0)), _TABLE_ROWS)
        table = CubicSpline(np.log(nodes), np.log(_cuspy_form_factor(nodes, self.beta)))
        inside = np.exp(table(np.log(np.maximum(q, _TABLE_FIRST))))
        return np.where(q < _TABLE_FIRST, 1.0, inside)


def _cuspy_form_factor(q: NDArray, beta: float) -> NDArray:
    """F of the cylinder of anisotropy beta at q = k r0/a > 0, shape (rows,), to 1e-10.

    F = Re int H_0^(1)(q x) dm, m = x^p/(1 + x^p), p = 2 - beta, along the ray x = y exp(i pi/4): the integrand does not
    oscillate there, and the poles of dm/dx, at the angle pi/p, are beyond it. The trapezoidal rule in ln y converges
    geometrically.
    """
    power = 2 - beta
    log_y = np.linspace(-36 / power + np.minimum(0, -np.log(q)), np.log(40 * np.sqrt(2) / q), _RAY_POINTS)
    x = np.exp(log_y + 0.25j * np.pi)
    u = x**power
    integrand = (power * u / (1 + u) ** 2 * hankel1(0, q * x)).real
    return integrand.sum(axis=0) * (log_y[1] - log_y[0])


def _positive(values: ArrayLike, name: str = "radius") -> NDArray:
    values = np.asarray(values, dtype=float)
    if not np.all(values > 0):
        raise ValueError(f"{name}: must be positive, got {np.min(values)}")
    return values


def _not_negative(values: ArrayLike, name: str = "radius") -> NDArray:
    values = np.asarray(values, dtype=float)
    if not np.all(values >= 0):
        raise ValueError(f"{name}: must not be negative, got {np.min(values)}")
    return values
