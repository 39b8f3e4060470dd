"""P_1f from filaments of a few nu: against that from filaments at Chebyshev masses, each solved by itself."""

import numpy as np
import pytest

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.filament.weights import choose_weights
from gpu_fdm.pipeline.model import population_of, solve
from gpu_fdm.pipeline.population_filaments import Boson
from gpu_fdm.population.shapes import published_mass_function, published_shape
from gpu_fdm.spectra.one_filament import OneFilamentSpectrum, chebyshev_masses
from gpu_fdm.spectra.scaled_filament import ScaledFilament
from gpu_fdm.spectra.scaled_population import STEP, ScaledPopulation
from gpu_fdm.spectra.single_filament import single_power
from gpu_fdm.units import CodeUnits

K = np.geomspace(1, 200, 16)


def published_shapes(masses):
    return tuple(np.array([published_shape(mass) for mass in masses.tolist()]).T)


def population(window, m22):
    units = CodeUnits(m22, 0.6731, 0.314649)
    return ScaledPopulation(published_shapes, window, units.length * units.velocity, 0.2)


def solved(scaled, k_max=K[-1]):
    filaments = {}
    for power, unit in scaled.needed.items():
        cylinder = SteadyStateCylinder(1.0, STEP**power, 0.0, 1.0)
        library = eigenstates(cylinder)
        weight = choose_weights(cylinder, library).weight
        filaments[power] = ScaledFilament.of(cylinder, library, weight, k_max * unit)
    return filaments


@pytest.mark.parametrize(
    "statistics, mode_mass", [("fixed", "scaled"), ("gaussian", "scaled"), ("fixed", "completed"), ("fixed", "as_is")]
)
def test_against_filaments_that_are_solved_for_one_by_one(statistics, mode_mass):
    window = 2e9, 1e10
    config = parse_config(
        "[population]\nm22 = 0.7\n[wavefunction]\n[one_filament]\nmass_min = 2e9\nmass_max = 1e10\n"
        "shape = published\nmass_function = published\n"
    )
    boson = Boson(config, population_of(config), 0.7)
    masses = chebyshev_masses(*window, 2)
    fdm, smooth = [], []
    for mass in masses.tolist():
        model = solve(boson.config, boson.filament(mass))
        power = single_power(model, K, statistics, plane=False, beyond=True)
        scale = model.weights.weight_sum**-2 if mode_mass == "scaled" else 1.0
        smooth.append(scale * (power.completed if mode_mass == "completed" else power.smooth))
        fdm.append(smooth[-1] + scale * (power.fdm - power.smooth))
    expected = OneFilamentSpectrum.from_masses(K, masses, fdm, smooth, published_mass_function, 1e9)
    scaled = population(window, 0.7)
    assert sorted(scaled.needed) == [-1, 0, 1, 2, 3]
    found = scaled.spectra(K, solved(scaled), published_mass_function, 1e9, statistics, mode_mass=mode_mass)
    for ours, theirs in zip(found, (expected.fdm, expected.smooth), strict=True):
        rows = theirs > 1e-6 * theirs[0]
        assert np.count_nonzero(rows) > 12
        assert ours[rows] == pytest.approx(theirs[rows], rel=2e-3)  # five masses


def test_light_filaments_without_states_are_refused_where_they_matter():
    scaled = population((1e7, 3e9), 0.5)
    assert min(scaled.needed) == -4
    with pytest.raises(
        InputError, match=r"^filaments lighter than .* Msun/h have fewer than four states and .* must have"
    ):
        scaled.spectra(K, solved(scaled), published_mass_function, 1e9)
    # of a population without light filaments they do not
    heavy = scaled.spectra(
        K, solved(scaled), lambda mass: published_mass_function(mass) * np.exp(-((2e9 / mass) ** 4)), 1e9
    )
    assert np.all(heavy[0] > 0)


def test_heavy_filaments_need_no_states_of_their_own():
    scaled = population((3e9, 1e12), 1.0)
    assert sorted(scaled.needed) == [0, 1, 2, 3, 4, 5, 6]
    assert scaled.needed[6] == scaled.needed[4] > scaled.needed[5]  # from half of nu heavier ones are extrapolated
    assert scaled.needed[6] == pytest.approx(5 * published_shape(1e12)[1], rel=0.2)
