"""The table of spectra of filaments over nu and the ratio of length and radius, and the interpolation in it.

For each node of nu, infinity the last, and each Chebyshev point of 1/Lambda, Lambda = length a/r0, there are rows of
the three parts of P(k|M)/M^2, averaged over orientations and divided by the window w(k length). Their steepest factors
are taken out:

    ln A^2, ln C^2, ln(nu^2 S) + kappa^2, ln(I/S)  on ln q,  q = k r0/a
    ln(3 nu^2 I) + kappa^2                         on kappa = q/(2 nu)

    for beta > 0 also ln(A^2/I), ln(C^2/I), ln(S/I)

C is A completed with the mass beyond the energy cut, whose power is over all of the mass squared.

Below kappa = 0.4, where I and S nearly cancel, I follows from its ratio to S; above, from its own rows. For beta = 0
A falls as exp(-q); for beta > 0 it and S fall as I does, and follow from their ratios to it above kappa = 0.7. Rows are
interpolated by a cubic spline in nu^2/(1 + nu^2), in nu/(1 + nu) for beta > 0, by the Chebyshev polynomial in 1/Lambda,
and by four points of Lagrange in ln q and kappa.
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from ...errors import InputError
from ...parallel.backend import CPU, GPU
from ..axial import AxialWindow
from ..single_filament import orientation_averages
from . import limit
from .node import PlaneSpectrum, plane_spectrum
from .recipe import KAPPA, RATIOS, SHARPNESS, Q, Recipe

_LEAST = 1e-30  # of a part, as power over the mass squared, whose logarithm is in the table
LARGEST_KAPPA = 4.4  # of fringes: twice the largest momentum of states below the default cut is 4.3
_MOST = 50.0  # of a logarithm, so that what is not used does not overflow
_OWN_ROWS = 0.4  # kappa from which fringes are taken from their own rows
_RATIO_ROWS = 0.7  # kappa from which the other parts are taken from their ratios to fringes, for beta > 0
_STEP = 0.1  # between rows of the amplitude of the limit, over the inverse of its radius


@frozen(eq=False)
class SimilarityTable:
    """Rows by node of nu, point of 1/Lambda, and q or kappa.

    recipe         what the table is of, and its nodes
    nu             nodes, shape (nodes,), rising to infinity; for beta > 0 the last has C^2 alone
    weight_sum     sum w, shape (nodes,)
    rows           ln A^2, ln C^2, ln(nu^2 S) + kappa^2 and ln(I/S) at Q, ln(3 nu^2 I) + kappa^2 at KAPPA, one after
                   the other, and for beta > 0 the three ratios, shape (nodes, RATIOS, recipe.row_length)
    """

    recipe: Recipe
    nu: NDArray = field(converter=np.asarray)
    weight_sum: NDArray = field(converter=np.asarray)
    rows: NDArray = field(converter=np.asarray)

    def parts(self, nu: ArrayLike, ratio: ArrayLike, q: ArrayLike) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Smooth, interference, self term and completed, parts of P(k|M)/M^2, each of shape (filaments, k).

        The first three are over (sum w)^2. The last is the smooth part with all of the mass, one for k -> 0, as in
        SinglePower.completed.

        nu     of each filament, shape (filaments,);  ratio  of its length and r0/a, shape (filaments,)
        q      k r0/a, shape (filaments, k), positive; beyond kappa = 4.4 there are no fringes
        With fixed |a_nl| the spectrum is smooth + interference - self term. Raises InputError outside of the table.
        """
        nu, ratio, q = (np.asarray(values, float) for values in (nu, ratio, q))
        self.check(nu, ratio)
        least = float(np.max(np.min(q / (2 * nu[:, None]), axis=0), initial=0.0))
        if least > LARGEST_KAPPA:
            raise InputError(f"kappa = k/k_cut = {least:.4g}: must be at most {LARGEST_KAPPA:g}, where fringes end")
        of_ratio = _of_ratio(ratio, self.recipe.inverse_ratios)
        weight = (self._of_nu(nu)[:, :, None] * of_ratio[:, None, :]).reshape(len(nu), -1)
        kappa, squared = q / (2 * nu[:, None]), nu[:, None] ** 2
        log_q = np.log(q)
        ln_smooth, ln_completed, ln_self, ln_fringes = _at_q(weight, self._flat, log_q, range(4))
        window = np.exp(_log_window(log_q + np.log(ratio)[:, None]))
        damped = window * np.exp(-(kappa**2)) / squared * (kappa <= KAPPA[-1])
        # rows end where nothing is left of a part: what lies beyond is not used
        self_term = damped * np.exp(np.minimum(ln_self, _MOST))
        from_self = self_term * np.exp(np.clip(ln_fringes, 0.0, _MOST))
        position = np.minimum(kappa, KAPPA[-1]) / KAPPA[1]
        of_kappa = (weight @ self._flat[:, 4 * len(Q) :]).reshape(len(nu), -1, len(KAPPA)).swapaxes(0, 1)
        ln_alone, *ln_ratios = _lagrange(of_kappa, position)
        alone, own = damped / 3 * np.exp(ln_alone), kappa >= _OWN_ROWS
        smooth, completed = window * np.exp(ln_smooth), window * np.exp(ln_completed)
        if ln_ratios:
            at_kappa = [alone * np.exp(ratio) for ratio in ln_ratios]
            parts = zip(at_kappa, (smooth, completed, self_term), strict=True)
            smooth, completed, self_term = (np.where(kappa >= _RATIO_ROWS, above, below) for above, below in parts)
        return smooth, np.where(own, alone, from_self), self_term, completed

    def classical(self, ratio: ArrayLike, q: ArrayLike) -> NDArray:
        """P(k|M)/M^2 of filaments of particles, shape (filaments, k); arguments as for `parts`.

        The completed part at nu -> infinity is that of the profile itself.
        """
        ratio, q = np.asarray(ratio, float), np.asarray(q, float)
        self._check_ratio(ratio)
        of_ratio, log_q = _of_ratio(ratio, self.recipe.inverse_ratios), np.log(q)
        (completed,) = _at_q(of_ratio, self._flat[-RATIOS:], log_q, range(1, 2))
        return np.exp(completed + _log_window(log_q + np.log(ratio)[:, None]))

    def mass(self, nu: ArrayLike) -> NDArray:
        """sum w: line mass of the states over that of the filament, shape of nu."""
        return np.asarray(self._of_nu(np.atleast_1d(np.asarray(nu, float))) @ self.weight_sum).reshape(np.shape(nu))

    def _of_nu(self, nu: NDArray) -> NDArray:
        """Weights of the nodes, shape (filaments, nodes)."""
        return self._spline(self._rising(nu))

    def _rising(self, nu: NDArray) -> NDArray:
        """The variable of the spline: nu^2/(1 + nu^2), one at infinity; for beta > 0 nu/(1 + nu)."""
        return 1 / (1 + np.asarray(nu, float) ** (-1.0 if self.recipe.beta else -2.0))

    @cached_property
    def _spline(self) -> CubicSpline:
        nodes = self.nu[self.nu <= self.recipe.nu_max]
        return CubicSpline(self._rising(nodes), np.eye(len(nodes), len(self.nu)))

    @cached_property
    def _flat(self) -> NDArray:
        return self.rows.reshape(-1, self.rows.shape[-1]).astype(float)

    def check(self, nu: NDArray, ratio: NDArray) -> None:
        """InputError, with the command that makes another table, for nu or length over r0/a out of the table."""
        low, high = self.recipe.nu_min, self.recipe.nu_max
        for outside in nu[~((nu >= low) & (nu <= high))]:
            other = self.recipe.another(nu_min=_digits(0.95 * outside))
            raise InputError(f"nu = {outside:.4g}: must be in [{low:g}, {high:g}], as the table has it: {other}")
        self._check_ratio(ratio)

    def _check_ratio(self, ratio: NDArray) -> None:
        low, high = self.recipe.ratio_min, self.recipe.ratio_max
        for outside in ratio[~((ratio >= low) & (ratio <= high))]:
            less, more = min(low, _digits(0.8 * outside)), max(high, _digits(1.25 * outside))
            other = self.recipe.another(ratio_min=less, ratio_max=more)
            allowed = f"[{low:g}, {high:g}], as the table has it"
            raise InputError(f"length over r0/a = {outside:.4g}: must be in {allowed}: {other}")


