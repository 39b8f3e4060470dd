"""Filaments into boxes: densities |psi|^2 and <|psi|^2> in every cell of a slab, periodic images summed.

Two ways that agree: `fill` with an ExtrudedTable (interpolated: fast) and with a Direct (psi evaluated in every cell:
the reference, and for time series of one box). Densities of images and of filaments add.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

from ..filament.wavefunction import WaveFunction
from ..kernels.fill import fill_direct, fill_extruded
from ..parallel.backend import CPU, GPU
from .box import Box, Placement, images
from .cross_section import RadialTable, tabulate
from .extruded import ExtrudedTable, MeanTable, tabulate_mean


@dataclass(frozen=True)
class Direct:
    """psi and its phase average, tabulated in R, for direct evaluation."""

    psi: RadialTable
    mean: MeanTable

    @property
    def reach(self) -> float:
        """Radius beyond which psi is zero [L]."""
        return self.psi.radius_max


def tabulate_direct(
    wave: WaveFunction, time: float = 0.0, tolerance: float = 1e-8, dtype: DTypeLike = np.float64
) -> Direct:
    """Prepare direct evaluation; arguments as in cross_section.tabulate."""
    return Direct(tabulate(wave, time, tolerance, dtype), tabulate_mean(wave, tolerance))


def fill(
    fdm: np.ndarray,
    smooth: np.ndarray,
    box: Box,
    placement: Placement,
    source: ExtrudedTable | Direct,
    length_unit: float,
    x_first: int = 0,
    backend: CPU | GPU | None = None,
) -> None:
    """Add one filament to two density fields, in place.

    fdm, smooth   a slab of planes of the box, shape (planes, ny, nz), float32 or float64, on the backend's device
                  [mean matter densities]
    source        the filament's cross-section
    length_unit   of the source [cMpc/h]
    x_first       index of the slab's first plane in the box
    Raises ValueError for slabs that do not fit the box.
    """
    backend = backend or CPU()
    planes = fdm.shape[0]
    if fdm.shape != smooth.shape or fdm.shape[1:] != tuple(box.cells[1:]):
        raise ValueError(f"slabs {fdm.shape}, {smooth.shape}: must be (planes, {box.cells[1]}, {box.cells[2]})")
    reach = source.reach * length_unit
    touching = images(box, placement, reach, (x_first, x_first + planes))
    if len(touching) == 0:
        return
    ends = (placement.length / 2, placement.end_sharpness, placement.axial_reach)
    slab = (fdm, smooth, x_first, box.spacing, touching)
    if isinstance(source, ExtrudedTable):
        fill_extruded(*slab, source.coefficients, 1 / (source.step * length_unit), reach, ends, backend)
    else:
        psi, mean = ((table.coefficients, 1 / (table.step * length_unit)) for table in (source.psi, source.mean))
        fill_direct(*slab, *psi, *mean, reach, ends, backend)
