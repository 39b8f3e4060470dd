"""Filaments that were drawn are measured as they are: through a corner of the box, in any direction, beside others."""

import dataclasses

import h5py
import numpy as np
import pytest
from drawn_filaments import OMEGA_M, REDSHIFT, Drawn, distance, mean_density, particles, write_particles

from gpu_fdm.cosmic_web.axis import Axis, around, axis_between, period
from gpu_fdm.cosmic_web.cylinder import Cylinder, fitted
from gpu_fdm.cosmic_web.ends import half_mass_ends
from gpu_fdm.cosmic_web.jackknife import Sample, variance
from gpu_fdm.cosmic_web.momenta import momenta_of_particles, momenta_of_psi
from gpu_fdm.cosmic_web.profile import measured_profile
from gpu_fdm.cosmic_web.roundness import axis_ratio, axis_ratios
from gpu_fdm.cosmic_web.sampling import cylinder_points, sampled
from gpu_fdm.cosmic_web.shells import Shells
from gpu_fdm.errors import InputError
from gpu_fdm.fields.box import Box
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.pipeline.measured_filament import Around, mean_of_box
from gpu_fdm.pipeline.snapshot_filament import measure_filaments
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import open_snapshot
from gpu_fdm.snapshots.snapshot import GridSnapshot
from gpu_fdm.units import SOLAR_MASS, CodeUnits

SIDE = 1.0
CORNER = Drawn((0.97, 0.02, 0.99), (1.0, 0.7, -0.4), 0.8, 0.0037, 3e9)  # the axis goes through a corner of the box
OTHER = Drawn((0.5, 0.5, 0.6), (0.2, 1.0, 0.3), 0.8, 0.003, 2e9)
HOW = Around(smooth=0.02, radius=0.16)


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    positions = particles([CORNER, OTHER], 60_000, SIDE)
    return open_snapshot(write_particles(tmp_path_factory.mktemp("drawn"), positions, SIDE))


def wrapped_axis(filament, share=0.75, shift=0.0):
    begin, end = ((point + shift) % SIDE for point in filament.ends(share))
    return axis_between(begin, end, (SIDE,) * 3, 0.1)


def test_a_filament_through_a_corner(snapshot):
    mean = mean_density([CORNER, OTHER], SIDE)
    how = Around(HOW.smooth, HOW.radius, mean=mean)
    shifted = wrapped_axis(CORNER, shift=np.array([0.008, -0.01, 0.006]))
    (found,) = measure_filaments(snapshot, [shifted], how, SERIAL, found=False)
    assert distance(found.axis, CORNER, SIDE) < 1e-3  # a tenth of the scale radius
    (r0, r0_error), (sigma, sigma_error) = (
        found.cylinder.r0(1 / (1 + REDSHIFT)),
        found.cylinder.sigma(1 / (1 + REDSHIFT), OMEGA_M),
    )
    assert abs(r0 - CORNER.r0) < 2 * r0_error < 0.1 * r0
    assert abs(sigma - CORNER.sigma) < 2 * sigma_error < 0.05 * sigma
    truth = Cylinder(CORNER.r0 * (1 + REDSHIFT), CORNER.line_mass, 0.0)
    assert found.profile.line_mass == pytest.approx(float(truth.enclosed(HOW.radius)), rel=0.01)
    off = (found.profile.density - truth.density(found.profile.radius)) / found.profile.error
    assert np.mean(off**2) < 2 and found.shells.drawn == "slices" and found.curvature < 0.05


