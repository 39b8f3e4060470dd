"""Solitons: the ground state of the Schroedinger-Poisson equations, alone by shooting, in a periodic box by iteration.

At scale factor a a stationary state psi = exp(-i E t) f obeys (code units)

    -laplacian f/(2 a^2) + V f = E f,     laplacian V = f^2/a.

Alone, V -> 0 at infinity. With F the solution for a = 1 and F(0) = 1, f = sqrt(rho_c) F(s r) with s^4 = a rho_c solves
them too, with E = E_1 s^2/a^2. (Ruffini & Bonazzola 1969, Phys. Rev. 187, 1767; E_1 = -0.692 and int F^2 x^2 dx =
2.062: Guzman & Urena-Lopez 2004, Phys. Rev. D 69, 124033.)
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

from ..errors import RunError
from .grid import Grid

_TRUSTED = 1e-6  # of F: below it the growing solution, with the round-off of the shot, is felt
_POINTS = 2000
_UNBOUND = 1e-6  # of the isolated energy, below the top of the potential: the wave spreads over the box


@dataclass(frozen=True)
class Soliton:
    """An isolated soliton.

    density  at the centre, comoving, in mean matter densities today;  a  scale factor
    """

    density: float
    a: float = 1.0

    @property
    def scale(self) -> float:
        """s = (a rho_c)^(1/4) [1/L]."""
        return (self.a * self.density) ** 0.25

    @property
    def energy(self) -> float:
        """E, with V = 0 at infinity [1/T]."""
        return _ground_state().energy * self.scale**2 / self.a**2

    @property
    def mass(self) -> float:
        """4 pi int f^2 r^2 dr [mean matter density today L^3]."""
        return 4 * pi * _ground_state().mass * self.density / self.scale**3

    def psi(self, r: ArrayLike) -> np.ndarray:
        """f at distances r [L]."""
        return sqrt(self.density) * _ground_state()(np.asarray(r) * self.scale)

    @cached_property
    def core_radius(self) -> float:
        """Where the density is half of that at the centre [L]."""
        radius = np.linspace(0, 3, _POINTS)
        return float(np.interp(-0.5, -(_ground_state()(radius) ** 2), radius)) / self.scale

    @property
    def period(self) -> float:
        """Of its slowest radial oscillation [T]: 10.94 Gyr^-1 (rho_c / 10^9 Msun kpc^-3)^(1/2), physical density.

        Source: Veltmaat, Niemeyer & Schwabe 2018, Phys. Rev. D 98, 043509. In code units 4 pi G rho = rho_c / a^3.
        """
        # f / sqrt(4 pi G rho_c), with sqrt(4 pi G 10^9 Msun kpc^-3) = 237.8 Gyr^-1
        return 237.8 / 10.94 / sqrt(self.density / self.a**3)


@dataclass(frozen=True, eq=False)
class _GroundState:
    """F(x), with F(0) = 1, a = 1: a spline, then the decay in the potential of a point mass."""

    spline: CubicSpline
    last: float
    energy: float
    mass: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        kappa = sqrt(-2 * self.energy)
        power = self.mass / kappa - 1
        beyond = np.maximum(x, self.last) / self.last
        tail = self.spline(self.last) * beyond**power * np.exp(-kappa * self.last * (beyond - 1))
        return np.where(x <= self.last, self.spline(np.minimum(x, self.last)), tail)


@lru_cache(maxsize=1)
def _ground_state() -> _GroundState:
    """Shoot from the centre; F falls below zero where E - V(0) is too large, and turns up where it is too small."""
    low, high = 0.1, 2.0
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        shot = _shoot(middle)
        if shot.t_events[0].size:
            high = middle
        else:
            low = middle
    x = np.linspace(shot.t[0], shot.t[-1], _POINTS)
    wave, _, well, slope = shot.sol(x)
    count = int(np.argmax(wave < _TRUSTED))
    mass = slope[count] * x[count] ** 2
    # well = V - E, and V = -mass/x out here
    energy = -mass / x[count] - well[count]
    spline = CubicSpline(np.concatenate([[0], x[:count]]), np.concatenate([[1], wave[:count]]))
    return _GroundState(spline, float(x[count - 1]), float(energy), float(mass))


def _shoot(depth: float) -> Any:
    """F, F', V - E and V' from the centre on, where E - V(0) = depth, until F or F' changes sign."""

    def slopes(x: float, y: np.ndarray) -> tuple:
        wave, slope, well, force = y
        return slope, 2 * well * wave - 2 * slope / x, force, wave**2 - 2 * force / x

    def sinks(x: float, y: np.ndarray) -> float:
        return y[0]

    def rises(x: float, y: np.ndarray) -> float:
        return y[1]

    # solve_ivp takes attributes of a function
    sinks.terminal = rises.terminal = True  # type: ignore[attr-defined]
    sinks.direction, rises.direction = -1, 1  # type: ignore[attr-defined]
    x = 1e-3  # series around the centre, good to x^4
    start = 1 - depth * x**2 / 3, -2 * depth * x / 3, -depth + x**2 / 6, x / 3
    options = {"method": "DOP853", "rtol": 1e-13, "atol": 1e-14, "dense_output": True, "max_step": 0.5}
    return solve_ivp(slopes, (x, 50.0), start, events=(sinks, rises), **options)


def periodic_soliton(grid: Grid, soliton: Soliton, tolerance: float = 1e-12) -> tuple[np.ndarray, float]:
    """The ground state in a periodic box that holds the mass of an isolated soliton, and its energy E.

    Iterates f <- (E - T)^(-1) V f, V of the present f with its highest value taken off, E from <f|T + V|f>: what stays
    solves the equations of the grid to round-off. The centre is at the middle of the box.
    Returns f, real, shape grid.cells, and E [1/T] for a V whose mean is zero, as the wave solver's is.
    Raises RunError where the state does not settle: in a small box there is no bound state.
    """
    k = [grid.wavenumbers(axis) for axis in range(3)]
    squared = k[0][:, None, None] ** 2 + k[1][:, None] ** 2 + k[2] ** 2
    kinetic = squared / (2 * soliton.a**2)
    inverse = np.divide(-1 / soliton.a, squared, out=np.zeros_like(squared), where=squared > 0)
    distance = [grid.centres(axis) - 0.5 * grid.sides[axis] for axis in range(3)]
    f = soliton.psi(np.sqrt(distance[0][:, None, None] ** 2 + distance[1][:, None] ** 2 + distance[2] ** 2))
    mean_square = soliton.mass / np.prod(grid.sides)
    for _ in range(1000):
        f *= sqrt(mean_square / np.mean(f**2))
        potential = np.fft.ifftn(inverse * np.fft.fftn(f**2)).real
        top = potential.max()
        energy = float(np.mean(f * (np.fft.ifftn(kinetic * np.fft.fftn(f)).real + potential * f)) / mean_square)
        if top - energy < _UNBOUND * abs(soliton.energy):
            raise RunError(f"no soliton in a box of {grid.sides} L: the ground state is uniform")
        following = np.fft.ifftn(np.fft.fftn((top - potential) * f) / (kinetic + top - energy)).real
        following *= sqrt(mean_square / np.mean(following**2))
        change = float(np.max(np.abs(following - f)) / np.max(f))
        f = following
        if change < tolerance:
            return f, energy
    raise RunError(f"the soliton in a box of {grid.sides} L does not settle: still changes by {change:.2g}")
