"""A gas of filaments: the mass function, isotropy, and no overlap through any periodic image."""

import re
from hashlib import sha256
from itertools import combinations, product

import attrs
import numpy as np
import pytest
from locations import REPOSITORY
from scipy.optimize import brentq, lsq_linear
from scipy.stats import kstest

from gpu_fdm.filament.eigenstates import Library
from gpu_fdm.filament.gas import AXIS, CENTRE, MASS, draw_gas, enclosing_radius, random_axes, random_stream
from gpu_fdm.filament.gas_table import FilamentTable, read_table
from gpu_fdm.filament.overlap import closest_approach, own_image_distance, periodic_distance, segment_distance
from gpu_fdm.filament.wavefunction import random_phases
from gpu_fdm.population.sampling import sample_power_law, sample_tabulated
from gpu_fdm.population.shapes import published_shape

SHIPPED = REPOSITORY / "ini" / "filament_gas.csv"
BOX = np.array([3.0, 3.5, 2.5])
MASSES = {"mass_min": 3e9, "mass_max": 3e10}
CROWDED = {"number": 80, "box_size": BOX, "seed": 5, **MASSES}
HEADER = "mass,length,r0,sigma,cx,cy,cz,dx,dy,dz,ox,oy,oz\n"
ROW = "5e9,1.1,0.0037,6.8,0.1,0.2,0.3,0,0,2,1,0,0"


def shifts(reach):
    return np.array(list(product(range(-reach, reach + 1), repeat=3)))


def all_images(separation, half_a, half_b, box, reach=2):
    """Distances of two segments over (2 reach + 1)^3 images, one by one."""
    return segment_distance(separation + shifts(reach) * box, half_a, half_b)


def violations(gas, box, redshift=4.0, fraction=0.9):
    """Pairs closer than allowed, found over all of 125 images, and whether they are so without any shift."""
    radius = (1 + redshift) * gas.r0 * np.sqrt(fraction / (1 - fraction))
    half = gas.direction * gas.length[:, None] / 2
    i, j = np.triu_indices(len(gas), 1)
    separation = gas.centre[j] - gas.centre[i]
    over_images = separation[:, None] + shifts(2) * box
    closest = segment_distance(over_images, half[i, None], half[j, None]).min(axis=1)
    inside = segment_distance(separation, half[i], half[j]) < radius[i] + radius[j]
    found = [(int(i[k]), int(j[k]), bool(inside[k])) for k in np.flatnonzero(closest < radius[i] + radius[j])]
    own = [np.delete(all_images(np.zeros(3), h, h, box), 62).min() for h in half]
    return found + [(int(i), int(i), False) for i in np.flatnonzero(own < 2 * radius)]


def cumulative(mass, slope, low, high):
    power = slope + 1
    if power == 0:
        return np.log(mass / low) / np.log(high / low)
    return (mass**power - low**power) / (high**power - low**power)


@pytest.mark.parametrize("slope", [-2.19428402, -1.0, 0.5])
def test_power_law_masses(slope):
    low, high = 3e9, 3e10
    width = np.log(high / low)
    uniform = np.random.default_rng(1).random(1_000_000)
    mass = sample_power_law(uniform, slope, low, high)
    assert mass.min() >= low and mass.max() <= high
    np.testing.assert_allclose(cumulative(mass, slope, low, high), uniform, rtol=0, atol=1e-13)
    assert kstest(mass, cumulative, args=(slope, low, high)).pvalue > 0.01

    # maximum likelihood of p = slope + 1 in x = ln M/low: the mean of x over e^{px} must be the mean of the sample
    x = np.log(mass / low)

    def mean(p):
        return width / 2 if abs(p) < 1e-6 else width / -np.expm1(-p * width) - 1 / p

    fitted = brentq(lambda p: mean(p) - x.mean(), -5, 5)
    assert abs(fitted - (slope + 1)) < 3 / np.sqrt(x.size * x.var())


def test_steep_power_laws_do_not_overflow():
    uniform = np.array([0, 0.25, 0.5, 1])
    for slope in (-400.0, 400.0, -1 + 1e-14, -1 - 1e-14):
        mass = sample_power_law(uniform, slope, 1e9, 1e12)
        assert mass[0] == pytest.approx(1e9) and mass[-1] == pytest.approx(1e12) and np.all(np.diff(mass) > 0)


