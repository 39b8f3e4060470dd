"""Snapshots of GAMER-2 (psiDM and others), through yt.

In cosmological runs GAMER's unit of length is the comoving Mpc/h and its unit of density today's mean matter density:
the stored values are comoving, although yt takes them as physical. Source: GAMER's Init_Unit.
"""

from pathlib import Path

from ..io import hdf5
from ..io.schema.common import MATTER
from .covering_grid import box_width, covering_grid, opened_with_yt, stored_fields
from .options import SnapshotOptions
from .reader import Reader, chosen_field
from .snapshot import GridSnapshot

DENSITY = "Dens"
_EV_G = 1.602176634e-12 / 2.99792458e10**2  # mass of one eV/c^2 (SI 2019)


def detect(path: Path) -> bool:
    """Whether the file has the group of parameters that only GAMER writes."""
    if not hdf5.is_hdf5(path):
        return False
    with hdf5.opened(path) as file:
        return hdf5.find(file, "Info/KeyInfo") is not None


def read(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The density "Dens" unless another field is chosen."""
    with hdf5.opened(path) as file:
        hdf5.require_self_contained(file)  # yt would follow links into other files
    with opened_with_yt(path, READER.name) as dataset:
        parameters = dataset.parameters
        comoving = bool(parameters["Comoving"])
        fields = stored_fields(dataset, "gamer")
        field = chosen_field(fields, options, DENSITY, path)
        source = covering_grid(dataset, path, READER.name, "gamer", field, options)
        mass = parameters.get("ELBDM_Mass")
        h = float(parameters["Hubble0"]) if comoving and "Hubble0" in parameters else None
        options.require(path, box_size=comoving, redshift=comoving)
        return GridSnapshot(
            path=str(path),
            format=READER.name,
            box_size=options.resolve("box_size", box_width(dataset) if comoving else None, path),
            redshift=options.resolve("redshift", float(dataset.current_redshift) if comoving else None, path),
            fields=fields,
            field=field,
            h=options.resolve("h", h, path, needed=False),
            omega_m=float(parameters["OmegaM0"]) if comoving else None,
            m22=float(mass * parameters["Unit_M"]) / _EV_G / 1e-22 if mass and parameters.get("Opt__Unit") else None,
            cells=source.cells,
            density_units=MATTER if comoving else "units of the file",
            source=source,
        )


READER = Reader(
    name="gamer",
    description="GAMER grid (needs yt)",
    options=("field", "level", "box_size", "redshift", "h"),
    detect=detect,
    read=read,
)
