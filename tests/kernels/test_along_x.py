"""Modes along x there and back in one pass: what transforms of their own and a multiplication give."""

import numpy as np
import pytest

from gpu_fdm.kernels import along_x
from gpu_fdm.kernels.mesh_passes import gradient
from gpu_fdm.kernels.wave import Phases, SquaredWavenumbers
from gpu_fdm.parallel.backend import CPU

# every radix and every order of radices; rows that fill the last block, and do not
SIZES = [64, 80, 96, 120, 160, 192, 240, 256, 320, 384, 512, 640, 720, 768, 1000, 1024]
EVERY_RADIX = [64, 96, 320, 720, 1000]  # in single precision too: the order of radices does not depend on it
ROUND_OFF = {np.complex128: 1e-14, np.complex64: 1e-6}


def test_sizes(cuda):
    assert all(along_x.fits(size, cuda) for size in SIZES)
    assert not any(along_x.fits(size, cuda) for size in (1, 8, 60, 63, 100, 112, 1032, 1152, 2048))
    assert not along_x.fits(256, CPU(1))


@pytest.mark.parametrize(
    ("size", "dtype"),
    [
        *(pytest.param(n, np.complex128, marks=[] if n in EVERY_RADIX else [pytest.mark.slow]) for n in SIZES),
        *((n, np.complex64) for n in EVERY_RADIX),
    ],
)
def test_there_and_back(cuda, size, dtype):
    rows, length = (3, 7) if size < 600 else (2, 3)
    random = np.random.default_rng(size)
    modes = (random.standard_normal((size, rows, length)) + 1j * random.standard_normal((size, rows, length))).astype(
        dtype
    )
    parts = [random.uniform(0, 3, number) for number in (size, rows, length)]
    for part in parts:
        part[0] = 0
    squares = SquaredWavenumbers(*parts, cuda)
    squared = parts[0][:, None, None] + parts[1][:, None] + parts[2]
    exact = np.fft.fft(modes.astype(complex), axis=0)
    scale = ROUND_OFF[dtype] * size * np.abs(modes).max()
    found = cuda.to_device(modes.copy())
    along_x.phases_along_x(found, Phases(squares, 0.7, 1.5), cuda)
    expected = size * np.fft.ifft(exact * np.exp(-0.7j * squared) * 1.5, axis=0)
    np.testing.assert_allclose(cuda.to_host(found), expected, rtol=0, atol=2 * scale)
    found = cuda.to_device(modes.copy())
    along_x.green_along_x(found, squares, 0.3, cuda)
    with np.errstate(divide="ignore"):
        expected = size * np.fft.ifft(exact * np.where(squared > 0, -0.3 / squared, 0), axis=0)
    np.testing.assert_allclose(
        cuda.to_host(found), expected, rtol=0, atol=ROUND_OFF[dtype] * np.abs(expected).max() * 5
    )


@pytest.mark.parametrize(
    ("size", "dtype"),
    [(64, np.complex64), (96, np.complex128), (320, np.complex64), (512, np.complex128), (720, np.complex64)],
)
def test_slopes(cuda, size, dtype):
    """What transforms of their own and mesh_passes.gradient give."""
    random, shape = np.random.default_rng(size), (size, 3, 7)
    lines = (random.standard_normal(shape) + 1j * random.standard_normal(shape)).astype(dtype)
    green = random.standard_normal((size // 2 + 1, *shape[1:])).astype(lines.real.dtype)
    along = [random.standard_normal(number) for number in shape]
    modes = np.fft.fft(lines.astype(complex), axis=0)
    slopes = gradient(modes, green.astype(float), along, CPU(1))
    given = cuda.to_device(lines), cuda.to_device(green), [*map(cuda.to_device, along)]
    for found, slope in zip(along_x.slopes_along_x(*given, cuda), slopes, strict=True):
        expected, found = size * np.fft.ifft(slope, axis=0), cuda.to_host(found)
        assert found.dtype == dtype
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUND_OFF[dtype] * np.abs(expected).max())
