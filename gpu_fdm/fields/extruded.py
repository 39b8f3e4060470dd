"""The cross-section of a straight filament as a table, from which whole boxes are extruded.

|psi|^2 has no wavenumbers above K = 2 a sqrt(2 E_cut): it is evaluated on a grid of the plane just fine enough for K,
and its Fourier series there is known everywhere. The table holds quintic splines on a grid of its own, whose spacing
follows from the error asked for and the sixth derivatives that the error is proportional to. Averages over cells cost
nothing more: the average of an extruded field over a box-shaped cell is its convolution with the cell's projection on
the plane, a product of three sinc functions in Fourier space (what the soft ends change within one cell is left out).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from ..filament.wavefunction import WaveFunction
from ..kernels.common import TAPS
from ..kernels.cross_section import spline_points
from ..parallel.backend import CPU, GPU, backend_of
from ..quantities import takes
from ..values import brief
from .cross_section import psi_at, tabulate
from .spline import RadialSplines, error_of, radial_coefficients, radial_points, spacing_of, transfer


@brief
@dataclass(frozen=True, eq=False)
class ExtrudedTable:
    """Spline coefficients of |psi|^2 and <|psi|^2> in the plane.

    coefficients  shape (points, 2 points): [v, u] of both, interleaved along u; index points/2 is the axis; NumPy or
                  CuPy
    step          grid spacing [L];  reach  radius beyond which both are zero [L]
    error         bound on the interpolation error over the maximum of the density
    """

    coefficients: np.ndarray
    step: float
    reach: float
    error: float

    @property
    def nbytes(self) -> int:
        """Size of the coefficients [bytes]."""
        return self.coefficients.nbytes

    def on(self, backend: CPU | GPU) -> "ExtrudedTable":
        """The table with its coefficients on the device of a backend."""
        return replace(self, coefficients=backend.to_device(self.coefficients))


@dataclass(frozen=True)
class MeanTable(RadialSplines):
    """Splines of the phase-averaged density, coefficients of shape (rows,)."""

    def at(self, radius: Any, backend: CPU | GPU | None = None) -> np.ndarray:
        """The density at any radii [L], shape of radius [rho_m0], on the device of a backend, see backend_of."""
        backend = backend_of(radius, backend=backend)
        radius = backend.xp.asarray(radius, float)
        points, coefficients = backend.to_device(radius.ravel()), backend.to_device(self.coefficients)
        return spline_points(points, coefficients, 1 / self.step, self.radius_max, backend).reshape(radius.shape)


def tabulate_mean(wave: WaveFunction, tolerance: float = 1e-8, backend: CPU | GPU | None = None) -> MeanTable:
    """Tabulate <|psi|^2>(R), on the device of a backend; its largest wavenumber is twice that of psi."""
    library = wave.library
    points = radial_points(library.radius_max, 2 * library.wavenumber_max, tolerance)
    values = wave.mean_density(np.linspace(0, library.radius_max, points + 1), backend)
    coefficients = (backend or CPU()).to_device(radial_coefficients(values, np.ones(())))
    return MeanTable(coefficients, library.radius_max / points, library.radius_max)


def extruded_points(radius_max: float, wavenumber_max: float, margin: float = 0.0) -> int:
    """Points along a side of the grid on which a wave function that ends at radius_max [L] is evaluated.

    wavenumber_max  of psi [1/L];  margin  added to the reach [L]
    """
    from scipy.fft import next_fast_len

    step = _NYQUIST_SHARE * np.pi / (2 * wavenumber_max)
    return 2 * next_fast_len(int(np.ceil((radius_max + margin) * _ROOM / step)), real=True)


def cell_margin(cell: ArrayLike) -> float:
    """How far averages over cells reach beyond a field in the plane; cell as in tabulate_extruded, in its unit."""
    return 0.5 * float(np.sum(np.hypot(*np.asarray(cell).T)))


@takes()
def tabulate_extruded(
    wave: WaveFunction,
    time: float = 0.0,
    tolerance: float = 1e-5,
    dtype: DTypeLike = np.float64,
    cell: ArrayLike | None = None,
    backend: CPU | GPU | None = None,
) -> ExtrudedTable:
    """Tabulate the cross-section of a wave function at one time.

    time       [T]
    tolerance  bound on the interpolation error over the maximum of the density
    dtype      of the coefficients
    cell       the three edges of a cell in the plane, components along u and v, shape (3, 2) [L]: the densities are
               then averages over such cells
    backend    where it is tabulated, and where the coefficients then are; the CPU where not given
    Raises ValueError for a wave function that is not the same all along the axis.
    """
    from scipy.fft import set_workers

    if wave.axial is not None:
        raise ValueError("psi has momentum along the axis: no cross-section tells all of it (use tabulate_axial)")

    backend = backend or CPU()
    library = wave.library
    margin = 0.0 if cell is None else cell_margin(cell)
    reach = library.radius_max + margin
    points = extruded_points(library.radius_max, library.wavenumber_max, margin)
    period = 2 * reach * _ROOM
    density = _densities(wave, time, tolerance / 100, period / points * (np.arange(points) - points // 2), backend)
    peak = backend.to_host(density.max(axis=(1, 2)))
    xp, fft = backend.xp, backend.fft
    k_v = xp.asarray(2 * np.pi / period * np.fft.fftfreq(points, 1 / points)[:, None])
    k_u = xp.asarray(2 * np.pi / period * np.arange(points // 2 + 1)[None, :])
    with set_workers(backend.host.threads):
        spectrum = fft.rfft2(density, norm="forward")
        if cell is not None:
            for edge_u, edge_v in np.asarray(cell, float):
                spectrum *= xp.sinc((k_u * edge_u + k_v * edge_v) / (2 * np.pi))
        curvature = _sixth_derivatives(spectrum, k_u, k_v, points, backend) / peak
        fine = _table_points(period, curvature.max(), tolerance)
        spectrum = _resized(spectrum, points, fine, backend)
        along = xp.asarray(transfer(fine))
        spectrum /= along[:, None] * along[: fine // 2 + 1]
        coefficients = xp.empty((fine, fine, 2), dtype)
        for number in range(2):
            coefficients[..., number] = fft.irfft2(spectrum[number], s=(fine, fine), norm="forward")
    step = period / fine
    return ExtrudedTable(coefficients.reshape(fine, 2 * fine), step, reach, _SAFETY * error_of(curvature.max(), step))


_NYQUIST_SHARE = 0.6  # spacing of the grid over pi/K: what tunnels beyond K has fallen below 1e-8 at K/0.6
_SAFETY = 4.0  # over the leading order of the error: for spacings where (K h)^8 still counts
_ROOM = 1.06  # half the period over the reach


def _densities(wave: WaveFunction, time: float, tolerance: float, line: np.ndarray, backend: CPU | GPU) -> np.ndarray:
    """|psi|^2 and its phase average on the grid line x line, shape (2, points, points) [v, u]."""
    line = backend.to_device(line)
    u, v = line[None, :], line[:, None]
    density = backend.xp.empty((2, len(line), len(line)))
    density[0] = abs(psi_at(tabulate(wave, time, tolerance, backend=backend), u, v, backend)) ** 2
    density[1] = tabulate_mean(wave, tolerance, backend).at(backend.xp.hypot(v, u), backend)
    return density


def _sixth_derivatives(
    spectrum: np.ndarray, k_u: np.ndarray, k_v: np.ndarray, points: int, backend: CPU | GPU
) -> np.ndarray:
    """Largest |d^6/du^6| + |d^6/dv^6| of both densities, shape (2,), NumPy [1/L^6 of the density]."""

    def derivative(part: np.ndarray, k: np.ndarray) -> np.ndarray:
        return abs(backend.fft.irfft2(part * k**6, s=(points, points), norm="forward"))

    return np.array([float((derivative(part, k_u) + derivative(part, k_v)).max()) for part in spectrum])


def _table_points(period: float, curvature: float, tolerance: float) -> int:
    """Points a side of the spline table for a period and the largest sixth derivatives over the peak [1/L^6]."""
    from scipy.fft import next_fast_len

    wanted = int(np.ceil(period / spacing_of(_SAFETY * curvature, tolerance)))
    # taps reach three points beyond the filament on either side
    least = int(np.ceil((TAPS + 2) / (1 - 1 / _ROOM)))
    return 2 * next_fast_len(-(-max(wanted, least) // 2), real=True)


def _resized(spectrum: np.ndarray, points: int, wanted: int, backend: CPU | GPU) -> np.ndarray:
    """The transform on `wanted` points: modes are cut off, or zeros added; both numbers are even."""
    half = min(points, wanted) // 2
    resized = backend.xp.zeros((2, wanted, wanted // 2 + 1), complex)
    resized[:, :half, :half] = spectrum[:, :half, :half]
    resized[:, -half + 1 :, :half] = spectrum[:, -half + 1 :, :half]
    return resized
