"""Arguments that several subcommands have, the checks of them, and lines that several print."""

import logging
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..errors import InputError
from .terminal import show

if TYPE_CHECKING:
    from ..config.config import Config, Override
    from ..inference.prediction import Predicted
    from ..parallel.backend import CPU, GPU
    from ..parallel.ranks import Ranks
    from ..pipeline.snapshot import Measurement, SnapshotPower
    from ..snapshots.options import SnapshotOptions

AXES = ("x", "y", "z")
FIGURE_FORMATS = ("png", "pdf", "svg")
SOURCE = "a table (.csv, .ecsv), a spectrum in a result file (out/result.hdf5:power/fdm), or a snapshot"
METAVARS = {  # of the options of a snapshot
    "dataset": "NAME",
    "field": "NAME",
    "box_size": "X[,Y,Z]",
    "redshift": "Z",
    "h": "H",
    "unit_length": "X",
    "particle_type": "N",
    "level": "N",
}
MEASURED = {  # options of how a snapshot is measured, and their defaults
    "bin_width": 1.0,
    "cells": None,
    "assignment": "tsc",
    "no_interlacing": False,
    "shot_noise": False,
    "backend": "auto",
}


def file_name(text: str) -> str:
    """The type of arguments that name a file: shells complete them."""
    return text


def add_set_option(parser: ArgumentParser) -> None:
    """Add --set."""
    text = "replace a value of the ini; may be given several times"
    parser.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help=text)


def add_model_options(
    parser: ArgumentParser, text: str = "ini of the model (default: the defaults of its sections)"
) -> None:
    """Add the options that config.read_model takes;  text  help of --config."""
    parser.add_argument("--config", type=file_name, metavar="INI", help=text)
    text = "named cosmology, as Planck18, or ini file whose [cosmology] replaces that of --config but for its redshift"
    parser.add_argument("--cosmology", type=file_name, metavar="NAME|INI", help=text)
    add_set_option(parser)


def model_overrides(options: Namespace, given: "Iterable[Override]" = ()) -> "list[str]":
    """What --cosmology, other options and --set replace in an ini of a model: --set comes last.

    given  by the other options
    """
    from ..config.config import cosmology_overrides

    cosmology = [] if options.cosmology is None else cosmology_overrides(options.cosmology, options.set)
    return [*cosmology, *given, *options.set]


def add_bin_options(parser: ArgumentParser) -> None:
    """Add the options that inference.forecast.Bins takes."""
    parser.add_argument("--k-min", type=float, default=30.0, metavar="K", help="first k [h/Mpc] (default: 30)")
    parser.add_argument("--k-max", type=float, default=300.0, metavar="K", help="largest k [h/Mpc] (default: 300)")
    parser.add_argument("--width", type=float, default=0.14, metavar="W", help="width of bins in ln k (default: 0.14)")
    parser.add_argument("--error", type=float, default=0.05, metavar="E", help="relative error (default: 0.05)")


def overrides_of(options: Namespace, **keys: str) -> "list[Override]":
    """What options that are given replace in an ini;  keys  "section.key" by name of the option."""
    from ..config.config import Override

    given = {name: getattr(options, name) for name in keys if getattr(options, name) is not None}
    return [Override(keys[name], value, f"--{name.replace('_', '-')}") for name, value in given.items()]


def made_by(options: Namespace) -> str:
    """Program, version and command line, for the header of a table."""
    return f"gpu_fdm {__version__}: {options.command_line}"


def doubts_of_bosons(predicted: "list[Predicted]") -> list[str]:
    """What is to be said of filaments that their modes do not describe; lines of several redshifts name theirs."""
    several = len(predicted) > 1
    return [
        f"m22 = {boson.m22:g}{f', z = {at_redshift.redshift:g}' if several else ''}: {line}"
        for at_redshift in predicted
        for boson in at_redshift.bosons
        for line in boson.doubts
    ]


def named_doubts(doubts: Iterable[str]) -> dict[str, str]:
    """Doubts by their names in the header of a table."""
    return {f"doubt_{number}": line for number, line in enumerate(doubts, 1)}


