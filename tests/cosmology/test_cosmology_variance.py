"""S(M): closed forms for power laws, direct quadrature, published numbers, and accuracy by finer grids."""

import re
from itertools import pairwise

import numpy as np
import pytest
from locations import DATA
from scipy.special import beta as beta_function
from scipy.special import gamma

from gpu_fdm.cosmology.background import Background
from gpu_fdm.cosmology.linear_power import LinearPower, linear_power
from gpu_fdm.cosmology.transfer import transfer
from gpu_fdm.cosmology.variance import WINDOWS, variance
from gpu_fdm.errors import InputError
from gpu_fdm.units import mean_matter_density

H, OMEGA_M = 0.6731, 0.314649
REFERENCE = DATA / "linear_power_z0.csv"
CDM = transfer("cdm", h=H)
SMOOTH_K_SLOPE = 9.10049


def top_hat(x):
    return 3 * (np.sin(x) - x * np.cos(x)) / x**3


def smooth_k(x):
    return 1 / (1 + x**SMOOTH_K_SLOPE)


def bessel_moment(n):
    """int_0^inf x^(n+2) W^2 dx of the top hat: Weber's integral of J_(3/2)^2 x^(n-1), Watson 13.41."""
    order = 1 - n
    bessel = gamma(order) * gamma(1.5 + n / 2)
    bessel /= 2**order * gamma(1 - n / 2) ** 2 * gamma(2.5 - n / 2)
    return 9 * np.pi / 2 * bessel


# int_0^inf x^(n+2) W^2 dx, and c of M = c (4 pi/3) rho_m R^3
MOMENTS = {
    "top_hat": bessel_moment,
    "sharp_k": lambda n: 1 / (n + 3),
    "smooth_k": lambda n: beta_function((n + 3) / SMOOTH_K_SLOPE, 2 - (n + 3) / SMOOTH_K_SLOPE) / SMOOTH_K_SLOPE,
}
COEFFICIENTS = {"top_hat": 1, "sharp_k": 6 * np.pi**2 / (4 * np.pi / 3), "smooth_k": 2.1594}


@pytest.fixture(scope="module")
def power():
    return linear_power("camb")


def power_law(n):
    k = np.geomspace(1e-17, 1e6, 500)
    return LinearPower(k, 2 * np.pi**2 * k**n, Background(OMEGA_M), "power law")


def radius(window, mass):
    return (mass / (COEFFICIENTS[window] * 4 * np.pi / 3 * mean_matter_density(OMEGA_M))) ** (1 / 3)


def gauss(function, low, high, panels=4000):
    """Integral by 4-point Gauss quadrature in equal panels."""
    nodes, weights = np.polynomial.legendre.leggauss(4)
    half = (high - low) / panels / 2
    middle = low + half * (2 * np.arange(panels) + 1)
    return half * np.sum(function(middle[:, None] + half * nodes) @ weights)


def test_every_window_is_tested():
    assert set(WINDOWS) == set(MOMENTS) == set(COEFFICIENTS)


@pytest.mark.parametrize("n", [-2.5, -2.0, -1.5])
@pytest.mark.parametrize("window", MOMENTS)
def test_power_laws(window, n):
    # S = R^-(n+3) times a number
    table = variance(power_law(n), CDM, window, mass_min=1e8, mass_max=1e14)
    mass = np.geomspace(1e8, 1e14, 100)
    expected = MOMENTS[window](n) * radius(window, mass) ** -(n + 3)
    # of the scheme: the top hat's oscillations are undersampled where x > 100, which k^-1.5 still feels
    tolerance = 1e-5 if (window, n) == ("top_hat", -1.5) else 1e-6
    np.testing.assert_allclose(table(mass), expected, rtol=tolerance)
    np.testing.assert_allclose(table.slope(mass), -(n + 3) / 3 * expected, rtol=tolerance)
    np.testing.assert_allclose(table.derivative(mass), -(n + 3) / 3 * expected / mass, rtol=tolerance)
    np.testing.assert_allclose(table.mass_at(table(mass)), mass, rtol=1e-12)


def test_sharp_k_volume():
    # the window's volume in space, 6 pi^2 R^3, is that of the mass
    assert WINDOWS["sharp_k"].radius(6 * np.pi**2 * mean_matter_density(0.3), 0.3) == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize("x", [0.3, 1.5, 5.0, 40.0])
