"""Spectra measured on a grid, with their box and the modes and edges of their bins."""

import numpy as np
from numpy.typing import NDArray

from ..io.shot_noise import SUBTRACTED
from ..kernels.binning import EDGE_TOLERANCE
from .power import PowerSpectrum
from .spectrum import Spectrum

GRID_FLOOR = 1e-12  # of the largest power: below, a smooth field on a grid is the interpolation error of its cells


def grid_spectrum(
    spectrum: PowerSpectrum,
    of: str,
    *,
    redshift: float | None = None,
    m22: float | None = None,
    error: NDArray | None = None,
    source: str = "",
    shot_noise_subtracted: bool | None = None,
) -> Spectrum:
    """The spectrum of a grid or of particles, without its row k = 0.

    error  [(Mpc/h)^3], shape of spectrum.power: of the power with its shot noise
    shot_noise_subtracted  whether power is less shot noise; None where there are no particles
    Raises InputError for NaN, and for negative power (after shot noise was subtracted, say) without an error;
    ValueError for P(k, mu) and cross spectra.
    """
    if spectrum.power.ndim != 1 or len(spectrum.names) != 1:
        raise ValueError(f"spectrum of {spectrum.names}, shape {spectrum.power.shape}: must be P(k) of one field")
    return Spectrum(
        spectrum.k[1:],
        spectrum.power[1:],
        of,
        modes=spectrum.modes[1:],
        error=None if error is None else error[1:],
        edges=grid_bin_edges(spectrum.k[1:], spectrum.bins.fundamental, spectrum.bins.width),
        floor=grid_floor(spectrum.power),
        box_size=spectrum.box_size,
        nyquist=spectrum.nyquist,
        redshift=redshift,
        m22=m22,
        source=source,
        shot_noise=SUBTRACTED[shot_noise_subtracted],
    )


def grid_bin_edges(k: NDArray, fundamental: float, width: float) -> NDArray:
    """Edges of the bins (see power.Bins) with these mean wavenumbers [h/Mpc], shape (2, bins).

    fundamental  smallest wavenumber of the box, below which there is no mode [h/Mpc];  width  of a bin [fundamental]
    """
    step = width * fundamental
    number = np.floor(k / step + 0.5 + EDGE_TOLERANCE)
    return np.array([np.maximum((number - 0.5) * step, fundamental / 2), (number + 0.5) * step])


def grid_floor(power: NDArray) -> float:
    """Power at and below which a spectrum of a grid is round-off, in the units of power."""
    return GRID_FLOOR * float(np.max(power))
