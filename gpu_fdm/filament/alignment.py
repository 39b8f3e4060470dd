"""Where the axis of a psi is, by what a wrong one does to its states: it ties those of l and l + 1 to each other.

psi(x - d) = psi - d grad psi mixes a state of l with those of l + 1 and l - 1. Where phases are random, their mean
products, which are none around the axis, become

    <a_j,l+1 a*_i,l> = (d_u - i d_v)/2 V_ji (w_j - w_i),    V_ji = int R dR R_j (R_i' - l R_i/R)

and the same follows for <a-_i,l a-*_j,l+1>. Every slice gives d by least squares over the pairs. The density tells the
axis by its mean position, which fringes move by far more.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .eigenstates import Library
from .rings import Rings

_FLOOR = 1e-3  # of the largest weight: of weaker states there is mostly what others left in them
_DIFFERENCE = 1e-3  # of a wave, for R'


def offsets(amplitude: NDArray, weight: NDArray, library: Library, rings: Rings) -> NDArray:
    """How far every slice lies beside the axis along u and v, to first order, shape (slices, 2) [L].

    amplitude  a+ and a-, shape (modes, 2, slices);  weight  their mean squares, shape (modes,)
    """
    states, radial, slope = radial_on_rings(library, rings)
    turned, norm = np.zeros(amplitude.shape[2], complex), 0.0
    floor = _FLOOR * weight.max()
    for l, (inner, outer) in enumerate(pairwise(states)):
        moved = slope[inner] - l * radial[inner] / rings.radius
        mixing = (radial[outer] * rings.weight) @ moved.T
        excess = mixing * (weight[outer][:, None] - weight[inner])
        share = excess / ((weight[outer] + floor)[:, None] * (weight[inner] + floor))
        plus, minus = amplitude[inner, 0], amplitude[inner, 1 if l else 0]
        turned += np.sum(amplitude[outer, 0] * (share @ plus.conj()), axis=0)
        turned += np.sum(amplitude[outer, 1].conj() * (share @ minus), axis=0)
        norm += 2 * float(np.sum(share * excess))
    if norm == 0:
        return np.full((amplitude.shape[2], 2), np.nan)
    found = 2 * turned / norm
    return np.stack([found.real, -found.imag], axis=-1)


def radial_on_rings(library: Library, rings: Rings) -> tuple[list[NDArray], NDArray, NDArray]:
    """States by l, and R_nl and its slope on the rings, shape (modes, rings)."""
    step = _DIFFERENCE / library.wavenumber_max
    around = (library.radial_at(np.maximum(rings.radius + shift, 0)) for shift in (-step, 0, step))
    before, at, after = around
    states = [np.flatnonzero(library.l == l) for l in range(int(library.l.max()) + 1)]
    return states, at, (after - before) / (2 * step)
