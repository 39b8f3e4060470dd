"""A straight axis in a periodic box, and the points around it in its own frame.

The frame has (u, v, z): z along the axis from its middle, u and v across it. Lengths are comoving [cMpc/h].
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray

from ..cosmology.curves import read_only
from ..errors import InputError
from ..vectors import unit_vectors


@frozen(eq=False)
class Axis:
    """A straight line from one point to another; where it leaves the periodic box, it goes on from the other side.

    begin, end  shape (3,) [cMpc/h]; the end is not wrapped into the box
    Raises ValueError where the two are the same point.
    """

    begin: NDArray = field(converter=read_only)
    end: NDArray = field(converter=read_only)

    def __attrs_post_init__(self) -> None:
        unit_vectors(self.end - self.begin)

    @property
    def length(self) -> float:
        """Distance from begin to end [cMpc/h]."""
        return float(np.linalg.norm(self.end - self.begin))

    @property
    def centre(self) -> NDArray:
        """The middle, shape (3,) [cMpc/h]."""
        return (self.begin + self.end) / 2

    @property
    def direction(self) -> NDArray:
        """Unit vector from begin to end, shape (3,)."""
        return unit_vectors(self.end - self.begin)

    @property
    def basis(self) -> NDArray:
        """Unit vectors along u, v and z, rows of shape (3, 3); u is perpendicular to the box's axis next to z."""
        along = self.direction
        across = np.zeros(3)
        across[np.argmin(np.abs(along))] = 1
        across = unit_vectors(across - (across @ along) * along)
        return np.array([across, np.cross(along, across), along])

    def positions(self, frame: ArrayLike) -> NDArray:
        """Positions in space of points of the frame, shape (..., 3), not wrapped [cMpc/h]."""
        return self.centre + np.asarray(frame, float) @ self.basis

    def line(self, offset: ArrayLike, slope: ArrayLike, low: float, high: float) -> "Axis":
        """The axis along (u, v) = offset + slope z of this frame, between two z [cMpc/h]."""
        offset, slope = np.asarray(offset, float), np.asarray(slope, float)
        begin, end = (self.positions([*(offset + slope * z), z]) for z in (low, high))
        return Axis(begin, end)


def axis_between(begin: ArrayLike, end: ArrayLike, sides: Sequence[float], least: float) -> Axis:
    """The axis between two points of a periodic box, the shortest way.

    sides  of the box;  least  length of an axis [cMpc/h]
    Raises InputError for a point outside of the box, and for an axis that is too short.
    """
    points, box = [np.asarray(point, float) for point in (begin, end)], np.asarray(sides, float)
    for name, point in zip(("--from", "--to"), points, strict=True):
        if not np.all((point >= 0) & (point <= box)):
            text = ",".join(f"{value:g}" for value in point)
            allowed = ", ".join(f"0 to {side:g}" for side in box)
            raise InputError(f"{name} {text}: must be in the box, {allowed} cMpc/h")
    way = points[1] - points[0]
    way -= box * np.round(way / box)
    length = float(np.linalg.norm(way))
    if length < least:
        raise InputError(
            f"--from, --to: an axis of {length:.4g} cMpc/h, the shortest way through the periodic box: must be at "
            f"least {least:.4g}, the diameter of the shells (--radius)"
        )
    return Axis(points[0], points[0] + way)


def period(axis: Axis, sides: Sequence[float], width: float) -> float:
    """Distance along an axis after which it comes back to itself, but for a width, through a periodic box [cMpc/h].

    Infinite where it does not within three boxes.
    """
    numbers = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    ways = numbers * np.asarray(sides, float)
    along = ways @ axis.direction
    beside = np.linalg.norm(ways - np.outer(along, axis.direction), axis=1)
    return float(np.min(along[(along > 0) & (beside <= width)], initial=np.inf))


def around(
    positions: NDArray, axis: Axis, reach: float, radius: float, sides: Sequence[float]
) -> tuple[NDArray, NDArray]:
    """The points of a periodic box around an axis.

    positions  shape (points, 3), anywhere;  reach  from the middle along the axis;  radius  from the axis [cMpc/h]
    Returns indices of points, and the frame's (u, v, z) of each, shape (found, 3) [cMpc/h]. A point is there as often
    as images of it are in the cylinder.
    """
    box, along = np.asarray(sides, float), axis.direction
    extent = np.abs(along) * reach + radius * np.sqrt(np.maximum(0, 1 - along**2))
    first = positions - axis.centre
    first -= box * np.floor((first + extent) / box)  # the first image from -extent on
    near = np.flatnonzero(np.all(first <= extent, axis=1))
    first = first[near]
    numbers, frames = [], []
    for shift in product(*(range(int(np.ceil(2 * e / side))) for e, side in zip(extent, box, strict=True))):
        frame = (first + np.array(shift) * box) @ axis.basis.T
        inside = (np.abs(frame[:, 2]) <= reach) & (frame[:, 0] ** 2 + frame[:, 1] ** 2 <= radius**2)
        numbers.append(near[inside])
        frames.append(frame[inside])
    return np.concatenate(numbers), np.concatenate(frames)
