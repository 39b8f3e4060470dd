"""One integrity scheme: SHA-256 of small things, and after every HDF5 file of ours one line with the hash of its bytes.

The line ends a page of its own after the end of what HDF5 knows; HDF5 ignores it. It is checked before HDF5 sees the
file, since HDF5 can loop for ever in a structure that is damaged. Bytes are hashed in pieces by BLAKE2b, over ranks and
threads, 1 GB/s each; the hash of a range of bytes is that of the hashes of its pieces.
"""

import hashlib
import os
import re
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from ..errors import reason
from ..parallel.backend import cpu_count
from ..parallel.ranks import SERIAL, Ranks

DIGEST = "digest"  # attribute of the root that says that the line must be there
DIGEST_TEXT = "BLAKE2b of the bytes of this file, after the end of HDF5"
# what h5py raises for bytes that it did not write
HDF5_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)

_PIECE = 1 << 22  # bytes hashed at a time
_PAGE = 4096  # bytes that a disk loses together
_MOST_THREADS = 4
_LINE = "\ngpu_fdm: BLAKE2b of {} bytes in pieces of {}: {}\n"
_PATTERN = re.compile(_LINE.format(r"(\d+)", _PIECE, "([0-9a-f]{64})").encode() + rb"\Z")
_LONGEST = 256  # bytes of the line


def digest_of(data: str | bytes) -> str:
    """SHA-256 of a text or of bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def hash_of_bytes(path: Path, first: int, last: int, ranks: Ranks = SERIAL) -> str:
    """BLAKE2b of a range of bytes of a file, 64 hexadecimal digits; all ranks call this, each hashes its share.

    Raises OSError, the same on all ranks, for a file that cannot be read or is shorter.
    """
    starts = range(first, last, _PIECE)
    own = starts[slice(*ranks.share(len(starts)))]
    hashes, error = b"", None
    try:
        hashes = b"".join(_hashes(path, [(start, min(_PIECE, last - start)) for start in own], ranks))
    except OSError as caught:
        error = caught
    ranks.raise_first(error)
    return hashlib.blake2b(b"".join(ranks.allgather(hashes)), digest_size=32).hexdigest()


def _hashes(path: Path, pieces: list[tuple[int, int]], ranks: Ranks) -> list[bytes]:
    """The hashes of pieces (start, length), in parallel."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if len(pieces) < 2:
            return [_hash(descriptor, *piece) for piece in pieces]
        threads = ThreadPoolExecutor(min(_MOST_THREADS, max(1, cpu_count() // ranks.local_size)))
        try:
            return list(threads.map(lambda piece: _hash(descriptor, *piece), pieces))
        finally:
            threads.shutdown(cancel_futures=True)
    finally:
        os.close(descriptor)


def _hash(descriptor: int, start: int, length: int) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    while length:
        octets = os.pread(descriptor, length, start)
        if not octets:
            raise OSError("it is shorter than it was")
        digest.update(octets)
        start, length = start + len(octets), length - len(octets)
    return digest.digest()


def append_digest(path: Path, ranks: Ranks = SERIAL) -> None:
    """Write the line after a file that HDF5 has closed; all ranks call this. Raises OSError."""
    length = ranks.on_root(lambda: path.stat().st_size)
    found = hash_of_bytes(path, 0, length, ranks)

    line = _LINE.format(length, _PIECE, found).encode()

    def write() -> None:
        with open(path, "ab") as file:
            file.write(bytes(-length % _PAGE + _PAGE - len(line)) + line)

    ranks.on_root(write)


def has_digest(path: Path) -> bool:
    """Whether a file ends in the line. Raises OSError."""
    return _stored(path) is not None


def _stored(path: Path) -> tuple[int, str] | None:
    """Number of bytes and hash in the line; None without one."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LONGEST))
        found = _PATTERN.search(file.read())
    return None if found is None else (int(found[1]), found[2].decode())


def damage_of(path: Path, ranks: Ranks = SERIAL) -> str | None:
    """Why a file is damaged by the line at its end, in words; empty where it is intact, None where it has no such line.

    All ranks call this and get the same; a file that did not change is read once. Raises OSError.
    """
    stored, known = ranks.on_root(lambda: (_stored(path), _known().get(identity(path))))
    if stored is None or known is not None:
        return None if stored is None else known
    length, expected = stored
    try:
        found = hash_of_bytes(path, 0, length, ranks)
    except OSError as error:
        damage = reason(error)
    else:
        damage = "" if found == expected else "its bytes are not those that were written"
    _known()[identity(path)] = damage
    return damage


@cache
def _known() -> dict[tuple, str]:
    """What is known of files that this process has read, by their identity."""
    return {}


def identity(path: Path) -> tuple:
    """What changes with a file. Raises OSError."""
    status = path.stat()
    return str(path.absolute()), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
