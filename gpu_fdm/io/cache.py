"""Parts of results and checkpoints: arrays in HDF5 files, cached once they are computed, so that a run can resume.

Each is stored under a name and a key, everything from which it was computed: the keys of the ini that matter, and the
numerical code. It is used again only under the same key and while it is intact. Where another key is stored under the
name, one line says how the keys differ.
"""

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike

from ..errors import RunError, reason
from ..parallel.ranks import SERIAL, Ranks
from .digest import HDF5_DAMAGE, damage_of, digest_of
from .numerical_code import numerical_code_hash
from .opening import open_hdf5
from .result_file import atomic_hdf5

log = logging.getLogger(__name__)

_FINGERPRINT = 12  # hexadecimal digits
_HASH = 64  # hexadecimal digits of the hash of a table
_SHOWN = 4  # keys that are shown of those that differ
_TEXT = "text"  # attribute of a text
# entries of keys that distinguish the parts of one run
_IDENTITY = {"part", "filament", "time", "m22", "mass", "run"}
OTHER_CODE = "other numerical code"
_NO_DIGEST = "it has no digest at its end: of an earlier version, or cut"
_PART = re.compile(rf"(.+)-[0-9a-f]{{{_FINGERPRINT}}}\.hdf5")
_OLD = re.compile(rf".+-[0-9a-f]{{{_FINGERPRINT}}}(\.npz|\.checkpoint\.hdf5)")  # parts of earlier versions
_UNFINISHED = re.compile(rf"\..+-[0-9a-f]{{{_FINGERPRINT}}}\.[a-z.0-9]+\.part-.+")
_MOST_PARTS = 4  # of a name that stay when a result is complete, whatever their settings


@dataclass(frozen=True)
class Cache:
    """The parts in a folder, which is made with the first of them."""

    folder: Path
    _reported: set[str] = field(default_factory=set, compare=False, repr=False)

    def load(
        self, name: str, key: dict, ranks: Ranks = SERIAL, *, report: bool = True, instead: str = ""
    ) -> dict[str, np.ndarray] | None:
        """The arrays of a part, of slabs this rank's rows; None where there is none of this key, or a damaged one.

        ranks    that all call this, where the part has slabs
        report   whether a line says which part of another key is not used, see report_unused
        instead  what is done without the part, for the line that says so, where it is not just computed again
        """
        path = self.path(name, key)
        if not ranks.on_root(path.is_file):
            if report and ranks.is_root:
                self.report_unused([name], key, instead)
            return None
        arrays: dict[str, np.ndarray] = {}
        try:
            damage = damage_of(path, ranks)
            why = _NO_DIGEST if damage is None else damage
        except OSError as error:
            why = reason(error)
        if not why:
            try:
                with open_hdf5(path) as file:
                    arrays = _read(file, ranks)
            except HDF5_DAMAGE as error:
                why = reason(error)
        if reasons := [text for text in ranks.allgather(why) if text]:
            if ranks.is_root:
                log.warning("%s is damaged (%s): it is not used%s", path, reasons[0], _cost(instead))
            return None
        if ranks.is_root:
            with suppress(OSError):
                os.utime(path)  # which parts were used last, see prune
        return arrays

    def store(
        self,
        name: str,
        key: dict,
        arrays: Mapping[str, ArrayLike],
        *,
        slabs: Mapping[str, np.ndarray] | None = None,
        ranks: Ranks = SERIAL,
        title: str = "",
    ) -> None:
        """Store a part; it replaces one of the same name and key.

        arrays  by name, the same on all ranks;  slabs  this rank's rows of others, in the order of the ranks
        title   what the part is, for the line that says that it is not used
        Raises RunError where the disk is full or the folder cannot be written.
        """
        with atomic_hdf5(self.path(name, key), None, ranks) as file:
            file.attributes("/", title=title, key=key_text(key))
            for array, values in arrays.items():
                stored, attributes = _storable(values)
                file.dataset(f"/arrays/{array}", stored, **attributes)
            for array, rows in (slabs or {}).items():
                lengths = ranks.allgather(len(rows))
                file.reserve(f"/slabs/{array}", (sum(lengths), *rows.shape[1:]), rows.dtype)
                file.write_slab(f"/slabs/{array}", sum(lengths[: ranks.rank]), rows)

    def remove(self, name: str, key: dict) -> None:
        """Delete a part, if there is one."""
        self.path(name, key).unlink(missing_ok=True)

    def path(self, name: str, key: dict) -> Path:
        """The file of a part."""
        return self.folder / f"{name}-{fingerprint(key)}.hdf5"

    def paths(self, name: str) -> list[Path]:
        """The files of all parts of a name, whatever their keys."""
        return sorted(self.folder.glob(f"{name}-{'[0-9a-f]' * _FINGERPRINT}.hdf5"))

    def items(self, name: str) -> Iterator[tuple[Path, dict[str, np.ndarray]]]:
        """Files and arrays of all intact parts of a name, whatever their keys; in a name * and ? stand for others."""
        for path in self.paths(name):
            try:
                if damage_of(path) == "":
                    with open_hdf5(path) as file:
                        arrays = _read(file, SERIAL)
                    yield path, arrays
            except HDF5_DAMAGE:
                continue

    def report_unused(self, names: Sequence[str], key: dict, instead: str = "") -> None:
        """Say in one line which part of these names is not used because its key differs, how, and what that costs.

        The part with the fewest differences is meant, of several the newest. Parts without a title that differ alike
        are reported once, together.
        """
        wanted, found = json.loads(key_text(key)), []
        for path in (path for name in names for path in self.paths(name)):
            stored, title = _header(path) or (wanted, "")
            if differences := key_differences(stored, wanted):
                found.append((len(differences), -path.stat().st_mtime, path, differences, title))
        if not found:
            return
        _, _, path, differences, title = min(found)
        more = len(differences) - _SHOWN
        why = "; ".join(differences[:_SHOWN] + ([f"{more} more keys that differ"] if more > 0 else []))
        others = 0
        if not title:
            if why in self._reported:
                return
            self._reported.add(why)
            others = self._number_alike(wanted, differences) - 1
            title = f"{self.folder}: {path.stem[: -_FINGERPRINT - 1]}"
        are, them = ("were", "they are") if others > 0 else ("was", "it is")
        subject = f"{title} and {others} more parts" if others > 0 else title
        # a user knows that the ini was changed, but not that the code was
        level = logging.WARNING if OTHER_CODE in differences else logging.INFO
        log.log(level, "%s %s made with %s: %s not used%s", subject, are, why, them, _cost(instead))

    def _number_alike(self, wanted: dict, differences: list[str]) -> int:
        """How many parts without a title differ alike, as far as their keys can be compared."""
        number = 0
        for path in self.folder.glob("*.hdf5"):
            stored, title = _header(path) or ({}, "")
            common = (stored.keys() & wanted.keys()) - _IDENTITY
            alike = key_differences({k: stored[k] for k in common}, {k: wanted[k] for k in common}) == differences
            number += alike and not title
        return number

    def remove_abandoned(self) -> None:
        """Delete unfinished parts of killed runs, and warn of parts of earlier versions; the run holds the lock."""
        for path in self._files(_UNFINISHED):
            path.unlink(missing_ok=True)
        if old := self._files(_OLD):
            log.warning(
                "%s: %d parts are of an earlier version (%s, ...): they are not used but computed again",
                self.folder,
                len(old),
                old[0].name,
            )

    def prune(self) -> None:
        """When a result is complete: keep those parts of each name that were used last, delete all others.

        The run holds the lock: a part that is unfinished is of one that was killed.
        """
        parts: dict[str, list[tuple[float, Path]]] = {}
        for path in self._files(_PART):
            parts.setdefault(path.name[: -_FINGERPRINT - 6], []).append((-path.stat().st_mtime, path))
        surplus = [path for found in parts.values() for _, path in sorted(found)[_MOST_PARTS:]]
        for path in surplus + self._files(_OLD) + self._files(_UNFINISHED):
            with suppress(OSError):
                path.unlink()

    def clear(self) -> None:
        """Delete all parts, by their names; other files stay. Raises RunError where a file cannot be deleted."""
        try:
            for path in self._files(_PART) + self._files(_OLD) + self._files(_UNFINISHED):
                path.unlink()
            if self.folder.is_dir() and not self.folder.is_symlink() and not any(self.folder.iterdir()):
                self.folder.rmdir()
        except OSError as error:
            raise RunError(f"{self.folder}: cannot be removed: {reason(error)}") from error

    def _files(self, pattern: re.Pattern[str]) -> list[Path]:
        """Files of names that parts have; nothing else in the folder is ever deleted."""
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if pattern.fullmatch(path.name) and path.is_file())


