"""The scheduler: every task has one rank, and no rank ends much later than it must."""

from itertools import chain

import numpy as np
import pytest

from gpu_fdm.parallel.balance import own_tasks
from gpu_fdm.parallel.ranks import SERIAL, Ranks


class Communicator:
    """Of one rank among others, who need not be there."""

    def __init__(self, rank, size):
        self.Get_rank, self.Get_size = lambda: rank, lambda: size


def shares(costs, size):
    """The tasks of every rank."""
    return [own_tasks(costs, Ranks(Communicator(rank, size))) for rank in range(size)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_every_task_has_one_rank_and_ranks_are_even(size):
    random = np.random.default_rng(size)
    for count in (0, 1, 5, 19, 40):
        costs = {f"task {i}": cost for i, cost in enumerate(random.lognormal(0, 2, count).tolist())}
        found = shares(costs, size)
        assert sorted(chain(*found)) == sorted(costs)
        loads = [sum(costs[task] for task in own) for own in found]
        # whoever ends last began its last task when no rank had less to do
        assert max(loads) <= sum(costs.values()) / size + (1 - 1 / size) * max(costs.values(), default=0.0) + 1e-9


def test_graham_example():
    """The worst case of this rule on two ranks: 3, 3, 2, 2, 2 end at 7 where 6 is possible."""
    costs = dict(enumerate([2.0, 3.0, 2.0, 3.0, 2.0]))
    assert shares(costs, 2) == [[1, 0, 4], [3, 2]]


def test_costliest_first_and_equal_ones_in_their_order():
    assert own_tasks({"b": 1.0, "a": 1.0, "c": 2.0}, SERIAL) == ["c", "b", "a"]
