"""psi of a halo at points, by sums over spherical harmonics.

Sums over n come first, once for each time: c_lm(r) = sqrt(M) sum_n a_nlm R_nl(r) e^{-iEt} are tabulated as quintic
splines in r, and a point costs (l_max + 1)^2 complex terms. All in code units, the centre of the halo at the origin.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..haloes.wavefunction import HaloWave
from ..kernels.common import TAPS
from ..kernels.halo import halo_points, legendre_steps, order_starts
from ..parallel.backend import CPU, GPU, backend_of, on_card
from ..quantities import takes
from ..values import brief
from .spline import RadialSplines, four_parts, radial_coefficients, radial_points


@brief
@dataclass(frozen=True, eq=False)
class HaloFactors(RadialSplines):
    """Splines of c_lm(r).

    coefficients  shape (rows, 4, size): for each m >= 0 its l = m ... l_max, padded, see kernels.halo.order_starts; the
                  four_parts of c_lm and (-1)^m c_l,-m (0 where m = 0) that multiply P_lm
    wavenumber_max  largest in psi [1/L];  l_max  of the states
    """

    wavenumber_max: float
    l_max: int

    def arrays(self) -> tuple[Any, ...]:
        """Coefficients, order_starts and legendre_steps."""
        return self.coefficients, order_starts(self.l_max), legendre_steps(self.l_max)


@takes()
def tabulate_halo(
    wave: HaloWave,
    time: float = 0.0,
    tolerance: float = 1e-8,
    dtype: DTypeLike = np.float64,
    backend: CPU | GPU | None = None,
) -> HaloFactors:
    """Tabulate the wave function of a halo at one time.

    time       [T]
    tolerance  interpolation error of each c_lm over its maximum
    dtype      precision of the table and of psi computed from it
    backend    on whose device the coefficients are made; the CPU where not given
    """
    backend = backend or CPU()
    xp, states = backend.xp, wave.states
    l_max, points = int(states.l[-1]), radial_points(states.radius_max, states.wavenumber_max, tolerance)
    starts = order_starts(l_max)
    to_radius = backend.to_device(states.interpolation_matrix(np.linspace(0, states.radius_max, points + 1)))
    coefficients = xp.zeros((points + TAPS, 4, int(starts[-1])), dtype)
    for l in range(l_max + 1):
        of_l, amplitude = wave.of_l(l, time)
        smooth = radial_coefficients(to_radius @ backend.to_device(states.radial[of_l]).T, np.array((-1.0) ** l))
        plus, minus = amplitude[:, l:], amplitude[:, l::-1] * (-1.0) ** np.arange(l + 1)
        minus[:, 0] = 0
        column = xp.asarray(starts[: l + 1] + l - np.arange(l + 1))
        for part, values in enumerate(four_parts(plus, minus)):
            coefficients[:, part, column] = smooth @ backend.to_device(values)
    return HaloFactors(coefficients, states.radius_max / points, states.radius_max, states.wavenumber_max, l_max)


@takes()
def halo_psi_at(factors: HaloFactors, points: Any, backend: CPU | GPU | None = None) -> np.ndarray:
    """psi at points, complex, shape (...) of points (..., 3) [rho_m0^1/2].

    points   x, y, z from the centre of the halo [L]: CuPy arrays are computed on their card and give CuPy arrays, all
             others give NumPy
    backend  where the others are computed, the CPU where not given
    Raises ValueError for points of another shape or not finite.
    """
    backend = backend_of(points, backend=backend)
    xp, dtype = backend.xp, factors.coefficients.dtype
    at = backend.to_device(points if on_card(points) else np.asarray(points, float)).astype(float, copy=False)
    if at.ndim < 1 or at.shape[-1] != 3:
        raise ValueError(f"points {at.shape}: must have shape (..., 3)")
    if not xp.isfinite(at).all():
        raise ValueError("points must be finite")
    flat = xp.ascontiguousarray(at.reshape(-1, 3))
    table, starts, steps = factors.on(backend)
    out = halo_points(flat, table, starts, steps, factors.step, factors.radius_max, backend)
    values = out.view(np.result_type(dtype, np.complex64)).reshape(at.shape[:-1])
    return values if on_card(points) else backend.to_host(values)
