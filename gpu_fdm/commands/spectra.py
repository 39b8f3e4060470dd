"""The commands power, boost and compare: their arguments, and what they say and write."""

import logging
from contextlib import contextmanager
from pathlib import Path

from .. import __version__
from ..errors import InputError, require_file
from ..snapshots.options import SnapshotOptions, flag

log = logging.getLogger(__name__)

AXES = ("x", "y", "z")
# what a dataclass of the options is told by: name, metavar
OF_SNAPSHOT = {
    "dataset": "NAME",
    "field": "NAME",
    "box_size": "X[,Y,Z]",
    "redshift": "Z",
    "h": "H",
    "unit_length": "X",
    "particle_type": "N",
    "level": "N",
}


def add_snapshot_options(parser):
    """Options that say how a snapshot is read."""
    from dataclasses import fields

    group = parser.add_argument_group("what the file does not say")
    group.add_argument("--format", metavar="NAME", help="of the snapshot; by default the one that knows the file")
    for item in fields(SnapshotOptions):
        unit = f" [{item.metadata['unit']}]" if item.metadata["unit"] else ""
        more = {"action": "append"} if item.name == "dataset" else {}
        text = item.metadata["description"] + unit
        group.add_argument(flag(item.name), metavar=OF_SNAPSHOT[item.name], help=text, **more)


def snapshot_options(options) -> SnapshotOptions:
    """The options of a parsed command line."""
    texts = dict(vars(options))
    if texts["dataset"] is not None:
        texts["dataset"] = tuple(texts["dataset"])
    return SnapshotOptions.from_text(texts)


def _add_measurement(parser):
    """Options that say how a snapshot is measured."""
    parser.add_argument("--bin-width", type=float, default=1.0, metavar="W", help="[2 pi / largest side] (default: 1)")
    parser.add_argument("--mu-bins", type=int, metavar="N", help="also P(k, mu) in N bins of mu")
    parser.add_argument("--multipoles", action="store_true", help="also P_0, P_2, P_4")
    parser.add_argument("--axis", choices=AXES, default="z", help="from which mu is counted (default: z)")
    parser.add_argument("--cells", type=int, metavar="N", help="a side of the grid for particles")
    parser.add_argument("--assignment", default="tsc", metavar="NAME", help="ngp, cic, tsc or pcs (default: tsc)")
    parser.add_argument("--no-interlacing", action="store_true", help="one grid for particles instead of two")
    parser.add_argument("--shot-noise", action="store_true", help="leave the shot noise of particles in")
    parser.add_argument("--backend", choices=("auto", "cpu", "gpu"), default="auto", help="(default: auto)")


def _measurement(options):
    """How to measure, from a parsed command line."""
    from ..pipeline.snapshot import Measurement

    if options.mu_bins is not None and not 1 <= options.mu_bins <= 1000:
        raise InputError(f"--mu-bins {options.mu_bins}: must be in [1, 1000]")
    return Measurement(
        cells=options.cells,
        assignment=options.assignment,
        interlaced=not options.no_interlacing,
        shot_noise=options.shot_noise,
        bin_width=options.bin_width,
        mu_bins=options.mu_bins,
        axis=AXES.index(options.axis),
        multipoles=options.multipoles,
    )


def add_power(commands):
    """gpu-fdm power."""
    power = commands.add_parser("power", help="P(k) of a snapshot of a simulation, or of a box", allow_abbrev=False)
    power.add_argument("snapshot", help="file, folder or first part: see docs/snapshots.md for the formats")
    power.add_argument("--output", metavar="FILE", help="result, .hdf5 (default: <snapshot>_power.hdf5 here)")
    _add_measurement(power)
    power.add_argument("--dpi", type=int, default=150, help="of the figure; 0 for none (default: 150)")
    add_snapshot_options(power)
    power.set_defaults(command=run_power, parallel=True)


