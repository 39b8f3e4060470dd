"""What every stage of a run is given: the config, where to compute, where to write, and a timer."""

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from ..config.config import ABSENT, Config
from ..io.cache import Cache
from ..io.deferred import DeferredWrites
from ..io.result_file import Writer
from ..parallel.backend import CPU, GPU
from ..parallel.ranks import SERIAL, Ranks

log = logging.getLogger(__name__)


@dataclass
class StageTimer:
    """Seconds that the stages took, logged as they end."""

    seconds: dict = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str):
        """Time a stage, or a part of it: parts of one name add up."""
        started = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started

    def log(self, name: str, from_cache: bool = False):
        """Log how long a stage took, or that its part was in the cache."""
        if from_cache:
            log.info("%s: taken from the cache", name)
        else:
            log.info("%s: %.2f s", name, self.seconds[name])


@dataclass(frozen=True)
class Context:
    """One run on one rank; every rank has its own, with the same config.

    file   the result that is being written, None where a stage is called from Python for its values only
    cache  parts of the result that this run and earlier ones have computed, None likewise
    """

    config: Config
    ranks: Ranks = SERIAL
    backend: CPU | GPU = field(default_factory=CPU)
    file: Writer = ABSENT
    cache: Cache = ABSENT
    timer: StageTimer = field(default_factory=StageTimer)

    @property
    def threads(self) -> int:
        """CPU threads of this rank."""
        return self.backend.threads

    def part(self, name: str, key: dict, record) -> DeferredWrites:
        """What record(file) writes into the result: from the cache, or computed now and cached.

        One rank calls this; where all compute together, see `part_of_all`.
        """
        return self._cached(name, key) or self._computed(name, key, record, self.cache is not None)

    def part_of_all(self, name: str, key: dict, record) -> DeferredWrites:
        """The same where all ranks compute, with the same outcome: all call this."""
        cached = self.ranks.on_root(lambda: self._cached(name, key))
        return cached or self._computed(name, key, record, self.ranks.is_root and self.cache is not None)

    def _cached(self, name, key):
        arrays = None if self.cache is None else self.cache.load(name, key)
        return None if arrays is None else DeferredWrites.of(arrays)

    def _computed(self, name, key, record, store):
        writes = DeferredWrites()
        record(writes)
        if store:
            self.cache.store(name, key, writes.arrays)
        return writes
