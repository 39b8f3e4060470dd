"""Spectra and boosts of a population for any boson mass, in a millisecond.

A prediction is prepared once for a redshift, omega_m and the rules of the population: linear power, barrier and first
crossing (population/epoch.py), and the matrix that makes S(M) of a power. A call then needs no state and no collapse:

    P_lin T^2, rescaled to A_s and n_s exactly  ->  S, dS/dlnM at the masses of the window (a matrix product)
    -> dn/dlnM, length, r0, sigma  ->  nu, length a/r0  ->  P(k|M) from the table of similarity  ->  P_1f(k)

All of it is smooth in m22, A_s, n_s and the ends of the window, and may be differentiated by steps of 1e-5.
"""

from collections.abc import Callable
from functools import cached_property
from math import log
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from ..config.config import Config
from ..cosmology.linear_power import LinearPower
from ..errors import InputError
from ..parallel.blas import on_one_thread
from ..quantities import takes
from ..spectra.similarity.table import SimilarityTable
from ..spectra.total_power import OVER as TOTAL_OVER
from ..spectra.total_power import TotalPower
from .allowed import M22_RANGE, denominators
from .prepared import Prepared
from .universe import Boson, Filaments, Universe, tilted

# what boosts may be over -> how a boson's matter is compared
_OVER: dict[str, Callable[[Boson], NDArray]] = {
    "smooth": lambda boson: boson.linear + boson.parts.smooth,
    "n-body": lambda boson: boson.linear + boson.classical,
    "cdm": lambda boson: boson.universe.cdm.linear + boson.universe.cdm.classical,
    "wdm": lambda boson: boson.warm.linear + boson.warm.classical,
    "linear-cdm": lambda boson: boson.universe.linear,
}


