"""The command line as a user meets it: a run from ini to figures, and every mistake with its one clear line."""

import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import attrs
import h5py
import numpy as np
import pytest

from gpu_fdm.commands.main import main
from gpu_fdm.config.config import parse_config
from gpu_fdm.config.presets import preset_ini
from gpu_fdm.config.sections import SECTIONS
from gpu_fdm.io.kinds import Number

EARLIER = b"\x89HDF\r\n\x1a\n git_revision"  # a damaged result, which may be replaced

# a coarse box: seconds matter here, fringes do not
SMALL = ["box.cells=20,24,50", "cross_section.points=32", "run.backend=cpu"]
LIGHT = "dark_matter.m22=0.5", "single_power.points=20"  # few states and rows


@pytest.fixture
def ini(tmp_path):
    """The default ini without its figures, which take longer than the rest."""
    path = tmp_path / "filament.ini"
    path.write_text(preset_ini("single_filament").split("# PNG figures")[0])
    return path


@pytest.fixture
def box(tmp_path):
    """One filament in a box, and nothing else."""
    path = tmp_path / "box.ini"
    path.write_text("[filament]\n[wavefunction]\n[box]\n")
    return path


def run_box(capfd, box, output, *overrides):
    settings = [item for o in ("run.backend=cpu", f"run.output={output}", *overrides) for item in ("--set", o)]
    return gpu_fdm(capfd, "run", box, *settings)


def gpu_fdm(capfd, *arguments):
    """Exit code, standard output and error of a command, run here."""
    try:
        code = main([*map(str, arguments)])
    except SystemExit as stop:
        code = stop.code
    return code, *capfd.readouterr()


def run(capfd, ini, output, *overrides, extra=()):
    settings = [item for o in (*SMALL, f"run.output={output}", *overrides) for item in ("--set", o)]
    return gpu_fdm(capfd, "run", ini, *settings, *extra)


def fails(result, code, *says):
    """One line on standard error, no traceback, with all of `says`."""
    found, _, error = result
    assert found == code, error
    lines = [line for line in error.splitlines() if line.startswith("gpu-fdm: error:")]
    assert len(lines) == 1 and "Traceback" not in error
    for text in says:
        assert text in lines[0]


def test_a_run_and_what_it_leaves(ini, tmp_path, capfd):
    output = tmp_path / "out"
    code, out, err = run(capfd, ini, output, "figures.dpi=40")
    assert code == 0, err
    named = [
        Path(line.split(": ", 1)[1].split("  ")[0])
        for line in out.splitlines()
        if line.startswith(("result: ", "figure: "))
    ]
    assert sorted([*named, output / "result_kept"]) == sorted(output.iterdir())
    assert named[0].name == "result.hdf5"
    assert {p.name for p in named[1:]} == {
        f"{n}.png" for n in ("cross_section", "profile", "weights", "single_power", "projection", "power")
    }
    with h5py.File(output / "result.hdf5") as file:
        config = parse_config(file.attrs["config"])
        assert config.box.cells == (20, 24, 50) and config.run.output == str(output)
        assert {"version", "git_revision", "seed", "ranks", "backend", "device", "created"} <= set(file.attrs)
        for name in ("fdm", "smooth"):
            assert file[f"density/{name}"].shape == (20, 24, 50)
            assert file[f"density/{name}"].attrs["box_size"] == pytest.approx([0.64, 0.64, 1.8])
            assert file[f"power/{name}/modes"][:].sum() == 20 * 24 * 50
        modes = file["filaments/00/modes"]
        assert modes.attrs["library_modes"] == len(modes["weight"]) == 188
        assert modes["phase"].shape == (188, 2)
        filament = file["filaments/00"].attrs
        assert filament["segment_mass"] == pytest.approx(5e9, rel=1e-5)
        assert filament["length"] == pytest.approx(1.15983, rel=1e-4)

        def check(name, item):
            if isinstance(item, h5py.Dataset):
                assert "units" in item.attrs and item.attrs["units_text"] and item.attrs["description"], name

        file.visititems(check)


def test_same_ini_same_numbers(ini, tmp_path, capfd):
    for name in ("a.hdf5", "b.hdf5"):
        assert run(capfd, ini, tmp_path / name, *LIGHT, "run.threads=" + "12"["ab".index(name[0])])[0] == 0
    with h5py.File(tmp_path / "a.hdf5") as a, h5py.File(tmp_path / "b.hdf5") as b:
        for name in ("density/fdm", "density/smooth", "power/fdm/power", "filaments/00/modes/energy"):
            assert np.array_equal(a[name][:], b[name][:]), name


