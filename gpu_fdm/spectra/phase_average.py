"""The power spectrum of a filament's cross-section, averaged over phases exactly: no random draws, no noise.

    G_l(R, R') = (mu/2pi) sum_n w_nl R_nl(R) R_nl(R')            one-body density matrix, l = -l_max ... l_max
    C_m(R, R') = sum_l G_l G_{l+m}
    P2(k)      = [ 2pi int R dR <rho> J_0(kR) ]^2                                                 smooth
               + (2pi)^2 sum_m int int R dR R'dR' J_m(kR) C_m(R, R') J_m(kR')                     interference
               - sum_{n, l = -l_max ... l_max} w_nl^2 [ mu int R dR R_nl^2 J_0(kR) ]^2            self term

P2 is |rho(k)|^2 of |psi|^2 in the plane, averaged over directions of k and over phases. The self term is subtracted
because the |a_nl| are fixed and only phases are random; with Gaussian amplitudes it is absent. At k = 0 interference
and self term are equal: the line mass does not depend on phases.

Method: the integrals are sums over Gauss-Legendre nodes that integrate every product exactly, and products of matrices
(kernels/interference.py): all the work is in BLAS, or cuBLAS. On a card only the states, the wavenumbers and the
results are copied from and to the host.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..filament.eigenstates import Library
from ..kernels.bessel import bessel_table, transform_0
from ..kernels.interference import BLOCK_BYTES, BLOCK_SIDE, TABLE_BYTES, batches, interference
from ..parallel.backend import CPU, GPU
from ..quadrature import gauss_legendre
from ..quantities import takes
from ..values import brief

NO_POWER = 2.5  # times the largest wavenumber of |psi|^2, above which P2 is below 1e-14 of P(0)
STATES_AT_ONCE = 4096
FORM_VALUES = 2 << 20  # of J_0(kR) of form factors at a time


@brief
@dataclass(frozen=True, eq=False)
class PolarSpectrum:
    """|rho(k)|^2 in the plane across a filament over its line mass squared, averaged over phases, in three parts.

    k             [1/L], shape (k,)
    smooth        power of the mean density <|psi|^2>
    interference  power of the fringes between all pairs of states, and of each state with itself
    self_term     power of each state with itself, which is absent at fixed |a_nl|
    All have shape (k,) and are over mu^2 with mu the line mass of the profile, so that P(0) = (sum of the weights)^2.
    """

    k: NDArray
    smooth: NDArray
    interference: NDArray
    self_term: NDArray

    @property
    def fixed(self) -> NDArray:
        """Average over phases alone, at fixed |a_nl|, shape (k,)."""
        return self.smooth + self.interference - self.self_term

    @property
    def gaussian(self) -> NDArray:
        """Average over Gaussian complex amplitudes with <|a_nl|^2> = w_nl, shape (k,)."""
        return self.smooth + self.interference

    def rows(self, chosen: slice) -> "PolarSpectrum":
        """The spectrum at some of its wavenumbers."""
        return PolarSpectrum(self.k[chosen], self.smooth[chosen], self.interference[chosen], self.self_term[chosen])


@takes()
def polar_spectrum(
    library: Library, weight: ArrayLike, k: ArrayLike, points: int | None = None, backend: CPU | GPU | None = None
) -> PolarSpectrum:
    """The spectrum of states with random phases.

    weight   w_nl, shape (modes,), not negative
    k        wavenumbers in the plane, comoving [1/L], shape (k,), not negative; beyond NO_POWER times the largest
             wavenumber of |psi|^2 the spectrum is below 1e-14 of P(0), and returned as zero
    points   Gauss-Legendre nodes in R; by default from the largest wavenumbers, see `points_needed`
    backend  CPU or GPU, where the sums run; k and weight may be on either, the spectrum is NumPy: it is small
    Raises ValueError for a weight or a k that is not a finite number >= 0, RunError where a card has too little memory.
    """
    backend = backend or CPU()
    k, weight = (np.asarray(backend.to_host(values), float) for values in (k, weight))
    if k.ndim != 1 or k.size == 0 or weight.shape != (len(library),) or not weight.any():
        raise ValueError(f"k {k.shape}, weight {weight.shape}: must be a list, and one weight a mode, not all zero")
    for name, values in (("k", k), ("weight", weight)):
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise ValueError(f"{name}: must be finite and not negative")
    within = np.flatnonzero(k <= NO_POWER * 2 * library.wavenumber_max)
    parts = np.zeros((3, len(k)))
    if not len(within):
        return PolarSpectrum(k, *parts)
    states = _States(library, weight, points or points_needed(library, k[within].max()), backend)
    for batch in np.array_split(within, batches(states.l, len(states.radius), len(within), backend)):
        parts[:, batch] = _spectrum(states, k[batch])
    if not has_fringes(library, weight):
        parts[1:] = parts[0]  # to the last bit
    return PolarSpectrum(k, *parts)


def has_fringes(library: Library, weight: NDArray) -> bool:
    """Whether |psi|^2 differs from its phase average: a single state with l = 0 has nothing to interfere with.

    weight  w_nl, shape (modes,), not all zero
    """
    occupied = np.flatnonzero(weight)
    return len(occupied) > 1 or bool(library.l[occupied[0]])


def memory_needed(modes: float, points: int, wavenumbers: int, threads: int) -> int:
    """Bytes that polar_spectrum takes for numbers of states, nodes, wavenumbers and threads."""
    orders = 3.5 * modes**0.5 + 1  # 2 l_max + 1: states fill a triangle of n and l
    table = 8 * orders * points * wavenumbers
    table /= ceil(table / TABLE_BYTES)
    block = min(BLOCK_BYTES, 24 * orders * min(points, BLOCK_SIDE) ** 2)
    return int(8 * modes * points + table + block * threads)


def form_factor(library: Library, weight: NDArray, k: ArrayLike, backend: CPU | GPU | None = None) -> NDArray:
    """2pi int R dR <rho> J_0(kR) / mu, the transform of the mean density; its square is the smooth part. Shape of k.

    k        comoving [1/L], any shape, not negative
    backend  CPU or GPU, where the sums run; the result is NumPy
    """
    k, backend = np.asarray(k, float), backend or CPU()
    radius, measure = radii(library, points_needed(library, float(k.max())))
    shares = 2 * np.pi * measure * library.mean_density(weight, radius, backend) / library.line_mass
    return transform_0(k, radius, shares, FORM_VALUES, backend)


def points_needed(library: Library, k_max: float) -> int:
    """Nodes that integrate R R_nl R_n'l' J_m(kR).

    A Gauss rule of N points is exact to degree 2N - 1. Four fifths of the points that are exact for the sum of the
    largest wavenumbers suffice, since these are largest on the axis, where the nodes are dense; and 20 more. Twice as
    many change P by less than 1e-8 where it is above 1e-11 P(0).
    """
    fringes = 2 * library.wavenumber_max
    wavenumber = 0.8 * (fringes + min(k_max, fringes)) + max(k_max - fringes, 0)
    return max(len(library.nodes), int(wavenumber * library.radius_max / 4) + 20)


class _States:
    """States on the nodes, times the root of the measure, in the order of l, on the device."""

    def __init__(self, library: Library, weight: NDArray, points: int, backend: CPU | GPU):
        chosen = np.flatnonzero(weight)
        xp, to_device = backend.xp, backend.to_device
        self.backend = backend
        self.radius, measure = radii(library, points)
        # the product of two states, or the square of a density matrix, then holds R dR, and R dR R'dR'
        states = library.radial if len(chosen) == len(library) else library.radial[chosen]
        self.scaled = to_device(states) @ to_device(library.interpolation_matrix(self.radius)).T
        self.scaled *= xp.sqrt(to_device(measure))
        self.scaled *= xp.sqrt(to_device(weight[chosen]))[:, None]
        self.l, self.multiplicity = library.l[chosen], library.multiplicity[chosen]


def radii(library: Library, points: int) -> tuple[NDArray, NDArray]:
    """Gauss-Legendre nodes over the extent of the states [L], and the measure R dR of each [L^2], shape (points,)."""
    x, w = gauss_legendre(points)
    radius = library.radius_max * (1 + x) / 2
    return radius, library.radius_max / 2 * w * radius


def _spectrum(states: _States, k: NDArray) -> NDArray:
    """Smooth, interference and self term, shape (3, k)."""
    backend, xp = states.backend, states.backend.xp
    bessel = bessel_table(2 * int(states.l[-1]), backend.to_device(k[:, None] * states.radius), backend)
    multiplicity = backend.to_device(states.multiplicity.astype(float))
    amplitude, self_term = xp.zeros(len(k)), xp.zeros(len(k))
    for first in range(0, len(states.scaled), STATES_AT_ONCE):
        part = slice(first, first + STATES_AT_ONCE)
        forms = bessel[0] @ (states.scaled[part] ** 2).T  # form factors times weights, shape (k, states)
        amplitude += forms @ multiplicity[part]
        self_term += forms**2 @ multiplicity[part]
    fringes = interference(states.scaled, states.l, bessel, backend)
    return np.stack([backend.to_host(amplitude**2), fringes, backend.to_host(self_term)])
