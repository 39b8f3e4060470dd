"""Boosts against each other: where they detach and peak, chi-squared, and the boson mass that fits a table best.

Fits are in ln boost: what scatters is a power, in proportion to itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.linalg import solve_triangular
from scipy.optimize import brentq, minimize_scalar

from ..errors import InputError
from .boost import DIFFERENCES, Boost
from .single_filament import DETACHED
from .spectrum import SAME

SIGNIFICANT = 2.0  # standard deviations of ln boost above the threshold from which an excess counts
RISE_95 = 3.841459  # of chi-squared, at the ends of the interval of one parameter that holds it with 95 %
LEAST_GRID = 4  # boosts of a grid: a cubic in ln m22
GRID_ROWS = 120  # k of an interpolated boost
SCAN = 21  # masses among which the best is looked for
STEP = 1e-2  # of the range of ln m22, for second differences
AT_END = 1e-3  # of the range of ln m22: a minimum nearer to its end is at its end


@dataclass(frozen=True)
class Marks:
    """The marks of a boost; wavenumbers in h/Mpc, each None where there is none.

    threshold  that counts as detached
    k_detach   where the boost first exceeds the threshold, at the first row that does so significantly; the first k
               where it does so from the start
    k_peak     of the largest boost;  height  the boost there
    at_end     whether the largest boost is at the last row: the peak is then not known
    slope      mean d ln boost/d ln k from the peak on, a least-squares fit; None for fewer than three rows
    """

    threshold: float
    k_detach: float | None
    k_peak: float
    height: float
    at_end: bool
    slope: float | None


def marks_of(boost: Boost, threshold: float = DETACHED) -> Marks:
    """The marks of a boost, from the rows that are not beyond the Nyquist wavenumber.

    An excess is significant where ln(boost/threshold) is above twice its error; without errors, everywhere.
    Raises InputError for a threshold that is not above 1, and where no row is left.
    """
    if not (threshold > 1 and np.isfinite(threshold)):
        raise InputError(f"threshold = {threshold:g}: must be above 1, the boost without an effect")
    rows = ~boost.beyond_nyquist
    if not rows.any():
        raise InputError(f"{boost.label}: all rows are beyond the Nyquist wavenumber")
    k, value = boost.k[rows], boost.boost[rows]
    error = np.zeros(len(k)) if boost.error is None else boost.error[rows]
    relative = np.divide(error, value, out=np.zeros(len(k)), where=value > 0)
    peak = int(np.argmax(value))
    return Marks(
        threshold,
        _first_crossing(k, value, value * np.exp(-SIGNIFICANT * relative), threshold),
        float(k[peak]),
        float(value[peak]),
        peak == len(k) - 1,
        _decline(k[peak:], value[peak:], error[peak:]),
    )


def _first_crossing(k, value, surely, threshold):
    """k where a boost passes the threshold on the way to its first significant row, between rows in logarithms."""
    significant = np.flatnonzero(surely > threshold)
    if not len(significant):
        return None
    below = np.flatnonzero(value[: significant[0]] <= threshold)
    if not len(below):
        return float(k[0])
    pair = slice(below[-1], below[-1] + 2)
    if value[below[-1]] == 0:
        return float(k[below[-1] + 1])
    return float(np.exp(np.interp(np.log(threshold), np.log(value[pair]), np.log(k[pair]))))


def _decline(k, value, error):
    """Least-squares slope of ln value against ln k."""
    rows = value > 0
    if np.count_nonzero(rows) < 3:
        return None
    weight = np.ones(np.count_nonzero(rows))
    if np.all(error[rows] > 0):
        weight = (value[rows] / error[rows]) ** 2
    x, y = np.log(k[rows]), np.log(value[rows])
    x, y = (each - np.average(each, weights=weight) for each in (x, y))
    return float(np.sum(weight * x * y) / np.sum(weight * x * x))


@dataclass(frozen=True)
class Agreement:
    """chi_squared of a table about a model in ln boost, the number of its rows in it, and of those left out.

    Rows are left out beyond the Nyquist wavenumber, beyond the k of the model, and where the boost is 0. chi_squared is
    None for a table without errors; rms is the root mean square of ln(table/model).
    """

    chi_squared: float | None
    rms: float
    rows: int
    left_out: int


def agreement(table: Boost, model: Boost, correlation=None) -> Agreement:
    """How a table and a model agree.

    correlation  of the errors of the rows of the table, as for fit_m22
    Raises InputError where they are ratios of different things or at different redshifts, and where no row is in the
    range of the model.
    """
    check_same_ratio(table, model)
    known = model.k[~model.beyond_nyquist]
    if not len(known):
        raise InputError(f"{model.label}: all rows are beyond the Nyquist wavenumber")
    return _Rows.of(table, known[0], known[-1], 1, correlation).agreement(model)


@dataclass(frozen=True, eq=False)
class BoostGrid:
    """Boosts at several boson masses, and between them: ln boost at k m22^(-scaling) is a cubic spline in ln m22.

    boosts   at least four, of increasing m22, of the same ratio and redshift, without zeros
    scaling  power of m22 with which wavenumbers grow: 1/2 for the ground state of a filament and for Jeans'
             wavenumber, 1 for a de Broglie wavelength
    Raises InputError for boosts that are not these.
    """

    boosts: tuple[Boost, ...]
    scaling: float = 0.5
    _splines: tuple[CubicSpline, ...] = field(init=False, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "boosts", tuple(self.boosts))
        if len(self.boosts) < LEAST_GRID:
            raise InputError(f"{len(self.boosts)} boosts: must be at least {LEAST_GRID} for a grid of m22")
        if not np.isfinite(self.scaling):
            raise InputError(f"scaling = {self.scaling:g}: must be finite")
        known, given = self._masses, ", ".join(str(each.m22) for each in self.boosts)
        if len(known) < len(self.boosts) or known[0] <= 0 or np.any(np.diff(known) <= 0):
            raise InputError(f"m22 = {given} of a grid: must be known, positive and increasing")
        for each in self.boosts:
            check_same_ratio(self.boosts[0], each)
            if len(each.k) < 2 or np.any(each.boost <= 0):
                raise InputError(f"{each.label}: must have two or more rows, all positive, to be in a grid of m22")
        splines = tuple(CubicSpline(np.log(each.k), np.log(each.boost)) for each in self.boosts)
        object.__setattr__(self, "_splines", splines)

    @property
    def m22_range(self) -> tuple[float, float]:
        """First and last m22 of the grid."""
        return self._masses[0], self._masses[-1]

    @property
    def _masses(self) -> list[float]:
        """m22 of the boosts, which are all known."""
        return [each.m22 for each in self.boosts if each.m22 is not None]

    def __call__(self, m22: float) -> Boost:
        """The boost of an m22 within the grid, where all boosts of the grid have k m22^(-scaling); else InputError."""
        first, last = self.m22_range
        if not first * (1 - SAME) <= m22 <= last * (1 + SAME):
            raise InputError(f"m22 = {m22:g}: must be in [{first:g}, {last:g}], the masses of the grid")
        log_masses = np.log(self._masses)
        shift = self.scaling * (log_masses - np.log(m22))  # of ln k, from this m22 to those of the grid
        low = max(np.log(each.k[0]) - step for each, step in zip(self.boosts, shift, strict=True))
        high = min(np.log(each.k[-1]) - step for each, step in zip(self.boosts, shift, strict=True))
        if low >= high:
            raise InputError(f"m22 = {m22:g}: no k m22^(-{self.scaling:g}) that all boosts of the grid have")
        log_k = np.linspace(low, high, GRID_ROWS)
        values = [spline(log_k + step) for spline, step in zip(self._splines, shift, strict=True)]
        log_boost = CubicSpline(log_masses, np.array(values))(np.log(m22))
        example = self.boosts[0]
        return Boost(
            np.exp(log_k),
            np.exp(log_boost),
            example.numerator,
            example.denominator,
            redshift=example.redshift,
            m22=m22,
            source=f"between {len(self.boosts)} m22 in [{first:g}, {last:g}]",
        )


@dataclass(frozen=True)
class MassFit:
    """The m22 that fits a table best.

    m22          best, or the end of the range that fits best
    bound        "" for a fit; "lower" where the best is at the upper end of the range, so that m22 is at least that;
                 "upper" where it is at the lower end
    standard_error  one standard deviation of m22, from the curvature of chi-squared at m22; None for a bound
    interval     that holds m22 with 95 %: where chi-squared has risen by 3.84; 0 or infinity where it does not rise so
                 much within the range. None for a bound
    agreement    of the table with the model of m22
    """

    m22: float
    bound: str
    standard_error: float | None
    interval: tuple[float, float] | None
    agreement: Agreement

    @property
    def text(self) -> str:
        """One line."""
        quality = f"rms of ln boost {self.agreement.rms:.2g}"
        if self.agreement.chi_squared is not None:
            quality = f"chi-squared {self.agreement.chi_squared:.3g}"
        quality += f", {self.agreement.rows} rows"
        if self.interval is None:
            sign, end = (">=", "upper") if self.bound == "lower" else ("<=", "lower")
            return f"m22 {sign} {self.m22:.4g}: a bound, the best fit is at the {end} end of the models ({quality})"
        low, high = self.interval
        return f"m22 = {self.m22:.4g} +- {self.standard_error:.2g} (95 %: {low:.4g} to {high:.4g}; {quality})"


def fit_m22(
    model: Callable[[float], Boost],
    table: Boost,
    m22_min: float | None = None,
    m22_max: float | None = None,
    correlation=None,
) -> MassFit:
    """Least squares in m22 of ln boost, each row weighted with its error; with the same weight where there are none.

    The standard error is from the curvature, sigma^2 = 2/(d^2 chi^2/d(ln m22)^2), the interval from chi-squared itself:
    where rows are correlated it is no parabola, and 1.96 standard errors hold less than 95 %. Without errors the
    scatter of the rows about the best model takes their place.

    model    m22 -> Boost of the ratio of the table; a BoostGrid, say
    m22_min, m22_max  between which it is looked for; the range of a BoostGrid by default
    correlation  of the errors of ln boost, shape (rows, rows) of the table; rows are independent where not given.
                 Modes of a large box are; the fringes of few filaments are not, not even at k far apart, and the
                 error is then too small without it
    Rows that not all models have are left out of all.
    Raises InputError for a range that is none, ratios of different things, redshifts that differ, an error that is
    zero, a correlation that is none, and fewer than two rows.
    """
    masses = _masses_between(model, m22_min, m22_max)
    models = [model(float(m22)) for m22 in masses]
    check_same_ratio(table, models[0])
    low, high = max(each.k[0] for each in models), min(each.k[-1] for each in models)
    data = _Rows.of(table, low, high, 2, correlation)

    def squares(log_m22):
        return data.squares(model(float(np.clip(np.exp(log_m22), masses[0], masses[-1]))))

    first, *_, last = np.log(masses).tolist()
    at, bound = _minimum(squares, np.log(masses), [data.squares(each) for each in models])
    m22, least, error, interval = float(np.clip(np.exp(at), masses[0], masses[-1])), squares(at), None, None
    if not bound:
        unit = 1.0 if table.error is not None else least / (len(data.k) - 1)
        step = min(STEP * (last - first), at - first, last - at)
        curvature = (squares(at + step) - 2 * least + squares(at - step)) / step**2
        if not curvature > 0:
            raise InputError(f"{table.label}: the model does not depend on m22 at its k: nothing to fit")
        error = m22 * float(np.sqrt(2 * unit / curvature))
        interval = _interval(squares, at, least + RISE_95 * unit, first, last)
    return MassFit(m22, bound, error, interval, data.agreement(model(m22)))


def _minimum(squares, log_masses, scanned):
    """ln m22 of the least sum of squares, and the bound that it is if it is at an end of the range."""
    best = int(np.argmin(scanned))
    around = log_masses[max(best - 1, 0)], log_masses[min(best + 1, len(log_masses) - 1)]
    at = float(minimize_scalar(squares, bounds=around, method="bounded", options={"xatol": 1e-6}).x)
    margin = AT_END * (log_masses[-1] - log_masses[0])
    if at < log_masses[0] + margin:
        return float(log_masses[0]), "upper"
    if at > log_masses[-1] - margin:
        return float(log_masses[-1]), "lower"
    return at, ""


def _interval(squares, at, level, first, last):
    """m22 on both sides of a minimum where the sum of squares reaches a level; 0 or infinity where it does not."""
    ends = []
    for end, beyond in ((first, 0.0), (last, np.inf)):
        reaches = squares(end) > level
        ends.append(float(np.exp(brentq(lambda x: squares(x) - level, at, end, xtol=1e-6))) if reaches else beyond)
    return tuple(ends)


def _masses_between(model, m22_min, m22_max):
    """The m22 that are tried first."""
    if isinstance(model, BoostGrid):
        first, last = model.m22_range
        m22_min, m22_max = first if m22_min is None else m22_min, last if m22_max is None else m22_max
    if m22_min is None or m22_max is None or not 0 < m22_min < m22_max < np.inf:
        raise InputError(f"m22_min = {m22_min}, m22_max = {m22_max}: must be positive, and the second the larger")
    masses = np.geomspace(m22_min, m22_max, SCAN)
    masses[[0, -1]] = m22_min, m22_max
    return masses


def check_same_ratio(table: Boost, model: Boost):
    """InputError unless both are ratios of the same things, at the same redshift where it is known."""
    if table.name != model.name:
        raise InputError(f"{table.name} and {model.name}: must be ratios of the same things to be compared")
    if table.redshift is None or model.redshift is None:
        return
    if abs(table.redshift - model.redshift) > DIFFERENCES["redshift"] * (1 + model.redshift):
        raise InputError(
            f"{table.name}: redshift = {table.redshift:g} and {model.redshift:g}: must be the same to be compared"
        )


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a table that are compared.

    k, log_boost  shape (rows,);  root  lower triangular, root root^T the covariance of log_boost, shape (rows, rows)
    has_errors    whether the covariance is known;  left_out  number of other rows
    """

    k: np.ndarray
    log_boost: np.ndarray
    root: np.ndarray
    has_errors: bool
    left_out: int

    @classmethod
    def of(cls, table, low, high, least, correlation):
        """Rows between two k; InputError for fewer than least, an error that is zero, a correlation that is none."""
        within = (table.k >= low * (1 - SAME)) & (table.k <= high * (1 + SAME))
        rows = within & ~table.beyond_nyquist & (table.boost > 0)
        number, has_errors = int(np.count_nonzero(rows)), table.error is not None
        if number < least:
            raise InputError(
                f"{table.label}: {number} rows in [{low:g}, {high:g}] h/Mpc, the range of the model, that are positive "
                f"and not beyond the Nyquist wavenumber: must be {least} or more"
            )
        k, boost, relative = table.k[rows], table.boost[rows], np.ones(number)
        if has_errors:
            for value in k[table.error[rows] == 0][:1]:
                raise InputError(f"{table.label}: error = 0 at k = {value:g} h/Mpc: must be positive to be compared")
            relative = table.error[rows] / boost
        matrix = np.eye(len(rows)) if correlation is None else _checked_correlation(correlation, len(rows))
        root = np.linalg.cholesky(matrix[np.ix_(rows, rows)]) * relative[:, None]
        return cls(k, np.log(boost), root, has_errors, len(rows) - number)

    def difference(self, model):
        """ln(table/model); ln of the model is a cubic spline in ln k."""
        if len(model.k) < 2 or np.any(model.boost <= 0):
            raise InputError(f"{model.label}: must have two or more rows, all positive, to be a model")
        of_model = CubicSpline(np.log(model.k), np.log(model.boost))
        return self.log_boost - of_model(np.log(np.clip(self.k, model.k[0], model.k[-1])))

    def squares(self, model):
        """chi-squared of a model."""
        return float(np.sum(solve_triangular(self.root, self.difference(model), lower=True) ** 2))

    def agreement(self, model):
        """With a model."""
        rms = float(np.sqrt(np.mean(self.difference(model) ** 2)))
        return Agreement(self.squares(model) if self.has_errors else None, rms, len(self.k), self.left_out)


def _checked_correlation(correlation, rows):
    """The matrix; InputError unless it is a correlation."""
    matrix = np.asarray(correlation, float)
    if matrix.shape != (rows, rows):
        raise InputError(f"correlation of shape {matrix.shape}: must be ({rows}, {rows}), the rows of the table")
    good = np.all(np.isfinite(matrix)) and np.allclose(matrix, matrix.T) and np.allclose(np.diag(matrix), 1)
    if not good or np.linalg.eigvalsh(matrix)[0] <= 0:
        raise InputError("correlation: must be symmetric and positive definite, with 1 on its diagonal")
    return matrix
