"""One universe at one redshift: linear power of an amplitude and a slope, and the filaments of each boson in it."""

from functools import cached_property

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..cosmology.parameters import PIVOT
from ..cosmology.transfer import Transfer, warm
from ..errors import InputError
from ..pipeline.one_filament_table import doubts_of_modes
from ..population.shapes import published_mass_function, published_shape
from ..spectra.one_filament import DEEPEST
from ..spectra.similarity.population import (
    PopulationParts,
    classical_sum,
    last_wavenumber,
    relative_error,
    summed,
)
from ..spectra.total_power import Objects
from ..units import CodeUnits
from .prepared import Masses, Prepared


@frozen(eq=False)
class Universe:
    """P_lin = exp(amplitude) (k/k_pivot)^tilt times that of the config, and a window of masses.

    fraction  factor of all one-filament spectra
    """

    prepared: Prepared
    amplitude: float
    tilt: float
    masses: Masses
    fraction: float

    @cached_property
    def linear(self) -> NDArray:
        """Linear power of CDM at the redshift [(Mpc/h)^3], shape (k,)."""
        return self.prepared.linear * self._factor(self.prepared.k)

    @cached_property
    def contrast(self) -> NDArray:
        """Delta^2 of CDM today at the k of the matrices."""
        return self.prepared.contrast * self._factor(self.prepared.matrix_k)

    def _factor(self, k: NDArray) -> NDArray | float:
        return tilted(k * self.prepared.h, self.amplitude, self.tilt)

    @cached_property
    def cdm(self) -> "Filaments":
        """Cold dark matter."""
        return Filaments(self, None)

    def boson(self, m22: float) -> "Boson":
        """Fuzzy dark matter of a boson mass [1e-22 eV]."""
        return Boson(self, self.prepared.cut_off(m22), m22)


def tilted(k: NDArray, amplitude: float, tilt: float) -> NDArray | float:
    """exp(amplitude) (k/k_pivot)^tilt, k in 1/Mpc."""
    return np.exp(amplitude + tilt * np.log(k / PIVOT)) if tilt else float(np.exp(amplitude))


@frozen(eq=False)
class Filaments:
    """The filaments of a dark matter with a cut-off of its linear power, None for that of CDM."""

    universe: Universe
    transfer: Transfer | None

    @cached_property
    def linear(self) -> NDArray:
        """Linear power at the redshift [(Mpc/h)^3], shape (k,)."""
        power = self.universe.linear
        return power if self.transfer is None else power * self.transfer(self.universe.prepared.k) ** 2

    @cached_property
    def contrast(self) -> NDArray:
        """Delta^2 today at the k of the matrices, with the cut-off."""
        contrast = self.universe.contrast
        return contrast if self.transfer is None else contrast * self.transfer(self.universe.prepared.matrix_k) ** 2

    @property
    def variance(self) -> NDArray:
        """S, shape (masses,)."""
        return self._moments[0]

    @cached_property
    def _moments(self) -> tuple[NDArray, NDArray]:
        """S and dS/dlnM, shape (masses,)."""
        matrix = self.universe.masses.matrix
        return matrix.values @ self.contrast, matrix.slopes @ self.contrast

    @cached_property
    def number(self) -> NDArray:
        """dn/dlnM [(h/Mpc)^3], shape (masses,)."""
        mass, prepared = self.universe.masses.mass, self.universe.prepared
        if prepared.section.mass_function == "published":
            return published_mass_function(mass)
        return prepared.epoch.number(mass, *self._moments)

    @cached_property
    def share(self) -> float:
        """Mean density of the filaments in the window over that of all matter."""
        masses = self.universe.masses
        return float(np.sum(masses.step * masses.mass * self.number)) / self.universe.prepared.density

    @cached_property
    def weight(self) -> NDArray:
        """Step of ln M times M^2 (dn/dlnM)/rho^2, rho of all matter, with the fraction [(Mpc/h)^3], shape (masses,)."""
        universe, masses = self.universe, self.universe.masses
        return universe.fraction * masses.step * masses.mass**2 * self.number / universe.prepared.density**2

    @cached_property
    def _shapes(self) -> NDArray:
        """Length [cMpc/h], r0 [Mpc/h, physical], sigma [km/s], shape (3, masses)."""
        mass, prepared = self.universe.masses.mass, self.universe.prepared
        beta = prepared.section.beta
        if prepared.section.shape == "published":
            return np.array([published_shape(each, beta) for each in mass.tolist()]).T
        shape = prepared.epoch.shape(mass, self._moments[0], beta)
        return np.array([shape.length, shape.r0, shape.sigma])

    def similarity(self, m22: float) -> NDArray:
        """nu, length a/r0, and comoving r0 [cMpc/h], shape (3, masses); m22 of infinity is classical."""
        prepared, (length, r0, sigma) = self.universe.prepared, self._shapes
        scale = r0 * (1 + prepared.redshift)
        if np.isinf(m22):
            return np.array([np.full(len(scale), np.inf), length / scale, scale])
        units = CodeUnits(m22, prepared.h, prepared.omega_m)
        return np.array([r0 * sigma / (units.length * units.velocity), length / scale, scale])

    @cached_property
    def classical(self) -> NDArray:
        """P_1f of these filaments made of particles, relative to all matter [(Mpc/h)^3], shape (k,)."""
        prepared, similarity = self.universe.prepared, self.similarity(np.inf)
        return classical_sum(prepared.table, prepared.k, similarity, self.weight)

    @property
    def objects(self) -> Objects:
        """Weights and spectra of the filaments made of particles."""
        prepared, (_, ratio, scale) = self.universe.prepared, self.similarity(np.inf)
        smooth = prepared.table.classical(ratio, scale[:, None] * prepared.k)
        return Objects(self.weight, smooth, np.zeros(smooth.shape))

    @property
    def relative(self) -> float:
        """Factor of P_1f from all matter to the density that [one_filament] normalisation names."""
        return self.share**-2 if self.universe.prepared.section.normalisation == "population" else 1.0


