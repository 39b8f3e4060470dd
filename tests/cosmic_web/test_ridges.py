"""Ridges of densities whose filaments are known, on any number of ranks, and those of a skeleton."""

import numpy as np
import pytest
from drawn_filaments import distance, gas, particles
from locations import DATA
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.cosmic_web.ridges import ridge_points
from gpu_fdm.cosmic_web.skeleton import points_along, read_skeleton
from gpu_fdm.cosmic_web.tracing import trace
from gpu_fdm.errors import InputError
from gpu_fdm.fields.box import Box
from gpu_fdm.fields.particles import deposit
from gpu_fdm.parallel.domain import Domain

BOX = Box((20.0, 24.0, 22.0), (40, 48, 44))
PLACE, WIDTH, SMOOTH = np.array([7.13, 11.31]), 1.1, 1.2


def tube():
    """A Gaussian filament along z, of line mass 2 pi WIDTH^2."""
    x, y = ((np.arange(n) + 0.5) * side / n for n, side in zip(BOX.cells[:2], BOX.size[:2], strict=True))
    square = (x[:, None] - PLACE[0]) ** 2 + (y - PLACE[1]) ** 2
    return np.repeat(np.exp(-0.5 * square / WIDTH**2)[..., None], BOX.cells[2], axis=2)


def test_a_gaussian_filament():
    """The ridge is where it was put; its line mass is that of the tube."""
    density = tube()
    points = ridge_points(density, BOX, SMOOTH)
    assert len(points) == BOX.cells[2]
    assert np.allclose(points.position[:, :2], PLACE, atol=5e-3)
    assert np.allclose(np.abs(points.direction[:, 2]), 1)
    assert np.allclose(points.line_mass, 2 * np.pi * WIDTH**2 / density.mean(), rtol=1e-2)  # of a cell beside the ridge
    (ridge,) = trace(points, BOX.size, SMOOTH, 5.0)
    assert ridge.straightness == pytest.approx(1, abs=1e-6) and ridge.curvature < 1e-5
    assert ridge.axis.length == pytest.approx(21.5)
    masked = ridge_points(density, BOX, SMOOTH, most=3.0)
    assert not len(masked) and trace(masked, BOX.size, SMOOTH, 5.0) == []
    with pytest.raises(ValueError, match="a density whose sum is 0 has no ridges"):
        ridge_points(np.zeros(BOX.cells), BOX, SMOOTH)


def test_the_eight_filaments_of_the_published_gas():
    """All eight, and nothing else, within a quarter of a cell."""
    filaments, box = gas(), Box((2.0,) * 3, (128,) * 3)
    positions = particles(filaments, 100_000, 2.0, softness=0.07)
    density = deposit(positions, box, dtype=np.float32)
    ridges = trace(ridge_points(density, box, 2 / 64), box.size, 2 / 64, 0.25)
    assert len(ridges) == 8
    nearest = [int(np.argmin([distance(ridge.axis, one, 2.0) for one in filaments])) for ridge in ridges]
    assert sorted(nearest) == list(range(8)) and nearest[0] == 6  # the heaviest is the best
    for ridge, number in zip(ridges, nearest, strict=True):
        assert distance(ridge.axis, filaments[number], 2.0) < 0.25 * 2 / 128
        assert ridge.straightness > 0.99
        mean = sum(one.mass for one in filaments) / 8
        line_mass = filaments[number].mass / filaments[number].length / mean
        assert ridge.line_mass == pytest.approx(line_mass, rel=0.2)


def test_a_bent_line_is_cut_at_its_bend():
    line = np.concatenate([np.linspace([1, 1, 1], [5, 1, 1], 40), np.linspace([5, 1.1, 1], [5, 6, 1], 50)])
    ridges = trace(points_along([line], 0.1, BOX.size), BOX.size, 0.1, 2.0)
    assert np.allclose([ridge.axis.length for ridge in ridges], [5, 4], atol=0.2)


SKELETON = """ANDSKEL
3
#comment
BBOX [0,0,0] [20,24,22]
[CRITICAL POINTS]
2
2 1.0 2.0 3.0 5.0 -1 0
 1
 1 0
3 19.0 2.0 3.0 9.0 -1 0
 1
 0 0
[FILAMENTS]
1
0 1 3
 1.0 2.0 3.0
 0.2 2.0 3.0
 19.0 2.0 3.0
[CRITICAL POINTS DATA]
0
"""


