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
from gpu_fdm.inference.prepared_haloes import PreparedHaloes
from gpu_fdm.io.tables import header_lines, read_columns
from gpu_fdm.plots.prediction import prediction as figure_of
from gpu_fdm.spectra.similarity.recipe import Recipe
from gpu_fdm.spectra.similarity.table import table_of, table_rows

COLUMNS = ("m22", "redshift", "k", "linear_cdm", "linear_fdm", "one_filament_fdm", "one_filament_smooth")
MANY = ",".join(map(str, range(1, 40)))  # masses
BOOSTS = ("boost_over_smooth", "boost_over_cdm")
ERROR = "one_filament_fdm_error"


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
    heavy = expected.boost("wdm")[1]
    ends = " to ".join(f"{heavy[at]:.4g} at k = {k[at]:.4g}" for at in (heavy.argmin(), heavy.argmax()))
    assert "m22 = 2, z = 5.5: boost over smooth from " in out and f", over wdm from {ends} h/Mpc\n" in out
    assert f"figure: {tmp_path / 'table.png'}" in out
    assert matplotlib.image.imread(tmp_path / "table.png").shape[1] == int(50 * 180 / 25.4)  # 180 mm


def test_ecsv_has_units(tmp_path):
    predict(tmp_path)
    path = predict(tmp_path, name="table.ecsv")
    with units.add_enabled_units(with_h):
        table = Table.read(path)
    assert table.colnames == [*COLUMNS, *BOOSTS, ERROR] and len(table) == 60
    assert table[ERROR].unit == table["linear_cdm"].unit
    assert table["k"].unit == with_h.littleh / units.Mpc
    assert table["linear_cdm"].unit == (units.Mpc / with_h.littleh) ** 3
    same = read_columns(tmp_path / "table.csv", (*COLUMNS, *BOOSTS, ERROR))
    for name in table.colnames:
        np.testing.assert_array_equal(np.asarray(table[name]), same[name])
    assert table.meta["one_filament_relative_to"] == "all matter"


@pytest.mark.parametrize("ending", ["csv", "ecsv"])
def test_several_redshifts_are_blocks_each_as_it_is_alone(tmp_path, ending, capsys):
    """In the order that they were given in, and bit for bit."""
    options, redshifts = ("--sigma8", "0.8", "--over", "smooth,wdm"), (6.0, 4.25, 5.0)
    path = predict(tmp_path, "--redshift", "6,4.25,5", *options, name=f"table.{ending}", dpi="50")
    out = capsys.readouterr().out.splitlines()
    with units.add_enabled_units(with_h):
        table = Table.read(path, **({} if ending == "ecsv" else {"format": "ascii.csv", "comment": "#"}))
        alone = [
            Table.read(predict(tmp_path, "--redshift", str(redshift), *options, name=f"{redshift}.ecsv"))
            for redshift in redshifts
        ]
    assert len(table) == 3 * 2 * 30 and table.colnames == alone[0].colnames
    for block, one in enumerate(alone):
        for name in table.colnames:
            np.testing.assert_array_equal(np.asarray(table[name])[60 * block : 60 * (block + 1)], np.asarray(one[name]))
    header = table.meta if ending == "ecsv" else header_lines(path.read_text())
    assert header["redshifts"] == "6, 4.25, 5" and "redshift_of_all" not in header
    assert [line.partition(":")[0] for line in out[:6]] == [
        f"m22 = {m22}, z = {redshift}" for redshift in ("6", "4.25", "5") for m22 in ("0.5", "2")
    ]
    height = matplotlib.image.imread(tmp_path / "table.png").shape[0]
    assert height == int(50 * (0.3 + 0.9 + 2 * 2.3))  # inches: a panel for each denominator, m22 beside each other
    assert main(["info", str(path)]) == 0
    assert "a table of m22, redshift, k, linear_cdm" in capsys.readouterr().out


