"""Projected densities of the first seed of a simulation, all seen along one axis."""

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from ..io.schema import SIMULATION
from .simulation import about_simulation, epoch_at, epochs_of, first_seed, runs_of, spread
from .style import MAP_TICKS, MPC, PAGE, few_log_ticks, new_figure

MOST_PICTURES = 4  # epochs shown of a run
PICTURE_DECADES = 3.0  # shown of projections below their peak, at most
MAP = "magma"
AXES = "xyz"


def frames(file: h5py.File) -> Figure:
    """Projected densities: a row for each run, a column for each of a few epochs."""
    folder, runs, view = first_seed(file), runs_of(file), View.of(file)
    redshifts = spread([epoch.attrs["redshift"] for epoch in epochs_of(folder[runs[0]])], MOST_PICTURES)
    pictures = [[view.picture(epoch_at(folder[run], redshift)) for redshift in redshifts] for run in runs]
    norm = view.norm([picture for row in pictures for picture in row])
    width = 5.4 / len(redshifts)  # of a picture [inch]
    about = about_simulation(file, of_first=True)
    figure = new_figure(PAGE, 0.85 + len(runs) * (width / view.flatness + 0.08), about)
    panels = figure.subplots(len(runs), len(redshifts), sharex=True, sharey=True, squeeze=False)
    for row, (run, of_run) in enumerate(zip(runs, pictures, strict=True)):
        for panel, redshift, picture in zip(panels[row], redshifts, of_run, strict=True):
            image = view.show(panel, picture, norm)
            panel.set_title(f"$z={redshift:.4g}$" if row == 0 else "")
            panel.label_outer()
        title = str(folder[run].attrs["title"]).replace(", ", ",\n")
        panels[row, 0].set_ylabel(f"{title}\n{panels[row, 0].get_ylabel()}")
    few_log_ticks(figure.colorbar(image, ax=panels, label=view.label, extend="min", pad=0.02, aspect=30).ax.yaxis)
    return figure


@dataclass(frozen=True)
class View:
    """How all projections of a simulation are seen: along the axis where they vary most, the densest column centred.

    axis   0, 1 or 2, along which densities are averaged;  size  of the box [cMpc/h]
    shift  pixels by which pictures are moved round the periodic box
    """

    axis: int
    size: tuple[float, float, float]
    shift: tuple[int, int]

    @classmethod
    def of(cls, file: h5py.File) -> "View":
        """The view that suits the first run at its last epoch."""
        group = file[SIMULATION]
        last = epochs_of(first_seed(file)[runs_of(file)[0]])[-1]
        pictures = [last[f"projection_{name}"][:] for name in AXES]
        axis = int(np.argmax([picture.std() for picture in pictures]))
        densest = np.unravel_index(pictures[axis].argmax(), pictures[axis].shape)
        shift = tuple(n // 2 - int(place) for n, place in zip(pictures[axis].shape, densest, strict=True))
        size = tuple(np.broadcast_to(np.asarray(group.attrs["size"], float), 3).tolist())
        return cls(axis, size, shift)

    @property
    def sides(self) -> tuple[float, float]:
        """Sides of a picture [cMpc/h], to the right and upward."""
        right, upward = (side for axis, side in enumerate(self.size) if axis != self.axis)
        return right, upward

    @property
    def flatness(self) -> float:
        """Width of a picture over its height, within 1/6 and 6."""
        return float(np.clip(self.sides[0] / self.sides[1], 1 / 6, 6))

    @property
    def label(self) -> str:
        """The label of the colour bar."""
        return rf"density along ${AXES[self.axis]}$  $[\bar\rho_\mathrm{{m}}]$"

    def picture(self, epoch: h5py.Group) -> np.ndarray:
        """The projection of an epoch; the first index is to the right [mean matter densities]."""
        return np.roll(epoch[f"projection_{AXES[self.axis]}"][:], self.shift, (0, 1))

    def norm(self, pictures: Sequence[np.ndarray]) -> LogNorm:
        """One colour scale for pictures: from their peak to their least value, or PICTURE_DECADES down."""
        peak = max(float(picture.max()) for picture in pictures)
        least = min(float(picture.min()) for picture in pictures)
        return LogNorm(max(least, peak / 10**PICTURE_DECADES), max(peak, 1.01 * least))

    def show(self, panel: Axes, picture: np.ndarray, norm: LogNorm) -> AxesImage:
        """Draw a picture in a panel; returns the image."""
        right, upward = self.sides
        panel.tick_params(**MAP_TICKS)
        across, up = (name for axis, name in enumerate(AXES) if axis != self.axis)
        panel.set(xlabel=rf"${across}\;\;[{MPC}]$", ylabel=rf"${up}\;\;[{MPC}]$")
        panel.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        panel.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
        extent, aspect = (-right / 2, right / 2, -upward / 2, upward / 2), right / upward / self.flatness
        return panel.imshow(np.maximum(picture.T, norm.vmin or 0.0), norm=norm, cmap=MAP, extent=extent, aspect=aspect)
