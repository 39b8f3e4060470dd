"""How probable tables are for the parameters of a prediction: Gaussian in ln of boosts and powers, or in themselves."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..config.config import Config
from ..config.sections import OneFilamentSection, TotalPowerSection
from ..errors import InputError
from ..parallel.blas import on_one_thread
from ..pipeline.result_spectra import mass_windows
from ..quantities import takes
from ..values import brief
from .measured import Measured
from .prediction import Prediction
from .ranges import PredictionRange

DIGITS = 1e-5  # relative difference of masses that are one: an object has six digits of them


class Predictor(Protocol):
    """A Prediction, or what is called like one."""

    @property
    def k(self) -> NDArray:
        """Comoving wavenumbers [h/Mpc], shape (k,)."""

    def __call__(self, *arguments: Any, **values: Any) -> Any:
        """Spectra at k of m22 and other parameters."""


@brief
@frozen(eq=False)
class Likelihood:
    """The likelihood of one or several tables, which are independent of each other.

    tables      what was measured
    predictors  one for each redshift of the tables, at all their k of it
    """

    tables: tuple[Measured, ...]
    predictors: Mapping[float, Predictor]

    @classmethod
    @takes()
    def of(cls, config: Config, tables: Iterable[Measured]) -> "Likelihood":
        """The likelihood of tables with the population of a config; one Prediction is prepared for each redshift.

        Where [fit] has a prior of omega_m it is one of a range: that of a uniform prior, 4 deviations of a Gaussian. It
        has haloes where one of the tables is of all matter with them, for which omega_m must be fixed.
        Raises InputError for tables of other windows of masses, and as Prediction.of and PredictionRange.of do.
        """
        tables = tuple(tables) if isinstance(tables, Iterable) else ()
        if not tables or not all(isinstance(table, Measured) for table in tables):
            raise InputError("tables: must be a list of at least one table, each made by read_measured")
        for table in tables:
            _check_windows(config, table)
        for name in ("ln10As", "n_s"):
            if config.cosmology.of_table and getattr(config.fit, name, None) is not None:
                raise config.error("fit", name, "must be empty with [cosmology] linear_power = table, which holds it")
        total = {table.redshift for table in tables if table.total}
        prior = None if config.fit is None else config.fit.omega_m
        if prior is None:
            predictors = {z: Prediction.of(config, z, k, total=z in total) for z, k in wavenumbers(tables).items()}
            return cls(tables, predictors)
        if total:
            raise config.error("fit", "omega_m", "must be fixed (empty) for tables of all matter with haloes")
        with config.errors_in("fit"):
            range_ = prior.searched
            return cls(tables, {z: PredictionRange.of(config, range_, z, k) for z, k in wavenumbers(tables).items()})

    @property
    def rows(self) -> int:
        """Number of all rows."""
        return sum(len(table.k) for table in self.tables)

    @takes(m22="1e-22 eV", mass_min="Msun/h")
    @on_one_thread
    def predicted(self, **values: float) -> dict[float, Any]:
        """What is predicted for some parameters (Predicted), by redshift.

        values  m22 [1e-22 eV], any of filament_fraction, ln10As, n_s, mass_min [Msun/h]; omega_m where it has a prior
        Raises InputError where Prediction does, and for an omega_m without a prior.
        """
        if "omega_m" in values and any(isinstance(each, Prediction) for each in self.predictors.values()):
            raise InputError("omega_m: must have a prior in [fit], between whose ends spectra are prepared")
        return {redshift: predictor(**values) for redshift, predictor in self.predictors.items()}

    @takes(m22="1e-22 eV", mass_min="Msun/h")
    @on_one_thread
    def models(self, **values: float) -> list[NDArray]:
        """What the prediction of some parameters has in place of each table, shape (rows of the table,) each.

        Values and errors are those of `predicted`.
        """
        return self._models(self.predicted(**values))

    def _models(self, predicted: Mapping[float, Any]) -> list[NDArray]:
        models = []
        for table in self.tables:
            rows = np.searchsorted(self.predictors[table.redshift].k, table.k)
            models.append(table.curve(predicted[table.redshift])[rows])
        return models

    @takes(m22="1e-22 eV", mass_min="Msun/h")
    @on_one_thread
    def pulls(self, **values: float) -> NDArray:
        """Differences of the tables from the model in units of independent errors, shape (rows,)."""
        return self._pulls(self.predicted(**values))

    def _pulls(self, predicted: Mapping[float, Any]) -> NDArray:
        models = self._models(predicted)
        return np.concatenate([table.pulls(model) for table, model in zip(self.tables, models, strict=True)])

    @takes(m22="1e-22 eV", mass_min="Msun/h")
    def __call__(self, **values: float) -> float:
        """ln of the likelihood, -chi^2/2, without the terms of the covariance alone, which do not change."""
        return self.of_predicted(self.predicted(**values))

    @takes()
    @on_one_thread
    def of_predicted(self, predicted: Mapping[float, Any]) -> float:
        """ln of the likelihood of what is `predicted`."""
        return -0.5 * float(np.sum(self._pulls(predicted) ** 2))


def _check_windows(config: Config, table: Measured) -> None:
    """InputError for a table that says that it is of filaments or haloes of other masses than those of the config.

    An end that [fit] has a prior of may be anywhere.
    """
    filaments, haloes = config.one_filament or OneFilamentSection(), config.total_power or TotalPowerSection()
    model: dict[str, list[tuple[str, float | None]]] = {
        "filaments": [("one_filament.mass_min", filaments.mass_min), ("one_filament.mass_max", filaments.mass_max)],
        "haloes": [("total_power.mass_min", haloes.mass_min), ("total_power.mass_max", haloes.mass_max)],
    }
    lightest = None if config.fit is None else config.fit.mass_min
    if lightest is not None:
        model["filaments"][0] = "fit.mass_min", lightest.first if lightest.is_fixed else None
    for what, window in mass_windows(table.object).items():
        for (key, end), of_table in zip(model[what], window, strict=True):
            if end is not None and abs(end - of_table) > DIGITS * end:
                raise InputError(
                    f"{table.label}: of {table.object}: {key} = {end:g}: must be {of_table:g}, as the table has it"
                )


def wavenumbers(tables: Iterable[Measured]) -> dict[float, NDArray]:
    """All k of the tables of each redshift, increasing [h/Mpc]."""
    found: dict[float, NDArray] = {}
    for table in tables:
        found[table.redshift] = np.union1d(found.get(table.redshift, table.k), table.k)
    return found
