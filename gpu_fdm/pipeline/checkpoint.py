"""Checkpoints of a simulation: the state of a run in one file, from which any number of ranks goes on.

Arrays are cut along their first axis, rank after rank, as they are in memory; a sum over their bits tells a file that
was damaged. A file appears whole or not at all. Its name has a hash of everything that the run depends on, so that one
of other parameters is never taken for it.
"""

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from ..errors import reason
from ..io.cache import fingerprint, key_text
from ..io.digest import HDF5_DAMAGE, bit_sum
from ..io.result_file import atomic_result
from ..parallel.ranks import SERIAL, Ranks
from .simulation_results import Record

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Saved:
    """What a checkpoint holds.

    arrays   by name: this rank's part along the first axis
    numbers  by name;  record  what was measured by then
    """

    arrays: dict[str, np.ndarray]
    numbers: dict[str, float | int]
    record: Record


@dataclass(frozen=True)
class Checkpoint:
    """Of one run, in a folder that is made when it is first saved.

    key  everything that the run depends on, to be had as JSON
    """

    folder: Path
    run: str
    key: dict

    @property
    def path(self) -> Path:
        """Of the file."""
        return self.folder / f"{self.run}-{fingerprint(self.key)}.checkpoint.hdf5"

    def save(self, saved: Saved, provenance: dict, ranks: Ranks = SERIAL):
        """Write it in the place of the one before; all ranks call this. provenance: arguments for store.atomic_result.

        Raises RunError where the disk is full or the folder refuses.
        """
        with atomic_result(self.path, ranks=ranks, schema=None, **provenance) as file:
            for name, values in saved.arrays.items():
                lengths = ranks.allgather(len(values))
                shape, place = (sum(lengths), *values.shape[1:]), f"/state/{name}"
                file.reserve(place, shape, values.dtype)
                file.write_slab(place, sum(lengths[: ranks.rank]), values)
            file.attributes("/state", **saved.numbers)
            for name, values in saved.record.arrays.items():
                file.dataset(f"/record/{name}", values)
            file.attributes("/", key=key_text(self.key), digest=_digest(saved, ranks))

    def load(self, ranks: Ranks = SERIAL) -> Saved | None:
        """What was saved, or None where there is none of this key; all ranks call this.

        One that is damaged or cut short is told in a warning, and not used.
        """
        if not ranks.on_root(self.path.is_file):
            return None
        saved = digest = why = None
        try:
            with h5py.File(self.path, "r") as file:
                saved, digest = self._read(file, ranks), file.attrs["digest"]
        except HDF5_DAMAGE as error:
            why = reason(error)
        reasons = [each for each in ranks.allgather(why) if each]
        if not reasons and _digest(saved, ranks) != digest:
            reasons = ["its bits are not what was written"]
        if reasons:
            if ranks.is_root:
                log.warning("%s is damaged (%s): %s starts over", self.path, reasons[0], self.run)
            return None
        return saved

    def remove(self, ranks: Ranks = SERIAL):
        """Remove the file, if there is one."""
        if ranks.is_root:
            self.path.unlink(missing_ok=True)

    def _read(self, file, ranks):
        if file.attrs["key"] != key_text(self.key):
            raise ValueError("made with other parameters")
        arrays = {}
        for name, stored in file["state"].items():
            first, last = ranks.share(len(stored))
            arrays[name] = stored[first:last]
        numbers = {name: value.item() for name, value in file["state"].attrs.items()}
        return Saved(arrays, numbers, Record(**{name: each[()] for name, each in file["record"].items()}))


def _digest(saved, ranks):
    """A hash of all that was saved, the same on all ranks and for any number of them."""
    sums = {name: sum(ranks.allgather(bit_sum(values))) % 2**64 for name, values in sorted(saved.arrays.items())}
    digest = hashlib.sha256(json.dumps([saved.numbers, sums], sort_keys=True).encode())
    for name, values in sorted(saved.record.arrays.items()):
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
