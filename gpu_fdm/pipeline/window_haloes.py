"""Haloes in a window of filaments: the share of its mass that has collapsed along the third axis too.

One-filament spectra count this mass as that of filaments. No window of masses is without haloes, but that of the
lightest filaments. Two numbers tell what that means: the share of the mass, and P_1f(k -> 0) of what is left,
int M^2 (1 - share)^2 dn, over that of all. Where most of the mass is in haloes, one line says so.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.interpolate import CubicSpline

from ..population.population import Population
from ..spectra.one_filament import MassFunction, limit_of_small_wavenumbers, population_density

MOST = 0.5  # share of the mass, above which it is told
_MASSES = 33  # at which the share is computed


@dataclass(frozen=True)
class WindowHaloes:
    """Haloes in the filaments of a boson, of CDM for an m22 of None.

    share  of the mass of the filaments that is in haloes
    left   P_1f(k -> 0) without that mass, over that with it
    """

    m22: float | None
    share: float
    left: float

    @classmethod
    def of(
        cls, population: Population, m22: float | None, mass_function: MassFunction, window: tuple[float, float]
    ) -> "WindowHaloes":
        """Those of filaments with masses in a window [Msun/h]."""
        outside = outside_haloes(population, m22, window)
        mass = population_density(lambda mass: outside(mass) * mass_function(mass), *window)
        limit = limit_of_small_wavenumbers(lambda mass: outside(mass) ** 2 * mass_function(mass), *window, 1.0)
        return cls(
            m22,
            1 - mass / population_density(mass_function, *window),
            limit / limit_of_small_wavenumbers(mass_function, *window, 1.0),
        )

    @classmethod
    def stored(cls, attributes: Mapping[str, Any]) -> "WindowHaloes | None":
        """Those of a group of one-filament spectra, from its attributes; None for an earlier result without them."""
        if "halo_share" not in attributes:
            return None
        m22 = float(attributes["m22"]) if "m22" in attributes else None
        return cls(m22, float(attributes["halo_share"]), float(attributes["limit_ratio"]))

    @property
    def attributes(self) -> dict[str, float]:
        """What stored() reads."""
        return {"halo_share": self.share, "limit_ratio": self.left}


def outside_haloes(
    population: Population, m22: float | None, window: tuple[float, float]
) -> Callable[[np.ndarray], np.ndarray]:
    """Share of the mass of a filament that is not in haloes, as a function of its mass [Msun/h] in a window."""
    masses = np.geomspace(*window, _MASSES)
    share = CubicSpline(np.log(masses), population.halo_share(masses, m22))
    return lambda mass: 1 - share(np.log(mass))


def halo_line(window: str, haloes: Iterable[WindowHaloes]) -> str:
    """The line about filaments with most of their mass in haloes; empty where there are none.

    window  the filaments in words
    """
    told = [each for each in haloes if each.share > MOST]
    if not told:
        return ""
    shares = ", ".join(f"{100 * each.share:.2g} % ({_name(each.m22)})" for each in told)
    left = ", ".join(f"{each.left:.2g}" for each in told)
    return (
        f"{window}: {shares} of their mass is in haloes, whose own profiles and fringes are left out: it is counted as "
        f"filaments, and without it P_1f(k -> 0) is {left} of this"
    )


def _name(m22: float | None) -> str:
    return "CDM" if m22 is None else f"m22 = {m22:g}"
