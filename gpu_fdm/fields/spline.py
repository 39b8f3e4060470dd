"""Interpolation of smooth functions on uniform grids by quintic B-splines.

The coefficients come from one FFT: samples divided by the transfer function of the sampled B-spline. For samples every
h the interpolation error is h^6 / 15360 times the sixth derivative, to leading order (Unser 1999, IEEE SPM 16, 22); for
a function of largest wavenumber K that is at most (K h)^6 / 15360 of its maximum (Bernstein's inequality).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..kernels.common import TAPS
from ..parallel.backend import CPU, GPU, backend_of
from ..values import brief

_LEADING_ERROR = 1 / 15360  # max |B_6(t) - B_6(0)| / 6!, with B_6 the Bernoulli polynomial, at t = 1/2


@brief
@dataclass(frozen=True, eq=False)
class RadialSplines:
    """Functions of the distance from an axis or a centre, as kernels take them.

    coefficients  shape (rows, ...), see radial_coefficients;  step  spacing of the rows [L]
    radius_max    the functions are zero beyond [L]
    """

    coefficients: np.ndarray
    step: float
    radius_max: float

    @cached_property
    def _copies(self) -> dict[str, tuple]:
        """Copies by backend; ranks send tables to each other, so that the key is its repr."""
        return {}

    @property
    def nbytes(self) -> int:
        """Size of the coefficients [bytes]."""
        return self.coefficients.nbytes

    def arrays(self) -> tuple[Any, ...]:
        """The arrays that kernels take: the coefficients."""
        return (self.coefficients,)

    def on(self, backend: CPU | GPU) -> tuple[Any, ...]:
        """The tuple of arrays on the device of a backend, copied at the first call."""
        key = repr(backend)
        if key not in self._copies:
            self._copies[key] = tuple(map(backend.to_device, self.arrays()))
        return self._copies[key]


def radial_points(radius_max: float, wavenumber_max: float, tolerance: float) -> int:
    """Intervals of a table up to radius_max [L] of what has wavenumbers up to wavenumber_max [1/L]."""
    return max(int(np.ceil(radius_max / spacing_for(wavenumber_max, tolerance))), TAPS)


def four_parts(plus: np.ndarray, minus: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A, B, C, D of Re = A cos - B sin and Im = C cos + D sin for plus e^{i angle} + minus e^{-i angle}."""
    return plus.real + minus.real, plus.imag - minus.imag, plus.imag + minus.imag, plus.real - minus.real


def spacing_of(curvature: float, tolerance: float) -> float:
    """Largest grid spacing with error at most `tolerance`.

    curvature  largest sixth derivative (summed over dimensions), in the unit of tolerance over length^6
    """
    return (tolerance / (_LEADING_ERROR * curvature)) ** (1 / 6)


def error_of(curvature: float, spacing: float) -> float:
    """Bound on the interpolation error at a spacing; curvature as in spacing_of."""
    return _LEADING_ERROR * curvature * spacing**6


def spacing_for(wavenumber: float, tolerance: float) -> float:
    """Largest spacing with error at most `tolerance` of the maximum, for wavenumbers up to `wavenumber`."""
    return spacing_of(wavenumber**6, tolerance)


def transfer(points: int) -> np.ndarray:
    """Transfer function of the sampled B-spline at np.fft.fftfreq(points), shape (points,); in [0.13, 1]."""
    return transfer_at(2 * np.pi * np.fft.fftfreq(points))


def transfer_at(phase: np.ndarray) -> np.ndarray:
    """Transfer function of the sampled B-spline for plane waves by their phase from sample to sample [rad]."""
    return (66 + 52 * np.cos(phase) + 2 * np.cos(2 * phase)) / 120


def radial_coefficients(values: np.ndarray, parity: np.ndarray) -> np.ndarray:
    """Coefficients of functions on [0, radius_max] that continue to R < 0 evenly or oddly and vanish at the end.

    values  samples at R = 0, h, ..., radius_max along axis 0, shape (points + 1, ...), real or complex; NumPy or CuPy
    parity  +1 or -1, broadcasts against values[0]
    Returns shape (points + TAPS, ...), where values are: row r belongs to R = (r - 2) h, so that the taps of R are the
    rows floor(R/h) ... floor(R/h) + 5.
    """
    points = len(values) - 1
    xp = backend_of(values).xp
    mirrored = xp.concatenate([values, (xp.asarray(parity) * values[1:-1])[::-1]])
    spectrum = xp.fft.fft(mirrored, axis=0)
    spectrum /= xp.asarray(transfer(2 * points)).reshape(-1, *[1] * (values.ndim - 1))
    full: np.ndarray = xp.fft.ifft(spectrum, axis=0)
    if values.dtype.kind != "c":
        full = full.real
    return full[xp.asarray(np.arange(-2, points + TAPS - 2) % (2 * points))]


_POLES = (
    (135 / 2 - (17745 / 4) ** 0.5) ** 0.5 + (105 / 4) ** 0.5 - 13 / 2,
    (135 / 2 + (17745 / 4) ** 0.5) ** 0.5 - (105 / 4) ** 0.5 - 13 / 2,
)
_POLE_TERMS = 48  # powers of a pole that are summed: 0.43^48 is below round-off


def filter_rows(rows: np.ndarray, parity: np.ndarray) -> None:
    """Make coefficients of samples, in place: as radial_coefficients, where memory must not hold more than the samples.

    rows    samples at R = 0, h, ... in rows 2, 3, ... along axis 0, zero at the end and beyond; NumPy or CuPy
    parity  +1 or -1, broadcasts against rows[0]
    """
    samples = rows[2:]
    parity = backend_of(rows).xp.asarray(parity, rows.dtype)
    for pole in _POLES:
        mirrored = sum(pole**n * samples[n] for n in range(1, min(_POLE_TERMS, len(samples))))
        samples[0] += parity * mirrored
        for row in range(1, len(samples)):
            samples[row] += pole * samples[row - 1]
        # zero beyond the last row: the sums there continue as powers of the pole
        samples[-1] *= -pole / (1 - pole**2)
        for row in range(len(samples) - 2, -1, -1):
            samples[row] -= samples[row + 1]
            samples[row] *= -pole
        samples *= (1 - pole) * (1 - 1 / pole)
    rows[1], rows[0] = parity * rows[3], parity * rows[4]
