"""Statistics of the densities in the box: each is a stage that runs within that of the box, frame by frame."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from ..config.config import Config
from ..errors import RunError
from ..io.deferred import DeferredWrites
from .slab import density_keys
from .stage import Context, Stage


class SlabStatistic(Stage):
    """A statistic that is measured of both densities while they are in memory, or of those that the result keeps.

    title  in logs
    """

    within: ClassVar[str] = "box"
    title: ClassVar[str]

    def keys(self, config: Config) -> tuple[str, ...]:
        """Those of the densities, and which of them the result keeps."""
        return (*density_keys(config), "box.fields", self.section)

    def needs(self, config: Config) -> tuple[str, ...]:
        """Densities that it needs: those that the result keeps."""
        return config.box.fields

    def measure(self, context: Context) -> dict[str, Any]:
        """The statistic of the frame of a context, by the name that it has in the result; all ranks call this."""
        raise NotImplementedError

    def write(self, file: DeferredWrites, name: str, measured: Any, sampling: str) -> None:
        """Write one statistic into the result."""
        raise NotImplementedError

    def run(self, context: Context) -> list[str]:
        """Measure and write it, of one frame."""
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
    """Make a RunError of the ValueError for a box without mass, or with NaN, which has no statistics."""
    try:
        yield
    except ValueError as error:
        raise RunError(f"{config.source}: no spectrum of this box: {error}") from None
