"""Passes over a mesh beside its transforms: masses become a density, modes those of slopes, the largest size is found.

The CUDA kernels are in mesh_passes.cu. Callers check the arguments; arrays are where the backend computes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..parallel.backend import CPU, GPU, THREADS_PER_BLOCK, Double
from ..parallel.slices import slices_of
from .compiled import njit

_LARGEST_THREADS = 1 << 18  # that look for the largest number on a card


def to_density(mass: Any, factor: float, empty: int, density: Any, backend: CPU | GPU) -> None:
    """Write masses times a factor into density, and leave `empty` in their place.

    mass     int64, (planes, ny, nz), contiguous
    density  (planes, ny, length), nz of whose lines are written
    """
    if backend.name == "gpu":
        arguments = (mass.size, mass.shape[-1], mass, Double(factor), empty, density, density.shape[-1])
        backend.launch("mesh_passes", "density", density.dtype, mass.size, arguments)
        return
    np.multiply(mass, factor, out=density[..., : mass.shape[-1]])
    mass[...] = empty


def gradient(modes: Any, green: Any, along: Sequence[Any], backend: CPU | GPU) -> tuple[Any, Any, Any]:
    """i k green modes for k along x, y and z: the modes of a gradient. The last takes the memory of modes.

    modes  complex, (nx, lines, length), contiguous
    green  real, of the same precision, (nx // 2 + 1, lines, length): the same at i and -i
    along  k for each mode along x, y and z, double
    """
    x, y = backend.xp.empty_like(modes), backend.xp.empty_like(modes)
    if backend.name == "gpu":
        arguments = (modes.size, *modes.shape, _pairs(modes), green, *along, _pairs(x), _pairs(y))
        backend.launch("mesh_passes", "gradient", green.dtype, modes.size, arguments)
        return x, y, modes
    given, *written = (_pairs(values).reshape(*values.shape, 2) for values in (modes, x, y))

    def work(part: slice) -> None:
        gradient_loop(given, green, *along, part.start, part.stop, *written)

    backend.for_each(slices_of(len(given), 1), work)
    return x, y, modes


def largest_size(arrays: Sequence[Any], backend: CPU | GPU, count: int | None = None) -> Any:
    """The largest size of the numbers of contiguous arrays, up to three, of one shape and type; NaN where one is.

    count  of the last axis: how many numbers of its lines count; all by default
    On a card it is an array of no dimensions: float() waits for it.
    """
    length = arrays[0].shape[-1]
    count = length if count is None else count
    if backend.name == "gpu":
        size, number = arrays[0].size, len(arrays)
        blocks = number * max(1, -(-min(size, _LARGEST_THREADS // number) // THREADS_PER_BLOCK))
        largest = backend.xp.empty(blocks)
        of_lines = max(1, length), count  # the kernel divides by the length of arrays without numbers too
        arguments = (size, number, *(arrays[min(n, number - 1)] for n in range(3)), *of_lines, largest)
        backend.launch("mesh_passes", "largest_size", arrays[0].dtype, blocks * THREADS_PER_BLOCK, arguments)
        return largest.max()
    flat = [(values if count == length else values[..., :count]).reshape(-1) for values in arrays]
    found = {}

    def work(part: tuple[int, slice]) -> None:
        number, batch = part
        values = flat[number][batch]
        # numpy's maximum is NaN where one of the numbers is
        found[part[0], batch.start] = np.maximum(values.max(), -values.min())

    backend.for_each([(n, batch) for n, values in enumerate(flat) for batch in slices_of(len(values), 1 << 15)], work)
    return float(np.max([0.0, *found.values()]))


def _pairs(values: Any) -> Any:
    """Complex numbers as pairs of real ones, flat."""
    return values.reshape(-1).view(values.real.dtype)


@njit(nogil=True, error_model="numpy")
def gradient_loop(modes, green, k_x, k_y, k_z, first, last, out_x, out_y):
    """gradient on the CPU, for modes first to last along x; modes, out_x, out_y  (nx, lines, length, 2)."""
    number = green.dtype.type
    for i in range(first, last):
        rows = green[i if 2 * i <= len(modes) else len(modes) - i]
        x = number(k_x[i])
        for j in range(modes.shape[1]):
            row, y = rows[j], number(k_y[j])
            mode, in_x, in_y = modes[i, j], out_x[i, j], out_y[i, j]
            for m in range(len(mode)):
                real, imaginary, z = mode[m, 0] * row[m], mode[m, 1] * row[m], number(k_z[m])
                in_x[m, 0], in_x[m, 1] = -imaginary * x, real * x
                in_y[m, 0], in_y[m, 1] = -imaginary * y, real * y
                mode[m, 0], mode[m, 1] = -imaginary * z, real * z
