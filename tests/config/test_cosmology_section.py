"""Named cosmologies, amplitudes by sigma8 or ln10As, and what does not go together in [cosmology]."""

import re

import pytest

from gpu_fdm.config.config import config_of_cosmology, parse_config
from gpu_fdm.config.presets import preset_ini
from gpu_fdm.config.shared_sections import CosmologySection
from gpu_fdm.errors import InputError
from gpu_fdm.pipeline.linear_power import cosmological_parameters, linear_power_of


def section(keys):
    return parse_config(f"[cosmology]\n{keys}").cosmology


def test_a_name_stands_for_its_values():
    planck = section("name = Planck18")
    assert (planck.h, planck.m_nu, planck.n_s, planck.sigma8, planck.ln10As) == (0.6766, 0.06, 0.9665, 0.8102, None)
    assert planck.omega_m == pytest.approx(0.3111, abs=5e-5)  # Planck 2018, A&A 641 A6, table 2
    assert planck.omega_b_h2 == pytest.approx(0.02242, abs=5e-6)
    assert planck == CosmologySection(name="Planck18") == section("name = Planck18\nh =\nn_s = 0.9665")
    assert cosmological_parameters(parse_config("[cosmology]\nname = Planck18")).omega_c_h2 == pytest.approx(
        0.11933, abs=2e-5
    )


def test_empty_keys_are_the_defaults():
    assert section("h =\nomega_m =\nln10As =\nsigma8 =") == CosmologySection()
    assert (CosmologySection().h, CosmologySection().ln10As, CosmologySection().sigma8) == (0.6731, 3.089, None)


@pytest.mark.parametrize(
    "keys", ["", "name = Planck18", "name = WMAP7\nsigma8 = 0.9", "sigma8 = 0.8", "n_s = 1\nln10As = 3"]
)
def test_written_and_read_again(keys):
    config = parse_config(f"[cosmology]\n{keys}")
    for comments in (False, True):
        assert parse_config(config.to_ini(comments)) == config


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("name = Plank18", "name = Plank18: must be one of Planck18, Planck15, Planck13, WMAP9,"),
        ("name = Planck18\nh = 0.7", "h = 0.7: must be empty, or 0.6766 as name = Planck18 has it"),
        ("name = Planck18\nn_s = 1", "n_s = 1: must be empty, or 0.9665 as name = Planck18 has it"),
        ("name = Planck18\nln10As = 3", "ln10As = 3: must be empty where name is given (Planck18): give sigma8"),
        ("ln10As = 3\nsigma8 = 0.8", "sigma8 = 0.8: must be empty where ln10As is given (ln10As = 3)"),
        ("sigma8 = 0", "sigma8 = 0: must be a number in [0.01, 10]"),
        (
            "sigma8 = 0.8\nlinear_power = table\nlinear_power_table = a.csv",
            "sigma8 = 0.8: must be empty where linear_power = table, which has an amplitude of its own",
        ),
    ],
)
def test_what_does_not_go_together(keys, message):
    with pytest.raises(InputError, match=f"^config: {re.escape('[cosmology] ' + message)}"):
        section(keys)


def test_overrides_replace_what_they_stand_for():
    ini = preset_ini("one_filament")  # has every key, h = 0.6731 and ln10As = 3.089 among them
    config = parse_config(ini, overrides=["cosmology.name=WMAP7", "cosmology.sigma8=0.9", "cosmology.redshift=5"])
    assert (config.cosmology.h, config.cosmology.sigma8, config.cosmology.redshift) == (0.704, 0.9, 5)
    assert parse_config(ini, overrides=["cosmology.sigma8=0.8"]).cosmology.ln10As is None
    with pytest.raises(InputError, match=r"h = 0\.7: must be empty, or 0\.704"):
        parse_config(ini, overrides=["cosmology.h=0.7", "cosmology.name=WMAP7"])


def test_a_name_or_an_ini(tmp_path):
    assert config_of_cosmology("Planck18", ["cosmology.redshift=3"]).cosmology.redshift == 3
    (tmp_path / "my.ini").write_text("[cosmology]\nh = 0.7\n")
    assert config_of_cosmology(str(tmp_path / "my.ini")).cosmology.h == 0.7
    with pytest.raises(InputError, match=r"^Plank18: no such file \(did you mean Planck18\?\); named cosmologies: Pl"):
        config_of_cosmology("Plank18")


def test_sigma8_sets_the_linear_power():
    power = linear_power_of(parse_config("[cosmology]\nsigma8 = 0.8\nn_s = 1"))  # of the table that is shipped
    assert power.sigma8 == pytest.approx(0.8, rel=1e-9) and power.n_s == 1
    fit = parse_config("[cosmology]\nname = Planck18\nlinear_power = eisenstein_hu")
    assert linear_power_of(fit).sigma8 == pytest.approx(0.8102, rel=1e-9)
