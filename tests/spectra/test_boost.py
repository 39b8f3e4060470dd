"""Ratios of spectra at common wavenumbers, their errors and names, and what is refused."""

import numpy as np
import pytest
from grid_spectra import power_law_grid, random_density

from gpu_fdm.errors import InputError
from gpu_fdm.spectra.boost import Boost, boost_of
from gpu_fdm.spectra.grid_spectrum import grid_spectrum
from gpu_fdm.spectra.power import power_spectrum
from gpu_fdm.spectra.rebinning import rebin
from gpu_fdm.spectra.spectrum import NORMALISED, Spectrum

K = np.array([1.0, 2.0, 4.0])


def test_theory_is_interpolated_at_the_measured_k_and_never_beyond(caplog):
    caplog.set_level("INFO")
    measured = grid_spectrum(power_law_grid(16, 1.0, 1.0, -3), "fdm")
    k = np.geomspace(10, 60, 12)
    theory = Spectrum(k, 5 * k**-2.0, "cdm", redshift=4.0)
    found = boost_of(measured, theory)
    inside = (measured.k >= 10) & (measured.k <= 60)
    assert np.array_equal(found.k, measured.k[inside])
    # a power law is a straight line, which the spline follows to round-off
    assert found.boost == pytest.approx(measured.power[inside] / (5 * found.k**-2), rel=1e-12)
    assert found.error == pytest.approx(found.boost * np.sqrt(2 / measured.modes[inside]), rel=1e-12)
    assert f"fdm/cdm: {np.count_nonzero(~inside)} rows are left out, where cdm is not known" in caplog.text
    upside_down = boost_of(theory, measured)
    assert upside_down.boost == pytest.approx(1 / found.boost, rel=1e-12)
    assert (upside_down.name, upside_down.redshift) == ("cdm/fdm", 4.0)


def test_two_theories_at_the_k_of_the_numerator():
    above, below = Spectrum([1.5, 3.0], [1, 1], "fdm"), Spectrum(K, K**-1.0, "cdm")
    found = boost_of(above, below)
    assert found.boost == pytest.approx([1.5, 3.0], rel=1e-13)
    assert found.error is None


def test_error_is_the_scatter_of_independent_gaussian_fields():
    """Ratios of white noise, 250 pairs, in a bin of 4658 modes: the scatter is known to 1/sqrt(500)."""
    random = np.random.default_rng(3)
    found = []
    for _ in range(250):
        halves = [grid_spectrum(power_spectrum(1 + 0.1 * random.standard_normal((16,) * 3), 1.0, bin_width=8), "fdm")]
        halves += [grid_spectrum(power_spectrum(1 + 0.1 * random.standard_normal((16,) * 3), 1.0, bin_width=8), "cdm")]
        found.append(boost_of(*halves))
    last = np.array([boost.boost[1] for boost in found])
    expected = np.mean([boost.error[1] for boost in found])
    assert last.std() == pytest.approx(expected, rel=3 / np.sqrt(500))


def test_given_errors_override_those_of_the_modes():
    above = Spectrum(K, [2.0, 2.0, 2.0], "fdm", modes=[8, 8, 8], error=[0.2, 0.4, 0.6])
    below = Spectrum(K, [1.0, 1.0, 1.0], "cdm", modes=[8, 8, 8])
    found = boost_of(above, below)
    assert found.error == pytest.approx(2 * np.sqrt(np.array([0.1, 0.2, 0.3]) ** 2 + 0.25), rel=1e-14)


def test_rows_beyond_the_nyquist_wavenumber_remain_and_are_marked():
    fdm = grid_spectrum(power_spectrum(random_density(seed=1), 2.0), "fdm")
    coarse = grid_spectrum(power_spectrum(random_density(12, seed=2), 2.0), "cdm")
    assert not boost_of(fdm, grid_spectrum(power_spectrum(random_density(seed=2), 2.0), "cdm")).beyond_nyquist.all()
    found = boost_of(fdm, coarse)
    assert found.beyond_nyquist.tolist() == (found.k > 6 * np.pi).tolist()  # 12 cells in 2 cMpc/h
    assert found.beyond_nyquist.any()


def test_rows_with_round_off_for_power_are_left_out(caplog):
    caplog.set_level("INFO")
    above, below = Spectrum(K, [1, 1, 1], "fdm"), Spectrum(K, [1, 1e-25, 1], "smooth", floor=1e-20)
    assert boost_of(above, below).k.tolist() == [1, 4]
    assert "fdm/smooth: 1 rows are left out, where the power is round-off" in caplog.text


