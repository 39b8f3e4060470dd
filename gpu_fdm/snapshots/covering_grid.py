"""Grids of adaptive codes, sampled on one level by yt (extra yt): the entire box, slab by slab."""

import gc
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, raised_by
from ..vectors import three
from .options import SnapshotOptions


@contextmanager
def opened_with_yt(path: str | Path, format_name: str) -> Iterator[Any]:
    """The yt dataset of a path.

    Raises InputError if yt is not installed, and for files that yt cannot read, also inside of the block.
    """
    try:
        import yt
    except ImportError:
        raise InputError(f"{path}: format {format_name} is read with yt: pip install yt") from None
    yt.set_log_level("error")
    try:
        yield yt.load(str(path))
    except Exception as error:  # yt's parsers raise errors of any type
        if isinstance(error, MemoryError) or not raised_by(error, "yt", "unyt"):
            raise
        reason = " ".join(str(error).split())[:200]
        _let_go(error)
        raise InputError(f"{path}: yt cannot read it as {format_name}: {type(error).__name__} {reason}") from None


def _let_go(error: BaseException | None) -> None:
    """End what yt left half made in the frames of an error: its __del__ fails, which Python would print."""
    hook = sys.unraisablehook

    def others(unraisable: "sys.UnraisableHookArgs") -> None:
        if not str(getattr(unraisable.object, "__module__", "")).startswith("yt."):
            hook(unraisable)

    sys.unraisablehook = others
    try:
        while error is not None:
            traceback.clear_frames(error.__traceback__)
            error = error.__context__
        gc.collect()
    finally:
        sys.unraisablehook = hook


@dataclass(frozen=True)
class CoveringGrid:
    """A field on one refinement level; where the level is missing, the values of its parent.

    field_type, field  yt's name of the field
    finest             highest refinement level of the snapshot
    """

    path: str
    format: str
    field_type: str
    field: str
    level: int
    cells: tuple[int, int, int]
    finest: int = 0
    dtype: str = "<f8"
    axes_reversed = False

    @property
    def names(self) -> tuple[str]:
        """Name of the field, for messages."""
        return (self.field,)

    @contextmanager
    def arrays(self) -> Iterator[list["_Planes"]]:
        """The field, to be sliced along x."""
        with opened_with_yt(self.path, self.format) as dataset:
            yield [_Planes(dataset, self)]


class _Planes:
    """Planes of a covering grid along x, as slices."""

    def __init__(self, dataset: Any, grid: CoveringGrid):
        self._dataset, self._grid, self.dtype = dataset, grid, np.dtype(grid.dtype)

    def __getitem__(self, planes: slice) -> NDArray:
        cells = self._grid.cells
        # yt misplaces a covering grid of a single plane, as if the dataset were flat: read two
        first = min(planes.start, max(0, cells[0] - 2))
        dims = (max(planes.stop, min(first + 2, cells[0])) - first, *cells[1:])
        left, right = self._dataset.domain_left_edge, self._dataset.domain_right_edge
        corner = left.copy()
        corner[0] += (right[0] - left[0]) * (first / cells[0])
        covering = self._dataset.covering_grid(self._grid.level, left_edge=corner, dims=dims)
        return covering[self._grid.field_type, self._grid.field].d[planes.start - first : planes.stop - first]


def covering_grid(
    dataset: Any, path: Path, format_name: str, field_type: str, field: str, options: SnapshotOptions
) -> CoveringGrid:
    """The source of a field of an open yt dataset, on the chosen level (0, the root grid, by default)."""
    level, finest = options.level or 0, int(dataset.index.max_level)
    if level > finest:
        raise InputError(
            f"{path}: {options.flag('level')} {level}: must be in 0..{finest}, the levels of this snapshot"
        )
    refined = int(dataset.refine_by) ** level
    cells = three(int(n) * refined for n in dataset.domain_dimensions)
    return CoveringGrid(str(path), format_name, field_type, field, level, cells, finest)


def stored_fields(dataset: Any, field_type: str) -> tuple[str, ...]:
    """Names of the stored fields of a field type."""
    return tuple(sorted(name for stored_type, name in dataset.field_list if stored_type == field_type))


def box_width(dataset: Any) -> tuple[float, float, float]:
    """Sides of the box in the code's unit of length."""
    return three(float(side) for side in dataset.domain_width.to("code_length").d)
