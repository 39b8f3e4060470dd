"""The figure of a cross spectrum: signs, bands, the correlation on its axis, and names."""

import numpy as np
import pytest
from matplotlib import style
from plot_files import assert_readable, result, write_cross_power, write_measured_power

from gpu_fdm import plots
from gpu_fdm.pipeline.stages import figures
from gpu_fdm.plots import box
from gpu_fdm.plots.style import STYLE


def written(path, **how):
    return result(path, lambda file: write_cross_power(file, **how))


def curves(panel):
    return [line for line in panel.lines if len(line.get_xdata()) > 2]


def entries(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("field", ["PartType1", "native_fields/dark_matter"])
def test_both_signs_are_seen(tmp_path, sign, field):
    with written(tmp_path / "p.hdf5", sign=sign, field=field) as file:
        figure = box.power(file)
        upper, lower = figure.axes
        first, _, second, _, positive, negative = (line for line in curves(upper))
        cross = file[f"power/{field}_cross/power"][1:]
        np.testing.assert_array_equal(first.get_ydata(), file[f"power/{field}/power"][1:])
        np.testing.assert_array_equal(second.get_ydata(), file[f"power/{field}_other/power"][1:])
        np.testing.assert_array_equal(positive.get_ydata(), np.where(cross > 0, cross, np.nan))
        np.testing.assert_array_equal(negative.get_ydata(), np.where(cross < 0, -cross, np.nan))
        assert positive.get_linestyle() == "-" and negative.is_dashed()
        (r,) = curves(lower)
        np.testing.assert_array_equal(r.get_ydata(), file[f"power/{field}_cross/correlation"][1:])
        low, high = lower.get_ylim()
        assert low < min(r.get_ydata()) < 0 < max(r.get_ydata()) < high and lower.get_yscale() == "linear"
        shown = "$P_1$", "$P_2$", "$P_{12}$", "$-P_{12}$, where it is negative", "shot noise (subtracted)"
        assert entries(figure) == [*shown]
        assert figure.get_suptitle() == f"1: {field} of snap\n2: {field}_other of snap,  $z=2$"


def test_grids_of_one_sign(tmp_path):
    with written(tmp_path / "p.hdf5", noise=0) as file:
        group = file["power/PartType1_cross"]
        for name in ("power", "correlation"):
            values = group[name][:]
            group[name][...] = np.abs(values)
        figure = box.power(file)
        assert entries(figure) == ["$P_1$", "$P_2$", "$P_{12}$"]
        assert figure.axes[1].get_ylim()[0] == pytest.approx(-0.1)


def test_where_no_correlation_is_known(tmp_path):
    """Neither power is positive, or all is zero: the panel of r is empty, and nothing fails."""
    with written(tmp_path / "p.hdf5") as file:
        group = file["power/PartType1_cross"]
        for name in ("correlation", "correlation_error"):
            group[name][...] = np.nan
        for name in ("", "_other", "_cross"):
            file[f"power/PartType1{name}/power"][...] = 0
        with style.context(["default", STYLE]):
            figure = box.power(file)
            figure.draw_without_rendering()
        assert figure.axes[1].get_ylim() == (-1.3, 1.3)


@pytest.mark.parametrize("source", ["snap", "a_long_name_of_a_snapshot_of_a_simulation_with_baryons_z2.25_012.hdf5"])
def test_texts_can_be_read(tmp_path, source):
    with written(tmp_path / "p.hdf5") as file:
        for name in ("", "_other"):
            file[f"power/PartType1{name}"].attrs["source"] = source
        with style.context(["default", STYLE]):
            figure = box.power(file)
            figure.draw_without_rendering()
        assert_readable(figure)
        (legend,) = figure.legends
        assert not any(legend.get_window_extent().overlaps(panel.get_window_extent()) for panel in figure.axes)


def test_it_is_drawn_where_a_result_holds_one(tmp_path):
    with written(tmp_path / "p.hdf5"):
        pass
    assert [path.name for path in plots.draw(tmp_path / "p.hdf5", figures(), 60)] == ["p_power.png"]
    shown = plots.figures_within(tmp_path / "p.hdf5", figures(), "power/PartType1_cross")["power"]
    assert len(shown.axes) == 2


@pytest.mark.parametrize(("subtracted", "says"), [("yes", " (subtracted)"), ("no", " (not subtracted)"), (None, "")])
def test_legends_say_what_became_of_shot_noise(tmp_path, subtracted, says):
    with result(tmp_path / "p.hdf5", lambda file: write_measured_power(file, subtracted=subtracted)) as file:
        assert entries(box.power(file)) == ["measured", f"shot noise{says}"]
