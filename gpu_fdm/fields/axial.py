"""psi with momentum along the axis of a filament as tables of pieces of it, for direct evaluation in cells.

psi = sum_l F+-_l(R, z) e^{+-il phi}, and every F_l is a sum of plane waves along the axis: quintic splines along z and
along R interpolate it. A whole filament would fill gigabytes; a table holds a piece of its axis.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import DTypeLike

from ..filament.wavefunction import WaveFunction
from ..kernels.common import L_BLOCK, TAPS
from ..quantities import takes
from ..values import brief
from .extruded import MeanTable, tabulate_mean
from .spline import four_parts, radial_coefficients, radial_points, spacing_for, transfer_at

TABLE_BYTES = 128 << 20  # of a table, at most
EFFECTIVE_WAVENUMBER = 3.5  # dispersions: psi is a sum of many waves, whose sixth derivative is 18 times its rms there
_FEWEST_SLICES = 4 * TAPS
_SLICES_AT_ONCE = 8


@brief
@dataclass(frozen=True, eq=False)
class AxialTable:
    """Spline coefficients of F_l(R, z) on a piece of the axis.

    coefficients  shape (slices, rows, 4, l padded to L_BLOCK), parts as in cross_section.RadialTable: the taps of z are
                  the slices floor((z - start)/slice_step) ... + 5
    start         [L];  slice_step, step  spacing along z and along R [L];  low, high  the piece that it is for [L]
    """

    coefficients: np.ndarray
    start: float
    slice_step: float
    step: float
    low: float
    high: float


@dataclass(frozen=True)
class Axial:
    """A wave function with momentum along the axis at one time, to be evaluated in every cell.

    mean  its phase-averaged density;  time  [T];  tolerance  interpolation error over the maximum of psi
    dtype  of the tables
    """

    wave: WaveFunction
    mean: MeanTable
    time: float
    tolerance: float
    dtype: DTypeLike

    @property
    def reach(self) -> float:
        """Radius beyond which psi is zero [L]."""
        return self.wave.library.radius_max

    @property
    def nbytes(self) -> int:
        """Size of the states and of the mean density [bytes]; tables are made as they are used."""
        return self.wave.library.radial.nbytes + self.mean.nbytes

    @property
    def rows(self) -> int:
        """Intervals of a table along R."""
        library = self.wave.library
        return radial_points(library.radius_max, library.wavenumber_max, self.tolerance)

    @property
    def slice_step(self) -> float:
        """Spacing of the slices along the axis [L]."""
        assert self.wave.axial is not None  # tabulate_axial has checked it
        return spacing_for(EFFECTIVE_WAVENUMBER * self.wave.axial.dispersion, self.tolerance)

    def pieces(self, axial_reach: float) -> list[tuple[float, float]]:
        """Pieces of the axis from -axial_reach to axial_reach [L] whose tables are small enough."""
        l_count = _padded(int(self.wave.library.l.max()) + 1)
        of_slice = (self.rows + TAPS) * 4 * l_count * np.dtype(self.dtype).itemsize
        slices = max(_FEWEST_SLICES, TABLE_BYTES // of_slice)
        edges = np.linspace(-axial_reach, axial_reach, ceil(2 * axial_reach / (slices * self.slice_step)) + 1)
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))

    def table(self, low: float, high: float) -> AxialTable:
        """The table of a piece of the axis [L]."""
        library, waves, step = self.wave.library, self.wave.axial, self.slice_step
        assert waves is not None
        z = low + step * (np.arange(ceil((high - low) / step) + TAPS) - 2)
        radius = np.linspace(0, library.radius_max, self.rows + 1)
        to_radius = library.interpolation_matrix(radius)
        l_max, along = int(library.l.max()), waves.waves(z, 1 / transfer_at(waves.wavenumbers * step))
        coefficients = np.zeros((len(z), self.rows + TAPS, 4, _padded(l_max + 1)), self.dtype)
        terms = []
        for l in range(l_max + 1):
            amplitudes, radial = self.wave.azimuthal_terms(l, along, self.time)
            smooth = radial_coefficients(to_radius @ radial.T, np.array((-1.0) ** l)).T
            terms.append((np.stack(four_parts(*amplitudes.transpose(1, 2, 0)), axis=1), smooth))
        for first in range(0, len(z), _SLICES_AT_ONCE):  # few, so that what is written stays in the processor's cache
            some = slice(first, first + _SLICES_AT_ONCE)
            for l, (of_l, smooth) in enumerate(terms):
                values = of_l[some].reshape(-1, len(smooth)) @ smooth
                coefficients[some, ..., l] = values.reshape(-1, 4, smooth.shape[1]).swapaxes(1, 2)
        return AxialTable(coefficients, low, step, library.radius_max / self.rows, low, high)

    def tables(self, axial_reach: float) -> Iterator[AxialTable]:
        """The tables of all pieces in turn."""
        return (self.table(*piece) for piece in self.pieces(axial_reach))


@takes()
def tabulate_axial(
    wave: WaveFunction, time: float = 0.0, tolerance: float = 1e-8, dtype: DTypeLike = np.float64
) -> Axial:
    """Prepare the evaluation of a wave function with momentum along the axis; arguments as in cross_section.tabulate.

    Raises ValueError where psi is the same all along the axis: extruded.py and fill.tabulate_direct are for that.
    """
    if wave.axial is None:
        raise ValueError("psi is the same all along the axis: there is nothing to tabulate along it")
    return Axial(wave, tabulate_mean(wave, tolerance), time, tolerance, dtype)


def _padded(l_count: int) -> int:
    return -(-l_count // L_BLOCK) * L_BLOCK
