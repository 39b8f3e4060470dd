"""Weights w_nl = a_nl^2 of a library's modes, such that <|psi|^2> over the phases is the profile's density.

WEIGHTS lists four methods that choose them by name; `weights_from_table` reads them. Two methods thin the library by
the prior sum_j w_j / w_j^wkb, w^wkb being the WKB weights: the minimum over w >= 0 has exact zeros. It keeps
no more modes than <|psi|^2> has degrees of freedom inside the energy cut, about two for each half wave of the
highest l = 0 state. Nothing here is random.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, nnls

from ..errors import InputError, UnfitError
from ..io.tables import read_columns
from ..parallel.blas import on_one_thread
from ..quantities import takes
from ..values import brief
from .eigenstates import Library
from .profile import Profile

RADII_PER_HALF_WAVE = 20  # of the highest l = 0 state; ten for each degree of freedom of <|psi|^2>
INNER_MASS_FRACTION = 0.95  # rms_log_density is taken inside the radius that holds it
MOST_AMPLITUDE = 1e6  # in a table; an amplitude of 1 puts all the line mass into one l = 0 mode
_INNER_RADII = 1000
_STATIONARY = 1e-9  # gradient below which modes with a weight count as converged; that of the prior is 1
_VIOLATION = 1e-7  # a mode enters whose gradient is below minus this
_ROUND_OFF = 1e-15  # relative, of rho_psi/rho; matters where the scatter is a thousandth or less
_ENTER = 20  # modes that enter at a time: fewer steps than one by one, and the same minimum
_MOST_STEPS = 10_000  # a few hundred are enough


# rho_psi/rho -> a sum, its gradient and its curvature, shapes (), (radii,), (radii,)
Misfit = Callable[[NDArray], tuple[float, NDArray, NDArray]]
# weight, optimality and iterations of Weights
_Chosen = tuple[NDArray, float | None, int]


@brief
@dataclass(frozen=True, eq=False)
class Weights:
    """Weights of the modes of a library, and how well they make the density.

    weight           w = a_nl^2, shape (modes,), not negative; zero where a mode is left out
    method           a name in WEIGHTS, "table" or "projection"
    weight_sum       sum (2 - delta_l0) w: line mass of |psi|^2 over the profile's
    optimality       largest violation of the optimality (KKT) conditions, the gradient of the prior (or the
                     norm of the target, for least squares) being 1; None where nothing is minimised
    iterations       Newton steps of the minimisation, 0 where there are none to count
    rms_log_density  rms of ln(rho_psi/rho) inside R_95, over radii equal in mass; NaN without a profile
    """

    weight: NDArray
    method: str
    weight_sum: float
    optimality: float | None
    iterations: int
    rms_log_density: float

    @property
    def kept(self) -> int:
        """Number of modes whose weight is not 0."""
        return int(np.count_nonzero(self.weight))


@takes()
@on_one_thread
def choose_weights(
    profile: Profile,
    library: Library,
    method: str = "wkb",
    *,
    l0_angular_momentum: float | None = None,
    scatter: float = 0.1,
    radii: int | None = None,
) -> Weights:
    """Weights by a method, a name in WEIGHTS.

    l0_angular_momentum  L of the l = 0 states in f(E, L), where beta > 0 and f diverges at L = 0 [L^2/T]; by default
                         axial_angular_momentum(beta)
    scatter              s, of ln rho_psi at a radius and of the mass in a bin (relative)
    radii                number of radii or bins, equal in mass, inside the library's energy cut; chosen from
                         the largest n where not given. More radii weigh the density more against the prior:
                         the fit is closer, with somewhat more modes
    Raises ValueError for an unknown method, an option out of range, or a library that is not the profile's, and
    UnfitError for a density that is not a positive, finite number at some radius.
    """
    if method not in WEIGHTS:
        raise ValueError(f"weights = {method}: must be one of {', '.join(WEIGHTS)}")
    if radii is None:
        radii = RADII_PER_HALF_WAVE * int(np.count_nonzero(library.l == 0))
    for name, value in (("l0_angular_momentum", l0_angular_momentum), ("scatter", scatter), ("radii", radii)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} = {value}: must be positive and finite")
    if radii != int(radii):
        raise ValueError(f"radii = {radii}: must be an integer")
    for name in ("scale_factor", "beta", "line_mass"):
        ours, theirs = getattr(profile, name), getattr(library, name)
        if not np.isclose(ours, theirs, rtol=1e-9, atol=0):
            raise ValueError(f"{name}: {ours} in the profile, {theirs} in the library: must be the same")
    wkb = wkb_weights(profile, library, l0_angular_momentum)
    weight, optimality, iterations = WEIGHTS[method](profile, library, wkb, int(radii), scatter)
    return described(weight, method, optimality, iterations, library, profile)


def axial_angular_momentum(beta: float) -> float:
    """L of the l = 0 states in f(E, L) = L^(-beta) g(E), beta in [0, 1) [L^2/T]: (1 - beta)^(1/beta)/2, hbar = 1.

    States of one l fill a cell of unit width in L: those of l = 0 have |L| < 1/2, over which L^(-beta) has the mean
    2 int_0^(1/2) L^(-beta) dL = 2^beta/(1 - beta), which is its value at this L. For beta -> 0 it tends to 1/(2e), the
    geometric mean of |L| over the cell (f does not depend on it there), and for beta -> 1 to zero.
    """
    return 0.5 * float(np.exp(np.log1p(-beta) / beta)) if beta > 0 else 0.5 / np.e


def wkb_weights(profile: Profile, library: Library, l0_angular_momentum: float | None = None) -> NDArray:
    """w = (2 pi)^2 f(E_nl, L = l) / mu, shape (modes,): a state fills (2 pi)^2 of phase space (hbar = 1)."""
    angular_momentum = library.l.astype(float)
    if profile.beta > 0:
        axial = axial_angular_momentum(profile.beta) if l0_angular_momentum is None else l0_angular_momentum
        angular_momentum[library.l == 0] = axial
    return (2 * np.pi) ** 2 * profile.distribution(library.energy, angular_momentum) / profile.line_mass


def rms_log_density(profile: Profile, library: Library, weight: ArrayLike) -> float:
    """rms of ln(<|psi|^2>/rho) inside R_95 and the energy cut, over up to 1000 radii that enclose equal mass."""
    radius = _equal_mass_radii(profile, _INNER_RADII, INNER_MASS_FRACTION)
    radius = radius[profile.potential(radius) < library.energy_cut]
    ratio = library.mean_density(weight, radius) / profile.density(radius)
    return float(np.sqrt(np.mean(np.log(ratio) ** 2)))


def _wkb(profile: Profile, library: Library, wkb: NDArray, radii: int, scatter: float) -> _Chosen:
    return wkb, None, 0


def _adaptive_lasso(profile: Profile, library: Library, wkb: NDArray, radii: int, scatter: float) -> _Chosen:
    """min over w >= 0 of  sum_i (ln rho_psi(R_i) - ln rho(R_i))^2 / (2 s^2) + sum_j w_j / w_j^wkb.

    Convex, so that its minimum is the only one, wherever rho_psi < e rho at all radii. The converged minimum
    keeps 24 / 47 / 96 / 185 modes for m22 = 1 / 2 / 4 / 8, where 25 / 64 / 153 / 394 are published.
    Source: Zou 2006 (adaptive lasso); Zimmermann et al. 2025.
    """

    def misfit(ratio: NDArray) -> tuple[float, NDArray, NDArray]:
        log = np.log(ratio)
        # the exact second derivative up to a ratio of 1.65; never less than is safe for a Newton step
        curvature = np.maximum(1 - log, 0.5) / ratio**2
        return np.sum(log**2) / (2 * scatter**2), log / ratio / scatter**2, curvature / scatter**2

    response = _density_ratio(profile, library, radii)
    response *= wkb[:, None]
    return _thinned(response, wkb, library, misfit)


def _poisson(profile: Profile, library: Library, wkb: NDArray, radii: int, scatter: float) -> _Chosen:
    """min over w >= 0 of  sum_b (c_b - k ln c_b) + sum_j w_j / w_j^wkb,  k = 1/s^2 counts seen in every bin.

    Bins hold equal line mass of the profile; c_b = k times the mode sum's mass in the bin over the profile's.
    Convex. Source: Zimmermann et al. 2025.
    """

    def misfit(ratio: NDArray) -> tuple[float, NDArray, NDArray]:
        counts = scatter**-2
        return counts * np.sum(ratio - 1 - np.log(ratio)), counts * (1 - 1 / ratio), counts / ratio**2

    response = _mass_ratio(profile, library, radii)
    response *= wkb[:, None]
    return _thinned(response, wkb, library, misfit)


def _least_squares(profile: Profile, library: Library, wkb: NDArray, radii: int, scatter: float) -> _Chosen:
    """min over w >= 0 of  sum_i (rho_psi(R_i)/rho(R_i) - 1)^2, no prior. Source: Lawson & Hanson 1995."""
    columns = _density_ratio(profile, library, radii)
    size = np.linalg.norm(columns, axis=1)
    columns /= size[:, None]
    # rho_psi is a polynomial of degree 2 points - 2: in an orthonormal basis of these over rho, the problem
    # has fewer rows and the same solution
    radius = _equal_mass_radii(profile, radii, _mass_inside_cut(profile, library))
    degree = 2 * len(library.nodes) - 2
    polynomials = np.polynomial.legendre.legvander(2 * radius / library.radius_max - 1, degree)
    basis = np.linalg.qr(polynomials / profile.density(radius)[:, None])[0]
    scaled, _ = nnls((columns @ basis).T, basis.sum(axis=0), maxiter=30 * len(library))
    gradient = columns @ (scaled @ columns - 1) / np.sqrt(radii)
    return scaled / size, _violation(scaled, gradient), 0


WEIGHTS = {
    "wkb": _wkb,
    "adaptive_lasso": _adaptive_lasso,
    "poisson": _poisson,
    "least_squares": _least_squares,
}

# these follow the density inside the turning point of the energy cut, whatever the energies that make it there
FITTED = ("adaptive_lasso", "poisson", "least_squares")


def weights_from_table(path: str | Path, library: Library, profile: Profile | None = None) -> Weights:
    """Weights w = amplitude^2 from a CSV file with columns n, l, amplitude; 0 for modes that it leaves out.

    path     file with a header row; columns in any order, lines with # are comments
    profile  for rms_log_density, which is NaN without one
    Raises FileNotFoundError, or InputError naming file, line and value, for a missing column, n or l that is
    no integer, an amplitude that is negative or not finite, and a mode given twice or not in the library.
    """
    columns = read_columns(path, ("n", "l", "amplitude"))
    index = {(n, l): j for j, (n, l) in enumerate(zip(library.n.tolist(), library.l.tolist(), strict=True))}
    weight = np.zeros(len(library))
    line_of: dict[tuple[int, int], int] = {}
    rows = zip(*(columns[name] for name in ("line", "n", "l", "amplitude")), strict=True)
    for line, n, l, amplitude in rows:
        place = f"{path}, line {line}"
        for name, value in (("n", n), ("l", l)):
            if not (value >= 0 and value.is_integer()):
                raise InputError(f"{place}: {name} = {value:g}: must be an integer, 0 or more")
        mode = int(n), int(l)
        if mode in line_of:
            raise InputError(f"{place}: n = {n:.0f}, l = {l:.0f}: given before, in line {line_of[mode]}")
        if mode not in index:
            raise InputError(
                f"{place}: n = {n:.0f}, l = {l:.0f}: not among the {len(library)} modes below the energy cut "
                f"{library.energy_cut:.6g}; raise wavefunction.energy_cut, or leave the mode out"
            )
        if not 0 <= amplitude <= MOST_AMPLITUDE:
            raise InputError(f"{place}: amplitude = {amplitude:g}: must be in [0, {MOST_AMPLITUDE:g}]")
        line_of[mode] = line
        weight[index[mode]] = amplitude**2
    if not weight.any():
        raise InputError(f"{path}: all amplitudes are 0, one must be positive")
    return described(weight, "table", None, 0, library, profile)


def described(
    weight: NDArray,
    method: str,
    optimality: float | None,
    iterations: int,
    library: Library,
    profile: Profile | None,
) -> Weights:
    """Weights that are known, with how well they make the density of a profile, where one is given."""
    return Weights(
        weight=weight,
        method=method,
        weight_sum=float(np.sum(library.multiplicity * weight)),
        optimality=optimality,
        iterations=iterations,
        rms_log_density=np.nan if profile is None else rms_log_density(profile, library, weight),
    )


def _mass_inside_cut(profile: Profile, library: Library) -> float:
    """Fraction of the line mass inside the turning point of the library's energy cut."""
    edge = brentq(lambda r: profile.potential(r) - library.energy_cut, 0, library.radius_max, xtol=1e-12)
    return float(profile.enclosed_line_mass(edge)) / profile.line_mass


