"""Lines along x there and back in one pass over the memory of a card, for the sizes that the kernels know.

The CUDA kernels are in along_x.cu and slopes.cu; elsewhere parallel/fft.py transforms along x, and wave.py and
mesh_passes.py multiply. Planes across x are those of planes.py, or of parallel/fft.py.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ..parallel.backend import CPU, GPU
from .wave import Phases, SquaredWavenumbers

_SMALLEST, _LARGEST = 64, 1024
# bytes of a row that a block takes, up to a size: ROW_BYTES of columns.cuh, and of slopes.cu in either precision
_ROW_BYTES = (256, 128), (512, 64), (1024, 32)
_ROW_BYTES_OF_SLOPES = {np.float32: ((512, 64), (1024, 32)), np.float64: ((384, 64), (1024, 32))}


def fits(size: int, backend: CPU | GPU) -> bool:
    """Whether lines of a size go there and back in one pass: on a card, 8 times a product of 2, 3 and 5, 64 to 1024."""
    if backend.name == "cpu" or size % 8 or not _SMALLEST <= size <= _LARGEST:
        return False
    rest = size
    for factor in (2, 3, 5):
        while rest % factor == 0:
            rest //= factor
    return rest == 1


def phases_along_x(lines: Any, phases: Phases, backend: CPU | GPU) -> None:
    """Transform along the first axis, multiply by phases and transform back, in place, not normalised.

    lines  shape (nx, lines, length), contiguous, of which fits(nx) is true
    """
    _launch("along_x", "phases_along_x", lines, lines.shape[1:], (phases.on_card.view(float),), backend)


def green_along_x(lines: Any, squares: SquaredWavenumbers, strength: float, backend: CPU | GPU) -> None:
    """The same with -strength/k^2, or 0 where k = 0, in place of phases."""
    tables = squares.on_card, backend.to_device(np.array([strength]))
    _launch("along_x", "green_along_x", lines, lines.shape[1:], tables, backend)


def slopes_along_x(lines: Any, green: Any, along: Sequence[Any], backend: CPU | GPU) -> tuple[Any, Any, Any]:
    """Transform along the first axis, multiply as mesh_passes.gradient does, and transform back, not normalised.

    Arguments are those of gradient, lines for its modes, and so are the three results, the last in the memory of lines.
    """
    x, y = backend.xp.empty_like(lines), backend.xp.empty_like(lines)
    row_bytes = _ROW_BYTES_OF_SLOPES[lines.real.dtype.type]
    _launch("slopes", "slopes_along_x", lines, lines.shape[2:], (*along, green), backend, (x, y), row_bytes)
    return x, y, lines


def _launch(
    source: str,
    name: str,
    lines: Any,
    sizes: tuple[int, ...],
    tables: tuple,
    backend: CPU | GPU,
    more: tuple = (),
    row_bytes: Sequence[tuple[int, int]] = _ROW_BYTES,
) -> None:
    """Run a kernel over lines.

    sizes, tables  that it takes before and after the turns;  more  arrays as lines, to which it writes besides
    """
    size, columns, real = len(lines), prod(lines.shape[1:]), lines.real.dtype
    of_block, threads = block_of(size, lines.dtype.itemsize, row_bytes)
    written = (values.reshape(-1).view(real) for values in (lines, *more))
    arguments = columns, *sizes, turns(size, real, backend), *tables, *written
    card_of(backend).launch(source, name, real, -(-columns // of_block) * threads, arguments, threads, size)


def card_of(backend: CPU | GPU) -> GPU:
    """The card that transforms lines; ValueError where there is none."""
    if backend.name == "cpu":
        raise ValueError("kernels transform lines on a card alone")
    return backend


def block_of(size: int, item_bytes: int, row_bytes: Sequence[tuple[int, int]] = _ROW_BYTES) -> tuple[int, int]:
    """Neighbouring columns of a length that a block takes, and its threads: COLUMNS and THREADS of columns.cuh."""
    columns = next(row for most, row in row_bytes if size <= most) // item_bytes
    return columns, columns * size // 8


@lru_cache(maxsize=16)
def turns(size: int, real: np.dtype, backend: CPU | GPU) -> Any:
    """The turns of lines of a size as transforms.cuh has them, pairs, on the card."""
    stages, length = [], size
    while (radix := _radix(length)) < length:
        rest = length // radix
        stages.append(-2j * np.pi / length * np.outer(np.arange(1, radix), np.arange(rest)))
        length = rest
    stages.append(-1j * np.pi / size * np.arange(size))
    values = np.exp(np.concatenate([stage.reshape(-1) for stage in stages]))
    return backend.to_device(values.view(float).astype(real))


def _radix(length: int) -> int:
    """radix_of of transforms.cuh."""
    return next(radix for radix in (8, 5, 4, 3, 2) if length % radix == 0)
