"""The hot loops of the simulations on the CPU (numba). They compute and trust: callers check the arguments.

Twins in CUDA: kernels/simulation.cu, for what is done to the wave. Complex numbers come as pairs of real ones, which
vectorise better. All arithmetic is double, at both precisions: phases have modulus one to 1e-16, so that the mass does
not drift where numbers are stored in single precision.
"""

import math
from typing import Any

import numpy as np
from numba import njit

_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},
    "error_model": "numpy",
}
_LINE = 1024  # cells whose sines and cosines are kept in the cache

# pi/2 in two parts, the first with zeros enough that n times it is exact, and the polynomials of sine and cosine on
# [-pi/4, pi/4] of Moshier's Cephes library: all branches are choices, so that the loop vectorises
_TWO_OVER_PI = 2 / math.pi
_HALF_PI = 1.57079632673412561417, 6.07710050650619224932e-11
_S1, _S2, _S3, _S4, _S5, _S6 = (
    -1.66666666666666307295e-1,
    8.33333333332211858878e-3,
    -1.98412698295895385996e-4,
    2.75573136213857245213e-6,
    -2.50507477628578072866e-8,
    1.58962301576546568060e-10,
)
_C1, _C2, _C3, _C4, _C5, _C6 = (
    4.16666666666665929218e-2,
    -1.38888888888730564116e-3,
    2.48015872888517045348e-5,
    -2.75573141792967388112e-7,
    2.08757008419747316778e-9,
    -1.13585365213876817300e-11,
)


@njit(inline="always", **_OPTIONS)
def sine_cosine(x):
    """sin x and cos x; round-off grows as 1e-16 |x|, up to |x| = 1e5."""
    n = np.floor(x * _TWO_OVER_PI + 0.5)
    r = (x - n * _HALF_PI[0]) - n * _HALF_PI[1]
    z = r * r
    s = r + r * z * (_S1 + z * (_S2 + z * (_S3 + z * (_S4 + z * (_S5 + z * _S6)))))
    c = 1 - 0.5 * z + z * z * (_C1 + z * (_C2 + z * (_C3 + z * (_C4 + z * (_C5 + z * _C6)))))
    quadrant = n - 4 * np.floor(0.25 * n)
    odd = quadrant == 1.0 or quadrant == 3.0
    sine = c if odd else s
    cosine = s if odd else c
    return (
        -sine if quadrant >= 2.0 else sine,
        -cosine if quadrant == 1.0 or quadrant == 2.0 else cosine,
    )


@njit(**_OPTIONS)
def potential_phase(psi, potential, factor, sums):
    """psi exp(-i factor potential), in place, and what it weighs.

    psi        (planes, cells, 2);  potential  (planes, cells)
    sums       out, (planes, 2): sums over each plane of |psi|^2 and of |psi|^2 potential
    """
    planes, cells = potential.shape
    sines, cosines = np.empty(_LINE), np.empty(_LINE)
    for plane in range(planes):
        mass, energy = 0.0, 0.0
        for first in range(0, cells, _LINE):
            count = min(_LINE, cells - first)
            line, wave = potential[plane, first : first + count], psi[plane, first : first + count]
            for i in range(count):
                sines[i], cosines[i] = sine_cosine(factor * np.float64(line[i]))
            for i in range(count):
                real, imaginary = np.float64(wave[i, 0]), np.float64(wave[i, 1])
                density = real * real + imaginary * imaginary
                mass += density
                energy += density * np.float64(line[i])
                wave[i, 0] = real * cosines[i] + imaginary * sines[i]
                wave[i, 1] = imaginary * cosines[i] - real * sines[i]
        sums[plane, 0] = mass
        sums[plane, 1] = energy


@njit(**_OPTIONS)
def squared_modulus(psi, density):
    """|psi|^2 of psi (cells, 2) into density (cells,)."""
    for i in range(len(density)):
        density[i] = psi[i, 0] * psi[i, 0] + psi[i, 1] * psi[i, 1]


