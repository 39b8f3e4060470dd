"""Systematic errors of fits: what is printed, written and drawn; and the consistent mock of a population."""

import csv
import logging

import h5py
import numpy as np
import pytest
from locations import DATA
from plot_files import assert_readable, write_one_filament

from gpu_fdm.commands.main import main
from gpu_fdm.comparison import fits
from gpu_fdm.comparison.systematics import SwitchedFit, Systematics
from gpu_fdm.config.config import parse_config
from gpu_fdm.plots.fits import FitRows, fits_figure
from gpu_fdm.spectra.agreement import Agreement
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.fit import MassFit
from gpu_fdm.spectra.tables import read_boost, write_boost

INI = "[run]\noutput = {}\n[dark_matter]\nm22 = {}\n[filament]\n[wavefunction]\n[single_power]\npoints = 60\n"
TRUE = 0.45


def run(capsys, *arguments):
    code = main(list(map(str, arguments)))
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Results of a boson and of another, which makes a mock."""
    folder = tmp_path_factory.mktemp("systematics")
    for name, m22 in (("model", 0.4), ("truth", TRUE)):
        (folder / f"{name}.ini").write_text(INI.format(folder / name, m22))
        assert main(["--quiet", "run", str(folder / f"{name}.ini")]) == 0
    logging.getLogger("gpu_fdm").handlers.clear()  # its stream ends with this fixture
    return folder


def table(results, capsys, path, error, factor=1.0):
    code, _, said = run(
        capsys, "boost", results / "truth" / "result.hdf5", "--over", "classical", "--output", path, "--dpi", 0
    )
    assert code == 0, said
    boost = read_boost(path)
    k = np.geomspace(60, 200, 10)
    value = factor * np.exp(np.interp(np.log(k), np.log(boost.k), np.log(boost.boost)))
    mock = Boost(k, value, "fdm", "classical", error=error * value, redshift=4.0, object=boost.object, source="a mock")
    write_boost(mock, path)
    return path


def test_a_fit_has_a_systematic_error(results, tmp_path, capsys):
    mock, folder = table(results, capsys, tmp_path / "mock.csv", 0.1), tmp_path / "out"
    code, out, error = run(
        capsys, "compare", results / "model" / "result.hdf5", mock, "--fit", "0.3,0.65", "--output", folder, "--dpi", 60
    )  # fmt: skip
    assert code == 0 and "systematic errors of fits: about " in error, error
    (line,) = [line for line in out.splitlines() if line.startswith("  fit: ")]
    assert float(line.split("=")[1].split("+-")[0]) == pytest.approx(TRUE, rel=0.02)
    (line,) = [line for line in out.splitlines() if line.startswith("  systematic error: ")]
    low, high = (float(word) for word in line.split("m22 from ")[1].split(",")[0].split(" to "))
    lines = [line.strip() for line in out.splitlines() if line.startswith("    ")]
    names = [line.split(":")[0] for line in lines]
    assert names == [
        "wavefunction.weights = adaptive_lasso",
        "wavefunction.weights = poisson",
        "wavefunction.axial = thermal",
        "single_power.statistics = gaussian",
        "filament.mass = 4.5e+09",
        "filament.mass = 5.5e+09",
    ]
    with open(folder / "comparison_fits.csv", newline="") as file:
        own, *switched = csv.DictReader(file)
    assert own["switch"] == "" and [row["switch"] for row in switched] == names
    values = [float(row["m22"]) for row in (own, *switched) if row["fits"] == "yes" and row["bound"] == ""]
    bounds = {row["bound"] for row in switched if row["fits"] == "yes"}
    assert low == pytest.approx(0.0 if "upper" in bounds else min(values), rel=1e-3)
    assert high == pytest.approx(np.inf if "lower" in bounds else max(values), rel=1e-3)
    assert low < TRUE * 0.97 or high > TRUE * 1.03
    with open(folder / "comparison.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["fit_systematic_low"]) == pytest.approx(low, rel=1e-3)
    assert float(row["fit_systematic_high"]) == pytest.approx(high, rel=1e-3)
    assert f"figure: {folder / 'comparison_fits.png'}" in out and (folder / "comparison_fits.png").is_file()
    report = (folder / "comparison.html").read_text()
    assert report.count("data:image/png;base64,") == 2 and "systematic error: m22 from" in report


def test_a_switch_is_the_fit_of_a_result_with_it(results, tmp_path, capsys):
    """As if the run had been made with gaussian amplitudes: the same m22, without its states being solved for."""
    mock, ini = table(results, capsys, tmp_path / "mock.csv", 0.1), results / "model.ini"
    assert (
        main(
            [
                "--quiet",
                "run",
                str(ini),
                "--set",
                "single_power.statistics=gaussian",
                "--set",
                f"run.output={tmp_path}/g",
            ]
        )
        == 0
    )
    arguments = [mock, "--fit", "0.3,0.65", "--dpi", 60, "--output", tmp_path]
    svg = "--figure-format", "svg"
    _, switched, _ = run(capsys, "compare", results / "model" / "result.hdf5", *arguments, "--systematics", *svg)
    assert (tmp_path / "comparison_fits.svg").is_file() and not (tmp_path / "comparison_fits.png").exists()
    _, own, _ = run(capsys, "compare", tmp_path / "g" / "result.hdf5", *arguments, "--no-systematics")
    (of_switch,) = [line.split(": ", 1)[1] for line in switched.splitlines() if "statistics = gaussian: " in line]
    (of_result,) = [line.split(": ", 1)[1] for line in own.splitlines() if line.startswith("  fit: ")]
    assert of_switch == of_result
    assert "systematic" not in own and not (tmp_path / "g" / "comparison_fits.csv").exists()


def test_switches_that_take_long_must_be_asked_for(results, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(fits, "MOST_SECONDS", 1.0)
    mock = table(results, capsys, tmp_path / "mock.csv", 0.1)
    arguments = results / "model" / "result.hdf5", mock, "--fit", "0.3,0.65", "--output", tmp_path, "--dpi", 60
    code, out, error = run(capsys, "compare", *arguments)
    assert code == 0 and "  fit: m22 = " in out and "systematic" not in out
    assert "left out; --systematics computes them" in error and not (tmp_path / "comparison_fits.csv").exists()


def test_without_a_fit_there_is_no_value_anywhere(results, tmp_path, capsys):
    """A table that no mass describes: what other choices describe it is told, but no m22."""
    mock, folder = table(results, capsys, tmp_path / "mock.csv", 0.02, factor=3.0), tmp_path / "out"
    code, out, error = run(
        capsys, "compare", results / "model" / "result.hdf5", mock, "--fit", "0.3,0.65", "--output", folder, "--dpi", 60
    )  # fmt: skip
    assert code == 0, error
    told = out[out.index("  fit: ") : out.index("figure: ")]
    assert told.startswith("  fit: no boson mass from 0.3 to 0.65 describes the table")
    assert (
        "m22" not in told
        and "+-" not in told
        and told.count("describe the table (") + told.count("describes the table (") == 7
    )
    with open(folder / "comparison_fits.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 7
    assert all(row[name] == "" for row in rows for name in ("m22", "bound", "standard_error", "low_95", "high_95"))
    with open(folder / "comparison.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["fit_systematic_low"] == row["fit_systematic_high"] == row["fit_m22"] == ""


def fit(m22, error=0.1, p_value=0.5, bound=""):
    interval = None if bound or m22 is None else (m22 - 0.2, m22 + 0.2)
    return MassFit(m22, bound, error, interval, (0.5, 4.0), Agreement(10.0, 0.1, 12, 0), p_value, ())


NONE = fit(None, None, 1e-5)


@pytest.mark.parametrize(
    ("own", "switched", "expected"),
    [
        (fit(1.0), (fit(0.9), fit(1.5), NONE, None), (0.9, 1.5)),
        (fit(1.0), (NONE, None), (1.0, 1.0)),
        (fit(1.0), (fit(0.9), fit(2.0, None, bound="lower")), (0.9, np.inf)),
        (fit(1.0), (fit(1.2), fit(0.7, None, bound="upper")), (0.0, 1.2)),
        (fit(1.0), (fit(None, None),), (0.0, np.inf)),  # with this choice every mass fits
        (fit(2.0, None, bound="lower"), (fit(1.2),), None),
        (NONE, (fit(1.2),), None),
    ],
)
def test_range_of_the_fits_that_describe_a_table(own, switched, expected):
    found = Systematics(
        own, tuple(SwitchedFit(f"a = {n}", each, "" if each else "why") for n, each in enumerate(switched))
    )
    assert found.range == expected
    assert len(found.lines) == len(switched)
    if None in switched:
        assert found.lines[-1] == f"a = {len(switched) - 1}: not fitted: why"
    if own is NONE:
        assert found.text == (
            "with another choice 1 of 1 switches describe the table: a fit with one of them begins with its ini"
        )
        assert found.lines == ["a = 0: describes the table (chi-squared 10, 11 degrees of freedom, p = 0.5)"]


LABEL = "fdm/cdm of matter with filaments of 3e+09 to 3e+10 Msun/h, z = 4"


def test_figure_of_fits():
    names = (
        "choices of the result",
        "wavefunction.weights = adaptive_lasso",
        "filament.mass = 4.5e+09",
        "a = b",
        "c = d",
    )
    drawn = (fit(1.3), fit(1.0), fit(1.9, None, bound="lower"), NONE, None)
    refused = FitRows("fdm/cdm", names, (NONE, fit(1.3), NONE, NONE, None), None)
    figure = fits_figure([FitRows(f"{LABEL}\n{'a' * 60}.csv", names, drawn, (1.0, np.inf)), refused])
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == list(names)
    points = [container[0].get_xydata().tolist() for container in first.containers]
    assert points == [[[1.3, 0.0]], [[1.0, 1.0]]]
    words = [text.get_text() for text in first.texts if text.get_text()]
    assert words == ["no boson mass describes the table", "not fitted"]
    assert not second.containers and not second.get_xticks().size  # no value where the first fit has none
    assert [text.get_text() for text in second.texts][:2] == [
        "no boson mass describes the table",
        "describes the table, p = 0.5",
    ]
    figure.draw_without_rendering()
    assert_readable(figure)


POPULATION = (
    "[population]\nm22 = 1\n[wavefunction]\n[one_filament]\nmass_min = 1e8\nmass_max = 1e12\nmode_mass = as_is\n"
)


def test_the_boson_of_a_consistent_mock_is_found(tmp_path, capsys):
    """fdm/cdm of m22 = 1 for the window 1e8 to 1e12, by sums of their own (validation/consistent_mock.py), 3 % errors.

    With linear power of CDM alone below, where its filaments are missing, no boson mass describes the same table.
    """
    path = tmp_path / "result.hdf5"
    with h5py.File(path, "w") as file:
        write_one_filament(file, (1.0,))
        group = file["one_filament_power/m22_1"]
        cold = file.create_group("one_filament_power/cdm")
        group["power_classical"], cold["k"], cold["power_classical"] = (
            group["power_smooth"][:],
            group["k"][:],
            group["power_smooth"][:],
        )
        for each in (group, cold):
            each.attrs.update(mass_min=1e8, mass_max=1e12, redshift=4.0, density=8.7e10)
        file.attrs["config"] = parse_config(POPULATION).to_ini()
    mock = read_boost(DATA / "mock_fdm_over_cdm.csv")
    wrong = Boost(mock.k, mock.boost, "fdm", "linear-cdm", error=mock.error, redshift=4.0, object=mock.object)
    write_boost(wrong, tmp_path / "wrong.csv")
    tables = [DATA / "mock_fdm_over_cdm.csv", tmp_path / "wrong.csv"]
    code, out, error = run(
        capsys, "compare", path, *tables, "--fit", "0.8,1.3", "--no-systematics", "--mixed",
        "--output", tmp_path, "--dpi", 40,
    )  # fmt: skip
    assert code == 0, error
    first, second = [line for line in out.splitlines() if line.startswith("  fit: ")]
    m22, deviation = (float(text.split()[0]) for text in first.split("m22 = ")[1].split("+-"))
    assert abs(m22 - 1) < deviation < 0.03, first
    assert "no boson mass from 0.8 to 1.3 describes the table" in second
