"""A filament that was measured in a snapshot: column density around its axis, profile, and line mass along it."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..io.schema import CUT_OUT, MEASURED
from .style import GREY, MAP_TICKS, MPC, MSUN, PAGE, SMOOTH, VERMILION, YELLOW, literal, log_range, new_figure

COLUMN_DECADES = 3.0  # shown of the column density
_PIXELS = 200  # along the axis, of particles


def measured_filament(file: h5py.File) -> Figure:
    """Column density along v, with the axis and the centres of slices; profile and fit; line mass of slices."""
    group = file[MEASURED]
    about = group.attrs
    radius, density, error = (group[f"profile/{name}"][:] for name in ("radius", "density", "error"))
    edges, line_mass, centre = group["shells/edges"][:], group["slices/line_mass"][:], group["slices/centre"][:]
    length = float(np.linalg.norm(about["end"] - about["begin"]))
    outer = float(edges[-1])
    line_mass -= float(about["background"]) * _unit(about) * np.pi * outer**2

    name = literal(f"{about['field']} of {Path(about['source']).name}")
    figure = new_figure(PAGE, 5.0, [name, rf"$z={about['redshift']:.4g}$", rf"$L={about['length']:.3g}\,{MPC}$"])
    parts: Any = figure.subfigures(2, 1, height_ratios=(1, 1.35))
    upper, lower = parts
    panel = upper.subplots()
    column, what = _column(file[CUT_OUT], length, outer)
    peak, least = float(np.max(column)), float(np.min(column))
    norm = log_range(column, min(COLUMN_DECADES, float(np.log10(peak / least)) if least > 0 else COLUMN_DECADES))
    image = panel.imshow(
        np.maximum(column, norm.vmin),
        norm=norm,
        cmap="magma",
        extent=(-length / 2, length / 2, -outer, outer),
        aspect="auto",
    )
    upper.colorbar(image, ax=panel, label=what, extend="min", pad=0.02)
    panel.axhline(0, color="white", linewidth=0.8, linestyle=(0, (4, 3)), label="axis")
    inside = np.abs(centre[:, 2]) <= length / 2
    panel.plot(centre[inside, 2], centre[inside, 0], ".", color=YELLOW, markersize=3, label="centres of slices")
    panel.set(xlim=(-length / 2, length / 2), ylim=(-outer, outer))
    panel.set(xlabel=rf"$z$ along the axis $[{MPC}]$", ylabel=rf"$u\;\;[{MPC}]$")
    panel.tick_params(**MAP_TICKS)
    panel.legend(loc="upper right", labelcolor="white", frameon=False)

    left, right = lower.subplots(1, 2)
    left.errorbar(radius, density, error, fmt="o", color=VERMILION, markersize=3, label="measured")
    fine = np.geomspace(radius[0] / 1.5, outer, 200)
    left.loglog(fine, _cylinder(about, fine), label="best fit, isothermal cylinder", **SMOOTH)
    left.set(xlabel=rf"$R\;\;[{MPC}]$", ylabel=r"$\rho\,/\,\bar\rho_\mathrm{m}$", xlim=(fine[0], outer))
    left.set_ylim(density.min() / 3, 3 * (density + error).max())
    left.legend(loc="lower left")
    z = (np.arange(len(line_mass)) + 0.5) / len(line_mass) * length - length / 2
    right.step(z, line_mass, where="mid", color=VERMILION)
    right.axhline(float(about["line_mass"]), label="mean", **SMOOTH)
    right.set(xlabel=rf"$z\;\;[{MPC}]$", xlim=(-length / 2, length / 2), ylim=(0, 1.3 * np.nanmax(line_mass)))
    right.set_ylabel(rf"line mass  $[{MSUN}\,/\,({MPC})]$")
    right.legend(loc="lower left")
    missing = np.isnan(line_mass)
    for at in z[missing]:
        right.axvspan(at - length / len(z) / 2, at + length / len(z) / 2, color=GREY, alpha=0.2, linewidth=0)
    return figure


def _column(cut: h5py.Group, length: float, outer: float) -> tuple[NDArray, str]:
    """The column density along v, shape (u, z), and its name with the unit."""
    for name, power in (("psi", 2), ("density", 1)):
        if name in cut:
            side = float(cut.attrs["sides"][1])
            column = np.mean(np.abs(cut[name][:].astype(complex if power == 2 else float)) ** power, axis=1) * side
            return column, "column density\n" + rf"$[\bar\rho_\mathrm{{m}}\,{MPC}]$"
    position, mass = cut["position"][:], cut["mass"][:]
    bins = max(20, int(_PIXELS * 2 * outer / length)), _PIXELS
    counted, u, z = np.histogram2d(
        position[:, 0], position[:, 2], bins, ((-outer, outer), (-length / 2, length / 2)), weights=mass
    )
    return counted / ((u[1] - u[0]) * (z[1] - z[0])), "column density\n" + rf"$[{MSUN}\,/\,({MPC})^2]$"


def _unit(about: h5py.AttributeManager) -> float:
    """(Msun/h)/(cMpc/h) of the line mass 1 [mean matter density (cMpc/h)^2]."""
    from ..units import mean_matter_density

    return mean_matter_density(float(about["omega_m"]))


def _cylinder(about: h5py.AttributeManager, radius: NDArray) -> NDArray:
    """The density of the fitted cylinder [mean matter densities]."""
    from ..cosmic_web.cylinder import Cylinder

    scale = float(about["r0"]) * (1 + float(about["redshift"]))
    return Cylinder(scale, float(about["total_line_mass"]) / _unit(about), 0.0, float(about["beta"])).density(radius)
