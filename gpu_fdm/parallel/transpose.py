"""The transpose between planes along x and lines along y of all ranks: the one Alltoall of all transforms.

On the host MPI takes the parts for other ranks from where they are, by derived types. On a card most libraries copy
such types row by row: there kernels pack the lines of every rank, some planes at a time, into one contiguous message
each; planes are contiguous among the lines already. Messages leave from the card where MPI reads its memory. Else they
go through pinned memory, which the card fills for the next planes while MPI sends these. Only copies are made: the bits
are the same in all ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .domain import Domain
from .staging import Staging, staging_of

ROUND = 1 << 27  # bytes that a rank sends from a card at a time; one plane of the grid where that is larger


def transpose(planes: Any, lines: Any, domain: Domain, back: bool) -> None:
    """Make this rank's planes of all lines all planes of its lines, or back; all ranks call this.

    planes  contiguous, shape (planes, ny, length);  lines  of the same type, domain.transposed_shape(length)
    Memory on a card beyond both: a round; through the host, four rounds of pinned memory.
    """
    if isinstance(planes, np.ndarray):
        _by_types(planes, lines, domain, back)
    elif domain.backend.mpi_buffers == "device":
        _from_card(_Rounds(planes, lines, domain), back)
    else:
        _through_host(_Rounds(planes, lines, domain), back, staging_of(planes.device.id))


def _by_types(planes: np.ndarray, lines: np.ndarray, domain: Domain, back: bool) -> None:
    to_lines = [_part_type(planes, 1, part) for part in domain.lines_of_ranks]
    to_planes = [_part_type(lines, 0, part) for part in domain.planes_of_ranks]
    messages = _message(planes, to_lines), _message(lines, to_planes)
    try:
        domain.ranks.communicator.Alltoallw(*(reversed(messages) if back else messages))
    finally:
        for kind in (*to_lines, *to_planes):
            if kind is not None:
                kind.Free()


def _part_type(array: np.ndarray, axis: int, part: slice) -> Any:
    """MPI's type for part of a contiguous array along axis 0 or 1; None where that is empty.

    It is made of bytes: MPICH copies long rows of bytes at once, but complex numbers one by one, three times as slowly.
    """
    from mpi4py import MPI

    row, length = prod(array.shape[axis + 1 :]) * array.dtype.itemsize, part.stop - part.start
    count, block, stride = (length, row, row) if axis == 0 else (array.shape[0], length * row, array.shape[1] * row)
    if count * block == 0:
        return None
    rows = MPI.BYTE.Create_hvector(count, block, stride)
    kind = rows.Create_hindexed([1], [part.start * row]).Commit()
    rows.Free()
    return kind


def _message(array: np.ndarray, types: list) -> list:
    """One item of its own type for every rank, as Alltoallw takes it."""
    from mpi4py import MPI

    counts = [0 if kind is None else 1 for kind in types]
    return [array, counts, [0] * len(types), [MPI.BYTE if kind is None else kind for kind in types]]


@dataclass(frozen=True)
class _Round:
    """Some planes of every rank. Counts and starts are in rows along z.

    planes  of this rank
    packed  of its lines for every rank, packed: count and start
    placed  of its own lines of the planes of every rank: count, and start among the lines
    """

    planes: slice
    packed: tuple[list[int], list[int]]
    placed: tuple[list[int], list[int]]


@dataclass(frozen=True, eq=False)
class _Rounds:
    """The planes and lines of a rank on its card, and the rounds in which they are exchanged."""

    planes: Any
    lines: Any
    domain: Domain

    @cached_property
    def row(self) -> int:
        """Numbers in a row."""
        return self.planes.shape[2]

    @cached_property
    def rounds(self) -> list[_Round]:
        """As many on all ranks."""
        domain = self.domain
        slabs, own = domain.planes_of_ranks, domain.planes
        lines = [part.stop - part.start for part in domain.lines_of_ranks]
        here = lines[domain.ranks.rank]
        depth = max(1, ROUND // (domain.cells[1] * self.row * self.planes.dtype.itemsize))
        rounds = []
        for first in range(0, max(slab.stop - slab.start for slab in slabs), depth):
            parts = [slice(*(min(slab.start + n, slab.stop) for n in (first, first + depth))) for slab in slabs]
            mine = parts[domain.ranks.rank]
            packed = [(mine.stop - mine.start) * count for count in lines]
            placed = [(part.stop - part.start) * here for part in parts]
            rounds.append(
                _Round(
                    slice(mine.start - own.start, mine.stop - own.start),
                    (packed, _starts(packed)),
                    (placed, [part.start * here for part in parts]),
                )
            )
        return rounds

    def most(self, packed: bool) -> int:
        """Numbers in the largest round, packed or placed."""
        return self.row * max(sum((of.packed if packed else of.placed)[0]) for of in self.rounds)

    def pack(self, of: _Round, buffer: Any, back: bool) -> None:
        """Copy the planes of a round into a flat buffer, the lines of rank after rank, or back."""
        for lines, count, start in zip(self.domain.lines_of_ranks, *of.packed, strict=True):
            planes = self.planes[of.planes, lines]
            part = buffer[start * self.row : (start + count) * self.row].reshape(planes.shape)
            if count and back:
                planes[...] = part
            elif count:
                part[...] = planes

    def exchange(self, sent: list, received: list) -> None:
        """Alltoallv of [buffer, (count, start)], in rows."""
        from mpi4py import MPI

        row = MPI.BYTE.Create_contiguous(self.row * self.planes.dtype.itemsize).Commit()
        try:
            messages = [[buffer, *counts_and_starts, row] for buffer, counts_and_starts in (sent, received)]
            self.domain.ranks.communicator.Alltoallv(*messages)
        finally:
            row.Free()


def _from_card(rounds: _Rounds, back: bool) -> None:
    """MPI reads and writes the memory of the card."""
    backend, lines = rounds.domain.backend, rounds.lines.reshape(-1)
    buffer = backend.xp.empty(rounds.most(packed=True), lines.dtype)
    for of in rounds.rounds:
        packed, placed = [buffer, of.packed], [lines, of.placed]
        if not back:
            rounds.pack(of, buffer, back)
        backend.synchronize()
        rounds.exchange(*((placed, packed) if back else (packed, placed)))
        if back:
            rounds.pack(of, buffer, back)


def _through_host(rounds: _Rounds, back: bool, staging: Staging) -> None:
    """MPI reads and writes pinned memory: the card fills it for the next round while MPI sends this one."""
    xp, dtype, size = rounds.domain.backend.xp, rounds.lines.dtype, rounds.lines.dtype.itemsize
    buffer, lines, row = xp.empty(rounds.most(packed=True), dtype), rounds.lines.reshape(-1), rounds.row
    numbers = [rounds.most(packed) for packed in ((False, True) if back else (True, False))]
    with (
        staging.buffers(2, numbers[0] * size) as sending,
        staging.buffers(2, numbers[1] * size) as receiving,
        xp.cuda.Device(staging.index),
    ):
        staging.follow_kernels()

        def copy_placed(of: _Round, host: NDArray, to_card: bool) -> Any:
            """The lines of the planes of every rank, on the host one after another; returns an event at the end."""
            event = None
            for count, start, on_host in zip(*of.placed, _starts(of.placed[0]), strict=True):
                on_card = lines[start * row : (start + count) * row]
                pinned = host[on_host * row : (on_host + count) * row]
                event = staging.copy_to_card(on_card, pinned) if to_card else staging.copy_to_host(pinned, on_card)
            return event

        def copy_packed(of: _Round, host: NDArray, to_card: bool) -> Any:
            """The packed lines of every rank."""
            number = sum(of.packed[0]) * row
            with staging.stream:
                if to_card:
                    staging.copy_to_card(buffer[:number], host[:number])
                    rounds.pack(of, buffer, back=True)
                    return staging.stream.record()
                rounds.pack(of, buffer, back=False)
                return staging.copy_to_host(host[:number], buffer[:number])

        sources, targets = [[memory.view(dtype) for memory in both] for both in (sending, receiving)]
        leave, arrive = (copy_placed, copy_packed) if back else (copy_packed, copy_placed)
        following = leave(rounds.rounds[0], sources[0], False)
        for number, of in enumerate(rounds.rounds):
            source, target, left = sources[number % 2], targets[number % 2], following
            if number + 1 < len(rounds.rounds):
                following = leave(rounds.rounds[number + 1], sources[(number + 1) % 2], False)
            left.synchronize()  # and with it, on the one stream, the arrival two rounds before, from the same target
            packed, placed = of.packed, (of.placed[0], _starts(of.placed[0]))
            rounds.exchange([source, placed if back else packed], [target, packed if back else placed])
            arrive(of, target, True)


def _starts(counts: Sequence[int]) -> list[int]:
    """Where parts begin that lie one after another."""
    return (np.cumsum(counts) - counts).tolist()
