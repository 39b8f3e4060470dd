"""Figures, movies, reports and tables are not written over files that this program did not make."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from plot_files import result, write_power, write_simulation

from gpu_fdm import plots
from gpu_fdm.commands.main import main
from gpu_fdm.errors import InputError
from gpu_fdm.pipeline.stages import figures
from gpu_fdm.plots import movie
from gpu_fdm.plots.report import write_report

SAYS = "is a file that gpu-fdm did not write"
GIVEN = ("--box-size", "1", "--redshift", "0", "--dpi", "20")
RUN = """[run]
output = out
backend = cpu
[dark_matter]
m22 = {m22}
[filament]
[wavefunction]
[single_power]
points = 20
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def of_another_program(path):
    """A picture or a text that somebody else made; returns what it holds."""
    path = Path(path)
    path.parent.mkdir(exist_ok=True)
    if path.suffix == ".png":
        Figure().savefig(path)
    else:
        path.write_text("k,power\n1,2\n")
    return path.read_bytes()


def refused(capsys, place, *arguments):
    """A command whose last error names a file of others."""
    theirs = Path(place).read_bytes()
    assert main(["--quiet", *arguments]) == 2
    assert f"{place}: {SAYS}" in capsys.readouterr().err.splitlines()[-1]
    assert Path(place).read_bytes() == theirs


def test_figures_of_a_result():
    path = Path("result.hdf5")
    with result(path, write_power, write_simulation):
        pass
    of_another_program("simulation_boost.png")
    for _ in range(2):
        with pytest.raises(InputError, match=f"^simulation_boost.png: {SAYS}"):
            plots.draw(path, figures(), 20)
        assert not Path("power.png").exists()  # all are looked at before the first is drawn
    power = [figure for figure in figures() if figure.name == "power"]
    assert plots.draw(path, power, 20) == plots.draw(path, power, 20) == [Path("power.png")]
    with Image.open("power.png") as picture:
        assert picture.text == {"Software": "gpu-fdm"}
    Path("power.png").unlink()
    Path("power.png").mkdir()
    with pytest.raises(InputError, match=r"^power\.png: is a folder: it is not replaced"):
        plots.draw(path, power, 20)


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_run_is_refused_before_it_computes(capsys, dry):
    Path("one.ini").write_text(RUN.format(m22=0.4) + "[figures]\ndpi = 20\n")
    of_another_program("out/single_power.png")
    refused(capsys, "out/single_power.png", "run", "one.ini", *dry)
    assert [path.name for path in Path("out").iterdir()] == ["single_power.png"]


def test_commands(capsys):
    for name in "ab":
        np.save(f"{name}.npy", np.random.default_rng(ord(name)).random((6, 6, 6)))
    of_another_program("a_power_power.png")
    refused(capsys, "a_power_power.png", "power", "a.npy", *GIVEN)
    ratio = ("boost", "a.npy", "b.npy", "--numerator", "above", "--denominator", "below", *GIVEN, "--output", "ab.csv")
    of_another_program("ab.png")
    refused(capsys, "ab.png", *ratio)
    assert not Path("ab.csv").exists() and not Path("a_power.hdf5").exists()
    Path("ab.png").unlink()
    assert main(list(ratio)) == main(list(ratio)) == 0


def test_compare(capsys):
    Path("one.ini").write_text(RUN.format(m22=1))
    assert main(["--quiet", "run", "one.ini"]) == 0
    compare = ("compare", "out/result.hdf5", "published", "--dpi", "20", "--output", "both")
    for name in ("comparison.png", "comparison.csv", "comparison.html"):
        of_another_program(f"both/{name}")
        refused(capsys, f"both/{name}", *compare)
        assert [path.name for path in Path("both").iterdir()] == [name]
        Path(f"both/{name}").unlink()
    assert main(list(compare)) == main(list(compare)) == 0


def test_movies(monkeypatch):
    monkeypatch.setenv("PATH", "")  # without ffmpeg
    path = Path("result.hdf5")
    with result(path, write_simulation):
        pass
    of_another_program("movie.gif")
    with pytest.raises(InputError, match=f"^movie.gif: {SAYS}"):
        movie.movie(path, 20)
    Path("movie.gif").unlink()
    frames = []
    for _ in range(2):
        with Image.open(movie.movie(path, 20)) as picture:
            frames.append((picture.n_frames, picture.convert("RGB").tobytes()))
    assert frames[0] == frames[1] and frames[0][0] > 1


def test_a_report():
    of_another_program("report.html")
    with pytest.raises(InputError, match=f"^report.html: {SAYS}: it is not replaced, take another name$"):
        write_report("report.html", "t", (), {})
