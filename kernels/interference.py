"""Interference of all pairs of states in the power spectrum of a cross-section, in products of matrices.

    sum_m int int R dR R'dR' J_m(kR) C_m(R, R') J_m(kR'),    C_m = sum_l G_l G_{l+m},    m = -2 l_max ... 2 l_max

With phi the angle between two points, C_m is the cosine transform of G(R, R', phi)^2, and G that of the density
matrices G_l. Both are matrix products, and so is the double integral. Only pairs R <= R' are computed, in blocks: small
ones on the CPU, one a thread, which fit in its caches; large ones on a card, where every step is one product for all
orders. A card's kernel is in interference.cu. With Legendre polynomials and spherical Bessel functions the same sums
are those of a halo (`legendre_angles`).

Flops for N radii, L = l_max + 1 angles, S states and K wavenumbers: N^2/2 (2 S + 6 L^2 + 4 L K).
"""

from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import roots_legendre
from threadpoolctl import threadpool_limits

from ..errors import RunError
from ..parallel.backend import CPU, GPU
from ..parallel.slices import slices_of

BLOCK_BYTES = 64 << 20  # of C_m(R, R') in a block
BLOCK_SIDE = 128  # largest side of a block [nodes]
TABLE_BYTES = 512 << 20  # of J_m(kR) in memory at a time
WARP = 32  # threads of a card that sum a row
CARD_SIDE = 256  # of a block on a card: 66 % of the pairs of m22 = 8, in 6 blocks
CARD_TABLE_BYTES = 4 << 30  # on a card, whatever is free: the last bits of a product depend on the shapes of matrices


def batches(l: NDArray, points: int, wavenumbers: int, backend: CPU | GPU) -> int:
    """In how many parts wavenumbers are summed, so that their Bessel functions fit in memory.

    l  angular momentum of each state, shape (states,), not falling
    Raises RunError where a card has too little memory for that.
    """
    l_max = int(l[-1])
    table = 8 * (2 * l_max + 1) * points * wavenumbers
    if backend.name != "gpu":
        return ceil(table / TABLE_BYTES)
    parts = ceil(table / CARD_TABLE_BYTES)
    side = _card_side(points)
    per_order = wavenumbers / parts * (points + 2 * side) + 4 * side**2  # bessel, bessel_rows, products; correlations
    needed = 8 * (len(l) * points + (l_max + 1) * int(np.bincount(l).max()) * points + (2 * l_max + 1) * per_order)
    if needed > backend.device_memory:
        raise RunError(
            f"exact spectrum of {len(l)} states: needs {needed / 2**30:.1f} GiB on the card, "
            f"{backend.device_memory / 2**30:.1f} are free (run.backend = cpu)"
        )
    return parts


def interference(
    scaled: Any, l: NDArray, bessel: Any, backend: CPU | GPU, angles: tuple[NDArray, NDArray] | None = None
) -> NDArray:
    """The sums for all wavenumbers, shape (k,), NumPy.

    scaled  states times the roots of their weights and of R dR, shape (states, radii), where the backend wants it
    l       angular momentum of each state, shape (states,), not falling, from 0 to l_max
    bessel  J_m(kR), shape (2 l_max + 1, k, radii), likewise; on the CPU it may not be larger than TABLE_BYTES
    angles  matrices from orders to angles and back, those of a cylinder by default; `legendre_angles` for a sphere
    """
    l_max = int(l[-1])
    edges = np.searchsorted(l, np.arange(l_max + 2))
    angles = angles or _cosines(l_max)
    if backend.name == "gpu":
        return _on_card(scaled, edges, bessel, backend, angles)
    return _on_cpu(scaled, edges, bessel, backend, angles)


