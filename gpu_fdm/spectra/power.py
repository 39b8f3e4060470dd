"""P(k) and P(k, mu) of density fields on periodic grids, whose sides may differ in cells and in size.

P(k) = V <delta_k conj(delta_k)> with delta_k = FFT(density/mean - 1) / cells, averaged over all modes of a
bin. Every rank bins its modes, and their sums are added. For a single statistic the last part of the transform, along
x, is done a few lines at a time, which are binned while they are in the cache: the modes are never written to memory.
Modes on the host, of a slab larger than its card, are binned there in pieces.
Nothing is subtracted for shot noise or the smoothing by cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite, prod
from typing import Any

import numpy as np
from attrs import evolve, field, frozen
from numpy.typing import ArrayLike

from ..errors import UnfitError
from ..kernels.binning import EDGE_TOLERANCE, add_modes, bin_numbers
from ..parallel.backend import CPU, GPU
from ..parallel.domain import Domain, checked_cells
from ..parallel.ranks import Ranks
from ..parallel.through_card import lines_along_x
from ..quantities import ANY, takes
from ..values import brief
from .modes import Modes, checked_pair, contrast_modes, require_alike

MOST_BINS = 1_000_000


def checked_sides(box_size: Any) -> tuple[float, float, float]:
    """Sides along x, y, z [cMpc/h] from three numbers or one; ValueError unless they are positive."""
    sides = np.asarray(box_size, dtype=float)
    if sides.shape not in ((), (3,)) or not np.all((sides > 0) & np.isfinite(sides)):
        raise ValueError(f"box_size = {box_size}: must be one or three positive numbers [cMpc/h]")
    return tuple(np.broadcast_to(sides, 3).tolist())


def count_rows(along: Sequence[np.ndarray], width: float) -> int:
    """Rows of the bins that hold all of a grid: |k| = 0 alone, then the bins from 0 on up to the corner.

    along  three arrays, |k| along each axis;  width  of a bin, in the same unit
    """
    x, y, z = (values.max() for values in along)
    return int(np.sqrt(x * x + y * y + z * z) * (1 / width) + 0.5 + EDGE_TOLERANCE) + 2


@frozen
class Bins:
    """Bins of the modes of a grid: bin i holds |k|/k_f in [i - 1/2, i + 1/2) width; k_f = 2 pi/largest side.

    All modes count, up to the corner of k space; k = 0 has a bin of its own whatever the width.

    cells     of the grid along x, y, z
    box_size  sides [cMpc/h], three numbers or one for all
    width     of a bin [k_f]
    mu_bins   equal bins of mu = |k_axis|/|k| in [0, 1], the last closed; None for P(k)
    mu_axis   axis from which mu is counted: 0, 1 or 2
    Raises ValueError for values out of range and for more than MOST_BINS bins.
    """

    cells: tuple[int, int, int] = field(converter=checked_cells)
    box_size: tuple[float, float, float] = field(converter=checked_sides)
    width: float = 1.0
    mu_bins: int | None = None
    mu_axis: int = 2

    def __attrs_post_init__(self) -> None:
        if not (self.width > 0 and isfinite(self.width)):
            raise ValueError(f"bin_width = {self.width}: must be positive and finite [2 pi / largest side]")
        if self.mu_bins is not None and (int(self.mu_bins) != self.mu_bins or self.mu_bins < 1):
            raise ValueError(f"mu_bins = {self.mu_bins}: must be a positive integer, or None for P(k)")
        if self.mu_axis not in (0, 1, 2):
            raise ValueError(f"mu_axis = {self.mu_axis}: must be 0, 1 or 2")
        if prod(self.sums_shape) > MOST_BINS:
            raise UnfitError(
                f"bin_width = {self.width}, mu_bins = {self.mu_bins}: make {prod(self.sums_shape)} bins, "
                f"at most {MOST_BINS} are allowed"
            )

    @property
    def fundamental(self) -> float:
        """k_f = 2 pi / largest side [h/Mpc]."""
        return 2 * np.pi / max(self.box_size)

    @property
    def nyquist(self) -> float:
        """Smallest of the three pi cells / side [h/Mpc]."""
        return float(np.pi * min(n / side for n, side in zip(self.cells, self.box_size, strict=True)))

    @property
    def mu_edges(self) -> np.ndarray | None:
        """Edges of the mu bins, shape (mu_bins + 1,), or None."""
        return None if self.mu_bins is None else np.linspace(0, 1, self.mu_bins + 1)

    @property
    def transform_shape(self) -> tuple[int, int, int]:
        """Shape of the rfftn output."""
        return (*self.cells[:2], self.cells[2] // 2 + 1)

    @property
    def sums_shape(self) -> tuple[int, int]:
        """Rows (k = 0 alone, then the bins from 0 on) and mu bins of ModeSums."""
        return count_rows([self.wavenumbers(axis) for axis in range(3)], self.width), self.mu_bins or 1

    def wavenumbers(self, axis: int) -> np.ndarray:
        """|k| along an axis of the rfftn output [k_f], shape (transform_shape[axis],)."""
        index = np.arange(self.transform_shape[axis])
        return np.minimum(index, self.cells[axis] - index) * (max(self.box_size) / self.box_size[axis])

    def weights(self) -> np.ndarray:
        """Modes that an index along z stands for, int64, shape (transform_shape[2],).

        A mode and its conjugate, left out by the real transform, are two; the planes kz = 0 and, for even nz,
        Nyquist hold both already.
        """
        index = np.arange(self.transform_shape[2])
        return np.where((index == 0) | (2 * index == self.cells[2]), 1, 2)


@dataclass(frozen=True, eq=False)
class ModeSums:
    """Sums over the modes of bins, additive over slabs; arrays of shape Bins.sums_shape.

    power  sum of Re(delta_k conj(delta_k)) of the unnormalised transforms
    k      sum of |k| [k_f];  modes  number of modes, int64
    """

    power: np.ndarray
    k: np.ndarray
    modes: np.ndarray

    def __add__(self, other: "ModeSums") -> "ModeSums":
        return ModeSums(self.power + other.power, self.k + other.k, self.modes + other.modes)

    def over_scales(self, first: float, second: float) -> "ModeSums":
        """Sums of contrasts from those of contrasts times a scale, see modes.Modes."""
        return ModeSums(self.power / (first * second), self.k, self.modes)

    def reduce(self, ranks: Ranks) -> "ModeSums":
        """The sums over all ranks, the same on all."""
        return ModeSums(ranks.allreduce(self.power), ranks.allreduce(self.k), ranks.allreduce(self.modes))


@brief
@dataclass(frozen=True, eq=False)
class PowerSpectrum:
    """Power of the density contrast, or cross power of two, in bins of |k|; empty bins are left out.

    The first row is the k = 0 mode, alone, with power 0: `modes` sums to the number of cells.

    k             mean |k| over the modes of a bin [h/Mpc], shape (bins,)
    power         mean over the modes [(cMpc/h)^3], shape (bins,), or (bins, mu bins) and NaN where no mode is
    modes         number of modes, k and -k both counted, int64, shape of power
    names         of the field, or of both
    mean_density  of each field, in the units of the input
    bins          grid, box and widths
    """

    k: np.ndarray
    power: np.ndarray
    modes: np.ndarray
    names: tuple[str, ...]
    mean_density: tuple[float, ...]
    bins: Bins

    @classmethod
    def from_sums(
        cls, sums: ModeSums, bins: Bins, mean_density: Sequence[float], names: Sequence[str] = ("density",)
    ) -> "PowerSpectrum":
        """The spectrum from the sums over all modes of a grid.

        mean_density, names  of each field
        Raises ValueError if modes are missing or were counted twice.
        """
        counted, expected = int(sums.modes.sum()), prod(bins.cells)
        if counted != expected:
            raise ValueError(f"sums over {counted} modes of {expected}: slabs missing or counted twice")
        total = sums.modes.sum(axis=1)
        filled = total > 0
        modes = sums.modes[filled]
        power = np.full(modes.shape, np.nan)
        np.divide(sums.power[filled], modes, out=power, where=modes > 0)
        power *= prod(bins.box_size) / expected**2
        # what the rounded mean left at k = 0 is not power; its mu is 0 by convention
        power[0, 0] = 0
        if bins.mu_bins is None:
            power, modes = power[:, 0], modes[:, 0]
        k = bins.fundamental * (sums.k.sum(axis=1)[filled] / total[filled])
        return cls(k, power, modes, tuple(names), tuple(mean_density), bins)

    @property
    def box_size(self) -> tuple[float, float, float]:
        """Sides [cMpc/h]."""
        return self.bins.box_size

    @property
    def cells(self) -> tuple[int, int, int]:
        """Cells along x, y, z."""
        return self.bins.cells

    @property
    def nyquist(self) -> float:
        """Smallest of the three pi cells / side [h/Mpc]; bins beyond it miss some directions."""
        return self.bins.nyquist

    @property
    def error(self) -> np.ndarray:
        """sqrt(2 / modes) power, the standard deviation for a Gaussian field [(cMpc/h)^3], shape of power.

        A real field has modes/2 independent modes, which scatter by 100 %. (A mode that is its own
        conjugate is real and scatters by sqrt(2): the formula holds for it too.) Fields that are not
        Gaussian, such as filaments, can scatter more.
        Raises ValueError for a cross spectrum, whose error needs the spectra of both fields.
        """
        if len(self.names) > 1:
            raise ValueError("error of a cross spectrum: take sqrt((P_12^2 + P_1 P_2) / modes)")
        return np.sqrt(2 / np.maximum(self.modes, 1)) * self.power

    def isotropic(self) -> "PowerSpectrum":
        """P(k) of a P(k, mu): the mean over all modes of a bin of |k|."""
        modes = self.modes.sum(axis=1)
        power = np.nansum(self.power * self.modes, axis=1) / modes
        return replace(self, power=power, modes=modes, bins=evolve(self.bins, mu_bins=None))

    def ratio(self, other: "PowerSpectrum") -> tuple[np.ndarray, np.ndarray]:
        """k [h/Mpc] and self.power / other.power without the k = 0 mode; NaN where other.power is zero.

        Raises ValueError if the bins differ.
        """
        same = self.modes.shape == other.modes.shape and np.array_equal(self.modes, other.modes)
        if not (same and np.allclose(self.k, other.k, rtol=1e-9, atol=0)):
            raise ValueError(f"ratio of two spectra with different bins: {self.bins} and {other.bins}")
        power, reference = self.power[1:], other.power[1:]
        return self.k[1:], np.divide(power, reference, out=np.full_like(power, np.nan), where=reference != 0)


@takes(density=ANY, other=ANY, box_size="cMpc/h")
def power_spectrum(
    density: Any,
    box_size: ArrayLike,
    *,
    other: Any = None,
    bin_width: float = 1.0,
    mu_bins: int | None = None,
    mu_axis: int = 2,
    names: Sequence[str] | None = None,
    domain: Domain | None = None,
) -> PowerSpectrum:
    """Power spectrum of the contrast density/mean - 1 on a periodic grid; cross spectrum (real part) of two.

    density    this rank's planes along x, all of them without a domain: shape (planes, ny, nz), float32 or float64, in
               any units; not changed
    box_size   sides [cMpc/h], three numbers or one for all
    other      second field for the cross spectrum, same shape
    bin_width  [2 pi / largest side], see Bins
    mu_bins    number of bins of mu = |k_axis|/|k| for P(k, mu); None for P(k)
    mu_axis    axis from which mu is counted: 0, 1 or 2
    names      of the fields, one or two; "density" and "other" by default
    domain     ranks that share the grid, and where the fields are; by default one rank's. The result is the
               same on all ranks, and does not depend on the number of threads
    Transforms run in the precision of the input, sums in double. Memory beyond the input: a transform of each field,
    one more over ranks. For more than one statistic of a density: modes.contrast_modes and power_of_modes.
    Raises ValueError for fields that are not real, finite, three-dimensional and of positive mean, for shapes
    that differ, and for boxes and bins out of range.
    """
    fields, names, domain = checked_pair(density, other, names, domain)
    bins = Bins(domain.cells, box_size, bin_width, mu_bins, mu_axis)
    first, *second = (
        contrast_modes(values, domain, name, complete=False) for values, name in zip(fields, names, strict=True)
    )
    return power_of_modes(first, bins, *second)


def power_of_modes(first: Modes, bins: Bins, second: Modes | None = None) -> PowerSpectrum:
    """Power spectrum of a contrast from its modes, or cross spectrum of two; all ranks call this, and get the same.

    Raises ValueError for modes of other cells than the bins', and for two of which one alone is complete.
    """
    both = [first] if second is None else [first, second]
    return powers_of_modes(both, [(tuple(range(len(both))), bins)])[0]


def powers_of_modes(modes: Sequence[Modes], asked: Sequence[tuple[tuple[int, ...], Bins]]) -> list[PowerSpectrum]:
    """Power spectra of contrasts from their modes: those of a slab that goes through a card go there once for all.

    modes  of contrasts on one grid;  asked  for each spectrum the number of its contrast, or of two, and the bins
    The rest as for power_of_modes.
    """
    require_alike(modes)
    domain = modes[0].domain
    for _, bins in asked:
        if domain.cells != bins.cells:
            raise ValueError(f"modes of {domain.cells} cells: must have the {bins.cells} of the bins")
    if domain.card is not None:
        found = _bin_through_card(modes, asked, domain.card)
    else:
        finish = None if modes[0].complete else (lambda lines: domain.backend.fft.fft(lines, axis=0))
        slabs = [item.transform.values for item in modes]
        found = [
            _bin_slabs([slabs[n] for n in numbers], domain.lines.start, bins, 1, domain.backend, finish)
            for numbers, bins in asked
        ]
    spectra = []
    for sums, (numbers, bins) in zip(found, asked, strict=True):
        of = [modes[n] for n in numbers]
        total = sums.reduce(domain.ranks).over_scales(of[0].scale, of[-1].scale)
        spectra.append(PowerSpectrum.from_sums(total, bins, [m.mean_density for m in of], [m.name for m in of]))
    return spectra


def _bin_through_card(
    modes: Sequence[Modes], asked: Sequence[tuple[tuple[int, ...], Bins]], card: GPU
) -> list[ModeSums]:
    """Sums over modes on the host that are binned, and transformed along x, on the card: pieces in their order."""
    first = modes[0].domain.lines.start
    sums = [ModeSums(*(np.zeros(bins.sums_shape, dtype) for dtype in (float, float, np.int64))) for _, bins in asked]
    for lines, parts in lines_along_x([item.transform for item in modes], not modes[0].complete):
        for n, (numbers, bins) in enumerate(asked):
            sums[n] += _bin_slabs([parts[number] for number in numbers], first + lines.start, bins, 1, card)
    return sums


def bin_modes(
    spectrum: Any, other: Any, first_index: int, bins: Bins, *, axis: int = 0, backend: CPU | GPU | None = None
) -> ModeSums:
    """Sums over the modes of a slab of an unnormalised rfftn output, on all threads or on the card.

    spectrum     of a contrast, complex, shape bins.transform_shape, of which along `axis` it may be a part
    other        same slab of a second contrast for the cross spectrum, or None
    first_index  index along `axis` of the whole output at which the slab begins
    axis         0, 1 or 2 (along z the half that the real transform computes is cut)
    backend      where the slab is. The sums do not depend on the number of threads, and have the same bits in every
                 run; those of a card and of a CPU differ by round-off, their numbers of modes do not
    Returns NumPy arrays.
    Raises ValueError for slabs that do not fit.
    """
    backend = CPU() if backend is None else backend
    if axis not in (0, 1, 2):
        raise ValueError(f"axis = {axis}: must be 0, 1 or 2")
    expected = list(bins.transform_shape)
    expected[axis] = min(spectrum.shape[axis], expected[axis] - first_index)
    if spectrum.shape != tuple(expected) or first_index < 0:
        raise ValueError(
            f"slab of shape {spectrum.shape} from index {first_index} on along axis {axis}: "
            f"no part of a transform of shape {bins.transform_shape}"
        )
    if other is not None and other.shape != spectrum.shape:
        raise ValueError(f"other has shape {other.shape}: must be that of spectrum, {spectrum.shape}")
    slabs = [spectrum] if other is None else [spectrum, other]
    return _bin_slabs(slabs, first_index, bins, axis, backend)


def _bin_slabs(
    slabs: list[Any], first_index: int, bins: Bins, axis: int, backend: CPU | GPU, finish: Any = None
) -> ModeSums:
    """Sums over the modes of a slab, or of two; the rest as in bin_modes and in bin_numbers."""
    along = [bins.wavenumbers(direction) for direction in range(3)]
    cut = slice(first_index, first_index + slabs[0].shape[axis])
    along[axis] = along[axis][cut]
    weights = bins.weights()[cut] if axis == 2 else bins.weights()
    options = along, weights, bins.width, bins.sums_shape, bins.mu_axis, backend
    # of slabs that are cut along z, all lines along y are here
    (sums,) = bin_numbers(add_modes, slabs, [(0, len(slabs) - 1)], *options, axis=min(axis, 1), finish=finish)
    return ModeSums(*sums)
