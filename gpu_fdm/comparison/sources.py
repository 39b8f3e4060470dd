"""Spectra and their ratios from sources that a user names.

A source is a table (.csv, .ecsv), a result file with the path of a spectrum in it (out/result.hdf5:power/fdm), a result
file that holds one spectrum alone, or a snapshot, which is measured.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import evolve

from ..errors import InputError
from ..io.hdf5 import is_hdf5, open_result, opened
from ..io.tables import TABLE_ENDINGS
from ..parallel.ranks import SERIAL, Ranks
from ..pipeline.result_spectra import result_spectrum, spectrum_paths
from ..pipeline.snapshot import SnapshotPower
from ..spectra.boost import Boost, boost_of
from ..spectra.grid_spectrum import grid_spectrum
from ..spectra.spectrum import Spectrum
from ..spectra.tables import read_spectrum


def read_source(text: str, measure: Callable[[Path], SnapshotPower] | None = None, ranks: Ranks = SERIAL) -> Spectrum:
    """The spectrum of a source; all ranks call this and get the same.

    measure  measures a snapshot, on all ranks; without it a snapshot is refused
    Raises InputError that names the source.
    """
    spectrum = ranks.on_root(lambda: _stored_spectrum(text))
    if spectrum is not None:
        return spectrum
    if measure is None:
        raise InputError(f"{text}: must be a table ({', '.join(TABLE_ENDINGS)}) or a spectrum in a result file")
    return spectrum_of(measure(Path(text)))


def spectrum_of(measured: SnapshotPower, of: str | None = None) -> Spectrum:
    """The spectrum of a snapshot that was measured;  of  what it is of: its field where not given."""
    snapshot = measured.snapshot
    return grid_spectrum(
        measured.spectrum,
        of or snapshot.field.replace("/", " "),
        error=measured.error,
        redshift=snapshot.redshift,
        m22=snapshot.m22,
        source=snapshot.path,
        shot_noise_subtracted=measured.shot_noise_subtracted,
    )


def _stored_spectrum(text: str) -> Spectrum | None:
    """The spectrum of a table or of a result file; None for anything else, which may be a snapshot."""
    path, inner = _split(text)
    if path.suffix.lower() in TABLE_ENDINGS:
        return read_spectrum(path)
    known = _spectrum_paths(path)
    if inner is not None and not known:
        raise InputError(
            f"{text}: {path} holds no spectrum that can be named: a snapshot is named alone, and ratios that the "
            "result of a simulation holds are written by gpu-fdm boost RESULT --over n-body"
        )
    if inner is None and len(known) > 1:
        several = f"holds several spectra: name one of them, such as {path}:{known[0]}; there are {', '.join(known)}"
        raise InputError(f"{text}: {several}")
    if not known:
        return None
    with open_result(path) as file:
        return result_spectrum(file, inner or known[0])


def source_file(text: str) -> Path:
    """The file of a source."""
    return _split(text)[0]


def _split(text: str) -> tuple[Path, str | None]:
    """The file of a source, and the path in it, or None."""
    name, colon, inner = text.rpartition(":")
    return (Path(name), inner) if colon and Path(name).is_file() else (Path(text), None)


def _spectrum_paths(path: Path) -> list[str]:
    """Paths of the spectra in a result file; none in any other file."""
    if not path.is_file() or not is_hdf5(path):
        return []
    with opened(path) as file:
        if "config" not in file.attrs:
            return []
    with open_result(path) as file:
        return spectrum_paths(file)


def require_names(above: str | None, below: str | None) -> None:
    """InputError for a ratio whose halves have one name, where both are known."""
    if above is not None and above == below:
        raise InputError(f"both spectra are named {above}: give two names with --numerator and --denominator")


def ratio(
    above: Spectrum, below: Spectrum, numerator: str | None, denominator: str | None, allow: Sequence[str] = ()
) -> Boost:
    """The boost of two spectra, under the names given, else under those that they have.

    allow  which of box_size, redshift, m22 may differ between the two
    Raises InputError for equal names, and where boost_of does.
    """
    above = evolve(above, of=numerator or above.of)
    below = evolve(below, of=denominator or below.of)
    require_names(above.of, below.of)
    return boost_of(above, below, allow)
