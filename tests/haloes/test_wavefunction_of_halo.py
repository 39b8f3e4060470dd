"""psi of a halo: against sums over scipy's spherical harmonics, and in boxes against its states and exact spectrum."""

from functools import cache

import numpy as np
import pytest
from halo_cases import reference_halo
from scipy.special import sph_harm_y

from gpu_fdm import Box, HaloWave, fill_halo, halo_psi_at, halo_source, power_spectrum, random_amplitudes, tabulate_halo
from gpu_fdm.haloes.spectrum import exact_spectrum

TIME = 0.3


@cache
def halo_wave(seed=1, gaussian=False):
    """The reference halo with random amplitudes."""
    _, states, weight = reference_halo()
    fixed = np.zeros(len(states), bool) if gaussian else None
    return HaloWave(states, weight, random_amplitudes(states, seed, fixed=fixed))


def points_inside(count, radius):
    """Points at random, of which some are outside of a radius, on the axis, and at the centre."""
    points = np.random.default_rng(3).uniform(-0.7, 0.7, (count, 3)) * radius
    points[0], points[1], points[2] = 0, (0, 0, 0.2 * radius), (0, 0, -0.3 * radius)
    return points


def spherical(points):
    """r, theta and phi."""
    radius = np.linalg.norm(points, axis=-1)
    return (
        radius,
        np.arctan2(np.hypot(points[:, 0], points[:, 1]), points[:, 2]),
        np.arctan2(points[:, 1], points[:, 0]),
    )


def direct_psi(wave, points, time):
    """The sum over n, l and m as it stands."""
    states, (radius, theta, phi) = wave.states, spherical(points)
    radial, psi, begin = states.radial_at(radius), np.zeros(len(points), complex), 0
    for number, (l, energy) in enumerate(zip(states.l.tolist(), states.energy, strict=True)):
        for m in range(-l, l + 1):
            amplitude = np.sqrt(states.mass * wave.weight[number]) * wave.amplitude[begin + l + m]
            psi += amplitude * radial[number] * sph_harm_y(l, m, theta, phi) * np.exp(-1j * energy * time)
        begin += 2 * l + 1
    return psi


def test_psi_is_the_sum_over_all_states():
    wave = halo_wave()
    points = points_inside(60, wave.states.radius_max)
    expected, found = direct_psi(wave, points, TIME), halo_psi_at(tabulate_halo(wave, TIME, 1e-12), points)
    assert np.max(np.abs(found - expected)) < 1e-10 * np.max(np.abs(expected))
    loose = halo_psi_at(tabulate_halo(wave, TIME, 1e-6), points)
    assert np.max(np.abs(loose - expected)) < 1e-6 * np.max(np.abs(expected))


def test_orders_of_a_shell_add_up_to_a_sphere():
    """sum_m |Y_lm|^2 = (2 l + 1)/(4 pi), for all 2 l + 1 orders of one state."""
    states = reference_halo()[1]
    number = int(np.flatnonzero(states.l == 8)[0])
    weight, begin = (np.arange(len(states)) == number).astype(float), int(np.sum(2 * states.l[:number] + 1))
    points = points_inside(20, states.radius_max)
    total = np.zeros(len(points))
    for m in range(17):
        amplitude = np.zeros(int(np.sum(2 * states.l + 1)), complex)
        amplitude[begin + m] = 1
        total += np.abs(halo_psi_at(tabulate_halo(HaloWave(states, weight, amplitude), 0, 1e-9), points)) ** 2
    expected = states.mean_density(weight, np.linalg.norm(points, axis=1))
    np.testing.assert_allclose(total, expected, rtol=0, atol=1e-8 * expected.max())


def test_amplitudes_follow_from_seed_halo_and_state():
    _, states, _ = reference_halo()
    amplitude = random_amplitudes(states, 5, 2)
    np.testing.assert_allclose(np.abs(amplitude), 1, rtol=1e-15)
    gaussian = random_amplitudes(states, 5, 2, fixed=np.zeros(len(states), bool))
    np.testing.assert_allclose(np.angle(gaussian), np.angle(amplitude), atol=1e-12)
    assert np.mean(np.abs(gaussian) ** 2) == pytest.approx(1, abs=4 / np.sqrt(len(gaussian)))
    assert not np.any(amplitude == random_amplitudes(states, 5, 3))
    with pytest.raises(ValueError, match="must be a mask"):
        random_amplitudes(states, 5, 2, fixed=[True])


def test_wrong_arrays_are_refused():
    _, states, weight = reference_halo()
    with pytest.raises(ValueError, match="must have shapes"):
        HaloWave(states, weight, np.ones(3, complex))
    with pytest.raises(ValueError, match=r"shape \(\.\.\., 3\)"):
        halo_psi_at(tabulate_halo(halo_wave()), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="finite"):
        halo_psi_at(tabulate_halo(halo_wave()), [[np.nan, 0, 0]])


