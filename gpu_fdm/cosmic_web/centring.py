"""A better axis from the masses around a first one: the line through the centres of slices.

In every slice the centre is the mean position under a Gaussian window around the line, until it moves no more (mean
shift); slices that are off the line by more than three times their scatter, as at haloes, do not count.
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..errors import UnfitError

ITERATIONS = 30
_CLIPPED = 3.0  # scatters
_STILL = 1e-4  # of the window


@frozen(eq=False)
class Centres:
    """Centres of slices, and the line (u, v) = offset + slope z that fits them.

    z        of the slices, shape (slices,) [cMpc/h];  centre  (u, v) of each, shape (slices, 2), NaN without mass
    offset, slope  shape (2,);  scatter  rms distance of the centres that count from the line [cMpc/h]
    """

    z: NDArray
    centre: NDArray
    offset: NDArray
    slope: NDArray
    scatter: float


def centred(frame: NDArray, mass: NDArray, low: float, high: float, slices: int, window: float) -> Centres:
    """The line through the mass around a first axis.

    frame   (u, v, z) of masses, shape (points, 3) [cMpc/h];  mass  shape (points,)
    low, high  between which z;  window  dispersion of the Gaussian [cMpc/h]
    Raises UnfitError where fewer than three slices have mass within the window.
    """
    edges = np.linspace(low, high, slices + 1)
    z = (edges[1:] + edges[:-1]) / 2
    row = np.searchsorted(edges, frame[:, 2], side="right") - 1
    inside = (row >= 0) & (row < slices)
    frame, mass, row = frame[inside], mass[inside], row[inside]
    offset, slope = np.zeros(2), np.zeros(2)
    for _ in range(ITERATIONS):
        beside = frame[:, :2] - offset - frame[:, 2:] * slope
        weight = mass * np.exp(-0.5 * np.sum(beside**2, axis=1) / window**2)
        total = np.bincount(row, weight, slices)
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = np.stack([np.bincount(row, weight * beside[:, i], slices) / total for i in range(2)], axis=-1)
        centre = offset + z[:, None] * slope + shift
        good = np.isfinite(shift).all(axis=1)
        if np.count_nonzero(good) < 3:
            raise UnfitError("fewer than three slices along the axis have mass beside it")
        distance = np.linalg.norm(shift - np.median(shift[good], axis=0), axis=1)
        good &= distance <= _CLIPPED * max(float(np.sqrt(np.mean(distance[good] ** 2))), _STILL * window)
        fit = np.polynomial.polynomial.polyfit(z[good], centre[good], 1)
        moved = max(float(np.abs(fit[0] - offset).max()), float(np.abs(fit[1] - slope).max() * (high - low) / 2))
        offset, slope = fit
        if moved < _STILL * window:
            break
    off = centre[good] - offset - z[good, None] * slope
    return Centres(z, centre, offset, slope, float(np.sqrt(np.mean(np.sum(off**2, axis=1)))))
