"""The contract of a stage of a run, and the context that it runs in; docs/development.md says how to add one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ..config.cache_keys import key_of
from ..config.config import Config
from ..config.sections import ABSENT
from ..io.cache import Cache
from ..io.deferred import DeferredWrites
from ..io.result_file import Writer
from ..io.schema.entries import Group
from ..parallel.backend import CPU, GPU
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from .inputs import Inputs
from .models import Models
from .progress import StageTimer
from .slab import Frame


@dataclass(frozen=True)
class Estimate:
    """Needs of a stage.

    memory   title of a part of the stage -> its peak on the rank that needs most, above what every process has [bytes]
    disk     size of what the stage adds to the result, and writes beside it [bytes]
    seconds  rough time on two cores, None where it depends on what is found
    """

    memory: dict[str, int] = field(default_factory=dict)
    disk: int = 0
    seconds: float | None = 0.0


class Stage:
    """One stage of a run: a subclass has a module of its own, and the list `stages.STAGES` an instance of it.

    section     section of the ini that asks for the stage, and the name of the stage
    within      section of the stage that runs it as a part of itself; empty: the run itself does
    selects     keys of the ini that the result depends on besides, as they choose which parts are computed and written
    begins      whether a run may consist of this stage alone
    beside      whether it also writes files beside the result; it must check itself that they still exist
    groups      groups of the result that it writes, but for those in io.schema, which other modules read
    figures     figures of what it writes
    """

    section: ClassVar[str]
    within: ClassVar[str] = ""
    selects: ClassVar[tuple[str, ...]] = ()
    begins: ClassVar[bool] = False
    beside: ClassVar[bool] = False
    groups: ClassVar[tuple[Group, ...]] = ()
    figures: ClassVar[tuple[Figure, ...]] = ()

    def is_asked(self, config: Config) -> bool:
        """Whether a config asks for it."""
        return getattr(config, self.section) is not None

    def keys(self, config: Config) -> tuple[str, ...]:
        """Sections and keys of the ini that its numbers depend on, in the notation of config.cache_keys."""
        return (self.section,)

    def key(self, context: "Context", **more: Any) -> dict[str, Any]:
        """The key of a cached part of the stage; more: what the part depends on besides."""
        names = self.keys(context.config)
        return key_of(context.config, self.section, names, backend=context.backend.arithmetic, **more)

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """Warnings about a config; rank 0 calls this before anything costly is done. Raises InputError."""
        return []

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Memory, disk and time, from the sizes of arrays; `check` has passed."""
        return Estimate(seconds=None)

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """Lines of a dry run that say what the stage would do."""
        return []

    def run(self, context: "Context") -> list[str]:
        """Compute and write into the result; returns lines of the summary. All ranks call this."""
        raise NotImplementedError

    def unfinished(self, cache: Cache) -> frozenset[str]:
        """Names of unfinished result files of earlier runs that hold what this stage has cached."""
        return frozenset()

    def clean_up(self, context: "Context") -> None:
        """Remove from the cache what a complete result no longer needs; rank 0 calls this."""


@dataclass(frozen=True)
class Context:
    """One run on one rank: every rank has its own, with the same inputs.

    result  path of the result file;  file  its Writer
    cache   parts of the result that this run and earlier ones have computed
    stages  stages that the config asks for
    models  models of the filaments, within the stage that solves them
    frame   densities at one time, within the stage that fills the box
    """

    inputs: Inputs
    ranks: Ranks = SERIAL
    backend: CPU | GPU = field(default_factory=CPU)
    result: Path = ABSENT
    file: Writer = ABSENT
    cache: Cache = ABSENT
    timer: StageTimer = field(default_factory=StageTimer)
    stages: tuple[Stage, ...] = ()
    models: Models = ABSENT
    frame: Frame = ABSENT

    @property
    def config(self) -> Config:
        """The config that is run."""
        return self.inputs.config

    @property
    def threads(self) -> int:
        """CPU threads of this rank."""
        return self.backend.threads

    def run_within(self, section: str) -> list[str]:
        """Run the stages within that of a section, in their order; returns their lines of the summary."""
        return [line for stage in self.stages if stage.within == section for line in stage.run(self)]

    def part(self, name: str, key: dict[str, Any], record: Callable[[DeferredWrites], None]) -> DeferredWrites:
        """What record(file) writes into the result: from the cache, or computed now and cached.

        One rank calls this; where all compute together, see `part_of_all`.
        """
        return self._cached(name, key) or self._computed(name, key, record, self.cache is not None)

    def part_of_all(self, name: str, key: dict[str, Any], record: Callable[[DeferredWrites], None]) -> DeferredWrites:
        """The same where all ranks compute, with the same outcome: all call this."""
        cached = self.ranks.on_root(lambda: self._cached(name, key))
        return cached or self._computed(name, key, record, self.ranks.is_root and self.cache is not None)

    def _cached(self, name: str, key: dict[str, Any]) -> DeferredWrites | None:
        arrays = None if self.cache is None else self.cache.load(name, key)
        return None if arrays is None else DeferredWrites.of(arrays)

    def _computed(
        self, name: str, key: dict[str, Any], record: Callable[[DeferredWrites], None], store: bool
    ) -> DeferredWrites:
        writes = DeferredWrites()
        record(writes)
        if store:
            self.cache.store(name, key, writes.arrays)
        return writes
