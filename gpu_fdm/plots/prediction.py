"""Predicted boosts: a panel for each denominator, with a line for each boson.

Texts are plain: the first mathematical one costs a seventh of a second.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from .style import PAGE, SMALL, STYLE, boson_colours, save_figure

LEAST, LARGEST = 1e-3, 1e3  # boosts that are shown
PANEL, GAP, TOP, BOTTOM = 2.2, 0.1, 0.3, 0.68  # inches
COLUMNS, ROW = 5, 0.22  # of the legend, and the height of a row [inch]
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
    k: NDArray, m22: NDArray, redshift: float, boosts: Mapping[str, NDArray], path: Path, dpi: int = 150
) -> Path:
    """Draw boosts into a PNG; returns its path. Arguments as for `prediction`."""
    with matplotlib_style.context(["default", STYLE]):
        save_figure(prediction(k, m22, redshift, boosts), path, dpi)
    return path


def prediction(k: NDArray, m22: NDArray, redshift: float, boosts: Mapping[str, NDArray]) -> Figure:
    """A figure of boosts over k, both logarithmic.

    k  [h/Mpc], shape (k,);  m22  [1e-22 eV], shape (m22,);  boosts  by denominator, shape (m22, k) each
    """
    rows = -(-len(m22) // COLUMNS)  # of the legend
    bottom = BOTTOM + ROW * (rows - 1)
    height = TOP + bottom + len(boosts) * (PANEL + GAP)
    figure = Figure(figsize=(PAGE, height))  # laid out here: the search for a layout takes longer than all else
    figure.suptitle(f"power of fuzzy dark matter and its filaments,  z = {redshift:.4g}", y=1 - 0.08 / height, va="top")
    panels = figure.subplots(len(boosts), 1, sharex=True, squeeze=False)[:, 0]
    figure.subplots_adjust(0.09, bottom / height, 0.98, 1 - TOP / height, hspace=GAP / PANEL)
    colours = boson_colours(m22.tolist())
    for panel, (over, ratios) in zip(panels, boosts.items(), strict=True):
        for mass, ratio in zip(m22.tolist(), ratios, strict=True):
            panel.loglog(k, ratio, color=colours[mass], label=f"m₂₂ = {mass:.4g}")
        panel.axhline(1, color="black", linewidth=0.8)
        low = np.clip(np.min(ratios, initial=1.0) / 1.5, LEAST, 0.7)
        panel.set_ylim(low, np.clip(np.max(ratios, initial=1.0) * 3, 2.0, LARGEST))
        panel.set_ylabel(f"ratio to {over.split()[0]}")
        above = "with haloes, " if over.endswith("with haloes") else ""
        panel.text(0.03, 0.95, f"{above}over {OVER[over]}", va="top", fontsize=SMALL, transform=panel.transAxes)
    panels[0].set_xlim(k[0], k[-1])
    panels[-1].set_xlabel("k  [h/cMpc]")
    for axis in [panels[-1].xaxis, *(panel.yaxis for panel in panels)]:
        _plain_ticks(axis)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=min(len(m22), COLUMNS))
    return figure


def _plain_ticks(axis: Axis) -> None:
    """Numbers as 0.1, 1, 10, and ticks at 2 and 5 between, since matplotlib takes a millisecond for each tick."""
    low, high = axis.get_view_interval()
    axis.set_minor_locator(LogLocator(subs=(2, 5)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter("{x:g}" if high < 30 * low else NullFormatter())
