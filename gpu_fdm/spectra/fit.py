"""The boson mass that fits a table of a boost best: least squares in ln boost, with errors and an interval.

A fit says when it does not fit: where chi-squared of the best mass is too large to be chance, there is no value, no
error and no bound, only the rows that disagree most.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import chdtrc

from ..errors import InputError
from .agreement import Agreement, ComparedRows, RowAgreement, check_same_ratio
from .boost import Boost
from .boost_grid import BoostGrid

RISE_95 = 3.841459  # of chi-squared, at the ends of the interval of one parameter that holds it with 95 %
RISE_OF_BOUND = 2.705543  # of chi-squared, where a parameter is beyond with 95 %
LEAST_P = 1e-3  # of a fit: below this p-value no boson mass describes a table
POOR_P = 0.05  # below this one the fit is told to be poor
DISAGREEING = 5  # rows that are named where no mass does
SCAN = 21  # masses at which chi-squared is computed first
STEP = 1e-2  # of the range of ln m22, for second differences
AT_END = 1e-3  # of the range of ln m22: a minimum closer to its end is at its end


@dataclass(frozen=True)
class MassFit:
    """What a table says about m22.

    m22          that fits best, or the bound; None where no mass fits, and where all do
    bound        "" for a value; "lower" where chi-squared is least at the upper end of the masses, so that m22 is above
                 the bound with 95 %: chi-squared has risen by 2.71 there; "upper" where it is least at the lower end
    standard_error  one standard deviation of m22, from the curvature of chi-squared at m22; None without a value
    interval     that holds m22 with 95 %: where chi-squared has risen by 3.84; 0 or infinity where it does not rise so
                 much within the masses. None without a value
    masses       between which m22 was fitted
    agreement    of the table with the best model
    p_value      probability of a chi-squared as large or larger, if the best model and the errors are right; None for a
                 table without errors
    worst        the rows that disagree most with the best model, the worst first
    """

    m22: float | None
    bound: str
    standard_error: float | None
    interval: tuple[float, float] | None
    masses: tuple[float, float]
    agreement: Agreement
    p_value: float | None
    worst: tuple[RowAgreement, ...]

    @property
    def degrees_of_freedom(self) -> int:
        """Rows less the one parameter."""
        return self.agreement.rows - 1

    @property
    def fits(self) -> bool:
        """Whether some mass describes the table; not known to be false for a table without errors."""
        return self.p_value is None or self.p_value >= LEAST_P

    @property
    def quality(self) -> str:
        """Chi-squared, degrees of freedom and p-value in words."""
        if self.agreement.chi_squared is None or self.p_value is None:
            return (
                f"rms of ln boost {self.agreement.rms:.2g}, {self.agreement.rows} rows; no p-value: the table has no "
                "errors"
            )
        p_value = f"p = {self.p_value:.2g}" if self.p_value > 0 else "p < 1e-300"
        p_value += ", a poor fit" if LEAST_P <= self.p_value < POOR_P else ""
        return f"chi-squared {self.agreement.chi_squared:.3g}, {self.degrees_of_freedom} degrees of freedom, {p_value}"

    @property
    def text(self) -> str:
        """The fit in one line."""
        between = f"from {self.masses[0]:.4g} to {self.masses[1]:.4g}"
        if not self.fits:
            return f"no boson mass {between} describes the table ({self.quality})"
        if self.m22 is None:
            return f"every boson mass {between} describes the table: it gives no bound ({self.quality})"
        if self.interval is None:
            sign, end = (">=", "upper") if self.bound == "lower" else ("<=", "lower")
            best = f"the best fit is at the {end} end of the models"
            return f"m22 {sign} {self.m22:.4g}: a bound, with 95 %; {best} ({self.quality})"
        low, high = self.interval
        return f"m22 = {self.m22:.4g} +- {self.standard_error:.2g} (95 %: {low:.4g} to {high:.4g}; {self.quality})"


def fit_m22(
    model: Callable[[float], Boost],
    table: Boost,
    m22_min: float | None = None,
    m22_max: float | None = None,
    correlation: ArrayLike | None = None,
) -> MassFit:
    """Least squares in m22 of ln boost, each row weighted with its error; with the same weight where there are none.

    The standard error is from the curvature, sigma^2 = 2/(d^2 chi^2/d(ln m22)^2), the interval from chi-squared itself:
    where rows are correlated it is no parabola, and 1.96 standard errors hold less than 95 %. Without errors the
    scatter of the rows about the best model takes their place. Where the p-value of chi-squared is below LEAST_P, no
    mass describes the table, and the fit has neither a value nor a bound.

    model    m22 -> Boost of the ratio of the table; a BoostGrid, say
    m22_min, m22_max  range of m22; that of a BoostGrid by default
    correlation  of the errors of ln boost, shape (rows, rows) of the table; rows are independent where not given.
                 Modes of a large box are; the fringes of few filaments are not, not even at k far apart, and the
                 error is then too small without it
    Rows that some models do not have are left out of all.
    Raises InputError for an empty range, ratios of different things, redshifts that differ, an error that is zero, a
    matrix that is no correlation, and fewer than two rows.
    """
    masses = _scanned_masses(model, m22_min, m22_max)
    models = [model(float(m22)) for m22 in masses]
    check_same_ratio(table, models[0])
    low, high = max(boost.k[0] for boost in models), min(boost.k[-1] for boost in models)
    rows = ComparedRows.between(table, low, high, 2, correlation)

    def chi_squared(log_m22: float) -> float:
        return rows.chi_squared(model(float(np.clip(np.exp(log_m22), masses[0], masses[-1]))))

    first, *_, last = np.log(masses).tolist()
    best, bound = _minimum(chi_squared, np.log(masses), [rows.chi_squared(boost) for boost in models])
    m22, least = float(np.clip(np.exp(best), masses[0], masses[-1])), chi_squared(best)
    freedom = len(rows.k) - 1
    p_value = None if table.error is None else float(chdtrc(freedom, least))
    known = (float(masses[0]), float(masses[-1])), rows.agreement(model(m22)), p_value
    worst = rows.disagreeing(model(m22), DISAGREEING)
    if p_value is not None and p_value < LEAST_P:
        return MassFit(None, "", None, None, *known, worst)
    unit = 1.0 if table.error is not None else least / freedom
    if bound:
        low, high = _interval(chi_squared, best, least + RISE_OF_BOUND * unit, first, last)
        limit = low if bound == "lower" else high
        if not 0 < limit < np.inf:
            return MassFit(None, "", None, None, *known, worst)
        return MassFit(limit, bound, None, None, *known, worst)
    step = min(STEP * (last - first), best - first, last - best)
    curvature = (chi_squared(best + step) - 2 * least + chi_squared(best - step)) / step**2
    if not curvature > 0:
        raise InputError(f"{table.label}: the model does not depend on m22 at its k: nothing to fit")
    error = m22 * float(np.sqrt(2 * unit / curvature))
    return MassFit(m22, "", error, _interval(chi_squared, best, least + RISE_95 * unit, first, last), *known, worst)


def _minimum(chi_squared: Callable[[float], float], log_masses: NDArray, scanned: list[float]) -> tuple[float, str]:
    """ln m22 of the least chi-squared, and the kind of bound that there is if it is at an end of the range."""
    least = int(np.argmin(scanned))
    around = log_masses[max(least - 1, 0)], log_masses[min(least + 1, len(log_masses) - 1)]
    best = float(minimize_scalar(chi_squared, bounds=around, method="bounded", options={"xatol": 1e-6}).x)
    margin = AT_END * (log_masses[-1] - log_masses[0])
    if best < log_masses[0] + margin:
        return float(log_masses[0]), "upper"
    if best > log_masses[-1] - margin:
        return float(log_masses[-1]), "lower"
    return best, ""


def _interval(
    chi_squared: Callable[[float], float], best: float, level: float, first: float, last: float
) -> tuple[float, float]:
    """m22 on both sides of a minimum where chi-squared reaches a level; 0 or infinity where it does not."""

    def crossing(end: float, open_end: float) -> float:
        if chi_squared(end) <= level:
            return open_end
        return float(np.exp(brentq(lambda log_m22: chi_squared(log_m22) - level, best, end, xtol=1e-6)))

    return crossing(first, 0.0), crossing(last, np.inf)


def _scanned_masses(model: Callable[[float], Boost], m22_min: float | None, m22_max: float | None) -> NDArray:
    """The m22 at which chi-squared is computed first, shape (SCAN,)."""
    if isinstance(model, BoostGrid):
        first, last = model.m22_range
        m22_min, m22_max = first if m22_min is None else m22_min, last if m22_max is None else m22_max
    if m22_min is None or m22_max is None or not 0 < m22_min < m22_max < np.inf:
        raise InputError(f"m22_min = {m22_min}, m22_max = {m22_max}: must be positive, and the second the larger")
    masses = np.geomspace(m22_min, m22_max, SCAN)
    masses[[0, -1]] = m22_min, m22_max
    return masses
