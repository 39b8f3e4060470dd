"""gpu-fdm info of tables, figures, chains and emulators."""

import numpy as np
import pytest

from gpu_fdm import Prediction, __version__, parse_config
from gpu_fdm.commands.main import main


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
    for text in ("no table, but\na text\n", "1 2\n3 4\n"):
        (tmp_path / "t.txt").write_text(text)
        assert main(["info", str(tmp_path / "t.txt")]) == 2
        assert "t.txt: " in capsys.readouterr().err
    (tmp_path / "f.png").write_bytes(b"something else")
    assert told(capsys, tmp_path / "f.png") == "a figure that gpu-fdm did not draw"
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe")
    assert main(["info", str(tmp_path / "b.csv")]) == 2
    assert "b.csv: not a text file in UTF-8" in capsys.readouterr().err


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
