"""Seals of result files: the key that a file was made with, and a hash of all that is in it.

Numbers enter by the sum of their bits, which ranks can take together, in any shares.
"""

import hashlib
import logging
from pathlib import Path

import h5py
import numpy as np

from ..errors import reason
from ..parallel.ranks import SERIAL, Ranks

log = logging.getLogger(__name__)

_SUMMED = 1 << 22  # numbers at a time
_READ = 1 << 24  # bytes at a time
# what h5py raises for bytes that are not those that it wrote
HDF5_DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError)


def bit_sum(values: np.ndarray) -> int:
    """Sum of the numbers, their bits taken as integers, modulo 2^64."""
    flat = np.ascontiguousarray(values).reshape(-1)
    width = next(bits for bits in (64, 32, 8) if 8 * flat.itemsize % bits == 0)
    words = flat.view(f"u{width // 8}")
    pieces = (words[first : first + _SUMMED] for first in range(0, len(words), _SUMMED))
    return sum(int(piece.sum(dtype=np.uint64)) for piece in pieces) % 2**64


def write_digest(file: h5py.File, key: str, sums: dict[str, int]):
    """Write the seal of a file that is complete.

    sums  of the bits of its largest datasets; those of the others are taken here
    """
    sums = {**{name: bit_sum(node[()]) for name, node in _datasets(file) if name not in sums}, **sums}
    file.attrs["key"] = key
    file.attrs["content_hash"] = _content_hash(file, sums)


def is_intact(path: Path, key: str, ranks: Ranks = SERIAL) -> bool:
    """Whether a file is there that was sealed with this key, and still holds what it held; all ranks call this.

    One that is damaged is told in a warning.
    """
    if not ranks.on_root(path.is_file):
        return False
    sums, why = {}, ""
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("key") == key:
                sums = {name: _sum_of_share(node, ranks) for name, node in _datasets(file)}
    except HDF5_DAMAGE as error:
        why = reason(error)
    shares, reasons = ranks.allgather(sums), [each for each in ranks.allgather(why) if each]
    if not reasons and not any(shares):
        return False
    if not reasons:
        totals = {name: sum(each[name] for each in shares) % 2**64 for name in sums}
        reasons = [each for each in [ranks.on_root(lambda: _damage(path, totals))] if each]
    if reasons and ranks.is_root:
        log.warning("%s is damaged (%s): it will be replaced", path, reasons[0])
    return not reasons


def _damage(path, sums):
    """What is wrong with a file whose datasets have these sums, or nothing."""
    try:
        with h5py.File(path, "r") as file:
            same = _content_hash(file, sums) == file.attrs["content_hash"]
    except HDF5_DAMAGE as error:
        return reason(error)
    return "" if same else "it is not what was written"


def _sum_of_share(node, ranks):
    """Over this rank's part of a dataset, which is read by pieces."""
    if not node.shape:
        return bit_sum(node[()]) if ranks.is_root else 0
    first, last = ranks.slab(len(node))
    step = max(1, _READ // max(1, node.nbytes // max(1, len(node))))
    return sum(bit_sum(node[start : min(start + step, last)]) for start in range(first, last, step))


def _datasets(file):
    """Names and datasets."""
    found = []
    file.visititems(lambda name, node: found.append((name, node)) if isinstance(node, h5py.Dataset) else None)
    return found


def _content_hash(file, sums):
    """A hash of names, attributes, shapes, and sums of bits."""
    digest = hashlib.sha256()

    def add(name, node):
        about = [(each, np.asarray(node.attrs[each]).tolist()) for each in sorted(node.attrs) if each != "content_hash"]
        digest.update(repr((name, about)).encode())
        if isinstance(node, h5py.Dataset):
            digest.update(repr((node.dtype.str, node.shape, sums[name])).encode())

    add("/", file)
    file.visititems(add)
    return digest.hexdigest()
