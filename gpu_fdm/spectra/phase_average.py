"""The power spectrum of a filament's cross-section, averaged over phases exactly: no random draws, no noise.

    G_l(R, R') = (mu/2pi) sum_n w_nl R_nl(R) R_nl(R')            one-body density matrix, l = -l_max ... l_max
    C_m(R, R') = sum_l G_l G_{l+m}
    P2(k)      = [ 2pi int R dR <rho> J_0(kR) ]^2                                                 smooth
               + (2pi)^2 sum_m int int R dR R'dR' J_m(kR) C_m(R, R') J_m(kR')                     interference
               - sum_{n, l = -l_max ... l_max} w_nl^2 [ mu int R dR R_nl^2 J_0(kR) ]^2            self term

P2 is |rho(k)|^2 of |psi|^2 in the plane, averaged over directions of k and over phases. The self term is subtracted
because the |a_nl| are fixed and only phases are random; with Gaussian amplitudes it is absent. At k = 0 interference
and self term are equal: the line mass does not depend on phases.

Method: with phi the angle between two points, C_m is the cosine transform of G(R, R', phi)^2, and G that of G_l. Both
are matrix products, and so is the double integral, on Gauss-Legendre nodes that integrate every product exactly: all
the work is in BLAS. Only pairs R <= R' are computed, in blocks of them, so that memory stays small.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import j0, roots_legendre
from threadpoolctl import threadpool_limits

from ..filament.eigenstates import Library
from ..kernels.bessel import bessel_table
from ..parallel.backend import CPU, GPU

BLOCK_BYTES = 64 << 20  # of C_m(R, R') in a block
BLOCK_SIDE = 128  # largest side of a block [nodes]
NO_POWER = 2.5  # times the largest wavenumber of |psi|^2, above which P2 is below 1e-14 of P(0)
STATES_AT_ONCE = 4096
FORM_BYTES = 16 << 20  # of J_0(kR) of form factors at a time
TABLE_BYTES = 512 << 20  # of J_m(kR) in memory at a time


@dataclass(frozen=True)
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


def polar_spectrum(
    library: Library, weight: ArrayLike, k: ArrayLike, points: int | None = None, backend: CPU | GPU | None = None
) -> PolarSpectrum:
    """The spectrum of states with random phases.

    weight   w_nl, shape (modes,), not negative
    k        wavenumbers in the plane, comoving [1/L], shape (k,), not negative; beyond NO_POWER times the largest
             wavenumber of |psi|^2 the spectrum is below 1e-14 of P(0), and returned as zero
    points   Gauss-Legendre nodes in R; by default from the largest wavenumbers, see `points_needed`
    backend  CPU or GPU; the same code on NumPy and CuPy
    Raises ValueError for a weight or a k that is not a finite number >= 0.
    """
    k, weight = np.asarray(k, float), np.asarray(weight, float)
    if k.ndim != 1 or k.size == 0 or weight.shape != (len(library),) or not weight.any():
        raise ValueError(f"k {k.shape}, weight {weight.shape}: must be a list, and one weight a mode, not all zero")
    for name, values in (("k", k), ("weight", weight)):
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise ValueError(f"{name}: must be finite and not negative")
    within = np.flatnonzero(k <= NO_POWER * 2 * library.wavenumber_max)
    parts = np.zeros((3, len(k)))
    if not len(within):
        return PolarSpectrum(k, *parts)
    states = _States(library, weight, points or points_needed(library, k[within].max()), backend or CPU())
    table = 8 * (2 * states.l_max + 1) * len(states.radius) * len(within)
    for batch in np.array_split(within, ceil(table / TABLE_BYTES)):
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


def form_factor(library: Library, weight: NDArray, k: ArrayLike) -> NDArray:
    """2pi int R dR <rho> J_0(kR) / mu, the transform of the mean density; its square is the smooth part. Shape of k.

    k  comoving [1/L], any shape, not negative
    """
    k = np.asarray(k, float)
    radius, measure = radii(library, points_needed(library, float(k.max())))
    shares = 2 * np.pi * measure * library.mean_density(weight, radius) / library.line_mass
    rows = max(1, FORM_BYTES // (8 * len(radius)))
    pieces = [j0(part[:, None] * radius) @ shares for part in np.split(k.ravel(), range(rows, k.size, rows))]
    return np.concatenate(pieces).reshape(k.shape)


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
        self.backend, self.xp = backend, backend.xp
        self.radius, measure = radii(library, points)
        # the product of two states, or the square of a density matrix, then holds R dR, and R dR R'dR'
        states = library.radial if len(chosen) == len(library) else library.radial[chosen]
        scaled = states @ library.interpolation_matrix(self.radius).T
        scaled *= np.sqrt(measure)
        self.weight, self.multiplicity = weight[chosen], library.multiplicity[chosen]
        scaled *= np.sqrt(self.weight)[:, None]
        self.scaled = backend.to_device(scaled)
        l = library.l[chosen]
        self.l_max = int(l.max())
        edges = np.searchsorted(l, np.arange(self.l_max + 2))
        self.slices = [slice(first, last) for first, last in pairwise(edges)]  # of the states of each l

    def density_matrix(self, rows: slice, columns: slice) -> Any:
        """2 pi/mu G_l(R, R') times the roots of both measures, shape (l_max + 1, rows, columns), on the device."""
        return self.xp.stack([self.scaled[states, rows].T @ self.scaled[states, columns] for states in self.slices])


def radii(library: Library, points: int) -> tuple[NDArray, NDArray]:
    """Gauss-Legendre nodes over the extent of the states [L], and the measure R dR of each [L^2], shape (points,)."""
    x, w = gauss_legendre(points)
    radius = library.radius_max * (1 + x) / 2
    return radius, library.radius_max / 2 * w * radius


@lru_cache(maxsize=64)
def gauss_legendre(points: int) -> tuple[NDArray, NDArray]:
    """Nodes and weights on [-1, 1], shape (points,); cached."""
    return roots_legendre(points)


def _spectrum(states: _States, k: NDArray) -> NDArray:
    """Smooth, interference and self term, shape (3, k)."""
    xp, backend = states.xp, states.backend
    orders = 2 * states.l_max + 1
    bessel = backend.to_device(bessel_table(orders - 1, k[:, None] * states.radius, backend.host))
    multiplicity = backend.to_device(states.multiplicity.astype(float))
    amplitude, self_term = xp.zeros(len(k)), xp.zeros(len(k))
    for first in range(0, len(states.scaled), STATES_AT_ONCE):
        part = slice(first, first + STATES_AT_ONCE)
        forms = bessel[0] @ (states.scaled[part] ** 2).T  # form factors times weights, shape (k, states)
        amplitude += forms @ multiplicity[part]
        self_term += forms**2 @ multiplicity[part]

    to_angle, to_order = (backend.to_device(matrix) for matrix in _cosines(states.l_max))

    def add_block(numbered: tuple[int, tuple[slice, slice]]) -> None:
        """Interference of the pairs in a block of rows and columns; blocks right of the diagonal count twice."""
        number, (rows, columns) = numbered
        g = states.density_matrix(rows, columns).reshape(states.l_max + 1, -1)
        # parts of G(phi) that are even and odd under phi -> pi - phi: half of the angles suffice
        even, odd = (to_angle[:, parity::2] @ g[parity::2] for parity in (0, 1))
        squares = even**2 + odd**2, 2 * even * odd  # of G(phi)^2, again even and odd
        total = xp.zeros(len(k))
        for parity in (0, 1):
            correlation = to_order[parity::2] @ squares[parity]
            for m, flat in zip(range(parity, orders, 2), correlation, strict=True):
                pairs = flat.reshape(rows.stop - rows.start, columns.stop - columns.start)
                total += xp.sum(bessel[m][:, rows] @ pairs * bessel[m][:, columns], axis=1)
        parts[number] = backend.to_host(total) * (1 if rows == columns else 2)

    blocks = _blocks(len(states.radius), orders)
    parts = np.empty((len(blocks), len(k)))
    with threadpool_limits(1):  # a block a thread: threads inside such small matrices cost more than they gain
        backend.for_each(enumerate(blocks), add_block)
    return np.stack([backend.to_host(amplitude**2), parts.sum(axis=0), backend.to_host(self_term)])


def _blocks(points: int, orders: int) -> list[tuple[slice, slice]]:
    """Pairs of slices (rows, columns) that cover a square matrix on and right of its diagonal."""
    side = max(8, min(BLOCK_SIDE, int((BLOCK_BYTES / (24 * orders)) ** 0.5)))
    edges = [slice(first, min(first + side, points)) for first in range(0, points, side)]
    return [(rows, columns) for number, rows in enumerate(edges) for columns in edges[number:]]


def _cosines(l_max: int) -> tuple[NDArray, NDArray]:
    """Matrices to the angles phi_j = pi j/L, L = 2 l_max + 1, and back to m = 0 ... 2 l_max.

    They have only the angles below pi/2. The first has (2 - delta_l0) cos(l phi). The second has (2 - delta_m0), for m
    and -m, and the trapezoidal weights of a full turn, which are exact for cos(m phi) times the square of a series up
    to l_max.
    """
    half_turn = 2 * l_max + 1
    angle = np.pi * np.arange(l_max + 1) / half_turn
    to_angle = 2 * np.cos(angle[:, None] * np.arange(l_max + 1))
    to_angle[:, 0] = 1
    to_order = 4 * np.cos(np.arange(2 * l_max + 1)[:, None] * angle) / half_turn
    to_order[0] /= 2
    to_order[:, 0] /= 2
    return to_angle, to_order
