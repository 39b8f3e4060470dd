"""Spectra on common bins and their ratios: exact where bins coincide, shared out where not, refused where asked."""

import numpy as np
import pytest

from gpu_fdm.cosmology.background import Background
from gpu_fdm.cosmology.linear_power import LinearPower
from gpu_fdm.cosmology.transfer import transfer
from gpu_fdm.errors import InputError
from gpu_fdm.spectra.boost import Boost, boost_of, linear_spectrum, overlay, theory_boosts
from gpu_fdm.spectra.grid_spectrum import grid_spectrum
from gpu_fdm.spectra.power import Bins, PowerSpectrum, bin_modes, power_spectrum
from gpu_fdm.spectra.spectrum import NORMALISED, Spectrum, common_bins

K = np.array([1.0, 2.0, 4.0])


def random_density(cells=24, seed=1):
    return 1 + 0.3 * np.random.default_rng(seed).standard_normal((cells,) * 3)


def power_law_grid(cells, box, width, slope):
    """A grid each of whose modes has exactly P = k^slope."""
    bins = Bins((cells,) * 3, box, width)
    squares = [(bins.wavenumbers(axis) * bins.fundamental) ** 2 for axis in range(3)]
    k = np.sqrt(squares[0][:, None, None] + squares[1][:, None] + squares[2])
    amplitude = np.where(k > 0, np.where(k > 0, k, 1) ** (slope / 2), 0) * cells**3 / box**1.5
    return PowerSpectrum.from_sums(bin_modes(amplitude.astype(complex), None, 0, bins), bins, (1.0,))


# common bins


@pytest.mark.parametrize("width", [3.0, 5.0])
def test_wider_bins_with_the_same_edges_are_recovered(width):
    """Bins of 1 and of an odd width share edges: the sums are those of the wider bins."""
    density = random_density()
    fine, wide = (grid_spectrum(power_spectrum(density, 2.0, bin_width=w), "fdm") for w in (1.0, width))
    first, second = common_bins(fine, wide)
    assert len(first.k) == len(wide.k)
    assert np.array_equal(first.modes, wide.modes)
    assert first.k == pytest.approx(wide.k, rel=1e-13)  # sums in another order
    assert first.power == pytest.approx(wide.power, rel=1e-13)
    assert second.power == pytest.approx(wide.power, rel=1e-13)
    ratio = boost_of(fine, grid_spectrum(power_spectrum(density, 2.0, bin_width=width), "n-body"))
    assert ratio.boost == pytest.approx(np.ones(len(wide.k)), rel=1e-13)


def test_equal_bins_are_left_alone():
    fdm = grid_spectrum(power_spectrum(random_density(seed=1), 2.0), "fdm")
    cdm = grid_spectrum(power_spectrum(random_density(seed=2), 2.0), "cdm")
    assert common_bins(fdm, cdm) == (fdm, cdm)
    assert np.array_equal(boost_of(fdm, cdm).boost, fdm.power / cdm.power)


@pytest.mark.parametrize(
    ("other", "slope"),
    [((64, 1.0, 2.0), -3), ((64, 2.0, 1.0), -3), ((48, 1.5, 1.0), -6), ((64, 1.05, 1.0), -3), ((64, 1.05, 1.2), -6)],
)
def test_boxes_whose_bins_do_not_coincide(other, slope):
    """The ratio of equal powers is one: 1 % from the fourth bin on, where bins are filled by hundreds of modes."""
    first = grid_spectrum(power_law_grid(64, 1.0, 1.0, slope), "fdm")
    second = grid_spectrum(power_law_grid(*other, slope), "cdm")
    found = boost_of(first, second, allow=("box_size",))
    tolerance = 5e-3 if slope == -3 else 2e-2  # of the scheme: P follows a power law inside a bin, modes fill it evenly
    assert len(found.k) > 20
    assert found.boost[3:] == pytest.approx(np.ones(len(found.k) - 3), abs=tolerance)
    assert found.boost[15:] == pytest.approx(np.ones(len(found.k) - 15), abs=tolerance / 5)


