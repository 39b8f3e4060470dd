"""Equilibrium of a filament from a table of its density, measured in a simulation, say; in code units.

The potential follows by quadrature of the enclosed mass, the distribution function f = L^(-beta) g(E) by inversion:

    y(V) = R^beta rho / c = int_V^inf g(E) (E - V)^(-beta/2) dE
    g(E) = -(sin(pi b)/pi) int_E^inf y'(V) (V - E)^(b-1) dV,  b = beta/2        (Abel);  g = -y'(E) for beta = 0

Between the rows ln rho is a cubic spline in ln R. Inside the first row R^beta rho = A + B R^(2-beta), the regular
core of an equilibrium. Beyond the last row the density is zero; the distribution function continues the last slope of
ln y(V), so that it does not end with a step.
"""

import re
from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicHermiteSpline, CubicSpline
from scipy.special import gamma, gammaincc, j0

from ..errors import UnfitError
from ..quantities import takes_numbers
from .measured import MeasuredProfile
from .profile import BLOCK, Profile

_LEAST = 1e-30  # radii and densities below this, or above its inverse, are refused
FINE_POINTS = 3000  # radii, in equal steps of ln R, at which the potential and the inversion are computed
_ENERGIES = 60  # Gauss-Legendre nodes of an integral over the energies beyond a cut


