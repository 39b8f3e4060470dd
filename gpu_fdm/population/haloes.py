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
from scipy.interpolate import CubicSpline

from ..errors import InputError
from .barrier import Barrier
from .mass_function import VarianceOfMass, first_crossing

_TABLE = 4000  # masses from which M(S) is interpolated


@dataclass(frozen=True, eq=False)
class Beyond:
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
    variance = np.asarray(variance, float)
    _check(filaments, haloes)
    shares = [float(np.sum(_crossed(start, filaments, haloes)[1])) for start in variance.ravel().tolist()]
    return np.array(shares).reshape(variance.shape)


def share_by_halo(
    mass: ArrayLike, halo_mass: ArrayLike, variance: VarianceOfMass, filaments: Barrier, haloes: Barrier
) -> NDArray:
    """The share of filaments that is in haloes, by the mass of these: shape (filaments, haloes).

    mass       of filaments [Msun/h], shape (filaments,)
    halo_mass  increasing [Msun/h], shape (haloes,)
    variance   S(M), and the barriers, as for halo_share
    The matrix times values of a smooth function of the halo mass is its integral over the haloes in each filament;
    haloes beyond the ends of halo_mass count as those at the ends. Rows sum to halo_share. Raises InputError likewise.
    """
    mass, halo_mass = np.asarray(mass, float), np.asarray(halo_mass, float)
    nodes = np.log(halo_mass)
    _check(filaments, haloes)
    table = np.geomspace(halo_mass[0], max(halo_mass[-1], mass.max()), _TABLE)
    falling = np.minimum.accumulate(np.asarray(variance(table), float))
    spline = CubicSpline(nodes, np.eye(len(nodes)))
    rows = []
    for start in np.asarray(variance(mass), float).tolist():
        crossed, share = _crossed(start, filaments, haloes)
        of_halo = np.interp(crossed, falling[::-1], np.log(table)[::-1])
        rows.append(share @ spline(np.clip(of_halo, nodes[0], nodes[-1])))
    return np.array(rows)


def _check(filaments: Barrier, haloes: Barrier) -> None:
    for barrier, axes in ((filaments, 2), (haloes, 3)):
        found = barrier.table.axes, barrier.ellipticity
        if found != (axes, "collapse"):
            raise InputError(f"barrier of {found[0]} axes, ellipticity = {found[1]}: must be of {axes} axes, collapse")


def _crossed(start: float, filaments: Barrier, haloes: Barrier) -> tuple[NDArray, NDArray]:
    """S at which walks from the barrier of filaments cross that of haloes, and their share; shape (rows,) both."""
    left = haloes.variance_max - start
    try:
        crossing = first_crossing(Beyond(haloes, start, float(filaments(start))), left)
    except InputError:  # f vanishes up to there
        return np.array([haloes.variance_max]), np.zeros(1)
    log_variance = np.log(crossing.variance)
    step = np.gradient(log_variance)
    step[[0, -1]] /= 2  # the trapezoidal rule
    return start + crossing.variance, crossing(crossing.variance) * crossing.variance * step
