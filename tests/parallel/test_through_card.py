"""Slabs on the host that go through a card in pieces: modes, P(k), P(k, mu), cross spectra and xi(r) of the whole."""

from dataclasses import dataclass

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu
from rank_runs import agree, needs_mpi, run_here

from gpu_fdm.parallel import fft, through_card
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.ranks import Ranks
from gpu_fdm.spectra.correlation import correlation_function
from gpu_fdm.spectra.modes import contrast_modes
from gpu_fdm.spectra.power import Bins, power_of_modes, power_spectrum

SIZES = [(9, 8, 5), (7, 5, 6), (5, 2, 4), (3, 1, 1)]
SIDES = (3.0, 2.0, 2.5)
TOLERANCES = {np.float64: 1e-12, np.float32: 1e-6}
MEMORIES = 1, 64 * 2000, 2**40  # of a card: one plane or line at a time, a few, all


@dataclass(frozen=True)
class Card(CudaOnCpu):
    """A card of so many bytes."""

    total_memory: int

    def to_device(self, array):
        """A copy, as a card has it."""
        return np.array(array, order="C")


def field(cells, dtype, seed):
    return (2 + 0.5 * np.random.default_rng(seed).standard_normal(cells)).astype(dtype)


def domains(cells, ranks):
    """The domain of a CPU, and domains whose slabs go through cards."""
    return Domain(cells, ranks), [Domain(cells, ranks, Card(memory)).through_card for memory in MEMORIES]


def check_pieces(ranks, cells, dtype):
    """Modes are those of the CPU, and the field comes back, whatever the number of pieces."""
    on_cpu, through = domains(cells, ranks)
    slab = field(cells, dtype, 1)[on_cpu.planes].copy()

    def contrast(planes, _, out):
        out[..., : cells[2]] = planes - slab.dtype.type(1)

    expected = fft.transform_planes(slab, on_cpu, contrast)
    found = [through_card.transform_planes(slab, domain, contrast) for domain in through]
    fft.along_x([expected], there=True)
    for transformed, domain in zip(found, through, strict=True):
        assert transformed.values.dtype == expected.values.dtype
        lines = [slice(0, 0)]
        for part, (modes,) in through_card.lines_along_x([transformed], there=True):
            assert part.start == lines[-1].stop
            lines.append(part)
            np.testing.assert_allclose(
                modes, expected.values[:, part], rtol=0, atol=TOLERANCES[dtype] * max(1, abs(slab).sum())
            )
        assert lines[-1].stop == domain.lines.stop - domain.lines.start
        through_card.along_x([transformed], lambda values: values, there=True, back=True)
    for transformed in found:
        planes = [(part, values.copy()) for part, values in through_card.planes_of_inverse(transformed)]
        back = np.concatenate([values for _, values in planes]) if planes else np.empty((0, *cells[1:]), dtype)
        assert [part.start for part, _ in planes[1:]] == [part.stop for part, _ in planes[:-1]]
        np.testing.assert_allclose(back, slab - 1, rtol=0, atol=10 * TOLERANCES[dtype])


def check_statistics(ranks, cells, dtype):
    """Those of the whole field on the CPU, to round-off."""
    whole, tolerance = [field(cells, dtype, seed) for seed in (1, 2)], TOLERANCES[dtype]
    alone = Domain(cells)
    for domain in domains(cells, ranks)[1][:2]:
        slabs = [each[domain.planes] for each in whole]
        first, second = (contrast_modes(slab, domain) for slab in slabs)
        bins, of_cpu = Bins(cells, SIDES), [contrast_modes(each, alone) for each in whole]
        scale = np.nanmax(power_of_modes(of_cpu[0], bins).power)
        for mu_bins in (None, 3):
            bins = Bins(cells, SIDES, mu_bins=mu_bins)
            for found, expected in (
                (power_of_modes(first, bins), power_of_modes(of_cpu[0], bins)),
                (power_of_modes(first, bins, second), power_of_modes(of_cpu[0], bins, of_cpu[1])),
                (power_spectrum(slabs[0], SIDES, mu_bins=mu_bins, domain=domain), power_of_modes(of_cpu[0], bins)),
            ):
                np.testing.assert_array_equal(found.modes, expected.modes)
                np.testing.assert_allclose(found.k, expected.k, rtol=1e-12)
                np.testing.assert_allclose(found.power, expected.power, rtol=tolerance, atol=tolerance * scale)
                np.testing.assert_allclose(found.mean_density, expected.mean_density, rtol=1e-14)
        for other, of_other in ((None, None), (slabs[1], whole[1])):
            found = correlation_function(slabs[0], SIDES, other=other, bin_width=0.4, domain=domain)
            expected = correlation_function(whole[0], SIDES, other=of_other, bin_width=0.4)
            np.testing.assert_array_equal(found.separations, expected.separations)
            np.testing.assert_allclose(found.r, expected.r, rtol=1e-12)
            np.testing.assert_allclose(found.correlation, expected.correlation, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("cells", SIZES, ids=str)
@pytest.mark.parametrize("check", [check_pieces, check_statistics])
def test_one_rank(check, cells, dtype):
    check(Ranks(), cells, dtype)


def test_a_card(backend):
    """On a card, where there is one: as above, two pieces, one smaller than the other."""
    cells = 256, 240, 320
    if backend.name == "cpu":
        pytest.skip("no card")
    domain = Domain(cells, backend=backend).through_card
    density = field(cells, np.float64, 1)
    found, expected = (power_spectrum(density, SIDES, mu_bins=3, domain=where) for where in (domain, None))
    np.testing.assert_allclose(found.power[1:], expected.power[1:], rtol=1e-10)
    found, expected = (correlation_function(density, SIDES, domain=where) for where in (domain, None))
    np.testing.assert_allclose(found.correlation, expected.correlation, rtol=0, atol=1e-12)


def test_a_field_with_nan():
    domain = Domain((4, 4, 4), backend=Card(1)).through_card
    with pytest.raises(ValueError, match="density holds NaN or infinity"):
        contrast_modes(np.full((4, 4, 4), np.nan), domain)


@needs_mpi
def test_ranks():
    """The same under mpiexec; some of three ranks hold no lines of the smallest grids."""
    agree(__file__, 3)


def check_ranks(ranks):
    for cells in SIZES[1:]:
        check_pieces(ranks, cells, np.float64)
        check_statistics(ranks, cells, np.float64)


if __name__ == "__main__":
    run_here(check_ranks)
