"""Sums of modes and of separations in bins of |k|, or |r|, and mu. The CUDA kernels are in binning.cu.

Callers check the arguments.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from ..parallel.backend import CPU, GPU
from .compiled import njit

# A mode so little below the edge of a bin, in bins, lies on it: round-off in the ratio of two box sizes must
# not decide where a whole shell of modes goes.
EDGE_TOLERANCE = 1e-9

# Parts of the modes for the threads: a number that depends on the grid alone, so that the sums do too.
_MOST_PARTS = 64
_LEAST_MODES_A_PART = 4096
_LEAST_MODES_OF_MULTIPOLES = 1 << 16
# Warps of a kernel on a card, and the largest size of sums that are not in shared memory [bytes]. Like the sums that
# shared memory holds, SHARED_SUMS of binning.cu, they decide the order of additions: they do not depend on the card.
_MOST_WARPS = 16384
_MOST_SUMS = 2**28
_SHARED_SUMS = 4096
_WARPS_A_BLOCK = 8
_WARP = 32


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
    finish    on the CPU: function of a few lines whose result is binned in their place
    Returns for each result the sums of the numbers, of |k| or |r|, and of the weights: NumPy arrays of that shape. The
    sums of |k| and the weights are those of the grid: they are found once, and kept for the next slabs.
    """
    if axis == 0:
        slabs = [slab.swapaxes(0, 1) for slab in slabs]
        along, mu_axis = (along[1], along[0], along[2]), (1, 0, 2)[mu_axis]
    x, y, z = (np.asarray(values, float).tobytes() for values in along)
    lines = _Lines(x, y, z, np.asarray(weights, np.int64).tobytes(), 1 / width, shape[1], mu_axis, prod(shape))
    if backend.name == "gpu":
        sums = _sums_on_card(loop, slabs, operands, lines, backend, finish)
    else:
        sums = _sums_on_threads(loop, slabs, operands, lines, backend, finish)
    k, counts = (values.reshape(shape) for values in _geometry(lines, backend))
    return [(total.reshape(shape), k.copy(), counts.copy()) for total in sums]