def test_tabulated_masses_of_a_power_law_are_its_masses():
    uniform = np.linspace(0, 1, 1001)
    table = np.geomspace(1e9, 1e11, 7)
    for slope in (-2.19428402, -1.0, 0.5, -60.0, 60.0):
        expected = sample_power_law(uniform, slope, 2.3e9, 7e10)
        given = sample_tabulated(uniform, table, 3e-7 * (table / 1e9) ** (slope + 1), 2.3e9, 7e10)
        inner = slice(1, -1) if abs(slope) > 10 else slice(None)  # the ends of a steep one are beyond round-off
        np.testing.assert_allclose(given[inner], expected[inner], rtol=1e-12)


def test_tabulated_masses_follow_the_table():
    table = np.array([1e9, 2e9, 3e9, 8e9, 5e10])
    dn = np.array([1.0, 6.0, 6.0, 0.3, 0.7])
    uniform = np.linspace(0, 1, 501)
    mass = sample_tabulated(uniform, table, dn, 1.4e9, 4.5e10)
    edge = np.linspace(np.log(1.4e9), np.log(4.5e10), 400_001)
    density = np.exp(np.interp(edge, np.log(table), np.log(dn)))
    number = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    np.testing.assert_allclose(np.interp(np.log(mass), edge, number / number[-1]), uniform, atol=1e-8)  # trapezium rule


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([0.5], [1.0, 2, 3], [1.0, 2], 1, 2), "two columns"),
        (([0.5], [1.0], [1.0], 1, 2), "two columns"),
        (([0.5], [1.0, 3, 2], [1.0, 2, 3], 1, 2), "row 3: mass = 2: must be > 0, finite and increasing"),
        (([0.5], [0.0, 3], [1.0, 2], 1, 2), "row 1: mass = 0"),
        (([0.5], [1.0, 3], [1.0, 0], 1, 2), "row 2: dn_dlnm = 0: must be > 0"),
        (([0.5], [1.0, 3], [1.0, np.nan], 1, 2), "row 2: dn_dlnm = nan"),
        (([0.5], [1.0, 3], [1.0, 1], 0.5, 2), r"mass_min = 0.5, mass_max = 2: must be in \[1, 3\]"),
        (([0.5], [1.0, 3], [1.0, 1], 1, 3.5), r"mass_max = 3.5: must be in \[1, 3\]"),
        (([0.5, 1.5], [1.0, 3], [1.0, 1], 1, 3), r"uniform = 1.5: must be in \[0, 1\]"),
        (([0.5], [1.0, 3], [1.0, 1], 2, 2), "mass_max = 2: must be a number > 2"),
    ],
)
def test_bad_mass_tables(arguments, said):
    with pytest.raises(ValueError, match=said):
        sample_tabulated(*arguments)


def test_bad_power_laws():
    for arguments, said in (
        ((0.5, np.nan, 1, 2), "slope = nan"),
        ((0.5, -2, 0, 2), "mass_min = 0: must be a number > 0"),
        ((0.5, -2, 2, 1), "mass_max = 1: must be a number > 2"),
        ((-0.5, -2, 1, 2), "uniform = -0.5"),
    ):
        with pytest.raises(ValueError, match=said):
            sample_power_law(*arguments)


def test_axes_are_isotropic_and_orientations_uniform():
    count = 400_000
    direction, orientation = random_axes(np.random.default_rng(2).random((count, 3)))
    for vectors in (direction, orientation):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-14)
        assert np.all(np.abs(vectors.mean(0)) < 4 * np.sqrt(1 / 3 / count))
        error = np.where(np.eye(3), np.sqrt(4 / 45 / count), np.sqrt(1 / 15 / count))  # of n_i^2, of n_i n_j
        assert np.all(np.abs(vectors.T @ vectors / count - np.eye(3) / 3) < 4 * error)
    np.testing.assert_allclose(np.sum(direction * orientation, axis=1), 0, atol=1e-14)
    across = np.cross([0, 0, 1.0], direction)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    angle = np.arctan2(np.sum(orientation * np.cross(direction, across), axis=1), np.sum(orientation * across, axis=1))
    assert kstest((angle / (2 * np.pi)) % 1, "uniform").pvalue > 0.01


