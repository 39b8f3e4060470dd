"""Features of a boost: where it detaches from 1, where it peaks and how high, and its slope from there on."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .boost import Boost
from .single_filament import DETACHED

SIGNIFICANT = 2.0  # standard deviations of ln boost above the threshold from which an excess counts


@dataclass(frozen=True)
class Features:
    """Features of a boost; wavenumbers in h/Mpc, each None where there is none.

    threshold  boost above which it counts as detached
    k_detach   where the boost first exceeds the threshold, on the way to the first row that does so significantly; the
               first k where it does so from the start
    k_peak     of the largest boost;  height  the boost there
    at_end     whether the largest boost is in the last row: the peak is then not known
    slope      mean d ln boost/d ln k from the peak on, a least-squares fit; None for fewer than three rows
    """

    threshold: float
    k_detach: float | None
    k_peak: float
    height: float
    at_end: bool
    slope: float | None

    @property
    def text(self) -> str:
        """Where the boost detaches, its largest value, and how it falls from there."""
        detach = "does not detach"
        if self.k_detach is not None:
            detach = f"detaches ({self.threshold:g} times) at {self.k_detach:.4g} h/Mpc"
        end = ", its last row" if self.at_end else ""
        slope = "" if self.slope is None else f", then falls with slope {self.slope:.3g}"
        return f"{detach}, largest {self.height:.4g} at {self.k_peak:.4g} h/Mpc{end}{slope}"


def boost_features(boost: Boost, threshold: float = DETACHED) -> Features:
    """The features of a boost, from the rows that are beyond no limit (Boost.good).

    An excess is significant where ln(boost/threshold) is above twice its error; without errors, everywhere.
    Raises InputError for a threshold that is not above 1, and where no row is left.
    """
    if not (threshold > 1 and np.isfinite(threshold)):
        raise InputError(f"threshold = {threshold:g}: must be above 1, the boost without an effect")
    rows = boost.good
    if not rows.any():
        raise InputError(f"{boost.label}: all rows are {boost.limits}")
    k, value = boost.k[rows], boost.boost[rows]
    error = np.zeros(len(k)) if boost.error is None else boost.error[rows]
    relative = np.divide(error, value, out=np.zeros(len(k)), where=value > 0)
    peak = int(np.argmax(value))
    return Features(
        threshold,
        _first_crossing(k, value, value * np.exp(-SIGNIFICANT * relative), threshold),
        float(k[peak]),
        float(value[peak]),
        peak == len(k) - 1,
        _mean_slope(k[peak:], value[peak:], error[peak:]),
    )


def _first_crossing(k: NDArray, value: NDArray, lower_bound: NDArray, threshold: float) -> float | None:
    """k where a boost passes the threshold on the way to its first significant row, between rows in logarithms."""
    significant = np.flatnonzero(lower_bound > threshold)
    if not len(significant):
        return None
    below = np.flatnonzero(value[: significant[0]] <= threshold)
    if not len(below):
        return float(k[0])
    pair = slice(below[-1], below[-1] + 2)
    if value[below[-1]] == 0:
        return float(k[below[-1] + 1])
    return float(np.exp(np.interp(np.log(threshold), np.log(value[pair]), np.log(k[pair]))))


def _mean_slope(k: NDArray, value: NDArray, error: NDArray) -> float | None:
    """Least-squares slope of ln value against ln k."""
    rows = value > 0
    if np.count_nonzero(rows) < 3:
        return None
    weight = np.ones(np.count_nonzero(rows))
    if np.all(error[rows] > 0):
        weight = (value[rows] / error[rows]) ** 2
    x, y = (np.log(values[rows]) for values in (k, value))
    x, y = (values - np.average(values, weights=weight) for values in (x, y))
    return float(np.sum(weight * x * y) / np.sum(weight * x * x))
