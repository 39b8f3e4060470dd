"""HDF5 files of unknown origin are read by another process first: damaged structure can make HDF5 loop or crash.

HDF5 2.0 loops in some pages of zeros, in compiled code that no signal handler of Python interrupts. The other process
is started with the first such file and reads the structure of all: groups, attributes, shapes, indices of chunks.
"""

import atexit
import logging
import os
import select
import subprocess
import sys
from functools import cache
from pathlib import Path

from ..errors import reason
from .digest import identity

log = logging.getLogger(__name__)

SECONDS = 30  # in which HDF5 must come to an end with the structure of a file
_DEEPEST = 100
_CODE = f"""
import os, resource, signal, sys
import h5py

def look(name, node):
    if name.count("/") > {_DEEPEST}:
        return "its groups are nested more than {_DEEPEST} deep"
    try:
        for attribute in node.attrs:
            node.attrs[attribute]
        if isinstance(node, h5py.Dataset):
            node.id.get_storage_size(), node.chunks and node.id.get_num_chunks()
    except Exception:
        pass

soft, hard = resource.getrlimit(resource.RLIMIT_AS)
allowed = [limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY]
resource.setrlimit(resource.RLIMIT_AS, (min([8 << 30, *allowed]), hard))
for line in sys.stdin:
    signal.alarm({SECONDS + 5})
    found = None
    try:
        with h5py.File(os.fsdecode(bytes.fromhex(line)), "r", locking=False) as file:
            look("", file)
            found = file.visititems(look)
    except Exception:
        pass
    signal.alarm(0)
    print(found or "", flush=True)
"""


def try_to_open(path: Path) -> None:
    """Have another process read the structure of a file, once; errors that h5py raises are not told.

    Raises OSError where HDF5 does not come to an end, or crashes, and for groups that are nested too deeply.
    """
    known, key = _known(), identity(path)
    if key not in known:
        known[key] = _outcome(path)
    if known[key]:
        raise OSError(known[key])


def _outcome(path: Path) -> str:
    """What is wrong, in words, or an empty text."""
    try:
        child = _child()
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(f"{os.fsencode(path.absolute()).hex()}\n".encode())
        child.stdin.flush()
    except OSError as error:
        _child.cache_clear()
        log.warning("%s: is read without a trial, as no other process can be started (%s)", path, reason(error))
        return ""
    readable, _, _ = select.select([child.stdout], [], [], SECONDS)
    if readable and (answer := child.stdout.readline()):
        return answer.decode().strip()
    child.kill()
    _end(child)
    _child.cache_clear()
    return "HDF5 crashes in it" if readable else f"HDF5 does not come to an end in it within {SECONDS} s"


@cache
def _child() -> subprocess.Popen:
    child = subprocess.Popen(
        [sys.executable, "-c", _CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        start_new_session=True,
    )
    atexit.register(_end, child)
    return child


def _end(child: subprocess.Popen) -> None:
    """Close the pipes and wait: it ends when nobody asks any more."""
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
    child.wait()


@cache
def _known() -> dict[tuple, str]:
    """Outcomes of this process, by the identity of files."""
    return {}