@frozen(eq=False)
class Predicted:
    """Spectra at one redshift, comoving [(Mpc/h)^3]; shape (k,) each for one boson mass, (m22, k) for several.

    m22     boson mass [1e-22 eV], a number or shape (m22,)
    bosons  one for each boson mass
    One-filament spectra are relative to the density that [one_filament] normalisation names, to all matter where the
    config has no [one_filament]; `matter_fdm`, `matter` and `boost` are of all matter in any case.
    """

    m22: float | NDArray
    bosons: tuple[Boson, ...]

    def __repr__(self) -> str:
        return f"Predicted(m22={self.m22}, {described(self.k, self.redshift)})"

    @property
    def k(self) -> NDArray:
        """Comoving wavenumbers [h/Mpc], shape (k,)."""
        return self._universe.prepared.k

    @property
    def redshift(self) -> float:
        """Redshift."""
        return self._universe.prepared.redshift

    @property
    def linear_cdm(self) -> NDArray:
        """Linear power of cold dark matter, shape (k,) always."""
        return self._universe.linear

    @cached_property
    def linear_fdm(self) -> NDArray:
        """Linear power with the cut-off T^2 of the boson."""
        return self._each(lambda boson: boson.linear)

    @cached_property
    def one_filament_fdm(self) -> NDArray:
        """P_1f of |psi|^2: smooth + interference, less self_term where [one_filament] statistics = fixed."""
        return self._each(lambda boson: boson.relative * boson.fdm)

    @cached_property
    def one_filament_smooth(self) -> NDArray:
        """P_1f without fringes: of the phase average of |psi|^2."""
        return self._each(lambda boson: boson.relative * boson.parts.smooth)

    @cached_property
    def one_filament_interference(self) -> NDArray:
        """The part of P_1f of all pairs of states."""
        return self._each(lambda boson: boson.relative * boson.parts.interference)

    @cached_property
    def one_filament_self_term(self) -> NDArray:
        """The part of P_1f of each state with itself."""
        return self._each(lambda boson: boson.relative * boson.parts.self_term)

    @cached_property
    def one_filament_classical(self) -> NDArray:
        """P_1f of the same filaments made of particles."""
        return self._each(lambda boson: boson.relative * boson.classical)

    @cached_property
    def one_filament_fdm_error(self) -> NDArray:
        """Error of one_filament_fdm beside sums over states, that of the table of similarity; NaN where none is known.

        It is known where the spectrum is above 1e-7 of its limit at small k. Choices of the model change it by more.
        """
        return self._each(lambda boson: boson.relative * boson.error)

    @cached_property
    def filament_share(self) -> float | NDArray:
        """Mean density of the filaments in the window over that of all matter, shape of m22."""
        return self._each(lambda boson: boson.share)

    @cached_property
    def matter_fdm(self) -> NDArray:
        """Power of all matter: linear_fdm, and P_1f relative to all matter."""
        return self._each(lambda boson: boson.linear + boson.fdm)

    def matter(self, over: str) -> NDArray:
        """Power of all matter in the denominator of a boost.

        smooth      linear_fdm, and P_1f without fringes
        n-body      linear_fdm, and P_1f of the same filaments made of particles
        cdm, wdm    the linear power of cold dark matter, or of warm dark matter of the boson's half mode (T = 1/2),
                    and P_1f of filaments of particles of their own mass function
        linear-cdm  linear_cdm alone
        Raises InputError for another name, and for cdm and wdm where [one_filament] mass_function is published.
        """
        if over not in (known := denominators(self._universe.prepared.section)):
            raise InputError(f"boost over {over}: must be over one of {', '.join(known)}")
        return self._each(_OVER[over])

    def boost(self, over: str) -> NDArray:
        """matter_fdm over another power of all matter; names and errors as for `matter`."""
        return self.matter_fdm / self.matter(over)

    @property
    def has_haloes(self) -> bool:
        """Whether the prediction was prepared for `total`."""
        return self._universe.prepared.total

    @cached_property
    def total_fdm(self) -> NDArray:
        """Power of all matter, haloes included: linear_fdm, filaments of which a share is in haloes, and these haloes.

        As /total_power of a result. Raises InputError where Prediction.of did not have total = True, and out of tables.
        """
        return self._each(lambda boson: self._total(boson).power)

    def total(self, over: str) -> NDArray:
        """The same in the denominator of a boost: smooth, without fringes, or cdm, filaments and haloes of particles.

        Raises InputError for another name, and as total_fdm does.
        """
        if over not in TOTAL_OVER:
            raise InputError(
                f"boost of all matter with haloes over {over}: must be over one of {', '.join(TOTAL_OVER)}"
            )
        if over == "smooth":
            return self._each(lambda boson: self._total(boson).smooth)
        return self._each(lambda boson: self._total(boson.universe.cdm).smooth)

    def total_boost(self, over: str) -> NDArray:
        """total_fdm over another power of all matter with haloes; names and errors as for `total`."""
        return self.total_fdm / self.total(over)

    def _total(self, filaments: Filaments) -> TotalPower:
        haloes = self._universe.prepared.haloes
        if haloes is None:
            raise InputError("all matter with haloes: must be asked for by Prediction.of(..., total=True)")
        if filaments not in self._totals:
            from .total import AllMatter

            self._totals[filaments] = AllMatter(filaments, haloes).power
        return self._totals[filaments]

    @cached_property
    def _totals(self) -> dict[Filaments, TotalPower]:
        return {}

    @property
    def _universe(self) -> Universe:
        return self.bosons[0].universe

    @on_one_thread  # in matrices this small threads wait for each other, on a busy machine for long
    def _each(self, of: Callable[[Boson], NDArray | float]) -> NDArray:
        found = [of(boson) for boson in self.bosons]
        return np.array(found) if isinstance(self.m22, np.ndarray) else found[0]  # type: ignore[return-value]


