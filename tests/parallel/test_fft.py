"""Slab transforms, there and back, on any number of ranks: what numpy.fft gives, and the same P(k) and xi(r)."""

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.fft import inverse, transform
from gpu_fdm.parallel.ranks import Ranks
from gpu_fdm.spectra.correlation import correlation_function
from gpu_fdm.spectra.power import power_spectrum

SIZES = [(12, 10, 9), (7, 5, 6), (5, 2, 4), (3, 1, 1), (16, 9, 8)]
SIDES = (3.0, 2.0, 2.5)
# round-off over the largest number
TOLERANCES = {np.float64: 1e-14, np.float32: 1e-6}


class SmallCard(CudaOnCpu):
    """A card on which nothing is transformed whole."""

    total_memory = 1


BACKENDS = [CPU(1), CPU(2), CudaOnCpu(), SmallCard()]


def field(cells, dtype, seed):
    return (2 + 0.5 * np.random.default_rng(seed).standard_normal(cells)).astype(dtype)


def close(found, expected, tolerance):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def check_transforms(ranks, backend, cells, dtype):
    """The transform of slabs is that of the field, `prepare` is applied, and the inverse brings the slab back."""
    whole, tolerance = field(cells, dtype, seed=1), TOLERANCES[dtype]
    domain = Domain(cells, ranks, backend)
    planes, lines = domain.planes, domain.lines
    slab = whole[planes].copy()
    expected = np.fft.rfftn(whole.astype(np.float64))
    found = transform(slab, domain)
    assert found.values.shape == domain.transposed_shape(cells[2] // 2 + 1)
    assert found.values.dtype == np.result_type(dtype, np.complex64)
    assert found.values.flags.c_contiguous
    if lines.start < lines.stop:
        close(found.values, expected[:, lines], tolerance)
    back = inverse(found)
    assert back.dtype == dtype
    close(back, slab, tolerance)
    np.testing.assert_array_equal(slab, whole[planes])

    # phases that differ from mode to mode, those of a shift by whole cells, show where each mode is
    def prepare(part, begin, out):
        np.testing.assert_array_equal(part, slab[begin : begin + len(part)])
        out[..., : cells[2]] = 3 * part - 1

    found = transform(slab, domain, prepare)
    mode = np.meshgrid(np.fft.fftfreq(cells[0]), np.fft.fftfreq(cells[1])[lines], indexing="ij")
    found.values[...] *= np.exp(-2j * np.pi * (2 * mode[0] + 3 * mode[1]))[..., None]
    shifted = np.roll(3 * whole - 1, (2, 3), (0, 1))[planes]
    close(inverse(found), shifted, 2 * tolerance)


def check_statistics(ranks, backend, cells, dtype):
    """P(k) and xi(r) of slabs are those of the whole field, on one rank."""
    first, second = field(cells, dtype, seed=1), field(cells, dtype, seed=2)
    domain = Domain(cells, ranks, backend)
    planes = domain.planes
    tolerance = 1e-12 if dtype == np.float64 else 1e-6
    for other in (None, second):
        part = None if other is None else other[planes]
        over = {"other": part, "domain": domain}
        alone = {"other": other, "domain": Domain(cells, backend=CPU(1))}
        spectrum = power_spectrum(first[planes], SIDES, mu_bins=2, **over)
        expected = power_spectrum(first, SIDES, mu_bins=2, **alone)
        scale = np.nanmax(power_spectrum(first, SIDES).power)
        np.testing.assert_array_equal(spectrum.modes, expected.modes)
        np.testing.assert_allclose(spectrum.k, expected.k, rtol=1e-12)
        np.testing.assert_allclose(spectrum.power, expected.power, rtol=tolerance, atol=tolerance * scale)
        correlation = correlation_function(first[planes], SIDES, bin_width=0.4, **over)
        expected = correlation_function(first, SIDES, bin_width=0.4, **alone)
        np.testing.assert_array_equal(correlation.separations, expected.separations)
        np.testing.assert_allclose(correlation.r, expected.r, rtol=1e-12)
        np.testing.assert_allclose(correlation.correlation, expected.correlation, rtol=0, atol=tolerance)


@pytest.mark.parametrize("backend", BACKENDS, ids=["one thread", "two threads", "cuda on cpu", "small card"])
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("cells", SIZES, ids=str)
@pytest.mark.parametrize("check", [check_transforms, check_statistics])
def test_one_rank(check, cells, dtype, backend):
    check(Ranks(), backend, cells, dtype)


@pytest.mark.parametrize("cells", [(5, 4), (5, 4, 0), (5.0, 4.0, 3.0), 7])
def test_cells_that_make_no_domain(cells):
    with pytest.raises(ValueError, match=r"^cells = .*: must be three positive integers$"):
        Domain(cells)


@needs_mpi
@pytest.mark.parametrize("number", [1, 2, 3])
def test_ranks(number):
    """The same under mpiexec; on three ranks some hold no lines of the smallest grids."""
    agree(__file__, number)


def check_ranks(ranks):
    for cells in SIZES:
        for dtype in TOLERANCES:
            check_transforms(ranks, CPU(1), cells, dtype)
            check_transforms(ranks, CudaOnCpu(), cells, dtype)
            check_statistics(ranks, CPU(1), cells, dtype)


if __name__ == "__main__":
    run_here(check_ranks)
