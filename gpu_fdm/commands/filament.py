"""gpu-fdm filament: find filaments in a snapshot of a simulation, and measure them around straight axes."""

import logging
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .shared import add_dpi_option, add_snapshot_options, check_dpi, file_name, require_output, snapshot_options
from .terminal import show

if TYPE_CHECKING:
    from ..cosmic_web.axis import Axis
    from ..cosmic_web.tracing import Ridge
    from ..parallel.ranks import Ranks
    from ..pipeline.measured_filament import Around, MeasuredFilament
    from ..pipeline.snapshot_ridges import Search, Snapshot

log = logging.getLogger(__name__)

PARALLEL = True
_MOST = 1000  # filaments
_LISTED = 20  # ridges that are printed


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "file, folder or first part of the snapshot; docs/snapshots.md lists the formats"
    parser.add_argument("snapshot", type=file_name, help=text)
    text = "point of the axis [cMpc/h]; the axis goes the shortest way through the periodic box"
    parser.add_argument("--from", dest="begin", metavar="X,Y,Z", help=f"first {text}")
    parser.add_argument("--to", dest="end", metavar="X,Y,Z", help="last point of the axis [cMpc/h]")
    text = "find ridges of the smoothed density, and measure the best N (default: 1 without --from and --to)"
    parser.add_argument("--find", type=int, metavar="N", help=text)
    text = "take the ridges from a skeleton of DisPerSE (NDskl_ascii) instead"
    parser.add_argument("--skeleton", type=file_name, metavar="FILE", help=text)
    parser.add_argument("--list", action="store_true", help="find and list ridges only")
    text = "scale on which ridges are found and axes centred [cMpc/h] (default: 1/64 of the longest side)"
    parser.add_argument("--smooth", type=float, metavar="S", help=text)
    text = "least smoothed density of a ridge over the mean of the box (default: 5)"
    parser.add_argument("--overdensity", type=float, default=5.0, metavar="D", help=text)
    text = "density over the mean of the box from which a place is a halo and left out (default: none is)"
    parser.add_argument("--mask-overdensity", type=float, metavar="D", help=text)
    parser.add_argument(
        "--radius", type=float, metavar="R", help="of the last shell [cMpc/h] (default: 8 times --smooth)"
    )
    parser.add_argument("--slices", type=int, default=24, metavar="N", help="slices along the axis (default: 24)")
    parser.add_argument("--shells", type=int, default=20, metavar="N", help="shells around the axis (default: 20)")
    parser.add_argument("--beta", type=float, default=0.0, metavar="B", help="anisotropy of the cylinder (default: 0)")
    text = (
        "density beside the filament, which is subtracted [mean matter densities] (default: fitted with the cylinder)"
    )
    parser.add_argument("--background", type=float, metavar="D", help=text)
    text = "density of the box [mean matter densities] (default: that in the file, or else 1)"
    parser.add_argument("--mean-density", type=float, metavar="D", help=text)
    text = "boson mass in the ini [1e-22 eV] (default: that of the snapshot, or else 1)"
    parser.add_argument("--m22", type=float, metavar="M", help=text)
    text = "result file to write, .hdf5 or .h5 (default: <snapshot>_filament.hdf5 in the working folder)"
    parser.add_argument("--output", type=file_name, metavar="FILE", help=text)
    add_dpi_option(parser, optional=True)
    add_snapshot_options(parser)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Find, measure, write, draw, and print what was found."""
    from attrs import evolve

    from ..cosmic_web.axis import axis_between
    from ..io.opening import check_digest
    from ..io.result_file import RESULT_ENDINGS, require_writable
    from ..pipeline.snapshot_filament import measure_filaments
    from ..pipeline.snapshot_ridges import find_ridges, ridges_of_skeleton
    from ..snapshots.registry import open_snapshot
    from .power import default_name

    source = Path(options.snapshot)
    output = Path(options.output or default_name(source).removesuffix("_power.hdf5") + "_filament.hdf5")

    def opened() -> "tuple[Snapshot, Search, Around, Axis | None]":
        _check(options)
        require_output(output, RESULT_ENDINGS, source)
        require_writable(output.parent)
        how_read = snapshot_options(options)
        snapshot = open_snapshot(source, options.format, how_read)
        if how_read.field is None and how_read.dataset is None and snapshot.field != "psi" and "psi" in snapshot.fields:
            snapshot = open_snapshot(source, options.format, evolve(how_read, field="psi"))  # has phases too
        search, how = _how(options, snapshot)
        axis = None
        if options.begin is not None:
            begin, end = (_point(flag, text) for flag, text in (("--from", options.begin), ("--to", options.end)))
            axis = axis_between(begin, end, snapshot.box_size, 2 * how.radius)
            _require_own(output)
        return snapshot, search, how, axis

    check_digest(source, ranks)
    snapshot, search, how, axis = ranks.on_root(opened)
    if axis is not None:
        _write(measure_filaments(snapshot, [axis], how, ranks, found=False), [output], options, ranks)
        return
    if options.skeleton:
        ridges = ranks.on_root(lambda: ridges_of_skeleton(Path(options.skeleton), snapshot, search.smooth))
    else:
        ridges = find_ridges(snapshot, search, ranks)
    chosen = ridges[: 1 if options.find is None else options.find]
    paths = [output.with_name(f"{output.stem}_{number}{output.suffix}") for number in range(len(chosen))]
    ranks.on_root(lambda: _list(ridges, output.with_name(f"{output.stem}s.csv"), snapshot, search, options))
    if not options.list:
        ranks.on_root(lambda: _require_own(*paths))
        measured = 0
        for number, (ridge, path) in enumerate(zip(chosen, paths, strict=True)):
            try:
                found = measure_filaments(snapshot, [ridge.axis], how, ranks, found=True)
            except InputError as error:  # the same on all ranks
                if not measured and number == len(chosen) - 1:
                    raise
                if ranks.is_root:
                    log.warning("ridge %d is not measured: %s", number, error)
                continue
            measured += 1
            _write(found, [path], options, ranks)


def _check(options: Namespace) -> None:
    """InputError for options that are out of range, or do not go together."""
    from ..config.section import BOSON_MASS

    check_dpi(options.dpi, optional=True)
    if (options.begin is None) != (options.end is None):
        raise InputError("--from and --to: must be given together")
    if options.begin is not None and (options.find is not None or options.skeleton or options.list):
        raise InputError("--from: must not be given with --find, --skeleton or --list: the axis is known")
    if options.find is not None and not 1 <= options.find <= _MOST:
        raise InputError(f"--find {options.find}: must be in [1, {_MOST}]")
    for flag, value, low, high in (
        ("--slices", options.slices, 8, 1000),
        ("--shells", options.shells, 9, 200),
        ("--overdensity", options.overdensity, 0.0, 1e9),
        ("--mask-overdensity", options.mask_overdensity, 1e-3, 1e12),
        ("--background", options.background, 0.0, 1e9),
        ("--mean-density", options.mean_density, 1e-9, 1e9),
        ("--m22", options.m22, BOSON_MASS.low, BOSON_MASS.high),
    ):
        if value is not None and not low <= value <= high:
            raise InputError(f"{flag} {value:g}: must be in [{low:g}, {high:g}]")
    if not 0 <= options.beta < 1:
        raise InputError(f"--beta {options.beta:g}: must be in [0, 1)")


def _how(options: Namespace, snapshot: "Snapshot") -> "tuple[Search, Around]":
    """How to find and to measure; InputError for a length that is out of range."""
    from ..pipeline.measured_filament import RADIUS_SHARE, Around
    from ..pipeline.snapshot_ridges import Search, smooth_of

    smooth = smooth_of(snapshot, options.smooth)
    shortest = min(snapshot.box_size)
    radius = min(RADIUS_SHARE * smooth, shortest / 4) if options.radius is None else options.radius
    if not 2 * smooth <= radius <= shortest / 2:
        raise InputError(
            f"--radius {radius:g}: must be in [{2 * smooth:.4g}, {shortest / 2:.4g}] cMpc/h, twice --smooth to half of "
            "the box"
        )
    mask = options.mask_overdensity
    around = Around(
        smooth, radius, options.slices, options.shells, options.beta, options.background, mask, options.mean_density
    )
    return Search(smooth, options.overdensity, mask), around


def _point(flag: str, text: str) -> list[float]:
    """The three numbers of a point; InputError for others."""
    import math

    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3 or not all(math.isfinite(value) for value in values):
        raise InputError(f"{flag} {text}: must be three numbers, X,Y,Z [cMpc/h]")
    return values


def _require_own(*outputs: Path) -> None:
    """InputError where a file of others would be replaced."""
    from ..io.ownership import require_own
    from ..io.result_file import require_result
    from ..pipeline.snapshot_filament_files import INI_MARK, PROFILE_MARK
    from ..plots import require_own_figures
    from ..plots.measured_figures import FIGURES

    for output in outputs:
        require_result(output)
        require_own(output.with_suffix(".csv"), PROFILE_MARK)
        require_own(output.with_suffix(".ini"), INI_MARK)
        require_own_figures(output, FIGURES)


def _list(ridges: "list[Ridge]", path: Path, snapshot: "Snapshot", search: "Search", options: Namespace) -> None:
    """Write and print the list of ridges; InputError where there is none."""
    from ..pipeline.snapshot_filament_files import write_list

    if not ridges:
        where = options.skeleton or snapshot.path
        raise InputError(
            f"{where}: no straight ridge of {8 * search.smooth:.3g} cMpc/h or more (--smooth {search.smooth:.4g}, "
            f"--overdensity {search.overdensity:g}: there may be more above a smaller one)"
        )
    write_list(path, ridges, snapshot.box_size, not options.skeleton)
    noun = "ridge" if len(ridges) == 1 else "ridges"
    what = options.skeleton or f"the density smoothed at {search.smooth:.4g} cMpc/h"
    units = "lengths in cMpc/h, curvatures in h/cMpc"
    if not options.skeleton:
        units += ", line masses in mean densities of the box times (cMpc/h)^2"
    show(f"{len(ridges)} {noun} of {what}; {units}")
    print("number  length  straightness  curvature  line mass  from                      to")
    for number, ridge in enumerate(ridges[:_LISTED]):
        axis = ridge.axis
        begin, end = (
            ",".join(f"{value:.4g}" for value in point % snapshot.box_size) for point in (axis.begin, axis.end)
        )
        line_mass = "-" if options.skeleton else f"{ridge.line_mass:.3g}"
        print(
            f"{number:6}  {axis.length:6.4g}  {ridge.straightness:12.4f}  {ridge.curvature:9.3g}  "
            f"{line_mass:>9}  {begin:24}  {end}"
        )
    others = len(ridges) - _LISTED
    show(f"list: {path}{f', with {others} more' if others > 0 else ''}")


def _write(found: "list[MeasuredFilament]", paths: list[Path], options: Namespace, ranks: "Ranks") -> None:
    """Write, draw and print filaments."""
    from ..io.result_file import atomic_result
    from ..io.schema import MEASURED_FILAMENT
    from ..parallel.backend import CPU
    from ..pipeline.snapshot_filament_files import write_ini, write_measured, write_profile
    from ..plots import draw
    from ..plots.measured_figures import FIGURES

    for filament, path in zip(found, paths, strict=True):
        with atomic_result(path, "", seed=1, ranks=ranks, schema=MEASURED_FILAMENT, **CPU().provenance) as file:
            write_measured(file, filament)
        if not ranks.is_root:
            continue
        table, ini = path.with_suffix(".csv"), path.with_suffix(".ini")
        m22 = options.m22 or filament.snapshot.m22 or 1.0
        write_profile(table, filament)
        write_ini(ini, filament, table, m22, path)
        for line in _lines(filament):
            show(line)
        show(f"result: {path}\nprofile: {table}\nini: {ini}, m22 = {m22:g}")
        if options.dpi:
            for figure in draw(path, FIGURES, options.dpi):
                show(f"figure: {figure}")


def _lines(found: "MeasuredFilament") -> list[str]:
    """What was measured, in words."""
    import numpy as np

    from ..pipeline.measured_filament import CONSTANTS
    from ..pipeline.snapshot_filament import axis_in_words
    from ..pipeline.snapshot_filament_files import omega_m_of
    from ..units import mean_matter_density

    snapshot, profile, cylinder, shells = found.snapshot, found.profile, found.cylinder, found.shells
    a, omega_m = 1 / (1 + snapshot.redshift), omega_m_of(snapshot)
    unit = mean_matter_density(omega_m)
    (r0, r0_error), (sigma, sigma_error) = cylinder.r0(a), cylinder.sigma(a, omega_m)
    particles = "" if found.particles is None else f", {found.particles} particles"
    lines = [
        f"filament of {found.length:.4g} cMpc/h at z = {snapshot.redshift:.4g}, measured from "
        f"{axis_in_words(found.axis)}{particles}",
        f"line mass within {shells.edges[-1]:.3g} cMpc/h: {unit * profile.line_mass:.4g} +- "
        f"{unit * profile.line_mass_error:.2g} (Msun/h)/(cMpc/h), from slice to slice {profile.variation:.1%}; "
        f"subtracted: {cylinder.background:.3g} +- {cylinder.errors[2]:.2g} mean matter densities",
        f"cylinder: r0 = {r0:.4g} +- {r0_error:.2g} Mpc/h (physical), sigma = {sigma:.4g} +- {sigma_error:.2g} km/s; "
        f"errors from {shells.drawn}",
        f"centres of slices: {found.centres.scatter:.3g} cMpc/h off the axis (rms), curvature "
        f"{found.curvature:.3g} h/cMpc",
    ]
    ratios = found.roundness.ratios[np.isfinite(found.roundness.ratios)]
    if len(ratios):
        low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
        text = (
            f"axis ratio b/a across it: {found.roundness.whole:.3g}, of slices {middle:.3g} ({low:.3g} to {high:.3g})"
        )
        lines.append(text)
    if found.closed:
        lines.append("it goes through the whole periodic box and meets itself: it is measured once")
    if not found.mean_is_known:
        lines.append("the box has the mean matter density, as far as is known (--mean-density)")
    elif found.how.mean is None and abs(found.mean - 1) > CONSTANTS:
        lines.append(f"the box has {found.mean:.4g} of the mean matter density, as its file says (--mean-density)")
    if found.momenta is not None:
        m, name = found.momenta, found.momentum_unit
        share = f", {m.across / sigma:.2g} of sigma" if name == "km/s" else ""
        across = f"{m.across:.4g} across it{share}"
        lines.append(f"mean along the axis {m.streaming:.4g} {name}, dispersion {m.along:.4g} along, {across}")
    else:
        what = "velocities" if snapshot.kind == "particles" else "phases"
        lines.append(f"no {what} in {snapshot.field}: streaming and dispersion are not measured")
    if shells.drawn == "sectors":
        lines.append("the density is the same along the axis: errors are from sectors around it, and see no rings")
    if not shells.used.all():
        lines.append(
            f"{1 - shells.used.mean():.0%} of the parts by slice and sector are left out: something else is there"
        )
    return lines
