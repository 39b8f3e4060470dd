"""All formats, and open_snapshot, which chooses between them."""

from pathlib import Path

from ..errors import InputError, require_file
from . import (
    arrays,
    axionyx,
    axirepo,
    fuzzylli,
    gadget,
    gadget_binary,
    gamer,
    jaxion,
    parts,
    pyultralight,
    result,
    ultradark,
)
from .options import SnapshotOptions
from .reader import Reader
from .snapshot import GridSnapshot, ParticleSnapshot

# in the order of detection: special formats before general ones
READERS = (
    fuzzylli.READER,
    result.READER,
    axirepo.READER,
    gadget.READER,
    gamer.READER,
    axionyx.READER,
    jaxion.READER,
    gadget_binary.READER,
    ultradark.READER,
    pyultralight.READER,
    arrays.NUMPY,
    arrays.HDF5,
)


def open_snapshot(
    path: str | Path,
    format: str | None = None,
    options: SnapshotOptions = SnapshotOptions(),  # noqa: B008 - frozen
    readers: tuple[Reader, ...] = READERS,
    incomplete: bool = False,
) -> GridSnapshot | ParticleSnapshot:
    """Open a snapshot: read and check its headers, but not its data.

    path        file, folder, first part of several, or their common name
    format      name of a reader; by default the first that recognises the file
    options     what the user says about it
    readers     in the order of detection
    incomplete  whether files may be missing: the headers of those that are there are read
    With several ranks, only rank 0 calls this: ranks.on_root(lambda: open_snapshot(...)).
    Raises InputError, one line, for an invalid or incomplete file, naming the option that helps.
    """
    path = Path(path)
    reader: Reader | None
    if format is None:
        reader = recognise(path, readers)
    else:
        reader = _by_name(format, readers, options)
        _check_exists(path)
    if reader is None:
        if (path / "result.hdf5").is_file():
            require_file(path)
        known = ", ".join(known.name for known in readers)
        raise InputError(f"{path}: no known format; known: {known} ({options.flag('format')})")
    for name in options.given():
        if name not in reader.options:
            allowed = ", ".join(map(options.flag, reader.options))
            raise InputError(
                f"{path}: {options.flag(name)} has no meaning for format {reader.name}, which takes {allowed}"
            )
    return reader.read(path, options, incomplete=True) if incomplete and reader.in_parts else reader.read(path, options)


def recognise(path: Path, readers: tuple[Reader, ...] = READERS) -> Reader | None:
    """The first reader that knows a file, or None; InputError for one that is not there, or is empty."""
    _check_exists(path)
    return next((known for known in readers if known.detect(path)), None)


def _check_exists(path: Path) -> None:
    try:
        if not path.exists() and not any(parts.find_file(path, names) for names in (parts.HDF5, gadget_binary.NAMES)):
            raise InputError(f"{path}: no such file")
        if path.is_file():
            with open(path, "rb") as file:
                if not file.read(1):
                    raise InputError(f"{path}: an empty file")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _by_name(name: str, readers: tuple[Reader, ...], options: SnapshotOptions) -> Reader:
    for reader in readers:
        if reader.name == name:
            return reader
    known = ", ".join(reader.name for reader in readers)
    raise InputError(f"{options.flag('format')} {name}: unknown; known: {known}")
