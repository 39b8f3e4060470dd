"""Exact power spectra of single filaments, averaged over phases and orientations."""

import logging
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
        return []

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """The memory of the largest filament, and the time of all."""
        points = inputs.config.single_power.points
        memory = inputs.largest.exact_spectra(points) + POINT_BYTES * points
        return Estimate({"exact spectra": memory}, 0, sum(size.exact_seconds(points) for size in inputs.sizes))

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
    return np.geomspace(section.k_min, section.k_max or FRINGES_AND_MORE * model.fringe_wavenumber, section.points)


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
    return power, scales(model, power), sampled


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
