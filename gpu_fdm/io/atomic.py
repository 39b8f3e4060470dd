"""Files that appear under their names only when they are complete, and what killed runs left of them."""

import errno
import hashlib
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time_ns

import psutil

from ..errors import RunError, reason
from ..parallel.ranks import SERIAL, Ranks, on_all_ranks

_LONGEST = 255  # bytes of a file name
_HASH = 12  # hexadecimal digits that stand for the rest of a long name
_LAG = 10 * 10**9  # by which the clock that started a process may differ from that of a file's name [ns]


@contextmanager
def atomic_write(path: Path, ranks: Ranks = SERIAL, keep: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """A temporary file beside `path`, which replaces it at the end and is removed after an error. All ranks call this.

    keep  whether the temporary file stays after an error
    The folder is made; where `path` is a link, the file that it leads to is replaced.
    Raises RunError where the disk is full or the folder cannot be written.
    """
    temporary: Path | None = None
    try:
        path, temporary = ranks.on_root(lambda: _created(path))
        assert temporary is not None
        yield temporary
        ranks.barrier()
        if ranks.is_root:
            _flush_to_disk(temporary)
            os.replace(temporary, path)
            with suppress(OSError):  # not all file systems can flush a folder
                _flush_to_disk(path.parent)
        ranks.barrier()
    except OSError as error:
        failed = RunError(f"{path}: cannot be written: {reason(error)}")
        raise (on_all_ranks(failed) if getattr(error, "on_all_ranks", False) else failed) from error
    finally:
        if temporary is not None and not keep():
            with suppress(OSError):  # the folder may not be there
                temporary.unlink()


def _created(path: Path) -> tuple[Path, Path]:
    """The file to replace, and the empty temporary file beside it."""
    path = final_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_path(path)
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
    return path, temporary


def final_path(path: Path) -> Path:
    """The path itself, or where it leads if it is a link. Raises OSError for links that run in a circle."""
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return target


def temporary_path(path: Path) -> Path:
    """A path beside `path` that no other file has, even where process numbers are used again."""
    ending = f".part-{socket.gethostname()}-{os.getpid()}-{time_ns()}"
    return path.with_name(hidden_name(path.name, ending, room=_LONGEST - 8))  # a movie's ending follows


def hidden_name(name: str, ending: str, room: int = _LONGEST) -> str:
    """The name of a hidden file that belongs to another; of a long name the first bytes and a hash."""
    room -= len(os.fsencode(ending)) + 1
    octets = os.fsencode(name)
    if len(octets) > room:
        digest = hashlib.sha256(octets).hexdigest()[:_HASH]
        name = f"{octets[: room - _HASH - 1].decode(errors='ignore')}~{digest}"
    return f".{name}{ending}"


def is_temporary(path: Path, name: str) -> bool:
    """Whether a name is one that temporary_path gives to a file of `path`, on any machine."""
    found = re.fullmatch(r"(\..+\.part-).+-\d+-\d+", name)
    return found is not None and "/" not in name and temporary_path(path).name.startswith(found[1])


def remove_abandoned(folder: Path, is_ours: Callable[[str], bool]) -> list[Path]:
    """Delete temporary files whose processes on this machine have ended; returns their paths.

    is_ours  whether one of a name is to be deleted
    """
    pattern = re.compile(rf"\..+\.part-{re.escape(socket.gethostname())}-(\d+)-(\d+)(?:\.\w+)?")
    removed = []
    for left in sorted(folder.iterdir()) if folder.is_dir() else ():
        found = pattern.fullmatch(left.name)
        if found and is_ours(left.name) and not _is_running(int(found[1]), int(found[2])):
            with suppress(OSError):
                left.unlink()
                removed.append(left)
    return removed


def of_other_machines(path: Path) -> list[Path]:
    """Temporary files of `path` that other machines made: whether their processes run cannot be known here."""
    here = f".part-{socket.gethostname()}-"
    beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else ()
    return [left for left in beside if is_temporary(path, left.name) and here not in left.name]


def _is_running(process: int, named: int) -> bool:
    """Whether the process that named a file at a time [ns] is running; this one keeps no file of an earlier run."""
    if process == os.getpid():
        return False
    try:
        started = psutil.Process(process).create_time()
    except (psutil.Error, ValueError, OverflowError):
        return False
    return started * 1e9 <= named + _LAG


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot
            raise
    finally:
        os.close(descriptor)
