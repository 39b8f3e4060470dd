"""Values that a check of ours refuses are told in one line; a ValueError of a library keeps its traceback."""

import ast
from types import SimpleNamespace

import numpy as np
import pytest
from drawn_filaments import Drawn, particles, write_particles
from locations import REPOSITORY

from gpu_fdm.comparison.states import States
from gpu_fdm.config.config import parse_config, read_config
from gpu_fdm.cosmic_web.axis import axis_between
from gpu_fdm.cosmology.linear_power import linear_power
from gpu_fdm.errors import InputError, RunError, UnfitError
from gpu_fdm.filament.measured import read_measured
from gpu_fdm.filament.tabulated import tabulated
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.pipeline.coherence import coherence_of
from gpu_fdm.pipeline.inputs import Inputs, read_inputs
from gpu_fdm.pipeline.measured import fit_of
from gpu_fdm.pipeline.measured_filament import Around
from gpu_fdm.pipeline.model import code_units, filaments, solve
from gpu_fdm.pipeline.placement import place
from gpu_fdm.pipeline.profile_fits import Draws
from gpu_fdm.pipeline.run import run
from gpu_fdm.pipeline.snapshot import measured_power
from gpu_fdm.pipeline.snapshot_cross import measured_cross
from gpu_fdm.pipeline.snapshot_filament import measure_filaments
from gpu_fdm.pipeline.snapshot_ridges import Search, find_ridges
from gpu_fdm.pipeline.steady_state import SteadyStateStage
from gpu_fdm.snapshots import axionyx
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import open_snapshot

TABLE = REPOSITORY / "ini/measured_profile.csv"
FILAMENT = "[dark_matter]\nm22 = 0.3\n[filament]\n[wavefunction]\n"
FITTED = f"[filament]\nprofile_table = {TABLE}\nprofile_fit = smooth\nprofile_bootstrap = 20\n[wavefunction]\n"
GIVEN = SnapshotOptions(box_size=(1.0, 1.0, 1.0), redshift=4.0)
THREAD = Drawn((0.5, 0.5, 0.5), (1.0, 0.0, 0.0), 0.8, 0.004, 3e9)


def grid(folder):
    np.save(folder / "rho.npy", np.random.default_rng(1).random((8, 8, 8)))
    return open_snapshot(folder / "rho.npy", options=GIVEN)


def around_an_axis(folder, found):
    snapshot = open_snapshot(write_particles(folder, particles([THREAD], 20_000, 1.0), 1.0))
    axis = axis_between(*THREAD.ends(0.75), (1.0,) * 3, 0.1)
    return measure_filaments(snapshot, [axis], Around(smooth=0.02, radius=0.1), SERIAL, found)


def one_spectrum(folder):
    box = "[box]\nsize = 0.7, 0.7, 1.5\ncells = 16\ntolerance = 1e-3\n[power]\n[correlation]\n"
    ini = f"[run]\nbackend = cpu\nthreads = 1\noutput = {folder / 'out.hdf5'}\n{FILAMENT}{box}"
    return run(parse_config(ini, "x.ini"))


def plotfile(folder):
    (folder / "Header").write_text("words")
    return axionyx.read(folder, SnapshotOptions())


def read_ini(folder):
    (folder / "x.ini").write_text(FILAMENT)
    return read_config(folder / "x.ini")


