"""Predictions over ranges of redshift and omega_m: prepared at nodes, and interpolated between them.

Barrier, first crossing and ln of the linear power are polynomials in ln(1 + z) and omega_m through Chebyshev nodes, row
by row. h, omega_b_h2, m_nu, n_s and ln10As (or sigma8) are those of the config at all nodes; omega_c_h2 is what omega_m
leaves. Beside predictions that are prepared at one redshift and omega_m, spectra and boosts are right to ERROR.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import ArrayLike, NDArray

from ..config.config import Config
from ..cosmology.background import Background
from ..cosmology.linear_power import LinearPower
from ..errors import InputError
from ..pipeline.progress import progress
from ..population.barrier import Barrier, ThresholdTable, shear_factor
from ..population.collapse import CollapseModel
from ..population.epoch import Epoch
from ..population.mass_function import FirstCrossing
from ..quadrature import barycentric_weights, chebyshev_points
from ..quantities import takes, takes_numbers
from ..spectra.similarity.table import SimilarityTable
from ..values import brief
from .epochs import cached_epoch
from .prediction import Predicted, Prediction
from .prepared import Prepared

log = logging.getLogger(__name__)

ERROR = 1e-4  # measured: 2e-5 for 0.27 to 0.36 of omega_m, 1e-7 for 3.5 to 7.1 of redshift
NODES = {"redshift": 7, "omega_m": 7}
WIDEST = {"redshift": 0.6, "omega_m": 0.2}  # of ln(1 + z) and omega_m
_KEPT = 8  # universes of the last calls
_SAME = 1e-12  # beyond the ends of a range, by round-off

Range = float | tuple[float, float]


@frozen
class Axis:
    """A range of redshift or omega_m: its name, ends, and values at the nodes, one where both ends are the same."""

    name: str
    low: float
    high: float

    @classmethod
    def of(cls, name: str, given: Range) -> "Axis":
        """A number or a pair; InputError for what falls or is too wide."""
        low, high = (float(end) for end in ((given, given) if isinstance(given, float | int) else given))
        axis, least = cls(name, low, high), {"redshift": 0.0, "omega_m": 1e-3}[name]
        if not least <= low <= high < np.inf:
            raise InputError(f"range of {name}, {low:g} to {high:g}: must not fall, from {least:g} on")
        if (width := float(axis.coordinate(high) - axis.coordinate(low))) > WIDEST[name]:
            what = {"redshift": "ln(1 + z)", "omega_m": "omega_m"}[name]
            allowed = f"must be at most {WIDEST[name]:g} wide in {what}, not {width:.3g}"
            raise InputError(f"range of {name}, {low:g} to {high:g}: {allowed}")
        return axis

    @property
    def nodes(self) -> NDArray:
        """Coordinates of the nodes."""
        ends = self.coordinate(self.low), self.coordinate(self.high)
        return chebyshev_points(*ends, NODES[self.name]) if self.high > self.low else np.array(ends[:1])

    @property
    def values(self) -> list[float]:
        """Redshifts or omega_m at the nodes."""
        return (np.expm1(self.nodes) if self.name == "redshift" else self.nodes).tolist()

    def coordinate(self, value: float) -> float:
        """ln(1 + z), or omega_m."""
        return float(np.log1p(value)) if self.name == "redshift" else value

    def weights(self, value: float) -> NDArray:
        """What the polynomial takes of each node; InputError, which names the range, for a value beyond it."""
        if not self.low - _SAME <= value <= self.high + _SAME:
            raise InputError(f"{self.name} = {value:.6g}: must be in [{self.low:g}, {self.high:g}], which was prepared")
        return barycentric_weights(self.coordinate(value), self.nodes) if self.high > self.low else np.ones(1)


@brief
@takes_numbers
@frozen(eq=False)
class PredictionRange:
    """A Prediction of any redshift and omega_m in a range; made by `PredictionRange.of`.

    middle      prepared at the centre;  redshift, omega_m  the ranges
    power       ln P at `log_k`, shape (omega_m, k);  ln10As  shape (omega_m,), None for a table
    thresholds  delta_ec and ln of the axes, shape (redshift, omega_m, rows, 4)
    crossing    ln S and f(S) over that of a constant barrier, shape (redshift, omega_m, 2, rows)
    """

    middle: Prepared
    redshift: Axis
    omega_m: Axis
    log_k: NDArray
    power: NDArray
    ln10As: NDArray | None
    thresholds: NDArray
    crossing: NDArray
    _kept: dict[tuple[float, float], Prediction] = field(factory=dict, init=False)

    @classmethod
    @takes(k="h/Mpc")
    def of(
        cls,
        config: Config,
        omega_m: Range | None = None,
        redshift: Range | None = None,
        k: ArrayLike | None = None,
        table: SimilarityTable | str | Path | None = None,
    ) -> "PredictionRange":
        """Prepare a range: a second and, for each of 7 nodes of omega_m, one of CAMB, which is kept.

        omega_m, redshift  a number, or first and last value: at most 0.2 of omega_m, and 0.6 of ln(1 + z); those of
                           [cosmology] where not given
        Other arguments and errors are those of Prediction.of.
        """
        cosmology = config.cosmology
        if cosmology.of_table and omega_m is not None:
            log.warning("linear_power = table: its rows are the same at all omega_m, which change growth and densities")
        of_z = Axis.of("redshift", cosmology.redshift if redshift is None else redshift)
        of_m = Axis.of("omega_m", cosmology.omega_m if omega_m is None else omega_m)
        at = list(product(of_z.values, of_m.values))
        every = []
        with progress("cosmologies of the range", len(at)) as step:
            for z, matter in at:
                every.append(_prepared(config, z, matter, k, table))
                step()
            epochs = _alike(every)
        first = every[: len(of_m.values)]
        log_k = np.log(_common([each.power for each in first]))
        amplitudes = [each.power.ln10As for each in first]
        shape = len(of_z.values), len(first)
        tables = [epoch.barrier.table for epoch in epochs]
        rows = [np.column_stack([each.overdensity, np.log(each.lengths)]) for each in tables]
        crossings = [np.array([np.log(epoch.crossing.variance), epoch.crossing.ratio]) for epoch in epochs]
        centre = (len(every) - 1) // 2  # both numbers of nodes are odd
        return cls(
            evolve(every[centre], epoch=epochs[centre]),
            of_z,
            of_m,
            log_k,
            np.log([each.power(np.exp(log_k)) for each in first]),
            None if None in amplitudes else np.array(amplitudes),
            np.reshape(rows, (*shape, *rows[0].shape)),
            np.reshape(crossings, (*shape, *crossings[0].shape)),
        )

    @property
    def k(self) -> NDArray:
        """Comoving wavenumbers [h/Mpc], shape (k,)."""
        return self.middle.k

    @property
    def denominators(self) -> tuple[str, ...]:
        """Names of what `Predicted.boost` may be over."""
        return Prediction(self.middle).denominators

    @takes(m22="1e-22 eV", mass_min="Msun/h", mass_max="Msun/h")
    def __call__(
        self, m22: ArrayLike, omega_m: float | None = None, redshift: float | None = None, **values: Any
    ) -> Predicted:
        """Spectra of boson masses in a universe of the range; arguments and errors are those of Prediction otherwise.

        omega_m, redshift  those of the middle of the range where not given
        Raises InputError, which names the range, for a value beyond it.
        """
        z = self.middle.redshift if redshift is None else float(redshift)
        matter = self.middle.omega_m if omega_m is None else float(omega_m)
        return self.at(z, matter)(m22, **values)

    def at(self, redshift: float, omega_m: float) -> Prediction:
        """The prediction of one redshift and omega_m: three milliseconds, none for the last few."""
        key = redshift, omega_m
        if key not in self._kept:
            if len(self._kept) >= _KEPT:
                del self._kept[next(iter(self._kept))]
            self._kept[key] = Prediction(self._interpolated(redshift, omega_m))
        return self._kept[key]

    def _interpolated(self, redshift: float, omega_m: float) -> Prepared:
        of_z, of_m = self.redshift.weights(redshift), self.omega_m.weights(omega_m)
        middle, background = self.middle, Background(omega_m)
        model = CollapseModel(background, 1 / (1 + redshift), middle.population.freeze_out)
        known, old = middle.epoch.barrier.table.shear, middle.epoch.barrier
        thresholds, crossing = (
            np.einsum("z,m,zmrc->rc", of_z, of_m, rows) for rows in (self.thresholds, self.crossing)
        )
        shear = known * shear_factor(model, old.ellipticity) / shear_factor(old.model, old.ellipticity)
        barrier = Barrier(ThresholdTable(model, 2, shear, thresholds[:, 0], np.exp(thresholds[:, 1:])), old.ellipticity)
        error = middle.epoch.crossing.error
        power = LinearPower(
            np.exp(self.log_k),
            np.exp(of_m @ self.power),
            background,
            f"interpolated over omega_m, {self.omega_m.low:g} to {self.omega_m.high:g}: {middle.power.source}",
            middle.power.n_s,
            None if self.ln10As is None else float(of_m @ self.ln10As),
        )
        return evolve(
            middle,
            config=in_universe(middle.config, redshift, omega_m),
            power=power,
            epoch=Epoch(barrier, FirstCrossing(barrier, np.exp(crossing[0]), crossing[1], error)),
        )


def in_universe(config: Config, redshift: float, omega_m: float) -> Config:
    """The config with another redshift and omega_m, at the same h, baryons and neutrinos."""
    cosmology = evolve(config.cosmology, redshift=redshift)
    if omega_m != cosmology.omega_m:
        cosmology = evolve(cosmology, name=None, omega_m=omega_m, omega_c_h2=None)
    return replace(config, cosmology=cosmology)


def _prepared(
    config: Config, redshift: float, omega_m: float, k: ArrayLike | None, table: SimilarityTable | str | Path | None
) -> Prepared:
    try:
        return Prepared.of(in_universe(config, redshift, omega_m), None, k, table)
    except InputError as error:
        raise InputError(f"at redshift = {redshift:.4g}, omega_m = {omega_m:.4g}: {error}") from None


def _common(powers: Iterable[LinearPower]) -> NDArray:
    """k of the first power that all have [h/Mpc]."""
    first, *others = powers
    low, high = (max(each.k_min for each in (first, *others)), min(each.k_max for each in (first, *others)))
    return first.k[(first.k >= low) & (first.k <= high)]


def _alike(universes: list[Prepared]) -> list[Epoch]:
    """Epochs up to the same variance."""
    epochs = [each.epoch for each in universes]
    largest = {epoch.barrier.variance_max for epoch in epochs}
    if max(largest) <= min(largest) * (1 + _SAME):
        return epochs
    most = max(largest)
    for _ in range(2):
        epochs = [cached_epoch(each.barrier.model, each.barrier.ellipticity, most) for each in epochs]
        found = {epoch.barrier.variance_max for epoch in epochs}
        if max(found) <= min(found) * (1 + 1e-8):
            return epochs
        most = min(found)
    raise InputError("ranges of redshift and omega_m: the barrier does not reach as far at all nodes: narrow them")
