"""The posterior of ln m22 and of nuisance parameters: priors times the likelihood of tables, and its maximum."""

from functools import cached_property

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares
from scipy.special import chdtrc

from ..config.fit_section import LOGARITHMIC, PARAMETERS, FitSection
from ..config.priors import Prior
from ..errors import InputError
from ..parallel.blas import on_one_thread
from ..quantities import takes, takes_numbers
from ..spectra.fit import LEAST_P
from ..values import brief
from .likelihood import Likelihood

SCAN = 41  # values of ln m22 at which the posterior is computed first
REFINED = 3  # maxima of the scan that are refined
STEP = 1e-3  # of the differences that give derivatives, in standard deviations of a prior
_WALL = 1e3  # the pull of every row where there is no prediction, in the search of a maximum
_HALVINGS = 12


@brief
@takes_numbers
@frozen(eq=False)
class Posterior:
    """A posterior density of parameters.

    likelihood  of the tables
    priors      by parameter, in the order of PARAMETERS; the density is that of ln x for those of LOGARITHMIC
    fixed       values of the other parameters, as a prediction takes them
    """

    likelihood: Likelihood
    priors: dict[str, Prior]
    fixed: dict[str, float]

    @classmethod
    @takes()
    def of(cls, likelihood: Likelihood, section: FitSection) -> "Posterior":
        """The posterior with the priors of [fit], FitSection() say; InputError where nothing is free."""
        known = {name: getattr(section, name) for name in PARAMETERS}
        held = {name: prior.first for name, prior in known.items() if prior is not None and prior.is_fixed}
        return cls(likelihood, free_of(section), held)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of what is sampled: ln_m22, filament_fraction, ln10As, n_s, ln_mass_min, omega_m, if free."""
        return tuple(f"ln_{name}" if name in LOGARITHMIC else name for name in self.priors)

    def values(self, point: ArrayLike) -> dict[str, float]:
        """Parameters as a prediction takes them, of a point, shape (parameters,)."""
        numbers = dict(zip(self.priors, self._rows(point, 1).tolist(), strict=True))
        exponents = {name: float(np.exp(value)) for name, value in numbers.items() if name in LOGARITHMIC}
        known = self.fixed | numbers | exponents
        return {name: known[name] for name in PARAMETERS if name in known}

    def log_prior(self, points: ArrayLike) -> NDArray:
        """ln of the prior density of points, shape (..., parameters); shape (...)."""
        points = self._rows(points)
        return sum(prior.log_density(points[..., i]) for i, prior in enumerate(self.priors.values()))

    def _rows(self, points: ArrayLike, dimensions: int | None = None) -> NDArray:
        """Points as an array of a number of dimensions; InputError unless they have a number for each parameter."""
        rows = np.asarray(points, float)
        if rows.ndim == 0 or rows.shape[-1] != len(self.priors) or dimensions not in (None, rows.ndim):
            names = ", ".join(self.names)
            raise InputError(f"point of shape {rows.shape}: must have {len(self.priors)} numbers, {names}")
        return rows

    def log_density(self, point: ArrayLike) -> float:
        """ln of the posterior density of a point, but for a constant; -inf where the prior is 0.

        Raises InputError where there is no prediction: beyond the table of similarity, say.
        """
        point = self._rows(point, 1)
        prior = float(self.log_prior(point))
        return prior if prior == -np.inf else prior + self.likelihood(**self.values(point))

    def pulls(self, point: ArrayLike) -> NDArray:
        """Pulls of all rows and of the normal priors, which are measurements too, shape (rows + normal priors,)."""
        point = self._rows(point, 1)
        normal = [(point[i] - p.centre) / p.deviation for i, p in enumerate(self.priors.values()) if p.is_normal]
        return np.concatenate([self.likelihood.pulls(**self.values(point)), normal])

    @cached_property
    @on_one_thread  # matrices are small
    def best(self) -> "BestFit":
        """The maximum of the posterior.

        m22 is scanned with all other parameters at the centres of their priors; the best maxima are refined.
        Raises InputError where a uniform prior of m22 goes beyond what can be predicted.
        """
        starts = self._starts()
        found = [self._refined(start) for start in starts]
        return min(found, key=lambda fit: fit.chi_squared)

    def _starts(self) -> list[NDArray]:
        centre = np.array([prior.centre for prior in self.priors.values()])
        if "m22" not in self.priors:
            self.pulls(centre)
            return [centre]
        at = list(self.priors).index("m22")
        scanned = np.linspace(*self.priors["m22"].searched, SCAN)
        chi_squared, errors = np.full(SCAN, np.inf), {}
        for number, value in enumerate(scanned.tolist()):
            point = np.where(np.arange(len(centre)) == at, value, centre)
            try:
                chi_squared[number] = float(np.sum(self.pulls(point) ** 2))
            except InputError as error:
                errors[number] = error
        if errors and (not self.priors["m22"].is_normal or len(errors) == SCAN):
            raise self._uncovered(centre, at, scanned, np.isfinite(chi_squared), errors)
        padded = np.concatenate([[np.inf], chi_squared, [np.inf]])
        least = np.flatnonzero((chi_squared <= padded[:-2]) & (chi_squared <= padded[2:]) & np.isfinite(chi_squared))
        chosen = least[np.argsort(chi_squared[least])][:REFINED]
        return [np.where(np.arange(len(centre)) == at, scanned[number], centre) for number in chosen]

    def _uncovered(
        self, centre: NDArray, at: int, scanned: NDArray, covered: NDArray, errors: dict[int, InputError]
    ) -> InputError:
        """The error of a prior that goes beyond what can be predicted, with the masses that can."""
        error = next(iter(errors.values()))
        if not covered.any():
            return InputError(f"prior of m22, {self.priors['m22']}: {error}")

        def edge(inside: float, outside: float) -> float:
            for _ in range(_HALVINGS):
                middle = (inside + outside) / 2
                try:
                    self.pulls(np.where(np.arange(len(centre)) == at, middle, centre))
                    inside = middle
                except InputError:
                    outside = middle
            return inside

        first, last = np.flatnonzero(covered)[[0, -1]]
        low = edge(scanned[first], scanned[first - 1]) if first else scanned[0]
        high = edge(scanned[last], scanned[last + 1]) if last < SCAN - 1 else scanned[-1]
        can = f"log_uniform({np.ceil(1e3 * np.exp(low)) / 1e3:g}, {np.floor(1e3 * np.exp(high)) / 1e3:g})"
        return InputError(f"prior of m22, {self.priors['m22']}: {error}: {can} can be predicted")

    def _refined(self, start: NDArray) -> "BestFit":
        low, high = np.array([prior.ends for prior in self.priors.values()]).T
        scale = np.array([prior.deviation for prior in self.priors.values()])
        rows = len(self.pulls(start))

        def pulls(units: NDArray) -> NDArray:
            try:
                return self.pulls(np.clip(units * scale, low, high))
            except InputError:
                return np.full(rows, _WALL)

        def jacobian(units: NDArray) -> NDArray:
            return self.jacobian(np.clip(units * scale, low, high)) * scale

        inside = np.clip(start, np.nextafter(low, high), np.nextafter(high, low))
        found = least_squares(pulls, inside / scale, jacobian, bounds=(low / scale, high / scale), xtol=1e-10)
        point = np.clip(found.x * scale, low, high)
        slopes = self.jacobian(point)
        return BestFit(self, point, float(2 * found.cost), rows - len(scale), slopes.T @ slopes)

    def jacobian(self, point: ArrayLike) -> NDArray:
        """Derivatives of the pulls, shape (rows + normal priors, parameters), by differences within the priors."""
        point = self._rows(point, 1)
        here = self.pulls(point)
        columns = np.zeros((len(here), len(point)))
        for i, prior in enumerate(self.priors.values()):
            sides = []
            for step in (STEP * prior.deviation, -STEP * prior.deviation):
                moved = point.copy()
                moved[i] = np.clip(point[i] + step, *prior.ends)
                try:
                    sides.append((moved[i], self.pulls(moved)))
                except InputError:
                    sides.append((point[i], here))
            (above, upper), (below, lower) = sides
            if above > below:
                columns[:, i] = (upper - lower) / (above - below)
        return columns


def free_of(section: FitSection) -> dict[str, Prior]:
    """The priors of what is free, by parameter; InputError where nothing is."""
    known = {name: getattr(section, name) for name in PARAMETERS}
    free = {name: prior for name, prior in known.items() if prior is not None and not prior.is_fixed}
    if not free:
        raise InputError("[fit]: all parameters are fixed: must have a prior of m22, say")
    return free


@takes_numbers
@frozen(eq=False)
class BestFit:
    """The maximum of a posterior.

    point        shape (parameters,)
    chi_squared  of all rows and of the normal priors;  freedom  their number less that of the parameters
    information  inverse of the covariance of the parameters in the Gaussian approximation, without bounds,
                 shape (parameters, parameters)
    """

    posterior: Posterior
    point: NDArray
    chi_squared: float
    freedom: int
    information: NDArray

    def __repr__(self) -> str:
        return f"BestFit({self.text})"

    @property
    def values(self) -> dict[str, float]:
        """Parameters as a prediction takes them."""
        return self.posterior.values(self.point)

    @property
    def p_value(self) -> float | None:
        """Probability of a chi-squared as large or larger, if model and errors are right; None without freedom."""
        return float(chdtrc(self.freedom, self.chi_squared)) if self.freedom > 0 else None

    @property
    def p_in_words(self) -> str:
        """The p-value; empty where there is none."""
        if self.p_value is None:
            return ""
        return f"p = {self.p_value:.2g}" if self.p_value > 0 else "p < 1e-300"

    @property
    def fits(self) -> bool:
        """Whether the model describes the tables."""
        return self.p_value is None or self.p_value >= LEAST_P

    def cloud(self, number: int, seed: int) -> NDArray:
        """Points drawn from the Gaussian approximation within the priors, shape (number, parameters).

        Raises InputError where the posterior is so narrow at an end of a prior that none can be drawn.
        """
        posterior, random = self.posterior, np.random.default_rng(seed)
        priors = list(posterior.priors.values())
        # a uniform prior has a width too: what the tables do not tell is drawn from it
        information = self.information + np.diag([0.0 if prior.is_normal else prior.deviation**-2 for prior in priors])
        root = np.linalg.cholesky(np.linalg.inv(information))
        points: list[NDArray] = []
        for _ in range(1000 * number):
            point = self.point + root @ random.standard_normal(len(priors))
            try:
                if posterior.log_density(point) > -np.inf:
                    points.append(point)
            except InputError:
                continue
            if len(points) == number:
                return np.array(points)
        raise InputError(f"{', '.join(posterior.names)}: no walkers could be placed within the priors: widen them")

    @property
    def text(self) -> str:
        """Parameters, chi-squared and p-value in one line."""
        values = ", ".join(f"{name} = {value:.5g}" for name, value in self.values.items())
        quality = f"chi-squared {self.chi_squared:.4g}, {self.freedom} degrees of freedom"
        return f"{values} ({quality}{self.p_in_words and f', {self.p_in_words}'})"
