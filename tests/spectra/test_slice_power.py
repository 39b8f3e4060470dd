"""The polar spectrum of one slice: of a single state, and in the mean over phases, that of the exact average."""

import numpy as np
import pytest
from cut_outs import model

from gpu_fdm.filament.projection import psi_on_lattice, rings_for
from gpu_fdm.spectra.phase_average import polar_spectrum
from gpu_fdm.spectra.slice_power import slice_power


@pytest.fixture(scope="module")
def one():
    return model(0.6)


def measured(library, amplitude, side, k):
    points = int(side * library.wavenumber_max * 6 / (2 * np.pi))
    psi = psi_on_lattice(library, amplitude, points, side)
    return slice_power(rings_for(library, points, side), psi, k, library.line_mass)


def test_a_single_state_has_its_self_term(one):
    """w^2 f^2: nothing interferes."""
    library, side = one.library, 3.6 * float(one.profile.radius_enclosing(0.9))
    k, amplitude = np.geomspace(0.1, 1.5, 9) * library.wavenumber_max, np.zeros((len(library), 2, 1), complex)
    state = int(np.flatnonzero(library.l == 1)[0])
    amplitude[state, 0] = 0.6j
    weight = np.where(np.arange(len(library)) == state, 0.36, 0.0)
    exact = polar_spectrum(library, weight, k).self_term / library.multiplicity[state]
    assert np.allclose(measured(library, amplitude, side, k), exact, rtol=2e-3, atol=1e-6)


def test_the_mean_over_phases_is_the_exact_average(one):
    library, side, count = one.library, 3.6 * float(one.profile.radius_enclosing(0.9)), 200
    phase = 2 * np.pi * np.random.default_rng(1).random((len(library), 2, count))
    amplitude = np.sqrt(one.weights.weight)[:, None, None] * np.exp(1j * phase)
    amplitude[library.l == 0, 1] = 0
    k = np.geomspace(0.2, 1.5, 8) * library.wavenumber_max
    found, exact = measured(library, amplitude, side, k), polar_spectrum(library, one.weights.weight, k).fixed
    error = found.std(axis=0) / np.sqrt(count)
    assert np.all(np.abs(found.mean(axis=0) - exact) < 4 * error + 5e-3 * exact) and np.all(error < 0.15 * exact)