# what is replaced by a function that raises, what calls it, what the line of an UnfitError or InputError begins with
UNFIT = {
    "states to compare": (
        "gpu_fdm.comparison.states.eigenstates",
        lambda folder: States.scaled(parse_config(FILAMENT), 1.0, 0.0).solve(10.0, CPU()),
        "a filament to fit with has ",
    ),
    "model": (
        "gpu_fdm.pipeline.model.eigenstates",
        lambda folder: solve(config := parse_config(FILAMENT), filaments(config)[0]),
        r"config: \[dark_matter\] m22 = 0\.3: the filament of 5e\+09 Msun/h has ",
    ),
    "steady state": (
        "gpu_fdm.pipeline.steady_state.eigenstates",
        lambda folder: SteadyStateStage().check(
            Inputs(parse_config(FILAMENT.replace("0.3", "0.01") + "[steady_state]\n"))
        ),
        r"config: \[dark_matter\] m22 = 0\.01: ",
    ),
    "spectrum of a box": (
        "gpu_fdm.pipeline.power.PowerStage.measure",
        one_spectrum,
        "x.ini: no spectrum of this box: ",
    ),
    "correlation of a box": (
        "gpu_fdm.pipeline.correlation.correlation_function",
        one_spectrum,
        "x.ini: no spectrum of this box: ",
    ),
    "power of a snapshot": (
        "gpu_fdm.pipeline.snapshot.modes_of_grid",
        lambda folder: measured_power(grid(folder)),
        r".*rho\.npy: ",
    ),
    "cross spectrum": (
        "gpu_fdm.pipeline.snapshot_cross.modes_of_grid",
        lambda folder: measured_cross(
            open_snapshot(write_particles(folder, particles([THREAD], 500, 1.0), 1.0)), grid(folder)
        ),
        r".*rho\.npy: ",
    ),
    "planes": ("gpu_fdm.parallel.domain.Domain.require_planes", lambda folder: measured_power(grid(folder)), ".*rho"),
    "ridges": (
        "gpu_fdm.pipeline.snapshot_ridges.ridge_points",
        lambda folder: find_ridges(grid(folder), Search(0.3), SERIAL),
        r".*rho\.npy: ",
    ),
    "a better axis": (
        "gpu_fdm.pipeline.snapshot_filament.centred",
        lambda folder: around_an_axis(folder, False),
        ".*: no filament along the axis ",
    ),
    "ends": (
        "gpu_fdm.pipeline.snapshot_filament.half_mass_ends",
        lambda folder: around_an_axis(folder, True),
        ".*: no filament along the axis ",
    ),
    "a cylinder": (
        "gpu_fdm.pipeline.snapshot_filament.fitted",
        lambda folder: around_an_axis(folder, False),
        ".*: no filament along the axis ",
    ),
    "a profile": (
        "gpu_fdm.pipeline.snapshot_filament.measured_profile",
        lambda folder: around_an_axis(folder, False),
        ".*: no filament along the axis ",
    ),
    "rows": ("gpu_fdm.filament.measured.MeasuredProfile", lambda folder: read_measured(TABLE, 1.0), f"{TABLE}: "),
    "a measured profile": (
        "gpu_fdm.pipeline.measured.fit_smooth",
        lambda folder: fit_of(config := parse_config("[dark_matter]\nm22 = 0.7\n" + FITTED), code_units(config)),
        rf"config: \[filament\] profile_table = {TABLE}: ",
    ),
    "a placement": (
        "gpu_fdm.pipeline.placement.Placement.basis",
        lambda folder: place(config := parse_config(f"{FILAMENT}[box]\n"), filaments(config)[0]),
        r"config: \[filament\] orientation = .*: must not be parallel",
    ),
}
# readers of texts, whose InputErrors name the file
READ = {
    "table of an ini": (
        "gpu_fdm.pipeline.inputs.content_of",
        lambda folder: read_inputs(parse_config(FITTED)),
        r"config: \[filament\] ",
    ),
    "columns": (
        "gpu_fdm.cosmology.curves.read_columns",
        lambda folder: linear_power("table", table=TABLE),
        "as a test says",
    ),
    "ini": ("gpu_fdm.config.config.read_text", read_ini, "as a test says"),
    "header": ("gpu_fdm.snapshots.axionyx.read_text", plotfile, ".*: cannot be read: "),
}


def broken(*arguments, **options):
    """A mistake of the program, as NumPy finds it."""
    return np.zeros(2) + np.zeros(3)


def refusing(error):
    def refuse(*arguments, **options):
        raise error("as a test says")

    return refuse


def replaced(monkeypatch, name, function):
    monkeypatch.setattr(name, property(function) if name.endswith(".basis") else function)


@pytest.mark.parametrize(("name", "call", "says"), (UNFIT | READ).values(), ids=UNFIT | READ)
def test_mistakes_of_the_program_keep_their_traceback(monkeypatch, tmp_path, name, call, says):
    replaced(monkeypatch, name, broken)
    with pytest.raises(ValueError, match="could not be broadcast") as caught:
        call(tmp_path)
    assert caught.type is ValueError and caught.traceback[-1].name == "broken"


