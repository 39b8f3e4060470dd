"""gpu-fdm compare: the model beside tables and simulations."""

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import InputError, require_file
from .shared import (
    SOURCE,
    add_measurement_options,
    add_ratio_options,
    check_dpi,
    features_in_words,
    file_name,
    snapshot_measurer,
)

if TYPE_CHECKING:
    from ..parallel.ranks import Ranks
    from ..pipeline.comparison import Comparison
    from ..spectra.boost import Boost

HELP = "the model beside tables or simulations: figure, table, report"
PARALLEL = True


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "result file with [single_power], [one_filament] or the densities of a box"
    parser.add_argument("model", type=file_name, help=text)
    text = "table of a boost (.csv, .ecsv), result file, or: published"
    parser.add_argument("table", nargs="*", type=file_name, help=text)
    parser.add_argument(
        "--ratio",
        dest="ratios",
        nargs=2,
        action="append",
        default=[],
        type=file_name,
        metavar=("ABOVE", "BELOW"),
        help=f"also the ratio of two spectra, any number of times; each a {SOURCE}",
    )
    add_ratio_options(parser)
    parser.add_argument(
        "--model", dest="models", action="append", default=[], type=file_name, metavar="FILE", help="more models"
    )
    parser.add_argument("--over", metavar="NAME", help="only ratios over this: smooth, cdm ...")
    parser.add_argument("--fit", metavar="LOW,HIGH", help="fit m22 between these two")
    parser.add_argument("--mixed", action="store_true", help="ratios over different things in one figure")
    text = "of a simulation, not only the epoch nearest to the model's redshift"
    parser.add_argument("--all-epochs", action="store_true", help=text)
    text = "(default: comparison)"
    parser.add_argument("--output", type=file_name, default="comparison", metavar="FOLDER", help=text)
    parser.add_argument("--dpi", type=int, default=150, help="of the figure (default: 150)")
    add_measurement_options(parser)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Figure, table and report of the model beside every table and ratio."""
    from ..pipeline import comparison

    def checked() -> tuple[float, float] | None:
        check_dpi(options.dpi)
        if not options.table and not options.ratios:
            raise InputError("compare: nothing beside the model: name a table, a result file, published, or a --ratio")
        return _two_masses(options.fit)

    masses, measure = ranks.on_root(checked), snapshot_measurer(options, ranks)
    files = ranks.on_root(lambda: _model_files(options))
    ratios = []
    for sources in options.ratios:
        above, below = (comparison.read_source(text, measure, ranks) for text in sources)
        names = options.numerator, options.denominator, options.allow
        ratios.append(ranks.on_root(lambda above=above, below=below: comparison.ratio(above, below, *names)))  # noqa: B023
    if ranks.is_root:
        _compare(options, files, ratios, masses)


def _model_files(options: Namespace) -> list[Path]:
    files = [Path(name) for name in (options.model, *options.models)]
    for path in files:
        require_file(path)
    return files


def _compare(options: Namespace, files: list[Path], ratios: "list[Boost]", masses: tuple[float, float] | None) -> None:
    """The models of some files beside tables and ratios, on one rank."""
    from ..io.result_file import git_revision, require_writable
    from ..pipeline import comparison
    from ..plots.comparison import draw_boosts
    from ..plots.report import Picture, Section, comparison_section, write_report
    from ..spectra.features import boost_features

    with _warnings_only():  # rows of every model that are left out are many
        models = [boost for path in files for boost in comparison.model_boosts(path)]
    redshift = None if options.all_epochs else models[0].redshift
    tables = [boost for text in options.table for boost in comparison.read_boosts(text, redshift)] + ratios
    if options.over:
        for of, kind in (("models", models), ("tables", tables)):
            known = dict.fromkeys(each.denominator for each in kind)
            if options.over not in known:
                only = ", ".join(known) or "nothing"
                raise InputError(f"--over {options.over}: no ratio over this among the {of}, only over {only}")
        models, tables = ([each for each in kind if each.denominator == options.over] for kind in (models, tables))
    grid = comparison.single_filament_grid(files[0]) if masses else None
    with _warnings_only():
        comparable = [
            [model for model in comparison.alike(table, models) if comparison.of_one_epoch(table, model)]
            for table in tables
        ]
        if not options.mixed and not any(comparison.alike(table, models) for table in tables):
            comparison.compare(tables[0], models, masses, grid)  # says what is wrong
        found = [comparison.compare(*pair, masses, grid) for pair in zip(tables, comparable, strict=True) if pair[1]]
    folder = Path(options.output)
    require_writable(folder)
    shown = [each.model for each in found]
    # ratios that were not compared: the last of the models is for the heaviest boson
    told, wanted = {each.name for each in shown}, {each.name for each in models if options.mixed}
    wanted |= {each.name for each in tables}
    shown += list({each.name: each for each in models if each.name in wanted - told}.values())
    shown = list(dict.fromkeys([*shown, *tables]))
    figure = draw_boosts(shown, folder / "comparison.png", options.dpi, mixed=options.mixed)
    for each in found:
        for line in comparison_lines(each):
            print(line)
    for table in [table for table, models_of in zip(tables, comparable, strict=True) if not models_of]:
        reason = "of another redshift than the model" if comparison.alike(table, models) else "no model is this ratio"
        print(f"{table.label} ({table.source}): {reason}: not compared")
        if not table.beyond_nyquist.all():
            print(f"  table: {features_in_words(boost_features(table))}")
    overview = Section(
        "Ratios of power",
        (f"{len(tables)} tables beside models of {', '.join(map(str, files))}.",),
        (Picture(figure.read_bytes(), "Points, and dashed lines in a band: tables and simulations. Lines: models."),),
    )
    sections = [comparison_section(each.table, each.model, each.agreement, each.fit) for each in found]
    made_with = {"version": f"gpu_fdm {__version__} {git_revision()}".rstrip(), "models": ", ".join(map(str, files))}
    beside = [*options.table, *(f"{above} over {below}" for above, below in options.ratios)]
    made_with |= {"tables": ", ".join(beside), "fit": options.fit or "none"}
    title = "Fuzzy dark matter filaments: the model beside tables"
    report = write_report(folder / "comparison.html", title, (overview, *sections), made_with)
    print(f"figure: {figure}")
    if found:
        print(f"table: {comparison.write_comparisons(found, folder / 'comparison.csv')}")
    print(f"report: {report}")


@contextmanager
def _warnings_only() -> Iterator[None]:
    ours = logging.getLogger("gpu_fdm")
    level = ours.level
    ours.setLevel(logging.WARNING)
    try:
        yield
    finally:
        ours.setLevel(level)


def comparison_lines(found: "Comparison") -> list[str]:
    """What is said of a table beside its model."""
    from ..spectra.boost import DIFFERENCES

    quality = found.agreement
    agreement = f"rms of ln(table/model) {quality.rms:.3g} over {quality.rows} rows"
    if quality.chi_squared is not None:
        agreement += f", chi-squared {quality.chi_squared:.4g}"
    if quality.left_out:
        agreement += f" ({quality.left_out} rows out of the model's range or beyond Nyquist)"
    lines = [f"{found.table.label} ({found.table.source}) beside {found.model.label}: {agreement}"]
    pairs = zip(("table", "model"), found.features, strict=True)
    lines += [f"  {name}: {features_in_words(features)}" for name, features in pairs]
    given, model = found.table.m22, found.model.m22
    if found.fit is not None:
        lines.append(f"  fit: {found.fit.text}")
    elif given is not None and model is not None and abs(model / given - 1) > DIFFERENCES["m22"]:
        lines.append(f"  of another boson: no model of m22 = {given:g} is given (--model FILE adds one)")
    return lines


def _two_masses(text: str | None) -> tuple[float, float] | None:
    """Boson masses of --fit, or None."""
    if text is None:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError:
        raise InputError(f"--fit {text}: must be two masses, LOW,HIGH") from None
    if not 1e-6 <= low < high <= 1e6:
        raise InputError(f"--fit {text}: must be two increasing masses in [1e-06, 1e+06]")
    return low, high
