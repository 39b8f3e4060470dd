"""Parts of what is worked on, some at a time."""


def slices_of(count: int, size: int) -> list[slice]:
    """Slices that cover `count` items, `size` in each but the last, one at least."""
    size = max(1, size)
    return [slice(first, min(first + size, count)) for first in range(0, count, size)]
