"""What fits say of priors that reach filaments which modes do not describe, or tables of low energy cuts."""

import re

import numpy as np
import pytest

from gpu_fdm import FitSection, Likelihood, Posterior, Prediction, parse_config
from gpu_fdm.commands.main import main
from gpu_fdm.inference.measured import Measured
from gpu_fdm.inference.reach import doubts_of_priors
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


def doubts(redshifts=(4.0,), ini="", **priors):
    section = FitSection(**priors)
    fit = "\n".join(f"{name} = {text}" for name, text in priors.items())
    config = parse_config(f"[cosmology]\nlinear_power = eisenstein_hu\n{ini}\n[fit]\n{fit}\n")
    tables = [Measured.of(Spectrum(K, K**-2, "fdm", error=0.1 * K**-2, redshift=z), f"at {z:g}") for z in redshifts]
    return doubts_of_priors(Posterior.of(Likelihood.of(config, tables), section))


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


def test_fit_says_it_before_it_computes_and_forecast_too(tmp_path, monkeypatch, capsys):
    pytest.importorskip("emcee", reason="the extra fit is not installed")
    monkeypatch.chdir(tmp_path)
    power = Prediction.of(parse_config(""), 4.0, K)(2.0).matter_fdm
    header = "of: fdm\nk: h/Mpc\npower: (Mpc/h)^3\nredshift: 4\nk power error"
    np.savetxt("mine.csv", np.array([K, power, 0.05 * power]).T, header=header)
    command = ["fit", "mine.csv", "--walkers", "4", "--steps", "10", "--dpi", "0"]
    assert main(command) == 0
    first, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: prior of m22, log_uniform(0.5, 10): below m22 = 0.68")
    assert main([*command, "--prior", "m22=log_uniform(0.1, 4)", "--output", "other"]) == 2
    (refused,) = capsys.readouterr().err.splitlines()
    assert "can be predicted" in refused
    assert main(["forecast", "--m22", "0.5,2"]) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: m22 = 0.5: filaments of up to") and "few modes" in warning
