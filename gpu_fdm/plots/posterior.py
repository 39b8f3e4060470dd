"""Figures of a posterior: its samples in every pair of parameters, and its model over the tables."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..spectra.fitted import FittedTable
from . import DPI
from .style import (
    COLUMN,
    DOUBTED,
    DOUBTED_LINE,
    GREY,
    PAGE,
    SKY,
    SMALL,
    STYLE,
    VERMILION,
    WAVENUMBER,
    literal,
    new_figure,
    save_figure,
)

LEVELS = (0.95, 0.68)  # that the regions of two parameters hold
CELLS = 40  # of a histogram of one parameter; half as many along each of two
LABELS = {
    "ln_m22": r"$m_{22}$",
    "filament_fraction": "filament\nfraction",
    "ln10As": r"$\ln 10^{10}A_s$",
    "omega_m": r"$\Omega_m$",
    "n_s": r"$n_s$",
    "ln_mass_min": r"$M_\mathrm{min}\;[h^{-1}M_\odot]$",
}


def draw_corner(
    names: Sequence[str], samples: NDArray, best: NDArray, doubted: bool, path: Path, dpi: int = DPI
) -> Path:
    """Draw samples, shape (samples, parameters), and the best fit into a PNG, PDF or SVG; returns its path.

    doubted  whether modes do not describe some of the filaments of the samples, which the title says
    """
    with matplotlib_style.context(["default", STYLE]):
        save_figure(corner_figure(names, samples, best, doubted), path, dpi)
    return path


def draw_fitted(tables: Sequence[FittedTable], title: str, doubted: bool, path: Path, dpi: int = DPI) -> Path:
    """Draw tables over their models into a PNG, PDF or SVG; returns its path.

    doubted  whether modes do not describe some of the filaments of the best model: its lines are dashed
    """
    with matplotlib_style.context(["default", STYLE]):
        save_figure(fitted_figure(tables, title, doubted), path, dpi)
    return path


def corner_figure(names: Sequence[str], samples: NDArray, best: NDArray, doubted: bool) -> Figure:
    """A histogram of each parameter, and regions of 68 and 95 % of each pair; the best fit is orange."""
    number = len(names)
    samples, best = samples.copy(), best.copy()
    for i, name in enumerate(names):
        if name.startswith("ln_"):
            samples[:, i], best[i] = np.exp(samples[:, i]), np.exp(best[i])
    title = ["median and 68 %" if number == 1 else "68 and 95 % of the posterior", "orange: best fit"]
    figure = new_figure(*_size(number), title, *([[DOUBTED]] if doubted else []))
    panels = figure.subplots(number, number, squeeze=False, sharex="col")
    ranges = [_range(column) for column in samples.T]
    for row in range(number):
        for column in range(number):
            panel = panels[row, column]
            if column > row:
                panel.set_axis_off()
                continue
            panel.set_xlim(ranges[column])
            panel.tick_params(axis="x", rotation=40)
            panel.locator_params(nbins=4)
            if column == row:
                _draw_one(panel, samples[:, row], ranges[row], best[row])
            else:
                _draw_two(panel, samples[:, [column, row]], (ranges[column], ranges[row]), best[[column, row]])
                if column:
                    panel.set_yticklabels([])
            if row == number - 1:
                panel.set_xlabel(LABELS.get(names[column], names[column]))
            if column == 0 and row:
                panel.set_ylabel(LABELS.get(names[row], names[row]))
    return figure


def _size(number: int) -> tuple[float, float]:
    """Width and height of a figure of so many parameters [inch]."""
    width = COLUMN if number < 3 else PAGE
    return width, (0.7 if number == 1 else 1.0) * width


def _range(values: NDArray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.0005, 0.9995])
    margin = 0.05 * (high - low) or 1e-6 * abs(high)
    return float(low - margin), float(high + margin)


def _draw_one(panel: Axes, values: NDArray, limits: tuple[float, float], best: float) -> None:
    panel.hist(values, CELLS, range=limits, color=SKY, alpha=0.6)
    for quantile, look in ((0.16, "--"), (0.5, "-"), (0.84, "--")):
        panel.axvline(float(np.quantile(values, quantile)), color="black", linestyle=look, linewidth=1)
    panel.axvline(best, color=VERMILION, linewidth=1)
    panel.set_yticks([])


def _draw_two(panel: Axes, pairs: NDArray, limits: tuple, best: NDArray) -> None:
    counts, x, y = np.histogram2d(pairs[:, 0], pairs[:, 1], CELLS // 2, limits)
    counts = _smoothed(counts)
    ordered = np.sort(counts.ravel())[::-1]
    held = np.cumsum(ordered) / ordered.sum()
    levels = [float(ordered[np.searchsorted(held, level)]) for level in LEVELS]
    if levels[0] < levels[1] < counts.max():
        middles = (x[1:] + x[:-1]) / 2, (y[1:] + y[:-1]) / 2
        panel.contourf(*middles, counts.T, [*levels, counts.max()], colors=[SKY, "#1F6FA8"], alpha=0.7)
    panel.plot(*best, "+", color=VERMILION, markersize=7)
    panel.set_ylim(limits[1])


def _smoothed(counts: NDArray) -> NDArray:
    """Counts over their neighbours, weights 1, 2, 1 each way."""
    padded = np.pad(counts, 1)
    rows = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) / 4


def fitted_figure(tables: Sequence[FittedTable], title: str, doubted: bool) -> Figure:
    """A column for each table: its values over the best model and the model's bands, and pulls below."""
    figure = new_figure(
        COLUMN if len(tables) == 1 else PAGE, 3.6, [title], *([[f"dashed: {DOUBTED}"]] if doubted else [])
    )
    panels = figure.subplots(2, len(tables), squeeze=False, sharex="col", height_ratios=[3, 1])
    for column, table in enumerate(tables):
        above, below = panels[:, column]
        if table.band is not None:
            for low, high, opacity, label in ((0, 3, 0.3, "95 %"), (1, 2, 0.6, "68 %")):
                ends = table.band[low], table.band[high]
                above.fill_between(table.k, *ends, color=SKY, alpha=opacity, linewidth=0, label=label)
        above.plot(table.k, table.best, color=VERMILION, linestyle=DOUBTED_LINE if doubted else "-", label="best fit")
        above.errorbar(
            table.k, table.values, table.error, fmt="o", color="black", markersize=2, linewidth=0.8, label="table"
        )
        above.set(xscale="log", yscale="log" if np.all(table.values > 0) else "linear", ylabel=table.quantity)
        above.set_title(literal(table.name), fontsize=SMALL)
        above.legend()
        below.axhspan(-1, 1, color=GREY, alpha=0.2, linewidth=0)
        if table.band_pulls is not None:
            for low, high, opacity in ((0, 3, 0.3), (1, 2, 0.6)):
                ends = table.band_pulls[low], table.band_pulls[high]
                below.fill_between(table.k, *ends, color=SKY, alpha=opacity, linewidth=0)
        below.plot(table.k, table.pulls, "o", color="black", markersize=2)
        below.set(xlabel=WAVENUMBER, ylabel="pull")
    return figure
