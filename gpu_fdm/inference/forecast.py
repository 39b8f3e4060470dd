"""How well P(k) of given errors would tell the boson mass: Fisher matrices, with and without interference.

    F_ij = sum over bins of (d ln P/d theta_i) (d ln P/d theta_j) / error^2 + 1/prior^2,      sigma^2 = (F^-1)_ii

for independent bins of equal width in ln k and the same relative error of P each, about a fiducial prediction, with
theta = ln m22 and any of ln10As, n_s, ln mass_min, ln filament_fraction. Without interference P has the smooth density
of the filaments alone. Against warm dark matter of the same half mode, whose mass, A_s and n_s are fitted again: the
least chi-squared between P of FDM and P of WDM.
"""

from collections.abc import Mapping

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.optimize import least_squares

from ..errors import InputError
from ..quantities import takes, takes_numbers
from .prediction import Predicted, Prediction

STEP = 1e-3  # of ln m22 and the like, for derivatives
FREE = ("ln10As", "n_s", "mass_min", "filament_fraction")  # what may be free beside m22
WDM_RANGE = 10.0  # factor by which the half mode, and what has no prior, may differ from that of FDM
MOST_STEPS = 40  # of each search
WDM_STARTS = 0.5, 1.0, 2.0  # boson masses of the half mode from which that of WDM is searched, over that of FDM
_WALL = 1e4  # pull of every bin where there is no prediction
LOGARITHMS = ("mass_min", "filament_fraction")  # those that are varied by factors
LEFT_OUT = "HBVC"  # beside every number
CAVEATS = (
    "leaves out haloes (H), baryons (B), the cosmic variance of single bins (V) and correlations between them (C): "
    "not what a survey will measure"
)


@takes(k_min="h/Mpc", k_max="h/Mpc")
@frozen
class Bins:
    """Bins of P(k): first and last k [h/Mpc], width in ln k, relative error of P in each."""

    k_min: float
    k_max: float
    width: float = 0.14
    error: float = 0.05

    def __attrs_post_init__(self) -> None:
        if not 0 < self.k_min < self.k_max < np.inf:
            raise InputError(f"k_min = {self.k_min:g}, k_max = {self.k_max:g}: must be positive, the second the larger")
        if not 1e-3 <= self.width <= np.log(self.k_max / self.k_min):
            most = np.log(self.k_max / self.k_min)
            raise InputError(f"width = {self.width:g}: must be in [0.001, {most:.3g}], the range in ln k")
        if not 0 < self.error < 1:
            raise InputError(f"error = {self.error:g}: must be in (0, 1)")

    @property
    def k(self) -> NDArray:
        """k at which P is measured [h/Mpc], shape (bins,): k_min exp(width i) up to k_max."""
        number = int(np.log(self.k_max / self.k_min) / self.width + 1e-9) + 1
        return self.k_min * np.exp(self.width * np.arange(number))


@takes_numbers
@frozen(eq=False)
class Forecast:
    """Standard deviations of ln m22 of one boson mass, and chi-squared between FDM and WDM.

    with_fringes, without  standard deviations with and without interference
    against_wdm, against_wdm_without  least chi-squared between P of FDM, with and without interference, and WDM
    """

    m22: float
    with_fringes: float
    without: float
    against_wdm: float
    against_wdm_without: float


@takes(m22="1e-22 eV")
def forecast(prediction: Prediction, bins: Bins, m22: float, priors: Mapping[str, float]) -> Forecast:
    """What P(k) in bins, at whose k the prediction is made, would tell of a boson mass.

    priors  standard deviations of what is free beside ln m22: ln10As, n_s, and of ln of mass_min, filament_fraction;
            infinite for no prior
    The lower mass of the window is not fitted with WDM, whose filaments have none of the fringes that it is mixed with.
    Raises InputError for a prediction at other k, and where Prediction does.
    """
    if not np.array_equal(prediction.k, bins.k):
        raise InputError("prediction: must be made at the k of the bins: Prediction.of(config, k=bins.k)")
    for name, value in priors.items():
        if name not in FREE or not value > 0:
            raise InputError(f"prior of {name}, {value:g}: must be > 0, of one of {', '.join(FREE)}")
    sigma = [standard_deviation(prediction, bins, m22, priors, smooth) for smooth in (False, True)]
    chi_squared = [against_wdm(prediction, bins, m22, priors, smooth) for smooth in (False, True)]
    return Forecast(m22, *sigma, *chi_squared)


def _log_power(predicted: Predicted, smooth: bool) -> NDArray:
    """ln P of matter, shape (k,)."""
    return np.log(predicted.matter("smooth") if smooth else predicted.matter_fdm)


