"""Boosts at several boson masses, interpolated between them."""

from functools import cached_property

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from ..errors import InputError
from .agreement import check_same_ratio
from .boost import Boost
from .spectrum import SAME

LEAST_BOOSTS = 4  # of a grid: a cubic in ln m22
ROWS = 120  # k of an interpolated boost


@frozen(eq=False)
class BoostGrid:
    """Boosts at several boson masses; between them ln boost at k m22^(-scaling) is a cubic spline in ln m22.

    boosts   four or more, of increasing m22, of the same ratio, object and redshift, without zeros
    scaling  power of m22 with which wavenumbers grow: 1/2 for the ground state of a filament and for Jeans'
             wavenumber, 1 for a de Broglie wavelength
    Raises InputError for boosts that make no grid.
    """

    boosts: tuple[Boost, ...]
    scaling: float = 0.5

    def __attrs_post_init__(self) -> None:
        if len(self.boosts) < LEAST_BOOSTS:
            raise InputError(f"{len(self.boosts)} boosts: must be at least {LEAST_BOOSTS} for a grid of m22")
        if not np.isfinite(self.scaling):
            raise InputError(f"scaling = {self.scaling:g}: must be finite")
        masses, given = self._masses, ", ".join(str(boost.m22) for boost in self.boosts)
        if len(masses) < len(self.boosts) or masses[0] <= 0 or np.any(np.diff(masses) <= 0):
            raise InputError(f"m22 = {given} of a grid: must be known, positive and increasing")
        for number, boost in enumerate(self.boosts):
            for other in self.boosts[:number]:  # a boost without an object, or a redshift, agrees with any
                check_same_ratio(other, boost)
            if len(boost.k) < 2 or np.any(boost.boost <= 0):
                raise InputError(f"{boost.label}: must have two or more rows, all positive, to be in a grid of m22")

    @property
    def m22_range(self) -> tuple[float, float]:
        """First and last m22 of the grid."""
        return float(self._masses[0]), float(self._masses[-1])

    @property
    def _masses(self) -> NDArray:
        """m22 of the boosts, which are all known."""
        return np.array([boost.m22 for boost in self.boosts if boost.m22 is not None])

    @cached_property
    def _splines(self) -> tuple[CubicSpline, ...]:
        """ln boost of ln k, of every boost."""
        return tuple(CubicSpline(np.log(boost.k), np.log(boost.boost)) for boost in self.boosts)

    def __call__(self, m22: float) -> Boost:
        """The boost of an m22 within the grid, where all boosts of the grid have k m22^(-scaling); else InputError."""
        first, last = self.m22_range
        if not first * (1 - SAME) <= m22 <= last * (1 + SAME):
            raise InputError(f"m22 = {m22:g}: must be in [{first:g}, {last:g}], the masses of the grid")
        log_masses = np.log(self._masses)
        shift = self.scaling * (log_masses - np.log(m22))  # of ln k, from this m22 to those of the grid
        low = max(np.log(boost.k[0]) - step for boost, step in zip(self.boosts, shift, strict=True))
        high = min(np.log(boost.k[-1]) - step for boost, step in zip(self.boosts, shift, strict=True))
        if low >= high:
            raise InputError(f"m22 = {m22:g}: no k m22^(-{self.scaling:g}) that all boosts of the grid have")
        log_k = np.linspace(low, high, ROWS)
        values = [spline(log_k + step) for spline, step in zip(self._splines, shift, strict=True)]
        log_boost = CubicSpline(log_masses, np.array(values))(np.log(m22))
        example = self.boosts[0]
        objects = [boost.object for boost in self.boosts if boost.object]
        redshifts = [boost.redshift for boost in self.boosts if boost.redshift is not None]
        return Boost(
            np.exp(log_k),
            np.exp(log_boost),
            example.numerator,
            example.denominator,
            redshift=redshifts[0] if redshifts else None,
            m22=m22,
            source=f"between {len(self.boosts)} m22 in [{first:g}, {last:g}]",
            object=objects[0] if objects else "",
        )