def make_table(
    recipe: Recipe, progress: Callable[[], None] | None = None, backend: CPU | GPU | None = None
) -> SimilarityTable:
    """Sum over the states at each node, and average over orientations; half a minute on one core.

    progress  called after each node;  backend  CPU or GPU, where sums over states run
    """
    rows = []
    for nu in recipe.nodes:
        rows.append(table_rows(nu, recipe, backend))
        if progress:
            progress()
    return table_of(recipe, rows)


def table_rows(nu: float, recipe: Recipe, backend: CPU | GPU | None = None) -> tuple[float, NDArray]:
    """sum w, and the rows of one node at all ratios, shape (RATIOS, recipe.row_length)."""
    plane = _limit_spectrum(recipe) if np.isinf(nu) else plane_spectrum(nu, recipe, backend)
    return plane.weight_sum, _rows(plane, nu, recipe)


def table_of(recipe: Recipe, nodes: Sequence[tuple[float, NDArray]]) -> SimilarityTable:
    """The table from table_rows at the nodes of its recipe."""
    weight_sums, rows = zip(*nodes, strict=True)
    return SimilarityTable(recipe, np.array(recipe.nodes), np.array(weight_sums), np.array(rows))


def _rows(plane: PlaneSpectrum, nu: float, recipe: Recipe) -> NDArray:
    finite = np.isfinite(nu)
    damping = (Q / (2 * nu)) ** 2 if finite else 0.0
    squared = nu**2 if finite else 1.0
    rows = []
    for ratio in 1 / recipe.inverse_ratios:
        window = AxialWindow(ratio, SHARPNESS / ratio)
        parts = [plane.smooth, plane.completed, plane.self_term, plane.interference, _one]
        smooth, completed, self_term, fringes, alone = orientation_averages(Q, parts, window, plane.radius)
        rows_of_q = [smooth / alone, completed / alone, squared * self_term / alone]
        rows_of_q.append(fringes / np.maximum(self_term, _LEAST**2))
        if finite:
            q = 2 * nu * np.maximum(KAPPA, 1e-4)
            of_kappa = [plane.interference, _one]
            if recipe.beta:
                of_kappa += [plane.smooth, plane.completed, plane.self_term]
            at_kappa, alone_there, *others = orientation_averages(q, of_kappa, window, plane.radius)
            ratios = [values / np.maximum(at_kappa, _LEAST**2) for values in others]
            interference = 3 * squared * at_kappa / alone_there
        elif recipe.beta:
            interference, ratios = np.zeros(len(KAPPA)), [np.zeros(len(KAPPA))] * 3
        else:  # the window is then a line of no width
            interference, ratios = limit.fringes(KAPPA, recipe.energy_cut) * np.exp(-(KAPPA**2)), []
        smooth, completed, self_term, ratio_of_q = map(_logarithm, rows_of_q)
        of_node = [smooth, completed, self_term + damping, ratio_of_q, _logarithm(interference) + KAPPA**2]
        rows.append(np.concatenate(of_node + list(map(_logarithm, ratios))))
    return np.array(rows)


