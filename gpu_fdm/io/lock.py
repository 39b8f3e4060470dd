"""One run at a time for one result.

The lock is the operating system's (flock), on a file beside the result: it ends with its process, however that ends.
"""

import logging
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from ..errors import RunError, reason
from ..parallel.ranks import SERIAL, Ranks
from .atomic import hidden_name

log = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds to wait for a lock: a process that a killed run had just started may still hold it


@contextmanager
def only_run(result: Path, ranks: Ranks = SERIAL, option: str = "run.output") -> Iterator[None]:
    """Hold the lock of a result, so that no other run writes it; all ranks call this.

    option  that names another result, for the message
    Raises RunError, which names the run that holds the lock. A warning says where the file system has no locks.
    """
    # one for all endings, since files beside the result have its stem in their names
    path = result.with_name(hidden_name(f"{result.stem}.hdf5", ".lock"))
    descriptor: int | None = None

    def take() -> None:
        nonlocal descriptor
        descriptor = _locked(path, result, option)

    ranks.on_root(take)
    try:
        yield
    finally:
        if descriptor is not None:
            # removed while it is held: a process that waits for it finds that it is no longer the file of this name
            with suppress(OSError):
                path.unlink()
            os.close(descriptor)


def _locked(path: Path, result: Path, option: str) -> int | None:
    """The descriptor of the file once it is locked; None where there are no locks."""
    try:
        import fcntl
    except ImportError:
        _warn(path, "this system has no flock")
        return None
    patient_until = monotonic() + PATIENCE
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        except OSError as error:
            link = " (it is a link, which no run makes: remove it)" if path.is_symlink() else ""
            raise RunError(f"{path}: cannot be written: {reason(error)}{link}") from error
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            os.close(descriptor)
            raise RunError(f"{path}: is no lock that a run made: remove it")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_at(path, descriptor):
                # the run before removed it after it was opened here
                os.close(descriptor)
                continue
            with suppress(OSError):  # a full disk: the lock holds without the name of its holder
                os.truncate(descriptor, 0)
                os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
            return descriptor
        except BlockingIOError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
            os.close(descriptor)
            if monotonic() < patient_until:
                sleep(0.05)
                continue
            raise RunError(
                f"{result}: another run is writing it ({holder}): wait until it is done, or take another {option}"
            ) from None
        except OSError as error:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            _warn(path, reason(error))
            return None


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _warn(path: Path, why: str) -> None:
    """Warn that there is no lock."""
    log.warning("%s cannot be locked (%s): make sure that no other run writes this result", path, why)
