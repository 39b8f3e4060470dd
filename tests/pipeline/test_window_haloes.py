"""Haloes in windows of filaments: shares and limits by sums of their own, and the line of run, boost and compare."""

import h5py
import numpy as np
import pytest
from plot_files import result as made
from plot_files import write_one_filament

from gpu_fdm.commands.main import main
from gpu_fdm.config.config import parse_config
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.run import run
from gpu_fdm.pipeline.window_haloes import WindowHaloes, halo_line
from gpu_fdm.units import mean_matter_density

WINDOW = "filaments of 3e+09 to 3e+10 Msun/h"


@pytest.fixture(scope="module")
def population():
    """Of z = 4, masses from 1e8 to 1e12."""
    return Inputs(parse_config("[population]\nm22 = 1\n")).population


@pytest.mark.parametrize(("m22", "heaviest", "share"), [(1.0, 3e10, 0.435), (1.0, 1e12, 0.53), (2.0, 3e10, 0.53)])
def test_share_and_limit(population, m22, heaviest, share):
    """By a sum over masses in equal ratios; 43 % of the mass from 3e9 to 3e10 Msun/h is in haloes, 53 % above 3e9."""
    number = population.mass_function(m22)
    found = WindowHaloes.of(population, m22, number, (3e9, heaviest))
    mass = np.geomspace(3e9, heaviest, 400)
    coarse = np.geomspace(3e9, heaviest, 25)
    outside = 1 - np.interp(np.log(mass), np.log(coarse), population.halo_share(coarse, m22))

    def mean(power, left):
        return np.trapezoid(mass**power * number(mass) * left**power, np.log(mass))

    assert found.share == pytest.approx(1 - mean(1, outside) / mean(1, 1.0), abs=2e-3)
    assert found.left == pytest.approx(mean(2, outside) / mean(2, 1.0), rel=0.01)
    assert found.share == pytest.approx(share, abs=5e-3)


def test_light_filaments_have_no_haloes(population):
    found = WindowHaloes.of(population, 1.0, population.mass_function(1.0), (5e8, 1e9))
    assert found.share < 1e-3 and found.left > 0.998
    assert halo_line(WINDOW, [found]) == ""


def test_the_line_names_those_with_most_of_their_mass_in_haloes():
    haloes = [WindowHaloes(None, 0.65, 0.11), WindowHaloes(1.0, 0.435, 0.26), WindowHaloes(2.0, 0.534, 0.18)]
    assert halo_line(WINDOW, haloes) == (
        "filaments of 3e+09 to 3e+10 Msun/h: 65 % (CDM), 53 % (m22 = 2) of their mass is in haloes, whose own profiles "
        "and fringes are left out: it is counted as filaments, and without it P_1f(k -> 0) is 0.11, 0.18 of this"
    )


def test_a_run_tells_and_stores_them(tmp_path):
    config = read_config_of(tmp_path, "mass_min=3e10", "mass_max=3.1e10")
    outcome = run(config)
    (line,) = [line for line in outcome.summary if "of their mass is in haloes" in line]
    assert line.startswith("filaments of 3e+10 to 3.1e+10 Msun/h: ")
    with h5py.File(outcome.result) as file:
        stored = WindowHaloes.stored(file["one_filament_power/m22_0.7"].attrs)
    assert stored.share > 0.5 and f"{100 * stored.share:.2g} % (m22 = 0.7)" in line


def read_config_of(folder, *window):
    text = "[run]\nbackend = cpu\n[wavefunction]\n[population]\nm22 = 0.7\nmasses = 20\n[one_filament]\nbeta = 0\n"
    overrides = [f"one_filament.{key}" for key in (*window, "points=8", "k_max=50", "tolerance=1")]
    return parse_config(text, overrides=[f"run.output={folder}", *overrides])


@pytest.fixture
def stored(tmp_path):
    """A result of m22 = 1 and 2, and CDM, of which the second and CDM have most of their mass in haloes."""
    path = tmp_path / "model.hdf5"
    with made(path, lambda file: write_one_filament(file, (1.0, 2.0))) as file:
        file.attrs["config"] = "[population]\n[cosmology]\nredshift = 4.0\n"
        folder, density = file["one_filament_power"], 0.02 * mean_matter_density(0.314649)
        cold = folder.create_group("cdm")
        cold["k"], cold["power_classical"] = folder["m22_1/k"][:], folder["m22_1/power_smooth"][:]
        for group, share in ((folder["m22_1"], 0.4), (folder["m22_2"], 0.6), (cold, 0.7)):
            group.attrs.update(mass_min=3e9, mass_max=3e10, redshift=4.0, density=density)
            group.attrs.update(halo_share=share, limit_ratio=1 - share)
    return path


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["boost", "{}", "--over", "linear-cdm", "--m22", "1"], ""),
        (["boost", "{}", "--over", "linear-cdm", "--m22", "2"], "60 % (m22 = 2)"),
        (["boost", "{}", "--over", "cdm", "--m22", "1"], "70 % (CDM)"),
        (["boost", "{}:one_filament_power/m22_2/fdm", "{}:one_filament_power/m22_2/smooth"], "60 % (m22 = 2)"),
        (["compare", "{}", "boost.csv"], "70 % (CDM), 60 % (m22 = 2)"),
    ],
)
def test_boosts_of_such_filaments_are_told(stored, tmp_path, capsys, monkeypatch, arguments, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boost.csv").write_text("# numerator: fdm\n# denominator: cdm\n# k: h/Mpc\nk,boost\n20,1.1\n30,1.2\n")
    arguments = [text.format(stored) for text in arguments]
    code = main([*arguments, *(["--output", "of.csv"] if arguments[0] == "boost" else ["--dpi", "40"])])
    out, error = capsys.readouterr()
    assert code == 0, error
    lines = [line for line in out.splitlines() if "of their mass is in haloes" in line]
    assert len(lines) == bool(told)
    assert not told or lines[0].startswith(f"{WINDOW}: {told} of their mass is in haloes")


def test_a_result_without_them(stored):
    with h5py.File(stored) as file:
        attributes = dict(file["one_filament_power/m22_1"].attrs)
    assert WindowHaloes.stored(attributes).attributes == {"halo_share": 0.4, "limit_ratio": 0.6}
    del attributes["halo_share"]
    assert WindowHaloes.stored(attributes) is None
