"""Exact power spectra of single filaments, averaged over phases and orientations."""

import logging
import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..config.config import Config
from ..errors import InputError
from ..filament.model import Model
from ..io import schema
from ..io.deferred import DeferredWrites
from ..io.result_file import GroupWriter
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from ..spectra.sampled import SampledSpectrum, sampled_spectrum
from ..spectra.single_filament import SinglePower, scales, single_power
from .inputs import Inputs
from .models import model_keys
from .progress import progress
from .stage import Context, Estimate, Stage

log = logging.getLogger(__name__)

POINT_BYTES = 256  # of spectra and their copy in the cache, a wavenumber
FRINGES_AND_MORE = 1.2  # of the largest wavenumber of the fringes: where spectra end by default
_LARGEST_STEP = 0.06  # of ln k of spectra that scales are read off: k_detach is good to 2e-3
_BEYOND = 100  # of that too: where they end at the latest, for their time rises as the square of k_max


class SinglePowerStage(Stage):
    """The spectrum of every filament, each on one rank."""

    section: ClassVar[str] = "single_power"
    within: ClassVar[str] = "wavefunction"
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            "single_power",
            "exact spectrum of one filament and its scales",
            "spectra.single_power",
            ("single_power/00",),
        ),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """Keys of the model, and the seed of the draws."""
        return (*model_keys(config), "run.seed", self.section)

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """InputError for draws of filaments with momentum along the axis, and where there are none."""
        config = inputs.config
        if not inputs.filaments:
            raise InputError(f"{config.source}: [single_power] needs filaments, [gas] has haloes alone")
        if config.single_power.draws and config.wavefunction.axial != "coherent":
            raise config.error(
                self.section, "draws", f"must be 0 where [wavefunction] axial = {config.wavefunction.axial}"
            )
        section, fringes = config.single_power, [size.fringe_wavenumber for size in inputs.sizes]
        if inputs.largest.modes < 1:  # the model says so
            return []
        _last_wavenumber(config, min(fringes))
        if section.k_max is not None and section.k_max > (last := _BEYOND * max(fringes)):
            raise config.error(
                self.section, "k_max", f"must be at most {last:.4g}, {_BEYOND} times the wavenumber where fringes end"
            )
        return []

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """The memory of the largest filament, and the time of all."""
        points, draws = inputs.config.single_power.points, inputs.config.single_power.draws
        memory = inputs.largest.exact_spectra(points) + POINT_BYTES * points + inputs.largest.draws(draws, points)[0]
        seconds = sum(size.exact_seconds(points) + size.draws(draws, points)[1] for size in inputs.sizes)
        return Estimate({"exact spectra": memory}, 0, seconds)

    def run(self, context: Context) -> list[str]:
        """Compute and write the spectra of all filaments."""
        ranks, models = context.ranks, context.models
        count = len(models.filaments)
        with context.timer("exact spectra"), progress("exact spectra", count, ranks) as step:
            own = {}
            for number in models.own_filaments(range(count)):

                def record(file: DeferredWrites, number: int = number) -> None:
                    found = _spectrum(context, models.model(number))
                    write_single_power(file, number, *found, context.config.wavefunction.axial)

                own[number] = context.part(f"exact_spectrum-{number:02d}", self.key(context, filament=number), record)
                step()
            spectra = {number: spectrum for part in ranks.allgather(own) for number, spectrum in part.items()}
        for number in sorted(spectra):
            spectra[number].write(context.file)
        cached = sum(spectrum.from_cache for spectrum in spectra.values())
        if 0 < cached < count:
            log.info("exact spectra: %d of %d are in the cache", cached, count)
        context.timer.log("exact spectra", cached == count)
        first = spectra[0].attributes_of(f"/single_power/{0:02d}")
        found = [f"{name} = {first[name]:.4g}" for name in ("k_gs", "k_detach", "k_cut", "k_fringe") if name in first]
        return [f"exact spectrum{' of the first' if count > 1 else ''}: {', '.join(found)} h/Mpc"]


def wavenumbers(config: Config, model: Model) -> NDArray:
    """k of the spectra of a filament [h/Mpc]."""
    section = config.single_power
    return np.geomspace(section.k_min, _last_wavenumber(config, model.fringe_wavenumber), section.points)


def _last_wavenumber(config: Config, fringes: float) -> float:
    """Where the spectra of a filament end [h/Mpc]; InputError where k_min is beyond.

    fringes  where its fringes end [h/Mpc]
    """
    section = config.single_power
    if section.k_max is not None:
        return section.k_max
    if section.k_min >= (last := FRINGES_AND_MORE * fringes):
        raise config.error("single_power", "k_min", f"must be smaller than {last:.4g}, where spectra end (k_max)")
    return last


def _spectrum(
    context: Context, model: Model
) -> tuple[SinglePower, dict[str, tuple[float, str]], SampledSpectrum | None]:
    """Spectra, scales, and draws of the phases if asked for."""
    section, k = context.config.single_power, wavenumbers(context.config, model)
    power = single_power(model, k, section.statistics, context.backend)
    sampled = None
    if section.draws:
        seed, host = context.config.run.seed, context.backend.host
        in_plane = k * model.units.length
        sampled = sampled_spectrum(model.library, model.wave.weight, in_plane, section.draws, seed, host)
    return power, scales(model, _dense(power, model, context)), sampled


def _dense(power: SinglePower, model: Model, context: Context) -> SinglePower:
    """The spectrum at wavenumbers dense enough to read scales off, over its range."""
    first, last = power.k[[0, -1]]
    points = math.ceil(math.log(last / first) / _LARGEST_STEP) + 1
    if points <= len(power.k):
        return power
    return single_power(model, np.geomspace(first, last, points), power.statistics, context.backend, plane=False)


def write_single_power(
    file: GroupWriter,
    number: int,
    power: SinglePower,
    scales: dict,
    sampled: SampledSpectrum | None,
    axial: str = "coherent",
) -> None:
    """Write /single_power/<number>: phase averages, their scales with definitions, and draws if there are.

    axial  one of filament.axial.AXIAL
    """
    in_plane = power.in_plane
    spectra = {
        "k": power.k,
        "power_fdm": power.fdm,
        "power_smooth": power.smooth,
        "power_interference": power.interference,
        "power_self": power.self_term,
        "power_classical": power.classical,
        "polar_fdm": power.polar_fdm,
        "polar_smooth": in_plane.smooth,
        "polar_interference": in_plane.interference,
        "polar_self": in_plane.self_term,
    }
    if sampled is not None:
        spectra |= {"sampled_mean": sampled.mean, "sampled_error": sampled.standard_error}
        spectra["sampled_scatter"] = np.sqrt(sampled.variance)
    definitions = {f"{name}_definition": text for name, (_, text) in scales.items()}
    numbers = {name: value for name, (value, _) in scales.items()}
    file.group(
        f"/{schema.SINGLE_POWER}/{schema.filament(number)}",
        spectra,
        statistics=power.statistics,
        axial=axial,
        parts="fdm = smooth + interference" + (" - self" if power.statistics == "fixed" else ""),
        draws=None if sampled is None else sampled.draws,
        **numbers,
        **definitions,
    )
