"""Tables compared with models: which model a table is compared with, how they agree, and the table of all of it."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..io.atomic import atomic_write
from ..io.ownership import require_own
from ..io.tables import without_formulas
from ..spectra.agreement import Agreement, agreement
from ..spectra.boost import DIFFERENCES, Boost, same_object
from ..spectra.features import Features, boost_features
from ..spectra.fit import MassFit
from .models import epoch_distance
from .systematics import SwitchedFit, Systematics

# the first columns of the tables, which those of others do not have
COMPARISONS_MARK = b"numerator,denominator,redshift,m22,source,"
SYSTEMATICS_MARK = b"numerator,denominator,object,redshift,source,switch,"


@dataclass(frozen=True)
class Comparison:
    """A table, which is a boost that was measured or published, and the model that it is compared with.

    features   of the table and of the model;  agreement  of both
    fit        of m22, where one was asked for;  systematics  its systematic error, where that is known
    best       the model of the m22 that was fitted, where there is a value
    """

    table: Boost
    model: Boost
    features: tuple[Features, Features]
    agreement: Agreement
    fit: MassFit | None = None
    systematics: Systematics | None = None
    best: Boost | None = None


def same_ratio(table: Boost, models: Sequence[Boost]) -> list[Boost]:
    """The models with the numerator, the denominator and, where both are known, the object of a table."""
    return [model for model in models if model.name == table.name and same_object(model, table)]


def boost_name(boost: Boost) -> str:
    """Numerator/denominator, and the object where it is known."""
    return f"{boost.name} of {boost.object}" if boost.object else boost.name


def same_epoch(table: Boost, model: Boost) -> bool:
    """Whether their redshifts are the same, or not both known."""
    if table.redshift is None or model.redshift is None:
        return True
    return epoch_distance(table.redshift, model.redshift) <= DIFFERENCES["redshift"]


def compare(table: Boost, models: Sequence[Boost]) -> Comparison:
    """Compare a table with the likeliest model of its ratio: nearest in boson mass, then in redshift, then in range.

    Raises InputError where no model has the ratio.
    """
    same = same_ratio(table, models)
    if not same:
        names = ", ".join(dict.fromkeys(boost_name(model) for model in models))
        raise InputError(
            f"{table.label}: no model has this ratio: the models have {names} (--mixed draws all the same)"
        )
    nearest = max(same, key=lambda model: _likeness(model, table))
    return Comparison(table, nearest, (boost_features(table), boost_features(nearest)), agreement(table, nearest))


def compare_all(tables: Sequence[Boost], models: Sequence[Boost], mixed: bool = False) -> list[Comparison | None]:
    """Compare every table with the models of its epoch; None for a table without a model of its ratio and epoch,
    or whose rows are all beyond a limit.

    mixed  whether all tables may be without a model of their ratio
    Raises InputError where they are and may not, and where compare does.
    """
    if not mixed and not any(same_ratio(table, models) for table in tables):
        compare(tables[0], models)
    comparisons = []
    for table in tables:
        candidates = [model for model in same_ratio(table, models) if same_epoch(table, model)]
        comparisons.append(compare(table, candidates) if candidates and table.good.any() else None)
    return comparisons


def boosts_to_draw(
    comparisons: Sequence[Comparison], tables: Sequence[Boost], models: Sequence[Boost], mixed: bool = False
) -> list[Boost]:
    """Models that tables were compared with, a model of each ratio that was not compared, and all tables.

    mixed  whether models of ratios that no table has are drawn too
    """
    compared = [comparison.model for comparison in comparisons]
    wanted = {boost.name for boost in (*tables, *(models if mixed else ()))} - {model.name for model in compared}
    others = {model.name: model for model in models if model.name in wanted}  # the last: of the heaviest boson
    return list(dict.fromkeys([*compared, *others.values(), *tables]))


def write_comparisons(comparisons: Sequence[Comparison], path: Path) -> Path:
    """Write a CSV table with a row for each comparison: features of the table and of the model, agreement and fit.

    Returns the path. Wavenumbers are in h/Mpc; what is not known is empty. The file appears when it is complete.
    Raises InputError for a file of others, which is not replaced, RunError where it cannot be written.
    """
    return write_rows([_row(comparison) for comparison in comparisons], path, COMPARISONS_MARK)


def write_systematics(comparisons: Sequence[Comparison], path: Path) -> Path:
    """Write a CSV table with a row for each fit with another choice of the model, and for each fit itself.

    Returns the path. A fit that does not describe its table has no value in it, nor have then those with other choices.
    Raises InputError for a file of others, which is not replaced, RunError where it cannot be written.
    """
    rows = []
    for comparison in comparisons:
        if comparison.systematics is None:
            continue
        table, own = comparison.table, comparison.systematics.fit
        known = {name: getattr(table, name) for name in ("numerator", "denominator", "object", "redshift", "source")}
        for switched in (SwitchedFit("", own), *comparison.systematics.switched):
            rows.append(known | {"switch": switched.name} | _fit_columns(switched.fit, "", own.fits))
            rows[-1]["not_fitted"] = switched.reason
    return write_rows(rows, path, SYSTEMATICS_MARK)


def write_rows(rows: Sequence[Mapping[str, object]], path: Path, mark: bytes) -> Path:
    """Write a CSV table of rows with the same columns, the first of which are the mark; returns its path.

    Raises InputError for a file of others, which is not replaced, RunError where it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: without_formulas(value) for name, value in row.items()} for row in rows)
    require_own(path, mark)
    with atomic_write(path) as part:
        part.write_text(text.getvalue(), encoding="utf-8", errors="backslashreplace")
    return path


