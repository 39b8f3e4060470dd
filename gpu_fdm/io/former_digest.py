"""The digest of results of earlier versions: a SHA-256 of names, attributes, shapes and the sums of all words.

It is only read. A sum of words does not see two that change places.
"""

import hashlib

import h5py
import numpy as np

ATTRIBUTE = "content_hash"
_READ = 1 << 24  # bytes read at a time


def matches_former_digest(file: h5py.File) -> bool:
    """Whether an open file has the content that its attribute content_hash is of. Raises what h5py does for damage."""
    digest = hashlib.sha256()

    def add(path: str, node: h5py.HLObject) -> None:
        names = sorted(name for name in node.attrs if name != ATTRIBUTE)
        attributes = [(name, np.asarray(node.attrs[name]).tolist()) for name in names]
        digest.update(repr((path, attributes)).encode())
        if isinstance(node, h5py.Dataset):
            digest.update(repr((node.dtype.str, node.shape, _sum_of(node))).encode())

    add("/", file)
    file.visititems(add)
    return digest.hexdigest() == file.attrs[ATTRIBUTE]


def _sum_of(node: h5py.Dataset) -> int:
    """The sum of all words of a dataset, modulo 2^64."""
    if not node.shape:
        return _sum_of_words(node[()])
    step = max(1, _READ // max(1, node.nbytes // max(1, len(node))))
    return sum(_sum_of_words(node[start : start + step]) for start in range(0, len(node), step)) % 2**64


def _sum_of_words(values: np.ndarray) -> int:
    flat = np.ascontiguousarray(values).reshape(-1)
    width = next(bits for bits in (64, 32, 8) if 8 * flat.itemsize % bits == 0)
    return int(flat.view(f"u{width // 8}").sum(dtype=np.uint64))
