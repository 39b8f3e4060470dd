"""Boson masses that fit a table: bounds, errors, and masses found again in mock boosts."""

import numpy as np
import pytest
from filaments import published_cylinder
from scipy.special import erfc
from threadpoolctl import threadpool_limits
from toy_boosts import K, boost, toy, toy_grid

from gpu_fdm.errors import InputError
from gpu_fdm.filament.eigenstates import eigenstates
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.boost_grid import BoostGrid
from gpu_fdm.spectra.fit import fit_m22
from gpu_fdm.spectra.phase_average import polar_spectrum
from gpu_fdm.spectra.sampled import sampled_spectrum
from gpu_fdm.units import CodeUnits

GRID_MASSES = np.geomspace(0.5, 2, 9)
TRUE = 1.0
FILAMENTS = 16  # in a mock
TRIALS = 50


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
    assert found.fits and found.p_value is None
    assert found.text.endswith(f"rms of ln boost {noise.std():.2g}, 40 rows; no p-value: the table has no errors)")


@pytest.mark.parametrize(("m22", "bound", "end"), [(0.47, "upper", 0.5), (2.2, "lower", 2.0)])
def test_best_at_an_end_of_the_grid_is_a_bound(m22, bound, end):
    """The bound is where chi-squared has risen by 2.71, not the end of the grid, which is no property of the table."""
    k = np.linspace(60, 250, 12)
    table = boost(k, toy(m22, k).boost, error=0.1 * toy(m22, k).boost)
    found = fit_m22(toy_grid(), table)
    assert (found.bound, found.standard_error, found.interval) == (bound, None, None)
    assert found.m22 > end if bound == "upper" else found.m22 < end

    def chi_squared(mass):
        return np.sum((np.log(toy(mass, k).boost / table.boost) / 0.1) ** 2)

    assert chi_squared(found.m22) - chi_squared(end) == pytest.approx(2.7055, rel=0.05)  # the grid's interpolation
    sign = "<=" if bound == "upper" else ">="
    assert found.text.startswith(f"m22 {sign} {found.m22:.4g}: a bound, with 95 %; the best fit is at the ")


FLAT = np.linspace(60, 250, 12)


@pytest.mark.parametrize("error", [0.02, 0.1, 0.2])
def test_a_boost_that_no_mass_has_is_refused(error):
    """A boost of 1, where the least boost of the models is exp(0.75) at its peak: no value, no bound, and why."""
    found = fit_m22(toy_grid(), boost(FLAT, np.ones(12), error=np.full(12, error)))
    assert not found.fits and found.p_value < 1e-3
    assert (found.m22, found.bound, found.standard_error, found.interval) == (None, "", None, None)
    assert found.agreement.chi_squared == pytest.approx(np.sum((np.log(toy(2.0, FLAT).boost) / error) ** 2), rel=0.01)
    assert found.text.startswith("no boson mass from 0.5 to 2 describes the table (chi-squared ")
    assert "11 degrees of freedom, p " in found.text and "=" not in found.text.split("(")[0]
    pulls = -np.log(toy(2.0, FLAT).boost) / error
    assert len(found.worst) == 5 and found.worst[0].k == FLAT[np.argmin(pulls)]
    assert [row.pull for row in found.worst] == pytest.approx(sorted(pulls)[:5], rel=0.02)
    worst = found.worst[0]
    assert (worst.table, np.log(worst.model)) == pytest.approx((1, -pulls.min() * error), rel=0.02)


def test_a_boost_that_large_masses_have_is_a_bound():
    """The same boost with errors that allow it, by which m22 is bounded; with larger ones every mass fits."""
    found = fit_m22(toy_grid(), boost(FLAT, np.ones(12), error=np.full(12, 0.5)))
    assert found.fits and found.bound == "lower" and 1 < found.m22 < 2
    found = fit_m22(toy_grid(), boost(FLAT, np.ones(12), error=np.full(12, 5.0)))
    assert found.fits and (found.m22, found.bound) == (None, "")
    assert found.text.startswith("every boson mass from 0.5 to 2 describes the table: it gives no bound (chi-squared ")


@pytest.mark.parametrize(("x", "poor"), [(2.75, False), (2.8, True)])
def test_fits_are_told_to_be_poor(x, poor):
    """p = erfc(x/2) is 0.05 at x = 2.772."""
    k, error = np.array([50.0, 100.0]), 0.1
    table = boost(k, np.exp([x * error, 0.0]), error=error * np.exp([x * error, 0.0]))
    found = fit_m22(lambda m22: boost(K, np.full(40, m22**-2.0)), table, 0.1, 10)
    assert found.fits and ("a poor fit" in found.text) == poor


@pytest.mark.parametrize(("sigmas", "fits"), [(3.25, True), (3.33, False)])
def test_the_least_p_value(sigmas, fits):
    """Two rows that differ by x sigma, one parameter: p = erfc(x/2), which is 1e-3 at x = 2 * 2.3268 = 4.653."""
    k, error = np.array([50.0, 100.0]), 0.1
    x = sigmas * np.sqrt(2)
    table = boost(k, np.exp([x * error, 0.0]), error=error * np.exp([x * error, 0.0]))
    found = fit_m22(lambda m22: boost(K, np.full(40, m22**-2.0)), table, 0.1, 10)
    assert found.p_value == pytest.approx(erfc(x / 2), rel=1e-6)
    assert found.fits == fits and (found.m22 is not None) == fits
    assert found.degrees_of_freedom == 1
    assert ("a poor fit" in found.text) == fits  # between 1e-3 and 0.05


def test_pulls_of_correlated_rows():
    """Of two rows with correlation r, the first differs from what the second makes of it by (x - r y)/sqrt(1 - r^2)."""
    x, y, r = 0.4, -0.4, 0.9
    table = boost(np.array([50.0, 100.0]), np.exp([x, y]), error=0.1 * np.exp([x, y]))
    found = fit_m22(lambda m22: boost(K, np.full(40, m22**-2.0)), table, 0.1, 10, [[1, r], [r, 1]])
    assert not found.fits
    pull = 4 * (1 + r) / np.sqrt(1 - r**2)  # the best model is halfway between both
    assert sorted(row.pull for row in found.worst) == pytest.approx([-pull, pull], rel=1e-4)


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


@pytest.mark.slow
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
