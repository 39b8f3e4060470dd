"""The population of filaments that a config describes: variance, barrier, mass functions and shapes, each made once.

linear power, transfer -> S(M) of CDM and of each boson mass -> barrier of ellipsoidal collapse -> dn/dlnM, shapes
"""

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..config.config import Config
from ..config.sections import PopulationSection
from ..cosmology.background import Background
from ..cosmology.linear_power import LinearPower, linear_power
from ..cosmology.parameters import CosmologicalParameters
from ..cosmology.transfer import Transfer, transfer
from ..cosmology.variance import Variance, variance
from ..errors import InputError
from .barrier import Barrier, NoBarrier, collapse_barrier
from .collapse import START, Collapse, CollapseModel, collapse
from .collapse_shapes import Shape, collapse_shape
from .mass_function import MassFunction, mass_function

_MARGIN = 1.001  # beyond the masses that are asked for, in which the variance is tabulated
_FOLLOWED = 2.0  # scale factors over that of collapse up to which the axes of an ellipsoid are kept


@dataclass(frozen=True)
class Population:
    """Everything about it, computed when it is first asked for. Boson masses m22; None is CDM.

    masses  [Msun/h] that will be asked for besides those of the mass function
    """

    config: Config
    masses: tuple = ()

    @property
    def section(self) -> PopulationSection:
        """[population], or its defaults where only shapes are asked for."""
        return self.config.population or PopulationSection()

    @property
    def scale_factor(self) -> float:
        """Of collapse."""
        return 1 / (1 + self.config.cosmology.redshift)

    @cached_property
    def power(self) -> LinearPower:
        """Linear power of CDM at z = 0."""
        section = self.config.cosmology
        with self._named("cosmology"):
            densities = {} if section.omega_c_h2 is None else {"omega_c_h2": section.omega_c_h2}
            given = {name: getattr(section, name) for name in ("h", "omega_m", "omega_b_h2", "m_nu", "n_s", "ln10As")}
            parameters = _parameters({**given, **densities})
            return linear_power(section.linear_power, parameters, table=section.linear_power_table)

    def variance(self, m22: float | None) -> Variance:
        """S(M) at z = 0."""
        return self._variances(m22)

    @cached_property
    def barrier(self) -> Barrier:
        """Of filaments, for every variance that CDM or a boson has at these masses."""
        section, cosmology = self.section, self.config.cosmology
        latest = 1 / (2 * START) - 1
        if cosmology.redshift > latest:
            raise self.config.error(
                "cosmology", "redshift", f"must be at most {latest:g}: ellipsoidal collapse starts at a = {START:g}"
            )
        of_collapse = CollapseModel(Background(cosmology.omega_m), self.scale_factor, section.freeze_out)
        lightest, variance = self._mass_range[0], self.variance(None)
        try:
            return collapse_barrier(of_collapse, float(variance(lightest)), ellipticity=section.ellipticity)
        except NoBarrier as error:
            heaviest = self._mass_range[1]
            allowed = f"more than {heaviest:g}"
            if error.variance_max > variance(heaviest):
                allowed = f"at least {float(variance.mass_at(error.variance_max)) * _MARGIN:.3g}"
            raise InputError(
                f"{self.config.source}: [population] mass_min = {lightest:g}: must be {allowed} Msun/h at "
                f"z = {cosmology.redshift:g}, for of CDM's {error}"
            ) from None

    def mass_function(self, m22: float | None) -> MassFunction:
        """dn/dlnM between mass_min and mass_max of [population]."""
        section = self.section
        mass = np.geomspace(section.mass_min, section.mass_max, section.masses)
        with self._named("population", "" if m22 is None else f"m22 = {m22:g}: "):
            return mass_function(mass, self.variance(m22), self.barrier)

    def shape(self, mass, m22: float, beta: float = 0.0) -> Shape:
        """Length, scale radius and velocity dispersion of filaments of mass [Msun/h], any shape."""
        with self._named("population"):
            return collapse_shape(mass, self.variance(m22), self.barrier, beta)

    def example(self, mass: float, m22: float | None) -> tuple[Collapse, float, float]:
        """The collapse of the filament of a mass: its axes, its overdensity (linear, at collapse), its ellipticity."""
        variance, barrier = self.variance(m22)(mass), self.barrier
        ellipticity = float(barrier.ellipticity_at(variance))
        overdensity = float(barrier.table.overdensity_at(barrier.shear(variance)))
        until = min(1.0, _FOLLOWED * self.scale_factor)
        return collapse(barrier.model, overdensity, ellipticity, until=until), overdensity, ellipticity

    def prepared(self, bosons: tuple) -> "Population":
        """Itself, with the power, the barrier and the variances of these bosons computed."""
        for m22 in (None, *bosons):
            self.variance(m22)
        _ = self.barrier
        return self

    @property
    def _mass_range(self):
        """Masses between which the variance is needed."""
        section = self.section
        masses = (section.mass_min, section.mass_max, section.example_mass, *self.masses)
        return min(masses), max(masses)

    def cut_off(self, m22: float | None) -> Transfer:
        """T(k) of a boson; 1 for CDM."""
        section = self.section
        name = "cdm" if m22 is None else section.transfer
        table = section.transfer_table if name == "table" else None
        with self._named("population"):
            return transfer(name, m22, h=self.config.cosmology.h, table=table)

    @cached_property
    def _tabulated(self):
        return {}

    def _variances(self, m22):
        if m22 not in self._tabulated:
            power, cut_off = self.power, self.cut_off(m22)
            with self._named("population"):
                low, high = self._mass_range
                self._tabulated[m22] = variance(
                    power, cut_off, self.section.window, mass_min=low / _MARGIN, mass_max=high * _MARGIN
                )
        return self._tabulated[m22]

    @contextmanager
    def _named(self, section, place=""):
        """What is wrong is told with the file and the section."""
        try:
            yield
        except InputError as error:
            if str(error).startswith(f"{self.config.source}: "):  # named further inside
                raise
            raise InputError(f"{self.config.source}: [{section}] {place}{error}") from None


def _parameters(given):
    """Cosmological parameters; the published densities, which add up to the default omega_m in four digits only, where
    all that is given is the default."""
    default = CosmologicalParameters()
    same = all(getattr(default, name) == value for name, value in given.items())
    return default if same else CosmologicalParameters(**{"omega_c_h2": None, **given})
