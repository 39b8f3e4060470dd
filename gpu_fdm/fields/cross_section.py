"""psi, its gradient and its flow at points of a filament's cross-section, by sums over angular momentum.

The factors F_l(R) of a wave function are tabulated once for each time as quintic splines; a point then costs
2 l_max + 1 terms. All in code units; x and y lie along the filament's orientation and across it.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..filament.wavefunction import WaveFunction
from ..kernels.common import L_BLOCK
from ..kernels.cross_section import psi_gradient_points, psi_points
from ..parallel.backend import CPU, GPU, backend_of, on_card
from ..quantities import takes
from ..values import brief
from .spline import RadialSplines, four_parts, radial_coefficients, radial_points


@brief
@dataclass(frozen=True, eq=False)
class RadialTable(RadialSplines):
    """Splines of F_l(R).

    coefficients  shape (rows, 4, l padded to L_BLOCK), the four_parts of F+ and F-
    wavenumber_max  largest in psi [1/L]
    """

    wavenumber_max: float


@takes()
def tabulate(
    wave: WaveFunction,
    time: float = 0.0,
    tolerance: float = 1e-8,
    dtype: DTypeLike = np.float64,
    z: float = 0.0,
    backend: CPU | GPU | None = None,
) -> RadialTable:
    """Tabulate a wave function at one time.

    time       [T];  z  along the axis, from the middle [L]
    tolerance  interpolation error of each F_l over its maximum
    dtype      precision of the table and of psi computed from it
    backend    on whose device the coefficients are made; the CPU where not given
    Raises ValueError for a time or a z that is not finite, and a tolerance that is not in (0, 1).
    """
    if not np.isfinite([time, z]).all() or not 0 < tolerance < 1:
        raise ValueError(f"time = {time:g}, z = {z:g}, tolerance = {tolerance:g}: must be finite, the last in (0, 1)")
    backend = backend or CPU()
    xp = backend.xp
    library = wave.library
    radius_max = library.radius_max
    points = radial_points(radius_max, library.wavenumber_max, tolerance)
    radius = np.linspace(0, radius_max, points + 1)
    factors = wave.azimuthal(time, z)  # (2, l, nodes)
    nodes = backend.to_device(factors).reshape(-1, factors.shape[2])
    values = (backend.to_device(library.interpolation_matrix(radius)) @ nodes.T).reshape(len(radius), 2, -1)
    parity = (-1.0) ** np.arange(factors.shape[1])
    smooth = radial_coefficients(values, parity)
    l_count = factors.shape[1]
    coefficients = xp.zeros((len(smooth), 4, -(-l_count // L_BLOCK) * L_BLOCK), dtype)
    for part, values in enumerate(four_parts(smooth[:, 0], smooth[:, 1])):
        coefficients[:, part, :l_count] = values
    return RadialTable(coefficients, radius_max / points, radius_max, library.wavenumber_max)


@takes()
def psi_at(table: RadialTable, x: ArrayLike, y: ArrayLike, backend: CPU | GPU | None = None) -> np.ndarray:
    """psi at points of the cross-section, complex, the shape that x and y have together [rho_m0^1/2].

    x, y     positions that broadcast [L]: CuPy arrays are computed on their card and give CuPy arrays, all others
             give NumPy
    backend  where the others are computed, the CPU where not given
    Raises ValueError for positions that are not finite.
    """
    return _evaluate(table, x, y, backend, gradient=False)[..., 0]


@brief
@dataclass(frozen=True, eq=False)
class Flow:
    """psi and its gradient at points, and the flow that follows from them; arrays of one shape."""

    psi: np.ndarray
    psi_x: np.ndarray
    psi_y: np.ndarray

    @property
    def density(self) -> np.ndarray:
        """|psi|^2 [rho_m0]."""
        return abs(self.psi) ** 2

    @property
    def phase(self) -> np.ndarray:
        """arg psi in (-pi, pi] [rad]."""
        return backend_of(self.psi).xp.angle(self.psi)

    @property
    def velocity(self) -> np.ndarray:
        """u = Im(psi* grad psi) / |psi|^2, shape (2, ...) [1/L]; the peculiar velocity is u/a.

        Infinite on a vortex, where |psi| vanishes."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.momentum_density / self.density

    @property
    def momentum_density(self) -> np.ndarray:
        """Im(psi* grad psi), shape (2, ...); finite everywhere."""
        conjugate = self.psi.conj()
        return backend_of(self.psi).xp.stack([(conjugate * self.psi_x).imag, (conjugate * self.psi_y).imag])

    @property
    def vorticity(self) -> np.ndarray:
        """Curl of the momentum density, 2 Im(d psi*/dx d psi/dy).

        The curl of u itself is a delta function on each vortex and zero elsewhere; this one is smooth, peaks
        on vortices and has the sign of their winding (Villois et al. 2016, Phys. Rev. E 93, 061103)."""
        return 2 * (self.psi_x.conj() * self.psi_y).imag


@takes()
def flow_at(table: RadialTable, x: ArrayLike, y: ArrayLike, backend: CPU | GPU | None = None) -> Flow:
    """psi with its gradient at points of the cross-section; x, y as in psi_at."""
    parts = _evaluate(table, x, y, backend, gradient=True)
    return Flow(parts[..., 0], parts[..., 1], parts[..., 2])


def _evaluate(table: RadialTable, x: Any, y: Any, backend: CPU | GPU | None, gradient: bool) -> np.ndarray:
    """psi (and its two derivatives) along a last axis of length 1 (or 3), complex."""
    backend = backend_of(x, y, backend=backend)
    shape, dtype = np.broadcast_shapes(np.shape(x), np.shape(y)), table.coefficients.dtype
    both = [
        backend.to_device(positions if on_card(positions) else np.asarray(positions, float)) for positions in (x, y)
    ]
    if not all(backend.xp.isfinite(positions).all() for positions in both):
        raise ValueError("positions must be finite")
    points = [backend.xp.ascontiguousarray(p.ravel(), dtype) for p in backend.xp.broadcast_arrays(*both)]
    evaluate = psi_gradient_points if gradient else psi_points
    (coefficients,) = table.on(backend)
    out = evaluate(points[0], points[1], coefficients, table.step, table.radius_max, backend)
    values = out.view(np.result_type(dtype, np.complex64)).reshape(*shape, 3 if gradient else 1)
    return values if on_card(x) or on_card(y) else backend.to_host(values)