def test_methods_agree(ini, tmp_path, capfd):
    for method in ("extruded", "direct"):
        choice = *LIGHT, f"box.method={method}", "run.precision=double"
        code, _, error = run(capfd, ini, tmp_path / f"{method}.hdf5", *choice)
        assert code == 0, error
    with h5py.File(tmp_path / "extruded.hdf5") as a, h5py.File(tmp_path / "direct.hdf5") as b:
        for name in ("density/fdm", "density/smooth"):
            assert np.max(np.abs(a[name][:] - b[name][:])) < 1e-5 * b[name][:].max()


def test_averages_and_one_field(ini, tmp_path, capfd):
    code, out, error = run(capfd, ini, tmp_path / "a.hdf5", "box.sampling=average", "box.fields=fdm")
    assert code == 0, error
    mass = next(line for line in out.splitlines() if line.startswith("mass in the box, fdm"))
    assert abs(float(mass.split("(")[1].split()[0])) < 2e-3
    with h5py.File(tmp_path / "a.hdf5") as file:
        assert list(file["density"]) == ["fdm"] and list(file["power"]) == ["fdm"]


def test_dry_run_writes_nothing(ini, tmp_path, capfd):
    output = tmp_path / "out"
    code, out, _ = run(capfd, ini, output, extra=["--dry-run"])
    assert code == 0 and not output.exists()
    for text in ("188 modes", "peak memory", "output", "do not resolve the finest fringes", "cells = "):
        assert text in out


def test_warnings(ini, tmp_path, capfd):
    _, out, _ = run(capfd, ini, tmp_path / "o", "box.size=0.2,0.2,1.8", extra=["--dry-run"])
    assert "wide enough to meet its own images" in out and "% of its mass" in out
    _, out, _ = run(capfd, ini, tmp_path / "o", "box.cells=192,192,540", extra=["--dry-run"])
    assert "warning:" not in out


@pytest.mark.parametrize(
    "override, says",
    [
        ("dark_matter.m22=0", "[dark_matter] m22 = 0: must be a number in"),
        ("dark_matter.m22=nan", "[dark_matter] m22 = nan"),
        ("filament.beta=1", "[filament] beta = 1: must be a number in [0, 1)"),
        ("cosmology.redshift=-0.5", "[cosmology] redshift = -0.5"),
        ("cosmology.redshift=2", "give [filament] length, r0, sigma"),
        ("box.sise=3", "unknown key (did you mean size?)"),
        ("box.cells=eight", "[box] cells = eight"),
        ("filament.length=2", "[filament] length = 2 cMpc/h: longer than the periodic box"),
        ("filament.orientation=0,0,2", "[filament] orientation = 0, 0, 2: must not be parallel"),
        ("filament.profile_table=nowhere.csv", "[filament] profile_table = nowhere.csv: no such file"),
        ("wavefunction.energy_cut=0.01", "no eigenstate below the energy cut"),
        ("dark_matter.m22=1e-3", "[box] size = 0.64, 0.64, 1.8: so small that a filament of radius 30.16 cMpc/h meets"),
        ("filament.sharpness=0.5", "[filament] sharpness = 0.5: must be at least 6/length"),
        ("filament.profile_table=/", "is no file that can be read"),
    ],
)
def test_bad_input(ini, tmp_path, capfd, override, says):
    output = tmp_path / "out" / "result.hdf5"
    output.parent.mkdir()
    output.write_bytes(EARLIER)
    fails(run(capfd, ini, output.parent, override), 2, says)
    assert output.read_bytes() == EARLIER and len(list(output.parent.iterdir())) == 1


