"""One run at a time for one result.

The lock is of the operating system (flock), on a file beside the result: it ends with its process however that ends.
"""

import logging
import os
import socket
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from ..errors import RunError, reason
from ..parallel.ranks import SERIAL, Ranks

log = logging.getLogger(__name__)

PATIENCE = 1.0  # seconds for which a lock is waited for: what a run that was killed had just started may still have it


@contextmanager
def only_run(result: Path, ranks: Ranks = SERIAL):
    """Nobody else writes this result meanwhile; all ranks call this.

    Raises RunError, which names the run that does. Where the file system has no locks that is told in a warning.
    """
    path = result.with_name(f".{result.name}.lock")
    descriptor = None

    def take():
        nonlocal descriptor
        descriptor = _locked(path, result)

    ranks.on_root(take)
    try:
        yield
    finally:
        if descriptor is not None:
            # removed while it is held: whoever waits for it finds that it is no longer the one under this name
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _locked(path, result):
    """The descriptor of the file once it is locked; None where there are no locks."""
    try:
        import fcntl
    except ImportError:
        return _without(path, "this system has no flock")
    patient_until = monotonic() + PATIENCE
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {reason(error)}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not _is_at(path, descriptor):
                # the run before removed it between our opening and our locking
                os.close(descriptor)
                continue
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
                f"{result}: another run is writing it ({holder}): wait until it is done, or take another run.output"
            ) from None
        except OSError as error:
            os.close(descriptor)
            return _without(path, reason(error))


def _is_at(path, descriptor):
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _without(path, why):
    """Say that there is no lock."""
    log.warning("%s cannot be locked (%s): see to it that no other run writes this result", path, why)
