"""Densities on grids, and power spectra of grids that are known exactly."""

import numpy as np

from gpu_fdm.spectra.power import Bins, PowerSpectrum, bin_modes


def random_density(cells=24, seed=1):
    return 1 + 0.3 * np.random.default_rng(seed).standard_normal((cells,) * 3)


def power_law_grid(cells, box, width, slope):
    """A grid each of whose modes has exactly P = k^slope."""
    bins = Bins((cells,) * 3, box, width)
    squares = [(bins.wavenumbers(axis) * bins.fundamental) ** 2 for axis in range(3)]
    k = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
    amplitude = np.where(k > 0, np.where(k > 0, k, 1) ** (slope / 2), 0) * cells**3 / box**1.5
    return PowerSpectrum.from_sums(bin_modes(amplitude.astype(complex), None, 0, bins), bins, (1.0,))
