"""The figure of a cross spectrum that gpu-fdm power measured: P_12 beside the power of both, and their correlation."""

from pathlib import Path

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from .measured_power import NOISE, draw_positive, mark_nyquist, noise_label
from .style import COLUMN, MPC, POWER_DECADES, SKY, VERMILION, WAVENUMBER, Look, few_log_ticks, literal, new_figure

AUTOS: tuple[Look, Look] = ({"color": VERMILION}, {"color": SKY})
CROSS: Look = {"color": "black"}
NEGATIVE: Look = {"color": "black", "linestyle": (0, (3, 1.5))}
OPACITY = 0.2
RARE = 0.02  # share of values below the range of the axis: P_12 passes through zero
SURE = 0.5  # error of r up to which a value counts for the range of its axis
MOST = 1.3  # largest |r| shown: beyond 1 it is by chance, where shot noise was subtracted


def cross_power(file: h5py.File, first: h5py.Group) -> Figure:
    """P_12, dashed with the other sign where it is negative, P_1 and P_2; below r = P_12/sqrt(P_1 P_2)."""
    crossed, second = (file[f"{first.name}_{name}"] for name in ("cross", "other"))
    names = (f"{each.attrs['of']} of {Path(each.attrs['source']).name}" for each in (first, second))
    parts = [literal(f"{number}: {name}") for number, name in enumerate(names, 1)]
    figure = new_figure(COLUMN, 4.2, parts[:1], [parts[1], rf"$z={crossed.attrs['redshift']:.4g}$"])
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    k, nyquist = crossed["k"][1:], float(crossed.attrs["nyquist"])  # the first row is k = 0
    rows = k <= max(nyquist, k[0])
    upper.set(xscale="log", yscale="log")
    handles = _draw_powers(upper, k, [first, second], crossed, rows)
    _draw_correlation(lower, k, crossed, rows)
    lower.set(xlim=(min(k[0], nyquist / 2), max(k[-1], 2 * k[0])), xlabel=WAVENUMBER)
    few_log_ticks(lower.xaxis)
    mark_nyquist([upper, lower], nyquist, k[-1])
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    figure.align_ylabels()
    return figure


def _draw_powers(panel: Axes, k: NDArray, autos: list[h5py.Group], crossed: h5py.Group, rows: NDArray) -> list[Line2D]:
    """Draw both powers, their shot noise, and P_12 in lines of two kinds, with errors; returns lines for a legend."""
    shown, handles, noises = list[NDArray](), list[Line2D](), dict[str, Line2D]()
    for number, (auto, look) in enumerate(zip(autos, AUTOS, strict=True), 1):
        values, error = auto["power"][1:], auto["error"][1:]
        draw_positive(panel, k, values, error, OPACITY, **look)
        handles.append(Line2D([], [], label=f"$P_{number}$", **look))
        shown.append(values[rows])
        if "shot_noise" in auto:
            panel.plot(k, auto["shot_noise"][1:], **NOISE | look, linewidth=0.8)
            noises[noise_label(auto)] = Line2D([], [], label=noise_label(auto), **NOISE)
    values, error = crossed["power"][1:], crossed["error"][1:]
    for sign, look, label in ((1, CROSS, "$P_{12}$"), (-1, NEGATIVE, "$-P_{12}$, where it is negative")):
        if (sign * values > 0).any():
            draw_positive(panel, k, sign * values, error, OPACITY, **look)
            handles.append(Line2D([], [], label=label, **look))
    sizes = np.concatenate([*shown, np.abs(values[rows])])
    sizes = sizes[sizes > 0]
    if sizes.size:
        peak = float(sizes.max())
        panel.set_ylim(max(float(np.quantile(sizes, RARE)) / 3, peak / 10**POWER_DECADES), 3 * peak)
    panel.set_ylabel(rf"$P(k)\;\;[({MPC})^3]$")
    return [*handles, *noises.values()]


def _draw_correlation(panel: Axes, k: NDArray, crossed: h5py.Group, rows: NDArray) -> None:
    """Draw r with its errors on a linear axis, which shows its sign."""
    r, error = crossed["correlation"][1:], crossed["correlation_error"][1:]
    for value in (0, 1, -1):
        panel.axhline(value, color="black", linewidth=0.6 if value == 0 else 0.4)
    panel.fill_between(k, r - error, r + error, color=CROSS["color"], alpha=OPACITY, linewidth=0)
    known = np.isfinite(r)
    panel.plot(k, r, marker="." if np.count_nonzero(known) == 1 else "", **CROSS)
    sure = r[known & rows & (np.nan_to_num(error, nan=np.inf) < SURE)]
    low, high = np.min(sure, initial=0.0), np.max(sure, initial=0.0)
    panel.set_ylim(max(-MOST, 1.1 * low) - 0.1, min(MOST, 1.1 * high) + 0.1)
    if not sure.size:
        panel.set_ylim(-MOST, MOST)
    panel.set_ylabel("$r(k)$")
