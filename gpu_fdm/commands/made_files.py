"""What gpu-fdm info tells of files that are neither results nor snapshots: tables, figures and emulators."""

from pathlib import Path

from ..errors import InputError
from .shared import FIGURE_FORMATS


def told(path: Path) -> str | None:
    """What a file is, in words; None where its name is that of none of these, or it is another .npz."""
    kind = path.suffix.lower()
    if not path.is_file():
        return None
    if kind in (".csv", ".ecsv"):
        return _table(path)
    if kind in (".txt", ".dat"):
        return _table(path) if _has_numbers(path) else None
    if kind == ".npz":
        return _emulator(path)
    return _figure(path) if kind.removeprefix(".") in FIGURE_FORMATS else None


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
