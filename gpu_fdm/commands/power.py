"""gpu-fdm power: measure the power spectrum of a snapshot of a simulation, or of a box."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .shared import add_dpi_option, add_measurement_options, check_dpi, file_name, measurement, snapshot_options

if TYPE_CHECKING:
    from ..parallel.ranks import Ranks
    from ..pipeline.snapshot import Measurement
    from ..snapshots.options import SnapshotOptions

HELP = "measure the power spectrum of a snapshot of a simulation, or of a box"
PARALLEL = True


def add(parser: ArgumentParser) -> None:
    """Add the arguments."""
    text = "file, folder or first part of the snapshot; docs/snapshots.md lists the formats"
    parser.add_argument("snapshot", type=file_name, help=text)
    text = "result file to write, .hdf5 or .h5 (default: <snapshot>_power.hdf5 in the working directory)"
    parser.add_argument("--output", type=file_name, metavar="FILE", help=text)
    add_dpi_option(parser, optional=True)
    add_measurement_options(parser)


def execute(options: Namespace, ranks: "Ranks") -> None:
    """Measure, write, draw, and print what was found."""
    import numpy as np

    from ..io.result_file import RESULT_ENDINGS, atomic_result, require_writable
    from ..io.schema import MEASUREMENT
    from ..parallel.backend import choose_on_ranks
    from ..pipeline.snapshot import snapshot_power, write_snapshot_power

    source = Path(options.snapshot)
    output = Path(options.output or f"{source.name.split('.')[0] or 'snapshot'}_power.hdf5")

    def checked() -> "tuple[Measurement, SnapshotOptions]":
        check_dpi(options.dpi, optional=True)
        if output.suffix.lower() not in RESULT_ENDINGS:
            raise InputError(f"--output {output}: must end in .hdf5 or .h5")
        if output.exists() and source.exists() and output.samefile(source):
            raise InputError(f"--output {output}: must not be the snapshot itself")
        how, about = measurement(options), snapshot_options(options)
        require_writable(output.parent)
        return how, about

    how, about = ranks.on_root(checked)
    backend = choose_on_ranks(options.backend, None, ranks)
    measured = snapshot_power(source, options.format, about, how, ranks, backend)
    with atomic_result(output, "", seed=-1, ranks=ranks, schema=MEASUREMENT, **backend.provenance) as file:
        write_snapshot_power(file, measured)
    if not ranks.is_root:
        return
    snapshot, spectrum = measured.snapshot, measured.spectrum
    size = " x ".join(f"{side:g}" for side in snapshot.box_size)
    print(f"{snapshot.format} snapshot, {snapshot.kind}: {size} cMpc/h at z = {snapshot.redshift:.4g}")
    print(f"grid: {' x '.join(map(str, spectrum.cells))} cells, Nyquist wavenumber {spectrum.nyquist:.4g} h/cMpc")
    if measured.shot_noise is not None:
        treated = "not subtracted" if options.shot_noise else "subtracted"
        print(f"shot noise, {treated}: {measured.shot_noise[1]:.4g} (cMpc/h)^3")
    beyond = int(np.count_nonzero(spectrum.k > spectrum.nyquist))
    print(
        f"{len(spectrum.k) - 1} bins, {beyond} of them beyond the Nyquist wavenumber, where some directions are missing"
    )
    print(f"result: {output}")
    if options.dpi:
        from ..pipeline.stages import figures
        from ..plots import draw

        for figure in draw(output, figures(), options.dpi):
            print(f"figure: {figure}")
