"""Filaments into boxes: densities |psi|^2 and <|psi|^2> in every cell of a slab, periodic images summed.

Two ways that agree: `fill` with an ExtrudedTable (interpolated: fast) and with a Direct (psi evaluated in every cell:
the reference, and for time series of one box). With momentum along the axis psi is evaluated in every cell (Axial).
Densities of images and of filaments add.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import DTypeLike

from ..filament.wavefunction import WaveFunction
from ..kernels.fill import fill_axial, fill_direct, fill_extruded
from ..parallel.backend import CPU, GPU
from ..quantities import takes
from .axial import Axial
from .box import Box, Placement, backend_of_slabs, images
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

    @property
    def nbytes(self) -> int:
        """Size of the coefficients [bytes]."""
        return self.psi.nbytes + self.mean.nbytes


@takes()
def tabulate_direct(
    wave: WaveFunction,
    time: float = 0.0,
    tolerance: float = 1e-8,
    dtype: DTypeLike = np.float64,
    backend: CPU | GPU | None = None,
) -> Direct:
    """Prepare direct evaluation; arguments as in cross_section.tabulate.

    Raises ValueError for a wave function that is not the same all along the axis.
    """
    if wave.axial is not None:
        raise ValueError("psi has momentum along the axis: no cross-section tells all of it (use tabulate_axial)")
    return Direct(tabulate(wave, time, tolerance, dtype, backend=backend), tabulate_mean(wave, tolerance, backend))


@takes(length_unit="cMpc/h")
def fill(
    fdm: np.ndarray,
    smooth: np.ndarray,
    box: Box,
    placement: Placement,
    source: ExtrudedTable | Direct | Axial,
    length_unit: float,
    x_first: int = 0,
    backend: CPU | GPU | None = None,
) -> None:
    """Add one filament to two density fields, in place.

    fdm, smooth   a slab of planes of the box, shape (planes, ny, nz), float32 or float64 [mean matter densities]:
                  CuPy arrays are filled on their card, NumPy arrays on the CPU
    source        the filament's cross-section
    length_unit   of the source [cMpc/h]
    x_first       index of the slab's first plane in the box
    backend       follows from the slab where not given
    Raises ValueError for slabs that do not fit the box, or are not where the backend computes.
    """
    backend = backend_of_slabs(fdm, smooth, box, backend)
    planes = fdm.shape[0]
    reach = source.reach * length_unit
    touching = images(box, placement, reach, (x_first, x_first + planes))
    if len(touching) == 0:
        return
    ends = (placement.length / 2, placement.end_sharpness, placement.axial_reach)
    slab = (fdm, smooth, x_first, box.spacing, touching)
    if isinstance(source, ExtrudedTable):
        fill_extruded(*slab, source.coefficients, 1 / (source.step * length_unit), reach, ends, backend)
    elif isinstance(source, Axial):
        within = _axial_range(box, placement, touching, (x_first, x_first + planes))
        mean = source.mean.coefficients, 1 / (source.mean.step * length_unit)
        for low, high in source.pieces(placement.axial_reach / length_unit):
            if high * length_unit >= within[0] and low * length_unit <= within[1]:
                table = source.table(low, high)
                along = table.start * length_unit, 1 / (table.slice_step * length_unit)
                piece = table.low * length_unit, table.high * length_unit
                psi = table.coefficients, 1 / (table.step * length_unit)
                fill_axial(*slab, *psi, along, piece, *mean, reach, ends, backend)
    else:
        psi, mean = ((table.coefficients, 1 / (table.step * length_unit)) for table in (source.psi, source.mean))
        fill_direct(*slab, *psi, *mean, reach, ends, backend)


def _axial_range(box: Box, placement: Placement, touching: np.ndarray, planes: tuple[int, int]) -> tuple[float, float]:
    """Least and largest axial coordinate of all images in some planes of the box [cMpc/h]."""
    corners = np.array(list(product(planes, (0, box.cells[1]), (0, box.cells[2]))))
    positions = (corners - touching[:, None, :3] + touching[:, None, 3:6]) * box.spacing
    along = positions @ placement.basis[2]
    return float(along.min()), float(along.max())
