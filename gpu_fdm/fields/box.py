"""A periodic box of cells, and where a filament lies in it.

Lengths here are comoving, in cMpc/h. Cell (i, j, k) has its centre at ((i, j, k) + 1/2) times the cell widths.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike

from ..errors import UnfitError
from ..filament.model import END_SHARPNESS, SOFT_END_REACH
from ..parallel.backend import CPU, GPU, backend_of
from ..parallel.domain import checked_cells
from ..quantities import takes
from ..vectors import PARALLEL, unit_vectors

MOST_IMAGES = 20_000  # of one filament; more mean a box far smaller than the filament
_SUBCELL = 2.0**30  # centres are rounded to this part of a cell, so that whole-cell moves are exact


def _sides(size: ArrayLike) -> tuple[float, ...]:
    try:
        sides = np.asarray(size, float)
    except (TypeError, ValueError):
        sides = np.empty(0)
    if sides.shape != (3,) or not np.all((sides > 0) & np.isfinite(sides)):
        raise ValueError(f"size = {size!r}: must be three positive numbers [cMpc/h]")
    return tuple(sides.tolist())


@takes(size="cMpc/h")
@frozen
class Box:
    """A periodic box.

    size   (3,) [cMpc/h];  cells  (3,)
    Raises ValueError for sizes and cells that are not three positive numbers.
    """

    size: tuple[float, float, float] = field(converter=_sides)
    cells: tuple[int, int, int] = field(converter=checked_cells)

    @property
    def spacing(self) -> np.ndarray:
        """Cell widths, shape (3,) [cMpc/h]."""
        return np.array(self.size) / np.array(self.cells)

    @property
    def nyquist(self) -> float:
        """Smallest Nyquist wavenumber of the three axes [h/cMpc]."""
        return float(np.min(np.pi / self.spacing))

    @property
    def volume(self) -> float:
        """Volume [(cMpc/h)^3]."""
        return float(np.prod(self.size))

    @takes(wavenumber="h/cMpc")
    def cells_resolving(self, wavenumber: float) -> tuple[int, int, int]:
        """Cells whose Nyquist wavenumbers reach `wavenumber` [h/cMpc], rounded up to sizes that FFTs like."""
        from scipy.fft import next_fast_len

        return tuple(next_fast_len(int(np.ceil(wavenumber * side / np.pi)), real=True) for side in self.size)


@takes(centre="cMpc/h", length="cMpc/h", sharpness="h/cMpc")
@dataclass(frozen=True)
class Placement:
    """A finite filament: its centre, its axis and the direction of phi = 0.

    centre       (3,) [cMpc/h];  direction, orientation  (3,), need not be normalised or perpendicular
    length       between the points where the soft ends are one half [cMpc/h]
    sharpness    of the soft ends, density times [erf(sharpness (length/2 - |z|)) + 1]/2 [h/cMpc];
                 10/length where not given
    """

    centre: tuple[float, float, float]
    direction: tuple[float, float, float]
    orientation: tuple[float, float, float]
    length: float
    sharpness: float | None = None

    @property
    def end_sharpness(self) -> float:
        """Sharpness of the ends [h/cMpc]."""
        return END_SHARPNESS / self.length if self.sharpness is None else self.sharpness

    @property
    def axial_reach(self) -> float:
        """Distance from the centre along the axis beyond which the density is zero [cMpc/h]."""
        return self.length / 2 + SOFT_END_REACH / self.end_sharpness

    @cached_property
    def basis(self) -> np.ndarray:
        """Unit vectors of phi = 0, of phi = pi/2 and of the axis, rows of shape (3, 3)."""
        axis, across = unit_vectors(self.direction), unit_vectors(self.orientation)
        across = across - (across @ axis) * axis
        if np.linalg.norm(across) < PARALLEL:
            raise UnfitError(f"orientation {self.orientation}: must not be parallel to direction {self.direction}")
        (x, y, z), (u, v, w) = axis, across = axis, unit_vectors(across)
        # numpy.cross takes longer than all else here
        return np.array([across, (y * w - z * v, z * u - x * w, x * v - y * u), axis])


def backend_of_slabs(fdm: Any, smooth: Any, box: Box, backend: CPU | GPU | None = None) -> CPU | GPU:
    """The backend that fills two slabs of a box, shape (planes, ny, nz); it follows from them where not given.

    Raises ValueError for slabs that do not fit the box, or are not where the backend computes.
    """
    backend = backend_of(fdm, smooth, backend=backend)
    if not all(isinstance(slab, backend.xp.ndarray) for slab in (fdm, smooth)):
        raise ValueError(
            f"slabs of {type(fdm).__module__} and {type(smooth).__module__}: both must be CuPy arrays here"
        )
    if fdm.shape != smooth.shape or fdm.shape[1:] != tuple(box.cells[1:]):
        raise ValueError(f"slabs {fdm.shape}, {smooth.shape}: must be (planes, {box.cells[1]}, {box.cells[2]})")
    return backend


def images_touching(box: Box, placement: Placement, reach: float) -> float:
    """Approximate number of periodic images of a filament that touch the box; arguments as in images."""
    return float(np.prod(2 * _extent(placement, reach) / np.array(box.size) + 1))


def _extent(placement: Placement, reach: float) -> np.ndarray:
    """Half widths along x, y and z of the cylinder that holds a filament, shape (3,) [cMpc/h]."""
    along = np.abs(placement.basis[2])
    return along * placement.axial_reach + reach * np.sqrt(np.maximum(0, 1 - along**2))


def averaged_ends(placement: Placement, box: Box) -> Placement:
    """The placement with soft ends averaged over cells: their Gaussian widened by the cell's variance on the axis."""
    variance = np.sum((placement.basis[2] * box.spacing) ** 2) / 12
    return replace(placement, sharpness=float((placement.end_sharpness**-2 + 2 * variance) ** -0.5))


