"""Limits that Linux control groups set for this process: those of a queue's job, its steps, or a container.

A process obeys the limits of its own group and of every group above it. /proc/self/cgroup names the groups: a line
"0::/path" for version 2, lines "number:controllers:/path" for version 1. In a container the files of the groups below
the root of the mount may be all that is seen: names that are not there are passed by.
"""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")  # where the groups are mounted
OWN = Path("/proc/self/cgroup")


def memory_left(root: Path = ROOT, own: Path = OWN) -> int | None:
    """Bytes that the groups of this process still allow it; None where none of them sets a limit.

    Pages of files that the kernel can drop (active and inactive) count as free.
    """
    left = []
    for folder, version in _groups("memory", root, own):
        names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        limit, used = (_number(folder / name) for name in names)
        if limit is not None and used is not None:
            left.append(max(0, limit - max(0, used - _file_pages(folder, "" if version == 2 else "total_"))))
    return min(left, default=None)


def cpus(root: Path = ROOT, own: Path = OWN) -> float | None:
    """CPUs that the groups of this process grant it by their quotas, fractions too; None where there is no quota."""
    granted = []
    for folder, version in _groups("cpu", root, own):
        if version == 2:
            words = _words(folder / "cpu.max")
            quota, period = (_integer(word) for word in words) if len(words) == 2 else (None, None)
        else:
            quota, period = (_number(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
        if quota is not None and period is not None and quota > 0 and period > 0:
            granted.append(quota / period)
    return min(granted, default=None)


def _groups(controller: str, root: Path, own: Path) -> Iterator[tuple[Path, int]]:
    """Folder and version of the groups of this process that can limit a resource, from its own up to the root."""
    try:
        lines = own.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if not controllers:
            version, mounts = 2, (root, root / "unified")
        elif controller in controllers.split(","):
            version, mounts = 1, (root / controller, root / controllers)
        else:
            continue
        below = Path(path.lstrip("/"))
        for mount in mounts:
            for group in (below, *below.parents):
                if ".." not in group.parts:  # a group outside of a container's own
                    yield mount / group, version


def _file_pages(folder: Path, prefix: str) -> int:
    """Bytes of pages of files in the use of a group."""
    pairs = dict(zip(*[iter(_words(folder / "memory.stat"))] * 2, strict=False))
    return sum(_integer(pairs.get(f"{prefix}{kind}_file", "")) or 0 for kind in ("active", "inactive"))


def _number(path: Path) -> int | None:
    """The integer in a file; None for "max", and where there is no such file or number."""
    words = _words(path)
    return _integer(words[0]) if words else None


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii", errors="replace").split()
    except OSError:
        return []


def _integer(word: str) -> int | None:
    try:
        return int(word)
    except ValueError:
        return None