def test_sharing_out_keeps_modes_and_power():
    grid = grid_spectrum(power_spectrum(random_density(), 2.0), "fdm")
    low, high = grid.edges
    edges = np.array([low[0], 7.0, 12.1, 20.0, 27.5, high[-1]])
    wider = grid.rebinned(edges)
    assert wider.modes.sum() == pytest.approx(grid.modes.sum(), rel=1e-13)
    for values in ("power", "k"):
        total = np.sum(grid.modes * getattr(grid, values))
        assert np.sum(wider.modes * getattr(wider, values)) == pytest.approx(total, rel=1e-13)
    assert np.all((wider.k > edges[:-1]) & (wider.k < edges[1:]))
    variance = np.sum((grid.modes * grid.deviation) ** 2)
    assert np.sum((wider.modes * wider.error) ** 2) == pytest.approx(variance, rel=1e-13)


def test_weights_are_numbers_of_modes():
    spectrum = Spectrum(K, [8.0, 4.0, 1.0], "fdm", modes=[10, 30, 60], edges=[[0.5, 1.5, 3.0], [1.5, 3.0, 5.0]])
    wider = spectrum.rebinned([0.5, 3.0, 5.0])
    assert wider.modes.tolist() == [40, 60]
    assert wider.power.tolist() == [(10 * 8 + 30 * 4) / 40, 1]
    assert wider.k.tolist() == [(10 * 1 + 30 * 2) / 40, 4]
    assert wider.error[0] == pytest.approx(np.sqrt(2 * (10 * 8**2 + 30 * 4**2)) / 40, rel=1e-14)


def test_theory_has_no_bins_to_make_wider():
    with pytest.raises(InputError, match=r"^cdm: modes: must be known for bins to be made wider$"):
        Spectrum(K, [8.0, 4.0, 1.0], "cdm").rebinned([0.5, 3.0, 5.0])


def test_one_bin_in_two():
    """A bin 1..2 with P = k^-2 inside, cut at 1.5: shares of the integrals of k^2 and of 1."""
    spectrum = Spectrum([1.0, 2.0], [1.0, 0.25], "fdm", modes=[100, 100], edges=[[0.8, 1.2], [1.2, 2.6]])
    wider = spectrum.rebinned([1.2, 2.0, 2.6])
    share = (2**3 - 1.2**3) / (2.6**3 - 1.2**3)
    assert wider.modes == pytest.approx([100 * share, 100 * (1 - share)], rel=1e-13)
    assert wider.modes * wider.power == pytest.approx([25 * 0.8 / 1.4, 25 * 0.6 / 1.4], rel=1e-13)


def test_edges_that_are_not_known_are_halfway():
    spectrum = Spectrum(K, [1, 1, 1], "fdm", modes=[1, 1, 1])
    assert spectrum.bin_edges.tolist() == [[0.5, 1.5, 3.0], [1.5, 3.0, 5.0]]


def test_lowest_bins_that_do_not_begin_together_are_left_out():
    first = grid_spectrum(power_law_grid(16, 1.0, 1.0, -1), "fdm")
    second = grid_spectrum(power_law_grid(16, 2.0, 1.0, -1), "cdm")
    assert common_bins(first, second)[0].edges[0, 0] == pytest.approx(1.5 * 2 * np.pi, rel=1e-13)


# ratios


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


def test_two_theories_at_the_k_above_the_line():
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
    last = np.array([each.boost[1] for each in found])
    expected = np.mean([each.error[1] for each in found])
    assert last.std() == pytest.approx(expected, rel=3 / np.sqrt(500))


def test_errors_that_are_given_come_before_the_modes():
    above = Spectrum(K, [2.0, 2.0, 2.0], "fdm", modes=[8, 8, 8], error=[0.2, 0.4, 0.6])
    below = Spectrum(K, [1.0, 1.0, 1.0], "cdm", modes=[8, 8, 8])
    found = boost_of(above, below)
    assert found.error == pytest.approx(2 * np.sqrt(np.array([0.1, 0.2, 0.3]) ** 2 + 0.25), rel=1e-14)


def test_rows_beyond_the_nyquist_wavenumber_are_kept_and_marked():
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


def test_names_and_what_is_known_are_kept():
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
            "cdm below the line: power = 0 at k = 2 h/Mpc: must be positive",
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


def test_halves_may_differ_where_that_is_allowed():
    above, below = simple(redshift=4.0, m22=1.0), simple("cdm", redshift=3.0, m22=2.0)
    assert boost_of(above, below, allow=("redshift", "m22")).redshift == 4.0
    with pytest.raises(InputError, match=r"^allow = seed: must be one of box_size, redshift, m22$"):
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
            "fdm: edges: must be a positive lower and an upper one of each of the bins",
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


# several in a figure


