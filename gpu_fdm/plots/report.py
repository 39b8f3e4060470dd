"""A report as one HTML file: text, figures, tables, provenance. Nothing in it is loaded from elsewhere.

All texts are escaped: what looks like HTML in a name or a path is shown as text.
"""

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from ..io.atomic import atomic_write
from ..io.ownership import require_own
from ..spectra.agreement import Agreement
from ..spectra.boost import ERRORS, Boost
from ..spectra.features import boost_features
from ..spectra.fit import MassFit

PNG = b"\x89PNG\r\n\x1a\n"
DIGITS = 4  # significant digits of numbers in tables

# no scripts, and nothing from elsewhere, even if a text were not escaped
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
REPORT_MARK = _POLICY.encode()  # no page of others has it
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --faint: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
figure { margin: 1.5rem 0; } figure img { max-width: 100%; height: auto; background: white; border-radius: 4px; }
figcaption, caption { font-size: 0.9rem; opacity: 0.8; text-align: left; padding: 0.3rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.2rem 0.8rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } tbody tr:nth-child(even) { background: var(--faint); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.2rem 1rem; font-size: 0.9rem; }
dt { opacity: 0.8; } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
"""


@dataclass(frozen=True)
class Picture:
    """A figure: a PNG, as bytes, and what it shows. Raises ValueError for bytes that are no PNG."""

    png: bytes
    caption: str

    def __post_init__(self) -> None:
        if not self.png.startswith(PNG):
            raise ValueError(f"picture {self.caption!r}: must be a PNG")


@dataclass(frozen=True)
class Table:
    """Rows of texts, numbers, booleans and None (nothing). Raises ValueError for a row not as long as the columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple, ...]
    caption: str = ""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.caption!r}: row of {len(row)}, must be {len(self.columns)}")


@dataclass(frozen=True)
class ReportSection:
    """A part of a report: paragraphs, then pictures, then tables."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()


def html_report(title: str, sections: tuple[ReportSection, ...], provenance: dict[str, str]) -> str:
    """The report as an HTML page.

    provenance  what is needed to make the report again, by name: version, files, options ...
    """
    parts = [f"<h1>{escape(title)}</h1>", *(_section(section) for section in sections)]
    if provenance:
        items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(value))}</dd>" for name, value in provenance.items())
        parts.append(f"<section><h2>Provenance</h2><dl>{items}</dl></section>")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def write_report(path: Path | str, title: str, sections: tuple[ReportSection, ...], provenance: dict[str, str]) -> Path:
    """Write the report; returns its path. The file appears when it is complete.

    Raises InputError for a file of others, which is not replaced, RunError where it cannot be written.
    """
    path = Path(path)
    require_own(path, REPORT_MARK)
    with atomic_write(path) as part:
        part.write_text(html_report(title, sections, provenance), encoding="utf-8", errors="backslashreplace")
    return path


def comparison_section(
    table: Boost, model: Boost, quality: Agreement, fit: MassFit | None = None, *more: str
) -> ReportSection:
    """A table compared with a model: features of both, how they agree, the fit if there is one, and the rows.

    more  lines about the fit
    """
    columns = ("", "k_detach [h/Mpc]", "k of the largest [h/Mpc]", "largest", "last row", "slope after it")
    features = {name: boost_features(boost) for name, boost in (("table", table), ("model", model))}
    threshold = features["model"].threshold
    found = [(name, row.k_detach, row.k_peak, row.height, row.at_end, row.slope) for name, row in features.items()]
    texts = [f"Table: {table.source or '(no source)'}", f"Model: {model.source or '(no source)'}", quality.text(table)]
    texts += [] if fit is None else [f"Fit: {fit.text}", *more]
    worst = () if fit is None or fit.fits else fit.worst
    disagreeing = tuple((row.k, row.table, row.model, row.pull) for row in worst)
    caption = "Rows that disagree most with the best of the models, which does not describe the table"
    errors = [None] * len(table.k) if table.error is None else table.error.tolist()
    rows = zip(table.k.tolist(), table.boost.tolist(), errors, (~table.good).tolist(), strict=True)
    return ReportSection(
        f"{table.label} compared with {model.label}",
        tuple(texts),
        tables=(
            Table(columns, tuple(found), f"Detached: {threshold:g} times the power in the denominator"),
            *([Table(("k [h/Mpc]", "table", "model", "pull"), disagreeing, caption)] if worst else ()),
            Table(("k [h/Mpc]", table.name, "error", "not compared"), tuple(rows), f"Errors: {ERRORS}"),
        ),
    )


def _section(section: ReportSection) -> str:
    parts = [f"<h2>{escape(section.heading)}</h2>"]
    parts += [f"<p>{escape(text)}</p>" for text in section.paragraphs]
    parts += [_picture(picture) for picture in section.pictures]
    parts += [_table(table) for table in section.tables]
    return f"<section>{''.join(parts)}</section>"


def _picture(picture: Picture) -> str:
    data, caption = base64.b64encode(picture.png).decode(), escape(picture.caption)
    image = f'<img alt="{caption}" src="data:image/png;base64,{data}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _table(table: Table) -> str:
    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    rows = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in table.rows)
    return f'<div class="wide"><table>{caption}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(value: Any) -> str:
    """A number to DIGITS digits, an integer with all of them, yes or no, or a dash for None."""
    if value is None:
        return "–"
    if isinstance(value, str):
        return escape(value)
    # NumPy's scalars are not all subclasses of Python's
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value) if isinstance(value, int) else f"{value:.{DIGITS}g}"
