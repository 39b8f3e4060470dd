"""A population from explicit values: the same as from an ini, and what is wrong with a value."""

from dataclasses import fields, replace

import numpy as np
import pytest

from gpu_fdm import InputError, Population, linear_power, parse_config, population_of


@pytest.fixture(scope="module")
def population():
    return Population(linear_power("camb"), h=0.6731, redshift=4.0)


def test_defaults_are_those_of_the_ini(population):
    of_ini = population_of(parse_config("[population]\n"))
    for item in fields(Population):
        if item.name not in ("power", "other_masses"):
            assert getattr(of_ini, item.name) == getattr(population, item.name), item.name
    assert np.array_equal(of_ini.power.power, population.power.power)


def test_parts_are_computed_once(population):
    assert population.variance(1.0) is population.variance(1.0)
    assert population.barrier is population.barrier


def test_bosons_lack_light_filaments(population):
    cold, light = (population.mass_function(m22) for m22 in (None, 1.0))
    assert len(cold.mass) == population.masses and np.array_equal(cold.mass, light.mass)
    assert light.dn_dlnm[0] < 0.1 * cold.dn_dlnm[0] and light.dn_dlnm[-1] == pytest.approx(cold.dn_dlnm[-1], rel=0.01)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"redshift": 50.0}, r"^redshift = 50: must be at most 49: ellipsoidal collapse starts at a = 0.01$"),
        ({"freeze_out": "never"}, "^freeze_out = never: must be one of virial, bond_myers$"),
        ({"ellipticity": "none"}, "^ellipticity = none: must be one of published, collapse$"),
        ({"window": "round"}, "^window = round: must be one of "),
        ({"transfer": "warm"}, "^transfer = warm: must be one of "),
        ({"redshift": 30.0}, r"^mass_min = 1e\+08: must be at least \S+ Msun/h at z = 30: for CDM, variance = "),
    ],
)
def test_wrong_values(population, change, says):
    with pytest.raises(InputError, match=says):
        replace(population, **change).prepared((1.0,))
