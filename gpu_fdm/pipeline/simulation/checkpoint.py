"""Checkpoints of a simulation: the state of a run in the cache, from which any number of ranks resumes.

The arrays of a state are cut along their first axis, rank after rank, as they are in memory.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ...io.cache import Cache
from ...parallel.ranks import SERIAL, Ranks
from .record import Record

START_OVER = "the run starts at step 0"  # what is done without a checkpoint


@dataclass(frozen=True, eq=False)
class Saved:
    """Complete restart state; resuming from it is bitwise identical.

    arrays   by name: this rank's part along the first axis
    numbers  by name, among them `step` and `epoch`, the scale factor;  record  what was measured by then
    """

    arrays: Mapping[str, np.ndarray]
    numbers: Mapping[str, float | int]
    record: Record


@dataclass(frozen=True)
class Checkpoint:
    """The latest saved state of a run.

    key  everything that the run depends on, to be stored as JSON
    """

    cache: Cache
    run: str
    key: dict

    @property
    def name(self) -> str:
        """Name of the part in the cache."""
        return f"{self.run}-checkpoint"

    def save(self, saved: Saved, ranks: Ranks = SERIAL) -> None:
        """Store the state, which replaces the one before; all ranks call this.

        Raises RunError where the disk is full or the folder cannot be written.
        """
        arrays: dict[str, ArrayLike] = {f"numbers/{name}": value for name, value in saved.numbers.items()}
        arrays |= {f"record/{name}": values for name, values in saved.record.arrays.items()}
        slabs = {f"state/{name}": values for name, values in saved.arrays.items()}
        redshift = 1 / saved.numbers["epoch"] - 1
        title = f"{self.run}: the checkpoint at step {saved.numbers['step']} (z = {redshift:.4g})"
        self.cache.store(self.name, self.key, arrays, slabs=slabs, ranks=ranks, title=title)

    def load(self, ranks: Ranks = SERIAL) -> Saved | None:
        """The saved state, or None where there is none of this key or a damaged one; all ranks call this."""
        stored = self.cache.load(self.name, self.key, ranks, report=False, instead=START_OVER)
        if stored is None:
            return None
        parts: dict[str, dict[str, Any]] = {"numbers": {}, "record": {}, "state": {}}
        for path, values in stored.items():
            group, _, name = path.partition("/")
            parts[group][name] = values.item() if group == "numbers" else values
        return Saved(parts["state"], parts["numbers"], Record(**parts["record"]))

    def remove(self, ranks: Ranks = SERIAL) -> None:
        """Delete the state, if there is one."""
        if ranks.is_root:
            self.cache.remove(self.name, self.key)