def _equal_mass_radii(profile: Profile, number: int, fraction: float) -> NDArray:
    """Radii in the middle, by mass, of equal parts of a fraction of the line mass, shape (number,) [L]."""
    return profile.radius_enclosing((np.arange(number) + 0.5) / number * fraction)


def _density_ratio(profile: Profile, library: Library, radii: int) -> NDArray:
    """rho_psi/rho at radii equal in mass for a weight of 1 in each mode, shape (modes, radii)."""
    radius = _equal_mass_radii(profile, radii, _mass_inside_cut(profile, library))
    ratio = library.radial_at(radius)
    ratio *= ratio
    ratio *= library.line_mass / (2 * np.pi) * library.multiplicity[:, None]
    ratio /= profile.density(radius)
    return ratio


def _mass_ratio(profile: Profile, library: Library, bins: int) -> NDArray:
    """Line mass in bins over the profile's, for a weight of 1 in each mode, shape (modes, bins)."""
    leggauss, legvander = np.polynomial.legendre.leggauss, np.polynomial.legendre.legvander
    fraction = _mass_inside_cut(profile, library)
    edges = profile.radius_enclosing(np.arange(1, bins + 1) / bins * fraction)
    # R R_nl^2 is a polynomial of degree 2 points - 1: Gauss quadrature gives its Legendre series exactly, and
    # that is integrated term by term
    terms = 2 * len(library.nodes)
    nodes, gauss = leggauss(terms)
    radius = library.radius_max * (1 + nodes) / 2
    values = library.radial_at(radius) ** 2 * radius
    order = np.arange(terms)
    series = values @ (gauss[:, None] * legvander(nodes, terms - 1)) * (order + 0.5)
    x = 2 * np.concatenate([[0], edges]) / library.radius_max - 1
    legendre = legvander(x, terms).T
    antiderivative = np.empty((terms, bins + 1))
    antiderivative[0] = x
    antiderivative[1:] = (legendre[2:] - legendre[:-2]) / (2 * order[1:, None] + 1)
    ratio = series @ np.diff(library.radius_max / 2 * antiderivative)
    ratio *= (library.multiplicity * bins / fraction)[:, None]
    return ratio


