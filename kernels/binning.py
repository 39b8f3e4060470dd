"""Sums of modes and of separations in bins of |k|, or |r|, and mu. The CUDA kernels are in binning.cu.

Callers check the arguments.
"""

import math
from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from ..parallel.backend import CPU, GPU
from .compiled import njit

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


def bin_numbers(
    loop: Callable,
    slabs: Sequence[np.ndarray],
    operands: Sequence[tuple[int, ...]],
    along: Sequence[np.ndarray],
    weights: np.ndarray,
    width: float,
    shape: tuple[int, int],
    mu_axis: int,
    backend: CPU | GPU,
    *,
    axis: int,
    finish: Callable | None = None,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Sums of slabs in bins by add_modes or add_separations: on all threads, or by the kernel of that name.

    loop      add_modes or add_separations
    slabs     of one shape (x, y, z), on the backend's device
    operands  for each result the numbers of the slabs that the loop takes
    along, weights, mu_axis  as the loop takes them, NumPy;  width  of a bin;  shape  rows and mu bins
    axis      0 or 1: lines are taken along it. The slabs hold all of the other axis, where |k| or |r| is the same at i
              and -i
    finish    function of a few lines whose result is binned in their place
    Returns for each result the sums of the numbers, of |k| or |r|, and of the weights: NumPy arrays of that shape.
    """
    if axis == 0:
        x, y, z = along
        slabs, along, mu_axis = [slab.swapaxes(0, 1) for slab in slabs], (y, x, z), (1, 0, 2)[mu_axis]
    x, y, z, weights, edges = map(backend.to_device, (*along, weights, np.array([1 / width, EDGE_TOLERANCE])))
    bins = prod(shape)
    if backend.name == "gpu":
        parts, cuts = 1, [slice(first, first + _LINES_ON_CARD) for first in range(0, len(y), _LINES_ON_CARD)]
    else:
        cuts = _mirrored(y)
        # partial sums stay smaller than the slab
        parts = max(1, min(_MOST_PARTS, len(cuts), slabs[0].size // max(_LEAST_MODES_A_PART, 4 * len(operands) * bins)))
    total, k = backend.xp.zeros((2, len(operands), parts, bins))
    counts = backend.xp.zeros((len(operands), parts, bins), np.int64)

    def work(part: int) -> None:
        for cut in cuts[len(cuts) * part // parts : len(cuts) * (part + 1) // parts]:
            cut_slabs = (slab[:, cut] for slab in slabs)
            lines = [backend.to_device(some if finish is None else finish(some)) for some in cut_slabs]
            for i, numbers in enumerate(operands):
                operand, sums = [lines[number] for number in numbers], (total[i, part], k[i, part], counts[i, part])
                if backend.name == "gpu":
                    _launch(loop, operand, (x, y[cut], z, weights, edges, shape[1], mu_axis, bins), sums, backend)
                else:
                    loop(*operand, (x, y[cut][0], z), weights, 1 / width, shape[1], mu_axis, *sums)

    backend.for_each(range(parts), work)
    sums = (backend.to_host(part_sums.sum(axis=1)).reshape(-1, *shape) for part_sums in (total, k, counts))
    return list(zip(*sums, strict=True))


def _mirrored(y: np.ndarray) -> list[slice]:
    """Slices of y: for each value the one element that has it, or the two."""
    last = len(y) - 1
    first, back = (np.unique(values, return_index=True)[1].tolist() for values in (y, y[::-1]))
    return [slice(i, last - j + 1, max(1, last - j - i)) for i, j in zip(first, back, strict=True)]


def _launch(loop: Callable, operand: list, options: tuple, sums: tuple, backend: GPU) -> None:
    """The kernel of a loop's name, which takes complex numbers as pairs of real ones, of one precision."""
    dtype = np.result_type(*(lines.dtype for lines in operand))
    real = np.finfo(dtype).dtype
    items, shape = operand[0].size, operand[0].shape
    numbers = [lines.astype(dtype, copy=False).reshape(-1).view(real) for lines in operand]
    total, k, counts = sums
    arguments = (items, *shape[1:], *numbers, *options, total, k, counts.view(np.uint64))
    backend.launch("binning", loop.__name__, real, min(items, _MOST_THREADS), arguments)


@njit(nogil=True, error_model="numpy")
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


@njit(nogil=True, error_model="numpy")
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


@njit(nogil=True, error_model="numpy")
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


@njit(nogil=True, error_model="numpy")
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


@njit(nogil=True, error_model="numpy")
def add_plane(values, x, y, z, weights, inverse_width, mu_axis, power, mu, k_sum, modes):
    """Add the modes of a plane to the sums of their bins: row 0 for k = 0 alone, row i + 1 for bin i without it.

    values  complex, shape (y, z);  x, y, z  |k| along the axes [k_f];  weights  modes that an index along z stands for
    power, mu, k_sum, modes  as in MultipoleSums, added to
    """
    for j in range(len(y)):
        across = x * x + y[j] * y[j]
        for m in range(len(z)):
            square = across + z[m] * z[m]
            k = np.sqrt(square)
            row = np.int64(k * inverse_width + (0.5 + EDGE_TOLERANCE)) + 1
            mu_squared = 0.0
            if square > 0:
                parallel = z[m] if mu_axis == 2 else (y[j] if mu_axis == 1 else x)
                mu_squared = parallel * parallel / square
            else:
                row = np.int64(0)
            weight = weights[m]
            value = values[j, m]
            of_mu = np.float64(weight)
            size = np.float64(value.real) * np.float64(value.real) + np.float64(value.imag) * np.float64(value.imag)
            for power_of in range(5):
                if power_of < 3:
                    power[row, power_of] += size * of_mu
                mu[row, power_of] += of_mu
                of_mu *= mu_squared
            k_sum[row] += weight * k
            modes[row] += weight
