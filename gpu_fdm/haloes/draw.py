"""Haloes drawn from a mass function in a periodic box: their number from a Poisson distribution, places uniform.

Haloes are independent of each other and may overlap. So means over draws are those of the mass function, that of the
power of their density, too, at every wavenumber of the box but zero:

    <N> = V int dn,    <sum M> = V int M dn,    variance of sum M = V int M^2 dn,    <P> = int M^2 (u^2 + I) dn / rho^2
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import exprel

from ..errors import InputError
from ..population.mass_function import MassFunction
from ..population.sampling import sample_tabulated
from .table import MOST_SEED, HaloRow

MOST_HALOES = 10_000  # that are expected
_ROW, _NUMBER = 2**31 + 5, 2**31 + 6  # purposes of random numbers, beyond those of filaments and of phases of haloes
_NODES = 400  # of the mass function


@dataclass(frozen=True)
class DrawnHaloes:
    """Haloes of a draw, whose line is their number from 1, and what is expected of a draw.

    number   of haloes;  mass  of them together [Msun/h];  scatter  standard deviation of that mass [Msun/h]
    """

    rows: list[HaloRow]
    number: float
    mass: float
    scatter: float


def draw_haloes(volume: float, function: MassFunction, window: tuple[float, float], seed: int) -> DrawnHaloes:
    """Haloes of a window of masses [Msun/h] in a box of a volume [(cMpc/h)^3].

    Their number depends on the seed, what one is on the seed and its number in the draw; each has a seed of its phases.
    Raises InputError where more than MOST_HALOES are expected, or the function does not reach to the window.
    """
    mass = np.geomspace(*window, _NODES)
    mass[[0, -1]] = window
    dn = function(mass)
    number, total, square = (volume * _integral(mass, dn * mass**power) for power in range(3))
    if number > MOST_HALOES:
        raise InputError(f"{number:.3g} haloes are expected in the box: must be at most {MOST_HALOES}")
    rows = []
    for index in range(int(_random(seed, 0, _NUMBER).poisson(number))):
        random = _random(seed, index, _ROW)
        of_mass, x, y, z = random.random(4).tolist()
        drawn = float(sample_tabulated(of_mass, mass, dn, *window))
        seed_of_phases = int(random.integers(MOST_SEED))
        rows.append(HaloRow(index + 1, drawn, (x, y, z), seed=seed_of_phases))
    return DrawnHaloes(rows, number, total, square**0.5)


def _random(seed: int, index: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index, purpose])))


def _integral(mass: NDArray, values: NDArray) -> float:
    """Of values over ln M, a power law between every two masses, as sample_tabulated has it."""
    width, steepness = np.diff(np.log(mass)), np.abs(np.diff(np.log(values)))
    ends = np.maximum(values[:-1], values[1:])
    return float(np.sum(width * ends * exprel(-steepness)))
