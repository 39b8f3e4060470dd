"""Figures of one filament: its cross-section, its profile, and the weights of its modes."""

from typing import Any

import h5py
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colorbar import Colorbar
from matplotlib.colors import ListedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Circle
from matplotlib.ticker import MaxNLocator

from .style import (
    FIRST_FILAMENT,
    GREEN,
    KPC,
    MAP_TICKS,
    MPC,
    SMOOTH,
    YELLOW,
    Look,
    filament_figure,
    fringes,
    log_range,
    mark_line,
)

INTEGERS: dict[str, Any] = {"nbins": 8, "integer": True, "steps": [1, 2, 5, 10]}
METHODS = {"wkb": "WKB", "poisson": r"$\ell_1$-Poisson"}
DENSITY_DECADES = 4.5  # shown in a density map; <|psi|^2> falls by 4 decades out to R_99
WEIGHT_DECADES = 8.0  # of weights shown at most
LOG_CONTRAST = 1.0  # shown of log10 |psi|^2/<|psi|^2>, which has no lower bound at the nodes of psi


def cross_section(file: h5py.File) -> Figure:
    """|psi|^2 across the filament, its log ratio to the phase average, and the phase of psi with its vortices."""
    group, profile = file[f"{FIRST_FILAMENT}/cross_section"], file[f"{FIRST_FILAMENT}/profile"]
    line, r95 = 1e3 * group["coordinate"][:], 1e3 * float(profile.attrs["r95"])
    density = group["density"][:].astype(float)
    figure = filament_figure(file, 10.0, 4.6)
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    half_step = (line[1] - line[0]) / 2
    placed = {"extent": [line[0] - half_step, line[-1] + half_step] * 2, "aspect": "equal"}

    norm = log_range(density, DENSITY_DECADES)
    image = panels[0].imshow(np.maximum(density, norm.vmin), norm=norm, cmap="magma", **placed)
    _bar_below(figure, image, r"$|\psi|^2\,/\,\bar\rho_\mathrm{m}$", "min")

    mean = _phase_average(profile, np.hypot(line, line[:, None]) / 1e3)
    contrast = np.ma.masked_all(density.shape)
    known = (mean > 0) & (density > 0)
    contrast[known] = np.log10(density[known] / mean[known])
    image = panels[1].imshow(contrast, vmin=-LOG_CONTRAST, vmax=LOG_CONTRAST, cmap="RdBu_r", **placed)
    _bar_below(figure, image, r"$\log_{10}\;|\psi|^2\,/\,\langle|\psi|^2\rangle$", "both")

    # average colours, not phases, where pixels are few: the mean of phases pi and -pi is not 0
    limits = {"vmin": -np.pi, "vmax": np.pi, "cmap": "twilight", "interpolation_stage": "rgba"}
    image = panels[2].imshow(np.ma.masked_where(density == 0, group["phase"]), **limits, **placed)
    bar = _bar_below(figure, image, r"$\arg\psi$")
    bar.set_ticks([-np.pi, 0, np.pi], labels=[r"$-\pi$", "0", r"$\pi$"])
    _mark_vortices(panels[2], group["vortices"])

    for panel, colour in zip(panels, ("white", "black", "black"), strict=True):
        panel.add_patch(Circle((0, 0), r95, fill=False, edgecolor=colour, linestyle="--", linewidth=1))
        panel.set(xlabel=rf"$u\;\;[{KPC}]$", ylabel=rf"$v\;\;[{KPC}]$")
        panel.tick_params(**MAP_TICKS)
        panel.label_outer()
    white = {"textcoords": "offset points", "color": "white"}
    panels[0].annotate("$R_{95}$", (0, r95), (0, 3), ha="center", **white)
    length = de_broglie_length(file)
    if length is not None:
        left, right, low = 0.9 * line[0], 0.9 * line[0] + 1e3 * length, 0.9 * line[0]
        panels[0].plot([left, right], [low, low], color="white", linewidth=2.5, solid_capstyle="butt")
        panels[0].annotate(rf"$\lambda_\mathrm{{dB}}={1e3 * length:.3g}$", (left, low), (0, 4), **white)
    return figure


def profile(file: h5py.File) -> Figure:
    """Target density and the sum over modes against radius, and their relative difference."""
    group = file[f"{FIRST_FILAMENT}/profile"]
    radius, target, modes = (group[name][:] for name in ("radius", "density", "density_modes"))
    edges = {share: float(group.attrs[f"r{share}"]) for share in (50, 95, 99)}
    shown = (radius >= edges[50] / 20) & (radius <= 1.6 * edges[99]) & (target > 0)
    radius, target, modes = radius[shown], target[shown], modes[shown]
    difference = modes / target - 1

    figure = filament_figure(file, 6.6, 5.6)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2.4, 1))
    upper.loglog(radius, target, label=r"equilibrium, $\rho$", **SMOOTH)
    upper.loglog(radius[modes > 0], modes[modes > 0], label=r"modes, $\langle|\psi|^2\rangle$", **fringes(file))
    upper.set(xlim=(radius[0], radius[-1]), ylim=(target.min() / 3, 5 * max(target.max(), modes.max())))
    upper.set_ylabel(r"$\rho\,/\,\bar\rho_\mathrm{m}$")
    upper.legend(loc="lower left")
    lower.plot(radius, difference, **fringes(file))
    lower.axhline(0, color="black", linewidth=0.8)
    # the energy cut removes everything outside; the panel shall show how well the modes do inside
    limit = float(np.clip(1.4 * np.max(np.abs(difference[radius <= edges[95]]), initial=0), 0.05, 1.05))
    lower.set(ylim=(-limit, limit), ylabel=r"$\langle|\psi|^2\rangle\,/\,\rho\;-\;1$", xlabel=rf"$R\;\;[{MPC}]$")
    for share, edge in edges.items():
        mark_line((upper, lower), edge, f"$R_{{{share}}}$")
    figure.align_ylabels()
    return figure


