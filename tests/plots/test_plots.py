"""Figures of small result files: which are drawn, what they show, and what is left untouched."""

import itertools
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import matplotlib.style
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from plot_files import (
    BOX,
    CELLS,
    CORE,
    assert_readable,
    mean_density,
    result,
    write_box,
    write_collapse,
    write_filament,
    write_gas,
    write_halo,
    write_mass_function,
    write_one_filament,
    write_power,
    write_single_power,
    write_steady_state,
    write_total_power,
)

from gpu_fdm import plots
from gpu_fdm.errors import InputError, RunError
from gpu_fdm.pipeline.stages import figures
from gpu_fdm.plots import box, filament, style

HBAR_OVER_MASS = 1.054571817e-34 / (1e-22 * 1.602176634e-19 / 299792458.0**2)  # for m22 = 1 [m^2/s]
MPC = 3.0856775814913673e22  # [m]
DPI = 60
PARTS = {  # what a file may hold, and the figures that this makes
    write_filament: ["cross_section", "profile", "weights"],
    write_single_power: ["single_power"],
    write_box: ["projection"],
    write_power: ["power"],
    write_mass_function: ["mass_function"],
    write_collapse: ["collapse"],
    write_one_filament: ["one_filament"],
    write_total_power: ["total_power"],
    write_steady_state: ["steady_state", "steady_state_frames"],
    write_halo: ["halo"],
}
NAMES = list(itertools.chain(*PARTS.values()))
OF_ONE_FILAMENT = NAMES[:6]


FIGURES = {figure.name: figure for figure in figures()}


def draw(path):
    return plots.draw(path, figures(), DPI)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A whole result, drawn once: its path and what draw returned."""
    path = tmp_path_factory.mktemp("whole") / "result.hdf5"
    with result(path, *PARTS):
        pass
    return path, draw(path)


@pytest.fixture
def file(tmp_path):
    """A whole result, open."""
    with result(tmp_path / "result.hdf5", *PARTS) as file:
        yield file


def drawn_names(path, *writers):
    """Names of the figures that a file with some parts leads to."""
    with result(path, *writers):
        pass
    return [figure.name for figure in draw(path)]


def test_all_figures_and_nothing_else(drawn):
    path, figures = drawn
    assert sorted(figures) == sorted(path.with_name(f"{name}.png") for name in NAMES)
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, *(figure.name for figure in figures)}


@pytest.mark.parametrize(
    ("name", "panels"),
    [
        ("cross_section", (1, 3)),
        ("profile", (2, 1)),
        ("weights", (1, 2)),
        ("single_power", (2, 2)),
        ("projection", (1, 2)),
        ("power", (2, 1)),
        ("mass_function", (2, 1)),
        ("collapse", (1, 2)),
        ("one_filament", (2, 1)),
        ("total_power", (2, 3)),
        ("steady_state", (2, 2)),
        ("steady_state_frames", (3, 3)),
        ("halo", (1, 3)),
    ],
)
def test_figures_are_images_with_something_in_every_panel(drawn, name, panels):
    path, _ = drawn
    image = imread(path.with_name(f"{name}.png"))
    rows, columns, channels = image.shape
    assert columns / DPI * 25.4 == pytest.approx(88, abs=0.5) or columns / DPI * 25.4 == pytest.approx(180, abs=0.5)
    assert 2 * DPI <= rows <= 8 * DPI
    assert channels in (3, 4)
    for part in np.array_split(image[..., :3], panels[0], axis=0):
        for panel in np.array_split(part, panels[1], axis=1):
            # clear of the frame and its labels; a panel without data is white there
            inside = panel[panel.shape[0] // 4 : -panel.shape[0] // 3, panel.shape[1] // 4 : -panel.shape[1] // 4]
            assert np.mean(inside.min(axis=-1) < 0.7) > 0.003


def test_other_names_become_prefixes(tmp_path):
    assert drawn_names(tmp_path / "m22_2.hdf5", write_power) == ["m22_2_power.png"]
    assert drawn_names(tmp_path / "result.h5", write_power) == ["power.png"]


def test_only_what_the_file_holds(tmp_path):
    def without_section(file):
        write_filament(file)
        del file["filaments/00/cross_section"]

    assert drawn_names(tmp_path / "result.hdf5", without_section) == ["profile.png", "weights.png"]
    assert drawn_names(tmp_path / "empty.hdf5") == []


@pytest.fixture
def unsaved(monkeypatch):
    """Figures are made, not rendered, which is what takes long."""
    monkeypatch.setattr(FigureCanvasAgg, "print_png", lambda canvas, path, **options: path.touch())


@pytest.mark.usefixtures("unsaved")
@pytest.mark.parametrize("write", PARTS)
def test_every_part_alone(tmp_path, write):
    assert sorted(drawn_names(tmp_path / "result.hdf5", write)) == sorted(f"{name}.png" for name in PARTS[write])


@pytest.mark.usefixtures("unsaved")
def test_everything_but_filaments(tmp_path):
    names = drawn_names(tmp_path / "result.hdf5", *[write for write in PARTS if write is not write_filament])
    assert sorted(names) == sorted(f"{name}.png" for name in NAMES[3:])


@pytest.mark.usefixtures("unsaved")
def test_every_part_of_a_gas(tmp_path):
    names = drawn_names(tmp_path / "result.hdf5", write_gas, write_box, write_power)
    assert names == [f"{name}.png" for name in OF_ONE_FILAMENT if name != "cross_section"]


@pytest.mark.parametrize("name", ["fdm", "smooth"])
def test_one_density_is_enough(tmp_path, name):
    with result(tmp_path / "one.hdf5", write_filament) as file:
        write_box(file, [name])
        write_power(file, [name])
        (panel,) = box.power(file).axes
        assert len(panel.lines) == 2  # the spectrum and the Nyquist wavenumber
        assert [axes.get_title() for axes in box.projection(file).axes if axes.images] == [box.MAPS[name]]


def settings():
    """All of matplotlib's settings but the backend: to ask for it is to choose one."""
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}


