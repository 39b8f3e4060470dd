"""Grids of adaptive codes, sampled on one level by yt (extra yt): the whole box, slab by slab."""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from ..errors import InputError, RunError
from ..vectors import three
from .options import SnapshotOptions


@contextmanager
def loaded(path, format_name: str):
    """The yt dataset of a path.

    Raises InputError where yt is not installed, and for what yt cannot read.
    """
    try:
        import yt
    except ImportError:
        raise InputError(f"{path}: format {format_name} is read with yt: pip install gpu_fdm[yt]") from None
    yt.set_log_level("error")
    try:
        yield yt.load(str(path))
    except (InputError, RunError, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001 - yt's parsers raise whatever they stumble over
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: yt cannot read it as {format_name}: {type(error).__name__} {reason}") from None


@dataclass(frozen=True)
class CoveringGrid:
    """A field on one refinement level; where the level is missing, its parent's values.

    kind, field  yt's name of the field
    """

    path: str
    format: str
    kind: str
    field: str
    level: int
    cells: tuple[int, int, int]
    dtype: str = "<f8"
    axes_reversed = False

    @property
    def names(self) -> tuple[str]:
        """The field, for messages."""
        return (self.field,)

    @contextmanager
    def arrays(self):
        """The field, to be sliced along x."""
        with loaded(self.path, self.format) as dataset:
            yield [_Planes(dataset, self)]


class _Planes:
    def __init__(self, dataset, grid):
        self._dataset, self._grid, self.dtype = dataset, grid, np.dtype(grid.dtype)

    def __getitem__(self, planes):
        cells = self._grid.cells
        # yt takes a covering grid of a single plane for one of a flat data set, and misplaces it: ask for two
        first = min(planes.start, max(0, cells[0] - 2))
        dims = (max(planes.stop, min(first + 2, cells[0])) - first, *cells[1:])
        left, right = self._dataset.domain_left_edge, self._dataset.domain_right_edge
        corner = left.copy()
        corner[0] += (right[0] - left[0]) * (first / cells[0])
        covering = self._dataset.covering_grid(self._grid.level, left_edge=corner, dims=dims)
        return covering[self._grid.kind, self._grid.field].d[planes.start - first : planes.stop - first]


def covering_grid(dataset, path, format_name: str, kind: str, field: str, options: SnapshotOptions) -> CoveringGrid:
    """The source of a field of an open yt dataset, on the level that is asked for (0, the root grid, if none is)."""
    level, finest = options.level or 0, int(dataset.index.max_level)
    if level > finest:
        raise InputError(f"{path}: --level {level}: must be in 0..{finest}, the levels of this snapshot")
    refined = int(dataset.refine_by) ** level
    cells = tuple(int(n) * refined for n in dataset.domain_dimensions)
    return CoveringGrid(str(path), format_name, kind, field, level, cells)


def fields_of(dataset, kind: str) -> tuple[str, ...]:
    """Names of the fields of a kind that are stored."""
    return tuple(sorted(name for each, name in dataset.field_list if each == kind))


def box_width(dataset) -> tuple[float, float, float]:
    """Sides in the code's own unit of length."""
    return three(float(side) for side in dataset.domain_width.to("code_length").d)
