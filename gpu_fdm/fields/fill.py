"""Filaments into boxes: densities |psi|^2 and <|psi|^2> in every cell of a slab, periodic images summed.

Two ways that agree: `fill` with a Section (extruded, interpolated: fast) and with a Direct (psi evaluated in every
cell: the reference, and for time series of one box). Densities of images and of filaments add.
"""

from dataclasses import dataclass

import numpy as np

from ..filament.wavefunction import WaveFunction
from ..parallel.backend import CPU
from . import loops
from .box import Box, Placement, images
from .cross_section import RadialTable, tabulate
from .extruded import MeanTable, Section, tabulate_mean

_PLANES_A_PART = 4


@dataclass(frozen=True)
class Direct:
    """What direct evaluation needs: psi and its phase average, tabulated in R."""

    psi: RadialTable
    mean: MeanTable

    @property
    def reach(self):
        """Radius beyond which psi is zero [L]."""
        return self.psi.radius_max


def tabulate_direct(wave: WaveFunction, time: float = 0.0, tolerance: float = 1e-8, dtype=np.float64) -> Direct:
    """Prepare direct evaluation; arguments as in cross_section.tabulate."""
    return Direct(tabulate(wave, time, tolerance, dtype), tabulate_mean(wave, tolerance))


def fill(
    fdm: np.ndarray,
    smooth: np.ndarray,
    box: Box,
    placement: Placement,
    source: Section | Direct,
    length_unit: float,
    x_first: int = 0,
    backend=None,
):
    """Add one filament to two density fields, in place.

    fdm, smooth   a slab of planes of the box, shape (planes, ny, nz), float32 or float64, where the backend wants
                  them [mean matter densities]
    source        the filament's cross-section
    length_unit   of the source [cMpc/h]
    x_first       index of the slab's first plane in the box
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
    if isinstance(source, Section):
        name, tables = "fill_extruded", [source.coefficients]
        steps = [1 / (source.step * length_unit)]
    else:
        name, tables = "fill_direct", [source.psi.coefficients, source.mean.coefficients]
        steps = [1 / (source.psi.step * length_unit), 1 / (source.mean.step * length_unit)]
    if backend.name == "gpu":
        _fill_on_gpu(backend, name, fdm, smooth, x_first, box, touching, reach, ends, tables, steps)
        return
    loop = getattr(loops, name)
    pairs = [item for pair in zip(tables, steps, strict=True) for item in pair]

    def work(first):
        part = (first, min(first + _PLANES_A_PART, planes))
        loop(fdm, smooth, x_first, part, box.spacing, touching, *pairs, reach, (*ends, loops.soft_end_pieces()))

    backend.for_each(range(0, planes, _PLANES_A_PART), work)


def _fill_on_gpu(backend, name, fdm, smooth, x_first, box, touching, reach, ends, tables, steps):
    """The same on the card: the kernels take the tables with their lengths."""
    dtype = fdm.dtype
    on_device = [backend.to_device(np.asarray(table, dtype)) for table in tables]
    if name == "fill_extruded":
        source: tuple = (on_device[0], len(tables[0]), steps[0])
    else:
        source = (on_device[0], tables[0].shape[2], steps[0], on_device[1], steps[1])
    arguments = (
        fdm.size,
        *fdm.shape,
        x_first,
        *map(float, box.spacing),
        len(touching),
        backend.to_device(touching),
        float(reach),
        *map(float, ends),
        *source,
        fdm,
        smooth,
    )
    backend.launch("fill", name, dtype, fdm.size, arguments)