def _thinned(response: NDArray, wkb: NDArray, library: Library, misfit: Misfit) -> _Chosen:
    """Weights that minimise misfit(rho_psi/rho) + sum_j v_j over v = w / w^wkb >= 0.

    response  rho_psi/rho for v_j = 1 in each mode, shape (modes, radii)
    misfit    function of rho_psi/rho, shape (radii,), that returns a sum, its gradient and its curvature
    The start is the l = 0 states with their WKB weights: they are few, and together they reach every radius.
    """
    start = ((library.l == 0) & (wkb > 0)).astype(float)
    share, iterations = _least_penalised(response, misfit, start)
    gradient = 1 + response @ misfit(share @ response)[1]
    return share * wkb, _violation(share, gradient), iterations


def _violation(value: NDArray, gradient: NDArray) -> float:
    """Largest violation of gradient = 0 where value > 0 and gradient >= 0 elsewhere."""
    return float(np.max(np.where(value > 0, np.abs(gradient), -gradient), initial=0))


def _least_penalised(response: NDArray, misfit: Misfit, start: NDArray) -> tuple[NDArray, int]:
    """Minimise F(v) = misfit(v @ response) + sum_j v_j over v >= 0; returns v and the count of Newton steps.

    An active-set method like Lawson & Hanson's for least squares: minimise over the modes that have entered, then
    let those enter along which F falls most steeply, relative to their response, until there are none. F falls in
    every step, so that no set of modes recurs and the iteration ends.
    """
    value = start.copy()
    inside = value > 0
    size, steps = np.linalg.norm(response, axis=1), 0
    while True:
        steps += _descend(value, inside, response, misfit, _MOST_STEPS - steps)
        ratio = value[inside] @ response[inside]
        _, slope, curvature = misfit(ratio)
        gradient = 1 + response @ slope
        allowed = _VIOLATION + _ROUND_OFF * (response @ (curvature * ratio))
        entering = np.flatnonzero(~inside & (gradient < -allowed))
        if len(entering) == 0:
            return value, steps
        steepest = np.argsort(gradient[entering] / size[entering], kind="stable")[:_ENTER]
        inside[entering[steepest]] = True


