"""How long fringes last: the closed form against psi at two times, two states, and the locally thermal limit."""

from dataclasses import replace

import numpy as np
import pytest
from filaments import published_cylinder

from gpu_fdm.filament.axial import AxialModes, axial_dispersion
from gpu_fdm.filament.coherence import autocorrelation, coherence_time
from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.wavefunction import WaveFunction, random_phases

DRAWS = 150


def wkb(profile):
    library = eigenstates(profile)
    weight = (2 * np.pi) ** 2 * profile.distribution(library.energy, library.l) / library.line_mass
    return WaveFunction(library, weight, random_phases(library, 1))


def of_states(wave, *chosen):
    """The same with these (n, l) alone, of equal weight."""
    weight = np.zeros(len(wave.library))
    for n, l in chosen:
        weight[(wave.library.n == n) & (wave.library.l == l)] = 0.1
    return replace(wave, weight=weight)


def density_at(wave, time, harmonics):
    """|psi|^2 at the nodes and at as many angles as resolve it."""
    forward, backward = np.moveaxis(wave.azimuthal(time), 2, 1)
    return np.abs(forward @ harmonics + backward @ harmonics.conj()) ** 2


def test_against_psi_evolved():
    """C of draws of the phases, over pairs of 13 times of each, within four of the errors that jackknife gives."""
    wave = wkb(published_cylinder(0.5))
    library = wave.library
    step, orders = coherence_time(wave) / 2, np.arange(library.l.max() + 1)
    angles = 2 * np.pi / (4 * len(orders)) * np.arange(4 * len(orders))
    harmonics = np.exp(1j * orders[:, None] * angles)
    measure = (library.weights * library.nodes)[:, None]
    lags = (0, 1, 2, 3, 6)
    products = np.zeros((DRAWS, len(lags)))
    for seed in range(DRAWS):
        drawn = replace(wave, phase=random_phases(library, seed))
        fringes = np.array([density_at(drawn, step * n, harmonics) for n in range(13)]) - wave.mean_density()[:, None]
        products[seed] = [np.mean(np.sum(measure * fringes[: 13 - lag] * fringes[lag:], (1, 2))) for lag in lags]
    found = products.sum(axis=0) / products[:, 0].sum()
    without = (products.sum(axis=0) - products) / (products[:, 0].sum() - products[:, :1])
    error = np.sqrt((DRAWS - 1) / DRAWS * np.sum((without - found) ** 2, axis=0))
    expected = autocorrelation(wave, step * np.array(lags))
    assert expected[0] == pytest.approx(1) and expected[2] == pytest.approx(0.5, abs=1e-4)
    assert np.all(np.abs(found - expected) < 4 * error + 1e-9) and np.max(error) < 0.008


def test_two_states_beat(wave):
    """C = cos((E_1 - E_0) t), which is 1/2 after a sixth of the period."""
    two, (ground, first) = of_states(wave, (0, 0), (1, 0)), wave.library.energy[:2]
    times = np.linspace(0, 0.2, 7)
    assert autocorrelation(two, times) == pytest.approx(np.cos((first - ground) * times), abs=1e-10)
    assert coherence_time(two) == pytest.approx(np.pi / 3 / (first - ground), rel=1e-4)


def test_the_locally_thermal_limit(wave, cylinder):
    """1/sigma^2 across the axis; with momentum along it (1 + s^2)^(3/2) = 2, s = 0.7664. Heavy bosons are near."""
    heavy = published_cylinder(4.0)
    of_heavy = wkb(heavy)
    ratios = [coherence_time(one) * of.sigma**2 for one, of in ((wave, cylinder), (of_heavy, heavy))]
    assert ratios == pytest.approx([0.7619, 0.9623], abs=1e-4)
    thermal = replace(of_heavy, axial=AxialModes(axial_dispersion(heavy), 40 / axial_dispersion(heavy)))
    assert coherence_time(thermal) * heavy.sigma**2 == pytest.approx(np.sqrt(2 ** (2 / 3) - 1), rel=3e-3)


def test_what_never_changes(wave):
    alone = of_states(wave, (0, 0))
    with pytest.raises(ValueError, match="a single state, which has no fringes"):
        autocorrelation(alone, 1.0)
    for still in (alone, of_states(wave, (0, 3))):
        with pytest.raises(ValueError, match="all states have one energy: the density never changes"):
            coherence_time(still)
