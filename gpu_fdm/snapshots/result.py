"""Results of this program: /density/<name>, /density/<name>/<frame>, or /psi of a simulation (see docs/files.md)."""

import configparser
from pathlib import Path

import h5py

from ..io import hdf5, schema
from ..io.schema.common import MATTER
from .options import SnapshotOptions
from .reader import Reader, chosen_field
from .snapshot import GridSnapshot

PSI = "psi"


def detect(path: Path) -> bool:
    """Whether the file has this program's provenance, or a density with its box size."""
    if not hdf5.is_hdf5(path):
        return False
    with hdf5.opened(path) as file:
        if {"config", "git_revision"} <= set(file.attrs):
            return True
        fields = hdf5.grid_fields(file, schema.DENSITY)
        node = hdf5.find(file, f"{schema.DENSITY}/{fields[0]}") if fields else None
        return node is not None and "box_size" in node.attrs


def read(path: Path, options: SnapshotOptions) -> GridSnapshot:
    """The density "fdm" unless another is asked for."""
    with hdf5.opened(path) as file:
        densities = hdf5.grid_fields(file, schema.DENSITY)
        fields = densities if hdf5.find(file, PSI) is None else (*densities, PSI)
        field = chosen_field(fields, options, densities[0] if len(densities) == 1 else "fdm", path)
        path_of_field = PSI if field == PSI else f"{schema.DENSITY}/{field}"
        source = hdf5.Hdf5Arrays.check(file, (path_of_field,))
        dataset = hdf5.find(file, path_of_field)
        run = _Run(file)
        units = MATTER if field == PSI else hdf5.text(dataset, "units_text") or hdf5.text(dataset, "units")
        return GridSnapshot(
            path=str(path),
            format=READER.name,
            box_size=options.resolve("box_size", lambda: hdf5.numbers(dataset, "box_size"), path),
            redshift=options.resolve("redshift", lambda: run.number("redshift", "cosmology", "redshift"), path),
            fields=fields,
            field=field,
            h=run.number("h", "cosmology", "h"),
            omega_m=run.number("omega_m", "cosmology", "omega_m"),
            m22=run.number("m22", "dark_matter", "m22"),
            time=hdf5.number(dataset, "time"),
            cells=source.cells,
            density_units=units or "units of the file",
            source=source,
        )


class _Run:
    """Parameters of the run: attributes of its first filament, else its ini."""

    def __init__(self, file: h5py.File):
        self._filament = hdf5.find(file, f"{schema.FILAMENTS}/{schema.filament(0)}")
        self._ini = configparser.ConfigParser(interpolation=None, default_section="")
        try:
            self._ini.read_string(hdf5.text(file, "config"))
        except configparser.Error:
            self._ini.clear()

    def number(self, attribute: str, section: str, key: str) -> float | None:
        """A number, or None where neither has it."""
        found = hdf5.number(self._filament, attribute)
        if found is not None:
            return found
        try:
            return self._ini.getfloat(section, key, fallback=None)
        except ValueError:
            return None


READER = Reader(
    name="gpu_fdm",
    description="densities that gpu-fdm run wrote",
    options=("field", "box_size", "redshift"),
    detect=detect,
    read=read,
)
