"""Figure of the error budget of one-filament spectra: a curve for each choice of the model, and the band of all."""

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..io.schema import BUDGET, ONE_FILAMENT
from ..spectra.one_filament import DEEPEST
from .style import GREY, MSUN, PAGE, SMALL, WAVENUMBER, Look, boson_groups, boson_name, mass_in_words, new_figure

COLOURS = (
    *("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"),
    *("#000000", "#8C510A", "#7A7A7A", "#6A3D9A", "#B2DF8A"),
)
DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))  # of the values of one key
LIMITS = 0.1, 10.0  # of ratios, beyond which nothing is shown
SEEN = 1e-5  # of the largest power: by what a choice changes above it, it has its place in the legend


def budget(file: h5py.File) -> Figure:
    """Ratios of P_1f with one choice made in another way to that of the run, a panel for each boson."""
    groups = [(m22, group) for m22, group in boson_groups(file[ONE_FILAMENT]) if BUDGET in group]
    attributes = groups[0][1].attrs
    window = rf"{mass_in_words(attributes['mass_min'])}\;\mathrm{{to}}\;{mass_in_words(attributes['mass_max'])}"
    first = [f"$z={attributes['redshift']:.4g}$", rf"$M={window}\,{MSUN}$"]
    figure = new_figure(
        PAGE, 1.6 + 2.1 * len(groups), first, ["other choices, one at a time"], ["relative to all matter"]
    )
    panels = figure.subplots(len(groups), 1, sharex=True, squeeze=False)[:, 0]
    looks = _looks([group for _, group in groups])
    for panel, (m22, group) in zip(panels, groups, strict=True):
        _draw(panel, group, looks)
        panel.set_title(boson_name(m22), loc="left")
        panel.set_ylabel(r"$P_{1\mathrm{f}}$ / that of the run")
    panels[-1].set_xlabel(WAVENUMBER)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=SMALL)
    return figure


def _looks(groups: list[h5py.Group]) -> dict[str, Look]:
    """How the curve of each choice is drawn: a colour for each key, dashes for its values; largest changes first."""
    size: dict[str, float] = {}
    texts: dict[str, str] = {}
    for group in groups:
        seen = group["power_fdm"][:] > SEEN * group["power_fdm"][:].max()
        for name, dataset in group[BUDGET].items():
            if name != "k":
                change = float(np.max(np.abs(np.log(dataset[:][seen]))))
                size[name] = max(size.get(name, 0.0), change)
                texts[name] = str(dataset.attrs["choice"]).split("]")[-1].split(".", 1)[-1].strip()
    names = sorted(size, key=lambda name: -size[name])
    keys = list(dict.fromkeys(texts[name].split(" = ")[0] for name in names))
    values: dict[str, int] = {}
    looks: dict[str, Look] = {}
    for name in names:
        key = texts[name].split(" = ")[0]
        dashes, values[key] = DASHES[values.get(key, 0) % len(DASHES)], values.get(key, 0) + 1
        looks[name] = {"color": COLOURS[keys.index(key) % len(COLOURS)], "linestyle": dashes, "label": texts[name]}
    return looks


def _draw(panel: Axes, group: h5py.Group, looks: dict[str, Look]) -> None:
    k, power = group["k"][:], group["power_fdm"][:]
    shown = power > DEEPEST * power.max()
    ratios = {name: group[BUDGET][name][:][shown] for name in looks if name in group[BUDGET]}
    k, stacked = k[shown], np.array([np.ones(np.count_nonzero(shown)), *ratios.values()])
    panel.fill_between(k, stacked.min(axis=0), stacked.max(axis=0), color=GREY, alpha=0.15, linewidth=0)
    for name, ratio in ratios.items():
        panel.plot(k, ratio, **looks[name])
    error = float(group[BUDGET].attrs["quadrature_error"])
    panel.axhspan(1 - error, 1 + error, color="black", alpha=0.5, linewidth=0, label="integral over masses")
    panel.set(xscale="log", yscale="log", xlim=(k[0], k[-1]))
    panel.set_ylim(max(LIMITS[0], 0.8 * stacked.min()), min(LIMITS[1], 1.25 * stacked.max()))
