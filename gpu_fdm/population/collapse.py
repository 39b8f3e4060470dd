"""Collapse of a homogeneous ellipsoid in the tide around it: when its axes freeze, and from which overdensity.

    a_i'' + (1/a + E'/E) a_i' + [ (3 Om/(2a^3)) C_i - (1-Om) ] a_i/(aE)^2 = 0,    ' = d/da
    C_i = (1+D)/3 + b_i D/2 + (D_lin(a)/D_lin(a_0)) (lambda_i - sum lambda/3),    D = a^3/(a_1 a_2 a_3) - 1
    lambda = (delta/3) (1+3e+p, 1-2p, 1-3e+p),  a_i = a_0 (1 - lambda_i),  a_i' = 1 - 2 lambda_i  at a_0

The axes a_i are physical lengths over the comoving Lagrangian radius, a_i -> a early. Overdensities delta are linear
and quoted at the scale factor of collapse. Source: Bond & Myers 1996; Zimmermann et al. 2025 (A&A 696 A145).

The Zel'dovich start at a_0 = 0.01 is part of the published model. It leaves a decaying mode, which raises thresholds
of spheres by about 0.32 a_0/a, relative (1.6 % at z = 4, 7 % at z = 20), over those of a start at a_0 -> 0. A shear of
order one is no small perturbation at the start: thresholds at z = 4, p = 0 change by

    e           0.1    0.3    0.6    1.1    2.0
    filaments   1.5    1.1    0.1   -3.2  -16 %
    haloes      1.8    3.0                    %     (19 % at e = 0.3 and z = 20)
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from ..cosmology.background import Background
from ..errors import InputError, RunError
from ..kernels.collapse import BOND_MYERS, VIRIAL, begin, first_frozen, follow
from ..values import brief

# when an axis freezes, after turn-around: its comoving size is then constant
FREEZE_OUTS = {
    "virial": VIRIAL,  # (a_i'/a_i)^2 = [ (3 Om/(2a^3)) C_i - (1-Om) ]/(aE)^2; Zimmermann et al. 2025
    "bond_myers": BOND_MYERS,  # a_i = a (18 pi^2 + 82 y - 39 y^2)^(-1/3), y = Om(a) - 1; Bond & Myers 1996
}
AXES = {"sheet": 1, "filament": 2, "halo": 3}  # frozen axes

START = 0.01  # scale factor of the Zel'dovich start
TOLERANCE = 1e-9  # of a step, relative; freeze-outs and thresholds are then good to 1e-7
_SCAN_TOLERANCE = 1e-6
_SCAN_STEP = 0.04  # relative
_LEAST_OVERDENSITY, _MOST_OVERDENSITY = 0.05, 10.0
_LEAST_SHEAR = 0.1  # lambda_1, below which no axis freezes
_TURNED_AROUND = 0.5  # lambda_1 above which axis 1 shrinks at the start already
_LATEST = 1.3  # scale factors over that of collapse up to which a freeze-out is followed
_TOO_MANY_STEPS = "ellipsoidal collapse: too many steps"
_ROWS = 2048  # most steps of a Collapse
_STEPS = 200  # least steps of a Collapse


@dataclass(frozen=True)
class CollapseModel:
    """Universe, epoch and rules of the collapse of an ellipsoid.

    background    expansion and growth
    scale_factor  of collapse, at which overdensities and shears are quoted; in [2 start, 1]
    freeze_out    a name in FREEZE_OUTS
    start         scale factor a_0 of the Zel'dovich start
    Raises InputError for an unknown name and a scale factor out of range.
    """

    background: Background
    scale_factor: float
    freeze_out: str = "virial"
    start: float = START

    def __post_init__(self) -> None:
        if self.freeze_out not in FREEZE_OUTS:
            raise InputError(f"freeze_out = {self.freeze_out}: must be one of {', '.join(FREEZE_OUTS)}")
        if not 0 < self.start <= 0.5:
            raise InputError(f"start = {self.start}: must be in (0, 0.5], a scale factor")
        if not 2 * self.start <= self.scale_factor <= 1:
            raise InputError(f"scale_factor = {self.scale_factor:g}: must be in [{2 * self.start:g}, 1]")

    @cached_property
    def growth_to_start(self) -> float:
        """D(start)/D(scale_factor)."""
        return float(self.background.growth(self.start) / self.background.growth(self.scale_factor))

    @cached_property
    def start_growth(self) -> float:
        """Growing mode g at the start, g -> a early."""
        matter = self.background.matter_fraction(self.start)
        # the growth rate f = 5/2 Om(a) a/g - 3/2 Om(a), solved for g
        return float(2.5 * matter * self.start / (self.background.growth_rate(self.start) + 1.5 * matter))


@brief
@dataclass(frozen=True, eq=False)
class Collapse:
    """The axes of one ellipsoid as it collapses.

    scale_factor  of the steps, (steps,)
    axes          a_1, a_2, a_3: physical, over the comoving Lagrangian radius, (steps, 3)
    freeze        scale factors at which axis 1, 2, 3 froze, NaN where one did not, (3,)
    """

    scale_factor: NDArray
    axes: NDArray
    freeze: NDArray


def collapse(
    model: CollapseModel,
    overdensity: float,
    ellipticity: float,
    prolateness: float = 0.0,
    *,
    until: float | None = None,
    tolerance: float = TOLERANCE,
) -> Collapse:
    """Follow an ellipsoid from the start to a scale factor, the one of collapse where `until` is not given.

    overdensity   delta, linear, at the scale factor of collapse; > 0
    ellipticity   e >= 0;  prolateness  p in [-e, e]
    Raises InputError for values out of range, and where axis 1 shrinks already at the start.
    """
    _check_shape(ellipticity, prolateness)
    until = model.scale_factor if until is None else until
    if not model.start < until < np.inf:
        raise InputError(f"until = {until}: must be > {model.start:g}, the scale factor of the start")
    shear = overdensity * _shear_of(ellipticity, prolateness)
    greatest = _TURNED_AROUND / (_shear_of(ellipticity, prolateness)[0] * model.growth_to_start)
    if not 0 < overdensity < greatest:
        raise InputError(
            f"overdensity = {overdensity:g}: must be in (0, {greatest:.4g}), such that axis 1 grows at the start, "
            f"a = {model.start:g}"
        )
    path = np.empty((_ROWS, 4))
    freeze, _, rows = _follow(model, shear, until, 4, (until - model.start) / _STEPS, path, tolerance)
    path = path[:rows].copy()
    return Collapse(path[:, 0], path[:, 1:], freeze)


def threshold(model: CollapseModel, ellipticity: float, prolateness: float = 0.0, *, axes: int = 2) -> float:
    """Smallest linear overdensity delta_ec(e, p) with which 1, 2 or 3 axes are frozen at the scale factor of collapse.

    axes  1 for a sheet, 2 for a filament, 3 for a halo
    Raises InputError, with the valid range, where e is so large that there is none below 10 or below what keeps axis 1
    growing at the start (at z = 4, p = 0, "virial": e > 0.43 for halos, e > 3.6 for filaments).
    """
    _check_shape(ellipticity, prolateness)
    check_axes(axes)
    found = _smallest_overdensity(model, _shear_of(ellipticity, prolateness), np.zeros(3), axes)
    if found is None:
        largest = _largest_ellipticity(model, ellipticity, prolateness, axes)
        raise InputError(
            f"ellipticity = {ellipticity:g} with prolateness = {prolateness:g}: must be at most {largest:.3g}, beyond "
            f"which no overdensity freezes {axes} axes by a = {model.scale_factor:g} ({model.freeze_out})"
        )
    return found


def threshold_at_shear(model: CollapseModel, shear: float, *, axes: int = 2) -> tuple[float, NDArray] | None:
    """Smallest linear overdensity for a given shear s = e delta and p = 0, and the axes a_i at the collapse.

    The barrier is found this way: e = sqrt(S/5)/delta fixes s, whatever delta is.
    Returns None where there is none in [0.05, 10].
    """
    fixed = np.array([shear, 0, -shear])
    overdensity = _smallest_overdensity(model, np.full(3, 1 / 3), fixed, axes)
    if overdensity is None:
        return None
    _, state, _ = _follow(model, overdensity / 3 + fixed, model.scale_factor, axes)
    return overdensity, state[:3]


def _shear_of(ellipticity: float, prolateness: float) -> NDArray:
    """lambda/delta."""
    e, p = ellipticity, prolateness
    return np.array([1 + 3 * e + p, 1 - 2 * p, 1 - 3 * e + p]) / 3


def _follow(
    model: CollapseModel,
    shear: NDArray,
    until: float,
    needed: int,
    longest: float = np.inf,
    path: NDArray | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[NDArray, NDArray, int]:
    """Freeze-outs (NaN where none), last state and number of rows, for a shear at the scale factor of collapse.

    needed   frozen axes at which to end;  longest  step
    path     where scale factor and axes of every step go, (rows, 4)
    """
    state, tide, freeze = np.empty(7), np.empty(3), np.full(3, np.nan)
    path = np.empty((0, 4)) if path is None else path
    begin(shear * model.growth_to_start, model.start, model.start_growth, state, tide)
    rule, omega_m = FREEZE_OUTS[model.freeze_out], float(model.background.omega_m)
    rows = follow(model.start, float(until), state, tide, omega_m, rule, needed, tolerance, longest, freeze, path)
    if rows < 0 or rows > len(path) > 0:
        raise RunError(_TOO_MANY_STEPS)
    return freeze, state, rows


def _smallest_overdensity(model: CollapseModel, isotropic: NDArray, fixed: NDArray, axes: int) -> float | None:
    """Smallest delta such that the shear delta * isotropic + fixed freezes enough axes in time; None if there is none.

    A coarse scan finds the first that does, so that the smallest is found where there are several solutions.
    """
    low = min(_LEAST_OVERDENSITY, _LEAST_SHEAR / isotropic[0])
    high = min(_MOST_OVERDENSITY, (_TURNED_AROUND / model.growth_to_start - fixed[0]) / isotropic[0])
    if high <= low:
        return None
    overdensities = np.geomspace(low, high, 2 + int(np.log(high / low) / _SCAN_STEP))
    latest = _LATEST * model.scale_factor

    def lateness(overdensity: float) -> float:
        freeze, _, _ = _follow(model, overdensity * isotropic + fixed, latest, axes)
        last = np.sort(freeze)[axes - 1]  # NaN are last
        return (latest if np.isnan(last) else last) - model.scale_factor

    # next to a jump a rough scan fails, and one as exact as `lateness` is made
    for until, tolerance in ((model.scale_factor, _SCAN_TOLERANCE), (latest, TOLERANCE)):
        found = first_frozen(
            overdensities,
            isotropic * model.growth_to_start,
            fixed * model.growth_to_start,
            model.start,
            model.scale_factor,
            until,
            model.start_growth,
            float(model.background.omega_m),
            FREEZE_OUTS[model.freeze_out],
            axes,
            tolerance,
        )
        if found < 0:
            raise RunError(_TOO_MANY_STEPS)
        if found in (0, len(overdensities)):
            return None
        low, high = overdensities[found - 1 : found + 1]
        if lateness(low) > 0 >= lateness(high):
            break
    else:
        raise RunError(f"ellipsoidal collapse: no threshold between the overdensities {low:g} and {high:g}")
    return brentq(lateness, low, high, xtol=1e-10)


def _largest_ellipticity(model: CollapseModel, ellipticity: float, prolateness: float, axes: int) -> float:
    """The largest e with a threshold, to 0.1 %, at the same p/e as one that has none."""
    low, high = 0.0, 1.0
    while high - low > 1e-3 * high:
        middle = (low + high) / 2
        shear = _shear_of(middle * ellipticity, middle * prolateness)
        none = _smallest_overdensity(model, shear, np.zeros(3), axes) is None
        low, high = (low, middle) if none else (middle, high)
    return low * ellipticity


def _check_shape(ellipticity: float, prolateness: float) -> None:
    if not 0 <= ellipticity < np.inf:
        raise InputError(f"ellipticity = {ellipticity}: must be >= 0 and finite")
    if not abs(prolateness) <= ellipticity:
        raise InputError(
            f"prolateness = {prolateness:g}: must be in [-{ellipticity:g}, {ellipticity:g}], up to the ellipticity, "
            "such that axis 1 is the first to collapse"
        )


def check_axes(axes: int) -> None:
    """InputError unless the number of frozen axes is 1, 2 or 3."""
    if axes not in AXES.values():
        raise InputError(f"axes = {axes}: must be 1 (sheet), 2 (filament) or 3 (halo)")