def brute_distance(separation, half_a, half_b):
    """By constrained least squares: an independent minimisation over the points of both segments."""
    return np.sqrt(2 * lsq_linear(np.stack([-half_a, half_b], 1), -separation, (-1, 1), method="bvls").cost)


def test_distance_of_random_segments():
    random = np.random.default_rng(3)
    separation, a, b = random.normal(size=(3, 400, 3)) * np.array([1.0, 0.7, 0.7])[:, None, None]
    b[300:350] = -1.7 * a[300:350] + 1e-9 * b[300:350]  # nearly parallel
    b[350:] = 0.8 * a[350:] + 1e-2 * b[350:]
    expected = [brute_distance(*each) for each in zip(separation, a, b, strict=True)]
    np.testing.assert_allclose(segment_distance(separation, a, b), expected, atol=1e-9)
    np.testing.assert_allclose(segment_distance(-separation, b, a), expected, atol=1e-9)
    for scale in (1e-9, 1e9):  # there is no length in the formula
        scaled = segment_distance(scale * separation, scale * a, scale * b) / scale
        np.testing.assert_allclose(scaled, expected, atol=1e-9)

    # and against points of both: never above any of them, never below the best by more than half a step of each
    t = np.linspace(-1, 1, 101)
    for i in range(40):
        points = separation[i] + t[:, None, None] * b[i] - t[None, :, None] * a[i]
        nearest = np.linalg.norm(points, axis=-1).min()
        found = segment_distance(separation[i], a[i], b[i])
        assert nearest - 0.01 * (np.linalg.norm(a[i]) + np.linalg.norm(b[i])) <= found <= nearest + 1e-14


@pytest.mark.parametrize(
    ("separation", "a", "b", "expected"),
    [
        ((0, 0, 3), (1, 0, 0), (0, 1, 0), 3),  # crossing, above one another
        ((0.2, 0.3, 0), (1, 0, 0), (0, 1, 0), 0),  # crossing
        ((0, 3, 0), (1, 0, 0), (0, 1, 0), 2),  # a T that does not touch
        ((0.5, 2, 0), (1, 0, 0), (1, 0, 0), 2),  # parallel, beside
        ((5, 4, 0), (1, 0, 0), (-1, 0, 0), 5),  # parallel, past the ends: 3, 4, 5
        ((5, 0, 0), (1, 0, 0), (2, 0, 0), 2),  # collinear, apart
        ((2, 0, 0), (1, 0, 0), (2, 0, 0), 0),  # collinear, overlapping
        ((0.1, 0, 0), (1, 0, 0), (0.2, 0, 0), 0),  # collinear, one in the other
        ((3, 4, 0), (0, 0, 0), (0, 0, 0), 5),  # two points
        ((0.5, 2, 0), (1, 0, 0), (0, 0, 0), 2),  # a point beside
        ((4, 4, 0), (0, 0, 0), (1, 0, 0), 5),  # a point past the end
        ((0, 1e-9, 1), (1, 0, 0), (1, 1e-9, 0), 1),  # parallel to round-off
        ((1, 1, 1), (1e-200, 0, 0), (0, 1e-200, 0), np.sqrt(3)),
    ],
)
def test_distance_of_special_segments(separation, a, b, expected):
    separation, a, b = (np.array(v, float) for v in (separation, a, b))
    for sign in (1, -1):
        assert segment_distance(separation, a, sign * b) == pytest.approx(expected, abs=1e-15)
        assert segment_distance(separation, sign * b, a) == pytest.approx(expected, abs=1e-15)


