"""Masses drawn from a mass function: a power law in closed form, or a table, a power law between every two rows.

Sampling inverts the cumulative number N(<M). In ln M a power law is an exponential density, whose quantile is closed.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import exprel

from ..errors import InputError
from ..io.kinds import Number, checked


def sample_power_law(uniform: ArrayLike, slope: float, mass_min: float, mass_max: float) -> NDArray:
    """Masses with dn/dM proportional to M^slope between two limits, in the unit of the limits.

    uniform   in [0, 1], any shape: the fraction of the number below the mass that is returned
    slope     of dn/dM, not of dn/dlnM; any finite one, -1 included
    Raises InputError where the slope is not finite or the limits are not 0 < mass_min < mass_max.
    """
    _check_limits(mass_min, mass_max)
    checked("slope", slope, Number())
    width = np.log(mass_max / mass_min)
    mass = mass_min * np.exp(width * _exponential_quantile(_fractions(uniform), (slope + 1) * width))
    return np.clip(mass, mass_min, mass_max)


def sample_tabulated(
    uniform: ArrayLike, mass: ArrayLike, dn_dlnm: ArrayLike, mass_min: float, mass_max: float
) -> NDArray:
    """Masses from a tabulated mass function, a power law between every two rows; in the unit of the table.

    uniform         in [0, 1], any shape: the fraction of the number below the mass that is returned
    mass, dn_dlnm   (rows,), masses increasing, dn/dlnM positive in any unit
    Raises InputError, naming the row or the argument, for an invalid table and for limits outside it.
    """
    mass, dn_dlnm = np.asarray(mass, float), np.asarray(dn_dlnm, float)
    if mass.ndim != 1 or mass.shape != dn_dlnm.shape or len(mass) < 2:
        raise InputError(f"mass function of shapes {mass.shape}, {dn_dlnm.shape}: must be two columns of >= 2 rows")
    for name, column, good, allowed in (
        ("mass", mass, np.isfinite(mass) & (np.diff(mass, prepend=0) > 0), "> 0, finite and increasing"),
        ("dn_dlnm", dn_dlnm, np.isfinite(dn_dlnm) & (dn_dlnm > 0), "> 0 and finite"),
    ):
        for row in np.flatnonzero(~good)[:1]:
            raise InputError(f"mass function, row {row + 1}: {name} = {column[row]:g}: must be {allowed}")
    _check_limits(mass_min, mass_max)
    if mass_min < mass[0] or mass_max > mass[-1]:
        raise InputError(
            f"mass_min = {mass_min:g}, mass_max = {mass_max:g}: "
            f"must be in [{mass[0]:g}, {mass[-1]:g}], the range of the mass function"
        )
    edge = np.log(np.concatenate([[mass_min], mass[(mass > mass_min) & (mass < mass_max)], [mass_max]]))
    log_dn = np.interp(edge, np.log(mass), np.log(dn_dlnm))
    steepness, width = np.diff(log_dn), np.diff(edge)
    # the integral over a piece in ln M, from its higher end so that it cannot overflow
    number = width * np.exp(np.maximum(log_dn[:-1], log_dn[1:])) * exprel(-np.abs(steepness))
    cumulative = np.concatenate([[0], np.cumsum(number)])
    wanted = _fractions(uniform) * cumulative[-1]
    piece = np.clip(np.searchsorted(cumulative, wanted) - 1, 0, len(number) - 1)
    within = np.clip((wanted - cumulative[piece]) / number[piece], 0, 1)
    sampled = np.exp(edge[piece] + width[piece] * _exponential_quantile(within, steepness[piece]))
    return np.clip(sampled, mass_min, mass_max)


def _exponential_quantile(fraction: NDArray, steepness: NDArray | float) -> NDArray:
    """The x in [0, 1] below which a density proportional to exp(steepness x) on [0, 1] has a fraction of its integral.

    x = ln(1 + fraction (e^steepness - 1))/steepness, taken from the end where the density is high: no overflow.
    """
    rising, fall = np.greater(steepness, 0), -np.abs(steepness)
    from_high_end = np.where(rising, 1 - fraction, fraction)
    flat = fall == 0
    with np.errstate(divide="ignore"):  # ln 0 at the low end of a steep density, where x is 1
        x = np.where(flat, from_high_end, np.log1p(from_high_end * np.expm1(fall)) / np.where(flat, 1, fall))
    return np.where(rising, 1 - np.minimum(x, 1), np.minimum(x, 1))


def _fractions(uniform: ArrayLike) -> NDArray:
    uniform = np.asarray(uniform, float)
    for outside in uniform[~((uniform >= 0) & (uniform <= 1))][:1]:
        raise InputError(f"uniform = {outside:g}: must be in [0, 1]")
    return uniform


def _check_limits(mass_min: float, mass_max: float) -> None:
    checked("mass_min", mass_min, Number(0, open_low=True))
    checked("mass_max", mass_max, Number(mass_min, open_low=True))
