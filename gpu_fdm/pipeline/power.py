"""Power spectra of the densities in the box: P(k), P(k, mu), and the cross spectrum."""

from math import prod
from typing import ClassVar

import numpy as np
from attrs import evolve

from ..config.config import Config
from ..errors import UnfitError
from ..fields.box import Box
from ..io.deferred import DeferredWrites
from ..io.schema import POWER
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from ..spectra.modes import contrast_modes
from ..spectra.power import Bins, PowerSpectrum, powers_of_modes
from .inputs import Inputs
from .model import dtype_of
from .result_spectra import write_power
from .slab import BOTH, cells_of_largest_slab, frames
from .slab_statistic import SlabStatistic
from .stage import Context, Estimate

_CELLS_A_SECOND = 3.4e8  # of a spectrum on two cores, see docs/performance.md


class PowerStage(SlabStatistic):
    """Power spectra that the ini asks for."""

    section: ClassVar[str] = "power"
    title: ClassVar[str] = "power spectra"
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("power", "P(k) of the box", "box.power", (POWER,)),
        Figure("power_mu", "P(k, mu) of the box, a line for each bin of mu", "anisotropy.power_mu", (f"{POWER}/*_mu",)),
        Figure(
            "multipoles",
            "monopole, quadrupole and hexadecapole of P(k, mu)",
            "anisotropy.multipoles",
            (f"{POWER}/*_multipoles",),
        ),
    )

    def needs(self, config: Config) -> tuple[str, ...]:
        """Names of the densities that are measured: both for the cross spectrum."""
        return BOTH if config.power.cross == "yes" else config.box.fields

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """InputError for more bins than there may be, as a box of very different sides has."""
        config, section = inputs.config, inputs.config.power
        box = Box(config.box.size, config.box.cells)
        try:
            Bins(box.cells, box.size, section.bin_width, mu_bins=section.mu_bins or None)
        except UnfitError as error:
            raise config.error(self.section, "bin_width", str(error)) from None
        return []

    def measure(self, context: Context) -> dict[str, PowerSpectrum]:
        """P(k) and P(k, mu) of every density that is written, and the cross spectrum; each is transformed once."""
        section, names, slab = context.config.power, context.config.box.fields, context.frame.slab
        bins, cross = Bins(slab.box.cells, slab.box.size, section.bin_width), section.cross == "yes"
        complete = (cross or bool(section.mu_bins)) and slab.domain.card is None
        found: dict[str, PowerSpectrum] = {}
        # for memory: one transform at a time, unless both are needed
        for together in [BOTH] if cross else [(name,) for name in names]:
            modes = [contrast_modes(getattr(slab, name), slab.domain, name, complete=complete) for name in together]
            asked: dict[str, tuple[tuple[int, ...], Bins]] = {
                name: ((together.index(name),), bins) for name in names if name in together
            }
            if section.mu_bins:
                over_mu = evolve(bins, mu_bins=section.mu_bins)
                asked |= {f"{name}_mu": (numbers, over_mu) for name, (numbers, _) in asked.items()}
            if cross:
                asked["fdm_smooth"] = (0, 1), bins
            found |= dict(zip(asked, powers_of_modes(modes, list(asked.values())), strict=True))
            del modes
        return found

    def write(self, file: DeferredWrites, name: str, measured: PowerSpectrum, sampling: str) -> None:
        """Write /power/<name>."""
        write_power(file, name, measured, sampling)

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Both densities and a transform, of both for the cross spectrum; one is there twice as it is transposed."""
        config, section = inputs.config, inputs.config.power
        slabs = 2 + (2 if section.cross == "yes" else 1) + (0 if ranks.size == 1 else 1)
        numbers = slabs * cells_of_largest_slab(config.box.cells, ranks.size)
        spectra = len(config.box.fields) * (2 if section.mu_bins else 1) + (2 if section.cross == "yes" else 0)
        seconds = len(frames(config)) * spectra * prod(config.box.cells) / _CELLS_A_SECOND
        return Estimate({self.title: inputs.states_memory + numbers * np.dtype(dtype_of(config)).itemsize}, 0, seconds)
