"""Needs of a run: the sums of what its stages estimate.

Times are those of two idle cores of the machine of docs/performance.md: counts of cells, states and steps over rates
measured there. A run measures no rates when it starts: a busy machine would tell others a moment later.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import RunError
from ..parallel.memory import available
from ..parallel.ranks import SERIAL, Ranks
from .inputs import Inputs
from .progress import duration, in_words
from .stage import Stage

BASE = 235 << 20  # interpreter, libraries and compiled loops [bytes]
_FIGURES = 40 << 20  # matplotlib [bytes]
_DRAWN = "figures"
_PIXELS = 1000  # of a figure, at one dot per inch [bytes]
_START, _DRAWING = 4.0, 3.0  # time of imports and of loading compiled loops; of figures [s]
_LONG = 60.0  # seconds, from which on a run says how long it takes
_SMALL = 1 << 20  # of the result, for what stages do not count [bytes]


@dataclass(frozen=True)
class Plan:
    """Needs of a run.

    memory   title of a part of a stage -> peak memory of one rank while it runs [bytes]
    disk     size of the result and of files beside it [bytes]
    seconds  section of a stage -> about how long it takes on two cores, None where that cannot be known
    """

    memory: dict[str, int]
    disk: int
    seconds: dict[str, float | None]

    @property
    def peak(self) -> int:
        """Memory of the hungriest part [bytes]."""
        return max(self.memory.values())


def plan(stages: Sequence[Stage], inputs: Inputs, ranks: Ranks = SERIAL) -> Plan:
    """The plan of a run of these stages, once they have checked its inputs."""
    always = BASE + (_FIGURES if inputs.config.figures else 0)
    memory: dict[str, int] = {}
    estimates = {stage.section: stage.estimate(inputs, ranks) for stage in stages}
    for estimate in estimates.values():
        for title, size in estimate.memory.items():
            memory[title] = max(memory.get(title, 0), always + size)
    figures = inputs.config.figures
    if figures and (drawing := _PIXELS * figures.dpi**2) > _FIGURES:
        memory[_DRAWN] = BASE + drawing
    disk = _SMALL + sum(estimate.disk for estimate in estimates.values())
    return Plan(memory, disk, {section: estimate.seconds for section, estimate in estimates.items()})


def check_memory(planned: Plan, ranks: Ranks = SERIAL) -> None:
    """RunError if the ranks of this node would need more memory than there is."""
    room = available()
    numbers = {title: 1 if title == _DRAWN else ranks.local_size for title in planned.memory}  # one rank draws
    needed, title = max(((size - BASE) * numbers[title], title) for title, size in planned.memory.items())
    if needed > room:
        on_node = f" on {numbers[title]} ranks of a node" if numbers[title] > 1 else ""
        less = "lower figures.dpi" if title == _DRAWN else "fewer cells, run.precision = single, more nodes"
        raise RunError(
            f"too little memory: {title} needs {in_words(needed)}{on_node}, {in_words(room)} are available ({less}, or "
            "a larger machine)"
        )


def disk_warnings(planned: Plan, result: Path) -> list[str]:
    """A warning where the folder of the result cannot be written, or its disk has less room than the output takes."""
    there = next(path for path in result.parents if os.path.exists(path))
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        unfit = "not writable" if there.is_dir() else "a file, not a folder"
        return [f"{result.parent}: output folder cannot be written: {there} is {unfit}"]
    free = shutil.disk_usage(there).free
    short = f"{in_words(free)} are free on the disk of {there}: the output takes {in_words(planned.disk)}"
    return [short] if free < planned.disk else []


def describe(
    stages: Sequence[Stage], inputs: Inputs, warnings: Sequence[str], result: Path, ranks: Ranks = SERIAL
) -> list[str]:
    """Lines of a dry run: what would be done, warnings, and needs."""
    planned = plan(stages, inputs, ranks)
    lines = [line for stage in stages for line in stage.describe(inputs, ranks)]
    lines += [f"warning: {warning}" for warning in (*warnings, *disk_warnings(planned, result))]
    lines += [f"memory, {title}: {in_words(size)} a rank" for title, size in planned.memory.items()]
    lines += [
        f"peak memory: {in_words(planned.peak)} a rank, {ranks.size} rank{'s' if ranks.size > 1 else ''}",
        f"output: {result}, {in_words(planned.disk)}",
        time_in_words(planned, _fixed(inputs), ranks),
    ]
    return lines


def time_of_long_runs(planned: Plan, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
    """A line of how long a run takes if that is a minute or more: some steps of it are minutes without a line."""
    known = sum(seconds for seconds in planned.seconds.values() if seconds is not None)
    return [f"{time_in_words(planned, _fixed(inputs), ranks)}, less what is cached"] if known >= _LONG else []


def time_in_words(planned: Plan, fixed: float, ranks: Ranks) -> str:
    """How long all stages take;  fixed  what start and figures take [s]."""
    times = [seconds for seconds in planned.seconds.values() if seconds is not None]
    unknown = ", ".join(f"[{section}]" for section, seconds in planned.seconds.items() if seconds is None)
    shared = duration(fixed + 2 * sum(times) / ranks.size)
    several = f"; at best {shared} on {ranks.size} ranks" if ranks.size > 2 else ""
    return (
        f"time: about {duration(fixed + sum(times))} on two cores, to a factor of two{several}"
        f"{f'; without {unknown}' if unknown else ''}"
    )


def _fixed(inputs: Inputs) -> float:
    return _START + (_DRAWING if inputs.config.figures else 0)
