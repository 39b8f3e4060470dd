"""What is done to a few planes or modes of the wave between transforms: numba loops, or kernels/simulation.cu on a GPU.

Each is one pass over memory. Tables and factors are double at both precisions.
"""

import numpy as np

from ..parallel.backend import THREADS_PER_BLOCK
from . import loops

_SOURCE = "simulation"


def potential_phase(psi, potential, factor: float, backend) -> np.ndarray:
    """psi exp(-i factor potential), in place; returns what it weighs.

    psi, potential  planes, shapes (planes, ny, nz), contiguous
    Returns sums of |psi|^2 and of |psi|^2 potential: on the CPU over each plane, on a GPU over all, shape (rows, 2).
    """
    if backend.name == "gpu":
        items = potential.size
        sums = backend.to_device(np.zeros((-(-items // THREADS_PER_BLOCK), 2)))
        arguments = (items, potential.reshape(-1), backend.to_device(np.array([factor])), _pairs(psi), sums)
        backend.launch(_SOURCE, "potential_phase", potential.dtype, items, arguments)
        return backend.to_host(sums.sum(axis=0))[None]
    planes = len(potential)
    sums = np.empty((planes, 2))
    loops.potential_phase(_pairs(psi).reshape(planes, -1, 2), potential.reshape(planes, -1), factor, sums)
    return sums


def squared_modulus(psi, backend):
    """|psi|^2, a new array; psi contiguous."""
    density = backend.xp.empty(psi.shape, psi.real.dtype)
    if backend.name == "gpu":
        arguments = (density.size, _pairs(psi), density.reshape(-1))
        backend.launch(_SOURCE, "squared_modulus", density.dtype, density.size, arguments)
    else:
        loops.squared_modulus(_pairs(psi).reshape(-1, 2), density.reshape(-1))
    return density


def multiply_phases(modes, along, across, backend):
    """Multiply mode (i, j) by along_i across_j, in place.

    modes  (nx, columns), contiguous;  along  (nx,), across  (columns,), complex128. Either axis may be the first here
           and below
    """
    if backend.name == "gpu":
        arguments = (modes.size, modes.shape[1], _pairs(along), _pairs(across), _pairs(modes))
        backend.launch(_SOURCE, "multiply_phases", modes.real.dtype, modes.size, arguments)
    else:
        pairs = (_pairs(each).reshape(*each.shape, 2) for each in (modes, along, across))
        loops.multiply_phases(*pairs)


def divide_by_k_squared(modes, along, across, strength: float, backend):
    """Multiply mode (i, j) by -strength/(along_i + across_j), in place; by 0 where k = 0.

    modes  (nx, columns), contiguous;  along  k_x^2, (nx,), across  k_y^2 + k_z^2, (columns,), double
    """
    if backend.name == "gpu":
        strength = backend.to_device(np.array([strength]))
        arguments = (modes.size, modes.shape[1], along, across, strength, _pairs(modes))
        backend.launch(_SOURCE, "divide_by_k_squared", modes.real.dtype, modes.size, arguments)
    else:
        loops.divide_by_k_squared(_pairs(modes).reshape(*modes.shape, 2), along, across, strength)


def weigh_k_squared(modes, along, across, backend) -> float:
    """Sum of k^2 |mode|^2; arguments as for divide_by_k_squared."""
    if backend.name == "gpu":
        return float(backend.xp.sum((along[:, None] + across) * backend.xp.abs(modes).astype(float) ** 2))
    return loops.weigh_k_squared(_pairs(modes).reshape(*modes.shape, 2), along, across)


def _pairs(values):
    """Complex numbers as pairs of real ones, flat."""
    return values.reshape(-1).view(values.real.dtype)
