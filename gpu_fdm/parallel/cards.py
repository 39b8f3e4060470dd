"""What CUDA says of the cards of this machine, in one line: why none can be used, and what did not fit on one."""

import re
from pathlib import Path
from typing import Any

from ..errors import reason

DRIVER_CARDS = Path("/proc/driver/nvidia/gpus")  # a folder for every card that the driver of the kernel has
_INSTALL = "pip install cupy-cuda12x or cupy-cuda13x"
# what CuPy, the runtime, the driver and cuFFT call it where memory is not enough
_MEMORY = ("OutOfMemoryError", "cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY", "CUFFT_ALLOC_FAILED")
_ASKED = re.compile(r"allocating ([\d,]+) bytes")


def count_cards() -> tuple[int, str]:
    """CUDA devices that CuPy can use; and where there is none, why, an empty text on a machine without a card."""
    try:
        import cupy
    except ImportError as error:
        return 0, _without_cupy(error)
    try:
        return cupy.cuda.runtime.getDeviceCount(), ""
    except cupy.cuda.runtime.CUDARuntimeError as error:
        return 0, _without_cards(cupy.cuda.runtime, error)


def _without_cupy(error: ImportError) -> str:
    if error.name != "cupy":  # it is installed, but not for this machine; its message has many lines
        return f"CuPy cannot be imported: {reason(error).rpartition('Original error:')[2].strip(' =')}"
    cards = len(list(DRIVER_CARDS.iterdir())) if DRIVER_CARDS.is_dir() else 0
    return f"there is a card, but CuPy is not installed ({_INSTALL})" if cards else ""


def _without_cards(runtime: Any, error: Exception) -> str:
    said = reason(error)
    if said.startswith("cudaErrorNoDevice"):
        return ""
    if not said.startswith("cudaErrorInsufficientDriver"):
        return f"CUDA says {said}"
    driver, needed = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    if driver == 0:  # there is none
        return ""
    older = ", or pip install cupy-cuda12x" if driver >= 12000 and needed >= 13000 else ""
    return f"the driver is too old: it is for CUDA {_version(driver)}, CuPy for {_version(needed)} (update it{older})"


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def out_of_memory(error: BaseException) -> str:
    """What did not fit on the card of this process, in one line; empty for errors that are none of a card's memory."""
    kind, said = type(error), reason(error)
    if not kind.__module__.startswith("cupy") or not any(name in f"{kind.__name__}: {said}" for name in _MEMORY):
        return ""
    import cupy

    asked = _ASKED.search(said)
    needed = f"{_gib(int(asked[1].replace(',', '')))} more are needed, " if asked else ""
    card, pool = cupy.cuda.Device().id, cupy.get_default_memory_pool()
    try:
        name = cupy.cuda.runtime.getDeviceProperties(card)["name"].decode()
        free, total = cupy.cuda.runtime.memGetInfo()
    except cupy.cuda.runtime.CUDARuntimeError:  # there is not even enough to ask
        return f"out of memory on card {card}: {said}"
    own = pool.total_bytes()
    others = max(0, total - free - own)
    return (
        f"out of memory on card {card} ({name}): {needed}{_gib(free)} of {_gib(total)} are free: arrays of this run "
        f"hold {_gib(own)}, CUDA and other processes {_gib(others)} (nvidia-smi lists them; fewer cells, "
        "run.precision = single, or more ranks with cards need less on each)"
    )


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"
