"""Density laws of spherical haloes: ln rho and its logarithmic slopes, of any normalisation; gpu_fdm.haloes.profile
makes an equilibrium of one.

    s = -d ln rho/d ln r,     t = ds/d ln r
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import make_interp_spline

from ..errors import InputError
from ..quantities import takes_numbers

_LEAST = 1e-30  # radii and densities of a table below this, or above its inverse, are refused
_FEWEST_ROWS = 8
_DEGREE = 5  # of the spline through a table: its second derivative enters the distribution function


class DensityLaw(ABC):
    """Shape of a spherical density, regular at the centre, with a finite mass."""

    @property
    @abstractmethod
    def scales(self) -> tuple[float, float]:
        """Smallest and largest radius at which the slope changes [L]."""

    @abstractmethod
    def log_density(self, radius: NDArray) -> NDArray:
        """ln rho + constant at radius > 0 [L]; any shape."""

    @abstractmethod
    def slopes(self, radius: NDArray) -> tuple[NDArray, NDArray]:
        """s and t at radius > 0 [L]; each of the radius' shape."""


@takes_numbers
@dataclass(frozen=True)
class CoredNFW(DensityLaw):
    """rho ~ 1/[x (1 + x)^2 (1 + (r/truncation)^2)^2], x^2 = (r^2 + core^2)/scale^2: s = 7 at large radii.

    scale       scale radius of Navarro, Frenk & White (1997) [L, comoving]
    core        core radius [L, comoving]
    truncation  radius beyond which the density falls four powers faster [L, comoving], that of the mass definition, say
    Raises InputError for a radius that is not positive, an infinite truncation (infinite mass), a core >= truncation.
    """

    scale: float
    core: float
    truncation: float

    def __post_init__(self) -> None:
        _check_radii("cored NFW", scale=self.scale, core=self.core)
        _check_truncation("cored NFW", self.core, self.truncation)

    @property
    def scales(self) -> tuple[float, float]:
        """Smallest and largest of the three radii [L]."""
        radii = self.scale, self.core, self.truncation
        return min(radii), max(radii)

    def log_density(self, radius: NDArray) -> NDArray:
        """ln rho + constant."""
        x = np.hypot(radius, self.core) / self.scale
        return -np.log(x) - 2 * np.log1p(x) - 2 * np.log1p((radius / self.truncation) ** 2)

    def slopes(self, radius: NDArray) -> tuple[NDArray, NDArray]:
        """s and t."""
        x = np.hypot(radius, self.core) / self.scale
        inner = radius**2 / (radius**2 + self.core**2)  # d ln x/d ln r
        nfw = 1 + 2 * x / (1 + x)
        s, t = _truncated(radius / self.truncation)
        return s + inner * nfw, t + 2 * inner * (1 - inner) * nfw + 2 * inner**2 * x / (1 + x) ** 2


@takes_numbers
@dataclass(frozen=True)
class Burkert(DensityLaw):
    """rho ~ 1/[(1 + x) (1 + x^2) (1 + (r/truncation)^2)^2], x = r/core (Burkert 1995): s = 7 at large radii.

    core        core radius [L, comoving]
    truncation  radius beyond which the density falls four powers faster [L, comoving]
    Raises InputError for a radius that is not positive, an infinite truncation (infinite mass), a core >= truncation.
    """

    core: float
    truncation: float

    def __post_init__(self) -> None:
        _check_radii("Burkert", core=self.core)
        _check_truncation("Burkert", self.core, self.truncation)

    @property
    def scales(self) -> tuple[float, float]:
        """Core and truncation [L]."""
        return self.core, self.truncation

    def log_density(self, radius: NDArray) -> NDArray:
        """ln rho + constant."""
        x = radius / self.core
        return -np.log1p(x) - np.log1p(x**2) - 2 * np.log1p((radius / self.truncation) ** 2)

    def slopes(self, radius: NDArray) -> tuple[NDArray, NDArray]:
        """s and t."""
        x = radius / self.core
        s, t = _truncated(radius / self.truncation)
        return s + x / (1 + x) + 2 * x**2 / (1 + x**2), t + x / (1 + x) ** 2 + 4 * x**2 / (1 + x**2) ** 2


@takes_numbers
@dataclass(frozen=True)
class Plummer(DensityLaw):
    """rho ~ (1 + (r/scale)^2)^(-5/2) (Plummer 1911), of which everything is known in closed form.

    scale  [L, comoving];  raises InputError where it is not positive
    """

    scale: float

    def __post_init__(self) -> None:
        _check_radii("Plummer", scale=self.scale)

    @property
    def scales(self) -> tuple[float, float]:
        """The scale radius, twice [L]."""
        return self.scale, self.scale

    def log_density(self, radius: NDArray) -> NDArray:
        """ln rho + constant."""
        return -2.5 * np.log1p((radius / self.scale) ** 2)

    def slopes(self, radius: NDArray) -> tuple[NDArray, NDArray]:
        """s and t."""
        square = (radius / self.scale) ** 2
        return 5 * square / (1 + square), 10 * square / (1 + square) ** 2


