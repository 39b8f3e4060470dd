"""What figures of the power that gpu-fdm power measured have in common."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from matplotlib.axes import Axes

from ..io.shot_noise import SUBTRACTED, stored_subtraction
from .style import GREY, Look, Panels, literal, mark_line

NOISE: Look = {"color": GREY, "linestyle": ":"}


def snapshot_group(group: h5py.Group) -> h5py.Group | None:
    """The group that gpu-fdm power wrote, however deep the name of its field puts it; None in a result of a box."""
    return group.visititems(lambda _, item: item if "format" in item.attrs else None)


def noise_label(measured: h5py.Group) -> str:
    """The name of shot noise in a legend, and whether it was subtracted; earlier versions did not store that."""
    words = SUBTRACTED[stored_subtraction(measured)]
    return f"shot noise{words and f' ({words})'}"


def title_of_snapshot(measured: h5py.Group) -> list[str]:
    """Parts of the first line of a figure of what gpu-fdm power measured."""
    attributes = measured.attrs
    name = f"{attributes['of']} of {Path(attributes['source']).name}"
    return [literal(name), rf"$z={attributes['redshift']:.4g}$"]


def draw_positive(
    panel: Axes, k: np.ndarray, values: np.ndarray, error: np.ndarray | None, opacity: float, **look: Any
) -> None:
    """Draw a line through the values that are positive, and a band of their errors where these are known.

    opacity  of the band;  look  of the line, its color among it. A line of one point does not show: it has a marker
    """
    seen = values > 0
    beside = np.pad(seen, 1)
    alone = np.flatnonzero(seen & ~beside[:-2] & ~beside[2:])
    panel.plot(k, np.where(seen, values, np.nan), marker=".", markevery=alone.tolist(), **look)
    if error is not None and seen.any():
        low, high = np.maximum([values - error, values + error], values[seen].min() / 10)
        panel.fill_between(k, low, high, color=look["color"], alpha=opacity, linewidth=0)


def mark_nyquist(panels: Panels, nyquist: float, last: float) -> None:
    """Mark the Nyquist wavenumber, and shade what is beyond it, at least up to the last wavenumber shown."""
    for panel in panels:
        panel.axvspan(nyquist, 2 * max(last, nyquist), color=GREY, alpha=0.2, linewidth=0)
    mark_line(panels, nyquist, "Nyquist")