def fisher_matrix(
    prediction: Prediction, bins: Bins, m22: float, priors: Mapping[str, float], smooth: bool = False
) -> NDArray:
    """The Fisher matrix of ln m22 and of what is free, in their order, shape (parameters, parameters).

    smooth  whether P is that without interference
    """
    columns = [_slope(prediction, m22, "m22", smooth)] + [_slope(prediction, m22, name, smooth) for name in priors]
    slopes = np.array(columns).T / bins.error
    return slopes.T @ slopes + np.diag([0.0, *(value**-2.0 for value in priors.values())])


def standard_deviation(
    prediction: Prediction, bins: Bins, m22: float, priors: Mapping[str, float], smooth: bool = False
) -> float:
    """That of ln m22, all else free within its prior; infinite where the matrix is singular."""
    matrix = fisher_matrix(prediction, bins, m22, priors, smooth)
    scale = np.sqrt(np.diag(matrix))
    if np.any(scale == 0) or np.linalg.cond(matrix / np.outer(scale, scale)) > 1 / np.finfo(float).eps:
        return np.inf
    return float(np.sqrt(np.linalg.inv(matrix)[0, 0]))


def _fiducial(prediction: Prediction, name: str) -> float:
    section = prediction.prepared.section
    if name == "filament_fraction":
        return 1.0
    if name == "mass_min":
        return section.mass_min
    return getattr(prediction.prepared.power, name) or 0.0  # 0 for a table, for which a prediction refuses them


def _predicted(prediction: Prediction, m22: float, values: Mapping[str, float]) -> Predicted:
    """The prediction of some parameters; n_s changes at the same A_s, also where the ini has sigma8."""
    if "n_s" in values:
        values = {"ln10As": _fiducial(prediction, "ln10As"), **values}
    return prediction(m22, **values)


def _moved(prediction: Prediction, name: str, step: float) -> float:
    """A parameter of the fiducial model moved by a step, of its ln for LOGARITHMS."""
    value = _fiducial(prediction, name)
    return float(value * np.exp(step)) if name in LOGARITHMS else value + step


def _slope(prediction: Prediction, m22: float, name: str, smooth: bool) -> NDArray:
    """d ln P / d theta by central differences, shape (k,)."""
    sides = []
    for step in (STEP, -STEP):
        if name == "m22":
            sides.append(_log_power(prediction(m22 * np.exp(step)), smooth))
        else:
            sides.append(_log_power(_predicted(prediction, m22, {name: _moved(prediction, name, step)}), smooth))
    return (sides[0] - sides[1]) / (2 * STEP)


def against_wdm(
    prediction: Prediction, bins: Bins, m22: float, priors: Mapping[str, float], smooth: bool = False
) -> float:
    """Least chi-squared between P of FDM and P of WDM, whose half mode (as a boson mass), A_s and n_s are fitted."""
    priors = {name: value for name, value in priors.items() if name != "mass_min"}
    truth, widths = _log_power(prediction(m22), smooth), np.array(list(priors.values()))
    units = np.where(np.isfinite(widths), widths, 1.0)

    def exact(point: NDArray) -> NDArray:
        moves = dict(zip(priors, point[1:] * units, strict=True))
        values = {name: _moved(prediction, name, move) for name, move in moves.items()}
        warm = _predicted(prediction, m22, values).bosons[0].universe.boson(float(np.exp(point[0]))).warm
        model = np.log(warm.linear + warm.classical)
        return np.concatenate([(model - truth) / bins.error, point[1:] * units / widths])

    def pulls(point: NDArray) -> NDArray:
        try:
            return exact(point)
        except InputError:  # what is free may go where no prediction is, and comes back
            return np.full(len(truth) + len(priors), _WALL)

    def jacobian(point: NDArray) -> NDArray:
        columns = []
        for step in STEP * np.eye(len(point)):
            sides = []
            for sign in (1, -1):
                try:
                    sides.append((sign, exact(point + sign * step)))
                except InputError:
                    sides.append((0, exact(point)))
            (high, above), (low, below) = sides
            columns.append((above - below) / (max(high - low, 1) * STEP))
        return np.array(columns).T

    # a factor of all filaments that is free could make up for any half mode
    least, reach = np.inf, np.array([np.log(WDM_RANGE), *np.where(np.isfinite(widths), np.inf, np.log(WDM_RANGE))])
    for factor in WDM_STARTS:
        start = np.array([np.log(m22 * factor), *np.zeros(len(priors))])
        bounds = start - reach, start + reach
        found = least_squares(pulls, start, jacobian, bounds=bounds, x_scale="jac", max_nfev=MOST_STEPS)
        least = min(least, float(2 * found.cost))
    return least
