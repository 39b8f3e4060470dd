"""Combinations that a model measures: closed forms, the Fisher matrix by another route, and derivatives."""

import numpy as np
import pytest

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.inference.combinations import PARAMETERS, Box, PopulationModel, combinations, ends_of
from gpu_fdm.inference.forecast import Bins, fisher_matrix
from gpu_fdm.inference.prediction import Prediction
from gpu_fdm.learn.combinations import Combinations, slopes
from gpu_fdm.pipeline.linear_power import linear_power_of
from gpu_fdm.plots.combinations import combinations as drawn

BINS = Bins(30, 280, 0.4, 0.02)
CONFIG = parse_config("[population]\nmass_min = 1e9\n[wavefunction]\n[one_filament]\n")
HELD = {"redshift": (4.0, 4.0), "omega_m": (0.314649, 0.314649)}
ERROR = 0.05


def of_linear(matrix, spread, names=("m22", "mass_min", "mass_max")):
    """Those of ln P = matrix @ coordinates, the same at all points."""
    slope = np.asarray(matrix) / ERROR
    return Combinations.of_slopes("power", names, np.zeros(len(names)), spread, np.array([slope] * 3), slope)


@pytest.fixture(scope="module")
def prediction():
    return Prediction.of(CONFIG, 4.0, BINS.k)


@pytest.fixture(scope="module")
def model(prediction):
    box = Box.of(prediction, HELD | {"filament_fraction": (0.5, 2.0)})
    return PopulationModel(CONFIG, BINS.k, box, ("power", "smooth"))


@pytest.fixture(scope="module")
def found(model):
    return combinations(model, BINS, 3)


def test_two_bins_measure_two_products_of_powers():
    """One of m22 M_max^0.5 to 5 %, one of M_min^2 to 2.5 %, by hand; the third direction is not seen."""
    spread = np.array([0.5, 0.4, 0.3])
    found = of_linear([[1.0, 0.0, 0.5], [0.0, 2.0, 0.0]], spread)
    basis = found.whole
    np.testing.assert_allclose(basis.importance, [(2 * 0.4 / ERROR) ** 2, (0.5**2 + 0.15**2) / ERROR**2], rtol=1e-12)
    np.testing.assert_allclose(found.powers(basis), [[0, 1, 0], [1, 0, 0.5]], atol=1e-12)
    np.testing.assert_allclose(found.deviations(basis), [0.025, 0.05], rtol=1e-12)
    assert found.measured(basis) == 2 and found.turned < 1e-6
    assert found.lines()[:3] == [
        "P(k) of matter measures 2 combinations of 3",
        "  M_min to 2.5 %, 16 times better than the ranges",
        "  m22 M_max^0.50 to 5 %, 10.4 times better than the ranges",
    ]


def test_parameters_that_do_the_same_are_one():
    """Two amplitudes that enter as their product: an eigenvalue of zero to round-off, and a combination less."""
    slope = np.random.default_rng(1).standard_normal((9, 3))
    slope[:, 2] = 0.7 * slope[:, 1]
    found = of_linear(slope, np.ones(3))
    values = np.linalg.eigvalsh(found.fisher)
    assert abs(values[0]) < 1e-14 * values[-1] and len(found.whole.importance) == 2
    rows = found.powers(found.whole)
    np.testing.assert_allclose(rows[:, 2], 0.7 * rows[:, 1], rtol=1e-9)
    with pytest.raises(InputError, match=r"P\(k\) of matter: depends on none of m22, mass_min, mass_max"):
        _ = of_linear(np.zeros((2, 3)), np.ones(3)).whole


def test_of_the_model_itself_two_amplitudes_are_one(model):
    """A_s that is a product of two parameters, in the prediction."""
    box, at = model.box, model.box.names.index("ln10As")

    def of_both(point):
        return model(np.concatenate([point[:at], [point[at] + point[-1]], point[at + 1 : -1]]))[0]

    point = np.append(box.middle, 0.0)
    slope = slopes(of_both, point, np.append(box.steps, box.steps[at]))
    spread = np.append(box.spread, box.spread[at])
    found = Combinations.of_slopes("power", [*box.names, "mass_max"], point, spread, slope[None], slope)
    scaled = np.linalg.eigvalsh(found.fisher / np.sqrt(np.outer(np.diag(found.fisher), np.diag(found.fisher))))
    assert abs(scaled[0]) < 1e-14