def test_periodic_distance_is_the_least_over_images():
    random = np.random.default_rng(4)
    box = np.array([1.0, 1.3, 0.8])
    centres = random.random((300, 3)) * box
    halves = random.uniform(-0.5, 0.5, (300, 3)) * box  # as long as the box can hold
    nearest_is_not_enough, used = 0, set()
    for i in range(8):
        found = closest_approach(centres[i], halves[i], centres, halves, box, np.full(300, 2.0))
        limited = closest_approach(centres[i], halves[i], centres, halves, box, np.full(300, 0.05))
        for j in range(300):
            each = all_images(centres[j] - centres[i], halves[i], halves[j], box)
            assert found[j] == pytest.approx(each.min(), abs=1e-14)
            assert limited[j] == pytest.approx(each.min(), abs=1e-14) if each.min() < 0.05 else limited[j] >= 0.05
            used.add(tuple(shifts(2)[each.argmin()]))
            separation = centres[j] - centres[i] - box * np.round((centres[j] - centres[i]) / box)
            nearest_is_not_enough += segment_distance(separation, halves[i], halves[j]) > each.min() + 1e-9
        own = np.delete(all_images(np.zeros(3), halves[i], halves[i], box), 62).min()
        assert own_image_distance(halves[i], box, 1.0) == pytest.approx(own, abs=1e-14)
    assert nearest_is_not_enough > 300 and len(used) >= 27


