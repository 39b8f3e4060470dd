"""Moving barriers of sheets, filaments and halos: the overdensity that collapses in time, at a variance S(M).

The likeliest ellipticity of an overdensity delta in a Gaussian field of variance S is e = sqrt(S/5)/delta, p = 0
(Sheth, Mo & Tormen 2001), so that S fixes the shear s = e delta. Two choices of the epoch at which S is taken:

    published   s = sqrt(S(z=0)/5), with delta_ec at collapse: what Zimmermann et al. 2025 compute
    collapse    s = D sqrt(S(z=0)/5): both at collapse, which is consistent

They differ much in shape and little in number: a filament of 5e9 Msun/h in CDM at z = 4 has e = 1.096 and 0.269, and
a length over diameter of 11.3 and 2.9, while dn/dlnM differs by 4 % from 1e8 to 5e9 Msun/h and by 10 % at 3e10.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from ..errors import InputError
from ..values import brief
from .collapse import CollapseModel, check_axes, threshold_at_shear
from .thresholds import are_tabulated, tabulated_thresholds

ELLIPTICITIES = ("published", "collapse")
_ROWS = 65  # of a table: odd, so that every other row includes both ends
_JUMP = 0.03  # in the third difference of delta_ec or ln a_i over rows; where all is smooth it is below 0.005
_FIRST_ROWS = 8
_MOST_ERROR = 1e-3  # of a table
_ROUND_OFF = 1 + 1e-12  # of a variance that went through a root and a square


class NoBarrier(InputError):
    """No barrier exists up to the requested variance.

    variance_max  largest variance up to which one exists
    """

    def __init__(self, message: str, variance_max: float) -> None:
        super().__init__(message)
        self.variance_max = variance_max

    def __reduce__(self) -> tuple[type, tuple[str, float]]:
        return NoBarrier, (str(self), self.variance_max)


@brief
@dataclass(frozen=True, eq=False)
class ThresholdTable:
    """Thresholds and axes at the moment of collapse, against the shear s = e delta; p = 0.

    model        background, scale factor, freeze-out
    axes         frozen: 1, 2 or 3
    shear        0, ..., increasing, (rows,)
    overdensity  delta_ec, linear, at the scale factor of collapse, (rows,)
    lengths      a_1, a_2, a_3 at the scale factor of collapse, over the Lagrangian radius, (rows, 3)
    """

    model: CollapseModel
    axes: int
    shear: NDArray
    overdensity: NDArray
    lengths: NDArray

    def overdensity_at(self, shear: ArrayLike, derivative: int = 0) -> NDArray:
        """delta_ec(s), or its derivative with respect to s where s > 0; any shape. InputError for s out of range."""
        root = self._root(shear)
        if derivative == 0:
            return self._splines[0](root)
        return self._splines[0](root, 1) / (3 * root**2)

    def lengths_at(self, shear: ArrayLike) -> NDArray:
        """a_1, a_2, a_3 at the scale factor of collapse, shape (..., 3). InputError for s out of range."""
        return np.exp(self._splines[1](self._root(shear)))

    @property
    def error(self) -> float:
        """Largest relative error of thresholds and axes of a table with every other row, at the rows left out.

        The error of the full table is an order of magnitude smaller: 16 times where it is smooth.
        """
        return float(_left_out_errors(self.shear, self.overdensity, self.lengths).max())

    def _root(self, shear: ArrayLike) -> NDArray:
        shear = np.asarray(shear, float)
        largest = self.shear[-1]
        for outside in shear[~((shear >= 0) & (shear <= largest * _ROUND_OFF))].ravel()[:1]:
            raise InputError(f"shear = {outside:g}: must be in [0, {largest:.6g}], the range of the table")
        return np.cbrt(shear)

    @cached_property
    def _splines(self) -> tuple[CubicSpline, CubicSpline]:
        return _splines(self.shear, self.overdensity, self.lengths)


@brief
@dataclass(frozen=True, eq=False)
class Barrier:
    """B(S) = delta_ec/D(a), linear and extrapolated to z = 0, as S is.

    table        thresholds at the scale factor of collapse
    ellipticity  a name in ELLIPTICITIES
    """

    table: ThresholdTable
    ellipticity: str

    @property
    def model(self) -> CollapseModel:
        """Background, scale factor, freeze-out."""
        return self.table.model

    @property
    def variance_max(self) -> float:
        """Largest S."""
        return float(5 * (self.table.shear[-1] / self._shear_factor) ** 2)

    def __call__(self, variance: ArrayLike) -> NDArray:
        """B(S), S in [0, variance_max]; any shape. Raises InputError for S out of range."""
        return self.table.overdensity_at(self.shear(variance)) / self._growth

    def derivative(self, variance: ArrayLike) -> NDArray:
        """dB/dS, S in (0, variance_max]; any shape. Raises InputError for S out of range."""
        shear = self.shear(variance)
        if not np.all(shear > 0):
            raise InputError("variance = 0: must be > 0 for the derivative of the barrier")
        return self.table.overdensity_at(shear, 1) * shear / (2 * np.asarray(variance) * self._growth)

    def shear(self, variance: ArrayLike) -> NDArray:
        """s = e delta; any shape. Raises InputError for S out of range."""
        variance = np.asarray(variance, float)
        largest = self.variance_max
        for outside in variance[~((variance >= 0) & (variance <= largest * _ROUND_OFF))].ravel()[:1]:
            raise InputError(f"variance = {outside:g}: must be in [0, {largest:.6g}], where the barrier is known")
        return self._shear_factor * np.sqrt(variance / 5)

    def ellipticity_at(self, variance: ArrayLike) -> NDArray:
        """e = s/delta_ec; any shape. Raises InputError for S out of range."""
        shear = self.shear(variance)
        return shear / self.table.overdensity_at(shear)

    @cached_property
    def _growth(self) -> float:
        return float(self.model.background.growth(self.model.scale_factor))

    @cached_property
    def _shear_factor(self) -> float:
        return shear_factor(self.model, self.ellipticity)


def shear_factor(model: CollapseModel, ellipticity: str) -> float:
    """s over sqrt(S/5): D at collapse, or one for ellipticity = published."""
    return float(model.background.growth(model.scale_factor)) if ellipticity == "collapse" else 1.0


def collapse_barrier(
    model: CollapseModel,
    variance_max: float,
    *,
    axes: int = 2,
    ellipticity: str = "published",
    tabulated: bool = False,
) -> Barrier:
    """The barrier of sheets (1 axis), filaments (2) or halos (3) for all S up to variance_max (z = 0).

    It takes half a second to solve for a table of thresholds, which serves all masses and bosons at one redshift; the
    last 64 are kept.

    tabulated  for filaments, whether thresholds come from those of the package, to 3e-7, where these reach (thresholds)
    Raises InputError for an unknown name, and NoBarrier, with the valid range, for a variance up to which there is no
    barrier: no overdensity collapses in time, or the smallest that does jumps as the tide grows. With ellipticity =
    published and freeze-out "virial" that is S = 280 for filaments at z = 4, 79 at z = 10, 17 at z = 20, but 24 at
    z = 0; and 4.5 for sheets, which form without any overdensity beyond.
    """
    check_axes(axes)
    if ellipticity not in ELLIPTICITIES:
        raise InputError(f"ellipticity = {ellipticity}: must be one of {', '.join(ELLIPTICITIES)}")
    if not 0 < variance_max < np.inf:
        raise InputError(f"variance_max = {variance_max}: must be > 0 and finite")
    growth = shear_factor(model, ellipticity)
    shear = _shears(float(growth * np.sqrt(variance_max / 5)))
    if tabulated and axes == 2 and are_tabulated(model, float(shear[-1])):
        overdensity, lengths = tabulated_thresholds(model, shear)
    else:
        overdensity, lengths = _solved(model, float(shear[-1]), axes)
    good = _smooth_rows(shear[: len(overdensity)], overdensity, lengths)
    if good < _ROWS:
        largest = 5 * (shear[max(good - 1, 0)] / growth) ** 2
        reason = "jumps" if good < len(overdensity) else "does not exist"
        raise NoBarrier(
            f"variance = {variance_max:.4g}: must be at most {largest:.3g}, beyond which the barrier of {axes} axes at "
            f"a = {model.scale_factor:.4g} ({model.freeze_out}, ellipticity {ellipticity}) {reason}",
            largest,
        )
    return Barrier(ThresholdTable(model, axes, shear, overdensity, lengths), ellipticity)


def _shears(largest: float) -> NDArray:
    """Those of a table."""
    return largest * np.linspace(0, 1, _ROWS) ** 3


@lru_cache(maxsize=64)  # another population at the same redshift needs the same
def _solved(model: CollapseModel, largest: float, axes: int) -> tuple[NDArray, NDArray]:
    """Thresholds, shape (rows,), and axes, shape (rows, 3), up to the first shear that has none; not to be changed."""
    solved = []
    for value in _shears(largest).tolist():
        row = threshold_at_shear(model, value, axes=axes)
        if row is None:
            break
        solved.append(row)
    overdensity, lengths = np.array([row[0] for row in solved]), np.array([row[1] for row in solved])
    overdensity.flags.writeable = lengths.flags.writeable = False
    return overdensity, lengths


def checked_variance(mass: ArrayLike, variance: Callable[[ArrayLike], NDArray], barrier: Barrier) -> NDArray:
    """S(M) of masses [Msun/h], any shape; InputError that names the mass where it is beyond the barrier.

    variance  callable: S(M) at z = 0, falling
    """
    mass = np.asarray(mass, float)
    for wrong in mass[~((mass > 0) & (mass < np.inf))].ravel()[:1]:
        raise InputError(f"mass = {wrong:g}: must be > 0 and finite [Msun/h]")
    of_mass = np.asarray(variance(mass), float)
    for wrong in mass[~(of_mass > 0)].ravel()[:1]:
        raise InputError(f"mass = {wrong:g} Msun/h: S(M) = {variance(wrong):g}, must be > 0")
    for wrong in mass[of_mass > barrier.variance_max * _ROUND_OFF].ravel()[:1]:
        lightest = float(wrong)
        while lightest < np.inf and variance(lightest) > barrier.variance_max:
            lightest *= 1.01
        raise InputError(
            f"mass = {wrong:g} Msun/h: must be at least {lightest:.3g}, such that S(M) is at most "
            f"{barrier.variance_max:.6g}, where the barrier is known"
        )
    return of_mass


def _splines(shear: NDArray, overdensity: NDArray, lengths: NDArray) -> tuple[CubicSpline, CubicSpline]:
    # near s = 0 thresholds and axes vary as s ln s: a spline in the cube root of s is far better than one in s
    root = np.cbrt(shear)
    return CubicSpline(root, overdensity), CubicSpline(root, np.log(lengths))


def _smooth_rows(shear: NDArray, overdensity: NDArray, lengths: NDArray) -> int:
    """Number of rows before the first jump."""
    columns = np.column_stack([overdensity, np.log(lengths)])
    # what the three rows before do not predict; the first rows are far from any jump
    surprise = np.abs(np.diff(columns, 3, axis=0)).max(axis=1)[_FIRST_ROWS:]
    if np.any(surprise > _JUMP):
        return _FIRST_ROWS + 3 + int(np.argmax(surprise > _JUMP))
    rows = len(shear)
    if rows > _FIRST_ROWS and np.any(rough := _left_out_errors(shear, overdensity, lengths) > _MOST_ERROR):
        return int(np.argmax(rough))
    return rows


def _left_out_errors(shear: NDArray, overdensity: NDArray, lengths: NDArray) -> NDArray:
    """Relative errors, at every row, of the splines through every other row, shape (rows,)."""
    threshold, log_axes = _splines(shear[::2], overdensity[::2], lengths[::2])
    root = np.cbrt(shear)
    of_axes = np.abs(log_axes(root) - np.log(lengths)).max(axis=1)
    return np.maximum(np.abs(threshold(root) / overdensity - 1), of_axes)
