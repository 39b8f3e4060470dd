"""The polar spectrum of slices of |psi|^2 across a filament, each measured by itself on rings.

    P2(k) = <|int d^2x rho e^{-ikx}|^2>_angles / mu^2 = (2 pi)^2 sum_m |int R dR J_m(kR) rho_m(R)|^2 / mu^2

rho_m the Fourier series of the density over the angle. Its average over phases is phase_average.PolarSpectrum.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import jv

from ..filament.rings import Rings


def slice_power(rings: Rings, psi: NDArray, k: ArrayLike, line_mass: float) -> NDArray:
    """P2 of every slice, shape (slices, k).

    psi  on the lattice of the rings, shape (points, points, slices) [rho_m0^1/2]
    k    [1/L];  line_mass  mu [rho_m0 L^2]
    """
    count, k = psi.shape[2], np.asarray(k, float)
    power, step = np.zeros((count, len(k))), rings.at_once()
    for part in (slice(first, min(first + step, count)) for first in range(0, count, step)):
        density = np.abs(rings.of_lattice(psi[:, :, part])) ** 2
        factors = np.fft.rfft(density, axis=2) / rings.angles * rings.weight[:, None]
        for m in range(factors.shape[2]):
            terms = 1 if m in (0, rings.angles / 2) else 2
            power[part] += terms * np.abs(factors[:, :, m] @ jv(m, np.outer(rings.radius, k))) ** 2
    return (2 * np.pi / line_mass) ** 2 * power
