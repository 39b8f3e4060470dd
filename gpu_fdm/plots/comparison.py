"""Boosts in one figure: models are lines, tables and simulations are points."""

import re
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten, wrap
from typing import Any

import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import InputError
from ..spectra.boost import Boost
from . import DPI
from .style import (
    BOSONS,
    CDM,
    COLUMN,
    HEAVY,
    LIGHT,
    MSUN,
    POSITION_OF_ONE,
    SMALL,
    STYLE,
    WAVENUMBER,
    boson_name,
    literal,
    new_figure,
    save_figure,
)

Colours = dict[float | None, Any]  # by m22

MARKERS = "osD^v<>"
MOST_POINTS = 60  # rows of a boost with errors; one with more is a line in a band
FAINT = 0.35  # opacity of what is beyond a limit, see Boost.good
AROUND = 3.0  # factor by which the figure goes beyond the k of the points
BEYOND = 30.0  # and, for lines, beyond their boosts, at most: over a smooth filament models grow without bound
LONGEST = 34  # letters of a citation in the legend
TWO_COLUMNS = 26  # letters of labels of which two fit side by side
DASHES = (0, (4, 1.5))  # of lines that were measured
BEST = (0, (6, 1.5, 1, 1.5))  # of models that were fitted
EARLY = 0.35  # opacity of the earliest of several epochs
MOST_BANDS = 2  # of a panel: more would cover each other
LOWEST = 1e-3  # least boost shown
DENOMINATORS = {  # in words
    "smooth": "the same filaments without fringes",
    "classical": "the same filaments made of particles",
    "cdm": "cold dark matter: a simulation, or linear power with its filaments",
    "linear-cdm": "the linear power of cold dark matter",
    "n-body": "particles from the same initial conditions",
}
LETTERS = 47  # of a row of text in a panel
HIGH = 30  # letters of a row beside a panel
ROW = 0.15  # height of a row of the legend [inch]


def draw_boosts(
    boosts: Sequence[Boost], path: Path | str, dpi: int = DPI, mixed: bool = False, best: Sequence[Boost] = ()
) -> Path:
    """Draw boosts into a PNG, PDF or SVG; returns its path.

    mixed  whether ratios over different denominators may be in it
    best   models that were fitted
    Raises InputError where they are and may not, and for a file of others, which is not replaced; RunError where it
    cannot be written.
    """
    path = Path(path)
    with matplotlib_style.context(["default", STYLE]):
        save_figure(comparison(boosts, mixed, best), path, dpi)
    return path


