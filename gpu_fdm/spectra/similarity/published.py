"""Similarity variables of filaments whose shapes are the published fits, for any boson mass and redshift.

Comoving lengths are those of z = 4, and sigma^2 grows as the line mass, as 1 + z. Then r0/a, nu and length over r0/a
are products of powers of m22, M and 1 + z:

    r0/a ~ M^0.33619,    nu = m r0 sigma/hbar ~ m22 M^0.69802 (1 + z)^-1/2,    length/(r0/a) ~ M^-0.05984
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...population.shapes import FIT_REDSHIFT, published_shape
from ...units import CodeUnits


def published_similarity(m22: ArrayLike, mass: ArrayLike, redshift: ArrayLike, h: float, omega_m: float) -> NDArray:
    """nu, length over r0/a, and comoving r0 [cMpc/h] of isothermal filaments, shape (3, ...) of the arguments.

    m22  [1e-22 eV];  mass  [Msun/h];  h, omega_m  as CodeUnits has them
    """
    boson, mass, growth = np.broadcast_arrays(*(np.asarray(each, float) for each in (m22, mass, redshift)))
    stretch = (1 + growth) / (1 + FIT_REDSHIFT)
    length, r0, sigma = published_shape(mass)  # type: ignore[arg-type]
    units = CodeUnits(1.0, h, omega_m)
    nu = boson * (r0 / stretch) * (sigma * np.sqrt(stretch)) / (units.length * units.velocity)
    scale = r0 * (1 + FIT_REDSHIFT)
    return np.array([nu, length / scale, scale])
