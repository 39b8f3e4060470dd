"""The hot loops of the statistics on the CPU (numba), and bin_numbers, which runs them or their twins on the card.

They compute and trust: callers check the arguments. Twins in CUDA: kernels/bin_modes.cu.
"""

import math
from math import prod

import numpy as np
from numba import njit

# A mode so little below the edge of a bin, in bins, lies on it: round-off in the ratio of two box sizes must
# not decide where a whole shell of modes goes.
EDGE_TOLERANCE = 1e-9

# Parts of the modes for the threads: a number that depends on the grid alone, so that the sums do too.
_MOST_PARTS = 64
_LEAST_MODES_A_PART = 4096
# Threads of a kernel on a card, each with several modes: enough to fill it a few times over, while few blocks add
# to the same sums. Lines that are binned at a time have modes for all of them.
_MOST_THREADS = 256 * 2048
_LINES_ON_CARD = 16


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
def _add_line(number, k, cell, weights, copies, total, k_sum, modes):
    """Add a line, the sum of `copies` with the same k, to the sums of their bins; number and k are overwritten."""
    for m in range(len(number)):
        number[m] *= weights[m]
        k[m] *= copies * weights[m]
    # a loop that cannot vectorise
    for m in range(len(number)):
        c = cell[m]
        total[c] += number[m]
        k_sum[c] += k[m]
        modes[c] += copies * weights[m]