def run_power(options, ranks) -> int:
    """Measure, write, draw, and say what was found."""
    import numpy as np

    from ..io.result_file import RESULT_ENDINGS, atomic_result, require_writable
    from ..parallel.backend import choose_on_ranks
    from ..pipeline import results
    from ..pipeline.snapshot import snapshot_power

    source = Path(options.snapshot)
    output = Path(options.output or f"{source.name.split('.')[0] or 'snapshot'}_power.hdf5")

    def checked():
        check_dpi(options.dpi, optional=True)
        if output.suffix.lower() not in RESULT_ENDINGS:
            raise InputError(f"--output {output}: must end in .hdf5 or .h5")
        if output.exists() and source.exists() and output.samefile(source):
            raise InputError(f"--output {output}: is the snapshot itself")
        how, about = _measurement(options), snapshot_options(options)
        require_writable(output.parent)
        return how, about

    how, about = ranks.on_root(checked)
    backend = choose_on_ranks(options.backend, None, ranks)
    measured = snapshot_power(source, options.format, about, how, ranks, backend)
    with atomic_result(output, "", seed=-1, ranks=ranks, **backend.provenance) as file:
        results.write_snapshot_power(file, measured)
    if not ranks.is_root:
        return 0
    snapshot, spectrum = measured.snapshot, measured.spectrum
    size = " x ".join(f"{side:g}" for side in snapshot.box_size)
    print(f"{snapshot.format} snapshot, {snapshot.kind}: {size} cMpc/h at z = {snapshot.redshift:.4g}")
    print(f"grid: {' x '.join(map(str, spectrum.cells))} cells, Nyquist wavenumber {spectrum.nyquist:.4g} h/cMpc")
    if measured.shot_noise is not None:
        print(f"shot noise {'left in' if options.shot_noise else 'taken off'}: {measured.shot_noise[1]:.4g} (cMpc/h)^3")
    beyond = int(np.count_nonzero(spectrum.k > spectrum.nyquist))
    print(
        f"{len(spectrum.k) - 1} bins, {beyond} of them beyond the Nyquist wavenumber: some directions are missing there"
    )
    print(f"result: {output}")
    if options.dpi:
        from ..plots import draw

        for figure in draw(output, options.dpi):
            print(f"figure: {figure}")
    return 0


SOURCE = "table (.csv, .ecsv), FILE:place of a result (out/result.hdf5:power/fdm), or a snapshot"


def _add_names(parser):
    """Options that name both halves of a ratio, and what of them may differ."""
    parser.add_argument("--numerator", metavar="NAME", help="what the spectrum above is of, in a word")
    parser.add_argument("--denominator", metavar="NAME", help="what the spectrum below is of: smooth, cdm, n-body ...")
    allowed = "box_size, redshift, m22"
    parser.add_argument("--allow", action="append", default=[], metavar="NAME", help=f"to differ: {allowed}")


def add_boost(commands):
    """gpu-fdm boost."""
    boost = commands.add_parser("boost", help="the ratio of two power spectra, with both named", allow_abbrev=False)
    boost.add_argument("above", help=f"spectrum above the line: {SOURCE}")
    boost.add_argument("below", help="spectrum below the line, likewise")
    _add_names(boost)
    boost.add_argument("--output", default="boost.csv", metavar="FILE", help=".csv or .ecsv (default: boost.csv)")
    boost.add_argument("--dpi", type=int, default=150, help="of the figure; 0 for none (default: 150)")
    _add_measurement(boost)
    add_snapshot_options(boost)
    boost.set_defaults(command=run_boost, parallel=True)


def add_compare(commands):
    """gpu-fdm compare."""
    compare = commands.add_parser(
        "compare", help="the model beside tables or simulations: figure, table, report", allow_abbrev=False
    )
    compare.add_argument("model", help="result file with [single_power], [one_filament] or the densities of a box")
    compare.add_argument("table", nargs="*", help="table of a boost (.csv, .ecsv), result file, or: published")
    compare.add_argument(
        "--ratio",
        dest="ratios",
        nargs=2,
        action="append",
        default=[],
        metavar=("ABOVE", "BELOW"),
        help=f"also the ratio of two spectra, any number of times; each a {SOURCE}",
    )
    _add_names(compare)
    compare.add_argument("--model", dest="models", action="append", default=[], metavar="FILE", help="more models")
    compare.add_argument("--over", metavar="NAME", help="only ratios over this: smooth, cdm ...")
    compare.add_argument("--fit", metavar="LOW,HIGH", help="fit m22 between these two")
    compare.add_argument("--mixed", action="store_true", help="ratios over different things in one figure")
    text = "of a simulation, not only the epoch nearest to the model's redshift"
    compare.add_argument("--all-epochs", action="store_true", help=text)
    compare.add_argument("--output", default="comparison", metavar="FOLDER", help="(default: comparison)")
    compare.add_argument("--dpi", type=int, default=150, help="of the figure (default: 150)")
    _add_measurement(compare)
    add_snapshot_options(compare)
    compare.set_defaults(command=run_compare, parallel=True)


def _measure(options, ranks):
    """What measures a snapshot as the options say: path -> SnapshotPower, on all ranks."""
    how, about = ranks.on_root(lambda: (_measurement(options), snapshot_options(options)))
    backend = None

    def measure(path):
        from ..parallel.backend import choose_on_ranks
        from ..pipeline.snapshot import snapshot_power

        nonlocal backend
        backend = backend or choose_on_ranks(options.backend, None, ranks)
        return snapshot_power(path, options.format, about, how, ranks, backend)

    return measure


