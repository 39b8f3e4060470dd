"""Equilibrium of a halo: a sphere in its own gravity with isotropic velocities, in code units (gpu_fdm.units).

    dV/dr = M(<r)/(4 pi a r^2),    V = -[ M(<r)/(4 pi a r) + (1/a) int_r^inf r' rho dr' ],    V(inf) = 0

and the distribution function f(E), rho = int d3p f(p^2/(2 a^2) + V), by Eddington's inversion (1916; Binney & Tremaine
2008, eq. 4.46) with Psi = -V, e = -E:

    f = 1/(sqrt(8) pi^2 a^3) int_0^e (d2rho/dPsi2) dPsi/sqrt(e - Psi),     d rho/d Psi = s rho 4 pi a r/M

Method: M and V are Gauss quadratures over panels of ln r, between which splines of degree 7 interpolate. The integral
of the inversion is one in u, ln r = ln r_e + u^2, with V(r_e) = E; f is tabulated in ln r_e. All are good to about
1e-10 for a smooth law. Below V(5e-4 scale radii) f is taken as constant.
"""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import make_interp_spline
from scipy.optimize import brentq

from ..errors import InputError
from ..quadrature import gauss_legendre
from ..quantities import takes_numbers
from .laws import DensityLaw

_INWARD, _OUTWARD = 1e-4, 1e4  # of the smallest and the largest scale: where the panels end
_PANELS_PER_E_FOLD = 25
_PANEL_NODES = 12
_DEGREE = 7
_F_INWARD, _F_OUTWARD = 5e-4, 30.0  # of the smallest and the largest scale: where the table of f ends
_F_PER_E_FOLD = 12
_INVERSION_NODES = 400
_CLOSE = 1e-3  # of Psi: smaller differences of the potential are integrals of the force
_CLOSE_NODES = 24
_TINY = 40.0  # e-folds after which the integrand of the inversion is below round-off
_AT_ONCE = 64  # energies


