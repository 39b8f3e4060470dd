"""What is said of fits, priors and boxes that reach filaments which modes do not describe, or of low energy cuts."""

import re
from pathlib import Path

import numpy as np
import pytest

from gpu_fdm import FitSection, InputError, Likelihood, Posterior, Prediction, parse_config
from gpu_fdm.commands.main import main
from gpu_fdm.inference.combinations import Box, PopulationModel
from gpu_fdm.inference.measured import Measured
from gpu_fdm.inference.reach import doubts_of_box, doubts_of_priors, doubts_of_samples
from gpu_fdm.io.tables import header_lines
from gpu_fdm.spectra.similarity.recipe import Recipe
from gpu_fdm.spectra.similarity.store import write_table
from gpu_fdm.spectra.similarity.table import table_of, table_rows
from gpu_fdm.spectra.spectrum import Spectrum

K = np.geomspace(10, 100, 5)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def posterior(redshifts=(4.0,), ini="", **priors):
    """That of tables that say nothing."""
    section = FitSection(**priors)
    fit = "\n".join(f"{name} = {text}" for name, text in priors.items())
    config = parse_config(f"[cosmology]\nlinear_power = eisenstein_hu\n{ini}\n[fit]\n{fit}\n")
    tables = [Measured.of(Spectrum(K, K**-2, "fdm", error=0.1 * K**-2, redshift=z), f"at {z:g}") for z in redshifts]
    return Posterior.of(Likelihood.of(config, tables), section)


def doubts(*given, **named):
    return doubts_of_priors(posterior(*given, **named))


def few(m22, redshift=4.0, **values):
    """Whether predict says that modes do not describe filaments of a boson."""
    config = parse_config("[cosmology]\nlinear_power = eisenstein_hu\n")
    return bool(Prediction.of(config, redshift, K)(m22, **values).bosons[0].doubts)


def test_the_default_prior_reaches_filaments_of_few_modes():
    """Up to where predict and runs say so, at the redshift where that is farthest."""
    (line,) = doubts()
    start = "prior of m22, log_uniform(0.5, 10): below m22 = "
    assert line.startswith(start) and "modes do not describe the lightest filaments (z = 4): at m22 = 0.5 they" in line
    edge = float(line.removeprefix(start).split()[0])
    assert few(0.995 * edge) and not few(edge)
    nu, share = map(float, re.search(r"nu = (\S+), and modes make (\S+) % of their line mass", line).groups())
    assert 0.6 < nu < 0.75 and 78 < share < 82
    (other,) = doubts((4.0, 6.0))
    assert "(z = 6)" in other and float(other.removeprefix(start).split()[0]) > edge


def test_priors_that_do_not_reach_there():
    assert doubts(m22="log_uniform(1, 4)") == []
    assert doubts(m22="2", ln10As="normal(3.05, 0.01)") == []
    assert (
        doubts(m22="log_uniform(0.5, 10)", ini="[population]\n[wavefunction]\n[one_filament]\nmass_min = 1e10\n") == []
    )


def test_the_lightest_filaments_of_a_prior_of_mass_min():
    (line,) = doubts(m22="log_uniform(0.9, 4)", mass_min="log_uniform(1e9, 1e10)")
    edge = float(re.search(r"below m22 = (\S+) modes", line)[1])
    assert few(0.995 * edge, mass_min=1e9) and not few(edge, mass_min=1e9) and not few(0.9)
    assert "at m22 = 0.9, mass_min = 1e+09 they have nu" in line
    (line,) = doubts(m22="1", mass_min="log_uniform(1e9, 1e10)")
    edge = float(re.search(r"below mass_min = (\S+) modes", line)[1])
    at_nu_min = doubts(m22="0.6", mass_min="log_uniform(2e8, 1e10)")  # down to the least nu of the table
    assert "they have nu = 0.5, and" in at_nu_min[0]
    assert line.startswith("prior of mass_min, ") and few(1.0, mass_min=0.99 * edge) and not few(1.0, mass_min=edge)