@takes_numbers
@dataclass(frozen=True, eq=False)
class TabulatedDensity(DensityLaw):
    """A density through rows, of a simulation, say.

    radius   shape (rows,), at least 8, increasing, positive [L, comoving]
    density  shape (rows,), positive [rho_m0], or of any normalisation
    Between the rows ln rho is a spline of degree 5 in ln r; inside the first row the slope falls as r^2 to zero at the
    centre, beyond the last it stays that of the last row.
    Raises InputError for rows out of order or range, and where the last slope leaves the mass infinite (s <= 3).
    """

    radius: ArrayLike
    density: ArrayLike

    def __post_init__(self) -> None:
        radius, density = np.array(self.radius, float), np.array(self.density, float)
        if radius.ndim != 1 or radius.shape != density.shape or len(radius) < _FEWEST_ROWS:
            raise InputError(
                f"halo density: radius {radius.shape} and density {density.shape} must be two lists of one length, "
                f"at least {_FEWEST_ROWS} rows"
            )
        for name, values in (("radius", radius), ("density", density)):
            wrong = np.flatnonzero(~((values > _LEAST) & (values < 1 / _LEAST)))
            if len(wrong):
                raise InputError(
                    f"halo density, row {wrong[0] + 1}: {name} = {values[wrong[0]]:g}: must be positive and finite"
                )
        falling = np.flatnonzero(np.diff(radius) <= 0)
        if len(falling):
            row = falling[0] + 1
            raise InputError(
                f"halo density, row {row + 1}: radius = {radius[row]:g}: must be larger than that before it, "
                f"{radius[row - 1]:g}"
            )
        object.__setattr__(self, "radius", radius)
        object.__setattr__(self, "density", density)
        last = float(self._last[1])
        if last <= 3:
            raise InputError(
                f"halo density: falls as r^{-last:.2f} at the last radius: the mass is infinite, "
                "it must fall faster than r^-3"
            )

    @cached_property
    def _spline(self):  # type: ignore[no-untyped-def]
        return make_interp_spline(np.log(self.radius), np.log(self.density), k=_DEGREE)

    @cached_property
    def _first(self) -> tuple[float, float, float]:
        """ln r, s and ln rho of the first row."""
        x = float(np.log(self.radius[0]))  # type: ignore[index]
        return x, -float(self._spline(x, 1)), float(self._spline(x))

    @cached_property
    def _last(self) -> tuple[float, float, float]:
        x = float(np.log(self.radius[-1]))  # type: ignore[index]
        return x, -float(self._spline(x, 1)), float(self._spline(x))

    @property
    def scales(self) -> tuple[float, float]:
        """First and last radius [L]."""
        return float(np.exp(self._first[0])), float(np.exp(self._last[0]))

    def log_density(self, radius: NDArray) -> NDArray:
        """ln rho."""
        x = np.log(radius)
        (first, core, inner), (last, outer, _) = self._first, self._last
        rows = self._spline(np.clip(x, first, last)) - outer * np.maximum(x - last, 0)
        return np.where(x < first, inner + core / 2 * (1 - np.exp(2 * np.minimum(x - first, 0))), rows)

    def slopes(self, radius: NDArray) -> tuple[NDArray, NDArray]:
        """s and t."""
        x = np.log(radius)
        (first, core, _), (last, _, _) = self._first, self._last
        at, inside = np.clip(x, first, last), np.exp(2 * np.minimum(x - first, 0))
        s = np.where(x < first, core * inside, -self._spline(at, 1))
        t = np.where(x < first, 2 * core * inside, np.where(x > last, 0.0, -self._spline(at, 2)))
        return s, t


def _truncated(ratio: NDArray) -> tuple[NDArray, NDArray]:
    """s and t of (1 + ratio^2)^-2."""
    square = ratio**2
    return 4 * square / (1 + square), 8 * square / (1 + square) ** 2


def _check_radii(law: str, **radii: float) -> None:
    for name, value in radii.items():
        if not 0 < value < np.inf:
            raise InputError(f"{law} halo: {name} = {value:g}: must be positive and finite")


def _check_truncation(law: str, core: float, truncation: float) -> None:
    if not truncation < np.inf:
        raise InputError(f"{law} halo: truncation = {truncation:g}: the mass is infinite, it must be finite")
    if not core < truncation:
        raise InputError(
            f"{law} halo: core = {core:g} is larger than the halo: must be smaller than truncation = {truncation:g}"
        )
