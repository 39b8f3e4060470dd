"""A halo in a periodic box: |psi|^2 and <|psi|^2> in every cell of a slab, periodic images summed.

Cells lie on lines along z: there the sums over l are needed in one half plane through the axis alone (a table in the
distance from the axis, quintic splines), and a point costs 2 l_max + 1 complex terms instead of (l_max + 1)^2.

Averages over cells: at a radius |psi|^2 has wavenumbers up to K(r) = 2 a sqrt(2 (E_cut - V(r))). In shells, finer
towards the centre, it is evaluated at points just close enough for K; filters along the axes, whose response up to K
is sinc(k h/2), make averages over cells of width h. Densities of images, of haloes and of filaments add.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..errors import InputError
from ..haloes.wavefunction import HaloWave
from ..kernels.common import TAPS
from ..kernels.halo import halo_lines, halo_meridian
from ..parallel.backend import CPU, GPU
from ..quantities import takes
from ..values import brief
from .box import Box, backend_of_slabs, split_position
from .extruded import MeanTable
from .halo import HaloFactors, tabulate_halo
from .spline import filter_rows, radial_coefficients, radial_points

TABLE_BYTES = 128 << 20  # of a table in the half plane
LINES_BYTES = 64 << 20  # of densities at points of lines at a time
NYQUIST_SHARE = 0.6  # largest wavenumber of |psi|^2 over the Nyquist wavenumber of the points, at most
_MOST_MARGIN = 40  # points of a filter beyond the cell
_FILTER_ROWS = 48  # of a spline, over which what is left out of it has no effect


@brief
@dataclass(frozen=True, eq=False)
class HaloSource:
    """A halo as cells need it, at one time.

    factors  psi;  mean  <|psi|^2>
    radius, wavenumber  largest wavenumber in psi at radii, falling, shape (r,) [L], [1/L]
    tolerance  interpolation error of psi over its maximum
    """

    factors: HaloFactors
    mean: MeanTable
    radius: NDArray
    wavenumber: NDArray
    tolerance: float

    @property
    def reach(self) -> float:
        """Radius beyond which psi is zero [L]."""
        return self.factors.radius_max

    @property
    def nbytes(self) -> int:
        """Size of the coefficients [bytes]."""
        return self.factors.nbytes + self.mean.nbytes

    def radius_below(self, wavenumber: float) -> float:
        """Radius beyond which psi has no larger wavenumbers [L]."""
        return float(np.interp(-wavenumber, -self.wavenumber, self.radius))


@takes()
def halo_source(
    wave: HaloWave,
    time: float = 0.0,
    tolerance: float = 1e-6,
    dtype: DTypeLike = np.float64,
    backend: CPU | GPU | None = None,
) -> HaloSource:
    """Tabulate a halo for cells; arguments as in halo.tabulate_halo."""
    states = wave.states
    points = radial_points(states.radius_max, 2 * states.wavenumber_max, tolerance)
    density = wave.mean_density(np.linspace(0, states.radius_max, points + 1))
    mean = MeanTable(radial_coefficients(density, np.ones(())), states.radius_max / points, states.radius_max)
    radius = np.concatenate([[0], states.nodes])
    factors = tabulate_halo(wave, time, tolerance, dtype, backend)
    return HaloSource(factors, mean, radius, states.wavenumber_at(radius), tolerance)


@takes(centre="cMpc/h", length_unit="cMpc/h")
def fill_halo(
    fdm: Any,
    smooth: Any,
    box: Box,
    centre: tuple[float, float, float],
    source: HaloSource,
    length_unit: float,
    x_first: int = 0,
    sampling: str = "point",
    backend: CPU | GPU | None = None,
) -> None:
    """Add one halo to two density fields, in place.

    fdm, smooth   a slab of planes of the box, shape (planes, ny, nz), float32 or float64 [mean matter densities]:
                  CuPy arrays are filled on their card, NumPy arrays on the CPU
    centre        (3,) [cMpc/h], anywhere: the box is periodic
    length_unit   of the source [cMpc/h]
    x_first       index of the slab's first plane in the box
    sampling      densities at the centres of cells, or averages over cells
    backend       follows from the slab where not given
    Raises ValueError for slabs that do not fit the box, or are not where the backend computes.
    """
    backend = backend_of_slabs(fdm, smooth, box, backend)
    mean = backend.to_device(source.mean.coefficients)
    for shell in shells(box, centre, source, length_unit, sampling):
        for block, densities in _blocks(shell, source, mean, (x_first, x_first + len(fdm)), backend):
            for number, target in enumerate((fdm, smooth)):
                _add(target, densities[:, :, number], block, box.cells, x_first)


@dataclass(frozen=True)
class Axis:
    """Cells that a halo touches along one axis of a box, and the points in them.

    cells   of the box along the axis
    first, last  cells from the first to before the last, counted from cell 0 of the box on, beyond its ends too
    centre  of the halo: cell, and rounded part of a cell from that cell's centre
    width   of a cell [L]
    parts   points in a cell;  weights  of points of a cell, and of margin points on either side, in an average
    """

    cells: int
    first: int
    last: int
    centre: tuple[int, float]
    width: float
    parts: int
    weights: tuple[float, ...]

    @property
    def margin(self) -> int:
        """Points on either side of a cell that enter its average."""
        return (len(self.weights) - self.parts) // 2

    @property
    def reach(self) -> float:
        """How far from the centre of a cell points enter its average [L]."""
        return (len(self.weights) - 1) / 2 / self.parts * self.width

    def points(self, first: int, last: int) -> NDArray:
        """Coordinates of the points of some cells and the margins, from the centre of the halo [L]."""
        number = np.arange((last - first) * self.parts + 2 * self.margin) - self.margin
        cell = (first - self.centre[0]) + number // self.parts
        return ((cell - self.centre[1]) + ((number % self.parts + 0.5) / self.parts - 0.5)) * self.width

    def centres(self, first: int, last: int) -> NDArray:
        """Coordinates of the centres of some cells, from the centre of the halo [L]."""
        return ((np.arange(first, last) - self.centre[0]) - self.centre[1]) * self.width

    def averaged(self, values: Any, axis: int) -> Any:
        """Averages over cells from values at points along an axis of an array; in a fixed order, whatever the shape."""
        if len(self.weights) == 1:
            return values
        cells = (values.shape[axis] - 2 * self.margin) // self.parts
        total = None
        for number, weight in enumerate(self.weights):
            part = [slice(None)] * values.ndim
            part[axis] = slice(number, number + (cells - 1) * self.parts + 1, self.parts)
            term = values[tuple(part)] * values.dtype.type(weight)
            if total is None:
                total = term
            else:
                total += term
        return total


@dataclass(frozen=True)
class Shell:
    """Cells whose centres lie between two radii [L], and the points at which the densities in them are evaluated."""

    axes: tuple[Axis, ...]
    inner: float
    outer: float

    @property
    def reach(self) -> float:
        """How far from the centre of a cell points enter its average [L]."""
        return float(np.linalg.norm([axis.reach for axis in self.axes]))


def shells(
    box: Box, centre: tuple[float, float, float], source: HaloSource, length_unit: float, sampling: str
) -> list[Shell]:
    """The shells of a halo in a box from outside in, arguments as in fill_halo; points in cells are one shell."""
    width = box.spacing / length_unit
    if sampling == "point":
        return [_shell(box, centre, width, (0.0, source.reach), [(1, (1.0,))] * 3)]
    found: list[Shell] = []
    largest, outer = source.factors.wavenumber_max, source.reach + float(np.linalg.norm(width)) / 2
    for wavenumber in _wavenumbers(largest, float(width.max())):
        filters = [average_filter(2 * wavenumber * side, source.tolerance) for side in width.tolist()]
        shell = _shell(box, centre, width, (0.0, outer), filters)
        inner = 0.0 if wavenumber == largest else source.radius_below(wavenumber) + shell.reach
        if inner < outer:
            found.append(_shell(box, centre, width, (inner, outer), filters))
            outer = inner
    return found


def _wavenumbers(largest: float, width: float) -> Iterator[float]:
    """Wavenumbers of psi for which 1, 2, 3, 4, 6, 8, 12, ... points in a cell are enough, up to the largest."""
    parts = 1
    while (wavenumber := parts * NYQUIST_SHARE * np.pi / (2 * width)) < largest:
        yield wavenumber
        parts = parts + 1 if parts < 3 else parts * 4 // 3 if parts & (parts - 1) else parts * 3 // 2
    yield largest


def _shell(
    box: Box,
    centre: tuple[float, float, float],
    width: NDArray,
    radii: tuple[float, float],
    filters: list[tuple[int, tuple[float, ...]]],
) -> Shell:
    axes = []
    cell, part = split_position(box, centre)
    for axis, (parts, weights) in enumerate(filters):
        at, reach = cell[axis] + part[axis], radii[1] / width[axis]
        first, last = int(np.ceil(at - reach)), int(np.floor(at + reach)) + 1
        where = int(cell[axis]), float(part[axis])
        axes.append(Axis(box.cells[axis], first, last, where, float(width[axis]), parts, weights))
    return Shell(tuple(axes), *radii)


@lru_cache(maxsize=256)
def average_filter(phase: float, tolerance: float) -> tuple[int, tuple[float, ...]]:
    """Points in a cell, and weights of them and of points beyond, whose sum is an average over the cell.

    phase      largest wavenumber times the width of a cell [rad]
    tolerance  largest error of the response to a plane wave
    Fewest points are taken whose Nyquist wavenumber is that wavenumber over 0.6; the weights are a least-squares fit of
    sinc(k h/2) up to it, with as few points beyond the cell as the tolerance allows, and no weights that cancel.
    """
    parts = max(1, int(np.ceil(phase / (NYQUIST_SHARE * np.pi) * (1 - 1e-12))))
    k = np.linspace(0, phase, 10 * parts + 200)
    wanted = np.sinc(k / (2 * np.pi))
    for margin in range(_MOST_MARGIN):
        length = parts + 2 * margin
        offset = (np.arange(length) - (length - 1) / 2) / parts
        half = offset[: (length + 1) // 2]
        basis = np.cos(k[:, None] * half) * np.where(half == 0, 1, 2)
        fit = np.linalg.lstsq(basis, wanted, rcond=tolerance)[0]
        if np.max(np.abs(basis @ fit - wanted)) <= tolerance:
            return parts, (*fit.tolist(), *fit[: length // 2][::-1].tolist())
    raise InputError(f"box tolerance = {tolerance:g}: too small for averages over cells of a halo")


def _blocks(
    shell: Shell, source: HaloSource, mean: Any, planes: tuple[int, int], backend: CPU | GPU
) -> Iterator[tuple[tuple[tuple[int, int], ...], Any]]:
    """Blocks of cells in planes of a slab: (first, last) along each axis, and densities, shape (x, y, 2, z)."""
    factors, (along_x, along_y, along_z) = source.factors, shell.axes
    dtype, l_count = factors.coefficients.dtype, factors.l_max + 1
    runs = list(_runs(along_x, *planes))
    if not runs or along_y.first >= along_y.last:
        return
    step = factors.radius_max / radial_points(factors.radius_max, factors.wavenumber_max, source.tolerance)
    outer, inner = min(factors.radius_max, shell.outer + shell.reach), max(0.0, shell.inner - shell.reach)
    rows, from_inner = int(outer / step) + 1 + _FILTER_ROWS, inner - _FILTER_ROWS * step
    thickest = TABLE_BYTES // ((rows + TAPS) * l_count * 4 * dtype.itemsize)
    y_cells = along_y.first, along_y.last
    y = along_y.points(*y_cells)
    for z_cells in _pieces(along_z.first, along_z.last, (thickest - 2 * along_z.margin) // along_z.parts):
        z = along_z.points(*z_cells)
        at_z = backend.to_device(z)
        in_r, starts, steps = factors.on(backend)
        splines = in_r, starts, steps, factors.step, factors.radius_max
        table = halo_meridian(rows, step, at_z, from_inner, *splines, backend)
        filter_rows(table, (-1.0) ** np.arange(l_count)[:, None, None])
        plane = LINES_BYTES // (len(y) * len(z) * 2 * dtype.itemsize)
        most = (plane - 2 * along_x.margin) // along_x.parts
        for x_cells in (piece for run in runs for piece in _pieces(*run, most)):
            x = along_x.points(*x_cells)
            at_x, at_y = (backend.to_device(line.ravel()) for line in np.meshgrid(x, y, indexing="ij"))
            found = halo_lines(at_x, at_y, at_z, (inner, outer), table, step, mean, source.mean.step, backend)
            values = found.reshape(len(x), len(y), 2, len(z))
            for axis, number in ((along_z, 3), (along_y, 1), (along_x, 0)):
                values = axis.averaged(values, number)
            block = x_cells, y_cells, z_cells
            yield block, values * _within(shell, block, backend)[:, :, None]


def _within(shell: Shell, block: tuple[tuple[int, int], ...], backend: CPU | GPU) -> Any:
    """Which cells of a block belong to a shell, shape (x, y, z)."""
    x, y, z = (axis.centres(*cells) for axis, cells in zip(shell.axes, block, strict=True))
    square = backend.to_device(x[:, None] ** 2 + y**2)[:, :, None] + backend.to_device(z**2)
    return (square >= shell.inner**2) & (square < shell.outer**2)


def _runs(axis: Axis, first: int, last: int) -> Iterator[tuple[int, int]]:
    """Runs of cells that lie in planes first ... last - 1 of the box, all images."""
    for image in range(axis.first // axis.cells, (axis.last - 1) // axis.cells + 1):
        run = max(axis.first, first + image * axis.cells), min(axis.last, last + image * axis.cells)
        if run[0] < run[1]:
            yield run


def _pieces(first: int, last: int, most: int) -> Iterator[tuple[int, int]]:
    """Consecutive pieces of first ... last - 1, of at least one."""
    return ((begin, min(begin + max(1, most), last)) for begin in range(first, last, max(1, most)))


def _add(target: Any, values: Any, block: tuple[tuple[int, int], ...], cells: tuple[int, ...], x_first: int) -> None:
    """Add a block to a slab of a periodic box."""
    (x, _), wrapped = block[0], []
    for (first, last), count in zip(block[1:], cells[1:], strict=True):
        begins = range(first // count * count, last, count)
        runs = [(max(first, begin), min(last, begin + count), begin) for begin in begins]
        wrapped.append([(slice(a - begin, b - begin), slice(a - first, b - first)) for a, b, begin in runs])
    plane = x % cells[0] - x_first
    for (y, from_y), (z, from_z) in product(*wrapped):
        target[plane : plane + len(values), y, z] += values[:, from_y, from_z]