def _descend(value: NDArray, inside: NDArray, response: NDArray, misfit: Misfit, most_steps: int) -> int:
    """Newton steps over the modes `inside` until F is stationary; a mode that reaches zero leaves.

    Changes value and inside; returns the number of steps.
    """
    modes = np.flatnonzero(inside)
    rows = response[modes]
    for step in range(most_steps):
        v = value[modes]
        ratio = v @ rows
        total, slope, curvature = misfit(ratio)
        gradient = 1 + rows @ slope
        if np.all(np.abs(gradient) < _STATIONARY + _ROUND_OFF * (rows @ (curvature * ratio))):
            return step
        direction = _newton_direction((rows * curvature) @ rows.T, gradient, v)
        change = direction @ rows
        limit = np.full(len(v), np.inf)  # step length that takes a mode to zero
        falling = direction < 0
        limit[falling] = -v[falling] / direction[falling]
        length = min(1.0, float(limit.min()))
        along = gradient @ direction
        if np.isnan(total) or not np.isfinite(along):  # no shorter step would end the search below
            raise UnfitError("no weights: the density of its modes over that of the profile is not a finite number")
        while True:
            trial = ratio + length * change
            gain = 1e-4 * length * along  # negative
            if trial.min() > 0 and misfit(trial)[0] + length * direction.sum() <= total + gain:
                break
            if -gain < 1e-17 * abs(total):  # F cannot show a change below its round-off
                break
            length /= 2
        value[modes] = np.where(limit <= length, 0, v + length * direction)
        stays = value[modes] > 0
        if not stays.all():
            inside[modes] = stays
            modes, rows = modes[stays], rows[stays]
    raise RuntimeError(f"the weights have not converged in {_MOST_STEPS} Newton steps")


def _newton_direction(hessian: NDArray, gradient: NDArray, value: NDArray) -> NDArray:
    """Solution of hessian @ direction = -gradient in which modes of value 0 do not fall but stay."""
    # modes with the same density make it singular to round-off
    hessian[np.diag_indices(len(value))] *= 1 + 1e-12
    direction = -np.linalg.solve(hessian, gradient)
    free = np.ones(len(value), bool)
    while True:
        falling = free & (value == 0) & (direction <= 0)
        if not falling.any():
            return direction
        free &= ~falling
        direction = np.zeros(len(value))
        direction[free] = -np.linalg.solve(hessian[np.ix_(free, free)], gradient[free])
