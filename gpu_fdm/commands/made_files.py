"""What gpu-fdm info tells of files that are neither results nor snapshots: inis, tables, figures and emulators."""

import re
import shlex
from pathlib import Path

from ..errors import InputError
from .shared import FIGURE_FORMATS

_SECTION = re.compile(r"^[ \t]*\[(\w+)\]", re.MULTILINE)


def told(path: Path) -> str | None:
    """What a file is, in words; None where it is none of these, by its name, or a text or .npz of others."""
    from ..io.tables import beginning

    kind = path.suffix.lower()
    if not path.is_file():
        return None
    if kind in (".csv", ".ecsv"):
        return _table(path)
    if kind == ".npz":
        return _emulator(path)
    if kind.removeprefix(".") in FIGURE_FORMATS:
        return _figure(path)
    text = beginning(path)
    if kind == ".ini" or _begins_as_ini(text):
        return _ini(path)
    return _table(path) if text and _has_numbers(path) else None


def _begins_as_ini(text: str) -> bool:
    """Whether the first line of a text, comments aside, is that of a section of this program."""
    lines = (line.strip() for line in text.splitlines())
    first = next((line for line in lines if line and line[0] not in "#;"), "")
    if (match := _SECTION.match(first)) is None:
        return False
    from ..config.sections import SECTIONS

    return match[1] in SECTIONS


def _ini(path: Path) -> str | None:
    """What an ini is, and what it is for; None for an empty one. Raises InputError for what is wrong in it."""
    from ..config.config import MOST_TEXT, read_config
    from ..io.tables import errors_of_text, read_text
    from ..pipeline.stages import stages_of

    config = read_config(path)
    with errors_of_text(path):
        there = set(_SECTION.findall(read_text(path, MOST_TEXT)))  # others have defaults
    sections = [f"[{name}]" for name in config.sections() if name in there]
    if not sections:
        return None
    name = shlex.quote(str(path))
    if stages_of(config):
        use = f"gpu-fdm run {name} runs it"
    elif config.fit:
        use = f"gpu-fdm fit TABLE --config {name} takes it"
    else:
        use = f"gpu-fdm predict --m22 M --cosmology {name} takes it"
    return f"an ini of gpu-fdm, of {', '.join(sections)}: {use}"


def _has_numbers(path: Path) -> bool:
    """Whether a file is a text of columns of numbers with names, as Boltzmann codes and NumPy write them."""
    from ..io.tables import column_names, errors_of_text, read_columns, read_text

    try:
        with errors_of_text(path):
            text = read_text(path)
            names = column_names(text)
            read_columns(path, tuple(names), text)
    except InputError:
        return False
    return all(name[:1].isalpha() for name in names)


def _table(path: Path) -> str:
    """Raises InputError for what is no table."""
    from ..io import ecsv
    from ..io.tables import column_names, errors_of_text, header_lines, read_text

    with errors_of_text(path):
        text = read_text(path)
        if path.suffix.lower() == ".ecsv":
            table = ecsv.read(path, text)
            about, names = table.meta, list(table.columns)
        else:
            about, names = header_lines(text), column_names(text)
    by = f"made by {about['made_by']}" if "made_by" in about else "which does not say what made it"
    return f"a table of {', '.join(names) or 'nothing'}, {by}"


def _figure(path: Path) -> str:
    from ..io.ownership import figure_mark, is_own

    return f"a figure that gpu-fdm {'drew' if is_own(path, figure_mark(path)) else 'did not draw'}"


def _emulator(path: Path) -> str | None:
    from ..learn.emulator import Emulator

    try:
        found = Emulator.read(path)
    except InputError:
        return None
    return f"an emulator of {found.output}, of {', '.join(found.names)}: rms error of its ln {found.error:.2g}"
