"""The result of other settings that a run finds under its name: it is replaced, and one line says which it was."""

from configparser import ConfigParser
from configparser import Error as ConfigParserError
from pathlib import Path

from ..config.config import Config
from ..errors import InputError
from ..io.hdf5 import opened, text
from ..io.result_file import has_digest

WITHOUT = {"run.output", "run.backend", "run.mpi_buffers", "run.threads"}  # keys that make no other result
_NOT_OF_RESULTS = "figures"  # a section


def what_is_replaced(result: Path, config: Config) -> list[str]:
    """A line about the result that is there and that this config replaces; none where it is not of other settings.

    A section that is new is none: what the result has is made again, or taken from the cache.
    """
    if not (result.is_file() and has_digest(result)):
        return []
    try:
        with opened(result) as file:
            then, now = _keys(text(file, "config")), _keys(config.to_ini())
    except (InputError, OSError, ConfigParserError):
        return []
    changed = [name for name, value in then.items() if name in now and now[name] != value]
    gone = {name.partition(".")[0] for name in then} - {name.partition(".")[0] for name in now}
    parts = [f"[{name}], which is absent now" for name in sorted(gone)]
    parts += [f"{name} = {then[name] or '(empty)'}, now {now[name] or '(empty)'}" for name in changed]
    if not parts:
        return []
    more = f" (and {len(parts) - 1} more)" if len(parts) > 1 else ""
    return [f"{result}: the result that is there, made with {parts[0]}{more}, is replaced when the run is done"]


def _keys(ini: str) -> dict[str, str]:
    """Values by "section.key" of the resolved ini in a result."""
    parser = ConfigParser(interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    parser.read_string(ini)
    every = {f"{name}.{key}": value for name in parser.sections() for key, value in parser[name].items()}
    return {
        name: value for name, value in every.items() if name not in WITHOUT and not name.startswith(_NOT_OF_RESULTS)
    }
