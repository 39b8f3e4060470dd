"""Boosts fdm/smooth made of formulas."""

import numpy as np

from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.boost_grid import BoostGrid

K = np.geomspace(30, 400, 40)


def boost(k, values, m22=None, error=None, **more):
    return Boost(k, values, "fdm", "smooth", error=error, m22=m22, **more)


def toy(m22, k=K):
    """A bump that moves as sqrt(m22) and shrinks as 1/m22."""
    x = np.log(k / (120 * m22**0.5))
    return boost(k, np.exp(1.5 / m22 * np.exp(-(x**2) / 0.5)), m22)


def toy_grid(masses=(0.5, 0.7, 1.0, 1.4, 2.0)):
    return BoostGrid(tuple(toy(m22, np.geomspace(5, 3000, 200)) for m22 in masses))