@pytest.mark.parametrize(("window", "shape"), [("top_hat", top_hat), ("smooth_k", smooth_k)])
def test_tails_are_bounds(window, shape, x):
    # what lies beyond x if Delta^2 is 1; the top hat's is bounded by its envelope, twice the mean of its oscillation
    beyond = gauss(lambda log_x: shape(np.exp(log_x)) ** 2, np.log(x), np.log(x) + 6, panels=100_000)
    # 1e-16: round-off of the closed form under smooth-k
    least, most = beyond * (1 - 1e-9) - 1e-16, beyond * (4 if window == "top_hat" else 1 + 1e-9) + 1e-16
    assert least < WINDOWS[window].tail(x) < most
    assert WINDOWS["sharp_k"].tail(x) == pytest.approx(max(-np.log(x), 0), abs=1e-15)


def test_variance_of_a_filament_as_published():
    # S(5e9 Msun/h) = 13.2205, in the smooth-k window: Z25's linear power, six digits
    reference = linear_power("table", table=REFERENCE)
    assert variance(reference, CDM)(5e9) == pytest.approx(13.2205, rel=1e-5)


def test_variance_of_a_filament(power):
    # CAMB differs from that by up to 0.5 % in P
    assert variance(power, CDM)(5e9) == pytest.approx(13.2205, rel=1e-4)


def test_sigma8(power):
    # CAMB 2.0.5 itself (get_sigma8_0, AccuracyBoost 2, 50 wavenumbers for each factor e): 0.831162
    mass = 4 * np.pi / 3 * mean_matter_density(OMEGA_M) * 8**3
    sigma8 = variance(power, CDM, "top_hat")(mass) ** 0.5
    assert sigma8 == pytest.approx(0.831162, rel=2e-5)


@pytest.mark.parametrize("name", ["cdm", "ph22"])
@pytest.mark.parametrize(("window", "shape"), [("top_hat", top_hat), ("smooth_k", smooth_k), ("sharp_k", None)])
def test_direct_quadrature(power, window, shape, name):
    """The integral written down once more, with another rule, and its central differences."""
    of_k, mass = transfer(name, 1.0, h=H), 3e10
    table = variance(power, of_k, window)

    def direct(mass):
        r = radius(window, mass)
        # to x = 1, where sharp-k ends, and then to where no more than 1e-8 is left
        edges = np.log([1e-5, 1 / r] if shape is None else [1e-5, 1 / r, 60 / r])
        return sum(gauss(lambda log_k: integrand(np.exp(log_k), r), *part) for part in pairwise(edges))

    def integrand(k, r):
        contrast = k**3 * power(k) * of_k(k) ** 2 / (2 * np.pi**2)
        return contrast if shape is None else contrast * shape(k * r) ** 2

    assert table(mass) == pytest.approx(direct(mass), rel=1e-6)
    step = 1e-3
    difference = (direct(mass * np.exp(step)) - direct(mass * np.exp(-step))) / (2 * step)
    assert table.slope(mass) == pytest.approx(difference, rel=1e-5)


