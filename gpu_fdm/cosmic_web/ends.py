"""Where a filament ends: where its line mass falls below half of its median."""

import numpy as np
from numpy.typing import NDArray

from ..errors import UnfitError

_GAP = 2  # slices in a row that may have less


def half_mass_ends(z: NDArray, mass: NDArray, low: float, high: float, half: float, slices: int) -> tuple[float, float]:
    """The two z between which the line mass is at least half of its median within `half` of the middle.

    z, mass    of points along the axis, shape (points,);  low, high  between which the ends are looked for
    slices     in which masses are counted; two of them in a row may have less
    Raises UnfitError where the median is zero.
    """
    edges = np.linspace(low, high, slices + 1)
    counted = np.histogram(z, edges, weights=mass)[0]
    middle = (edges[1:] + edges[:-1]) / 2
    inside = np.abs(middle) <= half
    level = 0.5 * float(np.median(counted[inside]))
    if not level > 0:
        raise UnfitError("half of its slices are empty")
    start = int(np.flatnonzero(inside)[np.argmax(counted[inside])])
    ends = []
    for step in (-1, 1):
        at = last = start
        while 0 <= at < slices and abs(at - last) <= _GAP:
            if counted[at] >= level:
                last = at
            at += step
        beyond = last + step
        end = edges[last] if step < 0 else edges[last + 1]
        if 0 <= beyond < slices:  # between the middles of the last slice above the level and the next
            share = (counted[last] - level) / max(counted[last] - counted[beyond], 1e-300)
            end = middle[last] + step * min(share, 1.0) * (edges[1] - edges[0])
        ends.append(float(end))
    return ends[0], ends[1]
