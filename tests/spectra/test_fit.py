"""Marks of boosts, chi-squared, interpolation between boson masses, and masses found again in mock boosts."""

import numpy as np
import pytest
from filaments import published_cylinder
from threadpoolctl import threadpool_limits

from gpu_fdm.errors import InputError
from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.fit import BoostGrid, agreement, fit_m22, marks_of
from gpu_fdm.spectra.phase_average import polar_spectrum
from gpu_fdm.spectra.sampled import sampled_spectrum
from gpu_fdm.units import CodeUnits

K = np.geomspace(30, 400, 40)
GRID_MASSES = np.geomspace(0.5, 2, 9)
TRUE = 1.0
FILAMENTS = 16  # in a mock
TRIALS = 50


def boost(k, values, m22=None, error=None, **more):
    return Boost(k, values, "fdm", "smooth", error=error, m22=m22, **more)


def toy(m22, k=K):
    """A bump that moves as sqrt(m22) and shrinks as 1/m22."""
    x = np.log(k / (120 * m22**0.5))
    return boost(k, np.exp(1.5 / m22 * np.exp(-(x**2) / 0.5)), m22)


def toy_grid(masses=(0.5, 0.7, 1.0, 1.4, 2.0)):
    return BoostGrid(tuple(toy(m22, np.geomspace(5, 3000, 200)) for m22 in masses))


# marks


def test_marks_of_a_bump():
    marks = marks_of(toy(1.0), threshold=2.0)
    # exp(1.5 exp(-2 x^2)) = 2 and its largest value exp(1.5)
    crossing = 120 * np.exp(-np.sqrt(np.log(1.5 / np.log(2)) / 2))
    assert marks.k_detach == pytest.approx(crossing, rel=2e-3)  # 40 rows, straight lines between them in logarithms
    assert marks.k_peak == pytest.approx(120, rel=0.04)  # half a step
    assert marks.height == pytest.approx(np.exp(1.5), rel=5e-3)
    assert not marks.at_end


def test_slope_of_the_decline_is_that_of_a_power_law():
    k = np.geomspace(1, 100, 31)
    broken = 50 * np.minimum((k / 10) ** 2, (k / 10) ** -3)
    for error in (None, 0.1 * broken, 0.1 * k):
        assert marks_of(boost(k, broken, error=error)).slope == pytest.approx(-3, rel=1e-10)
    # rows with large errors count for little
    bent = np.where(k < 50, broken, 40)
    assert marks_of(boost(k, bent, error=np.where(k < 50, 1e-3, 1e3) * bent)).slope == pytest.approx(-3, abs=1e-4)
    rising = marks_of(boost(k, k**2))
    assert (rising.k_peak, rising.at_end, rising.slope) == (100, True, None)


def test_detachment_must_be_significant():
    k, values = np.array([1.0, 2, 4, 8, 16]), np.array([1.0, 3.0, 1.5, 2.8, 9.0])
    assert marks_of(boost(k, values)).k_detach == pytest.approx(
        np.exp(np.interp(np.log(2), np.log([1, 3]), np.log([1, 2])))
    )
    noisy = marks_of(boost(k, values, error=np.full(5, 0.7)))
    # ln(3/2) and ln(2.8/2) are less than two errors: the crossing is the last below the first significant row
    assert noisy.k_detach == pytest.approx(np.exp(np.interp(np.log(2), np.log([1.5, 2.8]), np.log([4, 8]))))
    assert marks_of(boost(k, values, error=np.full(5, 40.0))).k_detach is None
    assert marks_of(boost(k, values + 2)).k_detach == 1.0
    assert marks_of(boost(k, [0, 0, 3, 3, 3])).k_detach == 4.0


def test_marks_leave_out_what_is_beyond_nyquist():
    marked = boost(K, toy(1.0).boost, beyond_nyquist=K > 100)
    assert (marks_of(marked).at_end, marks_of(marked).k_peak) == (True, K[K <= 100][-1])
    with pytest.raises(InputError, match=r"^fdm/smooth: all rows are beyond the Nyquist wavenumber$"):
        marks_of(boost(K, K, beyond_nyquist=K > 0))
    with pytest.raises(InputError, match=r"^threshold = 1: must be above 1, the boost without an effect$"):
        marks_of(toy(1.0), threshold=1.0)


# agreement


