"""The features of an input layer as products of powers of the inputs.

Where inputs are logarithms, the plane in which an output changes is spanned by combinations sum_i p_i ln x_i. Those in
echelon form, in which each has one of the inputs with power one that the others lack, read as k M^0.336.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

SMALLEST = 0.02  # of a power that is shown


def echelon(rows: ArrayLike, smallest: float = 0.1) -> NDArray:
    """The reduced row echelon form of combinations, shape (combinations, inputs), which spans the same plane.

    smallest  of the entry that becomes one over the largest that any column has: an input that hardly enters is none
    Raises nothing: combinations that depend on each other are left out.
    """
    form = np.array(rows, float)
    scale, row = float(np.max(np.abs(form), initial=0.0)), 0
    for column in range(form.shape[1]):
        if row == len(form):
            break
        pivot = row + int(np.argmax(np.abs(form[row:, column])))
        if abs(form[pivot, column]) <= smallest * scale:
            continue
        form[[row, pivot]] = form[[pivot, row]]
        form[row] /= form[row, column]
        others = np.arange(len(form)) != row
        form[others] -= np.outer(form[others, column], form[row])
        row += 1
    return form[:row]


def angle(first: ArrayLike, second: ArrayLike) -> float:
    """The largest angle between two planes spanned by rows, of the smaller to the larger [degrees]."""
    one, two = (np.linalg.qr(np.asarray(rows, float).T)[0] for rows in (first, second))
    if one.shape[1] < two.shape[1]:
        one, two = two, one
    outside = two - one @ (one.T @ two)
    return float(np.degrees(np.arcsin(np.clip(np.linalg.norm(outside, 2), 0, 1))))


def in_words(powers: ArrayLike, names: Sequence[str], digits: int = 3) -> str:
    """A product of powers: k M^0.336; powers below 0.02 are left out, and so is a power of one."""
    shown = [
        (name, power) for name, power in zip(names, np.asarray(powers).tolist(), strict=True) if abs(power) >= SMALLEST
    ]
    return " ".join(name if abs(power - 1) < 1e-9 else f"{name}^{power:.{digits}f}" for name, power in shown)
