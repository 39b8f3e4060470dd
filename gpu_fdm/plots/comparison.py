"""Boosts in one figure: models as lines, tables and simulations as points."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.figure import Figure

from ..statistics.boost import Boost, Series, overlay
from . import _save
from .style import BOSONS, CDM, HEAVY, LIGHT, PLACE_OF_ONE, STYLE, WAVENUMBER, new_figure

MARKERS = "osD^v<>"
MOST_POINTS = 60  # that a boost with errors may have to be drawn as points, else it is a line in a band
FAINT = 0.35  # opacity of what is beyond the Nyquist wavenumber
AROUND = 3.0  # by how much the figure goes beyond the k of the points
ABOVE = 30.0  # and above their boosts: over a smooth filament models go on without bound
LONGEST = 60  # of a source in the legend [characters]
ROW = 0.2  # height of a row of the legend [inch]


def draw_boosts(boosts: Sequence[Boost], path, dpi: int = 150, mixed: bool = False) -> Path:
    """Draw boosts into a PNG; returns its path.

    mixed  whether ratios over different denominators may be in it
    Raises InputError where they are and may not, RunError where the file cannot be written.
    """
    path = Path(path)
    with matplotlib_style.context(["default", STYLE]):
        _save(comparison(overlay(boosts, mixed)), path, dpi)
    return path


def comparison(series: Sequence[Series]) -> Figure:
    """A figure of boosts over k, both logarithmic; what is beyond the Nyquist wavenumber is faint.

    Boosts with errors are points, if they are not too many; all others are lines, in a band where they have errors.
    A boson has one colour.
    """
    figure = new_figure(7.2, 4.4 + ROW * len(series), [])
    panel = figure.subplots()
    points = [each for each in series if each.low is not None and len(each.k) <= MOST_POINTS]
    lines = [each for each in series if not any(each is other for other in points)]
    colours = _colours(series)
    for each in lines:
        _draw_line(panel, each, colours[each.m22])
    for number, each in enumerate(points):
        _draw_points(panel, each, colours[each.m22], MARKERS[number % len(MARKERS)])
    panel.axhline(1, color="black", linewidth=0.8)
    names = dict.fromkeys(each.label.split(",")[0] for each in series)
    panel.set(xscale="log", yscale="log", xlabel=WAVENUMBER, ylabel=f"ratio of power:  {',  '.join(names)}")
    _set_limits(panel, points or lines, bool(points and lines))
    figure.legend(loc="outside lower left", fontsize="small")
    return figure


def _colours(series):
    """Of each m22, as in the other figures; None is what has none."""
    bosons = sorted({each.m22 for each in series} - {None})
    low, high = min([*bosons, LIGHT]), max([*bosons, HEAVY])
    places = np.interp(np.log(bosons), np.log([low, 1, high]), [0, PLACE_OF_ONE, 1])
    return {None: CDM["color"]} | dict(zip(bosons, map(BOSONS, places), strict=True))


def _label(series):
    source = series.source if len(series.source) <= LONGEST else f"{series.source[: LONGEST - 3]}..."
    return f"{series.label}: {source}" if source else series.label


def _draw_line(panel, series, colour):
    within, beyond = (np.where(mask, series.boost, np.nan) for mask in (~series.beyond_nyquist, series.beyond_nyquist))
    panel.plot(series.k, within, color=colour, label=_label(series))
    panel.plot(series.k, beyond, color=colour, alpha=FAINT)
    if series.low is not None:
        panel.fill_between(series.k, series.low, series.high, color=colour, alpha=0.15, linewidth=0)


def _draw_points(panel, series, colour, marker):
    look = {"fmt": marker, "color": colour, "markersize": 5, "capsize": 2, "linewidth": 1.0}
    label = _label(series)
    for rows, opacity in ((~series.beyond_nyquist, 1.0), (series.beyond_nyquist, FAINT)):
        if rows.any():
            spread = (series.boost - series.low)[rows], (series.high - series.boost)[rows]
            panel.errorbar(series.k[rows], series.boost[rows], spread, label=label, alpha=opacity, **look)
            label = None  # one entry in the legend


def _set_limits(panel, shown, cut):
    """Around what is shown; cut  where lines go on beyond it."""
    positive = [each.boost[each.boost > 0] for each in shown]
    values, k = np.concatenate([*positive, [1.0]]), np.concatenate([each.k for each in shown])
    panel.set_ylim(values.min() / 2, values.max() * ABOVE)
    if cut:
        panel.set_xlim(k.min() / AROUND, k.max() * AROUND)
