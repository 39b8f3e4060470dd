"""Fourier transforms of a card: cuFFT's plans of two and three dimensions and of strided lines, all in place.

Real numbers lie in the memory of their transform: lines along z of length nz in 2 (nz // 2 + 1) numbers, of which the
last one or two are padding. No transform is normalised. A plan of cuFFT has a work area, as large as the array for some
sizes: the plans that were used last are kept.
"""

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from .slices import slices_of

_PLANS = 6  # kept: those of a wave, of its potential and of a statistic
_COPIED_ITEMS = 2**27  # of lines that are copied at a time
_MOST_ITEMS = 2**31 - 1  # cuFFT's sizes here are 32-bit integers


def lines_of(values: Any) -> Any:
    """The memory of a transform as lines of real numbers, whose first nz are cells: shape (..., 2 (nz // 2 + 1)).

    values  complex, (..., nz // 2 + 1), contiguous
    """
    return values.view(values.real.dtype)


class CardTransforms:
    """Transforms of arrays of one card."""

    def transform(self, values: Any, axes: tuple[int, ...], inverse: bool = False) -> None:
        """Transform complex numbers in place.

        values  contiguous, shape (n0, n1, n2), or (n0, columns);  axes  (0, 1, 2), (1, 2) or (0,)
        """
        shape = values.shape
        if axes == (0,):
            columns = prod(shape[1:])
            layout = (shape[0],), columns, 1, columns
            if shape[0] * columns <= _MOST_ITEMS:
                _run("complex", (shape[0],), layout, layout, values, inverse)
                return
            # numbers of a line are too far apart for cuFFT: some columns at a time are copied, and come back
            flat = values.reshape(shape[0], columns)
            for part in slices_of(columns, _COPIED_ITEMS // shape[0]):
                some = flat[:, part].copy()
                layout = (shape[0],), some.shape[1], 1, some.shape[1]
                _run("complex", (shape[0],), layout, layout, some, inverse)
                flat[:, part] = some
            return
        for part in _batches(shape, axes):
            some = values[part]
            sizes = some.shape[-len(axes) :]
            layout = sizes, 1, prod(sizes), len(some) if len(axes) == 2 else 1
            _run("complex", sizes, layout, layout, some, inverse)

    def from_real(self, values: Any, length: int, axes: tuple[int, ...]) -> None:
        """Transform the real numbers in the memory of `values`, see lines_of, in place; axes  (0, 1, 2) or (1, 2)."""
        self._real(values, length, axes, False)

    def to_real(self, values: Any, length: int, axes: tuple[int, ...]) -> None:
        """The inverse of from_real but for the number of points."""
        self._real(values, length, axes, True)

    def _real(self, values: Any, length: int, axes: tuple[int, ...], inverse: bool) -> None:
        for part in _batches(values.shape, axes):
            some = values[part]
            outer, modes = some.shape[-len(axes) : -1], some.shape[-1]
            batch = len(some) if len(axes) == 2 else 1
            cells = (*outer, 2 * modes), 1, 2 * prod(outer) * modes, batch
            spectrum = (*outer, modes), 1, prod(outer) * modes, batch
            layouts = (spectrum, cells) if inverse else (cells, spectrum)
            _run("to real" if inverse else "from real", (*outer, length), *layouts, some, inverse)


def _batches(shape: tuple[int, ...], axes: tuple[int, ...]) -> list[slice]:
    """All of an array for a transform of all axes; planes for one within planes, as many as cuFFT takes at a time."""
    if len(axes) == 3:
        return [slice(0, shape[0])]
    return slices_of(shape[0], _MOST_ITEMS // (2 * prod(shape[1:])))


def _run(kind: str, sizes: tuple, before: tuple, after: tuple, values: Any, inverse: bool) -> None:
    """Run a plan in place; before, after  sizes in memory, distance of neighbours and of batches, number of batches."""
    if values.size == 0:
        return
    with values.device:
        plan = _plan(values.device.id, kind, values.dtype.name, sizes, before, after)
        plan.fft(values, values, 1 if inverse else -1)


@lru_cache(maxsize=_PLANS)
def _plan(device: int, kind: str, dtype: str, sizes: tuple, before: tuple, after: tuple) -> Any:
    """A plan of cuFFT; the device is a part of the key."""
    from cupy.cuda import cufft

    single = np.dtype(dtype) == np.complex64
    types = {
        "complex": (cufft.CUFFT_C2C, cufft.CUFFT_Z2Z),
        "from real": (cufft.CUFFT_R2C, cufft.CUFFT_D2Z),
        "to real": (cufft.CUFFT_C2R, cufft.CUFFT_Z2D),
    }
    (embedded, stride, distance, batch), (embedded_after, stride_after, distance_after, _) = before, after
    last = None if kind == "complex" else (sizes[-1] if kind == "to real" else sizes[-1] // 2 + 1)
    return cufft.PlanNd(
        sizes,
        embedded,
        stride,
        distance,
        embedded_after,
        stride_after,
        distance_after,
        types[kind][0 if single else 1],
        batch,
        "C",
        len(sizes) - 1,
        last,
    )


def clear_plans() -> None:
    """Forget all plans, and with them the memory of their work areas."""
    _plan.cache_clear()