@pytest.mark.parametrize("floor", [0.0, 1e-9])
def test_rows_below_shot_noise_are_left_out(caplog, floor):
    """Of a spectrum with modes and an error, from which shot noise was subtracted, in either half."""
    caplog.set_level("INFO")
    measured = Spectrum(K, [2, -0.1, 1], "fdm", modes=[6, 12, 8], error=[1, 0.5, 0.2], floor=floor)
    other = Spectrum(K, [1, 1, 1], "cdm", modes=[6, 12, 8], error=[1, 1, 1])
    assert boost_of(measured, other).boost.tolist() == [2, 1]
    assert boost_of(other, measured).boost.tolist() == [0.5, 1]
    assert "fdm/cdm: 1 rows are left out, where the power is round-off, or not above shot noise" in caplog.text
    # what scatters below zero counts in means over wider bins
    wider = rebin(measured, [0.5, 3.0, 5.0])
    assert wider.power[0] == pytest.approx((6 * 2 - 12 * 0.1) / 18, rel=1e-12) and wider.modes[0] == 18


def test_names_and_metadata_of_a_ratio():
    above = Spectrum(K, [2, 2, 2], "fdm", redshift=4.0, m22=2.0, source="a.hdf5")
    below = Spectrum(K, [1, 1, 1], "n-body", redshift=4.003, source="b")
    found = boost_of(above, below)
    assert (found.name, found.numerator, found.denominator) == ("fdm/n-body", "fdm", "n-body")
    assert (found.redshift, found.m22, found.source) == (4.0, 2.0, "a.hdf5 over b")
    assert found.label == "fdm/n-body, m22 = 2, z = 4"


def simple(of="fdm", power=(1.0, 1.0, 1.0), **more):
    return Spectrum(K, power, of, **more)


@pytest.mark.parametrize(
    ("above", "below", "message"),
    [
        (
            simple(box_size=(2.0, 2.0, 2.0)),
            simple("cdm", box_size=(4.0, 4.0, 4.0)),
            "box_size = 2, 2, 2 of fdm and 4, 4, 4 of cdm: must be the same in both halves of a ratio, or be allowed "
            "to differ: --allow box_size (in Python allow)",
        ),
        (
            simple(redshift=4.0),
            simple("cdm", redshift=3.99),
            "redshift = 4 of fdm and 3.99 of cdm: must be the same in both halves of a ratio, or be allowed to differ: "
            "--allow redshift (in Python allow)",
        ),
        (
            simple(m22=1.0),
            simple("smooth", m22=2.0),
            "m22 = 1 of fdm and 2 of smooth: must be the same in both halves of a ratio, or be allowed to differ: "
            "--allow m22 (in Python allow)",
        ),
        (
            simple(units=NORMALISED),
            simple("cdm"),
            "power of fdm in 1, of cdm in (Mpc/h)^3: must be in the same units",
        ),
        (simple(), simple(), "numerator = denominator = fdm: must be two different names"),
        (
            simple(),
            simple("cdm", (1, 0, 1)),
            "cdm in the denominator: power = 0 at k = 2 h/Mpc: must be positive",
        ),
        (
            simple(modes=[1, 1, 1]),
            Spectrum([50.0, 60.0], [1, 1], "cdm"),
            "no k in common: fdm has 1 to 4 h/Mpc, cdm has 50 to 60 h/Mpc",
        ),
        (
            simple(modes=[1, 1, 1]),
            Spectrum([50.0, 60.0], [1, 1], "cdm", modes=[1, 1]),
            "no k in common: fdm has 0.5 to 5 h/Mpc, cdm has 45 to 65 h/Mpc",
        ),
        (
            simple(floor=2.0),
            simple("cdm"),
            "fdm/cdm: no k where both have power above round-off",
        ),
    ],
)
def test_ratios_that_are_refused(above, below, message):
    with pytest.raises(InputError) as caught:
        boost_of(above, below)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "first", "second", "alike"),
    [
        ("redshift", 4.0, 4.0049, True),
        ("redshift", 4.0, 4.0051, False),
        ("redshift", 0.0, 0.0009, True),
        ("redshift", 0.0, 0.0011, False),
        ("m22", 2.0, 2.0 * (1 + 9e-6), True),
        ("m22", 2.0, 2.0 * (1 + 1.1e-5), False),
        ("box_size", (2.0, 2.0, 2.0), (2.0, 2.0, 2.0 * (1 - 9e-6)), True),
        ("box_size", (2.0, 2.0, 2.0), (2.0, 2.0, 2.0 * (1 - 1.1e-5)), False),
    ],
)
def test_halves_that_are_alike(name, first, second, alike):
    """Redshifts within 1e-3 of 1 + z, boson masses and boxes within 1e-5; what is not known is like anything."""
    above, below = simple(**{name: first}), simple("cdm", **{name: second})
    for pair in ((above, below), (below, above)):
        if alike:
            assert boost_of(*pair).boost.tolist() == [1, 1, 1]
        else:
            with pytest.raises(InputError, match=f"^{name} = .* must be the same in both halves of a ratio"):
                boost_of(*pair)
    assert boost_of(above, simple("cdm")).boost.tolist() == [1, 1, 1]


