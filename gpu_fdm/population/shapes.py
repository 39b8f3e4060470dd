"""Published fits of the shape of a filament of mass M, and of the mass function.

They are those of Z25 (A&A 696 A145) to ellipsoidal collapse at z = 4 with the variance of m22 = 1.
"""

from math import exp, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

FIT_REDSHIFT = 4.0
PUBLISHED_SLOPE = -2.19428402  # of dn/dM
RADIUS_MASS_FRACTION = 0.9  # of the line mass within the fitted radius


def published_shape(mass: float, beta: float = 0.0) -> tuple[float, float, float]:
    """Length [cMpc/h, comoving], scale radius r0 [Mpc/h, physical] and sigma [km/s] at z = 4.

    mass  [Msun/h];  beta  velocity anisotropy, in [0, 1)
    """
    length = (1 + FIT_REDSHIFT) * exp(-7.63270221) * mass**0.27634879
    radius = exp(-12.00153483) * mass**0.33619234
    r0 = (1 / RADIUS_MASS_FRACTION - 1) ** (1 / (2 - beta)) * radius
    sigma = sqrt(2 / (2 - beta)) * exp(-6.16244123) * mass**0.3618256
    return length, r0, sigma


def published_mass_function(mass: ArrayLike) -> NDArray:
    """dn/dlnM at z = 4 for m22 = 1, comoving [(h/Mpc)^3]; mass [Msun/h], any shape."""
    return np.exp(26.19080834) * np.asarray(mass, float) ** (1 + PUBLISHED_SLOPE)
