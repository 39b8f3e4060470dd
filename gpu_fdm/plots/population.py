"""Figures of a population of filaments: mass functions, and the collapse of one ellipsoid."""

from typing import Any

import h5py
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from ..io.schema import COLLAPSE, MASS_FUNCTION
from .style import (
    COLUMN,
    GREY,
    MPC,
    MSUN,
    ON_WHITE,
    PAGE,
    boson_groups,
    boson_looks,
    boson_name,
    mark_scales,
    mass_in_words,
    new_figure,
    words,
)

ELLIPTICITIES = {"published": "from $S$ today (as published)", "collapse": "from $S$ at collapse"}
FREEZE_OUTS = {"virial": "when virialised", "bond_myers": "as in Bond & Myers 1996"}
TRANSFERS = {
    "hu00": "Hu et al. 2000",
    "ph22": "Passaglia & Hu 2022",
    "murgia17": "Murgia et al. 2017",
    "table": "a table",
}
MASS_FUNCTION_DECADES = 7.0  # shown of a mass function below its peak, at most
AXES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))  # lines of the three axes


def mass_function(file: h5py.File) -> Figure:
    """Filaments per ln M of CDM and of every boson, and their ratio to CDM."""
    looks, groups = boson_looks(file), boson_groups(file[MASS_FUNCTION])
    functions = {m22: (group["mass"][:], group["dn_dlnm"][:]) for m22, group in groups}
    attributes = groups[0][1].attrs
    compared = None in functions and len(functions) > 1
    rows = 2 if compared else 1
    about = [f"filaments at $z={attributes['redshift']:.4g}$"]
    if compared or None not in functions:
        about.append(f"transfer function: {words(TRANSFERS, attributes['transfer'])}")
    figure = new_figure(COLUMN, 4.0 if compared else 2.8, about, _choices(attributes))
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=(2, 1)[:rows])[:, 0]
    for m22, (mass, density) in functions.items():
        rim = {"linewidth": 2.2} if m22 is None else {}  # visible where bosons coincide with CDM
        panels[0].loglog(mass, density, label=boson_name(m22), **looks[m22], **rim)
        if compared and m22 is not None:
            panels[1].plot(mass, density / np.interp(mass, *functions[None]), **looks[m22], zorder=3)
    masses, densities = (np.concatenate(columns) for columns in zip(*functions.values(), strict=True))
    floor = max(densities[densities > 0].min() / 2, densities.max() / 10**MASS_FUNCTION_DECADES)
    panels[0].set(xlim=(masses.min(), masses.max()), ylim=(floor, 3 * densities.max()))
    panels[0].set_ylabel(rf"$\mathrm{{d}}n\,/\,\mathrm{{d}}\ln M\;\;[({MPC})^{{-3}}]$")
    panels[0].legend(loc="upper right", ncols=1 + (len(functions) > 5))
    if compared:
        panels[1].axhline(1, linewidth=0.6, color="black")
        panels[1].set(ylabel="ratio to CDM", ylim=(-0.05, max(1.1, panels[1].get_ylim()[1])))
    panels[-1].set_xlabel(rf"$M\;\;[{MSUN}]$")
    figure.align_ylabels()
    return figure


def collapse(file: h5py.File) -> Figure:
    """The axes of an ellipsoid against the scale factor, for CDM and for the lightest boson, which differs most."""
    looks, groups = boson_looks(file), boson_groups(file[COLLAPSE])
    shown = groups[:2]
    attributes = groups[0][1].attrs
    width = PAGE if len(shown) > 1 else COLUMN
    about = [f"$M={mass_in_words(attributes['mass'])}\\,{MSUN}$", f"$z={attributes['redshift']:.4g}$"]
    figure = new_figure(width, 4.0, about, _choices(attributes))
    panels = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for panel, (m22, group) in zip(panels, shown, strict=True):
        a, axes, freeze = group["scale_factor"][:], group["axes"][:], group.attrs["freeze"]
        panel.loglog(a, a, color=GREY, linewidth=0.6)
        for axis, frozen, line in zip(axes.T, freeze, AXES, strict=True):
            panel.plot(a, axis, linestyle=line, **looks[m22])
            if np.isfinite(frozen):
                panel.plot(frozen, np.interp(frozen, a, axis), "o", markersize=4, zorder=3, **looks[m22])
        panel.set_xlim(a[0], a[-1])
        names = {f"axis {number}": frozen for number, frozen in enumerate(freeze, start=1) if np.isfinite(frozen)}
        mark_scales([panel], names, 0.85 * width / len(shown))
        others = len([m22 for m22, _ in groups if m22 is not None]) if m22 is not None else 1
        name = boson_name(m22) + (f", the lightest of {others}" if others > 1 else "")
        initial = rf"$e={group.attrs['initial_ellipticity']:.3f}$"
        threshold = rf"$\delta_\mathrm{{ec}}={group.attrs['overdensity']:.4g}$"
        text = f"{name}\n{initial},  {threshold}"
        panel.text(0.03, 0.97, text, va="top", linespacing=1.4, transform=panel.transAxes, bbox=ON_WHITE)
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.set_xlabel("scale factor $a$")
    panels[0].set_ylabel("physical semi-axis / comoving Lagrangian radius")
    lines = [Line2D([], [], color="black", linestyle=line, label=f"axis {i}") for i, line in enumerate(AXES, start=1)]
    dot = Line2D([], [], color="black", linestyle="", marker="o", label="an axis freezes")
    background = Line2D([], [], color=GREY, linewidth=0.6, label="background, $a$")
    panels[0].legend(handles=[*lines[::-1], dot, background], loc="upper left", bbox_to_anchor=(0, 0.88))
    return figure


def _choices(attributes: h5py.AttributeManager) -> list[str]:
    """How axes freeze, and which ellipticity the barrier has, in words."""
    return [
        f"axes freeze {words(FREEZE_OUTS, attributes['freeze_out'])}",
        f"ellipticity {words(ELLIPTICITIES, attributes['ellipticity'])}",
    ]
