"""gpu-fdm power: measure the power spectrum of a snapshot of a simulation, or of a box."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .cross import (
    add_cross_options,
    check_cross_options,
    is_crossed,
    other_options,
    other_source,
    show_cross,
)
from .shared import (
    AXES,
    add_dpi_option,
    add_measurement_options,
    check_dpi,
    file_name,
    made_by,
    measurement,
    print_figures,
    require_output,
    snapshot_options,
)
from .terminal import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..parallel.ranks import Ranks
    from ..pipeline.snapshot import Measurement, SnapshotPower
    from ..pipeline.snapshot_cross import AnySnapshot

PARALLEL = True
STORAGE_ENDINGS = (".hdf5", ".h5", ".npy", ".npz", ".mat")


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "file, folder or first part of the snapshot; docs/snapshots.md lists the formats"
    parser.add_argument("snapshot", type=file_name, help=text)
    text = "result file to write, .hdf5 or .h5 (default: <snapshot>_power.hdf5, of two <snapshot>_cross.hdf5, in the "
    text += "working folder)"
    parser.add_argument("--output", type=file_name, metavar="FILE", help=text)
    text = "also write P(k) with its errors as a table, .csv or .ecsv: for other programs, gpu-fdm fit and boost"
    parser.add_argument("--table", type=file_name, metavar="FILE", help=text)
    text = "what the table is of, fdm for gpu-fdm fit (default: the field of the snapshot)"
    parser.add_argument("--of", metavar="NAME", help=text)
    add_dpi_option(parser, optional=True)
    parser.add_argument("--mu-bins", type=int, metavar="N", help="measure and draw also P(k, mu) in N bins of mu")
    text = "measure and draw also the multipoles P_0, P_2 and P_4"
    parser.add_argument("--multipoles", action="store_true", help=text)
    text = "line of sight of mu and of the multipoles (default: z)"
    parser.add_argument("--axis", choices=AXES, default="z", help=text)
    add_cross_options(parser)
    add_measurement_options(parser)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Measure, write, draw, and print what was found."""
    from ..io.opening import check_digest
    from ..io.result_file import RESULT_ENDINGS, atomic_result, require_result, require_writable
    from ..io.schema import MEASUREMENT
    from ..parallel.choice import choose_on_ranks
    from ..pipeline.power import PowerStage
    from ..pipeline.snapshot import measured_power, write_snapshot_power
    from ..pipeline.snapshot_cross import common_box, measured_cross, require_pair, write_snapshot_cross
    from ..plots import draw, require_own_figures
    from ..snapshots.registry import open_snapshot

    crossed = is_crossed(options)
    source, other = Path(options.snapshot), other_source(options)
    output = Path(options.output or default_name(source, "cross" if crossed else "power"))

    def opened() -> "tuple[Measurement, AnySnapshot, AnySnapshot | None]":
        check_dpi(options.dpi, optional=True)
        require_output(output, RESULT_ENDINGS, source, other)
        if options.mu_bins is not None and not 1 <= options.mu_bins <= 1000:
            raise InputError(f"--mu-bins {options.mu_bins}: must be in [1, 1000]")
        angles = {"mu_bins": options.mu_bins, "axis": AXES.index(options.axis), "multipoles": options.multipoles}
        how, about = replace(measurement(options), **angles), snapshot_options(options)
        require_writable(output.parent)
        _check_table(options, crossed, source)
        if options.dpi:
            require_own_figures(output, PowerStage.figures)
        snapshot, second = open_snapshot(source, options.format, about), None
        if crossed:
            check_cross_options(options)
            second = open_snapshot(other, *other_options(options))
            require_pair(snapshot, second)
            common_box(snapshot, second, how)
        if options.output is None and output.exists():
            _require_same(output, snapshot, second)
        require_result(output)
        return how, snapshot, second

    for path in dict.fromkeys((source, other)):
        check_digest(path, ranks)
    how, snapshot, second = ranks.on_root(opened)
    backend = choose_on_ranks(options.backend, None, ranks)
    pair = None if second is None else measured_cross(snapshot, second, how, ranks, backend)
    measured = measured_power(snapshot, how, ranks, backend) if pair is None else pair.first
    with atomic_result(output, "", seed=-1, ranks=ranks, schema=MEASUREMENT, **backend.provenance) as file:
        if pair is None:
            write_snapshot_power(file, measured)
        else:
            write_snapshot_cross(file, pair)
    if not ranks.is_root:
        return
    _show_measured([measured] if pair is None else [pair.first, pair.second])
    if pair is not None:
        show_cross(pair)
    show(f"result: {output}")
    if options.table is not None:
        _write_table(options, measured)
    if options.dpi:
        print_figures(draw(output, PowerStage.figures, options.dpi))


