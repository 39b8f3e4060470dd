"""How much memory this process may still allocate."""

from ..errors import RunError
from . import control_group

LEAST_ADDRESS_SPACE = 800 << 20  # below it libraries abort or hang where they cannot map memory [bytes]


def require_address_space() -> None:
    """RunError where RLIMIT_AS (ulimit -v) leaves too little for the libraries, which do not report it themselves."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY and soft < LEAST_ADDRESS_SPACE:
        raise RunError(
            f"too little memory: ulimit -v is {soft >> 20} MiB of address space, must be at least "
            f"{LEAST_ADDRESS_SPACE >> 20} MiB"
        )


def available() -> int:
    """Bytes left [bytes]: the least of what the machine, the control groups and RLIMIT_AS allow."""
    import psutil

    limits = [psutil.virtual_memory().available]
    if (left := control_group.memory_left()) is not None:
        limits.append(left)
    try:
        import resource
    except ImportError:  # not on Windows
        return min(limits)
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(max(0, soft - psutil.Process().memory_info().vms))
    return min(limits)
