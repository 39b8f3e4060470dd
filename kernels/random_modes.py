"""Random Fourier modes of a grid, on the CPU alone: each is a function of the seed and of its integer mode."""

import math

import numpy as np

from .compiled import njit

_PHILOX = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)


@njit(nogil=True)
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


@njit(nogil=True)
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