def test_chi_squared_of_known_differences():
    model = boost(K, K**1.5)
    k = np.array([20.0, 40.0, 100.0, 200.0, 300.0])
    factor = np.exp([9.0, 0.3, -0.2, 0.1, 5.0])
    table = boost(k, k**1.5 * factor, error=0.1 * k**1.5 * factor, beyond_nyquist=k == 300)
    found = agreement(table, model)
    # a power law is a straight line to the spline
    assert found.chi_squared == pytest.approx(3**2 + 2**2 + 1, rel=1e-9)
    assert found.rms == pytest.approx(np.sqrt(0.14 / 3), rel=1e-9)
    assert (found.rows, found.left_out) == (3, 2)
    assert agreement(boost(k, k**1.5), model).chi_squared is None


def test_chi_squared_of_correlated_rows():
    """Two rows with correlation r: (x^2 + y^2 - 2 r x y)/(1 - r^2)."""
    k, x, y, r = np.array([50.0, 100.0]), 0.3, -0.1, 0.8
    table = boost(k, np.exp([x, y]), error=0.1 * np.exp([x, y]))
    found = agreement(table, boost(K, np.ones(40)), correlation=[[1, r], [r, 1]])
    assert found.chi_squared == pytest.approx((x * x + y * y - 2 * r * x * y) / 0.01 / (1 - r * r), rel=1e-12)


@pytest.mark.parametrize(
    ("table", "correlation", "message"),
    [
        (
            Boost(K, K, "fdm", "cdm"),
            None,
            "fdm/cdm and fdm/smooth: must be ratios of the same things to be compared",
        ),
        (
            boost(K, K, redshift=3.0),
            None,
            "fdm/smooth: redshift = 3 and 4: must be the same to be compared",
        ),
        (
            boost(K + 500, K),
            None,
            "fdm/smooth: 0 rows in [30, 400] h/Mpc, the range of the model, that are positive and not beyond the "
            "Nyquist wavenumber: must be 1 or more",
        ),
        (
            boost(K, K, error=K - K[0]),
            None,
            "fdm/smooth: error = 0 at k = 30 h/Mpc: must be positive to be compared",
        ),
        (boost(K, K), np.eye(3), "correlation of shape (3, 3): must be (40, 40), the rows of the table"),
        (
            boost(K, K),
            np.ones((40, 40)),
            "correlation: must be symmetric and positive definite, with 1 on its diagonal",
        ),
        (boost(K, K), 2 * np.eye(40), "correlation: must be symmetric and positive definite, with 1 on its diagonal"),
    ],
)
def test_comparisons_that_are_refused(table, correlation, message):
    with pytest.raises(InputError) as caught:
        agreement(table, boost(K, K, redshift=4.0), correlation)
    assert str(caught.value) == message


# between masses


def test_grid_follows_what_moves():
    """The toy's bump moves as sqrt(m22), with the scaling of the grid: what is left to interpolate is 1/m22."""
    grid = toy_grid()
    for m22 in (0.5, 0.6, 0.85, 1.2, 1.7, 2.0):
        found = grid(m22)
        assert np.log(found.boost) == pytest.approx(np.log(toy(m22, found.k).boost), abs=0.015)
        assert (found.m22, found.name) == (m22, "fdm/smooth")
        # all k of the grid that are there for every mass
        assert found.k[[0, -1]] == pytest.approx([5 * np.sqrt(m22 / 0.5), 3000 * np.sqrt(m22 / 2)], rel=1e-12)
    assert grid.m22_range == (0.5, 2.0)


@pytest.mark.parametrize(
    ("boosts", "scaling", "message"),
    [
        ([toy(1.0), toy(2.0), toy(3.0)], 0.5, "3 boosts: must be at least 4 for a grid of m22"),
        ([toy(m) for m in (1, 3, 2, 4)], 0.5, "m22 = 1, 3, 2, 4 of a grid: must be known, positive and increasing"),
        (
            [boost(K, K)] * 4,
            0.5,
            "m22 = None, None, None, None of a grid: must be known, positive and increasing",
        ),
        (
            [toy(1), toy(2), toy(3), boost(K, 0 * K, 4.0)],
            0.5,
            "fdm/smooth, m22 = 4: must have two or more rows, all positive, to be in a grid of m22",
        ),
        (
            [toy(1), toy(2), toy(3), Boost(K, K, "fdm", "cdm", m22=4)],
            0.5,
            "fdm/smooth and fdm/cdm: must be ratios of the same things to be compared",
        ),
        ([toy(m) for m in (1, 2, 3, 4)], np.inf, "scaling = inf: must be finite"),
    ],
)
def test_grids_that_are_refused(boosts, scaling, message):
    with pytest.raises(InputError) as caught:
        BoostGrid(tuple(boosts), scaling)
    assert str(caught.value) == message