def test_at_one_point_they_are_eigenvectors_of_the_fisher_matrix(prediction, found):
    """The matrix of gpu-fdm forecast, whose derivatives have other steps and are taken of n_s itself."""
    power, middle = found[0], prediction.prepared.config.cosmology.n_s
    names = ["m22", "ln10As", "n_s", "mass_min", "filament_fraction"]
    wanted = fisher_matrix(prediction, BINS, 2.0, dict.fromkeys(names[1:], np.inf))
    scale = np.array([1, 1, middle, 1, 1])
    chosen = [power.names.index(name) for name in names]
    np.testing.assert_allclose(power.at_middle[np.ix_(chosen, chosen)], wanted * np.outer(scale, scale), rtol=2e-4)
    basis, spread = power.local, power.spread
    values, vectors = np.linalg.eigh(power.at_middle * np.outer(spread, spread))
    number = power.measured(basis)
    assert number >= 3
    np.testing.assert_allclose(basis.importance[:number], values[::-1][:number], rtol=1e-9)
    np.testing.assert_allclose(np.abs(power.shares(basis)[:number]), np.abs(vectors.T[::-1][:number]), atol=1e-8)
    covariance = np.linalg.inv(power.at_middle)  # with all else free: of each combination it has the error that is told
    products = power.powers(basis)[:number]
    errors = np.sqrt(np.einsum("ci,ij,cj->c", products, covariance, products))
    np.testing.assert_allclose(errors, power.deviations(basis)[:number], rtol=1e-4)


def test_derivatives_do_not_depend_on_their_steps(model):
    point = model.box.points(5)[3]
    found = [slopes(model, point, np.full(len(point), step)) for step in (1e-5, 1e-4)]
    assert np.all(np.abs(found[1] - found[0]) < 1e-5 * np.abs(found[0]).max(axis=(0, 1)))


def test_redshift_and_omega_m_change_the_linear_power():
    """Without filaments ln P is that of growth and of linear theory, which are known without a barrier."""
    config = parse_config("[cosmology]\nlinear_power = eisenstein_hu\n[population]\nmass_min = 2e9\n")
    k = np.array([1.0, 3.0])
    fixed = {name: (value, value) for name, value in (("m22", 2.0), ("n_s", 0.9655), ("ln10As", 3.089))}
    fixed |= {"mass_min": (3e9, 3e9), "mass_max": (3e10, 3e10), "filament_fraction": (1e-12, 1e-12)}
    box = Box.of(Prediction.of(config, 4.0, k), fixed)
    assert box.names == ("redshift", "omega_m")
    model = PopulationModel(config, k, box, ("power",))
    (found,) = slopes(model, box.middle, box.steps)

    def linear(omega_m, a):
        power = linear_power_of(
            parse_config(f"[cosmology]\nlinear_power = eisenstein_hu\nomega_m = {float(omega_m)!r}\n")
        )
        return np.log(power(k) * power.background.growth(a) ** 2)

    middle, step = float(np.exp(box.middle[1])), 1e-3
    by_a = (linear(middle, 0.2 * np.exp(-step)) - linear(middle, 0.2 * np.exp(step))) / (2 * step)
    by_matter = (linear(middle * np.exp(step), 0.2) - linear(middle * np.exp(-step), 0.2)) / (2 * step)
    np.testing.assert_allclose(found, np.array([by_a, by_matter]).T, rtol=1e-6)
    nodes = box.points(4)
    np.testing.assert_allclose(nodes.mean(axis=0), box.middle, rtol=1e-12)
    np.testing.assert_allclose(nodes.std(axis=0), box.spread, rtol=1e-12)


