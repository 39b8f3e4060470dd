"""Files that appear under their names only when they are complete."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import time_ns

from ..errors import RunError, reason
from ..parallel.ranks import SERIAL, Ranks


@contextmanager
def atomic_write(path: Path, ranks: Ranks = SERIAL, keep: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """A temporary path beside `path`, which replaces it at the end; after an error it is removed. All ranks call this.

    keep  whether the temporary file stays after an error
    Raises RunError where the disk is full or the folder cannot be written.
    """
    temporary = ranks.bcast(temporary_path(path))
    try:
        yield temporary
        ranks.barrier()
        if ranks.is_root:
            _flush_to_disk(temporary)
            os.replace(temporary, path)
            _flush_to_disk(path.parent)
        ranks.barrier()
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {reason(error)}") from error
    finally:
        if not keep():
            with suppress(OSError):  # the folder may not be there
                temporary.unlink()


def temporary_path(path: Path) -> Path:
    """A path beside `path` that no other file has, even where process numbers are used again."""
    return path.with_name(f"{temporary_prefix(path)}{os.getpid()}-{time_ns()}")


def temporary_prefix(path: Path) -> str:
    """How the names of temporary files of `path` begin on this machine; the number of their process follows."""
    return f".{path.name}.part-{socket.gethostname()}-"


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
