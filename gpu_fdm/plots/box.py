"""Figures of the box: column densities and power spectra."""

from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from ..io.schema import DENSITY, GAS, POWER
from .cross import cross_power
from .measured_power import NOISE, draw_positive, mark_nyquist, noise_label, snapshot_group, title_of_snapshot
from .style import (
    COLUMN,
    FIRST_FILAMENT,
    LABELS,
    MAP_TICKS,
    MPC,
    PAGE,
    POWER_DECADES,
    SMOOTH,
    VERMILION,
    WAVENUMBER,
    draw_excess,
    filament_figure,
    fringes,
    log_range,
    new_figure,
)

MAPS = {"fdm": "fuzzy dark matter", "smooth": "the same without fringes"}
COLUMN_DECADES = 4.0  # shown in a map of column density
SLAB_BYTES = 2**26  # of a density in memory at a time


def projection(file: h5py.File) -> Figure:
    """Column densities of the box, along a line of sight across the filament where there is one."""
    group, side = file[DENSITY], Side.of(file)
    names = [name for name in LABELS if name in group]
    maps = [side.column(first_frame(group[name])) for name in names]
    norm = log_range(maps, COLUMN_DECADES)
    rows, columns, width, height = side.layout(len(names))
    attributes = file[FIRST_FILAMENT].attrs if FIRST_FILAMENT in file else {}
    about = rf"$L={attributes['length']:.3g}\,{MPC}$" if attributes and GAS not in file else ""
    figure = filament_figure(file, width, height, about, f"seen along ${'xyz'[side.along]}$", of_box=True)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel, name, column in zip(panels.flat, names, maps, strict=True):
        image = side.show(panel, name, column, norm)
    label = rf"column density  $[\bar\rho_\mathrm{{m}}\,{MPC}]$"
    figure.colorbar(image, ax=panels, label=label, extend="min", pad=0.02, aspect=30)
    return figure


@dataclass(frozen=True)
class Side:
    """The side from which a box is seen.

    size  of the box [cMpc/h];  along  axis of the line of sight;  right, upward  axes of the picture
    """

    size: np.ndarray
    along: int
    right: int
    upward: int

    @classmethod
    def of(cls, file: h5py.File) -> "Side":
        """The side on which the filament lies longest, where there is one."""
        attributes = file[FIRST_FILAMENT].attrs if FIRST_FILAMENT in file else {}
        size = np.broadcast_to(np.asarray(file[DENSITY].attrs["box_size"], float), 3)
        direction = np.abs(attributes.get("direction", np.zeros(3)))
        along = int(np.argmin(direction))
        # the longer side of the picture is horizontal; of two equal ones, that nearer to the axis of the filament
        upward, right = sorted({0, 1, 2} - {along}, key=lambda axis: (size[axis], direction[axis], -axis))
        return cls(size, along, right, upward)

    @property
    def flatness(self) -> float:
        """Width over height."""
        return self.size[self.right] / self.size[self.upward]

    def column(self, density: h5py.Dataset) -> np.ndarray:
        """Column density, rows upward [mean matter densities cMpc/h]."""
        column = project(density, self.along) * self.size[self.along] / density.shape[self.along]
        return self.upright(column)

    def upright(self, plane: np.ndarray) -> np.ndarray:
        """A picture of the two axes across the line of sight, in their order, with rows upward."""
        return plane if self.upward < self.right else plane.T

    def layout(self, pictures: int) -> tuple[int, int, float, float]:
        """Rows and columns for a number of pictures, and width and height of their figure [inch]."""
        rows = pictures if self.flatness > 2 else 1
        columns = pictures // rows
        width = PAGE if self.flatness > 2 or columns > 1 else COLUMN
        # a picture flatter than 6 to 1 is stretched, for its labels to have room
        height = max(2.0, 0.62 + rows * (((width - 1.1) / columns - 0.22) / min(self.flatness, 6) + 0.22))
        return rows, columns, width, height

    def show(self, panel: Axes, name: str, column: np.ndarray, norm: Any) -> AxesImage:
        """Draw a column density in a panel; returns the image."""
        extent = (0, self.size[self.right], 0, self.size[self.upward])
        panel.set(xlabel=rf"${'xyz'[self.right]}\;\;[{MPC}]$", ylabel=rf"${'xyz'[self.upward]}\;\;[{MPC}]$")
        panel.set_title(MAPS[name])
        panel.tick_params(**MAP_TICKS)
        # not as many as fit: their number would change while the layout is found; clear of the next panel's
        panel.xaxis.set_major_locator(
            MaxNLocator(5, steps=[1, 2, 5, 10], prune="upper" if self.flatness <= 2 else None)
        )
        panel.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        panel.label_outer()
        image = panel.imshow(np.maximum(column, norm.vmin), norm=norm, cmap="magma", extent=extent)
        panel.set_aspect("equal" if self.flatness <= 6 else "auto")
        return image