def test_bad_tables(ini, tmp_path, capfd):
    radius = np.geomspace(0.001, 0.3, 30)
    density = 100 / (1 + (radius / 0.02) ** 2) ** 2
    table = tmp_path / "profile.csv"

    def attempt(r, d):
        table.write_text("radius,density\n" + "\n".join(f"{a},{b}" for a, b in zip(r, d, strict=True)))
        overrides = (*LIGHT, f"filament.profile_table={table}", "filament.sigma=", "filament.r0=")
        return run(capfd, ini, tmp_path / "out", *overrides)

    assert attempt(radius, density)[0] == 0
    fails(attempt(radius[::-1], density), 2, "profile_table", "line 3: radius does not increase")
    fails(attempt(radius, -density), 2, "profile_table", "line 2: density", "must be positive")
    fails(attempt(radius, density * np.nan), 2, "line 2: density = nan: must be a finite number")
    fails(attempt(radius[:5], density[:5]), 2, "must hold at least 8 rows")
    fails(attempt(radius, density[::-1]), 2, "no equilibrium")
    weights = tmp_path / "weights.csv"
    weights.write_text("n,l,amplitude\n0,900,0.5\n")
    fails(
        run(capfd, ini, tmp_path / "out", "wavefunction.weights=table", f"wavefunction.weights_table={weights}"),
        2,
        "900",
    )


def test_direction_of_any_length(box, tmp_path, capfd):
    """1e200 must not overflow into a box without an axis."""
    masses = []
    for direction in ("1,1,0", "1e200,1e200,0", "1e-200,1e-200,0"):
        overrides = ("box.size=1.8", "box.cells=20,24,50", "dark_matter.m22=0.4", f"filament.direction={direction}")
        code, out, error = run_box(capfd, box, tmp_path / "a.hdf5", *overrides, "filament.orientation=0,0,7")
        assert code == 0, error
        masses.append([line for line in out.splitlines() if line.startswith("mass")])
    assert masses[0] == masses[1] == masses[2] and masses[0]


def test_told_when_the_modes_do_not_make_the_density(box, tmp_path, capfd):
    said = "the modes do not describe the filament: they make"
    _, _, error = run_box(capfd, box, tmp_path / "a.hdf5", "dark_matter.m22=0.4", "box.cells=16", "filament.beta=0.95")
    assert said in error
    _, _, error = run_box(capfd, box, tmp_path / "a.hdf5", "dark_matter.m22=0.4", "box.cells=7,11,13")
    assert "the mass in the box, fdm, is off by +" in error
    _, _, error = run_box(capfd, box, tmp_path / "a.hdf5", "wavefunction.weights=adaptive_lasso", "box.cells=96,96,270")
    assert "the mass in the box" not in error and said not in error


def _numbers():
    """Every numeric key with both ends of what is allowed."""
    for name, section in SECTIONS.items():
        for item in attrs.fields(section):
            kind = item.metadata["kind"]
            while not isinstance(kind, Number) and hasattr(kind, "kind"):
                kind = kind.kind
            if isinstance(kind, Number):
                tiny = 1e-9 * (kind.high - kind.low) if np.isfinite(kind.high - kind.low) else 1e-300
                for bound, inward in ((kind.low, 1), (kind.high, -1)):
                    value = bound if np.isfinite(bound) else -inward * 1e300
                    open_end = kind.open_low if inward > 0 else kind.open_high
                    value = value + inward * tiny if open_end else value
                    yield f"{name}.{item.name}", int(value) if kind.integer else value


@pytest.mark.parametrize(("key", "value"), list(_numbers()))
def test_ends_of_every_range(ini, tmp_path, capfd, key, value):
    """Whatever is allowed is borne: planned, or refused in one line; no traceback."""
    overrides = [f"{key}={value!r}"]
    if key.startswith("gas."):
        ini.write_text(
            ini.read_text().split("# One filament")[0] + "[wavefunction]\n[box]\nsize = 9\ncells = 16\n[gas]\n"
        )
        overrides.append("gas.number=2" if key != "gas.number" else "gas.max_attempts=1")
    if key == "gas.min_distance":
        overrides.append("gas.centres=poisson_disk")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, _, error = run(capfd, ini, tmp_path / "out", *overrides, extra=["--dry-run"])
    assert code in (0, 1, 2), error
    assert "Traceback" not in error
    if code:
        assert error.count("gpu-fdm: error:") == 1


@pytest.mark.parametrize("sent", ["SIGTERM", "SIGINT"])
def test_a_run_that_is_stopped_leaves_what_is_done(ini, tmp_path, sent):
    settings = [item for o in (f"run.output={tmp_path / 'out'}", "run.backend=cpu") for item in ("--set", o)]
    command = [sys.executable, "-m", "gpu_fdm", "run", str(ini), *settings, "--set", "box.cells=400,400,400"]
    # a shell that runs in the background has SIGINT ignored, and its children with it
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        running = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    for line in running.stderr:  # the file is there once the cross-section is told
        if line.startswith("cross-section"):
            break
    running.send_signal(getattr(signal, sent))
    _, error = running.communicate(timeout=60)
    assert running.returncode == 130, error
    kept = tmp_path / "out" / "result_kept"
    what = "interrupted" if sent == "SIGINT" else "stopped by SIGTERM"
    says = f"gpu-fdm: error: {what}: finished parts are cached in {kept}; run the same command again to resume\n"
    assert error.endswith(says) and "Traceback" not in error
    assert list((tmp_path / "out").iterdir()) == [kept]
    assert sorted(path.name.split("-")[0] for path in kept.iterdir()) == ["cross_section", "model"]