def test_the_density_of_the_box_is_that_of_the_masses_in_a_file(tmp_path):
    """It was taken as that of all matter, also in a box whose particles say that they have a fortieth of it."""
    positions = particles([CORNER, OTHER], 30_000, SIDE)
    path, mean = write_particles(tmp_path, positions, SIDE), mean_density([CORNER, OTHER], SIDE)
    assert mean < 0.1

    def measured(grams, given=None):
        with h5py.File(path, "r+") as file:
            file["Header"].attrs["UnitMass_in_g"] = grams
        how = Around(HOW.smooth, HOW.radius, mean=given)
        (found,) = measure_filaments(open_snapshot(path), [wrapped_axis(CORNER)], how, SERIAL, found=False)
        return found

    grams = (CORNER.mass + OTHER.mass) / 30_000 * SOLAR_MASS * 1e3  # each
    found, given = measured(grams), measured(grams, mean)
    assert found.mean_is_known and found.mean == pytest.approx(mean, rel=1e-6)
    assert found.profile.line_mass == pytest.approx(given.profile.line_mass, rel=1e-6)
    assert found.cylinder.sigma(1 / (1 + REDSHIFT), OMEGA_M)[0] == pytest.approx(CORNER.sigma, rel=0.05)
    assert measured(grams / mean * 1.0005).mean == 1.0  # by the constants of another code

    with h5py.File(path, "r+") as file:  # of a run without expansion: there is no mean matter density
        file["Header"].attrs["Omega0"] = 0.0
    static = measured(grams)
    assert not static.mean_is_known and static.mean == 1.0


def test_particles_without_mass(tmp_path):
    positions = particles([CORNER], 3000, SIDE)
    path = write_particles(tmp_path, positions, SIDE)
    with h5py.File(path, "r+") as file:
        file["Header"].attrs["MassTable"] = np.zeros(6)
        for group in (file[name] for name in file if name.startswith("PartType")):
            group["Masses"] = np.zeros(len(group["Coordinates"]))
    with pytest.raises(InputError, match=r"the sum of its masses is 0: must be positive"):
        measure_filaments(open_snapshot(path), [wrapped_axis(CORNER)], HOW, SERIAL, found=False)


def test_the_density_of_grids_in_solar_masses():
    about = dict(path="grid", format="axionyx", box_size=(2.0,) * 3, redshift=3.0, fields=("AxDens",), field="AxDens")
    grid = GridSnapshot(**about, h=0.7, omega_m=0.3, cells=(8,) * 3, density_units="Msun/cMpc^3", source=None)
    stored = 0.25 * 0.3 * 2.775366e11 * 0.7**2  # a quarter of the mean matter density
    assert mean_of_box(grid, stored, None) == pytest.approx(0.25, rel=1e-5)
    of_kpc = dataclasses.replace(grid, density_units="Msun/ckpc^3")
    assert mean_of_box(of_kpc, stored * 1e-9, None) == pytest.approx(0.25, rel=1e-5)
    for lacks in ({"omega_m": None}, {"omega_m": 0.0}, {"omega_m": np.nan}, {"omega_m": -1.0}, {"h": 0.0}):
        assert mean_of_box(dataclasses.replace(grid, **lacks), stored, None) == 1.0
    assert mean_of_box(grid, stored, 0.5) == 0.5
    own = dataclasses.replace(grid, density_units="mean matter densities")
    assert mean_of_box(own, 1.0003, None) == 1.0003


def test_what_is_no_filament(snapshot):
    def measure(begin, end, **other):
        axis = axis_between(begin, end, (SIDE,) * 3, 0.1)
        measure_filaments(snapshot, [axis], Around(HOW.smooth, **({"radius": 0.16} | other)), SERIAL, found=False)

    with pytest.raises(InputError, match=r"particles around the axis 0\.5,0\.05,0\.3 to .*: must be at least 100"):
        measure((0.5, 0.05, 0.3), (0.9, 0.05, 0.3), radius=0.04)
    with pytest.raises(InputError, match=r"no filament along the axis .*(rises outwards, from|away|slices|beside it)"):
        begin, end = OTHER.ends(0.8)
        measure((begin + [0.1, 0, 0]) % SIDE, (end + [0.1, 0, 0]) % SIDE)


@pytest.mark.parametrize(
    ("begin", "end", "message"),
    [
        ((1.2, 0, 0), (0.5, 0, 0), r"--from 1\.2,0,0: must be in the box, 0 to 1, 0 to 1, 0 to 1 cMpc/h"),
        ((0.9, 0, 0), (0.1, 0, 0), r"an axis of 0\.2 cMpc/h, the shortest way .*: must be at least 0\.5, the diameter"),
    ],
)
def test_axes_that_are_refused(begin, end, message):
    with pytest.raises(InputError, match=message):
        axis_between(begin, end, (1.0,) * 3, 0.5)


