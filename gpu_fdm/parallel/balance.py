"""The scheduler: which tasks of unequal cost a rank does."""

from collections.abc import Mapping
from typing import TypeVar

from .ranks import Ranks

Task = TypeVar("Task")


def own_tasks(costs: Mapping[Task, float], ranks: Ranks) -> list[Task]:
    """The tasks of this rank, the costliest first; every rank calls this with the same costs.

    costs  of the tasks, in any unit
    The costliest task that is left goes to the rank that has least to do, of equal ones the first (Graham 1969,
    SIAM J. Appl. Math. 17, 416: the last rank ends at most 4/3 - 1/(3 ranks) times as late as it could).
    """
    load = [0.0] * ranks.size
    own = []
    for task in sorted(costs, key=lambda task: -costs[task]):
        rank = load.index(min(load))
        load[rank] += costs[task]
        if rank == ranks.rank:
            own.append(task)
    return own
