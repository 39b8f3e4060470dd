"""gpu-fdm boost and gpu-fdm compare: sources of spectra, what is said, what is written, and what is refused."""

import base64
import csv
import logging
import shutil
from html import escape
from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from plot_files import result as made
from plot_files import simulated_ratio, write_one_filament, write_simulation
from spectrum_tables import write_spectrum_table

from gpu_fdm.commands.main import main
from gpu_fdm.comparison.compare import compare_all
from gpu_fdm.comparison.computed_models import SingleFilaments
from gpu_fdm.comparison.models import boost_over, config_of, model_boosts, read_boosts
from gpu_fdm.comparison.states import solve_all
from gpu_fdm.cosmology.linear_power import linear_power
from gpu_fdm.errors import InputError
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.features import boost_features
from gpu_fdm.spectra.fit import fit_m22
from gpu_fdm.spectra.spectrum import Spectrum
from gpu_fdm.spectra.tables import read_boost, write_boost
from gpu_fdm.units import mean_matter_density

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
    assert "fdm/smooth of one filament of 5e+09 Msun/h, m22 = 1, z = 4" in out and "detaches (2 times) at 12" in out
    boost = read_boost(target)
    assert (boost.numerator, boost.denominator, boost.m22, boost.redshift) == ("fdm", "smooth", 1.0, 4.0)
    assert boost.boost[0] == pytest.approx(1, abs=1e-3) and boost.boost.max() > 1e3
    assert target.with_suffix(".png").stat().st_size > 1000


