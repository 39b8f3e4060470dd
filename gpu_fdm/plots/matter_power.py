"""The power of the model beside that of a simulation, and the ratio of both."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from . import DPI
from .simulation import BAND, FAINT, RUNS
from .style import COLUMN, GREEN, GREY, STYLE, WAVENUMBER, Look, new_figure, save_figure

TITLES = {"wave_fdm": "simulated: wave", "particles_fdm": "simulated: particles"}
MODEL: dict[str, Look] = {  # how terms of the model are drawn, by their names in legends
    r"$P_\mathrm{lin}T^2$": {"color": GREY, "linestyle": ":"},
    r"$P_\mathrm{1f}$": {"color": GREEN, "linestyle": (0, (4, 2)), "linewidth": 0.9},
    r"$P_\mathrm{lin}T^2+P_\mathrm{1f}$": {"color": "black"},
    "filaments that fit into the box alone": {"color": "black", "linestyle": (0, (1, 1.5)), "linewidth": 0.9},
}
DECADES = 6.0  # shown below the largest power


def draw_matter_power(
    path: Path,
    k: NDArray,
    simulated: Mapping[str, tuple[NDArray, NDArray]],
    model: tuple[NDArray, NDArray, NDArray, NDArray],
    good: NDArray,
    about: list[str],
    dpi: int = DPI,
) -> Path:
    """Draw k^3 P/(2 pi^2) and simulated over model power into a PNG, PDF or SVG; returns its path.

    k          of bins [h/Mpc], shape (bins,)
    simulated  run -> power and its error [(Mpc/h)^3], shape (bins,)
    model      the terms of MODEL, shape (bins,), NaN where they are not known
    good       mask of the bins that the box represents; others are faint
    about      parts of the first line
    Raises RunError where the file cannot be written.
    """
    with matplotlib_style.context(["default", STYLE]):
        save_figure(matter_power(k, simulated, model, good, about), path, dpi)
    return path


def matter_power(
    k: NDArray,
    simulated: Mapping[str, tuple[NDArray, NDArray]],
    model: tuple[NDArray, NDArray, NDArray, NDArray],
    good: NDArray,
    about: list[str],
) -> Figure:
    """The figure of draw_matter_power."""
    figure = new_figure(COLUMN, 4.8, about)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    cubed, total = k**3 / (2 * np.pi**2), model[2]
    for (name, look), power in zip(MODEL.items(), model, strict=True):
        upper.loglog(k, cubed * power, label=name, **look)
    ratios = [1.0]
    for run, (power, error) in simulated.items():
        for rows, opacity in ((good, 1.0), (~good, FAINT)):
            label = TITLES[run] if rows is good else None
            shown = np.where(rows | np.append(rows[1:], False), power, np.nan)
            upper.loglog(k, cubed * shown, label=label, alpha=opacity, **RUNS[run])
            lower.loglog(k, shown / total, alpha=opacity, **RUNS[run])
        low, high = np.maximum(power - error, 1e-30), power + error
        band: Look = {"color": RUNS[run]["color"], "alpha": BAND, "linewidth": 0}
        upper.fill_between(k, cubed * low, cubed * high, where=good, **band)
        lower.fill_between(k, low / total, high / total, where=good, **band)
        ratios += (power / total)[good & np.isfinite(total)].tolist()
    lower.loglog(k, model[3] / total, **MODEL["filaments that fit into the box alone"])
    lower.axhline(1, color="black", linewidth=0.8)
    peak = max(
        float(np.nanmax(cubed * total)), *(float((cubed * power)[good].max()) for power, _ in simulated.values())
    )
    upper.set(ylim=(peak / 10**DECADES, 10 * peak), ylabel=r"$k^3P(k)/2\pi^2$", xlim=(k[0] / 1.1, 3 * k[good].max()))
    lower.set(ylim=(min(ratios) / 3, 3 * max(ratios)), ylabel="simulated / model", xlabel=WAVENUMBER)
    handles, labels = upper.get_legend_handles_labels()
    handles.append(Line2D([], [], color=RUNS[next(iter(simulated))]["color"], alpha=FAINT))
    labels.append("faint: beyond grid or forces, or shot noise")
    figure.legend(handles, labels, loc="outside lower left")
    return figure
