"""Tasks of a stage that do not depend on each other: each is done on one rank, or taken from the cache."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

import numpy as np

from ..parallel.balance import own_tasks
from .progress import Bar, progress
from .stage import Context

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


class Task(Protocol):
    """What makes a few arrays."""

    @property
    def name(self) -> str:
        """Name of its part in the cache."""

    @property
    def cost(self) -> float:
        """Time that it takes, in any unit."""

    @property
    def steps(self) -> int:
        """How many steps of progress it makes."""

    def key(self, context: Context) -> dict[str, Any]:
        """Key of its part in the cache."""

    def compute(self, context: Context, step: Callable[[], None]) -> Arrays:
        """Compute the arrays, on this rank alone; call step() after each step of progress."""


def arrays_of(
    context: Context, tasks: Sequence[Task], title: str, progress_bar: Bar | None = None
) -> dict[str, Arrays]:
    """The arrays of all tasks, by their names, on all ranks; all ranks call this with the same tasks.

    title         what the tasks are about, in the plural
    progress_bar  of these tasks and others, whose total counts them; one of their own where not given
    What is computed is cached as soon as it is done. The costliest tasks are begun first.
    """
    cache, ranks = context.cache, context.ranks
    found = ranks.on_root(lambda: {task.name: cache.load(task.name, task.key(context)) for task in tasks})
    cached = {name: arrays for name, arrays in found.items() if arrays is not None}
    if cached:
        log.info("%d of %d %s are in the cache", len(cached), len(tasks), title)
    missing = {task.name: task for task in tasks if task.name not in cached}
    names = own_tasks({name: task.cost for name, task in missing.items()}, ranks)
    own = {}
    steps, own_steps = (sum(missing[name].steps for name in some) for some in (missing, names))
    if progress_bar is not None:
        progress_bar.add(-sum(task.steps for task in tasks if task.name in cached))
    with nullcontext(progress_bar) if progress_bar is not None else progress(title, steps, ranks) as bar:
        for name in names:
            # a step of this rank stands for those of all
            own[name] = missing[name].compute(context, lambda: bar(steps / own_steps))
            cache.store(name, missing[name].key(context), own[name])
    return cached | {name: arrays for part in ranks.allgather(own) for name, arrays in part.items()}
