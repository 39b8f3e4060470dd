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

from ..io.schema import PROFILE_FIT
from .gas import core_difference, is_gas, profiles
from .gas import weights as weights_of_gas
from .style import (
    BAND,
    COLUMN,
    FIRST_FILAMENT,
    GREEN,
    KPC,
    MAP_TICKS,
    MPC,
    PAGE,
    SCALE,
    SMOOTH,
    YELLOW,
    Look,
    filament_figure,
    fringes,
    log_range,
    mark_line,
    method_in_words,
    percent,
)

INTEGERS: dict[str, Any] = {"nbins": 8, "integer": True, "steps": [1, 2, 5, 10]}
DENSITY_DECADES = 4.5  # shown in a density map; <|psi|^2> falls by 4 decades out to R_99
DENSITY_LABEL = r"$|\psi|^2\,/\,\bar\rho_\mathrm{m}$"
SHOWN = (0.0, 0.25, 0.5, 1.0, 2.0)  # coherence times after the first frame, of those that are drawn
WEIGHT_DECADES = 8.0  # of weights shown at most
LOG_CONTRAST = 1.0  # shown of log10 |psi|^2/<|psi|^2>, which has no lower bound at the nodes of psi


def cross_section(file: h5py.File) -> Figure:
    """|psi|^2 across the filament, its log ratio to the phase average, and the phase of psi with its vortices."""
    group, profile = file[f"{FIRST_FILAMENT}/cross_section"], file[f"{FIRST_FILAMENT}/profile"]
    line, density = 1e3 * group["coordinate"][:], group["density"][:].astype(float)
    figure = filament_figure(file, PAGE, 3.3, "dashed: 95 % of the mass")
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    placed = _placed(line)
    image = show_density(file, panels[0], density, log_range(density, DENSITY_DECADES))
    _bar_below(figure, image, DENSITY_LABEL, "min")

    mean = _phase_average(profile, np.hypot(line, line[:, None]) / 1e3)
    # nan, not masked_all, which leaves memory as it is under the mask: Matplotlib computes with that too, and may warn
    contrast = np.full(density.shape, np.nan)
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

    for panel in panels[1:]:
        _frame_map(file, panel, "black")
    return figure


def cross_section_frames(file: h5py.File) -> Figure:
    """|psi|^2 across the filament at several times within two coherence times, on one colour scale."""
    group = file[f"{FIRST_FILAMENT}/cross_section"]
    times = group["frame_time"][:]
    coherence = float(group.attrs.get("coherence_time", times[-1] - times[0]))
    wanted = times[0] + coherence * np.array(SHOWN)
    shown = np.unique([int(np.argmin(np.abs(times - time))) for time in wanted])
    densities = [group["frames"][int(frame)] for frame in shown]
    norm = log_range(densities, DENSITY_DECADES)
    figure = filament_figure(file, PAGE, 1.85, about_coherence(group), "dashed: 95 % of the mass")
    panels = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for panel, density, time in zip(panels, densities, times[shown], strict=True):
        image = show_density(file, panel, density, norm, named=False)
        panel.set_title(f"{time:.3g} Myr")
    figure.colorbar(image, ax=panels, label=DENSITY_LABEL, extend="min", pad=0.01, aspect=16)
    return figure


def about_coherence(group: h5py.Group) -> str:
    """The coherence time of the fringes, for the first line; empty where they have none."""
    coherence = group.attrs.get("coherence_time")
    return "" if coherence is None else rf"coherence time ${coherence:.3g}\,\mathrm{{Myr}}$"


