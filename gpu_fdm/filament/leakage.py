"""Where the axis of a psi is that its states hold: around a wrong one, part of psi is in none of them.

States end at the energy cut, and psi(x - d) = psi - d grad psi has a part beyond it. Of each slice it is linear in d,

    (1 - P) psi(x - d) = -(d_u - i d_v)/2 (1 - P) grad+ psi - (d_u + i d_v)/2 (1 - P) grad- psi

with P the projection on the states within the disc, and grad+- f e^{il phi} = (f' -+ l f/R) e^{i(l +- 1) phi}. What is
left out tells d by least squares, whatever amplitudes and phases are, and in one slice too.
"""

import numpy as np
from numpy.typing import NDArray

from .alignment import radial_on_rings
from .eigenstates import Library
from .rings import Rings

_DEGREE = 2  # of the curve through the slices


def beside(psi: NDArray, library: Library, rings: Rings) -> NDArray:
    """How far slices of psi lie beside the axis along u and v, a parabola along it, shape (slices, 2) [L].

    psi  shape (u, v, slices)
    """
    states, radial, slope = radial_on_rings(library, rings)
    root = np.sqrt(rings.weight)
    basis: dict[int, NDArray] = {}  # orthonormal on the rings, of l from -l_max to l_max
    turned: dict[tuple[int, int], NDArray] = {}  # (1 - P) grad+ and grad- of it, by l and sign
    for l, some in enumerate(states):
        q, r = np.linalg.qr((radial[some] * root).T)
        basis[l] = basis[-l] = q.T
        slopes, over = np.linalg.solve(r.T, slope[some] * root), l * q.T / rings.radius
        turned |= {(l, 1): slopes - over, (-l, -1): slopes - over, (-l, 1): slopes + over, (l, -1): slopes + over}
    for (l, sign), values in turned.items():
        if l + sign in basis:
            turned[l, sign] = values - (values @ basis[l + sign].T) @ basis[l + sign]
    count, step, edge = psi.shape[2], rings.at_once(), len(states)
    normal, seen = np.zeros((count, 2, 2)), np.zeros((count, 2))
    for part in (slice(first, first + step) for first in range(0, count, step)):
        factors = np.fft.fft(rings.of_lattice(psi[:, :, part]), axis=2) / rings.angles
        held = {l: factors[:, :, l] * root @ some.T for l, some in basis.items()}
        for l in range(-edge, edge + 1):
            plus, minus = (held[k] @ turned[k, l - k] if k in held else 0.0 for k in (l - 1, l + 1))
            by_move = np.stack([-(plus + minus) / 2, 0.5j * (plus - minus)], axis=1)
            missing = factors[:, :, l] * root - (held[l] @ basis[l] if l in held else 0.0)
            normal[part] += (by_move.conj() @ by_move.transpose(0, 2, 1)).real
            seen[part] += (by_move.conj() @ missing[:, :, None])[:, :, 0].real
    z = np.linspace(-1, 1, count)
    curve = np.polynomial.polynomial.polyvander(z, min(_DEGREE, count - 1))
    terms = 2 * curve.shape[1]
    matrix = np.einsum("ni,nab,nj->iajb", curve, normal, curve).reshape(terms, terms)
    found = np.linalg.lstsq(matrix, np.einsum("ni,na->ia", curve, seen).ravel(), rcond=None)[0]
    return curve @ found.reshape(-1, 2)