@pytest.mark.parametrize(("masses", "shape"), [(1, (2, 1)), (3, (2, 3)), (4, (4, 2)), (5, (4, 3))])
def test_a_figure_has_a_line_for_each_redshift(masses, shape):
    """Each boson has a panel of its own; colours and the legend rise with the redshift."""
    k, m22, redshifts = np.geomspace(1, 100, 20), np.arange(1.0, masses + 1), [6.0, 4.0, 5.0]
    ratios = np.arange(1, 1 + 3 * masses).reshape(3, masses, 1) * np.ones(20)
    doubted, errors = np.zeros((3, masses), bool), np.full((3, masses, 20), 5e-4)
    doubted[0, 0], errors[1, 0, 12:] = True, np.nan
    figure = figure_of(k, m22, redshifts, {"smooth": ratios, "cdm": 1 / ratios}, doubted, errors)
    assert figure.axes[0].get_gridspec().get_geometry() == shape
    drawn = [panel for panel in figure.axes if panel.axison]
    assert len(drawn) == 2 * masses and len(figure.axes) == shape[0] * shape[1]
    titles = [text.get_text() for panel in drawn for text in panel.texts]
    for row, mass in enumerate(m22):
        panels = [panel for panel in drawn if f"m₂₂ = {mass:g}," in panel.texts[0].get_text()] if masses > 1 else drawn
        assert len(panels) == 2, titles
        for panel, sign in zip(panels, (1, -1), strict=True):
            lines = [line for line in panel.lines if len(line.get_ydata()) == 20]
            assert [line.get_label() for line in lines] == ["z = 4", "z = 5", "z = 6"]
            for line, at in zip(lines, (1, 2, 0), strict=True):
                assert line.is_dashed() == doubted[at, row]
                np.testing.assert_array_equal(line.get_ydata(), ratios[at, row] ** (1.0 * sign))
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["z = 4", "z = 5", "z = 6"]
    assert figure.get_suptitle().endswith(f"numerical error of the filaments 0.05 % up to k = {k[11]:.4g}")
    assert [text.get_text() for text in figure.texts if "dashed: modes do not" in text.get_text()]
    for panel in drawn:  # numbers at the left of the first panel of a row alone, also between powers of ten
        with_numbers = bool(panel.get_ylabel())
        assert all(panel.yaxis.get_tick_params(which)["labelleft"] == with_numbers for which in ("major", "minor"))
    lowest = [panel for panel in drawn if panel.get_xlabel()]
    assert len(lowest) == shape[1] and all(panel.xaxis.get_tick_params()["labelbottom"] for panel in lowest)


def test_a_boson_that_cannot_be_predicted_at_one_of_the_redshifts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "--m22", "0.5", "--k-max", "800", "--redshift", "4,7", "--dpi", "50"]) == 2
    error = capsys.readouterr().err
    assert "error: z = 7: m22 = 0.5: k = 800 h/Mpc: must be at most" in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_redshifts_are_checked_before_haloes_are_computed(tmp_path, monkeypatch, capsys):
    """They take half a minute a redshift."""
    monkeypatch.setattr(PreparedHaloes, "of", lambda *arguments: pytest.fail("haloes were computed"))
    command = ["predict", "--m22", "1", "--total", "--dpi", "0", "--output", str(tmp_path / "t.csv")]
    assert main([*command, "--redshift", "4,70"]) == 2
    assert "error: --redshift 70: must be at most 49" in capsys.readouterr().err
    assert main([*command, "--redshift", "4,5", "--over", "dust"]) == 2
    assert "error: --over dust: must be of" in capsys.readouterr().err


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
        (["--m22", "2e-22"], "--m22 2e-22: must be a number in [1e-06, 1e+06] (unit: 1e-22 eV)"),
        (["--m22", "1,nan"], "--m22 nan: must be a number in [1e-06, 1e+06] (unit: 1e-22 eV)"),
        (["--m22", "1,1"], "--m22 1,1: must be at most 100 different masses"),
        (["--m22", "0.2"], "m22 = 0.2: nu = "),
        (["--over", "smooth,dust"], "--over smooth,dust: must be of smooth, n-body, cdm, wdm, linear-cdm"),
        (["--output", "x.hdf5"], "--output x.hdf5: must end in .csv or .ecsv"),
        (["--output", "others.csv"], "others.csv: is a file that gpu-fdm did not write: it is not replaced"),
        (["--output", "figure.csv", "--dpi", "50"], "figure.png: is a file that gpu-fdm did not write"),
        (["--redshift", "70"], "error: --redshift 70: must be at most 49"),
        (["--redshift", "4,70"], "error: --redshift 70: must be at most 49"),
        (["--redshift", "4,5,4.0"], "--redshift 4,5,4.0: must be at most 100 different redshifts"),
        (["--redshift", "4,five"], "--redshift 4,five: must be numbers, as 4,5.5"),
        (["--redshift", "4,nan"], "--redshift nan: must be a number in [0, 10000]"),
        (["--redshift", "-1,4"], "--redshift -1.0: must be a number in [0, 10000]"),
        (["--redshift", "4,5", "--set", "one_filament.shape=published"], "--redshift 5: must be 4 where"),
        (["--redshift", "4,5", "--over", "dust"], "error: --over dust: must be of smooth"),
        (["--redshift", "4,5", "--dpi", "1200", "--m22", MANY], "error: --m22: 39 masses at several redshifts make a"),
        (["--sigma8", "-1"], "--sigma8 -1: must be a number in [0.01, 10]"),
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


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--m22", "1000000.4"], "--m22 1000000.4: must be a number in [1e-06, 1e+06]"),
        (["--over", "lcdm"], "--over lcdm: must be of smooth, n-body, cdm, wdm, linear-cdm"),
        (["--over", "cdm", "--set", "one_filament.mass_function=published"], "must be of smooth, n-body, linear-cdm"),
        (["--over", "cdm,cdm"], "--over cdm,cdm: must not name a denominator twice"),
        (["--sigma8", "nan"], "--sigma8 nan: must be a number in [0.01, 10]"),
        (["--redshift", "4,70"], "--redshift 70: must be at most 49"),
        (["--redshift", "5", "--set", "one_filament.mass_function=published"], "--redshift 5: must be 4 where"),
        (["--set", "one_filament.mass_max=1e13"], "mass_max = 1e+13: must be in [1e+08, 1e+12], the masses of"),
        (["--total", "--set", "total_power.mass_min=1"], "[total_power] mass_min = 1: must be in [1e+08, 1e+12]"),
        (["--table", "none.hdf5"], "none.hdf5: no such file"),
    ],
)
def test_before_linear_power_is_computed(tmp_path, monkeypatch, capsys, options, says):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gpu_fdm.pipeline.linear_power.linear_power", lambda *a, **b: pytest.fail("was computed"))
    assert main(["predict", "--m22", "1", "--dpi", "0", *options]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_filaments_of_few_modes_are_told(tmp_path, capsys):
    """As runs tell them: at m22 = 0.5 the lightest filaments have nu = 0.67."""
    predict(tmp_path)
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "few modes" in line]
    assert warning.startswith("warning: m22 = 0.5: filaments of up to") and "(nu < 0.9)" in warning
    header = header_lines((tmp_path / "table.csv").read_text())
    assert header["doubt_1"] == warning.removeprefix("warning: ") and "doubt_2" not in header


