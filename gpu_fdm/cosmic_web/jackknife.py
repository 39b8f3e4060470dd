"""Line masses in shells from units, slices or sectors, that do not depend on each other, and errors by leaving one out.

    var(f) = (n - 1)/n sum_i (f_i - <f>)^2,   f_i of all units but one

The jackknife (Efron & Stein 1981). What is computed from the masses is computed anew for every f_i, weights included:
a bootstrap of a fit whose weights stay as they are misses the scatter of the weights themselves, a tenth of the error.
"""

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray


@frozen(eq=False)
class Sample:
    """Units and their masses.

    mass    in the shells, shape (units, shells) [mean matter density (cMpc/h)^3]
    length  of the axis, all around it, that each unit stands for, shape (units,) [cMpc/h]
    """

    mass: NDArray
    length: NDArray

    def line_masses(self) -> NDArray:
        """In each shell, shape (shells,) [mean matter density (cMpc/h)^2]."""
        return self.mass.sum(axis=0) / self.length.sum()

    def left_out(self) -> NDArray:
        """Line masses of all units but one, shape (units, shells)."""
        return (self.mass.sum(axis=0) - self.mass) / (self.length.sum() - self.length)[:, None]

    def without_each(self) -> "list[Sample]":
        """Samples of all units but one."""
        every = np.arange(len(self.mass))
        return [Sample(self.mass[every != one], self.length[every != one]) for one in every]

    def variance(self) -> NDArray:
        """Of the line masses, shape (shells,)."""
        return variance(self.left_out())


def variance(left_out: ArrayLike | Sequence[NDArray]) -> NDArray:
    """Variance of a value from its values without one unit, shape (units, ...)."""
    values = np.asarray(left_out, float)
    return np.asarray((len(values) - 1) * np.var(values, axis=0))
