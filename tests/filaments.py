"""Filaments that the tests share."""

import math

from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.units import CodeUnits


def published_cylinder(m22: float, beta: float = 0.0, mass: float = 5e9) -> SteadyStateCylinder:
    """The published filament of a mass [Msun/h] at z = 4, in code units."""
    units = CodeUnits(m22, 0.6731, 0.314649)
    r0 = (1 / 9) ** (1 / (2 - beta)) * math.exp(-12.00153483) * mass**0.33619234 / units.length
    sigma = math.sqrt(2 / (2 - beta)) * math.exp(-6.16244123) * mass**0.3618256 / units.velocity
    return SteadyStateCylinder(r0, sigma, beta, scale_factor=0.2)