def _limit_spectrum(recipe: Recipe) -> PlaneSpectrum:
    """The limit at finite q, where kappa is zero: smooth parts, and nu^2 times the others.

    For beta > 0 these have no limit, and the completed part, which is that of the profile, stands alone.
    """
    profile, mass_fraction = recipe.profile(1.0), recipe.energy_cut
    if recipe.beta:
        zero, edge = np.zeros_like, float(profile.radius_enclosing(mass_fraction))
        return PlaneSpectrum(zero, lambda q: profile.form_factor(q) ** 2, zero, zero, 0.0, edge)
    largest, edge = float(Q[-1]), float(np.sqrt(mass_fraction / (1 - mass_fraction)))
    q = np.arange(0, largest + 4 * _STEP / edge, _STEP / edge)
    amplitude = CubicSpline(q, limit.amplitude(q, mass_fraction))
    self_term, fringes = limit.SelfTerm(mass_fraction, largest), float(limit.fringes(0.0, mass_fraction)) / 3
    return PlaneSpectrum(
        lambda q: amplitude(q) ** 2,
        lambda q: profile.form_factor(q) ** 2,
        lambda q: np.full_like(q, fringes),
        self_term,
        mass_fraction**2,
        edge,
    )


def _logarithm(values: NDArray) -> NDArray:
    return np.log(np.maximum(values, _LEAST))