def test_masses_out_of_the_grid_are_refused():
    with pytest.raises(InputError, match=r"^m22 = 3: must be in \[0.5, 2\], the masses of the grid$"):
        toy_grid()(3.0)
    far_apart = BoostGrid(tuple(toy(m22) for m22 in (1, 10, 100, 1000)))
    with pytest.raises(InputError, match=r"^m22 = 5: no k m22\^\(-0.5\) that all boosts of the grid have$"):
        far_apart(5.0)


# fits


@pytest.mark.parametrize("m22", [0.55, 0.9, 1.63])
def test_fit_of_the_model_itself(m22):
    k = np.linspace(60, 250, 12)
    for error in (None, 0.1 * toy(m22, k).boost):
        found = fit_m22(toy, boost(k, toy(m22, k).boost, error=error), 0.4, 2.5)
        assert found.m22 == pytest.approx(m22, rel=1e-3)  # 40 rows of the model, a spline between them
        assert found.bound == ""
        assert found.agreement.rows == 12


def test_standard_error_is_the_curvature():
    """ln boost = -2 ln m22: sigma(ln m22) = sigma(ln boost)/(2 sqrt(rows)), and the interval is 1.96 of it."""
    table = boost(K, np.full(40, 1.0), error=np.full(40, 0.2))
    found = fit_m22(lambda m22: boost(K, np.full(40, m22**-2.0)), table, 0.1, 10)
    sigma = 0.2 / (2 * np.sqrt(40))
    assert found.m22 == pytest.approx(1, abs=1e-6)
    assert found.standard_error == pytest.approx(sigma, rel=1e-6)
    assert np.log(found.interval) == pytest.approx([-1.959964 * sigma, 1.959964 * sigma], rel=1e-4)
    # rows that all say the same thing are one row
    correlation = np.full((40, 40), 0.999) + 0.001 * np.eye(40)
    found = fit_m22(lambda m22: boost(K, np.full(40, m22**-2.0)), table, 0.1, 10, correlation)
    assert found.standard_error == pytest.approx(0.1, rel=1e-3)


def test_errors_that_are_not_given_are_the_scatter():
    noise = 0.2 * np.random.default_rng(4).standard_normal(40)
    table = boost(K, np.exp(noise))
    found = fit_m22(lambda m22: boost(K, np.full(40, m22**-2.0)), table, 0.1, 10)
    assert found.standard_error / found.m22 == pytest.approx(noise.std(ddof=1) / (2 * np.sqrt(40)), rel=1e-5)
    assert found.agreement.chi_squared is None
    assert found.text.endswith(f"rms of ln boost {noise.std():.2g}, 40 rows)")


@pytest.mark.parametrize(("m22", "bound", "end"), [(0.3, "upper", 0.5), (4.0, "lower", 2.0)])
def test_an_end_of_the_grid_is_a_bound(m22, bound, end):
    k = np.linspace(60, 250, 12)
    found = fit_m22(toy_grid(), boost(k, toy(m22, k).boost, error=0.1 * toy(m22, k).boost))
    assert (found.m22, found.bound, found.standard_error, found.interval) == (end, bound, None, None)
    sign = "<=" if bound == "upper" else ">="
    assert found.text.startswith(f"m22 {sign} {end:g}: a bound, the best fit is at the ")


def test_an_interval_that_the_grid_does_not_close_is_open():
    k = np.linspace(60, 250, 12)
    table = boost(k, toy(1.8, k).boost, error=0.8 * toy(1.8, k).boost)
    found = fit_m22(toy_grid(), table)
    assert found.interval[0] > 0.5
    assert found.interval[1] == np.inf