@takes_numbers
class TabulatedProfile(Profile):
    """Profile from rows of radius and density.

    radius        shape (rows,), at least 8, increasing, positive [L, comoving]
    density       shape (rows,), positive, comoving [rho_m0]
    beta          velocity anisotropy, in [0, 1)
    scale_factor  a, in (0, 1]
    Raises UnfitError for rows out of order, a density that is not positive, an infinite central mass, and where
    the inversion is negative: then no equilibrium with this density and anisotropy exists.
    """

    def __init__(self, radius: ArrayLike, density: ArrayLike, beta: float = 0.0, scale_factor: float = 1.0) -> None:
        radius, density = np.asarray(radius, float), np.asarray(density, float)
        self.beta, self.scale_factor = float(beta), float(scale_factor)
        _check_rows(radius, density, beta, scale_factor)
        a = self.scale_factor
        self._rows = radius
        self._log_density = CubicSpline(np.log(radius), np.log(density))

        # the regular core inside the first row
        slope = float(self._log_density(np.log(radius[0]), 1))
        if slope <= -2:
            raise UnfitError(f"density falls as R^{slope:.2f} at the first radius: the central mass is infinite")
        share = (slope + beta) / (2 - beta)
        central = density[0] * radius[0] ** beta
        self._core = central * (1 - share), central * share / radius[0] ** (2 - beta)  # A, B
        self._first, self._last = radius[0], radius[-1]

        # enclosed mass and potential at equal steps of ln R, by Gauss quadrature over the steps
        log_radius = np.linspace(np.log(radius[0]), np.log(radius[-1]), FINE_POINTS)
        fine = np.exp(log_radius)
        mass_slope = 2 * np.pi * fine**2 * self._density(fine)
        mass = _running_integral(
            lambda x: 2 * np.pi * np.exp(2 * x + self._log_density(x)), log_radius, float(self._core_mass(radius[0]))
        )
        self._mass = CubicHermiteSpline(log_radius, mass, mass_slope)
        potential = _running_integral(
            lambda x: self._mass(x) / (2 * np.pi * a), log_radius, float(self._core_potential(radius[0]))
        )
        self._fine_potential = CubicHermiteSpline(log_radius, potential, mass / (2 * np.pi * a))
        self._line_mass = float(mass[-1])
        self._fine_radius, self._fine_mass = fine, mass
        self._log_g, self._tail = self._invert()

    @property
    def line_mass(self) -> float:
        """Line mass of the table, up to its last row [rho_m0 L^2]."""
        return self._line_mass

    def _density(self, radius: NDArray) -> NDArray:
        radius = np.asarray(radius, float)
        inner, outer = self._core
        with np.errstate(divide="ignore"):  # a cusp is infinite on the axis
            core = radius**-self.beta * (outer * radius ** (2 - self.beta) + inner)
        table = np.exp(self._log_density(np.log(np.clip(radius, self._first, self._last))))
        return np.where(radius < self._first, core, np.where(radius > self._last * (1 + 1e-12), 0.0, table))

    def _core_mass(self, radius: NDArray) -> NDArray:
        inner, outer = self._core
        power = radius ** (2 - self.beta)
        return 2 * np.pi * power * (inner + outer * power / 2) / (2 - self.beta)

    def _core_potential(self, radius: NDArray) -> NDArray:
        inner, outer = self._core
        power = radius ** (2 - self.beta)
        return power * (inner + outer * power / 4) / ((2 - self.beta) ** 2 * self.scale_factor)

    def _enclosed(self, radius: NDArray) -> NDArray:
        table = self._mass(np.log(np.clip(radius, self._first, self._last)))
        return np.where(radius < self._first, self._core_mass(radius), table)

    def _potential(self, radius: NDArray) -> NDArray:
        table = self._fine_potential(np.log(np.clip(radius, self._first, self._last)))
        outside = np.log(np.maximum(radius / self._last, 1)) * self.line_mass / (2 * np.pi * self.scale_factor)
        return np.where(radius < self._first, self._core_potential(radius), table + outside)

    def _radius_enclosing(self, fraction: NDArray) -> NDArray:
        wanted = np.asarray(fraction) * self.line_mass
        # a grid that reaches into the core, then Newton's steps in ln R
        core = self._first * np.geomspace(1e-6, 1, 200)[:-1]
        grid = np.concatenate([core, self._fine_radius])
        log_radius = np.interp(wanted, np.concatenate([self._core_mass(core), self._fine_mass]), np.log(grid))
        for _ in range(4):
            radius = np.exp(log_radius)
            log_radius = log_radius - (self._enclosed(radius) - wanted) / (
                2 * np.pi * radius**2 * self._density(radius)
            )
            log_radius = np.minimum(log_radius, np.log(self._last))
        return np.exp(log_radius)

    def _energy_distribution(self, energy: NDArray) -> NDArray:
        last, tail_scale = self._tail
        inside = np.exp(self._log_g(np.minimum(energy, last)))
        return inside * np.exp(-np.maximum(energy - last, 0) / tail_scale)

    def _density_beyond(self, energy: float, radius: NDArray) -> NDArray:
        b = self.beta / 2
        depth = np.asarray(self._potential(radius))
        last, scale = self._tail
        # w = (E' - V)^(1-b) takes the singularity at E' = V away
        first, end = (np.maximum(level - depth, 0) ** (1 - b) for level in (energy, max(energy, last)))
        x, weights = np.polynomial.legendre.leggauss(_ENERGIES)
        w = first[..., None] + (end - first)[..., None] * (1 + x) / 2
        inside = self._energy_distribution(depth[..., None] + w ** (1 / (1 - b))) @ weights
        inside *= (end - first) / (2 * (1 - b))
        above = np.maximum(max(energy, last) - depth, 0) / scale
        tail = self._energy_distribution(np.asarray(max(energy, last))) * scale ** (1 - b)
        inside += tail * gamma(1 - b) * np.exp(above) * gammaincc(1 - b, above)
        return normalisation(self.beta, self.scale_factor) * radius**-self.beta * inside

    def _form_factor(self, wavenumber: NDArray) -> NDArray:
        flat = np.ravel(wavenumber)
        radius, mass = self._mass_elements(float(np.max(flat, initial=0.0)))
        rows = max(1, BLOCK // len(radius))
        parts = [j0(np.outer(flat[first : first + rows], radius)) @ mass for first in range(0, len(flat), rows)]
        return np.concatenate([*parts, np.empty(0)]).reshape(np.shape(wavenumber)) / self.line_mass

    def _mass_elements(self, wavenumber_max: float) -> tuple[NDArray, NDArray]:
        """Radii and masses of Gauss nodes over the profile: J_0(k R) turns by a radian in a panel at most."""
        width = 1 / max(wavenumber_max, 1 / self._last)
        panels = pairwise([0.0, *np.geomspace(1e-6 * self._first, self._last, 400).tolist()])
        pieces = [np.linspace(a, b, int(np.ceil((b - a) / width)) + 1)[:-1] for a, b in panels]
        edges = np.concatenate([*pieces, [self._last]])
        x, w = np.polynomial.legendre.leggauss(8)
        half = np.diff(edges)[:, None] / 2
        radius = (edges[:-1, None] + half * (1 + x)).ravel()
        return radius, 2 * np.pi * radius * self._density(radius) * (half * w).ravel()

    def _no_equilibrium(self, radius: float) -> str:
        row = int(np.searchsorted(self._rows, radius * (1 + 1e-9)))
        return (
            f"row {max(row, 1)}: no equilibrium with this density and beta = {self.beta:g}: the distribution function "
            "is not positive at the energy of a particle at rest there. The density may rise outwards or be noisy: "
            "smooth the table, or choose another beta"
        )

    def _invert(self) -> tuple[Callable[[NDArray], NDArray], tuple[float, float]]:
        """ln g as a spline of E up to V at the last row, and (that energy, the energy scale of the tail)."""
        beta, a = self.beta, self.scale_factor
        power, constant = 2 - beta, normalisation(beta, a)
        inner, outer = self._core
        # y'(V) = dy/dR / dV/dR; inside the first row from the regular core, exactly
        core = self._first * (np.arange(40) / 40) ** (1 / power)
        core_slope = power**2 * a * outer / (inner + outer * core**power / 2)
        radius = self._fine_radius
        y = radius**beta * self._density(radius) / constant
        log_slope = beta + self._log_density(np.log(radius), 1)
        table_slope = y * log_slope * 2 * np.pi * a / self._fine_mass
        energy = np.concatenate([self._core_potential(core), self._potential(radius)])
        slope = np.concatenate([core_slope / constant, table_slope])
        tail_scale = -y[-1] / table_slope[-1]
        if tail_scale <= 0:
            raise UnfitError(self._no_equilibrium(radius[-1]))
        g = _abel(energy, slope, y[-1], tail_scale, beta / 2)
        negative = np.flatnonzero(~(g > 0))
        if len(negative):
            raise UnfitError(self._no_equilibrium(np.concatenate([core, radius])[negative[0]]))
        return CubicSpline(energy, np.log(g)), (energy[-1], tail_scale)


def normalisation(beta: float, scale_factor: float) -> float:
    """c of R^beta rho = c int_V^inf g(E) (E - V)^(-beta/2) dE."""
    gammas = gamma((1 - beta) / 2) / gamma(1 - beta / 2)
    return float(2 ** (1 - beta / 2) * np.sqrt(np.pi) * scale_factor ** (2 - beta) * gammas)


def tabulated(measured: MeasuredProfile, beta: float = 0.0, scale_factor: float = 1.0) -> TabulatedProfile:
    """The profile with the densities of a table, which must have no noise. UnfitError names the row or line."""
    try:
        return TabulatedProfile(measured.radius, measured.density, beta, scale_factor)
    except UnfitError as error:
        # in a file a row is known by its line
        raise UnfitError(re.sub(r"^row (\d+)", lambda row: measured.place(int(row[1]) - 1), str(error))) from None


def _check_rows(radius: NDArray, density: NDArray, beta: float, scale_factor: float) -> None:
    if radius.ndim != 1 or radius.shape != density.shape or len(radius) < 8:
        raise UnfitError(f"table of shape {radius.shape}: must hold at least 8 rows of radius and density")
    if not 0 <= beta < 1:
        raise ValueError(f"beta = {beta}: must be in [0, 1)")
    if not 0 < scale_factor <= 1:
        raise ValueError(f"scale_factor = {scale_factor}: must be in (0, 1]")
    for name, values in (("radius", radius), ("density", density)):
        bad = np.flatnonzero(~((values > _LEAST) & (values < 1 / _LEAST)))
        if len(bad):
            raise UnfitError(f"row {bad[0] + 1}: {name} = {values[bad[0]]}: must be positive, and below {1 / _LEAST:g}")
    back = np.flatnonzero(np.diff(np.log(radius)) <= 0)  # of a spline in ln R
    if len(back):
        row = back[0] + 1
        raise UnfitError(
            f"row {row + 1}: radius does not increase (it is {radius[row] / radius[row - 1]:.6g} of the row before)"
        )


def _running_integral(function: Callable[[NDArray], NDArray], points: NDArray, start: float) -> NDArray:
    """Integral of a function from points[0] to each point, plus start, by 4-point Gauss quadrature a step."""
    x, w = np.polynomial.legendre.leggauss(4)
    half = np.diff(points) / 2
    middle = (points[1:] + points[:-1]) / 2
    steps = half * (function(middle[:, None] + half[:, None] * x) @ w)
    return start + np.concatenate([[0], np.cumsum(steps)])


def _abel(energy: NDArray, slope: NDArray, last: float, tail_scale: float, b: float) -> NDArray:
    """g at the nodes: product integration of the piecewise linear slope y'(V), and the exponential tail exactly.

    energy      V at the nodes, increasing;  slope  y' there
    last        y at the last node, continued as last * exp(-(V - energy[-1]) / tail_scale)
    b           beta / 2
    """
    if b == 0:
        return -slope
    g = np.empty_like(slope)
    rise = np.diff(slope) / np.diff(energy)
    for i, start in enumerate(energy):
        distance = energy[i:] - start
        # moments of (V - E)^(b-1) and (V - E)^b over each step
        first = np.diff(distance**b) / b
        second = np.diff(distance ** (1 + b)) / (1 + b)
        at_start = slope[i:-1] - rise[i:] * distance[:-1]
        x = distance[-1] / tail_scale
        # scipy has the upper incomplete gamma function; its product with e^x stays finite where x is large
        tail = -last * tail_scale ** (b - 1) * _scaled_gamma(b, x)
        g[i] = -np.sin(np.pi * b) / np.pi * (np.sum(at_start * first + rise[i:] * second) + tail)
    return g


def _scaled_gamma(b: float, x: float) -> float:
    """exp(x) Gamma(b, x)."""
    if x < 200:
        return np.exp(x) * gamma(b) * gammaincc(b, x)
    return x ** (b - 1) * (1 + (b - 1) / x * (1 + (b - 2) / x))
