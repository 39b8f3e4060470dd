"""Where messages between cards leave from: their memory, where the MPI library reads it, or pinned memory of the host.

A library that does not read the memory of cards ends the process when it is given some, so a library is believed only
where it says that it does:
    Open MPI, MPICH     their function MPIX_Query_cuda_support returns 1. Open MPI 4 returns what it was built with, so
                        OMPI_MCA_opal_cuda_support = 0, or that line in the openmpi-mca-params.conf of conda, means no
    MVAPICH             likewise, and MV2_USE_CUDA, of version 3 on MVP_USE_CUDA, is 1
    Cray MPICH          MPICH_GPU_SUPPORT_ENABLED is 1: MPI_Init refuses that without its library for CUDA
"""

import os
import re
import sys
from pathlib import Path
from typing import Literal

from ..errors import RunError

Buffers = Literal["device", "host"]

_FUNCTION = "MPIX_Query_cuda_support"
_OFF = re.compile(r"^\s*opal_cuda_support\s*=\s*(0|false)\s*$", re.MULTILINE)


def chosen_buffers(asked: str) -> tuple[Buffers, str]:
    """Where messages leave from, and why in words; MPI has started.

    asked  auto, device or host, as run.mpi_buffers
    Raises RunError where device is asked for and the library does not say that it reads the memory of cards.
    """
    if asked == "host":
        return "host", "run.mpi_buffers = host"
    reads, why = reads_cards()
    if asked == "device" and not reads:
        raise RunError(f"run.mpi_buffers = device: the MPI library must read the memory of cards: {why} (use auto)")
    return ("device" if reads else "host"), why


def reads_cards() -> tuple[bool, str]:
    """Whether the MPI library reads the memory of cards, and by which sign."""
    from mpi4py import MPI

    library = MPI.Get_library_version()
    name = " ".join(library.strip("\0 ").partition("\n")[0].split())
    if "CRAY MPICH" in library.upper():
        return _by_variables("MPICH_GPU_SUPPORT_ENABLED")
    answer = _answer(MPI.__file__)
    if answer is None:
        return False, f"{name} has no function {_FUNCTION}"
    if answer != 1:
        return False, f"{_FUNCTION} of {name} returns {answer}"
    if "MVAPICH" in library.upper():
        return _by_variables("MV2_USE_CUDA", "MVP_USE_CUDA")
    if "OPEN MPI" in library.upper() and (off := _switched_off()):
        return False, off
    return True, f"{_FUNCTION} of {name} returns 1"


def _answer(path: str) -> int | None:
    """What the function of the MPI library returns that mpi4py has loaded; None where it has none."""
    import ctypes

    # the symbols of mpi4py's module are those of the libraries that it is linked to; some builds load MPI globally
    for name in (path, None):
        function = getattr(ctypes.CDLL(name), _FUNCTION, None)
        if function is not None:
            return int(function())
    return None


def _by_variables(*names: str) -> tuple[bool, str]:
    for name in names:
        if os.environ.get(name) == "1":
            return True, f"{name} is 1"
    return False, f"{' or '.join(names)} is not 1"


def _switched_off() -> str:
    """What switches off the support that Open MPI was built with; an empty text where nothing does."""
    name = "OMPI_MCA_opal_cuda_support"
    if name in os.environ:
        value = os.environ[name].strip().lower()
        return f"{name} is {value}" if value in ("0", "false") else ""
    parameters = Path(sys.prefix) / "etc" / "openmpi-mca-params.conf"
    try:
        text = parameters.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return f"{parameters} has opal_cuda_support = 0 (set {name}=true)" if _OFF.search(text) else ""