@pytest.mark.parametrize(
    ("model", "table", "limits", "message"),
    [
        (toy, boost(K, K), (None, 2), "m22_min = None, m22_max = 2: must be positive, and the second the larger"),
        (toy, boost(K, K), (2, 1), "m22_min = 2, m22_max = 1: must be positive, and the second the larger"),
        (
            toy,
            Boost(K, K, "fdm", "cdm"),
            (1, 2),
            "fdm/cdm and fdm/smooth: must be ratios of the same things to be compared",
        ),
        (
            toy,
            boost(K[:1], K[:1]),
            (1, 2),
            "fdm/smooth: 1 rows in [30, 400] h/Mpc, the range of the model, that are positive and not beyond the "
            "Nyquist wavenumber: must be 2 or more",
        ),
    ],
)
def test_fits_that_are_refused(model, table, limits, message):
    with pytest.raises(InputError) as caught:
        fit_m22(model, table, *limits)
    assert str(caught.value) == message


# mocks of the published filament


def filament(m22):
    """Library, WKB weights and unit of length of the published filament."""
    cylinder = published_cylinder(m22)
    library = eigenstates(cylinder)
    weight = (2 * np.pi) ** 2 * cylinder.distribution(library.energy, library.l) / library.line_mass
    return library, weight, CodeUnits(m22, 0.6731, 0.314649).length


def exact(m22, k=K):
    """fdm/smooth in the plane, averaged over phases."""
    library, weight, unit = filament(m22)
    spectrum = polar_spectrum(library, weight, k * unit)
    return boost(k, spectrum.fixed / spectrum.smooth, m22, redshift=4.0)


@pytest.fixture(scope="module")
def grid():
    return BoostGrid(tuple(exact(float(m22)) for m22 in GRID_MASSES))


def test_grid_of_exact_spectra(grid):
    """Against the spectrum of a boson that is not in it: 0.3 % (the scheme; states enter the library one by one)."""
    found = grid(1.1)
    at = np.geomspace(60, 250, 7)
    known = exact(1.1, at).boost
    assert np.interp(np.log(at), np.log(found.k), np.log(found.boost)) == pytest.approx(np.log(known), abs=3e-3)


def test_masses_are_recovered_from_modes(grid):
    """A box of Gaussian modes: 95 % intervals hold the mass of the mocks in at least 90 % of 50 trials."""
    random, k = np.random.default_rng(11), np.linspace(40, 240, 21)
    modes, model, held, pulls = 100 * (k / 40) ** 2, exact(TRUE, k).boost, 0, []
    for _ in range(TRIALS):
        above, below = (random.gamma(modes / 2, 2 / modes) for _ in range(2))  # mean |delta|^2 over modes/2 draws
        ratio = model * above / below
        found = fit_m22(grid, boost(k, ratio, error=ratio * np.sqrt(4 / modes), redshift=4.0))
        held += found.interval[0] <= TRUE <= found.interval[1]
        pulls.append((found.m22 - TRUE) / found.standard_error)
    assert held >= 0.9 * TRIALS
    assert 0.7 < np.std(pulls) < 1.3  # 1 +- 0.1 for 50


def test_masses_are_recovered_from_other_phases(grid):
    """Mocks are means over 16 filaments with phases of their own; errors and their correlation are known from others.

    Neighbouring k say the same thing: rows taken as independent make the errors too small, and fewer intervals hold.
    """
    k = np.geomspace(60, 180, 5)
    library, weight, unit = filament(TRUE)
    smooth = polar_spectrum(library, weight, k * unit).smooth
    with threadpool_limits(1):  # threads inside such small matrices cost more than they bring
        draws = [
            sampled_spectrum(library, weight, k * unit, FILAMENTS, seed).mean / smooth for seed in range(TRIALS + 150)
        ]
    mocks, others = np.array(draws[:TRIALS]), np.log(draws[TRIALS:])
    relative, correlation = others.std(axis=0, ddof=1), np.corrcoef(others.T)
    assert correlation[0, 1] > 0.9
    held = {"correlated": 0, "independent": 0}
    for mock in mocks:
        table = boost(k, mock, error=mock * relative, redshift=4.0)
        for name, given in (("correlated", correlation), ("independent", None)):
            found = fit_m22(grid, table, correlation=given)
            held[name] += not found.bound and found.interval[0] <= TRUE <= found.interval[1]
    assert held["correlated"] >= 0.9 * TRIALS
    assert held["independent"] < held["correlated"]