def header_of(options: Namespace, config: "Config", doubts: Iterable[str] = ()) -> list[str]:
    """Lines of the header of a CSV table that say how it was made: made_by, the model, and doubts of it."""
    from ..inference.model_keys import model_in_words
    from ..io.tables import without_formulas

    about = {"made_by": made_by(options)} | model_in_words(config) | named_doubts(doubts)
    return [f"# {name}: {without_formulas(text)}" for name, text in about.items()]


def require_output(output: Path, endings: tuple[str, ...], *sources: Path, option: str = "--output") -> None:
    """InputError, which names the option, for a file with another ending, or that is one of those that are read."""
    if output.suffix.lower() not in endings:
        raise InputError(f"{option} {output}: must end in {' or '.join(endings)}")
    if any(output.exists() and source.exists() and output.samefile(source) for source in sources):
        raise InputError(f"{option} {output}: must not be a file that is read")


def require_table_and_figure(output: Path, mark: bytes, options: Namespace) -> None:
    """Refuse a table and its figure that cannot be written, or that others wrote."""
    from ..io.ownership import require_own
    from ..io.result_file import require_writable

    require_writable(output.parent)
    require_own(output, mark)
    require_figure(output, options)


def require_figure(table: Path, options: Namespace) -> None:
    """Refuse the figure of a table, unless dpi is 0, where others wrote a file of its name."""
    from ..io.ownership import figure_mark, require_own

    if options.dpi:
        figure = figure_of(table, options)
        require_own(figure, figure_mark(figure))


def add_measurement_options(parser: ArgumentParser) -> None:
    """Add the options that say how a snapshot is read and measured."""
    text = "width of bins of k [2 pi / longest side of the box] (default: 1)"
    parser.add_argument("--bin-width", type=float, default=MEASURED["bin_width"], metavar="W", help=text)
    text = "cells along the longest side of the grid for particles (default: cube root of their number)"
    parser.add_argument("--cells", type=int, metavar="N", help=text)
    text = "mass assignment of particles: ngp, cic, tsc or pcs (default: tsc)"
    parser.add_argument("--assignment", default=MEASURED["assignment"], metavar="NAME", help=text)
    text = "assign particles to one grid instead of two interlaced ones"
    parser.add_argument("--no-interlacing", action="store_true", help=text)
    parser.add_argument("--shot-noise", action="store_true", help="do not subtract the shot noise of particles")
    text = "device to compute on (default: auto, a GPU where there is one)"
    parser.add_argument("--backend", choices=("auto", "cpu", "gpu"), default=MEASURED["backend"], help=text)
    add_snapshot_options(parser)


def add_snapshot_options(parser: ArgumentParser) -> None:
    """Add the options that say how a snapshot is read."""
    import attrs

    from ..snapshots.options import SnapshotOptions, flag

    group = parser.add_argument_group("how the snapshot is read", "an option overrides the value in the file")
    group.add_argument("--format", metavar="NAME", help="format of the snapshot (default: recognised from the file)")
    for item in attrs.fields(SnapshotOptions):
        unit = f" [{item.metadata['unit']}]" if item.metadata["unit"] else ""
        action = "append" if item.name == "dataset" else "store"
        text = item.metadata["description"] + unit
        group.add_argument(flag(item.name), action=action, metavar=METAVARS[item.name], help=text)


def snapshot_options(options: Namespace) -> "SnapshotOptions":
    """How to read a snapshot; InputError for a value out of range."""
    from ..snapshots.options import SnapshotOptions

    return SnapshotOptions.from_text(vars(options))


def measurement(options: Namespace) -> "Measurement":
    """How to measure a snapshot; InputError for a value out of range."""
    from ..pipeline.snapshot import Measurement

    return Measurement(
        cells=options.cells,
        assignment=options.assignment,
        interlaced=not options.no_interlacing,
        shot_noise=options.shot_noise,
        bin_width=options.bin_width,
    )


def with_options(options: Namespace, option: str, texts: Iterable[str]) -> Namespace:
    """The options with others for one snapshot, NAME=VALUE as they are on the command line without --.

    option  that gives them, for messages
    Raises InputError for one that is none of a snapshot.
    """
    changed: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        key = name.replace("-", "_")
        if not equals or key not in (*METAVARS, "format"):
            known = ", ".join(other.replace("_", "-") for other in (*METAVARS, "format"))
            raise InputError(f"{option} {text}: must be NAME=VALUE, with one of {known}")
        changed[key] = [*changed.get(key, []), value] if key == "dataset" else value
    return Namespace(**vars(options) | changed)


