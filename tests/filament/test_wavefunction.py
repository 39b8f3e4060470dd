"""psi by sums over l against the plain sum over modes, its averages, derivatives and vortices."""

from dataclasses import replace

import numpy as np
import pytest
from hankel import polar_grid

from gpu_fdm.fields.cross_section import flow_at, psi_at, tabulate
from gpu_fdm.fields.extruded import MeanTable
from gpu_fdm.fields.spline import error_of, radial_coefficients, spacing_for
from gpu_fdm.fields.vortices import find_vortices, winding_numbers
from gpu_fdm.filament.wavefunction import WaveFunction, random_phases

TOLERANCE = 1e-10


def plain_sum(wave, x, y, time=0.0):
    """psi by the definition: one term a mode, no grouping, no table."""
    library = wave.library
    radius, phi = np.hypot(x, y), np.arctan2(y, x)
    radial = library.radial_at(radius.ravel()).reshape(len(library), *radius.shape)
    psi = np.zeros(radius.shape, complex)
    for j in range(len(library)):
        amplitude = np.sqrt(library.line_mass / (2 * np.pi) * wave.weight[j])
        turn = np.exp(-1j * library.energy[j] * time)
        angular = np.exp(1j * (wave.phase[j, 0] + library.l[j] * phi))
        if library.l[j] > 0:
            angular = angular + np.exp(1j * (wave.phase[j, 1] - library.l[j] * phi))
        psi += amplitude * radial[j] * angular * turn
    return psi


@pytest.fixture(scope="module")
def points(library):
    rng = np.random.default_rng(3)
    x, y = rng.uniform(-0.7, 0.7, (2, 300)) * library.radius_max
    x[0] = y[0] = 0  # on the axis, and close to it
    x[2:6] = [1e-9, -1e-6, 3e-6, 2e-5]
    y[2:6] = [0, 2e-6, -4e-6, -1e-5]
    y[1] = 0
    return x, y


@pytest.fixture(scope="module")
def table(wave):
    return tabulate(wave, tolerance=TOLERANCE)


@pytest.mark.parametrize("time", [0.0, 0.37])
def test_against_the_plain_sum(wave, points, backend, time):
    psi = psi_at(tabulate(wave, time, TOLERANCE), *points, backend)
    reference = plain_sum(wave, *points, time)
    assert np.max(np.abs(psi - reference)) < 20 * TOLERANCE * np.max(np.abs(reference))


def test_tolerance_is_kept(wave, points):
    reference = plain_sum(wave, *points)
    for tolerance in (1e-4, 1e-6, 1e-8):
        error = np.max(np.abs(psi_at(tabulate(wave, tolerance=tolerance), *points) - reference))
        assert error < 3 * tolerance * np.max(np.abs(reference))


def test_single_precision(wave, points, backend):
    psi = psi_at(tabulate(wave, tolerance=1e-7, dtype=np.float32), *points, backend)
    assert psi.dtype == np.complex64
    reference = plain_sum(wave, *points)
    assert np.max(np.abs(psi - reference)) < 2e-5 * np.max(np.abs(reference))


def test_positions_must_be_numbers(table):
    with pytest.raises(ValueError, match="finite"):
        psi_at(table, [0.0, np.nan], 0.0)


def test_zero_outside(table):
    assert psi_at(table, table.radius_max * 1.01, 0.0) == 0


def test_polar_grid(wave, table):
    radii, angles = np.array([0.5, 4.0, 9.0]), 64
    phi = 2 * np.pi * np.arange(angles) / angles
    expected = psi_at(table, radii[:, None] * np.cos(phi), radii[:, None] * np.sin(phi))
    assert np.max(np.abs(polar_grid(wave, radii, angles) - expected)) < 1e-8 * np.max(np.abs(expected))


def test_gradient(wave, points, backend):
    flow = flow_at(tabulate(wave, tolerance=TOLERANCE), *points, backend)
    x, y = points
    step = 1e-4
    for axis, found in enumerate((flow.psi_x, flow.psi_y)):
        h = step * np.eye(2)[axis]
        up, down = (plain_sum(wave, x + s * h[0], y + s * h[1]) for s in (1, -1))
        expected = (up - down) / (2 * step)
        assert np.max(np.abs(found - expected)) < 1e-6 * np.max(np.abs(expected))


def test_flow_of_one_rotating_mode(library, backend):
    """psi = R_nl e^{il phi} flows with u = l/R around the axis, and its line mass is mu w."""
    mode = int(np.flatnonzero((library.l == 3) & (library.n == 1))[0])
    weight, phase = np.zeros(len(library)), np.zeros((len(library), 2))
    weight[mode] = 0.7
    wave = WaveFunction(library, weight, phase)
    factors = wave.azimuthal()
    factors[1] = 0  # keep e^{+3 i phi} only
    one_way = _with_azimuthal(wave, factors)
    x, y = np.array([1.3, -2.0, 0.4]), np.array([0.7, 1.1, -2.2])
    flow = flow_at(tabulate(one_way, tolerance=1e-10), x, y, backend)
    radius2 = x**2 + y**2
    assert flow.velocity == pytest.approx(3 * np.stack([-y, x]) / radius2, rel=1e-6)
    # curl of the momentum density l rho/R phi_hat: (l/R) d rho/dR
    rho = lambda r: library.line_mass / (2 * np.pi) * 0.7 * library.radial_at(r)[mode] ** 2  # noqa: E731
    radius = np.sqrt(radius2)
    slope = (rho(radius + 1e-4) - rho(radius - 1e-4)) / 2e-4
    assert flow.vorticity == pytest.approx(3 / radius * slope, rel=1e-5)


