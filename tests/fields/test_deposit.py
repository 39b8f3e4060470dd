"""Particles on grids: what B-splines say particle by particle, mass conserved, the same on any threads and ranks."""

import shutil
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu
from rank_runs import agree, needs_mpi, run_here
from scipy.interpolate import BSpline

from gpu_fdm.errors import InputError
from gpu_fdm.fields import particles as module
from gpu_fdm.fields.assignment import ASSIGNMENTS, b_spline
from gpu_fdm.fields.box import Box
from gpu_fdm.fields.particles import ParticleGrid, deposit, deposit_batches
from gpu_fdm.kernels import deposit as kernel
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.ranks import Ranks

SIZE = (3.0, 2.0, 2.5)
# the last are smaller than what a particle touches
GRIDS = [(12, 15, 10), (40, 9, 8), (5, 1, 2), (1, 3, 4)]
assignments = pytest.mark.parametrize("name", ASSIGNMENTS)
precisions = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def particles(number, dtype=np.float64, seed=1, size=SIZE):
    """Positions in and around the box, with weights."""
    random = np.random.default_rng(seed)
    positions = random.uniform(-1.3, 2.4, (number, 3)) * size
    return positions.astype(dtype), random.uniform(0.1, 3, number).astype(dtype)


def expected(positions, weights, box, order, shift=0.0):
    """The grid, particle by particle: B-splines of scipy at the distances to the centres of all cells and images."""
    grid = np.zeros(box.cells)
    spline = BSpline.basis_element(np.arange(order + 1) - order / 2, extrapolate=False)
    for position, weight in zip(positions.astype(float), weights.astype(float), strict=True):
        lines = []
        for x, side, n in zip(position, box.size, box.cells, strict=True):
            u = (x * (n / side) + shift) % n
            images = np.arange(-5 * n, 6 * n)
            # scipy closes the interval at its end, where a top hat would count twice
            at = np.nan_to_num(spline(u - images - 0.5)) * (u - images - 0.5 < order / 2)
            lines.append(np.bincount(images % n, at, n))
        grid += weight * np.einsum("i,j,k", *lines)
    return grid


# assignments


@assignments
def test_weights_of_known_places(name):
    """Along an axis: from the centre of a cell, and from the edge between two."""
    at_centre = {"ngp": [1], "cic": [1], "tsc": [1 / 8, 3 / 4, 1 / 8], "pcs": [1 / 6, 2 / 3, 1 / 6]}
    at_edge = {"cic": [1 / 2, 1 / 2], "tsc": [1 / 2, 1 / 2], "pcs": [1 / 48, 23 / 48, 23 / 48, 1 / 48]}
    box = Box((9.0, 1.0, 1.0), (9, 1, 1))
    for x, values in ((4.5, at_centre[name]), (4.0, at_edge.get(name))):
        if values is not None:
            line = deposit(np.array([[x, 0.3, 0.6]]), box, name)[:, 0, 0]
            np.testing.assert_allclose(line[line != 0], values, rtol=1e-15)
            middle = np.sum(line * (np.arange(9) + 0.5))
            assert middle == pytest.approx(x, rel=1e-15)


@assignments
@pytest.mark.parametrize("cells", GRIDS, ids=str)
@precisions
@pytest.mark.parametrize("shift", [0.0, 0.5, -0.3])
def test_against_b_splines(name, cells, dtype, shift):
    box, order = Box(SIZE, cells), ASSIGNMENTS[name].order
    positions, weights = particles(300, dtype)
    grid = deposit(positions, box, name, weights=weights, shift=shift)
    reference = expected(positions, weights, box, order, shift)
    assert grid.shape == cells and grid.dtype == np.float64
    np.testing.assert_allclose(grid, reference, rtol=0, atol=1e-14 * weights.sum())
    single = deposit(positions, box, name, weights=weights, shift=shift, dtype=np.float32)
    assert single.dtype == np.float32
    # round-offs of as many additions, five sigma
    additions = max(1, len(positions) * order**3 / reference.size)
    np.testing.assert_allclose(single, reference, rtol=0, atol=5 * 6e-8 * np.sqrt(additions) * reference.max())


