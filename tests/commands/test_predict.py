"""gpu-fdm predict: its table, its figure, what options change, and what it refuses."""

import matplotlib.image
import numpy as np
import pytest

pytest.importorskip("astropy", reason="astropy is not installed")

from astropy import units
from astropy.cosmology import units as with_h
from astropy.table import Table

from gpu_fdm import Prediction, parse_config
from gpu_fdm.commands.main import main
from gpu_fdm.io.tables import read_columns

COLUMNS = ("m22", "redshift", "k", "linear_cdm", "linear_fdm", "one_filament_fdm", "one_filament_smooth")
BOOSTS = ("boost_over_smooth", "boost_over_cdm")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def predict(folder, *options, name="table.csv", dpi="0"):
    path = folder / name
    assert main(["predict", "--m22", "0.5,2", "--points", "30", "--output", str(path), "--dpi", dpi, *options]) == 0
    return path


def test_a_table_and_its_figure(tmp_path, capsys):
    path = predict(tmp_path, "--redshift", "5.5", "--over", "smooth,wdm", dpi="50")
    columns = read_columns(path, (*COLUMNS, *BOOSTS, "boost_over_wdm"))
    lines = path.read_text().splitlines()
    assert "# one_filament_relative_to: all matter" in lines and "# k: h/Mpc, comoving" in lines
    assert not any(line.startswith("# redshift: ") and line[12:13].isdigit() for line in lines)  # as if it were z = 1
    assert "# redshift_of_all: 5.5" in lines
    k = np.geomspace(1, 300, 30)
    config = parse_config("[wavefunction]\n[population]\n[one_filament]\nnormalisation = matter\n")
    expected = Prediction.of(config, 5.5, k)([0.5, 2.0])
    np.testing.assert_array_equal(columns["m22"], np.repeat([0.5, 2.0], 30))
    np.testing.assert_allclose(columns["k"], np.tile(k, 2), rtol=1e-14)
    np.testing.assert_allclose(columns["linear_cdm"], np.tile(expected.linear_cdm, 2), rtol=1e-12)
    np.testing.assert_allclose(columns["one_filament_fdm"], expected.one_filament_fdm.ravel(), rtol=1e-9)
    np.testing.assert_allclose(columns["boost_over_wdm"], expected.boost("wdm").ravel(), rtol=1e-9)
    above = columns["linear_fdm"] + columns["one_filament_fdm"]
    below = columns["linear_fdm"] + columns["one_filament_smooth"]
    np.testing.assert_allclose(columns["boost_over_smooth"], above / below, rtol=1e-12)
    out = capsys.readouterr().out
    assert "m22 = 2, z = 5.5: boost over smooth at most" in out and f"figure: {tmp_path / 'table.png'}" in out
    assert matplotlib.image.imread(tmp_path / "table.png").shape[1] == int(50 * 180 / 25.4)  # 180 mm


def test_ecsv_has_units(tmp_path):
    predict(tmp_path)
    path = predict(tmp_path, name="table.ecsv")
    with units.add_enabled_units(with_h):
        table = Table.read(path)
    assert table.colnames == [*COLUMNS, *BOOSTS] and len(table) == 60
    assert table["k"].unit == with_h.littleh / units.Mpc
    assert table["linear_cdm"].unit == (units.Mpc / with_h.littleh) ** 3
    same = read_columns(tmp_path / "table.csv", (*COLUMNS, *BOOSTS))
    for name in table.colnames:
        np.testing.assert_array_equal(np.asarray(table[name]), same[name])
    assert table.meta["one_filament_relative_to"] == "all matter"


def test_options_change_the_universe(tmp_path):
    ini = tmp_path / "my.ini"
    ini.write_text("[cosmology]\nredshift = 3\nn_s = 0.9655\n[population]\nellipticity = collapse\n")
    plain = read_columns(predict(tmp_path, "--cosmology", str(ini)), COLUMNS)
    assert set(plain["redshift"]) == {3.0} and plain["k"].max() == pytest.approx(300)
    larger = read_columns(predict(tmp_path, "--cosmology", str(ini), "--sigma8", "0.9"), COLUMNS)
    ratio = larger["linear_cdm"] / plain["linear_cdm"]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)
    assert 1.1 < ratio[0] < 1.3
    scaled = read_columns(predict(tmp_path, "--set", "one_filament.mode_mass=scaled", "--k-max", "100"), COLUMNS)
    assert scaled["k"].max() == pytest.approx(100)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--m22", "one"], "--m22 one: must be numbers, as 0.5,1,2"),
        (["--m22", "1,1"], "--m22 1,1: must be at most 100 different masses"),
        (["--m22", "0.2"], "m22 = 0.2: nu = "),
        (["--over", "smooth,dust"], "--over smooth,dust: must be of smooth, n-body, cdm, wdm, linear-cdm"),
        (["--output", "x.hdf5"], "--output x.hdf5: must end in .csv or .ecsv"),
        (["--output", "others.csv"], "others.csv: is a file that gpu-fdm did not write: it is not replaced"),
        (["--output", "figure.csv", "--dpi", "50"], "figure.png: is a file that gpu-fdm did not write"),
        (["--redshift", "70"], "must be at most 49"),
        (["--sigma8", "-1"], "sigma8 = -1: must be > 0"),
        (["--k-max", "1e5"], "the range of the linear power"),
        (["--k-max", "1900", "--m22", "0.6"], "m22 = 0.6: k = 1900 h/Mpc: must be at most"),
        (["--k-min", "0"], "error: --k-min 0.0: must be a number in"),
        (["--set", "one_filament.k_min=0"], "error: --set: [one_filament] k_min = 0: must be"),
        (["--cosmology", "none.ini"], "none.ini: no such file"),
        (["--set", "wavefunction.weights=poisson"], "[wavefunction] weights = poisson: must be wkb"),
        (["--set", "wavefunction.energy_cut=0.9"], "gpu-fdm tabulate similarity --energy-cut 0.9 --output FILE"),
        (["--dpi", "5"], "--dpi 5: must be 0, or in [20, 1200]"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, monkeypatch, capsys, options, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "others.csv").write_text("mine\n")
    (tmp_path / "figure.png").write_text("mine\n")
    assert main(["predict", "--m22", "1", "--dpi", "0", *options]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert (tmp_path / "others.csv").read_text() == "mine\n"


def test_filaments_of_few_modes_are_told(tmp_path, capsys):
    """As runs tell them: at m22 = 0.5 the lightest filaments have nu = 0.67."""
    predict(tmp_path)
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "few modes" in line]
    assert warning.startswith("warning: m22 = 0.5: filaments of up to") and "(nu < 0.9)" in warning


def test_the_header_has_the_sigma8_of_the_option(tmp_path):
    text = predict(tmp_path, "--sigma8", "0.7", "--set", "cosmology.linear_power=eisenstein_hu").read_text()
    (cosmology,) = [line for line in text.splitlines() if line.startswith("# cosmology: ")]
    (power,) = [line for line in text.splitlines() if line.startswith("# linear_power: ")]
    assert cosmology.endswith(", sigma8 = 0.7") and "ln10As" not in cosmology
    assert "; rescaled to sigma8 = 0.7, ln10As = 2.6" in power
