"""Figures of a cross-section that was evolved: what they show."""

import numpy as np
import pytest
from plot_files import STEADY_CASES, result, write_steady_state

from gpu_fdm.plots import steady_state, style


@pytest.fixture
def file(tmp_path):
    """A result with three cases of two bosons."""
    with result(tmp_path / "result.hdf5", write_steady_state) as file:
        yield file


def curves(panel):
    """Lines but horizontal and vertical ones."""
    return [line for line in panel.lines if len(line.get_xdata()) > 2]


def test_drift_and_fluctuations(file):
    figure = steady_state.steady_state(file)
    upper, lower = np.reshape(figure.axes, (2, 2))
    assert [panel.get_title() for panel in upper] == ["WKB", "adaptive lasso"]
    assert "own gravity" in figure.get_suptitle() and "z=4" in figure.get_suptitle()
    for panel, below, bosons in zip(upper, lower, ([1.0, 4.0], [1.0]), strict=True):
        assert len(curves(panel)) == 3 * len(bosons) and len(curves(below)) == len(bosons)
        for number, m22 in enumerate(bosons):
            fixed, first, second = curves(panel)[3 * number : 3 * number + 3]
            for line, gain in ((fixed, 0), (first, 1), (second, 2)):
                np.testing.assert_allclose(line.get_xdata(), [0.025, 0.1, 0.25, 1])
                expected = 0.5 * gain / m22 * np.array([1, 2, 1, 0])  # [%]
                np.testing.assert_allclose(line.get_ydata(), expected, atol=1e-12)
                assert line.get_color() == style.boson_looks(file)[m22]["color"]
            np.testing.assert_allclose(curves(below)[number].get_ydata(), 2 / m22)
    names = [text.get_text() for text in upper[0].get_legend().texts]
    assert names == ["mean of the first period", "mean of the second period", "second, in the modes' own potential"]
    assert lower[0].texts[0].get_text() == "age of the universe, 1.54 Gyr"


def test_more_periods_and_completed_gravity(file):
    file["steady_state"].attrs["gravity"] = "completed"
    for group in file["steady_state"].values():
        for case in group.values():
            case.attrs["period"], case.attrs["drift_own"] = 2.0, [0.01, 0.01, 0.01]
    figure = steady_state.steady_state(file)
    assert "mean of the third period" in [text.get_text() for text in figure.axes[0].get_legend().texts]
    assert "that of the mass beyond the energy cut" in figure.get_suptitle()


def test_frames(file):
    figure = steady_state.frames(file)
    panels = [panel for panel in figure.axes if panel.images]
    assert len(panels) == 3 * sum(map(len, STEADY_CASES.values()))
    assert [panel.get_title() for panel in panels[:4]] == [
        *(rf"$t={time}\,\mathrm{{Gyr}}$" for time in ("0.00", "3.50", "7.00")),
        "",
    ]
    rows = [panel.get_ylabel().split("\n")[:2] for panel in panels[::3]]
    assert rows == [["$m_{22}=1$", "WKB"], ["$m_{22}=1$", "adaptive lasso"], ["$m_{22}=4$", "WKB"]]
    group = file["steady_state/m22_4/wkb"]
    shown = panels[-1].images[0]
    peak = 3 * file["steady_state/m22_1/wkb/frames"][0].max()
    assert shown.norm.vmax == pytest.approx(peak) and shown.norm is panels[0].images[0].norm
    np.testing.assert_allclose(shown.get_array(), np.maximum(group["frames"][2], shown.norm.vmin))
    assert panels[0].get_xlim() == pytest.approx((-200, 200))  # R_99 [ckpc/h]
