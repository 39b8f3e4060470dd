"""How HDF5 files are opened to be read: their digest is checked first, and those without one are tried elsewhere."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import h5py

from ..errors import reason
from ..parallel.ranks import SERIAL, Ranks
from .digest import DIGEST, HDF5_DAMAGE, damage_of, identity
from .former_digest import ATTRIBUTE, matches_former_digest
from .trial import try_to_open

log = logging.getLogger(__name__)


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """The open file, read only, which HDF5 sees once its bytes are known to be those that were written.

    Raises OSError for damage, BlockingIOError for a file that another process has open for writing, and what h5py
    raises. File systems without locks are as good.
    """
    if not path.is_file():
        raise OSError("it is no file") if path.exists() else FileNotFoundError(str(path))
    damage = damage_of(path)
    if damage:
        raise OSError(damage)
    if damage is None:
        try_to_open(path)
    with _shared_lock(path), _open(path) as file:
        if damage is None:
            _require_former_digest(path, file)
        yield file


def _open(path: Path) -> h5py.File:
    """The open file, without locks, or as another library of this process has it open: HDF5 allows no other way."""
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        if "locking flag" not in str(error):
            raise
        return h5py.File(path, "r")


def check_digest(path: Path, ranks: Ranks = SERIAL) -> None:
    """Check a file that this program wrote with all ranks, which call this; open_hdf5 then knows of its damage."""
    if ranks.on_root(path.is_file):
        with suppress(OSError):  # which opening it raises again
            damage_of(path, ranks)


def is_intact(path: Path, key: str, ranks: Ranks = SERIAL, attribute: str = "key") -> bool:
    """Whether a file was written with this key, in an attribute, and still has its bytes; all ranks call this.

    A warning says what is damaged.
    """
    if not ranks.on_root(path.is_file):
        return False
    try:
        damage = damage_of(path, ranks)
        same = damage == "" and ranks.on_root(lambda: _has_key(path, attribute, key))
    except OSError as error:
        damage, same = reason(error), False
    if damage and ranks.is_root:
        log.warning("%s is damaged (%s): it will be replaced", path, damage)
    if damage is None and ranks.is_root:
        log.warning("%s is of an earlier version, or was cut or changed: it will be replaced", path)
    return same


def _has_key(path: Path, attribute: str, key: str) -> bool:
    try:
        with open_hdf5(path) as file:
            return file.attrs.get(attribute) == key
    except HDF5_DAMAGE as error:
        raise OSError(reason(error)) from error


def _require_former_digest(path: Path, file: h5py.File) -> None:
    """Check a file without a digest at its end by what is in it. Raises OSError for damage."""
    if DIGEST in file.attrs:
        raise OSError(
            f"it was changed or cut after gpu-fdm wrote it, its digest is gone (without its attribute {DIGEST} it is "
            "read all the same)"
        )
    if ATTRIBUTE in file.attrs and (key := identity(path)) not in _checked():
        if not matches_former_digest(file):
            raise OSError("its content is not what was written")
        log.info("%s: of an earlier version, checked by the sum of its words, which does not see swapped ones", path)
        _checked().add(key)


@cache
def _checked() -> set[tuple]:
    """Files of earlier versions that this process has checked, by their identity."""
    return set()


@contextmanager
def _shared_lock(path: Path) -> Iterator[None]:
    """Hold the lock that keeps writers of HDF5 away, where there are locks. Raises BlockingIOError where one writes."""
    with open(path, "rb") as held:
        try:
            import fcntl

            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError("another process has it open for writing, and has locked it") from None
        except (OSError, ImportError):
            pass  # no locks here: HDF5 is told not to ask for them either
        yield
