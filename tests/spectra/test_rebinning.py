"""Spectra over common bins: exact where bins coincide, split where they do not."""

import numpy as np
import pytest
from grid_spectra import power_law_grid, random_density

from gpu_fdm.errors import InputError
from gpu_fdm.spectra.boost import boost_of
from gpu_fdm.spectra.grid_spectrum import grid_spectrum
from gpu_fdm.spectra.power import power_spectrum
from gpu_fdm.spectra.rebinning import common_bins, rebin
from gpu_fdm.spectra.spectrum import Spectrum

K = np.array([1.0, 2.0, 4.0])


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


def test_split_bins_conserve_modes_and_power():
    grid = grid_spectrum(power_spectrum(random_density(), 2.0), "fdm")
    low, high = grid.edges
    edges = np.array([low[0], 7.0, 12.1, 20.0, 27.5, high[-1]])
    wider = rebin(grid, edges)
    assert wider.modes.sum() == pytest.approx(grid.modes.sum(), rel=1e-13)
    for values in ("power", "k"):
        total = np.sum(grid.modes * getattr(grid, values))
        assert np.sum(wider.modes * getattr(wider, values)) == pytest.approx(total, rel=1e-13)
    assert np.all((wider.k > edges[:-1]) & (wider.k < edges[1:]))
    variance = np.sum((grid.modes * grid.deviation) ** 2)
    assert np.sum((wider.modes * wider.error) ** 2) == pytest.approx(variance, rel=1e-13)


def test_weights_are_numbers_of_modes():
    spectrum = Spectrum(K, [8.0, 4.0, 1.0], "fdm", modes=[10, 30, 60], edges=[[0.5, 1.5, 3.0], [1.5, 3.0, 5.0]])
    wider = rebin(spectrum, [0.5, 3.0, 5.0])
    assert wider.modes.tolist() == [40, 60]
    assert wider.power.tolist() == [(10 * 8 + 30 * 4) / 40, 1]
    assert wider.k.tolist() == [(10 * 1 + 30 * 2) / 40, 4]
    assert wider.error[0] == pytest.approx(np.sqrt(2 * (10 * 8**2 + 30 * 4**2)) / 40, rel=1e-14)


def test_theory_has_no_bins():
    with pytest.raises(InputError, match=r"^cdm: modes: must be known for bins to be made wider$"):
        rebin(Spectrum(K, [8.0, 4.0, 1.0], "cdm"), [0.5, 3.0, 5.0])


def test_one_bin_in_two():
    """A bin 1..2 with P = k^-2 inside, cut at 1.5: shares of the integrals of k^2 and of 1."""
    spectrum = Spectrum([1.0, 2.0], [1.0, 0.25], "fdm", modes=[100, 100], edges=[[0.8, 1.2], [1.2, 2.6]])
    wider = rebin(spectrum, [1.2, 2.0, 2.6])
    share = (2**3 - 1.2**3) / (2.6**3 - 1.2**3)
    assert wider.modes == pytest.approx([100 * share, 100 * (1 - share)], rel=1e-13)
    assert wider.modes * wider.power == pytest.approx([25 * 0.8 / 1.4, 25 * 0.6 / 1.4], rel=1e-13)


def test_unknown_edges_are_halfway():
    spectrum = Spectrum(K, [1, 1, 1], "fdm", modes=[1, 1, 1])
    assert spectrum.bin_edges.tolist() == [[0.5, 1.5, 3.0], [1.5, 3.0, 5.0]]


def test_lowest_bins_that_do_not_begin_together_are_left_out():
    first = grid_spectrum(power_law_grid(16, 1.0, 1.0, -1), "fdm")
    second = grid_spectrum(power_law_grid(16, 2.0, 1.0, -1), "cdm")
    assert common_bins(first, second)[0].edges[0, 0] == pytest.approx(1.5 * 2 * np.pi, rel=1e-13)
