"""Figures of exact spectra: what is drawn, down to where, and what they say."""

import numpy as np
import pytest
from matplotlib.colors import to_hex
from plot_files import (
    WAVENUMBERS,
    result,
    spectrum_parts,
    write_collapse,
    write_filament,
    write_gas,
    write_mass_function,
    write_one_filament,
    write_power,
    write_single_power,
)

from gpu_fdm.plots import spectra, style
from gpu_fdm.plots.box import power
from gpu_fdm.plots.filament import profile
from gpu_fdm.plots.population import collapse, mass_function

NOT_OVER_CDM = "over the smooth filament, not over CDM"


@pytest.fixture
def file(tmp_path):
    """A filament and its exact spectrum with draws, and one-filament spectra."""
    with result(tmp_path / "result.hdf5", write_filament, write_single_power, write_one_filament) as file:
        yield file


def labelled(panel):
    """The lines that a legend names."""
    return {line.get_label(): line for line in panel.lines if not line.get_label().startswith("_")}


def curves(panel):
    """Lines but horizontal and vertical ones, and points."""
    return [line for line in panel.lines if len(line.get_xdata()) > 2 and line.get_marker() != "o"]


def marked(panels):
    """Where dotted vertical lines are, in the first panel, which has to be where they are in all."""
    dotted = [[line.get_xdata()[0] for line in panel.lines if line.get_linestyle() == ":"] for panel in panels]
    assert all(others == dotted[0] for others in dotted)
    return dotted[0]


def names(panel):
    """What is written above a panel, in the order of the places there."""
    above = [text for text in panel.texts if text.get_verticalalignment() == "bottom"]
    return [text.get_text() for text in sorted(above, key=lambda text: text.get_position()[0])]


def test_parts_of_a_spectrum(file):
    upper, *_ = spectra.single_power(file).axes
    lines = labelled(upper)
    scales = [text.get_text().split(": ")[1] for text in upper.figure.legends[0].get_texts()]
    assert scales == list(spectra.SCALE_WORDS.values())
    for part, values in zip(lines.values(), spectrum_parts(WAVENUMBERS), strict=True):
        np.testing.assert_array_equal(part.get_xdata(), WAVENUMBERS[values > 0])
        np.testing.assert_array_equal(part.get_ydata(), values[values > 0])
    assert list(lines) == [*style.LABELS.values(), "interference of all modes", "self term, subtracted"]
    assert "fixed" in spectra.single_power(file).get_suptitle()
    file["single_power/00"].attrs["statistics"] = "gaussian"
    figure = spectra.single_power(file)
    assert "self term, included" in labelled(figure.axes[0])
    assert "Gaussian" in figure.get_suptitle()


@pytest.mark.parametrize(("scale", "floor"), [(1, 1e-12), (1e-4, 1e-14)])
def test_nothing_of_round_off(file, scale, floor):
    """12 decades of a spectrum, but nothing below 1e-14 of the mass squared."""
    group = file["single_power/00"]
    for name in spectra.PARTS:
        group[name][...] *= scale
    upper, _, lower, _ = spectra.single_power(file).axes
    assert upper.get_ylim()[0] == pytest.approx(floor, rel=0.02)  # at k = 1 the spectrum is 1.01
    fdm, smooth, *_ = spectrum_parts(WAVENUMBERS)
    (ratio,) = curves(lower)
    shown = np.minimum(fdm, smooth) * scale > upper.get_ylim()[0]
    assert 30 < np.count_nonzero(shown) < 55
    np.testing.assert_array_equal(ratio.get_xdata(), WAVENUMBERS[shown])
    np.testing.assert_allclose(ratio.get_ydata(), (fdm / smooth)[shown], rtol=1e-12)
    assert [text.get_text().replace("\n", " ") for text in lower.texts] == [NOT_OVER_CDM]


def test_scales_are_marked(file):
    upper, plane, lower, difference = spectra.single_power(file).axes
    assert marked([upper, lower]) == [108, 112, 210, 900]
    expected = {r"$k_\mathrm{gs}$": 108, r"$k_\mathrm{detach}$": 112, r"$k_\mathrm{cut}$": 210}
    expected = [f"{name}\n{value}" for name, value in (expected | {r"$k_\mathrm{fringe}$": 900}).items()]
    assert names(upper) == expected
    # where the average over orientations detaches is not where the plane's spectrum does
    assert marked([plane, difference]) == [108, 210, 900]
    assert names(plane) == [expected[0], *expected[2:]]


def test_scales_that_are_not_there(file):
    """k_detach, k_cut, and k_fringe may be beyond the wavenumbers of a spectrum."""
    group = file["single_power/00"]
    del group.attrs["k_detach"]
    group.attrs["k_fringe"] = 1200.0
    upper, plane, lower, difference = spectra.single_power(file).axes
    assert marked([upper, lower, plane, difference]) == [108, 210]


