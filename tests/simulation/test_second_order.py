"""A wave to second order against the kernels of perturbation theory and against particles from the same modes."""

import numpy as np
import pytest

from gpu_fdm.cosmology.background import Background
from gpu_fdm.fields.box import Box
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.simulation.initial_conditions import LinearModes, linear_modes, particles_from_modes, wave_from_modes
from gpu_fdm.simulation.integrator import Expanding
from gpu_fdm.simulation.second_order import LARGEST_RATIO, to_second_order
from gpu_fdm.spectra.particles import particle_spectrum
from gpu_fdm.spectra.power import power_spectrum
from gpu_fdm.units import CodeUnits

MATTER, UNITS, A = Background(1.0), CodeUnits(1.0, 0.7, 1.0), 1 / 40
# of delta^2 and of the tides, in the contrast and in the velocity: Zel'dovich, and standard perturbation theory
KERNELS = {1: ((1 / 2, 1 / 2), (0, 1)), 2: ((5 / 7, 2 / 7), (3 / 7, 4 / 7))}


def plane_waves(box, waves):
    """LinearModes of the contrast sum e cos(k x) at A, x from the lower corner of the box; waves: integer k: e."""
    amplitude = np.zeros((*box.cells[:2], box.cells[2] // 2 + 1), complex)
    for mode, size in waves.items():
        amplitude[mode] += size / 2 / float(MATTER.growth(A))
        if mode[2] == 0:
            amplitude[tuple(-np.array(mode))] += size / 2 / float(MATTER.growth(A))
    return LinearModes(amplitude, Domain(box.cells), box, 0.0, 0.0)


def amplitude_of(field, box, mode):
    """Of cos(k x) in a field at the centres of cells."""
    at = np.fft.fftn(field)[tuple(mode)] * 2 / field.size
    return at * np.exp(-1j * np.pi * np.sum(np.array(mode) / box.cells))


@pytest.mark.parametrize("order", KERNELS)
@pytest.mark.parametrize("sign", [1, -1])
def test_kernels(order, sign):
    """Two waves make one of k1 + k2 and one of k1 - k2, of e1 e2 (a + m (k1/k2 + k2/k1)/2 + b m^2), m their cosine."""
    box = Box((0.9, 0.8, 1.0), (24, 20, 18))
    first, second, sizes = (2, 1, 0), (-1, 2, 3), (3e-4, 2e-4)
    modes = plane_waves(box, dict(zip((first, second), sizes, strict=True)))
    psi = wave_from_modes(modes, A, MATTER, UNITS)
    ratio = to_second_order(psi, modes, A, MATTER, UNITS, order=order)
    k = [2 * np.pi * np.array(mode) / box.size for mode in (first, second)]
    k[1] = sign * k[1]
    one, two = (np.linalg.norm(each) for each in k)
    cosine = k[0] @ k[1] / (one * two)
    mode = np.array(first) + sign * np.array(second)
    kernels = [square + 0.5 * cosine * (one / two + two / one) + tides * cosine**2 for square, tides in KERNELS[order]]
    # what is left is of fourth order, 1e-7 of it
    found = amplitude_of(np.abs(psi) ** 2, box, mode)
    assert found == pytest.approx(kernels[0] * sizes[0] * sizes[1], rel=1e-5)
    # S = a^2 f H theta/k^2
    rate = A**2 * float(Expanding(MATTER).hubble(A)) / UNITS.length**2
    of_phase = amplitude_of(np.angle(psi), box, mode) * (np.sum((k[0] + k[1]) ** 2)) / rate
    assert of_phase == pytest.approx(kernels[1] * sizes[0] * sizes[1], rel=1e-4)
    assert np.mean(np.abs(psi) ** 2) == pytest.approx(1, abs=1e-15)
    assert 1e-5 < ratio < 1e-2


def test_no_phase_at_nyquist_modes():
    """Where two waves make one there, it has no velocity, as of particles, and does not swamp the others."""
    box = Box((0.9, 0.8, 1.0), (16, 12, 10))
    modes = plane_waves(box, {(5, 1, 2): 3e-4, (3, -1, 3): 2e-4, (3, 2, 3): 2e-4})
    psi = wave_from_modes(modes, A, MATTER, UNITS)
    linear = np.fft.fftn(np.angle(psi))
    to_second_order(psi, modes, A, MATTER, UNITS)
    phase = np.fft.fftn(np.angle(psi))
    largest = np.abs(phase).max()
    for axis, number in enumerate(box.cells):
        assert np.abs(np.take(phase, number // 2, axis)).max() < 1e-12 * largest  # round-off
    assert np.abs(phase - linear).max() < 1e-2 * largest


def test_a_plane_wave_is_that_of_zeldovich():
    """On one axis his approximation is exact: 1 + delta = 1/(1 - e cos kq) at x = q - e/k sin kq. What is left is of
    third order."""
    box = Box((1.0, 1.0, 1.0), (64, 2, 2))
    q = np.linspace(0, 1, 100_001)
    errors = []
    for size in (0.02, 0.04):
        modes = plane_waves(box, {(1, 0, 0): size})
        psi = wave_from_modes(modes, A, MATTER, UNITS)
        to_second_order(psi, modes, A, MATTER, UNITS)
        x = q - size / (2 * np.pi) * np.sin(2 * np.pi * q)
        exact = np.interp((np.arange(64) + 0.5) / 64, x, 1 / (1 - size * np.cos(2 * np.pi * q)))
        errors.append(np.max(np.abs(np.abs(psi[:, 0, 0]) ** 2 - exact)))
    assert errors[0] < 2 * 0.02**3
    assert np.log2(errors[1] / errors[0]) == pytest.approx(3, abs=0.1)


def cut_off(k):
    return np.exp(-((k / 9) ** 6))


@pytest.mark.parametrize("order", KERNELS)
def test_the_power_that_modes_make_is_that_of_particles(order):
    """At the cut-off half of the power is of second order, which a first-order wave does not have."""
    box = Box((0.85, 0.9, 0.8), (32, 30, 30))
    modes = linear_modes(box, lambda k: 80 / k**2.5, 12, transfer=cut_off)
    position, _, _ = particles_from_modes(modes, A, MATTER, UNITS, order=order)
    expected = particle_spectrum([(np.ascontiguousarray(position.T) * UNITS.length, None)], box).spectrum.power
    psi = wave_from_modes(modes, A, MATTER, UNITS)
    first = power_spectrum(np.abs(psi) ** 2, box.size).power
    to_second_order(psi, modes, A, MATTER, UNITS, order=order)
    second = power_spectrum(np.abs(psi) ** 2, box.size).power
    assert first[2] < 0.6 * expected[2]
    # third order: the contrast has an rms of 5 %
    assert second[1:3] == pytest.approx(expected[1:3], rel=0.01)


def test_single_precision():
    box = Box((0.85, 0.9, 0.8), (16, 15, 18))
    waves = []
    for dtype in (np.float32, np.float64):
        modes = linear_modes(box, lambda k: 80 / k**2.5, 12, transfer=cut_off, dtype=dtype)
        psi = wave_from_modes(modes, A, MATTER, UNITS)
        to_second_order(psi, modes, A, MATTER, UNITS)
        waves.append(psi)
    assert waves[0].dtype == np.complex64
    assert np.max(np.abs(waves[0] - waves[1])) < 3e-5


def test_flows_that_carry_modes_too_far_leave_the_wave_as_it_is():
    """A long wave that displaces by half the length of a short one."""
    box = Box((1.0, 1.0, 1.0), (64, 4, 4))
    modes = plane_waves(box, {(1, 0, 0): 0.15, (20, 0, 0): 0.05})
    psi = wave_from_modes(modes, A, MATTER, UNITS)
    before = psi.copy()
    ratio = to_second_order(psi, modes, A, MATTER, UNITS)
    assert ratio > LARGEST_RATIO and np.array_equal(psi, before)