def test_doubts_of_several_redshifts_name_them(tmp_path, capsys):
    header = header_lines(predict(tmp_path, "--m22", "0.7", "--redshift", "4,5,6").read_text())
    doubts = [header[name] for name in header if name.startswith("doubt_")]
    assert [doubt.partition(": ")[0] for doubt in doubts] == ["m22 = 0.7, z = 5", "m22 = 0.7, z = 6"]
    assert [f"warning: {doubt}" for doubt in doubts] == capsys.readouterr().err.splitlines()


def test_the_error_is_that_of_the_table_where_it_is_known(tmp_path):
    """5e-4 of P_1f above 1e-7 of its limit at k -> 0; of a table of another energy cut more."""
    path = predict(tmp_path, "--m22", "1", "--k-min", "0.001", "--k-max", "1500", "--points", "80", name="a.ecsv")
    with units.add_enabled_units(with_h):
        table = Table.read(path)
    power, error = table["one_filament_fdm"].value, table[ERROR].value
    known = power > 1e-7 * power[0]
    assert 0 < np.count_nonzero(~known) < 20
    np.testing.assert_allclose(error[known], 5e-4 * power[known], rtol=1e-12)
    assert np.isnan(error[~known]).all()


def test_the_error_of_a_table_of_another_energy_cut():
    """2.5e-3 for 0.9; relative to the filaments it is too."""
    recipe = Recipe(energy_cut=0.9, nu_min=1.0)
    rows = table_rows(1.0, recipe)
    table = table_of(recipe, [rows] * len(recipe.nodes))
    config = parse_config(
        "[wavefunction]\nenergy_cut = 0.9\n[population]\n[one_filament]\nnormalisation = population\n"
    )
    found = Prediction.of(config, 4.0, [10.0, 100.0], table)([1.5, 3.0])
    np.testing.assert_allclose(found.one_filament_fdm_error, 2.5e-3 * found.one_filament_fdm, rtol=1e-12)


def test_the_header_has_the_sigma8_of_the_option(tmp_path):
    text = predict(tmp_path, "--sigma8", "0.7", "--set", "cosmology.linear_power=eisenstein_hu").read_text()
    (cosmology,) = [line for line in text.splitlines() if line.startswith("# cosmology: ")]
    (power,) = [line for line in text.splitlines() if line.startswith("# linear_power: ")]
    assert cosmology.endswith(", sigma8 = 0.7") and "ln10As" not in cosmology
    assert "; rescaled to sigma8 = 0.7, ln10As = 2.6" in power