def test_settings_of_the_user_neither_change_nor_matter(drawn, tmp_path):
    path, _ = drawn
    with result(tmp_path / "result.hdf5", write_filament, write_halo, write_power) as file:
        del file["filaments/00/modes"], file["filaments/00/cross_section"], file["filaments/00/profile"]
        del file["haloes/00/profile"]
    with matplotlib.rc_context({"figure.facecolor": "black", "font.size": 30, "lines.linewidth": 9}):
        before = settings()
        (again,) = draw(tmp_path / "result.hdf5")
        assert settings() == before
    assert again.read_bytes() == path.with_name("power.png").read_bytes()


def test_stages_import_no_matplotlib_and_figures_no_pyplot():
    code = "import sys, gpu_fdm.pipeline.stages; assert 'matplotlib' not in sys.modules\n"
    code += "from gpu_fdm.plots import box; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_figure_that_cannot_be_written(tmp_path):
    with result(tmp_path / "result.hdf5", write_power):
        pass
    (tmp_path / "power.png").symlink_to(tmp_path / "result.hdf5" / "power.png")
    with pytest.raises(RunError, match=r"power\.png: cannot be written"):
        draw(tmp_path / "result.hdf5")
    assert {entry.name for entry in tmp_path.iterdir()} == {"power.png", "result.hdf5"}


def test_no_result(tmp_path):
    for content, says in ((b"not HDF5", "but a text$"), (b"\0\1\2", ".*file signature not found")):
        (tmp_path / "result.hdf5").write_bytes(content)
        with pytest.raises(InputError, match=rf"result\.hdf5: not an HDF5 file, {says}"):
            draw(tmp_path / "result.hdf5")


@pytest.mark.parametrize("name", NAMES)
def test_text_is_readable(file, name):
    """Large enough, inside the figure, and no text upon another."""
    with matplotlib.style.context(["default", style.STYLE]):
        figure = FIGURES[name].draw(file)
        figure.draw_without_rendering()
    assert_readable(figure)
    assert "z=4" in figure.get_suptitle()