@njit(**_OPTIONS)
def multiply_phases(modes, along, across):
    """Multiply mode (i, j) by along_i across_j, in place: a kinetic phase is a product over the axes.

    modes  (nx, columns, 2);  along  (nx, 2), across  (columns, 2), double
    """
    for i in range(modes.shape[0]):
        a, b = along[i, 0], along[i, 1]
        for j in range(modes.shape[1]):
            c, d = across[j, 0], across[j, 1]
            cosine, sine = a * c - b * d, a * d + b * c
            real, imaginary = np.float64(modes[i, j, 0]), np.float64(modes[i, j, 1])
            modes[i, j, 0] = real * cosine - imaginary * sine
            modes[i, j, 1] = real * sine + imaginary * cosine


@njit(**_OPTIONS)
def divide_by_k_squared(modes, along, across, strength):
    """Multiply mode (i, j) by -strength / (along_i + across_j), in place; by 0 where k = 0.

    modes  (nx, columns, 2);  along  (nx,), across  (columns,)  k_x^2, and k_y^2 + k_z^2
    """
    for i in range(modes.shape[0]):
        for j in range(modes.shape[1]):
            k_squared = along[i] + across[j]
            green = -strength / k_squared if k_squared > 0 else 0.0
            modes[i, j, 0] *= green
            modes[i, j, 1] *= green


@njit(**_OPTIONS)
def weigh_k_squared(modes, along, across):
    """Sum of k^2 |mode|^2; arguments as for divide_by_k_squared."""
    total = 0.0
    for i in range(modes.shape[0]):
        for j in range(modes.shape[1]):
            real, imaginary = np.float64(modes[i, j, 0]), np.float64(modes[i, j, 1])
            total += (along[i] + across[j]) * (real * real + imaginary * imaginary)
    return total


_PHILOX = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)


@njit(nogil=True, cache=True)
def philox(c0, c1, c2, c3, k0, k1):
    """Four random numbers of 32 bits from a counter and a key: Philox4x32-10 (Salmon et al. 2011, SC'11)."""
    for _ in range(10):
        first, second = _PHILOX[0] * np.uint64(c0), _PHILOX[1] * np.uint64(c2)
        c0, c1, c2, c3 = (
            np.uint32(second >> np.uint64(32)) ^ np.uint32(c1) ^ np.uint32(k0),
            np.uint32(second & _LOW),
            np.uint32(first >> np.uint64(32)) ^ np.uint32(c3) ^ np.uint32(k1),
            np.uint32(first & _LOW),
        )
        k0, k1 = np.uint32(k0 + _WEYL[0]), np.uint32(k1 + _WEYL[1])
    return c0, c1, c2, c3


@njit(nogil=True, cache=True)
def gaussian_modes(x, y, z, cells, seed, out):
    """Complex Gaussian numbers of mean square one, each from the seed and its integer mode alone.

    x, y, z  integer modes along each axis, int64, z >= 0;  cells  (3,) of the grid;  seed  uint64
    out      complex, (x, y, z). Modes n and -n are conjugates; k = 0 and Nyquist modes are 0
    """
    k0, k1 = np.uint32(seed & _LOW), np.uint32(seed >> np.uint64(32))
    for i in range(len(x)):
        for j in range(len(y)):
            for m in range(len(z)):
                a, b, c = x[i], y[j], z[m]
                nyquist = 2 * abs(a) == cells[0] or 2 * abs(b) == cells[1] or 2 * c == cells[2]
                if nyquist or (a == 0 and b == 0 and c == 0):
                    out[i, j, m] = 0
                    continue
                # of the two modes that are conjugates where z = 0, one is drawn
                other = c == 0 and (b < 0 or (b == 0 and a < 0))
                if other:
                    a, b = -a, -b
                r0, r1, r2, r3 = philox(
                    np.uint32(a & 0xFFFFFFFF), np.uint32(b & 0xFFFFFFFF), np.uint32(c), np.uint32(0), k0, k1
                )
                # 53 bits, in the middle of their interval: never 0 or 1
                u = (np.float64((np.uint64(r0) << np.uint64(21)) | (np.uint64(r1) >> np.uint64(11))) + 0.5) * 2.0**-53
                v = (np.float64((np.uint64(r2) << np.uint64(21)) | (np.uint64(r3) >> np.uint64(11))) + 0.5) * 2.0**-53
                size, angle = math.sqrt(-math.log(u)), 2 * math.pi * v
                real, imaginary = size * math.cos(angle), size * math.sin(angle)
                out[i, j, m] = complex(real, -imaginary if other else imaginary)


