"""Equilibrium of a filament from a measured profile with errors: a smooth distribution function, fitted to the rows.

    f(E, L) = L^(-beta) g(E),   g(E) = exp(-E/s) sum_j a_j B_j(E),   a_j >= 0

with cubic B-splines in equal steps of asinh(E/s). Each has a known density, R^beta rho_j = c int_V^inf g_j(E)
(E - V)^(-beta/2) dE (tabulated.py has c), and V is that of their sum: an equilibrium by construction, for any beta.
The least is sought of

    sum_i (rho_i - rho(R_i))^2 / error_i^2  +  lambda int (d2 ln g / de^2)^2 de,   e = E/s,

so that lambda -> inf is the isothermal cylinder, which is in the null space of the penalty, for any r0 and sigma. Each
step is a problem of non-negative least squares in a_j over those of the step before, with the change of V in its
derivatives. lambda minimises chi-squared + 2 parameters, the error of the prediction that cross-validation estimates,
here with known errors (Mallows' C_p), as long as parameters, the trace of the smoothing matrix, are fewer than
three quarters of the rows. Draws take each lambda as often as exp(-C_p/2) says, since noise moves the least C_p too:
with the best lambda alone, bands of few noisy rows are too narrow.
Sources: Eilers & Marx 1996 (P-splines); Craven & Wahba 1979; Wahba 1983 (the penalty as a prior of draws); Buckland,
Burnham & Augustin 1997 (Biometrics 53, 603: weights of models by their C_p or AIC).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import BSpline, CubicSpline, PPoly
from scipy.optimize import nnls

from ..errors import UnfitError
from ..parallel.blas import on_one_thread
from .cylinder_fit import cylinder_of
from .measured import MeasuredProfile
from .profile import Profile, SteadyStateCylinder
from .profile_fit import ProfileFit
from .tabulated import TabulatedProfile, normalisation

MOST_PARAMETERS = 0.75  # of the rows: with more, chi-squared + 2 parameters no longer tells noise from the profile
INTERVALS = 40  # of asinh(E/s) between knots
_BEYOND, _WIDER = 8.0, 1.3  # the energies reach to 1.3 V at the last radius, and 8 s
_CORE = 3e-4  # x^(2-beta) at the innermost point
_POINTS = 200  # in equal steps of ln R, and the rows
_NODES = 400  # of V, in equal steps of asinh(V/s)
_LARGEST, _RATIO, _VALUES = 100.0, 10**0.75, 24  # of lambda: the first, over the trace of the matrix of the rows, ...
_CONVERGED, _MOST = 1e-7, 60  # of ln a_j; steps
_STEP = 1.2  # of ln a_j at most
_MORE = 12.0  # of chi-squared + 2 parameters above the least, at which smaller lambda are not tried


class EnergyBasis:
    """The basis functions of g(E) and their densities, for energies up to E_max.

    scale  s [(L/T)^2];  energy_max  beyond which g falls as exp(-E/s)
    """

    def __init__(self, scale: float, energy_max: float, beta: float) -> None:
        self.scale, self.energy_max = scale, energy_max
        step = float(np.arcsinh(energy_max / scale)) / INTERVALS
        self._knots = step * np.arange(-3, INTERVALS + 4)
        self._end = self._knots[-4]
        self.energies = scale * np.sinh(step * np.arange(-1, INTERVALS + 2))  # where the functions are largest
        # int_V^inf exp(-(E-V)/s) B_j(E) (E-V)^-b dE by Gauss quadrature in (E-V)^(1-b)
        b = beta / 2
        x, w = np.polynomial.legendre.leggauss(8)
        edges = (40.0 * (np.arange(17) / 16) ** 2) ** (1 - b)
        half = np.diff(edges)[:, None] / 2
        u = (edges[:-1, None] + half * (1 + x)).ravel() ** (1 / (1 - b))
        w = scale ** (1 - b) / (1 - b) * (half * w).ravel() * np.exp(-u)
        nodes = np.linspace(0, self._end, _NODES)
        potential = scale * np.sinh(nodes)
        values = self._splines((potential[:, None] + scale * u).ravel())
        parts = np.tensordot(values.reshape(_NODES, len(u), -1), w, axes=([1], [0]))
        self._density = CubicSpline(nodes, parts)

    def _splines(self, energy: NDArray) -> NDArray:
        return BSpline.design_matrix(self._place(energy), self._knots, 3).toarray()

    def log_distribution(self, energy: NDArray, log_a: NDArray) -> NDArray:
        """ln g(E), any shape."""
        energy = np.asarray(energy, float)
        return np.log(BSpline(self._knots, np.exp(log_a), 3)(self._place(energy))) - energy / self.scale

    def densities(self, potential: NDArray) -> NDArray:
        """R^beta rho_j/c at V, shape (points, functions)."""
        return np.exp(-potential / self.scale)[:, None] * self._density(self._place(potential))

    def density(self, log_a: NDArray) -> "_Density":
        """R^beta rho/c and its derivative as functions of V."""
        return _Density(self, PPoly.construct_fast(self._density.c @ np.exp(log_a), self._density.x))

    def _place(self, potential: NDArray) -> NDArray:
        return np.clip(np.arcsinh(potential / self.scale), 0, self._end)

    @property
    def penalty(self) -> NDArray:
        """Matrix of the second derivatives of ln a over e, times the root of their share of e: (functions - 2, ...)."""
        e = self.energies / self.scale
        matrix = np.zeros((len(e) - 2, len(e)))
        for row in range(len(e) - 2):
            first, second = e[row + 1] - e[row], e[row + 2] - e[row + 1]
            width = (first + second) / 2
            matrix[row, row : row + 3] = np.array([1 / first, -1 / first - 1 / second, 1 / second]) / np.sqrt(width)
        return matrix


@dataclass(frozen=True, eq=False)
class _Density:
    basis: EnergyBasis
    spline: PPoly

    def __call__(self, potential: NDArray, slope: bool = False) -> NDArray:
        s, place = self.basis.scale, self.basis._place(potential)
        value = self.spline(place)
        if slope:
            value = self.spline(place, 1) / np.hypot(s, potential) - value / s
        return np.exp(-potential / s) * value


class SmoothProfile(TabulatedProfile):
    """An equilibrium with a given g(E), out to a radius, beyond which its density is zero, like that of a table.

    radius, density  shape (points,), of the equilibrium [L], [rho_m0]
    basis, log_a     of g(E)
    """

    def __init__(
        self, radius: NDArray, density: NDArray, beta: float, scale_factor: float, basis: EnergyBasis, log_a: NDArray
    ) -> None:
        self._basis, self._log_a = basis, log_a
        super().__init__(radius, density, beta, scale_factor)

    def _invert(self):  # type: ignore[no-untyped-def]
        basis, log_a = self._basis, self._log_a
        return lambda energy: basis.log_distribution(energy, log_a), (basis.energy_max, basis.scale)


@dataclass(frozen=True, eq=False)
class SmoothFit(ProfileFit):
    """The equilibrium of the least penalised chi-squared.

    problem  the equations;  tried  lambda, ln a of g(E) and C_p of every lambda that was tried
    """

    problem: "_Problem"
    tried: "tuple[tuple[float, NDArray, float], ...]"

    @property
    def smoothing(self) -> float:
        """lambda of the least C_p, that of the profile."""
        return min(self.tried, key=lambda each: each[2])[0]

    @property
    def _advice(self) -> str:
        return "no smooth equilibrium of this beta has this profile: leave out its rows, or give larger errors"

    @on_one_thread
    def draw(self, random: np.random.Generator) -> Profile:
        """The equilibrium fitted to rows with more noise, and to a penalty about a random curvature of its prior size.

        lambda is one of those that were tried, drawn with weights exp(-C_p/2). For one lambda, solutions have the
        distribution that errors and penalty leave (exactly where the problem is linear).
        """
        measured = self.measured.perturbed(random)
        curvature = random.standard_normal(len(self.problem.penalty))
        risk = np.array([each[2] for each in self.tried])
        weight = np.exp((risk.min() - risk) / 2)
        smoothing, log_a, _ = self.tried[random.choice(len(risk), p=weight / weight.sum())]
        log_a, _ = self.problem.minimise(measured.density, smoothing, log_a, curvature)
        return self.problem.profile(log_a)


@on_one_thread
def fit_smooth(measured: MeasuredProfile, scale_factor: float, beta: float = 0.0) -> SmoothFit:
    """The fit. Raises UnfitError for rows without errors or mass, a profile that rises outwards, a hopeless fit."""
    measured.require_falling()
    problem, log_a = _problem(measured, scale_factor, beta)
    smoothing = largest = _LARGEST * float(np.sum(problem.state(log_a, measured.density).jacobian ** 2))
    least, tried = np.inf, []
    for _ in range(_VALUES):
        log_a, state = problem.minimise(measured.density, smoothing, log_a)
        parameters = problem.parameters(state, smoothing)
        if parameters > MOST_PARAMETERS * len(state.model) and smoothing < largest:
            break
        risk = float(np.sum(state.misfit**2)) + 2 * parameters
        tried.append((smoothing, log_a, risk))
        if risk < least:
            best, least = (smoothing, log_a, state, parameters), risk
        if risk > least + _MORE:
            break
        smoothing /= _RATIO
    smoothing, log_a, state, parameters = best
    profile = problem.profile(log_a)
    line_mass = profile.line_mass, float(problem.line_mass_error(state, smoothing))
    fit = SmoothFit(measured, profile, state.model, parameters, {"line_mass": line_mass}, problem, tuple(tried))
    fit.require_hope()
    return fit


def _problem(measured: MeasuredProfile, scale_factor: float, beta: float) -> tuple["_Problem", NDArray]:
    """The equations, and the isothermal cylinder to start from."""
    start, _ = cylinder_of(measured, scale_factor, beta)
    scale = start.sigma**2
    reach = _WIDER * float(start.potential(measured.last)) + _BEYOND * scale
    basis = EnergyBasis(scale, reach, beta)
    log_g0 = float(np.log(start.energy_distribution(0.0)))
    return _Problem(measured, start, basis), np.full(len(basis.energies), log_g0)


@dataclass(frozen=True, eq=False)
class _State:
    """A self-consistent equilibrium and its derivatives.

    density    at the points;  model, misfit  density, and (measured - model)/error, of the rows
    jacobian   d(model/error)/d ln a, shape (rows, functions)
    mass       d(line mass)/d ln a, shape (functions,)
    """

    density: NDArray
    model: NDArray
    misfit: NDArray
    jacobian: NDArray
    mass: NDArray


class _NotConvergedError(UnfitError):
    """A potential that does not settle: of a step that is too long."""


class _Problem:
    """Rows, basis and the points in R at which the equilibrium is computed."""

    def __init__(self, measured: MeasuredProfile, start: SteadyStateCylinder, basis: EnergyBasis) -> None:
        beta, scale_factor = start.beta, start.scale_factor
        self.basis, self.beta, self.scale_factor = basis, beta, scale_factor
        self.errors, self.penalty = measured.errors, basis.penalty
        rows = measured.radius if measured.edges is None else np.unique(measured.edges[measured.edges > 0])
        first = min(float(start.radius_enclosing(_CORE)), rows[0])
        even = np.geomspace(first, rows[-1], _POINTS)
        gap = 0.2 * np.log(even[1] / even[0])
        near = np.abs(np.log(even[:, None] / rows)).min(axis=1) < gap
        self.radius = np.unique(np.concatenate([even[~near], rows]))
        self._factor = normalisation(beta, scale_factor) * self.radius**-beta
        # mass and potential as matrices of the density; inside the innermost point R^beta rho is constant
        radius, power = self.radius, 2 - beta
        running = _running_integrals(np.log(radius))
        self._to_mass = 2 * np.pi * running * radius**2
        self._to_mass[:, 0] += 2 * np.pi * radius[0] ** 2 / power
        self._to_potential = running @ self._to_mass / (2 * np.pi * scale_factor)
        self._to_potential[:, 0] += radius[0] ** 2 / (power**2 * scale_factor)
        if measured.edges is None:
            self._to_rows = np.zeros((len(rows), len(radius)))
            self._to_rows[np.arange(len(rows)), np.searchsorted(radius, rows * (1 - 1e-12))] = 1
        else:
            low, high = measured.edges
            mass = [np.where((edge > 0)[:, None], self._to_mass[self._index(edge)], 0) for edge in (low, high)]
            self._to_rows = (mass[1] - mass[0]) / (np.pi * (high**2 - low**2))[:, None]
        self._start = start.potential(radius)  # the same for every solution, whatever was solved before

    def _index(self, radius: NDArray) -> NDArray:
        return np.minimum(np.searchsorted(self.radius, radius * (1 - 1e-12)), len(self.radius) - 1)

    def profile(self, log_a: NDArray) -> SmoothProfile:
        """The equilibrium of a distribution function."""
        density, _ = self._equilibrium(self.basis.density(log_a))
        return SmoothProfile(self.radius, density, self.beta, self.scale_factor, self.basis, log_a)

    def _equilibrium(self, of_potential: _Density) -> tuple[NDArray, NDArray]:
        """rho and V at the points: V of the density is put into the density until it stays.

        V at a radius depends on the density inside alone, so that this converges for any start.
        """
        potential = self._start
        for _ in range(200):
            density = self._factor * of_potential(potential)
            before, potential = potential, self._to_potential @ density
            if np.max(np.abs(potential - before)) < 1e-11 * self.basis.scale:
                break
        else:
            raise _NotConvergedError("the potential of the fitted distribution function does not converge")
        return density, potential

    def state(self, log_a: NDArray, data: NDArray) -> _State:
        """The equilibrium, with the change of its own potential in the derivatives."""
        of_potential, factor = self.basis.density(log_a), self._factor
        density, potential = self._equilibrium(of_potential)
        at_fixed = factor[:, None] * self.basis.densities(potential) * np.exp(log_a)
        response = factor * of_potential(potential, slope=True)
        change = np.linalg.solve(np.eye(len(density)) - response[:, None] * self._to_potential, at_fixed)
        model = self._to_rows @ density
        jacobian = self._to_rows @ change / self.errors[:, None]
        return _State(density, model, (data - model) / self.errors, jacobian, self._to_mass[-1] @ change)

    def minimise(
        self, data: NDArray, smoothing: float, log_a: NDArray, curvature: NDArray | None = None
    ) -> tuple[NDArray, _State]:
        """ln a of the least penalised chi-squared, and its equilibrium.

        curvature  about which the penalty is, in its standard deviations, shape of its rows
        """
        root = np.sqrt(smoothing)
        wanted = np.zeros(len(self.penalty)) if curvature is None else curvature

        def total(state: _State, log_a: NDArray) -> float:
            return float(np.sum(state.misfit**2) + np.sum((root * (self.penalty @ log_a) - wanted) ** 2))

        state = self.state(log_a, data)
        value = total(state, log_a)
        for _ in range(_MOST):
            matrix = np.concatenate([state.jacobian, root * self.penalty])
            short = np.concatenate([state.misfit, wanted - root * (self.penalty @ log_a)])
            ratio, _ = nnls(matrix, short + matrix.sum(axis=1), maxiter=100 * matrix.shape[1])
            step = np.clip(np.log(np.maximum(ratio, 1e-3)), -_STEP, _STEP)
            length = 1.0
            while True:
                trial = log_a + length * step
                try:
                    reached = self.state(trial, data)
                    after = total(reached, trial)
                except _NotConvergedError:
                    after = np.inf
                if after <= value or length < 1e-4:
                    break
                length /= 2
            if after > value:
                break
            small = np.max(np.abs(length * step)) < _CONVERGED or value - after < 1e-9 * (1 + value)
            log_a, state, value = trial, reached, after
            if small:
                break
        return log_a, state

    def _inverse(self, state: _State, smoothing: float) -> NDArray:
        """Inverse of the matrix of the normal equations."""
        return np.linalg.pinv(
            state.jacobian.T @ state.jacobian + smoothing * self.penalty.T @ self.penalty, hermitian=True
        )

    def parameters(self, state: _State, smoothing: float) -> float:
        """Trace of the smoothing matrix."""
        return float(np.sum((state.jacobian @ self._inverse(state, smoothing)) * state.jacobian))

    def line_mass_error(self, state: _State, smoothing: float) -> float:
        """Standard deviation of the line mass that errors and penalty leave."""
        return float(np.sqrt(state.mass @ self._inverse(state, smoothing) @ state.mass))


def _running_integrals(x: NDArray) -> NDArray:
    """Matrix of integrals from x[0] to each x of a function at all x: of the cubic through the four points around."""
    points = len(x)
    matrix = np.zeros((points, points))
    nodes, weights = np.polynomial.legendre.leggauss(2)
    for step in range(points - 1):
        first = min(max(step - 1, 0), points - 4)
        near = x[first : first + 4]
        half = (x[step + 1] - x[step]) / 2
        for at, weight in zip(x[step] + half * (1 + nodes), weights * half, strict=True):
            for j in range(4):
                others = np.delete(near, j)
                matrix[step + 1, first + j] += weight * np.prod((at - others) / (near[j] - others))
    return np.cumsum(matrix, axis=0)
