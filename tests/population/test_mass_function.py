"""Barriers, first crossing and mass functions: closed forms, published fits, and the integral equation itself."""

from itertools import pairwise

import numpy as np
import pytest
from hostile_inputs import watched
from scipy.integrate import quad
from scipy.special import erfc
from variances import OMEGA_M, hu00, ph22, smooth_k_variance

from gpu_fdm.cosmology.background import Background
from gpu_fdm.errors import InputError
from gpu_fdm.population.barrier import ELLIPTICITIES, Barrier, NoBarrier, checked_variance, collapse_barrier
from gpu_fdm.population.collapse import CollapseModel, threshold
from gpu_fdm.population.epoch import Epoch
from gpu_fdm.population.mass_function import MassFunction, first_crossing, mass_function
from gpu_fdm.units import mean_matter_density

BACKGROUND = Background(OMEGA_M)
MODEL = CollapseModel(BACKGROUND, 0.2)
BOSONS = (None, 1.0, 2.0, 4.0, 8.0)


@pytest.fixture(scope="module")
def barriers():
    """Those of filaments at z = 4 by the choice of ellipticity, made once."""
    return {name: collapse_barrier(MODEL, 42.0, ellipticity=name) for name in ELLIPTICITIES}


@pytest.fixture(scope="module")
def published(barriers):
    return barriers["published"]


def gaussian(x, t):
    return np.exp(-(x**2) / (2 * t)) / np.sqrt(2 * np.pi * t)


# barriers


def test_published_ellipticities(barriers):
    variance = smooth_k_variance()(5e9)
    assert variance == pytest.approx(13.2205, abs=2e-4)
    assert barriers["published"].ellipticity_at(variance) == pytest.approx(1.0956, abs=2e-4)
    assert barriers["collapse"].ellipticity_at(variance) == pytest.approx(0.269, abs=5e-4)


@pytest.mark.parametrize("name", ELLIPTICITIES)
@pytest.mark.parametrize("variance", [0.02, 1.7, 13.2205, 41.9])
def test_barrier_is_the_threshold(barriers, name, variance):
    barrier, growth = barriers[name], BACKGROUND.growth(0.2)
    height, ellipticity = barrier(variance), barrier.ellipticity_at(variance)
    # the definition of either choice: both at collapse, or S at z = 0
    factor = growth if name == "collapse" else 1
    assert ellipticity * height * growth == pytest.approx(factor * np.sqrt(variance / 5), rel=1e-12)
    # the table's error of 5e-6 is tested on rows left out, twice as far apart
    assert barrier.table.error < 1e-5
    assert height * growth == pytest.approx(threshold(MODEL, float(ellipticity)), rel=1e-6)
    step = 1e-4 * variance
    difference = (barrier(variance + step) - barrier(variance - step)) / (2 * step)
    assert barrier.derivative(variance) == pytest.approx(difference, rel=1e-6)


def test_barrier_begins_with_the_sphere(published):
    assert published(0.0) * BACKGROUND.growth(0.2) == pytest.approx(threshold(MODEL, 0.0), rel=1e-9)
    assert published.variance_max == pytest.approx(42, rel=1e-14)


