"""psi, its gradient and radial splines at points of the cross-section of a filament; in CUDA in cross_section.cu.

Callers check the arguments. Loops release the GIL, so that points are spread over threads; the value at a point does
not depend on how they are divided.
"""

import math
from collections.abc import Callable

import numpy as np

from ..parallel.backend import CPU, GPU
from .common import FAST, TAPS, psi_points_loop, quintic_slopes, quintic_weights, rotations
from .compiled import njit

_POINTS_A_PART = 16384


def psi_points(
    x: np.ndarray, y: np.ndarray, table: np.ndarray, step: float, radius_max: float, backend: CPU | GPU
) -> np.ndarray:
    """psi [rho_m0^1/2] at points of the cross-section: Re psi and Im psi, shape (points, 2).

    All arrays, the result too, are on the backend's device.
    x, y        positions, shape (points,), contiguous, of the precision of the table [L]
    table       spline coefficients (rows, 4, l padded to a multiple of 8), see fields.cross_section.RadialTable
    step        of the rows in R [L];  radius_max  psi is zero from there on [L]
    """
    return _evaluate(psi_points_loop, "psi_points", 2, x, y, table, step, radius_max, backend)


def psi_gradient_points(
    x: np.ndarray, y: np.ndarray, table: np.ndarray, step: float, radius_max: float, backend: CPU | GPU
) -> np.ndarray:
    """psi and its gradient: Re psi, Im psi, d/dx Re, d/dx Im, d/dy Re, d/dy Im, shape (points, 6).

    Arguments as in psi_points.
    """
    return _evaluate(psi_gradient_points_loop, "psi_gradient_points", 6, x, y, table, step, radius_max, backend)


def spline_points(
    radius: np.ndarray, coefficients: np.ndarray, inverse_step: float, radius_max: float, backend: CPU | GPU
) -> np.ndarray:
    """A radial spline at points, float64, shape (points,); zero from radius_max on.

    All arrays, the result too, are on the backend's device.
    radius        shape (points,), contiguous, float64 [L]
    coefficients  float64, shape (rows,), see fields.spline.radial_coefficients
    inverse_step  of the rows [1/L];  radius_max  [L]
    """
    out = backend.xp.empty(len(radius))
    if backend.name == "gpu":
        arguments = (len(radius), radius, coefficients, inverse_step, radius_max, out)
        backend.launch("cross_section", "spline_points", out.dtype, len(radius), arguments)
        return out

    def work(first: int) -> None:
        part = slice(first, first + _POINTS_A_PART)
        spline_points_loop(radius[part], coefficients, inverse_step, radius_max, out[part])

    backend.for_each(range(0, len(radius), _POINTS_A_PART), work)
    return out


def _evaluate(
    loop: Callable,
    kernel: str,
    values: int,
    x: np.ndarray,
    y: np.ndarray,
    table: np.ndarray,
    step: float,
    radius_max: float,
    backend: CPU | GPU,
) -> np.ndarray:
    """Run the loop in threads, or the kernel of that name with one thread a point."""
    out = backend.xp.empty((len(x), values), table.dtype)
    if backend.name == "gpu":
        arguments = (len(x), x, y, table, table.shape[2], 1 / step, radius_max, out)
        backend.launch("cross_section", kernel, table.dtype, len(x), arguments)
        return out
    constants = table, table.dtype.type(1 / step), table.dtype.type(radius_max)

    def work(first: int) -> None:
        part = slice(first, first + _POINTS_A_PART)
        loop(x[part], y[part], *constants, out[part])

    backend.for_each(range(0, len(x), _POINTS_A_PART), work)
    return out


@njit(**FAST)
def psi_gradient_points_loop(x, y, table, inverse_step, radius_max, out):
    """psi_gradient_points on the CPU; arguments as in psi_points_loop, out has shape (points, 6)."""
    l_count = table.shape[2]
    cosine = np.empty(l_count, table.dtype)
    sine = np.empty(l_count, table.dtype)
    w = np.empty(TAPS, table.dtype)
    slope = np.empty(TAPS, table.dtype)
    f = np.empty(4, table.dtype)
    df = np.empty(4, table.dtype)
    # towards the axis l F_l / R tends to dF_l/dR for l >= 1 (F_l ~ R^l); closer than this, round-off would win
    smallest = 1e-3 / inverse_step
    for p in range(len(x)):
        radius = math.sqrt(x[p] * x[p] + y[p] * y[p])
        if radius >= radius_max:
            out[p] = 0
            continue
        rotations(x[p], y[p], radius, cosine, sine)
        position = radius * inverse_step
        row = int(position)
        quintic_weights(position - row, w)
        quintic_slopes(position - row, slope)
        real = imag = real_radial = imag_radial = real_angular = imag_angular = table.dtype.type(0)
        for l in range(l_count):
            for part in range(4):
                f[part] = 0
                df[part] = 0
                for tap in range(TAPS):
                    f[part] += w[tap] * table[row + tap, part, l]
                    df[part] += slope[tap] * table[row + tap, part, l]
            c, s = cosine[l], sine[l]
            real += f[0] * c - f[1] * s
            imag += f[2] * c + f[3] * s
            real_radial += df[0] * c - df[1] * s
            imag_radial += df[2] * c + df[3] * s
            order = l / radius
            if radius <= smallest:
                order = min(l, 1) * inverse_step
                for part in range(4):
                    f[part] = df[part]
            real_angular -= order * (f[0] * s + f[1] * c)
            imag_angular -= order * (f[2] * s - f[3] * c)
        real_radial *= inverse_step
        imag_radial *= inverse_step
        c, s = cosine[1], sine[1]
        out[p, 0] = real
        out[p, 1] = imag
        out[p, 2] = real_radial * c - real_angular * s
        out[p, 3] = imag_radial * c - imag_angular * s
        out[p, 4] = real_radial * s + real_angular * c
        out[p, 5] = imag_radial * s + imag_angular * c


@njit(**FAST)
def spline_points_loop(radius, coefficients, inverse_step, radius_max, out):
    """spline_points on the CPU; out  written, shape (points,)."""
    w = np.empty(TAPS)
    for p in range(len(radius)):
        out[p] = 0
        if radius[p] < radius_max:
            position = radius[p] * inverse_step
            row = int(position)
            quintic_weights(position - row, w)
            for tap in range(TAPS):
                out[p] += w[tap] * coefficients[row + tap]
