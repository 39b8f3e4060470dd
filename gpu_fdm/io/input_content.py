"""Inputs that are read once: a run takes values, cache keys and the copy in its result from the same bytes.

A file may be edited while a run goes on for hours. The value of an ini that names it is therefore replaced by itself
together with what was read: readers of tables take the content where there is one, and open the file where there is
none.
"""

import errno
import hashlib
import os
from pathlib import Path

from ..errors import InputError

MOST_BYTES = 1 << 28  # of a table


class WithContent(str):
    """A value of an ini that names an input, and the content of that input.

    content  bytes; None: not to be opened, because a file of somebody else names it
    """

    content: bytes | None

    def __new__(cls, value: str, content: bytes | None) -> "WithContent":
        made = super().__new__(cls, value)
        made.content = content
        return made

    def __getnewargs__(self) -> tuple[str, bytes | None]:  # type: ignore[override]
        return str(self), self.content

    @property
    def hash(self) -> str:
        """SHA-256 of the content, 64 hexadecimal digits."""
        return hashlib.sha256(_required(self)).hexdigest()


def content_of(path: str | Path, most: int = MOST_BYTES) -> bytes:
    """The bytes of an input, read now unless they were before.

    most  bytes that it may have: devices and sparse files can be larger than memory
    Raises OSError, or InputError that names the file, where it is a folder, larger, or not to be opened.
    """
    if isinstance(path, WithContent):
        return _required(path)
    if "\0" in str(path):  # open() has another error for it
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if Path(path).is_dir():
        raise InputError(f"{path}: is a folder, must be a file")
    with open(path, "rb") as file:
        octets = b"" if (size := os.fstat(file.fileno()).st_size) > most else file.read(most + 1)
    if max(size, len(octets)) > most:
        raise InputError(f"{path}: too large a text, must have at most {most >> 20} MiB")
    return octets


def _required(value: WithContent) -> bytes:
    if value.content is None:
        raise InputError(
            f"{value}: a result names this table but does not hold it, and what a result names is not opened "
            "(results hold their tables now: compute it again)"
        )
    return value.content
