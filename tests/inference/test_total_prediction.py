"""All matter with its haloes from tables, beside the sums of the stage [total_power]; in fits and in tables."""

import numpy as np
import pytest

from gpu_fdm import InputError, parse_config
from gpu_fdm.commands.main import main
from gpu_fdm.inference import prepared_haloes
from gpu_fdm.inference.likelihood import Likelihood
from gpu_fdm.inference.measured import Measured, read_measured
from gpu_fdm.inference.posterior import Posterior
from gpu_fdm.inference.prediction import Prediction
from gpu_fdm.io.tables import read_columns
from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.total_objects import Matter, table_of_haloes
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.spectrum import Spectrum
from gpu_fdm.spectra.tables import write_boost

pytestmark = pytest.mark.slow  # 15 s: tables of haloes

K = np.geomspace(1, 2000, 24)
SMALL = ("total_power.mass_max=1e10", "total_power.exact_l_max=16", "one_filament.mass_min=1.5e9")
WINDOW = 3e8, 1e10
OBJECT = "all matter with filaments of 1.5e+09 to 3e+10 and haloes of 3e+08 to 1e+10 Msun/h"
INI = "[cosmology]\nredshift = {}\n[wavefunction]\n[population]\nellipticity = collapse\nm22 = 1,2.2\n[one_filament]\n"
INI += "normalisation = matter\n[halo]\n[total_power]\n"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """Tables of haloes of these tests, up to lighter bosons than those of users."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(prepared_haloes, "HEAVIEST", 3.0)
        yield


def config_of(redshift, *more):
    return parse_config(INI.format(redshift), overrides=[*SMALL, *more])


@pytest.fixture(scope="module")
def prediction(cache):
    return Prediction.of(config_of(4), k=K, total=True)


@pytest.fixture(scope="module")
def stage_table(cache):
    """The table that the stage makes for its bosons at z = 4."""
    return table_of_haloes(config_of(4), (1.0, 2.2), WINDOW, 16, None)


@pytest.mark.parametrize("redshift", [4.0, 5.5])
def test_as_the_stage_has_it(redshift, prediction, stage_table):
    """To 5e-4; z = 5.5 has three nodes of the concentration."""
    config, table = config_of(redshift), stage_table
    if redshift != prediction.redshift:
        prediction = Prediction.of(config, k=K, total=True)
        table = table_of_haloes(config, (1.0, 2.2), WINDOW, 16, None)
    population = Inputs(config).population
    matter = {m22: Matter.of(config, population, K, m22, WINDOW, table) for m22 in (None, 1.0, 2.2)}
    predicted = prediction([1.0, 2.2])
    for row, m22 in enumerate((1.0, 2.2)):
        total = matter[m22].total
        np.testing.assert_allclose(predicted.total_fdm[row], total.power, rtol=5e-4)
        np.testing.assert_allclose(predicted.total("smooth")[row], total.smooth, rtol=5e-4)
        np.testing.assert_allclose(predicted.total("cdm")[row], matter[None].total.smooth, rtol=5e-4)
        np.testing.assert_allclose(
            predicted.total_boost("cdm")[row], total.power / matter[None].total.smooth, rtol=5e-4
        )


def test_another_power_is_rescaled(prediction, stage_table):
    """As the stage has it with this ln10As and another window of filaments; derivatives by small steps agree."""
    config = config_of(4, "cosmology.ln10As=3.2", "one_filament.mass_min=2e9")
    total = Matter.of(config, Inputs(config).population, K, 2.2, WINDOW, stage_table).total
    found = prediction(2.2, ln10As=3.2, mass_min=2e9)
    np.testing.assert_allclose(found.total_fdm, total.power, rtol=5e-4)
    small, large = (
        np.log(prediction(2.0 * np.exp(step)).total_fdm / prediction(2.0 * np.exp(-step)).total_fdm) / (2 * step)
        for step in (1e-5, 1e-3)
    )
    np.testing.assert_allclose(small, large, atol=1e-3 * np.abs(large).max())


def test_tables_of_all_matter_are_fitted(prediction, tmp_path):
    """A spectrum and a boost without noise give their boson back; a table says that haloes are needed."""
    truth = prediction(1.7)
    spectrum = Spectrum(K, truth.total_fdm, "fdm", redshift=4, error=0.05 * truth.total_fdm, object=OBJECT)
    ratio = truth.total_boost("cdm")
    boost = Boost(K, ratio, "fdm", "cdm", error=0.05 * ratio, redshift=4, object=OBJECT)
    write_boost(boost, tmp_path / "boost.csv")
    tables = [Measured.of(spectrum, "spectrum"), read_measured(tmp_path / "boost.csv")]
    assert all(table.total for table in tables)
    likelihood = Likelihood.of(config_of(4), tables)
    assert np.abs(likelihood.pulls(m22=1.7)).max() < 1e-6
    section = parse_config("[wavefunction]\n[population]\n[one_filament]\n[fit]\nm22 = log_uniform(0.9, 2.6)\n").fit
    assert Posterior.of(likelihood, section).best.values["m22"] == pytest.approx(1.7, rel=1e-4)
    with pytest.raises(InputError, match="fdm/n-body of all matter with haloes: must be over one of smooth, cdm"):
        Measured.of(Boost(K, ratio, "fdm", "n-body", error=ratio, redshift=4, object=OBJECT), "table")


def test_the_command(prediction, tmp_path, capsys):
    path = tmp_path / "table.csv"
    settings = [word for text in SMALL for word in ("--set", text)]
    command = ["predict", "--m22", "1,2.2", "--total", "--k-max", "2000", "--points", "24", "--dpi", "0"]
    assert main([*command, "--output", str(path), *settings]) == 0
    assert "over cdm with haloes from " in capsys.readouterr().out
    of_boosts = {name: f"total_boost_over_{name}" for name in ("smooth", "cdm")}
    columns = read_columns(path, ("total_fdm", "total_smooth", "total_cdm", *of_boosts.values()))
    for name, boost in of_boosts.items():
        np.testing.assert_allclose(columns[boost], columns["total_fdm"] / columns[f"total_{name}"], rtol=1e-14)
    np.testing.assert_allclose(columns["total_fdm"], prediction([1.0, 2.2]).total_fdm.ravel(), rtol=1e-9)
    assert "# haloes_of_total: 3e+08 to 1e+10 Msun/h" in path.read_text().splitlines()
    assert main([*command, "--output", str(path), "--set", "population.ellipticity=published"]) == 2
    assert "ellipticity = published: must be collapse for haloes" in capsys.readouterr().err


def test_what_is_refused(prediction):
    for m22, says in (
        (0.35, r"m22 = 0\.35: halo of 3\.01e\+08 Msun/h: its core is .* of its radius: .* mass_min must be at least"),
        (40.0, r"m22 = 40: nu = .*: must be in \[2, .*\], as the table of haloes has it"),
    ):
        with pytest.raises(InputError, match=says):
            _ = prediction(m22).total_fdm
    with pytest.raises(InputError, match="with haloes over wdm: must be over one of smooth, cdm"):
        prediction(2.0).total("wdm")
    with pytest.raises(InputError, match=r"must be asked for by Prediction.of\(..., total=True\)"):
        _ = Prediction.of(config_of(4), k=K[:20])(2.0).total_fdm
