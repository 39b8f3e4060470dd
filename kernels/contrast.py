"""A field less a number near its mean, and the sums from which its mean comes: one pass over memory.

The CUDA kernel is in contrast.cu.
"""

import numpy as np

from ..parallel.backend import CPU, GPU, THREADS_PER_BLOCK
from .compiled import njit

_LINES_A_BLOCK = 32  # of a kernel: it decides the order of additions


def subtract(
    planes: np.ndarray, value: np.floating, out: np.ndarray, sums: np.ndarray, sizes: np.ndarray, backend: CPU | GPU
) -> None:
    """Write planes - value into out.

    planes       shape (planes, ny, nz), float32 or float64, NumPy or CuPy;  value  of their precision
    out          of their shape and precision, in the byte order of the machine; on a card its lines may be longer, see
                 parallel.cufft.lines_of
    sums, sizes  written: sums over each plane of its numbers and of their absolute values, formed in double, (planes,)
    """
    if backend.name == "gpu":
        count, ny, nz = planes.shape
        blocks = -(-ny // _LINES_A_BLOCK)
        parts = backend.xp.empty((count, blocks, 2))
        arguments = count, blocks, ny, nz, out.shape[2], float(value), backend.to_device(planes), out, parts
        backend.launch("contrast", "subtract", planes.dtype, count * blocks * THREADS_PER_BLOCK, arguments)
        sums[:], sizes[:] = parts.sum(axis=1).T
        return
    if planes.dtype.isnative and planes[0].flags.c_contiguous:
        for i, (plane, written) in enumerate(zip(planes, out, strict=True)):
            sums[i], sizes[i] = subtract_loop(plane.reshape(-1), value, written.reshape(-1))
        return
    with np.errstate(invalid="ignore", over="ignore"):
        sums[:] = planes.sum(axis=(1, 2), dtype=np.float64)
        sizes[:] = np.abs(planes).sum(axis=(1, 2), dtype=np.float64)
        np.subtract(planes, value, out=out)


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