@assignments
def test_equal_weights(name):
    box = Box(SIZE, (12, 15, 10))
    positions, _ = particles(500)
    np.testing.assert_array_equal(deposit(positions, box, name), deposit(positions, box, name, weights=np.ones(500)))


@assignments
def test_a_lattice_is_uniform(name):
    """One particle in each cell, at the same place in all: weights sum to one, cell by cell."""
    cells = (6, 5, 4)
    lattice = np.stack(np.meshgrid(*map(np.arange, cells), indexing="ij"), axis=-1).reshape(-1, 3)
    random = np.random.default_rng(2)
    for shift in (-1, -0.5, 0, 0.3, 1):
        for place in [*random.uniform(-3, 3, (10, 3)), (0.5, 0.5, 0.5), (0.25, 3.0, -1.0)]:
            positions = (lattice + place) * (0.25, 0.5, 2.0)
            grid = deposit(positions, Box((1.5, 2.5, 8.0), cells), name, shift=shift)
            np.testing.assert_allclose(grid, 1, rtol=0, atol=1e-14)


@assignments
@precisions
def test_mass_is_conserved(name, dtype):
    positions, weights = particles(200_000, dtype)
    grid = ParticleGrid(Box(SIZE, (24, 20, 18)), name)
    grid.add(positions, weights)
    total = weights.sum(dtype=float)
    assert grid.slab.sum() == pytest.approx(total, rel=1e-13)
    number, summed, squares = grid.totals()
    assert number == 200_000
    assert summed == pytest.approx(total, rel=1e-14)
    assert squares == pytest.approx(np.sum(weights.astype(float) ** 2), rel=1e-14)
    # single precision: a cell holds some 30, and numbers below a round-off of that, which pcs has many of, are lost
    single = deposit(positions, Box(SIZE, (24, 20, 18)), name, weights=weights, dtype=np.float32)
    assert single.sum(dtype=float) == pytest.approx(total, rel=1e-6)


@assignments
def test_round_off_of_single_precision(name):
    """A cell that received n numbers is off by about sqrt(n) 6e-8 of its value."""
    positions, weights = particles(200_000)
    box = Box(SIZE, (12, 10, 9))
    double, single = (deposit(positions, box, name, weights=weights, dtype=t) for t in (np.float64, np.float32))
    received = len(positions) / np.prod(box.cells) * ASSIGNMENTS[name].order ** 3
    off = np.sqrt(np.mean((single / double - 1) ** 2))
    assert 1e-8 < off < 1.2 * np.sqrt(received) * 6e-8


@assignments
@pytest.mark.parametrize("boxes", [(1, 0, 0), (-1, 2, 7), (4096, -4096, 1)])
def test_periodic(name, boxes):
    """Moved by whole boxes, exactly in these numbers, particles fill the very same cells."""
    cells, size = (16, 8, 32), (2.0, 4.0, 0.5)
    positions = np.random.default_rng(3).integers(0, 1 << 20, (1000, 3)) / 2.0**20 * size
    moved = positions + np.array(boxes) * size
    grids = [deposit(each, Box(size, cells), name) for each in (positions, moved)]
    np.testing.assert_array_equal(*grids)


@assignments
def test_edges_of_the_box(name):
    """Positions on the box's side, and one rounding before it, are where the box begins."""
    cells, size = (6, 5, 4), (0.3, 0.7, 1.1)
    below = [np.nextafter(side, 0) for side in size]
    for position in (size, below, (-1e-300, -0.0, -1e-18), np.nextafter(size, 9)):
        grid = deposit(np.array([position], float), Box(size, cells), name)
        if name != "ngp":
            expected = deposit(np.zeros((1, 3)), Box(size, cells), name)
            np.testing.assert_allclose(grid, expected, rtol=0, atol=1e-14)
        assert grid.sum() == pytest.approx(1, rel=1e-15)


