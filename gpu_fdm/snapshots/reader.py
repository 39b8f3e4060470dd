"""The interface of a reader, and helpers that readers share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import InputError
from .options import OptionNeeded, SnapshotOptions
from .snapshot import GridSnapshot, GridSource, ParticleSnapshot


class ArraySource(GridSource, Protocol):
    """An array whose shape is that of the grid."""

    @property
    def cells(self) -> tuple[int, int, int]:
        """Cells along x, y, z."""


@dataclass(frozen=True)
class Reader:
    """The reader of one format.

    name         for --format
    description  one line
    options      names of the SnapshotOptions that it uses; any other that is given is an error
    detect       whether a path has the format: fast, and False for unknown files
    read         opens a snapshot: reads headers only and checks what is cheap; InputError for invalid files
    in_parts     whether a snapshot may be in several files: read then takes incomplete=True, for those that are there
    """

    name: str
    description: str
    options: tuple[str, ...]
    detect: Callable[[Path], bool]
    read: Callable[..., GridSnapshot | ParticleSnapshot]
    in_parts: bool = False


def snapshot_of_array(source: ArraySource, format_name: str, options: SnapshotOptions) -> GridSnapshot:
    """The snapshot of an array without metadata: its box size and redshift are options."""
    name = ", ".join(source.names)
    options.require(source.path, box_size=False, redshift=False)
    return GridSnapshot(
        path=source.path,
        format=format_name,
        box_size=options.resolve("box_size", None, source.path),
        redshift=options.resolve("redshift", None, source.path),
        fields=(name,),
        field=name,
        h=options.h,
        cells=source.cells,
        density_units="units of the file",
        source=source,
    )


def chosen_field(fields: tuple[str, ...], options: SnapshotOptions, preferred: str, path: Path) -> str:
    """The field to read: the one of the options, else the only one, the preferred one or its only frame.

    Raises InputError that lists the fields.
    """
    if not fields:
        raise InputError(f"{path}: holds no density and no psi on a grid")
    known, wanted, flag = ", ".join(fields), options.field, options.flag("field")
    if wanted is not None:
        if wanted not in fields:
            raise InputError(f"{path}: {flag} {wanted}: no such field; found: {known}")
        return wanted
    if preferred in fields or len(fields) == 1:
        return preferred if preferred in fields else fields[0]
    frames = [name for name in fields if name.startswith(f"{preferred}/")]
    if len(frames) != 1:
        raise OptionNeeded(f"{path}: no field chosen: give {flag}; found: {known}", path, ("field",), fields)
    return frames[0]
