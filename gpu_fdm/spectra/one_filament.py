"""The one-filament power spectrum: the mean over a population of uncorrelated filaments.

    P_1f(k) = int dlnM M^2 (dn/dlnM) P(k|M) / rho^2

with P(k|M) the spectrum of one filament over M^2 (single_filament.py), and rho either the mean density of the
population in the window of masses, int dlnM M dn/dlnM, or that of all matter.

Method: almost all the cost is in P(k|M), a solved filament for each mass. It falls by orders of magnitude with k and M,
but its logarithm is smooth in ln M and is interpolated through Chebyshev extrema; the integral is done on many
Gauss-Legendre nodes. Extrema are nested: the next level halves the steps and uses the masses of the last one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..filament.model import END_SHARPNESS
from ..filament.profile import SteadyStateCylinder
from ..quadrature import gauss_legendre
from .single_filament import classical_power

FLOOR = 1e-15  # of the largest power: below it a sum of order one is round-off, and returned as zero
_LEAST = 1e-19  # of a spectrum over M^2, below which it is taken as this, so that it has a logarithm
QUADRATURE = 400  # Gauss-Legendre nodes of the integral over ln M
CLASSICAL_LEVEL = 4  # of the masses of classical filaments: their spectra are smooth functions of mass, to 1e-9
DEEPEST = 1e-7  # of P_1f at the smallest k: errors are those of the spectrum above it


MassFunction = Callable[[NDArray], NDArray]


def chebyshev_masses(mass_min: float, mass_max: float, level: int) -> NDArray:
    """2^level + 1 masses between two limits, inclusive, at Chebyshev extrema in ln M, those of level - 1 among them."""
    number = 2**level
    x = -np.cos(np.pi * np.arange(number + 1) / number)
    mass = np.exp((np.log(mass_min) * (1 - x) + np.log(mass_max) * (1 + x)) / 2)
    mass[[0, -1]] = mass_min, mass_max
    return mass


def population_density(mass_function: MassFunction, mass_min: float, mass_max: float) -> float:
    """Mean comoving mass density of the population, int dlnM M dn/dlnM [(Msun/h) / (Mpc/h)^3].

    mass_function  dn/dlnM [(h/Mpc)^3] of masses [Msun/h], any shape
    """
    mass, step = _quadrature(mass_min, mass_max)
    return float(np.sum(step * mass * mass_function(mass)))


def limit_of_small_wavenumbers(mass_function: MassFunction, mass_min: float, mass_max: float, density: float) -> float:
    """P_1f(k -> 0) of filaments whose spectra over M^2 tend to one [(Mpc/h)^3]; arguments as for mean_over_masses."""
    mass, step = _quadrature(mass_min, mass_max)
    return float(np.sum(step * mass**2 * mass_function(mass)) / density**2)


def mean_over_masses(masses: NDArray, spectra: NDArray, mass_function: MassFunction, density: float) -> NDArray:
    """P_1f(k) [(Mpc/h)^3] from the spectra of single filaments at Chebyshev masses, shape (..., k).

    masses   from chebyshev_masses, shape (masses,) [Msun/h]
    spectra  P(k|M) over M^2, shape (masses, ..., k)
    density  rho of the normalisation [(Msun/h) / (Mpc/h)^3]
    """
    mass, step = _quadrature(masses[0], masses[-1])
    weight = step * mass**2 * mass_function(mass) / density**2
    log_spectra = np.tensordot(_to_masses(masses, mass), np.log(np.maximum(spectra, _LEAST)), axes=1)
    mean = np.tensordot(weight, np.exp(log_spectra), axes=1)
    return np.where(mean > FLOOR * weight.sum(), mean, 0.0)


def relative_change(spectrum: NDArray, coarser: NDArray) -> float:
    """Largest relative difference where the spectrum is above DEEPEST of its first value; shape (k,) both."""
    rows = spectrum > DEEPEST * spectrum[0]
    return float(np.max(np.abs(coarser[rows] / spectrum[rows] - 1), initial=0.0))


@dataclass(frozen=True)
class OneFilamentSpectrum:
    """P_1f of one boson mass.

    k            [h/Mpc];  fdm, smooth   [(Mpc/h)^3], shape (k,)
    masses       masses of the solved filaments [Msun/h]
    error        relative change of fdm if only every other mass is used
    density      rho of the normalisation [(Msun/h) / (Mpc/h)^3]
    """

    k: NDArray
    fdm: NDArray
    smooth: NDArray
    masses: NDArray
    error: float
    density: float

    @classmethod
    def from_masses(
        cls, k: NDArray, masses: NDArray, fdm: ArrayLike, smooth: ArrayLike, mass_function: MassFunction, density: float
    ) -> "OneFilamentSpectrum":
        """The mean of spectra at Chebyshev masses, both of shape (masses, k); error is infinite for less than five."""
        spectra = np.stack([fdm, smooth], axis=1)
        fine = mean_over_masses(masses, spectra, mass_function, density)
        error = inf
        if len(masses) >= 5:
            coarse = mean_over_masses(masses[::2], spectra[::2], mass_function, density)
            error = relative_change(fine[0], coarse[0])
        return cls(k, fine[0], fine[1], masses, error, density)


@dataclass(frozen=True)
class ClassicalSpectrum:
    """P_1f of filaments of particles: what an N-body simulation would have of a population.

    k        [h/Mpc];  power  [(Mpc/h)^3], shape (k,)
    density  rho of the normalisation [(Msun/h) / (Mpc/h)^3];  limit  of P_1f at k -> 0 [(Mpc/h)^3]
    """

    k: NDArray
    power: NDArray
    density: float
    limit: float

    @classmethod
    def from_shapes(
        cls,
        k: NDArray,
        shape: Callable[[float], tuple[float, float, float]],
        beta: float,
        scale_factor: float,
        mass_function: MassFunction,
        window: tuple[float, float],
        density: float,
    ) -> "ClassicalSpectrum":
        """The spectrum of a population.

        k       comoving [h/Mpc], shape (k,)
        shape   function of a mass [Msun/h]: length [cMpc/h], r0 [Mpc/h, physical], sigma [km/s];  beta  anisotropy
        window  lightest and heaviest mass [Msun/h]
        mass_function, density  as for mean_over_masses
        """
        masses = chebyshev_masses(*window, CLASSICAL_LEVEL)
        spectra = []
        for mass in masses.tolist():
            length, r0, sigma = shape(mass)
            profile = SteadyStateCylinder(r0, sigma, beta, scale_factor)
            spectra.append(classical_power(profile, k, 1.0, length, END_SHARPNESS / length))
        power = mean_over_masses(masses, np.array(spectra), mass_function, density)
        return cls(k, power, density, limit_of_small_wavenumbers(mass_function, *window, density))


def _quadrature(mass_min: float, mass_max: float) -> tuple[NDArray, NDArray]:
    """Masses and steps of ln M."""
    x, w = gauss_legendre(QUADRATURE)
    low, high = np.log(mass_min), np.log(mass_max)
    return np.exp(low + (high - low) * (1 + x) / 2), (high - low) / 2 * w


def _to_masses(masses: NDArray, mass: NDArray) -> NDArray:
    """Matrix from values at Chebyshev masses to the polynomial in ln M through them; shape (mass, masses).

    The barycentric formula of Chebyshev extrema, whose weights alternate and are halved at both ends (Berrut &
    Trefethen 2004, SIAM Review 46, 501).
    """
    weights = (-1.0) ** np.arange(len(masses))
    weights[[0, -1]] /= 2
    difference = np.log(mass)[:, None] - np.log(masses)
    exact = difference == 0
    shares = weights / np.where(exact, 1.0, difference)
    matrix = shares / shares.sum(axis=1, keepdims=True)
    hit = exact.any(axis=1)
    matrix[hit] = exact[hit]
    return matrix