@assignments
def test_shift(name):
    """A shift of the grid's particles by half a cell."""
    box = Box(SIZE, (12, 15, 10))
    positions, weights = particles(400)
    moved = positions + 0.5 * box.spacing
    grids = deposit(positions, box, name, weights=weights, shift=0.5), deposit(moved, box, name, weights=weights)
    # round-off of the positions, which are not near the edges where ngp would see it
    np.testing.assert_allclose(*grids, rtol=0, atol=1e-12)


# windows


def test_b_splines():
    x = np.linspace(-3.2, 3.2, 1281) + 1e-4
    for order in range(1, 9):
        spline = BSpline.basis_element(np.arange(order + 1) - order / 2, extrapolate=False)
        np.testing.assert_allclose(b_spline(order, x), np.nan_to_num(spline(x)), rtol=0, atol=1e-12)


@assignments
def test_window_and_its_images(name):
    """Against sums over many images, which converge as n^-2 for ngp and faster for the others."""
    assignment = ASSIGNMENTS[name]
    phase = np.linspace(-np.pi, np.pi, 33)
    n = np.arange(-20_000, 20_001)
    windows = assignment.window(np.add.outer(phase, 2 * np.pi * n)) ** 2
    np.testing.assert_allclose(assignment.images(phase), windows.sum(axis=1), rtol=0, atol=2e-5)
    signs = (-1.0) ** n
    np.testing.assert_allclose(assignment.images(phase, True), windows @ signs, rtol=0, atol=1e-8)


# threads, batches, memory


@assignments
@pytest.mark.parametrize("cells", [(64, 20, 18), (17, 40, 9), (5, 6, 7)], ids=str)
def test_the_same_on_any_number_of_threads(name, cells):
    positions, weights = particles(200_000, np.float32)
    grids = [
        deposit(
            positions,
            Box(SIZE, cells),
            name,
            weights=weights,
            dtype=np.float32,
            domain=Domain(cells, backend=CPU(threads)),
        )
        for threads in (1, 2, 5)
    ]
    np.testing.assert_array_equal(grids[0], grids[1])
    np.testing.assert_array_equal(grids[0], grids[2])


class SomeRanks:
    """Rank of several, for what needs no communication."""

    def __init__(self, rank, size):
        self._ranks = rank, size

    def Get_rank(self):
        return self._ranks[0]

    def Get_size(self):
        return self._ranks[1]


