"""Values that hold arrays, as a notebook shows them: one line, arrays by their shapes."""

from dataclasses import fields
from typing import Any, TypeVar

T = TypeVar("T")

_LONGEST = 60  # characters of a part that is shown in full


def brief(target: type[T]) -> type[T]:
    """A decorator of classes of attrs and of dataclasses: arrays have their shapes, large parts their class."""
    setattr(target, "__repr__", _brief)  # noqa: B010
    return target


def _brief(value: Any) -> str:
    known = getattr(value, "__attrs_attrs__", None) or fields(value)
    shown = [f"{each.name}={_part(getattr(value, each.name))}" for each in known if not each.name.startswith("_")]
    return f"{type(value).__name__}({', '.join(shown)})"


def _part(value: Any) -> str:
    if getattr(value, "ndim", 0):
        return f"array{tuple(value.shape)}"
    if isinstance(value, tuple | list) and any(getattr(each, "ndim", 0) for each in value):
        return f"{type(value).__name__} of {len(value)}"
    text = repr(value)
    if len(text) <= _LONGEST and "\n" not in text:
        return text
    return f"{type(value).__name__} of {len(value)}" if hasattr(value, "__len__") else f"{type(value).__name__}(...)"
