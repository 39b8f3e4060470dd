"""Boosts that were compared: what was found in words, and the figures and tables of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..io.ownership import FIGURE_MARKS
from ..spectra.boost import DIFFERENCES, Boost
from ..spectra.features import boost_features
from .compare import (
    COMPARISONS_MARK,
    SYSTEMATICS_MARK,
    Comparison,
    boosts_to_draw,
    same_epoch,
    same_ratio,
    write_comparisons,
    write_systematics,
)
from .drawn import Drawn, picture_of
from .haloes import halo_lines

FIGURE, FITS = "comparison", "comparison_fits"  # without the ending of their format
TABLE, TABLE_OF_FITS = f"{FIGURE}.csv", f"{FITS}.csv"


def marks(ending: str, fits: bool) -> dict[str, bytes]:
    """Marks of what draw_compared writes, by the names of files; ending  of figures;  fits  whether there are any."""
    mark = FIGURE_MARKS[ending]
    of_fits = {f"{FITS}{ending}": mark, TABLE_OF_FITS: SYSTEMATICS_MARK} if fits else {}
    return {f"{FIGURE}{ending}": mark, TABLE: COMPARISONS_MARK} | of_fits


@dataclass(frozen=True)
class Compared:
    """Boosts of models and tables, and comparisons of the tables, in their order: None for one without a model."""

    models: list[Boost]
    tables: list[Boost]
    comparisons: list[Comparison | None]

    @property
    def found(self) -> list[Comparison]:
        """The comparisons that there are."""
        return [comparison for comparison in self.comparisons if comparison]


def draw_compared(
    compared: Compared,
    found: Sequence[Comparison],
    files: Iterable[Path],
    folder: Path,
    mixed: bool,
    dpi: int,
    ending: str = ".png",
) -> Drawn:
    """Draw the boosts and write their tables into a folder.

    found  the comparisons, with fits where there are any;  files  of the models;  ending  of the names of figures
    Raises InputError and RunError where draw_boosts and write_comparisons do.
    """
    from ..plots.comparison import draw_boosts
    from ..plots.fits import draw_fits

    best = [comparison.best for comparison in found if comparison.best]
    boosts = boosts_to_draw(found, compared.tables, compared.models, mixed)
    points = "Points, and dashed lines in a band: tables and simulations. Lines: models; of dashes and dots: best fits."
    path = folder / f"{FIGURE}{ending}"
    drawn = Drawn(figures={path: picture_of(lambda to: draw_boosts(boosts, to, dpi, mixed, best), path, points)})
    written = [write_comparisons(found, folder / TABLE)] if found else []
    drawn.lines += [line for comparison in found for line in comparison_lines(comparison)]
    for table, comparison in zip(compared.tables, compared.comparisons, strict=True):
        drawn.lines += [] if comparison else lines_without_model(table, compared.models)
    drawn.lines += halo_lines(files, compared.models)
    if rows := [pair.systematics.rows(pair.table) for pair in found if pair.systematics]:
        choices = "m22 with the choices of the result, and with one of them at a time made in another way."
        path = folder / f"{FITS}{ending}"
        drawn.figures[path] = picture_of(lambda to: draw_fits(rows, to, dpi), path, choices)
        written.append(write_systematics(found, folder / TABLE_OF_FITS))
    drawn.lines += [f"figure: {path}" for path in drawn.figures] + [f"table: {path}" for path in written]
    return drawn


def comparison_lines(comparison: Comparison) -> list[str]:
    """The lines about a table and the model that it was compared with."""
    table, model, fit = comparison.table, comparison.model, comparison.fit
    agrees = comparison.agreement.text(table)
    lines = [f"{_labelled(table)} compared with {model.label}: {agrees}"]
    for name, features in zip(("table", "model"), comparison.features, strict=True):
        lines.append(f"  {name}: {features.text}")
    if fit is not None:
        lines.append(f"  fit: {fit.text}")
        for row in () if fit.fits else fit.worst:
            values = f"table {row.table:.4g}, model {row.model:.4g}, pull {row.pull:+.3g}"
            lines.append(f"    disagrees at k = {row.k:.4g} h/Mpc: {values}")
        if comparison.systematics is not None:
            lines.append(f"  {comparison.systematics.text}")
            lines += [f"    {line}" for line in comparison.systematics.lines]
    elif table.m22 is not None and model.m22 is not None and abs(model.m22 / table.m22 - 1) > DIFFERENCES["m22"]:
        lines.append(f"  the model is of another boson: give one of m22 = {table.m22:g} with --model FILE")
    return lines


def _labelled(table: Boost) -> str:
    """What a table is of, and where it is from if it says so."""
    return f"{table.label} ({table.source})" if table.source else table.label


def lines_without_model(table: Boost, models: Sequence[Boost]) -> list[str]:
    """The lines about a table that was not compared."""
    same = same_ratio(table, models)
    reason = "no model has its redshift" if same else "no model has this ratio"
    if any(same_epoch(table, model) for model in same):
        reason = f"all rows are {table.limits}"
    lines = [f"{_labelled(table)}: not compared: {reason}"]
    if table.good.any():
        lines.append(f"  table: {boost_features(table).text}")
    return lines
