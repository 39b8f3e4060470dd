"""Statistics of the densities in the box: stages that run within that of the box, once for every frame."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from ..config.config import Config
from ..errors import RunError, UnfitError
from ..io.deferred import DeferredWrites
from .slab import density_keys
from .stage import Context, Stage


class SlabStatistic(Stage):
    """A statistic that is measured while the densities are in memory.

    title  its name in logs and estimates
    """

    within: ClassVar[str] = "box"
    title: ClassVar[str]

    def keys(self, config: Config) -> tuple[str, ...]:
        """Keys of the densities, and which of them are written."""
        return (*density_keys(config), "box.fields", self.section)

    def needs(self, config: Config) -> tuple[str, ...]:
        """Names of the densities that are measured: those that are written."""
        return config.box.fields

    def measure(self, context: Context) -> dict[str, Any]:
        """Statistics of the frame of a context, by their names in the result; all ranks call this."""
        raise NotImplementedError

    def write(self, file: DeferredWrites, name: str, measured: Any, sampling: str) -> None:
        """Write one statistic into the result."""
        raise NotImplementedError

    def run(self, context: Context) -> list[str]:
        """Measure one frame and write the statistic."""
        config, frame = context.config, context.frame

        def record(file: DeferredWrites) -> None:
            for name, measured in self.measure(context).items():
                self.write(file, name + frame.suffix, measured, config.box.sampling)

        with context.timer(self.title), _errors_of_the_box(config):
            name = f"{self.section}{frame.suffix.replace('/', '-')}"
            part = context.part_of_all(name, self.key(context, time=frame.time), record)
        part.write(context.file)
        context.timer.log(self.title, part.from_cache)
        return []


@contextmanager
def _errors_of_the_box(config: Config) -> Iterator[None]:
    """Make a RunError of the UnfitError for a box without mass, or with NaN, which has no statistics."""
    try:
        yield
    except UnfitError as error:
        raise RunError(f"{config.source}: no spectrum of this box: {error}") from None
