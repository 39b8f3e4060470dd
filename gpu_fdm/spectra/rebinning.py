"""Measured spectra over wider bins, and two of them over common bins.

Means over wider bins are weighted with the numbers of modes. A bin on both sides of a new edge is split between the
wider bins: its modes in proportion to the volume in k space, its power along the slope of the spectrum.
"""

from itertools import pairwise

import numpy as np
from attrs import evolve
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from .spectrum import SAME, Spectrum

_FLAT = 1e-6  # |slope| of an integrand in ln k below which it is integrated as this slope: the same to 1e-5


def rebin(spectrum: Spectrum, edges: ArrayLike) -> Spectrum:
    """The spectrum over wider bins; edges [h/Mpc], shape (wider bins + 1,), increasing.

    A wider bin without modes is left out.
    Raises InputError for theory, which has no modes, and where no mode is between the edges.
    """
    modes, deviation = spectrum.modes, spectrum.deviation
    if modes is None or deviation is None:
        raise InputError(f"{spectrum.of}: modes: must be known for bins to be made wider")
    edges = np.asarray(edges, float)
    low, high = spectrum.bin_edges
    slope, variance = _slopes(spectrum), (modes * deviation) ** 2
    wider = []
    for left, right in pairwise(edges):
        bins = slice(np.searchsorted(high, left, "right"), np.searchsorted(low, right, "left"))
        inside = low[bins], high[bins], np.maximum(low[bins], left), np.minimum(high[bins], right)
        share = _share(*inside, 0.0)
        total = np.sum(share * modes[bins])
        if total > 0:
            k = np.sum(_share(*inside, 1.0) * (modes * spectrum.k)[bins]) / total
            power = np.sum(_share(*inside, slope[bins]) * (modes * spectrum.power)[bins]) / total
            # the variances of the parts of a bin add up to its own
            error = np.sqrt(np.sum(share * variance[bins])) / total
            wider.append((k, power, total, error, left, right))
    if not wider:
        raise InputError(f"{spectrum.of}: no modes between {edges[0]:g} and {edges[-1]:g} h/Mpc")
    k, power, modes, error, left, right = np.array(wider).T
    return evolve(spectrum, k=k, power=power, modes=modes, error=error, edges=np.array([left, right]))


def common_bins(first: Spectrum, second: Spectrum) -> tuple[Spectrum, Spectrum]:
    """Two measured spectra over the finest common bins, each as wide as the bins of both or wider.

    A common edge is where a bin of both ends, or the later of the two ends: bins are then split. The lowest bin, whose
    few modes do not fill it, is never split: if the lowest bins do not begin together, the common ones begin where both
    have ended. Equal bins are left as they are.
    Raises InputError where they have no k in common.
    """
    edges = first.bin_edges, second.bin_edges
    if edges[0].shape == edges[1].shape and np.allclose(*edges, rtol=SAME, atol=0):
        return first, second
    begins, ends = [low[0] for low, _ in edges], [high[0] for _, high in edges]
    together = max(begins) <= min(begins) * (1 + SAME)
    common = [float(max(begins) if together else max(ends))]
    while True:
        next_ends = [high[high > common[-1] * (1 + SAME)][:1] for _, high in edges]
        if not all(len(end) for end in next_ends):
            break
        common.append(float(max(end[0] for end in next_ends)))
    if len(common) < 2:
        ranges = [
            f"{spectrum.of} has {low[0]:g} to {high[-1]:g} h/Mpc"
            for spectrum, (low, high) in zip((first, second), edges, strict=True)
        ]
        raise InputError(f"no k in common: {', '.join(ranges)}")
    first, second = rebin(first, common), rebin(second, common)
    # a wider bin is left out of the spectrum that has no mode in it
    low = first.bin_edges[0], second.bin_edges[0]
    return first.rows(np.isin(low[0], low[1])), second.rows(np.isin(low[1], low[0]))


def _slopes(spectrum: Spectrum) -> NDArray:
    """d ln P/d ln k in every bin; 0 where the power is round-off."""
    known = spectrum.above_floor
    slopes = np.zeros(len(spectrum.k))
    if np.count_nonzero(known) > 1:
        slopes[known] = np.gradient(np.log(spectrum.power[known]), np.log(spectrum.k[known]))
    return slopes


def _share(low: NDArray, high: NDArray, begin: NDArray, end: NDArray, slope: NDArray | float) -> NDArray:
    """Integral of k^slope d^3k over begin..end, over that over the bin low..high; slivers are round-off."""
    part, full = (end / low, begin / low), high / low
    volume = (part[0] ** 3 - part[1] ** 3) / (full**3 - 1)
    power = slope + 3
    power = np.where(np.abs(power) < _FLAT, _FLAT, power)  # k^0 for ln k: round-off is the same
    share = (part[0] ** power - part[1] ** power) / (full**power - 1)
    return np.where(volume > 1 - SAME, 1.0, np.where(volume > SAME, share, 0.0))