@pytest.mark.parametrize("name", ["cdm", "hu00", "ph22", "murgia17"])
@pytest.mark.parametrize("window", WINDOWS)
def test_finer_grids_change_nothing(power, window, name):
    """The accuracy that Variance states, 1e-5."""
    of_k = transfer(name, 1.0, h=H)
    table, fine = (variance(power, of_k, window, refinement=refinement) for refinement in (1, 2))
    mass = np.geomspace(1e6, 1e16, 2311)
    np.testing.assert_allclose(table(mass), fine(mass), rtol=1e-6)
    slope = fine.slope(mass)
    if window == "sharp_k":
        np.testing.assert_allclose(table.slope(mass), slope, rtol=0, atol=1e-5 * np.abs(slope).max())
    else:
        counts = -slope > 1e-6 * fine(mass)
        assert counts.sum() > 1500
        np.testing.assert_allclose(table.slope(mass)[counts], slope[counts], rtol=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_slope_belongs_to_the_variance(power, window):
    table = variance(power, transfer("ph22", 2.0, h=H), window)
    mass, step = np.geomspace(1e9, 1e15, 300), 1e-4
    difference = (table(mass * np.exp(step)) - table(mass * np.exp(-step))) / (2 * step)
    # 1e-5 of the largest: cubic splines of S and of its slope
    np.testing.assert_allclose(difference, table.slope(mass), rtol=1e-4, atol=1e-5 * np.abs(difference).max())


@pytest.mark.parametrize("window", WINDOWS)
def test_fuzzy_dark_matter_lacks_small_scales(power, window):
    cold, light, heavy = (
        variance(power, function, window) for function in (CDM, transfer("ph22", 1.0, h=H), transfer("ph22", 8.0, h=H))
    )
    mass = np.geomspace(1e6, 1e12, 50)
    assert np.all(light(mass) < heavy(mass)) and np.all(heavy(mass) < cold(mass))
    assert light(1e15) == pytest.approx(cold(1e15), rel=1e-4)
    # nothing is added below the cut
    assert light(1e6) == pytest.approx(light(2e6), rel=1e-3) and cold(1e6) > 1.05 * cold(2e6)


def test_inverse_of_a_flat_variance(power):
    table = variance(power, transfer("ph22", 1.0, h=H))
    mass = np.geomspace(3e7, 1e16, 1000)
    np.testing.assert_allclose(table.mass_at(table(mass)), mass, rtol=1e-8)
    assert table.mass_at(table.values[-1]) == pytest.approx(1e16, rel=1e-12)
    assert table.mass_at(float(table(1e12))).shape == ()
    least, largest = table.values[[-1, 0]]
    message = f"variance = 99: must be in [{least:g}, {largest:g}], that of masses from 1e+16 down to 1e+06 Msun/h"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        table.mass_at([1.0, 99.0])
    flat = variance(power, transfer("ph22", 1e-3, h=H), mass_min=1e4, mass_max=2e4)
    with pytest.raises(InputError, match=r"^variance = .* at all masses: must fall with mass to be inverted$"):
        flat.mass_at(flat.values[0])


def test_frozen(power):
    table = variance(power, CDM)
    for values in (table.mass, table.values, table.slopes):
        with pytest.raises(ValueError, match="read-only"):
            values[0] = 1
    assert table.mass[0] == pytest.approx(1e6, rel=1e-14) and table.mass[-1] == pytest.approx(1e16, rel=1e-14)
    assert table(5e9).shape == () and table(np.full((2, 3), 5e9)).shape == (2, 3)


# what is refused


@pytest.mark.parametrize("mass", [9.9e5, 1.1e16, -1, 0, np.nan])
@pytest.mark.parametrize("method", ["__call__", "slope", "derivative"])
def test_mass_out_of_range(power, method, mass):
    message = f"mass = {mass:g} Msun/h: must be in [1e+06, 1e+16], the range of the variance"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        getattr(variance(power, CDM), method)([1e9, mass])


def test_narrow_mass_range(power):
    # steps stay what they are: the table goes on beyond, and a range of nothing needs no more memory
    table, wide = variance(power, CDM, mass_min=1e10, mass_max=1e10 * (1 + 1e-12)), variance(power, CDM)
    assert table.mass_min == 1e10 and 1e10 < table.mass_max < 2e10
    assert table(table.mass_max) == pytest.approx(wide(table.mass_max), rel=1e-7)
    assert variance(power, CDM, mass_min=1e10, mass_max=3e10).mass_max >= 3e10


def test_unknown_window(power):
    with pytest.raises(InputError, match=r"^window = gauss: must be one of top_hat, sharp_k, smooth_k$"):
        variance(power, CDM, "gauss")


@pytest.mark.parametrize(("mass_min", "mass_max"), [(1e9, 1e9), (-1, 1e9), (1e9, np.inf), (np.nan, 1e9)])
def test_bad_mass_range(power, mass_min, mass_max):
    message = f"mass_min = {mass_min:g}, mass_max = {mass_max:g}: must be positive, and increase"
    with pytest.raises(InputError, match=f"^{re.escape(message)}$"):
        variance(power, CDM, mass_min=mass_min, mass_max=mass_max)


@pytest.mark.parametrize("window", WINDOWS)
def test_masses_that_need_wavenumbers_beyond_the_power(power, window):
    message = (
        rf"^mass_min = 0\.1 Msun/h: must be at least \S+, below which the variance in window {window} needs k out of"
    )
    with pytest.raises(InputError, match=message) as refused:
        variance(power, CDM, window, mass_min=0.1)
    least = float(re.search(r"at least (\S+),", str(refused.value))[1])
    # what it names is enough, and half of it is not
    variance(power, CDM, window, mass_min=1.001 * least)
    with pytest.raises(InputError, match="mass_min"):
        variance(power, CDM, window, mass_min=0.5 * least)
    # what is cut off needs none
    variance(power, transfer("hu00", 1.0, h=H), window, mass_min=0.1)


def test_masses_above_what_the_power_holds():
    k = np.geomspace(1e-3, 100, 200)
    short = LinearPower(k, k / (1 + (k / 0.05) ** 2) ** 1.9, Background(OMEGA_M), "short")
    with pytest.raises(InputError, match=r"^mass_max = 1e\+18 Msun/h: must be at most \S+, above which the variance"):
        variance(short, CDM, mass_min=1e9, mass_max=1e18)
    with pytest.raises(InputError, match="for all masses between them"):
        variance(short, CDM, mass_min=1e-3, mass_max=1e-2)


def test_transfer_without_a_common_range(power, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("k,transfer\n" + "\n".join(f"{k},1" for k in np.geomspace(1e-7, 1e-6, 8)) + "\n")
    with pytest.raises(InputError, match="the transfer function up to 1e-06 h/Mpc: must share more"):
        variance(power, transfer("table", h=H, table=path))