def filled(wave, box, centre, sampling, tolerance=1e-6, planes=None):
    """Both densities of planes of a box."""
    first, last = planes or (0, box.cells[0])
    densities = np.zeros((2, last - first, *box.cells[1:]))
    fill_halo(*densities, box, centre, halo_source(wave, TIME, tolerance), 1.0, first, sampling)
    return densities


def box_around(wave, cells, stretch=2.05):
    """A box that holds a halo, not a cube, and an offset centre near two of its sides."""
    size = stretch * wave.states.radius_max * np.array([1.0, 1.07, 1.03])
    return Box(tuple(size.tolist()), cells), tuple((size * [0.513, 0.03, 0.93]).tolist())


def test_cells_hold_psi_of_their_centres_across_the_sides():
    wave = halo_wave()
    box, centre = box_around(wave, (20, 24, 22))
    fdm, smooth = filled(wave, box, centre, "point", 1e-11)
    cells = np.random.default_rng(1).integers(0, box.cells, (300, 3))
    offset = (cells + 0.5) * box.spacing - centre
    offset -= np.round(offset / box.size) * box.size  # the nearest image: others are outside of the halo
    psi = halo_psi_at(tabulate_halo(wave, TIME, 1e-11), offset)
    assert np.max(np.abs(fdm[tuple(cells.T)] - np.abs(psi) ** 2)) < 3e-9 * np.max(np.abs(psi)) ** 2
    mean = wave.mean_density(np.minimum(np.linalg.norm(offset, axis=1), 1.01 * wave.states.radius_max))
    assert np.max(np.abs(smooth[tuple(cells.T)] - mean)) < 3e-9 * mean.max()


def test_averages_over_cells_keep_the_mass_and_are_those_of_gauss_nodes():
    wave = halo_wave()
    box, centre = box_around(wave, (24, 28, 26))
    densities = filled(wave, box, centre, "average", 1e-7)
    volume = np.prod(box.spacing)
    assert densities.sum(axis=(1, 2, 3)) * volume == pytest.approx([wave.mass, wave.mean_mass], rel=1e-6)
    nodes, weights = np.polynomial.legendre.leggauss(10)
    factors, peak = tabulate_halo(wave, TIME, 1e-9), np.abs(halo_psi_at(tabulate_halo(wave, TIME), np.zeros(3))) ** 2
    for cell in ((12, 0, 24), (12, 2, 25), (6, 5, 20), (16, 26, 3), (2, 1, 24)):
        axes = [(i + 0.5 + nodes / 2) * width for i, width in zip(cell, box.spacing, strict=True)]
        offset = np.stack(np.meshgrid(*axes, indexing="ij"), -1) - centre
        offset -= np.round(offset / box.size) * box.size
        average = np.einsum("ijk,i,j,k", np.abs(halo_psi_at(factors, offset)) ** 2, *[weights / 2] * 3)
        assert abs(densities[(0, *cell)] - average) < 1e-6 * peak


def test_planes_have_the_same_bits_in_any_slab():
    wave = halo_wave()
    box, centre = box_around(wave, (13, 15, 14), stretch=1.3)  # images overlap
    for sampling in ("point", "average"):
        whole = filled(wave, box, centre, sampling)
        parts = [filled(wave, box, centre, sampling, planes=planes) for planes in ((0, 4), (4, 5), (5, 13))]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)


def test_draws_have_the_mean_density_and_the_exact_spectrum():
    """The mean over draws of |psi|^2 and of P(k) of the box, within the scatter of draws."""
    draws = [halo_wave(seed) for seed in range(8)]
    box, centre = box_around(draws[0], (32, 34, 32), stretch=2.1)
    fields, spectra = [], []
    for wave in draws:
        fdm, smooth = filled(wave, box, centre, "average", 1e-5)
        fields.append(fdm)
        spectra.append(power_spectrum(fdm, box.size))
    k = spectra[0].k[1:]
    some = k < 0.35 * box.nyquist
    exact = exact_spectrum(draws[0].states, draws[0].weight, k[some])
    scale = box.volume / (draws[0].mean_mass / draws[0].states.mass) ** 2
    power = np.array([spectrum.power[1:][some] for spectrum in spectra])
    error = power.std(axis=0, ddof=1) / np.sqrt(len(draws))
    window = np.exp(-(k[some] ** 2) * np.mean(box.spacing**2) / 12)  # of the cells
    pull = (power.mean(axis=0) - scale * exact.fixed * window) / error
    assert np.sqrt(np.mean(pull**2)) < 1.6
    heavy = smooth > 0.02 * smooth.max()
    mean, scatter = np.mean(fields, axis=0)[heavy], np.std(fields, axis=0, ddof=1)[heavy]
    pull = (mean - smooth[heavy]) / (scatter / np.sqrt(len(draws)))
    assert abs(np.mean(mean / smooth[heavy]) - 1) < 0.05
    assert np.mean(np.abs(pull) < 3) > 0.95
