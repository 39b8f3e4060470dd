"""Snapshots in several files, <base>.0.hdf5, <base>.1.hdf5, ..., in a folder or beside each other.

A name alone does not say whether a file is a part: snap_z0.5.hdf5 is the fifth of snap_z0 or a snapshot at z = 0.5. Its
header does, in NumFilesPerSnapshot.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import InputError
from ..io import hdf5

_PART = re.compile(r"(?P<base>.+)\.(?P<number>\d+)(?P<ending>\.hdf5|\.h5)")
_ENDINGS = (".hdf5", ".h5")
# groups of the tables of FOF and SUBFIND, whose files have a header as snapshots have
_TABLE = ("Group", "Subhalo")


def find_file(path: Path) -> Path | None:
    """A file of the snapshot: the path, the first file in a folder, or the first of <path>.hdf5, <path>.0.hdf5, ...

    In a folder hidden files, results of this program and tables of groups are no snapshots.
    Returns None if there is none. Raises InputError for a folder, or a name, with several snapshots.
    """
    if path.is_file():
        return path
    folder = path if path.is_dir() else path.parent
    files = [found for found in sorted(folder.iterdir()) if found.suffix in _ENDINGS] if folder.is_dir() else []
    if folder == path:
        first = _first_of_each(found for found in files if not found.name.startswith("."))
        first = [found for found in first if _may_be_snapshot(found)]
    else:
        first = [found for found in _first_of_each(files, path.name) if path.name in (found.stem, _common_name(found))]
    if len(first) > 1:
        names = ", ".join(found.name for found in first[:5])
        what = "a folder with several snapshots" if folder == path else "the name of several snapshots"
        raise InputError(f"{path}: {what}, must be one of them: {names}")
    return first[0] if first else None


def _first_of_each(files: Iterable[Path], name: str = "") -> list[Path]:
    """The first file of each snapshot, of those whose names begin so; files  in the order of their names."""
    first: dict[tuple[str, ...], Path] = {}
    for found in files:
        split = _PART.fullmatch(found.name)
        parts = (split["base"], split["ending"]) if split else ()
        if found.name.startswith(name) and parts not in first:
            first[parts if _common_name(found) != found.stem else (found.name,)] = found
    return list(first.values())


def _common_name(path: Path) -> str:
    """The name that the parts of a snapshot have in common; of a file that is no part its own, without its ending."""
    split = _PART.fullmatch(path.name)
    if split is None:
        return path.stem
    try:
        with hdf5.opened(path) as file:
            parts = hdf5.number(hdf5.find(file, "Header"), "NumFilesPerSnapshot")
    except InputError:  # its reader says what is wrong with it
        return split["base"]
    return path.stem if parts in (None, 1) else split["base"]


def _may_be_snapshot(path: Path) -> bool:
    """Whether a file has a header and is no table of groups; a damaged file may have been one."""
    try:
        with hdf5.opened(path) as file:
            names = set(file)
    except InputError:
        return True
    is_table = names.intersection(_TABLE) and not any(name.startswith("PartType") for name in names)
    return "Header" in names and not is_table


def first_part(path: Path) -> Path:
    """A file of the snapshot, see find_file; InputError for a folder without a snapshot."""
    first = find_file(path)
    if first is None:
        raise InputError(f"{path}: a folder without NAME.hdf5 or NAME.0.hdf5: no snapshot of this format")
    return first


def all_parts(path: Path, count: int) -> Iterator[Path]:
    """The files of a snapshot with `count` parts, in order; `path` is one of them.

    Raises InputError, naming the file, for a part that is missing.
    """
    if count == 1:
        yield path
        return
    split = _PART.fullmatch(path.name)
    if split is None:
        raise InputError(f"{path}: one of {count} parts by its header, must be called NAME.0.hdf5, NAME.1.hdf5, ...")
    for number in range(count):
        part = path.with_name(f"{split['base']}.{number}{split['ending']}")
        if not part.is_file():
            raise InputError(f"{part}: no such file: part {number} of the {count} of this snapshot is missing")
        yield part
