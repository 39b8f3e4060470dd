"""Fit of an isothermal cylinder to a measured profile: r0, sigma and beta with their errors, by least squares."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from ..errors import UnfitError
from .measured import MeasuredProfile
from .profile import Profile, SteadyStateCylinder
from .profile_fit import ProfileFit

LARGEST_BETA = 0.99
_STARTS = 0.0, 0.5  # of beta
_TOLERANCE = 1e-12


@dataclass(frozen=True, eq=False)
class CylinderFit(ProfileFit):
    """The isothermal cylinder of least chi-squared.

    covariance  of ln r0, ln sigma, beta, shape (3, 3), from the curvature of chi-squared; of the first two where beta
                is held
    """

    covariance: NDArray

    @property
    def _advice(self) -> str:
        return "no cylinder of the isothermal family has this profile: take profile_fit = smooth, or larger errors"

    def draw(self, random: np.random.Generator) -> Profile:
        """The cylinder fitted to rows with more noise of the same size."""
        held = None if len(self.covariance) == 3 else self.profile.beta
        return cylinder_of(self.measured.perturbed(random), self.profile.scale_factor, held, self.profile)[0]


def fit_cylinder(measured: MeasuredProfile, scale_factor: float, beta: float | None = None) -> CylinderFit:
    """The fit; the errors of its values are those of a profile of Gaussian errors, linear in ln r0, ln sigma and beta.

    beta  held at this value; None: fitted, in [0, 0.99]
    Raises UnfitError for a profile without errors, without mass, one that rises outwards, and a hopeless fit.
    """
    measured.require_falling()
    profile, jacobian = cylinder_of(measured, scale_factor, beta)
    covariance = np.linalg.pinv(jacobian.T @ jacobian)
    deviation = np.sqrt(np.diag(covariance))
    # ln of the line mass, 4 pi a sigma^2 (2 - beta)
    slope = np.array([0.0, 2.0, -1 / (2 - profile.beta)])[: len(covariance)]
    values = {
        "r0": (profile.r0, profile.r0 * deviation[0]),
        "sigma": (profile.sigma, profile.sigma * deviation[1]),
        "line_mass": (profile.line_mass, profile.line_mass * np.sqrt(slope @ covariance @ slope)),
    }
    if beta is None:
        values["beta"] = profile.beta, deviation[2]
    values = {name: (float(value), float(error)) for name, (value, error) in values.items()}
    model = density_of(profile, measured)
    fit = CylinderFit(measured, profile, model, len(covariance), values, covariance)
    fit.require_hope()
    return fit


def density_of(profile: Profile, measured: MeasuredProfile) -> NDArray:
    """The density of a profile where another was measured: at radii, or its mean over shells, shape (rows,)."""
    if measured.edges is None:
        return profile.density(measured.radius)
    low, high = measured.edges
    return (profile.enclosed_line_mass(high) - profile.enclosed_line_mass(low)) / (np.pi * (high**2 - low**2))


def cylinder_of(
    measured: MeasuredProfile, scale_factor: float, beta: float | None = None, start: Profile | None = None
) -> tuple[SteadyStateCylinder, NDArray]:
    """The cylinder of least chi-squared, and the Jacobian of its residuals, shape (rows, 2 or 3)."""
    errors = measured.errors

    def made(values: NDArray) -> SteadyStateCylinder:
        r0, sigma = np.exp(values[:2]).tolist()
        return SteadyStateCylinder(r0, sigma, float(values[2]) if beta is None else beta, scale_factor)

    def residuals(values: NDArray) -> NDArray:
        return (density_of(made(values), measured) - measured.density) / errors

    if isinstance(start, SteadyStateCylinder):
        starts = [np.array([np.log(start.r0), np.log(start.sigma), start.beta])]
    else:
        starts = [_start(measured, scale_factor, each) for each in (_STARTS if beta is None else (beta,))]
    size = 3 if beta is None else 2
    # r0 and sigma within factors of 1e3 of the start
    found = []
    for first in starts:
        low, high = first[:size] - 7, first[:size] + 7
        if beta is None:
            low[2], high[2] = 0, LARGEST_BETA
        inside = np.clip(first[:size], low + 1e-3 * (high - low) * (np.arange(size) == 2), high)
        found.append(
            least_squares(residuals, inside, bounds=(low, high), jac="3-point", ftol=_TOLERANCE, xtol=_TOLERANCE)
        )
    best = min(found, key=lambda each: float(each.cost))
    return made(best.x), best.jac


def _start(measured: MeasuredProfile, scale_factor: float, beta: float) -> NDArray:
    """ln r0, ln sigma, beta of the cylinder with the mass of the rows and half of it inside the same radius."""
    radius = np.concatenate([[0.0], measured.radius])
    density = np.maximum(np.concatenate([measured.density[:1], measured.density]), 0)
    steps = np.pi * np.diff(radius**2) * (density[1:] + density[:-1]) / 2
    mass = np.concatenate([[0], np.cumsum(steps)])
    if not 0 < mass[-1] < np.inf:
        raise UnfitError("the densities of the table have no mass: must be positive in most of its rows")
    half = float(np.interp(mass[-1] / 2, mass, radius))
    sigma = np.sqrt(mass[-1] / (4 * np.pi * scale_factor * (2 - beta)))
    return np.array([np.log(scale_factor * half), np.log(sigma), beta])
