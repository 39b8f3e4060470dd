"""Files that appear under their names only when they are whole."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time_ns

from ..errors import RunError, reason


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to, which takes its place when all went well; else nothing is left of it.

    Raises RunError where the disk is full or the folder refuses.
    """
    part = temporary_path(path)
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {reason(error)}") from error
    finally:
        part.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """Name beside `path` of the file in the making; never that of another, even where process numbers come again."""
    return path.with_name(f"{temporary_prefix(path)}{os.getpid()}-{time_ns()}")


def temporary_prefix(path: Path) -> str:
    """What names of files in the making begin with that this machine makes of `path`; their process follows."""
    return f".{path.name}.part-{socket.gethostname()}-"


def make_parent(path: Path):
    """Make the folder of a file where there is none. Raises RunError where that cannot be done."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {reason(error)}") from error
