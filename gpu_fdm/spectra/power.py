"""P(k) and P(k, mu) of density fields on periodic grids, whose sides may differ in cells and in size.

P(k) = V <delta_k conj(delta_k)> with delta_k = FFT(density/mean - 1) / cells, averaged over all modes of a
bin. Slabs of a distributed transform are binned where they are and their sums added. The last part of the transform,
along x, is done a few lines at a time, which are binned while they are in the cache: the modes are never written to
memory. Nothing is taken off for shot noise or the smoothing by cells.
"""

from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from math import prod

import numpy as np

from ..kernels.binning import EDGE_TOLERANCE, add_modes, bin_numbers
from ..kernels.contrast import subtract
from ..parallel.backend import CPU
from ..parallel.fft import Transform, transform_planes
from ..parallel.ranks import SERIAL, Ranks

MOST_BINS = 1_000_000


def checked_grid(cells, box_size) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Cells and sides along x, y, z; ValueError for values that make no sense.

    box_size  sides [cMpc/h], three numbers or one for all
    """
    numbers = np.asarray(cells)
    if numbers.shape != (3,) or numbers.dtype.kind not in "iu" or np.any(numbers < 1):
        raise ValueError(f"cells = {cells}: must be three positive integers")
    sides = np.asarray(box_size, dtype=float)
    if sides.shape not in ((), (3,)) or not np.all((sides > 0) & np.isfinite(sides)):
        raise ValueError(f"box_size = {box_size}: must be one or three positive numbers [cMpc/h]")
    return tuple(numbers.tolist()), tuple(np.broadcast_to(sides, 3).tolist())


def count_rows(along, width: float) -> int:
    """Rows of the bins that hold all of a grid: |k| = 0 alone, then the bins from 0 on up to the corner.

    along  three arrays, |k| along each axis;  width  of a bin, in the same unit
    """
    x, y, z = (each.max() for each in along)
    return int(np.sqrt(x * x + y * y + z * z) * (1 / width) + 0.5 + EDGE_TOLERANCE) + 2


@dataclass(frozen=True)
class Bins:
    """Bins of the modes of a grid: bin i holds |k|/k_f in [i - 1/2, i + 1/2) width; k_f = 2 pi/largest side.

    All modes count, up to the corner of k space; k = 0 has a bin of its own whatever the width.

    cells     of the grid along x, y, z
    box_size  sides [cMpc/h], three numbers or one for all
    width     of a bin [k_f]
    mu_bins   equal bins of mu = |k_axis|/|k| in [0, 1], the last closed; None for P(k)
    mu_axis   axis from which mu is counted: 0, 1 or 2
    Raises ValueError for values that make no sense.
    """

    cells: tuple[int, int, int]
    box_size: tuple[float, float, float]
    width: float = 1.0
    mu_bins: int | None = None
    mu_axis: int = 2

    def __post_init__(self):
        cells, sides = checked_grid(self.cells, self.box_size)
        object.__setattr__(self, "cells", cells)
        object.__setattr__(self, "box_size", sides)
        if not (self.width > 0 and np.isfinite(self.width)):
            raise ValueError(f"bin_width = {self.width}: must be positive and finite [2 pi / largest side]")
        if self.mu_bins is not None and (int(self.mu_bins) != self.mu_bins or self.mu_bins < 1):
            raise ValueError(f"mu_bins = {self.mu_bins}: must be a positive integer, or None for P(k)")
        if self.mu_axis not in (0, 1, 2):
            raise ValueError(f"mu_axis = {self.mu_axis}: must be 0, 1 or 2")
        if prod(self.sums_shape) > MOST_BINS:
            raise ValueError(
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

    def over_means(self, means) -> "ModeSums":
        """Of contrasts, from those of density - mean: the product of the means of both fields divided out."""
        return ModeSums(self.power / (means[0] * means[-1]), self.k, self.modes)

    def reduce(self, ranks: Ranks) -> "ModeSums":
        """Added up over ranks, the same on all."""
        return ModeSums(ranks.allreduce(self.power), ranks.allreduce(self.k), ranks.allreduce(self.modes))


@dataclass(frozen=True, eq=False)
class PowerSpectrum:
    """Power of the density contrast, or cross power of two, in bins of |k|; empty bins are left out.

    The first row is the k = 0 mode, alone, with power 0: `modes` sums to the number of cells.

    k             mean |k| over the modes of a bin [h/Mpc], shape (bins,)
    power         mean over the modes [(cMpc/h)^3], shape (bins,), or (bins, mu bins) and NaN where no mode is
    modes         number of modes, k and -k both counted, int64, shape of power
    names         of the one field or the two
    mean_density  of each, in the units of the input
    bins          grid, box and widths
    """

    k: np.ndarray
    power: np.ndarray
    modes: np.ndarray
    names: tuple[str, ...]
    mean_density: tuple[float, ...]
    bins: Bins

    @classmethod
    def from_sums(cls, sums: ModeSums, bins: Bins, mean_density, names=("density",)) -> "PowerSpectrum":
        """The spectrum from the sums over all modes of a grid.

        mean_density  of each field;  names  of each
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

        A real field has modes/2 independent modes, each with a scatter of 100 %. (A mode that is its own
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
        return replace(self, power=power, modes=modes, bins=replace(self.bins, mu_bins=None))

    def ratio(self, other: "PowerSpectrum") -> tuple[np.ndarray, np.ndarray]:
        """k [h/Mpc] and self.power / other.power without the k = 0 mode; NaN where other.power is zero.

        Raises ValueError if the bins differ.
        """
        same = self.modes.shape == other.modes.shape and np.array_equal(self.modes, other.modes)
        if not (same and np.allclose(self.k, other.k, rtol=1e-9, atol=0)):
            raise ValueError(f"ratio of two spectra with different bins: {self.bins} and {other.bins}")
        power, reference = self.power[1:], other.power[1:]
        return self.k[1:], np.divide(power, reference, out=np.full_like(power, np.nan), where=reference != 0)


def power_spectrum(
    density,
    box_size,
    *,
    other=None,
    bin_width=1.0,
    mu_bins=None,
    mu_axis=2,
    names=None,
    backend=None,
    cells=None,
    ranks: Ranks = SERIAL,
) -> PowerSpectrum:
    """Power spectrum of the contrast density/mean - 1 on a periodic grid; cross spectrum (real part) of two.

    density    shape (nx, ny, nz), float32 or float64, in any units; not changed. Over ranks: this rank's planes along
               x, as ranks.slab gives them
    box_size   sides [cMpc/h], three numbers or one for all
    other      second field for the cross spectrum, same shape
    bin_width  [2 pi / largest side], see Bins
    mu_bins    number of bins of mu = |k_axis|/|k| for P(k, mu); None for P(k)
    mu_axis    axis from which mu is counted: 0, 1 or 2
    names      of the fields, one or two; "density" and "other" by default
    backend    where the fields are; the result does not depend on the number of threads
    cells      (nx, ny, nz) of the whole grid; must be given over ranks
    ranks      who hold the slabs; the same result on all
    Transforms run in the precision of the input, sums in double. Memory beyond the input: a transform of each field,
    twice over ranks.
    Raises ValueError for fields that are not real, finite, three-dimensional and of positive mean, for shapes
    that differ, and for boxes and bins that make no sense.
    """
    fields, names = checked_fields(density, other, names)
    bins = Bins(fields[0].shape if cells is None else cells, box_size, bin_width, mu_bins, mu_axis)
    return _spectra(fields, names, [(0, len(fields) - 1)], bins, backend, ranks)[0]


def power_spectra(
    fields, box_size, *, bin_width=1.0, mu_bins=None, mu_axis=2, backend=None, cells=None, ranks: Ranks = SERIAL
) -> list[PowerSpectrum]:
    """Power spectra of several densities and cross spectra of each two of them, every density transformed once.

    fields  densities by name, of the same shape
    The rest as in power_spectrum. Memory beyond the input: a transform of each field, one more over ranks.
    """
    names, values = tuple(fields), [_checked(field, name) for name, field in fields.items()]
    bins = Bins(values[0].shape if cells is None else cells, box_size, bin_width, mu_bins, mu_axis)
    pairs = list(combinations_with_replacement(range(len(names)), 2))
    return _spectra(values, names, pairs, bins, backend, ranks)


def _spectra(fields, names, pairs, bins: Bins, backend, ranks: Ranks) -> list[PowerSpectrum]:
    """The spectra of pairs of fields, by their numbers, twice the same for the power of one."""
    backend = CPU() if backend is None else backend
    transforms, means = contrast_transforms(fields, names, bins.cells, backend, ranks)
    slabs, first = [each.values for each in transforms], transforms[0].y_first
    sums = _bin_slabs(slabs, pairs, first, bins, 1, backend, lambda lines: backend.fft.fft(lines, axis=0))
    spectra = []
    for each, pair in zip(sums, pairs, strict=True):
        these = sorted(set(pair))
        mean, name = ([values[i] for i in these] for values in (means, names))
        spectra.append(PowerSpectrum.from_sums(each.reduce(ranks).over_means(mean), bins, mean, name))
    return spectra


def bin_modes(spectrum, other, first_index: int, bins: Bins, *, axis: int = 0, backend=None) -> ModeSums:
    """Sums over the modes of a slab of an unnormalised rfftn output, on all threads or on the card.

    spectrum     of a contrast, complex, shape bins.transform_shape, of which along `axis` it may be a part
    other        same slab of a second contrast for the cross spectrum, or None
    first_index  where the slab begins along `axis` of the whole output
    axis         0, 1 or 2 (along z the half that the real transform keeps is cut)
    backend      where the slab is. The sums do not depend on the number of threads; on a card, where the order of
                 additions varies, they do by round-off. The numbers of modes are always the same
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
    return _bin_slabs(slabs, [(0, len(slabs) - 1)], first_index, bins, axis, backend)[0]


def _bin_slabs(slabs, pairs, first_index, bins: Bins, axis, backend, finish=None) -> list[ModeSums]:
    """Sums over the modes of pairs of slabs, by their numbers; the rest as in bin_modes and in bin_numbers."""
    along = [bins.wavenumbers(each) for each in range(3)]
    cut = slice(first_index, first_index + slabs[0].shape[axis])
    along[axis] = along[axis][cut]
    weights = bins.weights()[cut] if axis == 2 else bins.weights()
    options = along, weights, bins.width, bins.sums_shape, bins.mu_axis, backend
    # of slabs that are cut along z, all lines along y are here
    sums = bin_numbers(add_modes, slabs, pairs, *options, axis=min(axis, 1), finish=finish)
    return [ModeSums(*each) for each in sums]


def checked_fields(density, other, names) -> tuple[list, tuple[str, ...]]:
    """The one field or the two as arrays, and their names; ValueError as in power_spectrum."""
    fields = [_checked(density, "density")]
    if other is not None:
        fields.append(_checked(other, "other"))
    names = ("density", "other")[: len(fields)] if names is None else tuple(names)
    if len(names) != len(fields):
        raise ValueError(f"names = {names}: must be {len(fields)}, one a field")
    return fields, names


def contrast_transforms(fields, names, cells, backend, ranks: Ranks) -> tuple[list[Transform], list[float]]:
    """Transforms of density - mean over y and z alone, and the means; ValueError as in power_spectrum.

    Memory is what limits a spectrum: each field is read once. What is taken off is near the mean, from a few planes, so
    that in single precision no round-off of a mean spreads over all modes; the exact mean comes from sums taken on the
    way, and changes the mode k = 0 alone, which is taken out. Divided by the mean these are transforms of the contrast.
    """
    first, last = ranks.slab(cells[0])
    shape = (last - first, *cells[1:])
    for field, name in zip(fields, names, strict=True):
        if field.shape != shape:
            raise ValueError(f"{name} has shape {field.shape}: must be {shape} on this rank")
    transforms, means = [], []
    for field, name in zip(fields, names, strict=True):
        sums = _PlaneSums(field, backend)
        near = sums.mean(ranks, slice(-first % _SPARSE, None, _SPARSE), field)
        transformed = transform_planes(field, cells, ranks, backend, prepare=sums.less(near))
        means.append(_checked_mean(sums, name, prod(cells), ranks))
        if transformed.y_first == 0 and transformed.values.shape[1] > 0:
            transformed.values[:, 0, 0] -= transformed.values[:, 0, 0].mean()
        transforms.append(transformed)
    return transforms, means


_LEAST_MEAN = 0.1  # over the mean absolute value, which is one for densities; below it a field has no mean
_SPARSE = 16  # every so many planes give a value near the mean


class _PlaneSums:
    """Sums in double precision of the planes of a slab, and of the absolute values in them."""

    def __init__(self, field, backend):
        self.backend = backend
        self.sums, self.sizes = backend.xp.zeros((2, len(field)))

    def mean(self, ranks, chosen, field):
        """Mean of some planes, the same on all ranks; zero where it is not finite."""
        with np.errstate(invalid="ignore", over="ignore"):
            means = self.backend.to_host(field[chosen].mean(axis=(1, 2)))
            mean = np.concatenate(ranks.allgather(means)).mean()
        return field.dtype.type(mean if np.isfinite(mean) else 0)

    def less(self, value):
        """A function for fourier.transform: planes - value in their precision; it takes their sums on the way."""

        def of(planes, begin):
            part = slice(begin, begin + len(planes))
            return subtract(planes, value, self.sums[part], self.sizes[part], self.backend)

        return of


def _checked(field, name):
    """The field as an array; ValueError unless it is a real grid."""
    if not hasattr(field, "dtype"):
        field = np.asarray(field)
    if field.ndim != 3 or field.size == 0:
        raise ValueError(f"{name} has shape {field.shape}: must have three dimensions, none empty")
    if field.dtype.kind != "f" or field.dtype.itemsize not in (4, 8):
        raise ValueError(f"{name} is {field.dtype}: must be float32 or float64")
    return field


def _checked_mean(plane_sums, name, cells, ranks):
    """Mean over all ranks in double precision; ValueError unless finite and positive."""
    # plane by plane in their order: the same sum on any number of ranks
    host = plane_sums.backend.to_host
    everywhere = ranks.allgather((host(plane_sums.sums), host(plane_sums.sizes)))
    total, size = (float(np.concatenate(parts).sum()) for parts in zip(*everywhere, strict=True))
    if not np.isfinite(total):
        raise ValueError(f"{name} holds NaN or infinity")
    # impossible for densities >= 0: what is left of a field that averages to zero is round-off
    if total == 0 or abs(total) < _LEAST_MEAN * size:
        raise ValueError(f"{name} has zero mean, so no contrast: give the density, not density/mean - 1")
    mean = total / cells
    if mean < 0:
        raise ValueError(f"{name} has mean {mean}: must be positive")
    return mean
