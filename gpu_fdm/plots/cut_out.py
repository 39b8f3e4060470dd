"""A cut-out of psi beside the model of weights: spectra in the plane across it, and in its box."""

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
from matplotlib import style as matplotlib_style
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..io.hdf5 import open_result
from ..io.schema import PROJECTION
from .style import (
    BAND,
    FIRST_FILAMENT,
    GREEN,
    MPC,
    PAGE,
    POWER_DECADES,
    SKY,
    SMOOTH,
    STYLE,
    WAVENUMBER,
    Look,
    filament_figure,
    fringes,
    method_in_words,
    save_figure,
)

_BELOW = 10.0 ** (-POWER_DECADES / 2)  # of the largest power, what is shown
_OTHERS: dict[str, Look] = {  # than the weights of the model
    "projection": {"color": SKY, "linestyle": (0, (1, 1.2)), "linewidth": 1.5},
    "wkb": {"color": GREEN, "linestyle": SMOOTH["linestyle"]},
}
Columns = Mapping[str, NDArray]


def cut_out(file: h5py.File) -> Figure:
    """Polar spectrum of slices, mean and scatter, beside exact averages; power of cut-out and reconstruction."""
    group = file[f"{FIRST_FILAMENT}/{PROJECTION}"]
    polar, box = ({name: values[:] for name, values in group[part].items()} for part in ("polar", "box"))
    exact = {"projection": polar["model"], "wkb": polar["wkb"]}
    return _figure(file, polar, exact, box, str(group.attrs["axial"]), float(group.attrs["bound_share"]))


def draw_cut_out(
    result: Path, path: Path, dpi: int, polar: Columns, exact: Columns, box: Columns, axial: str, held: float
) -> Path:
    """Draw the same of a model, into a PNG, PDF or SVG; returns its path.

    result  of the model
    polar   k [h/Mpc], and mean, scatter, error of the slices;  exact  averages of weights, the model's first
    box     k [h/Mpc], and power of cut_out, reconstruction [(Mpc/h)^3]
    axial   momentum along the axis of the reconstruction;  held  share of the line mass that the states hold
    Raises InputError for a file of others, which is not replaced, RunError where it cannot be written.
    """
    with open_result(result) as file, matplotlib_style.context(["default", STYLE]):
        save_figure(_figure(file, polar, exact, box, axial, held, " (model)"), path, dpi)
    return path


def _figure(
    file: h5py.File, polar: Columns, exact: Columns, box: Columns, axial: str, held: float, mark: str = ""
) -> Figure:
    """The figure; mark  what follows the name of the model's weights."""
    look = fringes(file)
    figure = filament_figure(file, PAGE, 3.0, f"{100 * held:.3g} % of the line mass in the states")
    left, right = figure.subplots(1, 2)

    k, mean = polar["k"], polar["mean"]
    model, *others = exact
    top = max(mean.max(), exact[model].max())
    factor = 1 + polar["scatter"] / mean  # the same downwards: the scatter is as large as the mean
    left.fill_between(k, mean / factor, mean * factor, **BAND, label="slices, scatter")
    low = np.minimum(polar["error"], 0.999 * mean)
    bars = None if np.isnan(low).any() else [low, polar["error"]]
    left.errorbar(k, mean, bars, fmt="o", color="black", markersize=2.5, elinewidth=0.8, label="slices, mean")
    left.plot(k, exact[model], **look, label=f"exact average, {_words(model)} weights{mark}")
    for name in others:
        left.plot(k, exact[name], **_OTHERS[name], label=f"exact average, {_words(name)} weights")
    left.set(xscale="log", yscale="log", xlim=(k[0], k[-1]), ylim=(_BELOW * top, 20 * 10.0 ** len(exact) * top))
    left.set(xlabel=WAVENUMBER.replace("$k", r"$k_\perp"), ylabel=r"$P_2(k_\perp)\,/\,\mu^2$")
    left.legend(loc="upper right")

    k, cut, rebuilt = (box[name] for name in ("k", "cut_out", "reconstruction"))
    right.loglog(k, cut, "o", color="black", markersize=2, label="cut-out")
    right.loglog(k, rebuilt, **look, label=f"reconstruction, {axial} along the axis")
    top = max(cut.max(), rebuilt.max())
    shown = [values[values > _BELOW**2 * top] for values in (cut, rebuilt)]
    right.set(xlim=(k[0], k[-1]), ylim=(0.5 * min(values.min() for values in shown), 1e3 * top))
    right.set(xlabel=WAVENUMBER, ylabel=rf"$P(k)\;\;[({MPC})^3]$, box of the cut-out")
    right.legend(loc="upper right")
    return figure


def _words(weights: str) -> str:
    return "projected" if weights == "projection" else method_in_words(weights)
