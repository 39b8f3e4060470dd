"""gpu-fdm fit and forecast: their lines, their files, and what they refuse."""

from argparse import Namespace

import attrs
import numpy as np
import pytest

from gpu_fdm import Prediction, linear_power, parse_config
from gpu_fdm.commands.main import main
from gpu_fdm.commands.shared import model_overrides
from gpu_fdm.config.config import config_of_cosmology, cosmology_overrides, read_model
from gpu_fdm.inference.chain import read_chain
from gpu_fdm.inference.forecast import Bins, standard_deviation

K = np.geomspace(2, 300, 36)
TRUTH = 2.2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables of P(k) of fuzzy and of warm dark matter at z = 4, of a boost, and without what they need."""
    folder = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        predicted = Prediction.of(parse_config(""), 4.0, K)(TRUTH)
        scatter = np.exp(0.05 * np.random.default_rng(1).standard_normal(len(K)))
        header = "# k: h/Mpc\n# redshift: 4\n"
        of_power, of_boost = "# of: fdm\n# power: (Mpc/h)^3\n", "# numerator: fdm\n# denominator: cdm\n"
        for name, about, column, values in (
            ("power", of_power, "power", predicted.matter_fdm),
            ("wdm", of_power, "power", predicted.matter("wdm")),
            ("boost", of_boost, "boost", predicted.boost("cdm")),
        ):
            rows = np.array([K, values * scatter, 0.05 * values * scatter]).T.tolist()
            text = f"{header}{about}k,{column},error\n" + "".join(",".join(map(repr, row)) + "\n" for row in rows)
            (folder / f"{name}.csv").write_text(text)
        without = (folder / "boost.csv").read_text().replace("error", "weight")
        (folder / "without.csv").write_text(without)
        (folder / "ones.txt").write_text("\n".join([" ".join(["1"] * 36)] * 36))
        patch.chdir(folder)
        yield folder


def test_a_fit_is_made_and_resumed(folder, capsys):
    command = ["fit", "power.csv", "boost.csv", "--walkers", "4", "--dpi", "40", "--output", "out"]
    assert main([*command, "--steps", "40"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "power.csv: P of matter, z = 4: 36 rows" and lines[1] == "boost.csv: fdm/cdm, z = 4: 36 rows"
    assert lines[2].startswith("best fit: m22 = 2.1") and "71 degrees of freedom" in lines[2]
    assert any(line.startswith("m22 = 2.") and "(68 %; 95 %: " in line for line in lines)
    assert any("too short" in line for line in lines)
    assert {"chain.hdf5", "corner.png", "fit.png", "fit.csv"} <= {path.name for path in (folder / "out").iterdir()}
    first = read_chain(folder / "out/chain.hdf5")
    assert main([*command, "--steps", "60"]) == 0
    longer = read_chain(folder / "out/chain.hdf5")
    assert longer.steps == 60 and np.array_equal(longer.points[:40], first.points)
    assert main([*command, "--steps", "60", "--prior", "m22=log_uniform(1,4)"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "a chain of another prior of m22, log_uniform(0.5, 10): now log_uniform(1, 4)" in error
    assert read_chain(folder / "out/chain.hdf5").steps == 60


def test_a_range_of_k_is_fitted_alone(folder, capsys):
    command = ["fit", "power.csv", "--walkers", "4", "--dpi", "0", "--steps", "10", "--output", "range"]
    assert main([*command, "--k-min", "10", "--k-max", "100"]) == 0
    number = np.count_nonzero((K >= 10) & (K <= 100))
    assert f"power.csv: P of matter, z = 4: {number} rows ({36 - number} rows are left out)" in capsys.readouterr().out
    assert main([*command, "--k-min", "100", "--k-max", "10"]) == 2
    assert "--k-max 10: must be larger than k_min = 100" in capsys.readouterr().err
    assert main([*command, "--k-min", "20"]) == 2
    error = capsys.readouterr().err
    assert "range/chain.hdf5: a chain of another table 1, P of matter at z = 4, ln, " in error
    assert "give another --output, or the table, --covariance, --k-min and --k-max of the chain" in error


@pytest.fixture
def of_table(folder):
    """Options that take the linear power from a table."""
    power = linear_power("eisenstein_hu")
    np.savetxt(folder / "linear.txt", np.array([power.k, power.power]).T, header="k power")
    return "--set", "cosmology.linear_power=table", "--set", "cosmology.linear_power_table=linear.txt"


def test_a_table_of_linear_power_holds_its_amplitude_and_slope(folder, of_table, capsys):
    assert main(["forecast", "--m22", "2", *of_table]) == 0
    assert "filament_fraction free; ln10As and n_s held: those of the table" in capsys.readouterr().out
    assert main(["forecast", "--m22", "2", "--prior", "n_s=0.01", *of_table]) == 2
    assert "--prior n_s=0.01: must be 0 with linear_power = table" in capsys.readouterr().err
    assert main(["fit", "power.csv", "--prior", "n_s=normal(0.97,0.01)", "--output", "held", *of_table]) == 2
    error = capsys.readouterr().err
    assert "must be empty with [cosmology] linear_power = table" in error and "prior of m22" not in error
    free = "--prior", "omega_m=uniform(0.30,0.33)", "--steps", "10", "--walkers", "4", "--dpi", "0"
    assert main(["fit", "power.csv", "--output", "held", *free, *of_table]) == 0
    assert "linear_power = table: its rows are the same at all omega_m" in capsys.readouterr().err
    assert main(["combinations", "--points", "1", "--of", "smooth", "--dpi", "0", *of_table]) == 0
    assert "ln10As and n_s are held" in capsys.readouterr().out


@pytest.mark.parametrize(("table", "prior"), [("wdm.csv", "log_uniform(0.5,10)"), ("power.csv", "log_uniform(3,10)")])
def test_another_model_is_called_a_bad_fit(table, prior, folder, capsys):
    assert main(["fit", table, "--prior", f"m22={prior}", "--output", "bad", "--dpi", "0"]) == 0
    out = capsys.readouterr().out
    assert "the model does not describe the tables" in out and "not sampled" in out
    assert "+-" not in out and "68 %" not in out and not (folder / "bad/chain.hdf5").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["without.csv"], "without.csv: no errors: add a column error, or give the covariance with --covariance FILE"),
        (["power.csv", "--covariance", "ones.txt"], "power.csv: covariance: singular"),
        (["power.csv", "--covariance", "power.csv"], "power.csv, line 5: must hold numbers, a row of the covariance"),
        (
            ["power.csv", "boost.csv", "--covariance", "errors"],
            "--covariance: 1 given: must be one a table, 2, or none",
        ),
        (["power.csv", "--prior", "sigma8=1"], "--prior sigma8=1: must be NAME=PRIOR, with NAME one of m22"),
        (["power.csv", "--prior", "n_s=0.9,1"], "error: --prior n_s = 0.9,1: must be uniform(A, B), normal(MEAN, SD)"),
        (["power.csv", "--prior", "m22=log_uniform(0.1,1)"], "prior of m22, log_uniform(0.1, 1): m22 = 0.1: "),
        (["power.csv", "--steps", "1"], "error: --steps 1: must be an integer in [10"),
        (["power.csv", "--k-min", "20", "--set", "fit.k_min=400"], "power.csv: no row within the limits of the table"),
        (["nothing.csv"], "nothing.csv: no such file"),
    ],
)
def test_what_is_refused(options, message, folder, capsys):
    assert main(["fit", *options, "--output", "none"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not (folder / "none" / "chain.hdf5").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit", "power.csv", "--prior", "m22=2"], "[fit]: all parameters are fixed: must have a prior of m22, say"),
        (["fit", "power.csv", "--set", "one_filament.mass_min=1"], "mass_min = 1: must be in [1e+08, 1e+12]"),
        (
            ["forecast", "--set", "one_filament.mass_max=1e13"],
            "mass_max = 1e+13: must be in [1e+08, 1e+12], the masses",
        ),
    ],
)
def test_what_is_refused_before_linear_power_is_computed(words, message, folder, capsys, monkeypatch):
    monkeypatch.setattr("gpu_fdm.pipeline.linear_power.linear_power", lambda *a, **b: pytest.fail("was computed"))
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_prior_that_is_not_covered_says_what_is(folder, capsys):
    assert main(["fit", "power.csv", "--prior", "m22=log_uniform(0.1,1)", "--output", "none"]) == 2
    found = capsys.readouterr().err.split("log_uniform(")[-1]
    low = float(found.partition(",")[0])
    assert 0.3 < low < 0.5 and found.rstrip().endswith("1) can be predicted")


def test_forecasts_known_from_elsewhere(folder, capsys):
    """Standard deviations of ln m22 and chi-squared that were computed independently; see docs/inference.md."""
    assert main(["forecast", "--set", "one_filament.mode_mass=scaled", "--m22", "2.2", "--output", "forecast.csv"]) == 0
    out = capsys.readouterr().out
    assert "haloes (H), baryons (B), the cosmic variance" in out and out.splitlines()[2].count(" [HBVC] ") == 4
    assert (folder / "forecast.csv").read_text().splitlines()[-1].endswith(",HBVC")
    rows = [line for line in (folder / "forecast.csv").read_text().splitlines() if not line.startswith("#")]
    row = np.array(rows[1].split(",")[:5], float)
    np.testing.assert_allclose(row[1:4], [0.024, 0.085, 9200], rtol=0.01)
    assert row[4] == pytest.approx(4, rel=0.11)
    config = parse_config("[population]\n[wavefunction]\n[one_filament]\nmode_mass = scaled\n")
    bins = Bins(30, 300)
    prediction = Prediction.of(config, 4.0, bins.k)
    priors = {"ln10As": 0.03, "n_s": 0.005, "filament_fraction": np.inf}
    for m22, *known in (
        (1, 0.046, 0.022, 0.069, 0.127),
        (2.2, 0.024, 0.085, 0.035, 0.55),
        (4, 0.023, 0.28, 0.031, 1.75),
    ):
        sigma = [
            standard_deviation(prediction, bins, m22, free, smooth)
            for free in (priors, priors | {"mass_min": np.inf})
            for smooth in (False, True)
        ]
        np.testing.assert_allclose(sigma, known, rtol=0.02)  # half of their last digit


def test_a_cosmology_replaces_all_of_that_of_the_ini_but_its_redshift(folder, capsys):
    """That of an ini, or a named one; --set comes after it."""
    given = "[cosmology]\nh = 0.66\nomega_m = 0.33\nlinear_power = eisenstein_hu\nredshift = 2\n"
    sections = "[population]\n[wavefunction]\n[one_filament]\n"
    mine = "[cosmology]\nomega_m = 0.28\nlinear_power = eisenstein_hu\nln10As = 3.0\n"
    (folder / "model.ini").write_text(given + sections)
    (folder / "mine.ini").write_text(mine + "redshift = 7\n")
    (folder / "same.ini").write_text(mine + "redshift = 2\n" + sections)

    for text in ("cosmology.omega_m=0.3", "cosmology.sigma8=0.7"):  # sigma8 in the place of ln10As
        overrides = model_overrides(Namespace(cosmology="mine.ini", set=[text]))
        assert read_model("model.ini", overrides) == read_model("same.ini", [text])
    read = read_model("model.ini", cosmology_overrides("Planck18")).cosmology
    assert read == attrs.evolve(config_of_cosmology("Planck18").cosmology, redshift=2)
    found = []
    for options in (["same.ini"], ["model.ini", "--cosmology", "mine.ini"]):
        assert main(["forecast", "--m22", "2", "--config", *options]) == 0
        found.append(capsys.readouterr().out)
    assert "at z = 2" in found[0] and found[1] == found[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cosmology", "Planck19"], "Planck19: no such file (did you mean Planck18?); named cosmologies: "),
        (["--m22", "a"], "--m22 a: must be boson masses"),
        (["--k-min", "400"], "k_min = 400, k_max = 300: must be positive, the second the larger"),
        (["--error", "2"], "error = 2: must be in (0, 1)"),
        (["--prior", "h=1"], "--prior h=1: must be NAME=SD"),
        (["--output", "a.txt"], "--output a.txt: must end in .csv"),
    ],
)
def test_forecasts_that_are_refused(options, message, folder, capsys):
    assert main(["forecast", *options]) == 2
    assert message in capsys.readouterr().err


def test_cobaya(folder, caplog):
    from cobaya.model import get_model

    from gpu_fdm.inference.likelihood import Likelihood
    from gpu_fdm.inference.measured import read_measured

    likelihood = {"gpu_fdm.inference.cobaya.Filaments": {"tables": ["power.csv"]}}
    model = get_model({"likelihood": likelihood, "params": {"ln_m22": {"prior": {"min": -3, "max": 2}}, "n_s": 0.96}})
    found = model.loglike({"ln_m22": 0.7}, return_derived=False)
    expected = Likelihood.of(parse_config(""), [read_measured("power.csv")])(m22=np.exp(0.7), n_s=0.96)
    assert found == pytest.approx(expected, rel=1e-10)
    assert model.loglike({"ln_m22": -2.0}, return_derived=False) == -np.inf  # beyond the table of similarity
    assert not any("modes" in text for text in caplog.messages)
    for value in (-0.6, -0.5):
        expected = Likelihood.of(parse_config(""), [read_measured("power.csv")])(m22=np.exp(value), n_s=0.96)
        assert model.loglike({"ln_m22": value}, return_derived=False) == pytest.approx(expected, rel=1e-10)
    (warning,) = [text for text in caplog.messages if "modes" in text]
    assert warning.startswith("at m22 = 0.5488, n_s = 0.96 modes do not describe the lightest filaments (z = 4)")
    settings = ["cosmology.linear_power=eisenstein_hu", "fit.omega_m=uniform(0.3,0.32)"]
    likelihood = {"gpu_fdm.inference.cobaya.Filaments": {"tables": ["power.csv"], "set": settings}}
    model = get_model(
        {"likelihood": likelihood, "params": {"m22": 2.0, "omega_m": {"prior": {"min": 0.2, "max": 0.4}}}}
    )
    config = parse_config("[population]\n[wavefunction]\n[one_filament]\n[fit]\n", "ini", settings)
    expected = Likelihood.of(config, [read_measured("power.csv")])(m22=2.0, omega_m=0.305)
    assert model.loglike({"omega_m": 0.305}, return_derived=False) == pytest.approx(expected, rel=1e-10)
    assert model.loglike({"omega_m": 0.29}, return_derived=False) == -np.inf  # beyond its prior in [fit]
