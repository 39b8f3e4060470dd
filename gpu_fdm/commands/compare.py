"""gpu-fdm compare: compare models with tables and simulations."""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, require_file
from .shared import (
    RATIO_OPTIONS,
    SOURCE,
    add_figure_options,
    add_measurement_options,
    add_ratio_options,
    check_dpi,
    check_ratio_options,
    chosen_once,
    file_name,
    require_not_given,
    snapshot_measurer,
    warnings_only,
)
from .terminal import show

if TYPE_CHECKING:
    from ..comparison.boosts import Compared
    from ..comparison.cut_outs import ComparedCutOut
    from ..comparison.drawn import Pairs
    from ..comparison.fits import FitPlan
    from ..comparison.states import Solved, States
    from ..parallel.ranks import Ranks
    from ..spectra.boost import Boost

PARALLEL = True
REPORT = "comparison.html"


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "result file with [single_power], [one_filament] or both densities of a box; for a cut-out, of one filament"
    parser.add_argument("model", type=file_name, help=text)
    text = (
        "table of a boost (.csv, .ecsv), result file, cut-out of psi that gpu-fdm filament wrote (.hdf5), or the word "
    )
    text += "published, for the tables of a publication"
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
    add_figure_options(parser, optional=False)
    add_measurement_options(parser)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Compare the models with every table, ratio and cut-out; write and print what was found."""
    from ..comparison.sources import ratio, read_source

    asked, backend = ranks.on_root(lambda: _asked(options)), chosen_once(options, ranks)
    measure = snapshot_measurer(options, ranks, backend)
    names = options.numerator, options.denominator, options.allow
    ratios = []
    for sources in options.ratios:
        above, below = (read_source(text, measure, ranks) for text in sources)
        ratios.append(ranks.on_root(lambda above=above, below=below: ratio(above, below, *names)))
    job: list[_Job] = []

    def prepare() -> "dict[States, float]":
        job.append(_prepared(options, asked, ratios, ranks.size))
        return job[0].plan.needed if job[0].plan else {}

    needed, solved = ranks.on_root(prepare), {}
    if needed:
        from ..comparison.states import solve_all

        solved = solve_all(needed, ranks, backend())
    if ranks.is_root:
        _finish(options, asked, job[0], solved)


@dataclass(frozen=True)
class _Asked:
    """What is to be compared.

    masses   of --fit;  files  the models;  tables  of boosts
    powers   models and simulations whose power is drawn;  cut_outs  models and cut-outs; by the paths of the figures
    """

    masses: tuple[float, float] | None
    files: list[Path]
    tables: list[str]
    powers: "Pairs"
    cut_outs: "Pairs"


def _asked(options: Namespace) -> _Asked:
    """What the options ask for; InputError where they do not go together, and for files that would be replaced."""
    from ..comparison.drawn import pairs_by_figure
    from ..comparison.models import holds, require_denominator, require_model
    from ..io.schema import MEASURED, ONE_FILAMENT, SIMULATION

    check_dpi(options.dpi)
    require_denominator(options.over)
    check_ratio_options(options)
    if not options.table and not options.ratios:
        raise InputError(
            "compare: nothing to compare with: give a table, a result file, a cut-out, published, or --ratio"
        )
    if not options.ratios:
        require_not_given(options, RATIO_OPTIONS, "with --ratio")
    if options.fit is None:
        require_not_given(options, ("systematics",), "with --fit")
    masses, folder = _two_masses(options.fit), Path(options.output)
    _require_not_replaced(options)
    files = [Path(name) for name in (options.model, *options.models)]
    for path in files:
        require_file(path)
        require_model(path)
        if holds(str(path), MEASURED):
            raise InputError(f"{path}: is what gpu-fdm filament wrote: name the result of gpu-fdm run first, then this")
    measured = [text for text in options.table if holds(text, MEASURED)]
    tables = [text for text in options.table if text not in measured]
    if not tables and not options.ratios:
        for flag, value in (("--fit", options.fit), ("--over", options.over)):
            if value is not None:
                raise InputError(f"{flag} {value}: is about boosts: needs a table of one, a result file or --ratio")
    ending = f".{options.figure_format}"
    simulations = [Path(text) for text in tables if holds(text, SIMULATION)]
    with_power = [path for path in files if simulations and holds(str(path), ONE_FILAMENT)]
    asked = _Asked(
        masses,
        files,
        tables,
        pairs_by_figure(folder, "power", with_power, simulations, ending),
        pairs_by_figure(folder, "cut_out", files, map(Path, measured), ending),
    )
    _require_own(asked, folder, ending)
    return asked


def _require_not_replaced(options: Namespace) -> None:
    """InputError where what is compared would be replaced."""
    from ..comparison import boosts, cut_outs
    from ..comparison.sources import source_file

    ending = f".{options.figure_format}"
    names = REPORT, f"power{ending}", *boosts.marks(ending, fits=True), *cut_outs.MARKS
    written = [path for path in (Path(options.output) / name for name in names) if path.exists()]
    ratios = (text for pair in options.ratios for text in pair)
    for path in map(source_file, (options.model, *options.models, *options.table, *ratios)):
        if any(path.exists() and path.samefile(output) for output in written):
            raise InputError(f"--output {options.output}: {path} is compared and would be replaced")


def _require_own(asked: _Asked, folder: Path, ending: str) -> None:
    """InputError where a file would be written that is there and of others."""
    from ..comparison import boosts, cut_outs
    from ..io.ownership import figure_mark, require_own
    from ..plots.report import REPORT_MARK

    marks = {REPORT: REPORT_MARK} | boosts.marks(ending, fits=asked.masses is not None)
    if asked.cut_outs:
        marks |= cut_outs.MARKS
    for name, mark in marks.items():
        require_own(folder / name, mark)
    for path in (*asked.powers, *asked.cut_outs):
        require_own(path, figure_mark(path))


@dataclass(frozen=True)
class _Job:
    """What was read and compared; plan: of the fits, None without them; cut_outs: by the paths of their figures."""

    compared: "Compared"
    plan: "FitPlan | None"
    cut_outs: "dict[Path, ComparedCutOut | InputError]"


def _prepared(options: Namespace, asked: _Asked, ratios: "list[Boost]", ranks: int) -> _Job:
    """Read models and tables, compare them, and plan the fits; on one rank."""
    from ..comparison.boosts import Compared
    from ..comparison.compare import compare_all
    from ..comparison.cut_outs import compare_cut_outs
    from ..comparison.fits import FitPlan
    from ..comparison.models import config_of, model_boosts, read_boosts
    from ..io.result_file import require_writable

    compared = Compared([], [], [])
    if asked.tables or ratios:
        with warnings_only():  # many rows of every model are left out
            models = [boost for path in asked.files for boost in model_boosts(path)]
        redshift = None if options.all_epochs else models[0].redshift
        tables = [boost for text in asked.tables for boost in read_boosts(text, redshift)] + ratios
        if options.over:
            models = _over(options.over, models, "models")
            tables = _over(options.over, tables, "tables")
        with warnings_only():
            compared = Compared(models, tables, compare_all(tables, models, options.mixed))
    require_writable(Path(options.output))
    plan = None
    if asked.masses and compared.found:
        with warnings_only():
            plan = FitPlan.of(compared.found, compared.models, asked.masses, config_of(asked.files[0]))
        plan = plan.affordable(options.systematics, ranks)
    return _Job(compared, plan, compare_cut_outs(asked.cut_outs))


def _finish(options: Namespace, asked: _Asked, job: _Job, solved: "Solved") -> None:
    """Fit; write the figures, the tables and the report; print what was found."""
    from ..comparison.boosts import draw_compared
    from ..comparison.cut_outs import draw_cut_outs
    from ..comparison.drawn import Drawn
    from ..comparison.matter_power import draw_powers
    from ..comparison.report import write_comparison_report

    found, folder, boosts = job.compared.found, Path(options.output), Drawn()
    if job.plan:
        with warnings_only():
            found = job.plan.fitted(solved)
    if tables := len(job.compared.tables):
        how = options.mixed, options.dpi, f".{options.figure_format}"
        boosts = draw_compared(job.compared, found, asked.files, folder, *how)
    powers, cut_outs = draw_powers(asked.powers, options.dpi), draw_cut_outs(job.cut_outs, folder, options.dpi)
    show("\n".join([*boosts.lines, *powers.lines, *cut_outs.lines]))
    models = ", ".join(map(str, asked.files))
    provenance = {
        "models": models,
        "tables": ", ".join([*options.table, *(f"{above} over {below}" for above, below in options.ratios)]),
        "fit": options.fit or "none",
    }
    overview = f"{tables} tables compared with models of {models}."
    pictures, report = [*boosts.figures.values(), *powers.figures.values()], folder / REPORT
    show(f"report: {write_comparison_report(report, overview, pictures, found, cut_outs.sections, provenance)}")


def _over(denominator: str, boosts: "list[Boost]", kind: str) -> "list[Boost]":
    """The boosts over a denominator; InputError where there is none."""
    over = [boost for boost in boosts if boost.denominator == denominator]
    if not over:
        only = ", ".join(dict.fromkeys(boost.denominator for boost in boosts)) or "nothing"
        raise InputError(f"--over {denominator}: no ratio of the {kind} has this denominator: they have {only}")
    return over


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