def _on_cpu(scaled: NDArray, edges: NDArray, bessel: NDArray, backend: CPU, angles: tuple[NDArray, NDArray]) -> NDArray:
    """The sums by blocks, each on a thread."""
    orders, wavenumbers, points = bessel.shape
    to_angle, to_order = angles
    same_l = [slice(first, last) for first, last in pairwise(edges)]

    def add_block(numbered: tuple[int, tuple[slice, slice]]) -> None:
        """Sums over the pairs in a block of rows and columns; blocks right of the diagonal count twice."""
        number, (rows, columns) = numbered
        # 2 pi/mu G_l(R, R') times the roots of both measures
        g = np.stack([scaled[states, rows].T @ scaled[states, columns] for states in same_l]).reshape(len(same_l), -1)
        # parts of G(phi) that are even and odd under phi -> pi - phi: half of the angles suffice
        even, odd = (to_angle[:, parity::2] @ g[parity::2] for parity in (0, 1))
        squares = even**2 + odd**2, 2 * even * odd  # of G(phi)^2, again even and odd
        total = np.zeros(wavenumbers)
        for parity in (0, 1):
            correlation = to_order[parity::2] @ squares[parity]
            for m, flat in zip(range(parity, orders, 2), correlation, strict=True):
                pairs = flat.reshape(rows.stop - rows.start, columns.stop - columns.start)
                total += np.sum(bessel[m][:, rows] @ pairs * bessel[m][:, columns], axis=1)
        parts[number] = total * (1 if rows == columns else 2)

    side = max(8, min(BLOCK_SIDE, int((BLOCK_BYTES / (24 * orders)) ** 0.5)))
    blocks = [(rows, columns) for rows, all_columns in _blocks(points, side) for columns in all_columns]
    parts = np.empty((len(blocks), wavenumbers))
    with threadpool_limits(1):  # a block a thread: threads inside such small matrices cost more than they gain
        backend.for_each(enumerate(blocks), add_block)
    return parts.sum(axis=0)


def _on_card(scaled: Any, edges: NDArray, bessel: Any, backend: GPU, angles: tuple[NDArray, NDArray]) -> NDArray:
    """The sums by blocks, each in a few products of matrices for all orders."""
    xp = backend.xp
    orders, wavenumbers, points = bessel.shape
    # the states of each l as a matrix, all of one size: rows without a state are zero
    counts = np.diff(edges)
    l, n = np.repeat(np.arange(len(counts)), counts), np.arange(edges[-1]) - np.repeat(edges[:-1], counts)
    states = xp.zeros((len(counts), int(counts.max()), points))
    states[backend.to_device(l), backend.to_device(n)] = scaled
    to_angle, to_order = (backend.to_device(matrix) for matrix in angles)
    sums = xp.zeros((orders, wavenumbers))
    for rows, all_columns in _blocks(points, _card_side(points)):
        left, bessel_rows = states[:, :, rows].swapaxes(1, 2), xp.ascontiguousarray(bessel[:, :, rows])
        for columns in all_columns:
            right, width = states[:, :, columns], columns.stop - columns.start
            shape = (orders, rows.stop - rows.start, width)
            even, odd = (  # see _on_cpu
                to_angle[:, parity::2] @ (left[parity::2] @ right[parity::2]).reshape(-1, shape[1] * width)
                for parity in (0, 1)
            )
            correlation = xp.empty((orders, shape[1] * width))
            correlation[0::2] = to_order[0::2] @ (even * even + odd * odd)
            correlation[1::2] = to_order[1::2] @ (2 * even * odd)
            products = bessel_rows @ correlation.reshape(shape)
            copies = 1 if rows == columns else 2
            arguments = (sums.size, width, points, columns.start, copies, products, bessel, sums)
            backend.launch("interference", "add_products", np.float64, WARP * sums.size, arguments)
    return backend.to_host(sums.sum(axis=0))


def _card_side(points: int) -> int:
    """Side of a block on a card: as equal ones as can be."""
    return ceil(points / ceil(points / CARD_SIDE))


def _blocks(points: int, side: int) -> list[tuple[slice, list[slice]]]:
    """Rows, and all columns of theirs, of the blocks that cover a square matrix on and right of its diagonal."""
    edges = slices_of(points, side)
    return [(rows, edges[number:]) for number, rows in enumerate(edges)]


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


def legendre_angles(l_max: int) -> tuple[NDArray, NDArray]:
    """The matrices of a sphere: sum_L 4 pi (2L+1) int int j_L(kr) C_L(r, r') j_L(kr'), L = 0 ... 2 l_max, with

        C_L = 2 pi int_-1^1 dmu P_L(mu) G^2,    G = sum_l (2l+1)/(4 pi) G_l P_l(mu),

    on the nodes mu >= 0 of 2 l_max + 1 Gauss-Legendre nodes, which are exact for it.
    """
    mu, weight = roots_legendre(2 * l_max + 1)
    legendre = np.polynomial.legendre.legvander(mu[l_max:], 2 * l_max)
    order = 2 * np.arange(2 * l_max + 1) + 1
    to_angle = order[: l_max + 1] / (4 * np.pi) * legendre[:, : l_max + 1]
    to_order = (16 * np.pi**2 * order * weight[l_max:, None] * legendre).T  # both signs of mu
    to_order[:, 0] /= 2
    return to_angle, to_order