def comparison(boosts: Sequence[Boost], mixed: bool = False, best: Sequence[Boost] = ()) -> Figure:
    """A figure of boosts over k, both logarithmic, a panel for each denominator; beyond a limit (Boost.good) faint.

    Boosts with errors are points, if they are not too many, else dashed lines in a band; all others are lines. A boson
    has one colour; of several epochs, earlier ones are lighter.

    mixed  whether ratios over different denominators may be in it
    best   models that were fitted, lines of dashes and dots
    Raises InputError that names two of them where they differ and may not.
    """
    if not mixed:
        _check_denominators(boosts)
    every = [*boosts, *best]
    denominators = list(dict.fromkeys(boost.denominator for boost in boosts))
    labels = _labels(boosts) | {boost: _label_of_best(boost) for boost in best}
    names = set(labels.values())
    columns = 2 if max(map(len, names)) < TWO_COLUMNS else 1
    height = (2.5 if len(denominators) == 1 else 2.1 * len(denominators)) + ROW * -(-len(names) // columns)
    figure = new_figure(COLUMN, height, _common(boosts))
    panels = figure.subplots(len(denominators), 1, sharex=True, squeeze=False)[:, 0]
    colours = _colours(every)
    measured = [boost for boost in boosts if boost.error is not None] or boosts
    k = np.concatenate([boost.k for boost in measured])
    around = AROUND if len(measured) < len(boosts) else 1.0
    shown = k.min() / around, k.max() * around
    for panel, denominator in zip(panels, denominators, strict=True):
        over = [boost for boost in boosts if boost.denominator == denominator]
        ratios = _draw_panel(panel, over, colours, shown, labels)
        for boost in best:
            if boost.denominator == denominator:
                panel.plot(boost.k, boost.boost, color=colours[boost.m22], linestyle=BEST, label=labels[boost])
        if len(denominators) == 1:
            panel.set_ylabel("\n".join(wrap(f"ratio of power: {ratios}", HIGH, break_on_hyphens=False)))
        else:
            text = "\n".join([ratios, *wrap(f"over {DENOMINATORS.get(denominator, denominator)}", LETTERS)])
            panel.text(0.03, 0.95, text, va="top", fontsize=SMALL, transform=panel.transAxes)
    panels[-1].set_xlabel(WAVENUMBER)
    if around > 1:
        panels[0].set_xlim(*shown)
    entries = [zip(*panel.get_legend_handles_labels(), strict=True) for panel in panels]
    # of panels with points, or lines, of the same name one
    looks = {(label, type(handle)): handle for of_panel in entries for handle, label in of_panel}
    figure.legend(
        looks.values(), [label for label, _ in looks], loc="outside lower left", ncols=columns, alignment="left"
    )
    return figure


def _common(boosts: Sequence[Boost]) -> list[str]:
    """Parts of the first line: what all boosts are of, and their redshift; whether redshifts differ."""
    objects = {boost.object for boost in boosts if boost.object}
    parts = [_typeset(objects.pop())] if len(objects) == 1 else []
    if redshifts := [boost.redshift for boost in boosts if boost.redshift is not None]:
        parts.append("redshifts differ" if _differ(redshifts) else f"$z={redshifts[0]:.4g}$")
    return parts


def _typeset(text: str) -> str:
    """What a boost is of, with masses as other figures write them: 3e+09 Msun/h in powers of ten."""

    def power(found: re.Match) -> str:
        factor = "" if found[1] == "1" else rf"{found[1]}\times "
        return rf"${factor}10^{{{int(found[2])}}}$"

    return re.sub(r"(\d(?:\.\d+)?)e([+-]\d+)", power, literal(text)).replace("Msun/h", f"${MSUN}$")


def _differ(redshifts: Sequence[float]) -> bool:
    return max(redshifts) - min(redshifts) > 1e-3 * (1 + max(redshifts))


def _labels(boosts: Sequence[Boost]) -> dict[Boost, str]:
    """What each boost is in the legend: its boson, what differs from others, and whether it is a model or of whom."""
    redshifts = [boost.redshift for boost in boosts if boost.redshift is not None]
    epochs = bool(redshifts) and _differ(redshifts)
    objects = len({boost.object for boost in boosts if boost.object}) > 1
    labels: dict[Boost, str] = {}
    for boost in boosts:
        parts = [boson_name(boost.m22)] if boost.m22 is not None else [literal(boost.numerator)]
        parts += [f"$z={boost.redshift:.4g}$"] if epochs and boost.redshift is not None else []
        parts += [_typeset(boost.object)] if objects and boost.object else []
        label, number = ", ".join([*parts, _whose(boost)]), 1
        taken = [label for other, label in labels.items() if other.denominator == boost.denominator]  # in its panel
        while label in taken:  # the same of two files
            number += 1
            label = ", ".join([*parts, f"{_whose(boost)} ({number})"])
        labels[boost] = label
    return labels


def _whose(boost: Boost) -> str:
    """Model, or the citation that a source begins with, in whole words; a file is 'measured'."""
    if boost.error is None:
        return "model"
    source = re.split(r"[(,:;]", boost.source)[0].strip()
    if not source or "/" in source or re.search(r"\.\w{2,5}$", source.split()[0]):
        return "measured"
    return literal(shorten(source, LONGEST, placeholder=" ..."))


def _label_of_best(boost: Boost) -> str:
    return f"best fit, {boson_name(boost.m22)}"


def _check_denominators(boosts: Sequence[Boost]) -> None:
    for other in boosts[1:]:
        if other.denominator != boosts[0].denominator:
            raise InputError(
                f"{boosts[0].label} and {other.label}: ratios over different denominators, {boosts[0].denominator} and "
                f"{other.denominator}, are different quantities: draw them in one figure with --mixed (in Python "
                "mixed = True) only"
            )


def _draw_panel(
    panel: Axes, boosts: Sequence[Boost], colours: Colours, shown: tuple[float, float], labels: dict[Boost, str]
) -> str:
    """Draw boosts over one denominator; returns the names of the ratios.

    shown   range of k
    labels  names in the legend
    """
    points = [boost for boost in boosts if boost.error is not None and len(boost.k) <= MOST_POINTS]
    lines = [boost for boost in boosts if boost.error is None or len(boost.k) > MOST_POINTS]
    bands = [boost for boost in lines if boost.error is not None]
    times = sorted({boost.redshift for boost in bands if boost.redshift is not None}, reverse=True)
    for boost in lines:
        opacity = None
        if boost.error is not None and boost.redshift is not None and len(times) > 1:
            opacity = EARLY + (1 - EARLY) * times.index(boost.redshift) / (len(times) - 1)
        _draw_line(panel, boost, labels[boost], colours[boost.m22], opacity, len(bands) <= MOST_BANDS)
    for number, boost in enumerate(points):
        _draw_points(panel, boost, labels[boost], colours[boost.m22], MARKERS[number % len(MARKERS)])
    panel.axhline(1, color="black", linewidth=0.8)
    panel.set(xscale="log", yscale="log", ylabel="ratio of power")
    least, most = _range([*points, *bands] or lines, shown)
    low, high = _range(boosts, shown)
    panel.set_ylim(max(least / BEYOND, low / 2, LOWEST), min(most * BEYOND, high * 2))
    return ",  ".join(dict.fromkeys(literal(f"{boost.numerator}/{boost.denominator}") for boost in boosts))


def _range(boosts: Sequence[Boost], shown: tuple[float, float]) -> tuple[float, float]:
    """The least and the largest boost within a range of k, beyond no limit, and 1 among them."""
    inside = [boost.good & (boost.k >= shown[0]) & (boost.k <= shown[1]) & (boost.boost > 0) for boost in boosts]
    values = np.concatenate([*(boost.boost[rows] for boost, rows in zip(boosts, inside, strict=True)), [1.0]])
    return float(values.min()), float(values.max())


def _colours(boosts: Sequence[Boost]) -> Colours:
    """The colour of every m22, the same as in other figures; None is for boosts without one."""
    bosons = sorted({boost.m22 for boost in boosts if boost.m22 is not None})
    low, high = min([*bosons, LIGHT]), max([*bosons, HEAVY])
    positions = np.interp(np.log(bosons), np.log([low, 1, high]), [0, POSITION_OF_ONE, 1])
    return {None: CDM["color"]} | dict(zip(bosons, map(BOSONS, positions), strict=True))


def _draw_line(panel: Axes, boost: Boost, label: str, colour: Any, opacity: float | None, band: bool) -> None:
    """Draw a model, or, dashed, a boost that was measured at too many k for points."""
    within, beyond = (np.where(mask, boost.boost, np.nan) for mask in (boost.good, ~boost.good))
    look: dict[str, Any] = {"color": colour, "linestyle": "-" if boost.error is None else DASHES}
    panel.plot(boost.k, within, alpha=opacity, label=label, **look)
    panel.plot(boost.k, beyond, alpha=FAINT * (opacity or 1), **look)
    if boost.error is not None and band:
        low, high = boost.boost - boost.error, boost.boost + boost.error
        panel.fill_between(boost.k, low, high, color=colour, alpha=0.15, linewidth=0)


def _draw_points(panel: Axes, boost: Boost, label: str, colour: Any, marker: str) -> None:
    look: dict[str, Any] = {"fmt": marker, "color": colour, "markersize": 3.5, "capsize": 1.5, "linewidth": 0.8}
    name: str | None = label
    for rows, opacity in ((boost.good, 1.0), (~boost.good, FAINT)):
        if rows.any():
            error = None if boost.error is None else boost.error[rows]
            panel.errorbar(boost.k[rows], boost.boost[rows], error, label=name, alpha=opacity, **look)
            name = None  # one entry in the legend
