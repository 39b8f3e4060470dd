"""Multiply the Fourier modes of a field by something, in place, over ranks, on NumPy or CuPy arrays.

A slab of planes along x is transformed over y and z where it is, turned so that every rank holds all of x for some
lines along y (one Alltoall), transformed along x, multiplied, and goes the same way back. The way there and back along
x is one pass over memory, and what callers do to planes before and after is done while these are in the cache. Sizes
need not divide by the number of ranks. Memory: the slab, and over ranks one buffer of its size.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from math import prod

import numpy as np

from ..errors import InputError, RunError
from ..parallel.backend import CPU, GPU
from ..parallel.ranks import SERIAL, Ranks

# worked on at a time: what fits the cache, and takes longer than to ask for it; on a GPU, what fills the card
_PLANES_BYTES = {"cpu": 2**20, "gpu": 2**28}
_COLUMNS_BYTES = {"cpu": 2**18, "gpu": 2**28}
_TASKS_A_THREAD = 4


@dataclass(frozen=True)
class Slab:
    """Which part of a grid this rank holds, and where it works.

    cells  (3,) of the whole grid
    Raises ValueError for more ranks than planes.
    """

    cells: tuple[int, int, int]
    ranks: Ranks = SERIAL
    backend: CPU | GPU = field(default_factory=CPU)

    def __post_init__(self):
        if self.ranks.size > self.cells[0]:
            raise ValueError(f"more ranks ({self.ranks.size}) than planes along x ({self.cells[0]})")

    @property
    def planes(self) -> tuple[int, int]:
        """First plane along x of this rank, and the first that is no longer its own."""
        return self.ranks.slab(self.cells[0])

    @property
    def lines(self) -> tuple[int, int]:
        """The same along y after turning; may be empty."""
        return self.ranks.slab(self.cells[1])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of this rank's part of a field."""
        first, last = self.planes
        return (last - first, *self.cells[1:])

    @property
    def transposed(self) -> bool:
        """Whether x is the last axis of the modes that are multiplied: cuFFT wants it there, CPUs do not."""
        return self.backend.name == "gpu"

    def turned_size(self, length: int) -> int:
        """Numbers in a turned slab of lines of `length` along z; 0 on a single rank, where nothing is turned."""
        first, last = self.lines
        return 0 if self.ranks.size == 1 else self.cells[0] * (last - first) * length

    def over_planes(self, item_bytes: int, work: Callable[[slice], None]):
        """Call work(planes) for a few planes at a time, in threads.

        item_bytes  of what is worked on, per cell
        """
        plane_bytes = item_bytes * self.cells[1] * self.cells[2]
        size = _PLANES_BYTES[self.backend.name] // plane_bytes

        def each(blocks):
            for block in blocks:
                work(block)

        self._spread(self.shape[0], size, each)

    def multiply(self, slab, before, multiply, after, buffer=None):
        """Leave in `slab` what `after` makes of the modes of what `before` left there.

        slab      complex, shape (planes, ny, length), contiguous: planes along x of this rank
        before    function of a slice of planes: leaves their transform over y and z in slab[planes]
        multiply  function of (modes, columns): modes of shape (nx, columns), or (columns, nx) where `transposed`,
                  contiguous, changed in place; columns is a slice of this rank's (y, z), lines first
        after     function of a slice of planes: takes their transform over y and z from slab[planes]
        buffer    over ranks: complex, slab.dtype, turned_size(length) numbers at least
        Transforms along x there and back are not normalised: values come back nx times as large.
        """
        length = slab.shape[2]
        self.over_planes(slab.dtype.itemsize, before)
        if self.ranks.size == 1:
            self._along_x(slab.reshape(self.cells[0], -1), multiply)
        else:
            first, last = self.lines
            size = self.turned_size(length)
            turned = buffer[:size].reshape(self.cells[0], last - first, length)
            self._turn(slab, turned, back=False)
            self._along_x(turned.reshape(self.cells[0], -1), multiply)
            self._turn(slab, turned, back=True)
        self.over_planes(slab.dtype.itemsize, after)

    def _along_x(self, columns, multiply):
        """Transform along x, multiply, transform back: some columns at a time, in a buffer that stays in the cache."""
        xp, fft = self.backend.xp, self.backend.fft
        axis = 1 if self.transposed else 0

        def work(blocks):
            store = None
            for block in blocks:
                part = columns[:, block].T if self.transposed else columns[:, block]
                if store is None or store.shape != part.shape:
                    store = xp.empty(part.shape, part.dtype)
                store[...] = part
                modes = fft.fft(store, axis=axis, overwrite_x=True)
                multiply(modes, block)
                part[...] = fft.ifft(modes, axis=axis, overwrite_x=True, norm="forward")

        size = _COLUMNS_BYTES[self.backend.name] // (columns.shape[0] * columns.dtype.itemsize)
        self._spread(columns.shape[1], size, work)

    def _spread(self, count, size, work):
        """Divide `count` items into blocks of `size`, one at least, and call work(list of slices) in threads.

        Blocks, unlike the lists that a thread is given, do not depend on the number of threads.
        """
        size = max(1, size)
        blocks = [slice(first, min(first + size, count)) for first in range(0, count, size)]
        tasks = min(_TASKS_A_THREAD * self._threads, len(blocks))
        if self._threads == 1 or tasks <= 1:
            work(blocks)
            return
        cuts = [len(blocks) * task // tasks for task in range(tasks + 1)]
        for _ in self._pool.map(work, (blocks[first:last] for first, last in pairwise(cuts))):
            pass

    @property
    def _threads(self):
        return getattr(self.backend, "threads", 1)

    @cached_property
    def _pool(self):
        """Threads that stay: a step hands out work six times, and starting them would take a twentieth of it."""
        return ThreadPoolExecutor(self._threads)

    def _turn(self, slab, turned, back):
        """My planes of everyone's lines become everyone's planes of my lines, or back."""
        from mpi4py import MPI

        host_slab, host_turned = self.backend.to_host(slab), self.backend.to_host(turned)
        number = MPI.C_FLOAT_COMPLEX if slab.dtype == np.complex64 else MPI.C_DOUBLE_COMPLEX
        mine = [_box(number, slab.shape, 1, lines) for lines in self.ranks.slabs(self.cells[1])]
        theirs = [_box(number, turned.shape, 0, part) for part in self.ranks.slabs(self.cells[0])]
        ends = [_message(host_slab, mine), _message(host_turned, theirs)]
        try:
            self.ranks.communicator.Alltoallw(*(ends[::-1] if back else ends))
        finally:
            for kind in (*mine, *theirs):
                if kind is not None:
                    kind.Free()
        target, host = (slab, host_slab) if back else (turned, host_turned)
        if host is not target:  # on a card
            target[...] = self.backend.to_device(host)


def on_all_ranks(error: InputError | RunError) -> InputError | RunError:
    """The error, marked as one that all ranks raise, so that one of them says it."""
    error.on_all_ranks = True
    return error


def next_plane(first, slab: Slab):
    """The first plane of the next rank; first  that of this rank, shape (1, ny, nz)."""
    ranks = slab.ranks
    if ranks.size == 1:
        return first
    host = np.ascontiguousarray(slab.backend.to_host(first))
    received = np.empty_like(host)
    before, after = (ranks.rank - 1) % ranks.size, (ranks.rank + 1) % ranks.size
    ranks.communicator.Sendrecv(host, dest=before, recvbuf=received, source=after)
    return slab.backend.to_device(received)


def _box(number, shape, axis, part):
    """MPI's type for part of an array along an axis; None where that is empty."""
    extent = [*shape[:axis], part[1] - part[0], *shape[axis + 1 :]]
    if prod(extent) == 0:
        return None
    start = [0] * len(shape)
    start[axis] = part[0]
    return number.Create_subarray(shape, extent, start).Commit()


def _message(array, kinds):
    """One item of its own type for every rank, as Alltoallw takes it."""
    from mpi4py import MPI

    counts = [0 if kind is None else 1 for kind in kinds]
    return [array, counts, [0] * len(kinds), [MPI.BYTE if kind is None else kind for kind in kinds]]