@takes_numbers
class SphericalProfile:
    """A halo with density rho(r), self-gravity V(r), V(inf) = 0, and distribution function f(E).

    law           shape of the density
    mass          total mass [rho_m0 L^3]; None: that of the law as it is, for a table in units of rho_m0
    scale_factor  a, in (0, 1]
    invert        whether f(E) is made now, which takes longest, or where it is first asked for
    Raises InputError for a mass or an a out of range, and where f is negative: then no isotropic equilibrium exists.
    """

    def __init__(
        self, law: DensityLaw, mass: float | None = None, scale_factor: float = 1.0, invert: bool = True
    ) -> None:
        if mass is not None and not 0 < mass < np.inf:
            raise InputError(f"halo mass = {mass}: must be positive and finite")
        if not 0 < scale_factor <= 1:
            raise InputError(f"scale_factor = {scale_factor}: must be in (0, 1]")
        self.law, self.scale_factor = law, float(scale_factor)
        smallest, largest = law.scales
        ends = np.log([_INWARD * smallest, _OUTWARD * largest])
        x = np.linspace(ends[0], ends[1], int(_PANELS_PER_E_FOLD * np.ptp(ends)) + 2)
        radius = np.exp(x)
        density, slope = np.exp(law.log_density(radius)), law.slopes(radius)[0]
        inner = 4 * np.pi * radius[0] ** 3 * density[0] / (3 - slope[0])
        tail = 4 * np.pi * radius[-1] ** 3 * density[-1] / (slope[-1] - 3)
        enclosed = inner + np.concatenate([[0], np.cumsum(self._panels(x, 3))])
        whole = enclosed[-1] + tail
        self._norm = 1.0 if mass is None else mass / whole
        # 4 pi int_r^inf r' rho dr', summed from outside
        outer = np.concatenate([np.cumsum(self._panels(x, 2)[::-1])[::-1], [0]])
        outer += 4 * np.pi * radius[-1] ** 2 * density[-1] / (slope[-1] - 2)
        self.mass = float(self._norm * whole)
        self._x, self._grid_mass = x, self._norm * enclosed
        self._depth = self._norm * (enclosed / radius + outer) / (4 * np.pi * self.scale_factor)
        self._log_mass = make_interp_spline(x, np.log(self._grid_mass), k=_DEGREE)
        self._log_depth = make_interp_spline(x, np.log(self._depth), k=_DEGREE)
        self._tail = self._norm * tail, slope[-1]
        self._radii: dict[float, float] = {}  # that hold fractions of the mass, as they are asked for
        if invert:
            self.require_equilibrium()

    def _panels(self, x: NDArray, power: int) -> NDArray:
        """4 pi int r^power rho d ln r over each panel of ln r, shape (panels,), not normalised."""
        nodes, weights = gauss_legendre(_PANEL_NODES)
        at = x[:-1, None] + np.diff(x)[:, None] * (1 + nodes) / 2
        values = np.exp(self.law.log_density(np.exp(at)) + power * at)
        return 4 * np.pi * np.diff(x) / 2 * (values @ weights)

    def __repr__(self) -> str:
        return f"SphericalProfile(law={self.law!r}, mass={self.mass:g}, scale_factor={self.scale_factor:g})"

    def density(self, radius: ArrayLike) -> NDArray:
        """Comoving density at r > 0 [rho_m0]; any shape."""
        return self._norm * np.exp(self.law.log_density(_positive(radius)))

    def enclosed_mass(self, radius: ArrayLike) -> NDArray:
        """M(<r) at r > 0 [rho_m0 L^3]; any shape."""
        return self._enclosed(np.log(_positive(radius)))

    def potential(self, radius: ArrayLike) -> NDArray:
        """V(r) of the halo's own gravity at r > 0, zero at infinity [(L/T)^2]; any shape."""
        return self._potential(np.log(_positive(radius)))

    @property
    def central_potential(self) -> float:
        """V(0) [(L/T)^2]."""
        return float(-self._depth[0] - self._grid_mass[0] / (8 * np.pi * self.scale_factor * np.exp(self._x[0])))

    def radius_enclosing(self, fraction: float) -> float:
        """Radius that holds a fraction in (0, 1) of the mass [L]; InputError where that is far outside the halo."""
        if not 0 < fraction < 1:
            raise InputError(f"mass fraction {fraction}: must lie in (0, 1)")
        if fraction not in self._radii:
            self._radii[fraction] = self._radius_enclosing(fraction)
        return self._radii[fraction]

    def _radius_enclosing(self, fraction: float) -> float:
        last = self._table_ends[1]
        if not float(self._enclosed(np.asarray(last))) > fraction * self.mass:
            most = float(self._enclosed(np.asarray(last))) / self.mass
            raise InputError(
                f"mass fraction {fraction}: must be below {most:.6g}, inside {np.exp(last):.4g} L of this halo"
            )
        x = brentq(
            lambda x: float(self._enclosed(np.asarray(x))) / self.mass - fraction, self._x[0] - 20, last, xtol=1e-14
        )
        return float(np.exp(x))

    def turning_radius(self, energy: ArrayLike) -> NDArray:
        """r with V(r) = E, for E between V(0) and V at the edge of the table of f [L]; clipped to these; any shape."""
        return np.exp(self._log_turning(np.asarray(energy, float)))

    def require_equilibrium(self) -> None:
        """InputError where f is negative."""
        _ = self._table

    def distribution(self, energy: ArrayLike) -> NDArray:
        """f(E), mass per phase-space volume d3x d3p, E from V(0) to that of the outermost mass fraction; any shape."""
        energy = np.asarray(energy, float)
        if not np.all((energy >= self.central_potential * (1 + 1e-12)) & (energy < 0)):
            raise ValueError(f"energy {energy}: must be between V(0) = {self.central_potential:g} and 0")
        return np.exp(self._table(self._log_turning(energy)))

    def _enclosed(self, x: NDArray) -> NDArray:
        inside, (tail, slope) = np.exp(self._log_mass(np.clip(x, self._x[0], self._x[-1]))), self._tail
        inside = inside * np.exp(3 * np.minimum(x - self._x[0], 0))
        return inside + tail * -np.expm1((3 - slope) * np.maximum(x - self._x[-1], 0))

    def _potential(self, x: NDArray) -> NDArray:
        depth = np.exp(self._log_depth(np.clip(x, self._x[0], self._x[-1])) - np.maximum(x - self._x[-1], 0))
        within = -np.expm1(2 * np.minimum(x - self._x[0], 0)) / 2
        return -depth - within * self._grid_mass[0] / (4 * np.pi * self.scale_factor * np.exp(self._x[0]))

    def _force(self, x: NDArray) -> NDArray:
        """dV/d ln r = M/(4 pi a r)."""
        return self._enclosed(x) / (4 * np.pi * self.scale_factor * np.exp(x))

    @property
    def _table_ends(self) -> tuple[float, float]:
        smallest, largest = self.law.scales
        return float(np.log(_F_INWARD * smallest)), float(np.log(_F_OUTWARD * largest))

    def _log_turning(self, energy: NDArray) -> NDArray:
        first, last = self._table_ends
        low, high = self._potential(np.asarray([first, last]))
        energy = np.clip(energy, low, high)
        x = np.interp(energy, -self._depth, self._x)
        for _ in range(4):
            x = np.clip(x - (self._potential(x) - energy) / self._force(x), first, last)
        return x

    @cached_property
    def _table(self) -> Any:
        """ln f as a spline in ln r_e."""
        first, last = self._table_ends
        x = np.linspace(first, last, int(_F_PER_E_FOLD * (last - first)) + 2)
        f = np.concatenate([self._eddington(x[i : i + _AT_ONCE]) for i in range(0, len(x), _AT_ONCE)])
        wrong = np.flatnonzero(~(f > 0))
        if len(wrong):
            at = np.exp(x[wrong[0]])
            raise InputError(
                f"halo density: its distribution function is negative, {f[wrong[0]]:.3g} "
                f"at the energy V(r = {at:.4g} L): "
                "no isotropic equilibrium has this density; its slope must rise more gently"
            )
        return make_interp_spline(x, np.log(f), k=_DEGREE)

    def _eddington(self, x_e: NDArray) -> NDArray:
        """f at the energies V(exp x_e), shape (energies,)."""
        a, (_, largest) = self.scale_factor, self.law.scales
        nodes, weights = gauss_legendre(_INVERSION_NODES)
        reach = np.sqrt(np.maximum(np.log(largest) - x_e, 0) + _TINY / (self._tail[1] - 1))
        u = reach[:, None] * (1 + nodes) / 2
        x = x_e[:, None] + u**2
        radius = np.exp(x)
        density, (s, t) = self._norm * np.exp(self.law.log_density(radius)), self.law.slopes(radius)
        share = 4 * np.pi * radius**3 * density / self._enclosed(x)  # d ln M/d ln r
        # d/d ln r of d rho/d Psi = s rho 4 pi a r/M
        change = a * share / radius**2 * (t + s * (1 - s - share))
        fall = self._potential(x) - self._potential(x_e)[:, None]
        close = fall < _CLOSE * -self._potential(x_e)[:, None]
        fall[close] = self._fall(np.broadcast_to(x_e[:, None], x.shape)[close], u[close])
        integral = -(change * 2 * u / np.sqrt(fall)) @ weights * reach / 2
        return integral / (np.sqrt(8) * np.pi**2 * a**3)

    def _fall(self, x_e: NDArray, u: NDArray) -> NDArray:
        """V(r) - V(r_e), ln r = ln r_e + u^2, as an integral of the force, without cancellation; of the shape of u."""
        nodes, weights = gauss_legendre(_CLOSE_NODES)
        total = np.zeros(u.shape)
        for node, weight in zip((1 + nodes) / 2, weights / 2, strict=True):
            total += 2 * weight * node * self._force(x_e + (u * node) ** 2)
        return u**2 * total


def _positive(values: ArrayLike) -> NDArray:
    values = np.asarray(values, dtype=float)
    if not np.all(values > 0):
        raise ValueError(f"radius: must be positive, got {np.min(values)}")
    return values
