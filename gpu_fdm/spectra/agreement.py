"""How a table of a boost and a model agree: chi-squared and root mean square of ln(table/model).

All is in ln boost: what scatters is a power, in proportion to itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.linalg import solve_triangular

from ..errors import InputError
from .boost import DIFFERENCES, LIMITS, Boost, same_object
from .spectrum import SAME


@dataclass(frozen=True)
class Agreement:
    """chi_squared of a table about a model in ln boost, the number of its rows in it, and of those left out.

    Rows are left out beyond a limit (Boost.good), beyond the k of the model, and where the boost is 0. chi_squared is
    None for a table without errors; rms is the root mean square of ln(table/model).
    """

    chi_squared: float | None
    rms: float
    rows: int
    left_out: int

    def text(self, table: Boost) -> str:
        """How they agree, in words."""
        words = f"rms of ln(table/model) {self.rms:.3g} over {self.rows} rows"
        if self.chi_squared is not None:
            words += f", chi-squared {self.chi_squared:.4g}"
        if self.left_out:
            why = " or ".join(filter(None, ("out of the model's range", table.limits)))
            words += f" ({self.left_out} rows are {why})"
        return words


@dataclass(frozen=True)
class RowAgreement:
    """A row of a table beside a model: k [h/Mpc], both boosts, and their difference in ln over its error.

    pull  of the row from what the model and all other rows make of it: where rows are independent, ln(table/model) over
          the error of the row; in units of 1 for a table without errors
    """

    k: float
    table: float
    model: float
    pull: float


def agreement(table: Boost, model: Boost, correlation: ArrayLike | None = None) -> Agreement:
    """How a table and a model agree.

    correlation  of the errors of ln boost, shape (rows, rows) of the table; rows are independent where not given
    Raises InputError where they are ratios of different things or at different redshifts, and where no row is in the
    range of the model.
    """
    check_same_ratio(table, model)
    known = model.k[model.good]
    if not len(known):
        raise InputError(f"{model.label}: all rows are {model.limits}")
    return ComparedRows.between(table, known[0], known[-1], 1, correlation).agreement(model)


def check_same_ratio(table: Boost, model: Boost) -> None:
    """InputError unless both are ratios of the same things, of the same object and redshift where they are known."""
    if table.name != model.name:
        raise InputError(f"{table.name} and {model.name}: must be ratios of the same things to be compared")
    if not same_object(table, model):
        raise InputError(f"{table.name}: of {table.object} and of {model.object}: must be the same to be compared")
    if table.redshift is None or model.redshift is None:
        return
    if abs(table.redshift - model.redshift) > DIFFERENCES["redshift"] * (1 + model.redshift):
        raise InputError(
            f"{table.name}: redshift = {table.redshift:g} and {model.redshift:g}: must be the same to be compared"
        )


@dataclass(frozen=True, eq=False)
class ComparedRows:
    """The rows of a table that are compared with models.

    k, log_boost  shape (rows,);  root  lower triangular, root root^T the covariance of log_boost, shape (rows, rows)
    has_errors    whether the covariance is known;  left_out  number of other rows
    """

    k: NDArray
    log_boost: NDArray
    root: NDArray
    has_errors: bool
    left_out: int

    @classmethod
    def between(
        cls, table: Boost, low: float, high: float, least: int, correlation: ArrayLike | None
    ) -> "ComparedRows":
        """Rows between two k [h/Mpc].

        Raises InputError for fewer than `least`, an error that is zero, a matrix that is no correlation.
        """
        within = (table.k >= low * (1 - SAME)) & (table.k <= high * (1 + SAME))
        rows = within & table.good & (table.boost > 0)
        number = int(np.count_nonzero(rows))
        if number < least:
            limits = table.limits or LIMITS["beyond_nyquist"]
            raise InputError(
                f"{table.label}: {number} rows in [{low:g}, {high:g}] h/Mpc, the range of the model, that are positive "
                f"and not {limits}: must be {least} or more"
            )
        k, boost, relative = table.k[rows], table.boost[rows], np.ones(number)
        if table.error is not None:
            for value in k[table.error[rows] == 0][:1]:
                raise InputError(f"{table.label}: error = 0 at k = {value:g} h/Mpc: must be positive to be compared")
            relative = table.error[rows] / boost
        matrix = np.eye(len(rows)) if correlation is None else _checked_correlation(correlation, len(rows))
        root = np.linalg.cholesky(matrix[np.ix_(rows, rows)]) * relative[:, None]
        return cls(k, np.log(boost), root, table.error is not None, len(rows) - number)

    def difference(self, model: Boost) -> NDArray:
        """ln(table/model), shape (rows,); ln of the model is a cubic spline in ln k."""
        if len(model.k) < 2 or np.any(model.boost <= 0):
            raise InputError(f"{model.label}: must have two or more rows, all positive, to be a model")
        log_model = CubicSpline(np.log(model.k), np.log(model.boost))
        return self.log_boost - log_model(np.log(np.clip(self.k, model.k[0], model.k[-1])))

    def chi_squared(self, model: Boost) -> float:
        """Sum of squares of the differences over their errors; errors are 1 where the table has none."""
        return float(np.sum(solve_triangular(self.root, self.difference(model), lower=True) ** 2))

    def disagreeing(self, model: Boost, number: int) -> tuple[RowAgreement, ...]:
        """The rows that disagree most with a model, the worst first."""
        difference = self.difference(model)
        inverse = solve_triangular(self.root, np.eye(len(self.k)), lower=True)
        inverse = inverse.T @ inverse  # of the covariance
        pulls = inverse @ difference / np.sqrt(np.diag(inverse))
        values = np.exp(self.log_boost)
        columns = self.k, values, values * np.exp(-difference), pulls
        worst = np.argsort(-np.abs(pulls), kind="stable")[:number]
        return tuple(RowAgreement(*row) for row in np.array(columns).T[worst].tolist())

    def agreement(self, model: Boost) -> Agreement:
        """How these rows agree with a model."""
        rms = float(np.sqrt(np.mean(self.difference(model) ** 2)))
        return Agreement(self.chi_squared(model) if self.has_errors else None, rms, len(self.k), self.left_out)


def _checked_correlation(correlation: ArrayLike, rows: int) -> NDArray:
    """The matrix; InputError unless it is a correlation."""
    matrix = np.asarray(correlation, float)
    if matrix.shape != (rows, rows):
        raise InputError(f"correlation of shape {matrix.shape}: must be ({rows}, {rows}), the rows of the table")
    good = np.all(np.isfinite(matrix)) and np.allclose(matrix, matrix.T) and np.allclose(np.diag(matrix), 1)
    if not good or np.linalg.eigvalsh(matrix)[0] <= 0:
        raise InputError("correlation: must be symmetric and positive definite, with 1 on its diagonal")
    return matrix