def show_density(file: h5py.File, panel: Axes, density: np.ndarray, norm: Any, named: bool = True) -> AxesImage:
    """|psi|^2 across the filament in a panel, with R_95 and, where named, the de Broglie length; returns the image."""
    line = 1e3 * file[f"{FIRST_FILAMENT}/cross_section/coordinate"][:]
    image = panel.imshow(np.maximum(density, norm.vmin), norm=norm, cmap="magma", **_placed(line))
    r95 = _frame_map(file, panel, "white")
    if not named:
        return image
    white: Look = {"textcoords": "offset points", "color": "white"}
    panel.annotate("$R_{95}$", (0, r95), (0, 2), ha="center", **white)
    length = de_broglie_length(file)
    if length is not None:
        left, right, low = 0.9 * line[0], 0.9 * line[0] + 1e3 * length, 0.9 * line[0]
        panel.plot([left, right], [low, low], color="white", linewidth=2, solid_capstyle="butt")
        panel.annotate(rf"$\lambda_\mathrm{{dB}}={1e3 * length:.3g}\,{KPC}$", (left, low), (0, 4), **white)
    return image


def _placed(line: np.ndarray) -> dict[str, Any]:
    """Where a picture of points of the square lies."""
    half_step = (line[1] - line[0]) / 2
    return {"extent": [line[0] - half_step, line[-1] + half_step] * 2, "aspect": "equal"}


def _frame_map(file: h5py.File, panel: Axes, colour: str) -> float:
    """Draw R_95 and name the axes of a map across the filament; returns R_95."""
    r95 = 1e3 * float(file[f"{FIRST_FILAMENT}/profile"].attrs["r95"])
    panel.add_patch(Circle((0, 0), r95, fill=False, edgecolor=colour, linestyle="--", linewidth=0.8))
    panel.set(xlabel=rf"$u\;\;[{KPC}]$", ylabel=rf"$v\;\;[{KPC}]$")
    panel.tick_params(**MAP_TICKS)
    panel.label_outer()
    return r95


def profile(file: h5py.File) -> Figure:
    """Target density, the sum over modes and measured rows against radius, and their relative differences.

    Of a gas, those of many filaments, see `gas.profiles`.
    """
    if is_gas(file):
        return profiles(file)
    group, measured = file[f"{FIRST_FILAMENT}/profile"], file.get(f"{FIRST_FILAMENT}/{PROFILE_FIT}")
    radius, target, modes = (group[name][:] for name in ("radius", "density", "density_modes"))
    edges = {share: float(group.attrs[f"r{share}"]) for share in (50, 95, 99)}
    first = edges[50] / 20
    if measured is not None:
        first = min(first, 0.8 * float(measured["radius"][0]))
    shown = (radius >= first) & (radius <= 1.6 * edges[99]) & (target > 0)
    radius, target, modes = radius[shown], target[shown], modes[shown]
    difference = modes / target - 1

    figure = filament_figure(file, COLUMN, 3.6 if measured is None else 4.3, _about_fit(measured))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    of_target = "equilibrium" if measured is None else "best fit" if "chi_squared" in measured.attrs else "measured"
    upper.loglog(radius, target, label=rf"{of_target}, $\rho$", **SMOOTH)
    of_modes = rf"modes, $\langle|\psi|^2\rangle$: {percent(core_difference(group))} in the core"
    upper.loglog(radius[modes > 0], modes[modes > 0], label=of_modes, **fringes(file))
    last = radius[-1] if measured is None else max(radius[-1], 1.15 * float(measured["radius"][-1]))
    upper.set(xlim=(radius[0], last), ylim=(target.min() / 3, 5 * max(target.max(), modes.max())))
    upper.set_ylabel(r"$\rho\,/\,\bar\rho_\mathrm{m}$")
    lower.plot(radius, difference, **fringes(file))
    lower.axhline(0, color="black", linewidth=0.8)
    # the energy cut removes everything outside; the panel shall show how well the modes do inside
    limit = 1.4 * np.max(np.abs(difference[radius <= edges[95]]), initial=0)
    label = r"$\langle|\psi|^2\rangle\,/\,\rho\;-\;1$"
    if measured is not None:
        limit = max(limit, _draw_measured(upper, lower, measured, radius, target))
        label = r"over $\rho\;-\;1$"
    upper.plot([], [], label="radius that holds 50, 95, 99 %\nof the line mass", **SCALE)
    upper.legend(loc="lower left")
    limit = float(np.clip(limit, 0.05, 1.05))
    lower.set(ylim=(-limit, limit), ylabel=label, xlabel=rf"$R\;\;[{MPC}]$")
    for share, edge in edges.items():
        mark_line((upper, lower), edge, f"$R_{{{share}}}$")
    figure.align_ylabels()
    return figure


