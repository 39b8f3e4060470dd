"""Figures of all filaments of a gas, coloured by their masses: profiles, weights of modes, and exact spectra."""

from collections.abc import Callable

import h5py
import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from ..io.schema import FILAMENTS, GAS, SINGLE_POWER
from .style import (
    COLUMN,
    GREY,
    MPC,
    MSUN,
    PAGE,
    POWER_DECADES,
    SMOOTH,
    WAVENUMBER,
    Look,
    draw_excess,
    few_log_ticks,
    filament_figure,
    method_in_words,
    note_in_corner,
    percent,
)

MOST = 60  # filaments with lines of their own
MASSES = ListedColormap(colormaps["viridis"](np.linspace(0, 0.92, 256)))  # yellow is lost on white
FAINT: Look = {"linewidth": 0.7, "alpha": 0.8}
BEYOND = 3e-4  # of the central density, below which a profile is not shown


def is_gas(file: h5py.File) -> bool:
    """Whether a file has several filaments."""
    return GAS in file and len(file[FILAMENTS]) > 1


def core_difference(profile: h5py.Group) -> float:
    """Density of the modes over that of the equilibrium, less 1, in the middle of a filament."""
    radius, target, modes = (profile[name][:] for name in ("radius", "density", "density_modes"))
    first = int(np.flatnonzero((target > 0) & (radius >= float(profile.attrs["r50"]) / 20))[0])
    return float(modes[first] / target[first] - 1)


def profiles(file: h5py.File) -> Figure:
    """Densities of the equilibrium and of the modes of all filaments against radius, and their differences."""
    names, colour, about = _chosen(file, FILAMENTS)
    figure = filament_figure(file, COLUMN, 3.8, about)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    first, last, peak, limits = np.inf, 0.0, 0.0, [0.05]
    for name in names:
        group = file[f"{FILAMENTS}/{name}/profile"]
        edges = {share: float(group.attrs[f"r{share}"]) for share in (50, 95, 99)}
        radius, target, modes = (group[of][:] for of in ("radius", "density", "density_modes"))
        shown = (radius >= edges[50] / 20) & (radius <= 1.6 * edges[99]) & (target > 0)
        radius, target, modes = radius[shown], target[shown], modes[shown]
        upper.loglog(radius, target, **SMOOTH | {"linewidth": 0.6, "alpha": 0.5})
        upper.loglog(radius[modes > 0], modes[modes > 0], color=colour(name), **FAINT)
        lower.plot(radius, modes / target - 1, color=colour(name), **FAINT)
        first, last, peak = min(first, radius[0]), max(last, radius[-1]), max(peak, target.max())
        limits.append(1.4 * float(np.max(np.abs(modes / target - 1)[radius <= edges[95]], initial=0)))
    limit = float(np.clip(max(limits), 0.05, 1.05))
    upper.set(
        xscale="log", xlim=(first, last), ylim=(BEYOND * peak / 30, 5 * peak), ylabel=r"$\rho\,/\,\bar\rho_\mathrm{m}$"
    )
    upper.plot([], [], label=r"equilibrium, $\rho$", **SMOOTH)
    upper.plot([], [], color=GREY, label=r"modes, $\langle|\psi|^2\rangle$")
    upper.legend(loc="lower left")
    lower.axhline(0, color="black", linewidth=0.6)
    lower.set(ylim=(-limit, limit), xlabel=rf"$R\;\;[{MPC}]$", ylabel=r"$\langle|\psi|^2\rangle\,/\,\rho\;-\;1$")
    cores = [core_difference(file[f"{FILAMENTS}/{name}/profile"]) for name in names]
    note_in_corner(lower, f"modes in the core: {percent(*cores)}")
    _bar(figure, file, list(figure.axes))
    figure.align_ylabels()
    return figure


