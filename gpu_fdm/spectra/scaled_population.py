"""P_1f of a population from filaments that are solved for at a few nu, shared by all bosons, masses and shapes.

A filament's spectrum over its mass squared depends on its nu, r0 and length (scaled_filament.py), and all follow from
its mass. It is evaluated at the masses whose nu are those of a lattice, its logarithm is interpolated in ln M by a
cubic spline, and P_1f is the integral over the window as in one_filament.py.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ..errors import InputError
from ..filament.model import END_SHARPNESS
from ..quadrature import gauss_legendre
from .one_filament import QUADRATURE, MassFunction
from .scaled_filament import ScaledFilament

STEP = 2**0.5  # between nu of the lattice, which are its powers: P_1f is interpolated to 3e-4
FIRST, LAST = -4, 6  # powers that are solved for, nu = 1/4 and 8: 4 and 3052 states
HALF = 2  # powers lower: half of nu
MOST_LIGHTER = 0.01  # share of P_1f that may be of filaments below the first nu, which are taken as at it
_LEAST = 1e-19  # of a spectrum over M^2, below which it is taken as this, so that it has a logarithm
_SHAPES = 64  # masses at which shapes are asked for
_FEWEST = 4  # masses of a cubic

Shapes = Callable[[NDArray], tuple[NDArray, NDArray, NDArray]]  # of masses


@dataclass(frozen=True, eq=False)
class ScaledPopulation:
    """The filaments of a window of masses, for one boson.

    shapes  function of masses [Msun/h], shape (masses,): length [cMpc/h], r0 [Mpc/h, physical], sigma [km/s]
    window  lightest and heaviest mass [Msun/h]
    quantum r0 sigma of nu = 1 [Mpc/h km/s];  scale_factor
    """

    shapes: Shapes
    window: tuple[float, float]
    quantum: float
    scale_factor: float

    @cached_property
    def _log_shapes(self) -> CubicSpline:
        """ln length, ln r0, ln sigma of ln M; a little beyond the window, too, where it supports interpolation."""
        masses = np.geomspace(*self.window, _SHAPES)
        return CubicSpline(np.log(masses), np.log(self.shapes(masses)).T)

    def _log_nu(self, log_mass: NDArray) -> NDArray:
        shapes = self._log_shapes(log_mass)
        return shapes[..., 1] + shapes[..., 2] - np.log(self.quantum)

    @cached_property
    def _lattice(self) -> tuple[list[int], NDArray]:
        """Powers of STEP that are nu of filaments in the window, one beyond on either side, and ln M of these."""
        ends = np.log(self.window)
        low, high = self._log_nu(ends) / np.log(STEP)
        first, last = floor(low), ceil(high)
        while last - first + 1 < _FEWEST:
            first, last = first - 1, last + 1
        beyond = 2.0 * np.log(STEP)  # nu rises about as M^0.7
        log_mass = np.linspace(ends[0] - beyond, ends[1] + beyond, 4 * _SHAPES)
        log_nu = self._log_nu(log_mass)
        if np.any(np.diff(log_nu) <= 0):
            raise InputError(
                "r0 sigma of the filaments: must rise with their mass for their spectra to be interpolated"
            )
        powers = range(first, last + 1)
        return list(powers), CubicSpline(log_nu, log_mass)(np.log(STEP) * np.array(powers))

    @property
    def needed(self) -> dict[int, float]:
        """Powers of STEP that must be solved for, and the largest comoving r0 of the filaments that take theirs."""
        powers, log_mass = self._lattice
        needed: dict[int, float] = {}
        for power, r0 in zip(powers, np.exp(self._log_shapes(log_mass)[:, 1]).tolist(), strict=True):
            solved = min(max(power, FIRST), LAST)
            for one in (solved, solved - HALF) if power > LAST else (solved,):
                needed[one] = max(needed.get(one, 0.0), r0 / self.scale_factor)
        return needed

    def spectra(
        self,
        k: NDArray,
        solved: Mapping[int, ScaledFilament],
        mass_function: MassFunction,
        density: float,
        statistics: str = "fixed",
        axial: str = "coherent",
        mode_mass: str = "completed",
    ) -> tuple[NDArray, NDArray]:
        """P_1f of |psi|^2 and of its phase average [(Mpc/h)^3], shape (k,) both.

        k       comoving [h/Mpc], shape (k,)
        solved  filaments of the powers of STEP that are needed, with r0 = a = 1
        mass_function, density  as for one_filament.mean_over_masses
        statistics, axial, mode_mass  as in ScaledFilament.power
        Raises InputError where light filaments that are not solved for have more than a per cent of the power.
        """
        powers, log_mass = self._lattice
        spectra = []
        for power, shape in zip(powers, np.exp(self._log_shapes(log_mass)).tolist(), strict=True):
            length, r0, _ = shape
            filament = solved[min(max(power, FIRST), LAST)]
            if power > LAST:
                filament = filament.heavier(solved[LAST - HALF], STEP ** (power - LAST))
            of_filament = r0 / self.scale_factor, length, END_SHARPNESS / length
            spectra.append(np.array(filament.power(k, *of_filament, statistics, axial, mode_mass)))
        x, w = gauss_legendre(QUADRATURE)
        low, high = np.log(self.window)
        mass = np.exp(low + (high - low) * (1 + x) / 2)
        weight = (high - low) / 2 * w * mass**2 * mass_function(mass) / density**2
        each = np.exp(CubicSpline(log_mass, np.log(np.maximum(spectra, _LEAST)))(np.log(mass)))  # (mass, 2, k)
        fdm, smooth = np.tensordot(weight, each, axes=1)
        self._check_lighter(k, weight, mass, each[:, 0], fdm)
        return fdm, smooth

    def _check_lighter(self, k: NDArray, weight: NDArray, mass: NDArray, fdm: NDArray, total: NDArray) -> None:
        lighter = self._log_nu(np.log(mass)) < FIRST * np.log(STEP)
        share = (weight[lighter] @ fdm[lighter]) / total
        worst = int(np.argmax(share))
        if share[worst] > MOST_LIGHTER:
            raise InputError(
                f"filaments lighter than {mass[~lighter].min(initial=self.window[1]):.3g} Msun/h have fewer than four "
                f"states and {100 * share[worst]:.2g} % of P_1f at k = {k[worst]:.3g} h/Mpc: must have less than "
                f"{100 * MOST_LIGHTER:g} % (raise one_filament.mass_min, or fit heavier bosons)"
            )
