"""Spectra of haloes: limits, brute force over all pairs in three dimensions, draws, the reference halo, both routes."""

from dataclasses import replace

import numpy as np
import pytest
from halo_cases import UNITS, halo, reference_halo, reference_table
from scipy.special import sph_harm_y

from gpu_fdm import InputError, SphericalProfile, halo_spectrum, halo_states, halo_weights
from gpu_fdm.haloes.laws import CoredNFW, Plummer
from gpu_fdm.haloes.semiclassical import density_below, semiclassical_spectrum
from gpu_fdm.haloes.spectrum import exact_spectrum, same_l_couplings
from gpu_fdm.haloes.states import energy_cut, ground_state
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.blas import on_one_thread


def test_reference():
    _, states, weight = reference_halo()
    rows = reference_table("spectrum")
    spectrum = exact_spectrum(states, weight, rows["k_h_per_Mpc"] * UNITS.length)
    for name, ours in (
        ("smooth", spectrum.smooth),
        ("interference", spectrum.interference),
        ("self", spectrum.self_term),
    ):
        assert ours == pytest.approx(rows[name], rel=1e-6, abs=1e-14), name


def test_reference_semiclassical():
    profile, _, _ = reference_halo()
    rows = reference_table("spectrum")[:48:4]
    spectrum = semiclassical_spectrum(profile, rows["k_h_per_Mpc"] * UNITS.length)
    assert spectrum.interference == pytest.approx(rows["semiclassical_interference"], rel=1e-6)


def test_long_waves():
    """k -> 0: smooth = (sum (2l+1) w)^2, interference = self = sum (2l+1) w^2."""
    _, states, weight = reference_halo()
    spectrum = exact_spectrum(states, weight, [0.0])
    total = states.multiplicity @ weight
    assert spectrum.smooth[0] == pytest.approx(total**2, rel=1e-12)
    assert spectrum.interference[0] == pytest.approx(states.multiplicity @ weight**2, rel=1e-12)
    assert spectrum.self_term[0] == pytest.approx(states.multiplicity @ weight**2, rel=1e-12)
    assert spectrum.fixed[0] == pytest.approx(total**2, rel=1e-12)


def test_one_state_has_no_fringes():
    """An l = 0 state alone: smooth = interference = self, and the fixed spectrum is its smooth one."""
    _, states, _ = reference_halo()
    spectrum = exact_spectrum(states, ground_state(states).astype(float), np.linspace(0, 30, 7))
    assert spectrum.interference == pytest.approx(spectrum.smooth, rel=1e-10, abs=1e-15)
    assert spectrum.fixed == pytest.approx(spectrum.smooth, rel=1e-10, abs=1e-15)


def test_couplings():
    """(1 1 0; 0)^2 = 1/3, (1 1 2; 0)^2 = 2/15, (2 2 2; 0)^2 = 2/35, and sum_L (2L+1) (l l L; 0)^2 = 1."""
    square = same_l_couplings(6)
    assert [square[1, 0], square[1, 1], square[2, 1]] == pytest.approx([1 / 3, 2 / 15, 2 / 35], rel=1e-12)
    assert square @ (4 * np.arange(7) + 1.0) == pytest.approx(np.ones(7), rel=1e-12)