def fingerprint(key: dict) -> str:
    """A short hash of a key and of the numerical code."""
    return digest_of(key_text(key))[:_FINGERPRINT]


def key_text(key: dict) -> str:
    """A key, with the numerical code, as JSON that is the same for equal keys: floats with all their digits."""
    return json.dumps({"code": numerical_code_hash(), **key}, sort_keys=True)


def key_differences(old: Mapping, new: Mapping) -> list[str]:
    """What differs between two keys, in words: "simulation.cells = 64, now 128"."""
    found = [OTHER_CODE] if old.get("code") != new.get("code") else []
    for name in sorted((old.keys() | new.keys()) - {"code"}):
        if name not in old or name not in new:
            found.append(f"{name}, which no longer matters" if name in old else f"no {name}")
        elif old[name] != new[name]:
            before, now = (_shown(key[name]) for key in (old, new))
            if before == now:  # two tables, or numbers that differ in their last digits
                before, now = (str(key[name]) for key in (old, new))
            found.append(f"{name} = {before}, now {now}")
    return found


def _cost(instead: str) -> str:
    return f", {instead}" if instead else " but computed again"


def _shown(value: object) -> str:
    """A value as an ini has it; of a table, whose hash is in the key, the first digits."""
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, str) and len(value) == _HASH:
        return f"table {value[:8]}"
    return "(empty)" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def _header(path: Path) -> tuple[dict, str] | None:
    """Key and title of a part; None where they cannot be read."""
    try:
        if damage_of(path) == "":
            with open_hdf5(path) as file:
                return json.loads(file.attrs["key"]), str(file.attrs["title"])
    except HDF5_DAMAGE:
        pass
    return None


def _read(file: h5py.File, ranks: Ranks) -> dict[str, np.ndarray]:
    """All arrays by name, of slabs this rank's rows."""
    arrays = {}

    def read(path: str, node: h5py.HLObject) -> None:
        if isinstance(node, h5py.Dataset):
            group, _, name = path.partition("/")
            values = node[slice(*ranks.share(len(node)))] if group == "slabs" else np.asarray(node[()])
            arrays[name] = np.array(values.tobytes().decode()) if _TEXT in node.attrs else values

    file.visititems(read)
    return arrays


def _storable(values: ArrayLike) -> tuple[np.ndarray, dict[str, Any]]:
    """An array as HDF5 can store it, and the attribute that tells a text, which is stored as bytes."""
    array = np.asarray(values)
    if array.dtype.kind != "U":
        return array, {}
    return np.frombuffer(str(array).encode(), np.uint8), {_TEXT: True}
