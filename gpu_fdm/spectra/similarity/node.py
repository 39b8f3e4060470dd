"""The spectrum of a steady-state filament of one nu, in three parts of P/M^2 over (sum w)^2: from its states.

In lengths of r0/a and energies of 2 sigma^2 the states solve

    [ -1/(4 nu^2) laplacian + ln(1 + x^(2-beta)) ] psi = eps psi,    eps < eps_c = -ln(1 - f)
    w = sqrt(pi) (2-beta) 2^(beta/2) / Gamma((1-beta)/2) nu^(beta-2) l^(-beta) exp(-2 eps)

(2/nu^2 exp(-2 eps) for beta = 0), with L0 in place of l = 0.

States enter one by one as nu grows, which makes the sums rough in nu: by 1e-3 at nu = 1. The cut is therefore rounded:
weights are multiplied by erfc[(eps - eps_c - D^2/4)/D]/2, D = 0.3/nu, where D^2/4 keeps the mass.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import erfc

from ...filament.eigenstates import eigenstates
from ...filament.profile import SteadyStateCylinder
from ...filament.weights import wkb_weights
from ...parallel.backend import CPU, GPU
from ...parallel.blas import on_one_thread
from ..phase_average import form_factor, polar_spectrum
from .recipe import ROUNDING, Recipe

_BEYOND = 4.5  # widths D beyond the cut at which states still count
_LARGEST_KAPPA = 5.0  # of the rows of fringes
_STEP = 0.02  # of ln q in sums over states
_FORM_STEP = 0.1  # of q in form factors, over the inverse of the radius: cubic splines have them to 3e-7
_SMALLEST_Q = 2e-3
_HERMITE = 4  # cuts over which the mass beyond the rounded one is averaged

Spectrum = Callable[[NDArray], NDArray]


@dataclass(frozen=True)
class PlaneSpectrum:
    """Three parts of the spectrum in the plane, functions of q = k r0/a of any shape, over (sum w)^2.

    smooth         A^2, of the mean density
    completed      the same with the mass beyond the energy cut and over all of the mass squared, see SinglePower
    interference   I, of all pairs of states;  self_term  S, of each state with itself
    weight_sum     sum w: line mass of the states over that of the filament
    radius         beyond which there is no mass [r0/a]
    With fixed |a_nl| the spectrum is A^2 + I - S.
    """

    smooth: Spectrum
    completed: Spectrum
    interference: Spectrum
    self_term: Spectrum
    weight_sum: float
    radius: float


@on_one_thread
def plane_spectrum(nu: float, recipe: Recipe, backend: CPU | GPU | None = None) -> PlaneSpectrum:
    """The spectrum in the plane of a filament of nu; backend: CPU or GPU, where the sums run."""
    cut, width, profile = recipe.cut, ROUNDING / nu, recipe.profile(nu)
    library = eigenstates(profile, -np.expm1(-(cut + _BEYOND * width)))
    weight = wkb_weights(profile, library, recipe.l0_angular_momentum)
    weight *= erfc((library.energy / 2 - cut - width**2 / 4) / width) / 2
    mass = float(np.sum(library.multiplicity * weight))

    q = np.exp(np.arange(np.log(_SMALLEST_Q), np.log(2 * nu * _LARGEST_KAPPA), _STEP))
    sums = polar_spectrum(library, weight, q / nu, backend=backend)
    squared = mass**2
    kappa = q / (2 * nu)
    interference = _log_interpolation(q, sums.interference / squared, kappa)
    self_term = _log_interpolation(q, sums.self_term / squared, kappa)

    q_max = 2 * nu * _LARGEST_KAPPA
    rows = np.linspace(0, q_max, int(q_max * library.radius_max / nu / _FORM_STEP) + 8)
    modes = form_factor(library, weight, rows / nu, backend)
    all_mass = modes + _missing(profile, cut, width, rows / nu, backend)

    def squared_form(values: NDArray) -> Spectrum:
        spline = CubicSpline(rows, values / values[0])
        return lambda q: np.where(q <= q_max, spline(np.minimum(q, q_max)), 0.0) ** 2

    radius = library.radius_max / nu
    return PlaneSpectrum(squared_form(modes), squared_form(all_mass), interference, self_term, mass, radius)


def _missing(profile: SteadyStateCylinder, cut: float, width: float, k: NDArray, backend: CPU | GPU | None) -> NDArray:
    """The form factor of the mass beyond the rounded cut, over the line mass, shape of k."""
    x, share = np.polynomial.hermite.hermgauss(_HERMITE)
    energies = 2 * (cut + width**2 / 4 + width * x)
    beyond = [profile.form_factor_beyond(float(energy), k, backend) for energy in energies]
    return np.asarray(share / np.sqrt(np.pi) @ np.array(beyond))


def _log_interpolation(q: NDArray, values: NDArray, kappa: NDArray) -> Spectrum:
    """A cubic spline of ln(values) + kappa^2 in ln q: constant below the first row, zero after the last positive."""
    ended = np.flatnonzero(values <= 0)
    last = ended[0] if len(ended) else len(q)
    spline = CubicSpline(np.log(q[:last]), np.log(values[:last]) + kappa[:last] ** 2)
    scale = q[0] / kappa[0]

    def at(wavenumber: NDArray) -> NDArray:
        inside = np.clip(wavenumber, q[0], q[last - 1])
        found = np.exp(spline(np.log(inside)) - (inside / scale) ** 2)
        return np.where(wavenumber <= q[last - 1], found, 0.0)

    return at
