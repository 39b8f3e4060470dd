"""What every stage of a run needs to know: the config, where to compute, where to write, and the time."""

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from ..backend import CPU, GPU
from ..config import ABSENT, Config
from ..kept import Kept
from ..ranks import ALONE, Ranks
from ..store import Writer

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

    def tell(self, name: str):
        """Log how long a stage took."""
        log.info("%s: %.2f s", name, self.seconds[name])


@dataclass(frozen=True)
class Context:
    """Of one run; every rank has its own, with the same config.

    file  the result in the making, None where a stage is called from Python for its values alone
    kept  parts that are done, of this run and of those before it, None likewise
    """

    config: Config
    ranks: Ranks = ALONE
    backend: CPU | GPU = field(default_factory=CPU)
    file: Writer = ABSENT
    kept: Kept = ABSENT
    clock: Clock = field(default_factory=Clock)

    @property
    def threads(self) -> int | None:
        """CPU threads of this rank."""
        return getattr(self.backend, "threads", None)
