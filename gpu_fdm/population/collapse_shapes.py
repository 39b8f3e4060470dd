"""Length, radius and velocity dispersion of a filament of mass M at any redshift, from its ellipsoidal collapse.

At the scale factor a at which its second axis freezes, with R_L = (3M/(4 pi rho_m))^(1/3), comoving,

    length = 2 a_3 R_L,     radius = sqrt(a_1 a_2) R_L,     both physical; the radius holds 90 % of the mass
    r0 = (1/0.9 - 1)^(1/(2-beta)) radius,     sigma^2 = G (M/length)/(2-beta)

which is the line mass mu = 4 pi a sigma^2 (2-beta) of the equilibrium in physical units. The boson mass enters
through the variance alone. Source: Zimmermann et al. 2025 (A&A 696 A145), whose fits (`published_shape`) are power laws
through 100 masses from 1e7 to 1e11 Msun/h, equally spaced in ln M, for the variance of m22 = 1 with the transfer
function of Hu, Barkana & Gruzinov 2000, z = 4, freeze-out "virial" and ellipticity "published".
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..units import mean_matter_density
from .barrier import Barrier, checked_variance
from .shapes import RADIUS_MASS_FRACTION

_HUBBLE = 100.0  # [km/s / (Mpc/h)]


@dataclass(frozen=True, eq=False)
class Shape:
    """Filaments as cylinders; arrays of one shape.

    length       comoving [cMpc/h];  r0  scale radius, physical [Mpc/h];  sigma  [km/s]
    radius       physical, holds 90 % of the mass [Mpc/h]
    ellipticity  e of the initial ellipsoid
    """

    length: NDArray
    r0: NDArray
    sigma: NDArray
    radius: NDArray
    ellipticity: NDArray


def collapse_shape(
    mass: ArrayLike, variance: Callable[[ArrayLike], NDArray], barrier: Barrier, beta: float = 0.0
) -> Shape:
    """Shapes of filaments of mass [Msun/h], any shape; a millisecond for a thousand.

    variance  callable: S(M) at z = 0
    barrier   of filaments, at a redshift, for a freeze-out and an ellipticity
    beta      velocity anisotropy, in [0, 1)
    Raises InputError, with the valid range, for masses whose variance is beyond the barrier's and for a barrier of
    sheets or halos.
    """
    if barrier.table.axes != 2:
        raise InputError(f"barrier for {barrier.table.axes} axes: must be for 2, a filament")
    if not 0 <= beta < 1:
        raise InputError(f"beta = {beta}: must be in [0, 1)")
    mass = np.asarray(mass, float)
    return shape_at_variance(mass, checked_variance(mass, variance, barrier), barrier, beta)


def shape_at_variance(mass: NDArray, of_mass: NDArray, barrier: Barrier, beta: float) -> Shape:
    """Shapes of filaments of masses [Msun/h] whose S is known; one shape. InputError for S beyond the barrier."""
    omega_m = barrier.model.background.omega_m
    density = mean_matter_density(omega_m)
    lagrangian = np.cbrt(3 * mass / (4 * np.pi * density))
    axes = barrier.table.lengths_at(barrier.shear(of_mass))
    length = 2 * axes[..., 2] * lagrangian
    radius = np.sqrt(axes[..., 0] * axes[..., 1]) * lagrangian
    # G = 3 Om H0^2/(8 pi rho_m), in (Mpc/h) (km/s)^2/(Msun/h)
    gravity = 3 * omega_m * _HUBBLE**2 / (8 * np.pi * density)
    return Shape(
        length=length / barrier.model.scale_factor,
        r0=(1 / RADIUS_MASS_FRACTION - 1) ** (1 / (2 - beta)) * radius,
        sigma=np.sqrt(gravity * mass / (length * (2 - beta))),
        radius=radius,
        ellipticity=barrier.ellipticity_at(of_mass),
    )
