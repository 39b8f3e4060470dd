"""A density as a volume: blocks of cells, what is refused, and the picture where pyvista is installed."""

import importlib.util
import sys

import h5py
import numpy as np
import pytest
from matplotlib.image import imread
from PIL import Image

from gpu_fdm.commands.main import main
from gpu_fdm.errors import InputError
from gpu_fdm.plots import volume


@pytest.fixture
def box(tmp_path):
    """A bright cell in the dark, in a box that is twice as long along z."""
    path = tmp_path / "box.hdf5"
    density = np.full((12, 12, 24), 0.1, np.float32)
    density[5:7, 5:7, 4:20] = 100
    with h5py.File(path, "w") as file:
        file["density/fdm"] = density
        file["density"].attrs["box_size"] = (1.0, 1.0, 2.0)
    return path


def test_blocks_of_cells(tmp_path, monkeypatch):
    monkeypatch.setattr(volume, "MOST_CELLS", 4)
    values = np.random.default_rng(1).random((6, 4, 9))
    with h5py.File(tmp_path / "a.hdf5", "w") as file:
        file["a"] = values
        grid = volume.averaged(file["a"])
    # blocks of 2, 1 and 3 cells
    expected = values.reshape(3, 2, 4, 3, 3).mean(axis=(1, 4))
    assert grid == pytest.approx(expected, rel=1e-6)  # single precision


def test_what_is_refused(box, monkeypatch, capsys):
    if importlib.util.find_spec("pyvista") is None:
        monkeypatch.setitem(sys.modules, "pyvista", sys)  # it is asked for before the file
    with pytest.raises(InputError, match=r"box.hdf5: no density density/cdm: must be one of density/fdm$"):
        volume.draw_volume(box, "density/cdm")
    monkeypatch.setitem(sys.modules, "pyvista", None)
    with pytest.raises(InputError, match=r"a volume needs pyvista: pip install pyvista"):
        volume.draw_volume(box)
    assert main(["plot", str(box), "--volume", "--movie"]) == 2
    assert capsys.readouterr().err.startswith("gpu-fdm: error: a volume needs pyvista: pip install pyvista (")


@pytest.mark.skipif(importlib.util.find_spec("pyvista") is None, reason="pyvista is not installed (extra volume)")
def test_picture(box, capsys):
    assert main(["plot", str(box), "--volume"]) == 0
    target = box.with_name("box_volume_fdm.png")
    assert capsys.readouterr().out == f"figure: {target}\n"
    picture = imread(target)[:, :, :3]
    assert picture.shape == (900, 1400, 3)
    # the filament lies across the middle, on a dark ground
    assert picture[430:470, 600:800].max() > 0.5 and np.median(picture) < 0.1


@pytest.mark.skipif(importlib.util.find_spec("pyvista") is None, reason="pyvista is not installed (extra volume)")
def test_it_turns(box):
    """A quarter of a turn shows the box from its end; half a turn shows the same picture, as both are symmetric."""
    with Image.open(volume.turn_volume(box, pixels=(240, 160), target=box.with_name("turn.gif"), frames=4)) as movie:
        assert movie.n_frames == 4
        shown = []
        for frame in range(3):
            movie.seek(frame)
            shown.append(np.asarray(movie.convert("L"), float))
    assert np.mean(abs(shown[2] - shown[0])) < 0.2 * np.mean(abs(shown[1] - shown[0]))