def test_far_images_are_found_where_the_reach_is_many_boxes():
    half = np.array([2.6, 0.01, 0.0])
    found = closest_approach(np.zeros(3), half, np.array([[0.5, 0.3, 0.4]]), half[None], np.ones(3), np.ones(1))
    assert found[0] == pytest.approx(all_images(np.array([0.5, 0.3, 0.4]), half, half, np.ones(3), 7).min(), abs=1e-14)
    assert own_image_distance(half, np.ones(3), 2.0) == pytest.approx(
        np.delete(all_images(np.zeros(3), half, half, np.ones(3), 7), 15**3 // 2).min(), abs=1e-14
    )


@pytest.mark.parametrize("shift", [s for s in product((-1, 0, 1), repeat=3) if any(s)], ids=str)
def test_each_image_alone_is_enough_to_refuse(shift):
    # a touches the faces, edge or corner towards the image, b those across; everything else is half a box away
    shift = np.array(shift)
    a = BOX / 2 + shift * (BOX / 2 - 0.05)
    b = BOX / 2 - shift * (BOX / 2 - 0.05)
    half = np.array([0.02, 0.03, -0.01])
    close = np.flatnonzero(all_images(b - a, half, half, BOX, 1) < 0.3)
    assert close.tolist() == np.flatnonzero(np.all(shifts(1) == shift, axis=1)).tolist()
    assert closest_approach(a, half, b[None], half[None], BOX, np.array([0.3]))[0] < 0.3
    assert periodic_distance(a, b[None], BOX)[0] == pytest.approx(0.1 * np.linalg.norm(shift))


def test_published_gas_overlaps_once_through_an_image():
    # the published overlap test looks at one image only: the fifth and the eighth filament meet through another
    box = np.full(3, 2.0)
    gas = read_table(SHIPPED, box)
    assert violations(gas, box) == [(4, 7, False)]
    half = gas.direction * gas.length[:, None] / 2
    assert all_images(gas.centre[7] - gas.centre[4], half[4], half[7], box).min() == pytest.approx(0.0368, abs=1e-3)


def test_no_pair_of_a_drawn_gas_overlaps():
    gas = draw_gas(**CROWDED)
    assert violations(gas, BOX) == []
    free = violations(draw_gas(**CROWDED, overlap_mass_fraction=0.0), BOX)
    assert sum(inside for *_, inside in free) > 15 and sum(not inside for *_, inside in free) > 5
    # the tolerated distance is that of the fraction and the redshift which are asked for, no more
    looser = draw_gas(**CROWDED, overlap_mass_fraction=0.5)
    assert violations(looser, BOX, fraction=0.5) == [] and violations(looser, BOX) != []


def test_shape_redshift_and_beta_set_the_radius():
    assert enclosing_radius(0.002, mass_fraction=0.9, redshift=3.0) == pytest.approx(4 * 0.002 * 3)
    assert enclosing_radius(0.002, mass_fraction=0.9, redshift=3.0, beta=0.5) == pytest.approx(4 * 0.002 * 9 ** (2 / 3))

    def shape(mass, beta):
        return 0.5 + beta, 0.01, 7.0

    gas = draw_gas(60, (3, 3, 3), seed=1, shape=shape, redshift=1.0, **MASSES)
    assert violations(gas, 3.0, redshift=1.0) == [] and violations(gas, 3.0, redshift=2.0) != []
    assert np.all(gas.length == 0.5) and np.all(gas.r0 == 0.01) and np.all(gas.sigma == 7)
    beta = draw_gas(3, (3, 3, 3), seed=1, beta=0.5, **MASSES)
    expected = [published_shape(mass, 0.5) for mass in beta.mass]
    np.testing.assert_allclose(np.stack([beta.length, beta.r0, beta.sigma], 1), expected, rtol=1e-14)


def test_filaments_keep_clear_of_their_own_images():
    box, radius = np.full(3, 2.0), 0.2

    def shape(mass, beta):
        return 2.0, radius / 5 / 3, 7.0

    arguments = {"box_size": box, "shape": shape, **MASSES}
    gases = [draw_gas(1, seed=seed, **arguments) for seed in range(40)]
    redrawn = 0
    for seed, gas in enumerate(gases):
        assert violations(gas, box) == []
        attempts = random_axes(random_stream(seed, 0, AXIS).random((20, 3)))[0]
        attempt = int(np.flatnonzero(np.all(attempts == gas.direction, axis=1))[0])
        for refused in attempts[:attempt]:
            assert np.delete(all_images(np.zeros(3), refused, refused, box), 62).min() < 2 * radius
        redrawn += attempt > 0
    assert 2 <= redrawn <= 30


def test_drawn_gas_is_isotropic_uniform_and_unrelated():
    count = 1500
    gas = draw_gas(count, BOX, seed=3, overlap_mass_fraction=0.0, **MASSES)
    error = np.where(np.eye(3), np.sqrt(4 / 45 / count), np.sqrt(1 / 15 / count))
    assert np.all(np.abs(gas.direction.T @ gas.direction / count - np.eye(3) / 3) < 4 * error)
    for axis in range(3):
        assert kstest(gas.centre[:, axis] / BOX[axis], "uniform").pvalue > 0.001
    assert kstest(gas.mass, cumulative, args=(-2.19428402, *MASSES.values())).pvalue > 0.001
    numbers = np.column_stack([np.log(gas.mass), gas.centre, gas.direction, gas.orientation])
    correlation = np.corrcoef(numbers.T) - np.eye(10)
    assert np.all(np.abs(correlation) < 5 / np.sqrt(count))


def test_tabulated_mass_function_is_used():
    table = np.geomspace(1e9, 1e11, 5)
    given = draw_gas(50, (9, 9, 9), seed=2, mass_table=(table, table**-1.5), **MASSES)
    expected = draw_gas(50, (9, 9, 9), seed=2, slope=-2.5, **MASSES)
    np.testing.assert_allclose(given.mass, expected.mass, rtol=1e-12)


def test_poisson_disk():
    apart = {**CROWDED, "number": 40, "overlap_mass_fraction": 0.0}

    def distances(gas, reach):
        pairs = combinations(gas.centre, 2)
        return np.array([np.linalg.norm(b - a + shifts(reach) * BOX, axis=1).min() for a, b in pairs])

    gas = draw_gas(**apart, centres="poisson_disk", min_distance=0.6)
    assert 0.6 <= distances(gas, 2).min() < 0.65
    free = draw_gas(**apart)
    assert distances(free, 0).min() < 0.6
    assert np.any((distances(free, 2) < 0.6) & (distances(free, 0) > 0.6))


def columns(table):
    """By name."""
    return {each.name: getattr(table, each.name) for each in attrs.fields(FilamentTable)}


def test_same_seed_same_gas():
    first, second, other = draw_gas(**CROWDED), draw_gas(**CROWDED), draw_gas(**{**CROWDED, "seed": 6})
    for name, values in columns(first).items():
        assert np.array_equal(values, getattr(second, name))
        assert not np.any(values == getattr(other, name)) or name in ("length", "r0", "sigma")


def test_random_numbers_belong_to_the_index():
    # in a wide box every first attempt is accepted: the first ten are the same, whatever follows
    ten, twelve = (draw_gas(n, (50, 50, 50), seed=7, **MASSES) for n in (10, 12))
    for name, values in columns(ten).items():
        assert np.array_equal(values, getattr(twelve, name)[:10])
    first = [random_stream(7, index, CENTRE).random(3) * 50 for index in range(12)]
    assert np.array_equal(twelve.centre, first)

    # in a crowded one centres move on to later attempts, of their own numbers; masses and axes stay
    crowded, fuller = draw_gas(**CROWDED), draw_gas(**{**CROWDED, "number": 100})
    for name in ("mass", "direction", "orientation"):
        assert np.array_equal(getattr(crowded, name), getattr(fuller, name)[:80])
    attempts = []
    for index, centre in enumerate(crowded.centre):
        darts = random_stream(5, index, CENTRE).random((200, 3)) * BOX
        attempts.append(int(np.flatnonzero(np.all(darts == centre, axis=1))[0]))
    assert np.count_nonzero(attempts) > 10 and attempts[int(np.argmax(crowded.mass))] == 0
    light, heavy = np.array_split(np.array(attempts)[np.argsort(crowded.mass)], 2)
    assert light.mean() > heavy.mean()  # placed last


def test_streams_are_distinct():
    keys = product((0, 1, 2, 2**40), range(30), (MASS, AXIS, CENTRE))
    first = {random_stream(*key).random() for key in keys}
    assert len(first) == 4 * 30 * 3

    # a run has one seed: the phases of the states of its filaments must not be the numbers that placed them
    class States(Library):
        n, l = np.zeros(200, int), np.arange(200)

        def __init__(self):
            """Numbers of states alone."""

        def __len__(self):
            return 200

    phases = np.concatenate([random_phases(States(), 1, index) for index in range(30)])
    assert not {2 * np.pi * number for number in first} & set(phases.ravel().tolist())


def test_a_box_too_full_says_how_many_fitted():
    with pytest.raises(ValueError, match="lower number, mass_max, overlap_mass_fraction") as caught:
        draw_gas(2000, (2.5, 2.5, 2.5), seed=1, max_attempts=20, **MASSES)
    fitted = int(re.match(r"only (\d+) of 2000 filaments fitted into a box of 2.5 x 2.5 x 2.5", str(caught.value))[1])
    assert 5 < fitted < 500
    side = float(re.search(r"a box of about (\S+) x", str(caught.value))[1])
    assert side**3 == pytest.approx(2.5**3 * 2000 / fitted, rel=0.05)
    with pytest.raises(ValueError, match=r"only \d+ of 200 filaments"):
        draw_gas(200, BOX, seed=1, centres="poisson_disk", min_distance=1.5, **MASSES)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"number": 0}, "number = 0: must be an integer >= 1"),
        ({"number": 2.5}, "number = 2.5"),
        ({"box_size": (1, 2)}, "box_size = .*must be 3 values"),
        ({"box_size": (1, 2, 0)}, "box_size = .*each a number > 0"),
        ({"seed": -1}, "seed = -1: must be an integer >= 0"),
        ({"mass_min": -1}, "mass_min = -1"),
        ({"mass_max": 1e9}, "mass_max = 1000000000.0: must be a number > 3e.09"),
        ({"slope": np.inf}, "slope = inf"),
        ({"beta": 1}, r"beta = 1: must be a number in \[0, 1\)"),
        ({"redshift": 3}, "redshift = 3: must be 4"),
        ({"redshift": -1}, "redshift = -1"),
        ({"centres": "grid"}, "centres = grid: must be one of uniform, poisson_disk"),
        ({"centres": "poisson_disk"}, r"min_distance = None: must be a number in \(0, 2.5\]"),
        ({"centres": "poisson_disk", "min_distance": 2.6}, r"min_distance = 2.6: must be a number in \(0, 2.5\]"),
        ({"min_distance": 1.0}, "min_distance = 1: must be given with centres = poisson_disk only"),
        ({"overlap_mass_fraction": 1}, r"overlap_mass_fraction = 1: must be a number in \[0, 1\)"),
        ({"max_attempts": 0}, "max_attempts = 0"),
        ({"shape": lambda mass, beta: (1, 0, 1)}, r"shape of .* = \(1, 0, 1\): must be length, r0 and sigma"),
        ({"shape": lambda mass, beta: (1, 1)}, "must be length, r0 and sigma"),
        ({"shape": lambda mass, beta: (9.0, 1e-3, 1)}, "Msun/h, 9 cMpc/h long, extends over .* along [xyz]: must fit"),
        ({"shape": lambda mass, beta: (1.0, 0.2, 1)}, "overlaps its own images in a box of 3 x 3.5 x 2.5 cMpc/h"),
        ({"overlap_mass_fraction": 1 - 1e-9}, "overlaps its own images in a box of 3 x 3.5 x 2.5 cMpc/h"),
        ({"mass_table": ([1e9, 1e10], [1.0, 1])}, r"mass_max = 3e\+10: must be in \[1e\+09, 1e\+10\]"),
    ],
)
def test_bad_arguments(changed, said):
    with pytest.raises(ValueError, match=said):
        draw_gas(**{"number": 3, "box_size": BOX, "seed": 1, **MASSES, **changed})