def test_points_around_an_axis_are_all_images():
    """An axis that is longer than the box meets some particles twice."""
    axis = Axis([0.2, 0.5, 0.5], [1.7, 0.5, 0.5])
    index, frame = around(np.array([[0.3, 0.5, 0.52], [0.9, 0.5, 0.5], [0.9, 0.8, 0.5]]), axis, 0.75, 0.1, (1.0,) * 3)
    assert sorted(index.tolist()) == [0, 0, 1]
    assert np.allclose(np.sort(axis.positions(frame)[:, 0]), [0.3, 0.9, 1.3])
    assert np.allclose(np.linalg.norm(frame[:, :2], axis=1).max(), 0.02)


def test_cylinder_and_its_sigma_are_those_of_the_profile():
    units = CodeUnits(1.0, 0.6731, OMEGA_M)
    exact = SteadyStateCylinder(0.0037 / units.length, 7.0 / units.velocity, 0.5, 0.2)
    cylinder = Cylinder(0.0037 / 0.2, exact.line_mass * units.length**2, 0.0, 0.5)
    radius = np.geomspace(1e-3, 0.3, 9)
    assert np.allclose(cylinder.density(radius), exact.density(radius / units.length))
    assert np.allclose(cylinder.enclosed(radius), exact.enclosed_line_mass(radius / units.length) * units.length**2)
    assert cylinder.sigma(0.2, OMEGA_M)[0] == pytest.approx(7.0, rel=1e-9)


def test_a_fit_gives_back_its_cylinder():
    edges = np.concatenate([[0], np.geomspace(0.003, 0.2, 14)])
    truth = Cylinder(0.02, 0.05, 0.3)
    masses = np.diff(truth.enclosed(edges)) + 0.3 * np.pi * np.diff(edges**2)
    noise = 0.1 * np.random.default_rng(1).standard_normal((30, len(masses)))
    sample = Sample(masses * np.concatenate([1 + noise, 1 - noise]), np.ones(60))
    found = fitted(edges, sample)
    assert found.scale == pytest.approx(0.02) and found.line_mass == pytest.approx(0.05)
    assert found.background == pytest.approx(0.3)
    known = fitted(edges, sample, background=0.3)
    assert known.scale == pytest.approx(0.02) and known.errors[2] == 0 < known.errors[0] < found.errors[0]


def test_errors_of_fits_are_their_scatter():
    """Particles of a cylinder in 24 slices: over 400 draws r0 scatters by 0.39 %; fits with fixed weights by 0.34 %."""
    edges, truth, random = np.concatenate([[0], np.geomspace(0.0026, 0.12, 20)]), Cylinder(0.0186, 0.05, 0.0), np.random
    numbers = np.diff(truth.enclosed(edges)) / truth.line_mass * 75_000 / 24
    drawn = random.default_rng(1).poisson(np.broadcast_to(numbers, (12, 24, 20)))
    found = [fitted(edges, Sample(each * (truth.line_mass / 75_000), np.full(24, 1 / 24))) for each in drawn]
    assert np.mean([one.errors[0] for one in found]) == pytest.approx(0.0039 * truth.scale, rel=0.1)
    values = random.default_rng(2).standard_normal(50)
    assert variance((values.sum() - values) / 49) == pytest.approx(np.var(values, ddof=1) / 50)


def test_the_error_of_a_line_mass_less_a_background_is_its_scatter():
    """The background is fitted to the same masses: without that the error was twice the scatter."""
    edges, grain, length = np.concatenate([[0], np.geomspace(0.004, 0.25, 20)]), 5e-6, 0.6
    truth, beside = Cylinder(0.02, 0.074, 0.0), 3.0
    masses = np.diff(truth.enclosed(edges)) + beside * np.pi * np.diff(edges**2)
    found, random = [], np.random.default_rng(1)
    for _ in range(60):
        mass = random.poisson(masses * length / grain / (24 * 8), (24, 8, 20)) * grain
        shells = Shells(edges, length, mass, np.ones((24, 8), bool), grain)
        profile = measured_profile(shells, fitted(edges, shells.sample()))
        found.append((profile.line_mass, profile.line_mass_error))
    line_mass, error = np.transpose(found)
    assert line_mass.mean() == pytest.approx(float(truth.enclosed(edges[-1])), rel=5e-3)
    assert error.mean() == pytest.approx(line_mass.std(), rel=0.3)  # 60 draws tell the scatter to 9 %


