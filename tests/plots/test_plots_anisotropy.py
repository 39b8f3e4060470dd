"""Figures of P(k, mu) and of multipoles: a line for each bin of mu in one order of colours, signs, errors, scales."""

import numpy as np
import pytest
from matplotlib import style
from matplotlib.colors import rgb_to_hsv, to_rgb
from plot_files import assert_readable, result, write_filament, write_measured_power, write_power, write_power_mu

from gpu_fdm import plots
from gpu_fdm.errors import InputError
from gpu_fdm.pipeline.stages import figures
from gpu_fdm.plots import anisotropy
from gpu_fdm.plots.style import STYLE


def written(path, **how):
    return result(path, lambda file: write_measured_power(file, **how))


def curves(panel):
    """Lines of spectra: neither marks nor the line at zero."""
    return [line for line in panel.lines if len(line.get_xdata()) > 2]


def bands(panel):
    """What is filled between two lines of values."""
    return [band for band in panel.collections if len(band.get_paths()[0].vertices) > 20]


def entries(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_a_line_for_each_bin_of_mu(tmp_path):
    with written(tmp_path / "p.hdf5") as file:
        figure = anisotropy.power_mu(file)
        panel, bar = figure.axes
        lines, powers = curves(panel), file["power/PartType1_mu/power"][1:]
        for number in range(2):
            np.testing.assert_array_equal(lines[number].get_ydata(), powers[:, number])
        np.testing.assert_array_equal(lines[2].get_ydata(), file["power/PartType1/shot_noise"][1:])
        assert len(lines) == 3 and len(bands(panel)) == 2
        assert bar.get_ylabel() == r"$\mu=|k_{y}|/k$" and list(bar.get_yticks()) == [0, 0.5, 1]
        assert entries(figure) == ["error of a Gaussian field", "shot noise (not subtracted)"]
        assert figure.get_suptitle() == "PartType1 of snap,  $z=2$"
        assert r"P(k,\mu)" in panel.get_ylabel() and r"h^{-1}\,\mathrm{cMpc})^3" in panel.get_ylabel()


def test_colours_are_in_the_order_of_mu(tmp_path):
    with result(tmp_path / "result.hdf5", write_filament, write_power) as file:
        write_power_mu(file, bins=12)
        colours = [to_rgb(line.get_color()) for line in curves(anisotropy.power_mu(file).axes[0])]
        assert colours[:12] == colours[12:] and len(colours) == 24
        brightness = [np.dot(colour, (0.21, 0.72, 0.07)) for colour in colours[:12]]
        assert np.all(np.diff(brightness) > 0)
        assert rgb_to_hsv(colours[11])[2] < 0.95


@pytest.mark.parametrize("frame", ["", "/0"])
def test_both_densities_of_a_box(tmp_path, frame):
    with result(tmp_path / "result.hdf5", write_filament, write_power) as file:
        write_power_mu(file, frame=frame)
        figure = anisotropy.power_mu(file)
        lines = curves(figure.axes[0])
        assert [line.get_linestyle() for line in lines] == 4 * ["-"] + 4 * ["--"]
        assert np.isnan(lines[3].get_ydata()[0]) and not np.isnan(lines[3].get_ydata()[1:]).any()  # no modes
        assert len(entries(figure)) == 2 and not bands(figure.axes[0])  # a run stores no errors


def test_a_uniform_density_is_drawn(tmp_path):
    """It has no power at all, from which an axis could take its range."""
    with written(tmp_path / "p.hdf5") as file:
        for name in ("PartType1", "PartType1_mu"):
            for dataset in ("power", "error"):
                file[f"power/{name}/{dataset}"][...] = 0
        del file["power/PartType1/shot_noise"]  # that of a grid
        figure = anisotropy.power_mu(file)
        figure.savefig(tmp_path / "p.png")
        assert all(np.isnan(line.get_ydata()).all() for line in curves(figure.axes[0]))


def test_values_that_are_not_positive_are_gaps(tmp_path):
    with written(tmp_path / "p.hdf5") as file:
        for row in (3, 5):
            file["power/PartType1_mu/power"][row, 0] = -1.0
        figure = anisotropy.power_mu(file)
        line = curves(figure.axes[0])[0]
        assert np.flatnonzero(np.isnan(line.get_ydata())).tolist() == [2, 4]
        assert line.get_markevery() == [3]  # alone between two gaps
        assert entries(figure)[-1] == "gaps: not positive"


def test_what_is_below_its_error_makes_no_decades(tmp_path):
    with written(tmp_path / "p.hdf5") as file:
        file["power/PartType1_mu/power"][20:, :] = 1e-9
        file["power/PartType1_mu/error"][20:, :] = 1e-2
        lowest = anisotropy.power_mu(file).axes[0].get_ylim()[0]
        assert 0.01 < lowest < 1


def test_many_bins_have_no_bands(tmp_path):
    with written(tmp_path / "p.hdf5") as file:
        group = file["power/PartType1_mu"]
        for name, values in {
            "mu_edges": np.linspace(0, 1, 21),
            "power": np.ones((31, 20)),
            "error": np.ones((31, 20)),
        }.items():
            del group[name]
            group[name] = values
        figure = anisotropy.power_mu(file)
        assert len(curves(figure.axes[0])) == 21 and not bands(figure.axes[0])
        assert entries(figure) == ["shot noise (not subtracted)"]


@pytest.mark.parametrize("slope", [-1.0, -5.0])
def test_multipoles_with_their_signs(tmp_path, slope):
    with written(tmp_path / "p.hdf5", slope=slope) as file:
        figure = anisotropy.multipoles(file)
        (panel,) = figure.axes
        group = file["power/PartType1_multipoles"]
        k, power, error = (group[name][1:] for name in ("k", "power", "error"))
        lines = curves(panel)
        for number in range(3):
            np.testing.assert_allclose(lines[number].get_ydata(), k * power[:, number], rtol=1e-12)
            low, high = np.array([band.get_datalim(panel.transData).intervaly for band in bands(panel)])[number]
            assert low == pytest.approx(np.min(k * (power - error)[:, number]))
            assert high == pytest.approx(np.max(k * (power + error)[:, number]))
        np.testing.assert_allclose(lines[3].get_ydata(), 0.5 * k)
        assert panel.get_yscale() == ("linear" if slope == -1 else "symlog")
        inside = k <= 5
        low, high = panel.get_ylim()
        assert low < np.min(k[inside, None] * power[inside]) < 0 < np.max(k[inside, None] * power[inside]) < high
        names = ["monopole $P_0$", "quadrupole $P_2$", "hexadecapole $P_4$"]
        assert entries(figure) == [*names, "shot noise (not subtracted)", "error of a Gaussian field"]
        assert figure.get_suptitle() == "PartType1 of snap,  $z=2$,  along $y$"
        assert r"k\,P_\ell(k)" in panel.get_ylabel() and r"cMpc})^2" in panel.get_ylabel()
        marked = [
            line.get_xdata()[0] for line in panel.lines if len(line.get_xdata()) == 2 and line.get_linestyle() == ":"
        ]
        assert marked == [5.0]


def test_few_modes_do_not_set_the_scale(tmp_path):
    with written(tmp_path / "p.hdf5") as file:
        file["power/PartType1_multipoles/power"][1, 2] = 1e4
        assert anisotropy.multipoles(file).axes[0].get_ylim()[1] < 3


def test_results_without_errors_and_noise(tmp_path):
    """Those of earlier versions have no errors, those of grids no shot noise."""
    with written(tmp_path / "p.hdf5", noise=0, errors=False) as file:
        del file["power/PartType1_mu"].attrs["axis"]
        of_angle, multipoles = anisotropy.power_mu(file), anisotropy.multipoles(file)
        assert not bands(of_angle.axes[0]) and not bands(multipoles.axes[0])
        assert not entries(of_angle) and len(entries(multipoles)) == 3
        assert of_angle.axes[1].get_ylabel() == r"$\mu=|k_{\parallel}|/k$"


@pytest.mark.parametrize("slope", [-1.0, -5.0])
def test_texts_can_be_read(tmp_path, slope):
    with written(tmp_path / "p.hdf5", slope=slope) as file:
        file["power/PartType1_mu/power"][4, 0] = -1.0
        for draw in (anisotropy.power_mu, anisotropy.multipoles):
            with style.context(["default", STYLE]):
                figure = draw(file)
                figure.draw_without_rendering()
            assert_readable(figure)
            (legend,) = figure.legends
            assert not legend.get_window_extent().overlaps(figure.axes[0].get_window_extent())


@pytest.mark.parametrize("field", ["PartType1", "native_fields/dark_matter"])
def test_they_are_drawn_where_a_result_holds_them(tmp_path, field):
    with written(tmp_path / "p.hdf5", field=field):
        pass
    assert [path.name for path in plots.draw(tmp_path / "p.hdf5", figures(), 60)] == [
        f"p_{name}.png" for name in ("power", "power_mu", "multipoles")
    ]
    assert list(plots.figures_within(tmp_path / "p.hdf5", figures(), f"power/{field}_mu")) == ["power", "power_mu"]
    with written(tmp_path / "p.hdf5", field=field) as file:
        del file[f"power/{field}_mu"], file[f"power/{field}_multipoles"]
    assert [figure.name for figure in plots.figures_in(tmp_path / "p.hdf5", figures())] == ["power"]


def test_multipoles_need_their_spectrum(tmp_path):
    with written(tmp_path / "p.hdf5") as file:
        del file["power/PartType1"]
        with pytest.raises(InputError, match="without the P"):
            anisotropy.multipoles(file)