@pytest.mark.parametrize("name", OF_ONE_FILAMENT)
def test_every_figure_of_a_filament_says_which(file, name):
    title = FIGURES[name].draw(file).get_suptitle()
    assert "m_{22}=1" in title and r"M=5\times 10^{9}" in title


def test_cross_section(file):
    density, contrast, phase = (
        axes for axes in filament.cross_section(file).axes if axes.get_xlabel().startswith("$u")
    )
    section = file["filaments/00/cross_section"]
    assert density.images[0].get_array().max() == pytest.approx(section["density"][:].max())
    # made so that the log ratio to the phase average is cos(3 phase); 120 radii interpolate to 1e-3
    shown, expected = contrast.images[0].get_array(), np.cos(3 * section["phase"][:])
    assert shown.count() > 0.7 * shown.size
    assert np.ma.max(np.abs(shown - expected)) < 1e-3
    # Matplotlib computes also with what is masked, which must not be uninitialised memory
    assert np.isnan(shown.data[shown.mask]).all()
    low, high = contrast.images[0].get_clim()
    assert low == -high
    assert [text.get_text() for text in phase.get_legend().texts] == ["5 vortices +", "4 vortices $-$"]
    x, y = 1e3 * section["vortices/x"][:], 1e3 * section["vortices/y"][:]
    plus, minus = (markers.get_offsets() for markers in phase.collections)
    np.testing.assert_allclose(plus, np.stack([x, y], 1)[:5])
    np.testing.assert_allclose(minus, np.stack([x, y], 1)[5:])


def test_de_broglie_length(file):
    # physical 2 pi hbar / (m sigma), here with sigma in m/s, and 1/a = 5;  1e-8: constants are given to 10 digits
    expected = 5 * 2 * np.pi * HBAR_OVER_MASS / 6808 / MPC * 0.6731
    assert filament.de_broglie_length(file) == pytest.approx(expected, rel=1e-8)


def test_a_filament_from_a_table_has_no_de_broglie_length(file):
    del file["filaments/00"].attrs["sigma"]
    assert filament.de_broglie_length(file) is None
    assert r"M=4\times 10^{9}" in filament.cross_section(file).get_suptitle()


def test_as_little_as_there_can_be(tmp_path):
    """No vortices, a single mode, a single bin of the spectrum, and a box too long for its picture."""
    with result(tmp_path / "result.hdf5", lambda file: write_filament(file, modes=1), write_box, write_power) as file:
        vortices = file["filaments/00/cross_section/vortices"]
        for name in ("x", "y", "winding"):
            del vortices[name]
            vortices[name] = np.zeros(0)
        for name in ("fdm", "smooth"):
            del file[f"power/{name}/k"], file[f"power/{name}/power"]
            file[f"power/{name}/k"], file[f"power/{name}/power"] = [0.0, 400.0], [0.0, 0.1]
        file["density"].attrs["box_size"] = (1.0, 1.0, 50.0)
    assert len(draw(tmp_path / "result.hdf5")) == 5


def test_profile(file):
    upper, lower = filament.profile(file).axes
    target, modes = upper.lines[:2]
    assert np.all(modes.get_ydata() > 0)
    np.testing.assert_allclose(target.get_ydata(), mean_density(target.get_xdata()))
    # 5 % low everywhere
    assert "\N{MINUS SIGN}5 % in the core" in modes.get_label()
    inside = lower.lines[0].get_xdata() < 0.2
    np.testing.assert_allclose(lower.lines[0].get_ydata()[inside], -0.05)
    for edge in (CORE, 0.087, 0.199):
        assert any(np.allclose(line.get_xdata(), edge) for line in upper.lines[2:])


