"""Figures of the population, and the colours of bosons."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from plot_files import mass_function as of_boson
from plot_files import result, write_collapse, write_filament, write_mass_function, write_one_filament

from gpu_fdm.plots import population, style


@pytest.fixture
def file(tmp_path):
    """A population."""
    with result(tmp_path / "result.hdf5", write_mass_function, write_collapse) as file:
        yield file


def only(tmp_path, *writers):
    """A file with a few things, open."""
    return result(tmp_path / "other.hdf5", *writers)


def curves(panel):
    """Lines but horizontal and vertical ones."""
    return [line for line in panel.lines if len(line.get_xdata()) > 2]


def test_mass_function(file):
    figure = population.mass_function(file)
    upper, lower = figure.axes
    mass = file["mass_function/cdm/mass"][:]
    assert [line.get_label() for line in upper.lines] == ["CDM", "$m_{22}=1$", "$m_{22}=2$", "$m_{22}=10$"]
    for line, m22 in zip(upper.lines, (None, 1.0, 2.0, 10.0), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), mass)
        np.testing.assert_allclose(line.get_ydata(), of_boson(mass, m22), rtol=1e-12)
    for line, m22 in zip(curves(lower), (1.0, 2.0, 10.0), strict=True):
        np.testing.assert_allclose(line.get_ydata(), of_boson(mass, m22) / of_boson(mass, None), rtol=1e-12)
    # 7 decades below the peak of 10, while m22 = 1 falls to 1e-10
    assert upper.get_ylim()[0] == pytest.approx(1e-6)
    assert upper.get_ylim()[1] > 10
    assert upper.get_xlim() == pytest.approx((1e8, 1e12))


def test_limits_follow_shallow_functions(tmp_path):
    with only(tmp_path, lambda file: write_mass_function(file, [None])) as file:
        (panel,) = population.mass_function(file).axes
    assert panel.get_ylim()[0] == pytest.approx(1e-3 / 2)


@pytest.mark.parametrize(("bosons", "panels"), [([None], 1), ([1.0], 1), ([1.0, 3.0], 1), ([None, 1.0], 2)])
def test_as_few_as_there_are(tmp_path, bosons, panels):
    with only(tmp_path, lambda file: write_mass_function(file, bosons)) as file:
        figure = population.mass_function(file)
    assert len(figure.axes) == panels
    assert len(curves(figure.axes[0])) == len(bosons)
    assert ("Hu et al. 2000" in figure.get_suptitle()) == (bosons != [None])  # CDM has no cut-off


@pytest.mark.parametrize("figure_of", [population.mass_function, population.collapse])
@pytest.mark.parametrize(
    ("ellipticity", "freeze_out", "expected"),
    [
        ("published", "virial", ["ellipticity from $S$ today (as published)", "freeze when virialised"]),
        ("collapse", "bond_myers", ["ellipticity from $S$ at collapse", "freeze as in Bond & Myers 1996"]),
        ("another", "rule", ["ellipticity another", "freeze rule"]),
    ],
)
def test_choices_are_said(file, figure_of, ellipticity, freeze_out, expected):
    for folder in ("mass_function", "collapse"):
        for group in file[folder].values():
            group.attrs.update(ellipticity=ellipticity, freeze_out=freeze_out)
    line = figure_of(file).get_suptitle()
    for text in ("z=4", *expected):
        assert text in line


def test_collapse(file):
    figure = population.collapse(file)
    assert r"M=5\times 10^{9}\,h^{-1}M_\odot" in figure.get_suptitle()
    for panel, name, group in zip(figure.axes, ("CDM", "$m_{22}=1$, the lightest of 3"), ("cdm", "m22_1"), strict=True):
        a = file[f"collapse/{group}/scale_factor"][:]
        background, *axes = curves(panel)
        np.testing.assert_array_equal(background.get_ydata(), a)
        for line, axis in zip(axes, file[f"collapse/{group}/axes"][:].T, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), a)
            np.testing.assert_array_equal(line.get_ydata(), axis)
        # where axes freeze: 1 and 2 do
        dots = [line for line in panel.lines if line.get_marker() == "o"]
        assert [dot.get_xdata()[0] for dot in dots] == [0.08, 0.2]
        # 2 %: between 30 steps
        assert [dot.get_ydata()[0] for dot in dots] == pytest.approx([0.08 / 1.8, 0.2 / 2], rel=0.02)
        assert [text.get_text() for text in panel.texts[:2]] == ["axis 1\n0.08", "axis 2\n0.2"]
        assert panel.texts[2].get_text().startswith(name)
    first, second = (panel.texts[2].get_text() for panel in figure.axes)
    assert r"$e=1.096$,  $\delta_\mathrm{ec}=1.484$" in first
    assert "$e=1.086$" in second


@pytest.mark.parametrize(
    ("bosons", "names"), [([None], ["CDM"]), ([2.0], ["$m_{22}=2$"]), ([2.0, None], ["CDM", "$m"])]
)
def test_collapse_of_few(tmp_path, bosons, names):
    with only(tmp_path, lambda file: write_collapse(file, bosons)) as file:
        figure = population.collapse(file)
    assert len(figure.axes) == len(names)
    for panel, name in zip(figure.axes, names, strict=True):
        assert panel.texts[-1].get_text().startswith(name)
        assert "the lightest" not in panel.texts[-1].get_text()


def looks(tmp_path, *bosons):
    """Colours of these bosons in a file that holds no others."""
    with only(tmp_path, lambda file: write_one_filament(file, bosons)) as file:
        found = style.boson_looks(file)
    assert found.pop(None) == {"color": "black"}
    return [to_hex(found[m22]["color"]) for m22 in bosons]


def lightness(colour):
    """Relative luminance of an sRGB colour (IEC 61966-2-1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return np.dot([0.2126, 0.7152, 0.0722], linear)


def test_colours_compare_between_files(tmp_path):
    assert looks(tmp_path, 1.0) == [style.VERMILION.lower()]
    assert looks(tmp_path, 1.0, 2.0, 4.0, 8.0)[:2] == looks(tmp_path, 1.0, 2.0)
    assert looks(tmp_path, 0.1, 1.0, 30.0)[1] == style.VERMILION.lower()


@pytest.mark.parametrize(
    "bosons", [(1.0, 2.0, 4.0, 8.0), (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0), (0.1, 1.0, 1.01, 100.0), (20.0, 21.0)]
)
def test_colours_differ_and_darken(tmp_path, bosons):
    colours = looks(tmp_path, *bosons)
    brightness = np.array([lightness(colour) for colour in colours])
    assert np.all(np.diff(brightness) < 0)
    assert brightness[-1] > 0.02  # of CDM it is zero
    rgb = np.array([to_rgb(colour) for colour in colours])
    distance = np.linalg.norm(rgb[:, None] - rgb, axis=-1)[np.triu_indices(len(rgb), 1)]
    assert distance.min() > 0.15  # of 1.7 between black and white


def test_the_filament_counts_among_the_bosons(tmp_path):
    with only(tmp_path, lambda file: write_filament(file, m22=3.0), write_mass_function) as file:
        assert list(style.boson_looks(file)) == [None, 1.0, 2.0, 3.0, 10.0]
    with only(tmp_path) as file:
        assert style.boson_looks(file) == {None: {"color": "black"}}
        assert style.fringes(file) == {"color": style.VERMILION}


def test_numbers_as_text():
    assert style.mass_in_words(5e9) == r"5\times 10^{9}"
    assert style.mass_in_words(1e10) == "10^{10}"
    assert style.mass_in_words(4.934e9) == r"4.93\times 10^{9}"


@pytest.mark.parametrize("scales", [[108, 109, 110, 111], [1.1, 1.2, 500, 510], [999.9, 999.8], [50]])
def test_names_of_scales_stay_apart(scales):
    figure = Figure((6, 4), layout="constrained")
    panel = figure.subplots()
    panel.set(xscale="log", xlim=(1, 1000))
    style.mark_scales([panel], {f"scale {i}": value for i, value in enumerate(scales)}, 5.2)
    figure.draw_without_rendering()
    extents = [Text.get_window_extent(text) for text in panel.texts]
    assert len(extents) == len(scales)
    ordered = sorted(extents, key=lambda extent: extent.x0)
    assert all(one.x1 < other.x0 for one, other in pairwise(ordered))
    order = sorted(panel.texts, key=lambda text: text.get_position()[0])
    assert [text.xy[0] for text in order] == sorted(scales)


def test_no_scale_within():
    panel = Figure().subplots()
    panel.set(xscale="log", xlim=(1, 10))
    style.mark_scales([panel], {"below": 0.5, "above": 20.0}, 5.0)
    assert not panel.texts
    assert not panel.lines
