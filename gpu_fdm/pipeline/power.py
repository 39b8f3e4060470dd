"""Power spectra of the densities in the box: P(k), P(k, mu), and the cross spectrum."""

from math import prod
from typing import Any, ClassVar

import numpy as np

from ..config.config import Config
from ..io.deferred import DeferredWrites
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from ..spectra.power import PowerSpectrum, power_spectrum
from .inputs import Inputs
from .model import dtype_of
from .result_spectra import write_power
from .sizes import largest_filament
from .slab import BOTH, cells_of_largest_slab, frames
from .slab_statistic import SlabStatistic
from .stage import Context, Estimate

_CELLS_A_SECOND = 3.4e8  # of a spectrum on two cores, see docs/performance.md


class PowerStage(SlabStatistic):
    """Power spectra that the ini asks for."""

    section: ClassVar[str] = "power"
    title: ClassVar[str] = "power spectra"
    figures: ClassVar[tuple[Figure, ...]] = (Figure("power", "P(k) of the box", "box.power", ("power",)),)

    def needs(self, config: Config) -> tuple[str, ...]:
        """Names of the densities that are measured: both for the cross spectrum."""
        return BOTH if config.power.cross == "yes" else config.box.fields

    def measure(self, context: Context) -> dict[str, PowerSpectrum]:
        """P(k) and P(k, mu) of every density that is written, and the cross spectrum."""
        section, names, slab = context.config.power, context.config.box.fields, context.frame.slab
        options: dict[str, Any] = {
            "bin_width": section.bin_width,
            "backend": context.backend.holding(slab.densities),
            "cells": slab.box.cells,
            "ranks": context.ranks,
        }
        size = slab.box.size
        spectra = {name: power_spectrum(getattr(slab, name), size, names=(name,), **options) for name in names}
        if section.mu_bins:
            for name in names:
                density = getattr(slab, name)
                spectra[f"{name}_mu"] = power_spectrum(density, size, names=(name,), mu_bins=section.mu_bins, **options)
        if section.cross == "yes":
            both: dict[str, Any] = {"other": slab.smooth, "names": ("fdm", "smooth")}
            spectra["fdm_smooth"] = power_spectrum(slab.fdm, size, **both, **options)
        return spectra

    def write(self, file: DeferredWrites, name: str, measured: PowerSpectrum, sampling: str) -> None:
        """Write /power/<name>."""
        write_power(file, name, measured, sampling)

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Both densities and a complex transform, which is there twice where it is transposed over ranks."""
        config = inputs.config
        numbers = (3 if ranks.size == 1 else 4) * cells_of_largest_slab(config.box.cells, ranks)
        states = largest_filament(inputs).states
        section = config.power
        spectra = len(config.box.fields) * (2 if section.mu_bins else 1) + (2 if section.cross == "yes" else 0)
        seconds = len(frames(config)) * spectra * prod(config.box.cells) / _CELLS_A_SECOND
        return Estimate({self.title: states + numbers * np.dtype(dtype_of(config)).itemsize}, 0, seconds)
