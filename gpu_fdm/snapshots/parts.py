"""Snapshots in several files, <base>.0.hdf5, <base>.1.hdf5, ..., in a folder or beside each other.

A name alone does not say whether a file is a part: snap_z0.5.hdf5 is the fifth of snap_z0 or a snapshot at z = 0.5. Its
header does.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..io import hdf5

# groups of the tables of FOF and SUBFIND, whose files have a header as snapshots have
_TABLE = ("Group", "Subhalo")


@dataclass(frozen=True)
class Names:
    """How the files of a format are called.

    endings          of their names
    number_of_files  of the snapshot of a file, by its header; None where the header does not say or cannot be read
    is_snapshot      whether a file in a folder may be one of this format
    """

    endings: tuple[str, ...]
    number_of_files: Callable[[Path], int | None]
    is_snapshot: Callable[[Path], bool]

    def split(self, path: Path) -> tuple[str, str, str] | None:
        """Common name, number and ending of a part; None for a name of another kind."""
        endings = "|".join(map(re.escape, self.endings))
        found = re.fullmatch(rf"(.+)\.(\d+)({endings})", path.name)
        return (found[1], found[2], found[3]) if found else None

    def stem(self, path: Path) -> str:
        """The name without its ending."""
        return next(path.name.removesuffix(ending) for ending in self.endings if path.name.endswith(ending))

    def common(self, path: Path) -> str:
        """The name that the parts of a snapshot have in common; of a file that is no part its stem."""
        split = self.split(path)
        return self.stem(path) if split is None or self.number_of_files(path) == 1 else split[0]


def _number_of_files(path: Path) -> int | None:
    try:
        with hdf5.opened(path) as file:
            return hdf5.number(hdf5.find(file, "Header"), "NumFilesPerSnapshot") or 1
    except InputError:  # its reader says what is wrong with it
        return None


def _is_snapshot(path: Path) -> bool:
    """Whether a file has a header and is no table of groups; a damaged file may have been one."""
    try:
        with hdf5.opened(path) as file:
            names = set(file)
    except InputError:
        return True
    is_table = names.intersection(_TABLE) and not any(name.startswith("PartType") for name in names)
    return "Header" in names and not is_table


HDF5 = Names((".hdf5", ".h5"), _number_of_files, _is_snapshot)


def find_file(path: Path, names: Names = HDF5) -> Path | None:
    """A file of the snapshot: the path, the first file in a folder, or the first of <path>.hdf5, <path>.0.hdf5, ...

    In a folder hidden files, results of this program and tables of groups are no snapshots.
    Returns None if there is none. Raises InputError for a folder, or a name, with several snapshots.
    """
    if path.is_file():
        return path
    folder = path if path.is_dir() else path.parent
    begin = "" if folder == path else path.name
    files = [found for found in sorted(folder.iterdir()) if found.is_file()] if folder.is_dir() else []
    files = [found for found in files if found.name.startswith(begin) and found.name.endswith(names.endings)]
    if folder == path:
        files = [found for found in files if not found.name.startswith(".")]
        first = [found for found in _first_of_each(files, names) if names.is_snapshot(found)]
    else:
        first = [found for found in _first_of_each(files, names) if begin in (names.stem(found), names.common(found))]
    if len(first) > 1:
        known = ", ".join(found.name for found in first[:5])
        what = "a folder with several snapshots" if folder == path else "the name of several snapshots"
        raise InputError(f"{path}: {what}, must be one of them: {known}")
    return first[0] if first else None


def _first_of_each(files: Iterable[Path], names: Names) -> list[Path]:
    """The first file of each snapshot; files  in the order of their names."""
    first: dict[tuple[str, ...], Path] = {}
    for found in files:
        split = names.split(found)
        parts = (split[0], split[2]) if split else ()
        if parts not in first:
            first[parts if names.common(found) != names.stem(found) else (found.name,)] = found
    return list(first.values())


def first_part(path: Path, names: Names = HDF5) -> Path:
    """A file of the snapshot, see find_file; InputError for a folder without a snapshot."""
    first = find_file(path, names)
    if first is None:
        ending = names.endings[0]
        raise InputError(f"{path}: a folder without NAME{ending} or NAME.0{ending}: no snapshot of this format")
    return first


def all_parts(path: Path, count: int, names: Names = HDF5, incomplete: bool = False) -> Iterator[Path]:
    """The files of a snapshot with `count` parts, in order; `path` is one of them.

    incomplete  whether those that are missing are left out
    Raises InputError, naming the file, for a part that is missing otherwise.
    """
    if count == 1:
        yield path
        return
    split, ending = names.split(path), names.endings[0]
    if split is None:
        raise InputError(
            f"{path}: one of {count} parts by its header, must be called NAME.0{ending}, NAME.1{ending}, ..."
        )
    if incomplete:
        yield from _parts_found(path, count, names)
        return
    for number in range(count):
        part = path.with_name(f"{split[0]}.{number}{split[2]}")
        if not part.is_file():
            raise InputError(f"{part}: no such file: part {number} of the {count} of this snapshot is missing")
        yield part


def _parts_found(path: Path, count: int, names: Names) -> list[Path]:
    """Those parts of a snapshot that are there, in order."""
    split, found = names.split(path), {}
    for file in path.parent.iterdir():
        other = names.split(file)
        if other and split and (other[0], other[2]) == (split[0], split[2]) and file.is_file():
            number = int(other[1])
            if number < count and other[1] == str(number):
                found[number] = file
    return [found[number] for number in sorted(found)]
