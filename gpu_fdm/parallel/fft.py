"""Fourier transforms of slabs: real to complex and back, over ranks, on NumPy or CuPy arrays.

A slab of planes along x is transformed over y and z where it is, turned so that every rank holds all of x for a slab
along y (one Alltoall), and transformed along x; the inverse goes the same way back. Sizes need not divide by the
number of ranks. The work is done a few planes or lines at a time: they stay in the cache from one step to the next,
and what a transform needs of its own stays small (CuPy's copies its input where the axis is not the last). Whoever can
use the modes a few lines at a time takes transform_planes, and finishes the lines along x where they are used.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .backend import CPU
from .ranks import SERIAL, Ranks

# planes along x, or lines along y, that are transformed at a time: what fits a core's cache, or keeps a card busy
_AT_ONCE = {"cpu": 2, "gpu": 16}


@dataclass(frozen=True)
class Transform:
    """A rank's part of an unnormalised real-to-complex transform, along x too or over y and z alone.

    values   complex, shape (nx, ny_local, nz // 2 + 1)
    y_first  index along y of its first line
    """

    values: np.ndarray
    y_first: int


def transform(slab, cells, ranks: Ranks = SERIAL, backend=None, prepare=None) -> Transform:
    """Transform a field of which each rank holds a slab along x; the rest as transform_planes."""
    backend = backend or CPU()
    transformed = transform_planes(slab, cells, ranks, backend, prepare)
    along_x(lambda lines: backend.fft.fft(lines, axis=0), backend, transformed)
    return transformed


def transform_planes(slab, cells, ranks: Ranks = SERIAL, backend=None, prepare=None) -> Transform:
    """Transform a field, of which each rank holds a slab along x, over y and z alone.

    slab     real, shape (planes, ny, nz), planes as ranks.slab(nx); NumPy or CuPy; not changed
    cells    (nx, ny, nz) of the whole field
    prepare  function of a few planes that returns what to transform in their place (a new array)
    Memory beyond the slab: two complex copies of it, one where there is a single rank.
    """
    backend = backend or CPU()
    xp, fft = backend.xp, backend.fft
    nx, ny, nz = cells
    slabs_x, slabs_y = ranks.slabs(nx), ranks.slabs(ny)
    planes, kz, step = slab.shape[0], nz // 2 + 1, _AT_ONCE[backend.name]
    dtype = xp.result_type(slab.dtype, xp.complex64)
    _keep_freed_memory(16 * ny * nz * slab.dtype.itemsize)
    # the lines of one destination after another
    outgoing = xp.empty(planes * ny * kz, dtype)
    blocks = _blocks(outgoing, planes, slabs_y, kz)

    def planes_of(begin):
        part = slab[begin : begin + step]
        part = fft.rfft2(part if prepare is None else prepare(part, begin))
        for block, (first, last) in zip(blocks, slabs_y, strict=True):
            block[begin : begin + len(part)] = part[:, first:last]

    backend.for_each(range(0, planes, step), planes_of)
    y_first, y_last = ranks.slab(ny)
    if ranks.size > 1:
        # my planes of everyone's lines become everyone's planes of my lines
        sent = [planes * (last - first) for first, last in slabs_y]
        received = [(last - first) * (y_last - y_first) for first, last in slabs_x]
        outgoing = _turn(outgoing, sent, received, kz, ranks, backend)
    return Transform(outgoing.reshape(nx, y_last - y_first, kz), y_first)


def inverse(transformed: Transform, cells, ranks: Ranks = SERIAL, backend=None):
    """The field of which `transform` made this; the rest as inverse_planes."""
    backend = backend or CPU()
    along_x(lambda lines: backend.fft.ifft(lines, axis=0), backend, transformed)
    return inverse_planes(transformed, cells, ranks, backend)


def inverse_planes(transformed: Transform, cells, ranks: Ranks = SERIAL, backend=None):
    """The field of which `transform_planes` made this; its values are overwritten.

    cells  (nx, ny, nz) of the whole field
    Returns this rank's slab along x, real, shape (planes, ny, nz), planes as ranks.slab(nx). The sum over modes is
    divided by their number, so that inverse(transform(field)) is the field.
    Memory beyond the transform: the slab, and over ranks a complex copy of it.
    """
    backend = backend or CPU()
    xp, fft = backend.xp, backend.fft
    nx, ny, nz = cells
    slabs_x, slabs_y = ranks.slabs(nx), ranks.slabs(ny)
    x_first, x_last = ranks.slab(nx)
    planes, kz, step = x_last - x_first, nz // 2 + 1, _AT_ONCE[backend.name]
    lines = transformed.values.shape[1]
    values = transformed.values.reshape(-1)  # planes of one destination after another as it is
    if ranks.size > 1:
        sent = [(last - first) * lines for first, last in slabs_x]
        received = [planes * (last - first) for first, last in slabs_y]
        values = _turn(values, sent, received, kz, ranks, backend)
    blocks = _blocks(values, planes, slabs_y, kz)
    slab = xp.empty((planes, ny, nz), values.real.dtype)

    def planes_of(begin):
        part = xp.concatenate([block[begin : begin + step] for block in blocks], axis=1)
        slab[begin : begin + step] = fft.irfft2(part, s=(ny, nz))

    backend.for_each(range(0, planes, step), planes_of)
    return slab


def along_x(function, backend, *transforms: Transform):
    """Put function(a few lines of each), which have shape (nx, lines, kz), in the place of those of the first."""
    lines, step = transforms[0].values.shape[1], _AT_ONCE[backend.name]

    def lines_of(begin):
        parts = [each.values[:, begin : begin + step] for each in transforms]
        parts[0][...] = function(*parts)

    backend.for_each(range(0, lines, step), lines_of)


def _keep_freed_memory(size):
    """Have glibc keep memory that planes leave: given back and got anew, page by page, it can take as long as the work.

    It keeps twice the size of the largest block that was freed so far, of those below 32 MiB [bytes].
    """
    np.empty(min(size, 2**25 - 2**16), np.uint8)


def _blocks(values, planes, slabs_y, kz):
    """Views of each rank's lines of my planes, which lie one rank after another, shapes (planes, its lines, kz)."""
    starts = [planes * first * kz for first, _ in slabs_y] + [values.size]
    return [
        values[start:stop].reshape(planes, last - first, kz)
        for (start, stop), (first, last) in zip(pairwise(starts), slabs_y, strict=True)
    ]


def _turn(outgoing, sent, received, kz, ranks, backend):
    """Alltoall of lines of kz numbers: how many this rank sends to each, and receives from each."""
    host = backend.to_host(outgoing)
    incoming = np.empty(sum(received) * kz, host.dtype)
    # counted in lines of kz numbers, so that counts stay small in large boxes
    line = _line_type(host.dtype, kz)
    try:
        ranks.communicator.Alltoallv([host, sent, _starts(sent), line], [incoming, received, _starts(received), line])
    finally:
        line.Free()
    return backend.to_device(incoming)


def _line_type(dtype, kz):
    from mpi4py import MPI

    number = MPI.C_FLOAT_COMPLEX if dtype == np.complex64 else MPI.C_DOUBLE_COMPLEX
    return number.Create_contiguous(kz).Commit()


def _starts(counts):
    return [0, *np.cumsum(counts)[:-1].tolist()]
