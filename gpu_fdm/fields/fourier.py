"""Fourier transforms of slabs: real to complex, over ranks, on NumPy or CuPy arrays.

A slab of planes along x is transformed over y and z where it is, turned so that every rank holds all of x for a slab
along y (one Alltoall), and transformed along x. Sizes need not divide by the number of ranks.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..ranks import ALONE, Ranks

_PLANES_A_PART = 4


@dataclass(frozen=True)
class Transform:
    """A rank's part of an unnormalised real-to-complex transform.

    values   complex, shape (nx, ny_local, nz // 2 + 1)
    y_first  index along y of its first line
    """

    values: np.ndarray
    y_first: int


def transform(slab, cells, ranks: Ranks = ALONE, backend=None, prepare=None) -> Transform:
    """Transform a field of which each rank holds a slab along x.

    slab     real, shape (planes, ny, nz), planes as ranks.slab(nx); NumPy or CuPy; not changed
    cells    (nx, ny, nz) of the whole field
    prepare  function of a few planes that returns what to transform in their place (a new array)
    Memory beyond the slab: two complex copies of it, one where there is a single rank.
    """
    from ..backend import CPU

    backend = backend or CPU()
    xp, fft = backend.xp, backend.fft
    nx, ny, nz = cells
    slabs_x, slabs_y = ranks.slabs(nx), ranks.slabs(ny)
    planes, kz = slab.shape[0], nz // 2 + 1
    dtype = xp.result_type(slab.dtype, xp.complex64)
    # blocks of one destination after another, each (planes, its lines, kz)
    outgoing = xp.empty(planes * ny * kz, dtype)
    starts = [planes * first * kz for first, _ in slabs_y] + [outgoing.size]
    blocks = [
        outgoing[start:stop].reshape(planes, last - first, kz)
        for (start, stop), (first, last) in zip(pairwise(starts), slabs_y, strict=True)
    ]

    def planes_of(begin):
        part = slab[begin : begin + _PLANES_A_PART]
        part = fft.rfft2(part if prepare is None else prepare(part))
        for block, (first, last) in zip(blocks, slabs_y, strict=True):
            block[begin : begin + len(part)] = part[:, first:last]

    # a few planes stay in the cache from the contrast to their place in the blocks
    backend.over(range(0, planes, _PLANES_A_PART), planes_of)
    y_first, y_last = ranks.slab(ny)
    if ranks.size > 1:
        outgoing = _turn(outgoing, ranks, slabs_x, slabs_y, kz, backend)
    turned = outgoing.reshape(nx, y_last - y_first, kz)
    return Transform(fft.fft(turned, axis=0, overwrite_x=True, **backend.fft_options), y_first)


def _turn(outgoing, ranks, slabs_x, slabs_y, kz, backend):
    """Alltoall: my planes of everyone's lines become everyone's planes of my lines."""
    my_planes, my_lines = (last - first for first, last in (slabs_x[ranks.rank], slabs_y[ranks.rank]))
    host = backend.to_host(outgoing)
    sent = [my_planes * (last - first) for first, last in slabs_y]
    received = [(last - first) * my_lines for first, last in slabs_x]
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
