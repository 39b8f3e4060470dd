"""What is drawn beside the boosts of a comparison, a figure for each pair of files."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..plots.report import ReportSection

Pairs = dict[Path, tuple[Path, Path]]  # model and what it is compared with, by the path of the figure


@dataclass
class Drawn:
    """What was drawn so far.

    lines     about it, with the paths of what was written
    figures   and what each shows
    sections  of the report
    """

    lines: list[str] = field(default_factory=list)
    figures: dict[Path, str] = field(default_factory=dict)
    sections: list[ReportSection] = field(default_factory=list)


def pairs_by_figure(folder: Path, name: str, models: Iterable[Path], others: Iterable[Path]) -> Pairs:
    """Every model with every other file: NAME.png in a folder for one pair, NAME_1.png and so on for several."""
    models = tuple(models)
    pairs = [(model, other) for other in others for model in models]
    names = [name] if len(pairs) == 1 else [f"{name}_{number + 1}" for number in range(len(pairs))]
    return {folder / f"{each}.png": pair for each, pair in zip(names, pairs, strict=True)}
