"""Correlation functions of the densities in the box."""

from math import prod
from typing import ClassVar

import numpy as np

from ..io.deferred import DeferredWrites
from ..io.schema import CORRELATION
from ..parallel.ranks import SERIAL, Ranks
from ..spectra.correlation import CorrelationFunction, correlation_function
from .inputs import Inputs
from .model import dtype_of
from .slab import cells_of_largest_slab, frames
from .slab_statistic import SlabStatistic
from .stage import Context, Estimate

_CELLS_A_SECOND = 1.7e8  # of a function on two cores: two transforms


class CorrelationStage(SlabStatistic):
    """xi(r) of every density that is written."""

    section: ClassVar[str] = "correlation"
    title: ClassVar[str] = "correlation functions"

    def measure(self, context: Context) -> dict[str, CorrelationFunction]:
        slab = context.frame.slab
        return {
            name: correlation_function(
                getattr(slab, name),
                slab.box.size,
                bin_width=context.config.correlation.bin_width,
                names=(name,),
                domain=slab.domain,
            )
            for name in context.config.box.fields
        }

    def write(self, file: DeferredWrites, name: str, measured: CorrelationFunction, sampling: str) -> None:
        """Write /correlation/<name>."""
        file.group(
            f"/{CORRELATION}/{name}",
            {"r": measured.r, "xi": measured.correlation, "separations": measured.separations},
            mean_density=measured.mean_density,
            box_size=measured.box_size,
            sampling=sampling,
        )

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Both densities, a transform, which is there twice where it is transposed over ranks, and the correlation."""
        config = inputs.config
        numbers = (4 if ranks.size == 1 else 5) * cells_of_largest_slab(config.box.cells, ranks.size)
        seconds = len(frames(config)) * len(config.box.fields) * prod(config.box.cells) / _CELLS_A_SECOND
        return Estimate({self.title: inputs.states_memory + numbers * np.dtype(dtype_of(config)).itemsize}, 0, seconds)