def test_points_fill_the_box(model):
    points, box = model.box.points(3000), model.box
    assert np.all((points > box.low) & (points < box.high))
    np.testing.assert_allclose(points.mean(axis=0), box.middle, atol=0.01 * box.spread.max())
    np.testing.assert_allclose(np.cov(points.T) / np.outer(box.spread, box.spread), np.eye(len(box.low)), atol=0.05)


def test_the_boost_measures_fewer_than_the_power(found):
    power, boost = found
    assert power.measured(power.whole) > boost.measured(boost.whole) >= 1
    assert len(power.whole.importance) <= 6


def test_figure(found):
    figure = drawn(found, "bins")
    assert len(figure.axes) == 6
    left, middle, right = figure.axes[:3]
    assert left.get_title() == "P(k) of matter" and figure.axes[3].get_title() == "the boost over smooth"
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["the box", "its middle"]
    for panel, basis in ((middle, found[0].whole), (right, found[0].local)):
        number = found[0].measured(basis)
        assert len(panel.get_yticks()) == number and len(panel.get_xticks()) == len(found[0].names) == 6
        assert panel.get_yticklabels()[0].get_text() == f"{100 * found[0].deviations(basis)[0]:.2g} %"
    figure.canvas.draw()


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"h": (0.6, 0.7)}, "range of h: must be of one of m22, redshift, ln10As"),
        ({"m22": (2.0, 1.0)}, "range of m22, 2 to 1: must be above 0 and finite, and not fall"),
        ({"m22": (0.0, 1.0)}, "range of m22, 0 to 1: must be above 0"),
        ({"ln10As": (3.0, np.inf)}, "range of ln10As, 3 to inf: must be finite"),
        (
            {name: (1.0, 1.0) for name in ("m22", "redshift", "ln10As", "n_s", "omega_m", "mass_min", "mass_max")},
            "free",
        ),
    ],
)
def test_ranges_that_are_refused(prediction, ranges, message):
    with pytest.raises(InputError, match=message):
        Box.of(prediction, ranges)


def test_default_ranges_end_where_predictions_do():
    """No redshift below 0, and no mass beyond those of [population]: a range about 0 or about such a mass is a half."""
    text = "[cosmology]\nlinear_power = eisenstein_hu\nredshift = 0\n[population]\nmass_min = 5e8\nmass_max = 1e11\n"
    config = parse_config(text + "[wavefunction]\n[one_filament]\nmass_min = 5e8\nmass_max = 1e11\n")
    ends = ends_of(config, {"m22": (1.0, 1.0)})
    assert ends["redshift"] == pytest.approx((0.0, np.expm1(0.1)), rel=1e-12)
    assert ends["mass_min"] == pytest.approx((5e8, 5e8 * np.exp(0.4))) and ends["m22"] == (1.0, 1.0)
    assert ends["mass_max"] == pytest.approx((1e11 * np.exp(-0.4), 1e11)) and ends["filament_fraction"] == (1.0, 1.0)
    assert "ln10As" not in ends and "n_s" not in ends
    assert [*ends_of(config, {}, {"ln10As": 3.0, "n_s": 1.0})] == [*PARAMETERS]
    config = parse_config("[population]\nmass_min = 1e10\n")  # the default of [one_filament] is less
    assert ends_of(config, {})["mass_min"] == pytest.approx((1e10, 1e10 * np.exp(0.4)))
    config = parse_config("[population]\n[wavefunction]\n[one_filament]\nmass_min = 1e10\nmass_max = 1.5e10\n")
    message = (
        r"^range of mass_min, 6.7.*e\+09 to 1.4918.*e\+10: must end where that of mass_max, 1.005.*, begins, or before$"
    )
    with pytest.raises(InputError, match=message):
        ends_of(config, {})


def test_points_beyond_what_can_be_predicted_are_named(prediction):
    box = Box.of(prediction, HELD | {"m22": (0.01, 1.0)})
    with pytest.raises(InputError, match=r"^at m22 = 0.1, redshift = 4, .*: m22 = 0.1.*, where the last fringes end"):
        combinations(PopulationModel(CONFIG, BINS.k, box, ("power",)), BINS, 2)