@frozen(eq=False)
class Prediction:
    """A function of boson mass, primordial power and window of masses; made by `Prediction.of`.

    `PredictionRange` is a function of omega_m and redshift too.
    """

    prepared: Prepared

    def __repr__(self) -> str:
        return f"Prediction({described(self.k, self.redshift)})"

    @classmethod
    @takes(k="h/Mpc")
    def of(
        cls,
        config: Config,
        redshift: float | None = None,
        k: ArrayLike | None = None,
        table: SimilarityTable | str | Path | None = None,
        power: LinearPower | None = None,
        total: bool = False,
    ) -> "Prediction":
        """Prepare a prediction; a tenth of a second where the package has the thresholds of collapse, else a second.

        They are those of virial freeze-out, z = 2 to 8; others are kept in the cache folder. CAMB takes another second.

        config    its [cosmology], [population], [one_filament] and [wavefunction] count, or their defaults
        redshift  that of [cosmology] where not given
        k         comoving [h/Mpc], shape (k,), positive and increasing; where not given those of [one_filament], or 150
                  from 1 to 300
        table     of similarity, or its file (gpu-fdm tabulate similarity); one of the package where not given
        power     linear power of [cosmology] at z = 0, where it is known already
        total     whether haloes are prepared, for Predicted.total: as [halo] and [total_power] say, or their defaults;
                  their tables take 20 to 60 s of processor time for a new redshift or omega_m, and are kept
        Raises InputError for what the table does not cover, and for k beyond the linear power.
        """
        prepared = Prepared.of(config, redshift, k, table, power, total)
        _ = prepared.haloes
        return cls(prepared)

    @property
    def k(self) -> NDArray:
        """Comoving wavenumbers [h/Mpc], shape (k,)."""
        return self.prepared.k

    @property
    def redshift(self) -> float:
        """Redshift."""
        return self.prepared.redshift

    @property
    def denominators(self) -> tuple[str, ...]:
        """Names of what `Predicted.boost` may be over."""
        return denominators(self.prepared.section)

    @takes(m22="1e-22 eV", mass_min="Msun/h", mass_max="Msun/h")
    @on_one_thread
    def __call__(
        self,
        m22: ArrayLike,
        ln10As: float | None = None,
        n_s: float | None = None,
        sigma8: float | None = None,
        mass_min: float | None = None,
        mass_max: float | None = None,
        filament_fraction: float = 1.0,
    ) -> Predicted:
        """Spectra of boson masses; what is not given is as in the config.

        m22                 boson masses [1e-22 eV], a number or shape (m22,)
        ln10As, n_s         of the primordial power;  sigma8  instead of ln10As
        mass_min, mass_max  window of filaments [Msun/h], within the masses of [population]
        filament_fraction   factor of all one-filament spectra
        Raises InputError for values out of range, and for filaments that the table does not cover.
        """
        section, masses = self.prepared.section, np.asarray(m22, float)
        least, most = M22_RANGE
        if masses.ndim > 1 or not masses.size or not np.all((masses >= least) & (masses <= most)):
            allowed = f"must be a number in [{least:g}, {most:g}], or a list of such (unit: 1e-22 eV)"
            raise InputError(f"m22 = {masses.tolist()}: {allowed}")
        if not 0 <= filament_fraction < np.inf:
            raise InputError(f"filament_fraction = {filament_fraction:g}: must be >= 0 and finite")
        low = section.mass_min if mass_min is None else float(mass_min)
        high = section.mass_max if mass_max is None else float(mass_max)
        amplitude, tilt = self._rescaled(ln10As, n_s, sigma8)
        universe = Universe(self.prepared, amplitude, tilt, self.prepared.masses(low, high), float(filament_fraction))
        predicted = Predicted(
            masses if masses.ndim else float(masses), tuple(universe.boson(each) for each in masses.ravel().tolist())
        )
        for boson in predicted.bosons:
            _ = boson.parts
        return predicted

    def _rescaled(self, ln10As: float | None, n_s: float | None, sigma8: float | None) -> tuple[float, float]:
        """ln of a factor of the linear power, and what n_s is larger by."""
        prepared, cosmology = self.prepared, self.prepared.config.cosmology
        if sigma8 is not None and ln10As is not None:
            raise InputError(f"sigma8 = {sigma8:g}, ln10As = {ln10As:g}: must be one of the two")
        if cosmology.of_table and (n_s is not None or ln10As is not None):
            raise InputError("linear_power = table: has neither ln10As nor n_s that could be changed: give sigma8")
        for name, value in (("ln10As", ln10As), ("n_s", n_s), ("sigma8", sigma8)):
            if value is not None and not (np.isfinite(value) and (name != "sigma8" or value > 0)):
                raise InputError(f"{name} = {value:g}: must be {'> 0 and ' if name == 'sigma8' else ''}finite")
        tilt = 0.0 if n_s is None else float(n_s) - cosmology.n_s
        if n_s is not None and ln10As is None and sigma8 is None:
            sigma8 = cosmology.sigma8
        if sigma8 is None:
            return (0.0 if ln10As is None else float(ln10As) - (prepared.power.ln10As or 0.0)), tilt
        of_tilt = float(prepared.of_sigma8 @ (prepared.contrast * tilted(prepared.matrix_k * prepared.h, 0.0, tilt)))
        return 2 * log(sigma8) - log(of_tilt), tilt


def described(k: NDArray, redshift: float) -> str:
    """What a prediction is at."""
    return f"redshift={redshift:g}, {len(k)} k from {k[0]:g} to {k[-1]:g} h/Mpc"
