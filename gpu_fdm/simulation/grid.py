"""The periodic grid on which both dynamics are solved, its wavenumbers, and what it resolves."""

from dataclasses import dataclass
from math import ceil, isfinite, pi, prod
from typing import Any

import numpy as np

from ..errors import InputError
from ..fields.box import Box
from ..parallel.domain import Domain
from ..units import CodeUnits
from ..vectors import three


@dataclass(frozen=True)
class Grid:
    """Cells of a periodic box; cell (i, j, k) has its centre at ((i, j, k) + 1/2) times the cell widths.

    cells  (3,);  sides  (3,), comoving [L]
    Raises InputError for sides that are not positive and cells that are not positive integers.
    """

    cells: tuple[int, int, int]
    sides: tuple[float, float, float]

    def __post_init__(self) -> None:
        if len(self.cells) != 3 or not all(isinstance(n, (int, np.integer)) and n >= 1 for n in self.cells):
            raise InputError(f"cells = {self.cells}: must be three positive integers")
        if len(self.sides) != 3 or not all(isfinite(side) and side > 0 for side in self.sides):
            raise InputError(f"sides = {self.sides}: must be three positive lengths [L]")

    @classmethod
    def of(cls, box: Box, units: CodeUnits | None = None) -> "Grid":
        """The grid of a box in cMpc/h, which is the unit of length without code units."""
        length = 1.0 if units is None else units.length
        return cls(three(box.cells), three(float(side) / length for side in box.size))

    @property
    def spacing(self) -> np.ndarray:
        """Cell widths, shape (3,) [L]."""
        return np.array(self.sides) / np.array(self.cells)

    @property
    def points(self) -> int:
        """Number of cells."""
        return prod(self.cells)

    @property
    def k_squared_max(self) -> float:
        """Largest k^2 on the grid, that of the corner of the Brillouin zone [1/L^2]."""
        return float(sum(np.max(self.wavenumbers(axis) ** 2) for axis in range(3)))

    def wavenumbers(self, axis: int, real: bool = False) -> np.ndarray:
        """k along an axis in the order of the FFT [1/L]; `real`: the half that a real transform has."""
        count = self.cells[axis]
        modes = np.fft.rfftfreq(count, 1 / count) if real else np.fft.fftfreq(count, 1 / count)
        return 2 * pi / self.sides[axis] * modes

    def real_modes(self, domain: Domain) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """k along each axis of a rank's part of a real transform [1/L], and over the Nyquist wavenumber."""
        k = [self.wavenumbers(axis, axis == 2) for axis in range(3)]
        k[1] = k[1][domain.lines]
        return k, [along * width / pi for along, width in zip(k, self.spacing, strict=True)]

    def slopes(self, domain: Domain) -> list[np.ndarray]:
        """The same k, 0 at the Nyquist mode of an even size, where i k is the sine that vanishes at every cell."""
        return [np.where(_inside(part), along, 0) for along, part in zip(*self.real_modes(domain), strict=True)]

    def centres(self, axis: int) -> np.ndarray:
        """Centres of the cells along an axis [L]."""
        return (np.arange(self.cells[axis]) + 0.5) * self.spacing[axis]


class Wavenumbers:
    """k of the modes of a real transform that a rank holds, on its device, some planes of constant kx at a time.

    slopes  k is 0 at Nyquist modes, which have no derivative
    Methods take a slice of planes, their rows.
    """

    def __init__(self, grid: Grid, domain: Domain, slopes: bool = False):
        k, over_nyquist = grid.real_modes(domain)
        half_cell = [0.5 * along * width for along, width in zip(k, grid.spacing, strict=True)]
        axes = grid.slopes(domain) if slopes else k, half_cell, [_inside(part) for part in over_nyquist]
        self._k, self._half_cell, self._inside = ([domain.backend.to_device(along) for along in of] for of in axes)
        self._xp = domain.backend.xp

    def along(self, axis: int, rows: slice) -> Any:
        """A component, broadcasting to (rows, lines, nk)."""
        return _of(self._k, axis, rows)

    def squared(self, rows: slice, at_zero: float = 0.0) -> Any:
        """k^2, (rows, lines, nk), with `at_zero` where k = 0."""
        squared = sum(self.along(axis, rows) ** 2 for axis in range(3))
        return self._xp.where(squared > 0, squared, at_zero)

    def to_centres(self, rows: slice) -> Any:
        """exp(i k dx/2), from the corners of cells to their centres."""
        return self._xp.exp(1j * sum(_of(self._half_cell, axis, rows) for axis in range(3)))

    def inside(self, rows: slice) -> Any:
        """Which modes are no Nyquist modes."""
        return _of(self._inside, 0, rows) & _of(self._inside, 1, rows) & _of(self._inside, 2, rows)


def _of(axes: list[Any], axis: int, rows: slice) -> Any:
    """What axes have along one of them, in the shape in which it broadcasts to (rows, lines, nk)."""
    return (axes[0][rows, None, None], axes[1][:, None], axes[2])[axis]


def _inside(over_nyquist: np.ndarray) -> np.ndarray:
    """Which of the wavenumbers along an axis are no Nyquist mode."""
    return np.abs(over_nyquist) < 1 - 1e-9


def largest_velocity(spacing: float, units: CodeUnits, a: float) -> float:
    """Peculiar velocity at which the phase of psi turns by pi from cell to cell: v = pi hbar/(m a dx) [km/s].

    A faster flow looks like a slower one: a box must resolve the fastest with room to spare.
    spacing  cell width, comoving [Mpc/h];  a  scale factor
    """
    return pi * units.length / spacing * units.velocity / a


def cells_for_velocity(side: float, velocity: float, units: CodeUnits, a: float) -> int:
    """Cells along a side from which on `velocity` is below `largest_velocity`.

    side  comoving [Mpc/h];  velocity  peculiar [km/s];  a  scale factor
    """
    return ceil(side / largest_velocity(1.0, units, a) * velocity)


def require_resolved(box: Box, velocity: float, units: CodeUnits, a: float) -> None:
    """Raise InputError unless every axis of the box resolves a peculiar velocity [km/s] at scale factor a."""
    worst = int(np.argmax(box.spacing))
    limit = largest_velocity(float(box.spacing[worst]), units, a)
    if velocity > limit:
        needed = [cells_for_velocity(float(side), velocity, units, a) for side in box.size]
        raise InputError(
            f"cells = {box.cells[worst]} along {'xyz'[worst]} resolve velocities up to {limit:.4g} km/s for "
            f"m22 = {units.m22:g} at a = {a:g}: must be at least {', '.join(map(str, needed))} for {velocity:.4g} km/s"
        )