@pytest.mark.parametrize(
    ("name", "call", "says", "error"),
    [(*case, UnfitError) for case in UNFIT.values()] + [(*case, InputError) for case in READ.values()],
    ids=UNFIT | READ,
)
def test_what_checks_refuse_is_one_line(monkeypatch, tmp_path, name, call, says, error):
    replaced(monkeypatch, name, refusing(error))
    with pytest.raises((InputError, RunError), match=says) as caught:
        call(tmp_path)
    assert "as a test says" in str(caught.value) or name.endswith(".basis")


def test_a_coherence_time_that_there_is_not(monkeypatch):
    name = "gpu_fdm.pipeline.coherence.coherence_time"
    monkeypatch.setattr(name, refusing(UnfitError))
    model = SimpleNamespace(wave=None)
    assert coherence_of(model) == (None, "as a test says")
    monkeypatch.setattr(name, broken)
    with pytest.raises(ValueError, match="could not be broadcast"):
        coherence_of(model)


def test_draws_without_an_equilibrium(monkeypatch):
    """They are left out of the bands; a draw that a mistake ends is not."""
    config = parse_config(FITTED)
    draws = Draws(config, filaments(config)[0], 0, 2, None)
    monkeypatch.setattr("gpu_fdm.filament.smooth.SmoothFit.draw", refusing(UnfitError))
    assert np.isnan(draws.compute(None, lambda: None)["density"]).all()
    monkeypatch.setattr("gpu_fdm.filament.smooth.SmoothFit.draw", broken)
    with pytest.raises(ValueError, match="could not be broadcast"):
        draws.compute(None, lambda: None)


def test_a_row_is_known_by_its_line(monkeypatch):
    rows = read_measured(TABLE, 1.0)
    monkeypatch.setattr("gpu_fdm.filament.tabulated.TabulatedProfile", broken)
    with pytest.raises(ValueError, match="could not be broadcast"):
        tabulated(rows)


# what may raise a ValueError that is of its argument: conversions, libraries that read what a user gave
CONVERSIONS = {
    *("float", "int", "map", "tuple", "split", "replace", "join", "append", "get", "isinstance", "hasattr", "len"),
    *("parse", "check", "_kind", "Number", "Several", "Prior", "fixed", "Recipe", "asdict"),
    *("asarray", "loads", "getfloat", "read_text", "mkdir", "TemporaryFile", "Process", "create_time"),
    *("Loader", "get_single_data", "dispose", "Quantity", "Unit", "to_value", "to_astropy"),
    *("add_enabled_units", "with_H0", "open", "load", "BytesIO", "ZipFile", "infolist", "Path", "lower", "sum", "list"),
    *("InputError", "format", "show"),  # an InputError is raised again; a line of a log that cannot be written
}
ATTRIBUTES = {"dtype", "index"}  # of h5py, which raises ValueErrors for them
SOURCES = sorted(path for folder in ("gpu_fdm", "kernels") for path in (REPOSITORY / folder).rglob("*.py"))


def too_broad(source):
    """Lines of `try` whose handlers take a ValueError for one of the input although more than a conversion is tried."""
    found = []
    for node in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Try)):
        if not any(handles_values(handler) for handler in node.handlers):
            continue
        tried = [each for statement in node.body for each in ast.walk(statement)]
        called = {ast.unparse(each.func).rpartition(".")[2] for each in tried if isinstance(each, ast.Call)}
        of_h5py = {getattr(each, "attr", "index") for each in tried if isinstance(each, ast.Attribute | ast.Subscript)}
        allowed = called <= CONVERSIONS if called else bool(of_h5py) and of_h5py <= ATTRIBUTES
        if not allowed or any(isinstance(each, ast.Yield) for each in tried):
            found.append(node.lineno)
    return found


def handles_values(handler):
    """Whether a handler names ValueError and does more than keep the error, to raise it on all ranks."""
    names = {each.id for each in ast.walk(handler.type) if isinstance(each, ast.Name)} if handler.type else set()
    kept = len(handler.body) == 1 and ast.unparse(handler.body[0]) == f"error = {handler.name}"
    return "ValueError" in names and not kept


def test_only_conversions_are_tried_for_value_errors():
    found = {str(path.relative_to(REPOSITORY)): too_broad(path.read_text()) for path in SOURCES}
    assert len(found) > 300 and {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "tried", ["eigenstates(profile)", "with named(path):\n  yield", "yield", "placement.basis", "float(of(text))"]
)
def test_others_would_be_found(tried):
    assert too_broad("try:\n " + tried.replace("\n", "\n ") + "\nexcept (OSError, ValueError) as error:\n pass")
