"""One integrity scheme: SHA-256 of small things, and of HDF5 files a SHA-256 of names, attributes, shapes and bit sums.

Arrays enter by the sum of their bits, taken as integers: ranks add it up over any shares.
"""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from ..errors import reason
from ..parallel.ranks import SERIAL, Ranks

log = logging.getLogger(__name__)

_SUMMED = 1 << 22  # numbers summed at a time
_READ = 1 << 24  # bytes read at a time
# what h5py raises for bytes that it did not write
HDF5_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


def digest_of(data: str | bytes) -> str:
    """SHA-256 of a text or of bytes, 64 hexadecimal digits."""
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def bit_sum(values: np.ndarray) -> int:
    """Sum of all numbers of an array, their bits taken as integers, modulo 2^64."""
    flat = np.ascontiguousarray(values).reshape(-1)
    width = next(bits for bits in (64, 32, 8) if 8 * flat.itemsize % bits == 0)
    words = flat.view(f"u{width // 8}")
    pieces = (words[first : first + _SUMMED] for first in range(0, len(words), _SUMMED))
    return sum(int(piece.sum(dtype=np.uint64)) for piece in pieces) % 2**64


def write_digest(file: h5py.File, key: str, sums: Mapping[str, int]) -> None:
    """Write the attributes `key` and `content_hash` of a file that is complete.

    sums  bit sums of datasets by path; those of all other datasets are taken here
    """
    others = {path: bit_sum(node[()]) for path, node in _datasets(file).items() if path not in sums}
    file.attrs["key"] = key
    file.attrs["content_hash"] = content_hash(file, {**others, **sums})


def content_hash(file: h5py.File, sums: Mapping[str, int]) -> str:
    """A hash of all names, attributes and shapes, and of the bit sums of all datasets by path."""
    digest = hashlib.sha256()

    def add(path: str, node: h5py.HLObject) -> None:
        attributes = [
            (name, np.asarray(node.attrs[name]).tolist()) for name in sorted(node.attrs) if name != "content_hash"
        ]
        digest.update(repr((path, attributes)).encode())
        if isinstance(node, h5py.Dataset):
            digest.update(repr((node.dtype.str, node.shape, sums[path])).encode())

    add("/", file)
    file.visititems(add)
    return digest.hexdigest()


def is_intact(path: Path, key: str, ranks: Ranks = SERIAL) -> bool:
    """Whether a file was written with this key and still has its content; all ranks call this.

    A warning says what is damaged.
    """
    if not ranks.on_root(path.is_file):
        return False
    sums: dict[str, int] | None = None
    why = ""
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("key") == key:
                sums = {name: _bit_sum_of_share(node, ranks) for name, node in _datasets(file).items()}
    except HDF5_DAMAGE as error:
        why = reason(error)
    if not any(why or sums is not None for why, sums in ranks.allgather((why, sums))):
        return False
    if damage := damage_of(path, sums or {}, why, ranks):
        if ranks.is_root:
            log.warning("%s is damaged (%s): it will be replaced", path, damage)
        return False
    return True


def damage_of(path: Path, sums: Mapping[str, int], why: str, ranks: Ranks = SERIAL) -> str:
    """Why a file is damaged, in words and the same on all ranks, which call this; empty where it is intact.

    sums  bit sums of this rank's shares of all datasets by path
    why   what went wrong when this rank read them, or empty
    """
    shares, reasons = ranks.allgather(sums), [text for text in ranks.allgather(why) if text]
    if reasons:
        return reasons[0]
    totals = {name: sum(share[name] for share in shares) % 2**64 for name in sums}
    return ranks.on_root(lambda: _changed(path, totals))


def _changed(path: Path, sums: Mapping[str, int]) -> str:
    try:
        with h5py.File(path, "r") as file:
            intact = content_hash(file, sums) == file.attrs["content_hash"]
    except HDF5_DAMAGE as error:
        return reason(error)
    return "" if intact else "its content is not what was written"


def _bit_sum_of_share(node: h5py.Dataset, ranks: Ranks) -> int:
    """The bit sum of this rank's part of a dataset, which is read in pieces."""
    if not node.shape:
        return bit_sum(node[()]) if ranks.is_root else 0
    first, last = ranks.share(len(node))
    step = max(1, _READ // max(1, node.nbytes // max(1, len(node))))
    return sum(bit_sum(node[start : min(start + step, last)]) for start in range(first, last, step))


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    found: dict[str, h5py.Dataset] = {}
    file.visititems(lambda path, node: found.update({path: node}) if isinstance(node, h5py.Dataset) else None)
    return found