FIXED_POINT = 2.0**36  # of masses on the mesh: sums of integers do not depend on their order

# no fused multiply-add: a particle on the edge of a cell must be in the same cell for all of the loops below
_EXACT: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}


@njit(inline="always", **_EXACT)
def _cloud(position, inverse_spacing, cells):
    """Lower cell of a cloud-in-cell weight along an axis, in [0, cells), and the weight of the upper one."""
    at = position * inverse_spacing - 0.5
    floor = math.floor(at)
    cell = int(floor)
    return (cell + cells if cell < 0 else cell), at - floor


@njit(**_EXACT)
def lower_planes(x, inverse_spacing, cells, planes):
    """The first of the two planes that each particle touches, into planes, int64, (n,); the rest as `deposit`."""
    for n in range(len(x)):
        planes[n], _ = _cloud(x[n], inverse_spacing, cells)


@njit(**_EXACT)
def deposit(position, inverse_spacing, cells, x_first, mass):
    """Add particles to a mesh, cloud in cell, in units of 1/FIXED_POINT.

    position  (3, n), finite, in [0, side) [L], with lower planes in the slab;  inverse_spacing  (3,) [1/L]
    cells     (3,) of the whole mesh;  x_first  first plane of the slab
    mass      int64, (planes + 1, ny, nz), added to: the slab and the plane that follows it; up to 2^27 particles a cell
    """
    for n in range(position.shape[1]):
        i, u = _cloud(position[0, n], inverse_spacing[0], cells[0])
        j, v = _cloud(position[1, n], inverse_spacing[1], cells[1])
        m, w = _cloud(position[2, n], inverse_spacing[2], cells[2])
        i -= x_first
        j_next = j + 1 if j + 1 < cells[1] else 0
        m_next = m + 1 if m + 1 < cells[2] else 0
        for side in range(2):
            along = (u if side else 1 - u) * FIXED_POINT
            mass[i + side, j, m] += np.int64(along * (1 - v) * (1 - w) + 0.5)
            mass[i + side, j, m_next] += np.int64(along * (1 - v) * w + 0.5)
            mass[i + side, j_next, m] += np.int64(along * v * (1 - w) + 0.5)
            mass[i + side, j_next, m_next] += np.int64(along * v * w + 0.5)


@njit(**_EXACT)
def push(position, inverse_spacing, cells, x_first, force, factor, momentum):
    """Add factor times the force at each particle, cloud in cell, to its momentum.

    force  (3, planes + 1, ny, nz), as the mesh of `deposit`;  momentum  (3, n), added to
    """
    for n in range(position.shape[1]):
        i, u = _cloud(position[0, n], inverse_spacing[0], cells[0])
        j, v = _cloud(position[1, n], inverse_spacing[1], cells[1])
        m, w = _cloud(position[2, n], inverse_spacing[2], cells[2])
        i -= x_first
        j_next = j + 1 if j + 1 < cells[1] else 0
        m_next = m + 1 if m + 1 < cells[2] else 0
        for axis in range(3):
            total = 0.0
            for side in range(2):
                plane = force[axis, i + side]
                total += (u if side else 1 - u) * (
                    (1 - v) * ((1 - w) * plane[j, m] + w * plane[j, m_next])
                    + v * ((1 - w) * plane[j_next, m] + w * plane[j_next, m_next])
                )
            momentum[axis, n] += factor * total


@njit(**_EXACT)
def move(position, momentum, factor, sides):
    """position + factor momentum, in place, wrapped into [0, side)."""
    for axis in range(3):
        side = sides[axis]
        for n in range(position.shape[1]):
            at = position[axis, n] + factor * momentum[axis, n]
            at -= side * math.floor(at / side)
            # what was negative by less than round-off is now the side itself
            position[axis, n] = at if at < side else 0.0