def _row(comparison: Comparison) -> dict[str, object]:
    table, model, quality, fit = comparison.table, comparison.model, comparison.agreement, comparison.fit
    row = {name: getattr(table, name) for name in ("numerator", "denominator", "redshift", "m22", "source")}
    row |= {"model_m22": model.m22, "model_source": model.source}
    for prefix, features in zip(("", "model_"), comparison.features, strict=True):
        for name in ("threshold", "k_detach", "k_peak", "height", "at_end", "slope"):
            row[prefix + name] = getattr(features, name)
    row |= {"rms_ln": quality.rms, "rows": quality.rows, "left_out": quality.left_out}
    row |= {"chi_squared": quality.chi_squared}
    row |= _fit_columns(fit, "fit_")
    known = None if comparison.systematics is None else comparison.systematics.range
    row["fit_systematic_low"], row["fit_systematic_high"] = known or (None, None)
    return row


def _fit_columns(fit: MassFit | None, prefix: str, values: bool = True) -> dict[str, object]:
    """Columns of a fit, empty where there is none.

    values  whether to give more than how well it describes the table
    """
    row = {name: getattr(fit, name, None) if values else None for name in ("m22", "bound", "standard_error")}
    row["low_95"], row["high_95"] = (getattr(fit, "interval", None) if values else None) or (None, None)
    row["chi_squared"] = None if fit is None else fit.agreement.chi_squared
    row |= {name: getattr(fit, name, None) for name in ("degrees_of_freedom", "p_value")}
    row["fits"] = None if fit is None or fit.p_value is None else "yes" if fit.fits else "no"
    return {f"{prefix}{name}": value for name, value in row.items()}


def _likeness(model: Boost, table: Boost) -> tuple[float, float, int, bool]:
    """Larger for a nearer mass, then a nearer redshift, then more rows of the table in range, then no errors."""
    masses = redshifts = 0.0
    if model.m22 is not None and table.m22 is not None:
        masses = abs(float(np.log(model.m22 / table.m22)))
    if model.redshift is not None and table.redshift is not None:
        redshifts = epoch_distance(model.redshift, table.redshift)
    rows = int(np.count_nonzero((table.k >= model.k[0]) & (table.k <= model.k[-1])))
    return -masses, -redshifts, rows, model.error is None
