"""What eigenstates in the potential of a cylinder and of a sphere have in common: all in code units.

Lagrange functions f_i on the nodes of a Gauss quadrature: every angular momentum l is a dense symmetric eigenproblem.
Nodes deep inside the centrifugal barrier of an l, where its states have decayed, are left out of it.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from .errors import UnfitError

DECAY_AT_EDGE = 18.0  # WKB decay integral of the highest state between its turning point and the edge of the box
DECAY_AT_CORE = 25.0  # nodes deeper than this inside the centrifugal barrier carry amplitudes below 1e-11
_POINTS = 4000  # of the integral of decay

Potential = Callable[[NDArray], NDArray]


def box_edge(potential: Potential, scale_factor: float, cut: float, turning_point: float) -> float:
    """Radius where the wave of energy `cut` and l = 0 has decayed by exp(-DECAY_AT_EDGE) [L].

    Raises UnfitError where there is none: in a potential that does not rise, or is not finite.
    """
    stretch = 2.0
    while 0 < stretch * turning_point < np.inf:
        radius = np.linspace(turning_point, stretch * turning_point, _POINTS)
        rate = scale_factor * np.sqrt(2 * np.maximum(potential(radius) - cut, 0))
        decay = np.concatenate([[0], np.cumsum((rate[1:] + rate[:-1]) / 2 * np.diff(radius))])
        if decay[-1] >= DECAY_AT_EDGE:
            return float(np.interp(DECAY_AT_EDGE, decay, radius))
        stretch *= 2
    raise UnfitError(
        f"no equilibrium: its potential does not hold a wave of the energy cut {cut:.4g}, which turns at "
        f"R = {turning_point:.4g}"
    )


def angular_momenta(
    potential: Potential,
    scale_factor: float,
    cut: float,
    radius: NDArray,
    nodes: NDArray,
    centrifugal: Callable[[int], int],
) -> Iterator[tuple[int, int]]:
    """Every l with a potential well below the cut, and the first node that its states reach; none of a NaN.

    radius  equally spaced up to the edge of the box, shape (r,) [L];  centrifugal  l^2 of a cylinder, l (l + 1)
    """
    depth, barrier = potential(radius), 1 / (2 * scale_factor**2 * radius**2)
    l = 0
    while True:
        effective = depth + centrifugal(l) * barrier
        bottom = int(np.argmin(effective))
        if not -np.inf < effective[bottom] <= cut:
            return
        rate = scale_factor * np.sqrt(2 * np.maximum(effective[: bottom + 1] - cut, 0))
        decay = np.cumsum(rate[::-1])[::-1] * (radius[1] - radius[0])
        # index of the innermost point that states reach; 0 where that is the centre
        innermost = np.count_nonzero(decay > DECAY_AT_CORE)
        yield l, int(np.searchsorted(nodes, radius[innermost])) if innermost else 0
        l += 1


def derivatives(nodes: NDArray, barycentric: NDArray, measure: NDArray, unit: float = 1.0) -> NDArray:
    """Derivatives f_j' of orthonormal Lagrange functions at the nodes, times `measure`: a matrix d.

    d^T d has the integrals of f_i' f_j' over the measure.

    nodes  in a unit of length;  barycentric  their weights;  measure  roots of the quadrature's weights
    """
    difference = unit * (nodes[:, None] - nodes[None, :])
    np.fill_diagonal(difference, 1)
    derivative = barycentric[None, :] / barycentric[:, None] / difference
    np.fill_diagonal(derivative, 0)
    np.fill_diagonal(derivative, -derivative.sum(axis=1))  # the derivative of a constant is zero to round-off
    return measure[:, None] * derivative / measure[None, :]


def states_below(
    hamiltonian: Callable[[int, int], NDArray],
    cases: Iterator[tuple[int, int]],
    cut: float,
    amplitude: NDArray,
    threads: int,
    quotients: Callable[[int, int, NDArray], NDArray] | None = None,
) -> tuple[NDArray, NDArray, NDArray, NDArray] | None:
    """n, l, energy, shape (states,), and R_nl at the nodes, shape (states, points), ordered by l, then n; None of none.

    hamiltonian  of an l on the nodes from a first one on;  cases  angular_momenta
    amplitude    of a Lagrange function at its own node
    quotients    function of (l, first node, vectors in columns): energies of the states that are better than those of
                 the eigensolver, whose round-off is that of the largest energy on the nodes
    """

    def solve(case: tuple[int, int]) -> tuple[NDArray, NDArray]:
        _, first = case
        energy, vectors = np.linalg.eigh(hamiltonian(*case))
        below = int(np.searchsorted(energy, cut, side="right"))
        if quotients is not None:
            energy = quotients(*case, vectors[:, :below])
            below = int(np.searchsorted(energy, cut, side="right"))
        radial = np.zeros((below, len(amplitude)))
        radial[:, first:] = vectors[:, :below].T * amplitude[first:]
        return energy[:below], radial * _signs(radial)

    # one l a thread, since threads inside such small matrices cost more time than they save
    with ThreadPoolExecutor(threads) as pool:
        solved = list(pool.map(solve, cases))
    while solved and not len(solved[-1][0]):
        solved.pop()
    if not solved:
        return None
    counts = [len(energy) for energy, _ in solved]
    n, l = np.concatenate([np.arange(count) for count in counts]), np.repeat(np.arange(len(counts)), counts)
    return n, l, np.concatenate([energy for energy, _ in solved]), np.concatenate([radial for _, radial in solved])


def _signs(radial: NDArray) -> NDArray:
    """Sign of each state at the outermost node where it has a tenth of its maximum, shape (states, 1).

    Multiplied by it a state is positive there, so that results do not depend on the eigensolver's choice of sign.
    """
    size = np.abs(radial)
    significant = size >= 0.1 * size.max(axis=1, keepdims=True, initial=0)
    outermost = radial.shape[1] - 1 - np.argmax(significant[:, ::-1], axis=1)
    return np.sign(np.take_along_axis(radial, outermost[:, None], axis=1))
