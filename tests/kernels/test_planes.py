"""Planes of modes over y and z: what transforms of NumPy give."""

import numpy as np
import pytest

from gpu_fdm.kernels import planes
from gpu_fdm.parallel.backend import CPU

# along y and along z every radix of a last stage, with lines that fill a last block, and do not
SIZES = [(64, 64), (96, 80), (80, 96), (320, 320), (120, 160), (64, 720), (72, 1024), (1024, 64), (1000, 240)]
ROUND_OFF = {np.complex128: 1e-15, np.complex64: 1e-6}


def test_sizes(cuda):
    assert all(planes.plane_fits(*sizes, cuda) for sizes in SIZES)
    assert not any(planes.plane_fits(*sizes, cuda) for sizes in ((64, 72), (64, 2048), (60, 64), (64, 8), (1032, 64)))
    assert not planes.plane_fits(256, 256, CPU(1))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_masses_to_modes(cuda, sizes, dtype):
    mass = np.random.default_rng(sizes).integers(-1000, 100_000, (3, *sizes))
    modes = np.empty((3, sizes[0], sizes[1] // 2 + 1), dtype)
    expected = np.fft.rfft2(1e-4 * mass)
    given, found = cuda.to_device(mass), cuda.to_device(modes)
    planes.masses_to_modes(given, 1e-4, -7, found, cuda)
    scale = np.abs(expected).max() * ROUND_OFF[dtype]
    np.testing.assert_allclose(cuda.to_host(found), expected, rtol=0, atol=scale)
    assert (cuda.to_host(given) == -7).all()


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_modes_to_real(cuda, sizes, dtype):
    random, shape = np.random.default_rng(sizes), (3, sizes[0], sizes[1] // 2 + 1)
    modes = (random.standard_normal(shape) + 1j * random.standard_normal(shape)).astype(dtype)
    # NumPy takes what should be real for real too
    expected = np.fft.irfft2(modes.astype(complex), s=sizes) * np.prod(sizes)
    found = cuda.to_device(modes)
    largest = cuda.to_device(np.full(planes.blocks_of((3, *sizes)), -1.0))
    planes.modes_to_real(found, largest, cuda)
    found = cuda.to_host(found).view(modes.real.dtype)[..., : sizes[1]]
    np.testing.assert_allclose(found, expected, rtol=0, atol=np.abs(expected).max() * 4 * ROUND_OFF[dtype])
    largest = cuda.to_host(largest)
    assert largest.min() >= 0
    assert largest.max() == np.abs(found).max()


def test_not_a_number_stays(cuda):
    modes = np.zeros((2, 64, 33), complex)
    modes[1, 3, 5] = np.nan
    largest = cuda.to_device(np.zeros(planes.blocks_of((2, 64, 64))))
    planes.modes_to_real(cuda.to_device(modes), largest, cuda)
    assert np.isnan(cuda.to_host(largest)).any()
