"""Haloes in filaments: the share of a filament's mass that has collapsed along its third axis too.

A random walk that first crosses the barrier B2 of filaments at S_f goes on, and is in a halo where it crosses B3, that
of haloes, at some S up to that of the lightest haloes. From (S_f, B2(S_f)) on that is a first crossing of the barrier

    B(s) = B3(S_f + s) - B2(S_f),    share = int_0^(S_max - S_f) f(s) ds,

so that int f2(S_f) share(S_f) dS_f is all mass in haloes. Both barriers take the variance at collapse for their
ellipticity: with that of today there are hardly any haloes.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from .barrier import Barrier
from .mass_function import first_crossing


@dataclass(frozen=True, eq=False)
class _Beyond:
    """The barrier of haloes seen from where a walk has crossed that of filaments."""

    haloes: Barrier
    start: float
    height: float

    def __call__(self, variance: ArrayLike) -> NDArray:
        """B(s)."""
        return self.haloes(self.start + np.asarray(variance)) - self.height

    def derivative(self, variance: ArrayLike) -> NDArray:
        """dB/ds."""
        return self.haloes.derivative(self.start + np.asarray(variance))


def halo_share(variance: ArrayLike, filaments: Barrier, haloes: Barrier) -> NDArray:
    """Share of the mass of filaments that is in haloes; any shape.

    variance   S(M) of the filaments
    filaments, haloes  barriers of two and of three axes at one epoch, with ellipticity = collapse, up to the S of the
                       lightest haloes
    Raises InputError for other barriers, and for a variance out of their range.
    """
    for barrier, axes in ((filaments, 2), (haloes, 3)):
        found = barrier.table.axes, barrier.ellipticity
        if found != (axes, "collapse"):
            raise InputError(f"barrier of {found[0]} axes, ellipticity = {found[1]}: must be of {axes} axes, collapse")
    variance = np.asarray(variance, float)
    shares = [_share(start, filaments, haloes) for start in variance.ravel().tolist()]
    return np.array(shares).reshape(variance.shape)


def _share(start: float, filaments: Barrier, haloes: Barrier) -> float:
    left = haloes.variance_max - start
    try:
        crossing = first_crossing(_Beyond(haloes, start, float(filaments(start))), left)
    except InputError:  # f vanishes up to there
        return 0.0
    log_variance = np.log(crossing.variance)
    return float(np.trapezoid(crossing(crossing.variance) * crossing.variance, log_variance))
