"""Planes and rows that ranks pass to one another."""

import numpy as np
import pytest
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.errors import InputError
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.exchange import alltoall_in_rounds, alltoall_rows, neighbour_plane
from gpu_fdm.parallel.ranks import SERIAL


def numbered(cells, dtype):
    return np.arange(np.prod(cells)).reshape(cells).astype(dtype)


def check_planes(ranks):
    """The planes next to a slab, around the box."""
    cells = (5, 2, 3)
    for dtype in (np.float64, np.int64, np.complex64):
        domain, field = Domain(cells, ranks), numbered(cells, dtype)
        slab = field[domain.planes]
        following = neighbour_plane(slab[:1], domain, 1)
        np.testing.assert_array_equal(following[0], field[domain.planes.stop % cells[0]])
        before = neighbour_plane(slab[-1:], domain, -1)
        np.testing.assert_array_equal(before[0], field[domain.planes.start - 1])


def check_rows(ranks):
    """Every rank sends i + 1 rows to rank i, of which each tells where it comes from; the first sends nothing."""
    sent = np.arange(1, ranks.size + 1) * (ranks.rank > 0)
    vectors = np.repeat(ranks.rank * 10.0 + np.arange(ranks.size), sent)[:, None] + np.array([0, 0.25, 0.5])
    numbers = (100 * vectors[:, 0]).astype(np.int64)
    found, none, integers = alltoall_rows([vectors, None, numbers], sent, Domain((1, 1, 1), ranks))
    senders = np.repeat(np.arange(1, ranks.size), ranks.rank + 1)
    assert none is None
    np.testing.assert_array_equal(found, (senders * 10.0 + ranks.rank)[:, None] + np.array([0, 0.25, 0.5]))
    np.testing.assert_array_equal(integers, 100 * (senders * 10 + ranks.rank))


def check_rounds(ranks):
    """All rows arrive, in rounds of no more than a rank takes."""
    counts = np.full(ranks.size, 7)
    numbers = np.random.default_rng(ranks.rank).permutation(7 * ranks.size)
    rows = ranks.rank + numbers / 1000
    most = 4 * ranks.size
    rounds = list(alltoall_in_rounds([rows, None], np.arange(len(rows)), counts, most, Domain((1, 1, 1), ranks)))
    assert len(rounds) == 2 and all(len(received) <= most and none is None for received, none in rounds)
    received = np.concatenate([received for received, _ in rounds])
    everyone = [rank + np.random.default_rng(rank).permutation(7 * ranks.size) / 1000 for rank in range(ranks.size)]
    mine = np.concatenate([numbers[7 * ranks.rank : 7 * ranks.rank + 7] for numbers in everyone])
    np.testing.assert_array_equal(np.sort(received), np.sort(mine))


def check_errors(ranks):
    """The error of the first rank that has one is raised on all, and says so."""
    ranks.raise_first(None)
    where = rf" \(rank {ranks.size - 1}\)" if ranks.size > 1 else ""
    with pytest.raises(InputError, match=rf"^bad{where}$") as caught:
        ranks.raise_first(InputError("bad") if ranks.rank == ranks.size - 1 else None)
    assert caught.value.on_all_ranks


def check_ranks(ranks):
    check_planes(ranks)
    check_errors(ranks)
    if ranks.size > 1:
        check_rows(ranks)
        check_rounds(ranks)


def test_one_rank():
    check_ranks(SERIAL)


@needs_mpi
@pytest.mark.parametrize("number", [2, 3])
def test_ranks(number):
    agree(__file__, number)


if __name__ == "__main__":
    run_here(check_ranks)
