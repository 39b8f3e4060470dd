"""Parts of a result that are kept as soon as they are done, so that a run that was stopped goes on.

A part is a few arrays under a name, with the key that they depend on: everything from which they were computed, and the
code that did it. Each is a file that appears whole or not at all; one that is damaged, or that another key made, is
computed again.
"""

import hashlib
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import RunError, reason
from .atomic import atomic_write

log = logging.getLogger(__name__)

_DIGEST = 32  # bytes of the hash at the end of a file, which readers of .npz do not mind


@dataclass(frozen=True)
class Cache:
    """Parts in a folder, which is made with the first of them."""

    folder: Path

    def load(self, name: str, key: dict) -> dict[str, np.ndarray] | None:
        """The arrays of a part, None where it is not there, whole, and of this key."""
        return _arrays(self.path(name, key), key_text(key))

    def items(self, start: str) -> Iterator[tuple[Path, dict[str, np.ndarray]]]:
        """The parts, of whatever key, whose names start so: their files and arrays."""
        for path in sorted(self.folder.glob(f"{start}*.npz")):
            arrays = _arrays(path)
            if arrays is not None:
                yield path, arrays

    def store(self, name: str, key: dict, arrays: dict[str, Any]):
        """Keep a part. Raises RunError where the disk is full or the folder refuses."""
        path = self.path(name, key)
        with atomic_write(path) as part:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "w+b") as file:
                np.savez(file, key=key_text(key), **arrays)
                file.write(_digest(file, file.seek(0, os.SEEK_END)))

    def clear(self):
        """Remove all that was kept. Raises RunError where it cannot be removed."""
        if not self.folder.is_dir():
            return
        try:
            for path in self.folder.iterdir():
                if path.suffix in (".npz", ".hdf5") or ".part-" in path.name:
                    path.unlink()
            if not any(self.folder.iterdir()):
                self.folder.rmdir()
        except OSError as error:
            raise RunError(f"{self.folder}: cannot be removed: {reason(error)}") from error

    def remove_abandoned(self):
        """Remove half-written parts of runs that were killed; only where no other run is going on here."""
        for path in self.folder.glob(".*.npz.part-*"):
            path.unlink(missing_ok=True)

    def path(self, name: str, key: dict) -> Path:
        """The file of a part."""
        return self.folder / f"{name}-{fingerprint(key)}.npz"


def fingerprint(key: dict) -> str:
    """A short hash of a key and of the code."""
    return hashlib.sha256(key_text(key).encode()).hexdigest()[:12]


def key_text(key: dict) -> str:
    """A key, with the code, as text that is the same for equal keys: floats to all their digits."""
    return json.dumps({"code": code_hash(), **key}, sort_keys=True)


@cache
def code_hash() -> str:
    """A hash of the sources and tables of the program, but for its figures: another code may give other numbers."""
    digest = hashlib.sha256()
    for package, endings in (("gpu_fdm", (".py", ".csv")), ("gpu_fdm.kernels", (".py", ".cu", ".cuh"))):
        for name, file in sorted(_files(resources.files(package), endings)):
            digest.update(f"{name} ".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _files(folder, endings, before=""):
    for each in folder.iterdir():
        name = f"{before}{each.name}"
        if each.is_dir():
            if name not in ("plots", "kernels", "__pycache__"):
                yield from _files(each, endings, f"{name}/")
        elif each.name.endswith(endings):
            yield name, each


def _arrays(path, wanted=None):
    """What a file holds; None where it is not there, damaged, or not of the key that is wanted."""
    if not path.is_file():
        return None
    try:
        with open(path, "rb") as file:
            length = max(0, file.seek(0, os.SEEK_END) - _DIGEST)
            if _digest(file, length) != file.read():
                log.warning("%s is damaged (it is not what was written): computed again", path)
                return None
            file.seek(0)
            with np.load(file, allow_pickle=False) as stored:
                arrays = {each: stored[each] for each in stored.files}
    except OSError as error:
        log.warning("%s cannot be read (%s): computed again", path, reason(error))
        return None
    made_with = str(arrays.pop("key"))
    return arrays if wanted in (None, made_with) else None


def _digest(file, length):
    """The hash of so many bytes from the start of a file, which is then read on from there."""
    digest = hashlib.sha256()
    file.seek(0)
    while length and (piece := file.read(min(length, 1 << 20))):
        digest.update(piece)
        length -= len(piece)
    return digest.digest()
