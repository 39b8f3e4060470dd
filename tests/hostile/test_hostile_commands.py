"""Whatever is given to the commands: what was asked for, or one clear line, and no file but those that are named."""

import html

import h5py
import numpy as np
import plot_files
import pytest
from hostile_hdf5 import nodes, wrong_nodes, wrong_values
from hostile_inputs import NUMBERS, gpu_fdm, limits, spoiled
from matplotlib import style
from snapshot_files import write_gadget
from spectrum_tables import write_spectrum_table

from gpu_fdm.comparison.models import model_boosts
from gpu_fdm.comparison.sources import read_source
from gpu_fdm.config.presets import preset_ini
from gpu_fdm.errors import InputError
from gpu_fdm.io.hdf5 import open_result
from gpu_fdm.pipeline import stages
from gpu_fdm.pipeline.result_spectra import spectrum_paths
from gpu_fdm.plots.style import STYLE
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.spectrum import Spectrum
from gpu_fdm.spectra.tables import write_boost

K = np.geomspace(0.5, 300, 12)
DENSITY = np.random.default_rng(1).random((6, 6, 6)) + 0.5
GIVEN = ("--box-size", "7", "--redshift", "1.5")
# arguments as a shell passes them: no NUL
WORDS = [word for word in dict.fromkeys(NUMBERS) if "\0" not in word]
OF_MEASUREMENTS = ("bin-width", "mu-bins", "axis", "cells", "assignment", "backend")
OF_SNAPSHOTS = ("format", "dataset", "field", "box-size", "redshift", "h", "unit-length", "particle-type", "level")
OF_OTHERS = (
    "cross",
    "cross-format",
    "cross-dataset",
    "cross-field",
    "cross-particle-type",
    "cross-unit-length",
    "cross-h",
    "cross-level",
)


