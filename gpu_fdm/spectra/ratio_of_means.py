"""The ratio of power from several realisations of one box: mean of the numerators over mean of the denominators.

A mean of ratios would weigh a box in which little formed like one that holds most of the power, and depends on how the
power of small boxes scatters. With a_s above and b_s below the line in realisation s of n,

    R = mean(a)/mean(b),    scatter^2 = sum_s (a_s - R b_s)^2 / (n - 1) / mean(b)^2,    error = scatter/sqrt(n)

(Cochran 1977, Sampling Techniques, section 6.4). Both halves of a realisation grew from the same modes: what they have
in common drops out of a_s - R b_s. The error is good to about 1/sqrt(2 (n - 1)) of itself, and R is biased by about
1/n of the relative variance of b.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError


@dataclass(frozen=True, eq=False)
class RatioOfMeans:
    """R of the module at each k.

    ratio    R;  scatter  standard deviation of one realisation about it;  error  that of R;  shape (k,) all
    each     a_s/b_s, shape (realisations, k); NaN where b_s = 0
    """

    ratio: NDArray
    scatter: NDArray
    error: NDArray
    each: NDArray

    @classmethod
    def of(cls, above: ArrayLike, below: ArrayLike) -> "RatioOfMeans":
        """The ratio of powers, shape (realisations, k) both.

        Raises InputError for fewer than two realisations, shapes that differ, and a mean denominator that is not
        positive.
        """
        above, below = np.asarray(above, float), np.asarray(below, float)
        if above.ndim != 2 or above.shape != below.shape or len(above) < 2:
            raise InputError(
                f"power of shapes {above.shape} and {below.shape}: must be the same, (realisations, k), of two or more"
            )
        mean = below.mean(axis=0)
        if not np.all(mean > 0):
            raise InputError("power below the line: must have a positive mean over realisations")
        ratio = above.mean(axis=0) / mean
        scatter = np.sqrt(np.sum((above - ratio * below) ** 2, axis=0) / (len(above) - 1)) / mean
        each = np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
        return cls(ratio, scatter, scatter / np.sqrt(len(above)), each)
