"""Figures of a result file, as PNG, PDF or SVG in its folder; the only package that needs matplotlib.

Each figure is a function of the open file; the stages of a run name theirs (pipeline.stages.figures). Of several
filaments the first is shown where a figure is about one. Colours are safe for the colour blind, maps are perceptually
uniform. Importing this module does not import matplotlib.
"""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py

from ..errors import InputError
from ..io.hdf5 import open_result
from ..io.ownership import FIGURE_MARKS, figure_mark, require_own

FORMATS = tuple(ending[1:] for ending in FIGURE_MARKS)
DPI = 200  # of figures, unless another resolution is asked for [1/inch]


@dataclass(frozen=True)
class Figure:
    """A figure that a result file may hold the data for.

    name      of its file, without the ending
    text      what it shows
    function  that draws it, "module.function" of this package
    sources   groups or datasets: it is drawn where the file has one of them; * stands for any text
    """

    name: str
    text: str
    function: str
    sources: tuple[str, ...]

    def draw(self, file: h5py.File) -> Any:
        """The matplotlib figure of an open result file."""
        module, function = self.function.split(".")
        return getattr(import_module(f"{__name__}.{module}"), function)(file)


def figure_path(result: Path, name: str) -> Path:
    """The path of a figure of a result: in its folder, with its name in front unless that is result.hdf5."""
    return result.with_name(name if result.stem == "result" else f"{result.stem}_{name}")


def require_own_figures(result: Path, figures: Iterable[Figure], kind: str = "png") -> None:
    """InputError where a figure of a result would replace a file of others."""
    for figure in figures:
        path = figure_path(result, f"{figure.name}.{kind}")
        require_own(path, figure_mark(path))


def what_shows(path: Path, figures: Iterable[Figure]) -> str:
    """What a figure of `draw` shows, in words; empty for another file."""
    # the longest name that fits: of NAME.hdf5 figures are called NAME_power.png
    fitting = [figure for figure in figures if f"_{path.stem}".endswith(f"_{figure.name}")]
    return max(fitting, key=lambda figure: len(figure.name)).text if fitting else ""


def figures_in(path: Path, figures: Iterable[Figure]) -> list[Figure]:
    """Those figures for which a result file holds data; InputError for a file that is no result or is damaged."""
    with open_result(path) as file:
        return [figure for figure in figures if any(_holds(file, source) for source in figure.sources)]


def draw(
    path: Path,
    figures: Iterable[Figure],
    dpi: int = DPI,
    kind: str = FORMATS[0],
    targets: Mapping[str, Path] | None = None,
    step: Callable[[], None] | None = None,
) -> list[Path]:
    """Draw those figures for which a result file holds data; returns their paths, maybe none.

    For result.hdf5 they are cross_section.png and so on in its folder, for another NAME.hdf5 NAME_cross_section.png.

    dpi      resolution [1/inch]
    kind     one of FORMATS, the ending of their names
    targets  paths of figures, by name, instead of these
    step     called after each figure
    Raises InputError for a file that is no result or is damaged, and where a figure would replace a file of others;
    RunError where one cannot be written.
    """
    path = Path(path)
    shown = figures_in(path, figures)
    if not shown:
        return []
    from matplotlib import style as matplotlib_style

    from .style import STYLE, save_figure

    places = {figure.name: figure_path(path, f"{figure.name}.{kind}") for figure in shown}
    places |= {name: place for name, place in (targets or {}).items() if name in places}
    for place in places.values():
        require_own(place, figure_mark(place))
    with open_result(path) as file, matplotlib_style.context(["default", STYLE]):
        for figure in shown:
            save_figure(figure.draw(file), places[figure.name], dpi)
            if step:
                step()
    return [places[figure.name] for figure in shown]


class Figures(Mapping):
    """Matplotlib figures by name, which a notebook shows."""

    def __init__(self, figures: dict[str, Any], dpi: int):
        self._figures, self._dpi = figures, dpi

    def __getitem__(self, name: str) -> Any:
        return self._figures[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._figures)

    def __len__(self) -> int:
        return len(self._figures)

    def save(self, folder: str | Path) -> list[Path]:
        """Write each as NAME.png into a folder, which is made; returns their paths. Errors as for `draw`."""
        from .style import save_figure

        Path(folder).mkdir(parents=True, exist_ok=True)
        paths = [Path(folder) / f"{name}.png" for name in self]
        for path, figure in zip(paths, self.values(), strict=True):
            save_figure(figure, path, self._dpi)
        return paths

    def _repr_html_(self) -> str:
        images = []
        for name, figure in self.items():
            octets = BytesIO()
            figure.savefig(octets, dpi=self._dpi, format="png")
            images.append(f'<img alt="{name}" src="data:image/png;base64,{b64encode(octets.getvalue()).decode()}">')
        return "".join(images)

    def __repr__(self) -> str:
        return f"Figures({', '.join(self)})"


def figures_within(path: Path, figures: Iterable[Figure], group: str, dpi: int = DPI) -> Figures:
    """Figures of what a group of a result holds; of all groups where its name is empty.

    dpi  resolution [1/inch]
    Raises InputError where there is none.
    """
    from matplotlib import style as matplotlib_style

    from .style import STYLE

    with open_result(path) as file, matplotlib_style.context(["default", STYLE]):
        shown = [
            figure
            for figure in figures
            if any(_holds(file, source) and _is_about(source, group) for source in figure.sources)
        ]
        if not shown:
            raise InputError(f"{path}: no figure shows {group or 'what it holds'}")
        return Figures({figure.name: figure.draw(file) for figure in shown}, dpi)


def _is_about(source: str, group: str) -> bool:
    """Whether the source of a figure lies in a group, or the group in it."""
    names = zip(source.split("/"), group.split("/"), strict=False)
    if not group or fnmatchcase(group, source):
        return True
    return all(fnmatchcase(of_group, of_source) for of_source, of_group in names)


def _holds(file: "h5py.File", source: str) -> bool:
    """Whether a file has a path, in which * stands for any text."""
    if "*" not in source:
        return source in file
    folder = source.partition("*")[0].rpartition("/")[0]
    node = file.get(folder)
    if not isinstance(node, h5py.Group):
        return False
    return bool(node.visit(lambda name: fnmatchcase(f"{folder}/{name}", source) or None))