def test_overlay():
    over_smooth = Boost(K, [1, 2, 9], "fdm", "smooth", error=[0.1, 0.2, 3], m22=1.0)
    over_cdm = Boost(K, [1, 1, 0.5], "fdm", "cdm", redshift=4.0)
    first, second = overlay([over_smooth, over_smooth])
    assert first.low.tolist() == pytest.approx([0.9, 1.8, 6])
    assert (first.high.tolist(), second.label) == ([1.1, 2.2, 12], "fdm/smooth, m22 = 1")
    with pytest.raises(InputError) as caught:
        overlay([over_smooth, over_cdm])
    assert str(caught.value) == (
        "fdm/smooth, m22 = 1 and fdm/cdm, z = 4: ratios over different denominators, smooth and cdm, are different "
        "quantities: overlay them with mixed = yes only"
    )
    assert [each.low is None for each in overlay([over_smooth, over_cdm], mixed=True)] == [False, True]
    assert overlay([]) == ()


# theory


def linear_power():
    k = np.geomspace(1e-3, 50, 60)
    return LinearPower(k, 1e4 * k / (1 + (k / 0.02) ** 2) ** 1.8, Background(0.3), "a fit")


def filament_spectra(k, m22=1.0, redshift=4.0):
    known = {"redshift": redshift, "m22": m22, "source": "one-filament spectrum", "floor": 1e-15}
    return Spectrum(k, 2 / (1 + k), "fdm", **known), Spectrum(k, 2 / (1 + k) ** 3, "smooth", **known)


def test_theory_adds_filaments_to_linear_power():
    linear, cut_off, k = linear_power(), transfer("hu00", 1.0, h=0.7), np.geomspace(0.01, 100, 40)
    fdm, smooth = filament_spectra(k)
    over_smooth, over_cdm = theory_boosts(linear, cut_off, fdm, smooth)
    k = k[k <= 50]
    assert np.array_equal(over_smooth.k, k)
    growth = Background(0.3).growth(0.2) ** 2
    cold = growth * linear(k)
    above, below = (cold * cut_off(k) ** 2 + filaments for filaments in (2 / (1 + k), 2 / (1 + k) ** 3))
    assert over_smooth.boost == pytest.approx(above / below, rel=1e-12)
    assert over_cdm.boost == pytest.approx(above / cold, rel=1e-12)
    assert (over_smooth.name, over_cdm.name) == ("fdm/smooth", "fdm/cdm")
    assert (over_cdm.redshift, over_cdm.m22, over_cdm.error) == (4.0, 1.0, None)
    assert over_cdm.source == (
        "linear power: a fit, transfer hu00, plus one-filament spectrum over linear power: a fit"
    )
    # where the cut-off has left nothing, the filaments alone: (1 + k)^2
    assert over_smooth.boost[-1] == pytest.approx((1 + k[-1]) ** 2, rel=1e-6)


def test_cut_off_of_linear_power():
    linear, k = linear_power(), np.array([1.0, 5.0, 9.0])
    fdm, cdm = linear_spectrum(linear, k, 3.0, transfer("ph22", 1.0, h=0.7)), linear_spectrum(linear, k, 3.0)
    assert boost_of(fdm, cdm).boost == pytest.approx(transfer("ph22", 1.0, h=0.7)(k) ** 2, rel=1e-13)
    assert (fdm.of, fdm.m22, cdm.of, cdm.m22) == ("fdm", 1.0, "cdm", None)


@pytest.mark.parametrize(
    ("m22", "k", "message"),
    [
        (2.0, [1.0, 2.0], "m22 = 1 of the transfer: must be that of the one-filament spectrum, 2"),
        (1.0, [60.0, 80.0], "fdm: no k within [0.001, 50] h/Mpc, the range of linear power"),
    ],
)
def test_theory_that_is_refused(m22, k, message):
    with pytest.raises(InputError) as caught:
        theory_boosts(linear_power(), transfer("hu00", 1.0, h=0.7), *filament_spectra(np.array(k), m22))
    assert str(caught.value) == message


def test_theory_needs_spectra_of_one_population():
    fdm, smooth = filament_spectra(K)
    with pytest.raises(
        InputError, match=r"^fdm, smooth: must be one-filament spectra at the same k, in the same units$"
    ):
        theory_boosts(linear_power(), transfer("hu00", 1.0, h=0.7), fdm, smooth.rows(slice(2)))
