"""Haloes and the filaments that they lie in at one epoch: crossings that know nothing of power, boson or amplitude.

A walk that crossed the barrier of filaments at S_f crosses that of haloes at S_f + s with the density (haloes.py)

    g(s|S_f) = ratio(s, S_f) (B/s) phi(B, s),    B = B3(S_f + s) - B2(S_f),

whose ratio is of order one and smooth: it is tabulated over ln S_f and ln s/(S_max - S_f).
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ..errors import InputError
from ..quadrature import gauss_legendre
from ..splines import along_rows, piecewise
from .barrier import Barrier, NoBarrier, ThresholdTable, collapse_barrier
from .epoch import STEPS, Epoch
from .haloes import Beyond
from .mass_function import FirstCrossing, first_crossing

_AFTER = 1 - 1e-9  # of the largest variance that has a barrier
_STARTS = 40  # nodes of ln S_f
_NEAREST = 0.8  # the largest S_f over S_max
_LOG_SHARE = np.linspace(np.log(2e-5), 0.0, 160)  # ln s/(S_max - S_f)
_NODES = 64  # of the integral over ln s
_FINE = 2000  # masses from which M(S) is interpolated
_MOST_EXPONENT = 40.0  # B^2/2s where it begins


@frozen(eq=False)
class HaloEpoch:
    """The first crossing of haloes, and that of walks from the barrier of filaments.

    filaments  their barrier, with ellipticity = collapse;  haloes  their epoch
    starts     S_f, increasing, shape (starts,);  ratio  shape (starts, shares)
    """

    filaments: Barrier
    haloes: Epoch
    starts: NDArray
    ratio: NDArray

    @classmethod
    def of(cls, filaments: Barrier, variance_max: float) -> "HaloEpoch":
        """Solve for both up to a variance, or to the largest one that has a barrier: a second.

        Raises NoBarrier where there are no haloes.
        """
        model = filaments.model
        most = min(variance_max, filaments.variance_max)
        try:
            barrier = collapse_barrier(model, most, axes=3, ellipticity="collapse")
        except NoBarrier as error:
            if not 0 < error.variance_max < most:
                raise
            barrier = collapse_barrier(model, error.variance_max * _AFTER, axes=3, ellipticity="collapse")
        haloes = Epoch(barrier, first_crossing(barrier, barrier.variance_max, STEPS))
        largest = _largest(filaments, haloes)
        starts = np.geomspace(haloes.crossing.variance[0], _NEAREST * largest, _STARTS)
        share, rows = np.exp(_LOG_SHARE), []
        for start in starts.tolist():
            left = (largest - start) * _AFTER
            crossing = first_crossing(Beyond(barrier, start, float(filaments(start))), left)
            at = np.clip(share * left, crossing.variance[0], left)
            rows.append(CubicSpline(np.log(crossing.variance), crossing.ratio)(np.log(at)))
        return cls(filaments, haloes, starts, np.array(rows))

    @property
    def arrays(self) -> dict[str, NDArray]:
        """All that was solved for, but for the barrier of filaments."""
        return {"starts": self.starts, "ratio_from_filaments": self.ratio} | self.haloes.arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray], filaments: Barrier) -> "HaloEpoch":
        """The same from `arrays`."""
        table = ThresholdTable(filaments.model, 3, arrays["shear"], arrays["overdensity"], arrays["lengths"])
        barrier = Barrier(table, "collapse")
        crossing = FirstCrossing(barrier, arrays["variance"], arrays["ratio"], float(arrays["error"]))
        return cls(filaments, Epoch(barrier, crossing), arrays["starts"], arrays["ratio_from_filaments"])

    @property
    def variance_max(self) -> float:
        """Largest S."""
        return _largest(self.filaments, self.haloes)

    def crossed(self, start: NDArray, last: float) -> tuple[NDArray, NDArray]:
        """S at which walks from filaments are in haloes, and their share there; shape (filaments, nodes) both.

        start  S of the filaments, shape (filaments,);  last  S of the lightest halo
        The shares of a filament sum up to that of its mass in haloes. Raises InputError for S out of the table.
        """
        low, high = float(self.starts[0]), min(float(self.starts[-1]), last)
        for outside in start[~((start >= low) & (start <= high * (1 + 1e-12)))][:1]:
            raise InputError(
                f"S(M) = {outside:.4g} of filaments: must be in [{low:.4g}, {high:.4g}] for haloes in them"
            )
        if not last <= self.variance_max:
            raise InputError(f"S(M) = {last:.4g} of haloes: must be at most {self.variance_max:.4g}")
        room, height = last - start, self.filaments(start)
        first = np.minimum((self.haloes.barrier(start) - height) ** 2 / (2 * _MOST_EXPONENT), 0.99 * room)
        x, weight = gauss_legendre(_NODES)
        width = np.log(np.maximum(room, 1e-300) / np.maximum(first, 1e-300))[:, None]
        step = room[:, None] * np.exp(width * (x - 1) / 2)
        at = np.minimum(start[:, None] + step, last)
        above = self.haloes.barrier(at) - height[:, None]
        rows = (self._of_start(np.log(start)) @ self._splines).reshape(len(start), -1, 4)
        position = np.log(step / (self.variance_max - start[:, None]))
        ratio = along_rows(_LOG_SHARE, rows, np.clip(position, _LOG_SHARE[0], 0.0))
        density = ratio * above / np.sqrt(step) * np.exp(-(above**2) / (2 * step)) / np.sqrt(2 * np.pi)
        return at, density * width / 2 * weight

    @cached_property
    def _of_start(self) -> CubicSpline:
        return CubicSpline(np.log(self.starts), np.eye(len(self.starts)))

    @cached_property
    def _splines(self) -> NDArray:
        return piecewise(_LOG_SHARE, self.ratio).reshape(len(self.starts), -1)


def _largest(filaments: Barrier, haloes: Epoch) -> float:
    return min(filaments.variance_max, haloes.barrier.variance_max)


def share_matrix(crossed: NDArray, share: NDArray, variance: NDArray, log_mass: NDArray, nodes: NDArray) -> NDArray:
    """Shares of filaments by haloes of some masses, shape (filaments, haloes): as population.haloes.share_by_halo.

    crossed, share      of HaloEpoch.crossed, shape (filaments, nodes)
    variance, log_mass  falling S and rising ln M of a table, shape (rows,), that holds all of `crossed`
    nodes               ln M of the haloes, increasing, shape (haloes,), at least 4
    """
    # S(M) is smooth and flat where linear power is cut off, and M(S) is neither
    fine = np.linspace(log_mass[0], log_mass[-1], _FINE)
    falling = np.minimum.accumulate(CubicSpline(log_mass, variance)(fine))
    at = np.clip(np.interp(crossed, falling[::-1], fine[::-1]), nodes[0], nodes[-1])
    # the cubic through the four nodes around
    first = np.clip(np.searchsorted(nodes, at) - 2, 0, len(nodes) - 4)
    around = nodes[first[..., None] + np.arange(4)]
    matrix = np.zeros((len(share), len(nodes)))
    row = np.arange(len(share))[:, None] * len(nodes)
    for number in range(4):
        others = [other for other in range(4) if other != number]
        weight = share.copy()
        for other in others:
            weight *= (at - around[..., other]) / (around[..., number] - around[..., other])
        matrix += np.bincount((row + first + number).ravel(), weight.ravel(), matrix.size).reshape(matrix.shape)
    return matrix