@pytest.mark.parametrize(
    ("axes", "largest", "fits"),
    [
        (1, 0.8, {0.05: lambda nu: 1 - 0.56 * nu**0.55}),
        (2, 4.0, {0.02: lambda nu: 1 - 0.012 * nu**0.28}),
        (3, 4.0, {0.03: lambda nu: 1 + 0.45 * nu**0.61, 0.02: lambda nu: 1 + 0.47 * nu**0.615}),
    ],
)
def test_fits_of_barriers(axes, largest, fits):
    """Shen et al. 2006 (sheets, filaments, halos) and Sheth & Tormen 2002 (halos), from S/delta_c^2 = 0.05 on.

    They fit this model with axes that freeze by the rule of Bond & Myers, and both S and delta at collapse. Their power
    laws are this far from it; their unit is the spherical threshold.
    """
    model = CollapseModel(Background(1.0), 1.0, "bond_myers", start=1e-3)
    sphere = threshold(model, 0.0)
    barrier = collapse_barrier(model, largest * sphere**2, axes=axes, ellipticity="collapse")
    ratio = np.linspace(0.05, largest, 50)
    for tolerance, fit in fits.items():
        np.testing.assert_allclose(barrier(ratio * sphere**2) / sphere, fit(ratio), rtol=tolerance)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: collapse_barrier(CollapseModel(BACKGROUND, 1 / 21), 42.0),
            "variance = 42: must be at most 16.9, beyond which the barrier of 2 axes at a = 0.04762 (virial, "
            "ellipticity published) does not exist",
        ),
        (
            lambda: collapse_barrier(CollapseModel(BACKGROUND, 1.0), 42.0),
            "variance = 42: must be at most 25.8, beyond which the barrier of 2 axes at a = 1 (virial, ellipticity "
            "published) jumps",
        ),
        (
            lambda: collapse_barrier(MODEL, 42.0, axes=1),
            "variance = 42: must be at most 4.43, beyond which the barrier of 1 axes at a = 0.2 (virial, ellipticity "
            "published) does not exist",
        ),
        (lambda: collapse_barrier(MODEL, 42.0, axes=0), "axes = 0: must be 1 (sheet), 2 (filament) or 3 (halo)"),
        (lambda: collapse_barrier(MODEL, np.inf), "variance_max = inf: must be > 0 and finite"),
        (
            lambda: collapse_barrier(MODEL, 42.0, ellipticity="today"),
            "ellipticity = today: must be one of published, collapse",
        ),
    ],
)
def test_barriers_that_are_none(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert str(error.value) == message


def test_variances_beyond_a_barrier(published):
    for call, value, message in (
        (published, [1.0, 43.0], "variance = 43: must be in [0, 42], where the barrier is known"),
        (published.derivative, -1.0, "variance = -1: must be in [0, 42], where the barrier is known"),
        (published.derivative, 0.0, "variance = 0: must be > 0 for the derivative of the barrier"),
        (published.table.overdensity_at, 3.0, "shear = 3: must be in [0, 2.89828], the range of the table"),
        (published.table.lengths_at, np.nan, "shear = nan: must be in [0, 2.89828], the range of the table"),
    ):
        with pytest.raises(InputError) as error:
            call(value)
        assert str(error.value) == message


# first crossing


class Linear:
    """B = height + slope S; the density is an inverse Gaussian."""

    def __init__(self, height, slope):
        self.height, self.slope = height, slope

    def __call__(self, variance):
        return self.height + self.slope * np.asarray(variance, float)

    def derivative(self, variance):
        return np.full_like(variance, self.slope)

    def density(self, variance):
        return self.height / variance * gaussian(self(variance), variance)


class Daniels:
    """A curved barrier with a closed form, by images: sources of 1, -beta, -gamma at 0, alpha, 2 alpha cancel on it.

    Source: Daniels 1969.
    """

    def __init__(self, alpha, beta, gamma):
        self.alpha, self.beta, self.gamma = alpha, beta, gamma

    def _root(self, variance):
        return np.sqrt(self.beta**2 / 4 + self.gamma * np.exp(-(self.alpha**2) / variance))

    def __call__(self, variance):
        return self.alpha / 2 - variance / self.alpha * np.log(self.beta / 2 + self._root(variance))

    def derivative(self, variance):
        root = self._root(variance)
        of_root = self.gamma * np.exp(-(self.alpha**2) / variance) * self.alpha**2 / variance**2 / (2 * root)
        inner = self.beta / 2 + root
        return -(np.log(inner) + variance * of_root / inner) / self.alpha

    def density(self, variance):
        height, total = self(variance), 0
        for weight, place in ((1, 0), (-self.beta, self.alpha), (-self.gamma, 2 * self.alpha)):
            total += weight * (height - place) * gaussian(height - place, variance)
        return total / (2 * variance)


@pytest.mark.parametrize("barrier", [Linear(6.0, 0.0), Linear(6.0, 0.15), Linear(6.0, -0.1)])
def test_linear_barriers(barrier):
    crossing = first_crossing(barrier, 40.0)
    variance = np.geomspace(0.1, 40, 77)
    # closed forms, met to round-off at the rows; the spline between them is in ln S, where a line is none
    np.testing.assert_allclose(crossing(crossing.variance), barrier.density(crossing.variance), rtol=1e-12)
    np.testing.assert_allclose(crossing(variance), barrier.density(variance), rtol=3e-7)
    assert crossing.error < 1e-12


CURVED = [Daniels(12.0, 0.3, 1.0), Daniels(12.0, 2.5, -0.5), Daniels(10.0, 1.0, 3.0)]


@pytest.mark.parametrize("barrier", CURVED)
def test_curved_barriers(barrier):
    crossing = first_crossing(barrier, 40.0)
    # measured: 1e-9 to 7e-8 at the rows, 8e-8 between them
    at_rows = crossing(crossing.variance) / barrier.density(crossing.variance) - 1
    assert np.abs(at_rows).max() < crossing.error < 1e-6
    variance = np.geomspace(0.2, 40, 200)
    np.testing.assert_allclose(crossing(variance), barrier.density(variance), rtol=1e-6)


@pytest.mark.parametrize("barrier", CURVED)
def test_order_of_convergence(barrier):
    deviations = []
    for steps in (64, 128, 256):
        crossing = first_crossing(barrier, 40.0, steps)
        deviations.append(np.abs(crossing(crossing.variance) / barrier.density(crossing.variance) - 1).max())
    # order 5/2: a factor of 5.66
    for coarse, fine in pairwise(deviations):
        assert coarse / fine == pytest.approx(5.66, rel=0.15)


@pytest.mark.parametrize("name", ELLIPTICITIES)
@pytest.mark.parametrize("variance", [2.0, 10.0, 40.0])
def test_first_kind_equation(barriers, name, variance):
    """The integral equation by quadrature, of which the one that is solved is a consequence."""
    barrier = barriers[name]
    crossing = first_crossing(barrier, 40.0)
    height = barrier(variance)

    def integrand(u):  # S' = S - u^2, for the square root at S' = S
        earlier = max(variance - u**2, crossing.variance[0])
        return 2 * u * crossing(earlier) * erfc((height - barrier(earlier)) / (u * np.sqrt(2)))

    widest = np.sqrt(variance - crossing.variance[0])
    total, _ = quad(integrand, 0, widest, epsabs=0, epsrel=1e-8, limit=200, points=[0.1 * widest, 0.4 * widest])
    assert total == pytest.approx(erfc(height / np.sqrt(2 * variance)), rel=2e-6)


def test_first_crossing_of_nothing(published):
    with pytest.raises(InputError) as error:
        first_crossing(published, 0.05)
    assert str(error.value) == (
        "variance = 0.05 at most: nothing forms up to 0.06732, where the first-crossing distribution is < 1e-130: take "
        "smaller masses, a lower redshift or a heavier boson"
    )
    crossing = first_crossing(published, 40.0)
    with pytest.raises(InputError, match=r"variance = 41: must be in \[0.0673\d*, 40\]"):
        crossing(41.0)
    with pytest.raises(ValueError, match="steps = 66: must be a multiple of 4, 16 or more"):
        first_crossing(published, 40.0, 66)


# mass functions


@pytest.mark.parametrize("name", ELLIPTICITIES)
def test_published_mass_functions(barriers, name):
    # read off figures by eye, and the two choices of ellipticity lie on either side: 3 %
    cold = mass_function(np.geomspace(1e7, 1e12, 300), smooth_k_variance(), barriers[name])
    assert cold(1e8) == pytest.approx(36, rel=0.03)
    assert cold(1e9) == pytest.approx(3.7, rel=0.03)
    fuzzy = mass_function(np.geomspace(1e7, 1e12, 300), smooth_k_variance(1.0), barriers[name])
    peak = fuzzy.dn_dlnm.argmax()
    assert fuzzy.dn_dlnm[peak] == pytest.approx(0.94, rel=0.03)
    assert fuzzy.mass[peak] == pytest.approx(2.05e9, rel=0.04)


def test_transfer_functions_matter(published):
    # with the transfer function of Passaglia & Hu 2022, which cuts off earlier, the peak is a quarter lower
    mass = np.geomspace(1e8, 1e11, 200)
    hu, passaglia = (mass_function(mass, smooth_k_variance(1.0, each), published) for each in (hu00, ph22))
    assert passaglia.dn_dlnm.max() / hu.dn_dlnm.max() == pytest.approx(0.737, abs=0.005)


def test_ellipticities_hardly_move_the_mass_function(barriers):
    first, second = (
        mass_function(np.geomspace(1e8, 3e10, 50), smooth_k_variance(), barriers[n]) for n in ELLIPTICITIES
    )
    ratio = second.dn_dlnm / first.dn_dlnm
    assert 0.9 < ratio.min() < 0.91  # at 3e10 Msun/h
    assert 1.03 < ratio.max() < 1.05  # at 1e8 Msun/h


def test_heavier_bosons_approach_cold_dark_matter(published):
    mass = np.geomspace(1e7, 1e12, 200)
    functions = [mass_function(mass, smooth_k_variance(m22), published) for m22 in BOSONS]
    cold, at = functions[0], 2e10
    suppression = [1 - each(at) / cold(at) for each in functions[1:]]
    assert suppression == sorted(suppression, reverse=True)
    assert 0 < suppression[-1] < 1e-3
    peaks = [each.mass[each.dn_dlnm.argmax()] for each in functions[1:]]
    # the cut-off mass goes like m22^(-4/3), the peak with it: 2e9 at m22 = 1 to 1.3e8 at 8
    np.testing.assert_allclose(np.array(peaks) / peaks[0], np.array(BOSONS[1:]) ** (-4 / 3), rtol=0.15)


def test_mass_in_filaments(published):
    # rho_m int f dS, whatever S(M) is
    variance = smooth_k_variance()
    mass = np.geomspace(1e9, 1e13, 1500)
    function = mass_function(mass, variance, published)
    density = np.trapezoid(mass * function.dn_dlnm, np.log(mass))
    crossing = first_crossing(published, variance(1e9))
    fraction, _ = quad(crossing, variance(1e13), variance(1e9), epsrel=1e-8)
    assert 0.1 < fraction < 1
    assert density == pytest.approx(mean_matter_density(OMEGA_M) * fraction, rel=1e-5)


def test_interpolation(published):
    variance = smooth_k_variance(1.0)
    coarse = mass_function(np.geomspace(1e8, 1e12, 101), variance, published)
    fine = mass_function(np.geomspace(1e8, 1e12, 401), variance, published)
    np.testing.assert_allclose(coarse(fine.mass), fine.dn_dlnm, rtol=1e-4)
    np.testing.assert_allclose(coarse(coarse.mass), coarse.dn_dlnm, rtol=1e-12)
    assert coarse(2e9).shape == ()


@pytest.mark.parametrize("axes", [1, 3])
def test_sheets_and_halos(axes):
    # what is a halo was a filament and a sheet before: of heavy ones there are more sheets and fewer halos
    mass = np.geomspace(1e10, 1e13, 50)
    variance = smooth_k_variance()
    filaments = collapse_barrier(MODEL, variance(1e10), ellipticity="collapse")
    others = collapse_barrier(MODEL, variance(1e10), axes=axes, ellipticity="collapse")
    ratio = mass_function(mass, variance, others).dn_dlnm / mass_function(mass, variance, filaments).dn_dlnm
    assert np.all(ratio > 1) if axes == 1 else np.all(ratio < 1)


@pytest.mark.parametrize(
    ("mass", "message"),
    [
        ([1e8, 1e9], "mass of shape (2,): must be a column of 4 or more increasing masses"),
        ([1e8, 1e9, 1e9, 1e10], "mass of shape (4,): must be a column of 4 or more increasing masses"),
        ([-1.0, 1e8, 1e9, 1e10], "mass = -1: must be > 0 and finite [Msun/h]"),
        (
            [1e6, 1e7, 1e8, 1e9],
            "mass = 1e+06 Msun/h: must be at least 8.75e+06, such that S(M) is at most 42, where the barrier is known",
        ),
        (
            [1e9, 1e11, 1e15, 1e16],
            "mass = 1e+16: must be in [1e+09, 1e+15] Msun/h, for the mass function vanishes elsewhere (dS/dM = 0, or "
            "S < 0.06732)",
        ),
    ],
)
def test_masses_without_filaments(published, mass, message):
    with pytest.raises(InputError) as error:
        mass_function(mass, smooth_k_variance(), published)
    assert str(error.value) == message


def test_variance_that_does_not_fall(published):
    class Flat:
        def __call__(self, mass):
            return np.full_like(mass, 10.0)

        def derivative(self, mass):
            return np.zeros_like(mass)

    with pytest.raises(InputError, match=r"mass = 1e\+08: must be where S\(M\) falls, for the mass function vanishes"):
        mass_function(np.geomspace(1e8, 1e9, 5), Flat(), published)


def test_masses_outside_a_mass_function(published):
    function = mass_function(np.geomspace(1e8, 1e12, 50), smooth_k_variance(), published)
    assert isinstance(function, MassFunction)
    assert isinstance(published, Barrier)
    with pytest.raises(InputError) as error:
        function([1e9, 2e12])
    assert str(error.value) == "mass = 2e+12: must be in [1e+08, 1e+12] Msun/h, the range of the mass function"


@pytest.mark.parametrize(
    ("redshift", "axes", "has", "lacks"),
    [(4, 2, 281, 286), (10, 2, 78.4, 79.5), (20, 2, 17.2, 17.5), (0, 2, 24.1, 24.6), (4, 1, 4.5, 4.6)],
)
def test_how_far_barriers_reach(redshift, axes, has, lacks):
    """As the docstring of collapse_barrier has it."""
    model = CollapseModel(BACKGROUND, 1 / (1 + redshift))
    assert collapse_barrier(model, has, axes=axes).variance_max == pytest.approx(has)
    with pytest.raises(NoBarrier):
        collapse_barrier(model, lacks, axes=axes)


def test_an_epoch_reaches_as_far_as_the_barrier():
    """Rows up to the largest variance that a coarser table had, 96, have none there: the next one is 79."""
    model = CollapseModel(BACKGROUND, 1.0, "bond_myers")
    with pytest.raises(NoBarrier) as first:
        collapse_barrier(model, 128.0)
    with pytest.raises(NoBarrier):
        collapse_barrier(model, first.value.variance_max * (1 - 1e-9))
    assert 70 < Epoch.of(model, "published", 128.0).barrier.variance_max < 90


def test_a_variance_that_does_not_fall_is_refused(published):
    with watched(20), pytest.raises(InputError, match=r"mass = 1e\+09 Msun/h: must be at least inf"):
        checked_variance(1e9, lambda mass: np.full(np.shape(mass), 1e4), published)