def test_extent_names_the_mass():
    with pytest.raises(ValueError, match="a filament of ") as caught:
        draw_gas(200, (1.2, 1.2, 1.2), seed=1, overlap_mass_fraction=0.0, **MASSES)
    mass, length = map(float, re.findall(r"of (\S+) Msun/h, (\S+) cMpc/h long", str(caught.value))[0])
    assert published_shape(mass)[0] == pytest.approx(length, rel=1e-3) and length > 1.2
    # what counts is the extent along the axes of the box: a longer filament may lie across it
    refused = 0
    for seed in range(30):
        arguments = {"box_size": BOX, "seed": seed, "overlap_mass_fraction": 0.0, **MASSES}
        extent = 3.6 * np.abs(random_axes(random_stream(seed, 0, AXIS).random(3))[0])
        if np.all(extent <= BOX):
            assert len(draw_gas(1, shape=lambda mass, beta: (3.6, 0.01, 7.0), **arguments)) == 1
        else:
            refused += 1
            with pytest.raises(ValueError, match="extends over"):
                draw_gas(1, shape=lambda mass, beta: (3.6, 0.01, 7.0), **arguments)
    assert 3 < refused < 27


def test_shipped_table_is_the_published_one():
    gas = read_table(SHIPPED, (2, 2, 2))
    assert len(gas) == 8
    rows = [line for line in SHIPPED.read_text().splitlines() if line[0].isdigit()]
    published = "f13416e6806646fa55dcaa89fbd639f4e9746b18cef15e5bf606aae7e7fbfe38"  # of the eight published rows
    assert sha256("".join(f"{row}\n" for row in rows).encode()).hexdigest() == published
    numbers = np.array([row.split(",") for row in rows], float)
    assert numbers[6, :4].tolist() == [2.695309134e10, 1.847632587, 0.006567031529, 12.5241133]
    np.testing.assert_allclose(gas.mass, numbers[:, 0])
    np.testing.assert_allclose(gas.centre, 2 * numbers[:, 4:7])
    np.testing.assert_allclose(np.cross(gas.direction, numbers[:, 7:10]), 0, atol=1e-15)
    assert np.all(np.sum(gas.direction * numbers[:, 7:10], axis=1) > 0)
    # the orientation is what is left of the given one, on its side
    np.testing.assert_allclose(np.sum(np.cross(gas.direction, gas.orientation) * numbers[:, 10:], 1), 0, atol=1e-15)
    assert np.all(np.sum(gas.orientation * numbers[:, 10:], axis=1) > 0)
    fits = [published_shape(mass) for mass in gas.mass]
    np.testing.assert_allclose(np.stack([gas.length, gas.r0, gas.sigma], 1), fits, rtol=1e-8)