def _about_fit(measured: h5py.Group | None) -> str:
    """chi-squared of the fit to a measured profile, for the first line; empty without one."""
    if measured is None or "chi_squared" not in measured.attrs:
        return ""
    value, freedom, chance = (measured.attrs[name] for name in ("chi_squared", "degrees_of_freedom", "p_value"))
    return rf"{measured.attrs['method']} fit: $\chi^2/\nu={value:.3g}/{freedom:.3g}$, $p={chance:.2g}$"


def _draw_measured(upper: Axes, lower: Axes, measured: h5py.Group, radius: np.ndarray, target: np.ndarray) -> float:
    """Draw the rows of a measured profile with their errors, and the band; returns a limit that shows their ratios."""
    place, density = measured["radius"][:], measured["density"][:]
    error = measured["error"][:] if "error" in measured else np.zeros(len(density))
    model = measured["model"][:] if "model" in measured else np.exp(np.interp(place, radius, np.log(target)))
    points: Look = {"fmt": "o", "color": "black", "markersize": 2, "elinewidth": 0.7, "zorder": 4}
    positive = density > 0
    low = np.minimum(error, 0.999 * np.abs(density))  # a bar to zero has no end on a logarithmic axis
    bars = np.array([low, error])[:, positive]
    upper.errorbar(place[positive], density[positive], bars, label="measured", **points)
    lower.errorbar(place, density / model - 1, error / model, **points)
    if "band_low" in measured:
        at, edges = measured["band_radius"][:], [measured[f"band_{edge}"][:] for edge in ("low", "high")]
        label = f"holds {100 * measured.attrs['band_share']:.3g} % of {measured.attrs['draws']} draws"
        upper.fill_between(at, *edges, **BAND, label=label)
        mean = np.exp(np.interp(np.log(at), np.log(radius), np.log(target)))
        inside = (at >= radius[0]) & (at <= radius[-1])
        lower.fill_between(at[inside], *(edge[inside] / mean[inside] - 1 for edge in edges), **BAND)
    return float(1.2 * np.max(np.abs(density / model - 1) + error / model))


def weights(file: h5py.File) -> Figure:
    """Weight of each mode against its energy, and the modes in the plane of their quantum numbers.

    Of a gas, those of many filaments, see `gas.weights`.
    """
    if is_gas(file):
        return weights_of_gas(file)
    group = file[f"{FIRST_FILAMENT}/modes"]
    energy, weight, n, l = (group[name][:] for name in ("energy", "weight", "n", "l"))
    speed = float(file[FIRST_FILAMENT].attrs["velocity_unit"])
    cut = float(group.attrs["energy_cut"]) * speed**2
    method = method_in_words(group.attrs["weights"])
    about = rf"{method}: {len(weight)} of {group.attrs['library_modes']} modes, $E<({cut**0.5:.3g}\,\mathrm{{km/s}})^2$"
    norm = log_range(weight, WEIGHT_DECADES)
    norm.vmin = max(norm.vmin, weight.min())

    figure = filament_figure(file, PAGE, 3.0, about)
    left, right = figure.subplots(1, 2)
    size = float(np.clip(3e3 / len(weight), 3, 15))
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
    size = float(np.clip(1300 / max(len(x), 1), 0.3, 13))
    for sign, marker, colour, name in ((1, "o", YELLOW, "+"), (-1, "D", GREEN, "$-$")):
        chosen = np.sign(winding) == sign
        style: Look = {"marker": marker, "color": colour, "edgecolors": "black", "linewidths": min(0.5, size / 12)}
        label = f"{np.count_nonzero(chosen)} vortices {name}"
        panel.scatter(1e3 * x[chosen], 1e3 * y[chosen], size, label=label, **style)
    tight = {"borderaxespad": 0.2, "handletextpad": 0.1, "columnspacing": 1.0}
    panel.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, markerscale=(13 / size) ** 0.5, **tight)
