"""Messages between ranks beside transposes: the planes next to a slab, and rows such as particles."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .domain import Domain
from .ranks import Ranks


def neighbour_plane(plane: Any, domain: Domain, step: int) -> Any:
    """The plane that a neighbour gives as `plane`, shape (1, ny, nz), around the box; all ranks call this.

    step  1 for the next rank's, -1 for that of the rank before
    """
    ranks = domain.ranks
    if ranks.size == 1:
        return plane
    host = np.ascontiguousarray(domain.backend.to_host(plane))
    received = np.empty_like(host)
    to, source = (ranks.rank - step) % ranks.size, (ranks.rank + step) % ranks.size
    ranks.communicator.Sendrecv(host, dest=to, recvbuf=received, source=source)
    return domain.backend.to_device(received)


def alltoall_rows(arrays: Sequence[np.ndarray | None], sent: np.ndarray, ranks: Ranks) -> list[Any]:
    """The rows that the ranks send to this one, in the order of the ranks; all ranks call this.

    arrays  contiguous, of one length, rows for rank 0 first; None stays None
    sent    number of rows for every rank, int64, shape (ranks,)
    """
    received = np.empty_like(sent)
    ranks.communicator.Alltoall(sent, received)
    return [None if array is None else _alltoall(array, sent, received, ranks) for array in arrays]


def alltoall_rows_of_backend(array: Any, sent: np.ndarray, domain: Domain) -> Any:
    """alltoall_rows of one array where the domain's backend has it, and back there; through the host."""
    backend = domain.backend
    return backend.to_device(alltoall_rows([np.ascontiguousarray(backend.to_host(array))], sent, domain.ranks)[0])


def alltoall_in_rounds(
    arrays: Sequence[np.ndarray | None], numbers: np.ndarray, counts: np.ndarray, most: int, ranks: Ranks
) -> Iterator[list[Any]]:
    """The rows that the ranks send to this one, in several rounds; all ranks call this.

    arrays   with one row a particle; None stays None
    numbers  of the rows for rank 0, rank 1, ...;  counts  how many for every rank, int64, shape (ranks,)
    most     rows that this rank takes in a round; the smallest of all ranks counts
    """
    quota = max(1, min(ranks.allgather(most)) // ranks.size)
    starts = np.cumsum(counts) - counts
    for first in range(0, max(ranks.allgather(int(counts.max()))), quota):
        sent = np.clip(counts - first, 0, quota)
        chosen = np.concatenate([numbers[start : start + n] for start, n in zip(starts + first, sent, strict=True)])
        yield alltoall_rows([None if array is None else array[chosen] for array in arrays], sent, ranks)


def _alltoall(rows: np.ndarray, sent: np.ndarray, received: np.ndarray, ranks: Ranks) -> np.ndarray:
    """Alltoall of rows: how many this rank sends to every rank, and receives from it."""
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
