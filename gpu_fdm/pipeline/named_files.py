"""Files that keys of an ini name: what is wrong with one is told as an error of its key."""

from collections.abc import Callable
from typing import Any

from ..config.config import Config
from ..errors import InputError, UnfitError, printable


def of_file(config: Config, section: str, key: str, read: Callable[..., Any], *arguments: Any) -> Any:
    """read(file that a key names, *arguments); what is wrong with it becomes an InputError that names the key."""
    path = getattr(getattr(config, section), key)
    try:
        return read(path, *arguments)
    except FileNotFoundError:
        raise config.error(section, key, "no such file") from None
    except (OSError, InputError, UnfitError) as error:
        shown = printable(str(path))
        message = str(error).removeprefix(f"{shown}: ").removeprefix(f"{shown}, ")
        raise config.error(section, key, message) from None
