"""Boosts in one figure: models as lines, tables and simulations as points."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.figure import Figure

from ..spectra.boost import Boost, Series, overlay
from . import _save
from .style import BOSONS, CDM, HEAVY, LIGHT, PLACE_OF_ONE, SMALL, STYLE, WAVENUMBER, new_figure

MARKERS = "osD^v<>"
MOST_POINTS = 60  # that a boost with errors may have to be drawn as points, else it is a line in a band
FAINT = 0.35  # opacity of what is beyond the Nyquist wavenumber
AROUND = 3.0  # by how much the figure goes beyond the k of the points
ABOVE = 30.0  # and above their boosts: over a smooth filament models go on without bound
LONGEST = 60  # of a source in the legend [characters]
DASHES = (0, (4, 1.5))  # of lines that were measured
EARLY = 0.35  # opacity of the earliest of several epochs
MOST_BANDS = 2  # in a panel: more cover each other
LOWEST = 1e-3  # that is shown
OVER = {  # what denominators are
    "smooth": "the same filaments without fringes",
    "cdm": "cold dark matter (sources: linear power, or a simulation)",
    "n-body": "particles from the same initial conditions",
}
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
    """A figure of boosts over k, both logarithmic, a panel for each denominator; beyond the Nyquist wavenumber faint.

    Boosts with errors are points, if they are not too many, else dashed lines in a band; all others are lines. A boson
    has one colour; of several epochs, earlier ones are lighter.
    """
    denominators = list(dict.fromkeys(each.denominator for each in series))
    height = 4.4 if len(denominators) == 1 else 2.9 * len(denominators)
    figure = new_figure(7.2, height + ROW * len(series), [])
    panels = figure.subplots(len(denominators), 1, sharex=True, squeeze=False)[:, 0]
    colours = _colours(series)
    measured = [each for each in series if each.low is not None] or series
    k = np.concatenate([each.k for each in measured])
    around = AROUND if len(measured) < len(series) else 1.0
    seen = k.min() / around, k.max() * around
    for panel, denominator in zip(panels, denominators, strict=True):
        names = _draw_panel(panel, [each for each in series if each.denominator == denominator], colours, seen)
        if len(denominators) == 1:
            panel.set_ylabel(f"ratio of power:  {names}")
        else:
            text = f"{names}\nover {OVER.get(denominator, denominator)}"
            panel.text(0.03, 0.95, text, va="top", fontsize=SMALL, transform=panel.transAxes)
    panels[-1].set_xlabel(WAVENUMBER)
    if around > 1:
        panels[0].set_xlim(*seen)
    redshifts = [each.redshift for each in series if each.redshift is not None]
    note = "redshifts differ" if redshifts and max(redshifts) - min(redshifts) > 1e-3 * (1 + max(redshifts)) else None
    figure.legend(loc="outside lower left", fontsize="small", title=note, alignment="left")
    return figure


def _draw_panel(panel, series, colours, seen):
    """Boosts over one denominator; seen  the range of k that is shown. Returns the names of the ratios."""
    points = [each for each in series if each.low is not None and len(each.k) <= MOST_POINTS]
    lines = [each for each in series if not any(each is other for other in points)]
    bands = [each for each in lines if each.low is not None]
    times = sorted({each.redshift for each in bands if each.redshift is not None}, reverse=True)
    for each in lines:
        several = each in bands and len(times) > 1
        opacity = EARLY + (1 - EARLY) * times.index(each.redshift) / (len(times) - 1) if several else None
        _draw_line(panel, each, colours[each.m22], opacity, len(bands) <= MOST_BANDS)
    for number, each in enumerate(points):
        _draw_points(panel, each, colours[each.m22], MARKERS[number % len(MARKERS)])
    panel.axhline(1, color="black", linewidth=0.8)
    panel.set(xscale="log", yscale="log", ylabel="ratio of power")
    shown = [*points, *bands] or lines
    inside = [(each.k >= seen[0]) & (each.k <= seen[1]) & (each.boost > 0) for each in shown]
    values = np.concatenate([*(each.boost[rows] for each, rows in zip(shown, inside, strict=True)), [1.0]])
    panel.set_ylim(max(values.min() / 2, LOWEST), values.max() * ABOVE)
    return ",  ".join(dict.fromkeys(_as_it_is(f"{each.numerator}/{each.denominator}") for each in series))


def _colours(series):
    """Of each m22, as in the other figures; None is what has none."""
    bosons = sorted({each.m22 for each in series} - {None})
    low, high = min([*bosons, LIGHT]), max([*bosons, HEAVY])
    places = np.interp(np.log(bosons), np.log([low, 1, high]), [0, PLACE_OF_ONE, 1])
    return {None: CDM["color"]} | dict(zip(bosons, map(BOSONS, places), strict=True))


def _label(series):
    source = series.source if len(series.source) <= LONGEST else f"{series.source[: LONGEST - 3]}..."
    return _as_it_is(f"{series.label}: {source}" if source else series.label)


def _as_it_is(text):
    """A text that users gave: matplotlib shall find no mathematics in it, and cannot draw octets that are no text."""
    return text.encode(errors="backslashreplace").decode().replace("$", r"\$")


def _draw_line(panel, series, colour, opacity, band):
    """A model, or, dashed, what was measured at too many k for points."""
    within, beyond = (np.where(mask, series.boost, np.nan) for mask in (~series.beyond_nyquist, series.beyond_nyquist))
    look = {"color": colour, "linestyle": "-" if series.low is None else DASHES}
    panel.plot(series.k, within, alpha=opacity, label=_label(series), **look)
    panel.plot(series.k, beyond, alpha=FAINT * (opacity or 1), **look)
    if series.low is not None and band:
        panel.fill_between(series.k, series.low, series.high, color=colour, alpha=0.15, linewidth=0)


def _draw_points(panel, series, colour, marker):
    look = {"fmt": marker, "color": colour, "markersize": 5, "capsize": 2, "linewidth": 1.0}
    label = _label(series)
    for rows, opacity in ((~series.beyond_nyquist, 1.0), (series.beyond_nyquist, FAINT)):
        if rows.any():
            spread = (series.boost - series.low)[rows], (series.high - series.boost)[rows]
            panel.errorbar(series.k[rows], series.boost[rows], spread, label=label, alpha=opacity, **look)
            label = None  # one entry in the legend
