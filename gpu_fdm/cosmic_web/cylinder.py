"""The isothermal cylinder that fits line masses in shells, with a constant density beside it.

    mu(<R) = mu X/(1 + X) + pi b R^2,   X = (R/s)^(2 - beta),   s = r0/a
    sigma^2 = mu/(4 pi a (2 - beta))                     in code units, that is 100^2 (3/2) Om mu/(4 pi a (2 - beta))
                                                         in (km/s)^2 for mu in mean matter densities times (cMpc/h)^2

(filament.profile). Shells are weighted with the inverse of their variances, between slices. The errors of parameters
are those of fits without one slice at a time, each with its own weights.
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.optimize import least_squares

from ..errors import UnfitError
from .jackknife import Sample, variance

HUBBLE = 100.0  # km/s of a distance of 1 Mpc/h


@frozen
class Cylinder:
    """A fitted cylinder; `errors` are standard deviations of (scale, line_mass, background).

    scale       r0/a [cMpc/h];  line_mass  total [mean matter density (cMpc/h)^2]
    background  constant density beside it [mean matter densities];  beta  anisotropy
    without_one  background of the fits without one slice or sector at a time, none of a cylinder that was not fitted
    """

    scale: float
    line_mass: float
    background: float
    beta: float = 0.0
    errors: tuple[float, float, float] = (np.nan, np.nan, np.nan)
    without_one: tuple[float, ...] = ()

    def enclosed(self, radius: NDArray) -> NDArray:
        """Line mass of the cylinder within radii, without the background [mean matter density (cMpc/h)^2]."""
        power = (np.asarray(radius, float) / self.scale) ** (2 - self.beta)
        return self.line_mass * power / (1 + power)

    def density(self, radius: NDArray) -> NDArray:
        """Density of the cylinder at R > 0, without the background [mean matter densities]."""
        x = np.asarray(radius, float) / self.scale
        power = x ** (2 - self.beta)
        return self.line_mass * (2 - self.beta) / (2 * np.pi * self.scale**2) * x**-self.beta / (1 + power) ** 2

    def r0(self, scale_factor: float) -> tuple[float, float]:
        """Physical scale radius and its error [Mpc/h]."""
        return self.scale * scale_factor, self.errors[0] * scale_factor

    def sigma(self, scale_factor: float, omega_m: float) -> tuple[float, float]:
        """Velocity dispersion of the equilibrium and its error [km/s]."""
        sigma = HUBBLE * np.sqrt(1.5 * omega_m * self.line_mass / (4 * np.pi * scale_factor * (2 - self.beta)))
        return float(sigma), float(sigma * self.errors[1] / (2 * self.line_mass))


def fitted(edges: NDArray, sample: Sample, beta: float = 0.0, background: float | None = None) -> Cylinder:
    """The cylinder that fits the line masses in shells best.

    edges       of the shells, shape (shells + 1,) [cMpc/h];  sample  of at least four slices or sectors
    background  a known density beside it [mean matter densities]; None: fitted too
    Raises UnfitError where the masses have no scatter, are all in one unit, or there is no such cylinder.
    """
    line_masses = sample.line_masses()
    half = float(np.interp(0.5 * line_masses.sum(), np.cumsum(line_masses), edges[1:]))
    start = np.array([np.log(half), np.log(line_masses.sum()), background or 0.0])
    best = _best(edges, sample, beta, background, start)
    left_out = np.array([_best(edges, one, beta, background, best) for one in sample.without_each()])
    scale, mass = np.exp(best[:2])
    errors = np.sqrt(variance(left_out)) * [scale, mass, background is None]
    return Cylinder(
        float(scale), float(mass), float(best[2]), beta, tuple(errors.tolist()), tuple(left_out[:, 2].tolist())
    )


def variance_of(sample: Sample) -> NDArray:
    """Variances of line masses, over the mass squared a running median of 5 shells: of few slices they scatter."""
    line_masses = sample.line_masses()
    if not np.any(line_masses > 0):
        raise UnfitError("its mass is all in one slice or sector, or there is none")
    floor = 1e-12 * float(np.max(line_masses))
    relative = sample.variance() / np.maximum(line_masses, floor) ** 2
    relative[line_masses <= floor] = 1.0
    padded = np.pad(relative, 2, mode="edge")
    median = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    if not np.all(median[line_masses > floor] > 0):
        raise UnfitError("the masses in shells are the same in all slices: their errors are not known")
    # an empty shell has the scatter of the least mass that was found
    return median * np.maximum(line_masses, line_masses[line_masses > floor].min()) ** 2 + floor**2


def _best(edges: NDArray, sample: Sample, beta: float, background: float | None, start: NDArray) -> NDArray:
    """(ln scale, ln line mass, background) of the least squares, with weights from the sample and from the fit."""
    line_masses, known = sample.line_masses(), variance_of(sample)
    best = _fit(edges, line_masses, known, beta, background, start)
    # variances of the masses of the fit: shells that are low by chance would count more
    model = np.diff(Cylinder(np.exp(best[0]), np.exp(best[1]), best[2], beta).enclosed(edges))
    model += np.pi * np.diff(edges**2) * best[2]
    known *= np.clip(model / np.maximum(line_masses, 1e-300), 0.5, 2) ** 2
    return _fit(edges, line_masses, known, beta, background, best)


def _fit(
    edges: NDArray, masses: NDArray, variance: NDArray, beta: float, background: float | None, start: NDArray
) -> NDArray:
    """(ln scale, ln line mass, background) of the least squares."""
    root = 1 / np.sqrt(variance)
    area = np.pi * np.diff(edges**2)
    log_edges, free, beside = np.log(edges[1:]), 3 if background is None else 2, background or 0.0

    def parts(p: NDArray) -> tuple[NDArray, NDArray, NDArray]:
        power = np.exp(np.clip((2 - beta) * (log_edges - p[0]), -200, 200))
        share = np.concatenate([[0.0], power / (1 + power)])
        slope = np.concatenate([[0.0], -(2 - beta) * power / (1 + power) ** 2])
        return np.exp(np.clip(p[1], -200, 200)), np.diff(share), np.diff(slope)

    def residuals(p: NDArray) -> NDArray:
        mass, share, _ = parts(p)
        return (mass * share + area * (p[2] if free == 3 else beside) - masses) * root

    def jacobian(p: NDArray) -> NDArray:
        mass, share, slope = parts(p)
        return np.stack([mass * slope, mass * share, area][:free], axis=-1) * root[:, None]

    found = least_squares(residuals, start[:free], jacobian, method="lm", x_scale="jac", max_nfev=100)
    if not (found.success and np.all(np.isfinite(found.x)) and abs(found.x[0] - np.log(edges[-1])) < 20):
        raise UnfitError("no isothermal cylinder fits the masses in shells")
    return np.array([*found.x[:2], found.x[2] if free == 3 else beside])
