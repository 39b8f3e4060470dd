"""What is drawn beside the boosts of a comparison, a figure for each pair of files."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ..plots.report import Picture, ReportSection

Pairs = dict[Path, tuple[Path, Path]]  # model and what it is compared with, by the path of the figure


@dataclass
class Drawn:
    """What was drawn so far.

    lines     about it, with the paths of what was written
    figures   and how the report shows each
    sections  of the report
    """

    lines: list[str] = field(default_factory=list)
    figures: dict[Path, Picture] = field(default_factory=dict)
    sections: list[ReportSection] = field(default_factory=list)


def picture_of(draw: Callable[[Path], Path], path: Path, caption: str) -> Picture:
    """Draw a figure into a file; returns it for the report, as a PNG: it is drawn twice where the file is none."""
    draw(path)
    if path.suffix == ".png":
        return Picture(path.read_bytes(), caption)
    with TemporaryDirectory() as folder:
        return Picture(draw(Path(folder) / "figure.png").read_bytes(), caption)


def pairs_by_figure(
    folder: Path, name: str, models: Iterable[Path], others: Iterable[Path], ending: str = ".png"
) -> Pairs:
    """Every model with every other file: NAME.png in a folder for one pair, NAME_1.png and so on for several."""
    models = tuple(models)
    pairs = [(model, other) for other in others for model in models]
    names = [name] if len(pairs) == 1 else [f"{name}_{number + 1}" for number in range(len(pairs))]
    return {folder / f"{each}{ending}": pair for each, pair in zip(names, pairs, strict=True)}
