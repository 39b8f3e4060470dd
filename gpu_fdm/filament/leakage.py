"""Where the axis of a psi is that its states hold: around a wrong one, part of psi is in none of them.

States end at the energy cut, and psi(x - d) = psi - d grad psi has a part beyond it. Of each slice it is linear in d,

    (1 - P) psi(x - d) = -(d_u - i d_v)/2 (1 - P) grad+ psi - (d_u + i d_v)/2 (1 - P) grad- psi

with P the projection on the states within the disc, and grad+- f e^{il phi} = (f' -+ l f/R) e^{i(l +- 1) phi}. What is
left out tells d by least squares, whatever amplitudes and phases are, and in one slice too.
"""

from collections.abc import Callable

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from .alignment import radial_on_rings
from .eigenstates import Library
from .rings import Rings

_DEGREE = 2  # of the curve through the slices
_MOST_MOVES = 5
_MOST_SLICES = 64  # that tell it, evenly along the axis
_TELLING = 0.25  # at most, of what the states do not hold is left
_CHANCE = 1e-3  # that two numbers of a move take away as much of noise
_DEPENDENT = 1e-5  # singular value, over the largest, of states of one l that are alike within the disc


@frozen(eq=False)
class ToldAxis:
    """The axis around which states hold psi.

    centre   of slices, shape (slices, 2) [L]; None for the middle of the lattice
    outside  share of psi that is in no state, around the first axis and around this one
    moved    whether these tell it, and it is not the first
    """

    centre: NDArray | None
    outside: tuple[float, float]
    moved: bool


def told_axis(
    around: Callable[[NDArray | None, NDArray], NDArray],
    centre: NDArray | None,
    count: int,
    library: Library,
    rings: Rings,
) -> ToldAxis:
    """Move the axis to where states hold psi, while that takes away more of what they do not hold than chance does.

    around  gives psi of some slices around centres of all, shape (u, v, some)
    centre  the first, shape (slices, 2) [L], None for zero;  count  of slices
    """
    z = np.linspace(-1, 1, count)
    curve = np.polynomial.polynomial.polyvander(z, min(_DEGREE, count - 1))
    some = np.unique(np.linspace(0, count - 1, _MOST_SLICES).round().astype(int))

    def beside(place: NDArray | None) -> tuple[NDArray, NDArray]:
        by_move, outside = _beside(around(place, some), curve[some], library, rings)
        return curve @ by_move, outside

    move, first = beside(centre)
    found, outside, moved = centre, first, False
    for _ in range(_MOST_MOVES):
        place = move if found is None else found + move
        move, left = beside(place)
        telling = _telling(outside, left)
        moved = moved or telling
        if moved and left.sum() < outside.sum():
            found, outside = place, left
        if not telling:
            break
    return ToldAxis(found, (float(first.sum()), float(outside.sum())), moved)


def _telling(before: NDArray, after: NDArray) -> bool:
    """Whether a move has taken away more of the shares by l than chance does.

    Two numbers of a move leave less than x of the power of n random numbers with a probability of x^(n/2 - 1).
    """
    numbers = 2 * after.sum() ** 2 / np.sum(after**2)
    least = _CHANCE ** (2 / max(numbers - 2, 1e-3))
    return bool(after.sum() < min(_TELLING, least) * before.sum())


def _beside(psi: NDArray, curve: NDArray, library: Library, rings: Rings) -> tuple[NDArray, NDArray]:
    """How far slices lie beside the axis, in terms of a curve, shape (terms, 2) [L], and shares in no state by l.

    curve  the terms at the slices, shape (slices, terms)
    """
    states, radial, slope = radial_on_rings(library, rings)
    root = np.sqrt(rings.weight)
    basis: dict[int, NDArray] = {}  # orthonormal on the rings, of l from -l_max to l_max
    turned: dict[tuple[int, int], NDArray] = {}  # (1 - P) grad+ and grad- of it, by l and sign
    for l, some in enumerate(states):
        left, size, right = np.linalg.svd(radial[some] * root, full_matrices=False)
        kept = size > _DEPENDENT * size[0]
        basis[l] = basis[-l] = right[kept]
        slopes = (left[:, kept] / size[kept]).T @ (slope[some] * root)
        over = l * basis[l] / rings.radius
        turned |= {(l, 1): slopes - over, (-l, -1): slopes - over, (-l, 1): slopes + over, (l, -1): slopes + over}
    for (l, sign), values in turned.items():
        if l + sign in basis:
            turned[l, sign] = values - (values @ basis[l + sign].T) @ basis[l + sign]
    count, step, edge = psi.shape[2], rings.at_once(), len(states)
    normal, seen = np.zeros((count, 2, 2)), np.zeros((count, 2))
    mass, outside = 0.0, np.zeros(rings.angles)
    for part in (slice(first, first + step) for first in range(0, count, step)):
        on_rings = rings.of_lattice(psi[:, :, part])
        factors = np.fft.fft(on_rings, axis=2) / rings.angles * root[:, None]
        held = {l: factors[:, :, l] @ some.T for l, some in basis.items()}
        power = np.sum(np.abs(factors) ** 2, axis=(0, 1))
        mass += float(power.sum())
        outside += power
        for l, some in held.items():
            outside[l] -= np.sum(np.abs(some) ** 2)
        for l in range(-edge, edge + 1):
            plus, minus = (held[k] @ turned[k, l - k] if k in held else 0.0 for k in (l - 1, l + 1))
            by_move = np.stack([-(plus + minus) / 2, 0.5j * (plus - minus)], axis=1)
            missing = factors[:, :, l] - (held[l] @ basis[l] if l in held else 0.0)
            normal[part] += (by_move.conj() @ by_move.transpose(0, 2, 1)).real
            seen[part] += (by_move.conj() @ missing[:, :, None])[:, :, 0].real
    terms = 2 * curve.shape[1]
    matrix = np.einsum("ni,nab,nj->iajb", curve, normal, curve).reshape(terms, terms)
    found = np.linalg.lstsq(matrix, np.einsum("ni,na->ia", curve, seen).ravel(), rcond=None)[0]
    return found.reshape(-1, 2), np.maximum(outside / mass, 0.0)
