"""Figures of fits of m22 with other choices of the model: what each choice makes of the mass."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..spectra.fit import MassFit
from . import DPI
from .style import GREY, PAGE, SKY, SMALL, STYLE, VERMILION, literal, new_figure, save_figure

OWN = "choices of the result"  # name of the fit itself
WIDE = 8.0  # ratio of the ends of an axis from which it is logarithmic
ROW, HEADER = 0.19, 0.65  # height of a row, and of what is around the rows of a panel [inch]


@dataclass(frozen=True)
class FitRows:
    """The fits of one table: that with the choices of a result first, then those with other ones.

    title  what the table is of
    names, fits  of each row; a fit that was not possible is None
    systematic   least and largest m22 of those that describe the table, 0 or infinity where it is open; None where the
                 first fit has no value
    """

    title: str
    names: tuple[str, ...]
    fits: tuple[MassFit | None, ...]
    systematic: tuple[float, float] | None


def draw_fits(tables: Sequence[FitRows], path: Path, dpi: int = DPI) -> Path:
    """Draw fits into a PNG, PDF or SVG; returns its path. RunError where it cannot be written."""
    with matplotlib_style.context(["default", STYLE]):
        save_figure(fits_figure(tables), path, dpi)
    return path


def fits_figure(tables: Sequence[FitRows]) -> Figure:
    """A panel for each table, a row for each fit: m22 with its standard error, an arrow for a bound, words for none.

    Values are drawn only where the first fit describes its table.
    """
    heights = [ROW * len(table.names) + HEADER for table in tables]
    figure = new_figure(PAGE, sum(heights) + 0.3, [])
    panels = figure.subplots(len(tables), 1, squeeze=False, height_ratios=heights)[:, 0]
    for panel, table in zip(panels, tables, strict=True):
        _draw_table(panel, table)
    known = {label: patch for panel in panels for patch, label in zip(*panel.get_legend_handles_labels(), strict=True)}
    if known:
        figure.legend(known.values(), known.keys(), loc="outside lower right", ncols=2)
    return figure


def _draw_table(panel: Axes, table: FitRows) -> None:
    own, rows = table.fits[0], np.arange(len(table.names))
    told = own is not None and own.fits
    panel.set(yticks=rows, yticklabels=list(map(literal, table.names)), ylim=(rows[-1] + 0.6, -0.6))
    title = "\n".join(map(literal, table.title.split("\n")))
    panel.set_title(title, fontsize=SMALL, loc="right")  # longer than the panel: over the names on its left
    panel.tick_params(axis="y", length=0)
    limits = _limits(table, told)
    panel.set(xlim=limits, xscale="log" if told and limits[1] > WIDE * limits[0] else "linear")
    if told:
        panel.set_xlabel(r"$m_{22}$")
    else:
        panel.set_xticks([])
    if table.systematic is not None and own is not None and own.m22 is not None and own.standard_error is not None:
        low, high = np.clip(table.systematic, *limits)
        panel.axvspan(low, high, color=SKY, alpha=0.25, linewidth=0, label="systematic error")
        ends = own.m22 - own.standard_error, own.m22 + own.standard_error
        panel.axvspan(*ends, color=VERMILION, alpha=0.25, linewidth=0, label="standard error")
    for row, fit in enumerate(table.fits):
        _draw_fit(panel, row, fit, told, VERMILION if row == 0 else "black")


def _draw_fit(panel: Axes, row: int, fit: MassFit | None, told: bool, colour: str) -> None:
    words = ""
    if fit is None:
        words = "not fitted"
    elif not fit.fits:
        words = "no boson mass describes the table"
    elif not told:
        words = f"describes the table, p = {fit.p_value:.2g}" if fit.p_value is not None else "no p-value"
    elif fit.m22 is None:
        words = "every boson mass describes the table"
    elif fit.bound:
        step = 1.25 if fit.bound == "lower" else 1 / 1.25
        arrow = {"arrowstyle": "->", "color": colour, "linewidth": 1.4}
        panel.annotate("", (fit.m22 * step, row), (fit.m22, row), arrowprops=arrow)
        panel.plot([fit.m22], [row], "|", color=colour, markersize=9)
    else:
        panel.errorbar([fit.m22], [row], xerr=fit.standard_error, fmt="o", color=colour, markersize=3.5, capsize=2)
    if words:
        panel.text(0.5, row, words, transform=panel.get_yaxis_transform(), ha="center", va="center", color=GREY)


def _limits(table: FitRows, told: bool) -> tuple[float, float]:
    """m22 that are shown: all values with their errors, and some more; without values those of the fits."""
    fits = [fit for fit in table.fits if fit is not None]
    values = [
        value
        for fit in fits
        if told and fit.fits and fit.m22 is not None
        for value in (fit.m22 - (fit.standard_error or 0), fit.m22 + (fit.standard_error or 0))
        if value > 0
    ]
    if not values:
        return fits[0].masses
    low, high = min(values), max(values)
    span = max(high - low, 0.1 * high)
    return max(low - 0.4 * span, low / 2), high + 0.4 * span
