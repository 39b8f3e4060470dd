"""The command `gpu-fdm power`: its arguments, and what it does with them."""

import logging
from pathlib import Path

from .errors import InputError
from .snapshots.options import SnapshotOptions, flag

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


def add_power(commands):
    """gpu-fdm power."""
    power = commands.add_parser("power", help="P(k) of a snapshot of a simulation, or of a box", allow_abbrev=False)
    power.add_argument("snapshot", help="file, folder or first part: see docs/snapshots.md for the formats")
    power.add_argument("--output", metavar="FILE", help="result, .hdf5 (default: <snapshot>_power.hdf5 here)")
    power.add_argument("--bin-width", type=float, default=1.0, metavar="W", help="[2 pi / largest side] (default: 1)")
    power.add_argument("--mu-bins", type=int, metavar="N", help="also P(k, mu) in N bins of mu")
    power.add_argument("--multipoles", action="store_true", help="also P_0, P_2, P_4")
    power.add_argument("--axis", choices=AXES, default="z", help="from which mu is counted (default: z)")
    power.add_argument("--cells", type=int, metavar="N", help="a side of the grid for particles")
    power.add_argument("--assignment", default="tsc", metavar="NAME", help="ngp, cic, tsc or pcs (default: tsc)")
    power.add_argument("--no-interlacing", action="store_true", help="one grid for particles instead of two")
    power.add_argument("--shot-noise", action="store_true", help="leave the shot noise of particles in")
    power.add_argument("--backend", choices=("auto", "cpu", "gpu"), default="auto", help="(default: auto)")
    power.add_argument("--dpi", type=int, default=150, help="of the figure; 0 for none (default: 150)")
    add_snapshot_options(power)
    power.set_defaults(command=run_power, parallel=True)


def run_power(options, ranks) -> int:
    """Measure, write, draw, and say what was found."""
    import numpy as np

    from . import results
    from .pipeline import backend_of
    from .stages.snapshot import Measurement, snapshot_power
    from .store import check_writable, replacing

    if options.mu_bins is not None and not 1 <= options.mu_bins <= 1000:
        raise InputError(f"--mu-bins {options.mu_bins}: must be in [1, 1000]")
    if options.dpi and not 20 <= options.dpi <= 1200:
        raise InputError(f"--dpi {options.dpi}: must be 0, or in [20, 1200]")
    source = Path(options.snapshot)
    output = Path(options.output or f"{source.name.split('.')[0] or 'snapshot'}_power.hdf5")
    if output.suffix.lower() not in (".hdf5", ".h5"):
        raise InputError(f"--output {output}: must end in .hdf5 or .h5")
    if output.exists() and source.exists() and output.samefile(source):
        raise InputError(f"--output {output}: is the snapshot itself")
    how = Measurement(
        cells=options.cells,
        assignment=options.assignment,
        interlaced=not options.no_interlacing,
        shot_noise=options.shot_noise,
        bin_width=options.bin_width,
        mu_bins=options.mu_bins,
        axis=AXES.index(options.axis),
        multipoles=options.multipoles,
    )
    ranks.on_first(lambda: check_writable(output.parent))
    backend = backend_of(options.backend, None, ranks)
    measured = snapshot_power(source, options.format, snapshot_options(options), how, ranks, backend)
    told = {"seed": -1, "backend": backend.name, "device": backend.device, "ranks": ranks}
    with replacing(output, "", **told) as file:
        results.write_snapshot_power(file, measured)
    if not ranks.first:
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
        from .plots import draw

        for figure in draw(output, options.dpi):
            print(f"figure: {figure}")
    return 0
