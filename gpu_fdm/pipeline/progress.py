"""How far a stage is, a bar on a terminal or lines in a log, and how long it took; sizes in words."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

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


class Bar(Protocol):
    """How far a task is."""

    def __call__(self, steps: float = 1) -> None:
        """Count steps that are done."""

    def add(self, steps: float) -> None:
        """Add steps to the total; fewer than 0 where some need not be done."""


@contextmanager
def progress(name: str, steps: int, ranks: Ranks = SERIAL) -> Iterator[Bar]:
    """A Bar to call after each step: with rate and time left on rank 0 of a terminal, else lines in the log."""
    if not ranks.is_root or steps < 2 or not log.isEnabledFor(logging.INFO):
        yield _Silent()
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
        # the command line shows control characters as their escapes, but for those of the bar
        console = Console(file=getattr(sys.stderr, "unescaped", sys.stderr))
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(name, total=steps, rate="")
            yield _Counted(steps, lambda done, total, pace: bar.update(task, completed=done, total=total, rate=pace))
    else:
        yield _Counted(steps, _log_lines(name))


class _Silent:
    """Shows nothing."""

    def __call__(self, steps: float = 1) -> None:
        pass

    def add(self, steps: float) -> None:
        pass


class _Counted:
    """Counts steps, and shows how many of how many are done, and how fast."""

    def __init__(self, total: float, show: Callable[[float, float, str], None]) -> None:
        self._done, self._total, self._show, self._started = 0.0, total, show, perf_counter()

    def __call__(self, steps: float = 1) -> None:
        self._done = round(self._done + steps, 3)  # parts of steps sum to whole ones
        self._show(self._done, self._total, _pace(self._done, perf_counter() - self._started))

    def add(self, steps: float) -> None:
        self._total += steps


def _log_lines(name: str) -> Callable[[float, float, str], None]:
    """Lines at most every _LOG_EVERY seconds: how many, how fast, how long still."""
    started = logged = perf_counter()

    def show(done: float, total: float, pace: str) -> None:
        nonlocal logged
        now = perf_counter()
        if now - logged > _LOG_EVERY:
            logged = now
            left = (total - done) * (now - started) / done
            log.info("%s: %.0f of %.0f, %s, %s left", name, done, total, pace, duration(left))

    return show


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
