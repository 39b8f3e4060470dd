"""The hot loops on the CPU (numba). Each has a CUDA twin of the same name in kernels/.

They compute and trust: arguments are checked by the callers. They release the GIL, so that callers spread them
over threads; what a point or a cell receives does not depend on how the work was divided.
"""

import math
from functools import cache
from typing import Any

import numpy as np
from numba import njit

from .spline import TAPS

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},
    "error_model": "numpy",
}

_120TH = 1 / 120
_24TH = 1 / 24


@njit(inline="always", **_OPTIONS)
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


@njit(inline="always", **_OPTIONS)
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


@njit(inline="always", **_OPTIONS)
def _rotations(x, y, radius, cosine, sine):
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


@njit(**_OPTIONS)
def psi_points(x, y, table, inverse_step, radius_max, out):
    """psi at points of the cross-section.

    x, y        positions [L], shape (points,)
    table       spline coefficients (rows, 4, l padded to a multiple of 8), see cross_section.RadialTable
    out         Re psi and Im psi, written, shape (points, 2)
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
        _rotations(x[p], y[p], radius, cosine, sine)
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


@njit(**_OPTIONS)
def psi_gradient_points(x, y, table, inverse_step, radius_max, out):
    """psi and its gradient at points of the cross-section.

    out  Re psi, Im psi, d/dx Re, d/dx Im, d/dy Re, d/dy Im, written, shape (points, 6); the rest as psi_points
    """
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
        _rotations(x[p], y[p], radius, cosine, sine)
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


@njit(inline="always", **_OPTIONS)
def _row_interval(ux, uy, u_step, v_step, s0, s_step, reach, axial_reach):
    """Interval of the coordinate t of a row where (u, v) = (ux, uy) + t (u_step, v_step) lies within `reach`
    and the axial coordinate s0 + t s_step within `axial_reach`; empty where the first exceeds the second."""
    low = -math.inf
    high = math.inf
    across = u_step * u_step + v_step * v_step
    middle = ux * u_step + uy * v_step
    excess = ux * ux + uy * uy - reach * reach
    if across > 1e-14:
        discriminant = middle * middle - across * excess
        if discriminant < 0:
            return 1.0, 0.0
        root = math.sqrt(discriminant)
        low = (-middle - root) / across
        high = (-middle + root) / across
    elif excess > 0:
        return 1.0, 0.0
    if abs(s_step) > 1e-14:
        first = (-axial_reach - s0) / s_step
        second = (axial_reach - s0) / s_step
        low = max(low, min(first, second))
        high = min(high, max(first, second))
    elif abs(s0) > axial_reach:
        return 1.0, 0.0
    return low, high


SOFT_END_DEPTH = 6.0  # erf(6) is 1 to 2e-17
_SOFT_END_STEPS = 4096  # cubic pieces over -6 ... 6: good to 1e-12, four times as fast as erf


@cache
def soft_end_pieces():
    """Cubic pieces of [1 + erf(depth)] / 2 over equal steps of -6 ... 6, for _soft_end; shape (steps, 4)."""
    edges = np.linspace(-SOFT_END_DEPTH, SOFT_END_DEPTH, _SOFT_END_STEPS + 1)
    step = edges[1] - edges[0]
    value = 0.5 * (1 + np.array([math.erf(edge) for edge in edges]))
    slope = step * np.exp(-(edges**2)) / math.sqrt(math.pi)
    rise = np.diff(value)
    return np.stack(
        [value[:-1], slope[:-1], 3 * rise - 2 * slope[:-1] - slope[1:], slope[:-1] + slope[1:] - 2 * rise], axis=1
    )


@njit(inline="always", **_OPTIONS)
def _soft_end(axial, half_length, sharpness, pieces):
    """[erf(sharpness (half_length - |axial|)) + 1] / 2."""
    depth = sharpness * (half_length - abs(axial))
    if depth >= 6.0:
        return 1.0
    position = max(depth + 6.0, 0.0) * (len(pieces) / 12.0)
    piece = int(position)
    t = position - piece
    return pieces[piece, 0] + t * (pieces[piece, 1] + t * (pieces[piece, 2] + t * pieces[piece, 3]))


@njit(inline="always", **_OPTIONS)
def _extent(image, axis, reach, axial_reach):
    """Half width along a box axis of the cylinder that holds a filament."""
    along = image[12 + axis]
    return abs(along) * axial_reach + reach * math.sqrt(max(0.0, 1.0 - along * along))


@njit(inline="always", **_OPTIONS)
def _y_range(image, spacing, reach, axial_reach, ny):
    """First and last row of a plane that the cylinder of a filament can touch."""
    extent = _extent(image, 1, reach, axial_reach)
    first = max(0, math.floor(-extent / spacing[1] - image[4] + image[1]))
    last = min(ny - 1, math.ceil(extent / spacing[1] - image[4] + image[1]))
    return first, last


@njit(inline="always", **_OPTIONS)
def _z_range(image, spacing, low, high, nz):
    """First and last cell of a row in an interval of its coordinate; empty where low exceeds high."""
    if low > high:
        return 0, -1
    first = max(0, math.floor(max(low / spacing[2] - image[5] + image[2], -1.0)))
    last = min(nz - 1, math.ceil(min(high / spacing[2] - image[5] + image[2], float(nz))))
    return first, last


@njit(**_OPTIONS)
def fill_extruded(fdm, smooth, x_first, planes, spacing, images, section, inverse_step, reach, ends):
    """Add one filament, all its periodic images, to two density fields from its tabulated cross-section.

    fdm, smooth   densities, added to, shape (local planes, ny, nz)
    x_first       global index of local plane 0
    planes        (first, last) local planes to work on, last excluded
    spacing       cell widths, shape (3,) [L]
    images        shape (images, 15): cell of the centre (3, integers), offset of the cell centre from it within
                  the cell (3, in cells), then the unit vectors u, v and the axis in box coordinates (9)
    section       B-spline coefficients of both densities, the two interleaved along the second axis,
                  shape (points, 2 points); index points/2 is the axis
    inverse_step  of the section [1/L]
    reach         radius beyond which the filament is nothing [L]
    ends          (half length [L], sharpness [1/L], axial reach [L], soft_end_pieces())
    """
    half_length, sharpness, axial_reach, pieces = ends
    middle = len(section) // 2
    wu = np.empty(TAPS, section.dtype)
    wv = np.empty(TAPS, section.dtype)
    taps = np.empty(2 * TAPS, section.dtype)
    ny, nz = fdm.shape[1], fdm.shape[2]
    for number in range(len(images)):
        image = images[number]
        u_step, v_step, s_step = image[8], image[11], image[14]
        x_extent = _extent(image, 0, reach, axial_reach)
        y_first, y_last = _y_range(image, spacing, reach, axial_reach, ny)
        for i in range(planes[0], planes[1]):
            bx = ((x_first + i - image[0]) + image[3]) * spacing[0]
            if abs(bx) > x_extent:
                continue
            for j in range(y_first, y_last + 1):
                by = ((j - image[1]) + image[4]) * spacing[1]
                u0 = bx * image[6] + by * image[7]
                v0 = bx * image[9] + by * image[10]
                s0 = bx * image[12] + by * image[13]
                low, high = _row_interval(u0, v0, u_step, v_step, s0, s_step, reach, axial_reach)
                first, last = _z_range(image, spacing, low, high, nz)
                for k in range(first, last + 1):
                    bz = ((k - image[2]) + image[5]) * spacing[2]
                    u = u0 + bz * u_step
                    v = v0 + bz * v_step
                    axial = s0 + bz * s_step
                    if u * u + v * v >= reach * reach or abs(axial) >= axial_reach:
                        continue
                    su = u * inverse_step + middle
                    sv = v * inverse_step + middle
                    iu = int(su)
                    iv = int(sv)
                    quintic_weights(su - iu, wu)
                    quintic_weights(sv - iv, wv)
                    column = 2 * (iu - 2)
                    r0, r1, r2 = section[iv - 2], section[iv - 1], section[iv]
                    r3, r4, r5 = section[iv + 1], section[iv + 2], section[iv + 3]
                    w0, w1, w2, w3, w4, w5 = wv[0], wv[1], wv[2], wv[3], wv[4], wv[5]
                    for c in range(2 * TAPS):  # both densities at once, in one vector
                        e = column + c
                        taps[c] = (w0 * r0[e] + w1 * r1[e] + w2 * r2[e]) + (w3 * r3[e] + w4 * r4[e] + w5 * r5[e])
                    sum_fdm = 0.0
                    sum_smooth = 0.0
                    for b in range(TAPS):
                        sum_fdm += wu[b] * taps[2 * b]
                        sum_smooth += wu[b] * taps[2 * b + 1]
                    end = _soft_end(axial, half_length, sharpness, pieces)
                    # interpolated to the tolerance, a density can come out below zero
                    fdm[i, j, k] += end * max(sum_fdm, 0.0)
                    smooth[i, j, k] += end * max(sum_smooth, 0.0)


@njit(**_OPTIONS)
def fill_direct(
    fdm, smooth, x_first, planes, spacing, images, table, inverse_step, mean, mean_inverse_step, reach, ends
):
    """Add one filament to two density fields by evaluating psi in every cell; the reference for fill_extruded.

    table, inverse_step      of psi, as in psi_points
    mean, mean_inverse_step  spline coefficients of the phase-averaged density in R, shape (rows,), and 1/step
    reach                    radius beyond which psi is zero [L];  the rest as in fill_extruded
    """
    half_length, sharpness, axial_reach, pieces = ends
    ny, nz = fdm.shape[1], fdm.shape[2]
    u_row = np.empty(nz, table.dtype)
    v_row = np.empty(nz, table.dtype)
    end_row = np.empty(nz)
    cell = np.empty(nz, np.int64)
    psi = np.empty((nz, 2), table.dtype)
    w = np.empty(TAPS)
    for number in range(len(images)):
        image = images[number]
        u_step, v_step, s_step = image[8], image[11], image[14]
        x_extent = _extent(image, 0, reach, axial_reach)
        for i in range(planes[0], planes[1]):
            bx = ((x_first + i - image[0]) + image[3]) * spacing[0]
            if abs(bx) > x_extent:
                continue
            y_first, y_last = _y_range(image, spacing, reach, axial_reach, ny)
            for j in range(y_first, y_last + 1):
                by = ((j - image[1]) + image[4]) * spacing[1]
                u0 = bx * image[6] + by * image[7]
                v0 = bx * image[9] + by * image[10]
                s0 = bx * image[12] + by * image[13]
                low, high = _row_interval(u0, v0, u_step, v_step, s0, s_step, reach, axial_reach)
                first, last = _z_range(image, spacing, low, high, nz)
                count = 0
                for k in range(first, last + 1):
                    bz = ((k - image[2]) + image[5]) * spacing[2]
                    u = u0 + bz * u_step
                    v = v0 + bz * v_step
                    axial = s0 + bz * s_step
                    if u * u + v * v >= reach * reach or abs(axial) >= axial_reach:
                        continue
                    u_row[count] = u
                    v_row[count] = v
                    end_row[count] = _soft_end(axial, half_length, sharpness, pieces)
                    cell[count] = k
                    count += 1
                if count == 0:
                    continue
                psi_points(u_row[:count], v_row[:count], table, inverse_step, reach, psi)
                for p in range(count):
                    k = cell[p]
                    fdm[i, j, k] += end_row[p] * (psi[p, 0] * psi[p, 0] + psi[p, 1] * psi[p, 1])
                    position = math.sqrt(u_row[p] * u_row[p] + v_row[p] * v_row[p]) * mean_inverse_step
                    row = int(position)
                    quintic_weights(position - row, w)
                    average = 0.0
                    for tap in range(TAPS):
                        average += w[tap] * mean[row + tap]
                    smooth[i, j, k] += end_row[p] * max(average, 0.0)


@njit(**_OPTIONS)
def spline_points(radius, coefficients, inverse_step, radius_max, out):
    """A radial spline (spline.radial_coefficients, real) at points; zero from radius_max on.

    radius, out  shape (points,);  coefficients  shape (rows,)
    """
    w = np.empty(TAPS)
    for p in range(len(radius)):
        out[p] = 0
        if radius[p] < radius_max:
            position = radius[p] * inverse_step
            row = int(position)
            quintic_weights(position - row, w)
            for tap in range(TAPS):
                out[p] += w[tap] * coefficients[row + tap]
