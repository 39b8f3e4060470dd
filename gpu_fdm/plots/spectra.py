"""Figures of exact spectra: of one filament, and of a population in the one-filament approximation."""

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..filament.mode_fits import ModeFits
from ..io.schema import GAS, ONE_FILAMENT, SINGLE_POWER, filament
from ..spectra.one_filament import DEEPEST
from .gas import single_powers
from .style import (
    BAND,
    COLUMN,
    GREY,
    LABELS,
    MPC,
    MSUN,
    OVER_SMOOTH,
    PAGE,
    POWER_DECADES,
    SKY,
    SMOOTH,
    WAVENUMBER,
    Look,
    Panels,
    boson_groups,
    boson_looks,
    boson_name,
    draw_excess,
    filament_figure,
    fringes,
    mark_scales,
    mass_in_words,
    new_figure,
    note_in_corner,
    words,
)

PARTS = ("power_fdm", "power_smooth", "power_interference", "power_self")
SCALES = {  # attributes -> names of scales
    "k_gs": r"$k_\mathrm{gs}$",
    "k_detach": r"$k_\mathrm{detach}$",
    "k_cut": r"$k_\mathrm{cut}$",
    "k_fringe": r"$k_\mathrm{fringe}$",
}
SCALE_WORDS = {  # what they are
    SCALES["k_gs"]: "ground state",
    SCALES["k_detach"]: "twice the smooth power",
    SCALES["k_cut"]: "thermal cut-off",
    SCALES["k_fringe"]: "end of the fringes",
}
STATISTICS = {"fixed": r"phases random, $|a_{nl}|$ fixed", "gaussian": r"$a_{nl}$ Gaussian"}
NORMALISATIONS = {"population": "mean density of these filaments", "matter": "mean density of all matter"}
POPULATIONS = {"collapse": "from collapse", "published": "as published"}
ROUND_OFF = 1e-14  # of spectra over the mass squared, which are 1 at k = 0
MOST_POINTS = 40  # shown of a spectrum that was sampled


def single_power(file: h5py.File) -> Figure:
    """The exact spectrum of a filament and its parts, its ratio to the smooth one, and samples where there are any.

    Of a gas, those of many filaments, see `gas.single_powers`.
    """
    if GAS in file and len(file[SINGLE_POWER]) > 1:
        return single_powers(file)
    group = file[f"{SINGLE_POWER}/{filament(0)}"]
    k, look = group["k"][:], fringes(file)
    drawn = "sampled_mean" in group
    columns = 2 if drawn else 1
    width = PAGE if drawn else COLUMN
    about = [words(STATISTICS, group.attrs["statistics"])]
    if group.attrs.get("axial", "coherent") != "coherent":
        about.append("thermal along the axis")
    figure = filament_figure(file, width, 5.6 if "band_low" in group else 4.6, *about)
    banded = "band_low" in group
    heights = (2, 1, 0.8) if banded else (2, 1)
    panels = figure.subplots(len(heights), columns, sharex=True, squeeze=False, height_ratios=heights)
    panels[0, 0].set(xscale="log", xlim=(k[0], k[-1]))
    places = {name: float(group.attrs[key]) for key, name in SCALES.items() if key in group.attrs}
    mark_scales(panels[:, 0], places, 0.85 * width / columns)

    floor = _draw_parts(panels[0, 0], group, PARTS, look)
    panels[0, 0].set_ylabel(r"$P(k)\,/\,M^2$, all orientations")
    panels[0, 0].legend(loc="lower left")
    fdm, smooth = group["power_fdm"][:], group["power_smooth"][:]
    meant = np.minimum(fdm, smooth) > floor
    note = OVER_SMOOTH.replace(", ", ",\n") if drawn else OVER_SMOOTH
    draw_excess(panels[1, 0], [(k[meant], fdm[meant] / smooth[meant], look)], note)
    named = [f"{name}: {SCALE_WORDS[name]}" for name in places]
    blank = [Line2D([], [], linestyle="none") for _ in named]
    figure.legend(blank, named, loc="outside lower center", ncols=4 if drawn else 2, handlelength=0, handletextpad=0)
    if drawn:
        places.pop(SCALES["k_detach"], None)  # defined by the average over orientations
        mark_scales(panels[:, 1], places, 0.85 * width / columns)
        _draw_plane(panels[:, 1], group, look)
    if banded:
        _draw_band(panels[2, 0], group, fdm > floor)
        for panel in panels[2, 1:]:
            panel.set_axis_off()
    for panel in (panels[-1, 0], *panels[1, 1:]):
        panel.set_xlabel(WAVENUMBER)
    figure.align_ylabels()
    return figure