def product_rule(degree):
    """Directions and weights of the mean over a sphere, exact up to a degree, as (polar angle, azimuth, weight)."""
    mu, w = np.polynomial.legendre.leggauss(degree // 2 + 1)
    phi = 2 * np.pi * np.arange(degree + 1) / (degree + 1)
    theta, phi = (grid.ravel() for grid in np.meshgrid(np.arccos(mu), phi, indexing="ij"))
    return theta, phi, np.repeat(w / 2, degree + 1) / (degree + 1)


@pytest.fixture(scope="module")
@on_one_thread
def small():
    """A halo of few states, weights, wavenumbers, and int psi_i* psi_j exp(-i k x) d3x of all pairs of (n, l, m).

    pairs  shape (k, directions, terms, terms), by quadrature in three dimensions: no expansion in spherical waves
    """
    profile = SphericalProfile(Plummer(1.0), 250.0, 1.0)
    states = halo_states(profile, 0.8)
    weight = halo_weights(profile, states) * np.linspace(1, 0.3, len(states))
    k = np.array([0.0, 0.7, 1.5])
    x, w = np.polynomial.legendre.leggauss(44)
    radius = states.radius_max * (1 + x) / 2
    measure = 4 * np.pi * states.radius_max / 2 * w * radius**2
    l_max = int(states.l.max())
    # plane waves of k r are resolved by k r + 24 orders
    theta, phi, angles = product_rule(2 * l_max + int(k.max() * states.radius_max) + 24)
    terms = [(i, m) for i, l in enumerate(states.l) for m in range(-l, l + 1)]
    harmonics = np.array([sph_harm_y(states.l[i], m, theta, phi) for i, m in terms])
    radial = states.radial_at(radius)
    direction, azimuth, share = product_rule(4 * l_max + 1)
    unit = np.stack([np.sin(direction) * np.cos(azimuth), np.sin(direction) * np.sin(azimuth), np.cos(direction)], 1)
    points = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], 1)
    index = [i for i, _ in terms]
    pairs = np.zeros((len(k), len(unit), len(terms), len(terms)), complex)
    overlap = (harmonics.conj()[:, None] * harmonics * angles).reshape(-1, len(theta)).T
    for r, step, values in zip(radius, measure, radial.T, strict=True):
        of_radius = np.outer(values[index], values[index]) * step
        for number, wavenumber in enumerate(k):
            wave = np.exp(-1j * wavenumber * r * unit @ points.T)
            pairs[number] += (wave @ overlap).reshape(-1, *of_radius.shape) * of_radius
    return states, weight, k, weight[index], np.array(index), pairs, share


def test_brute_force_over_all_pairs(small):
    states, weight, k, w, _, pairs, share = small
    assert 4 <= len(states) < 12 and states.l.max() >= 2
    spectrum = exact_spectrum(states, weight, k)
    smooth = np.abs(np.einsum("kdii,i->kd", pairs, w)) ** 2 @ share
    interference = np.einsum("kdij,i,j,d->k", np.abs(pairs) ** 2, w, w, share)
    self_term = np.einsum("kdii,i,d->k", np.abs(pairs) ** 2, w**2, share)
    assert spectrum.smooth == pytest.approx(smooth, rel=1e-8)
    assert spectrum.interference == pytest.approx(interference, rel=1e-8)
    assert spectrum.self_term == pytest.approx(self_term, rel=1e-8)


def draws(pairs, share, amplitudes):
    """Mean and standard error of |rho(k)|^2 over draws, each averaged over directions; amplitudes (draws, terms)."""
    rho = np.einsum("ni,kdij,nj->nkd", amplitudes.conj(), pairs, amplitudes, optimize=True)
    power = np.abs(rho) ** 2 @ share
    return power.mean(axis=0), power.std(axis=0) / np.sqrt(len(power))


def test_draws(small):
    """300 draws: fixed amplitudes; Gaussian ones; Gaussian ones but for a fixed ground state."""
    states, weight, k, w, index, pairs, share = small
    rng = np.random.default_rng(3)
    phases = np.exp(2j * np.pi * rng.random((300, len(w))))
    normal = (rng.normal(size=phases.shape) + 1j * rng.normal(size=phases.shape)) / np.sqrt(2)
    ground = ground_state(states)
    everything, nothing = np.ones(len(states), bool), np.zeros(len(states), bool)
    for fixed, amplitudes in (
        (everything, phases),
        (nothing, normal),
        (ground, np.where(ground[index], phases, normal)),
    ):
        spectrum = exact_spectrum(states, weight, k, fixed)
        mean, error = draws(pairs, share, amplitudes * np.sqrt(w))
        # at k = 0 the mass of fixed amplitudes does not vary
        assert np.all(np.abs(mean - spectrum.power) < 3 * error + 1e-12 * mean)
    assert np.array_equal(exact_spectrum(states, weight, k).power, exact_spectrum(states, weight, k).fixed)
    assert np.array_equal(exact_spectrum(states, weight, k, nothing).power, exact_spectrum(states, weight, k).gaussian)


def test_states_without_weight_change_nothing():
    _, states, weight = reference_halo()
    part = np.where(states.n < 3, weight, 0)
    chosen = np.flatnonzero(part)
    fields = {name: getattr(states, name)[chosen] for name in ("n", "l", "energy", "radial")}
    k = np.linspace(0, 40, 9)
    first, second = exact_spectrum(states, part, k), exact_spectrum(replace(states, **fields), part[chosen], k)
    assert first.fixed == pytest.approx(second.fixed, rel=1e-9, abs=1e-14)