def test_boost_over_a_denominator_of_one_result(result, tmp_path, capsys):
    target = tmp_path / "boost.csv"
    code, out, error = run(capsys, "boost", result, "--over", "classical", "--output", target, "--dpi", 0)
    assert code == 0 and out.startswith("fdm/classical of one filament of 5e+09 Msun/h, m22 = 1, z = 4"), error
    with h5py.File(result) as file:
        k, *powers = (file[f"single_power/00/{name}"][:] for name in ("k", "power_fdm", "power_classical"))
    boost = read_boost(target)
    assert boost.object == "one filament of 5e+09 Msun/h"
    assert boost.boost == pytest.approx((powers[0] / powers[1])[np.isin(k, boost.k)], rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--over", "cdm"],
            "no boost over cdm: it needs [one_filament] with mass_function = collapse, [total_power], or",
        ),
        (["--over", "wdm"], "--over wdm: no result has a boost over it: must be one of smooth, classical, n-body, cdm"),
        (["--over", "smooth"], "more than one boost over smooth: choose with --m22 and --object from fdm/smooth, m22"),
        (["--over", "classical", "--m22", "3"], "no boost over classical: choose with --m22 and --object from"),
        ([], "must have a denominator: a second spectrum, or --over NAME, and not both"),
    ],
)
def test_denominators_that_a_result_cannot_give(result, tmp_path, capsys, arguments, says):
    code, _, error = run(capsys, "boost", result, *arguments, "--output", tmp_path / "boost.csv", "--dpi", 0)
    assert code == 2 and says in error and error.count("\n") == 1, error


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("boost", "result.hdf5", "--over", "lcdm"), "--over lcdm: no result has a boost over it: must be one of smoo"),
        (("compare", "result.hdf5", "published", "--over", "lcdm"), "--over lcdm: no result has a boost over it"),
        (("boost", "a.npy", "b.npy", "--allow", "h"), "allow = h: must be one of"),
        (("compare", "result.hdf5", "--ratio", "a.npy", "b.npy", "--allow", "h"), "allow = h: must be one of"),
        (("boost", "a.npy", "b.npy", "--numerator", "x", "--denominator", "x"), "both spectra are named x: give two"),
        (("compare", "a.npy", "--ratio", "a.npy", "b.npy"), "a.npy: must be a result file or a table"),
        (("boost", "result.hdf5", "--over", "smooth", "--allow", "m22"), "--allow m22: counts only beside a second"),
        (("boost", "result.hdf5", "--over", "smooth", "--numerator", "x"), "--numerator x: counts only beside a"),
        (("boost", "result.hdf5", "--over", "smooth", "--denominator", "x"), "--denominator x: counts only beside a"),
        (
            ("boost", "result.hdf5", "--over", "smooth", "--cells", "64"),
            "--cells 64: counts only for snapshots, n",
        ),
        (
            ("boost", "result.hdf5", "--over", "smooth", "--no-interlacing"),
            "--no-interlacing: counts only for",
        ),
        (
            ("boost", "result.hdf5", "--over", "smooth", "--bin-width", "2"),
            "--bin-width 2.0: counts only for",
        ),
        (
            ("boost", "result.hdf5", "--over", "smooth"),  # the redshift chooses among those of a result
            "--box-size 4: counts only for snapshots",
        ),
        (
            ("boost", "result.hdf5", "--over", "smooth", "--format", "gadget"),
            "--format gadget: counts only for",
        ),
        (("boost", "a.npy", "b.npy", "--m22", "1"), "--m22 1.0: counts only with --over"),
        (("boost", "a.npy", "b.npy", "--object", "matter"), "--object matter: counts only with --over"),
        (("compare", "result.hdf5", "published", "--allow", "m22"), "--allow m22: counts only with --ratio"),
        (("compare", "result.hdf5", "published", "--numerator", "x"), "--numerator x: counts only with --ratio"),
        (("compare", "result.hdf5", "published", "--denominator", "x"), "--denominator x: counts only with --ratio"),
        (("compare", "result.hdf5", "published", "--systematics"), "--systematics: counts only with --fit"),
        (("compare", "result.hdf5", "published", "--no-systematics"), "--no-systematics: counts only with --fit"),
    ],
)
def test_options_are_checked_before_anything_is_measured(result, tmp_path, capsys, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    shutil.copy(result, "result.hdf5")
    for name in ("a.npy", "b.npy"):
        np.save(name, np.ones((4, 4, 4)))
    for name in ("comparison.models.result_boosts", "pipeline.snapshot.snapshot_power"):
        monkeypatch.setattr(f"gpu_fdm.{name}", lambda *a, **b: pytest.fail("something was computed"))
    code, _, error = run(capsys, *words, "--box-size", 4, "--redshift", 1, "--dpi", 20)
    assert code == 2 and says in error and error.count("\n") == 1, error


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
    assert code == 2 and "give two names with --numerator and --denominator" in error
    k = np.geomspace(1, 9, 20)
    write_spectrum_table(Spectrum(k, k**-2.0, "cdm", redshift=1.0), "theory.csv")
    code, out, error = run(capsys, "boost", "rho_#1.npy", "theory.csv", "--numerator", "fdm", *about)
    assert code == 0 and out.startswith("fdm/cdm, z = 1"), error


def test_compare_with_a_fit(result, tmp_path, capsys):
    """A mock of another boson, from the same code: its m22 is found; a boost of 1 is refused, or a bound."""
    computed = SingleFilaments(config_of(result), (0.9, 1.6))
    truth = computed.grid(solve_all(computed.needed, SERIAL, CPU()), "classical", "")(1.2)
    rows = np.searchsorted(truth.k, np.geomspace(120, 400, 12))
    scatter = 0.05 * np.random.default_rng(1).standard_normal(len(rows))
    mock = Boost(
        truth.k[rows],
        truth.boost[rows] * np.exp(scatter),
        "fdm",
        "classical",
        error=0.05 * truth.boost[rows],
        redshift=4.0,
        source="a mock",
    )
    write_boost(mock, tmp_path / "mock.csv")
    for name, low, high in (("flat.csv", 100, 300), ("low.csv", 60, 120)):
        k = np.linspace(low, high, 9)
        flat = Boost(k, np.ones(9), "fdm", "classical", error=np.full(9, 0.05), redshift=4.0, source=name)
        write_boost(flat, tmp_path / name)
    tables = [tmp_path / name for name in ("mock.csv", "flat.csv", "low.csv")]
    folder = tmp_path / "compared"
    code, out, error = run(
        capsys, "compare", result, *tables, "published", "--fit", "0.8,2", "--over", "classical",
        "--no-systematics", "--output", folder, "--dpi", 60,
    )  # fmt: skip
    assert code == 0, error
    (line,) = [line for line in out.splitlines() if "fit: m22" in line][:1]
    found, deviation = float(line.split("=")[1].split("+-")[0]), float(line.split("+-")[1].split("(")[0])
    assert abs(found - 1.2) < 3 * deviation and deviation < 0.1
    report = (folder / "comparison.html").read_text()
    assert "a mock" in report and "data:image/png;base64," in report and "Zimmermann" in report
    assert (folder / "comparison.png").is_file()
    # a boost of 1: no boson mass has it where fringes are; below them large masses do
    refused = out[out.index("(flat.csv)") : out.index("(low.csv)")]
    assert "  fit: no boson mass from 0.8 to 2 describes the table (chi-squared " in refused
    said = refused[refused.index("  fit:") :]
    assert said.count("    disagrees at k = ") == 5 and "+-" not in said and "bound" not in said
    assert "fit: m22 >= " in out[out.index("(low.csv)") :]
    with open(folder / "comparison.csv", newline="") as file:
        found, refused, bound, *_ = csv.DictReader(file)
    assert float(found["fit_p_value"]) > 1e-3 and found["fit_fits"] == "yes"
    values = [refused[f"fit_{name}"] for name in ("m22", "bound", "standard_error", "low_95", "high_95", "fits")]
    assert values == ["", "", "", "", "", "no"] and float(refused["fit_p_value"]) < 1e-3
    assert (bound["fit_bound"], bound["fit_standard_error"], bound["fit_fits"]) == ("lower", "", "yes")
    assert float(refused["fit_chi_squared"]) > 8 == int(refused["fit_degrees_of_freedom"])
    section = report[report.index("flat.csv") : report.index("low.csv")]
    assert "Fit: no boson mass from 0.8 to 2" in section and "Rows that disagree most" in section


BEGINS = {"pdf": b"%PDF-", "svg": b"<?xml"}


@pytest.mark.parametrize("kind", BEGINS)
def test_figures_in_formats_of_papers(result, tmp_path, capsys, kind):
    """The report shows the same figure, bit for bit that of the default format; what others drew is not replaced."""
    command = ["compare", result, "published", "--over", "classical", "--dpi", 60]
    assert run(capsys, *command, "--output", tmp_path / "png")[0] == 0
    folder = tmp_path / kind
    folder.mkdir()
    (folder / f"comparison.{kind}").write_text("a figure of others")
    code, _, error = run(capsys, *command, "--figure-format", kind, "--output", folder)
    assert code == 2 and f"comparison.{kind}: is a file that gpu-fdm did not write" in error
    (folder / f"comparison.{kind}").unlink()
    for _ in range(2):  # its own it replaces
        code, out, error = run(capsys, *command, "--figure-format", kind, "--output", folder)
        assert code == 0 and f"figure: {folder / f'comparison.{kind}'}" in out, error
    assert {path.name for path in folder.iterdir()} == {f"comparison.{name}" for name in (kind, "csv", "html")}
    assert (folder / f"comparison.{kind}").read_bytes().startswith(BEGINS[kind])
    drawn = base64.b64encode((tmp_path / "png" / "comparison.png").read_bytes()).decode()
    assert f"data:image/png;base64,{drawn}" in (folder / "comparison.html").read_text()


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
        capsys, "compare", result, "published", "--ratio", *pair, "--ratio", *places, *about,
        "--mixed",
        "--output", tmp_path / "compared", "--dpi", 60,
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


@pytest.fixture
def simulation(tmp_path):
    """A simulation at z = 9, 4 and 1.5."""
    with made(tmp_path / "simulation.hdf5", write_simulation):
        return tmp_path / "simulation.hdf5"


def test_boosts_of_a_simulation(simulation):
    """Nearest in ln(1 + z); without the rows where particles have less power than shot noise."""
    (same, *_) = read_boosts(str(simulation), 4.1)
    assert [each.name for each in read_boosts(str(simulation), 4.1)] == [
        "fdm/n-body",
        "fdm/cdm",
        "fdm as particles/cdm",
    ]
    assert (same.redshift, same.m22) == (4.0, 1.0) and len(same.k) == 11
    assert same.boost == pytest.approx(simulated_ratio(same.k, 1), rel=1e-9)
    assert same.source == f"{simulation} boost/wave_fdm_over_particles_fdm/1"
    first, second, third = [each for each in read_boosts(str(simulation)) if each.name == "fdm/n-body"]
    assert [each.redshift for each in (first, second, third)] == pytest.approx([9, 4, 1.5])
    assert len(first.k) == 10
    near = boost_over(simulation, "n-body", redshift=4.1)
    assert near.redshift == 4 and np.array_equal(near.boost, second.boost)
    with pytest.raises(InputError, match="more than one boost over n-body: choose with --m22, --object and --redshift"):
        boost_over(simulation, "n-body")


def test_compare_with_a_simulation(result, simulation, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, error = run(capsys, "compare", result, simulation)
    assert code == 2 and error == (
        "gpu-fdm: error: fdm/n-body, m22 = 1, z = 4: no model has this ratio: the models have fdm/smooth, fdm/smooth "
        "of one filament of 5e+09 Msun/h, fdm/classical of one filament of 5e+09 Msun/h (--mixed draws all the same)\n"
    )
    assert not Path("comparison").exists()
    figures, save = [], FigureCanvasAgg.print_png

    def keep_figure(canvas, path, **options):
        figures.append(canvas.figure)
        canvas.figure.dpi = 40
        save(canvas, path, **options)

    monkeypatch.setattr(FigureCanvasAgg, "print_png", keep_figure)
    code, out, error = run(capsys, "compare", result, simulation, "--mixed")
    assert code == 0, error
    assert out.count("not compared: no model has this ratio") == 3 and "fdm/n-body, m22 = 1, z = 4 (" in out
    code, out, error = run(capsys, "compare", result, simulation, "published", "--mixed", "--all-epochs")
    assert code == 0 and out.count("not compared: no model has this ratio") == 9, error
    titles = [[panel.texts[0].get_text() for panel in figure.axes] for figure in figures]
    assert titles[0] == [
        "fdm/smooth\nover the same filaments without fringes",
        "fdm/classical\nover the same filaments made of particles",
        "fdm/n-body\nover particles from the same initial conditions",
        "fdm/cdm,  fdm as particles/cdm\nover cold dark matter: a simulation, or linear\npower with its filaments",
    ]
    legends = [figure.legends[0] for figure in figures]
    assert ["redshifts differ" in figure.get_suptitle() for figure in figures] == [False, True]
    assert sum("$z=1.5$" in text.get_text() for text in legends[1].get_texts()) == 2


def test_model_over_cdm_beside_a_simulation(simulation, tmp_path, capsys, monkeypatch):
    """One-filament spectra relative to the density of filaments are brought to that of matter: a ratio below one."""
    monkeypatch.chdir(tmp_path)
    with made(tmp_path / "model.hdf5", lambda file: write_one_filament(file, (1.0,))) as file:
        group = file["one_filament_power/m22_1"]
        group.attrs["density"] = 0.02 * mean_matter_density(0.314649)
        file.attrs["config"] = "[population]\n[cosmology]\nredshift = 4.0\n"
        power = group["power_fdm"][0]
        cold = file.create_group("one_filament_power/cdm")
        cold["k"], cold["power_classical"] = group["k"][:], group["power_smooth"][:]
        cold.attrs.update(mass_min=3e9, mass_max=3e10, redshift=4.0, density=0.04 * mean_matter_density(0.314649))
        classical = cold["power_classical"][0]
    boosts = {boost.name: boost for boost in model_boosts(tmp_path / "model.hdf5")}
    linear = linear_power("camb").at(boosts["fdm/cdm"].k[:1], 4.0)[0]
    expected = (linear + 0.02**2 * power) / (linear + 0.04**2 * classical)
    assert boosts["fdm/cdm"].boost[0] == pytest.approx(expected, rel=1e-3)
    assert boosts["fdm/linear-cdm"].boost[0] == pytest.approx(1 + 0.02**2 * power / linear, rel=1e-3)
    assert boosts["fdm/cdm"].object == "matter with filaments of 3e+09 to 3e+10 Msun/h"
    code, out, error = run(capsys, "compare", "model.hdf5", simulation, "--over", "cdm", "--all-epochs", "--dpi", 40)
    assert code == 0, error
    told = [line for line in out.splitlines() if line.startswith("fdm/cdm")]
    assert ["not compared: no model has its redshift" in line for line in told] == [False, True, True]
    model = "compared with fdm/cdm of matter with filaments of 3e+09 to 3e+10 Msun/h, m22 = 1, z = 4: "
    _, compared, agrees = told[0].partition(model)
    assert compared and agrees.startswith("rms of ln(table/model) ")
    assert f"<p>{escape(agrees)}</p>" in (tmp_path / "comparison/comparison.html").read_text()  # in the same words
    code, _, error = run(capsys, "boost", f"{simulation}:simulation/wave_fdm", simulation)
    assert code == 2 and "written by gpu-fdm boost RESULT --over n-body" in error


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["boost", "{result}", "{result}:power/smooth"], "holds several spectra: name one of them,"),
        (["boost", "{result}:power/cdm", "{result}:power/smooth"], "no spectrum power/cdm: must be one of power/fdm"),
        (["boost", "{result}:power/fdm", "{result}:power/smooth", "--output", "b.txt"], "must end in .csv or .ecsv"),
        (["boost", "{result}:power/fdm", "{result}:single_power/00/smooth"], "must be in the same units"),
        (["boost", "gone.csv", "{result}:power/smooth"], "gone.csv"),
        (["compare", "gone.hdf5", "published"], "gone.hdf5: no such file"),
        (["compare", "{result}", "gone.csv"], "gone.csv"),
        (
            ["compare", "{result}"],
            "nothing to compare with: give a table, a result file, a cut-out, published, or --ratio",
        ),
        (["compare", "{result}", "--ratio", "{result}:power/fdm", "{result}:power/fdm"], "both spectra are named fdm"),
        (["compare", "{result}", "--ratio", "gone.npy", "{result}:power/fdm"], "gone.npy"),
        (
            ["compare", "{result}", "published", "--over", "cdm"],
            "--over cdm: no ratio of the models has this denominator: they have smooth, classical",
        ),
        (["compare", "{result}", "published", "--fit", "2"], "--fit 2: must be two masses, LOW,HIGH"),
        (["compare", "{result}", "published", "--fit", "2,1"], "must be two increasing masses in [1e-06, 1e+06]"),
        (["compare", "{result}", "published", "--dpi", "5"], "--dpi 5: must be in [20, 1200]"),
        (["compare", "{ini}", "published"], "must be a result file or a table"),
        (
            ["compare", "other.csv", "published"],
            "other.csv: is a table: the model, which comes first, must be a result",
        ),
        (["compare", "{result}", "other.csv"], "no model has this ratio: the models have fdm/smooth"),
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


def test_rows_beyond_the_forces_and_epochs_that_are_not_resolved_are_not_compared(simulation):
    """At z = 1.5 all rows of the wave; at z = 4 those beyond the forces of particles."""
    early, late = (read_boosts(str(simulation), redshift)[0] for redshift in (4, 1.5))
    assert early.beyond_force.any() and not early.beyond_velocity.any() and late.beyond_velocity.all()
    k = np.geomspace(0.5 * early.k[0], 2 * early.k[-1], 50)
    models = [Boost(k, k**0, "fdm", "n-body", redshift=redshift) for redshift in (4.0, 1.5)]
    first, second = compare_all([early, late], models)
    assert first.agreement.rows == np.count_nonzero(early.good) < len(early.k) and second is None
    with pytest.raises(InputError, match=r"or of an epoch that the cells do not resolve: must be 2 or more$"):
        fit_m22(lambda m22: models[1], late, 0.5, 2)
    with pytest.raises(InputError, match=r"all rows are .*of an epoch that the cells do not resolve"):
        boost_features(late)
