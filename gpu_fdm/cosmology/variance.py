"""Variance S(M) of the linear density contrast at z = 0, smoothed on the scale of a mass.

    S(R) = int dlnk Delta^2(k) W^2(kR),   Delta^2 = k^3 P T^2/(2 pi^2),   M = c (4 pi/3) rho_m R^3

In equal steps of ln k and ln R the integral is a correlation: W^2 is computed once at the steps of ln(kR), for any
number of masses. The trapezoid rule converges exponentially for smooth integrands that vanish at both ends.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import ceil, inf, log, pi

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicHermiteSpline, CubicSpline
from scipy.special import expit, spherical_jn

from ..errors import InputError
from ..quantities import takes
from ..units import mean_matter_density
from ..values import brief
from .curves import ROUND_OFF, check_range, read_only
from .linear_power import LinearPower
from .transfer import Transfer

MASSES_PER_DECADE = 60
STEPS_PER_RADIUS = 3  # steps of ln k in one of ln R
# part of S that may come from wavenumbers where the power is not known
NEGLECTED = 1e-6

_SMOOTH_K_SLOPE = 9.10049
_LEAST_INTERVALS = 4
_MATRIX_STEP = 0.0125  # of ln k: a third of the fringes of the transfer function where it still has a share of 1e-6
_ENDED = 1e-12  # integral of W^2 over ln k beyond which k do not matter


@dataclass(frozen=True)
class Window:
    """W(kR) in Fourier space, and the mass that goes with R.

    coefficient  c of M = c (4 pi/3) rho_m R^3
    square       W^2 and dW^2/dlnx at x = kR; None for the step of sharp_k
    tail         bound on the integral of W^2 dlnx from x on
    """

    coefficient: float
    square: Callable[[NDArray], tuple[NDArray, NDArray]] | None
    tail: Callable[[NDArray], NDArray]

    def moments(self, log_k: NDArray, contrast: NDArray, log_radius: NDArray) -> tuple[NDArray, NDArray]:
        """S and dS/dlnR from ln k (equal steps), Delta^2 and ln R (equal steps of a multiple)."""
        if self.square is None:
            return _sharp_k(log_k, contrast, log_radius)
        return _correlation(log_k, contrast, log_radius, self.square)

    def radius(self, mass: float | NDArray, omega_m: float) -> NDArray:
        """R [Mpc/h] of a mass [Msun/h], shape of mass."""
        return np.cbrt(mass / (self.coefficient * 4 * pi / 3 * mean_matter_density(omega_m)))


@brief
@frozen(eq=False)
class Variance:
    """S(M) at z = 0 between tabulated masses: ln S a cubic Hermite spline in ln M with its exact slopes.

    dS/dlnM, exact at the tabulated masses, is a cubic spline between them. Both are good to 1e-5 of their values:
    dS/dlnM where it is above 1e-6 of S, and in the sharp-k window, where it has zeros, to 1e-5 of its largest.

    window      in WINDOWS
    mass        [Msun/h], shape (masses,), increasing: the valid range
    values      S, shape (masses,);  slopes  dS/dlnM, shape (masses,)
    """

    window: str
    mass: NDArray = field(converter=read_only)
    values: NDArray = field(converter=read_only)
    slopes: NDArray = field(converter=read_only)

    @property
    def mass_min(self) -> float:
        """Least mass [Msun/h]."""
        return float(self.mass[0])

    @property
    def mass_max(self) -> float:
        """Largest mass [Msun/h]."""
        return float(self.mass[-1])

    @takes(mass="Msun/h")
    def __call__(self, mass: ArrayLike) -> NDArray:
        """S, shape of mass [Msun/h]; InputError for a mass outside mass_min..mass_max."""
        return np.exp(self._log_values(self._log_mass(mass)))

    @takes(mass="Msun/h")
    def slope(self, mass: ArrayLike) -> NDArray:
        """dS/dlnM, shape of mass [Msun/h]; InputError for a mass outside mass_min..mass_max."""
        return self._slopes(self._log_mass(mass))

    @takes(mass="Msun/h")
    def derivative(self, mass: ArrayLike) -> NDArray:
        """dS/dM [h/Msun], shape of mass [Msun/h]; InputError for a mass outside mass_min..mass_max."""
        return self.slope(mass) / np.asarray(mass, float)

    def mass_at(self, variance: ArrayLike) -> NDArray:
        """M with S(M) = variance [Msun/h], shape of variance: the inverse, where S falls with M.

        S of fuzzy dark matter hardly changes at small masses. The inverse reaches down to the mass above which S falls
        everywhere, and by more than round-off.
        Raises InputError for a variance outside that range.
        """
        variance = np.asarray(variance, float)
        start = self._falls_from
        if start == len(self.mass) - 1:
            raise InputError(f"variance = {self.values[-1]:g} at all masses: must fall with mass to be inverted")
        largest, least = self.values[start], self.values[-1]
        good = (variance >= least * (1 - ROUND_OFF)) & (variance <= largest * (1 + ROUND_OFF))
        for outside in variance[~good].flat:
            raise InputError(
                f"variance = {outside:g}: must be in [{least:g}, {largest:g}], that of masses from "
                f"{self.mass_max:g} down to {self.mass[start]:g} Msun/h"
            )
        wanted = np.log(variance)
        log_mass, log_values = np.log(self.mass), np.log(self.values)
        # bisection inside the interval of the table, to round-off
        after = np.searchsorted(-log_values[start:], -wanted, side="left") + start
        high = np.clip(after, start + 1, len(log_mass) - 1)
        low, high = log_mass[high - 1], log_mass[high]
        for _ in range(52):
            middle = (low + high) / 2
            above = self._log_values(middle) > wanted
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return np.exp((low + high) / 2)

    @cached_property
    def _log_values(self) -> CubicHermiteSpline:
        return CubicHermiteSpline(np.log(self.mass), np.log(self.values), self.slopes / self.values)

    @cached_property
    def _slopes(self) -> CubicSpline:
        return CubicSpline(np.log(self.mass), self.slopes)

    @cached_property
    def _falls_from(self) -> int:
        """Index of the least mass above which S falls from each mass to the next."""
        level = np.flatnonzero(-np.diff(self.values) <= 1e-12 * self.values[1:])
        return int(level[-1]) + 1 if len(level) else 0

    def _log_mass(self, mass: ArrayLike) -> NDArray:
        """ln M, shape of mass; InputError for a mass outside the table."""
        mass = np.asarray(mass, float)
        check_range("mass", mass, self.mass_min, self.mass_max, "Msun/h", "variance")
        return np.log(mass)


@takes(mass_min="Msun/h", mass_max="Msun/h")
def variance(
    power: LinearPower,
    transfer: Transfer,
    window: str = "smooth_k",
    *,
    mass_min: float = 1e6,
    mass_max: float = 1e16,
    refinement: int = 1,
) -> Variance:
    """S(M) and dS/dM for P T^2 at z = 0 in a window of WINDOWS.

    top_hat   of radius R in space: W = 3 (sin x - x cos x)/x^3, M = (4 pi/3) rho_m R^3
    sharp_k   1 up to k = 1/R: M = 6 pi^2 rho_m R^3 (Lacey & Cole 1993, MNRAS 262, 627)
    smooth_k  1/(1 + x^9.10049): M = 2.1594 (4 pi/3) rho_m R^3 (Leo et al. 2018, JCAP 04, 010; numbers of Z25)

    mass_min, mass_max  range of the table [Msun/h], which extends above mass_max to the end of its last step
    refinement          factor by which steps of M and k are finer, for tests of accuracy
    Raises InputError for an unknown window, and for masses that need wavenumbers where power or transfer is not known
    (more than 1e-6 of S).
    """
    if window not in WINDOWS:
        raise InputError(f"window = {window}: must be one of {', '.join(WINDOWS)}")
    if not 0 < mass_min < mass_max < inf:
        raise InputError(f"mass_min = {mass_min:g}, mass_max = {mass_max:g}: must be positive, and increase")
    shape = WINDOWS[window]
    step = log(10) / (3 * MASSES_PER_DECADE * STEPS_PER_RADIUS * refinement)
    intervals = ceil(log(mass_max / mass_min) / (3 * STEPS_PER_RADIUS * step) - ROUND_OFF)
    from_least = STEPS_PER_RADIUS * step * np.arange(max(intervals, _LEAST_INTERVALS) + 1)
    log_radius = np.log(shape.radius(mass_min, power.background.omega_m)) + from_least
    mass = mass_min * np.exp(3 * from_least)
    k_max = min(power.k_max, transfer.k_max)
    if log(k_max / power.k_min) < 1:
        raise InputError(
            f"linear power is known from {power.k_min:g} to {power.k_max:g} h/Mpc, the transfer function up to "
            f"{transfer.k_max:g} h/Mpc: must share more"
        )
    log_k = log(power.k_min) + step * np.arange(int(log(k_max / power.k_min) / step) + 1)
    k = np.exp(log_k)
    contrast = k**3 * power(k) * transfer(k) ** 2 / (2 * pi**2)
    values, by_radius = shape.moments(log_k, contrast, log_radius)
    _check_neglected(window, mass, values, log_k, contrast, log_radius)
    return Variance(window, mass, values, by_radius / 3)


@frozen(eq=False)
class VarianceMatrix:
    """S and dS/dlnM at fixed masses as matrices that multiply Delta^2(k) = k^3 P T^2/(2 pi^2) at fixed k.

    k       [h/Mpc], equal steps in ln k, shape (k,);  mass  [Msun/h], shape (masses,)
    values  of S, shape (masses, k);  slopes  of dS/dlnM, shape (masses, k)
    """

    k: NDArray
    mass: NDArray
    values: NDArray
    slopes: NDArray


def variance_wavenumbers(window: str, mass_min: float, k_min: float, k_max: float, omega_m: float) -> NDArray:
    """k for VarianceMatrix [h/Mpc]: equal steps in ln k, up to where the window of the least mass has ended.

    mass_min  [Msun/h];  k_min, k_max  between which the power is known [h/Mpc]
    """
    step = _MATRIX_STEP
    x = np.exp(np.arange(0.0, log(k_max / k_min), step))
    radius = float(WINDOWS[window].radius(mass_min, omega_m))
    ended = np.flatnonzero(WINDOWS[window].tail(k_min * x * radius) < _ENDED)
    return k_min * x[: ended[0] + 1 if len(ended) else len(x)]


def variance_matrix(window: str, mass: NDArray, k: NDArray, omega_m: float) -> VarianceMatrix:
    """The matrices of a window of WINDOWS.

    mass  [Msun/h], shape (masses,);  k  of variance_wavenumbers, shape (k,)
    S agrees with that of `variance` to 1e-6, dS/dlnM to 1e-5 of its largest.
    """
    shape, log_k = WINDOWS[window], np.log(k)
    radius = shape.radius(mass, omega_m)
    if shape.square is None:
        values, slopes = _sharp_k(log_k, np.eye(len(k)), np.log(radius))
    else:
        values, slopes = shape.square(k * radius[:, None])
        step = (log_k[-1] - log_k[0]) / (len(k) - 1)
        values, slopes = values * step, slopes * step
    return VarianceMatrix(k, mass, values, slopes / 3)


def _check_neglected(
    window: str, mass: NDArray, values: NDArray, log_k: NDArray, contrast: NDArray, log_radius: NDArray
) -> None:
    """InputError where too much of S may lie below the first k or above the last.

    Below, Delta^2 is extrapolated by the power law that it begins with; above, by its largest value over the last
    factor of e.
    """
    rise = log(contrast[1] / contrast[0]) / (log_k[1] - log_k[0])
    below = contrast[0] / rise if rise > 0 else inf
    last = contrast[log_k > log_k[-1] - 1].max()
    good = below + last * WINDOWS[window].tail(np.exp(log_k[-1] + log_radius)) <= NEGLECTED * values
    if good.all():
        return
    needs = f"the variance in window {window} needs k out of [{np.exp(log_k[0]):g}, {np.exp(log_k[-1]):g}] h/Mpc"
    if not good.any():
        raise InputError(f"mass_min = {mass[0]:g}, mass_max = {mass[-1]:g} Msun/h: {needs} for all masses between them")
    least, largest = mass[good][[0, -1]]
    if not good[0]:
        raise InputError(f"mass_min = {mass[0]:g} Msun/h: must be at least {least:.4g}, below which {needs}")
    raise InputError(f"mass_max = {mass[-1]:g} Msun/h: must be at most {largest:.4g}, above which {needs}")


def _correlation(
    log_k: NDArray,
    contrast: NDArray,
    log_radius: NDArray,
    square: Callable[[NDArray], tuple[NDArray, NDArray]],
) -> tuple[NDArray, NDArray]:
    """S and dS/dlnR for a smooth window; square gives W^2 and dW^2/dlnx at x."""
    step = (log_k[-1] - log_k[0]) / (len(log_k) - 1)
    log_x = log_k[0] + log_radius[0] + step * np.arange(len(log_k) + STEPS_PER_RADIUS * (len(log_radius) - 1))

    def integrals(values: NDArray) -> NDArray:
        return np.lib.stride_tricks.sliding_window_view(values, len(log_k))[::STEPS_PER_RADIUS] @ contrast * step

    squares, slopes = square(np.exp(log_x))
    return integrals(squares), integrals(slopes)


def _top_hat(x: NDArray) -> tuple[NDArray, NDArray]:
    window = 3 * spherical_jn(1, x) / x
    return window**2, -6 * window * spherical_jn(2, x)


def _top_hat_tail(x: NDArray) -> NDArray:
    # W^2 <= 9 (1 + x^2)/x^6, and <= 1
    return np.where(x < 1, 15 / 4 - np.log(np.minimum(x, 1)), 9 / (4 * x**4) + 3 / (2 * x**6))


def _smooth_k(x: NDArray) -> tuple[NDArray, NDArray]:
    window = expit(-_SMOOTH_K_SLOPE * np.log(x))
    return window**2, -2 * _SMOOTH_K_SLOPE * window**2 * (1 - window)


def _smooth_k_tail(x: NDArray) -> NDArray:
    power = x**_SMOOTH_K_SLOPE
    return (np.log1p(1 / power) - 1 / (1 + power)) / _SMOOTH_K_SLOPE


def _sharp_k(log_k: NDArray, contrast: NDArray, log_radius: NDArray) -> tuple[NDArray, NDArray]:
    """S = int_0^(1/R) dlnk Delta^2, by the integral of a cubic spline; dS/dlnR = -Delta^2(1/R).

    contrast  shape (k, ...), for results of shape (radii, ...)
    """
    spline = CubicSpline(log_k, contrast)
    edge = np.minimum(-log_radius, log_k[-1])
    slopes = -spline(edge)
    slopes[-log_radius > log_k[-1]] = 0.0
    return spline.antiderivative()(edge), slopes


def _sharp_k_tail(x: NDArray) -> NDArray:
    return np.maximum(-np.log(x), 0)


WINDOWS = {
    "top_hat": Window(1.0, _top_hat, _top_hat_tail),
    "sharp_k": Window(9 * pi / 2, None, _sharp_k_tail),
    "smooth_k": Window(2.1594, _smooth_k, _smooth_k_tail),
}
