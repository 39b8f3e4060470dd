"""The measured profile of a filament in a result: its rows, the fit, and the bands that its errors leave.

Bands are of draws: equilibria fitted to tables with more noise of the same size, each with its own modes and exact
spectrum. A band holds a share of them at all of its points.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..config.cache_keys import key_of
from ..config.config import Config
from ..errors import InputError, RunError, UnfitError
from ..filament.eigenstates import eigenstates, estimated_states, extent, require_memory
from ..filament.model import Filament, model_of
from ..filament.profile import Profile, SteadyStateCylinder
from ..filament.profile_fit import ProfileFit, band_of
from ..io import schema
from ..io.result_file import GroupWriter
from ..spectra.single_filament import single_power
from .measured import fit_of, measured_of
from .model import code_units, weights_of
from .models import Models, model_keys
from .single_power import wavenumbers
from .stage import Context
from .tasks import Arrays, arrays_of

log = logging.getLogger(__name__)

SHARE = 0.95  # of the draws inside a band
LEAST_GOOD = 0.9  # of the draws that must have modes
_AT_ONCE = 10  # draws of a task, which is cached
_MOST, _FEW_MODES = 10.0, 5_000  # modes of a draw over those of the fit, and that are solved for in any case
_STREAM = 25  # of random numbers, apart from those of phases
_RADII, _INNER = 80, 3.0  # of the band: from the first row over 3 to the last


def write_profile_fit(context: Context, models: Models) -> list[str]:
    """Write the rows, the fit and the bands of the filament; returns a line of the summary. All ranks call this."""
    config, file = context.config, context.file
    units, method = code_units(config), config.filament.profile_fit
    folder = f"/{schema.FILAMENTS}/{schema.filament(0)}/{schema.PROFILE_FIT}"
    rows = measured_of(config, units)
    columns = {"radius": rows.radius * units.length, "density": rows.density, "error": rows.error}
    if method == "table":
        file.group(folder, columns, method=method)
        return []
    fit = fit_of(config, units)
    sizes = {"r0": units.length, "sigma": units.velocity, "line_mass": units.line_mass, "beta": 1.0}
    values = {name: value * sizes[name] for name, (value, _) in fit.values.items()}
    errors = {f"{name}_error": error * sizes[name] for name, (_, error) in fit.values.items()}
    file.group(
        folder,
        columns | {"model": fit.model},
        method=method,
        chi_squared=fit.chi_squared,
        degrees_of_freedom=fit.degrees_of_freedom,
        p_value=fit.p_value,
        smoothing=getattr(fit, "smoothing", None),
        **{"beta": config.filament.beta} | values | errors,
    )
    if config.filament.profile_bootstrap:
        with context.timer("bands"):
            _write_bands(context, models, folder)
        context.timer.log("bands")
    fitted = ", ".join(
        f"{name} = {values[name]:.4g} +- {errors[f'{name}_error']:.2g}{unit}"
        for name, unit in (("r0", " Mpc/h"), ("sigma", " km/s"), ("beta", ""), ("line_mass", " Msun/h / (cMpc/h)"))
        if name in fit.values
    )
    return [f"measured profile ({method}): {fit.text}; {fitted.replace('_', ' ')}"]


def doubts(config: Config) -> list[str]:
    """A warning where the fit does not describe the rows."""
    if config.filament.profile_fit == "table" or not (doubt := fit_of(config, code_units(config)).doubt):
        return []
    return [f"[filament] profile_table = {config.filament.profile_table}: {doubt}"]


def _write_bands(context: Context, models: Models, folder: str) -> None:
    config, file, count = context.config, context.file, context.config.filament.profile_bootstrap
    k = None
    if config.single_power is not None:
        k = context.ranks.on_root(lambda: wavenumbers(config, models.model(0)))
    firsts = range(0, count, _AT_ONCE)
    tasks = [Draws(config, models.filaments[0], first, min(_AT_ONCE, count - first), k) for first in firsts]
    found = arrays_of(context, tasks, "draws of the profile")
    arrays = {name: np.concatenate([found[task.name][name] for task in tasks]) for name in found[tasks[0].name]}
    good = np.isfinite(arrays["density"]).all(axis=1)
    if k is not None:
        good &= np.isfinite(arrays["power"]).all(axis=1)
    if not good.all():
        log.warning(
            "measured profile: %d of %d draws have no equilibrium, no modes or too many, and are not in the bands",
            np.count_nonzero(~good),
            count,
        )
    if np.mean(good) < LEAST_GOOD:
        log.warning("measured profile: no bands, since fewer than %g of the draws have modes", LEAST_GOOD)
        return
    file.dataset(f"{folder}/band_radius", _band_radii(config) * code_units(config).length)
    _write_band(file, folder, arrays["density"][good])
    file.attributes(folder, draws=int(np.count_nonzero(good)), band_share=SHARE)
    if k is not None:
        _write_band(file, f"/{schema.SINGLE_POWER}/{schema.filament(0)}", arrays["power"][good])


def _write_band(file: GroupWriter, folder: str, values: NDArray) -> None:
    low, high, scatter = band_of(values, SHARE)
    file.group(folder, {"band_low": low, "band_high": high, "band_scatter": scatter})


def _band_radii(config: Config) -> NDArray:
    """Radii of the band [L]."""
    rows = measured_of(config, code_units(config))
    return np.geomspace(rows.radius[0] / _INNER, rows.last * (1 - 1e-12), _RADII)


@dataclass(frozen=True, eq=False)
class Draws:
    """A few draws of the profile with their spectra: a pipeline.tasks.Task.

    first, count  numbers of the draws;  k  of the spectra [h/Mpc], None for none
    """

    config: Config
    filament: Filament
    first: int
    count: int
    k: NDArray | None

    @property
    def name(self) -> str:
        """Name in the cache."""
        return f"profile_draws-{self.first:04d}"

    @property
    def cost(self) -> float:
        """Number of draws."""
        return self.count

    @property
    def steps(self) -> int:
        """Number of draws."""
        return self.count

    @property
    def _fit(self) -> ProfileFit:
        return fit_of(self.config, code_units(self.config))

    def key(self, context: Context) -> dict[str, Any]:
        """Keys of the model and the spectra, and which draws."""
        names = (*model_keys(self.config), "-filament.profile_bootstrap", "run.seed", "single_power")
        arithmetic = context.backend.arithmetic
        return key_of(self.config, "profile_draws", names, backend=arithmetic, first=self.first, count=self.count)

    def compute(self, context: Context, step: Callable[[], None]) -> Arrays:
        """Densities, shape (draws, radii) [rho_m0], and power over the mass squared, (draws, k); NaN without modes."""
        fit, radius = self._fit, _band_radii(self.config)
        arrays = {"density": np.full((self.count, len(radius)), np.nan)}
        if self.k is not None:
            arrays["power"] = np.full((self.count, len(self.k)), np.nan)
        for row in range(self.count):
            random = np.random.default_rng([self.config.run.seed, _STREAM, self.first + row])
            try:
                profile = fit.draw(random)
                arrays["density"][row] = profile.density(radius)
                if self.k is not None:
                    arrays["power"][row] = self._power(context, profile, self.k)
            except (InputError, UnfitError) as error:
                log.debug("draw %d of the profile: %s", self.first + row, error)
            step()
        return arrays

    def _power(self, context: Context, profile: Profile, k: NDArray) -> NDArray:
        config, units, wave = self.config, code_units(self.config), self.config.wavefunction
        self._require_size(profile)
        library = eigenstates(profile, wave.energy_cut, threads=context.threads)
        weights, filament = weights_of(config, profile, library), self.filament
        if isinstance(profile, SteadyStateCylinder):
            filament = replace(
                filament, r0=profile.r0 * units.length, sigma=profile.sigma * units.velocity, beta=profile.beta
            )
        model = model_of(filament, profile, units, library, weights, config.run.seed, wave.axial)
        statistics = config.single_power.statistics
        return single_power(model, k, statistics, context.backend, plane=False, particles=False).fdm

    def _require_size(self, profile: Profile) -> None:
        """UnfitError for a draw far larger than the fit, of which alone the plan has counted memory and time.

        Errors that leave the outer density open have draws with thousands of times the line mass, or the radius. Of
        those the time of the modes and of the average over orientations has no bound.
        """
        cut, unit = self.config.wavefunction.energy_cut, code_units(self.config).length
        modes, fitted_modes = (estimated_states(each, cut) for each in (profile, self._fit.profile))
        (_, end, points), (_, fitted_end, _) = (extent(each, cut) for each in (profile, self._fit.profile))
        for name, draw, fitted, few in (
            ("modes", modes, fitted_modes, _FEW_MODES),
            ("cMpc/h to where they end", end * unit, fitted_end * unit, self.filament.length),
        ):
            if not draw <= max(_MOST * fitted, few):
                raise UnfitError(
                    f"about {draw:.4g} {name}: must be at most {few:.4g}, or {_MOST:g} times the {fitted:.4g} of "
                    "the fit"
                )
        try:
            require_memory(profile, cut, points)
        except RunError as error:
            raise UnfitError(str(error)) from None
