"""Tables that subcommands write say which version, command line and model made them; figures beside them."""

import numpy as np
import pytest

from gpu_fdm import Prediction, __version__, parse_config
from gpu_fdm.commands.main import main
from gpu_fdm.inference.model_keys import model_in_words

N_S = ("--set", "cosmology.n_s=0.97")


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """A table to fit and two spectra to divide, in the working directory."""
    monkeypatch.chdir(tmp_path)
    k = np.geomspace(10, 100, 8)
    power = Prediction.of(parse_config(""), 4.0, k)(2.0).matter_fdm
    for name, of in (("fdm.csv", "fdm"), ("cdm.csv", "cdm")):
        header = f"of: {of}\nk: h/Mpc\npower: (Mpc/h)^3\nredshift: 4\nk,power,error"
        np.savetxt(name, np.array([k, power, 0.05 * power]).T, header=header, delimiter=",")


@pytest.mark.parametrize(
    ("command", "table", "has_model"),
    [
        (["predict", "--m22", "1", "--points", "4", "--dpi", "0", "--output", "a.csv", *N_S], "a.csv", True),
        (["predict", "--m22", "1", "--points", "4", "--dpi", "0", "--output", "a.ecsv", *N_S], "a.ecsv", True),
        (["fit", "fdm.csv", "--walkers", "4", "--steps", "10", "--dpi", "0", *N_S], "fit/fit.csv", True),
        (["forecast", "--m22", "2", "--output", "a.csv", *N_S], "a.csv", True),
        (["combinations", "--points", "1", "--of", "smooth", "--dpi", "0", "--output", "a.csv", *N_S], "a.csv", True),
        (["boost", "fdm.csv", "cdm.csv", "--dpi", "0", "--output", "a b.csv"], "a b.csv", False),
    ],
    ids=["predict", "predict ECSV", "fit", "forecast", "combinations", "boost"],
)
def test_tables_say_how_they_were_made(command, table, has_model, tables, tmp_path):
    assert main(command) == 0
    comments = [line for line in (tmp_path / table).read_text().splitlines() if line.startswith("#")]
    words = " ".join(f"'{word}'" if " " in word or "(" in word else word for word in command)
    assert sum(f"gpu_fdm {__version__}: gpu-fdm {words}" in line for line in comments) == 1
    of_model = [name for name in ("cosmology", "population", "wavefunction", "one_filament") if has_model]
    for name in of_model:
        assert sum(f"{name}: " in line and " = " in line for line in comments) == 1, name
    assert any("n_s = 0.97" in line for line in comments) == has_model
    assert not any("k_max = 5000" in line or "tolerance = " in line for line in comments)


def test_keys_that_do_not_count_beside_a_table_of_linear_power_are_not_told():
    config = parse_config("[cosmology]\nlinear_power = table\nlinear_power_table = p.csv\nomega_m = 0.3\n")
    assert (
        model_in_words(config)["cosmology"]
        == "h = 0.6731, omega_m = 0.3, linear_power = table, linear_power_table = p.csv"
    )


@pytest.mark.parametrize("ending", ["pdf", "svg"])
@pytest.mark.parametrize(
    ("command", "figures"),
    [
        (["predict", "--m22", "1", "--points", "4", "--output", "a.csv"], ["a"]),
        (["fit", "fdm.csv", "--walkers", "4", "--steps", "10"], ["fit/corner", "fit/fit"]),
        (["combinations", "--points", "1", "--of", "smooth", "--output", "a.csv"], ["a"]),
        (["boost", "fdm.csv", "cdm.csv", "--output", "a.csv"], ["a"]),
    ],
    ids=["predict", "fit", "combinations", "boost"],
)
def test_figures_beside_tables_in_formats_of_papers(command, figures, ending, tables, tmp_path, capsys):
    paths = [tmp_path / f"{name}.{ending}" for name in figures]
    paths[-1].parent.mkdir(exist_ok=True)
    paths[-1].write_text("a figure of others")
    assert main([*command, "--figure-format", ending]) == 2
    assert "a file that gpu-fdm did not write" in capsys.readouterr().err
    assert main([*command, "--figure-format", ending, "--dpi", "0"]) == 0
    assert paths[-1].read_text() == "a figure of others"
    paths[-1].unlink()
    assert main([*command, "--figure-format", ending]) == 0
    for path in paths:
        assert path.read_bytes()[:5] == {"pdf": b"%PDF-", "svg": b"<?xml"}[ending]
        assert not path.with_suffix(".png").exists()
