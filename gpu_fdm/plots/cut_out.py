"""A cut-out of psi beside the model that its weights make: spectra in the plane across it, and in its box."""

import h5py
import numpy as np
from matplotlib.figure import Figure

from ..io.schema import PROJECTION
from .style import BAND, FIRST_FILAMENT, GREEN, MPC, PAGE, POWER_DECADES, SMOOTH, WAVENUMBER, filament_figure, fringes

_BELOW = 10.0 ** (-POWER_DECADES / 2)  # of the largest power, what is shown


def cut_out(file: h5py.File) -> Figure:
    """Polar spectrum of slices, mean and scatter, beside exact averages; power of cut-out and reconstruction."""
    group = file[f"{FIRST_FILAMENT}/{PROJECTION}"]
    about, look = group.attrs, fringes(file)
    share = f"{100 * about['bound_share']:.3g} % of the line mass in the states"
    figure = filament_figure(file, PAGE, 3.0, share)
    left, right = figure.subplots(1, 2)

    polar = {name: group[f"polar/{name}"][:] for name in ("k", "mean", "scatter", "error", "model", "wkb")}
    k, mean = polar["k"], polar["mean"]
    top = max(mean.max(), polar["model"].max())
    factor = 1 + polar["scatter"] / mean  # the same downwards: the scatter is as large as the mean
    left.fill_between(k, mean / factor, mean * factor, **BAND, label="slices, scatter")
    low = np.minimum(polar["error"], 0.999 * mean)
    bars = None if np.isnan(low).any() else [low, polar["error"]]
    left.errorbar(k, mean, bars, fmt="o", color="black", markersize=2.5, elinewidth=0.8, label="slices, mean")
    left.plot(k, polar["model"], **look, label="exact average, projected weights")
    left.plot(k, polar["wkb"], color=GREEN, linestyle=SMOOTH["linestyle"], label="exact average, WKB weights")
    left.set(xscale="log", yscale="log", xlim=(k[0], k[-1]), ylim=(_BELOW * top, 2e3 * top))
    left.set(xlabel=WAVENUMBER.replace("$k", r"$k_\perp"), ylabel=r"$P_2(k_\perp)\,/\,\mu^2$")
    left.legend(loc="upper right")

    k, cut, rebuilt = (group[f"box/{name}"][:] for name in ("k", "cut_out", "reconstruction"))
    right.loglog(k, cut, "o", color="black", markersize=2, label="cut-out")
    right.loglog(k, rebuilt, **look, label=f"reconstruction, {about['axial']} along the axis")
    top = max(cut.max(), rebuilt.max())
    shown = [values[values > _BELOW**2 * top] for values in (cut, rebuilt)]
    right.set(xlim=(k[0], k[-1]), ylim=(0.5 * min(values.min() for values in shown), 1e3 * top))
    right.set(xlabel=WAVENUMBER, ylabel=rf"$P(k)\;\;[({MPC})^3]$, box of the cut-out")
    right.legend(loc="upper right")
    return figure