def test_halves_may_differ_where_that_is_allowed():
    above, below = simple(redshift=4.0, m22=1.0), simple("cdm", redshift=3.0, m22=2.0)
    assert boost_of(above, below, allow=("redshift", "m22")).redshift == 4.0
    with pytest.raises(InputError, match=r"^allow = seed: must be one of box_size, redshift, m22, object$"):
        boost_of(above, below, allow=("seed",))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: simple(power=(1, -2e-3, 1)),
            "fdm: power = -0.002 at k = 2 h/Mpc: must be finite and not negative (leave shot noise in: --shot-noise)",
        ),
        (
            lambda: simple(power=(1, np.nan, 1)),
            "fdm: power = nan at k = 2 h/Mpc: must be finite and not negative (leave shot noise in: --shot-noise)",
        ),
        (lambda: Spectrum([1.0, 1.0], [1, 1], "fdm"), "fdm: k = 1 h/Mpc after 1: must increase"),
        (lambda: Spectrum([0.0, 1.0], [1, 1], "fdm"), "fdm: k = 0 h/Mpc: must be positive and finite"),
        (lambda: Spectrum([], [], "fdm"), "fdm: k of shape (0,): must be a list of one or more"),
        (lambda: simple(modes=[1, 0, 1]), "fdm: modes = 0 at k = 2 h/Mpc: must be positive"),
        (lambda: simple(error=[1, 1]), "fdm: error of shape (2,): must be that of k, (3,)"),
        (lambda: simple(units="Mpc"), "fdm: units = Mpc: must be (Mpc/h)^3 or 1"),
        (lambda: simple("a/b"), "of = 'a/b': must be a short name in one line, without /"),
        (lambda: simple(source="a\nb"), r"fdm: source = 'a\nb': must be one line, without blanks at its ends"),
        (
            lambda: simple(edges=[[1, 2, 3], [1, 3, 4]]),
            "fdm: edges: must be a positive lower and a larger upper edge for every bin",
        ),
        (
            lambda: Boost(K, [1, -1, 1], "fdm", "cdm"),
            "fdm/cdm: boost = -1 at k = 2 h/Mpc: must be finite and not negative",
        ),
        (lambda: Boost(K, [1, 1, 1], "fdm", ""), "denominator = '': must be a short name in one line, without /"),
        (
            lambda: Boost(K, [1, 1, 1], "fdm", "cdm", beyond_nyquist=[True]),
            "fdm/cdm: beyond_nyquist of shape (1,): must be that of k, (3,)",
        ),
        (
            lambda: simple().at([2.0, 5.0]),
            "fdm: k = 5 h/Mpc: must be in [1, 4], where it is known",
        ),
    ],
)
def test_values_that_are_refused(make, message):
    with pytest.raises(InputError) as caught:
        make()
    assert str(caught.value) == message


def test_what_is_no_power_of_one_field():
    density = random_density(8)
    for other in (
        power_spectrum(density, 1.0, mu_bins=2),
        power_spectrum(density, 1.0, other=density),
    ):
        with pytest.raises(ValueError, match=r"must be P\(k\) of one field"):
            grid_spectrum(other, "fdm")


def test_arrays_are_copied_and_read_only():
    power = np.ones(3)
    spectrum = simple(power=power)
    power[0] = 5
    assert spectrum.power[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        spectrum.power[0] = 2
