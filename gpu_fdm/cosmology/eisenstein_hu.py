"""The fit of Eisenstein & Hu 1998 (ApJ 496, 605) to the transfer function of all matter, with acoustic oscillations.

Cold dark matter and baryons each have a part, T = (1 - f_b) T_c + f_b T_b. Numbers of equations are those of the paper.
It was fitted where k < 100 h/Mpc or so. It is a closed form of all k, which goes on as ln(k)/k^2: as if baryons today
had no pressure.
"""

import numpy as np
from numpy.typing import NDArray

T_CMB = 2.7255  # temperature of the cosmic microwave background [K]: Fixsen 2009, ApJ 707, 916


def transfer_function(k: NDArray, matter: float, baryons: float) -> NDArray:
    """T(k) of all matter, one for k -> 0, shape of k [1/Mpc].

    matter, baryons  densities, Omega h^2
    """
    share, temperature = baryons / matter, (T_CMB / 2.7) ** 2
    equality, k_equality = 2.5e4 * matter / temperature**2, 0.0746 * matter / temperature  # eqs. 2, 3
    drag = 1 + 0.313 * matter**-0.419 * (1 + 0.607 * matter**0.674) * baryons ** (0.238 * matter**0.223)  # eq. 4
    drag *= 1291 * matter**0.251 / (1 + 0.659 * matter**0.828)
    at_drag, at_equality = (31.5e3 * baryons / temperature**2 / z for z in (drag, equality))  # eq. 5
    sound = np.log((np.sqrt(1 + at_drag) + np.sqrt(at_drag + at_equality)) / (1 + np.sqrt(at_equality)))
    sound *= 2 / (3 * k_equality) * np.sqrt(6 / at_equality)  # eq. 6
    silk = 1.6 * baryons**0.52 * matter**0.73 * (1 + (10.4 * matter) ** -0.95)  # eq. 7
    q = k / (13.41 * k_equality)  # eq. 10

    suppression = ((46.9 * matter) ** 0.67 * (1 + (32.1 * matter) ** -0.532)) ** -share  # eq. 11
    suppression *= ((12 * matter) ** 0.424 * (1 + (45 * matter) ** -0.582)) ** -(share**3)
    shift = 0.944 / (1 + (458 * matter) ** -0.708) * ((1 - share) ** ((0.395 * matter) ** -0.0266) - 1)
    shift = 1 / (1 + shift)  # eq. 12
    low = 1 / (1 + (k * sound / 5.4) ** 4)  # eq. 18
    of_cold = low * _shape(q, 1.0, shift) + (1 - low) * _shape(q, suppression, shift)  # eq. 17

    y = (1 + equality) / (1 + drag)
    root = np.sqrt(1 + y)
    growth = y * (-6 * root + (2 + 3 * y) * np.log((root + 1) / (root - 1)))  # eq. 15
    amplitude = 2.07 * k_equality * sound * (1 + at_drag) ** -0.75 * growth  # eq. 14
    node = 8.41 * matter**0.435  # eq. 23
    decline = 0.5 + share + (3 - 2 * share) * np.sqrt((17.2 * matter) ** 2 + 1)  # eq. 24
    x = k * sound
    phase = x / np.cbrt(1 + (node / x) ** 3)  # eq. 22
    waves = amplitude / (1 + (decline / x) ** 3) * np.exp(-((k / silk) ** 1.4))
    of_baryons = (_shape(q, 1.0, 1.0) / (1 + (x / 5.2) ** 2) + waves) * np.sinc(phase / np.pi)  # eq. 21
    return (1 - share) * of_cold + share * of_baryons  # eq. 16


def _shape(q: NDArray, suppression: float, shift: float) -> NDArray:
    """T_0(q), eqs. 19 and 20."""
    logarithm = np.log(np.e + 1.8 * shift * q)
    return logarithm / (logarithm + (14.2 / suppression + 386 / (1 + 69.9 * q**1.08)) * q**2)
