"""Filaments at one epoch: what depends on redshift, omega_m and the rules of collapse alone, computed once.

A variance S(M) of any power, any boson and any primordial amplitude then gives numbers and shapes of filaments in
microseconds: the barrier B(S) and the distribution f(S) of its first crossing know nothing of them.
"""

from collections.abc import Mapping

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..errors import InputError
from ..units import mean_matter_density
from .barrier import Barrier, NoBarrier, ThresholdTable, collapse_barrier, shear_factor
from .collapse import CollapseModel
from .collapse_shapes import Shape, shape_at_variance
from .mass_function import FirstCrossing, first_crossing
from .thresholds import are_tabulated

STEPS = 2048  # of the first-crossing distribution, which reaches further than that of one boson
_LADDER = 2**0.5  # ratio of the variances up to which barriers are computed, so that cosmologies share them
_AFTER = 1 - 1e-9  # of the largest variance that has a barrier


@frozen(eq=False)
class Epoch:
    """The barrier of filaments, and its first crossing by random walks."""

    barrier: Barrier
    crossing: FirstCrossing

    @classmethod
    def of(cls, model: CollapseModel, ellipticity: str, variance_max: float) -> "Epoch":
        """Find both up to a variance, or to the largest one that has a barrier.

        It takes a twentieth of a second where thresholds are tabulated, half a second where they must be solved for.

        model  background, scale factor, freeze-out;  ellipticity  a name in barrier.ELLIPTICITIES
        """
        # the largest variance is that of a row, and a table up to it has rows elsewhere
        while True:
            try:
                barrier = collapse_barrier(model, variance_max, ellipticity=ellipticity, tabulated=True)
            except NoBarrier as error:
                if not 0 < error.variance_max < variance_max:
                    raise
                variance_max = error.variance_max * _AFTER
            else:
                return cls(barrier, first_crossing(barrier, barrier.variance_max, STEPS))

    @staticmethod
    def is_quick(model: CollapseModel, ellipticity: str, variance_max: float) -> bool:
        """Whether Epoch.of takes its thresholds from a table, and is not worth keeping; arguments as there."""
        return are_tabulated(model, shear_factor(model, ellipticity) * (variance_max / 5) ** 0.5)

    @property
    def arrays(self) -> dict[str, NDArray]:
        """All that was solved for."""
        table, crossing = self.barrier.table, self.crossing
        return {
            "shear": table.shear,
            "overdensity": table.overdensity,
            "lengths": table.lengths,
            "variance": crossing.variance,
            "ratio": crossing.ratio,
            "error": np.array(crossing.error),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray], model: CollapseModel, ellipticity: str) -> "Epoch":
        """The epoch from what was solved for."""
        table = ThresholdTable(model, 2, arrays["shear"], arrays["overdensity"], arrays["lengths"])
        barrier = Barrier(table, ellipticity)
        crossing = FirstCrossing(barrier, arrays["variance"], arrays["ratio"], float(arrays["error"]))
        return cls(barrier, crossing)

    def number(self, mass: NDArray, variance: NDArray, slope: NDArray) -> NDArray:
        """dn/dlnM [(h/Mpc)^3] of masses [Msun/h], their S and dS/dlnM; shape (masses,) all.

        Raises InputError, which names the mass, where S does not fall with mass or is out of the barrier's range.
        """
        least = self.crossing.variance[0]
        for number in np.flatnonzero(~((slope < 0) & (variance >= least)))[:1]:
            what = f"mass = {mass[number]:.4g} Msun/h: S(M) = {variance[number]:.4g}"
            if slope[number] >= 0:
                raise InputError(f"{what}: must fall with mass, and does not: there are no filaments of this mass")
            raise InputError(f"{what}: must be at least {least:.4g}: there are no filaments of this mass")
        self._check(mass, variance)
        density = mean_matter_density(self.barrier.model.background.omega_m)
        return -density * slope * self.crossing(variance) / mass

    def shape(self, mass: NDArray, variance: NDArray, beta: float) -> Shape:
        """Shapes of masses [Msun/h] of these S; shape (masses,) both. InputError where S is beyond the barrier."""
        self._check(mass, variance)
        return shape_at_variance(mass, variance, self.barrier, beta)

    def _check(self, mass: NDArray, variance: NDArray) -> None:
        largest = min(self.crossing.variance[-1], self.barrier.variance_max)
        for number in np.flatnonzero(~(variance <= largest))[:1]:
            what = f"mass = {mass[number]:.4g} Msun/h: S(M) = {variance[number]:.4g}"
            raise InputError(f"{what}: must be at most {largest:.4g}, up to which the barrier is known")


def rung(variance: float) -> float:
    """The variance up to which an epoch is computed so that it holds this one: a power of the root of 2."""
    return float(_LADDER ** np.ceil(np.log(variance) / np.log(_LADDER)))
