"""Combinations of parameters that a quantity measures: how well, and of what, in a box and in its middle."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..learn.basis import LayerBasis
from ..learn.combinations import SMALL, Combinations, in_full
from . import DPI
from .style import GREY, PAGE, SKY, STYLE, VERMILION, new_figure, save_figure

SYMBOLS = {
    "m22": r"$m_{22}$",
    "redshift": "$1+z$",
    "ln10As": "$A_s$",
    "n_s": "$n_s$",
    "omega_m": r"$\Omega_m$",
    "mass_min": r"$M_\mathrm{min}$",
    "mass_max": r"$M_\mathrm{max}$",
    "filament_fraction": "$f$",
}
CELL, SPECTRUM = 0.24, 1.8  # height of a row, and of the panel of Lambda [inch]
TINY = 6.5  # points, of numbers in cells


def draw_combinations(found: Sequence[Combinations], about: str, path: Path, dpi: int = DPI) -> Path:
    """Draw them into a PNG, PDF or SVG; returns its path. about: what is measured, the first line."""
    with matplotlib_style.context(["default", STYLE]):
        save_figure(combinations(found, about), path, dpi)
    return path


def combinations(found: Sequence[Combinations], about: str) -> Figure:
    """A row for each quantity: Lambda; powers of what is measured in the box; those of the Fisher matrix."""
    heights = [max(SPECTRUM, 0.65 + CELL * len(each.names)) for each in found]
    figure = new_figure(PAGE, 0.4 + sum(heights), [about])
    panels = figure.subplots(len(found), 3, squeeze=False, width_ratios=[0.8, 1.6, 1.6], height_ratios=heights)
    for each, (left, middle, right) in zip(found, panels, strict=True):
        _draw_spectrum(left, each)
        _draw_powers(middle, each, each.whole, "powers in the box")
        _draw_powers(right, each, each.local, "powers of the Fisher matrix")
    return figure


def _draw_spectrum(panel: Axes, found: Combinations) -> None:
    """sqrt(Lambda): how many times better than the ranges each combination is measured."""
    for basis, name, look in (
        (found.whole, "the box", {"marker": "o", "color": VERMILION}),
        (found.local, "its middle", {"marker": "s", "color": GREY, "linestyle": "--"}),
    ):
        ratio = np.sqrt(basis.importance)
        panel.semilogy(np.arange(1, len(ratio) + 1), ratio, label=name, markersize=3, **look)
    panel.axhline(1, color="black", linewidth=0.8)
    panel.axhspan(1, 1e6, color=SKY, alpha=0.15, linewidth=0)
    largest = float(np.sqrt(max(found.whole.importance[0], found.local.importance[0])))
    panel.set(xlim=(0.5, len(found.names) + 0.5), ylim=(1e-3 * largest, 40 * largest))
    panel.set(xlabel="combination", ylabel=r"range / error, $\sqrt{\Lambda}$", xticks=range(1, len(found.names) + 1))
    panel.set_title(in_full(found.of))
    panel.legend(loc="upper right")


def _draw_powers(panel: Axes, found: Combinations, basis: LayerBasis, title: str) -> None:
    """A row for each combination that is measured: shares as colours, powers as numbers, the error beside it."""
    number = max(1, found.measured(basis))
    shares, powers = found.shares(basis)[:number], found.powers(basis)[:number]
    panel.imshow(shares, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", origin="upper")
    for row, column in np.argwhere(np.abs(shares) >= SMALL * np.abs(shares).max(axis=1, keepdims=True)).tolist():
        colour = "white" if abs(shares[row, column]) > 0.7 else "black"
        text = f"{powers[row, column]:.2g}"
        panel.text(column, row, text, ha="center", va="center", fontsize=TINY, color=colour)
    names = [SYMBOLS[name] for name in found.names]
    errors = [f"{100 * error:.2g} %" for error in found.deviations(basis)[:number].tolist()]
    panel.set(xticks=range(len(names)), xticklabels=names, yticks=range(number), yticklabels=errors)
    panel.set(title=title, ylabel="error")
    panel.tick_params(length=0, top=False, right=False)
