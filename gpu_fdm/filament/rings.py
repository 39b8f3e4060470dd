"""Slices of a field across a filament, from a lattice to rings around the axis.

Rings lie at Gauss-Legendre nodes in R, out to a few steps from the edge of the lattice, with equal angles on each.
Values between the points of the lattice are those of quintic splines: an amplitude of 4 points a wavelength is good to
1e-3, of 6 to 1e-4. All slices share one sparse matrix.
"""

from functools import cached_property
from math import ceil

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.fft import next_fast_len
from scipy.interpolate import BSpline
from scipy.ndimage import spline_filter1d
from scipy.sparse import csr_matrix

from ..errors import UnfitError
from ..quadrature import gauss_legendre

MARGIN = 4  # steps between the last ring and the edge, which the boundary of the splines spoils
_TAPS = np.arange(-2, 4)  # points of the lattice beside one between them
_ROUND_WAVES = 40  # nodes beyond those that waves need


@frozen(eq=False)
class Rings:
    """Rings around the middle of a square lattice, for fields with waves up to `wavenumber`.

    points  of the lattice along u and v;  side  of the lattice [L]
    wavenumber  the largest of psi [1/L]: |psi|^2 has twice that, and is resolved too
    angular     the largest |l| of the states
    Raises UnfitError where the lattice is smaller than the margin.
    """

    points: int
    side: float
    wavenumber: float
    angular: int

    def __attrs_post_init__(self) -> None:
        if self.points <= 4 * MARGIN:
            raise UnfitError(f"a lattice of {self.points} points across: must have more than {4 * MARGIN}")

    @property
    def outer(self) -> float:
        """Radius of the disc that the rings fill [L]."""
        return self.side / 2 * (1 - 2 * MARGIN / self.points)

    @cached_property
    def _nodes(self) -> tuple[NDArray, NDArray]:
        x, w = gauss_legendre(ceil(2 * self.wavenumber * self.outer) + _ROUND_WAVES)
        return self.outer * (1 + x) / 2, self.outer * w / 2

    @property
    def radius(self) -> NDArray:
        """Of the rings, shape (rings,) [L]."""
        return self._nodes[0]

    @property
    def weight(self) -> NDArray:
        """R dR of each ring, shape (rings,) [L^2]."""
        return self._nodes[0] * self._nodes[1]

    @cached_property
    def angles(self) -> int:
        """Points on a ring: no l of psi is taken for one of the states, and no m of |psi|^2 for another."""
        most = max(self.angular, ceil(self.wavenumber * self.outer))
        return int(next_fast_len(4 * most + 16))

    @cached_property
    def _matrix(self) -> csr_matrix:
        """From spline coefficients of a slice, shape (points^2,), to (rings * angles,)."""
        angle = 2 * np.pi * np.arange(self.angles) / self.angles
        spline = BSpline.basis_element(np.arange(-3.0, 4.0), extrapolate=False)
        taps, weights = [], []
        for direction in (np.cos(angle), np.sin(angle)):
            place = (np.outer(self.radius, direction).ravel() * 2 / self.side + 1) * self.points / 2 - 0.5
            first = np.floor(place).astype(int)
            taps.append(first[:, None] + _TAPS)
            weights.append(np.nan_to_num(spline(place[:, None] - taps[-1])))
        columns = taps[0][:, :, None] * self.points + taps[1][:, None, :]
        values = weights[0][:, :, None] * weights[1][:, None, :]
        count, each = len(columns), len(_TAPS) ** 2
        rows = np.arange(0, (count + 1) * each, each)
        return csr_matrix((values.ravel(), columns.ravel(), rows), shape=(count, self.points**2))

    def of_lattice(self, field: NDArray) -> NDArray:
        """A complex field on the rings, shape (slices, rings, angles).

        field  on the lattice, shape (points, points, slices)
        """
        coefficients = np.asarray(field, complex)
        for axis in (0, 1):
            coefficients = spline_filter1d(coefficients, 5, axis, complex)
        columns = np.ascontiguousarray(coefficients.reshape(self.points**2, -1)).view(float)
        found = (self._matrix @ columns).view(complex)
        return np.moveaxis(found.reshape(len(self.radius), self.angles, -1), -1, 0)

    def at_once(self) -> int:
        """Slices that take about 128 MiB together on the rings."""
        return max(1, (1 << 23) // (len(self.radius) * self.angles))