def test_table_in_a_box_that_is_no_cube(tmp_path):
    path = tmp_path / "gas.csv"
    path.write_text(f"# comment\n{HEADER}{ROW}\n5e9,1.1,1e-3,7,0.9,0.8,1.7,3e-200,4e-200,0,1e-5,0,1e-5\n")
    gas = read_table(path, (2, 4, 8))
    np.testing.assert_allclose(gas.centre, [[0.2, 0.8, 2.4], [1.8, 3.2, 13.6]])
    np.testing.assert_allclose(gas.direction, [[0, 0, 1], [0.6, 0.8, 0]], atol=1e-15)
    np.testing.assert_allclose(gas.orientation[0], [1, 0, 0])
    nearly = ROW.replace("0,0,2,1,0,0", "1,2,3,1,2,3.00001")
    path.write_text(HEADER + nearly)
    assert abs(np.sum(read_table(path, (2, 4, 8)).orientation * [1, 2, 3])) < 1e-9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER.replace("sigma,", ""), "line 1: no column sigma"),
        (HEADER, "no rows below the header"),
        (HEADER + ROW.replace("6.8", "six"), "line 2: sigma = six: must be a finite number"),
        (f"{HEADER}{ROW}\n# x\n" + ROW.replace("5e9", "0"), "line 4: mass = 0: must be > 0"),
        (HEADER + ROW.replace("1.1", "-1.1"), "line 2: length = -1.1: must be > 0"),
        (HEADER + ROW.replace("0.0037", "0"), "line 2: r0 = 0: must be > 0"),
        (HEADER + ROW.replace("6.8", "-1"), "line 2: sigma = -1: must be > 0"),
        (HEADER + ROW.replace("0,0,2", "0,0,0"), "line 2: dx,dy,dz = 0, 0, 0: must be a vector that is not zero"),
        (HEADER + ROW.replace("1,0,0", "0,0,0"), "line 2: ox,oy,oz = 0, 0, 0: must be a vector that is not zero"),
        (HEADER + ROW.replace("1,0,0", "0,0,-3"), "line 2: ox,oy,oz = 0, 0, -3: must be .* not parallel"),
        (HEADER + ROW.replace("1.1", "2.1"), "line 2: length = 2.1: must be .* fits the box, 2 x 2 x 2 cMpc/h"),
    ],
)
def test_bad_tables(text, said, tmp_path):
    path = tmp_path / "gas.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"gas.csv.*{said}"):
        read_table(path, (2, 2, 2))


