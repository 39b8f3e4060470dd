"""Fourier transforms of slabs over ranks, on NumPy or CuPy arrays.

A slab of planes along x is transformed over y and z where it is, transposed, so that every rank holds all of x for some
lines along y (one Alltoall), and transformed along x; the inverse goes the same way back. Sizes need not divide by the
number of ranks. Planes and columns are transformed some at a time, which stay in the cache from one step to the next.
Statistics that use the modes a few lines at a time take transform_planes and finish the lines along x themselves;
multiply_modes makes the way along x and back one pass over memory.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from .domain import Domain
from .transpose import transpose

# of planes and columns that are transformed at a time: they fit the cache; on a GPU they fill the card
_PLANES_BYTES = {"cpu": 2**20, "gpu": 2**28}
_COLUMNS_BYTES = {"cpu": 2**18, "gpu": 2**28}


@dataclass(frozen=True, eq=False)
class Transform:
    """This rank's part of an unnormalised real-to-complex transform, along x too or over y and z alone.

    values  complex, shape (nx, lines, nz // 2 + 1)
    """

    values: np.ndarray
    domain: Domain


def transform(slab: np.ndarray, domain: Domain, prepare: Callable | None = None) -> Transform:
    """Transform a real field; arguments and memory as for transform_planes."""
    transformed = transform_planes(slab, domain, prepare)
    along_x(lambda lines: domain.backend.fft.fft(lines, axis=x_axis(domain)), transformed)
    return transformed


def transform_planes(slab: np.ndarray, domain: Domain, prepare: Callable | None = None) -> Transform:
    """Transform a real field over y and z alone.

    slab     real, shape domain.shape; NumPy or CuPy; not changed
    prepare  function of (some planes, number of the first) that returns a new array, which is transformed instead
    Memory beyond the slab: two complex copies of it, one where there is a single rank.
    """
    backend, length = domain.backend, domain.cells[2] // 2 + 1
    values = backend.xp.empty((*domain.shape[:2], length), backend.xp.result_type(slab.dtype, backend.xp.complex64))
    _keep_freed_memory(16 * prod(domain.cells[1:]) * slab.dtype.itemsize)

    def over_plane(planes: slice) -> None:
        part = slab[planes]
        values[planes] = backend.fft.rfft2(part if prepare is None else prepare(part, planes.start))

    backend.for_each(plane_blocks(domain, values.dtype.itemsize), over_plane)
    if domain.ranks.size > 1:
        lines = backend.xp.empty(domain.transposed_shape(length), values.dtype)
        transpose(values, lines, domain, back=False)
        values = lines
    return Transform(values, domain)


def inverse(transformed: Transform) -> np.ndarray:
    """The field of which `transform` made this; the rest as inverse_planes."""
    domain = transformed.domain
    along_x(lambda lines: domain.backend.fft.ifft(lines, axis=x_axis(domain)), transformed)
    return inverse_planes(transformed)


def inverse_planes(transformed: Transform) -> np.ndarray:
    """The field of which `transform_planes` made this; its values are overwritten.

    Returns this rank's slab, real, shape domain.shape. The sum over modes is divided by their number, so that
    inverse(transform(field)) is the field.
    Memory beyond the transform: the slab, and over ranks a complex copy of it.
    """
    domain, values = transformed.domain, transformed.values
    backend = domain.backend
    if domain.ranks.size > 1:
        planes = backend.xp.empty((*domain.shape[:2], values.shape[2]), values.dtype)
        transpose(planes, values, domain, back=True)
        values = planes
    slab = backend.xp.empty(domain.shape, values.real.dtype)

    def over_plane(planes: slice) -> None:
        slab[planes] = backend.fft.irfft2(values[planes], s=domain.cells[1:])

    backend.for_each(plane_blocks(domain, values.dtype.itemsize), over_plane)
    return slab


def multiply_modes(
    slab: np.ndarray,
    domain: Domain,
    before: Callable[[slice], None],
    multiply: Callable[[np.ndarray, slice], None],
    after: Callable[[slice], None],
    buffer: np.ndarray | None = None,
) -> None:
    """Transform a slab, multiply its modes and transform them back, in place.

    slab      complex, shape (planes, ny, length), contiguous
    before    function of a slice of planes: leaves their transform over y and z in slab[planes]
    multiply  function of (modes, columns): modes of shape (nx, columns), or (columns, nx) where x_axis is 1,
              contiguous, changed in place; columns is a slice of this rank's (y, z), lines first
    after     function of a slice of planes: takes their transform over y and z from slab[planes]
    buffer    over ranks: complex, slab.dtype, prod(domain.transposed_shape(length)) numbers at least
    Transforms along x there and back are not normalised: values come back nx times as large.
    """
    backend, axis = domain.backend, x_axis(domain)

    def there_and_back(lines: np.ndarray, columns: slice) -> np.ndarray:
        modes = backend.fft.fft(lines, axis=axis, overwrite_x=True)
        multiply(modes, columns)
        return backend.fft.ifft(modes, axis=axis, overwrite_x=True, norm="forward")

    blocks = plane_blocks(domain, slab.dtype.itemsize)
    backend.for_each(blocks, before)
    if buffer is None or domain.ranks.size == 1:
        _over_columns(there_and_back, domain, slab)
    else:
        shape = domain.transposed_shape(slab.shape[2])
        lines = buffer[: prod(shape)].reshape(shape)
        transpose(slab, lines, domain, back=False)
        _over_columns(there_and_back, domain, lines)
        transpose(slab, lines, domain, back=True)
    backend.for_each(blocks, after)


def along_x(function: Callable, *transforms: Transform) -> None:
    """Replace columns of the first transform by function(columns of every transform), some at a time.

    Columns have shape (nx, columns), or (columns, nx) where x_axis is 1, and may be overwritten.
    """
    domain = transforms[0].domain
    _over_columns(lambda *parts: function(*parts[:-1]), domain, *(transformed.values for transformed in transforms))


def x_axis(domain: Domain) -> int:
    """Which axis of columns is x: cuFFT wants it last, CPUs do not."""
    return 1 if domain.backend.name == "gpu" else 0


def plane_blocks(domain: Domain, item_bytes: int) -> list[slice]:
    """This rank's planes, some at a time; item_bytes  size of the work on a cell."""
    size = _PLANES_BYTES[domain.backend.name] // (item_bytes * domain.cells[1] * domain.cells[2])
    return _blocks(domain.shape[0], size)


def mode_blocks(domain: Domain, item_bytes: int) -> list[slice]:
    """Planes of constant kx of this rank's modes, some at a time; item_bytes  size of the work on a mode."""
    plane = domain.transposed_shape(domain.cells[2] // 2 + 1)[1:]
    return _blocks(domain.cells[0], _PLANES_BYTES[domain.backend.name] // (item_bytes * max(1, prod(plane))))


def _over_columns(function: Callable, domain: Domain, *arrays: np.ndarray) -> None:
    """Replace columns of the first array by function(columns of every array, their slice), some at a time.

    Columns are copied into memory of their own, which stays in the cache.
    """
    backend, transposed = domain.backend, x_axis(domain) == 1
    flat = [array.reshape(len(array), -1) for array in arrays]

    def work(columns: slice) -> None:
        parts = [array[:, columns].T if transposed else array[:, columns] for array in flat]
        parts[0][...] = function(*(backend.xp.array(part, order="C") for part in parts), columns)

    size = _COLUMNS_BYTES[backend.name] // (domain.cells[0] * flat[0].dtype.itemsize)
    backend.for_each(_blocks(flat[0].shape[1], size), work)


def _blocks(count: int, size: int) -> list[slice]:
    """`count` items in blocks of `size`, one at least: they do not depend on the number of threads."""
    size = max(1, size)
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]


def _keep_freed_memory(size: int) -> None:
    """Have glibc keep memory that planes leave: given back and got anew, page by page, it can take as long as the work.

    glibc keeps twice the size of the largest block that was freed so far, up to 32 MiB [bytes].
    """
    np.empty(min(size, 2**25 - 2**16), np.uint8)
