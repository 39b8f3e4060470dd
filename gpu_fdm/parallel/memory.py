"""How much memory this process may still allocate."""

from . import control_group


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
