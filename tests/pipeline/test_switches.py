"""Switches of a fit: which choices a config has, and that each is the key of an ini that it names."""

import pytest

from gpu_fdm.config.config import parse_config
from gpu_fdm.pipeline.switches import filament_switches, population_switches

WEIGHTS = ["wavefunction.weights = adaptive_lasso", "wavefunction.weights = poisson"]
AXIAL, GAUSSIAN = "wavefunction.axial = thermal", "single_power.statistics = gaussian"
COLLAPSE = [
    "population.ellipticity = collapse",
    "population.freeze_out = bond_myers",
    "population.transfer = ph22",
    "population.transfer = murgia17",
]
SINGLE = "[filament]\n{}[wavefunction]\n{}[single_power]\n"
SEVERAL = "[wavefunction]\n[population]\n[one_filament]\n"


@pytest.mark.parametrize(
    ("filament", "wavefunction", "names"),
    [
        ("", "", [*WEIGHTS, AXIAL, GAUSSIAN, "filament.mass = 4.5e+09", "filament.mass = 5.5e+09"]),
        ("length = 1\nr0 = 0.004\nsigma = 9\n", "", [*WEIGHTS, AXIAL, GAUSSIAN]),
        (
            "mass = 1e10\nshape = collapse\n",
            "weights = adaptive_lasso\naxial = thermal\n",
            [
                "wavefunction.weights = wkb",
                WEIGHTS[1],
                "wavefunction.axial = coherent",
                GAUSSIAN,
                "filament.mass = 9e+09",
                "filament.mass = 1.1e+10",
                *COLLAPSE,
            ],
        ),
        ("", "weights = least_squares\n", [AXIAL, GAUSSIAN, "filament.mass = 4.5e+09", "filament.mass = 5.5e+09"]),
    ],
)
def test_switches_of_a_filament(filament, wavefunction, names):
    config = parse_config(SINGLE.format(filament, wavefunction))
    switches = filament_switches(config)
    assert [switch.name for switch in switches] == names
    assert_each_changes_its_key(config, switches)


def test_switches_of_a_population():
    config = parse_config(SEVERAL)
    switches = population_switches(config)
    assert [switch.name for switch in switches] == [
        *WEIGHTS,
        AXIAL,
        "one_filament.statistics = gaussian",
        "one_filament.mode_mass = scaled",
        "one_filament.mode_mass = as_is",
        "one_filament.mass_min = 2.7e+09",
        "one_filament.mass_min = 3.3e+09",
        "one_filament.mass_max = 2.7e+10",
        "one_filament.mass_max = 3.3e+10",
        *COLLAPSE,
    ]
    assert_each_changes_its_key(config, switches)


def assert_each_changes_its_key(config, switches):
    """What a switch is named after, set in the ini, gives the config of the switch."""
    for switch in switches:
        key, value = switch.name.split(" = ")
        text = (
            config.to_ini()
            if config.population or not key.startswith("population")
            else config.to_ini() + "[population]\n"
        )
        expected = parse_config(text, overrides=[f"{key}={value}"])
        section, name = key.split(".")
        assert getattr(getattr(switch.config, section), name) == getattr(getattr(expected, section), name)
        assert switch.config != config


def test_windows_that_would_be_empty_or_beyond_the_population():
    config = parse_config(f"{SEVERAL}mass_min = 1e8\nmass_max = 1.05e8\n")
    names = [switch.name for switch in population_switches(config)]
    assert "one_filament.mass_min = 9e+07" in names and "one_filament.mass_min = 1.1e+08" not in names
    (switch,) = [each for each in population_switches(config) if each.name == "one_filament.mass_min = 9e+07"]
    assert switch.config.population.mass_min == pytest.approx(9e7)  # the mass function must reach to it


def test_published_shapes_have_no_collapse_to_switch():
    config = parse_config(f"{SEVERAL}shape = published\nmass_function = published\n")
    assert not [switch for switch in population_switches(config) if switch.name.startswith("population.")]
