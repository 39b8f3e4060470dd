"""Options of gpu-fdm power for the second of two snapshots that are crossed, and the lines that it prints of both."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from ..snapshots.options import SnapshotOptions, flag
from .shared import METAVARS, file_name
from .terminal import show

if TYPE_CHECKING:
    from ..pipeline.snapshot_cross import SnapshotCross

# options of which each of the two snapshots has its own; the box and the redshift, which must be the same, are of both
OWN = ("format", "dataset", "field", "particle_type", "level", "unit_length", "h")


class OtherOptions(SnapshotOptions):
    """Options of the other snapshot, which messages name as they are on the command line."""

    @classmethod
    def flag(cls, name: str) -> str:
        return flag(f"cross_{name}" if name in OWN else name)


def add_cross_options(parser: ArgumentParser) -> None:
    """Add --cross, and --cross-NAME for the options of which the second snapshot has its own."""
    group = parser.add_argument_group(
        "cross spectrum",
        "of SNAPSHOT and another one, or another field or type of its particles; --box-size and --redshift are of both",
    )
    text = "measure also the power of OTHER and the cross spectrum (default: of SNAPSHOT, read with the options below)"
    group.add_argument("--cross", type=file_name, metavar="OTHER", help=text)
    for name in OWN:
        action = "append" if name == "dataset" else "store"
        text = f"{flag(name)} of the other one"
        group.add_argument(flag(f"cross_{name}"), action=action, metavar=METAVARS.get(name, "NAME"), help=text)


def is_crossed(options: Namespace) -> bool:
    """Whether a cross spectrum is asked for."""
    return options.cross is not None or any(getattr(options, f"cross_{name}") is not None for name in OWN)


def check_cross_options(options: Namespace) -> None:
    """InputError for options that have no meaning beside a cross spectrum."""
    if options.mu_bins is not None or options.multipoles:
        given = "--multipoles" if options.mu_bins is None else f"--mu-bins {options.mu_bins}"
        raise InputError(f"{given}: must not be given with --cross, which measures P_12(k) alone")


def other_source(options: Namespace) -> Path:
    """The path of the other snapshot."""
    return Path(options.snapshot if options.cross is None else options.cross)


def other_options(options: Namespace) -> tuple[str | None, SnapshotOptions]:
    """Format and options of the other snapshot: its own, of the same file those of the first where it has none."""
    chosen = dict(vars(options))
    for name in OWN:
        own = chosen[f"cross_{name}"]
        chosen[name] = chosen[name] if own is None and options.cross is None else own
    return chosen["format"], OtherOptions.from_text(chosen)


def show_cross(measured: "SnapshotCross") -> None:
    """Print how both are correlated: at the first k, at half of the Nyquist wavenumber, and at it."""
    import numpy as np

    spectrum = measured.spectrum
    k, r, error = spectrum.k, measured.correlation, measured.correlation_error
    names = [f"{each.snapshot.field} of {Path(each.snapshot.path).name}" for each in (measured.first, measured.second)]
    rows = [1, *(int(np.abs(k - part * spectrum.nyquist).argmin()) for part in (0.5, 1))]
    texts = [
        f"{r[row]:.3g} +- {error[row]:.2g} at k = {k[row]:.4g}" for row in dict.fromkeys(rows) if np.isfinite(r[row])
    ]
    values = f"{', '.join(texts)} h/cMpc" if texts else "not known, P_1 or P_2 is not positive"
    show(f"r = P_12/sqrt(P_1 P_2) of {' and '.join(names)}: {values}")
    if negative := int(np.count_nonzero(spectrum.power[1:] < 0)):
        show(f"{negative} of {len(k) - 1} bins are anti-correlated: P_12 < 0")
