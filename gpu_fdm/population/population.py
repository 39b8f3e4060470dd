"""The population of filaments in one universe at one redshift: variance, barrier, mass functions and shapes.

linear power, transfer -> S(M) of CDM and of each boson mass -> barrier of ellipsoidal collapse -> dn/dlnM, shapes
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..cosmology.linear_power import LinearPower
from ..cosmology.transfer import Transfer, transfer
from ..cosmology.variance import Variance, variance
from ..errors import InputError
from ..quantities import takes
from ..units import require_h
from ..values import brief
from .barrier import Barrier, NoBarrier, collapse_barrier
from .collapse import START, Collapse, CollapseModel, collapse
from .collapse_shapes import Shape, collapse_shape
from .haloes import halo_share, share_by_halo
from .mass_function import MassFunction, mass_function

_MARGIN = 1.001  # the variance is tabulated this factor beyond the masses that are asked for
_FOLLOWED = 2.0  # scale factors over that of collapse up to which the axes of an ellipsoid are followed
LATEST_REDSHIFT = 1 / (2 * START) - 1  # ellipsoids that collapse before have no time to do so


@brief
@takes(mass_min="Msun/h", mass_max="Msun/h", other_masses="Msun/h")
@dataclass(frozen=True, eq=False)
class Population:
    """Variances and barrier are computed when they are first asked for, and once. A boson mass m22 of None is CDM.

    power           linear power of CDM at z = 0
    h               H0 / (100 km/s/Mpc) of its cosmology
    redshift        of collapse, in [0, 49]
    transfer        cut-off of the linear power: a name in cosmology.transfer;  transfer_table  its file, for "table"
    window          filter of the variance: a name in cosmology.variance
    freeze_out      a name in collapse.FREEZE_OUTS;  ellipticity  a name in barrier.ELLIPTICITIES
    mass_min, mass_max, masses   ends of the mass function [Msun/h], and the number of its masses, in equal ratios
    other_masses    masses that will be asked for besides [Msun/h]
    Raises InputError for a redshift out of range; the methods raise it for the other values.
    """

    power: LinearPower
    h: float
    redshift: float
    transfer: str = "hu00"
    transfer_table: str | None = None
    window: str = "smooth_k"
    freeze_out: str = "virial"
    ellipticity: str = "published"
    mass_min: float = 1e8
    mass_max: float = 1e12
    masses: int = 200
    other_masses: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require_h(self.h)
        if self.redshift < 0:
            raise InputError(f"redshift = {self.redshift:g}: must not be negative")
        if not self.redshift <= LATEST_REDSHIFT:
            raise InputError(
                f"redshift = {self.redshift:.12g}: must be at most {LATEST_REDSHIFT:g}: ellipsoidal collapse starts at "
                f"a = {START:g}"
            )

    @property
    def scale_factor(self) -> float:
        """Scale factor of collapse."""
        return 1 / (1 + self.redshift)

    @takes(m22="1e-22 eV")
    def cut_off(self, m22: float | None) -> Transfer:
        """T(k) of a boson; 1 for CDM."""
        name = "cdm" if m22 is None else self.transfer
        return transfer(name, m22, h=self.h, table=self.transfer_table if name == "table" else None)

    @takes(m22="1e-22 eV")
    def variance(self, m22: float | None) -> Variance:
        """S(M) at z = 0."""
        if m22 not in self._variances:
            low, high = self._mass_range
            try:
                self._variances[m22] = variance(
                    self.power, self.cut_off(m22), self.window, mass_min=low / _MARGIN, mass_max=high * _MARGIN
                )
            except InputError as error:
                raise InputError(f"{self._of_others}{error}") from None
        return self._variances[m22]

    @cached_property
    def barrier(self) -> Barrier:
        """The barrier of filaments, for every variance that CDM or a boson has at these masses."""
        model = CollapseModel(self.power.background, self.scale_factor, self.freeze_out)
        (lightest, heaviest), variance = self._mass_range, self.variance(None)
        try:
            return collapse_barrier(model, float(variance(lightest)), ellipticity=self.ellipticity)
        except NoBarrier as error:
            allowed = f"more than {heaviest:g}"
            if error.variance_max > variance(heaviest):
                allowed = f"at least {float(variance.mass_at(error.variance_max)) * _MARGIN:.3g}"
            raise InputError(
                f"{self._of_others}mass_min = {lightest:g}: must be {allowed} Msun/h at "
                f"z = {self.redshift:g}: for CDM, {error}"
            ) from None

    @takes(bosons="1e-22 eV")
    def prepared(self, bosons: tuple[float, ...]) -> "Population":
        """This population, with the barrier and the variances of CDM and of these bosons computed."""
        for m22 in (None, *bosons):
            self.variance(m22)
        _ = self.barrier
        return self

    @takes(m22="1e-22 eV")
    def mass_function(self, m22: float | None) -> MassFunction:
        """dn/dlnM between mass_min and mass_max."""
        variance, barrier = self.variance(m22), self.barrier
        try:
            return mass_function(np.geomspace(self.mass_min, self.mass_max, self.masses), variance, barrier)
        except InputError as error:
            raise error if m22 is None else InputError(f"m22 = {m22:g}: {error}") from None

    @takes(mass="Msun/h", m22="1e-22 eV")
    def shape(self, mass: ArrayLike, m22: float | None, beta: float = 0.0) -> Shape:
        """Length, scale radius and velocity dispersion of filaments of mass [Msun/h], any shape."""
        return collapse_shape(mass, self.variance(m22), self.barrier, beta)

    @takes(mass="Msun/h", m22="1e-22 eV")
    def halo_share(self, mass: ArrayLike, m22: float | None) -> NDArray:
        """Share of the mass of filaments [Msun/h] that is in haloes of mass_min and more; any shape (see haloes.py).

        The ellipticity is that at collapse, whatever `ellipticity` is.
        """
        return halo_share(self.variance(m22)(mass), *self.halo_barriers(m22))

    @takes(mass="Msun/h", halo_mass="Msun/h", m22="1e-22 eV")
    def share_by_halo(self, mass: ArrayLike, halo_mass: ArrayLike, m22: float | None) -> NDArray:
        """The same by the mass of haloes [Msun/h], shape (filaments, haloes); see population.haloes.share_by_halo."""
        return share_by_halo(mass, halo_mass, self.variance(m22), *self.halo_barriers(m22))

    @takes(m22="1e-22 eV")
    def halo_mass_function(self, m22: float | None) -> MassFunction:
        """dn/dlnM of haloes between mass_min and mass_max, with the ellipticity at collapse."""
        masses = np.geomspace(self.mass_min, self.mass_max, self.masses)
        try:
            return mass_function(masses, self.variance(m22), self.halo_barriers(m22)[1])
        except InputError as error:
            raise InputError(f"haloes of {'CDM' if m22 is None else f'm22 = {m22:g}'}: {error}") from None

    @takes(m22="1e-22 eV")
    def halo_barriers(self, m22: float | None) -> tuple[Barrier, Barrier]:
        """Barriers of filaments and of haloes with the ellipticity at collapse, up to S of the lightest mass."""
        if m22 not in self._halo_barriers:
            model = CollapseModel(self.power.background, self.scale_factor, self.freeze_out)
            variance, lightest = self.variance(m22), self._mass_range[0]
            try:
                filaments, haloes = (
                    collapse_barrier(model, float(variance(lightest)), axes=n, ellipticity="collapse") for n in (2, 3)
                )
            except NoBarrier as error:
                raise InputError(
                    f"{self._of_others}mass_min = {lightest:g}: "
                    f"there is no barrier of haloes at z = {self.redshift:g}: {error}"
                ) from None
            self._halo_barriers[m22] = filaments, haloes
        return self._halo_barriers[m22]

    @takes(mass="Msun/h", m22="1e-22 eV")
    def example(self, mass: float, m22: float | None) -> tuple[Collapse, float, float]:
        """The collapse of the filament of a mass: its axes, its overdensity (linear, at collapse), its ellipticity."""
        variance, barrier = self.variance(m22)(mass), self.barrier
        ellipticity = float(barrier.ellipticity_at(variance))
        overdensity = float(barrier.table.overdensity_at(barrier.shear(variance)))
        until = min(1.0, _FOLLOWED * self.scale_factor)
        return collapse(barrier.model, overdensity, ellipticity, until=until), overdensity, ellipticity

    @property
    def _mass_range(self) -> tuple[float, float]:
        masses = (self.mass_min, self.mass_max, *self.other_masses)
        return min(masses), max(masses)

    @property
    def _of_others(self) -> str:
        """What a message begins with where the range of masses is not that of the mass function."""
        low, high = self._mass_range
        alone = (low, high) == (self.mass_min, self.mass_max)
        return "" if alone else f"with example_mass and the masses of other sections, {low:g} to {high:g} Msun/h: "

    @cached_property
    def _variances(self) -> dict[float | None, Variance]:
        return {}

    @cached_property
    def _halo_barriers(self) -> dict[float | None, tuple[Barrier, Barrier]]:
        return {}
