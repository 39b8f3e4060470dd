"""Means of a known spectrum over the modes of a box, in the bins in which its power is measured.

A bin at small k holds few modes, at a few distinct |k|: where the spectrum is steep, its value at their mean k is not
its mean over them, by tens of per cent in the first bins.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ..fields.box import Box
from ..kernels.binning import EDGE_TOLERANCE

EXACT = 32  # bins whose modes are counted one by one; beyond, P at the mean k is good to 3e-3 for P ~ k^-8


def mean_over_modes(power: Callable[[NDArray], NDArray], box: Box, k: NDArray) -> NDArray:
    """Mean of a spectrum over the modes in each bin, which is one fundamental wavenumber wide (power.Bins).

    power  function of wavenumbers [h/Mpc], shape (n,); NaN where it is not known, and so in all of a bin
    k      mean wavenumber of the modes in each bin, without k = 0 [h/Mpc], shape (bins,)
    """
    fundamental = 2 * np.pi / max(box.size)
    squares = np.zeros((1, 1, 1))
    for axis, (side, cells) in enumerate(zip(box.size, box.cells, strict=True)):
        most = int((EXACT + 1) * side / max(box.size)) + 1
        numbers = np.arange(max(-most, -(cells // 2)), min(most, (cells - 1) // 2) + 1)
        squares = squares + np.expand_dims((2 * np.pi / side * numbers) ** 2, tuple(i for i in range(3) if i != axis))
    modes = np.sqrt(squares.ravel())

    def bins_of(wavenumbers: NDArray) -> NDArray:
        return np.floor(wavenumbers / fundamental + 0.5 + EDGE_TOLERANCE).astype(int)

    inside = (modes > 0) & (bins_of(modes) <= EXACT)
    number = bins_of(modes[inside])
    # many modes have the same wavenumber
    values, inverse = np.unique(modes[inside], return_inverse=True)
    sums = np.bincount(number, power(values)[inverse], minlength=EXACT + 1)
    counts = np.bincount(number, minlength=EXACT + 1)
    mean, rows = power(k), bins_of(k)
    exact = rows <= EXACT
    mean[exact] = sums[rows[exact]] / counts[rows[exact]]
    return mean
