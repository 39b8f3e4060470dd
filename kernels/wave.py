"""A wave between its Fourier transforms: kicks, densities and Poisson's equation. The CUDA kernels are in wave.cu.

Each function is one pass over memory. Arithmetic, tables and factors are double at both precisions: phases have modulus
one to 1e-16. (On a card, small phases of single-precision cells are single, see wave.cu.) Loops take complex numbers as
pairs of real ones, which vectorise better. On a card real lines may be longer than nz, see parallel.cufft.lines_of.
Callers check the arguments.
"""

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..parallel.backend import CPU, GPU, THREADS_PER_BLOCK
from . import mesh_passes
from .common import FAST
from .compiled import njit

_LINES_A_BLOCK = THREADS_PER_BLOCK // 32


@dataclass(frozen=True, eq=False)
class SquaredWavenumbers:
    """k^2 of modes of shape (nx, lines, length), a sum over the axes.

    x, y, z  its parts, NumPy, double;  backend  where the modes are
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    backend: CPU | GPU

    @cached_property
    def across(self) -> np.ndarray:
        """k_y^2 + k_z^2, flat, (lines length,), NumPy."""
        return (self.y[:, None] + self.z).reshape(-1)

    @cached_property
    def on_card(self) -> Any:
        """The parts one after the other, on the card."""
        return self.backend.to_device(np.concatenate([self.x, self.y, self.z]))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the modes."""
        return len(self.x), len(self.y), len(self.z)


@dataclass(frozen=True, eq=False)
class Phases:
    """Factors of modes: scale exp(-i angle k^2), a product over the axes."""

    squares: SquaredWavenumbers
    angle: float
    scale: float

    def scaled(self, scale: float) -> "Phases":
        """The factors times a number."""
        return replace(self, scale=self.scale * scale)

    @cached_property
    def along(self) -> np.ndarray:
        """Those along x, with the scale, (nx,), NumPy."""
        return np.exp(-1j * self.angle * self.squares.x) * self.scale

    @cached_property
    def across(self) -> np.ndarray:
        """Those across x, flat, (lines length,), NumPy."""
        return np.exp(-1j * self.angle * self.squares.across)

    @cached_property
    def on_card(self) -> Any:
        """Those along x, y and z one after the other, on the card."""
        y, z = (np.exp(-1j * self.angle * part) for part in (self.squares.y, self.squares.z))
        return self.squares.backend.to_device(np.concatenate([self.along, y, z]))


def potential_phase(psi: np.ndarray, potential: np.ndarray, factor: float, backend: CPU | GPU) -> np.ndarray:
    """Multiply psi by exp(-i factor potential), in place.

    psi        planes, shape (planes, ny, nz), contiguous
    potential  of its precision and shape; on a card lines may be longer
    Returns sums over each plane of |psi|^2 and of |psi|^2 potential, NumPy, shape (planes, 2).
    """
    if backend.name == "gpu":
        sums = _sums(psi.shape, 2, backend)
        on_card = potential, backend.to_device(np.array([factor])), _pairs(psi), sums
        _launch("potential_phase", psi.shape, potential.dtype, (potential.shape[2], *on_card), backend)
        return backend.to_host(sums.sum(axis=1))
    planes = len(potential)
    found = np.empty((planes, 2))
    potential_phase_loop(_pairs(psi).reshape(planes, -1, 2), potential.reshape(planes, -1), factor, found)
    return found


def squared_modulus(psi: np.ndarray, backend: CPU | GPU, out: np.ndarray | None = None) -> np.ndarray:
    """|psi|^2.

    psi  planes, shape (planes, ny, nz), contiguous
    out  where to write it, of the shape of psi, on a card lines may be longer; a new array by default
    """
    density = backend.xp.empty(psi.shape, psi.real.dtype) if out is None else out
    if backend.name == "gpu":
        arguments = density.shape[2], _pairs(psi), density
        _launch("squared_modulus", psi.shape, density.dtype, arguments, backend)
    else:
        squared_modulus_loop(_pairs(psi).reshape(-1, 2), density.reshape(-1))
    return density


def largest_size(values: np.ndarray, length: int, backend: CPU | GPU) -> float:
    """The largest |value|; NaN where one is.

    values  real, planes, (planes, ny, length), contiguous; on a card lines may be longer
    """
    if backend.name == "gpu":
        return float(mesh_passes.largest_size([values], backend, length))
    return max(float(values.max()), -float(values.min()))