def weights(file: h5py.File) -> Figure:
    """Weight of each mode against its energy, and the modes in the plane of their quantum numbers."""
    group = file[f"{FIRST_FILAMENT}/modes"]
    energy, weight, n, l = (group[name][:] for name in ("energy", "weight", "n", "l"))
    speed = float(file[FIRST_FILAMENT].attrs["velocity_unit"])
    cut = float(group.attrs["energy_cut"]) * speed**2
    method = str(group.attrs["weights"])
    method = METHODS.get(method, method.replace("_", " "))
    about = rf"{method}: {len(weight)} of {group.attrs['library_modes']} modes, $E<({cut**0.5:.3g}\,\mathrm{{km/s}})^2$"
    norm = log_range(weight, WEIGHT_DECADES)
    norm.vmin = max(norm.vmin, weight.min())

    figure = filament_figure(file, 10.0, 4.3, about)
    left, right = figure.subplots(1, 2)
    size = float(np.clip(6e3 / len(weight), 5, 30))
    of_l = PowerNorm(0.5, 0, max(l.max(), 1))
    points = left.scatter(energy * speed**2, weight, size, l, norm=of_l, cmap="viridis", linewidths=0)
    figure.colorbar(points, ax=left, label="angular quantum number $l$", pad=0.02, ticks=MaxNLocator(**INTEGERS))
    mark_line((left,), cut, "energy cut")
    left.set(yscale="log", xlim=(0, 1.04 * cut), ylim=(norm.vmin / 2, norm.vmax * 4))
    left.set(xlabel=r"$E_{nl}\;\;[(\mathrm{km/s})^2]$", ylabel=r"weight $w_{nl}=|a_{nl}|^2$")
    not_pale = ListedColormap(colormaps["magma_r"](np.linspace(0.15, 1, 256)))  # pale colours are lost on white
    points = right.scatter(l, n, size, weight, norm=norm, cmap=not_pale, linewidths=0, marker="s")
    figure.colorbar(points, ax=right, label="weight $w_{nl}$", pad=0.02)
    for axis in (right.xaxis, right.yaxis):
        axis.set_major_locator(MaxNLocator(**INTEGERS))
    right.set(xlabel="angular quantum number $l$", ylabel="radial quantum number $n$")
    return figure


def de_broglie_length(file: h5py.File) -> float | None:
    """de Broglie length 2 pi hbar / (m a sigma), comoving [cMpc/h]; None for a profile from a table, without sigma."""
    attributes = file[FIRST_FILAMENT].attrs
    if "sigma" not in attributes:
        return None
    momentum = attributes["sigma"] / attributes["velocity_unit"] / (1 + attributes["redshift"])
    return float(2 * np.pi / momentum * attributes["length_unit"])


def _phase_average(profile: h5py.Group, radius: np.ndarray) -> np.ndarray:
    """<|psi|^2> at any radius, from the stored table; zero beyond it."""
    inside = profile["density_modes"][:] > 0
    tabulated, mean = profile["radius"][:][inside], profile["density_modes"][:][inside]
    log_mean = np.interp(np.log(np.maximum(radius, tabulated[0])), np.log(tabulated), np.log(mean))
    return np.where(radius <= tabulated[-1], np.exp(log_mean), 0.0)


def _bar_below(figure: Figure, image: AxesImage, label: str, extend: str = "neither") -> Colorbar:
    return figure.colorbar(image, location="bottom", label=label, extend=extend, pad=0.02, aspect=25, fraction=0.06)


def _mark_vortices(panel: Axes, vortices: h5py.Group) -> None:
    """Mark vortices by the sign of their winding, with their numbers in the legend."""
    x, y, winding = (vortices[name][:] for name in ("x", "y", "winding"))
    size = float(np.clip(2500 / max(len(x), 1), 0.3, 26))
    for sign, marker, colour, name in ((1, "o", YELLOW, "+"), (-1, "D", GREEN, "$-$")):
        chosen = np.sign(winding) == sign
        style: Look = {"marker": marker, "color": colour, "edgecolors": "black", "linewidths": min(0.5, size / 12)}
        label = f"{np.count_nonzero(chosen)} vortices {name}"
        panel.scatter(1e3 * x[chosen], 1e3 * y[chosen], size, label=label, **style)
    tight = {"borderaxespad": 0.2, "handletextpad": 0.1, "columnspacing": 1.0}
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, markerscale=(26 / size) ** 0.5, **tight)
