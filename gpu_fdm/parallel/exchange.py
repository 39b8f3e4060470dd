"""Messages between ranks beside transposes: the planes next to a slab, and rows such as particles.

Arrays of a card are sent from there where MPI reads its memory, else through the host; the bits are the same.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .domain import Domain


def neighbour_plane(plane: Any, domain: Domain, step: int) -> Any:
    """The plane that a neighbour gives as `plane`, shape (1, ny, nz), around the box; all ranks call this.

    step  1 for the next rank's, -1 for that of the rank before
    """
    ranks = domain.ranks
    if ranks.size == 1:
        return plane
    sent, received = _ready(plane, plane.shape, domain)
    to, source = (ranks.rank - step) % ranks.size, (ranks.rank + step) % ranks.size
    ranks.communicator.Sendrecv(sent, dest=to, recvbuf=received, source=source)
    return domain.backend.to_device(received)


def alltoall_rows(arrays: Sequence[Any], sent: np.ndarray, domain: Domain) -> list[Any]:
    """The rows that the ranks send to this one, in the order of the ranks; all ranks call this.

    arrays  where the domain is, of one length, rows for rank 0 first; None stays None
    sent    number of rows for every rank, on the host, int64, shape (ranks,)
    """
    received = np.empty_like(sent)
    domain.ranks.communicator.Alltoall(sent, received)
    return [None if array is None else _alltoall(array, sent, received, domain) for array in arrays]


def alltoall_in_rounds(
    arrays: Sequence[Any], numbers: Any, counts: np.ndarray, most: int, domain: Domain
) -> Iterator[list[Any]]:
    """The rows that the ranks send to this one, in several rounds; all ranks call this.

    arrays   where the domain is, with one row a particle; None stays None
    numbers  of the rows for rank 0, rank 1, ..., where the domain is
    counts   how many for every rank, on the host, int64, shape (ranks,)
    most     rows that this rank takes in a round; the smallest of all ranks counts
    """
    ranks, xp = domain.ranks, domain.backend.xp
    quota = max(1, min(ranks.allgather(most)) // ranks.size)
    starts = np.cumsum(counts) - counts
    for first in range(0, max(ranks.allgather(int(counts.max()))), quota):
        sent = np.clip(counts - first, 0, quota)
        parts = zip((starts + first).tolist(), sent.tolist(), strict=True)
        chosen = xp.concatenate([numbers[start : start + n] for start, n in parts])
        yield alltoall_rows([None if array is None else array[chosen] for array in arrays], sent, domain)


def _alltoall(rows: Any, sent: np.ndarray, received: np.ndarray, domain: Domain) -> Any:
    """Alltoall of rows: how many this rank sends to every rank, and receives from it."""
    from mpi4py import MPI

    outgoing, incoming = _ready(rows, (int(received.sum()), *rows.shape[1:]), domain)
    # counted in rows, so that counts stay small
    row = MPI.BYTE.Create_contiguous(rows.dtype.itemsize * int(np.prod(rows.shape[1:]))).Commit()
    starts = [np.cumsum(counts) - counts for counts in (sent, received)]
    try:
        domain.ranks.communicator.Alltoallv([outgoing, sent, starts[0], row], [incoming, received, starts[1], row])
    finally:
        row.Free()
    return domain.backend.to_device(incoming)


def _ready(array: Any, shape: tuple[int, ...], domain: Domain) -> tuple[Any, Any]:
    """An array that MPI may read, contiguous, and one of a shape into which it may receive."""
    backend = domain.backend
    if isinstance(array, np.ndarray) or backend.mpi_buffers == "host":
        sent: Any = np.ascontiguousarray(backend.to_host(array))
        return sent, np.empty(shape, array.dtype)
    sent = backend.xp.ascontiguousarray(array)
    received = backend.xp.empty(shape, array.dtype)
    backend.synchronize()
    return sent, received