def test_points_and_threads():
    """Converged in the quadrature, the same bits on any number of threads, zero beyond the fringes."""
    _, states, weight = reference_halo()
    k = np.array([0.0, 10.0, 60.0, 1e4])
    spectrum, finer = exact_spectrum(states, weight, k), exact_spectrum(states, weight, k, points=300)
    for name in ("smooth", "interference", "self_term"):
        assert getattr(spectrum, name) == pytest.approx(getattr(finer, name), rel=1e-9, abs=1e-15)
    assert spectrum.gaussian[-1] == 0
    one, two = (exact_spectrum(states, weight, k, backend=CPU(threads)) for threads in (1, 2))
    assert np.array_equal(one.fixed, two.fixed)


def test_card_agrees(cuda):
    _, states, weight = reference_halo()
    k = np.array([0.0, 3.0, 30.0, 90.0])
    here, there = (exact_spectrum(states, weight, k, ground_state(states), backend=it) for it in (CPU(2), cuda))
    for name in ("smooth", "interference", "self_term", "fixed_self"):
        assert getattr(there, name) == pytest.approx(getattr(here, name), rel=1e-11, abs=1e-16), name


@pytest.mark.parametrize(
    "heavier, l_max, expected", [(1, 11, 0.452), (4, 23, 0.154), (16, 47, 0.046), (64, 95, 0.0124)]
)
def test_semiclassical_is_the_limit(heavier, l_max, expected):
    """A core of fixed size, more mass and so shorter waves: the error falls, below 2 % at l_max = 90."""
    reference = halo()
    profile = SphericalProfile(reference.law, reference.mass * heavier, reference.scale_factor)
    k = np.array([0.0, 0.5])
    exact, limit = (halo_spectrum(profile, k, route=route) for route in ("exact", "semiclassical"))
    assert exact.l_max == l_max
    assert limit.interference / exact.interference - 1 == pytest.approx(expected, rel=0.02)


def test_density_below_the_cut():
    """All energies make the density; those below the cut lack what is beyond it."""
    profile = SphericalProfile(CoredNFW(0.5, 0.17, 1.7), 7.0, 0.2)
    r = np.array([0.1, 0.5, 1.5])
    cut = energy_cut(profile, 0.99)
    assert np.all(density_below(profile, cut, r) < profile.density(r))
    almost_all = energy_cut(profile, 0.99999)
    assert density_below(profile, almost_all, r[:2]) == pytest.approx(profile.density(r[:2]), rel=1e-4)


def test_route_is_chosen_and_said():
    profile, states, _ = reference_halo()
    k = [0.0, 5.0]
    few, many = halo_spectrum(profile, k), halo_spectrum(profile, k, exact_l_max=5)
    assert few.route == "exact" and few.reason == "exact: l_max = 11 <= 250, 58 states (n, l)"
    assert many.route == "semiclassical" and many.reason == "semiclassical: l_max = 11 > 5"
    assert many.l_max == states.l.max()
    assert np.array_equal(few.power, few.gaussian)
    assert np.array_equal(halo_spectrum(profile, k, fixed_amplitudes=True).power, few.fixed)
    soliton = halo_spectrum(profile, k, soliton_share=0.2)
    assert soliton.fixed_self[0] == pytest.approx(0.04, rel=1e-12)


def test_bad_input():
    profile, states, weight = reference_halo()
    with pytest.raises(InputError, match="route = best: must be one of auto, exact, semiclassical"):
        halo_spectrum(profile, [1.0], route="best")
    with pytest.raises(
        InputError, match="soliton_share: the semiclassical spectrum has none; l_max = 11 must be at most"
    ):
        halo_spectrum(profile, [1.0], soliton_share=0.2, exact_l_max=5)
    with pytest.raises(InputError, match="has Gaussian amplitudes only, fixed ones need the exact route"):
        _ = halo_spectrum(profile, [1.0], route="semiclassical").fixed
    for k, weights in (([-1.0], weight), ([np.nan], weight), (1.0, weight), ([1.0], weight[1:]), ([1.0], -weight)):
        with pytest.raises(ValueError, match="must be"):
            exact_spectrum(states, weights, k)
    with pytest.raises(ValueError, match="must be a mask of the 58 states"):
        exact_spectrum(states, weight, [1.0], fixed=[True])
