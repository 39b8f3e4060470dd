"""How far a stage is, a bar on a terminal or lines in a log, and how long it took; sizes in words."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from ..parallel.ranks import SERIAL, Ranks

log = logging.getLogger(__name__)

_LOG_EVERY = 30.0  # seconds between progress lines where there is no terminal


@dataclass
class StageTimer:
    """Seconds that the stages took, logged as they end."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Time a stage, or a part of it: parts of one name add up."""
        started = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started

    def log(self, name: str, from_cache: bool = False) -> None:
        """Log how long a stage took, or that its part was in the cache."""
        if from_cache:
            log.info("%s: taken from the cache", name)
        else:
            log.info("%s: %.2f s", name, self.seconds[name])


@contextmanager
def progress(name: str, steps: int, ranks: Ranks = SERIAL) -> Iterator[Callable[[], None]]:
    """A function to call after each step: a bar with rate and time left on rank 0 of a terminal, else log lines."""
    if not ranks.is_root or steps < 2 or not log.isEnabledFor(logging.INFO):
        yield lambda: None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(name, total=steps, rate="")
            started = perf_counter()

            def advance() -> None:
                done = bar.tasks[0].completed + 1
                bar.update(task, advance=1, rate=_pace(done, perf_counter() - started))

            yield advance
    else:
        yield _log_lines(name, steps)


def _log_lines(name: str, steps: int) -> Callable[[], None]:
    """Lines at most every _LOG_EVERY seconds: how many, how fast, how long still."""
    started = logged = perf_counter()
    done = 0

    def advance() -> None:
        nonlocal done, logged
        done += 1
        now = perf_counter()
        if now - logged > _LOG_EVERY:
            logged = now
            left = (steps - done) * (now - started) / done
            log.info("%s: %d of %d, %s, %s left", name, done, steps, _pace(done, now - started), duration(left))

    return advance


def _pace(done: float, seconds: float) -> str:
    """How fast steps are: a rate, or the time of each where that is longer than a second."""
    return f"{done / seconds:.3g}/s" if seconds < done else f"{duration(seconds / done)} each"


def in_words(size: float) -> str:
    """Bytes with a binary prefix."""
    for prefix in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.3g} {prefix}"
        size /= 1024
    return f"{size:.4g} TiB"


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours, with two digits."""
    for unit, size, most in (("s", 1, 100), ("min", 60, 100)):
        if seconds < most * size:
            return f"{seconds / size:.2g} {unit}"
    return f"{float(f'{seconds / 3600:.2g}'):g} h"