def multiply_phases(modes: np.ndarray, columns: slice, phases: Phases, backend: CPU | GPU) -> None:
    """Multiply modes by their phases, in place.

    modes  (nx, columns), contiguous;  columns  of all (y, z), lines first; on a card all of them
    """
    if backend.name == "gpu":
        on_card = phases.on_card.view(float), _pairs(modes)
        _launch("multiply_phases", phases.squares.shape, modes.real.dtype, on_card, backend, with_planes=True)
    else:
        factors = phases.along, phases.across[columns]
        multiply_phases_loop(*(_pairs(factor).reshape(*factor.shape, 2) for factor in (modes, *factors)))


def divide_by_k_squared(
    modes: np.ndarray, columns: slice, squares: SquaredWavenumbers, strength: float, backend: CPU | GPU
) -> None:
    """Multiply modes by -strength/k^2, in place, by 0 where k = 0; modes and columns as in multiply_phases."""
    if backend.name == "gpu":
        on_card = squares.on_card, backend.to_device(np.array([strength])), _pairs(modes)
        _launch("divide_by_k_squared", squares.shape, modes.real.dtype, on_card, backend, with_planes=True)
    else:
        divide_by_k_squared_loop(_pairs(modes).reshape(*modes.shape, 2), squares.x, squares.across[columns], strength)


def weigh_k_squared(modes: np.ndarray, columns: slice, squares: SquaredWavenumbers, backend: CPU | GPU) -> float:
    """Sum of k^2 |mode|^2; modes and columns as in multiply_phases."""
    if backend.name == "gpu":
        sums = _sums(squares.shape, 1, backend)
        on_card = squares.on_card, _pairs(modes), sums
        _launch("weigh_k_squared", squares.shape, modes.real.dtype, on_card, backend, with_planes=True)
        return float(sums.sum())
    return weigh_k_squared_loop(_pairs(modes).reshape(*modes.shape, 2), squares.x, squares.across[columns])


def phase_changes(psi: np.ndarray, beyond: np.ndarray, dense: float, backend: CPU | GPU) -> np.ndarray:
    """What the phase does between a cell and the next ones along the three axes.

    psi     planes, shape (planes, ny, nz), contiguous;  beyond  the plane after the last, (1, ny, nz), contiguous
    dense   |psi|^2 from which on cells count for the largest change
    Returns for each plane the sum of |psi_next psi|, that where the phase changes by more than pi/2, and the largest
    change where both cells are dense [rad]: NumPy, shape (planes, 3).
    """
    if backend.name == "gpu":
        sums = _sums(psi.shape, 3, backend)
        on_card = _pairs(psi), _pairs(beyond), backend.to_device(np.array([dense])), sums
        _launch("phase_changes", psi.shape, psi.real.dtype, on_card, backend, with_planes=True)
        return backend.to_host(backend.xp.stack([*sums[..., :2].sum(axis=1).T, sums[..., 2].max(axis=1)], axis=1))
    found = np.empty((len(psi), 3))
    after = np.concatenate([psi[1:], beyond])
    for plane, (part, rest) in enumerate(zip(psi, after, strict=True)):
        heavy = np.abs(part) ** 2 >= dense
        fast = total = largest = 0.0
        for neighbour in (rest, np.roll(part, -1, axis=0), np.roll(part, -1, axis=1)):
            product = neighbour * part.conj()
            size = np.abs(product)
            fast += float(np.sum(np.where(product.real < 0, size, 0), dtype=float))
            total += float(np.sum(size, dtype=float))
            angles = np.angle(product[heavy & (np.abs(neighbour) ** 2 >= dense)])
            largest = max(largest, float(np.abs(angles).max()) if angles.size else 0.0)
        found[plane] = total, fast, largest
    return found


def _launch(
    name: str, shape: tuple[int, ...], dtype: DTypeLike, arguments: tuple, backend: GPU, with_planes: bool = False
) -> None:
    """A kernel of wave.cu with one warp a line along z of cells or modes of a shape."""
    planes, ny, nz = shape
    blocks = -(-ny // _LINES_A_BLOCK)
    sizes = (planes, blocks, ny, nz) if with_planes else (blocks, ny, nz)
    backend.launch("wave", name, dtype, planes * blocks * THREADS_PER_BLOCK, (*sizes, *arguments))


def _sums(shape: tuple[int, ...], numbers: int, backend: GPU) -> Any:
    """What a kernel of wave.cu writes for its blocks."""
    return backend.xp.empty((shape[0], -(-shape[1] // _LINES_A_BLOCK), numbers))


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