def test_length_is_judged_by_its_extent(tmp_path):
    path = tmp_path / "gas.csv"
    path.write_text(HEADER + ROW.replace("1.1", "2.1"))
    assert len(read_table(path, (1, 1, 2.2))) == 1  # the axis is z
    path.write_text(HEADER + ROW.replace("1.1,", "2.7,").replace("0,0,2,1,0,0", "1,1,0,0,0,1"))
    assert len(read_table(path, (2, 2, 2))) == 1  # 1.91 along x and y
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.csv", (2, 2, 2))
    with pytest.raises(ValueError, match="box_size"):
        read_table(path, (2, 2, -2))


def test_filament_table_is_checked_copied_and_frozen():
    good = {
        "mass": [1.0, 2.0],
        "length": [1.0, 1.0],
        "r0": [1.0, 1.0],
        "sigma": [1.0, 1.0],
        "centre": np.ones((2, 3)),
        "direction": [[0, 0, 1.0], [0, 1.0, 0]],
        "orientation": [[1.0, 0, 0], [1.0, 0, 0]],
    }
    table = FilamentTable(**good)
    good["centre"][:] = 7
    assert len(table) == 2 and np.all(table.centre == 1)
    with pytest.raises(ValueError, match="read-only"):
        table.mass[0] = 3
    for changed, said in (
        ({"mass": [1.0]}, "length of shape"),
        ({"mass": 1.0}, r"mass of shape \(\)"),
        ({"centre": np.ones((2, 2))}, r"centre of shape \(2, 2\): must be \(2, 3\)"),
        ({name: [] for name in good}, "at least one filament"),
        ({"r0": [1.0, -1.0]}, "filament 1: r0 = -1.0: must be > 0"),
        ({"sigma": [np.inf, 1.0]}, "filament 0: sigma = inf: must be finite"),
        ({"direction": [[0, 0, 1.0], [0, 1.1, 0]]}, "filament 1: direction = .*: must be a unit vector"),
        ({"orientation": [[0.8, 0, 0.6], [1.0, 0, 0]]}, "filament 0: orientation = .* perpendicular to direction"),
    ):
        with pytest.raises(ValueError, match=said):
            FilamentTable(**{**good, **changed})
