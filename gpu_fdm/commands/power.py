"""gpu-fdm power: measure the power spectrum of a snapshot of a simulation, or of a box."""

from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .shared import (
    AXES,
    add_dpi_option,
    add_measurement_options,
    check_dpi,
    file_name,
    measurement,
    print_figures,
    require_output,
    snapshot_options,
)
from .terminal import show

if TYPE_CHECKING:
    from ..parallel.ranks import Ranks
    from ..pipeline.snapshot import Measurement
    from ..snapshots.snapshot import GridSnapshot, ParticleSnapshot

PARALLEL = True
STORAGE_ENDINGS = (".hdf5", ".h5", ".npy", ".npz", ".mat")


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "file, folder or first part of the snapshot; docs/snapshots.md lists the formats"
    parser.add_argument("snapshot", type=file_name, help=text)
    text = "result file to write, .hdf5 or .h5 (default: <snapshot>_power.hdf5 in the working folder)"
    parser.add_argument("--output", type=file_name, metavar="FILE", help=text)
    add_dpi_option(parser, optional=True)
    parser.add_argument("--mu-bins", type=int, metavar="N", help="measure and draw also P(k, mu) in N bins of mu")
    text = "measure and draw also the multipoles P_0, P_2 and P_4"
    parser.add_argument("--multipoles", action="store_true", help=text)
    text = "line of sight of mu and of the multipoles (default: z)"
    parser.add_argument("--axis", choices=AXES, default="z", help=text)
    add_measurement_options(parser)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Measure, write, draw, and print what was found."""
    import numpy as np

    from ..io.opening import check_digest
    from ..io.result_file import RESULT_ENDINGS, atomic_result, require_result, require_writable
    from ..io.schema import MEASUREMENT
    from ..parallel.choice import choose_on_ranks
    from ..pipeline.power import PowerStage
    from ..pipeline.snapshot import measured_power, write_snapshot_power
    from ..plots import draw, require_own_figures
    from ..snapshots.registry import open_snapshot

    source = Path(options.snapshot)
    output = Path(options.output or default_name(source))

    def opened() -> "tuple[Measurement, GridSnapshot | ParticleSnapshot]":
        check_dpi(options.dpi, optional=True)
        require_output(output, RESULT_ENDINGS, source)
        if options.mu_bins is not None and not 1 <= options.mu_bins <= 1000:
            raise InputError(f"--mu-bins {options.mu_bins}: must be in [1, 1000]")
        angles = {"mu_bins": options.mu_bins, "axis": AXES.index(options.axis), "multipoles": options.multipoles}
        how, about = replace(measurement(options), **angles), snapshot_options(options)
        require_writable(output.parent)
        if options.dpi:
            require_own_figures(output, PowerStage.figures)
        snapshot = open_snapshot(source, options.format, about)
        if options.output is None and output.exists():
            _require_same(output, snapshot)
        require_result(output)
        return how, snapshot

    check_digest(source, ranks)
    how, snapshot = ranks.on_root(opened)
    backend = choose_on_ranks(options.backend, None, ranks)
    measured = measured_power(snapshot, how, ranks, backend)
    with atomic_result(output, "", seed=-1, ranks=ranks, schema=MEASUREMENT, **backend.provenance) as file:
        write_snapshot_power(file, measured)
    if not ranks.is_root:
        return
    spectrum = measured.spectrum
    size = " x ".join(f"{side:g}" for side in snapshot.box_size)
    show(f"{snapshot.format} snapshot, {snapshot.kind}: {size} cMpc/h at z = {snapshot.redshift:.4g}")
    if snapshot.kind == "particles":
        left_out = ", ".join(f"{count} of {name}" for name, count in snapshot.others)
        show(f"{snapshot.number} particles of {snapshot.field}{left_out and f'; left out: {left_out}'}")
    show(f"grid: {' x '.join(map(str, spectrum.cells))} cells, Nyquist wavenumber {spectrum.nyquist:.4g} h/cMpc")
    if measured.shot_noise is not None:
        treated = "not subtracted" if options.shot_noise else "subtracted"
        show(f"shot noise, {treated}: {measured.shot_noise[1]:.4g} (cMpc/h)^3")
    beyond = int(np.count_nonzero(spectrum.k > spectrum.nyquist))
    show(
        f"{len(spectrum.k) - 1} bins, {beyond} of them beyond the Nyquist wavenumber, where some directions are missing"
    )
    show(f"result: {output}")
    if options.dpi:
        print_figures(draw(output, PowerStage.figures, options.dpi))


def default_name(snapshot: Path) -> str:
    """The name of the result of a snapshot: its name, without an ending that says no more than how it is stored."""
    path = snapshot if snapshot.name not in ("", "..") else snapshot.resolve()
    name = path.stem if path.suffix.lower() in STORAGE_ENDINGS else path.name
    return f"{name or 'snapshot'}_power.hdf5"


def _require_same(output: Path, snapshot: "GridSnapshot | ParticleSnapshot") -> None:
    """InputError for a file that is not the result of the same snapshot and field: it would be lost."""
    from ..io import hdf5
    from ..io.schema import POWER

    group, stored = f"{POWER}/{snapshot.field}", ""
    if hdf5.is_hdf5(output):
        with hdf5.opened(output) as file:
            node = hdf5.find(file, group)
            stored = "" if node is None else hdf5.text(node, "source")
    if not stored or (output.parent / stored).resolve() != Path(snapshot.path).resolve():
        what = f"{group} of {stored}" if stored else f"no {group}"
        raise InputError(
            f"{output}: is there already, with {what}: must not be replaced by {group} of {snapshot.path}: "
            "give --output"
        )
