"""Snapshots in several files, <base>.0.hdf5, <base>.1.hdf5, ..., in a folder or beside each other."""

import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import InputError

_PART = re.compile(r"(?P<base>.+)\.(?P<number>\d+)(?P<ending>\.hdf5|\.h5)")
_ENDINGS = (".hdf5", ".h5")


def find_file(path: Path) -> Path | None:
    """A file of the snapshot: the path, the first file in a folder, or the first of <path>.hdf5, <path>.0.hdf5, ...

    Returns None if there is none. Raises InputError for a folder with several snapshots.
    """
    if path.is_file():
        return path
    folder = path if path.is_dir() else path.parent
    snapshots: dict[str, Path] = {}
    for found in sorted(folder.iterdir()) if folder.is_dir() else ():
        split = _PART.fullmatch(found.name)
        base = split["base"] if split else found.stem
        if found.suffix in _ENDINGS and (folder == path or path.name in (base, found.stem)):
            snapshots.setdefault(base, found)
    if len(snapshots) > 1 and folder == path:
        names = ", ".join(found.name for found in list(snapshots.values())[:5])
        raise InputError(f"{path}: a folder with several snapshots, must be one of them: {names}")
    return next(iter(snapshots.values()), None)


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