@dataclass(frozen=True)
class _Lines:
    """The lines of a slab along z, and their bins; arrays as bytes, so that it can be the key of a cache."""

    x_bytes: bytes
    y_bytes: bytes
    z_bytes: bytes
    weight_bytes: bytes
    inverse_width: float
    mu_bins: int
    mu_axis: int
    bins: int

    @property
    def along(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """|k| or |r| along each axis."""
        x, y, z = (np.frombuffer(values) for values in (self.x_bytes, self.y_bytes, self.z_bytes))
        return x, y, z

    @property
    def weights(self) -> np.ndarray:
        """What an index along z counts for, int64."""
        return np.frombuffer(self.weight_bytes, np.int64)


@lru_cache(maxsize=16)
def _geometry(lines: _Lines, backend: CPU | GPU) -> tuple[np.ndarray, np.ndarray]:
    """Sums of |k| or |r| and of the weights in each bin, float64 and int64, shape (bins,)."""
    if backend.name == "gpu":
        launch = _launch(lines, backend)
        return launch("count_lines", np.float64, (1,)), launch("count_lines", np.float64, (0,)).astype(np.int64)
    x, y, z = lines.along
    cuts = _mirrored(y)
    parts = _parts(len(x) * len(y) * len(z), len(cuts), lines.bins)
    k, counts = np.zeros((parts, lines.bins)), np.zeros((parts, lines.bins), np.int64)

    def work(part: int) -> None:
        for cut in cuts[len(cuts) * part // parts : len(cuts) * (part + 1) // parts]:
            values = (x, y[cut][0], z), lines.weights, lines.inverse_width, lines.mu_bins, lines.mu_axis
            count_lines(len(y[cut]), *values, k[part], counts[part])

    backend.for_each(range(parts), work)
    return k.sum(axis=0), counts.sum(axis=0)


def _sums_on_threads(
    loop: Callable,
    slabs: Sequence[np.ndarray],
    operands: Sequence[tuple[int, ...]],
    lines: _Lines,
    backend: CPU,
    finish: Callable | None,
) -> list[np.ndarray]:
    """Sums of the numbers, an array a result, by a loop that takes a few lines at a time."""
    x, y, z = lines.along
    cuts = _mirrored(y)
    parts = _parts(slabs[0].size, len(cuts), len(operands) * lines.bins)
    total = np.zeros((len(operands), parts, lines.bins))

    def work(part: int) -> None:
        for cut in cuts[len(cuts) * part // parts : len(cuts) * (part + 1) // parts]:
            pieces = (slab[:, cut] for slab in slabs)
            here = [backend.to_device(piece if finish is None else finish(piece)) for piece in pieces]
            options = (x, y[cut][0], z), lines.weights, lines.inverse_width, lines.mu_bins, lines.mu_axis
            for sums, numbers in zip(total, operands, strict=True):
                loop(*(here[number] for number in numbers), *options, sums[part])

    backend.for_each(range(parts), work)
    return list(total.sum(axis=1))


def _parts(items: int, cuts: int, bins: int) -> int:
    """Parts of the lines for the threads: partial sums stay smaller than the slab."""
    return max(1, min(_MOST_PARTS, cuts, items // max(_LEAST_MODES_A_PART, 4 * bins)))


def _sums_on_card(
    loop: Callable,
    slabs: Sequence[np.ndarray],
    operands: Sequence[tuple[int, ...]],
    lines: _Lines,
    backend: GPU,
    finish: Callable | None,
) -> list[np.ndarray]:
    """Sums of the numbers, an array a result, by the kernel of a loop's name."""
    if finish is not None:
        raise ValueError("numbers on a card are binned as they are")
    launch = _launch(lines, backend)
    return [launch(loop.__name__, *_in_memory([slabs[number] for number in numbers], backend)) for numbers in operands]


def _in_memory(slabs: Sequence[np.ndarray], backend: GPU) -> tuple[DTypeLike, tuple]:
    """Precision, and what kernels take of one slab or two: numbers as they lie in memory, and steps along x and y."""
    dtype = np.result_type(*(slab.dtype for slab in slabs))
    # x and y may be swapped
    in_memory = [slab if slab.strides[0] >= slab.strides[1] else slab.swapaxes(0, 1) for slab in slabs]
    flat = [backend.xp.ascontiguousarray(slab).astype(dtype, copy=False).reshape(-1) for slab in in_memory]
    plane, line = in_memory[0].shape[1] * in_memory[0].shape[2], in_memory[0].shape[2]
    steps = np.array([plane, line] if in_memory[0] is slabs[0] else [line, plane], np.int64)
    real = np.finfo(dtype).dtype
    return real, (flat[0].view(real), flat[-1].view(real), backend.to_device(steps))


class _Launch:
    """Launches the kernels of binning.cu on the lines of a slab."""

    def __init__(self, lines: _Lines, backend: GPU):
        at = [_pairs(values) for values in lines.along]
        self.bins, self.backend = lines.bins, backend
        weights = lines.weights.astype(float)
        values = [axis[pairs[:, 0]] for axis, pairs in zip(lines.along, at, strict=True)]
        edges = np.array([lines.inverse_width, EDGE_TOLERANCE])
        plain = np.array_equal(at[2][:, 0], np.arange(len(at[2]))) and bool(np.all(at[2][:, 1] < 0))
        indices, tables = ([*map(backend.to_device, arrays)] for arrays in (at, (*values, weights[at[2][:, 0]], edges)))
        self.lines = len(at[0]) * len(at[1])
        self.arguments = *map(len, at), *indices, int(plain), *tables, lines.mu_bins, lines.mu_axis

    def __call__(self, kernel: str, real: DTypeLike, numbers: tuple, mu_power: int = 0) -> np.ndarray:
        """Sums in bins, NumPy; numbers  what the kernel takes first, mu_power  of mu^2 that multiplies them."""
        xp, shared = self.backend.xp, self.bins <= _SHARED_SUMS
        warps = min(_WARPS_A_BLOCK, _SHARED_SUMS // self.bins) if shared else 1
        most = _MOST_WARPS if shared else max(1, min(_MOST_WARPS, _MOST_SUMS // (8 * self.bins)))
        blocks = -(-max(1, min(most, self.lines)) // warps)
        sums = (xp.empty if shared else xp.zeros)((blocks, self.bins))
        block = _WARP * warps
        arguments = (*numbers, *self.arguments, mu_power, self.bins, int(shared), sums)
        self.backend.launch("binning", kernel, real, blocks * block, arguments, block)
        return self.backend.to_host(sums.sum(axis=0))


@lru_cache(maxsize=16)
def _launch(lines: _Lines, backend: GPU) -> _Launch:
    """The launches of the kernels on some lines, whose tables stay on the card."""
    return _Launch(lines, backend)


def _pairs(values: np.ndarray) -> np.ndarray:
    """The one or two indices of each value, the second -1 where there is one: int64, (values, 2), values ascend."""
    first, back = (np.unique(array, return_index=True)[1] for array in (values, values[::-1]))
    last = len(values) - 1 - back
    return np.stack([first, np.where(last > first, last, -1)], axis=1)


def _mirrored(y: np.ndarray) -> list[slice]:
    """Slices of y: for each value the one element that has it, or the two."""
    last = len(y) - 1
    first, back = (np.unique(values, return_index=True)[1].tolist() for values in (y, y[::-1]))
    return [slice(i, last - j + 1, max(1, last - j - i)) for i, j in zip(first, back, strict=True)]


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
def count_lines(lines, along, weights, inverse_width, mu_bins, mu_axis, k_sum, counts):
    """Add what lines along z count for, and their |k|, to the sums of their bins; the rest as add_modes.

    lines          number of lines of the same |k|
    along          |k| along each axis: an array for x, the same at i and -i, a number, and an array for z
    k_sum, counts  sum of |k| (float64) and of the weights (int64), added to, shape (rows mu_bins,)
    """
    x, y, z = along
    z_squared = z * z
    k = np.empty(len(z))
    cell = np.empty(len(z), np.uint32)  # unsigned: no test for indices that count from the end
    for i in range(len(x) // 2 + 1):
        copies = lines if 2 * i % len(x) == 0 else 2 * lines
        _line_bins(x[i], y, z, z_squared, inverse_width, mu_bins, mu_axis, k, cell)
        for m in range(len(z)):
            k_sum[cell[m]] += copies * weights[m] * k[m]
            counts[cell[m]] += copies * weights[m]


@njit(nogil=True, error_model="numpy")
def add_modes(spectrum, other, along, weights, inverse_width, mu_bins, mu_axis, power):
    """Add lines of modes to the sums of their bins: row 0 for k = 0 alone, row i + 1 for bin i without it.

    spectrum, other  lines of rfftn outputs, shape (x, lines, z), complex, all of x; other may be spectrum
    along            |k| along each axis [k_f]: an array for x, the same at i and -i, a number, and an array for z
    weights          modes of the full Fourier space that an index in z stands for, 1 or 2, int64, shape (z,)
    inverse_width    1 / width of a bin [1/k_f]
    mu_bins          bins of mu = |k_axis| / |k|, 1 for none;  mu_axis  the axis
    power            sum of Re(spectrum conj(other)), added to, float64, shape (rows mu_bins,)
    Lines of the same |k| are added up before their bins are found: i and -i, and all that are given.
    """
    x, y, z = along
    lines = spectrum.shape[1]
    z_squared = z * z
    k = np.empty(len(z))
    product = np.empty(len(z))
    cell = np.empty(len(z), np.uint32)
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
        for m in range(len(z)):
            product[m] *= weights[m]
        # a loop that cannot vectorise
        for m in range(len(z)):
            power[cell[m]] += product[m]


@njit(nogil=True, error_model="numpy")
def add_separations(values, along, weights, inverse_width, mu_bins, mu_axis, total):
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
        for m in range(len(z)):
            total[cell[m]] += weights[m] * value[m]


def bin_powers_of_mu(
    spectrum: np.ndarray,
    along: Sequence[np.ndarray],
    weights: np.ndarray,
    width: float,
    rows: int,
    mu_axis: int,
    backend: CPU | GPU,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sums for multipoles of lines of modes: all threads, or a card.

    spectrum  complex, shape (x, lines, z), on the backend's device;  along, weights, mu_axis  as in add_plane
    Returns NumPy arrays: sums of |mode|^2 mu^(0, 2, 4), shape (rows, 3), of mu^(0, 2, ... 8), (rows, 5), of |k| and of
    modes, (rows,).
    """
    if backend.name == "gpu":
        x, y, z = (np.asarray(values, float).tobytes() for values in along)
        lines = _Lines(x, y, z, np.asarray(weights, np.int64).tobytes(), 1 / width, 1, mu_axis, rows)
        launch, (k, counts) = _launch(lines, backend), _geometry(lines, backend)
        real, numbers = _in_memory([spectrum], backend)
        power = [launch("add_modes", real, numbers, of_mu) for of_mu in range(3)]
        mu = [counts.astype(float), *(launch("count_lines", np.float64, (0,), of_mu) for of_mu in range(1, 5))]
        return np.stack(power, axis=1), np.stack(mu, axis=1), k.copy(), counts.copy()
    parts = max(1, min(_MOST_PARTS, len(spectrum), spectrum.size // max(_LEAST_MODES_OF_MULTIPOLES, rows)))
    power_sums, mu_sums = np.zeros((parts, rows, 3)), np.zeros((parts, rows, 5))
    k_sums, mode_sums = np.zeros((parts, rows)), np.zeros((parts, rows), np.int64)

    def work(part: int) -> None:
        for plane in range(len(spectrum) * part // parts, len(spectrum) * (part + 1) // parts):
            sums = power_sums[part], mu_sums[part], k_sums[part], mode_sums[part]
            add_plane(spectrum[plane], along[0][plane], along[1], along[2], weights, 1 / width, mu_axis, *sums)

    backend.for_each(range(parts), work)
    return power_sums.sum(axis=0), mu_sums.sum(axis=0), k_sums.sum(axis=0), mode_sums.sum(axis=0)


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