def chosen_once(options: Namespace, ranks: "Ranks") -> "Callable[[], CPU | GPU]":
    """The function that chooses the backend where it is first needed; all ranks call it."""

    @cache
    def backend() -> "CPU | GPU":
        from ..parallel.choice import choose_on_ranks

        return choose_on_ranks(options.backend, None, ranks)

    return backend


def snapshot_measurer(
    options: Namespace, ranks: "Ranks", backend: "Callable[[], CPU | GPU]"
) -> "Callable[[Path], SnapshotPower]":
    """The function that measures the snapshot at a path as the options say; all ranks call both.

    backend  as chosen_once returns it
    Raises InputError for a value out of range.
    """
    how, about = ranks.on_root(lambda: (measurement(options), snapshot_options(options)))

    def measure(path: Path) -> "SnapshotPower":
        from ..pipeline.snapshot import snapshot_power

        return snapshot_power(path, options.format, about, how, ranks, backend())

    return measure


RATIO_OPTIONS = ("numerator", "denominator", "allow")


def add_ratio_options(parser: ArgumentParser) -> None:
    """Add the options that name numerator and denominator of a ratio, and say what may differ between them."""
    parser.add_argument("--numerator", metavar="NAME", help="name of what the numerator is a spectrum of: fdm ...")
    text = "name of what the denominator is a spectrum of: smooth, cdm, n-body ..."
    parser.add_argument("--denominator", metavar="NAME", help=text)
    text = "allow box_size, redshift, m22 or object to differ between the two; may be given several times"
    parser.add_argument("--allow", action="append", default=[], metavar="NAME", help=text)


def check_ratio_options(options: Namespace) -> None:
    """InputError for the options of add_ratio_options, before anything is measured."""
    from ..comparison.sources import require_names
    from ..spectra.boost import require_allowed

    require_names(options.numerator, options.denominator)
    require_allowed(options.allow)


def require_not_given(options: Namespace, names: Iterable[str], where: str) -> None:
    """InputError for the first of these options that is given, since it counts `where` it says alone."""
    from ..snapshots.options import flag

    for name in names:
        value = getattr(options, name)
        if value is None or value in ("", []) or (name in MEASURED and value == MEASURED[name]):
            continue
        if isinstance(value, bool):
            text = flag(name if value else f"no_{name}")
        else:
            text = f"{flag(name)} {' '.join(value) if isinstance(value, list) else value}"
        raise InputError(f"{text}: counts only {where}")


def add_dpi_option(parser: ArgumentParser, optional: bool = False) -> None:
    """Add the resolution of a figure; 0 draws none where the figure is optional."""
    text = f"resolution of the figure, in dots per inch{'; 0 draws none' if optional else ''} (default: 200)"
    parser.add_argument("--dpi", type=int, default=200, help=text)


def add_figure_options(parser: ArgumentParser, optional: bool = True) -> None:
    """Add format and resolution of figures that are not of a result, which gpu-fdm plot draws in any format."""
    text = "format of the figure: png, pdf or svg (default: png)"
    parser.add_argument("--figure-format", choices=FIGURE_FORMATS, default=FIGURE_FORMATS[0], help=text)
    add_dpi_option(parser, optional)


def figure_of(table: Path, options: Namespace) -> Path:
    """The figure of a table: its name with the ending of the format."""
    return table.with_suffix(f".{options.figure_format}")


def check_dpi(dpi: int, optional: bool = False) -> None:
    """InputError for a resolution out of range; 0 is within it where the figure is optional."""
    if not 20 <= dpi <= 1200 and not (optional and dpi == 0):
        raise InputError(f"--dpi {dpi}: must be {'0, or ' if optional else ''}in [20, 1200]")


def print_figures(paths: Iterable[Path]) -> None:
    """Print where figures are, and what they show."""
    from ..pipeline.stages import figures
    from ..plots import what_shows

    for path in paths:
        show(f"figure: {path}  {what_shows(path, figures())}".rstrip())


@contextmanager
def warnings_only() -> Iterator[None]:
    """Log no more than warnings."""
    ours = logging.getLogger("gpu_fdm")
    level = ours.level
    ours.setLevel(logging.WARNING)
    try:
        yield
    finally:
        ours.setLevel(level)
