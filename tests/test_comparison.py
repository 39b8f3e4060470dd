"""gpu-fdm boost and gpu-fdm compare: sources of spectra, what is said, what is written, and what is refused."""

import csv
import logging
from pathlib import Path

import h5py
import numpy as np
import pytest

from gpu_fdm.boost_tables import read_boost, write_boost, write_spectrum
from gpu_fdm.cli import main
from gpu_fdm.statistics.boost import Boost
from gpu_fdm.statistics.spectrum import Spectrum

INI = """
[run]
output = {output}
backend = cpu
[dark_matter]
m22 = {m22}
[filament]
[wavefunction]
[single_power]
points = 80
[box]
cells = 12
[power]
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    """A result with an exact spectrum and a box."""
    folder = tmp_path_factory.mktemp("comparison")
    (folder / "one.ini").write_text(INI.format(output=folder / "out", m22=1))
    assert main(["--quiet", "run", str(folder / "one.ini")]) == 0
    logging.getLogger("gpu_fdm").handlers.clear()  # its stream ends with this fixture
    return folder / "out" / "result.hdf5"


def run(capsys, *arguments):
    code = main(list(map(str, arguments)))
    told = capsys.readouterr()
    return code, told.out, told.err


def test_boost_of_a_result(result, tmp_path, capsys):
    target = tmp_path / "boost.ecsv"
    places = [f"{result}:single_power/00/{name}" for name in ("fdm", "smooth")]
    code, out, error = run(capsys, "boost", *places, "--output", target, "--dpi", 60)
    assert code == 0, error
    assert "fdm/smooth, m22 = 1, z = 4" in out and "detaches (2 times) at 12" in out
    boost = read_boost(target)
    assert (boost.numerator, boost.denominator, boost.m22, boost.redshift) == ("fdm", "smooth", 1.0, 4.0)
    assert boost.boost[0] == pytest.approx(1, abs=1e-3) and boost.boost.max() > 1e3
    assert target.with_suffix(".png").stat().st_size > 1000


def test_boost_of_snapshots_and_tables(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(2)
    density = random.random((12, 12, 12))
    np.save("rho_#1.npy", density)
    np.save("rho_#2.npy", 3 + density)
    about = ["--box-size", 4, "--redshift", 1, "--output", "b.csv", "--dpi", 0]
    code, out, error = run(
        capsys, "boost", "rho_#1.npy", "rho_#2.npy", "--numerator", "fdm", "--denominator", "n-body", *about
    )
    assert code == 0, error
    boost = read_boost("b.csv")
    # the same contrast but for the mean
    assert boost.boost == pytest.approx(((3 + density).mean() / density.mean()) ** 2 * np.ones(len(boost.k)), rel=1e-9)
    assert "beyond the Nyquist wavenumber" in out and boost.beyond_nyquist.any()
    code, _, error = run(capsys, "boost", "rho_#1.npy", "rho_#2.npy", *about)
    assert code == 2 and "name what they are of with --numerator and --denominator" in error
    k = np.geomspace(1, 9, 20)
    write_spectrum(Spectrum(k, k**-2.0, "cdm", redshift=1.0), "theory.csv")
    code, out, error = run(capsys, "boost", "rho_#1.npy", "theory.csv", "--numerator", "fdm", *about)
    assert code == 0 and out.startswith("fdm/cdm, z = 1"), error


def test_compare_with_a_fit(result, tmp_path, capsys):
    """A mock of another boson, from the same code: its m22 is found."""
    from gpu_fdm.comparison import single_filament_grid

    truth = single_filament_grid(result)(0.9, 1.6)(1.2)
    rows = np.searchsorted(truth.k, np.geomspace(120, 400, 12))
    scatter = 0.05 * np.random.default_rng(1).standard_normal(len(rows))
    mock = Boost(
        truth.k[rows],
        truth.boost[rows] * np.exp(scatter),
        "fdm",
        "smooth",
        error=0.05 * truth.boost[rows],
        redshift=4.0,
        source="a mock",
    )
    write_boost(mock, tmp_path / "mock.csv")
    code, out, error = run(
        capsys, "compare", result, tmp_path / "mock.csv", "published", "--fit", "0.8,2", "--over", "smooth", "--output",
        tmp_path / "compared", "--dpi", 60,
    )  # fmt: skip
    assert code == 0, error
    (line,) = [line for line in out.splitlines() if "fit: m22" in line][:1]
    found, deviation = float(line.split("=")[1].split("+-")[0]), float(line.split("+-")[1].split("(")[0])
    assert abs(found - 1.2) < 3 * deviation and deviation < 0.1
    report = (tmp_path / "compared" / "comparison.html").read_text()
    assert "a mock" in report and "data:image/png;base64," in report and "Zimmermann" in report
    assert (tmp_path / "compared" / "comparison.png").is_file()


def test_snapshots_beside_the_model(result, tmp_path, capsys):
    """The box of the model, taken for two snapshots of a simulation: the same boost, and a row of what was found."""
    with h5py.File(result) as file:
        for name in ("fdm", "smooth"):
            np.save(tmp_path / f"rho_#{name}.npy", file[f"density/{name}"][:])
        size = ",".join(map(str, file["density"].attrs["box_size"]))
    pair = [tmp_path / f"rho_#{name}.npy" for name in ("fdm", "smooth")]
    about = ["--box-size", size, "--redshift", 4, "--numerator", "fdm", "--denominator", "smooth"]
    places = [f"{result}:power/{name}" for name in ("fdm", "smooth")]
    code, out, error = run(
        capsys, "compare", result, "published", "--ratio", *pair, "--ratio", *places, *about, "--output",
        tmp_path / "compared", "--dpi", 60,
    )  # fmt: skip
    assert code == 0, error
    assert f"table: {tmp_path / 'compared' / 'comparison.csv'}" in out
    with open(tmp_path / "compared" / "comparison.csv", newline="") as file:
        *published, snapshots, box = csv.DictReader(file)
    assert [float(row["m22"]) for row in published] == [1, 2, 4, 8]
    assert all(row["fit_m22"] == "" and float(row["chi_squared"]) > 0 for row in published)
    assert str(pair[0]) in snapshots["source"] and snapshots["redshift"] == "4.0" and snapshots["m22"] == ""
    same = ("k_peak", "height", "rms_ln", "chi_squared")
    # the file has the same single-precision densities
    assert [float(snapshots[name]) for name in same] == pytest.approx([float(box[name]) for name in same], rel=1e-6)
    report = (tmp_path / "compared" / "comparison.html").read_text()
    assert f"{pair[0]} over {pair[1]}" in report


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["boost", "{result}", "{result}:power/smooth"], "holds several spectra: name one,"),
        (["boost", "{result}:power/cdm", "{result}:power/smooth"], "no spectrum power/cdm: must be one of power/fdm"),
        (["boost", "{result}:power/fdm", "{result}:power/smooth", "--output", "b.txt"], "must end in .csv or .ecsv"),
        (["boost", "{result}:power/fdm", "{result}:single_power/00/smooth"], "must be in the same units"),
        (["boost", "gone.csv", "{result}:power/smooth"], "gone.csv"),
        (["compare", "gone.hdf5", "published"], "gone.hdf5: no such file"),
        (["compare", "{result}", "gone.csv"], "gone.csv"),
        (["compare", "{result}"], "nothing beside the model: name a table, a result file, published, or a --ratio"),
        (["compare", "{result}", "--ratio", "{result}:power/fdm", "{result}:power/fdm"], "both spectra are of fdm"),
        (["compare", "{result}", "--ratio", "gone.npy", "{result}:power/fdm"], "gone.npy"),
        (["compare", "{result}", "published", "--over", "cdm"], "--over cdm: no ratio over this"),
        (["compare", "{result}", "published", "--fit", "2"], "--fit 2: must be two masses, LOW,HIGH"),
        (["compare", "{result}", "published", "--fit", "2,1"], "must be two increasing masses in [1e-06, 1e+06]"),
        (["compare", "{result}", "published", "--dpi", "5"], "--dpi 5: must be 0, or in [20, 1200]"),
        (["compare", "{ini}", "published"], "not a result file"),
        (["compare", "{result}", "other.csv"], "no model is this ratio; there are fdm/smooth"),
    ],
)
def test_bad_input(result, tmp_path, capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    k = np.array([1.0, 2.0, 3.0])
    write_boost(Boost(k, k, "fdm", "n-body"), Path("other.csv"))
    names = {"result": result, "ini": result.parent.parent / "one.ini"}
    code, _, error = run(capsys, *(each.format(**names) for each in arguments))
    lines = [line for line in error.splitlines() if line.startswith("gpu-fdm: error:")]
    assert code == 2 and len(lines) == 1 and says in lines[0], error
    assert "Traceback" not in error