def test_draws(file):
    _, plane, _, difference = spectra.single_power(file).axes
    fdm, smooth, *_ = spectrum_parts(WAVENUMBERS)
    bars, band = plane.get_legend().get_texts()
    assert bars.get_text() == "mean of 64 draws of the phases"
    assert band.get_text() == "scatter of single filaments"
    for line, values in zip(curves(plane), (fdm, smooth), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values[values > 0])
    points = next(line for line in plane.lines if line.get_marker() == "o")
    assert 20 <= len(points.get_xdata()) <= spectra.MOST_POINTS
    np.testing.assert_allclose(points.get_ydata(), 1.03 * np.interp(points.get_xdata(), WAVENUMBERS, fdm))
    points = next(line for line in difference.lines if line.get_marker() == "o")
    np.testing.assert_allclose(points.get_ydata(), 0.03, rtol=1e-9)  # 1.03 - 1, to round-off
    low, high = difference.get_ylim()
    assert low == -high
    assert high > 0.03 + 0.103


def test_without_draws(tmp_path):
    with result(tmp_path / "result.hdf5", lambda file: write_single_power(file, draws=0)) as file:
        upper, lower = spectra.single_power(file).axes
    assert lower.texts[0].get_text() == NOT_OVER_CDM
    assert marked([upper, lower]) == [108, 112, 210, 900]


def test_all_of_a_gas(tmp_path):
    """From the lightest on, which is the last, each with its smooth spectrum before it."""
    with result(tmp_path / "result.hdf5", write_gas) as file:
        file["single_power/01/power_fdm"][...] *= 2
        figure = spectra.single_power(file)
        assert "3 filaments" in figure.get_suptitle()
        for number, line in zip("210", figure.axes[0].lines[1::2], strict=False):
            values = file[f"single_power/0{number}/power_fdm"][:]
            np.testing.assert_array_equal(line.get_ydata(), values[values > 0])
        assert len({to_hex(line.get_color()) for line in figure.axes[1].lines[:3]}) == 3


def test_one_filament(file):
    figure = spectra.one_filament(file)
    upper, lower = figure.axes
    entries = [text.get_text() for text in upper.get_legend().get_texts()]
    assert entries == ["$m_{22}=1$", "$m_{22}=2$", "$m_{22}=10$", *style.LABELS.values()]
    for number, m22 in enumerate((1.0, 2.0, 10.0)):
        group = file[f"one_filament_power/m22_{m22:g}"]
        fdm, smooth = upper.lines[2 * number : 2 * number + 2]
        np.testing.assert_array_equal(fdm.get_ydata(), group["power_fdm"])
        np.testing.assert_array_equal(smooth.get_ydata(), group["power_smooth"])
        assert fdm.get_linestyle() == "-"
        assert smooth.get_linestyle() == "--"
        assert fdm.get_color() == smooth.get_color() == lower.lines[number].get_color()
        # not where nothing is known about the error
        ratio = lower.lines[number]
        shown = group["power_smooth"][:] > upper.get_ylim()[0]
        np.testing.assert_array_equal(ratio.get_ydata(), (group["power_fdm"][:] / group["power_smooth"][:])[shown])
    assert upper.get_ylim()[0] == pytest.approx(1e-7 * 1.6 * 1.01, rel=0.01)
    assert upper.get_xlim()[0] == 1
    assert lower.texts[0].get_text() == NOT_OVER_CDM


@pytest.mark.parametrize(
    ("normalisation", "mass_function", "shape", "expected"),
    [
        ("population", "collapse", "collapse", ["mean density of these filaments", "and shapes from collapse"]),
        ("matter", "published", "published", ["mean density of all matter", "and shapes as published"]),
        ("matter", "published", "collapse", ["function as published", "shapes from collapse"]),
    ],
)
def test_choices_of_one_filament_spectra(file, normalisation, mass_function, shape, expected):
    for group in file["one_filament_power"].values():
        group.attrs.update(normalisation=normalisation, mass_function=mass_function, shape=shape)
    line = spectra.one_filament(file).get_suptitle()
    for text in ("z=4", r"M=3\times 10^{9}\;\mathrm{to}\;3\times 10^{10}\,h^{-1}M_\odot", *expected):
        assert text in line


def write_m22_2(file):
    """A filament of another boson."""
    write_filament(file, m22=2.0)


def test_a_boson_has_one_colour_everywhere(tmp_path):
    parts = (write_m22_2, write_single_power, write_power, write_mass_function, write_collapse, write_one_filament)
    with result(tmp_path / "result.hdf5", *parts) as file:
        del file["collapse/m22_1"]
        colour = to_hex(style.boson_looks(file)[2.0]["color"])
        assert colour != style.VERMILION
        lines = [
            profile(file).axes[0].lines[1],
            power(file).axes[0].lines[0],
            curves(spectra.single_power(file).axes[0])[0],
            mass_function(file).axes[0].lines[2],
            curves(collapse(file).axes[1])[1],
            spectra.one_filament(file).axes[0].lines[2],
        ]
        assert [to_hex(line.get_color()) for line in lines] == [colour] * 6
        assert mass_function(file).axes[0].lines[0].get_color() == "black"