def run_boost(options, ranks) -> int:
    """Read or measure both, divide, write, and say what was found."""
    from ..io.result_file import require_writable
    from ..pipeline import comparison
    from ..spectra.fit import marks_of
    from ..spectra.tables import write_boost

    output = Path(options.output)

    def check():
        if output.suffix.lower() not in comparison.TABLES:
            raise InputError(f"--output {output}: must end in .csv or .ecsv")
        check_dpi(options.dpi, optional=True)
        for text in (options.above, options.below):
            path = comparison.file_of(text)
            if output.exists() and path.exists() and output.samefile(path):
                raise InputError(f"--output {output}: is one of the spectra itself")

    ranks.on_root(check)
    measure = _measure(options, ranks)
    ranks.on_root(lambda: require_writable(output.parent))
    above, below = (comparison.read_source(text, measure, ranks) for text in (options.above, options.below))
    if not ranks.is_root:
        return 0
    boost = comparison.ratio(above, below, options.numerator, options.denominator, options.allow)
    write_boost(boost, output)
    print(f"{boost.label}: {len(boost.k)} rows, {boost.k[0]:.4g} to {boost.k[-1]:.4g} h/Mpc")
    beyond = int(boost.beyond_nyquist.sum())
    if beyond:
        print(f"{beyond} rows are beyond the Nyquist wavenumber (column beyond_nyquist)")
    if not boost.beyond_nyquist.all():
        print(_marks_line(marks_of(boost)))
    print(f"table: {output}")
    if options.dpi:
        from ..plots.comparison import draw_boosts

        print(f"figure: {draw_boosts([boost], output.with_suffix('.png'), options.dpi)}")
    return 0


def run_compare(options, ranks) -> int:
    """Figure, table and report of the model beside every table and ratio."""
    from ..pipeline import comparison

    def checked():
        check_dpi(options.dpi)
        if not options.table and not options.ratios:
            raise InputError("compare: nothing beside the model: name a table, a result file, published, or a --ratio")
        return _two_masses(options.fit)

    masses, measure = ranks.on_root(checked), _measure(options, ranks)
    files = ranks.on_root(lambda: _model_files(options))
    ratios = []
    for sources in options.ratios:
        above, below = (comparison.read_source(text, measure, ranks) for text in sources)
        names = options.numerator, options.denominator, options.allow
        ratios.append(ranks.on_root(lambda above=above, below=below: comparison.ratio(above, below, *names)))  # noqa: B023
    if ranks.is_root:
        _compare(options, files, ratios, masses)
    return 0


def _model_files(options):
    files = [Path(name) for name in (options.model, *options.models)]
    for path in files:
        require_file(path)
    return files


def _compare(options, files, ratios, masses):
    """The models of some files beside tables and ratios, on one rank."""
    from ..io.result_file import git_revision, require_writable
    from ..pipeline import comparison
    from ..plots.comparison import draw_boosts
    from ..plots.report import Picture, Section, comparison_section, write_report
    from ..spectra.fit import marks_of

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
            print(f"  table: {_marks_line(marks_of(table))}")
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
def _warnings_only():
    ours = logging.getLogger("gpu_fdm")
    level = ours.level
    ours.setLevel(logging.WARNING)
    try:
        yield
    finally:
        ours.setLevel(level)


def comparison_lines(found) -> list[str]:
    """What is said of a table beside its model."""
    from ..spectra.boost import DIFFERENCES

    quality = found.agreement
    agreement = f"rms of ln(table/model) {quality.rms:.3g} over {quality.rows} rows"
    if quality.chi_squared is not None:
        agreement += f", chi-squared {quality.chi_squared:.4g}"
    if quality.left_out:
        agreement += f" ({quality.left_out} rows out of the model's range or beyond Nyquist)"
    lines = [f"{found.table.label} ({found.table.source}) beside {found.model.label}: {agreement}"]
    lines += [f"  {name}: {_marks_line(marks)}" for name, marks in zip(("table", "model"), found.marks, strict=True)]
    masses = found.table.m22, found.model.m22
    if found.fit is not None:
        lines.append(f"  fit: {found.fit.text}")
    elif None not in masses and abs(masses[1] / masses[0] - 1) > DIFFERENCES["m22"]:
        lines.append(f"  of another boson: no model of m22 = {masses[0]:g} is given (--model FILE adds one)")
    return lines


def _marks_line(marks):
    detach = "does not detach"
    if marks.k_detach is not None:
        detach = f"detaches ({marks.threshold:g} times) at {marks.k_detach:.4g} h/Mpc"
    end = ", its last row" if marks.at_end else ""
    slope = "" if marks.slope is None else f", then falls with slope {marks.slope:.3g}"
    return f"{detach}, largest {marks.height:.4g} at {marks.k_peak:.4g} h/Mpc{end}{slope}"


def _two_masses(text):
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


def check_dpi(dpi: int, optional: bool = False):
    """InputError for a resolution that no figure can have; 0, no figure, is one where it is optional."""
    if not 20 <= dpi <= 1200 and not (optional and dpi == 0):
        raise InputError(f"--dpi {dpi}: must be {'0, or ' if optional else ''}in [20, 1200]")
