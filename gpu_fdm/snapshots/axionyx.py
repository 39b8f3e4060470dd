"""Plotfiles of AxioNyx (and of Nyx), through yt. Nyx's unit of length is the comoving Mpc, not per h."""

from pathlib import Path

from ..errors import InputError
from ..io.tables import read_text
from .covering_grid import box_width, covering_grid, opened_with_yt, stored_fields
from .options import SnapshotOptions
from .reader import Reader, chosen_field
from .snapshot import GridSnapshot

DENSITY = "AxDens"


def detect(path: Path) -> bool:
    """Whether a folder has the scale factor that Nyx writes beside AMReX's header."""
    return path.is_dir() and (path / "Header").is_file() and (path / "comoving_a").is_file()


def read(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The density "AxDens" unless another field is chosen."""
    _check_inside(path)
    with opened_with_yt(path, READER.name) as dataset:
        cosmological = bool(getattr(dataset, "cosmological_simulation", 0))
        h = options.resolve("h", float(dataset.hubble_constant) if cosmological else None, path)
        fields = stored_fields(dataset, "boxlib")
        field = chosen_field(fields, options, DENSITY, path)
        source = covering_grid(dataset, path, READER.name, "boxlib", field, options)
        return GridSnapshot(
            path=str(path),
            format=READER.name,
            box_size=options.resolve("box_size", tuple(side * h for side in box_width(dataset)), path),
            redshift=options.resolve("redshift", lambda: 1 / _scale_factor(path) - 1, path),
            fields=fields,
            field=field,
            h=h,
            omega_m=float(dataset.omega_matter) if cosmological else None,
            cells=source.cells,
            density_units="Msun/cMpc^3",
            source=source,
        )


def _check_inside(path: Path) -> None:
    """InputError for a header that names a file outside the folder of the snapshot: yt would read it."""
    for header in (path / "Header", *sorted(path.glob("Level_*/*_H"))):
        try:
            words = read_text(header).split()
        except (OSError, InputError) as error:
            raise InputError(f"{path}: cannot be read: {error}") from None
        for word in words:
            if word.startswith("/") or ".." in word:
                raise InputError(f"{header}: {word}: leads out of the snapshot, which is not followed")


def _scale_factor(path: Path) -> float:
    try:
        a = float((path / "comoving_a").read_text())
    except ValueError:
        a = 0.0
    if not 0 < a < float("inf"):
        raise InputError(f"{path}: comoving_a: must be a scale factor > 0")
    return a


READER = Reader(
    name="axionyx",
    description="AxioNyx plotfile (needs yt)",
    options=("field", "level", "box_size", "redshift", "h"),
    detect=detect,
    read=read,
)