def test_a_fixed_boson_and_a_prior_that_is_doubted_everywhere():
    (line,) = doubts(m22="0.5", ln10As="normal(3.05, 0.01)")
    assert line.startswith("m22 = 0.5: modes do not describe the lightest filaments (z = 4): they have nu = ")
    (line,) = doubts(m22="log_uniform(0.5, 0.6)")
    assert line.startswith("prior of m22, log_uniform(0.5, 0.6): for all of it modes do not")


def test_a_gaussian_prior_whose_tail_cannot_be_predicted():
    """It is told from the lightest boson that can, nu = 0.5; of a prior that cannot be predicted at all nothing is."""
    (line,) = doubts(m22="log_normal(2, 0.5)")
    assert "they have nu = 0.5, and modes make" in line
    assert doubts(m22="log_uniform(0.01, 0.02)") == []


def test_a_prior_of_omega_m():
    (line,) = doubts(omega_m="normal(0.31, 0.002)")
    assert line.startswith("prior of m22, ") and "(z = 4)" in line


def test_a_table_of_a_low_energy_cut(tmp_path):
    recipe = Recipe(energy_cut=0.9)
    write_table(table_of(recipe, [table_rows(1.0, recipe)] * len(recipe.nodes)), tmp_path / "cut.hdf5")
    ini = f"[population]\n[wavefunction]\nenergy_cut = 0.9\n[one_filament]\ntable = {tmp_path / 'cut.hdf5'}\n"
    assert doubts(ini=ini, m22="log_uniform(2, 4)")[-1] == (
        "energy_cut = 0.9: P_1f from its table is good to 0.0025, and without fringes to less"
    )


def test_samples_whose_filaments_are_doubted():
    """More than 2.5 % of them, at the redshift where that is farthest; in two parameters it is not the mass alone."""
    of_mass = posterior((4.0, 6.0), m22="log_uniform(0.5, 10)")
    few_at_6, none = np.log(0.7), np.log(2.0)
    assert few(0.7, 6.0) and not few(0.7, 4.0)
    assert doubts_of_samples(of_mass, np.array([[few_at_6]] + 39 * [[none]])) == []  # 2.5 %
    (line,) = doubts_of_samples(of_mass, np.array([[few_at_6]] + 38 * [[none]]))
    words = "modes do not describe the lightest filaments (z = 6): they have nu = "
    assert line.startswith(f"in 2.56 % of the samples {words}")
    (line,) = doubts_of_samples(of_mass, np.array([[few_at_6]] * 3))
    config = parse_config("[cosmology]\nlinear_power = eisenstein_hu\n")
    nu = Prediction.of(config, 6.0, K)(0.7).bosons[0].similarity(0.7)[0].min()
    assert line.startswith(f"in all samples {words}{nu:.2g} to {nu:.2g} (95 %), and modes make ")
    of_two = posterior(m22="log_uniform(0.5, 10)", mass_min="log_uniform(1e9, 1e10)")
    light, heavy = np.log(1e9), np.log(1e10)
    assert few(1.0, mass_min=1e9) and not few(0.6, mass_min=1e10)
    assert doubts_of_samples(of_two, np.array([[np.log(0.6), heavy]] * 3)) == []
    (line,) = doubts_of_samples(of_two, np.array([[0.0, light], [0.0, heavy]]))
    assert line.startswith("in 50 % of the samples modes do not describe the lightest filaments (z = 4)")


