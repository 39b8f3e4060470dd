"""The cross-section of a straight filament as a table, from which whole boxes are extruded.

|psi|^2 and its phase average are tabulated on a Cartesian grid of the plane as quintic splines. Its spacing
follows from the largest wavenumber of |psi|^2, 2 a sqrt(2 E_cut), and the error asked for. Averages over cells
cost nothing more: the average of an extruded field over a box-shaped cell is its convolution with the cell's
projection on the plane, a product of three sinc functions in Fourier space (what the soft ends change within one
cell is left out).
"""

from dataclasses import dataclass

import numpy as np

from ..backend import CPU
from ..model.wavefunction import WaveFunction
from . import loops
from .cross_section import psi_at, tabulate
from .spline import TAPS, error_for, radial_coefficients, spacing_for, transfer


@dataclass(frozen=True)
class Section:
    """Spline coefficients of |psi|^2 and <|psi|^2> in the plane.

    coefficients  shape (points, 2 points): [v, u] of both, interleaved along u; index points/2 is the axis
    step          grid spacing [L];  reach  radius beyond which both are nothing [L]
    error         bound on the interpolation error over the maximum of the density
    """

    coefficients: np.ndarray
    step: float
    reach: float
    error: float


@dataclass(frozen=True)
class MeanTable:
    """Spline coefficients in R of the phase-averaged density: rows, spacing [L], radius_max [L]."""

    coefficients: np.ndarray
    step: float
    radius_max: float

    def at(self, radius):
        """The density at any radii, shape of radius [rho_m0]."""
        radius = np.asarray(radius, float)
        out = np.empty(radius.size)
        loops.spline_points(
            np.ascontiguousarray(radius.ravel()), self.coefficients, 1 / self.step, self.radius_max, out
        )
        return out.reshape(radius.shape)


def tabulate_mean(wave: WaveFunction, tolerance: float = 1e-8) -> MeanTable:
    """Tabulate <|psi|^2>(R); its largest wavenumber is twice that of psi."""
    library = wave.library
    points = int(np.ceil(library.radius_max / spacing_for(2 * library.wavenumber_max, tolerance)))
    points = max(points, TAPS)
    values = wave.mean_density(np.linspace(0, library.radius_max, points + 1))
    return MeanTable(radial_coefficients(values, np.ones(())), library.radius_max / points, library.radius_max)


def section_points(radius_max: float, wavenumber_max: float, tolerance: float, margin: float = 0.0) -> int:
    """Grid points a side of the table for a wave function that ends at radius_max.

    wavenumber_max  of psi [1/L];  margin  added to the reach [L]
    """
    from scipy.fft import next_fast_len

    step = spacing_for(2 * wavenumber_max, tolerance, dimensions=2)
    half = int(np.ceil((radius_max + margin) / step)) + TAPS
    return 2 * next_fast_len(half, real=True)


def tabulate_section(
    wave: WaveFunction, time: float = 0.0, tolerance: float = 1e-5, dtype=np.float64, cell=None, backend=None
) -> Section:
    """Tabulate the cross-section of a wave function at one time.

    time       [T]
    tolerance  bound on the interpolation error over the maximum of the density
    cell       the three edges of a cell in the plane, components along u and v, shape (3, 2) [L]:
               the table then holds averages over such cells
    """
    from scipy import fft

    backend = backend or CPU()
    library = wave.library
    margin = 0.0 if cell is None else 0.5 * float(np.sum(np.hypot(*np.asarray(cell).T)))
    reach = library.radius_max + margin
    points = section_points(library.radius_max, library.wavenumber_max, tolerance, margin)
    step = spacing_for(2 * library.wavenumber_max, tolerance, dimensions=2)
    grid = step * (np.arange(points) - points // 2)
    radius = np.hypot(grid[:, None], grid[None, :])
    inside = radius < library.radius_max
    u = np.broadcast_to(grid[None, :], inside.shape)[inside]
    v = np.broadcast_to(grid[:, None], inside.shape)[inside]
    density = np.zeros((2, points, points))
    table = tabulate(wave, time, tolerance=tolerance / 100)
    density[0][inside] = np.abs(psi_at(table, u, v, backend)) ** 2
    density[1][inside] = tabulate_mean(wave, tolerance / 100).at(radius[inside])

    threads = getattr(backend, "threads", None)
    spectrum = fft.rfft2(density, workers=threads)
    along_v = transfer(points)
    spectrum /= along_v[:, None] * along_v[: points // 2 + 1]
    if cell is not None:
        k_v = fft.fftfreq(points, step)[:, None]
        k_u = fft.rfftfreq(points, step)[None, :]
        for edge_u, edge_v in np.asarray(cell, float):
            spectrum *= np.sinc(k_u * edge_u + k_v * edge_v)
    smooth = fft.irfft2(spectrum, s=(points, points), workers=threads, overwrite_x=True)
    coefficients = np.empty((points, points, 2), dtype)
    coefficients[..., 0], coefficients[..., 1] = smooth
    return Section(
        coefficients.reshape(points, 2 * points), step, reach, error_for(2 * library.wavenumber_max, step, dimensions=2)
    )
