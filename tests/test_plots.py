"""Figures of small result files: which are drawn, what they show, and what is left untouched."""

import subprocess
import sys
from contextlib import contextmanager

import h5py
import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.text import Text

from gpu_fdm import plots
from gpu_fdm.errors import RunError
from gpu_fdm.units import CodeUnits

HBAR_OVER_MASS = 1.054571817e-34 / (1e-22 * 1.602176634e-19 / 299792458.0**2)  # for m22 = 1 [m^2/s]
MPC = 3.0856775814913673e22  # [m]
NAMES = ["cross_section", "profile", "weights", "projection", "power"]
DPI = 60
CORE = 0.02  # [cMpc/h]
BOX = (1.1, 0.8, 1.0)  # [cMpc/h]
CELLS = (6, 8, 10)


def mean_density(radius):
    return 40 / (1 + (radius / CORE) ** 2) ** 2


def write_filament(file, points=48, modes=40):
    """Everything about one filament; fringes are plane waves, which have vortices nowhere, so some are made up."""
    random = np.random.default_rng(5)
    group = file.create_group("filaments/00")
    group.attrs.update(mass=5e9, segment_mass=4e9, length=1.16, sigma=6.808, redshift=4.0, m22=1.0)
    units = CodeUnits(1.0, 0.6731, 0.314649)
    group.attrs.update(direction=(0.0, 0.0, 1.0), length_unit=units.length, velocity_unit=units.velocity)
    radius = np.geomspace(3e-4, 0.3, 120)
    group["profile/radius"], group["profile/density"] = radius, mean_density(radius)
    # nothing is left of the modes far outside
    group["profile/density_modes"] = np.where(radius < 0.22, 0.95 * mean_density(radius), 0)
    group["profile"].attrs.update(r50=CORE, r95=0.087, r99=0.199)
    l = random.integers(0, 8, modes)
    group["modes/l"], group["modes/n"] = l, random.integers(0, 6, modes)
    group["modes/energy"] = np.linspace(40, 470, modes)
    group["modes/weight"] = np.exp(-np.linspace(1, 12, modes))
    group["modes"].attrs.update(library_modes=188, weights="adaptive_lasso", energy_cut=481.5)
    line = np.linspace(-0.199, 0.199, points)
    phase = np.angle(np.exp(60j * line) + 0.8 * np.exp(90j * line[:, None]))
    section = group.create_group("cross_section")
    section["coordinate"], section["phase"] = line, phase
    section["density"] = 0.95 * mean_density(np.hypot(line, line[:, None])) * 10 ** np.cos(3 * phase)
    section["density"][0, 0] = 0
    section["vortices/x"], section["vortices/y"] = random.uniform(-0.1, 0.1, (2, 9))
    section["vortices/winding"] = [1, 1, 1, 1, 1, -1, -1, -1, -1]


def write_box(file, names=("fdm", "smooth"), seed=6):
    """Densities around a filament along z through the middle, empty at the rim."""
    random = np.random.default_rng(seed)
    density = file.create_group("density")
    density.attrs["box_size"] = BOX
    x, y, _ = ((np.arange(n) + 0.5) * side / n - side / 2 for n, side in zip(CELLS, BOX, strict=True))
    smooth = np.broadcast_to(mean_density(np.hypot(x[:, None], y))[..., None], CELLS).astype(np.float32)
    for name in names:
        values = smooth * (random.exponential(size=CELLS) if name == "fdm" else 1)
        values[0] = 0
        density[name] = values


def write_power(file, names=("fdm", "smooth")):
    """Spectra with a k = 0 row; the smooth one falls below what means anything."""
    k = np.arange(30) * 5.0
    for name in names:
        values = 1 / (1 + (k / 20) ** (4 if name == "fdm" else 20))
        values[0] = 0
        file[f"power/{name}/k"], file[f"power/{name}/power"] = k, values
        file[f"power/{name}"].attrs["nyquist"] = 100.0


@contextmanager
def result(path, *writers):
    """A result file in the making."""
    with h5py.File(path, "w") as file:
        for write in writers:
            write(file)
        yield file


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A whole result, drawn once: its path and what draw returned."""
    path = tmp_path_factory.mktemp("whole") / "result.hdf5"
    with result(path, write_filament, write_box, write_power):
        pass
    return path, plots.draw(path, DPI)


@pytest.fixture
def file(tmp_path):
    """A whole result, open."""
    with result(tmp_path / "result.hdf5", write_filament, write_box, write_power) as file:
        yield file


def drawn_names(path, *writers):
    """Names of the figures that a file with some parts leads to."""
    with result(path, *writers):
        pass
    return [figure.name for figure in plots.draw(path, DPI)]


def test_all_figures_and_nothing_else(drawn):
    path, figures = drawn
    assert figures == [path.with_name(f"{name}.png") for name in NAMES]
    assert {entry.name for entry in path.parent.iterdir()} == {path.name, *(figure.name for figure in figures)}


@pytest.mark.parametrize(
    ("name", "panels"),
    [("cross_section", (1, 3)), ("profile", (2, 1)), ("weights", (1, 2)), ("projection", (1, 2)), ("power", (2, 1))],
)
def test_figures_are_images_with_something_in_every_panel(drawn, name, panels):
    path, _ = drawn
    image = imread(path.with_name(f"{name}.png"))
    rows, columns, channels = image.shape
    assert columns in (10 * DPI, round(6.6 * DPI))
    assert 2.5 * DPI <= rows <= 12 * DPI
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


@pytest.mark.parametrize("name", ["fdm", "smooth"])
def test_one_density_is_enough(tmp_path, name):
    with result(tmp_path / "one.hdf5", write_filament) as file:
        write_box(file, [name])
        write_power(file, [name])
        (panel,) = plots.power(file).axes
        assert len(panel.lines) == 2  # the spectrum and the Nyquist wavenumber
        assert [axes.get_title() for axes in plots.projection(file).axes if axes.images] == [plots.LABELS[name]]


def settings():
    """All of matplotlib's settings but the backend: to ask for it is to choose one."""
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}


