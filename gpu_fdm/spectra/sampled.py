"""The power spectrum of a filament's cross-section from random draws of the phases: scatter, and a check of the mean.

    rho_m(R) = 1/(2pi) int dphi |psi|^2 e^{-i m phi},      P2(k) = (2pi)^2 sum_m | int R dR rho_m(R) J_m(kR) |^2

for each draw. phase_average.py has the mean without draws; only draws give the scatter of single filaments about it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from ..filament.eigenstates import Library
from ..filament.wavefunction import WaveFunction, random_phases
from ..kernels.bessel import bessel_table
from ..parallel.backend import CPU
from ..values import brief
from .phase_average import points_needed, radii

BATCH_BYTES = 128 << 20  # of rho_m(R) of the draws in a batch


@brief
@dataclass(frozen=True, eq=False)
class SampledSpectrum:
    """|rho(k)|^2 in the plane over the line mass squared, from draws of the phases at fixed |a_nl|.

    k      [1/L], shape (k,);  mean, variance   over draws, shape (k,);  draws  their number
    """

    k: NDArray
    mean: NDArray
    variance: NDArray
    draws: int

    @property
    def standard_error(self) -> NDArray:
        """Standard error of the mean, shape (k,)."""
        return np.sqrt(self.variance / self.draws)


def sampled_spectrum(
    library: Library, weight: NDArray, k: ArrayLike, draws: int, seed: int = 1, cpu: CPU | None = None
) -> SampledSpectrum:
    """Mean and variance of the spectrum over `draws` >= 2 independent draws of all phases; ValueError for fewer.

    weight  shape (modes,);  k  comoving [1/L], shape (k,)
    """
    if draws < 2:
        raise ValueError(f"draws = {draws}: must be at least 2")
    k, cpu = np.asarray(k, float), cpu or CPU()
    with threadpool_limits(1):  # threads inside such small matrices cost more than they gain
        return _sampled(library, weight, k, draws, seed, cpu)


def _sampled(library: Library, weight: NDArray, k: NDArray, draws: int, seed: int, cpu: CPU) -> SampledSpectrum:
    radius, measure = radii(library, points_needed(library, k.max()))
    orders = 2 * int(library.l[np.flatnonzero(weight)].max()) + 1
    batch = max(1, min(draws, BATCH_BYTES // (16 * orders * len(radius))))
    powers = []
    to_radius = library.interpolation_matrix(radius)
    for first in range(0, draws, batch):
        numbers = range(first, min(first + batch, draws))
        waves = (WaveFunction(library, weight, random_phases(library, seed, number)) for number in numbers)
        components = np.stack([_components(wave, to_radius, orders, cpu) for wave in waves], axis=-1)
        components *= measure[:, None]
        powers.append(_hankel(components, k[:, None] * radius, cpu) * (2 * np.pi / library.line_mass) ** 2)
    power = np.concatenate(powers, axis=1)
    return SampledSpectrum(k, power.mean(axis=1), power.var(axis=1, ddof=1), draws)


def _components(wave: WaveFunction, to_radius: NDArray, orders: int, cpu: CPU) -> NDArray:
    """rho_m(R) for m = 0 ... orders - 1, shape (orders, radii), complex."""
    l_max = (orders - 1) // 2  # of the states with weights
    forward, backward = wave.azimuthal()[:, : l_max + 1] @ to_radius.T
    angles = cpu.fft.next_fast_len(2 * orders)  # |psi|^2 holds |m| < orders
    psi = np.zeros((angles, len(to_radius)), complex)
    psi[: l_max + 1] = forward
    psi[angles - l_max :] = backward[:0:-1]
    psi = cpu.fft.ifft(psi, axis=0, norm="forward", workers=cpu.threads, overwrite_x=True)
    return cpu.fft.rfft(psi.real**2 + psi.imag**2, axis=0, norm="forward", workers=cpu.threads)[:orders]


def _hankel(components: NDArray, argument: NDArray, cpu: CPU) -> NDArray:
    """Sum over m = -M ... M of |sum over radii of J_m rho_m|^2, shape (k, draws)."""
    orders, _, draws = components.shape
    total = np.zeros((len(argument), draws))
    table = bessel_table(orders - 1, argument, cpu)
    for m in range(orders):
        # real and imaginary parts side by side
        transform = table[m] @ components[m].view(float)
        total += (1 if m == 0 else 2) * (transform[:, 0::2] ** 2 + transform[:, 1::2] ** 2)
    return total
