"""Spectra of isothermal filaments from the table of similarity, in milliseconds: no states are solved for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError
from ...filament.model import END_SHARPNESS, Filament
from ...units import CodeUnits
from .store import shipped_table
from .table import SimilarityTable

_SAME = 1e-9  # relative difference of sharpness from that of the table


@dataclass(frozen=True)
class FilamentSpectra:
    """Parts of P(k|M)/M^2 of filaments, averaged over phases and orientations.

    k            comoving [h/Mpc], shape (k,)
    smooth, interference, self_term, completed   shape (filaments, k), as in SinglePower
    weight_sum   line mass of the states over that of the filament, shape (filaments,)
    """

    k: NDArray
    smooth: NDArray
    interference: NDArray
    self_term: NDArray
    completed: NDArray
    weight_sum: NDArray

    @property
    def fixed(self) -> NDArray:
        """The spectrum of |psi|^2 with fixed |a_nl|, shape (filaments, k)."""
        return self.smooth + self.interference - self.self_term

    @property
    def gaussian(self) -> NDArray:
        """The spectrum of |psi|^2 with Gaussian amplitudes, shape (filaments, k)."""
        return self.smooth + self.interference


def filament_spectra(
    filaments: Sequence[Filament], k: ArrayLike, h: float, omega_m: float, table: SimilarityTable | None = None
) -> FilamentSpectra:
    """The spectra of filaments whose weights are those of wkb, with the energy cut of the table.

    k        comoving [h/Mpc], shape (k,), positive
    h, omega_m  as CodeUnits has them
    table    that which comes with the package, for energy_cut = 0.99, where not given
    They agree with single_power to 2e-4 where P(k) > 1e-7 P(0) and nu > 4. Below, the sums of single filaments have
    steps at which states enter, which the table rounds: 1e-3 at nu = 2, 6e-3 at nu = 1.
    Raises InputError for a filament that the table does not cover: beta > 0, tabulated profiles, other soft ends, nu
    below 0.5, lengths outside 10 to 125 r0/a.
    """
    table = shipped_table() if table is None else table
    k = np.asarray(k, float)
    if k.ndim != 1 or not np.all(np.isfinite(k) & (k > 0)):
        raise InputError("k: must be a list of positive numbers")
    nu, ratio, scale = np.array([_similarity(filament, h, omega_m) for filament in filaments]).T
    smooth, interference, self_term, completed = table.parts(nu, ratio, scale[:, None] * k)
    weight_sum = table.mass(nu)
    squared = weight_sum[:, None] ** 2
    return FilamentSpectra(k, smooth * squared, interference * squared, self_term * squared, completed, weight_sum)


def _similarity(filament: Filament, h: float, omega_m: float) -> tuple[float, float, float]:
    """nu, length over r0/a, and r0/a [cMpc/h] of a filament."""
    name = f"filament {filament.number}"
    if filament.r0 is None or filament.sigma is None:
        raise InputError(f"{name}: a tabulated profile, must be an isothermal cylinder for the table of similarity")
    if filament.beta != 0:
        raise InputError(f"{name}: beta = {filament.beta:g}: must be 0 for the table of similarity")
    if abs(filament.sharpness * filament.length / END_SHARPNESS - 1) > _SAME:
        raise InputError(f"{name}: sharpness = {filament.sharpness:g}: must be {END_SHARPNESS:g}/length for the table")
    units = CodeUnits(filament.m22, h, omega_m)
    scale = filament.r0 * (1 + filament.redshift)
    return filament.r0 / units.length * filament.sigma / units.velocity, filament.length / scale, scale
