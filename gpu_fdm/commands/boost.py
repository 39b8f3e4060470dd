"""gpu-fdm boost: write and draw the ratio of two power spectra, with both named."""

import logging
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .shared import (
    MEASURED,
    METAVARS,
    RATIO_OPTIONS,
    SOURCE,
    add_figure_options,
    add_measurement_options,
    add_ratio_options,
    check_dpi,
    check_ratio_options,
    chosen_once,
    figure_of,
    file_name,
    made_by,
    require_figure,
    require_not_given,
    require_output,
    snapshot_measurer,
    snapshot_options,
    warnings_only,
    with_options,
)
from .terminal import show

if TYPE_CHECKING:
    from ..parallel.ranks import Ranks
    from ..spectra.boost import Boost

log = logging.getLogger(__name__)

PARALLEL = True
DEFAULT_NAME = "boost.csv"
HALVES = ("above", "below")


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("above", type=file_name, help=f"numerator: {SOURCE}; with --over, a result file")
    parser.add_argument("below", nargs="?", type=file_name, help="denominator, likewise")
    text = "instead of a denominator, take the ratio of a result over smooth, classical, n-body, cdm or linear-cdm"
    parser.add_argument("--over", metavar="NAME", help=text)
    parser.add_argument("--m22", type=float, metavar="M", help="boson mass [1e-22 eV], where --over leaves a choice")
    text = "with what its object begins, where --over leaves a choice: 'one filament', 'filaments', 'matter' (linear "
    text += "power and filaments), 'all matter' (haloes too: over smooth or cdm, of a result with [total_power])"
    parser.add_argument("--object", default="", metavar="WORDS", help=text)
    more: dict[str, Any] = {"action": "append", "default": [], "metavar": "NAME=VALUE"}
    for half in HALVES:
        text = f"option for the snapshot {half} alone, as field=smooth or format=gadget; may be given several times"
        parser.add_argument(f"--{half}", dest=f"{half}_options", help=text, **more)
    add_ratio_options(parser)
    text = "table to write, .csv or .ecsv (default: boost.csv); files of others are not replaced"
    parser.add_argument("--output", type=file_name, metavar="FILE", help=text)
    add_figure_options(parser)
    add_measurement_options(parser)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Read or measure both, divide, write, and print what was found."""
    from ..comparison.haloes import halo_lines
    from ..comparison.models import boost_over
    from ..comparison.sources import ratio, read_source, source_file
    from ..io.result_file import require_writable
    from ..spectra.boost import LIMITS
    from ..spectra.features import boost_features
    from ..spectra.tables import write_boost

    output = Path(options.output or DEFAULT_NAME)
    before = ranks.on_root(lambda: _replaced(options, output))
    ranks.on_root(lambda: require_writable(output.parent))
    if options.over is not None:
        with warnings_only():  # rows of ratios that were not asked for are left out too
            redshift = ranks.on_root(lambda: snapshot_options(options).redshift)
            choice = options.over, options.m22, options.object, redshift
            boost = ranks.on_root(lambda: boost_over(Path(options.above), *choice))
    else:
        backend = chosen_once(options, ranks)
        of_halves = [ranks.on_root(partial(_of_half, options, half)) for half in HALVES]
        measures = [snapshot_measurer(of_half, ranks, backend) for of_half in of_halves]
        texts = options.above, options.below
        above, below = (read_source(text, measure, ranks) for text, measure in zip(texts, measures, strict=True))
        names = options.numerator, options.denominator, options.allow
        boost = ranks.on_root(lambda: ratio(above, below, *names))
    if not ranks.is_root:
        return
    if before is not None and (before.label, before.source) != (boost.label, boost.source):
        log.warning("%s: replaces the table of %s, %s", output, before.label, before.source)
    write_boost(boost, output, made_by(options))
    show(f"{boost.label}: {len(boost.k)} rows, {boost.k[0]:.4g} to {boost.k[-1]:.4g} h/Mpc")
    for mask, words in LIMITS.items():
        if beyond := int(getattr(boost, mask).sum()):
            show(f"{beyond} rows are {words} (column {mask})")
    if boost.good.any():
        show(boost_features(boost).text)
    for line in halo_lines([source_file(text) for text in (options.above, options.below) if text], [boost]):
        show(line)
    show(f"table: {output}")
    if options.dpi:
        from ..plots.comparison import draw_boosts

        show(f"figure: {draw_boosts([boost], figure_of(output, options), options.dpi)}")


def _replaced(options: Namespace, output: Path) -> "Boost | None":
    """The boost in the table that is there and that is replaced; InputError for options that are wrong."""
    from ..comparison.models import require_denominator
    from ..comparison.sources import source_file
    from ..io.ownership import not_replaced
    from ..io.tables import TABLE_ENDINGS
    from ..spectra.tables import read_written_boost

    require_output(output, TABLE_ENDINGS, *map(source_file, filter(None, (options.above, options.below))))
    check_dpi(options.dpi, optional=True)
    require_denominator(options.over)
    check_ratio_options(options)
    if (options.below is None) == (options.over is None):
        raise InputError("boost: must have a denominator: a second spectrum, or --over NAME, and not both")
    if options.over is not None and (options.above_options or options.below_options):
        raise InputError("boost: --above and --below are for snapshots: must not be given with --over")
    if options.over is not None:
        require_not_given(options, RATIO_OPTIONS, "beside a second spectrum, not with --over")
        of_snapshots = [name for name in (*MEASURED, "format", *METAVARS) if name != "redshift"]
        require_not_given(options, of_snapshots, "for snapshots, not with --over")
    else:
        require_not_given(options, ("m22", "object"), "with --over")
    require_figure(output, options)
    if not output.exists() or (output.is_file() and not output.stat().st_size):
        return None
    try:
        return read_written_boost(output)
    except InputError:
        raise not_replaced(output) from None


def _of_half(options: Namespace, half: str) -> Namespace:
    """The options of the snapshot in one half of the ratio."""
    chosen = vars(with_options(options, f"--{half}", getattr(options, f"{half}_options")))
    # ranks send it to each other: without the parser and the module of the command
    return Namespace(**{name: value for name, value in chosen.items() if name not in ("parser", "command")})
