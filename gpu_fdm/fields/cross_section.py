"""psi and what follows from it on points of a filament's cross-section, by sums over angular momentum.

The factors F_l(R) of a wave function are tabulated once for each time as quintic splines; a point then costs
2 l_max + 1 terms. All in code units; x and y lie along the filament's orientation and across it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..filament.wavefunction import WaveFunction
from ..kernels.common import L_BLOCK, TAPS
from ..kernels.cross_section import psi_gradient_points, psi_points
from ..parallel.backend import CPU, GPU
from .spline import radial_coefficients, spacing_for


@dataclass(frozen=True)
class RadialTable:
    """Spline coefficients of F_l(R), as the loops want them.

    coefficients  shape (rows, 4, l padded to L_BLOCK): with F+ = p + iq and F- = r + is the parts are
                  p + r, q - s, q + s, p - r, so that Re psi = sum_l A cos - B sin, Im psi = sum_l C cos + D sin
    step          spacing of the rows in R [L];  radius_max  psi is zero beyond [L]
    wavenumber_max  largest in psi [1/L]
    """

    coefficients: np.ndarray
    step: float
    radius_max: float
    wavenumber_max: float

    @cached_property
    def _copies(self) -> dict:
        """The coefficients by backend (its repr: this is sent between ranks), copied when first asked for."""
        return {}

    def on(self, backend: CPU | GPU):
        """The coefficients where the backend wants them."""
        key = repr(backend)
        if key not in self._copies:
            self._copies[key] = backend.to_device(self.coefficients)
        return self._copies[key]


def tabulate(wave: WaveFunction, time: float = 0.0, tolerance: float = 1e-8, dtype=np.float64) -> RadialTable:
    """Tabulate a wave function at one time.

    time       [T]
    tolerance  interpolation error of each F_l over its maximum
    dtype      precision of the table, and of what is computed from it
    """
    library = wave.library
    radius_max = library.radius_max
    points = int(np.ceil(radius_max / spacing_for(library.wavenumber_max, tolerance)))
    points = max(points, TAPS)
    radius = np.linspace(0, radius_max, points + 1)
    factors = wave.azimuthal(time)  # (2, l, nodes)
    values = np.einsum("rn,sln->rsl", library.interpolation_matrix(radius), factors, optimize=True)
    parity = (-1.0) ** np.arange(factors.shape[1])
    smooth = radial_coefficients(values, parity)
    plus, minus = smooth[:, 0], smooth[:, 1]
    parts = (plus.real + minus.real, plus.imag - minus.imag, plus.imag + minus.imag, plus.real - minus.real)
    l_count = factors.shape[1]
    coefficients = np.zeros((len(smooth), 4, -(-l_count // L_BLOCK) * L_BLOCK), dtype)
    for part, values in enumerate(parts):
        coefficients[:, part, :l_count] = values
    return RadialTable(coefficients, radius_max / points, radius_max, library.wavenumber_max)


def psi_at(table: RadialTable, x, y, backend=None) -> np.ndarray:
    """psi at points of the cross-section, complex, shape of x.

    x, y  positions that broadcast [L]
    """
    return _evaluate(table, x, y, backend, gradient=False)[..., 0]


@dataclass(frozen=True)
class Flow:
    """psi and its gradient on points, and what they say of the flow; arrays of one shape."""

    psi: np.ndarray
    psi_x: np.ndarray
    psi_y: np.ndarray

    @property
    def density(self):
        """|psi|^2 [rho_m0]."""
        return np.abs(self.psi) ** 2

    @property
    def phase(self):
        """arg psi in (-pi, pi] [rad]."""
        return np.angle(self.psi)

    @property
    def velocity(self):
        """u = Im(psi* grad psi) / |psi|^2, shape (2, ...) [1/L]; the peculiar velocity is u/a.

        Infinite on a vortex, where |psi| vanishes."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.momentum_density / self.density

    @property
    def momentum_density(self):
        """Im(psi* grad psi), shape (2, ...); finite everywhere."""
        conjugate = np.conj(self.psi)
        return np.stack([(conjugate * self.psi_x).imag, (conjugate * self.psi_y).imag])

    @property
    def vorticity(self):
        """Curl of the momentum density, 2 Im(d psi*/dx d psi/dy).

        The curl of u itself is a delta function on each vortex and zero elsewhere; this one is smooth, peaks
        on vortices and has the sign of their winding (Villois et al. 2016, Phys. Rev. E 93, 061103)."""
        return 2 * (np.conj(self.psi_x) * self.psi_y).imag


def flow_at(table: RadialTable, x, y, backend=None) -> Flow:
    """psi with its gradient at points of the cross-section; x, y as in psi_at."""
    parts = _evaluate(table, x, y, backend, gradient=True)
    return Flow(parts[..., 0], parts[..., 1], parts[..., 2])


def _evaluate(table, x, y, backend, gradient):
    """psi (and its two derivatives) along a last axis of length 1 (or 3), complex, as NumPy."""
    backend = backend or CPU()
    x, y = np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))
    if not (np.all(np.isfinite(x)) and np.all(np.isfinite(y))):
        raise ValueError("positions must be finite")
    shape = x.shape
    dtype = table.coefficients.dtype
    x, y = (np.ascontiguousarray(v.ravel(), dtype) for v in (x, y))
    evaluate = psi_gradient_points if gradient else psi_points
    out = evaluate(x, y, table.on(backend), table.step, table.radius_max, backend)
    complex_dtype = np.result_type(dtype, np.complex64)
    return out.view(complex_dtype).reshape(*shape, -1)


def polar_grid(wave: WaveFunction, radii, angles: int, time: float = 0.0) -> np.ndarray:
    """psi on a polar grid by one FFT over the angle, complex, shape (len(radii), angles).

    radii   [L];  angles  number of equal steps from phi = 0, more than 2 l_max
    """
    factors = wave.azimuthal(time)
    l_max = factors.shape[1] - 1
    if angles <= 2 * l_max:
        raise ValueError(f"angles = {angles}: must be more than 2 l_max = {2 * l_max}")
    at_radii = factors @ wave.library.interpolation_matrix(radii).T
    spectrum = np.zeros((len(radii), angles), complex)
    spectrum[:, : l_max + 1] = at_radii[0].T
    spectrum[:, -np.arange(1, l_max + 1)] = at_radii[1, 1:].T
    return np.fft.ifft(spectrum, axis=1) * angles
