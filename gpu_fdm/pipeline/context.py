"""What every stage of a run needs to know: the config, where to compute, where to write, and the time."""

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
class Clock:
    """Seconds that the stages took, told as they end."""

    seconds: dict = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str):
        """Time a stage, or a part of it: parts of one name add up."""
        started = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started

    def tell(self, name: str, before: bool = False):
        """Log how long a stage took, or that it was done before."""
        if before:
            log.info("%s: kept from a run before", name)
        else:
            log.info("%s: %.2f s", name, self.seconds[name])


@dataclass(frozen=True)
class Context:
    """Of one run; every rank has its own, with the same config.

    file  the result in the making, None where a stage is called from Python for its values alone
    cache  parts that are done, of this run and of those before it, None likewise
    """

    config: Config
    ranks: Ranks = SERIAL
    backend: CPU | GPU = field(default_factory=CPU)
    file: Writer = ABSENT
    cache: Cache = ABSENT
    clock: Clock = field(default_factory=Clock)

    @property
    def threads(self) -> int | None:
        """CPU threads of this rank."""
        return getattr(self.backend, "threads", None)

    def part(self, name: str, key: dict, record) -> DeferredWrites:
        """What record(file) writes, for the result: kept from a run before, or computed now and kept.

        One rank calls this; where all compute together, see `part_of_all`.
        """
        return self._before(name, key) or self._computed(name, key, record, self.cache is not None)

    def part_of_all(self, name: str, key: dict, record) -> DeferredWrites:
        """The same where all ranks compute, with the same outcome: all call this."""
        before = self.ranks.on_root(lambda: self._before(name, key))
        return before or self._computed(name, key, record, self.ranks.is_root and self.cache is not None)

    def _before(self, name, key):
        arrays = None if self.cache is None else self.cache.load(name, key)
        return None if arrays is None else DeferredWrites.of(arrays)

    def _computed(self, name, key, record, keep):
        recorded = DeferredWrites()
        record(recorded)
        if keep:
            self.cache.store(name, key, recorded.arrays)
        return recorded
