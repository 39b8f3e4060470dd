"""gpu-fdm compare: compare models with tables and simulations."""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import __version__
from ..errors import InputError, require_file
from .shared import (
    SOURCE,
    add_dpi_option,
    add_measurement_options,
    add_ratio_options,
    check_dpi,
    features_in_words,
    file_name,
    snapshot_measurer,
    warnings_only,
)
from .terminal import show

if TYPE_CHECKING:
    from ..comparison.compare import Comparison
    from ..comparison.fits import FitPlan
    from ..comparison.states import Solved, States
    from ..parallel.ranks import Ranks
    from ..spectra.boost import Boost

PARALLEL = True
FIGURE, TABLE, REPORT = ("comparison.png", "comparison.csv", "comparison.html")
FITS, TABLE_OF_FITS = ("comparison_fits.png", "comparison_fits.csv")
WRITTEN = (FIGURE, TABLE, REPORT, FITS, TABLE_OF_FITS, "power.png")


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "result file with [single_power], [one_filament] or both densities of a box"
    parser.add_argument("model", type=file_name, help=text)
    text = "table of a boost (.csv, .ecsv), result file, or the word published, for the tables of a publication"
    parser.add_argument("table", nargs="*", type=file_name, help=text)
    parser.add_argument(
        "--ratio",
        dest="ratios",
        nargs=2,
        action="append",
        default=[],
        type=file_name,
        metavar=("ABOVE", "BELOW"),
        help=f"compare also the ratio of two spectra, each {SOURCE}; may be given several times",
    )
    add_ratio_options(parser)
    text = "another model; may be given several times"
    parser.add_argument(
        "--model", dest="models", action="append", default=[], type=file_name, metavar="FILE", help=text
    )
    parser.add_argument("--over", metavar="NAME", help="compare only ratios over this denominator: smooth, cdm ...")
    parser.add_argument("--fit", metavar="LOW,HIGH", help="fit the boson mass m22 [1e-22 eV] between these two")
    text = "fit also with other choices of the model, one at a time, for the systematic error of m22 (default: unless "
    text += "that takes more than two minutes)"
    parser.add_argument("--systematics", action=BooleanOptionalAction, help=text)
    parser.add_argument("--mixed", action="store_true", help="draw ratios over different denominators in one figure")
    text = "take all epochs of a simulation, not only that nearest to the model's redshift"
    parser.add_argument("--all-epochs", action="store_true", help=text)
    text = "folder to write to (default: comparison)"
    parser.add_argument("--output", type=file_name, default="comparison", metavar="FOLDER", help=text)
    add_dpi_option(parser)
    add_measurement_options(parser)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Compare the models with every table and ratio; write and print what was found."""
    from ..comparison.sources import ratio, read_source, source_file

    def checked() -> tuple[float, float] | None:
        check_dpi(options.dpi)
        if not options.table and not options.ratios:
            raise InputError("compare: nothing to compare with: give a table, a result file, published, or --ratio")
        written = [path for path in (Path(options.output) / name for name in WRITTEN) if path.exists()]
        for text in (
            options.model,
            *options.models,
            *options.table,
            *(text for pair in options.ratios for text in pair),
        ):
            path = source_file(text)
            if any(path.exists() and path.samefile(output) for output in written):
                raise InputError(f"--output {options.output}: {path} is compared and would be replaced")
        return _two_masses(options.fit)

    masses, measure = ranks.on_root(checked), snapshot_measurer(options, ranks)
    files = ranks.on_root(lambda: _model_files(options))
    ranks.on_root(lambda: _require_own(options, files))
    names = options.numerator, options.denominator, options.allow
    ratios = []
    for sources in options.ratios:
        above, below = (read_source(text, measure, ranks) for text in sources)
        ratios.append(ranks.on_root(lambda above=above, below=below: ratio(above, below, *names)))
    job: list[_Job] = []

    def prepare() -> "dict[States, float]":
        job.append(_prepared(options, files, ratios, masses, ranks.size))
        return job[0].plan.needed if job[0].plan else {}

    needed, solved = ranks.on_root(prepare), {}
    if needed:
        from ..comparison.states import solve_all
        from ..parallel.choice import choose_on_ranks

        solved = solve_all(needed, ranks, choose_on_ranks(options.backend, None, ranks))
    if ranks.is_root:
        _finish(options, files, job[0], solved)


def _require_own(options: Namespace, models: list[Path]) -> None:
    """InputError where a file would be written that is there and of others."""
    from ..comparison.compare import COMPARISONS_MARK, SYSTEMATICS_MARK
    from ..io.ownership import FIGURE_MARK, require_own
    from ..plots.report import REPORT_MARK

    marks = {FIGURE: FIGURE_MARK, TABLE: COMPARISONS_MARK, REPORT: REPORT_MARK}
    if options.fit:
        marks |= {FITS: FIGURE_MARK, TABLE_OF_FITS: SYSTEMATICS_MARK}
    for name, mark in marks.items():
        require_own(Path(options.output) / name, mark)
    for path in _power_pairs(options, models):
        require_own(path, FIGURE_MARK)


@dataclass(frozen=True)
class _Job:
    """What was read and compared, and what is to be fitted.

    comparisons  of the tables, in their order, None for one without a model
    plan         of the fits, None without them
    """

    models: "list[Boost]"
    tables: "list[Boost]"
    comparisons: "list[Comparison | None]"
    plan: "FitPlan | None"


def _model_files(options: Namespace) -> list[Path]:
    files = [Path(name) for name in (options.model, *options.models)]
    for path in files:
        require_file(path)
    return files


def _prepared(
    options: Namespace, files: list[Path], ratios: "list[Boost]", masses: tuple[float, float] | None, ranks: int
) -> _Job:
    """Read models and tables, compare them, and plan the fits; on one rank."""
    from ..comparison.compare import compare_all
    from ..comparison.fits import FitPlan
    from ..comparison.models import config_of, model_boosts, read_boosts
    from ..io.result_file import require_writable

    with warnings_only():  # many rows of every model are left out
        models = [boost for path in files for boost in model_boosts(path)]
    redshift = None if options.all_epochs else models[0].redshift
    tables = [boost for text in options.table for boost in read_boosts(text, redshift)] + ratios
    if options.over:
        models = _over(options.over, models, "models")
        tables = _over(options.over, tables, "tables")
    with warnings_only():
        comparisons = compare_all(tables, models, options.mixed)
    found = [comparison for comparison in comparisons if comparison]
    require_writable(Path(options.output))
    plan = None
    if masses and found:
        with warnings_only():
            plan = FitPlan.of(found, models, masses, config_of(files[0]))
        plan = plan.affordable(options.systematics, ranks)
    return _Job(models, tables, comparisons, plan)


def _finish(options: Namespace, files: list[Path], job: _Job, solved: "Solved") -> None:
    """Fit; write the figures, the tables and the report; print what was found."""
    from ..comparison.compare import boosts_to_draw, write_comparisons, write_systematics
    from ..comparison.haloes import halo_lines
    from ..plots.comparison import draw_boosts
    from ..plots.fits import draw_fits

    found = [comparison for comparison in job.comparisons if comparison]
    if job.plan:
        with warnings_only():
            found = job.plan.fitted(solved)
    folder = Path(options.output)
    boosts = boosts_to_draw(found, job.tables, job.models, options.mixed)
    points = "Points, and dashed lines in a band: tables and simulations. Lines: models; of dashes and dots: best fits."
    best = [comparison.best for comparison in found if comparison.best]
    figures = {draw_boosts(boosts, folder / FIGURE, options.dpi, mixed=options.mixed, best=best): points}
    written = [write_comparisons(found, folder / TABLE)] if found else []
    lines = [line for comparison in found for line in comparison_lines(comparison)]
    for table, compared in zip(job.tables, job.comparisons, strict=True):
        lines += [] if compared else _lines_without_model(table, job.models)
    lines += halo_lines(files, job.models)
    if rows := [pair.systematics.rows(pair.table) for pair in found if pair.systematics]:
        choices = "m22 with the choices of the result, and with one of them at a time made in another way."
        figures[draw_fits(rows, folder / FITS, options.dpi)] = choices
        written.append(write_systematics(found, folder / TABLE_OF_FITS))
    powers, drawn = _compare_power(options, files)
    lines += [f"figure: {path}" for path in figures] + [f"table: {path}" for path in written]
    show("\n".join(lines + powers))
    figures |= dict.fromkeys(drawn, "Simulated power beside the model, over the same modes.")
    show(f"report: {_write_report(options, folder / REPORT, files, figures, len(job.tables), found)}")


def _power_pairs(options: Namespace, models: list[Path]) -> dict[Path, tuple[Path, Path]]:
    """Models with [one_filament] and simulations whose power is drawn together, by the paths of the figures."""
    from ..comparison.models import holds
    from ..io.schema import ONE_FILAMENT, SIMULATION

    simulations = [Path(text) for text in options.table if holds(text, SIMULATION)]
    pairs = [(model, other) for other in simulations for model in models if holds(str(model), ONE_FILAMENT)]
    names = ["power.png"] if len(pairs) == 1 else [f"power_{number + 1}.png" for number in range(len(pairs))]
    return {Path(options.output) / name: pair for name, pair in zip(names, pairs, strict=True)}


def _compare_power(options: Namespace, models: list[Path]) -> tuple[list[str], list[Path]]:
    """Draw the power of models with [one_filament] beside that of simulations; returns lines, and the figures."""
    from ..comparison.matter_power import power_lines, power_of_both
    from ..plots.matter_power import draw_matter_power

    lines: list[str] = []
    drawn: list[Path] = []
    for path, (model, simulation) in _power_pairs(options, models).items():
        found = power_of_both(model, simulation)
        if isinstance(found, str):
            lines.append(f"power of {model} and {simulation}: not drawn: {found}")
            continue
        of_model, simulated = found
        seeds = len(next(iter(simulated.power.values())))
        figure = draw_matter_power(
            path,
            simulated.k,
            {run: (simulated.mean(run), simulated.error(run)) for run in simulated.power},
            (of_model.linear, of_model.filaments, of_model.total, of_model.fitting),
            simulated.good,
            [
                rf"$m_{{22}}={simulated.m22:.4g}$",
                f"$z={simulated.redshift:.4g}$",
                *([f"{seeds} seeds"] if seeds > 1 else []),
            ],
            options.dpi,
        )
        lines += [*power_lines(of_model, simulated), f"figure: {figure}"]
        drawn.append(figure)
    return lines, drawn


def _over(denominator: str, boosts: "list[Boost]", kind: str) -> "list[Boost]":
    """The boosts over a denominator; InputError where there is none."""
    over = [boost for boost in boosts if boost.denominator == denominator]
    if not over:
        only = ", ".join(dict.fromkeys(boost.denominator for boost in boosts)) or "nothing"
        raise InputError(f"--over {denominator}: no ratio of the {kind} has this denominator: they have {only}")
    return over


def comparison_lines(comparison: "Comparison") -> list[str]:
    """The lines about a table and the model that it was compared with."""
    from ..spectra.boost import DIFFERENCES

    table, model, quality, fit = comparison.table, comparison.model, comparison.agreement, comparison.fit
    agreement = f"rms of ln(table/model) {quality.rms:.3g} over {quality.rows} rows"
    if quality.chi_squared is not None:
        agreement += f", chi-squared {quality.chi_squared:.4g}"
    if quality.left_out:
        why = " or ".join(filter(None, ("out of the model's range", table.limits)))
        agreement += f" ({quality.left_out} rows are {why})"
    lines = [f"{table.label} ({table.source}) compared with {model.label}: {agreement}"]
    for name, features in zip(("table", "model"), comparison.features, strict=True):
        lines.append(f"  {name}: {features_in_words(features)}")
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


def _lines_without_model(table: "Boost", models: "list[Boost]") -> list[str]:
    """The lines about a table that was not compared."""
    from ..comparison.compare import same_epoch, same_ratio
    from ..spectra.features import boost_features

    same = same_ratio(table, models)
    reason = "no model has its redshift" if same else "no model has this ratio"
    if any(same_epoch(table, model) for model in same):
        reason = f"all rows are {table.limits}"
    lines = [f"{table.label} ({table.source}): not compared: {reason}"]
    if table.good.any():
        lines.append(f"  table: {features_in_words(boost_features(table))}")
    return lines


def _write_report(
    options: Namespace, path: Path, files: list[Path], figures: dict[Path, str], tables: int, found: "list[Comparison]"
) -> Path:
    """The report; returns its path.

    figures  and what each shows
    """
    from ..io.result_file import git_revision
    from ..plots.report import Picture, ReportSection, comparison_section, write_report

    models = ", ".join(map(str, files))
    overview = ReportSection(
        "Ratios of power",
        (f"{tables} tables compared with models of {models}.",),
        tuple(Picture(figure.read_bytes(), caption) for figure, caption in figures.items()),
    )
    sections = [
        comparison_section(pair.table, pair.model, pair.agreement, pair.fit, *_about_systematics(pair))
        for pair in found
    ]
    provenance = {
        "version": f"gpu_fdm {__version__} {git_revision()}".rstrip(),
        "models": models,
        "tables": ", ".join([*options.table, *(f"{above} over {below}" for above, below in options.ratios)]),
        "fit": options.fit or "none",
    }
    title = "Fuzzy dark matter filaments: models compared with tables"
    return write_report(path, title, (overview, *sections), provenance)


def _about_systematics(comparison: "Comparison") -> tuple[str, ...]:
    """Lines of the report about the systematic error."""
    known = comparison.systematics
    return () if known is None else (known.text, *known.lines)


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
