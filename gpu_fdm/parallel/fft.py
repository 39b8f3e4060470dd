"""Fourier transforms of slabs over ranks, on NumPy or CuPy arrays.

A slab of planes along x is transformed over y and z where it is, transposed, so that every rank holds all of x for some
lines along y (one Alltoall), and transformed along x; the inverse goes the same way back. Sizes need not divide by the
number of ranks. On a CPU planes and columns are transformed some at a time, which stay in the cache from one step to
the next, and statistics that use the modes a few lines at a time take transform_planes and finish the lines along x
themselves. On a card all transforms work in place, whole where one rank has all and there is room for it: see
card_room. A slab on the host goes through the card of its domain in pieces: see through_card.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .card_room import whole_on_card
from .cufft import CardTransforms, lines_of
from .domain import Domain
from .slices import slices_of
from .transpose import transpose

# of planes and columns that are transformed at a time on a CPU: they fit the cache
_PLANES_BYTES = 2**20
_COLUMNS_BYTES = 2**18
_ON_CARD_BYTES = 2**28  # of planes that other work on a card takes at a time


@dataclass(frozen=True, eq=False)
class Transform:
    """This rank's part of an unnormalised real-to-complex transform, along x too or over y and z alone.

    values  complex, shape (nx, lines, nz // 2 + 1)
    """

    values: np.ndarray
    domain: Domain


def _whole(domain: Domain, dtype: DTypeLike) -> CardTransforms | None:
    """The transforms of the card where they are whole, else None."""
    backend = domain.backend
    return backend.plans if backend.name == "gpu" and whole_on_card(domain, dtype) else None


def in_place(domain: Domain) -> bool:
    """Whether real fields are transformed in the memory of their modes, see cufft.lines_of: on a card."""
    return domain.backend.name == "gpu"


def transform(
    slab: np.ndarray, domain: Domain, prepare: Callable | None = None, dtype: DTypeLike | None = None
) -> Transform:
    """Transform a real field; arguments and memory as for transform_planes."""
    dtype = np.result_type(dtype or slab.dtype, np.complex64)
    plans = _whole(domain, dtype)
    if plans is not None:
        values = _in_its_memory(slab, domain, prepare, dtype)
        plans.from_real(values, domain.cells[2], (0, 1, 2))
        return Transform(values, domain)
    transformed = transform_planes(slab, domain, prepare, dtype)
    along_x([transformed], there=True)
    return transformed


def transform_planes(
    slab: np.ndarray, domain: Domain, prepare: Callable | None = None, dtype: DTypeLike | None = None
) -> Transform:
    """Transform a real field over y and z alone.

    slab     real, shape domain.shape; NumPy or CuPy; not changed
    prepare  function of (some planes, number of the first, where to write) whose result is transformed instead. On a
             card it writes the first nz numbers of longer lines, see cufft.lines_of
    dtype    precision of the transform, real or complex; that of the slab by default
    Memory beyond the slab: two complex copies of it, one where there is a single rank.
    """
    backend, dtype = domain.backend, np.result_type(dtype or slab.dtype, np.complex64)
    if backend.name == "gpu":
        values = _in_its_memory(slab, domain, prepare, dtype)
        backend.plans.from_real(values, domain.cells[2], (1, 2))
    else:
        values = np.empty((*domain.shape[:2], domain.cells[2] // 2 + 1), dtype)
        _keep_freed_memory(16 * prod(domain.cells[1:]) * slab.dtype.itemsize)

        def over_plane(planes: slice) -> None:
            part = slab[planes]
            if prepare is not None:
                prepared = np.empty(part.shape, values.real.dtype)
                prepare(part, planes.start, prepared)
                part = prepared
            values[planes] = backend.fft.rfft2(part)

        backend.for_each(plane_blocks(domain, values.dtype.itemsize), over_plane)
    return planes_to_lines(values, domain)


def planes_to_lines(values: Any, domain: Domain) -> Transform:
    """A transform over y and z of this rank's planes, with all of x for its lines."""
    if domain.ranks.size == 1:
        return Transform(values, domain)
    lines = domain.backend.xp.empty(domain.transposed_shape(values.shape[2]), values.dtype)
    transpose(values, lines, domain, back=False)
    return Transform(lines, domain)


def inverse(transformed: Transform, out: np.ndarray | None = None) -> np.ndarray:
    """The field of which `transform` made this; the rest as inverse_planes."""
    domain, values = transformed.domain, transformed.values
    plans = _whole(domain, values.dtype)
    if plans is not None:
        plans.to_real(values, domain.cells[2], (0, 1, 2))
        return _scaled(values, domain, prod(domain.cells), out)
    along_x([transformed], back=True)
    return inverse_planes(transformed, out)


def inverse_planes(transformed: Transform, out: np.ndarray | None = None) -> np.ndarray:
    """The field of which `transform_planes` made this; its values are overwritten.

    out  where to write the field, shape domain.shape; a new array by default
    Returns this rank's slab, real, shape domain.shape. The sum over modes is divided by their number, so that
    inverse(transform(field)) is the field.
    Memory beyond the transform: the slab, and over ranks a complex copy of it.
    """
    domain, backend = transformed.domain, transformed.domain.backend
    values = lines_to_planes(transformed)
    if backend.name == "gpu":
        backend.plans.to_real(values, domain.cells[2], (1, 2))
        return _scaled(values, domain, prod(domain.cells[1:]), out)
    slab = np.empty(domain.shape, values.real.dtype) if out is None else out

    def over_plane(planes: slice) -> None:
        slab[planes] = backend.fft.irfft2(values[planes], s=domain.cells[1:])

    backend.for_each(plane_blocks(domain, values.dtype.itemsize), over_plane)
    return slab


def inverse_in_place(transformed: Transform, planes: bool = False) -> tuple[Any, int]:
    """The field of which `transform` made this, times an integer, where a transform leaves it; values are overwritten.

    planes  on a card: whether lines have come back along x already, not normalised
    Returns an array of shape (planes, ny, length) whose lines have nz cells, on a card and then one or two numbers
    that mean nothing, and the integer: a pass over memory less than inverse.
    """
    domain, values = transformed.domain, transformed.values
    backend, nz = domain.backend, domain.cells[2]
    if backend.name == "cpu":
        return inverse(transformed), 1
    if not planes and whole_on_card(domain, values.dtype):
        backend.plans.to_real(values, nz, (0, 1, 2))
        return lines_of(values), prod(domain.cells)
    if not planes:
        along_x([transformed], back=True)
    values = lines_to_planes(transformed)
    backend.plans.to_real(values, nz, (1, 2))
    return lines_of(values), prod(domain.cells if planes else domain.cells[1:])


def lines_to_planes(transformed: Transform) -> Any:
    """The values of transform_planes before they were transposed."""
    domain, values = transformed.domain, transformed.values
    if domain.ranks.size == 1:
        return values
    planes = domain.backend.xp.empty((*domain.shape[:2], values.shape[2]), values.dtype)
    transpose(planes, values, domain, back=True)
    return planes


def _in_its_memory(slab: Any, domain: Domain, prepare: Callable | None, dtype: DTypeLike) -> Any:
    """On a card: memory for the transform of a slab, that holds the slab, or what is made of it, see cufft.lines_of."""
    values = domain.backend.xp.empty((*domain.shape[:2], domain.cells[2] // 2 + 1), dtype)
    if prepare is None:
        lines_of(values)[..., : domain.cells[2]] = slab
    else:
        prepare(slab, 0, lines_of(values))
    return values


def _scaled(values: Any, domain: Domain, points: int, out: Any) -> Any:
    """On a card: the real numbers in the memory of a transform over the number of points, contiguous."""
    xp, cells = domain.backend.xp, lines_of(values)[..., : domain.cells[2]]
    out = xp.empty(domain.shape, cells.dtype) if out is None else out
    return xp.multiply(cells, cells.dtype.type(1 / points), out=out)


def multiply_modes(
    psi: np.ndarray,
    domain: Domain,
    before: Callable[[slice], None],
    multiply: Callable[[np.ndarray, slice], None],
    buffer: np.ndarray | None = None,
    between: Callable[[], None] = lambda: None,
    one_pass: Callable[[np.ndarray], None] | None = None,
) -> None:
    """Transform complex cells, multiply their modes and transform them back, in place.

    psi       complex, shape (planes, ny, nz), contiguous
    before    function of a slice of planes: prepares these cells, in place
    between   called once, when all of this rank's cells are prepared
    multiply  function of (modes, columns): modes of shape (nx, columns), contiguous, changed in place; columns is a
              slice of this rank's (y, z), lines first
    buffer    over ranks: complex, psi.dtype, prod(domain.transposed_shape(nz)) numbers at least
    one_pass  on a card: function of lines, shape (nx, lines, nz), that transforms them along x, multiplies and
              transforms back, not normalised, in place; used instead of multiply where given
    Transforms are not normalised: values come back as often as there are cells.
    """
    backend = domain.backend
    if backend.name == "gpu":
        before(slice(0, len(psi)))
        between()
        if one_pass is None and whole_on_card(domain, psi.dtype):
            backend.plans.transform(psi, (0, 1, 2))
            multiply(psi.reshape(len(psi), -1), slice(0, prod(psi.shape[1:])))
            backend.plans.transform(psi, (0, 1, 2), inverse=True)
            return
        backend.plans.transform(psi, (1, 2))
        _through_lines(psi, domain, multiply, buffer, one_pass)
        backend.plans.transform(psi, (1, 2), inverse=True)
        return

    def there(planes: slice) -> None:
        before(planes)
        _put(psi[planes], backend.fft.fft2(psi[planes], overwrite_x=True))

    def back(planes: slice) -> None:
        _put(psi[planes], backend.fft.ifft2(psi[planes], norm="forward", overwrite_x=True))

    blocks = plane_blocks(domain, psi.dtype.itemsize)
    backend.for_each(blocks, there)
    between()
    _through_lines(psi, domain, multiply, buffer)
    backend.for_each(blocks, back)


def multiply_real_modes(
    spectrum: np.ndarray,
    domain: Domain,
    before: Callable[[slice, np.ndarray], None],
    multiply: Callable[[np.ndarray, slice], None],
    after: Callable[[slice, np.ndarray], None],
    buffer: np.ndarray | None = None,
    one_pass: Callable[[np.ndarray], None] | None = None,
) -> None:
    """Transform real cells, multiply their modes and transform them back.

    spectrum  memory for the modes, complex, shape (planes, ny, nz // 2 + 1), contiguous
    before    function of (planes, cells): writes what is transformed into cells, real, shape (planes, ny, nz). On a
              card they are the first nz numbers of the longer lines in spectrum's own memory, see cufft.lines_of
    after     function of (planes, cells): takes what comes back; on a card it stays in spectrum's memory
    The rest as for multiply_modes.
    """
    backend, nz = domain.backend, domain.cells[2]
    if backend.name == "gpu":
        planes, cells = slice(0, len(spectrum)), lines_of(spectrum)
        before(planes, cells)
        axes = (0, 1, 2) if one_pass is None and whole_on_card(domain, spectrum.dtype) else (1, 2)
        backend.plans.from_real(spectrum, nz, axes)
        if len(axes) == 3:
            multiply(spectrum.reshape(len(spectrum), -1), slice(0, prod(spectrum.shape[1:])))
        else:
            _through_lines(spectrum, domain, multiply, buffer, one_pass)
        backend.plans.to_real(spectrum, nz, axes)
        after(planes, cells)
        return

    def there(planes: slice) -> None:
        cells = np.empty((planes.stop - planes.start, *domain.cells[1:]), spectrum.real.dtype)
        before(planes, cells)
        spectrum[planes] = backend.fft.rfft2(cells)

    def back(planes: slice) -> None:
        modes = spectrum[planes]
        after(planes, backend.fft.irfft2(modes, s=domain.cells[1:], norm="forward", overwrite_x=True))

    blocks = plane_blocks(domain, spectrum.dtype.itemsize)
    backend.for_each(blocks, there)
    _through_lines(spectrum, domain, multiply, buffer)
    backend.for_each(blocks, back)


def _through_lines(
    planes: np.ndarray,
    domain: Domain,
    multiply: Callable[[np.ndarray, slice], None],
    buffer: np.ndarray | None,
    one_pass: Callable[[np.ndarray], None] | None = None,
) -> None:
    """Transform planes along x, multiply, and transform them back, in place."""
    backend = domain.backend
    lines = planes
    if buffer is not None and domain.ranks.size > 1:
        shape = domain.transposed_shape(planes.shape[2])
        lines = buffer[: prod(shape)].reshape(shape)
        transpose(planes, lines, domain, back=False)
    if one_pass is not None:
        one_pass(lines)
    elif backend.name == "gpu":
        backend.plans.transform(lines, (0,))
        multiply(lines.reshape(len(lines), -1), slice(0, prod(lines.shape[1:])))
        backend.plans.transform(lines, (0,), inverse=True)
    else:

        def there_and_back(columns: np.ndarray, part: slice) -> np.ndarray:
            modes = backend.fft.fft(columns, axis=0, overwrite_x=True)
            multiply(modes, part)
            return backend.fft.ifft(modes, axis=0, overwrite_x=True, norm="forward")

        _over_columns(there_and_back, domain, lines)
    if lines is not planes:
        transpose(planes, lines, domain, back=True)


def along_x(
    transforms: Sequence[Transform], combine: Callable | None = None, *, there: bool = False, back: bool = False
) -> None:
    """Transform along x, combine numbers of several transforms, and transform back, into the first of them, in place.

    there, back  whether to transform, and whether to transform back, which divides by nx
    combine      function of the same numbers of every transform; it may overwrite them
    """
    domain = transforms[0].domain
    backend, values = domain.backend, [transformed.values for transformed in transforms]
    if backend.name == "gpu":
        if there:
            for array in values:
                backend.plans.transform(array, (0,))
        if combine is not None:
            for part in mode_blocks(domain, values[0].dtype.itemsize):
                values[0][part] = combine(*(array[part] for array in values))
        if back:
            backend.plans.transform(values[0], (0,), inverse=True)
            values[0] *= values[0].real.dtype.type(1 / len(values[0]))
        return

    def work(*columns: Any) -> np.ndarray:
        parts = [backend.fft.fft(part, axis=0) if there else part for part in columns[:-1]]
        made = parts[0] if combine is None else combine(*parts)
        return backend.fft.ifft(made, axis=0) if back else made

    _over_columns(work, domain, *values)


def plane_blocks(domain: Domain, item_bytes: int) -> list[slice]:
    """This rank's planes, some at a time; item_bytes  size of the work on a cell."""
    return slices_of(domain.shape[0], _most_bytes(domain) // (item_bytes * domain.cells[1] * domain.cells[2]))


def mode_blocks(domain: Domain, item_bytes: int) -> list[slice]:
    """Planes of constant kx of this rank's modes, some at a time; item_bytes  size of the work on a mode."""
    plane = domain.transposed_shape(domain.cells[2] // 2 + 1)[1:]
    return slices_of(domain.cells[0], _most_bytes(domain) // (item_bytes * max(1, prod(plane))))


def _most_bytes(domain: Domain) -> int:
    """Bytes of planes that are worked on at a time: they fit the cache of a CPU, and fill a card."""
    return _ON_CARD_BYTES if domain.backend.name == "gpu" else _PLANES_BYTES


def _over_columns(function: Callable, domain: Domain, *arrays: np.ndarray) -> None:
    """Replace columns of the first array by function(columns of every array, their slice), some at a time.

    Columns are copied into memory of their own, which stays in the cache.
    """
    flat = [array.reshape(len(array), -1) for array in arrays]

    def work(columns: slice) -> None:
        parts = [np.array(array[:, columns], order="C") for array in flat]
        flat[0][:, columns] = function(*parts, columns)

    size = _COLUMNS_BYTES // (domain.cells[0] * flat[0].dtype.itemsize)
    domain.backend.for_each(slices_of(flat[0].shape[1], size), work)


def _put(part: np.ndarray, values: np.ndarray) -> None:
    """Put into `part` what a transform of it, which may or may not have worked in place, returned."""
    if not np.may_share_memory(part, values):
        part[...] = values


def _keep_freed_memory(size: int) -> None:
    """Have glibc keep memory that planes leave: given back and got anew, page by page, it can take as long as the work.

    glibc keeps twice the size of the largest block that was freed so far, up to 32 MiB [bytes].
    """
    np.empty(min(size, 2**25 - 2**16), np.uint8)