@pytest.fixture(autouse=True, scope="module")
def bounds(tmp_path_factory):
    # libraries are loaded and loops compiled first: they are not what a file takes
    path = tmp_path_factory.mktemp("warm") / "result.hdf5"
    result(path, "single_power")
    write_boost(Boost(K, 1 + K, "fdm", "smooth", 0.1 * K, 4.0, 1.0), path.with_name("boost.csv"))
    assert gpu_fdm("compare", path, path.with_name("boost.csv"), "--output", path.with_name("out"))[0] == 0
    np.save(path.with_name("rho.npy"), DENSITY)
    assert gpu_fdm("power", path.with_name("rho.npy"), *GIVEN, "--output", path.with_name("power.hdf5"))[0] == 0
    particles = write_gadget(path.parent, DENSITY.reshape(-1, 3) % 1, box_size=1.0)
    assert (
        gpu_fdm("power", particles, "--unit-length", "1", "--cells", "8", "--output", path.with_name("power.hdf5"))[0]
        == 0
    )
    with limits():
        yield


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A working directory with one file of each kind; nothing else may appear but what is named."""
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    np.save("rho.npy", DENSITY)
    write_gadget(folder, DENSITY.reshape(-1, 3) % 1, box_size=1.0)
    write_boost(Boost(K, 1 + K, "fdm", "smooth", 0.1 * K, 4.0, 1.0), "boost.csv")
    for of in ("fdm", "smooth"):
        write_spectrum_table(Spectrum(K, 1 / K, of, redshift=4.0, m22=1.0, source="a table"), f"{of}.csv")
    with plot_files.result("result.hdf5", plot_files.write_single_power) as file:
        file.attrs["config"] = preset_ini("single_filament")
    (folder / "x.ini").write_text(preset_ini("mass_function"))
    return folder


@pytest.mark.parametrize("option", OF_MEASUREMENTS + OF_SNAPSHOTS + OF_OTHERS)
@pytest.mark.parametrize("snapshot", [("rho.npy", *GIVEN), ("snap_007.hdf5", "--unit-length", "1", "--cells", "8")])
def test_options_of_power(hostile, files, option, snapshot):
    before = sorted(files.iterdir())
    for word in WORDS[:: 1 if option == "bin-width" else 4]:
        for form in ((f"--{option}={word}",), (f"--{option}", word))[: 1 + (option == "cells")]:
            code, _, _ = hostile.command("--quiet", "power", *snapshot, "--dpi", 0, "--output", "p.hdf5", *form)
            if code == 0:
                (files / "p.hdf5").unlink()
    assert sorted(files.iterdir()) == before


@pytest.mark.parametrize("command", ["power", "boost", "compare", "plot", "init", "run", "info", "nothing"])
def test_words_for_arguments(hostile, files, command):
    """Numbers, controls and paths that there are not, in each place of a command."""
    good = {
        "power": ("rho.npy", *GIVEN, "--dpi", "0"),
        "boost": ("fdm.csv", "smooth.csv", "--dpi", "0"),
        "compare": ("result.hdf5", "boost.csv"),
        "plot": ("result.hdf5",),
        "run": ("x.ini", "--dry-run"),
        "info": ("rho.npy", "snap_007.hdf5"),
    }.get(command, ())
    names = {*files.iterdir()}
    random = np.random.default_rng(9)
    for word in WORDS:
        arguments = list(good)
        if random.integers(2) and arguments:
            arguments[random.integers(len(arguments))] = word
        else:
            arguments.insert(random.integers(len(arguments) + 1), word)
        if command == "compare" and set(good) <= set(arguments) and word.startswith(("-", "result")):
            continue
        code, _, _ = hostile.command("--quiet", command, *arguments)
        names = names if code else {*files.iterdir()}
        assert {*files.iterdir()} == names, word


@pytest.mark.parametrize(
    ("command", "option"),
    [
        *(("boost", option) for option in ("numerator", "denominator", "allow", "output", "dpi", "cells", "field")),
        *(("compare", option) for option in ("over", "fit", "dpi", "model", "output")),
        *(("power", option) for option in ("output", "dpi")),
        *(("plot", option) for option in ("dpi",)),
        *(("run", option) for option in ("set", "dry-run", "quiet")),
        *(("init", option) for option in ("kind",)),
    ],
)
def test_words_for_options(hostile, files, command, option):
    good = {
        "power": ("rho.npy", *GIVEN, *(("--dpi", "0") if option != "dpi" else ())),
        "boost": ("fdm.csv", "smooth.csv", *(("--dpi", "0") if option != "dpi" else ())),
        "compare": ("result.hdf5", "nothing.csv"),
        "plot": ("nothing.hdf5",),
        "run": ("x.ini", "--dry-run"),
    }.get(command, ())
    # figures take long, and paths that lead out of here are the user's to name
    words = [
        word
        for word in WORDS[:: 1 if option == "set" else 3]
        if not word.startswith("..") and (option != "dpi" or not word.isdigit())
    ]
    for word in words:
        hostile.command("--quiet", command, *good, f"--{option}={word}")


BYTES = "\udcff\udc80"  # what a shell passes of octets that are no UTF-8


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "$x", "$\\frac$", "a$b$c", "%s %d %(x)s", "{0}", "é☃", "&amp;", "\\"]
)
def test_names_that_are_code_elsewhere(hostile, files, name):
    """In a table, in a figure and in a report they are texts."""
    write_boost(Boost(K, 1 + K, "fdm", "smooth", None, 4.0, 1.0, f"{name} {name}"), "boost.csv")
    code, out, error = hostile.command("compare", "result.hdf5", "boost.csv", "--output", "out", "--dpi", 20)
    assert code == 0, error
    report = (files / "out" / "comparison.html").read_text()
    assert "<script" not in report and html.escape(name) in report
    shown = name.replace("/", " ")
    code, out, error = hostile.command("boost", "fdm.csv", "smooth.csv", "--numerator", shown, "--dpi", 20)
    assert code == 0, error
    assert f"{shown}/smooth, m22 = 1, z = 4: 12 rows" in out


def test_names_that_are_no_text(hostile, files):
    """Octets of file names that are no UTF-8 are shown by their numbers, and nothing is lost for it."""
    other = f"a{BYTES}.csv"
    (files / "smooth.csv").rename(files / other)
    code, out, error = hostile.command("boost", "fdm.csv", other, "--output", f"b{BYTES}.csv", "--dpi", 0)
    assert code == 0, error
    assert f"table: b{ascii(BYTES)[1:-1]}.csv" in out
    code, _, error = hostile.command("--quiet", "boost", "fdm.csv", f"b{BYTES}", "--dpi", 0)
    assert (code, error) == (2, "gpu-fdm: error: b\\udcff\\udc80: no such file\n")
    code, _, error = hostile.command("boost", "fdm.csv", other, "--numerator", BYTES, "--dpi", 0)
    assert (code, error.count("numerator")) == (2, 0) and "must be a short name" in error
    code, _, error = hostile.command("power", "rho.npy", *GIVEN, "--output", f"p{BYTES}.hdf5", "--dpi", 0)
    assert code == 0, error
    (files / f"result{BYTES}.hdf5").write_bytes((files / "result.hdf5").read_bytes())
    code, _, error = hostile.command(
        "compare", f"result{BYTES}.hdf5", "boost.csv", "--output", f"o{BYTES}", "--dpi", 20
    )
    assert code == 0, error
    code, _, error = hostile.command("plot", f"result{BYTES}.hdf5", "--dpi", 20)
    assert code == 0, error


@pytest.mark.parametrize("name", ["fdm.csv", "smooth.csv"])
def test_what_is_read_is_not_written_over(hostile, files, name):
    before = (files / name).read_bytes()
    command = "boost", "fdm.csv", "smooth.csv", "--output", f"./{name}", "--dpi", 0
    code, _, error = hostile.command(*command)
    assert (code, error) == (2, f"gpu-fdm: error: --output {name}: must not be a file that is read\n")
    assert (files / name).read_bytes() == before


def test_no_home(hostile, files):
    (files / "x.ini").write_text(preset_ini("single_filament"))
    code, _, error = hostile.command("run", "x.ini", "--dry-run", "--set", "run.output=~no such user/x")
    assert code == 2 and "[run] output = ~no such user/x: there is no home directory of this user" in error


WRITERS = {
    "filament": plot_files.write_filament,
    "box": plot_files.write_box,
    "power": plot_files.write_power,
    "single_power": plot_files.write_single_power,
    "gas": plot_files.write_gas,
    "mass_function": plot_files.write_mass_function,
    "collapse": plot_files.write_collapse,
    "one_filament": plot_files.write_one_filament,
    "total_power": plot_files.write_total_power,
}


def result(path, name):
    """A result with one kind of group; returns it as octets."""
    path.unlink(missing_ok=True)
    with plot_files.result(path, WRITERS[name]) as file:
        file.attrs["config"] = np.bytes_(preset_ini("single_filament"))  # not in a heap, see test_hostile_snapshots
    return path.read_bytes()


def wrong_results(path, octets, random, most):
    """Copies of a result with another value for one of its attributes or datasets, or another node."""
    with h5py.File(path) as file:
        places, attributes = nodes(file)
    values, others = list(wrong_values()), list(wrong_nodes(path))
    for number in range(most):
        path.unlink()
        path.write_bytes(octets)
        with h5py.File(path, "r+") as file:
            if number % 3 == 0:
                place, key = attributes[random.integers(len(attributes))]
                file[place].attrs[key] = values[random.integers(len(values))]
            else:
                place = places[random.integers(len(places))]
                kept = dict(file[place].attrs)
                del file[place]
                if number % 3 == 1:
                    file[place] = values[random.integers(len(values))]
                else:
                    others[random.integers(len(others))](file, place)
                if isinstance(file.get(place, getlink=True), h5py.HardLink):
                    file[place].attrs.update(kept)
        yield


# values that make no sense are drawn all the same where they are numbers, and NumPy or matplotlib says so
@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", WRITERS)
def test_results_to_plot(hostile, tmp_path, name):
    path, random = tmp_path / "result.hdf5", np.random.default_rng(10)
    octets = result(path, name)
    for _ in wrong_results(path, octets, random, 9):
        hostile(figures, path)
    for number in range(4):
        path.write_bytes(spoiled(octets, random))
        if number:
            hostile(figures, path)
        else:
            hostile.command("--quiet", "plot", path, "--dpi", 20)
    allowed = {"result.hdf5", "secret.hdf5", "secret.raw"}
    assert all(each.name in allowed or each.suffix == ".png" for each in tmp_path.iterdir())


def figures(path):
    """All but their pixels, which take longest."""
    with open_result(path) as file, style.context(["default", STYLE]):
        return [figure.draw(file) for figure in stages.figures() if any(source in file for source in figure.sources)]


def boosts(path):
    """All that the commands boost and compare read of a result."""
    with open_result(path) as file:
        known = spectrum_paths(file)
    for spectrum in known:
        read_source(f"{path}:{spectrum}")
    return model_boosts(path)


@pytest.mark.parametrize("name", ["power", "single_power"])
def test_results_to_compare(hostile, tmp_path, name):
    path, random = tmp_path / "result.hdf5", np.random.default_rng(11)
    octets = result(path, name)
    for _ in wrong_results(path, octets, random, 120):
        found = hostile(boosts, path)
        assert not isinstance(found, InputError) or str(path) in str(found)
    for _ in range(60):
        path.write_bytes(spoiled(octets, random))
        hostile(boosts, path)


@pytest.mark.parametrize(
    "text", ["[cosmology", "[cosmology]\nredshift = x", "[run]\nm22 = 1", "\0x", "[cosmology]\nredshift = -5"]
)
def test_inis_of_results(hostile, tmp_path, text):
    path = tmp_path / "result.hdf5"
    result(path, "single_power")
    with h5py.File(path, "r+") as file:
        file.attrs["config"] = np.bytes_(text)
    found = hostile(boosts, path)
    assert isinstance(found, InputError) and str(path) in str(found)
