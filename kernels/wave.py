"""A wave between its Fourier transforms: kicks, densities and Poisson's equation. The CUDA kernels are in wave.cu.

Each function is one pass over memory. All arithmetic, tables and factors are double at both precisions: phases have
modulus one to 1e-16, so that the mass does not drift where numbers are stored in single precision. Loops take complex
numbers as pairs of real ones, which vectorise better. Callers check the arguments.
"""

import math

import numpy as np

from ..parallel.backend import CPU, GPU, THREADS_PER_BLOCK
from .common import FAST
from .compiled import njit


def potential_phase(psi: np.ndarray, potential: np.ndarray, factor: float, backend: CPU | GPU) -> np.ndarray:
    """Multiply psi by exp(-i factor potential), in place.

    psi, potential  planes, shapes (planes, ny, nz), contiguous, of one precision
    Returns sums of |psi|^2 and of |psi|^2 potential, NumPy: on the CPU over each plane, on a GPU over all, shape
    (rows, 2).
    """
    if backend.name == "gpu":
        items = potential.size
        sums = backend.to_device(np.zeros((-(-items // THREADS_PER_BLOCK), 2)))
        arguments = (items, potential.reshape(-1), backend.to_device(np.array([factor])), _pairs(psi), sums)
        backend.launch("wave", "potential_phase", potential.dtype, items, arguments)
        return backend.to_host(sums.sum(axis=0))[None]
    planes = len(potential)
    sums = np.empty((planes, 2))
    potential_phase_loop(_pairs(psi).reshape(planes, -1, 2), potential.reshape(planes, -1), factor, sums)
    return sums


def squared_modulus(psi: np.ndarray, backend: CPU | GPU) -> np.ndarray:
    """|psi|^2, a new array of the shape of psi, which is contiguous."""
    density = backend.xp.empty(psi.shape, psi.real.dtype)
    if backend.name == "gpu":
        arguments = (density.size, _pairs(psi), density.reshape(-1))
        backend.launch("wave", "squared_modulus", density.dtype, density.size, arguments)
    else:
        squared_modulus_loop(_pairs(psi).reshape(-1, 2), density.reshape(-1))
    return density


def multiply_phases(modes: np.ndarray, along: np.ndarray, across: np.ndarray, backend: CPU | GPU):
    """Multiply mode (i, j) by along_i across_j, in place: a kinetic phase is a product over the axes.

    modes  (nx, columns), contiguous;  along  (nx,), across  (columns,), complex128. Either axis may be the first here
           and below
    """
    if backend.name == "gpu":
        arguments = (modes.size, modes.shape[1], _pairs(along), _pairs(across), _pairs(modes))
        backend.launch("wave", "multiply_phases", modes.real.dtype, modes.size, arguments)
    else:
        multiply_phases_loop(*(_pairs(factor).reshape(*factor.shape, 2) for factor in (modes, along, across)))


def divide_by_k_squared(modes: np.ndarray, along: np.ndarray, across: np.ndarray, strength: float, backend: CPU | GPU):
    """Multiply mode (i, j) by -strength/(along_i + across_j), in place; by 0 where k = 0.

    modes  (nx, columns), contiguous;  along  k_x^2, (nx,), across  k_y^2 + k_z^2, (columns,), double
    """
    if backend.name == "gpu":
        on_card = backend.to_device(np.array([strength]))
        arguments = (modes.size, modes.shape[1], along, across, on_card, _pairs(modes))
        backend.launch("wave", "divide_by_k_squared", modes.real.dtype, modes.size, arguments)
    else:
        divide_by_k_squared_loop(_pairs(modes).reshape(*modes.shape, 2), along, across, strength)


def weigh_k_squared(modes: np.ndarray, along: np.ndarray, across: np.ndarray, backend: CPU | GPU) -> float:
    """Sum of k^2 |mode|^2; arguments as in divide_by_k_squared."""
    if backend.name == "gpu":
        return float(backend.xp.sum((along[:, None] + across) * backend.xp.abs(modes).astype(float) ** 2))
    return weigh_k_squared_loop(_pairs(modes).reshape(*modes.shape, 2), along, across)


def _pairs(values: np.ndarray) -> np.ndarray:
    """Complex numbers as pairs of real ones, flat."""
    return values.reshape(-1).view(values.real.dtype)


_LINE = 1024  # cells whose sines and cosines stay in the cache of a core

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


@njit(inline="always", **FAST)
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


@njit(**FAST)
def potential_phase_loop(psi, potential, factor, sums):
    """potential_phase on the CPU.

    psi        (planes, cells, 2), changed in place;  potential  (planes, cells)
    sums       written, (planes, 2): sums over each plane of |psi|^2 and of |psi|^2 potential
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


@njit(**FAST)
def squared_modulus_loop(psi, density):
    """squared_modulus on the CPU: of psi, (cells, 2), into density, (cells,)."""
    for i in range(len(density)):
        density[i] = psi[i, 0] * psi[i, 0] + psi[i, 1] * psi[i, 1]


@njit(**FAST)
def multiply_phases_loop(modes, along, across):
    """multiply_phases on the CPU.

    modes  (nx, columns, 2), changed in place;  along  (nx, 2), across  (columns, 2), double
    """
    for i in range(modes.shape[0]):
        a, b = along[i, 0], along[i, 1]
        for j in range(modes.shape[1]):
            c, d = across[j, 0], across[j, 1]
            cosine, sine = a * c - b * d, a * d + b * c
            real, imaginary = np.float64(modes[i, j, 0]), np.float64(modes[i, j, 1])
            modes[i, j, 0] = real * cosine - imaginary * sine
            modes[i, j, 1] = real * sine + imaginary * cosine


@njit(**FAST)
def divide_by_k_squared_loop(modes, along, across, strength):
    """divide_by_k_squared on the CPU.

    modes  (nx, columns, 2), changed in place;  along  (nx,), across  (columns,), double
    """
    for i in range(modes.shape[0]):
        for j in range(modes.shape[1]):
            k_squared = along[i] + across[j]
            green = -strength / k_squared if k_squared > 0 else 0.0
            modes[i, j, 0] *= green
            modes[i, j, 1] *= green


@njit(**FAST)
def weigh_k_squared_loop(modes, along, across):
    """weigh_k_squared on the CPU; arguments as in divide_by_k_squared_loop."""
    total = 0.0
    for i in range(modes.shape[0]):
        for j in range(modes.shape[1]):
            real, imaginary = np.float64(modes[i, j, 0]), np.float64(modes[i, j, 1])
            total += (along[i] + across[j]) * (real * real + imaginary * imaginary)
    return total
