"""How much memory this process may still allocate."""

from pathlib import Path

_CONTROL_GROUPS = (  # limit and usage, of versions 2 and 1
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def available() -> int:
    """Bytes left [bytes]: the least of what the machine, the control group and RLIMIT_AS allow."""
    import psutil

    limits = [psutil.virtual_memory().available, *_control_group()]
    try:
        import resource
    except ImportError:  # not on Windows
        return min(limits)
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(max(0, soft - psutil.Process().memory_info().vms))
    return min(limits)


def _control_group() -> list[int]:
    """What the control group of a container or a queue leaves [bytes]; empty where it sets no limit."""
    for limit, usage in _CONTROL_GROUPS:
        try:
            most, used = Path(limit).read_text().strip(), int(Path(usage).read_text())
        except (OSError, ValueError):
            continue
        return [] if most == "max" else [max(0, int(most) - used)]
    return []
