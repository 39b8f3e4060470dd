"""Expansion and linear growth of a flat universe of matter and a cosmological constant.

Radiation is left out: Om_r/(Om a), of photons and three massless neutrinos, is 0.029 at a = 0.01, and the closed forms
below are meant for a >= 0.01.
"""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import hyp2f1

from ..errors import InputError

EARLIEST = 0.01  # smallest scale factor at which radiation may be neglected

Scale = TypeVar("Scale", float, NDArray)


@dataclass(frozen=True)
class Background:
    """Flat LCDM without radiation.

    omega_m  matter density today over the critical density, in (0, 1]
    Raises InputError for another omega_m. All functions of the scale factor a return the shape of a.
    """

    omega_m: float

    def __post_init__(self) -> None:
        if not 0 < self.omega_m <= 1:
            raise InputError(f"omega_m = {self.omega_m}: must be in (0, 1]")

    def expansion(self, a: Scale) -> Scale:
        """E(a) = H(a)/H0."""
        return np.sqrt(self.omega_m / a**3 + 1 - self.omega_m)

    def age(self, a: ArrayLike) -> NDArray:
        """Time since a = 0 [1/H0], 2/3 asinh(x)/x sqrt(a^3/Om) with x^2 = (1 - Om) a^3/Om."""
        a = np.asarray(a, float)
        volume = a**3 / self.omega_m
        # asinh(x)/x, also where x = 0
        return 2 / 3 * np.sqrt(volume) * hyp2f1(0.5, 0.5, 1.5, -(1 - self.omega_m) * volume)

    def matter_fraction(self, a: Scale) -> Scale:
        """Om(a), matter density over the critical density at scale factor a."""
        return self.omega_m / (self.omega_m + (1 - self.omega_m) * a**3)

    def growth(self, a: ArrayLike) -> NDArray:
        """Growing mode D(a), D(1) = 1."""
        return self.unnormalised_growth(a) / self.unnormalised_growth(1.0)

    def unnormalised_growth(self, a: ArrayLike) -> NDArray:
        """Growing mode g(a) = a 2F1(1/3, 1; 11/6; -(1-Om) a^3/Om), a at early times (e.g. Silveira & Waga 1994)."""
        a = np.asarray(a, float)
        return a * hyp2f1(1 / 3, 1, 11 / 6, -(1 - self.omega_m) / self.omega_m * a**3)

    def growth_rate(self, a: ArrayLike) -> NDArray:
        """f = d ln D/d ln a = -3/2 Om(a) + 5/2 Om(a) a/g with g the unnormalised growth (Riccati form)."""
        a = np.asarray(a, float)
        matter = self.matter_fraction(a)
        return 2.5 * matter * a / self.unnormalised_growth(a) - 1.5 * matter

    def virial_overdensity(self, a: Scale) -> Scale:
        """Density of a virialised sphere over the mean matter density, (18 pi^2 + 82 y - 39 y^2)/Om(a), y = Om(a) - 1.

        Source: Bryan & Norman 1998, who give it over the critical density.
        """
        y = self.matter_fraction(a) - 1
        return (18 * np.pi**2 + 82 * y - 39 * y**2) / (1 + y)