def test_weights(file):
    figure = filament.weights(file)
    left, right = figure.axes[:2]
    energy, weight = left.collections[0].get_offsets().T
    np.testing.assert_array_equal(weight, file["filaments/00/modes/weight"])
    # the code unit (L/T)^2 is hbar/m / T;  1e-8: constants are given to 10 digits
    unit = HBAR_OVER_MASS * np.sqrt(1.5 * 0.314649) * 67.31e3 / MPC / 1e6
    np.testing.assert_allclose(energy, file["filaments/00/modes/energy"][:] * unit, rtol=1e-8)
    assert len(right.collections[0].get_offsets()) == len(weight)
    assert "adaptive lasso: 40 of 188 modes" in figure.get_suptitle()
    assert r"E<(20.7\,\mathrm{km/s})^2" in figure.get_suptitle()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("slab_bytes", [1, 700, 2**26])
def test_project(file, monkeypatch, axis, slab_bytes):
    monkeypatch.setattr(box, "SLAB_BYTES", slab_bytes)
    density = file["density/fdm"]
    # 1e-13: sums in double precision, in another order
    np.testing.assert_allclose(box.project(density, axis), density[:].sum(axis, dtype=float), rtol=1e-13)


@pytest.mark.parametrize(
    ("direction", "along", "right", "upward"),
    [
        ((0, 0, 1), "x", "z", "y"),
        ((1, 0, 0.1), "y", "x", "z"),
        ((0.5, -1, 0), "z", "x", "y"),
        ((-1, 1, 1), "x", "z", "y"),
    ],
)
def test_projection_is_from_the_side(file, direction, along, right, upward):
    file["filaments/00"].attrs["direction"] = np.array(direction, float)
    panel = box.projection(file).axes[0]
    sides = dict(zip("xyz", BOX, strict=True))
    assert f"${right}\\;" in panel.get_xlabel()
    assert f"${upward}\\;" in panel.get_ylabel()
    assert panel.images[0].get_extent() == [0, sides[right], 0, sides[upward]]
    # mean density times a length: a cell is as deep as the side over its cells
    axes = {name: i for i, name in enumerate("xyz")}
    depth = sides[along] / CELLS[axes[along]]
    column = file["density/fdm"][:].astype(float).sum(axes[along]) * depth
    column = column if axes[upward] < axes[right] else column.T
    norm = panel.images[0].norm
    np.testing.assert_allclose(panel.images[0].get_array(), np.maximum(column, norm.vmin))


@pytest.mark.parametrize(("nyquist", "last"), [(60.0, 60.0), (100.0, 75.0)])
def test_power(file, nyquist, last):
    for name in ("fdm", "smooth"):
        file[f"power/{name}"].attrs["nyquist"] = nyquist
    upper, lower = box.power(file).axes
    fdm, smooth = (file[f"power/{name}/power"][:] for name in ("fdm", "smooth"))
    k = file["power/fdm/k"][:]
    np.testing.assert_array_equal(upper.lines[0].get_ydata(), fdm[1:])
    # the ratio: not of k = 0, not beyond the Nyquist wavenumber, and not where the smooth power is 1e-12 of its peak
    ratio = lower.lines[0]
    np.testing.assert_array_equal(ratio.get_xdata(), k[(k > 0) & (k <= last)])
    np.testing.assert_allclose(ratio.get_ydata(), (fdm / np.where(k > 0, smooth, 1))[(k > 0) & (k <= last)])
    assert upper.get_xlim()[1] > nyquist
    assert lower.texts[0].get_text() == "over the smooth filament, not over CDM"


def test_what_figures_show():
    for path, name in (
        ("out/one_filament.png", "one_filament"),
        ("mine_power.png", "power"),
        ("mine_simulation_power.png", "simulation_power"),
    ):
        assert plots.what_shows(Path(path), FIGURES.values()) == FIGURES[name].text
    assert plots.what_shows(Path("volume_fdm.png"), FIGURES.values()) == ""


def test_every_figure_of_a_stage_has_a_name_of_its_own_and_a_function():
    names = [figure.name for figure in figures()]
    assert len(set(names)) == len(names)
    for figure in figures():
        module, function = figure.function.split(".")
        assert callable(getattr(import_module(f"gpu_fdm.plots.{module}"), function)) and figure.sources
