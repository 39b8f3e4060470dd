"""Boxes of fuzzylli (Zimmermann et al. 2025): density/fdm/<i>, density/wdm, density/cdm and attributes of the root."""

from pathlib import Path

from ..errors import InputError
from ..io import hdf5
from ..io.schema.common import MATTER
from .options import SnapshotOptions
from .reader import Reader, chosen_field
from .snapshot import GridSnapshot

SIDE = "L_Mpc_div_h"


def detect(path: Path) -> bool:
    """Whether the root has the side of the box under the name that fuzzylli gives it."""
    if not hdf5.is_hdf5(path):
        return False
    with hdf5.opened(path) as file:
        return SIDE in file.attrs and hdf5.find(file, "density") is not None


def read(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The density "fdm" unless another one is chosen."""
    with hdf5.opened(path) as file:
        fields = hdf5.grid_fields(file, "density")
        field = chosen_field(fields, options, "fdm", path)
        source = hdf5.Hdf5Arrays.check(file, (f"density/{field}",))
        cells = hdf5.number(file, "M")
        if cells is not None and source.cells != (cells, cells, cells):
            raise InputError(f"{path}: density/{field} has shape {source.cells}: must be {cells} a side by attribute M")

        def box_size() -> tuple | None:
            side = hdf5.number(file, SIDE)
            return None if side is None else (side,)

        return GridSnapshot(
            path=str(path),
            format=READER.name,
            box_size=options.resolve("box_size", box_size, path),
            redshift=options.resolve("redshift", lambda: hdf5.number(file, "z"), path),
            fields=fields,
            field=field,
            m22=hdf5.number(file, "m22_1e-22eV"),
            time=hdf5.number(hdf5.find(file, f"density/{field}"), "t_Myr"),
            cells=source.cells,
            density_units=MATTER,
            source=source,
        )


READER = Reader(
    name="fuzzylli",
    description="box of fuzzylli",
    options=("field", "box_size", "redshift"),
    detect=detect,
    read=read,
)