def test_boxes_of_combinations():
    """Up to where predict says so, at the last redshift and the least mass_min of the box."""
    config = parse_config("[cosmology]\nlinear_power = eisenstein_hu\n")
    prediction = Prediction.of(config, 4.0, K)

    def doubts(redshift=(4.0, 4.0), **ranges):
        held = {"redshift": redshift, "omega_m": (prediction.prepared.omega_m,) * 2, "mass_min": (3e9, 3e9)}
        box = Box.of(prediction, held | ranges)
        return doubts_of_box(PopulationModel(config, K, box, ("power",)))

    assert doubts() == doubts(m22=(0.7, 4)) == doubts((2.0, 4.0), m22=(0.7, 4)) == []
    (line,) = doubts((4.0, 6.0), m22=(0.5, 4))
    start = "range of m22, 0.5 to 4: below m22 = "
    edge = float(line.removeprefix(start).split()[0])
    assert line.startswith(start) and few(0.995 * edge, 6.0) and not few(edge, 6.0) and "(z = 6): at m22 = 0.5 " in line
    (line,) = doubts(m22=(0.7, 4), mass_min=(2e9, 4e9))
    edge = float(line.removeprefix("range of m22, 0.7 to 4: below m22 = ").split()[0])
    assert few(0.995 * edge, mass_min=2e9) and not few(edge, mass_min=2e9) and "at m22 = 0.7, mass_min = 2e+09" in line
    (line,) = doubts(m22=(0.5, 0.5))
    assert line.startswith("m22 = 0.5: modes do not describe the lightest filaments (z = 4): they have nu = ")
    assert doubts((4.0, 40.0), m22=(0.5, 4)) == []  # before anything forms: refused by the combinations
    with pytest.raises(InputError, match=r"^range of redshift, 4 to 60: must be within \[0, 49\]$"):
        doubts((4.0, 60.0), m22=(0.5, 4))


@pytest.fixture
def fitted(tmp_path, monkeypatch, capsys):
    """A function that fits a spectrum of m22, and returns lines of the output, those of errors, and the header."""
    pytest.importorskip("emcee", reason="the extra fit is not installed")
    monkeypatch.chdir(tmp_path)

    def fitted(m22, *options):
        power = Prediction.of(parse_config(""), 4.0, K)(m22).matter_fdm
        header = "of: fdm\nk: h/Mpc\npower: (Mpc/h)^3\nredshift: 4\nk power error"
        np.savetxt("mine.csv", np.array([K, power, 0.05 * power]).T, header=header)
        command = ["fit", "mine.csv", "--walkers", "4", "--steps", "10", "--dpi", "0", "--output", f"of_{m22:g}"]
        assert main([*command, *options]) == 0
        captured = capsys.readouterr()
        header = header_lines((tmp_path / f"of_{m22:g}" / "fit.csv").read_text())
        return captured.out.splitlines(), captured.err.splitlines(), header

    return fitted


def test_fit_says_it_beside_what_it_found(fitted):
    out, _, header = fitted(0.6)
    best, interval = (next(row for row, line in enumerate(out) if line.startswith(f)) for f in ("best fit: ", "m22 "))
    at_best, of_samples = out[best + 1], out[interval + 1]
    words = "modes do not describe the lightest filaments (z = 4): they have nu = 0."
    assert at_best.startswith(f"  at the best fit {words}") and of_samples.startswith(f"  in all samples {words}")
    assert [header["doubt_1"], header["doubt_2"]] == [at_best.strip(), of_samples.strip()]
    assert sum("modes do not describe" in line for line in out) == 2
    out, _, header = fitted(2.0, "--prior", "m22=log_uniform(0.5, 0.6)")
    row = next(row for row, line in enumerate(out) if line.startswith("best fit: "))
    assert "not sampled" in out and out[row + 1].startswith("  at the best fit modes do not describe")
    assert header["doubt_1"] == out[row + 1].strip() and "doubt_2" not in header


def test_fit_says_it_before_it_computes_and_forecast_too(fitted, capsys):
    out, (first, *_), header = fitted(2.0)
    assert first.startswith("warning: prior of m22, log_uniform(0.5, 10): below m22 = 0.68")
    assert not any("modes" in line for line in out) and "doubt_1" not in header
    command = ["fit", "mine.csv", "--walkers", "4", "--steps", "10", "--dpi", "0"]
    assert main([*command, "--prior", "m22=log_uniform(0.1, 4)", "--output", "other"]) == 2
    (refused,) = capsys.readouterr().err.splitlines()
    assert "can be predicted" in refused
    assert main(["forecast", "--m22", "0.5,2", "--output", "forecast.csv"]) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: m22 = 0.5: filaments of up to") and "few modes" in warning
    assert header_lines(Path("forecast.csv").read_text())["doubt_1"] == warning.removeprefix("warning: ")
