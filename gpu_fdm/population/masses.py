"""Masses of filaments from a mass function, by the exact inverse of its cumulative number."""

import numpy as np

PUBLISHED_SLOPE = -2.19428402  # of dn/dM at z = 4 for m22 = 1, Z25 (A&A 696 A145)


def sample_power_law(uniform, slope: float, mass_min: float, mass_max: float) -> np.ndarray:
    """Masses with dn/dM proportional to M^slope between two limits, in the unit of the limits.

    uniform   in [0, 1], any shape: the fraction of the number below the mass that is returned
    slope     of dn/dM, not of dn/dlnM; any finite one, -1 included
    Raises ValueError, naming the argument, where the slope is not finite or the limits are not 0 < mass_min < mass_max.
    """
    _check_window(mass_min, mass_max)
    if not np.isfinite(slope):
        raise ValueError(f"slope = {slope}: must be finite")
    width = np.log(mass_max / mass_min)
    masses = mass_min * np.exp(width * _exponential_quantile(_fractions(uniform), (slope + 1) * width))
    return np.clip(masses, mass_min, mass_max)


def sample_tabulated(uniform, mass, dn_dlnm, mass_min: float, mass_max: float) -> np.ndarray:
    """Masses from a tabulated mass function, a power law between every two rows; in the unit of the table.

    uniform         in [0, 1], any shape: the fraction of the number below the mass that is returned
    mass, dn_dlnm   (rows,), masses increasing, dn/dlnM positive in any unit
    Raises ValueError, naming the argument or the row, for a table that is none, or where the limits are not inside it.
    """
    mass, dn_dlnm = np.asarray(mass, float), np.asarray(dn_dlnm, float)
    if mass.ndim != 1 or mass.shape != dn_dlnm.shape or len(mass) < 2:
        raise ValueError(
            f"mass function of shapes {mass.shape} and {dn_dlnm.shape}: must be two columns of two rows or more"
        )
    for name, column in (("mass", mass), ("dn_dlnm", dn_dlnm)):
        bad = np.flatnonzero(~(np.isfinite(column) & (column > 0)))
        if bad.size:
            raise ValueError(f"mass function, row {bad[0] + 1}: {name} = {column[bad[0]]:g}: must be > 0 and finite")
    bad = np.flatnonzero(np.diff(mass) <= 0)
    if bad.size:
        raise ValueError(
            f"mass function, row {bad[0] + 2}: mass = {mass[bad[0] + 1]:g}: "
            f"must be above the one of the row before, {mass[bad[0]]:g}"
        )
    _check_window(mass_min, mass_max)
    if mass_min < mass[0] or mass_max > mass[-1]:
        raise ValueError(
            f"mass_min = {mass_min:g}, mass_max = {mass_max:g}: "
            f"must be in [{mass[0]:g}, {mass[-1]:g}], the range of the mass function"
        )
    fraction = _fractions(uniform)
    inside = mass[(mass > mass_min) & (mass < mass_max)]
    edge = np.log(np.concatenate([[mass_min], inside, [mass_max]]))
    log_dn = np.interp(edge, np.log(mass), np.log(dn_dlnm))
    log_dn -= log_dn.max()
    # number in a piece, the integral of exp(log_dn) over ln M; the larger end is factored out so that a steep piece
    # does not overflow
    steepness = np.diff(log_dn)
    number = np.diff(edge) * np.exp(np.maximum(log_dn[:-1], log_dn[1:])) * _mean_of_exponential(-np.abs(steepness))
    cumulative = np.concatenate([[0], np.cumsum(number)])
    wanted = fraction * cumulative[-1]
    piece = np.clip(np.searchsorted(cumulative, wanted, side="right") - 1, 0, len(number) - 1)
    within = np.clip((wanted - cumulative[piece]) / number[piece], 0, 1)
    log_mass = edge[piece] + np.diff(edge)[piece] * _exponential_quantile(within, steepness[piece])
    return np.clip(np.exp(log_mass), mass_min, mass_max)


def _exponential_quantile(fraction, steepness):
    """The x in [0, 1] below which a density proportional to exp(steepness x) on [0, 1] has a fraction of its integral.

    x = ln(1 + fraction (e^steepness - 1))/steepness, measured from the end where the density is high: no overflow, and
    no loss of digits where steepness is small.
    """
    fraction, steepness = np.broadcast_arrays(fraction, steepness)
    rising = steepness > 0
    from_high_end = np.where(rising, 1 - fraction, fraction)
    fall = -np.abs(steepness)
    flat = fall == 0
    x = np.where(flat, from_high_end, np.log1p(from_high_end * np.expm1(fall)) / np.where(flat, 1, fall))
    return np.where(rising, 1 - x, x)


def _mean_of_exponential(steepness):
    """Mean of exp(steepness x) over [0, 1]."""
    flat = steepness == 0
    return np.where(flat, 1, np.expm1(steepness) / np.where(flat, 1, steepness))


def _fractions(uniform):
    uniform = np.asarray(uniform, float)
    bad = uniform[~((uniform >= 0) & (uniform <= 1))]
    if bad.size:
        raise ValueError(f"uniform = {bad.flat[0]:g}: must be in [0, 1]")
    return uniform


def _check_window(mass_min, mass_max):
    if not (np.isfinite(mass_min) and mass_min > 0):
        raise ValueError(f"mass_min = {mass_min:g}: must be > 0 and finite")
    if not (np.isfinite(mass_max) and mass_max > mass_min):
        raise ValueError(f"mass_max = {mass_max:g}: must be finite and above mass_min = {mass_min:g}")
