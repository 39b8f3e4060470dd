"""Filaments of a skeleton that DisPerSE found, from its text format (NDskl_ascii, files .a.NDskl).

The file has the lines ANDSKEL, the number of dimensions, comments, BBOX [origin] [extent], and sections, each with its
name in brackets. In [CRITICAL POINTS] there are their number, and for each a line of its type (0 a minimum, 1 and 2
saddles, 3 a maximum, 4 where -breakdown cut) and more, the number of its filaments, and a line for each of these. In
[FILAMENTS] there are their number, and for each a line of two critical points and a number of points, and their
positions, in lines of up to 256 points. Ridges join types of 2 and more; arcs to types 0 and 1 are valleys and walls.
DisPerSE cuts its filaments at critical points, and without -breakdown several of them run along one ridge.
Source: Sousbie 2011 (MNRAS 414, 350), and the manual of DisPerSE.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..io.tables import errors_of_text, read_text
from .ridges import RidgePoints

log = logging.getLogger(__name__)

_SAME = 1e-3  # relative difference of the sides of one box
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_MOST_BYTES = 1 << 30
_LEAST_TYPE = 2  # of the critical points that a ridge joins
_HALF = 4  # points on both sides over which places on a line are averaged


def read_skeleton(path: str | Path, sides: Sequence[float]) -> list[NDArray]:
    """The filaments of a skeleton, each shape (points, 3), every point next to the one before [cMpc/h].

    sides  of the periodic box in which it was found; positions are those of the box, wherever BBOX begins
    Arcs that are no ridges are left out, and a warning says how many.
    Raises InputError, naming file and line, for what is no such file, for a skeleton of another box, and for one
    without ridges.
    """
    with errors_of_text(path):
        lines = read_text(path, _MOST_BYTES).splitlines()
    if not lines or lines[0].strip() != "ANDSKEL":
        raise InputError(f"{path}: must begin with the line ANDSKEL: skelconv FILE -to NDskl_ascii writes such files")
    if len(lines) < 2 or lines[1].strip() != "3":
        raise InputError(f"{path}, line 2: must be 3, the number of dimensions")
    box = np.asarray(sides, float)
    _check_box(path, lines, box)
    types = _types(path, lines)
    at = _section(path, lines, "FILAMENTS") + 1
    (count,) = _numbers(path, lines, at, 1)
    found, others = [], 0
    for _ in range(int(count)):
        at += 1
        *ends, samples = _numbers(path, lines, at, 3)
        if not all(0 <= end < len(types) for end in ends):
            raise InputError(f"{path}, line {at + 1}: {lines[at][:80]}: there are {len(types)} critical points")
        header, values = at, list[float]()
        while len(values) < 3 * int(samples):
            at += 1
            some = len(lines[at].split()) if at < len(lines) else 0
            values += _numbers(path, lines, at, max(some, 3))
        if len(values) != 3 * samples:
            raise InputError(f"{path}, line {header + 1}: {samples:g} points: {len(values)} numbers follow")
        points = np.array(values).reshape(-1, 3)
        outside = np.flatnonzero(np.any((points < -0.5 * box) | (points > 1.5 * box), axis=1))
        if len(outside):
            where = ", ".join(f"{value:g}" for value in points[outside[0]])
            raise InputError(
                f"{path}, line {header + 1}: a filament through {where} cMpc/h: must be in the box of the snapshot, "
                f"{_text(box)}: a skeleton of another box, or in another unit"
            )
        if min(types[int(end)] for end in ends) < _LEAST_TYPE:
            others += 1
        elif len(points) > 1:
            ways = np.diff(points, axis=0)
            ways -= box * np.round(ways / box)
            found.append(points[0] + np.concatenate([np.zeros((1, 3)), np.cumsum(ways, axis=0)]))
    if others:
        what = (
            f"{others} of {count:g} arcs join minima or saddles of type 1: they are no ridges (mse -upSkl writes those)"
        )
        if not found:
            raise InputError(f"{path}: {what}")
        log.warning("%s: %s, and are left out", path, what)
    return found


def points_along(lines: Sequence[NDArray], smooth: float, sides: Sequence[float]) -> RidgePoints:
    """Points along lines, four to a smoothing scale, of unknown density and line mass (1 for all).

    lines   shape (points, 3) each, every point next to the one before [cMpc/h]
    smooth  points are means over as much of the line to both sides, since lines go from cell to cell [cMpc/h]
    """
    places, ways = [np.empty((0, 3))], [np.empty((0, 3))]
    for line in lines:
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        last = max(1, int(np.ceil(along[-1] * _HALF / smooth)))
        at = np.arange(last + 1)
        even = np.stack([np.interp(at / last * along[-1], along, values) for values in line.T], axis=1)
        sums = np.concatenate([np.zeros((1, 3)), np.cumsum(even, axis=0)])
        half = np.minimum(_HALF, np.minimum(at, last - at))
        place = (sums[at + half + 1] - sums[at - half]) / (2 * half + 1)[:, None]
        way = place[np.minimum(at + _HALF // 2, last)] - place[np.maximum(at - _HALF // 2, 0)]
        places.append(place)
        ways.append(way)
    position, way = np.concatenate(places), np.concatenate(ways)
    length = np.linalg.norm(way, axis=1)
    moves = length > 0
    one = np.ones(np.count_nonzero(moves))
    return RidgePoints(position[moves] % np.asarray(sides, float), way[moves] / length[moves, None], one, one)


def _section(path: str | Path, lines: list[str], name: str) -> int:
    """The line of the name of a section; InputError where there is none."""
    for number, line in enumerate(lines):
        if line.strip() == f"[{name}]":
            return number
    raise InputError(f"{path}: no section [{name}]")


def _types(path: str | Path, lines: list[str]) -> list[int]:
    """The types of the critical points."""
    at = _section(path, lines, "CRITICAL POINTS") + 1
    (count,) = _numbers(path, lines, at, 1)
    types = []
    for _ in range(int(count)):
        types.append(int(_numbers(path, lines, at + 1, 1)[0]))
        at += 2 + int(_numbers(path, lines, at + 2, 1)[0])
    return types


def _check_box(path: str | Path, lines: list[str], box: NDArray) -> None:
    """InputError where the sides of the box are not those of the snapshot; a warning where it begins elsewhere."""
    for number, line in enumerate(lines):
        if line.startswith("BBOX"):
            values = [float(text) for text in _NUMBER.findall(line.removeprefix("BBOX"))]
            if len(values) != 6:
                raise InputError(f"{path}, line {number + 1}: {line[:80]}: must be BBOX [x0, y0, z0] [sides]")
            extent = np.array(values[3:])
            if np.any(np.abs(extent / box - 1) > _SAME):
                raise InputError(
                    f"{path}, line {number + 1}: a skeleton of a box of {_text(extent)}: must be {_text(box)}, as the "
                    "snapshot has"
                )
            if np.any(np.abs(values[:3]) > 0.1 * box):
                log.warning("%s: %s: positions are taken as they are, in the box of the snapshot", path, line)
            return


def _numbers(path: str | Path, lines: list[str], at: int, count: int) -> list[float]:
    """The first numbers in a line; InputError where there are fewer, or none that is finite."""
    texts = lines[at].split()[:count] if at < len(lines) else []
    try:
        values = [float(text) for text in texts]
    except ValueError:
        values = []
    if len(values) < count or not np.all(np.isfinite(values)):
        found = f"{lines[at][:80]}" if at < len(lines) else "the end of the file"
        raise InputError(f"{path}, line {at + 1}: {found}: must be {count} number{'s' if count > 1 else ''}")
    return values


def _text(box: NDArray) -> str:
    return " x ".join(f"{side:g}" for side in box) + " cMpc/h"
