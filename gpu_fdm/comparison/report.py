"""The report of a comparison: figures, what was found, and what was compared with what."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from .. import __version__
from ..io.result_file import git_revision
from ..plots.report import Picture, ReportSection, comparison_section, write_report
from .compare import Comparison


def write_comparison_report(
    path: Path,
    overview: str,
    pictures: Sequence[Picture],
    found: Sequence[Comparison],
    more: Sequence[ReportSection],
    provenance: Mapping[str, str],
) -> Path:
    """Write the report; returns its path.

    overview  what was compared;  pictures  figures;  more  sections;  provenance  what was given
    Raises InputError for a file of others, which is not replaced, RunError where it cannot be written.
    """
    first = ReportSection("Ratios of power", (overview,), tuple(pictures))
    sections = [
        comparison_section(
            pair.table,
            pair.model,
            pair.agreement,
            pair.fit,
            *(() if pair.systematics is None else (pair.systematics.text, *pair.systematics.lines)),
        )
        for pair in found
    ]
    title = "Fuzzy dark matter filaments: models compared with tables"
    about = {"version": f"gpu_fdm {__version__} {git_revision()}".rstrip()} | dict(provenance)
    return write_report(path, title, ((first,) if pictures else ()) + (*sections, *more), about)