@frozen(eq=False)
class Boson(Filaments):
    """The filaments of a boson mass [1e-22 eV]."""

    m22: float

    @property
    def doubts(self) -> list[str]:
        """What is to be said of filaments whose modes do not describe them, as runs do."""
        nu = self.similarity(self.m22)[0]
        return doubts_of_modes(self.universe.masses.mass, nu, self.universe.prepared.table.mass(nu))

    @cached_property
    def parts(self) -> PopulationParts:
        """Parts of P_1f, relative to all matter."""
        prepared = self.universe.prepared
        spectra, nu = self._of_masses, self.similarity(self.m22)[0]
        return summed(prepared.table, nu, spectra, self.weight, prepared.section.mode_mass)

    @cached_property
    def _of_masses(self) -> tuple[NDArray, ...]:
        """SimilarityTable.parts of the filaments; with haloes they are zero where the last fringes have ended."""
        prepared = self.universe.prepared
        try:
            nu, ratio, scale = similarity = self.similarity(self.m22)
            last, k = last_wavenumber(similarity), prepared.k
            if k[-1] <= last:
                return prepared.table.parts(nu, ratio, scale[:, None] * k)
            if prepared.haloes is None:
                raise InputError(f"k = {k[-1]:.4g} h/Mpc: must be at most {last:.4g}, where the last fringes end")
            rows, spectra = k <= last, np.zeros((4, len(nu), len(k)))
            if rows.any():
                spectra[:, :, rows] = prepared.table.parts(nu, ratio, scale[:, None] * k[rows])
            return tuple(spectra)
        except InputError as error:
            raise InputError(f"m22 = {self.m22:g}: {error}") from None

    @property
    def objects(self) -> Objects:
        """Weights and spectra of the filaments, with their whole mass."""
        prepared, (_, interference, self_term, completed) = self.universe.prepared, self._of_masses
        fringes = interference - self_term if prepared.section.statistics == "fixed" else interference
        modes = prepared.table.mass(self.similarity(self.m22)[0])[:, None] ** 2
        return Objects(self.weight, completed, modes * fringes)

    @property
    def fdm(self) -> NDArray:
        """P_1f of |psi|^2, relative to all matter [(Mpc/h)^3], shape (k,)."""
        return self.parts.power(self.universe.prepared.section.statistics)

    @property
    def error(self) -> NDArray:
        """Error of `fdm` from the table [(Mpc/h)^3], shape (k,); NaN below DEEPEST P(0), where none is known."""
        relative = relative_error(self.universe.prepared.table.recipe.energy_cut)
        return np.where(self.fdm > DEEPEST * np.sum(self.weight), relative * self.fdm, np.nan)

    @cached_property
    def warm(self) -> Filaments:
        """Warm dark matter of the same half mode, where T = 1/2."""
        half_mode = self.universe.prepared.cut_off(self.m22).half_mode("amplitude")
        return Filaments(self.universe, warm(half_mode, self.universe.prepared.h))