def _with_azimuthal(wave, factors):
    class Fixed(WaveFunction):
        def azimuthal(self, time=0.0, z=0.0):
            return factors

    return Fixed(wave.library, wave.weight, wave.phase)


def test_line_mass_does_not_depend_on_phases(wave, library):
    radius = library.nodes
    for seed in (1, 2):
        again = WaveFunction(library, wave.weight, random_phases(library, seed))
        density = np.mean(np.abs(polar_grid(again, radius, 90)) ** 2, axis=1)
        mass = 2 * np.pi * np.sum(library.weights * radius * density)
        assert mass == pytest.approx(wave.line_mass, rel=1e-12)


def test_mean_over_phases(wave, library):
    """<|psi|^2> over angle and 400 draws equals its formula within the scatter of the draws."""
    radius = np.array([0.0, 1.0, 3.0, 8.0, 12.0])
    draws = np.array(
        [
            np.mean(
                np.abs(polar_grid(WaveFunction(library, wave.weight, random_phases(library, s)), radius, 90)) ** 2, 1
            )
            for s in range(400)
        ]
    )
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    deviation = (draws.mean(axis=0) - wave.mean_density(radius)) / error
    assert np.all(np.abs(deviation) < 3.5)
    assert np.all(error / wave.mean_density(radius) < 0.06)


def test_wkb_modes_reproduce_the_target(cylinder, wave):
    # the WKB weights are the classical limit: within 15 % for so light a boson, better for a heavier one
    radius = cylinder.radius_enclosing(np.linspace(0.05, 0.9, 20))
    assert wave.mean_density(radius) == pytest.approx(cylinder.density(radius), rel=0.15)


def test_phases_depend_on_the_mode_alone(library):
    phase = random_phases(library, 5, filament=2)
    assert np.array_equal(phase, random_phases(library, 5, filament=2))
    assert not np.any(phase == random_phases(library, 5, filament=3))
    assert not np.any(phase == random_phases(library, 6, filament=2))
    fewer = library.energy < 300
    small = replace(library, n=library.n[fewer], l=library.l[fewer], energy=library.energy[fewer])
    assert np.array_equal(random_phases(small, 5, filament=2), phase[fewer])
    assert len(np.unique(phase)) == phase.size


@pytest.mark.parametrize("field, value, message", [("weight", -1.0, "not negative"), ("weight", np.nan, "finite")])
def test_bad_weights(library, field, value, message):
    weight = np.ones(len(library))
    weight[3] = value
    with pytest.raises(ValueError, match=message):
        WaveFunction(library, weight, np.zeros((len(library), 2)))


def test_vortices_are_zeros_and_complete(cylinder, table, backend):
    radius = float(cylinder.radius_enclosing(0.95))
    found = find_vortices(table, radius, backend=backend)
    assert len(found) > 20
    assert np.max(np.abs(psi_at(table, found.x, found.y))) < 1e-9
    # the winding around the rim counts those inside (Stokes)
    phi = np.linspace(0, 2 * np.pi, 20001)
    rim = np.unwrap(np.angle(psi_at(table, radius * np.cos(phi), radius * np.sin(phi))))
    assert round((rim[-1] - rim[0]) / (2 * np.pi)) == found.winding.sum()
    finer = find_vortices(table, radius, step=np.pi / table.wavenumber_max / 24, backend=backend)
    assert len(finer) == len(found)
    assert finer.x == pytest.approx(found.x, abs=1e-8)
    # a small circle around each winds once, with its sign
    for x, y, winding in zip(found.x, found.y, found.winding, strict=True):
        circle = np.exp(1j * np.linspace(0, 2 * np.pi, 65)) * 1e-3
        turn = np.unwrap(np.angle(psi_at(table, x + circle.real, y + circle.imag)))
        assert round((turn[-1] - turn[0]) / (2 * np.pi)) == winding


def test_vorticity_has_the_sign_of_the_winding(cylinder, table):
    found = find_vortices(table, float(cylinder.radius_enclosing(0.9)))
    assert np.array_equal(np.sign(flow_at(table, found.x, found.y).vorticity), found.winding)


def test_winding_of_a_known_field():
    x, y = np.meshgrid(np.linspace(-1, 1, 8), np.linspace(-1, 1, 10))
    psi = (x - 0.1 + 1j * (y - 0.2)) * (x + 0.5 - 1j * (y + 0.6))
    winding = winding_numbers(psi)
    assert winding.shape == (9, 7)
    assert winding.sum() == 0
    assert np.count_nonzero(winding) == 2
    row, column = np.argwhere(winding == 1)[0]
    assert x[row, column] < 0.1 < x[row, column + 1] and y[row, column] < 0.2 < y[row + 1, column]


@pytest.mark.parametrize("wavenumber", [3.0, 7.0])
def test_spline_error_is_as_stated(wavenumber):
    """Interpolating cos(kx) on a grid with the stated error gives that error, to the leading order."""
    points = int(np.ceil(np.pi / spacing_for(wavenumber, 1e-6)))
    step = np.pi / points
    grid = step * np.arange(points + 1)  # cos(kx) is even about both ends
    coefficients = radial_coefficients(np.cos(wavenumber * grid), np.ones(()))
    radius = np.linspace(0, grid[-1] * 0.999, 5000)
    found = MeanTable(coefficients, step, grid[-1]).at(radius)
    error = np.max(np.abs(found - np.cos(wavenumber * radius)))
    assert 0.8 < error / error_of(wavenumber**6, step) < 1.2
