"""A field less a number near its mean, and the sums from which its mean comes: one pass over memory."""

import numpy as np

from ..parallel.backend import CPU, GPU
from .compiled import njit


def subtract(
    planes: np.ndarray, value: np.floating, sums: np.ndarray, sizes: np.ndarray, backend: CPU | GPU
) -> np.ndarray:
    """planes - value, a new array in the byte order of the machine.

    planes       shape (planes, ny, nz), float32 or float64, NumPy or CuPy;  value  of their precision
    sums, sizes  written: sums over each plane of its numbers and of their absolute values, formed in double, (planes,)
    """
    xp = backend.xp
    difference = xp.empty(planes.shape, planes.dtype.newbyteorder("="))
    if backend.name == "cpu" and planes.dtype.isnative and planes[0].flags.c_contiguous:
        for i, (plane, out) in enumerate(zip(planes, difference, strict=True)):
            sums[i], sizes[i] = subtract_loop(plane.reshape(-1), value, out.reshape(-1))
        return difference
    with np.errstate(invalid="ignore", over="ignore"):
        sums[:] = planes.sum(axis=(1, 2), dtype=xp.float64)
        sizes[:] = xp.abs(planes).sum(axis=(1, 2), dtype=xp.float64)
        xp.subtract(planes, value, out=difference)
    return difference


@njit(nogil=True, fastmath={"reassoc"})
def subtract_loop(values, value, out):
    """Write values - value into out; returns the sums of values and of their absolute values, formed in double.

    values, out  shape (cells,), contiguous, of the precision of value
    """
    total = 0.0
    size = 0.0
    for i in range(len(values)):
        number = np.float64(values[i])
        total += number
        size += abs(number)
        out[i] = values[i] - value
    return total, size
