"""gpu-fdm combinations: which combinations of parameters P(k) or a boost of given errors measures, and how well."""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .shared import (
    add_bin_options,
    add_figure_options,
    add_model_options,
    check_dpi,
    figure_of,
    file_name,
    header_of,
    model_overrides,
    require_output,
    require_table_and_figure,
)
from .terminal import show

if TYPE_CHECKING:
    from ..learn.combinations import Combinations

log = logging.getLogger(__name__)

PARALLEL = False
MARK = b"# combinations by gpu-fdm"  # of its tables
MOST = 100_000  # points
OF_TABLE = ("linear_power = table: its rows are the same at all omega_m; ln10As and n_s are held",)


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "what is measured: power (of matter), or denominators of boosts: smooth, n-body, cdm, wdm, linear-cdm "
    parser.add_argument("--of", default="power,smooth", metavar="NAME,...", help=f"{text}(default: power,smooth)")
    text = (
        "first and last value of a parameter, or the value at which it is held: m22, redshift, ln10As, n_s, omega_m, "
    )
    text += "mass_min, mass_max, filament_fraction; may be given several times (default: about the values of the ini, "
    text += "m22 from 1 to 4)"
    parser.add_argument("--range", action="append", default=[], metavar="NAME=A,B", help=text)
    add_bin_options(parser)
    text = "number of points in the ranges at which derivatives are taken (default: 64)"
    parser.add_argument("--points", type=int, default=64, metavar="N", help=text)
    add_model_options(parser)
    text = "table to write, .csv (default: combinations.csv); the figure has its name"
    parser.add_argument("--output", type=file_name, default="combinations.csv", metavar="FILE", help=text)
    add_figure_options(parser)


def execute(options: Namespace) -> None:
    """Compute, print, write and draw."""
    from ..config.config import read_model
    from ..inference.allowed import denominators
    from ..inference.combinations import Box, PopulationModel, combinations, ends_of
    from ..inference.forecast import CAVEATS, LEFT_OUT, Bins
    from ..inference.model_keys import filaments_of
    from ..inference.prediction import Prediction
    from ..inference.reach import doubts_of_box
    from ..learn.combinations import POWER
    from ..parallel.blas import on_one_thread
    from ..pipeline.progress import progress

    output, ranges = Path(options.output), _ranges(options.range)
    require_output(output, (".csv",))
    if not 1 <= options.points <= MOST:
        raise InputError(f"--points {options.points}: must be in [1, {MOST}]")
    check_dpi(options.dpi, optional=True)
    require_table_and_figure(output, MARK, options)
    bins = Bins(options.k_min, options.k_max, options.width, options.error)
    config = read_model(options.config, model_overrides(options))
    of = tuple(name.strip() for name in options.of.split(","))
    known = POWER, *denominators(filaments_of(config))
    if unknown := [name for name in of if name not in known]:
        raise InputError(f"--of {options.of}: {unknown[0]} must be one of {', '.join(known)}")
    if len(set(of)) < len(of):
        raise InputError(f"--of {options.of}: must not name a quantity twice")
    ends_of(config, ranges)  # what is wrong with them is told before CAMB runs
    box = Box.of(Prediction.of(config, ranges.get("redshift", (None,))[0], bins.k), ranges)
    model = PopulationModel(config, bins.k, box, of)
    doubts = on_one_thread(doubts_of_box)(model)
    for line in doubts:
        log.warning("%s", line)
    with progress("points", 1 + len(box.points(options.points))) as step:
        found = on_one_thread(combinations)(model, bins, options.points, step)
    lines = [
        f"{len(bins.k)} bins of {bins.width:g} in ln k at {bins.k[0]:.4g} to {bins.k[-1]:.4g} h/Mpc, each to "
        f"{100 * bins.error:.3g} %",
        box.text,
        *(OF_TABLE if config.cosmology.of_table else ()),
        *(line for each in found for line in each.lines()),
        f"[{LEFT_OUT}] all of it {CAVEATS}",
    ]
    show("\n".join(lines))
    _write(found, [*lines, *(line.removeprefix("# ") for line in header_of(options, config, doubts))], output)
    show(f"table: {output}")
    if options.dpi:
        from ..plots.combinations import draw_combinations

        show(f"figure: {draw_combinations(found, lines[0], figure_of(output, options), options.dpi)}")


def _ranges(texts: list[str]) -> dict[str, tuple[float, float]]:
    """First and last value of parameters, by name."""
    found = {}
    for text in texts:
        name, _, ends = text.partition("=")
        try:
            values = [float(end) for end in ends.split(",")]
        except ValueError:
            values = []
        if len(values) not in (1, 2) or name in found:
            raise InputError(f"--range {text}: must be NAME=FIRST,LAST or NAME=VALUE, once for each name")
        found[name] = (values[0], values[-1])
    return found


def _write(found: "list[Combinations]", lines: list[str], path: Path) -> None:
    """A row for each combination, of the box and of its middle, with powers of the parameters."""
    from ..io.atomic import atomic_write

    columns = ["of", "where", "combination", "range_over_error", "error", *found[0].names]
    text = [MARK.decode(), *(f"# {line}" for line in lines)]
    text += ["# error: of ln of the product of powers (1 + z of redshift, A_s of ln10As)", ",".join(columns)]
    for each in found:
        for where, basis in (("box", each.whole), ("middle", each.local)):
            rows = zip(basis.importance**0.5, each.deviations(basis), each.powers(basis), strict=True)
            for number, (ratio, error, powers) in enumerate(rows, 1):
                numbers = [repr(float(value)) for value in (ratio, error, *powers)]
                text.append(",".join([each.of, where, str(number), *numbers]))
    with atomic_write(path) as part:
        part.write_text("\n".join(text) + "\n", encoding="utf-8")
