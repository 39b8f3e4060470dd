"""gpu-fdm combinations: its lines, table and figure, and what it refuses."""

import csv
import sys

import numpy as np
import pytest

from gpu_fdm.commands.main import main
from gpu_fdm.io.tables import header_lines

HELD = ["--range", "redshift=4", "--range", "omega_m=0.314649"]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_lines_table_and_figure(tmp_path, capsys, monkeypatch):
    """Without the extra `learn`."""
    monkeypatch.setitem(sys.modules, "jax", None)
    options = ["--points", "2", "--of", "power,smooth", "--width", "0.4", "--dpi", "40"]
    assert main(["combinations", *HELD, *options]) == 0
    captured = capsys.readouterr()
    out = captured.out.splitlines()
    assert captured.err == "" and "doubt_" not in (tmp_path / "combinations.csv").read_text()
    assert out[0] == "6 bins of 0.4 in ln k at 30 to 221.7 h/Mpc, each to 5 %"
    assert out[1].startswith("m22 1 to 4, ln10As 2.989 to 3.189, ") and "redshift = 4, omega_m = 0.3146" in out[1]
    assert any(line.startswith("the boost over smooth measures ") for line in out)
    assert "leaves out haloes (H), baryons (B)" in out[-3]
    assert (tmp_path / "combinations.png").read_bytes().startswith(b"\x89PNG")
    with open(tmp_path / "combinations.csv") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert {(row["of"], row["where"]) for row in rows} == {
        (of, where) for of in ("power", "smooth") for where in ("box", "middle")
    }
    first = next(row for row in rows if row["of"] == "smooth")
    powers = np.array([float(first[name]) for name in ("m22", "ln10As", "n_s", "mass_min", "mass_max")])
    assert np.max(powers) == 1 and float(first["range_over_error"]) > 10 and 0 < float(first["error"]) < 0.05
    assert main(["combinations", *HELD, *options]) == 0  # its own files are replaced


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--of", "power,x"], "--of power,x: x must be one of power, smooth, n-body, cdm, wdm, linear-cdm"),
        (["--of", "power,power"], "--of power,power: must not name a quantity twice"),
        (["--range", "m22"], "--range m22: must be NAME=FIRST,LAST or NAME=VALUE"),
        (["--range", "m22=1,2", "--range", "m22=1,3"], "--range m22=1,3: must be NAME=FIRST,LAST or NAME=VALUE, once"),
        (["--range", "h=1"], "range of h: must be of one of m22"),
        (["--range", "m22=1,1e7"], "range of m22, 1 to 1e+07: must be within [1e-06, 1e+06]"),
        (["--range", "mass_min=1,1e9"], "range of mass_min, 1 to 1e+09: must be within [1e+08, 1e+12]"),
        (["--range", "redshift=4,70"], "range of redshift, 4 to 70: must be within [0, 49]"),
        (["--range", "redshift=-0.5,1"], "range of redshift, -0.5 to 1: must be within [0, 49]"),
        (
            ["--range", "mass_min=1e9,3e9", "--range", "mass_max=2e9,4e9"],
            "range of mass_min, 1e+09 to 3e+09: must end where that of mass_max, 2e+09 to 4e+09, begins, or before",
        ),
        (["--range", "omega_m=0.3,2"], "omega_m = 2.0: must be a number in [0.001, 1]"),
        (["--set", "one_filament.mass_max=1e13"], "mass_max = 1e+13: must be in [1e+08, 1e+12]"),
        (["--of", "cdm", "--set", "one_filament.mass_function=published"], "one of power, smooth, n-body, linear-cdm"),
        (["--points", "0"], "--points 0: must be in [1, 100000]"),
        (["--output", "a.txt"], "--output a.txt: must end in .csv"),
        (["--error", "2"], "error = 2: must be in (0, 1)"),
        (["--dpi", "5"], "--dpi 5: must be 0, or in [20, 1200]"),
        (["--set", "one_filament.shape=published"], "must be 4 where [one_filament] shape = published"),
    ],
)
def test_refused(options, message, capsys, tmp_path, monkeypatch):
    """Before linear power is computed."""
    monkeypatch.setattr("gpu_fdm.pipeline.linear_power.linear_power", lambda *a, **b: pytest.fail("was computed"))
    assert main(["combinations", *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line and not list(tmp_path.iterdir())


def test_a_box_of_filaments_of_few_modes_is_told(tmp_path, capsys):
    assert main(["combinations", *HELD, "--range", "m22=0.7,4", "--points", "1", "--of", "smooth", "--dpi", "0"]) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: range of m22, 0.7 to 4: below m22 = 0.9")
    header = header_lines((tmp_path / "combinations.csv").read_text())
    assert header["doubt_1"] == warning.removeprefix("warning: ") and "doubt_2" not in header


def test_files_of_others_are_left(tmp_path, capsys):
    (tmp_path / "combinations.csv").write_text("mine")
    assert main(["combinations"]) == 2
    assert "a file that gpu-fdm did not write" in capsys.readouterr().err


@pytest.mark.slow  # half a minute: linear powers and barriers of 25 universes
def test_all_parameters(capsys):
    """The numbers of docs/degeneracy.md."""
    assert main(["combinations", "--dpi", "0"]) == 0
    out = capsys.readouterr().out
    assert "P(k) of matter measures 4 combinations of 7" in out
    assert "  m22 (1+z)^-0.33 A_s^-0.29 omega_m^0.51 M_min^-0.56 M_max^-0.12 to 1.4 %, 30.1 times" in out