def test_ends():
    z = np.linspace(-0.4, 0.6, 100_001)
    low, high = half_mass_ends(z, np.ones(len(z)), -1.0, 1.0, 0.3, 64)
    assert low == pytest.approx(-0.4, abs=0.02) and high == pytest.approx(0.6, abs=0.02)
    with pytest.raises(ValueError, match="half of its slices are empty"):
        half_mass_ends(np.array([0.0]), np.ones(1), -1.0, 1.0, 0.3, 64)


def test_a_field_between_cells():
    """A wave of 5 cells along x: quintic splines miss (1/4)^6 + (1/6)^6 and as much in images; shells are full."""
    box = Box((1.0, 1.2, 0.9), (65, 72, 56))
    x, y, _ = np.meshgrid(
        *((np.arange(n) + 0.5) * s / n for n, s in zip(box.cells, box.size, strict=True)), indexing="ij"
    )

    def wave(x, y):
        return np.exp(2j * np.pi * (13 * x / 1.0 - 3 * y / 1.2))

    field = wave(x, y)
    axis = Axis([0.9, 0.1, 0.1], [1.3, 0.5, -0.2])
    frame, volume, numbers = cylinder_points(axis, np.array([0, 0.02, 0.1]), 4, 0.01)
    found = sampled(lambda a, b: field[a:b], box, axis.positions(frame))
    points = axis.positions(frame)
    off = np.abs(found - wave(points[:, 0], points[:, 1])).max()
    assert off == pytest.approx(2 * (1 / 4**6 + 1 / 6**6), rel=0.05)
    assert volume.sum() == pytest.approx(np.pi * 0.1**2 * axis.length)
    inner = volume[numbers[2] == 0].sum()
    assert inner == pytest.approx(np.pi * 0.02**2 * axis.length) and numbers.max(axis=1).tolist() == [3, 7, 1]


def test_momenta():
    """A packet of known width and momentum; particles that stream with a gradient."""
    z, u = (np.arange(256) + 0.5) / 256 * 8 - 4, (np.arange(64) + 0.5) / 64 * 8 - 4
    packet = np.exp(-(u[:, None, None] ** 2 + u[:, None] ** 2) / (4 * 0.5**2)) * np.exp(5j * z)
    found = momenta_of_psi(packet, (8.0, 8.0, 8.0))
    assert found.streaming == pytest.approx(5) and found.along < 1e-2
    assert found.across == pytest.approx(1, rel=1e-3)  # 1/(2 width)
    small = np.abs(u) < 1.25  # a cut-out of the packet, whose window has twice the momentum of the packet
    found = momenta_of_psi(packet[small][:, small], (2.5, 2.5, 8.0))
    assert found.across == pytest.approx(1, rel=1e-3)
    random = np.random.default_rng(1)
    row = random.integers(10, size=20_000)
    velocity = random.normal(0, [3, 3, 5], (20_000, 3)) + np.outer(10 * row, [0, 0, 1])
    momenta, streaming = momenta_of_particles(velocity, np.ones(20_000), row, 10)
    assert streaming == pytest.approx(10 * np.arange(10), abs=0.5)
    assert momenta.along == pytest.approx(5, rel=0.02) and momenta.across == pytest.approx(3, rel=0.02)
    assert momenta.streaming == pytest.approx(45, rel=0.02)


