"""Mass assignment: shares of a particle in the cells around it, and their window in Fourier space.

A cell receives m W(x) W(y) W(z) of a particle, W a B-spline of the distance of their centres along each axis [cells]:
of order 1 a top hat of one cell (ngp), and each further order one more convolution with it (cic, tsc, pcs). Over all
cells W sums to one: mass is conserved.

Source: Hockney & Eastwood 1981, ch. 5; Sefusatti et al. 2016 (MNRAS 460, 3624), sec. 2, for the four together.
"""

from dataclasses import dataclass
from math import comb, factorial

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InputError


@dataclass(frozen=True)
class Assignment:
    """A mass assignment.

    name   as in ASSIGNMENTS
    order  of the B-spline: number of cells that a particle touches along an axis
    """

    name: str
    order: int

    def window(self, phase: ArrayLike) -> np.ndarray:
        """Fourier transform of W along an axis, [sin(kh/2) / (kh/2)]^order.

        phase  k h, wavenumber times width of a cell
        """
        return np.sinc(np.asarray(phase) / (2 * np.pi)) ** self.order

    def images(self, phase: ArrayLike, alternating: bool = False) -> np.ndarray:
        """Sum of the squared window over the images of a mode along an axis, sum_n s^n window(kh + 2 pi n)^2.

        phase        k h, wavenumber times width of a cell
        alternating  s = -1, signs as on a grid that is shifted by half a cell; else s = 1
        By Poisson's summation a finite sum, of cosines of the multiples of k h (of the half-integers if alternating)
        times the B-spline of twice the order; for cic 1 - (2/3) sin^2(kh/2) (Jing 2005, ApJ 620, 559).
        """
        distance = np.arange(-self.order, self.order) + (0.5 if alternating else 0.0)
        return np.cos(np.multiply.outer(phase, distance)) @ b_spline(2 * self.order, distance)


def b_spline(order: int, x: ArrayLike) -> np.ndarray:
    """The cardinal B-spline of an order at x; it is zero from |x| = order/2 on, and its integral is one."""
    x = np.asarray(x, dtype=float)
    total = np.zeros_like(x)
    for i in range(order + 1):
        beyond = x + order / 2 - i
        total += (-1) ** i * comb(order, i) * np.where(beyond >= 0, beyond, 0) ** (order - 1) * (beyond >= 0)
    return total / factorial(order - 1)


_ALL = (Assignment("ngp", 1), Assignment("cic", 2), Assignment("tsc", 3), Assignment("pcs", 4))
ASSIGNMENTS = {assignment.name: assignment for assignment in _ALL}


def find_assignment(name: str) -> Assignment:
    """The assignment of a name; InputError for an unknown one."""
    if name not in ASSIGNMENTS:
        raise InputError(f"assignment = {name}: unknown; known: {', '.join(ASSIGNMENTS)}")
    return ASSIGNMENTS[name]
