"""gpu-fdm plot: one figure into a file, formats, and figures that are kept."""

import os

import pytest
from plot_files import result, write_mass_function, write_power

from gpu_fdm.commands.main import main


@pytest.fixture
def path(tmp_path):
    with result(tmp_path / "result.hdf5", write_power, write_mass_function):
        pass
    return tmp_path / "result.hdf5"


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_one_figure_in_a_file(path, tmp_path, capsys, ending, begins):
    """The same bytes twice, since a figure that is named is drawn again; a file of others is not replaced."""
    target = tmp_path / f"mine.{ending}"
    drawn = []
    for _ in range(2):
        assert main(["plot", str(path), "--only", "power", "--output", str(target), "--dpi", "20"]) == 0
        drawn.append(target.read_bytes())
    assert drawn[0] == drawn[1] and drawn[0].startswith(begins)
    target.write_bytes(begins + b"of others")
    capsys.readouterr()
    assert main(["plot", str(path), "--only", "power", "--output", str(target)]) == 2
    assert f"{target}: is a file that gpu-fdm did not write" in capsys.readouterr().err


def test_figures_are_kept_while_they_are_newer_than_the_result(path, tmp_path, capsys):
    plot = ["plot", str(path), "--only", "power", "--dpi", "20"]
    assert main(plot) == 0
    before = (tmp_path / "power.png").read_bytes()
    assert main([*plot[:-1], "30"]) == 0 and (tmp_path / "power.png").read_bytes() == before
    assert f"kept: {tmp_path}/power.png  newer than the result" in capsys.readouterr().out
    assert main([*plot[:-1], "30", "--overwrite"]) == 0 and (tmp_path / "power.png").read_bytes() != before
    os.utime(tmp_path / "power.png", (1, 1))
    assert main(plot) == 0 and (tmp_path / "power.png").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--only", "powr"), "--only powr: is no figure (did you mean power?): must be of mass_function, power"),
        (("--only", "weights"), "--only weights: the result has no data of it: must be of mass_function, power"),
        (("--output", "all.pdf"), "--output all.pdf: is one file, for one of 2 figures: --only one of mass_f"),
        (("--only", "power", "--output", "power.jpg"), "power.jpg: must end in .png, .pdf, .svg"),
        (("--only", "power", "--volume"), "--only power: names a figure: not together with --volume"),
    ],
)
def test_wrong_options(path, monkeypatch, capsys, options, says):
    monkeypatch.chdir(path.parent)
    assert main(["plot", str(path), *options]) == 2
    assert says in capsys.readouterr().err
