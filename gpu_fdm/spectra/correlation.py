"""xi(r) of density fields on periodic grids, whose sides may differ in cells and in size.

xi(s) = <delta(x + s) delta'(x)> over all cells x, for every separation s of the grid: the inverse transform of
delta_k conj(delta'_k) (Wiener and Khinchin), exact on a periodic grid. It is then averaged over the separations of a
bin of |s|, the distance to the nearest image. Nothing is taken off for shot noise or the smoothing by cells.
"""

from dataclasses import dataclass
from math import prod

import numpy as np

from ..kernels.binning import EDGE_TOLERANCE, add_separations, bin_numbers
from ..parallel.backend import CPU
from ..parallel.fft import along_x, inverse_planes
from ..parallel.ranks import SERIAL, Ranks
from .power import MOST_BINS, ModeSums, checked_fields, checked_grid, contrast_transforms, count_rows


@dataclass(frozen=True, eq=False)
class CorrelationFunction:
    """Correlation of the density contrast, or of two, in bins of |r|; empty bins are left out.

    The first row is zero lag, alone: the variance, or the covariance of the two.

    r             mean |r| over the separations of a bin [cMpc/h], shape (bins,)
    correlation   mean over the separations, shape (bins,)
    separations   number of separations, r and -r both counted, int64, shape (bins,); each is that of as many pairs of
                  cells as there are cells
    names         of the one field or the two
    mean_density  of each, in the units of the input
    cells         along x, y, z;  box_size  sides [cMpc/h];  bin_width  [largest side of a cell]
    """

    r: np.ndarray
    correlation: np.ndarray
    separations: np.ndarray
    names: tuple[str, ...]
    mean_density: tuple[float, ...]
    cells: tuple[int, int, int]
    box_size: tuple[float, float, float]
    bin_width: float


def correlation_function(
    density,
    box_size,
    *,
    other=None,
    bin_width=1.0,
    names=None,
    backend=None,
    cells=None,
    ranks: Ranks = SERIAL,
) -> CorrelationFunction:
    """Correlation function of the contrast density/mean - 1 on a periodic grid; cross correlation of two.

    density    shape (nx, ny, nz), float32 or float64, in any units; not changed. Over ranks: this rank's planes along
               x, as ranks.slab gives them
    box_size   sides [cMpc/h], three numbers or one for all
    other      second field for the cross correlation, same shape
    bin_width  [largest side of a cell, d]: bin i holds |r|/d in [i - 1/2, i + 1/2) bin_width, and r = 0 has a bin of
               its own. Bins that reach beyond half the smallest side, where directions are missing, are left out
    names      of the fields, one or two; "density" and "other" by default
    backend    where the fields are
    cells      (nx, ny, nz) of the whole grid; must be given over ranks
    ranks      who hold the slabs; the same result on all
    Transforms run in the precision of their field, the one back in that of density: in single precision xi is good to
    a few 1e-7 of the variance, also where it is much smaller. Sums are double. Memory beyond the input: as for
    power.power_spectrum, and another field.
    Raises ValueError for fields that are not real, finite, three-dimensional and of positive mean, for shapes
    that differ, and for boxes and bins that make no sense.
    """
    backend = CPU() if backend is None else backend
    fields, names = checked_fields(density, other, names)
    cells, sides = checked_grid(fields[0].shape if cells is None else cells, box_size)
    along, largest = _distances(cells, sides)
    rows = _checked_rows(along, bin_width)
    transforms, means = contrast_transforms(fields, names, cells, backend, ranks)

    def correlate(*lines):
        modes = [backend.fft.fft(each, axis=0) for each in lines]
        return backend.fft.ifft(modes[0] * modes[-1].conj(), axis=0)

    along_x(correlate, backend, *transforms)
    product = transforms[0]
    del transforms
    values = inverse_planes(product, cells, ranks, backend)
    along[0] = along[0][slice(*ranks.slab(cells[0]))]
    options = along, np.ones(cells[2], np.int64), bin_width, (rows, 1), 0, backend
    (binned,) = bin_numbers(add_separations, [values], [(0,)], *options, axis=0)
    sums = ModeSums(*binned).reduce(ranks).over_means(means)
    # the last bin that ends within half the smallest side; row 0 is r = 0, row 1 is bin 0
    last = int(np.floor(min(sides) / 2 / (largest * bin_width) - 0.5 + EDGE_TOLERANCE))
    total, distance, count = (each[: last + 2, 0] for each in (sums.power, sums.k, sums.modes))
    filled = count > 0
    count = count[filled]
    correlation = total[filled] / count / prod(cells)
    r = largest * (distance[filled] / count)
    return CorrelationFunction(r, correlation, count, names, tuple(means), cells, sides, bin_width)


def _distances(cells, sides):
    """Distance to the nearest image along each axis [largest side of a cell], and that side [cMpc/h]."""
    spacing = [side / number for side, number in zip(sides, cells, strict=True)]
    largest = max(spacing)
    index = [np.arange(number) for number in cells]
    return [np.minimum(i, n - i) * (step / largest) for i, n, step in zip(index, cells, spacing, strict=True)], largest


def _checked_rows(along, bin_width):
    """Rows of the bins; ValueError for widths that make no sense."""
    if not (bin_width > 0 and np.isfinite(bin_width)):
        raise ValueError(f"bin_width = {bin_width}: must be positive and finite [largest side of a cell]")
    rows = count_rows(along, bin_width)
    if rows > MOST_BINS:
        raise ValueError(f"bin_width = {bin_width}: makes {rows} bins, at most {MOST_BINS} are allowed")
    return rows
