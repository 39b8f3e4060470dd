"""Particles to the ranks whose planes they touch, and errors that all ranks share."""

from collections.abc import Iterator

import numpy as np

from ..kernels.deposit import count_by_owner, list_by_owner
from ..parallel.ranks import Ranks


def raise_everywhere(error: Exception | None, ranks: Ranks):
    """Raise the error of the first rank that has one, on all, who all call this."""
    for rank, found in enumerate(ranks.allgather(None if error is None else (type(error), str(error)))):
        if found is not None:
            kind, message = found
            raised = kind(f"{message} (rank {rank})")
            raised.on_all_ranks = True
            raise raised


def of_one_kind(positions, weights, ranks: Ranks) -> tuple:
    """The particles, in the types of the other ranks where this one has none; ValueError where types differ."""
    kind = (positions.dtype.name, None if weights is None else weights.dtype.name)
    kinds = {each for each in ranks.allgather(kind if len(positions) else None) if each is not None}
    if len(kinds) > 1:
        raise ValueError(f"types of positions and weights {sorted(map(str, kinds))}: must be the same on all ranks")
    if len(positions) or not kinds:
        return positions, weights
    position, weight = kinds.pop()
    return np.empty((0, 3), position), None if weight is None else np.empty(0, weight)


def numbers_by_owner(positions, place, order: int, ranks: Ranks) -> tuple[int, np.ndarray, np.ndarray]:
    """Numbers of the particles that touch planes of each rank.

    positions  shape (particles, 3);  place  scale, offset and cells, see kernels.deposit
    order      of the assignment
    Returns the number of the first particle with a bad position, or -1; the numbers, those for one rank after another,
    and how many there are for each.
    """
    cells = place[2]
    owners = np.repeat(np.arange(ranks.size), [last - first for first, last in ranks.slabs(cells[0])])
    counts = np.zeros(ranks.size, np.int64)
    bad = count_by_owner(positions, *place, order, owners, counts)
    if bad >= 0:
        return bad, np.empty(0, np.int64), counts
    numbers = np.empty(counts.sum(), np.int64)
    list_by_owner(positions, *place, order, owners, np.cumsum(counts) - counts, numbers)
    return -1, numbers, counts


def exchange(arrays, numbers, counts, most: int, ranks: Ranks) -> Iterator[tuple]:
    """What the ranks have for this one, in several rounds; all call this.

    arrays   with one row a particle; None stays None
    numbers  of the rows for each rank, one rank after another;  counts  how many for each
    most     rows that this rank takes in a round; the smallest of all ranks counts
    """
    quota = max(1, min(ranks.allgather(most)) // ranks.size)
    starts = np.cumsum(counts) - counts
    for first in range(0, max(ranks.allgather(int(counts.max()))), quota):
        sent = np.clip(counts - first, 0, quota)
        chosen = np.concatenate([numbers[start : start + n] for start, n in zip(starts + first, sent, strict=True)])
        received = np.empty_like(sent)
        ranks.communicator.Alltoall(sent, received)
        yield tuple(None if array is None else _turn(array[chosen], sent, received, ranks) for array in arrays)


def _turn(rows, sent, received, ranks):
    """Alltoall of rows: how many this rank sends to each, one rank after another, and receives from each."""
    from mpi4py import MPI

    incoming = np.empty((int(received.sum()), *rows.shape[1:]), rows.dtype)
    # counted in rows, so that counts stay small
    row = MPI.BYTE.Create_contiguous(rows.dtype.itemsize * int(np.prod(rows.shape[1:]))).Commit()
    starts = [np.cumsum(counts) - counts for counts in (sent, received)]
    try:
        ranks.communicator.Alltoallv([rows, sent, starts[0], row], [incoming, received, starts[1], row])
    finally:
        row.Free()
    return incoming
