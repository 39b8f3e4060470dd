"""Planes of modes on a card, over y and z: from the masses of particles, and back to real numbers, of which the largest
is found on the way.

The CUDA kernels, for the sizes that plane_fits knows, are in along_y.cu and along_z.cu. For others, and on the CPU,
parallel/fft.py transforms, and to_density and largest_size of mesh_passes.py do what goes before and after.
"""

from typing import Any

from ..parallel.backend import CPU, GPU, Double
from .along_x import block_of, card_of, fits, turns

_LINE_THREADS = 160  # of a block along z, at most: THREADS of along_z.cu
_WARP = 32


def plane_fits(ny: int, nz: int, backend: CPU | GPU) -> bool:
    """Whether planes of a size are transformed here: on a card, sizes of along_x.fits, nz a multiple of 16."""
    return nz % 16 == 0 and fits(ny, backend) and fits(nz, backend)


def masses_to_modes(mass: Any, factor: float, empty: int, modes: Any, backend: CPU | GPU) -> None:
    """Transform masses times a factor over y and z, and leave `empty` in their place.

    mass   int64, (planes, ny, nz), contiguous, aligned to 16 bytes, of which plane_fits(ny, nz) is true
    modes  complex, (planes, ny, nz // 2 + 1), contiguous, written
    """
    _along_z("masses_along_z", modes, (mass, Double(factor), empty), (), backend)
    _along_y("there_along_y", modes, backend)


def modes_to_real(modes: Any, largest: Any, backend: CPU | GPU) -> None:
    """Transform modes back over y and z, in place, not normalised; real numbers lie as in cufft.lines_of.

    modes    as of masses_to_modes
    largest  double, (blocks_of((planes, ny, nz)),), written: the largest size of each block, NaN where there is one
    """
    _along_y("back_along_y", modes, backend)
    _along_z("real_along_z", modes, (), (largest,), backend)


def blocks_of(cells: tuple[int, int, int]) -> int:
    """Number of blocks that find the largest size of modes_to_real; cells  planes, ny, nz."""
    return -(-cells[0] * cells[1] // _lines_of_block(cells[2] // 2))


def _lines_of_block(size: int) -> int:
    """LINES of along_z.cu."""
    return _LINE_THREADS // (size // 8)


def _along_z(name: str, modes: Any, before: tuple, after: tuple, backend: CPU | GPU) -> None:
    """Run a kernel over all lines along z; before, after  arguments before and after the table and the modes."""
    size, real = modes.shape[2] - 1, modes.real.dtype
    lines, of_block = modes.shape[0] * modes.shape[1], _lines_of_block(size)
    threads = -(-of_block * size // (8 * _WARP)) * _WARP
    arguments = lines, *before, turns(size, real, backend), modes.reshape(-1).view(real), *after
    card_of(backend).launch("along_z", name, real, -(-lines // of_block) * threads, arguments, threads, size)


def _along_y(name: str, modes: Any, backend: CPU | GPU) -> None:
    """Run a kernel over all columns along y."""
    (planes, size, columns), real = modes.shape, modes.real.dtype
    of_block, threads = block_of(size, modes.dtype.itemsize)
    arguments = columns, turns(size, real, backend), modes.reshape(-1).view(real)
    card_of(backend).launch("along_y", name, real, planes * -(-columns // of_block) * threads, arguments, threads, size)
