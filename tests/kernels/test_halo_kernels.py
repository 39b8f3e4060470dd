"""The kernels of haloes agree with the numba loops, through cuda_on_cpu and on a GPU."""

import numpy as np
import pytest
from halo_cases import reference_halo

from gpu_fdm import Box, HaloWave, fill_halo, halo_psi_at, halo_source, random_amplitudes, tabulate_halo
from gpu_fdm.parallel.backend import CPU

ROUND_OFF = {np.float64: 1e-12, np.float32: 1e-5}  # over the maximum
precisions = pytest.mark.parametrize("dtype", ROUND_OFF)


def wave():
    """The reference halo."""
    _, states, weight = reference_halo()
    return HaloWave(states, weight, random_amplitudes(states, 1))


def difference(found, expected):
    """Largest difference over the largest value expected."""
    assert np.all(np.isfinite(expected))
    return np.max(np.abs(found - expected)) / np.max(np.abs(expected))


@precisions
def test_psi_at_points(cuda, dtype):
    factors = tabulate_halo(wave(), 0.3, 1e-7, dtype)
    reach = factors.radius_max
    points = np.random.default_rng(2).uniform(-0.8, 0.8, (300, 3)) * reach
    points[:4] = (0, 0, 0), (0, 0, 0.1), (0, 0, -0.1), (reach, 0, 0)
    found, expected = halo_psi_at(factors, points, cuda), halo_psi_at(factors, points, CPU(1))
    assert found.dtype == np.result_type(dtype, np.complex64)
    assert difference(found, expected) < ROUND_OFF[dtype]
    assert np.all(found[np.linalg.norm(points, axis=1) >= reach] == 0)


@precisions
@pytest.mark.parametrize("sampling", ["point", "average"])
def test_cells(cuda, sampling, dtype):
    source = halo_source(wave(), 0.3, 1e-4, dtype)
    box = Box(tuple((source.reach * np.array([2.1, 1.7, 2.3])).tolist()), (11, 9, 13))
    centre = tuple((np.array(box.size) * [0.1, 0.5, 0.9]).tolist())
    filled = []
    for backend in (cuda, CPU(1)):
        densities = backend.xp.zeros((2, 8, 9, 13), dtype)
        fill_halo(densities[0], densities[1], box, centre, source, 1.0, 2, sampling, backend)
        filled.append(backend.to_host(densities))
    for found, expected in zip(*filled, strict=True):
        assert difference(found, expected) < ROUND_OFF[dtype]
