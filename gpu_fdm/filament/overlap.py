"""Distances between straight filaments in a periodic box.

A filament is a segment: a centre and a vector `half` from there to one end. All lengths are in one unit, any.
Segments may be as long as the box, so that the nearest image of a centre need not belong to the nearest image of the
segment: all images that can matter are tried.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def segment_distance(separation: ArrayLike, half_a: ArrayLike, half_b: ArrayLike) -> NDArray:
    """Smallest distance between two finite segments, shape (...).

    separation      (..., 3), from the centre of a to the centre of b
    half_a, half_b  (..., 3), from the centre to an end; zero for a point

    The squared distance |separation + t half_b - s half_a|^2 is convex in (s, t) on the square [-1, 1]^2. Where its
    minimum is inside in t, s is the one of the common perpendicular of the two lines, clipped; else it is the best one
    for an end of b, t = 1 or -1. Each of the three s gets its best t, and the smallest of three true distances is
    taken. Parallel segments, which have no one common perpendicular, have a minimum at an end of b, or at any s.
    """
    separation, half_a, half_b = np.broadcast_arrays(separation, half_a, half_b)
    aa, bb, ab = _dot(half_a, half_a), _dot(half_b, half_b), _dot(half_a, half_b)
    along_a, along_b = _dot(separation, half_a), _dot(separation, half_b)
    normal = np.cross(half_a, half_b)
    s = np.stack(
        [
            # (separation x b).(a x b) = (separation.a)(b.b) - (separation.b)(a.b), without the cancellation
            _clipped_ratio(_dot(np.cross(separation, half_b), normal), _dot(normal, normal)),
            _clipped_ratio(along_a + ab, aa),
            _clipped_ratio(along_a - ab, aa),
        ]
    )
    t = _clipped_ratio(s * ab - along_b, np.broadcast_to(bb, s.shape))
    return np.linalg.norm(separation + t[..., None] * half_b - s[..., None] * half_a, axis=-1).min(axis=0)


def closest_approach(
    centre: NDArray, half: NDArray, centres: NDArray, halves: NDArray, box_size: ArrayLike, within: ArrayLike
) -> NDArray:
    """Smallest distance of one segment to each of several over all periodic images, shape (N,).

    centre, half     (3,);  centres, halves  (N, 3);  box_size  (3,)
    within           (N,), distances of interest [same unit]: a larger one may be returned as infinity
    """
    reach = np.abs(half) + np.abs(halves) + np.asarray(within)[:, None]
    pair, separation = _near_images(centres - centre, reach, np.asarray(box_size))
    closest = np.full(len(centres), np.inf)
    np.minimum.at(closest, pair, segment_distance(separation, half, halves[pair]))
    return closest


def own_image_distance(half: NDArray, box_size: ArrayLike, within: float) -> float:
    """Smallest distance of a segment to its own periodic images; one beyond `within` may be returned as infinity.

    half, box_size   (3,)
    """
    _, separation = _near_images(np.zeros((1, 3)), 2 * np.abs(half)[None] + within, np.asarray(box_size))
    images = separation[np.any(separation != 0, axis=1)]
    return float(np.min(segment_distance(images, half, half), initial=np.inf))


def periodic_distance(centre: NDArray, centres: NDArray, box_size: ArrayLike) -> NDArray:
    """Distance of a point to the nearest image of each of several, shape (N,); centre (3,), centres (N, 3)."""
    return np.linalg.norm(_nearest_image(centres - centre, np.asarray(box_size)), axis=1)


def _near_images(separation: NDArray, reach: NDArray, box_size: NDArray) -> tuple[NDArray, NDArray]:
    """Periodic images that may be near: those with |separation| <= reach along every axis.

    separation, reach   (N, 3), reach half the sum of the bounding boxes, and the distance of interest
    Returns the pair that each of K images belongs to, (K,), and its separation, (K, 3).
    """
    separation = _nearest_image(separation, box_size)
    # |separation| <= box_size/2 here, so that a shift by n sides matters only where n sides <= reach + half a side
    number = np.floor(reach.max(axis=0, initial=0) / box_size + 0.5).astype(int)
    shifted = [separation[:, i, None] + np.arange(-number[i], number[i] + 1) * box_size[i] for i in range(3)]
    x, y, z = (np.abs(shifted[i]) <= reach[:, i, None] for i in range(3))
    pair, *image = np.nonzero(x[:, :, None, None] & y[:, None, :, None] & z[:, None, None, :])
    return pair, np.stack([shifted[i][pair, image[i]] for i in range(3)], axis=-1)


def _nearest_image(separation: NDArray, box_size: NDArray) -> NDArray:
    return separation - box_size * np.round(separation / box_size)


def _dot(a: NDArray, b: NDArray) -> NDArray:
    return np.sum(a * b, axis=-1)


def _clipped_ratio(numerator: NDArray, denominator: NDArray) -> NDArray:
    """numerator/denominator within [-1, 1], and 0 where the denominator is 0; cannot overflow."""
    clipped = np.clip(numerator, -denominator, denominator)
    return np.divide(clipped, denominator, out=np.zeros_like(clipped), where=denominator > 0)
