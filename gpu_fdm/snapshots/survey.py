"""What the headers of a snapshot tell, and what they do not: which options of the user a reader needs.

A reader says with OptionNeeded what it needs. It is then asked again with a value in its place, until it opens the
snapshot: what does not depend on these values is what the headers tell.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attrs import evolve

from ..errors import InputError
from .covering_grid import CoveringGrid
from .options import OptionNeeded, SnapshotOptions
from .reader import Reader
from .registry import READERS, open_snapshot
from .snapshot import GridSnapshot, ParticleSnapshot

_UNIT_LENGTH = 1e-3  # boxes in kpc/h and in Mpc/h are then in the range that sides may have
_IN_PLACE: dict[str, Any] = {"box_size": (1.0, 1.0, 1.0), "redshift": 0.0, "unit_length": _UNIT_LENGTH, "h": 1.0}
_OTHER_REDSHIFT = 1.0
_MOST_FIELDS = 20  # that are opened


@dataclass(frozen=True)
class Survey:
    """The headers of a snapshot.

    snapshot  with values in place of those that its files lack
    needed    which options must be given, as the reader says it
    refusal   why the snapshot is not read, although its headers are; empty if it is
    physical  whether its box is known only as of its redshift, which it lacks
    grids     every field, or array, by its name, at most 20: as it would be read, or why it is not; empty of particles
    """

    snapshot: GridSnapshot | ParticleSnapshot
    needed: tuple[OptionNeeded, ...]
    refusal: str
    physical: bool
    grids: dict[str, GridSnapshot | InputError]

    @property
    def lacks(self) -> frozenset[str]:
        """Names of the options that must be given."""
        return frozenset(name for need in self.needed for name in need.options)

    @property
    def box_size(self) -> tuple[float, ...] | None:
        """Sides of the box in the unit that box_unit names; None if the files do not say it."""
        if "box_size" in self.lacks:
            return None
        unit = _UNIT_LENGTH if "unit_length" in self.lacks else 1.0
        return tuple(side / unit for side in self.snapshot.box_size)

    @property
    def box_unit(self) -> str:
        """Unit of the sides of the box: comoving and per h where that can be told."""
        if "unit_length" in self.lacks:
            return "in the file's unit of length"
        unit = "Mpc" if self.physical else "cMpc"
        return unit if "h" in self.lacks else f"{unit}/h"


def survey(path: Path, readers: tuple[Reader, ...] = READERS) -> Survey:
    """The headers of the snapshot at a path; neither particles nor cells are read.

    Raises InputError, one line, for a file that is no snapshot, or a damaged one.
    """
    needed: list[OptionNeeded] = []
    options = SnapshotOptions()

    def opened(**others: Any) -> GridSnapshot | ParticleSnapshot:
        return open_snapshot(path, None, evolve(options, **others), readers, incomplete=True)

    while True:
        try:
            snapshot = opened()
            break
        except OptionNeeded as need:
            if not need.options or set(need.options) & set(options.given()):
                raise
            needed.append(need)
            options = evolve(options, **{name: _in_place(name, need.choices) for name in need.options})
    refusal = ""
    if snapshot.missing:
        try:
            open_snapshot(path, None, options, readers)
        except InputError as error:
            refusal = str(error)
    lacks = {name for need in needed for name in need.options}
    physical = "redshift" in lacks and "box_size" not in lacks
    physical = physical and opened(redshift=_OTHER_REDSHIFT).box_size != snapshot.box_size
    grids = {} if isinstance(snapshot, ParticleSnapshot) else _grids(snapshot, needed, opened)
    return Survey(snapshot, tuple(needed), refusal, physical, grids)


def _in_place(name: str, choices: tuple) -> Any:
    if not choices:
        return _IN_PLACE[name]
    return (choices[0],) if name == "dataset" else choices[0]


def _grids(
    snapshot: GridSnapshot, needed: list[OptionNeeded], opened: Callable[..., GridSnapshot | ParticleSnapshot]
) -> dict[str, GridSnapshot | InputError]:
    """The fields, or arrays, of a snapshot; one alone where all are sampled on the grid of a refinement level."""
    arrays = next((need.choices for need in needed if "dataset" in need.options), ())
    if isinstance(snapshot.source, CoveringGrid) or (len(snapshot.fields) == 1 and not arrays):
        return {snapshot.field: snapshot}
    found: dict[str, GridSnapshot | InputError] = {}
    for name in (arrays or snapshot.fields)[:_MOST_FIELDS]:
        try:
            grid = opened(dataset=(name,)) if arrays else opened(field=name)
        except InputError as error:  # others may be read all the same
            found[name] = error
        else:
            assert isinstance(grid, GridSnapshot)
            found[name] = grid
    return found
