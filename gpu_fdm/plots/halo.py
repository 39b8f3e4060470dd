"""Figure of a halo: its density over radius, and in the plane through its centre where the densities are stored."""

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..io.schema import DENSITY
from .box import Side, first_frame
from .style import COLUMN, FIRST_HALO, GREY, MAP_TICKS, MPC, MSUN, PAGE, filament_figure, log_range, mass_in_words

SLICE_DECADES = 4.5  # shown in a map of density
_TITLES = {"fdm": r"$|\psi|^2$", "smooth": r"$\langle|\psi|^2\rangle$"}
_DENSITY = r"density  $[\bar\rho_\mathrm{m}]$"


def halo(file: h5py.File) -> Figure:
    """The first halo: profile of the equilibrium and of the states, and densities of the box around it."""
    group = file.get(DENSITY, {})
    names = [name for name in _TITLES if name in group]
    figure = filament_figure(file, PAGE if names else COLUMN, 2.7, of_box=True)
    profile, *maps = figure.subplots(1, len(names) + 1, squeeze=False, width_ratios=[1.1] + [1] * len(names))[0]
    _draw_profile(profile, file[FIRST_HALO])
    if not names:
        return figure
    side, attributes = Side.of(file), file[FIRST_HALO].attrs
    window = [_around(first_frame(group[name]), side, attributes) for name in names]
    norm = log_range([plane for plane, _ in window], SLICE_DECADES)
    for panel, name, (plane, extent) in zip(maps, names, window, strict=True):
        image = panel.imshow(np.maximum(plane, norm.vmin), norm=norm, cmap="magma", extent=extent)
        panel.set(title=_TITLES[name], xlabel=rf"${'xyz'[side.right]}\;\;[{MPC}]$")
        panel.tick_params(**MAP_TICKS)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    maps[0].set_ylabel(rf"${'xyz'[side.upward]}\;\;[{MPC}]$")
    figure.colorbar(image, ax=maps, label=_DENSITY, extend="min", pad=0.02, aspect=30)
    return figure


def _draw_profile(panel: Axes, group: h5py.Group) -> None:
    """Densities of the equilibrium and of the states over radius."""
    profile, radius = group["profile"], float(group.attrs["radius"])
    r, states = profile["radius"][:], profile["density_states"][:]
    panel.loglog(r, profile["density"][:], color=GREY, linestyle="--", label="equilibrium")
    panel.loglog(r, states, color="k", label=r"states, $\langle|\psi|^2\rangle$")
    panel.axvline(radius, color=GREY, linestyle=":", label="radius of the mass")
    top = max(profile["density"][:].max(), states.max())
    panel.set(xlabel=rf"$r\;\;[{MPC}]$", ylabel=_DENSITY, ylim=(top / 10**5, 2 * top), xlim=(r[-1] / 300, r[-1]))
    panel.set_title(rf"$M={mass_in_words(group.attrs['mass'])}\,{MSUN}$")
    panel.legend(loc="lower left")


def _around(density: h5py.Dataset, side: Side, attributes: h5py.AttributeManager) -> tuple[np.ndarray, tuple]:
    """The plane of cells through the centre of a halo, up to four times its radius or half the box, and its extent."""
    cell = side.size / density.shape
    number = (np.asarray(attributes["centre"]) / cell).astype(int) % density.shape
    plane = density[(slice(None),) * side.along + (int(number[side.along]),)]
    picture, extent = side.upright(plane), []
    for axis, name in ((1, side.right), (0, side.upward)):
        count = density.shape[name]
        half = min(int(4 * float(attributes["radius"]) / cell[name]), (count - 1) // 2)
        picture = np.take(picture, np.arange(number[name] - half, number[name] + half + 1) % count, axis)
        extent += [(number[name] - half) * cell[name], (number[name] + half + 1) * cell[name]]
    return picture, tuple(extent)
