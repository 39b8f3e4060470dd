"""S(M) for tests of the population, from the linear power published with Z25; independent of the package's own."""

from functools import lru_cache

import numpy as np
from locations import DATA
from scipy.integrate import simpson
from scipy.interpolate import CubicSpline

from gpu_fdm.units import mean_matter_density

H, OMEGA_M = 0.6731, 0.314649
_SLOPE, _MASS_COEFFICIENT = 9.10049, 2.1594


def hu00(k, m22):
    """Transfer function of Hu, Barkana & Gruzinov 2000; k [1/Mpc]."""
    x = 1.61 * m22 ** (1 / 18) * k / (9 * np.sqrt(m22))
    return np.cos(x**3) / (1 + x**8)


def ph22(k, m22):
    """Transfer function of Passaglia & Hu 2022; k [1/Mpc]."""
    x = 2.22 * m22 ** (1 / 25 - np.log(m22) / 1000) * k / (9 * np.sqrt(m22))
    return np.sinc(x**2.5 / np.pi) / (1 + 0.16 * m22 ** (-1 / 20) * x**3.5)


class SmoothKVariance:
    """S(M) at z = 0 in the smooth-k window and dS/dM, by Simpson's rule; between masses by splines in ln M."""

    def __init__(self, m22=None, transfer=hu00):
        table = np.loadtxt(DATA / "linear_power_thinned.csv", delimiter=",", skiprows=2)
        log_k = np.linspace(*np.log(table[[0, -1], 0]), 3001)
        k = np.exp(log_k)
        power = np.exp(CubicSpline(*np.log(table).T)(log_k))
        if m22 is not None:
            power *= transfer(k * H, m22) ** 2
        mass = np.geomspace(1e6, 1e16, 301)
        radius = np.cbrt(mass / (_MASS_COEFFICIENT * 4 * np.pi / 3 * mean_matter_density(OMEGA_M)))
        steep = (k * radius[:, None]) ** _SLOPE
        squared = k**3 * power / (2 * np.pi**2) / (1 + steep) ** 2
        self._variance = CubicSpline(np.log(mass), simpson(squared, x=log_k, axis=1))
        fall = simpson(2 * _SLOPE / 3 * squared * steep / (1 + steep), x=log_k, axis=1)  # -dS/dlnM
        self._log_fall = CubicSpline(np.log(mass), np.log(fall))

    def __call__(self, mass):
        return self._variance(np.log(mass))

    def derivative(self, mass):
        return -np.exp(self._log_fall(np.log(mass))) / mass


@lru_cache(maxsize=8)
def smooth_k_variance(m22=None, transfer=hu00) -> SmoothKVariance:
    """The variance for a boson mass [1e-22 eV], None for CDM; made once."""
    return SmoothKVariance(m22, transfer)