@njit(nogil=True, cache=True, error_model="numpy")
def add_modes(spectrum, other, along, weights, inverse_width, mu_bins, mu_axis, power, k_sum, modes):
    """Add lines of modes to the sums of their bins: row 0 for k = 0 alone, row i + 1 for bin i without it.

    spectrum, other  lines of rfftn outputs, shape (x, lines, z), complex, all of x; other may be spectrum
    along            |k| along each axis [k_f]: an array for x, the same at i and -i, a number, and an array for z
    weights          modes of the full Fourier space that an index in z stands for, 1 or 2, int64, shape (z,)
    inverse_width    1 / width of a bin [1/k_f]
    mu_bins          bins of mu = |k_axis| / |k|, 1 for none;  mu_axis  the axis
    power            sum of Re(spectrum conj(other)), added to, float64, shape (rows mu_bins,)
    k_sum, modes     sum of |k| [k_f] (float64) and number of modes (int64), added to, same shape
    Lines of the same |k| are added up before their bins are found: i and -i, and all that are given.
    """
    x, y, z = along
    lines = spectrum.shape[1]
    z_squared = z * z
    k = np.empty(len(z))
    product = np.empty(len(z))
    cell = np.empty(len(z), np.uint32)  # unsigned: no test for indices that count from the end
    for i in range(len(x) // 2 + 1):
        copies = lines if 2 * i % len(x) == 0 else 2 * lines
        product[:] = 0
        for copy in range(copies):
            a = spectrum[i if copy < lines else -i, copy % lines]
            b = other[i if copy < lines else -i, copy % lines]
            for m in range(len(z)):
                # products of single precision numbers are exact in double
                real = np.float64(a[m].real) * np.float64(b[m].real)
                product[m] += real + np.float64(a[m].imag) * np.float64(b[m].imag)
        _line_bins(x[i], y, z, z_squared, inverse_width, mu_bins, mu_axis, k, cell)
        _add_line(product, k, cell, weights, copies, power, k_sum, modes)


@njit(nogil=True, cache=True, error_model="numpy")
def add_separations(values, along, weights, inverse_width, mu_bins, mu_axis, total, r_sum, separations):
    """Add lines of a correlation to the sums of their bins in |r|; the rest as add_modes, r in place of k.

    values  shape (x, lines, z), real;  total  sum of them, added to
    """
    x, y, z = along
    lines = values.shape[1]
    z_squared = z * z
    r = np.empty(len(z))
    value = np.empty(len(z))
    cell = np.empty(len(z), np.uint32)
    for i in range(len(x) // 2 + 1):
        copies = lines if 2 * i % len(x) == 0 else 2 * lines
        value[:] = 0
        for copy in range(copies):
            value += values[i if copy < lines else -i, copy % lines]
        _line_bins(x[i], y, z, z_squared, inverse_width, mu_bins, mu_axis, r, cell)
        _add_line(value, r, cell, weights, copies, total, r_sum, separations)


@njit(nogil=True, cache=True, fastmath={"reassoc"})
def less(values, value, out):
    """Write values - value into out; returns the sums of values and of their sizes, formed in double precision.

    values, out  shape (cells,), contiguous, of the precision of value: one pass over memory, which is what it costs
    """
    total = 0.0
    size = 0.0
    for i in range(len(values)):
        each = np.float64(values[i])
        total += each
        size += abs(each)
        out[i] = values[i] - value
    return total, size


def bin_numbers(loop, slabs, chosen, along, weights, width, shape, mu_axis, backend, *, axis, finish=None):
    """Sums of slabs in bins by add_modes or add_separations on all threads, or by their twins on the card.

    slabs    of one shape (x, y, z), of which the loop takes those `chosen`, by their numbers, for each of the results
    along, weights, mu_axis  as the loop takes them;  width  of a bin;  shape  rows and mu bins
    axis     0 or 1: lines are taken along it. Of the other the slabs hold all, and |k| or |r| is the same at i and -i
    finish   function of a few lines that gives the numbers in their place
    Returns for each of `chosen` sums of the numbers, of |k| or |r|, and of the weights: NumPy arrays of that shape.
    """
    if axis == 0:
        x, y, z = along
        slabs, along, mu_axis = [slab.swapaxes(0, 1) for slab in slabs], (y, x, z), (1, 0, 2)[mu_axis]
    x, y, z, weights, edges = map(backend.to_device, (*along, weights, np.array([1 / width, EDGE_TOLERANCE])))
    on_card, bins = backend.name == "gpu", prod(shape)
    if on_card:
        parts, cuts = 1, [slice(first, first + _LINES_ON_CARD) for first in range(0, len(y), _LINES_ON_CARD)]
    else:
        cuts = _mirrored(y)
        # partial sums are kept smaller than the slab
        parts = max(1, min(_MOST_PARTS, len(cuts), slabs[0].size // max(_LEAST_MODES_A_PART, 4 * len(chosen) * bins)))
    total, k = backend.xp.zeros((2, len(chosen), parts, bins))
    counts = backend.xp.zeros((len(chosen), parts, bins), np.int64)

    def work(part):
        for cut in cuts[len(cuts) * part // parts : len(cuts) * (part + 1) // parts]:
            lines = (slab[:, cut] for slab in slabs)
            numbers = [backend.to_device(each if finish is None else finish(each)) for each in lines]
            for i, those in enumerate(chosen):
                these, sums = [numbers[n] for n in those], (total[i, part], k[i, part], counts[i, part])
                if on_card:
                    _launch(loop, these, (x, y[cut], z, weights, edges, shape[1], mu_axis, bins), sums, backend)
                else:
                    loop(*these, (x, y[cut][0], z), weights, 1 / width, shape[1], mu_axis, *sums)

    backend.for_each(range(parts), work)
    sums = (backend.to_host(each.sum(axis=1)).reshape(-1, *shape) for each in (total, k, counts))
    return list(zip(*sums, strict=True))


def _mirrored(y):
    """Slices of y: for each value the one element that has it, or the two."""
    last = len(y) - 1
    first, back = (np.unique(each, return_index=True)[1].tolist() for each in (y, y[::-1]))
    return [slice(i, last - j + 1, max(1, last - j - i)) for i, j in zip(first, back, strict=True)]


def _launch(loop, numbers, options, sums, backend):
    """The twin of a loop on the card, which takes complex numbers as pairs of real ones, of one precision."""
    dtype = np.result_type(*(each.dtype for each in numbers))
    real = np.finfo(dtype).dtype
    items, shape = numbers[0].size, numbers[0].shape
    numbers = [each.astype(dtype, copy=False).reshape(-1).view(real) for each in numbers]
    total, k, counts = sums
    arguments = (items, *shape[1:], *numbers, *options, total, k, counts.view(np.uint64))
    backend.launch("bin_modes", loop.__name__, real, min(items, _MOST_THREADS), arguments)