def test_settings_of_the_user_neither_change_nor_matter(drawn, tmp_path):
    path, _ = drawn
    with result(tmp_path / "result.hdf5", write_filament, write_power) as file:
        del file["filaments/00/modes"], file["filaments/00/cross_section"], file["filaments/00/profile"]
    with matplotlib.rc_context({"figure.facecolor": "black", "font.size": 30, "lines.linewidth": 9}):
        before = settings()
        (again,) = plots.draw(tmp_path / "result.hdf5", DPI)
        assert settings() == before
    assert again.read_bytes() == path.with_name("power.png").read_bytes()


def test_no_pyplot():
    code = "import sys, gpu_fdm.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_figure_that_cannot_be_written(tmp_path):
    (tmp_path / "power.png" / "in the way").mkdir(parents=True)
    with result(tmp_path / "result.hdf5", write_power):
        pass
    with pytest.raises(RunError, match=r"power\.png: cannot be written"):
        plots.draw(tmp_path / "result.hdf5", DPI)
    assert {entry.name for entry in tmp_path.iterdir()} == {"power.png", "result.hdf5"}


def test_no_result(tmp_path):
    (tmp_path / "result.hdf5").write_text("not HDF5")
    with pytest.raises(OSError, match="file signature not found"):
        plots.draw(tmp_path / "result.hdf5")


@pytest.mark.parametrize("name", NAMES)
def test_text_is_readable(file, name):
    figure_of, *_ = plots.FIGURES[name]
    with matplotlib.style.context(["default", plots.STYLE]):
        figure = figure_of(file)
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 9
    assert "m_{22}=1" in figure.get_suptitle()
    assert r"M=5\times 10^{9}" in figure.get_suptitle()
    assert "z=4" in figure.get_suptitle()


def test_cross_section(file):
    density, contrast, phase = (axes for axes in plots.cross_section(file).axes if axes.get_xlabel().startswith("$u"))
    section = file["filaments/00/cross_section"]
    assert density.images[0].get_array().max() == pytest.approx(section["density"][:].max())
    # made so that the log ratio to the phase average is cos(3 phase); 120 radii interpolate to 1e-3
    shown, expected = contrast.images[0].get_array(), np.cos(3 * section["phase"][:])
    assert shown.count() > 0.7 * shown.size
    assert np.ma.max(np.abs(shown - expected)) < 1e-3
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
    assert plots.de_broglie_length(file) == pytest.approx(expected, rel=1e-8)


def test_a_filament_from_a_table_has_no_de_broglie_length(file):
    del file["filaments/00"].attrs["sigma"]
    assert plots.de_broglie_length(file) is None
    assert r"M=4\times 10^{9}" in plots.cross_section(file).get_suptitle()


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
    assert len(plots.draw(tmp_path / "result.hdf5", DPI)) == 5


def test_profile(file):
    upper, lower = plots.profile(file).axes
    target, modes = upper.lines[:2]
    assert np.all(modes.get_ydata() > 0)
    np.testing.assert_allclose(target.get_ydata(), mean_density(target.get_xdata()))
    inside = lower.lines[0].get_xdata() < 0.2
    np.testing.assert_allclose(lower.lines[0].get_ydata()[inside], -0.05)
    for edge in (CORE, 0.087, 0.199):
        assert any(np.allclose(line.get_xdata(), edge) for line in upper.lines[2:])


def test_weights(file):
    figure = plots.weights(file)
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
    monkeypatch.setattr(plots, "SLAB_BYTES", slab_bytes)
    density = file["density/fdm"]
    # 1e-13: sums in double precision, in another order
    np.testing.assert_allclose(plots.project(density, axis), density[:].sum(axis, dtype=float), rtol=1e-13)


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
    panel = plots.projection(file).axes[0]
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
    upper, lower = plots.power(file).axes
    fdm, smooth = (file[f"power/{name}/power"][:] for name in ("fdm", "smooth"))
    k = file["power/fdm/k"][:]
    np.testing.assert_array_equal(upper.lines[0].get_ydata(), fdm[1:])
    # the ratio: not of k = 0, not beyond the Nyquist wavenumber, and not where the smooth power is 1e-12 of its peak
    ratio = lower.lines[0]
    np.testing.assert_array_equal(ratio.get_xdata(), k[(k > 0) & (k <= last)])
    np.testing.assert_allclose(ratio.get_ydata(), (fdm / np.where(k > 0, smooth, 1))[(k > 0) & (k <= last)])
    assert upper.get_xlim()[1] > nyquist
    assert lower.texts[0].get_text() == "over the smooth filament, not over CDM"
