"""Results in HDF5: written beside, then put in place, so that a file under its final name is always whole.

Every dataset has `units` and `description`; the root has what is needed to repeat the run.
"""

import os
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import h5py
import numpy as np

from . import __version__
from .errors import RunError


class Writer:
    """An open HDF5 file with this program's habits."""

    def __init__(self, file: h5py.File):
        self.file = file

    def attributes(self, path: str, **values):
        """Set attributes of a group, which is made if it is not there; None is left out."""
        group = self.file.require_group(path)
        for name, value in values.items():
            if value is not None:
                group.attrs[name] = value

    def dataset(self, path: str, values, units: str, description: str, **attributes):
        """Write an array (contiguous, not compressed: ranks and other codes can map it)."""
        with _hdf5_errors():
            stored = self.file.create_dataset(path, data=values)
        stored.attrs.update({"units": units, "description": description, **attributes})


@contextmanager
def replacing(path, config_text: str, *, seed: int, ranks: int, backend: str, device: str):
    """A Writer for a file that appears under `path` only when everything is in it.

    On an error nothing is left behind, and a file that was there before is untouched.
    Raises RunError where the disk is full or the folder refuses.
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.part-{os.getpid()}")
    try:
        with _hdf5_errors():
            file = h5py.File(part, "w")
        try:
            file.attrs.update(
                version=__version__,
                git_revision=git_revision(),
                config=config_text,
                seed=seed,
                ranks=ranks,
                backend=backend,
                device=device,
                created=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            yield Writer(file)
        finally:
            with _hdf5_errors():
                file.close()
        _flush_to_disk(part)
        os.replace(part, path)
        _flush_to_disk(path.parent)
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {_reason(error)}") from error
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _hdf5_errors():
    """HDF5 reports a disk that is full as RuntimeError when it flushes: make it the OSError that it is."""
    try:
        yield
    except RuntimeError as error:
        raise OSError(" ".join(str(error).split())) from error


def check_writable(folder):
    """Make a folder and write in it, or raise RunError: before hours are spent, not after."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".gpu_fdm-probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except (OSError, ValueError) as error:
        raise RunError(f"{folder}: output folder cannot be written: {_reason(error)}") from error


def git_revision() -> str:
    """Revision of the source that runs, with -dirty where it was changed; empty where it is not in git."""
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def read_power(file: h5py.File, name: str) -> dict[str, np.ndarray]:
    """k [h/Mpc], power [(Mpc/h)^3] and modes of /power/<name>."""
    return {key: file[f"power/{name}/{key}"][:] for key in ("k", "power", "modes")}


def _flush_to_disk(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error):
    """What the operating system said, in one line."""
    return " ".join(str(getattr(error, "strerror", None) or error).split())