def weights(file: h5py.File) -> Figure:
    """Weight of each mode of all filaments against its energy; and what share of each line mass the modes have."""
    names, colour, about = _chosen(file, FILAMENTS)
    groups = [file[f"{FILAMENTS}/{name}/modes"] for name in names]
    method = method_in_words(groups[0].attrs["weights"])
    figure = filament_figure(file, PAGE, 2.8, method, about)
    left, right = figure.subplots(1, 2)
    least, most = np.inf, 0.0
    for name, group in zip(names, groups, strict=True):
        weight = group["weight"][:]
        speed = float(file[f"{FILAMENTS}/{name}"].attrs["velocity_unit"])
        left.plot(group["energy"][:] * speed**2, weight, ".", color=colour(name), markersize=2, alpha=0.7)
        least, most = min(least, float(weight.min())), max(most, float(weight.max()))
    left.set(yscale="log", xlim=(0, None), ylim=(max(least, most / 1e8) / 2, 4 * most))
    left.set(xlabel=r"$E_{nl}\;\;[(\mathrm{km/s})^2]$", ylabel=r"weight $w_{nl}=|a_{nl}|^2$")
    mass = np.array([_mass(file, name) for name in names])
    for values, marker, label in (
        ([float(group.attrs["weight_sum"]) for group in groups], "o", "line mass in the modes"),
        ([1 + core_difference(file[f"{FILAMENTS}/{name}/profile"]) for name in names], "s", "density in the core"),
    ):
        right.scatter(mass, values, 10, [colour(name) for name in names], marker=marker)
        right.scatter([], [], 10, GREY, marker=marker, label=label)
    right.axhline(1, color="black", linewidth=0.6)
    right.set(xscale="log", xlabel=rf"$M\;\;[{MSUN}]$", ylabel="modes / equilibrium")
    low, high = right.get_ylim()
    right.set_ylim(low - 0.4 * (high - low), high)
    right.legend(loc="lower left")
    few_log_ticks(right.xaxis)
    _bar(figure, file, [left, right])
    return figure


def single_powers(file: h5py.File) -> Figure:
    """Exact spectra of all filaments, with fringes and without, and their ratios."""
    names, colour, about = _chosen(file, SINGLE_POWER)
    groups = [file[f"{SINGLE_POWER}/{name}"] for name in names]
    figure = filament_figure(file, COLUMN, 4.0, about)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    peak = max(float(group["power_fdm"][:].max()) for group in groups)
    floor = peak / 10**POWER_DECADES
    lines = []
    for name, group in zip(names, groups, strict=True):
        k, fdm, smooth = (group[of][:] for of in ("k", "power_fdm", "power_smooth"))
        upper.loglog(k[smooth > 0], smooth[smooth > 0], **SMOOTH | {"linewidth": 0.6, "alpha": 0.5})
        upper.loglog(k[fdm > 0], fdm[fdm > 0], color=colour(name), **FAINT)
        meant = np.minimum(fdm, smooth) > floor
        lines.append((k[meant], fdm[meant] / smooth[meant], {"color": colour(name)} | FAINT))
    upper.set(xlim=(groups[0]["k"][0], max(group["k"][-1] for group in groups)), ylim=(floor, 5 * peak))
    upper.set_ylabel(r"$P(k)\,/\,M^2$, all orientations")
    upper.plot([], [], color=GREY, label=r"fuzzy dark matter, $|\psi|^2$")
    upper.plot([], [], label=r"smooth, $\langle|\psi|^2\rangle$", **SMOOTH)
    upper.legend(loc="lower left")
    draw_excess(lower, lines)
    lower.set_xlabel(WAVENUMBER)
    _bar(figure, file, [upper, lower])
    figure.align_ylabels()
    return figure


def _chosen(file: h5py.File, folder: str) -> tuple[list[str], Callable[[str], tuple], str]:
    """Names of the filaments that are drawn, from the lightest on, their colours, and what is left out, in words."""
    names = sorted(file[folder], key=lambda name: _mass(file, name))
    norm = _norm(file)
    kept = np.unique(np.round(np.linspace(0, len(names) - 1, min(MOST, len(names)))).astype(int))
    about = f"{len(kept)} of them are drawn" if len(kept) < len(names) else ""
    return [names[index] for index in kept], lambda name: MASSES(norm(_mass(file, name))), about


def _mass(file: h5py.File, name: str) -> float:
    return float(file[f"{GAS}/mass"][int(name)])


def _norm(file: h5py.File) -> LogNorm:
    mass = file[f"{GAS}/mass"][:]
    return LogNorm(mass.min(), max(mass.max(), 1.01 * mass.min()))


def _bar(figure: Figure, file: h5py.File, panels: list) -> None:
    """A bar of colours of masses."""
    of_mass = ScalarMappable(_norm(file), MASSES)
    bar = figure.colorbar(of_mass, ax=panels, label=rf"$M\;\;[{MSUN}]$", pad=0.02, aspect=30)
    few_log_ticks(bar.ax.yaxis)