def _check_table(options: Namespace, crossed: bool, source: Path) -> None:
    """InputError for a table that cannot be written, that others wrote, or that there is not."""
    from ..io.ownership import require_own
    from ..io.result_file import require_writable
    from ..io.tables import TABLE_ENDINGS
    from ..spectra.checks import check_name
    from ..spectra.tables import MEASURED_MARK

    if options.table is None:
        if options.of is not None:
            raise InputError(f"--of {options.of}: is the name of what --table is of, which is not given")
        return
    if crossed:
        raise InputError(f"--table {options.table}: must not be given with --cross: a table has one P(k)")
    table = Path(options.table)
    require_output(table, TABLE_ENDINGS, source, option="--table")
    if options.of is not None:
        check_name("--of", options.of)
    require_writable(table.parent)
    require_own(table, MEASURED_MARK)


def _write_table(options: Namespace, measured: "SnapshotPower") -> None:
    """Write P(k) as a table, and print its name."""
    from ..comparison.sources import spectrum_of
    from ..spectra.tables import write_spectrum

    write_spectrum(spectrum_of(measured, options.of), options.table, made_by(options))
    show(f"table: {options.table}")


def _show_measured(several: "Sequence[SnapshotPower]") -> None:
    """Print what was measured of one snapshot, or of two on the same grid."""
    import numpy as np

    from ..io.shot_noise import SUBTRACTED
    from ..snapshots.snapshot import ParticleSnapshot

    numbered = list(zip(("1: ", "2: ") if len(several) > 1 else ("",), several, strict=True))
    for which, measured in numbered:
        snapshot = measured.snapshot
        size = " x ".join(f"{side:g}" for side in snapshot.box_size)
        show(f"{which}{snapshot.format} snapshot, {snapshot.kind}: {size} cMpc/h at z = {snapshot.redshift:.4g}")
        if isinstance(snapshot, ParticleSnapshot):
            left_out = ", ".join(f"{count} of {name}" for name, count in snapshot.others)
            show(f"{snapshot.number} particles of {snapshot.field}{left_out and f'; left out: {left_out}'}")
    spectrum = several[0].spectrum
    show(f"grid: {' x '.join(map(str, spectrum.cells))} cells, Nyquist wavenumber {spectrum.nyquist:.4g} h/cMpc")
    for which, measured in numbered:
        if measured.shot_noise is not None:
            treated = SUBTRACTED[measured.shot_noise_subtracted]
            show(f"{which}shot noise, {treated}: {measured.shot_noise[1]:.4g} (cMpc/h)^3")
    beyond = int(np.count_nonzero(spectrum.k > spectrum.nyquist))
    show(
        f"{len(spectrum.k) - 1} bins, {beyond} of them beyond the Nyquist wavenumber, where some directions are missing"
    )


def default_name(snapshot: Path, what: str = "power") -> str:
    """The name of the result of a snapshot: its name, without an ending that says no more than how it is stored.

    what  power, or cross of two snapshots
    """
    path = snapshot if snapshot.name not in ("", "..") else snapshot.resolve()
    name = path.stem if path.suffix.lower() in STORAGE_ENDINGS else path.name
    return f"{name or 'snapshot'}_{what}.hdf5"


def _require_same(output: Path, snapshot: "AnySnapshot", other: "AnySnapshot | None") -> None:
    """InputError for a file that is not the result of the same snapshots and fields: it would be lost."""
    from ..io import hdf5
    from ..io.schema import POWER

    group = f"{POWER}/{snapshot.field}"
    for path, wanted in ((group, snapshot), (f"{group}_other", other)):
        if wanted is None:
            continue
        stored = field = ""
        if hdf5.is_hdf5(output):
            with hdf5.opened(output) as file:
                node = hdf5.find(file, path)
                stored, field = ("", "") if node is None else (hdf5.text(node, "source"), hdf5.text(node, "of"))
        same = stored and (output.parent / stored).resolve() == Path(wanted.path).resolve()
        if not same or field not in ("", wanted.field):
            what = f"{path} of {stored}" if stored else f"no {path}"
            raise InputError(
                f"{output}: is there already, with {what}: must not be replaced by {path} of {wanted.path}: "
                "give --output"
            )
