"""Parts of a result that are kept as soon as they are done, so that a run that was stopped goes on.

A part is a few arrays under a name, with the key that they depend on: everything from which they were computed, and the
version of the program. Each is a file that appears whole or not at all; one that is damaged, or that another key made,
is computed again.
"""

import hashlib
import json
import logging
import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import __version__
from .errors import RunError

# what NumPy and zipfile raise for it
_DAMAGE = (
    *(OSError, EOFError, ValueError, TypeError, KeyError, OverflowError, RuntimeError, MemoryError),
    *(SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kept:
    """Parts in a folder, which is made with the first of them."""

    folder: Path

    def load(self, name: str, key: dict) -> dict[str, np.ndarray] | None:
        """The arrays of a part, None where it is not there, whole, and of this key."""
        path, wanted = self._path(name, key), _text(key)
        if not path.is_file():
            return None
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                arrays = {each: stored[each] for each in stored.files}
            made_with = str(arrays.pop("key"))
        except _DAMAGE as error:
            log.warning("%s is damaged (%s): computed again", path, " ".join(str(error).split()))
            return None
        return arrays if made_with == wanted else None

    def store(self, name: str, key: dict, arrays: dict[str, Any]):
        """Keep a part. Raises RunError where the disk is full or the folder refuses."""
        path = self._path(name, key)
        part = path.with_name(f".{path.name}.part-{os.getpid()}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(part, "wb") as file:
                np.savez(file, key=_text(key), **arrays)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror or error}") from error
        finally:
            part.unlink(missing_ok=True)

    def _path(self, name, key):
        return self.folder / f"{name}-{hashlib.sha256(_text(key).encode()).hexdigest()[:12]}.npz"


def _text(key):
    """A key as text that is the same for equal keys: floats to all their digits."""
    return json.dumps({"version": __version__, **key}, sort_keys=True)