def one_filament(file: h5py.File) -> Figure:
    """One-filament spectra of every boson, of |psi|^2 and of the smooth filaments, and their ratio."""
    folder = file[ONE_FILAMENT]
    # cold dark matter has no wave
    looks, bosons = boson_looks(file), [(m22, group) for m22, group in boson_groups(folder) if "power_fdm" in group]
    attributes = bosons[0][1].attrs
    spectra = {m22: [group[name][:] for name in ("k", "power_fdm", "power_smooth")] for m22, group in bosons}
    peak = max(max(fdm.max(), smooth.max()) for _, fdm, smooth in spectra.values())
    floor = DEEPEST * peak  # below it the error of the integral over masses is unknown

    window = (
        rf"$M={mass_in_words(attributes['mass_min'])}\;\mathrm{{to}}\;{mass_in_words(attributes['mass_max'])}\,{MSUN}$"
    )
    function, shapes = (words(POPULATIONS, attributes[name]) for name in ("mass_function", "shape"))
    choices = "mass function " + (f"and shapes {shapes}" if function == shapes else f"{function},  shapes {shapes}")
    density = f"relative to the {words(NORMALISATIONS, attributes['normalisation'])}"
    if attributes.get("axial", "coherent") != "coherent":
        density += ",  thermal along the axis"
    lines = [[f"$z={attributes['redshift']:.4g}$", window], [choices], [density]]
    for m22, group in bosons:
        fits = ModeFits.stored(group)
        if fits is not None and fits.poor.any():
            count = f"{np.count_nonzero(fits.poor)} of {len(fits.poor)}"
            lines.append([f"{boson_name(m22)}: the modes of {count} filaments do not describe them"])
    figure = new_figure(COLUMN, 4.3, *lines)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    excess = []
    for m22, (k, fdm, smooth) in spectra.items():
        colour = looks[m22]["color"]
        for values, line in ((fdm, "-"), (smooth, SMOOTH["linestyle"])):
            upper.loglog(k[values > 0], values[values > 0], color=colour, linestyle=line)
        meant = np.minimum(fdm, smooth) > floor
        excess.append((k[meant], fdm[meant] / smooth[meant], looks[m22]))
    first, last = (edge(values[0][index] for values in spectra.values()) for edge, index in ((min, 0), (max, -1)))
    seen = max(k[np.maximum(fdm, smooth) > floor].max() for k, fdm, smooth in spectra.values())
    upper.set(xlim=(first, min(last, 1.6 * seen)), ylim=(floor, 3 * peak))
    upper.set_ylabel(rf"$P_{{1\mathrm{{f}}}}(k)\;\;[({MPC})^3]$")
    handles = [Line2D([], [], **looks[m22], label=boson_name(m22)) for m22 in spectra]
    handles += [Line2D([], [], color=GREY, label=LABELS["fdm"])]
    handles += [Line2D([], [], **SMOOTH | {"color": GREY}, label=LABELS["smooth"])]
    upper.legend(handles=handles, loc="lower left")
    draw_excess(lower, excess)
    lower.set_xlabel(WAVENUMBER)
    figure.align_ylabels()
    return figure


def _draw_parts(panel: Axes, group: h5py.Group, names: Sequence[str], look: Look) -> float:
    """Draw a spectrum, the first of the datasets `names`, and its parts; returns the least power that is shown."""
    k = group["k"][:]
    of_self = "self term, subtracted" if group.attrs["statistics"] == "fixed" else "self term, included"
    labels = (LABELS["fdm"], LABELS["smooth"], "interference of all modes", of_self)
    looks = (
        look | {"zorder": 3},
        SMOOTH | {"zorder": 3},
        {"color": SKY, "linewidth": 2.6},
        {"color": GREY, "linewidth": 0.7, "alpha": 0.7},
    )
    for name, label, of_part in zip(names, labels, looks, strict=False):
        values = group[name][:]
        panel.loglog(k[values > 0], values[values > 0], label=label, **of_part)
    peak = group[names[0]][:].max()
    floor = max(peak / 10**POWER_DECADES, ROUND_OFF)
    panel.set_ylim(floor, 5 * peak)
    return floor


def _draw_band(panel: Axes, group: h5py.Group, shown: np.ndarray) -> None:
    """Draw the band that the errors of a measured profile leave, over the spectrum."""
    k, fdm = group["k"][:][shown], group["power_fdm"][:][shown]
    low, high = (group[f"band_{edge}"][:][shown] / fdm - 1 for edge in ("low", "high"))
    panel.fill_between(k, low, high, **BAND)
    panel.axhline(0, color="black", linewidth=0.8)
    limit = float(np.clip(1.4 * np.quantile(np.maximum(-low, high), 0.9), 1e-4, 3))
    panel.set(ylim=(-limit, limit), ylabel="band / $P$ $-$ 1")
    note_in_corner(panel, "errors of the measured profile")


def _draw_plane(panels: Panels, group: h5py.Group, look: Look) -> None:
    """Draw the spectrum in the plane, the mean over samples of the phases, and the difference of both."""
    k, exact = group["k"][:], group["polar_fdm"][:]
    mean, error, scatter = (group[f"sampled_{name}"][:] for name in ("mean", "error", "scatter"))
    floor = _draw_parts(panels[0], group, ("polar_fdm", "polar_smooth"), look)
    panels[0].set_ylabel(r"$P_\perp(k)\,/\,\mu^2$, plane across the filament")
    shown = np.flatnonzero(mean > floor)
    shown = shown[:: max(1, -(-len(shown) // MOST_POINTS))]
    points: dict[str, Any] = {"fmt": "o", "color": "black", "markersize": 2, "elinewidth": 0.7, "zorder": 4}
    some = error > 0
    draws = round(float(np.median((scatter[some] / error[some]) ** 2))) if some.any() else 0
    label = f"mean of {draws} draws of the phases"
    bars = panels[0].errorbar(k[shown], mean[shown], error[shown], label=label, **points)
    single: dict[str, Any] = {"color": GREY, "alpha": 0.3, "linewidth": 0, "label": "scatter of single filaments"}
    band = panels[0].fill_between(k, np.maximum(mean - scatter, floor / 10), mean + scatter, **single)
    panels[0].legend(handles=[bars, band], loc="lower left")
    difference, bar = mean[shown] / exact[shown] - 1, error[shown] / exact[shown]
    panels[1].errorbar(k[shown], difference, bar, **points)
    panels[1].axhline(0, **look)
    note = "the same draws at all $k$:\ntheir errors are correlated"
    note_in_corner(panels[1], note)
    limit = 1.6 * float(np.max(np.abs(difference) + bar, initial=0.01))
    panels[1].set(ylim=(-limit, limit), ylabel="draws / exact $-$ 1")
