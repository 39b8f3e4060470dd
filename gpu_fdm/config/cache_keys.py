"""The key under which a part of a result is cached: the values of all keys of an ini that it depends on.

A stage names sections, and keys of sections ("run.seed"); "-box.fields" takes a key out of a section that is named. A
key that is added to a section is so taken to matter, until a stage takes it out.
"""

from collections.abc import Iterable
from typing import Any

import attrs

from ..io.input_content import WithContent, content_of
from ..io.kinds import InputFile
from .config import Config


def selected_keys(config: Config, names: Iterable[str]) -> frozenset[str]:
    """All keys "section.key", of the sections that the config has, that names mean."""
    names = frozenset(names)
    return frozenset(
        f"{section}.{item.name}"
        for section, owner in config.sections().items()
        for item in attrs.fields(type(owner))
        if f"{section}.{item.name}" in names or (section in names and f"-{section}.{item.name}" not in names)
    )


def key_of(config: Config, part: str, names: Iterable[str], **more: Any) -> dict[str, Any]:
    """The key of a part, which JSON can hold: values of the keys that are named, and hashes of tables.

    more  what the part depends on besides, such as the arithmetic of the backend
    """
    selected = selected_keys(config, names)
    values = {
        f"{section}.{item.name}": _value(getattr(owner, item.name), item.metadata["kind"])
        for section, owner in config.sections().items()
        for item in attrs.fields(type(owner))
        if f"{section}.{item.name}" in selected
    }
    return {"part": part, **more, **values}


def _value(value: Any, kind: Any) -> Any:
    """The value, or the hash of the content of an input that it names."""
    if value is not None and isinstance(getattr(kind, "kind", None), InputFile):
        return WithContent(value, content_of(value)).hash
    return value.hash if isinstance(value, WithContent) else value
