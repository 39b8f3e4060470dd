"""Predicted boosts: a panel for each denominator, with a line for each boson.

At several redshifts each boson has panels of its own, with a line for each redshift.
Texts are plain: the first mathematical one costs a seventh of a second.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from ..errors import InputError
from .style import DOUBTED, DOUBTED_LINE, LETTER, PAGE, SMALL, STYLE, boson_colours, epoch_colours, save_figure

LEAST, LARGEST = 1e-3, 1e3  # boosts that are shown
PANEL, GAP, TOP, BOTTOM = 2.2, 0.1, 0.3, 0.68  # inches
LEFT, RIGHT, BETWEEN = 0.09, 0.98, 0.06  # ends of the panels over the page, and the gap between two over their width
MOST_BESIDE = 3  # panels
MOST_PIXELS = 2**16 - 1  # in height, that matplotlib draws
WRITTEN = 0.94  # part of the width of a panel that a text in it may have
COLUMNS, ROW = 5, 0.22  # of the legend, and the height of a row [inch]
ABOVE = 0.13  # the legend, of a note [inch]
OVER = {  # in words
    "smooth": "the same filaments without fringes",
    "n-body": "particles from the same initial conditions",
    "cdm": "cold dark matter and its filaments",
    "wdm": "warm dark matter of the same half mode",
    "linear-cdm": "the linear power of cold dark matter",
    "smooth with haloes": "the same filaments and haloes without fringes",
    "cdm with haloes": "cold dark matter, its filaments and its haloes",
}


def draw_prediction(
    k: NDArray,
    m22: NDArray,
    redshifts: Sequence[float],
    boosts: Mapping[str, NDArray],
    doubted: NDArray,
    errors: NDArray,
    path: Path,
    dpi: int = 150,
) -> Path:
    """Draw boosts into a PNG, PDF or SVG; returns its path. Arguments as for `prediction`."""
    with matplotlib_style.context(["default", STYLE]):
        save_figure(prediction(k, m22, redshifts, boosts, doubted, errors), path, dpi)
    return path


def prediction(
    k: NDArray,
    m22: NDArray,
    redshifts: Sequence[float],
    boosts: Mapping[str, NDArray],
    doubted: NDArray,
    errors: NDArray,
) -> Figure:
    """A figure of boosts over k, both logarithmic: a line for each boson, or each redshift where there are several.

    k  [h/Mpc], shape (k,);  m22  [1e-22 eV], shape (m22,)
    boosts   by denominator, shape (redshifts, m22, k) each
    doubted  whether modes do not describe some of the filaments, shape (redshifts, m22): these lines are dashed
    errors   of the spectra of filaments, relative, NaN where none is known, shape (redshifts, m22, k)
    """
    of_bosons = {mass: (f"m₂₂ = {mass:.4g}", colour) for mass, colour in boson_colours(m22.tolist()).items()}
    accuracy = _accuracy(k, errors)
    if len(redshifts) == 1:
        looks = [of_bosons[mass] for mass in m22.tolist()]
        of_all = {"": ({over: ratios[0] for over, ratios in boosts.items()}, doubted[0])}
        return _figure(k, (f"z = {redshifts[0]:.4g}", accuracy), looks, of_all)
    looks = [(f"z = {redshift:.4g}", colour) for redshift, colour in sorted(epoch_colours(redshifts).items())]
    rising = np.argsort(redshifts)
    groups = {
        of_bosons[mass][0]: ({over: ratios[rising, row] for over, ratios in boosts.items()}, doubted[rising, row])
        for row, mass in enumerate(m22.tolist())
    }
    if len(groups) == 1:
        ((boson, only),) = groups.items()
        return _figure(k, (boson, accuracy), looks, {"": only})
    return _figure(k, (accuracy,), looks, groups)


def _accuracy(k: NDArray, errors: NDArray) -> str:
    """The numerical error of the filaments in words, and up to which k it is known for all of them."""
    known = np.all(np.isfinite(errors), axis=(0, 1))
    last = len(k) if known.all() else int(np.argmin(known))
    if not last:
        return ""
    up_to = "" if last == len(k) else f" up to k = {k[last - 1]:.4g}"
    return f"numerical error of the filaments {100 * np.max(errors[..., :last]):.2g} %{up_to}"


def _figure(
    k: NDArray,
    about: Sequence[str],
    looks: Sequence[tuple[str, Any]],
    groups: Mapping[str, tuple[Mapping[str, NDArray], NDArray]],
) -> Figure:
    """A panel for each denominator, below each other, and for each group of lines, beside each other.

    about   what the first line ends with;  looks  name and colour of each line
    groups  boosts by denominator, shape (lines, k) each, and which lines are dashed, by what their panels say of them
    """
    of_groups = list(groups.values())
    denominators, dashed = list(of_groups[0][0]), any(np.any(doubted) for _, doubted in of_groups)
    stacks = _stacks(len(groups))
    beside, below = -(-len(groups) // stacks), stacks * len(denominators)
    bottom, height = _heights(below, len(looks), dashed)
    figure = Figure(figsize=(PAGE, height))  # laid out here: the search for a layout takes longer than all else
    title = ",  ".join(filter(None, ("power of fuzzy dark matter and its filaments", *about)))
    figure.suptitle(title, y=1 - 0.08 / height, va="top")
    panels = figure.subplots(below, beside, sharex=True, squeeze=False)
    figure.subplots_adjust(LEFT, bottom / height, RIGHT, 1 - TOP / height, hspace=GAP / PANEL, wspace=BETWEEN)
    letters = int(WRITTEN * 72 * PAGE * (RIGHT - LEFT) / (beside * LETTER * SMALL))
    ends = {over: _ends([boosts[over] for boosts, _ in of_groups]) for over in denominators}
    for number, (name, (boosts, doubted)) in enumerate(groups.items()):
        stack, column = divmod(number, beside)
        places = panels[stack * len(denominators) :, column]
        for panel, (over, ratios) in zip(places, boosts.items(), strict=False):
            for (label, colour), ratio, in_doubt in zip(looks, ratios, doubted.tolist(), strict=True):
                panel.loglog(k, ratio, color=colour, label=label, linestyle=DOUBTED_LINE if in_doubt else "-")
            panel.axhline(1, color="black", linewidth=0.8)
            panel.set_ylim(*ends[over])
            if column:
                panel.tick_params(which="both", labelleft=False)
            else:
                panel.set_ylabel(f"ratio to {over.split()[0]}")
            above = "with haloes, " if over.endswith("with haloes") else ""
            says = ",  ".join(filter(None, (name, f"{above}over {OVER[over]}")))
            panel.text(0.03, 0.95, fill(says, letters), va="top", fontsize=SMALL, transform=panel.transAxes)
        if number + beside >= len(groups):
            lowest = places[len(denominators) - 1]
            lowest.set_xlabel("k  [h/cMpc]")
            lowest.tick_params(labelbottom=True)
    for panel in panels[below - len(denominators) :, len(groups) - (stacks - 1) * beside :].flat:
        panel.set_axis_off()
    panels[0, 0].set_xlim(k[0], k[-1])
    for axis in [panels[-1, 0].xaxis, *(panel.yaxis for panel in panels.flat)]:
        _plain_ticks(axis)
    names = [Line2D([], [], color=colour, label=label) for label, colour in looks]
    figure.legend(handles=names, loc="lower center", ncols=min(len(names), COLUMNS))
    if dashed:
        y = (bottom - BOTTOM + ABOVE) / height
        figure.text(0.5, y, f"dashed: {DOUBTED}", ha="center", fontsize=SMALL)
    return figure


def require_room(masses: int, redshifts: int, denominators: int, dpi: int) -> None:
    """InputError for a figure of so many boson masses, several redshifts and denominators that has too many pixels."""
    _, height = _heights(_stacks(masses) * denominators, redshifts, dashed=True)
    if height * dpi > MOST_PIXELS:
        raise InputError(
            f"--m22: {masses} masses at several redshifts make a figure of {height:.0f} inches: must be at most "
            f"{MOST_PIXELS / dpi:.0f} at --dpi {dpi}; take fewer, or --dpi 0, which draws none"
        )


def _stacks(groups: int) -> int:
    """Of panels below each other, where groups have no room beside each other."""
    return -(-groups // MOST_BESIDE)


def _heights(below: int, lines: int, dashed: bool) -> tuple[float, float]:
    """Of what is below the panels, and of the figure [inch]."""
    bottom = BOTTOM + ROW * (-(-lines // COLUMNS) - 1 + dashed)
    return bottom, TOP + bottom + below * (PANEL + GAP)


def _ends(ratios: Sequence[NDArray]) -> tuple[float, float]:
    """Of the axis of boosts."""
    low = np.clip(min(np.min(each, initial=1.0) for each in ratios) / 1.5, LEAST, 0.7)
    return float(low), float(np.clip(max(np.max(each, initial=1.0) for each in ratios) * 3, 2.0, LARGEST))


def _plain_ticks(axis: Axis) -> None:
    """Numbers as 0.1, 1, 10, and ticks at 2 and 5 between, since matplotlib takes a millisecond for each tick."""
    low, high = axis.get_view_interval()
    axis.set_minor_locator(LogLocator(subs=(2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("{x:g}" if high < 30 * low else NullFormatter())