def test_a_grid_of_density(tmp_path):
    """The mean density of the cylinder on a grid: its scale, to what cubic splines of cells of half of it give."""
    cells, side = (64, 60, 70), (0.64, 0.6, 0.7)
    axis = Axis([0.1, 0.15, 0.2], [0.5, 0.42, 0.6])
    truth = Cylinder(0.02, 0.05, 0.0)
    positions = np.stack(
        np.meshgrid(*((np.arange(n) + 0.5) * s / n for n, s in zip(cells, side, strict=True)), indexing="ij"), axis=-1
    )
    away = positions - axis.centre
    radius = np.linalg.norm(away - (away @ axis.direction)[..., None] * axis.direction, axis=-1)
    z = away @ axis.direction
    density = truth.density(np.maximum(radius, 1e-6)) * (1 + 0.05 * np.sin(40 * z))
    np.save(tmp_path / "rho.npy", density)
    snapshot = open_snapshot(tmp_path / "rho.npy", options=SnapshotOptions(box_size=side, redshift=4.0))
    how = Around(0.02, 0.1, slices=12, mean=float(density.mean()), background=0.0)
    first = Axis(axis.begin + [0.006, 0, 0], axis.end - [0, 0.006, 0])
    (found,) = measure_filaments(snapshot, [first], how, SERIAL, found=False)
    assert found.cylinder.scale == pytest.approx(0.02, rel=0.01)
    assert found.profile.line_mass == pytest.approx(float(truth.enclosed(0.1)), rel=0.01)
    away = found.axis.centre - axis.centre
    assert np.linalg.norm(away - (away @ axis.direction) * axis.direction) < 1e-3
    with pytest.raises(InputError, match="is a density, without phases: must be psi"):
        snapshot.wave(0, 1)


def test_the_axis_ratio_of_a_stretched_filament():
    random = np.random.default_rng(5)
    u, angle = random.random(50_000), 2 * np.pi * random.random(50_000)
    radius = 0.01 * np.sqrt(u / (1 - u))
    inside = radius < 0.3
    round_one = np.stack([radius * np.cos(angle), radius * np.sin(angle), random.random(len(u))], axis=-1)[inside]
    turn = np.array([[np.cos(0.4), np.sin(0.4)], [-np.sin(0.4), np.cos(0.4)]])
    stretched = round_one * [1, 0.6, 1]
    stretched[:, :2] = stretched[:, :2] @ turn + [0.004, -0.003]
    mass = np.full(len(stretched), 1 / len(stretched))
    before, _ = axis_ratio(round_one[:, :2], mass, 0.005, 0.3)
    ratio, along = axis_ratio(stretched[:, :2], mass, 0.02, 0.3)
    assert before > 0.97 and ratio == pytest.approx(0.6, abs=0.015) and along == pytest.approx(0.4, abs=0.03)
    # a constant density beside it is subtracted
    beside = random.uniform(-0.15, 0.15, (100_000, 2))
    both = np.concatenate([stretched[:, :2], beside])
    of_both = np.concatenate([mass, np.full(len(beside), 0.5 / len(beside))])
    assert axis_ratio(both, of_both, 0.01, 0.3, 0.5 / 0.09)[0] == pytest.approx(0.6, abs=0.03)
    ratios, _ = axis_ratios(stretched, mass, (4 * stretched[:, 2]).astype(int), 4, 0.01, 0.3)
    assert ratios == pytest.approx(np.full(4, 0.6), abs=0.04)
    assert np.isnan(axis_ratio(beside, np.ones(len(beside)), 0.01, 0.1)[0])  # wider than the radius allows
    assert np.isnan(axis_ratio(beside[:2], np.ones(2), 0.01, 0.3)[0])  # the window closes on one point


def test_a_filament_that_goes_through_the_whole_box(tmp_path):
    random = np.random.default_rng(3)
    positions = random.random((30_000, 3))
    width = 0.02 * random.standard_normal((30_000, 2))
    positions[:, :2] = 0.5 + width
    snapshot = open_snapshot(write_particles(tmp_path, positions % SIDE, SIDE))
    long = Axis([0.5, 0.5, 0.1], [0.501, 0.499, 0.9])
    (found,) = measure_filaments(snapshot, [long], Around(0.03, 0.2), SERIAL, found=True)
    assert found.length == pytest.approx(SIDE, rel=1e-3) and found.closed
    assert found.roundness.whole > 0.95
    assert period(Axis([0, 0, 0], [0.3, 0.3, 0]), (SIDE,) * 3, 0.01) == pytest.approx(np.sqrt(2))
    assert period(Axis([0, 0, 0], [0.1, 0.33, 0.7]), (SIDE,) * 3, 0.01) == np.inf