def test_skeletons(tmp_path):
    """Points follow each other through the side of the box."""
    path = tmp_path / "x.a.NDskl"
    path.write_text(SKELETON)
    (line,) = read_skeleton(path, BOX.size)
    assert np.allclose(line, [[1, 2, 3], [0.2, 2, 3], [-1, 2, 3]])
    path.write_text(SKELETON.replace(" 3.0\n 0.2", " 3.0 0.2").replace("[0,0,0]", "[0.25,0.25,0.25]"))
    assert np.array_equal(read_skeleton(path, BOX.size), [line])  # several points a line; BBOX moves none
    for old, new, message in (
        (
            "[20,24,22]",
            "[75,75,75]",
            r"line 4: a skeleton of a box of 75 x 75 x 75 cMpc/h: must be 20 x 24 x 22 cMpc/h",
        ),
        (
            " 19.0 2.0 3.0\n[C",
            " 1900 2 3\n[C",
            r"line 15: a filament through 1900, 2, 3 cMpc/h: must be in the box of the snap",
        ),
        ("ANDSKEL", "SKEL", "must begin with the line ANDSKEL"),
        ("\n3\n", "\n2\n", "line 2: must be 3"),
        (" 0.2 2.0", " a 2.0", r"line 17:  a 2\.0 3\.0: must be 3 numbers"),
        ("0 1 3\n", "0 1 9\n", r"line 19: \[CRITICAL POINTS DATA\]: must be 3 numbers"),
        (" 0.2 2.0 3.0", " 0.2 2.0 3.0 1", r"line 15: 3 points: 10 numbers follow"),
        ("[FILAMENTS]", "[FIL]", r"no section \[FILAMENTS\]"),
        ("[CRITICAL POINTS]", "[CRIT]", r"no section \[CRITICAL POINTS\]"),
        ("0 1 3\n", "0 2 3\n", r"line 15: 0 2 3: there are 2 critical points"),
        ("\n2 1.0", "\na 1.0", r"line 7: a 1\.0 .*: must be 1 number"),
    ):
        path.write_text(SKELETON.replace(old, new, 1))
        with pytest.raises(InputError, match=message):
            read_skeleton(path, BOX.size)


def test_arcs_that_are_no_ridges_are_left_out(tmp_path, caplog):
    """Those of minima and of walls, by the types of the critical points that they join."""
    path = tmp_path / "x.a.NDskl"
    for low in (0, 1):
        path.write_text(SKELETON.replace("2 1.0", f"{low} 1.0"))
        what = r"1 of 1 arcs join minima or saddles of type 1: they are no ridges \(mse -upSkl writes those\)$"
        with pytest.raises(InputError, match=what):
            read_skeleton(path, BOX.size)
    valley = "0 2 2\n 1.0 2.0 3.0\n 5.0 5.0 5.0\n"
    text = SKELETON.replace("POINTS]\n2\n", "POINTS]\n3\n", 1).replace(
        "[FILAMENTS]\n1\n", "0 5 5 5 0.1 -1 0\n 0\n[FILAMENTS]\n2\n"
    )
    path.write_text(text.replace("[CRITICAL POINTS DATA]", f"{valley}[CRITICAL POINTS DATA]"))
    (line,) = read_skeleton(path, BOX.size)
    assert np.allclose(line, [[1, 2, 3], [0.2, 2, 3], [-1, 2, 3]])
    (said,) = caplog.messages
    assert said.startswith(f"{path}: 1 of 2 arcs join minima ") and said.endswith("those), and are left out")


def test_a_skeleton_that_disperse_wrote():
    """Four filaments of the published gas in arcs of DisPerSE 0.9.25 that follow and cover each other.

    mse -cut 5 -upSkl of the particles above on 32^3 cells, under a Gaussian of one cell; x0 is half a cell.
    """
    sides, cell = (2.0,) * 3, 2 / 32
    lines = read_skeleton(DATA / "gas.a.NDskl", sides)
    assert len(lines) == 20
    ridges = trace(points_along(lines, cell, sides), sides, cell, 8 * cell)
    assert len(ridges) == 8
    for number in (2, 3, 4, 6):
        one = gas()[number]
        away, ridge = min(((distance(ridge.axis, one, 2.0), ridge) for ridge in ridges), key=lambda pair: pair[0])
        assert away < 0.55 * cell  # of the ends; half a cell along each side is 0.87 of one
        assert ridge.axis.length > 0.65 * one.length


def same_on_ranks(ranks):
    """Points of a density whose slabs do not divide."""
    density = tube() * (1 + 0.2 * np.sin(np.arange(BOX.cells[2]) * 2 * np.pi / BOX.cells[2]))
    domain = Domain(BOX.cells, ranks)
    points = ridge_points(density[domain.planes], BOX, SMOOTH, domain=domain)
    alone = ridge_points(density, BOX, SMOOTH)
    order = [np.lexsort(np.round(each.position, 6).T) for each in (points, alone)]
    assert len(points) == len(alone) > 30
    assert np.allclose(points.position[order[0]], alone.position[order[1]], atol=1e-9)


@needs_mpi
def test_on_three_ranks():
    agree(__file__, 3)


if __name__ == "__main__":
    run_here(same_on_ranks)