@assignments
@pytest.mark.parametrize("cells", [(64, 9, 8), (33, 40, 9), (13, 6, 7), (5, 9, 8), (3, 2, 4)], ids=str)
@pytest.mark.parametrize("size", [1, 2, 3])
def test_columns_at_work_together_share_no_plane(name, cells, size):
    """Those of even number, and those of odd number: what a column of particles touches belongs to it alone."""
    order = ASSIGNMENTS[name].order
    for rank in range(size):
        first, last = Ranks(SomeRanks(rank, size) if size > 1 else None).share(cells[0])
        x_tiles, y_tiles, columns, tiles = kernel.number_tiles(cells, order, first, last - first)
        rows = tiles // columns
        assert columns == 1 or columns % 2 == 0
        assert x_tiles.min() >= 0 and x_tiles.max() + y_tiles.max() < tiles
        assert np.all(x_tiles % rows == 0) and np.all(np.diff(y_tiles) >= 0) and y_tiles[0] == 0
        assert cells[0] // size < 16 or columns >= 4
        owners = {}
        for cell in range(cells[0]):
            planes = (cell - (order - 1) // 2 + np.arange(order)) % cells[0]
            for plane in planes[(planes >= first) & (planes < last)]:
                owners.setdefault(plane, set()).add(x_tiles[cell] // rows)
        for touching in owners.values():
            for parity in (0, 1):
                assert sum(column % 2 == parity for column in touching) <= 1


def test_large_grids_have_few_tiles():
    x_tiles, y_tiles, columns, tiles = kernel.number_tiles((4096, 4096, 1), 3, 0, 4096)
    assert columns == 1024 and tiles == 1024 * 32 and x_tiles.max() + y_tiles.max() == tiles - 1


def test_batches():
    """Cell by cell the same numbers, in another order; one pass fills two grids."""
    box = Box(SIZE, (24, 20, 18))
    positions, weights = particles(30_000)
    cuts = [0, 1, 1, 7000, 29_999, 30_000]
    batches = ((positions[a:b], weights[a:b]) for a, b in pairwise(cuts))
    grids = [ParticleGrid(box, "pcs", shift=shift) for shift in (0.0, 0.5)]
    deposit_batches(batches, grids)
    for grid in grids:
        whole = deposit(positions, box, "pcs", weights=weights, shift=grid.shift)
        np.testing.assert_allclose(grid.slab, whole, rtol=1e-13)
        assert grid.totals()[0] == 30_000
    none = ParticleGrid(box)
    deposit_batches([], [none])
    none.add(np.empty((0, 3)))
    assert none.totals() == (0, 0.0, 0.0) and not none.slab.any()


def test_work_in_batches():
    box = Box(SIZE, (24, 20, 18))
    positions, weights = particles(30_000)
    grid = ParticleGrid(box, batch=1000)
    grid.add(positions, weights)
    np.testing.assert_allclose(grid.slab, deposit(positions, box, weights=weights), rtol=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
def test_memory(weighted):
    """Beyond grid and particles at most half of the grid: here the least batch, 2^20 particles of 16 or 20 bytes."""
    cells = (128, 120, 130)
    random = np.random.default_rng(1)
    positions = random.random((2_500_000, 3), np.float32)
    weights = np.ones(len(positions), np.float32) if weighted else None
    grid = ParticleGrid(Box((1.0, 1.0, 1.0), cells), "cic", dtype=np.float32)
    grid.add(positions[:10], None if weights is None else weights[:10])  # compiled
    tracemalloc.start()
    grid.add(positions, weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # another 16 bytes a particle for sums of the squares of weights
    assert (1 << 20) * 16 < peak < (1 << 20) * (38 if weighted else 18)


def test_other_arrays():
    """Views, the other byte order, lists."""
    box = Box(SIZE, (12, 15, 10))
    positions, weights = particles(400)
    whole = deposit(positions, box, weights=weights)
    columns = np.asfortranarray(positions)
    np.testing.assert_array_equal(deposit(columns, box, weights=np.stack([weights] * 2, 1)[:, 0]), whole)
    swapped = deposit(positions.astype(">f8"), box, weights=weights.astype(">f8"))
    np.testing.assert_array_equal(swapped, whole)
    np.testing.assert_array_equal(deposit(positions.tolist(), box, weights=weights.tolist()), whole)


# what is refused


def spoiled(value, number=417, axis=1, of=1000):
    positions, _ = particles(of)
    positions[number, axis] = value
    positions[number + 3] = np.nan
    return positions


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300, -3e9])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_bad_positions(value, axis):
    positions = spoiled(value, axis=axis)
    place = ", ".join(map(str, positions[417].tolist()))
    message = f"particle 417: position ({place}): must be finite, within 2^30 cells of the box"
    with pytest.raises(InputError) as caught:
        deposit(positions, Box(SIZE, (12, 15, 10)))
    assert str(caught.value) == message


def test_first_bad_position_of_many():
    """Counted over all that were added, whatever thread finds it: of 300,000 each takes a part."""
    grid = ParticleGrid(Box(SIZE, (12, 15, 10)), domain=Domain((12, 15, 10), backend=CPU(3)))
    grid.add(particles(100)[0])
    with pytest.raises(InputError, match=r"^particle 250100: position \("):
        grid.add(spoiled(np.inf, number=250_000, of=300_000))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_bad_weights(value):
    positions, weights = particles(1000)
    weights[[3, 7]] = value, np.inf
    grid = ParticleGrid(Box(SIZE, (12, 15, 10)))
    grid.add(positions[:5])
    with pytest.raises(InputError) as caught:
        grid.add(positions, weights)
    assert str(caught.value) == f"particle 8: weight {value}: must be finite"


def test_weights_of_both_signs():
    """Momenta, say."""
    box = Box(SIZE, (12, 15, 10))
    positions, weights = particles(500)
    parts = [deposit(positions, box, weights=each) for each in (weights - 1, weights, np.ones(500))]
    np.testing.assert_allclose(parts[0], parts[1] - parts[2], rtol=0, atol=1e-13)


def test_an_empty_batch():
    with pytest.raises(ValueError, match="batch = 0: must be at least 1"):
        ParticleGrid(Box(SIZE, (4, 4, 4)), batch=0)


def test_unknown_assignment():
    with pytest.raises(InputError) as caught:
        ParticleGrid(Box(SIZE, (4, 4, 4)), "TSC")
    assert str(caught.value) == "assignment = TSC: unknown; known: ngp, cic, tsc, pcs"


@pytest.mark.parametrize(
    ("positions", "weights", "options", "message"),
    [
        (np.zeros(3), None, {}, r"positions have shape \(3,\): must be \(particles, 3\)"),
        (np.zeros((3, 2)), None, {}, r"positions have shape \(3, 2\)"),
        (np.zeros((4, 3), int), None, {}, "positions are int64: must be float32 or float64"),
        (np.zeros((4, 3), np.float16), None, {}, "positions are float16"),
        (np.zeros((4, 3)), np.ones(3), {}, r"weights have shape \(3,\): must be \(4,\)"),
        (np.zeros((4, 3)), np.ones(4, int), {}, "weights are int64: must be float32 or float64"),
        (np.zeros((4, 3)), None, {"shift": 1.5}, "shift = 1.5: must be in"),
        (np.zeros((4, 3)), None, {"shift": np.nan}, "shift = nan: must be in"),
        (np.zeros((4, 3)), None, {"dtype": np.int64}, "dtype = int64: must be float32 or float64"),
    ],
)
def test_bad_arrays(positions, weights, options, message):
    with pytest.raises(ValueError, match=message):
        deposit(positions, Box(SIZE, (4, 4, 4)), weights=weights, **options)


# over ranks


@needs_mpi
def test_ranks():
    """The same under mpiexec on one to four ranks; of four one holds no plane of the smallest grids."""
    agree(__file__, 4)


RANK_GRIDS = [(24, 10, 9), (3, 2, 4), (13, 5, 6), (5, 1, 1)]


@pytest.mark.parametrize("name", ASSIGNMENTS)
def test_who_gets_which_particles(cuda, name):
    """The same numbers on a card; every rank gets those that touch its planes, and no other."""
    cells, planes, order = (13, 5, 6), [4, 3, 0, 6], ASSIGNMENTS[name].order
    positions, _ = particles(300, np.float32)
    lattice = tuple(n / side for n, side in zip(cells, SIZE, strict=True)), 0.25, cells, order, planes
    found = []
    for backend in (cuda, CPU(1)):
        bad, numbers, counts = kernel.numbers_by_owner(backend.to_device(positions), *lattice, backend)
        found.append((bad, backend.to_host(numbers).tolist(), counts.tolist()))
        damaged = positions.copy()
        damaged[[7, 9], 1] = np.nan, np.inf
        assert kernel.numbers_by_owner(backend.to_device(damaged), *lattice, backend)[0] == 7
    assert found[0] == found[1] and found[0][0] == -1
    first = np.floor(positions[:, 0].astype(float) * lattice[0][0] + 0.25).astype(int) - (order - 1) // 2
    edges = np.cumsum([0, *planes])
    expected = [
        np.flatnonzero([any(begin <= (i + a) % 13 < end for a in range(order)) for i in first])
        for begin, end in pairwise(edges)
    ]
    assert found[0][1] == np.concatenate(expected).tolist()


def check_same(ranks, backend, cells, name, dtype, most):
    """Particles that ranks hold anyhow fill the slabs as one rank does; mass is conserved."""
    box, number = Box(SIZE, cells), 301
    positions, weights = particles(number, dtype)
    whole = deposit(positions, box, name, weights=weights, shift=0.5)
    domain = Domain(cells, ranks, backend)
    grid = ParticleGrid(box, name, shift=0.5, domain=domain, batch=most)
    # unequal shares, of which the last rank holds none, in batches of unequal number
    cuts = np.minimum(np.arange(ranks.size + 1) * number // max(1, ranks.size - 1), number)
    own = slice(*cuts[ranks.rank : ranks.rank + 2])
    batches = np.array_split(np.arange(own.start, own.stop), 1 + ranks.rank)
    deposit_batches(((positions[batch], weights[batch]) for batch in batches), [grid])
    assert grid.slab.shape == domain.shape
    np.testing.assert_allclose(grid.slab, whole[domain.planes], rtol=0, atol=1e-14 * weights.sum())
    total = sum(ranks.allgather(float(grid.slab.sum())))
    assert total == pytest.approx(weights.sum(dtype=float), rel=1e-13)
    assert grid.totals()[0] == number
    assert grid.totals()[1] == pytest.approx(weights.sum(dtype=float), rel=1e-13)


def check_concentrated(ranks):
    """Memory is bounded where all particles are for one rank: it takes no more than its share at a time."""
    most, taken = 64, []
    add = module.add_particles

    def noted(positions, *others):
        taken.append(len(positions))
        return add(positions, *others)

    module.add_particles = noted
    positions = np.random.default_rng(ranks.rank).uniform(0.1, 0.2, (150, 3)).astype(np.float32)
    grid = ParticleGrid(Box(SIZE, (24, 10, 9)), "pcs", domain=Domain((24, 10, 9), ranks), batch=most)
    grid.add(positions)
    module.add_particles = add
    assert max(taken) <= most
    assert (sum(taken) == 150 * ranks.size) == ranks.is_root or ranks.size == 1
    assert sum(ranks.allgather(float(grid.slab.sum()))) == pytest.approx(150 * ranks.size, rel=1e-13)


def check_errors(ranks):
    """Raised on all ranks, and said which rank's particle it is."""
    last = ranks.size - 1
    own = ranks.rank == last
    where = f" (rank {last})" if ranks.size > 1 else ""
    box = Box(SIZE, (24, 10, 9))
    positions, weights = particles(500)
    bad = positions.copy()
    bad[417, 1] = np.inf
    place = ", ".join(map(str, bad[417].tolist()))
    heavy = weights.copy()
    heavy[499] = np.nan
    wrong = positions[:, :2] if own else positions
    for given_positions, given_weights, error, message in (
        (bad if own else positions, None, InputError, f"particle 417: position ({place}): must be finite, "),
        (positions, heavy if own else weights, InputError, f"particle 499: weight nan: must be finite{where}"),
        (wrong, None, ValueError, f"positions have shape (500, 2): must be (particles, 3){where}"),
    ):
        grid = ParticleGrid(box, domain=Domain(box.cells, ranks), batch=100)
        with pytest.raises(error) as caught:
            grid.add(given_positions, given_weights)
        assert message in str(caught.value) and str(caught.value).endswith(where)
        assert getattr(caught.value, "on_all_ranks", ranks.size == 1)
    if ranks.size > 1:
        grid = ParticleGrid(box, domain=Domain(box.cells, ranks))
        with pytest.raises(ValueError, match=r"float32.*must be the same on all ranks"):
            grid.add(positions.astype(np.float32) if own else positions)


def check_all(ranks):
    for cells, name in zip(RANK_GRIDS, ("tsc", "pcs", "cic", "ngp"), strict=True):
        check_same(ranks, CPU(1), cells, name, np.float64, 80)
    check_same(ranks, CPU(2), RANK_GRIDS[0], "pcs", np.float32, 1 << 20)
    if shutil.which("g++"):
        check_same(ranks, CudaOnCpu(), RANK_GRIDS[2], "pcs", np.float32, 80)
    check_concentrated(ranks)
    check_errors(ranks)


def check_parts(world):
    """This rank as one of 1, 2, 3 and 4."""
    for number in range(1, 5):
        part = world.communicator.Split(world.rank < number)
        if world.rank < number:
            ranks = Ranks(part)
            assert ranks.size == number
            check_all(ranks)
        world.barrier()


if __name__ == "__main__":
    run_here(check_parts)
