"""Spectra of steady-state filaments from the table of similarity, in milliseconds: no states are solved for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from attrs import evolve
from numpy.typing import ArrayLike, NDArray

from ...errors import InputError
from ...filament.model import END_SHARPNESS, Filament
from ...quantities import takes
from ...units import CodeUnits
from ...values import brief
from .recipe import Recipe
from .store import read_table, table_for
from .table import LARGEST_KAPPA, SimilarityTable

_SAME = 1e-9  # relative difference of sharpness from that of the table


@brief
@dataclass(frozen=True, eq=False)
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


@takes(k="h/Mpc")
def filament_spectra(
    filaments: Sequence[Filament],
    k: ArrayLike,
    h: float,
    omega_m: float,
    table: SimilarityTable | str | Path | None = None,
    *,
    energy_cut: float | None = None,
    l0_angular_momentum: float | None = None,
) -> FilamentSpectra:
    """The spectra of filaments whose weights are those of wkb.

    k        comoving [h/Mpc], shape (k,), positive
    h, omega_m  as CodeUnits has them
    table    a table or its file (gpu-fdm tabulate similarity); where not given that of the package for the beta of the
             filaments
    energy_cut, l0_angular_momentum  as in [wavefunction]; where not given those of the table
    With the tables of the package they agree with single_power to 3e-4 where P(k) > 1e-7 P(0) and nu > 4. Below, the
    sums of single filaments have steps at which states enter, which the table rounds: up to 4e-3. Lower energy cuts
    make larger steps: 2e-3 at nu = 4.7 for a cut of 0.9.
    Raises InputError for a filament that the table does not cover: another beta, tabulated profiles, other soft ends,
    nu or length over r0/a outside of its range; and for wavenumbers beyond the fringes of all of them.
    """
    k = np.asarray(k, float)
    if k.ndim != 1 or not np.all(np.isfinite(k) & (k > 0)):
        raise InputError("k: must be a list of positive numbers")
    if not filaments:
        raise InputError("filaments: must be one or more")
    table = _table_of(filaments[0], table, energy_cut, l0_angular_momentum)
    nu, ratio, scale = np.array([_similarity(filament, table, h, omega_m) for filament in filaments]).T
    largest = float(np.max(2 * nu / scale)) * LARGEST_KAPPA
    if len(k) and k.max() > largest * (1 + _SAME):
        allowed = f"at most {largest:.6g} h/Mpc, kappa = k/k_cut = {LARGEST_KAPPA:g}"
        raise InputError(f"k = {k.max():.6g} h/Mpc: must be {allowed}, where the fringes of the table end")
    smooth, interference, self_term, completed = table.parts(nu, ratio, scale[:, None] * k)
    weight_sum = table.mass(nu)
    squared = weight_sum[:, None] ** 2
    return FilamentSpectra(k, smooth * squared, interference * squared, self_term * squared, completed, weight_sum)


def _table_of(
    filament: Filament, table: SimilarityTable | str | Path | None, energy_cut: float | None, axial: float | None
) -> SimilarityTable:
    """The table of the states of a filament."""
    if isinstance(table, str | Path):
        given: SimilarityTable | None = read_table(table)
    else:
        given = table
    like = Recipe(beta=filament.beta) if given is None or given.recipe.beta != filament.beta else given.recipe
    changes = {"energy_cut": energy_cut, "l0_angular_momentum": axial}
    wanted = evolve(like, **{name: value for name, value in changes.items() if value is not None})
    return table_for(wanted, table)


def _similarity(filament: Filament, table: SimilarityTable, h: float, omega_m: float) -> tuple[float, float, float]:
    """nu, length over r0/a, and r0/a [cMpc/h] of a filament."""
    name, beta = f"filament {filament.number}", table.recipe.beta
    if filament.r0 is None or filament.sigma is None:
        raise InputError(f"{name}: a tabulated profile, must be a steady-state cylinder for the table of similarity")
    if filament.beta != beta:
        raise InputError(f"{name}: beta = {filament.beta:g}: must be {beta:g} as that of the others")
    if abs(filament.sharpness * filament.length / END_SHARPNESS - 1) > _SAME:
        raise InputError(f"{name}: sharpness = {filament.sharpness:g}: must be {END_SHARPNESS:g}/length for the table")
    units = CodeUnits(filament.m22, h, omega_m)
    scale = filament.r0 * (1 + filament.redshift)
    return filament.r0 / units.length * filament.sigma / units.velocity, filament.length / scale, scale
