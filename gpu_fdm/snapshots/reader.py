"""What a reader of a format is, and what readers share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .options import SnapshotOptions
from .snapshot import GridSnapshot, ParticleSnapshot


@dataclass(frozen=True)
class Reader:
    """A format.

    name         for --format
    description  one line
    options      names of the SnapshotOptions that it uses; another one given is an error
    detect       whether a path looks like the format: fast, and False for what it does not know
    read         opens a snapshot: reads headers only and checks all that is cheap; InputError for what is wrong
    """

    name: str
    description: str
    options: tuple[str, ...]
    detect: Callable[[Path], bool]
    read: Callable[[Path, SnapshotOptions], GridSnapshot | ParticleSnapshot]


def bare_grid(source, cells, format_name: str, options: SnapshotOptions) -> GridSnapshot:
    """A snapshot of arrays that come without anything else: box size and redshift must be given."""
    name = ", ".join(source.names)
    return GridSnapshot(
        path=source.path,
        format=format_name,
        box_size=options.over("box_size", None, source.path),
        redshift=options.over("redshift", None, source.path),
        fields=(name,),
        field=name,
        h=options.h,
        cells=cells,
        density_units="units of the file",
        source=source,
    )


def chosen_field(fields: tuple[str, ...], wanted: str | None, preferred: str, path) -> str:
    """The field to read: the one asked for, else the preferred one, or its only frame.

    Raises InputError that lists the fields.
    """
    known = ", ".join(fields) or "none"
    if wanted is not None:
        if wanted not in fields:
            raise InputError(f"{path}: --field {wanted}: no such field; found: {known}")
        return wanted
    if preferred in fields:
        return preferred
    below = [name for name in fields if name.startswith(f"{preferred}/")]
    if len(below) != 1:
        raise InputError(f"{path}: no field chosen: give --field; found: {known}")
    return below[0]
