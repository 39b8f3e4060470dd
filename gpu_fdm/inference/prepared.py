"""What a redshift and a config fix, before boson mass, primordial power and window of masses are known."""

from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from attrs import evolve, frozen
from numpy.typing import ArrayLike, NDArray

from ..config.config import Config
from ..config.sections import OneFilamentSection, PopulationSection
from ..cosmology.linear_power import LinearPower
from ..cosmology.transfer import Transfer, transfer
from ..cosmology.variance import VarianceMatrix, variance, variance_matrix, variance_wavenumbers
from ..errors import InputError
from ..pipeline.linear_power import linear_power_of
from ..pipeline.one_filament_table import covering_table, mass_nodes
from ..population.collapse import CollapseModel
from ..population.epoch import Epoch, rung
from ..spectra.similarity.table import SimilarityTable
from ..units import mean_matter_density
from ..values import brief
from .allowed import require_redshift
from .epochs import cached_epoch
from .model_keys import filaments_of

if TYPE_CHECKING:
    from .prepared_haloes import PreparedHaloes

_MORE = 1.3  # variance of the epoch over that of the lightest mass of [population], for other A_s and n_s
K_MAX = 300.0  # of predictions whose k are not given [h/Mpc]
_SIGMA8_RADIUS = 8.0  # [Mpc/h]


@frozen(eq=False)
class Masses:
    """Masses of a window [Msun/h], the steps of ln M of their integral, and the matrix that makes S(M) of them."""

    mass: NDArray
    step: NDArray
    matrix: VarianceMatrix


@brief
@frozen(eq=False)
class Prepared:
    """Linear power, barrier and table of one redshift, with the keys of the config that matter.

    config  whose [cosmology] has the redshift;  population, section  [population] and [one_filament], or their defaults
    k       of the spectra [h/Mpc], shape (k,)
    total   whether haloes are prepared too
    power   linear power of CDM today;  epoch  barrier and first crossing;  table  of spectra of filaments
    """

    config: Config
    population: PopulationSection
    section: OneFilamentSection
    k: NDArray
    power: LinearPower
    epoch: Epoch
    table: SimilarityTable
    total: bool = False

    @classmethod
    def of(
        cls,
        config: Config,
        redshift: float | None,
        k: ArrayLike | None,
        table: SimilarityTable | str | Path | None,
        power: LinearPower | None = None,
        total: bool = False,
    ) -> "Prepared":
        """See Prediction.of."""
        if redshift is not None:
            config = replace(config, cosmology=evolve(config.cosmology, redshift=redshift))
        if total:
            from .prepared_haloes import with_haloes

            config = with_haloes(config)
        section, population = filaments_of(config), config.population or PopulationSection()
        cosmology, found = config.cosmology, covering_table(config, table)
        require_redshift(config)
        power = linear_power_of(config) if power is None else power
        if k is None:
            k = np.geomspace(section.k_min, section.k_max if config.one_filament else K_MAX, section.points)
            if k[-1] > power.k_max:
                allowed = f"must be at most {power.k_max:g} h/Mpc, up to which the linear power is known; or give k"
                raise config.error("one_filament", "k_max", allowed)
        k = np.asarray(k, float)
        if k.ndim != 1 or not len(k) or not (np.all(np.isfinite(k)) and k[0] > 0 and np.all(np.diff(k) > 0)):
            raise InputError("k: must be a list of positive numbers that increase")
        with config.errors_in("cosmology"):
            power(k)
        with config.errors_in("population"):
            cdm, range_ = transfer("cdm", h=cosmology.h), (population.mass_min, population.mass_max)
            of_cdm = variance(power, cdm, population.window, mass_min=range_[0], mass_max=range_[1])
            model = CollapseModel(power.background, 1 / (1 + cosmology.redshift), population.freeze_out)
            epoch = cached_epoch(model, population.ellipticity, rung(_MORE * float(of_cdm(range_[0]))))
        return cls(config, population, section, k, power, epoch, found, total)

    @cached_property
    def haloes(self) -> "PreparedHaloes | None":
        """Those of [total_power]; None where they were not asked for."""
        if not self.total:
            return None
        from .prepared_haloes import PreparedHaloes

        section = self.config.total_power
        masses = self.masses(section.mass_min, section.mass_max)

        def variance(mass: NDArray) -> VarianceMatrix:
            return variance_matrix(self.population.window, mass, self.matrix_k, self.omega_m)

        return PreparedHaloes.of(self.config, self.epoch, masses.mass, masses.step, variance)

    @property
    def redshift(self) -> float:
        """Of everything."""
        return self.config.cosmology.redshift

    @property
    def h(self) -> float:
        """H0 / (100 km/s/Mpc)."""
        return self.config.cosmology.h

    @property
    def omega_m(self) -> float:
        """Matter density today over the critical density."""
        return self.power.background.omega_m

    @cached_property
    def density(self) -> float:
        """Mean density of all matter [(Msun/h) / (Mpc/h)^3]."""
        return mean_matter_density(self.omega_m)

    def cut_off(self, m22: float) -> Transfer:
        """T(k) of a boson mass [1e-22 eV]."""
        name = self.population.transfer
        if name != "table":
            return transfer(name, m22, h=self.h)
        return self._transfer_table

    @cached_property
    def _transfer_table(self) -> Transfer:
        with self.config.errors_in("population"):
            return transfer("table", h=self.h, table=self.population.transfer_table)

    @cached_property
    def linear(self) -> NDArray:
        """Linear power of CDM at k, at the redshift [(Mpc/h)^3], shape (k,)."""
        growth = float(self.power.background.growth(1 / (1 + self.redshift)))
        return growth**2 * self.power(self.k)

    @cached_property
    def matrix_k(self) -> NDArray:
        """k of the matrices that make S(M) [h/Mpc]."""
        return variance_wavenumbers(*self._grid)

    @property
    def _grid(self) -> tuple[str, float, float, float, float]:
        k_max = self.power.k_max
        if self.population.transfer == "table":
            k_max = min(k_max, self._transfer_table.k_max)
        return self.population.window, self.population.mass_min, self.power.k_min, k_max, self.omega_m

    @cached_property
    def contrast(self) -> NDArray:
        """Delta^2 of CDM today at matrix_k."""
        return self.matrix_k**3 * self.power(self.matrix_k) / (2 * np.pi**2)

    @cached_property
    def of_sigma8(self) -> NDArray:
        """What multiplies Delta^2 for sigma8^2, shape of matrix_k."""
        mass = np.array([4 * np.pi / 3 * self.density * _SIGMA8_RADIUS**3])
        return variance_matrix("top_hat", mass, self.matrix_k, self.omega_m).values[0]

    def masses(self, low: float, high: float) -> Masses:
        """The masses of a window [Msun/h]; InputError for one beyond the masses of [population]."""
        first, last = self.population.mass_min, self.population.mass_max
        if not first <= low < high <= last:
            allowed = f"must increase within [{first:g}, {last:g}], the masses of [population]"
            raise InputError(f"mass_min = {low:g}, mass_max = {high:g}: {allowed}")
        return _masses(low, high, *self._grid)


@lru_cache(maxsize=16)
def _masses(
    low: float, high: float, window: str, lightest: float, k_min: float, k_max: float, omega_m: float
) -> Masses:
    mass, step = mass_nodes(low, high)
    k = variance_wavenumbers(window, lightest, k_min, k_max, omega_m)
    return Masses(mass, step, variance_matrix(window, mass, k, omega_m))
