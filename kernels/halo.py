"""psi and densities of a halo by sums over spherical harmonics; the CUDA kernels are in halo.cu.

At any points, and in two steps on cells: sums over l in a half plane through the axis, a table in the distance from the
axis, from which lines of cells along z need the sum over m alone.

Callers check the arguments. Loops release the GIL; a value does not depend on how points, rows and lines are divided.
"""

import math

import numpy as np

from ..parallel.backend import CPU, GPU, Double
from .common import FAST, TAPS, quintic_weights
from .compiled import njit

ORDER_BLOCK = 4  # the l of an m come in blocks of this size: 16 bytes of single precision
_LANES = 8  # points whose Legendre functions advance side by side
_POINTS_A_PART = 512
_LINES_A_PART = 64


def order_starts(l_max: int) -> np.ndarray:
    """Where the l = m ... l_max of each m begin in tables of a halo, shape (l_max + 2,); the last is their size."""
    counts = np.arange(l_max + 1, 0, -1)
    return np.concatenate([[0], np.cumsum(-(-counts // ORDER_BLOCK) * ORDER_BLOCK)]).astype(np.int64)


def legendre_steps(l_max: int) -> np.ndarray:
    """The recurrence of P_lm, Y_lm = P_lm(theta) e^{i m phi}, m >= 0, orthonormal; shape (size + 1, 2).

    P_mm = s sin(theta) P_{m-1,m-1} with s in the row of l = m;  P_lm = s cos(theta) P_{l-1,m} - t P_{l-2,m}. It is
    stable, and sin^m underflows only where P_lm is below 1e-300, for l up to 1300.
    """
    starts = order_starts(l_max)
    steps = np.zeros((starts[-1] + 1, 2))
    for m in range(l_max + 1):
        steps[starts[m], 0] = -math.sqrt((2 * m + 1) / (2 * m)) if m else math.sqrt(1 / (4 * math.pi))
        l = np.arange(m + 1, l_max + 1, dtype=float)
        by = np.sqrt((4 * l**2 - 1) / (l**2 - m**2))
        rows = slice(starts[m] + 1, starts[m] + 1 + len(l))
        steps[rows, 0] = by
        steps[rows, 1] = by * np.sqrt(((l - 1) ** 2 - m**2) / (4 * (l - 1) ** 2 - 1))
    return steps


def halo_points(
    position: np.ndarray,
    table: np.ndarray,
    starts: np.ndarray,
    steps: np.ndarray,
    step: float,
    reach: float,
    backend: CPU | GPU,
) -> np.ndarray:
    """psi [rho_m0^1/2] at points: Re psi and Im psi, shape (points, 2), of the precision of the table.

    All arrays, the result too, are on the backend's device.
    position       shape (points, 3), contiguous, float64 [L]
    table          spline coefficients in r, shape (rows, 4, size), see fields.halo.HaloFactors
    starts, steps  order_starts and legendre_steps of its l_max
    step           of the rows [L];  reach  psi is zero from there on [L]
    """
    out = backend.xp.empty((len(position), 2), table.dtype)
    if backend.name == "gpu":
        sums = table, starts, steps, len(starts) - 1, Double(1 / step), Double(reach)
        backend.launch("halo", "halo_points", table.dtype, len(position), (len(position), position, *sums, out))
        return out

    def work(first: int) -> None:
        part = slice(first, first + _POINTS_A_PART)
        points_loop(position[part], table, starts, steps, 1 / step, reach, out[part])

    backend.for_each(range(0, len(position), _POINTS_A_PART), work)
    return out


def halo_meridian(
    rows: int,
    step_across: float,
    z: np.ndarray,
    inner: float,
    table: np.ndarray,
    starts: np.ndarray,
    steps: np.ndarray,
    step: float,
    reach: float,
    backend: CPU | GPU,
) -> np.ndarray:
    """Sums over l at distances 0, step_across, ... from the axis, for each m in four parts as those of the table.

    rows   number of distances
    z      shape (nz,), float64 [L]
    inner  points nearer to the centre are left zero [L];  the rest as in halo_points
    Returns shape (rows + TAPS, l_count, 4, nz): the first distance is row 2; zero outside of reach, and in the rows
    that are none, which a spline needs.
    """
    l_count = len(starts) - 1
    out = backend.xp.zeros((rows + TAPS, l_count, 4, len(z)), table.dtype)
    if backend.name == "gpu":
        sums = table, starts, steps, l_count, Double(1 / step), Double(reach)
        half_plane = rows, len(z), Double(step_across), z, Double(inner)
        backend.launch("halo", "halo_meridian", table.dtype, rows * len(z), (*half_plane, *sums, out))
        return out

    def work(row: int) -> None:
        meridian_loop(row, step_across, z, inner, table, starts, steps, 1 / step, reach, out[row + 2])

    backend.for_each(range(rows), work)
    return out


def halo_lines(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    shell: tuple[float, float],
    table: np.ndarray,
    step: float,
    mean: np.ndarray,
    mean_step: float,
    backend: CPU | GPU,
) -> np.ndarray:
    """|psi|^2 and <|psi|^2> on lines along z, shape (lines, 2, nz), of the precision of the table.

    x, y, z  of the lines, shape (lines,), and of points on each, shape (nz,), rising, float64 [L]
    shell    radii between which there are densities; elsewhere they are zero [L]
    table    spline coefficients of halo_meridian in the distance from the axis;  step  of its rows [L]
    mean     spline coefficients of <|psi|^2> in r, float64, and the step of its rows [L]
    """
    out = backend.xp.zeros((len(x), 2, len(z)), table.dtype)
    if backend.name == "gpu":
        lines = len(x), len(z), x, y, z, *map(Double, shell)
        splines = table, table.shape[1], Double(1 / step), mean.astype(table.dtype), Double(1 / mean_step)
        backend.launch("halo", "halo_lines", table.dtype, len(x) * len(z), (*lines, *splines, out))
        return out

    def work(first: int) -> None:
        part = slice(first, first + _LINES_A_PART)
        lines_loop(x[part], y[part], z, shell, table, 1 / step, mean, 1 / mean_step, out[part])

    backend.for_each(range(0, len(x), _LINES_A_PART), work)
    return out


@njit(**FAST)
def _sums_over_l(radius, cosine, sine, table, starts, steps, inverse_step, legendre, of_point, sums):
    """Sums over l of P_lm times the four parts, for _LANES points inside of the table; sums has (_LANES, m, 4).

    legendre, of_point  room for P_lm of one m, (l, _LANES) in double and (_LANES, l) in the precision of the table
    """
    w = np.empty((_LANES, TAPS), table.dtype)
    row = np.empty(_LANES, np.int64)
    diagonal = np.ones(_LANES)
    for lane in range(_LANES):
        position = radius[lane] * inverse_step
        row[lane] = int(position)
        quintic_weights(position - row[lane], w[lane])
    for m in range(len(starts) - 1):
        first = starts[m]
        count = starts[m + 1] - first
        by = steps[first, 0]
        for lane in range(_LANES):
            diagonal[lane] *= by * sine[lane] if m > 0 else by
            legendre[0, lane] = diagonal[lane]
            legendre[1, lane] = steps[first + 1, 0] * cosine[lane] * diagonal[lane]
        for i in range(2, count):
            by, less = steps[first + i, 0], steps[first + i, 1]
            for lane in range(_LANES):
                legendre[i, lane] = by * cosine[lane] * legendre[i - 1, lane] - less * legendre[i - 2, lane]
        for i in range(count):
            for lane in range(_LANES):
                of_point[lane, i] = legendre[i, lane]
        for lane in range(_LANES):
            p = of_point[lane]
            r = row[lane]
            t0, t1, t2, t3, t4, t5 = table[r], table[r + 1], table[r + 2], table[r + 3], table[r + 4], table[r + 5]
            w0, w1, w2 = w[lane, 0], w[lane, 1], w[lane, 2]
            w3, w4, w5 = w[lane, 3], w[lane, 4], w[lane, 5]
            s0 = s1 = s2 = s3 = table.dtype.type(0)
            for i in range(count):
                l = first + i
                f0 = (w0 * t0[0, l] + w1 * t1[0, l] + w2 * t2[0, l]) + (w3 * t3[0, l] + w4 * t4[0, l] + w5 * t5[0, l])
                f1 = (w0 * t0[1, l] + w1 * t1[1, l] + w2 * t2[1, l]) + (w3 * t3[1, l] + w4 * t4[1, l] + w5 * t5[1, l])
                f2 = (w0 * t0[2, l] + w1 * t1[2, l] + w2 * t2[2, l]) + (w3 * t3[2, l] + w4 * t4[2, l] + w5 * t5[2, l])
                f3 = (w0 * t0[3, l] + w1 * t1[3, l] + w2 * t2[3, l]) + (w3 * t3[3, l] + w4 * t4[3, l] + w5 * t5[3, l])
                s0 += p[i] * f0
                s1 += p[i] * f1
                s2 += p[i] * f2
                s3 += p[i] * f3
            sums[lane, m, 0] = s0
            sums[lane, m, 1] = s1
            sums[lane, m, 2] = s2
            sums[lane, m, 3] = s3


@njit(**FAST)
def _room(table, starts):
    """radius, cosine, sine, legendre, of_point and sums of _sums_over_l."""
    l_count, widest = len(starts) - 1, starts[1]
    radius, cosine, sine = np.empty(_LANES), np.empty(_LANES), np.empty(_LANES)
    legendre, of_point = np.empty((widest, _LANES)), np.empty((_LANES, widest), table.dtype)
    return radius, cosine, sine, legendre, of_point, np.empty((_LANES, l_count, 4), table.dtype)


@njit(**FAST)
def points_loop(position, table, starts, steps, inverse_step, reach, out):
    """halo_points on the CPU."""
    radius, cosine, sine, legendre, of_point, sums = _room(table, starts)
    for start in range(0, len(position), _LANES):
        last = min(start + _LANES, len(position))
        for lane in range(_LANES):
            x, y, z = position[min(start + lane, last - 1)]
            r = math.sqrt(x * x + y * y + z * z)
            inside = 0.0 < r < reach
            radius[lane] = r if inside else 0.0
            cosine[lane] = z / r if inside else 1.0
            sine[lane] = math.sqrt(x * x + y * y) / r if inside else 0.0
        _sums_over_l(radius, cosine, sine, table, starts, steps, inverse_step, legendre, of_point, sums)
        for lane in range(last - start):
            x, y, z = position[start + lane]
            if math.sqrt(x * x + y * y + z * z) >= reach:
                out[start + lane] = 0
                continue
            across = math.sqrt(x * x + y * y)
            c1 = x / across if across > 0 else 1.0
            s1 = y / across if across > 0 else 0.0
            c, s = 1.0, 0.0
            real = imag = 0.0
            for m in range(len(starts) - 1):
                real += sums[lane, m, 0] * c - sums[lane, m, 1] * s
                imag += sums[lane, m, 2] * c + sums[lane, m, 3] * s
                c, s = c * c1 - s * s1, c * s1 + s * c1
            out[start + lane, 0] = real
            out[start + lane, 1] = imag


@njit(**FAST)
def meridian_loop(row, step_across, z, inner, table, starts, steps, inverse_step, reach, out):
    """halo_meridian on the CPU, at one distance from the axis; out is its row, shape (l_count, 4, nz)."""
    radius, cosine, sine, legendre, of_point, sums = _room(table, starts)
    across = row * step_across
    for start in range(0, len(z), _LANES):
        last = min(start + _LANES, len(z))
        some = False
        for lane in range(_LANES):
            at = z[min(start + lane, last - 1)]
            r = math.sqrt(across * across + at * at)
            some = some or inner <= r < reach
            inside = 0.0 < r < reach
            radius[lane] = r if inside else 0.0
            cosine[lane] = at / r if inside else 1.0
            sine[lane] = across / r if inside else 0.0
        if not some:
            continue
        _sums_over_l(radius, cosine, sine, table, starts, steps, inverse_step, legendre, of_point, sums)
        for lane in range(last - start):
            at = z[start + lane]
            if not inner <= math.sqrt(across * across + at * at) < reach:
                continue
            for m in range(len(starts) - 1):
                for part in range(4):
                    out[m, part, start + lane] = sums[lane, m, part]


@njit(**FAST)
def lines_loop(x, y, z, shell, table, inverse_step, mean, mean_inverse_step, out):
    """halo_lines on the CPU."""
    l_count = table.shape[1]
    inner, outer = shell
    w = np.empty(TAPS, table.dtype)
    w_mean = np.empty(TAPS)
    real = np.empty(len(z), table.dtype)
    imag = np.empty(len(z), table.dtype)
    for line in range(len(x)):
        square = x[line] * x[line] + y[line] * y[line]
        across = math.sqrt(square)
        if across >= outer:
            continue
        first, last = 0, len(z)
        while first < last and z[first] * z[first] + square >= outer * outer:
            first += 1
        while last > first and z[last - 1] * z[last - 1] + square >= outer * outer:
            last -= 1
        hole = first
        while hole < last and z[hole] * z[hole] + square >= inner * inner:
            hole += 1
        beyond = hole
        while beyond < last and z[beyond] * z[beyond] + square < inner * inner:
            beyond += 1
        position = across * inverse_step
        row = int(position)
        quintic_weights(position - row, w)
        w0, w1, w2, w3, w4, w5 = w[0], w[1], w[2], w[3], w[4], w[5]
        c1 = x[line] / across if across > 0 else 1.0
        s1 = y[line] / across if across > 0 else 0.0
        for begin, end in ((first, hole), (beyond, last)):
            if begin == end:
                continue
            c, s = 1.0, 0.0
            real[begin:end] = 0
            imag[begin:end] = 0
            for m in range(l_count):
                t0, t1, t2 = table[row, m], table[row + 1, m], table[row + 2, m]
                t3, t4, t5 = table[row + 3, m], table[row + 4, m], table[row + 5, m]
                cosine, sine = table.dtype.type(c), table.dtype.type(s)
                for k in range(begin, end):
                    f0 = w0 * t0[0, k] + w1 * t1[0, k] + w2 * t2[0, k] + w3 * t3[0, k] + w4 * t4[0, k] + w5 * t5[0, k]
                    f1 = w0 * t0[1, k] + w1 * t1[1, k] + w2 * t2[1, k] + w3 * t3[1, k] + w4 * t4[1, k] + w5 * t5[1, k]
                    f2 = w0 * t0[2, k] + w1 * t1[2, k] + w2 * t2[2, k] + w3 * t3[2, k] + w4 * t4[2, k] + w5 * t5[2, k]
                    f3 = w0 * t0[3, k] + w1 * t1[3, k] + w2 * t2[3, k] + w3 * t3[3, k] + w4 * t4[3, k] + w5 * t5[3, k]
                    real[k] += f0 * cosine - f1 * sine
                    imag[k] += f2 * cosine + f3 * sine
                c, s = c * c1 - s * s1, c * s1 + s * c1
            for k in range(begin, end):
                out[line, 0, k] = real[k] * real[k] + imag[k] * imag[k]
                position = math.sqrt(square + z[k] * z[k]) * mean_inverse_step
                at = int(position)
                quintic_weights(position - at, w_mean)
                average = 0.0
                for tap in range(TAPS):
                    average += w_mean[tap] * mean[at + tap]
                out[line, 1, k] = average