def images(box: Box, placement: Placement, reach: float, planes: tuple[int, int] | None = None) -> np.ndarray:
    """The periodic images of a filament that touch the box, or some of its planes.

    reach   radius of the filament [cMpc/h];  planes  (first, last) along x, last excluded
    Returns shape (images, 15), see kernels.fill.fill_extruded.
    """
    cells = np.array(box.cells)
    first, last = planes or (0, box.cells[0])
    basis = placement.basis
    extent_cells = _extent(placement, reach) / box.spacing + 1
    cell, part = split_position(box, placement.centre)
    low = np.array([first, 0, 0])
    high = np.array([last, *box.cells[1:]]) - 1
    shifts = [
        range(int(np.ceil((l - e - c) / n)), int(np.floor((h + e - c) / n)) + 1)
        for l, h, e, c, n in zip(low, high, extent_cells, cell + part, cells, strict=True)
    ]
    return np.array(
        [np.concatenate([cell + np.array(shift) * cells, -part, basis.ravel()]) for shift in product(*shifts)]
    ).reshape(-1, 15)


def split_position(box: Box, centre: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """A position [cMpc/h] in cells from the first cell's centre: a cell and a rounded part of one, each shape (3,)."""
    position = np.array(centre) / box.spacing - 0.5
    cell = np.floor(position)
    return cell, np.round((position - cell) * _SUBCELL) / _SUBCELL


_NEIGHBOURS = np.array([shift for shift in product(range(-2, 3), repeat=3) if any(shift)])


def image_distance(box: Box, placement: Placement) -> float:
    """Smallest distance between the axis of a filament and those of its images beside it [cMpc/h]."""
    axis = placement.basis[2]
    offset = _NEIGHBOURS * box.size
    along = offset @ axis
    beside = np.abs(along) < placement.length
    return float(np.min(np.linalg.norm((offset - along[:, None] * axis)[beside], axis=1), initial=np.inf))
