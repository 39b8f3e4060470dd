"""Ridges as lines: points that follow each other along their directions, cut into straight pieces.

A line grows from the densest free point in both directions, each time to the point that is near and lies ahead; gaps,
as haloes and fringes make them, are bridged. What is beside a line is taken with it. Lines whose ends face each other
are joined, and a line that bends is cut where it is farthest from its chord (Douglas & Peucker 1973).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from .axis import Axis
from .ridges import RidgePoints

_AHEAD = 0.7  # cosine of the largest angle between a line and its next point
_JOINED = 0.9  # cosine of the angles between the ends of two lines and the way between them


@frozen(eq=False)
class Ridge:
    """A line of points.

    points     shape (points, 3), each next to the one before, not wrapped into the box [cMpc/h]
    line_mass  median of its points [mean densities of the box (cMpc/h)^2]
    step       below which its bends do not count [cMpc/h]
    """

    points: NDArray
    line_mass: float
    step: float

    @property
    def axis(self) -> Axis:
        """The straight line that fits the points best, as long as they reach along it."""
        centre = self.points.mean(axis=0)
        direction = np.linalg.svd(self.points - centre, full_matrices=False)[2][0]
        along = (self.points - centre) @ direction
        if along[-1] < along[0]:
            direction, along = -direction, -along
        return Axis(centre + along.min() * direction, centre + along.max() * direction)

    @property
    def straightness(self) -> float:
        """Distance of its ends over the length of the line, counted in steps; 1 is straight."""
        return chord_over_arc(self.points, self.step)

    @property
    def curvature(self) -> float:
        """That of a parabola along the axis [h/cMpc]."""
        axis = self.axis
        frame = (self.points - axis.centre) @ axis.basis.T
        bend = np.polynomial.polynomial.polyfit(frame[:, 2], frame[:, :2], 2)[2] if len(frame) > 2 else np.zeros(2)
        return float(2 * np.linalg.norm(bend))

    @property
    def score(self) -> float:
        """Line mass times length times straightness, by which ridges are ordered."""
        return self.line_mass * self.axis.length * self.straightness


def chord_over_arc(points: NDArray, step: float) -> float:
    """Distance of the ends of a line over its length in steps."""
    kept = [points[0]]
    for point in points[1:-1]:
        if np.linalg.norm(point - kept[-1]) >= step:
            kept.append(point)
    line = np.array([*kept, points[-1]])
    arc = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    return float(np.linalg.norm(line[-1] - line[0])) / arc if arc else 1.0


def trace(points: RidgePoints, sides: Sequence[float], smooth: float, least_length: float) -> list[Ridge]:
    """The straight ridges among points, the best first.

    sides   of the box;  smooth  that of the density: what is nearer to a line is taken with it, gaps of twice that are
            bridged, lines are joined over 8 times it, and are straight within twice it [cMpc/h]
    least_length  [cMpc/h]
    """
    if not len(points):
        return []
    box = np.asarray(sides, float)
    lines = _joined(_lines(points, box, smooth), box, 8 * smooth, smooth)
    pieces = [piece for line, masses in lines for piece in _straight(line, masses, 2 * smooth)]
    ridges = [Ridge(line, float(np.median(masses)), 2 * smooth) for line, masses in pieces if len(line) > 1]
    ridges = [ridge for ridge in ridges if ridge.axis.length >= least_length]
    return sorted(ridges, key=lambda ridge: -ridge.score)


_Line = tuple[NDArray, NDArray]  # points, and the line mass at each


def _lines(points: RidgePoints, box: NDArray, smooth: float) -> list[_Line]:
    """Lines through points, each of two points at least."""
    tree = _tree(points.position, box)
    near = tree.query_ball_point(points.position % box, 2 * smooth)
    free = np.ones(len(points), bool)
    found = []
    for seed in np.argsort(-points.density, kind="stable"):
        if not free[seed]:
            continue
        free[seed] = False
        steps = [_walk(points, box, near, free, int(seed), sign) for sign in (-1.0, 1.0)]
        numbers = [*(number for number, _ in reversed(steps[0])), int(seed), *(number for number, _ in steps[1])]
        origin = points.position[seed]
        before = origin + np.cumsum([way for _, way in steps[0]], axis=0).reshape(-1, 3)[::-1]
        after = origin + np.cumsum([way for _, way in steps[1]], axis=0).reshape(-1, 3)
        line = np.concatenate([before, origin[None], after])
        beside = tree.query_ball_point(line % box, smooth)
        free[np.concatenate([np.asarray(some, int) for some in beside])] = False
        if len(line) > 1:
            found.append((line, points.line_mass[numbers]))
    return found


def _tree(positions: NDArray, box: NDArray) -> cKDTree:
    """A tree of positions that are wrapped into the periodic box."""
    wrapped = positions % box
    return cKDTree(np.where(wrapped >= box, 0.0, wrapped), boxsize=box)


def _walk(
    points: RidgePoints, box: NDArray, near: NDArray, free: NDArray, start: int, sign: float
) -> list[tuple[int, NDArray]]:
    """Points that follow one in a direction, and the way to each from the one before; they are no longer free."""
    steps: list[tuple[int, NDArray]] = []
    at, heading = start, sign * points.direction[start]
    while True:
        ahead = np.asarray(near[at], int)
        ahead = ahead[free[ahead]]
        way = points.position[ahead] - points.position[at]
        way -= box * np.round(way / box)
        distance = np.linalg.norm(way, axis=1)
        cosine = way @ heading / np.maximum(distance, 1e-300)
        turn = points.direction[ahead] @ heading
        good = (cosine > _AHEAD) & (np.abs(turn) > _AHEAD)
        if not good.any():
            return steps
        cost = np.where(good, distance * (3 - cosine - np.abs(turn)), np.inf)
        best = int(np.argmin(cost))
        at, heading = int(ahead[best]), np.sign(turn[best]) * points.direction[ahead[best]]
        free[at] = False
        steps.append((at, way[best]))


def _joined(lines: list[_Line], box: NDArray, gap: float, smooth: float) -> list[_Line]:
    """Lines whose ends look at each other across a gap, as one; the nearest ends first."""
    lines = [line for line in lines if np.linalg.norm(line[0][-1] - line[0][0]) >= smooth]
    tangents = [_tangents(line[0], 4 * smooth) for line in lines]
    while len(lines) > 1:
        ends = np.concatenate([line[0][[0, -1]] for line in lines])
        outwards = np.concatenate(tangents)
        pairs = _tree(ends, box).query_pairs(gap, output_type="ndarray")
        pairs = pairs[pairs[:, 0] // 2 != pairs[:, 1] // 2]
        way = ends[pairs[:, 1]] - ends[pairs[:, 0]]
        way -= box * np.round(way / box)
        distance = np.linalg.norm(way, axis=1)
        towards = way / np.maximum(distance, 1e-300)[:, None]
        cosines = [np.sum(sign * outwards[pairs[:, n]] * towards, axis=1) for n, sign in ((0, 1), (1, -1))]
        good = np.minimum(*cosines) > _JOINED
        if not good.any():
            break
        touched: set[int] = set()
        gone: set[int] = set()
        for a, b in pairs[good][np.argsort(distance[good], kind="stable")].tolist():
            one, other = a // 2, b // 2
            if touched.isdisjoint((one, other)):  # else its turn may come when the ends are known anew
                first, second = lines[one], lines[other]
                first = first if a % 2 else (first[0][::-1], first[1][::-1])
                second = (second[0][::-1], second[1][::-1]) if b % 2 else second
                moved = second[0] - box * np.round((second[0][0] - first[0][-1]) / box)
                lines[one] = np.concatenate([first[0], moved]), np.concatenate([first[1], second[1]])
                tangents[one] = _tangents(lines[one][0], 4 * smooth)
                gone.add(other)
            touched |= {one, other}
        left = [number for number in range(len(lines)) if number not in gone]
        lines, tangents = [lines[number] for number in left], [tangents[number] for number in left]
    return lines


def _tangents(line: NDArray, reach: float) -> NDArray:
    """Unit vectors outwards at both ends of a line, over a reach, shape (2, 3)."""
    tangents = []
    for end in (line, line[::-1]):
        far = np.flatnonzero(np.linalg.norm(end - end[0], axis=1) >= reach)
        way = end[0] - end[far[0] if len(far) else -1]
        tangents.append(way / max(float(np.linalg.norm(way)), 1e-300))
    return np.array(tangents)


def _straight(line: NDArray, masses: NDArray, tolerance: float) -> Iterator[_Line]:
    """Pieces of a line that stay within a tolerance of their chords."""
    if len(line) > 2:
        chord = line[-1] - line[0]
        length = float(np.linalg.norm(chord))
        along = chord / length if length else chord
        offset = line - line[0]
        beside = np.linalg.norm(offset - np.outer(offset @ along, along), axis=1)
        worst = int(np.argmax(beside))
        if beside[worst] > tolerance:
            yield from _straight(line[: worst + 1], masses[: worst + 1], tolerance)
            yield from _straight(line[worst:], masses[worst:], tolerance)
            return
    yield line, masses
