"""xi(r) of density fields on periodic grids, whose sides may differ in cells and in size.

xi(s) = <delta(x + s) delta'(x)> over all cells x, for every separation s of the grid: the inverse transform of
delta_k conj(delta'_k) (Wiener and Khinchin), exact on a periodic grid. It is then averaged over the separations of a
bin of |s|, the distance to the nearest image. Nothing is subtracted for shot noise or the smoothing by cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import UnfitError
from ..kernels.binning import EDGE_TOLERANCE, add_separations, bin_numbers
from ..parallel import through_card
from ..parallel.domain import Domain
from ..parallel.fft import along_x, in_place, inverse, inverse_planes
from ..quantities import ANY, takes
from ..values import brief
from .modes import Modes, checked_pair, contrast_modes, require_alike
from .power import MOST_BINS, ModeSums, checked_sides, count_rows


@brief
@dataclass(frozen=True, eq=False)
class CorrelationFunction:
    """Correlation of the density contrast, or of two, in bins of |r|; empty bins are left out.

    The first row is zero lag, alone: the variance, or the covariance of the two.

    r             mean |r| over the separations of a bin [cMpc/h], shape (bins,)
    correlation   mean over the separations, shape (bins,)
    separations   number of separations, r and -r both counted, int64, shape (bins,); one stands for as many pairs of
                  cells as there are cells
    names         of the field, or of both
    mean_density  of each field, in the units of the input
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


@takes(density=ANY, other=ANY, box_size="cMpc/h")
def correlation_function(
    density: Any,
    box_size: ArrayLike,
    *,
    other: Any = None,
    bin_width: float = 1.0,
    names: Sequence[str] | None = None,
    domain: Domain | None = None,
) -> CorrelationFunction:
    """Correlation function of the contrast density/mean - 1 on a periodic grid; cross correlation of two.

    density    this rank's planes along x, all of them without a domain: shape (planes, ny, nz), float32 or float64, in
               any units; not changed
    box_size   sides [cMpc/h], three numbers or one for all
    other      second field for the cross correlation, same shape
    bin_width  [largest side of a cell, d]: bin i holds |r|/d in [i - 1/2, i + 1/2) bin_width, and r = 0 has a bin of
               its own. Bins that reach beyond half the smallest side, where directions are missing, are left out
    names      of the fields, one or two; "density" and "other" by default
    domain     ranks that share the grid, and where the fields are; by default one rank's. The result is the
               same on all ranks
    Transforms run in the precision of their field, the one back in that of density: in single precision xi is good to
    a few 1e-7 of the variance, also where it is much smaller. Sums are double. Memory beyond the input: as for
    power.power_spectrum, and another field.
    Raises ValueError for fields that are not real, finite, three-dimensional and of positive mean, for shapes
    that differ, and for boxes and bins out of range.
    """
    fields, names, domain = checked_pair(density, other, names, domain)
    _checked_rows(_distances(domain.cells, checked_sides(box_size))[0], bin_width)
    first, *second = (
        contrast_modes(field, domain, name, complete=False) for field, name in zip(fields, names, strict=True)
    )
    return correlation_of_modes(first, box_size, bin_width, *second)


def correlation_of_modes(
    first: Modes, box_size: ArrayLike, bin_width: float = 1.0, second: Modes | None = None
) -> CorrelationFunction:
    """Correlation function of a contrast from its modes, which are overwritten, or of two: of them the first is.

    All ranks call this, and get the same. Memory beyond the modes: a field, over ranks twice.
    Raises ValueError for boxes and bins out of range, and for two of other cells or of which one alone is complete.
    """
    both = [first] if second is None else [first, second]
    require_alike(both)
    domain = first.domain
    cells, sides = domain.cells, checked_sides(box_size)
    along, largest = _distances(cells, sides)
    rows = _checked_rows(along, bin_width)
    sums = _sums(both, along, rows, bin_width).reduce(domain.ranks).over_scales(both[0].scale, both[-1].scale)
    # the last bin that ends within half the smallest side; row 0 is r = 0, row 1 is bin 0
    last = int(np.floor(min(sides) / 2 / (largest * bin_width) - 0.5 + EDGE_TOLERANCE))
    total, distance, count = (values[: last + 2, 0] for values in (sums.power, sums.k, sums.modes))
    filled = count > 0
    count = count[filled]
    correlation = total[filled] / count / prod(cells)
    r = largest * (distance[filled] / count)
    means, names = tuple(modes.mean_density for modes in both), tuple(modes.name for modes in both)
    return CorrelationFunction(r, correlation, count, names, means, cells, sides, bin_width)


def _sums(both: Sequence[Modes], along: list[np.ndarray], rows: int, bin_width: float) -> ModeSums:
    """This rank's sums in bins, of the product of modes transformed back: numbers, |r|, and separations."""
    domain, transforms = both[0].domain, [modes.transform for modes in both]
    worker = domain.card or domain.backend
    there = not both[0].complete

    def correlate(*modes: Any) -> Any:
        # not the operator, which swaps its operands where it reuses a large one: the last bits would depend on sizes
        return worker.xp.multiply(modes[0], modes[-1].conj())

    def binned(values: Any, planes: slice) -> ModeSums:
        first = domain.planes.start
        here = [along[0][first + planes.start : first + planes.stop], along[1], along[2]]
        options = here, np.ones(domain.cells[2], np.int64), bin_width, (rows, 1), 0, worker
        (sums,) = bin_numbers(add_separations, [values], [(0,)], *options, axis=0)
        return ModeSums(*sums)

    if domain.card is not None:
        through_card.along_x(transforms, correlate, there=there, back=True)
        sums = ModeSums(*(np.zeros((rows, 1), dtype) for dtype in (float, float, np.int64)))
        for planes, values in through_card.planes_of_inverse(transforms[0]):
            sums += binned(values, planes)
        return sums
    in_pieces = not in_place(domain)
    along_x(transforms, correlate, there=there, back=in_pieces)
    return binned((inverse_planes if in_pieces else inverse)(transforms[0]), slice(0, domain.shape[0]))


def _distances(cells: tuple[int, int, int], sides: tuple[float, float, float]) -> tuple[list[np.ndarray], float]:
    """Distance to the nearest image along each axis [largest side of a cell], and that side [cMpc/h]."""
    spacing = [side / number for side, number in zip(sides, cells, strict=True)]
    largest = max(spacing)
    index = [np.arange(number) for number in cells]
    return [np.minimum(i, n - i) * (step / largest) for i, n, step in zip(index, cells, spacing, strict=True)], largest


def _checked_rows(along: list[np.ndarray], bin_width: float) -> int:
    """Number of rows of the bins; ValueError for widths out of range."""
    if not (bin_width > 0 and np.isfinite(bin_width)):
        raise ValueError(f"bin_width = {bin_width}: must be positive and finite [largest side of a cell]")
    rows = count_rows(along, bin_width)
    if rows > MOST_BINS:
        raise UnfitError(f"bin_width = {bin_width}: makes {rows} bins, at most {MOST_BINS} are allowed")
    return rows
