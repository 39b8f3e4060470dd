"""Add one filament, all its periodic images, to two density fields. The CUDA kernels are in fill.cu.

Callers check the arguments. Loops release the GIL, so that planes are spread over threads; the number added to a cell
does not depend on how they are divided.
"""

import math
from collections.abc import Callable

import numpy as np

from ..parallel.backend import CPU, GPU, Double
from .common import FAST, TAPS, psi_points_loop, quintic_weights, rotations
from .compiled import njit
from .cylinders import SOFT_END_DEPTH, extent, line_start, row_interval, soft_end, soft_end_pieces, y_range, z_range

_PLANES_A_PART = 4
_WARP = 32  # threads
_BLOCK = 128  # threads: registers for 28 warps of the kernels that take fewest
_LINES_A_WARP = 4  # LINES in fill.cu
_DEPTHS = {"float32": 4.0, "float64": SOFT_END_DEPTH}  # from which erf is 1 to a tenth of an eps


def fill_extruded(
    fdm: np.ndarray,
    smooth: np.ndarray,
    x_first: int,
    spacing: np.ndarray,
    images: np.ndarray,
    section: np.ndarray,
    inverse_step: float,
    reach: float,
    ends: tuple[float, float, float],
    backend: CPU | GPU,
):
    """Add a filament from its tabulated cross-section.

    fdm, smooth   densities, added to, shape (planes, ny, nz), on the backend's device [rho_m0]
    x_first       index of their first plane in the box
    spacing       cell widths, shape (3,) [L]
    images        shape (images, 15): cell of the centre (3, integers), offset of the cell centre from it within
                  the cell (3, in cells), then the unit vectors u, v and the axis in box coordinates (9)
    section       B-spline coefficients of both densities, the two interleaved along the second axis,
                  shape (points, 2 points), NumPy or CuPy, as all tables here; index points/2 is the axis
    inverse_step  of the section [1/L]
    reach         radius beyond which the filament is nothing [L]
    ends          half length [L], sharpness [1/L] and axial reach [L] of the soft ends
    """
    section = _on_device(section, fdm, backend)
    source: tuple = section, inverse_step
    if backend.name == "gpu":
        source = section, len(section), Double(inverse_step)
        _launch("fill_extruded", fdm, smooth, x_first, spacing, images, source, reach, ends, backend)
    else:
        _run(fill_extruded_loop, fdm, smooth, x_first, spacing, images, source, reach, ends, backend)


def fill_direct(
    fdm: np.ndarray,
    smooth: np.ndarray,
    x_first: int,
    spacing: np.ndarray,
    images: np.ndarray,
    table: np.ndarray,
    inverse_step: float,
    mean: np.ndarray,
    mean_inverse_step: float,
    reach: float,
    ends: tuple[float, float, float],
    backend: CPU | GPU,
):
    """Add a filament by evaluating psi in every cell; the reference for fill_extruded.

    table, inverse_step      spline coefficients of psi, see cross_section.psi_points, and 1/step [1/L]
    mean, mean_inverse_step  spline coefficients of the phase-averaged density in R, shape (rows,), and 1/step
    reach                    radius beyond which psi is zero [L];  the rest as in fill_extruded
    """
    table, mean = (_on_device(part, fdm, backend) for part in (table, mean))
    source: tuple = table, inverse_step, mean, mean_inverse_step
    if backend.name == "gpu":
        source = table, table.shape[2], Double(inverse_step), mean, Double(mean_inverse_step)
        _launch("fill_direct", fdm, smooth, x_first, spacing, images, source, reach, ends, backend)
    else:
        _run(fill_direct_loop, fdm, smooth, x_first, spacing, images, source, reach, ends, backend)


def fill_axial(
    fdm: np.ndarray,
    smooth: np.ndarray,
    x_first: int,
    spacing: np.ndarray,
    images: np.ndarray,
    table: np.ndarray,
    inverse_step: float,
    slices: tuple[float, float],
    piece: tuple[float, float],
    mean: np.ndarray,
    mean_inverse_step: float,
    reach: float,
    ends: tuple[float, float, float],
    backend: CPU | GPU,
):
    """Add a piece of a filament whose psi changes along its axis, by evaluating psi in every cell.

    table         spline coefficients of psi, shape (slices, rows, 4, l padded to L_BLOCK), see
                  fields.axial.AxialTable, and 1/step along R [1/L]
    slices        axial coordinate of the first [L], and 1/step along the axis [1/L]
    piece         axial coordinates that are filled, [low, high) [L];  the rest as in fill_direct
    """
    table, mean = (_on_device(part, fdm, backend) for part in (table, mean))
    if backend.name == "gpu":
        along = map(Double, (inverse_step, *slices, *piece))
        source: tuple = table, *table.shape[1::2], *along, mean, Double(mean_inverse_step)
        _launch("fill_axial", fdm, smooth, x_first, spacing, images, source, reach, ends, backend)
    else:
        source = table, inverse_step, *slices, *piece, mean, mean_inverse_step
        _run(fill_axial_loop, fdm, smooth, x_first, spacing, images, source, reach, ends, backend)


