"""Loops that others call, as those of common.cuh: quintic B-splines, and psi at points of a cross-section.

numba compiles a loop anew when its own file changes, not when this one does: after an edit here delete
kernels/__pycache__, which make run and make test do.
"""

import math
from typing import Any

import numpy as np

from .compiled import njit

TAPS = 6  # coefficients around a point that a quintic spline needs
L_BLOCK = 8  # angular momenta come in blocks of this size
FAST: dict[str, Any] = {
    "nogil": True,
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},
    "error_model": "numpy",
}

_120TH = 1 / 120
_24TH = 1 / 24


@njit(inline="always", **FAST)
def quintic_weights(t, w):
    """Weights of the six B-spline coefficients around a point at fraction t of its interval."""
    t2 = t * t
    t3 = t2 * t
    t4 = t2 * t2
    t5 = t4 * t
    s = 1 - t
    s2 = s * s
    w[0] = s2 * s2 * s * _120TH
    w[1] = (26 - 50 * t + 20 * t2 + 20 * t3 - 20 * t4 + 5 * t5) * _120TH
    w[2] = (66 - 60 * t2 + 30 * t4 - 10 * t5) * _120TH
    w[3] = (26 + 50 * t + 20 * t2 - 20 * t3 - 20 * t4 + 10 * t5) * _120TH
    w[4] = (1 + 5 * t + 10 * t2 + 10 * t3 + 5 * t4 - 5 * t5) * _120TH
    w[5] = t5 * _120TH


@njit(inline="always", **FAST)
def quintic_slopes(t, w):
    """Derivatives of quintic_weights with respect to t."""
    t2 = t * t
    t3 = t2 * t
    t4 = t2 * t2
    s = 1 - t
    s2 = s * s
    w[0] = -s2 * s2 * _24TH
    w[1] = (-10 + 8 * t + 12 * t2 - 16 * t3 + 5 * t4) * _24TH
    w[2] = (-24 * t + 24 * t3 - 10 * t4) * _24TH
    w[3] = (10 + 8 * t - 12 * t2 - 16 * t3 + 10 * t4) * _24TH
    w[4] = (1 + 4 * t + 6 * t2 + 4 * t3 - 5 * t4) * _24TH
    w[5] = t4 * _24TH


@njit(inline="always", **FAST)
def rotations(x, y, radius, cosine, sine):
    """cos(l phi) and sin(l phi) for all l, eight at a time once the first eight are known."""
    one = 0 * radius + 1  # in the precision of the table
    if radius > 0:
        c1 = x / radius
        s1 = y / radius
    else:
        c1 = one
        s1 = one * 0
    cosine[0] = 1
    sine[0] = 0
    for l in range(1, 8):
        cosine[l] = cosine[l - 1] * c1 - sine[l - 1] * s1
        sine[l] = cosine[l - 1] * s1 + sine[l - 1] * c1
    c8 = cosine[7] * c1 - sine[7] * s1
    s8 = cosine[7] * s1 + sine[7] * c1
    for block in range(8, len(cosine), 8):
        for l in range(block, block + 8):
            cosine[l] = cosine[l - 8] * c8 - sine[l - 8] * s8
            sine[l] = cosine[l - 8] * s8 + sine[l - 8] * c8


@njit(**FAST)
def psi_points_loop(x, y, table, inverse_step, radius_max, out):
    """cross_section.psi_points on the CPU.

    x, y          positions, shape (points,) [L]
    table         spline coefficients (rows, 4, l padded to L_BLOCK), see fields.cross_section.RadialTable
    inverse_step  of its rows [1/L];  radius_max  psi is zero from there on [L]
    out           Re psi and Im psi, written, shape (points, 2)
    """
    l_count = table.shape[2]
    cosine = np.empty(l_count, table.dtype)
    sine = np.empty(l_count, table.dtype)
    w = np.empty(TAPS, table.dtype)
    for p in range(len(x)):
        radius = math.sqrt(x[p] * x[p] + y[p] * y[p])
        if radius >= radius_max:
            out[p] = 0
            continue
        rotations(x[p], y[p], radius, cosine, sine)
        position = radius * inverse_step
        row = int(position)
        quintic_weights(position - row, w)
        t0, t1, t2 = table[row], table[row + 1], table[row + 2]
        t3, t4, t5 = table[row + 3], table[row + 4], table[row + 5]
        w0, w1, w2, w3, w4, w5 = w[0], w[1], w[2], w[3], w[4], w[5]
        sum_real = table.dtype.type(0)
        sum_imag = table.dtype.type(0)
        for l in range(l_count):
            f0 = w0 * t0[0, l] + w1 * t1[0, l] + w2 * t2[0, l] + w3 * t3[0, l] + w4 * t4[0, l] + w5 * t5[0, l]
            f1 = w0 * t0[1, l] + w1 * t1[1, l] + w2 * t2[1, l] + w3 * t3[1, l] + w4 * t4[1, l] + w5 * t5[1, l]
            f2 = w0 * t0[2, l] + w1 * t1[2, l] + w2 * t2[2, l] + w3 * t3[2, l] + w4 * t4[2, l] + w5 * t5[2, l]
            f3 = w0 * t0[3, l] + w1 * t1[3, l] + w2 * t2[3, l] + w3 * t3[3, l] + w4 * t4[3, l] + w5 * t5[3, l]
            sum_real += f0 * cosine[l] - f1 * sine[l]
            sum_imag += f2 * cosine[l] + f3 * sine[l]
        out[p, 0] = sum_real
        out[p, 1] = sum_imag
