"""The cross spectrum of two fields, their correlation coefficient, and errors of both for Gaussian fields.

    P_12 = V Re <delta_1 conj(delta_2)>,   r = P_12 / sqrt(P_1 P_2)

Two sets of particles that share none have independent shot noise: it is in P_1 and P_2, and scatters P_12, but its mean
in P_12 is zero, so that none is subtracted. In the errors P_1 and P_2 have their shot noise, in r they may be less it.
Of N modes, k and -k both counted, with P' with shot noise and P without it:

    var P_12 = (P_12^2 + P'_1 P'_2)/N
    var r    = [a b + r^2 - 2 r^2 (a + b) + r^2 (a^2 + b^2)/2 + r^4]/N,   a = P'_1/P_1, b = P'_2/P_2

The second follows to first order from cov(P_12, P'_i) = 2 P_12 P'_i/N, cov(P'_1, P'_2) = 2 P_12^2/N and
var P'_i = 2 P'_i^2/N; without shot noise it is (1 - r^2)^2/N.
"""

import numpy as np
from numpy.typing import NDArray


def cross_error(cross: NDArray, first: NDArray, second: NDArray, modes: NDArray) -> NDArray:
    """The standard deviation of a cross spectrum of Gaussian fields, in its units.

    cross, first, second  P_12, and P_1 and P_2 with their shot noise, of one shape;  modes  their number
    """
    return np.sqrt((cross**2 + first * second) / np.maximum(modes, 1))


def correlation(cross: NDArray, first: NDArray, second: NDArray) -> NDArray:
    """r = P_12/sqrt(P_1 P_2), of the shape of the spectra; NaN where P_1 or P_2 is not positive.

    Where shot noise was subtracted from P_1 and P_2 it may be beyond 1 by chance.
    """
    known = (first > 0) & (second > 0)
    root = np.sqrt(np.where(known, first, 1)) * np.sqrt(np.where(known, second, 1))
    return np.where(known, cross / root, np.nan)


def correlation_error(
    cross: NDArray,
    powers: tuple[NDArray, NDArray],
    with_noise: tuple[NDArray, NDArray],
    modes: NDArray,
) -> NDArray:
    """The standard deviation of r for Gaussian fields; NaN where r is.

    powers  P_1 and P_2 as they are in r;  with_noise  with their shot noise;  modes  their number
    It is of first order: it holds where it is small beside 1.
    """
    r = correlation(cross, *powers)
    a, b = (noisy / np.where(power > 0, power, np.nan) for noisy, power in zip(with_noise, powers, strict=True))
    variance = a * b + r**2 - 2 * r**2 * (a + b) + r**2 * (a**2 + b**2) / 2 + r**4
    return np.sqrt(np.maximum(variance, 0) / np.maximum(modes, 1))  # below zero by round-off alone