def _digits(value: float) -> float:
    """A number with two digits."""
    return float(f"{value:.2g}")


def _one(q: NDArray) -> NDArray:
    return np.ones(q.shape)


def _of_ratio(ratio: NDArray, points: NDArray) -> NDArray:
    """Barycentric weights of the Chebyshev points of 1/ratio at each ratio, shape (filaments, RATIOS)."""
    distance = 1 / ratio[:, None] - points
    sign = (-1.0) ** np.arange(RATIOS)
    sign[[0, -1]] /= 2
    hit = np.abs(distance) < 1e-15
    weight = sign / np.where(hit, 1.0, distance)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.where(hit.any(axis=1, keepdims=True), hit.astype(float), weight)


def _at_q(weight: NDArray, rows: NDArray, log_q: NDArray, parts: range) -> NDArray:
    """Parts of weight @ rows between their Q, shape (parts, filaments, k), from the Q alone that are needed."""
    position = (log_q - np.log(Q[0])) / (np.log(Q[1]) - np.log(Q[0]))
    first = int(np.clip(np.floor(position.min()) - 1, 0, len(Q) - 4))
    last = int(np.clip(np.floor(position.max()) + 3, first + 4, len(Q)))
    of_q = np.array([weight @ rows[:, part * len(Q) + first : part * len(Q) + last] for part in parts])
    return _lagrange(of_q, position - first)


def _lagrange(rows: NDArray, position: NDArray) -> NDArray:
    """Values between equally spaced rows by four points, shape (parts, filaments, k); the end values beyond the ends.

    rows  shape (parts, filaments, rows);  position  in steps, shape (filaments, k)
    """
    number = rows.shape[-1]
    position = np.clip(position, 0, number - 1)
    first = np.clip(position.astype(int) - 1, 0, number - 4)
    x = position - first
    start = first + number * np.arange(len(position))[:, None]
    flat = rows.reshape(len(rows), -1)
    value = np.take(flat, start, 1) * ((x - 1) * (x - 2) * (x - 3) / -6)
    value += np.take(flat, start + 1, 1) * (x * (x - 2) * (x - 3) / 2)
    value += np.take(flat, start + 2, 1) * (x * (x - 1) * (x - 3) / -2)
    value += np.take(flat, start + 3, 1) * (x * (x - 1) * (x - 2) / 6)
    return value


def _make_log_window() -> CubicSpline:
    """ln w over ln y: w(y) = int_0^1 sinc^2(y e/2) exp(-y^2 e^2/200) de, the average of the window alone."""
    y = np.exp(np.arange(np.log(1e-3), np.log(1e6), 0.02))
    (average,) = orientation_averages(y, [_one], AxialWindow(1.0, SHARPNESS), 0.0)
    return CubicSpline(np.log(y), np.log(average))


_log_window = _make_log_window()