def power(file: h5py.File) -> Figure:
    """P(k) of the densities in the box, and the ratio of the interfering to the smooth one; or P(k) of snapshots."""
    group = file[POWER]
    measured = snapshot_group(group)
    if measured is not None:
        crossed = f"{measured.name}_cross" in file
        return cross_power(file, measured) if crossed else _snapshot_power(measured)
    names = [name for name in LABELS if name in group]
    groups = {name: first_frame(group[name]) for name in names}
    spectra = {name: of_field["power"][1:] for name, of_field in groups.items()}
    k = groups[names[0]]["k"][1:]  # the first row is k = 0
    nyquist = float(groups[names[0]].attrs["nyquist"])
    first, last = min(k[0], nyquist / 2), max(1.2 * nyquist, 2 * k[0])  # wide bins may begin beyond
    resolved = k <= max(nyquist, k[0])
    lowest = min(values[resolved & (values > 0)].min() for values in spectra.values())
    floor = max(lowest / 3, max(values.max() for values in spectra.values()) / 10**POWER_DECADES)

    figure = filament_figure(file, COLUMN, 3.8 if len(names) == 2 else 2.6, of_box=True)
    panels = figure.subplots(len(names), 1, sharex=True, squeeze=False, height_ratios=(2, 1)[: len(names)])[:, 0]
    for name, values in spectra.items():
        look = fringes(file) if name == "fdm" else SMOOTH
        panels[0].loglog(k[values > 0], values[values > 0], label=LABELS[name], **look)
    panels[0].set(xlim=(first, last), ylabel=rf"$P(k)\;\;[({MPC})^3]$")
    panels[0].set_ylim(bottom=floor)
    panels[0].legend(loc="lower left")
    if len(names) == 2:
        meant = (k <= nyquist) & (np.minimum(spectra["fdm"], spectra["smooth"]) > floor)
        ratio = spectra["fdm"][meant] / spectra["smooth"][meant]
        draw_excess(panels[1], [(k[meant], ratio, fringes(file))])
    mark_nyquist(panels, nyquist, last)
    panels[-1].set_xlabel(WAVENUMBER)
    figure.align_ylabels()
    return figure


def _snapshot_power(measured: h5py.Group) -> Figure:
    """P(k) of one field with its error, and the shot noise of as many particles."""
    k, values, error = (measured[name][1:] for name in ("k", "power", "error"))  # the first row is k = 0
    nyquist = float(measured.attrs["nyquist"])
    figure = new_figure(COLUMN, 2.9, title_of_snapshot(measured))
    panel = figure.subplots()
    seen = values > 0
    label = "measured" if seen.all() or not seen.any() else "measured (gaps: not positive)"
    panel.set(xscale="log", yscale="log")
    draw_positive(panel, k, values, error, 0.2, color=VERMILION, label=label)
    if "shot_noise" in measured:
        panel.loglog(k, measured["shot_noise"][1:], label=noise_label(measured), **NOISE)
    panel.set(xlim=(min(k[0], nyquist / 2), max(k[-1], 2 * k[0])), xlabel=WAVENUMBER)
    panel.set_ylabel(rf"$P(k)\;\;[({MPC})^3]$")
    mark_nyquist([panel], nyquist, k[-1])
    figure.legend(loc="outside lower center")
    return figure


def project(density: h5py.Dataset, axis: int) -> np.ndarray:
    """The sum of a density over one axis, read in slabs of planes, so that a box larger than memory can be shown.

    density  shape (nx, ny, nz);  returns float64, the shape of the other two axes
    """
    planes = max(1, SLAB_BYTES // (density.dtype.itemsize * density.shape[1] * density.shape[2]))
    column = np.zeros([cells for i, cells in enumerate(density.shape) if i != axis])
    for first in range(0, density.shape[0], planes):
        part = column if axis == 0 else column[first : first + planes]
        part += density[first : first + planes].sum(axis=axis, dtype=np.float64)
    return column


def first_frame(item: Any) -> Any:
    """The first frame of a time series; any other dataset or group itself."""
    return item["0"] if isinstance(item, h5py.Group) and "0" in item else item
