"""Figures of P(k, mu), mu = |k_axis|/k, of densities in a box or of a snapshot, and of the multipoles of a snapshot."""

import h5py
import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray

from ..errors import InputError
from ..io.schema import POWER
from .box import first_frame
from .measured_power import NOISE, draw_positive, mark_nyquist, noise_label, snapshot_group, title_of_snapshot
from .style import (
    COLUMN,
    GREEN,
    GREY,
    LABELS,
    MPC,
    POWER_DECADES,
    SKY,
    VERMILION,
    WAVENUMBER,
    Look,
    few_log_ticks,
    filament_figure,
    new_figure,
)

ANGLES = colormaps["viridis"]
LAST_COLOUR = 0.88  # in that map: its end is too light for lines
MOST_BANDS = 6  # bins of mu up to which errors are drawn: more bands hide each other
MOST_EDGES = 6  # bins of mu up to which every edge has a tick
ERROR, OPACITY = "error of a Gaussian field", 0.18
RARE = 0.01  # share of values below the range of an axis: differences from shot noise may be tiny by chance
MULTIPOLES: dict[str, Look] = {
    "monopole $P_0$": {"color": VERMILION},
    "quadrupole $P_2$": {"color": SKY, "linestyle": (0, (5, 2))},
    "hexadecapole $P_4$": {"color": GREEN, "linestyle": (0, (5, 1.5, 1, 1.5))},
}
LINEAR = 300.0  # ratio of the largest to the least k P_0 up to which the axis is linear
DECADES, MOST_TICKS = 4.0, 4  # shown on each side of zero where it is not
MOST = 1.6  # largest value shown over the largest k P_0, on a linear axis: those of few modes may be far larger
SURE = 2.0  # values over their errors, from which they count for the scale of the axis


def power_mu(file: h5py.File) -> Figure:
    """P(k, mu), a line for each bin of mu, of both densities in the box; or of a snapshot, with errors."""
    measured = snapshot_group(file[POWER])
    if measured is None:
        groups = {name: first_frame(file[f"{POWER}/{name}_mu"]) for name in LABELS if f"{POWER}/{name}_mu" in file}
        figure = filament_figure(file, COLUMN, 3.2, of_box=True)
    else:
        groups = {"": file[f"{measured.name}_mu"]}
        figure = new_figure(COLUMN, 3.4, title_of_snapshot(measured))
    panel = figure.subplots()
    panel.set(
        xscale="log", yscale="log"
    )  # before anything is drawn: a uniform density has no power to take a range from
    first = next(iter(groups.values()))
    k, edges, nyquist = first["k"][1:], first["mu_edges"][:], float(first.attrs["nyquist"])  # the first row is k = 0
    colours = ANGLES(np.linspace(0, LAST_COLOUR, len(edges) - 1))
    handles: list[Artist] = []
    for name, group in groups.items():
        look: Look = {"linestyle": "--" if name == "smooth" else "-"}
        if name:
            handles.append(Line2D([], [], color=GREY, label=LABELS[name], **look))
        handles += _draw_angles(panel, group, colours, look)
    if measured is not None and "shot_noise" in measured:
        handles[1:1] = panel.loglog(k, measured["shot_noise"][1:], label=noise_label(measured), **NOISE)
    last = 1.2 * nyquist if measured is None else k[-1]
    panel.set(xlim=(min(k[0], nyquist / 2), max(last, 2 * k[0])), xlabel=WAVENUMBER)
    rows = k <= max(nyquist, k[0])
    certain = np.concatenate([_certain(group, rows) for group in groups.values()])
    if certain.size:
        peak = max(float(np.nanmax(group["power"][1:][rows])) for group in groups.values())
        panel.set_ylim(max(float(np.quantile(certain, RARE)) / 2, peak / 10**POWER_DECADES), 2 * peak)
    panel.set_ylabel(rf"$P(k,\mu)\;\;[({MPC})^3]$")
    few_log_ticks(panel.yaxis)
    few_log_ticks(panel.xaxis)
    mark_nyquist([panel], nyquist, k[-1])
    axis = first.attrs.get("axis", "z" if measured is None else r"\parallel")  # not stored by earlier versions
    bar = figure.colorbar(
        ScalarMappable(BoundaryNorm(edges, len(colours)), ListedColormap(colours)),
        ax=panel,
        label=rf"$\mu=|k_{{{axis}}}|/k$",
        ticks=edges if len(colours) <= MOST_EDGES else [0, 0.25, 0.5, 0.75, 1],
        format="{x:.3g}",
        spacing="proportional",
        pad=0.02,
        aspect=30,
    )
    bar.minorticks_off()
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=1)
    return figure