@pytest.mark.parametrize(("sent", "says"), [("SIGTERM", "stopped by SIGTERM"), ("", "interrupted")])
def test_what_is_said_of_a_run_that_is_stopped(ini, tmp_path, capfd, monkeypatch, sent, says):
    def stopped(*_):
        raise KeyboardInterrupt(*filter(None, [sent]))

    monkeypatch.setattr("gpu_fdm.pipeline.run.run", stopped)
    fails(run(capfd, ini, tmp_path / "out"), 130, f"{says}: no result was written")
    kept = tmp_path / "out" / "result_kept"
    kept.mkdir(parents=True)
    left = f"{says}: finished parts are cached in {kept}; run the same command again"
    fails(run(capfd, ini, tmp_path / "out"), 130, f"{left} to resume")
    fails(run(capfd, ini, tmp_path / "out", extra=["--fresh"]), 130, f"{left} without --fresh to resume")


def test_interrupted_before_it_begins(ini, tmp_path, capfd, monkeypatch):
    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("gpu_fdm.commands.main.build_parser", interrupted)
    fails(run(capfd, ini, tmp_path / "out"), 130, "gpu-fdm: error: interrupted")


def test_missing_file(tmp_path, capfd):
    fails(gpu_fdm(capfd, "run", tmp_path / "no.ini"), 2, "no.ini: no such file")
    fails(gpu_fdm(capfd, "plot", tmp_path / "no.hdf5"), 2, "no.hdf5: no such file")
    (tmp_path / "text.hdf5").write_text("not a result")
    fails(gpu_fdm(capfd, "plot", tmp_path / "text.hdf5"), 2, "text.hdf5: not a result")


def test_output_that_cannot_be_written(ini, tmp_path, capfd):
    (tmp_path / "file").write_text("kept")
    fails(run(capfd, ini, tmp_path / "file" / "out"), 1, "output folder cannot be written")
    assert (tmp_path / "file").read_text() == "kept"


def test_too_little_memory(ini, tmp_path, capfd):
    output = tmp_path / "out"
    fails(run(capfd, ini, output, "box.cells=60000"), 1, "too little memory", "are available")
    assert not output.exists()


def test_no_gpu_is_said(ini, tmp_path, capfd):
    from gpu_fdm.parallel.backend import gpu_count

    if gpu_count():
        pytest.skip("this machine has a CUDA device")
    fails(run(capfd, ini, tmp_path / "out", "run.backend=gpu"), 1, "no CUDA device", "backend = cpu")


def test_init_and_info(capfd):
    assert gpu_fdm(capfd, "init", "single_filament")[1] == preset_ini("single_filament")
    assert "single_filament: " in gpu_fdm(capfd, "init")[1]
    fails(
        gpu_fdm(capfd, "init", "singlefilament"), 2, "must be one of single_filament", "did you mean single_filament?"
    )
    code, out, _ = gpu_fdm(capfd, "info")
    assert code == 0 and "CUDA devices" in out and "memory available" in out


def test_as_a_process(ini, tmp_path):
    """What the console script and python -m do: exit codes, and a file size limit in place of a full disk."""
    command = [sys.executable, "-m", "gpu_fdm"]
    version = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("gpu_fdm ")
    wrong = subprocess.run([*command, "run", str(tmp_path / "no.ini")], capture_output=True, text=True)
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1
    limit = "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    limit += "resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536)); from gpu_fdm.commands import main; "
    limit += "sys.exit(main.main())"
    settings = [item for o in (*SMALL, f"run.output={tmp_path / 'out'}") for item in ("--set", o)]
    # numba must not write its cache under the limit
    full = subprocess.run(
        [sys.executable, "-c", limit, "run", str(ini), *settings], capture_output=True, text=True, env=os.environ
    )
    assert full.returncode == 1, full.stderr
    assert "cannot be written" in full.stderr and "Traceback" not in full.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["result_kept"]
