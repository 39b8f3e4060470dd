"""Spectra of a cut-out of psi beside those of the model that its weights make: in the plane, and in its box."""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..filament.model import Model
from ..filament.projection import Projection, psi_on_lattice, rings_for
from ..filament.slices import at_rest
from ..parallel.domain import Domain
from ..spectra.modes import contrast_modes
from ..spectra.phase_average import polar_spectrum
from ..spectra.power import Bins, powers_of_modes
from ..spectra.slice_power import slice_power
from .cut_out import CutOut

_POINTS = 48  # wavenumbers in the plane
_ROUND_OFF = 1e-12  # of a ratio: psi that is the same all along the axis has no power in some bins of a box
_RATIOS = 3  # of which the summary tells
MANY = 50  # modes of a bin of which it does


@frozen(eq=False)
class PolarPower:
    """P2 over the line mass of the equilibrium squared, shape (k,) all; k [h/Mpc].

    mean, scatter, error  of slices of the cut-out: their mean, standard deviation, and standard error of the mean
    exact  averages of weights, by the names of these, whose |a|^2 scatter as those of the cut-out
    """

    k: NDArray
    mean: NDArray
    scatter: NDArray
    error: NDArray
    exact: dict[str, NDArray]


@frozen(eq=False)
class BoxPower:
    """Power in the box of the cut-out, over its mean density squared [(Mpc/h)^3], in the same modes; k [h/Mpc]."""

    k: NDArray
    modes: NDArray
    cut_out: NDArray
    reconstruction: NDArray


def polar_power(cut: CutOut, model: Model, found: Projection, weights: dict[str, NDArray]) -> PolarPower:
    """Of the slices, brought to their centres, within the disc of the projection, and of weights by their names."""
    library, unit = model.library, model.units.length
    across = cut.sides[0] / unit, cut.sides[1] / unit
    rings = rings_for(library, cut.psi.shape[0], across[0])
    k = np.geomspace(0.3 / found.outer, 2.2 * library.wavenumber_max, _POINTS)
    slices = slice_power(rings, at_rest(cut.psi, across, None, found.centre), k, library.line_mass)
    effective, scatter = found.correlation.effective, np.std(slices, axis=0)
    share = found.relative_scatter**2
    averages = {name: polar_spectrum(library, weight, k) for name, weight in weights.items()}
    exact = {name: one.fixed + share * one.self_term for name, one in averages.items()}
    error = scatter / np.sqrt(effective) if effective >= 2 else np.full(len(k), np.nan)
    return PolarPower(k / unit, slices.mean(axis=0), scatter, error, exact)


def box_power(cut: CutOut, model: Model, found: Projection) -> BoxPower:
    """Of the cut-out, its slices brought to their centres, and of the model's psi on the same lattice.

    The box is not periodic: where its ends do not meet both have the same spurious power.
    """
    unit, cells, (u, v, length) = model.units.length, cut.psi.shape, cut.sides
    z = ((np.arange(cells[2]) + 0.5) / cells[2] - 0.5) * length / unit
    rebuilt = psi_on_lattice(model.library, model.wave.amplitudes(z), cells[0], u / unit)
    rest = at_rest(cut.psi, (u / unit, v / unit), None, found.centre)
    densities = [np.ascontiguousarray(np.abs(psi) ** 2, float) for psi in (rest, rebuilt)]
    bins = Bins(cells, cut.sides)
    modes = [contrast_modes(density, Domain(cells)) for density in densities]
    spectra = [powers_of_modes([one], [((0,), bins)])[0] for one in modes]
    own, other = spectra
    good = (own.modes > 0) & (own.k > 0) & (own.k <= own.nyquist)
    ratio = float(densities[1].mean() / densities[0].mean())
    return BoxPower(own.k[good], own.modes[good], own.power[good], ratio**2 * other.power[good])


def log_weights_in_words(name: str, rms: float, chance: float, slices: float) -> str:
    """How far measured weights are from others;  slices  number of independent ones, which make `chance`."""
    return f"rms of ln(weight/{name}) {rms:.2g} by mass, {chance:.2g} by chance in {slices:.3g} independent slices"


def scatter_in_words(relative: float) -> str:
    """How |a|^2 scatters from slice to slice, over its mean."""
    return f"|a|^2 of psi scatters by {relative:.2f} of its mean (1 of Gaussian amplitudes, 0 of fixed ones)"


def ratios_in_words(k: NDArray, ratio: NDArray, error: NDArray | None = None) -> str:
    """A ratio at a few wavenumbers [h/Mpc]."""
    if not len(k):
        return f"no bin has {MANY} modes"
    rows = np.unique(np.linspace(0, len(k) - 1, _RATIOS + 2).astype(int)[1:-1])
    parts = []
    for row in rows:
        bar = "" if error is None or not np.isfinite(error[row]) else f" +- {error[row]:.1g}"
        value = ratio[row] if ratio[row] > _ROUND_OFF else 0.0
        parts.append(f"{value:.3g}{bar} at k = {k[row]:.4g}")
    return ", ".join(parts) + " h/Mpc"
