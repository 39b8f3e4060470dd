"""The hot loops of the statistics on the CPU (numba). They compute and trust: callers check the arguments.

Twins in CUDA: kernels/bin_modes.cu.
"""

import math

import numpy as np
from numba import njit

# A mode so little below the edge of a bin, in bins, lies on it: round-off in the ratio of two box sizes must
# not decide where a whole shell of modes goes.
EDGE_TOLERANCE = 1e-9


@njit(nogil=True, cache=True, error_model="numpy")
def _line_bins(x, y, z, z_squared, inverse_width, mu_bins, mu_axis, k, cell):
    """Write |k| and the bins of a line of modes along z into k and cell, shape (z,)."""
    length = len(z)
    across = x * x + y * y
    # loops that vectorise
    for m in range(length):
        k[m] = math.sqrt(across + z_squared[m])
        cell[m] = (np.int32(k[m] * inverse_width + (0.5 + EDGE_TOLERANCE)) + 1) * mu_bins
    if mu_bins > 1:
        for m in range(length):
            parallel = z[m] if mu_axis == 2 else (y if mu_axis == 1 else x)
            mu = parallel / k[m] if k[m] > 0 else 0.0
            cell[m] += min(mu_bins - 1, np.int32(mu * mu_bins + EDGE_TOLERANCE))
    if k[0] == 0:
        cell[0] = 0


@njit(nogil=True, cache=True, error_model="numpy")
def _add_line(number, k, cell, weights, total, k_sum, modes):
    """Add a line of numbers to the sums of their bins; a loop that cannot vectorise."""
    for m in range(len(number)):
        c = cell[m]
        total[c] += weights[m] * number[m]
        k_sum[c] += weights[m] * k[m]
        modes[c] += weights[m]


@njit(nogil=True, cache=True, error_model="numpy")
def add_modes(spectrum, other, along, weights, inverse_width, mu_bins, mu_axis, lines, power, k_sum, modes):
    """Add lines of modes to the sums of their bins: row 0 for k = 0 alone, row i + 1 for bin i without it.

    spectrum, other  slabs of rfftn outputs, shape (x, y, z), complex; other None: the spectrum with itself
    along            three arrays, |k| along each axis of the slab [k_f]
    weights          modes of the full Fourier space that an index in z stands for, 1 or 2, int64, shape (z,)
    inverse_width    1 / width of a bin [1/k_f]
    mu_bins          bins of mu = |k_axis| / |k|, 1 for none;  mu_axis  the axis
    lines            (first, last) lines along z to add, y counted before x, last excluded
    power            sum of Re(spectrum conj(other)), added to, float64, shape (rows mu_bins,)
    k_sum, modes     sum of |k| [k_f] (float64) and number of modes (int64), added to, same shape
    """
    x, y, z = along
    length = len(z)
    z_squared = z * z
    k = np.empty(length)
    product = np.empty(length)
    cell = np.empty(length, np.uint32)  # unsigned: no test for indices that count from the end
    for line in range(lines[0], lines[1]):
        i = line // len(y)
        j = line - i * len(y)
        _line_bins(x[i], y[j], z, z_squared, inverse_width, mu_bins, mu_axis, k, cell)
        for m in range(length):
            a = spectrum[i, j, m]
            b = a if other is None else other[i, j, m]
            # products of single precision numbers are exact in double
            product[m] = np.float64(a.real) * np.float64(b.real) + np.float64(a.imag) * np.float64(b.imag)
        _add_line(product, k, cell, weights, power, k_sum, modes)


@njit(nogil=True, cache=True, error_model="numpy")
def add_separations(values, along, weights, inverse_width, mu_bins, mu_axis, lines, total, r_sum, separations):
    """Add lines of a correlation to the sums of their bins in |r|; the rest as add_modes, r in place of k.

    values  slab of a correlation, shape (x, y, z), real;  total  sum of them, added to
    """
    x, y, z = along
    length = len(z)
    z_squared = z * z
    r = np.empty(length)
    value = np.empty(length)
    cell = np.empty(length, np.uint32)
    for line in range(lines[0], lines[1]):
        i = line // len(y)
        j = line - i * len(y)
        _line_bins(x[i], y[j], z, z_squared, inverse_width, mu_bins, mu_axis, r, cell)
        for m in range(length):
            value[m] = values[i, j, m]
        _add_line(value, r, cell, weights, total, r_sum, separations)


@njit(nogil=True, cache=True, fastmath={"reassoc"})
def less(values, value, out):
    """values - value in double precision, rounded to that of `out`; returns the sums of values and of their sizes.

    values, out  shape (cells,), contiguous: one pass over memory, which is what it costs
    """
    total = 0.0
    size = 0.0
    for i in range(len(values)):
        each = np.float64(values[i])
        total += each
        size += abs(each)
        out[i] = each - value
    return total, size
