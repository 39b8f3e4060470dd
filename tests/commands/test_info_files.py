"""gpu-fdm info of inis, tables, figures, chains and emulators."""

import re
from pathlib import Path

import numpy as np
import pytest

from gpu_fdm import Prediction, __version__, parse_config
from gpu_fdm.commands.main import main

INIT = (Path(__file__).parents[2] / "ini/single_filament.ini").read_text()


def told(capsys, path):
    assert main(["info", str(path)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    return line.removeprefix(f"{path}: ")


@pytest.mark.parametrize("ending", ["csv", "ecsv"])
def test_a_table_and_its_figure(ending, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["predict", "--m22", "1", "--points", "4", "--output", f"p.{ending}", "--dpi", "40"]
    assert main(command) == 0
    capsys.readouterr()
    assert told(capsys, f"p.{ending}").startswith("a table of m22, redshift, k, linear_cdm, ")
    assert told(capsys, f"p.{ending}").endswith(f"made by gpu_fdm {__version__}: gpu-fdm {' '.join(command)}")
    assert told(capsys, "p.png") == "a figure that gpu-fdm drew"


def test_tables_and_figures_of_others(tmp_path, capsys):
    (tmp_path / "t.csv").write_text("k,power\n1,2\n")
    assert told(capsys, tmp_path / "t.csv") == "a table of k, power, which does not say what made it"
    (tmp_path / "t.dat").write_text("# 1:k (h/Mpc)  2:P (Mpc/h)^3\n1 2\n3 4\n")
    assert told(capsys, tmp_path / "t.dat") == "a table of k, power, which does not say what made it"
    (tmp_path / "table").write_text("# k  P_k\n1 2\n3 4\n")
    assert told(capsys, tmp_path / "table") == "a table of k, power, which does not say what made it"
    for text in ("no table, but\na text\n", "1 2\n3 4\n", "caf\xe9\n", "[of others]\n"):
        (tmp_path / "t.txt").write_bytes(text.encode("latin-1"))
        assert main(["info", str(tmp_path / "t.txt")]) == 2
        assert "t.txt: not an HDF5 file, but a text that is neither an ini of gpu-fdm, " in capsys.readouterr().err
    (tmp_path / "t.txt").write_bytes(b"text\0\1")
    assert main(["info", str(tmp_path / "t.txt")]) == 2
    assert "t.txt: not an HDF5 file, or damaged or cut: " in capsys.readouterr().err
    (tmp_path / "f.png").write_bytes(b"something else")
    assert told(capsys, tmp_path / "f.png") == "a figure that gpu-fdm did not draw"
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe")
    assert main(["info", str(tmp_path / "b.csv")]) == 2
    assert "b.csv: not a text file in UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name, text, says",
    [
        ("x.ini", INIT, "[run], [cosmology], {}: gpu-fdm run x.ini runs it"),
        ("my settings.txt", "# mine\n\n" + INIT, "[run], [cosmology], {}: gpu-fdm run 'my settings.txt' runs it"),
        ("x.ini", "[filament]\n[wavefunction]\n", "[filament], [wavefunction]: gpu-fdm run x.ini runs it"),
        ("x.ini", "[fit]\n[population]\n", "[population], [fit]: gpu-fdm run x.ini runs it"),
        ("x.ini", "[fit]\n", "[fit]: gpu-fdm fit TABLE --config x.ini takes it"),
        ("x.ini", "\ufeff[cosmology]\n", "[cosmology]: gpu-fdm predict --m22 M --cosmology x.ini takes it"),
    ],
)
def test_an_ini(name, text, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text)
    others = ", ".join(re.findall(r"^\[\w+\]$", INIT, re.MULTILINE)[2:])
    assert told(capsys, name) == f"an ini of gpu-fdm, of {says.format(others)}"


@pytest.mark.parametrize(
    "text", ["[power]\nbins = -1\n", "[filamnet]\n", "h = 0.7\n", "[run\n", "[run]\n[run]\n", "\0"]
)
def test_an_ini_with_mistakes(text, tmp_path, capsys):
    path = str(tmp_path / "x.ini")
    Path(path).write_text(text)
    assert main(["run", path, "--dry-run"]) == 2
    of_run = capsys.readouterr().err
    assert path in of_run and main(["info", path]) == 2
    assert capsys.readouterr() == ("", of_run)


def test_an_ini_without_sections(tmp_path, capsys):
    for text, says in (("", "an empty file"), ("# [run]\n", "not an HDF5 file, but a text")):
        (tmp_path / "x.ini").write_text(text)
        assert main(["info", str(tmp_path / "x.ini")]) == 2
        assert f"x.ini: {says}" in capsys.readouterr().err


def test_a_chain(tmp_path, monkeypatch, capsys):
    pytest.importorskip("emcee", reason="the extra fit is not installed")
    monkeypatch.chdir(tmp_path)
    k = np.geomspace(10, 100, 8)
    power = Prediction.of(parse_config(""), 4.0, k)(2.0).matter_fdm
    header = "of: fdm\nk: h/Mpc\npower: (Mpc/h)^3\nredshift: 4\nk power error"
    np.savetxt("mine.csv", np.array([k, power, 0.05 * power]).T, header=header)
    assert main(["fit", "mine.csv", "--walkers", "4", "--steps", "10", "--dpi", "0"]) == 0
    capsys.readouterr()
    of_chain = f"a chain of gpu-fdm fit, 10 steps of 4 walkers, written by gpu_fdm {__version__}"
    assert told(capsys, "fit/chain.hdf5") == f"{of_chain}, whole by the digest of its bytes"
