"""What several subcommands share: options of snapshots, of ratios and of figures, and what is printed of results."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ..errors import InputError
from ..snapshots.options import SnapshotOptions, flag

if TYPE_CHECKING:
    from ..parallel.backend import CPU, GPU
    from ..parallel.ranks import Ranks
    from ..pipeline.snapshot import Measurement, SnapshotPower
    from ..spectra.features import Features

AXES = ("x", "y", "z")
SOURCE = "table (.csv, .ecsv), FILE:place of a result (out/result.hdf5:power/fdm), or a snapshot"
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


def file_name(text: str) -> str:
    """The type of an argument that names a file, which shells complete."""
    return text


def add_measurement_options(parser: ArgumentParser) -> None:
    """Add the options that say how a snapshot is read and measured."""
    parser.add_argument("--bin-width", type=float, default=1.0, metavar="W", help="[2 pi / largest side] (default: 1)")
    parser.add_argument("--mu-bins", type=int, metavar="N", help="also P(k, mu) in N bins of mu")
    parser.add_argument("--multipoles", action="store_true", help="also P_0, P_2, P_4")
    parser.add_argument("--axis", choices=AXES, default="z", help="from which mu is counted (default: z)")
    parser.add_argument("--cells", type=int, metavar="N", help="a side of the grid for particles")
    parser.add_argument("--assignment", default="tsc", metavar="NAME", help="ngp, cic, tsc or pcs (default: tsc)")
    parser.add_argument("--no-interlacing", action="store_true", help="one grid for particles instead of two")
    parser.add_argument("--shot-noise", action="store_true", help="leave the shot noise of particles in")
    parser.add_argument("--backend", choices=("auto", "cpu", "gpu"), default="auto", help="(default: auto)")
    group = parser.add_argument_group("what the file does not say")
    group.add_argument("--format", metavar="NAME", help="of the snapshot; by default the one that knows the file")
    for item in attrs.fields(SnapshotOptions):
        unit = f" [{item.metadata['unit']}]" if item.metadata["unit"] else ""
        action = "append" if item.name == "dataset" else "store"
        text = item.metadata["description"] + unit
        group.add_argument(flag(item.name), action=action, metavar=METAVARS[item.name], help=text)


def snapshot_options(options: Namespace) -> SnapshotOptions:
    """How to read a snapshot; InputError for a value out of range."""
    texts = dict(vars(options))
    if texts["dataset"] is not None:
        texts["dataset"] = tuple(texts["dataset"])
    return SnapshotOptions.from_text(texts)


def measurement(options: Namespace) -> "Measurement":
    """How to measure a snapshot; InputError for a value out of range."""
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


def snapshot_measurer(options: Namespace, ranks: "Ranks") -> "Callable[[Path], SnapshotPower]":
    """The function that measures the snapshot at a path as the options say; all ranks call both.

    Raises InputError for a value out of range.
    """
    how, about = ranks.on_root(lambda: (measurement(options), snapshot_options(options)))

    @cache
    def backend() -> "CPU | GPU":
        from ..parallel.backend import choose_on_ranks

        return choose_on_ranks(options.backend, None, ranks)

    def measure(path: Path) -> "SnapshotPower":
        from ..pipeline.snapshot import snapshot_power

        return snapshot_power(path, options.format, about, how, ranks, backend())

    return measure


def add_ratio_options(parser: ArgumentParser) -> None:
    """Add the options that name both halves of a ratio, and what of them may differ."""
    parser.add_argument("--numerator", metavar="NAME", help="what the spectrum above is of, in a word")
    parser.add_argument("--denominator", metavar="NAME", help="what the spectrum below is of: smooth, cdm, n-body ...")
    allowed = "box_size, redshift, m22"
    parser.add_argument("--allow", action="append", default=[], metavar="NAME", help=f"to differ: {allowed}")


def check_dpi(dpi: int, optional: bool = False) -> None:
    """InputError for a resolution that no figure can have; 0, no figure, is one where it is optional."""
    if not 20 <= dpi <= 1200 and not (optional and dpi == 0):
        raise InputError(f"--dpi {dpi}: must be {'0, or ' if optional else ''}in [20, 1200]")


def print_figures(figures: Iterable[Path]) -> None:
    """Print where figures are, and what they show."""
    figures = list(figures)
    if figures:
        from ..plots import shown_in

        for figure in figures:
            print(f"figure: {figure}  {shown_in(figure)}".rstrip())


def features_in_words(features: "Features") -> str:
    """Where a boost detaches, its largest value, and how it falls from there."""
    detach = "does not detach"
    if features.k_detach is not None:
        detach = f"detaches ({features.threshold:g} times) at {features.k_detach:.4g} h/Mpc"
    end = ", its last row" if features.at_end else ""
    slope = "" if features.slope is None else f", then falls with slope {features.slope:.3g}"
    return f"{detach}, largest {features.height:.4g} at {features.k_peak:.4g} h/Mpc{end}{slope}"