def _run(
    loop: Callable,
    fdm: np.ndarray,
    smooth: np.ndarray,
    x_first: int,
    spacing: np.ndarray,
    images: np.ndarray,
    source: tuple,
    reach: float,
    ends: tuple[float, float, float],
    backend: CPU,
) -> None:
    """A loop on all threads, some planes at a time."""
    planes, pieces = len(fdm), soft_end_pieces()

    def work(first: int) -> None:
        part = (first, min(first + _PLANES_A_PART, planes))
        loop(fdm, smooth, x_first, part, spacing, images, *source, reach, (*ends, pieces))

    backend.for_each(range(0, planes, _PLANES_A_PART), work)


def _launch(
    kernel: str,
    fdm: np.ndarray,
    smooth: np.ndarray,
    x_first: int,
    spacing: np.ndarray,
    images: np.ndarray,
    source: tuple,
    reach: float,
    ends: tuple[float, float, float],
    backend: GPU,
) -> None:
    """A kernel of fill.cu with one warp for _LINES_A_WARP lines of cells."""
    planes, ny, _ = fdm.shape
    threads = _WARP * planes * -(-ny // _LINES_A_WARP)
    box = (*fdm.shape, x_first, *map(Double, spacing))
    half_length, sharpness, axial_reach = ends
    axial_reach = min(axial_reach, half_length + _DEPTHS[fdm.dtype.name] / sharpness)
    filament = len(images), backend.to_device(images), *map(Double, (reach, half_length, sharpness, axial_reach))
    arguments = (*box, *filament, *source, fdm, smooth)
    backend.launch("fill", kernel, fdm.dtype, threads, arguments, _BLOCK)


def _on_device(table: np.ndarray, fdm: np.ndarray, backend: CPU | GPU) -> np.ndarray:
    """A table on the device; for kernels in the precision of the densities."""
    if backend.name == "gpu" and table.dtype != fdm.dtype:
        table = table.astype(fdm.dtype)
    return backend.to_device(table)


@njit(inline="always", **FAST)
def _mean_density(position, mean, w):
    """The smooth density at a radius in steps of its table; interpolated, it can come out below zero."""
    row = int(position)
    quintic_weights(position - row, w)
    average = 0.0
    for tap in range(TAPS):
        average += w[tap] * mean[row + tap]
    return max(average, 0.0)


@njit(**FAST)
def fill_extruded_loop(fdm, smooth, x_first, planes, spacing, images, section, inverse_step, reach, ends):
    """fill_extruded on the CPU, on some planes.

    planes  (first, last) planes of the slab, last excluded
    ends    half length [L], sharpness [1/L], axial reach [L], soft_end_pieces();  the rest as in fill_extruded
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
        x_extent = extent(image, 0, reach, axial_reach)
        y_first, y_last = y_range(image, spacing, reach, axial_reach, ny)
        for i in range(planes[0], planes[1]):
            bx = ((x_first + i - image[0]) + image[3]) * spacing[0]
            if abs(bx) > x_extent:
                continue
            for j in range(y_first, y_last + 1):
                u0, v0, s0 = line_start(image, spacing, bx, j)
                low, high = row_interval(u0, v0, u_step, v_step, s0, s_step, reach, axial_reach)
                first, last = z_range(image, spacing, low, high, nz)
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
                    end = soft_end(axial, half_length, sharpness, pieces)
                    # interpolated to the tolerance, a density can come out below zero
                    fdm[i, j, k] += end * max(sum_fdm, 0.0)
                    smooth[i, j, k] += end * max(sum_smooth, 0.0)


@njit(**FAST)
def fill_direct_loop(
    fdm, smooth, x_first, planes, spacing, images, table, inverse_step, mean, mean_inverse_step, reach, ends
):
    """fill_direct on the CPU, on some planes; planes and ends as in fill_extruded_loop, the rest as in fill_direct."""
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
        x_extent = extent(image, 0, reach, axial_reach)
        for i in range(planes[0], planes[1]):
            bx = ((x_first + i - image[0]) + image[3]) * spacing[0]
            if abs(bx) > x_extent:
                continue
            y_first, y_last = y_range(image, spacing, reach, axial_reach, ny)
            for j in range(y_first, y_last + 1):
                u0, v0, s0 = line_start(image, spacing, bx, j)
                low, high = row_interval(u0, v0, u_step, v_step, s0, s_step, reach, axial_reach)
                first, last = z_range(image, spacing, low, high, nz)
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
                    end_row[count] = soft_end(axial, half_length, sharpness, pieces)
                    cell[count] = k
                    count += 1
                if count == 0:
                    continue
                psi_points_loop(u_row[:count], v_row[:count], table, inverse_step, reach, psi)
                for p in range(count):
                    k = cell[p]
                    fdm[i, j, k] += end_row[p] * (psi[p, 0] * psi[p, 0] + psi[p, 1] * psi[p, 1])
                    position = math.sqrt(u_row[p] * u_row[p] + v_row[p] * v_row[p]) * mean_inverse_step
                    smooth[i, j, k] += end_row[p] * _mean_density(position, mean, w)


@njit(inline="always", **FAST)
def _sum_slices(slices, ws, position, w, f):
    """Factors of all cos(l phi) and sin(l phi) of psi between slices, into f.

    slices    (TAPS, rows, width);  ws  their weights (TAPS,);  position  of the radius in rows;  w  scratch (TAPS,)
    """
    row = int(position)
    quintic_weights(position - row, w)
    for c in range(len(f)):
        f[c] = 0
    for tap in range(TAPS):
        rows = slices[tap]
        r0, r1, r2 = rows[row], rows[row + 1], rows[row + 2]
        r3, r4, r5 = rows[row + 3], rows[row + 4], rows[row + 5]
        a = ws[tap]
        w0, w1, w2, w3, w4, w5 = a * w[0], a * w[1], a * w[2], a * w[3], a * w[4], a * w[5]
        for c in range(len(f)):
            f[c] += (w0 * r0[c] + w1 * r1[c] + w2 * r2[c]) + (w3 * r3[c] + w4 * r4[c] + w5 * r5[c])


@njit(**FAST)
def fill_axial_loop(
    fdm,
    smooth,
    x_first,
    planes,
    spacing,
    images,
    table,
    inverse_step,
    slice_start,
    slice_inverse_step,
    piece_low,
    piece_high,
    mean,
    mean_inverse_step,
    reach,
    ends,
):
    """fill_axial on the CPU, on some planes; planes and ends as in fill_extruded_loop, the rest as in fill_axial."""
    half_length, sharpness, axial_reach, pieces = ends
    ny, nz = fdm.shape[1], fdm.shape[2]
    l_count = table.shape[3]
    width = 4 * l_count
    cosine = np.empty(l_count, table.dtype)
    sine = np.empty(l_count, table.dtype)
    w = np.empty(TAPS, table.dtype)
    ws = np.empty(TAPS, table.dtype)
    w_mean = np.empty(TAPS)
    f = np.empty(width, table.dtype)
    flat = table.reshape(table.shape[0], table.shape[1], width)
    middle = 0.5 * (piece_low + piece_high)
    half_piece = 0.5 * (piece_high - piece_low) * (1 + 1e-9)  # a little more: cells are compared with the ends below
    for number in range(len(images)):
        image = images[number]
        u_step, v_step, s_step = image[8], image[11], image[14]
        x_extent = extent(image, 0, reach, axial_reach)
        y_first, y_last = y_range(image, spacing, reach, axial_reach, ny)
        for i in range(planes[0], planes[1]):
            bx = ((x_first + i - image[0]) + image[3]) * spacing[0]
            if abs(bx) > x_extent:
                continue
            for j in range(y_first, y_last + 1):
                u0, v0, s0 = line_start(image, spacing, bx, j)
                low, high = row_interval(u0, v0, u_step, v_step, s0 - middle, s_step, reach, half_piece)
                first, last = z_range(image, spacing, low, high, nz)
                for k in range(first, last + 1):
                    bz = ((k - image[2]) + image[5]) * spacing[2]
                    u = u0 + bz * u_step
                    v = v0 + bz * v_step
                    axial = s0 + bz * s_step
                    if axial < piece_low or axial >= piece_high or abs(axial) >= axial_reach:
                        continue
                    radius = math.sqrt(u * u + v * v)
                    if u * u + v * v >= reach * reach or radius >= reach:
                        continue
                    rotations(u, v, radius, cosine, sine)
                    position = (axial - slice_start) * slice_inverse_step
                    start = int(position)
                    quintic_weights(position - start, ws)
                    _sum_slices(flat[start : start + TAPS], ws, radius * inverse_step, w, f)
                    real = table.dtype.type(0)
                    imag = table.dtype.type(0)
                    for l in range(l_count):
                        real += f[l] * cosine[l] - f[l_count + l] * sine[l]
                        imag += f[2 * l_count + l] * cosine[l] + f[3 * l_count + l] * sine[l]
                    end = soft_end(axial, half_length, sharpness, pieces)
                    fdm[i, j, k] += end * (real * real + imag * imag)
                    smooth[i, j, k] += end * _mean_density(radius * mean_inverse_step, mean, w_mean)
