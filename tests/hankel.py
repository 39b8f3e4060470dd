"""Power of one draw of phases by another route: psi on a polar grid, library Bessel functions, one order at a time."""

import numpy as np
from scipy.special import jv


def polar_grid(wave, radii, angles):
    """psi on a polar grid by one FFT over the angle, complex, shape (len(radii), angles).

    radii   [L];  angles  number of equal steps from phi = 0, more than 2 l_max
    """
    factors = wave.azimuthal()
    l_max = factors.shape[1] - 1
    assert angles > 2 * l_max
    at_radii = factors @ wave.library.interpolation_matrix(radii).T
    spectrum = np.zeros((len(radii), angles), complex)
    spectrum[:, : l_max + 1] = at_radii[0].T
    spectrum[:, -np.arange(1, l_max + 1)] = at_radii[1, 1:].T
    return np.fft.ifft(spectrum, axis=1) * angles


def polar_power(wave, k, smooth=False):
    """Angle-averaged |FT|^2 of one cross-section over its line mass squared, at wavenumbers k [1/L]."""
    library = wave.library
    l_max = int(library.l.max())
    x, w = np.polynomial.legendre.leggauss(2 * len(library.nodes))
    radius, weight = library.radius_max * (1 + x) / 2, library.radius_max / 2 * w
    if smooth:
        components = wave.mean_density(radius)[:, None]
        orders = np.zeros(1, int)
    else:
        angles = 4 * l_max + 4  # |psi|^2 holds orders up to 2 l_max
        components = np.fft.fft(np.abs(polar_grid(wave, radius, angles)) ** 2, axis=1) / angles
        orders = np.fft.fftfreq(angles, 1 / angles).astype(int)
    total = np.zeros(len(k))
    for order in range(max(orders) + 1):
        bessel = jv(order, k[:, None] * radius) @ (weight[:, None] * radius[:, None] * components[:, orders == order])
        # orders m and -m are conjugate: a real density
        total += (1 if order == 0 else 2) * np.sum(np.abs(bessel) ** 2, axis=1)
    return (2 * np.pi) ** 2 * total / wave.line_mass**2