def _certain(group: h5py.Group, rows: NDArray) -> NDArray:
    """Positive values of P(k, mu) in some rows, above their errors where these are known."""
    values = group["power"][1:][rows]
    least = np.nan_to_num(group["error"][1:][rows]) if "error" in group else 0
    certain = values > 0.999 * least  # two modes have an error of 100 %
    return values[certain & (values > 0)]


def _draw_angles(panel: Axes, group: h5py.Group, colours: NDArray, look: Look) -> list[Artist]:
    """Draw a line for each bin of mu, and bands where errors are known; returns what a legend has to say of them."""
    k, powers, handles = group["k"][1:], group["power"][1:], list[Artist]()
    banded = "error" in group and len(colours) <= MOST_BANDS
    for number, colour in enumerate(colours):
        error = group["error"][1:, number] if banded else None
        draw_positive(panel, k, powers[:, number], error, OPACITY, color=colour, **look)
    if banded:
        handles.append(Patch(color=GREY, alpha=OPACITY, linewidth=0, label=ERROR))
    if (powers <= 0).any():
        handles.append(Line2D([], [], linestyle="none", label="gaps: not positive"))
    return handles


def multipoles(file: h5py.File) -> Figure:
    """k P_0, k P_2 and k P_4 of a snapshot with their errors, and k times the shot noise."""
    measured = snapshot_group(file[POWER])
    if measured is None:
        raise InputError(f"{file.filename}: multipoles without the P(k) of their snapshot")
    group = file[f"{measured.name}_multipoles"]
    k, nyquist = group["k"][1:], float(group.attrs["nyquist"])  # the first row is k = 0
    values = k[:, None] * group["power"][1:]
    figure = new_figure(COLUMN, 3.2, [*title_of_snapshot(measured), f"along ${group.attrs['axis']}$"])
    panel = figure.subplots()
    panel.axhline(0, color="black", linewidth=0.6)
    handles: list[Artist] = []
    marker = "." if len(k) == 1 else ""  # a line of one point would not show
    for number, (label, look) in enumerate(MULTIPOLES.items()):
        handles += panel.plot(k, values[:, number], label=label, marker=marker, **look)
        if "error" in group:
            bar = k * group["error"][1:, number]
            band: Look = {"color": look["color"], "alpha": OPACITY, "linewidth": 0, "zorder": 1}
            panel.fill_between(k, values[:, number] - bar, values[:, number] + bar, **band)
    if "shot_noise" in measured:
        handles += panel.plot(k, k * measured["shot_noise"][1:], label=noise_label(measured), **NOISE)
    if "error" in group:
        handles.append(Patch(color=GREY, alpha=OPACITY, linewidth=0, label=ERROR))
    panel.set(xscale="log", xlim=(min(k[0], nyquist / 2), max(k[-1], 2 * k[0])), xlabel=WAVENUMBER)
    rows = k <= max(nyquist, k[0])
    error = k * group["error"][1:, 0] if "error" in group else np.zeros_like(k)
    _set_range(panel, values[rows], error[rows])
    panel.set_ylabel(rf"$k\,P_\ell(k)\;\;[({MPC})^2]$")
    few_log_ticks(panel.xaxis)
    mark_nyquist([panel], nyquist, k[-1])
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure


def _set_range(panel: Axes, values: NDArray, error: NDArray) -> None:
    """The range of an axis for k P_l, shape (bins, 3): linear, or over decades on both sides of zero.

    error  of k P_0, shape (bins,)
    """
    peak = float(np.abs(values[:, 0]).max()) or 1.0
    sure = np.abs(values[:, 0])[values[:, 0] > SURE * error]
    low, high = float(min(values.min(), 0)), float(max(values.max(), 0))
    if not sure.size or float(np.quantile(sure, RARE)) * LINEAR > peak:
        low, high = max(low, -MOST * peak), min(high, MOST * peak)
        room = 0.1 * (high - low) or 1.0
        panel.set_ylim(low - room, high + room)
        return
    peak = max(high, -low)
    small = float(np.clip(np.quantile(np.abs(values), 0.1), peak / 10**DECADES, peak / 100))
    first, last = int(np.floor(np.log10(small))), int(np.floor(np.log10(2 * peak)))
    panel.set_yscale("symlog", linthresh=10.0**first, linscale=0.5)
    panel.set_ylim(min(2 * low, -(10.0**first)), max(2 * high, 10.0**first))
    powers = 10.0 ** np.arange(last, first, -max(1, -(-(last - first) // MOST_TICKS)))
    panel.set_yticks([*-powers, 0, *powers[::-1]])
