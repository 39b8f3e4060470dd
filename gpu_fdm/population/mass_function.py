"""Mass functions of sheets, filaments or halos: first crossing of a moving barrier by random walks.

The first-crossing distribution f(S) of a barrier B(S) obeys (Zhang & Hui 2006; Zimmermann et al. 2025)

    erfc(B(S)/sqrt(2S)) = int_0^S f(S') erfc[(B(S)-B(S'))/sqrt(2(S-S'))] dS'

and, equivalently, the equation of the second kind of Buonocore, Nobile & Ricciardi 1987,

    f(S) = [B/S - B'] phi(B, S) + int_0^S f(S') [B'(S) - (B(S)-B(S'))/(S-S')] phi(B(S)-B(S'), S-S') dS'

with phi(x, t) = exp(-x^2/2t)/sqrt(2 pi t). The kernel vanishes at S' = S, and everywhere for constant and linear
barriers, for which the first term is the answer: an inverse Gaussian.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.linalg import solve_triangular

from ..errors import InputError
from ..quantities import takes
from ..units import mean_matter_density
from ..values import brief
from .barrier import Barrier, checked_variance

STEPS = 512  # of equal size in ln S
_ROWS = 64  # of the matrix at a time, which stay in the cache
_MOST_EXPONENT = 300.0  # B^2/2S where a grid starts: f is proportional to exp(-B^2/2S) = 1e-130


class MovingBarrier(Protocol):
    """A barrier for `first_crossing`, positive and smooth."""

    def __call__(self, variance: ArrayLike) -> NDArray:
        """B(S)."""

    def derivative(self, variance: ArrayLike) -> NDArray:
        """dB/dS."""


class VarianceOfMass(Protocol):
    """S(M) at z = 0 for `mass_function`."""

    def __call__(self, mass: ArrayLike) -> NDArray:
        """S(M)."""

    def derivative(self, mass: ArrayLike) -> NDArray:
        """dS/dM."""


@dataclass(frozen=True, eq=False)
class FirstCrossing:
    """f(S) of a barrier, in units of (B/S) phi(B, S), which is the answer for a constant one.

    variance  S, equal steps in ln S, (rows,)
    ratio     f(S) over (B/S) phi(B, S), (rows,)
    error     of the ratio, relative: the change from half the steps, above the true error since the order is 5/2
    """

    barrier: MovingBarrier
    variance: NDArray
    ratio: NDArray
    error: float

    def __call__(self, variance: ArrayLike) -> NDArray:
        """f(S), per unit of S; any shape. Raises InputError for S outside the rows."""
        variance = np.asarray(variance, float)
        low, high = self.variance[0], self.variance[-1]
        for outside in variance[~((variance >= low) & (variance <= high * (1 + 1e-12)))].ravel()[:1]:
            raise InputError(f"variance = {outside:g}: must be in [{low:.6g}, {high:.6g}]")
        height = self.barrier(variance)
        constant = height / variance**1.5 * np.exp(-(height**2) / (2 * variance)) / np.sqrt(2 * np.pi)
        return self._spline(np.log(variance)) * constant

    @cached_property
    def _spline(self) -> CubicSpline:
        return CubicSpline(np.log(self.variance), self.ratio)


@brief
@dataclass(frozen=True, eq=False)
class MassFunction:
    """Number density per ln M.

    mass     increasing [Msun/h], (rows,)
    dn_dlnm  > 0, comoving [(h/Mpc)^3], (rows,)
    error    of the first-crossing distribution, relative
    """

    mass: NDArray
    dn_dlnm: NDArray
    error: float

    @takes(mass="Msun/h")
    def __call__(self, mass: ArrayLike) -> NDArray:
        """dn/dlnM at masses [Msun/h]; any shape. Raises InputError for masses outside the rows."""
        mass = np.asarray(mass, float)
        for outside in mass[~((mass >= self.mass[0]) & (mass <= self.mass[-1]))].ravel()[:1]:
            raise InputError(
                f"mass = {outside:g}: must be in [{self.mass[0]:g}, {self.mass[-1]:g}] Msun/h, the range of the mass "
                "function"
            )
        return np.exp(self._spline(np.log(mass)))

    @cached_property
    def _spline(self) -> CubicSpline:
        return CubicSpline(np.log(self.mass), np.log(self.dn_dlnm))


def first_crossing(barrier: MovingBarrier, variance_max: float, steps: int = STEPS) -> FirstCrossing:
    """First-crossing distribution f(S) up to a variance; milliseconds.

    steps   a multiple of 4; the trapezoidal rule, with an error of order 3/2, is extrapolated from two grids to 5/2
    Raises InputError where variance_max is so small that f vanishes on [0, variance_max], and ValueError for steps.
    """
    if steps < 16 or steps % 4:
        raise ValueError(f"steps = {steps}: must be a multiple of 4, 16 or more")
    lowest = float(barrier(variance_max * 1e-9)) ** 2 / (2 * _MOST_EXPONENT)
    if not lowest < variance_max < np.inf:
        raise InputError(
            f"variance = {variance_max:g} at most: nothing forms up to {lowest:.4g}, where the first-crossing "
            "distribution is < 1e-130: take smaller masses, a lower redshift or a heavier boson"
        )
    variance = np.geomspace(lowest, variance_max, steps + 1)
    half, quarter = variance[::2], variance[::4]
    fine, middle, coarse = (_solve(barrier, grid) for grid in (variance, half, quarter))
    ratio = middle + (fine[::2] - middle) / (1 - 2**-1.5)
    rough = coarse + (middle[::2] - coarse) / (1 - 2**-1.5)
    return FirstCrossing(barrier, half, ratio, float(np.abs(rough / ratio[::2] - 1).max()))


def mass_function(mass: ArrayLike, variance: VarianceOfMass, barrier: Barrier) -> MassFunction:
    """dn/dlnM = rho_m |dS/dM| f(S(M)), comoving, at the redshift of a barrier.

    mass      increasing [Msun/h], (rows,)
    variance  S(M) at z = 0
    barrier   of sheets, filaments or halos
    Raises InputError, with the valid range, for masses whose variance is beyond the barrier's, and for masses without
    objects: S(M) does not fall, or f(S) < 1e-130.
    """
    mass = np.asarray(mass, float)
    if mass.ndim != 1 or len(mass) < 4 or not np.all(np.diff(mass) > 0):
        raise InputError(f"mass of shape {mass.shape}: must be a column of 4 or more increasing masses")
    of_mass = checked_variance(mass, variance, barrier)
    crossing = first_crossing(barrier, float(of_mass.max()))
    slope = np.asarray(variance.derivative(mass), float)
    some = (slope < 0) & (of_mass >= crossing.variance[0])
    if not some.all():
        here = mass[some]
        allowed = f"in [{here[0]:.4g}, {here[-1]:.4g}] Msun/h" if here.size else "where S(M) falls"
        raise InputError(
            f"mass = {mass[np.argmin(some)]:g}: must be {allowed}, for the mass function vanishes elsewhere "
            f"(dS/dM = 0, or S < {crossing.variance[0]:.4g})"
        )
    density = mean_matter_density(barrier.model.background.omega_m)
    return MassFunction(mass, -density * slope * crossing(of_mass), crossing.error)


def _solve(barrier: MovingBarrier, variance: NDArray) -> NDArray:
    """The ratio of FirstCrossing by the trapezoidal rule in ln S: a triangular system, some rows after the other.

    Over (B/S) phi(B, S), the exponentials of the integrand combine into that of a Brownian bridge, which is <= 1.
    """
    height, slope = barrier(variance), barrier.derivative(variance)
    # f(S') dS' = ratio (B/S')/sqrt(2 pi S') S' dlnS' without the exponential; the sqrt(2 pi) cancels that of f(S)
    given = height / np.sqrt(variance) * np.log(variance[1] / variance[0]) / np.sqrt(2 * np.pi)
    wanted = variance**1.5 / height
    ratio = 1 - variance * slope / height
    for first in range(0, len(variance), _ROWS):
        rows, columns = slice(first, first + _ROWS), slice(0, first + _ROWS)
        s, before = variance[rows, None], variance[columns]
        lag = s - before
        later = lag <= 0
        lag[later] = 1
        kernel = (height[rows, None] * before - height[columns] * s) ** 2
        kernel /= (-2 * s) * before * lag
        np.exp(kernel, out=kernel)
        kernel *= slope[rows, None] - (height[rows, None] - height[columns]) / lag
        kernel *= given[columns]
        kernel *= wanted[rows, None]
        kernel /= np.sqrt(lag)
        kernel[later] = 0
        of_rows = ratio[rows] + kernel[:, :first] @ ratio[:first]
        ratio[rows] = solve_triangular(np.eye(len(of_rows)) - kernel[:, first:], of_rows, lower=True)
    return ratio
