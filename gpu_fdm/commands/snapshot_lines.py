"""What the headers of a snapshot tell, in lines: gpu-fdm info prints them."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .shared import METAVARS

if TYPE_CHECKING:
    from ..snapshots.snapshot import GridSnapshot, ParticleSnapshot
    from ..snapshots.survey import Survey

_OF_PSI = "twice for the real and the imaginary part of psi"
_ABSENT = "not in the file"


def head(path: Path, found: "Survey") -> str:
    """The path, the format and what it is."""
    from ..snapshots.registry import READERS

    name = found.snapshot.format
    description = next(reader.description for reader in READERS if reader.name == name)
    return f"{path}: {name} snapshot, {description}"


def rows(path: Path, found: "Survey", particles: "Survey | None" = None) -> Iterator[str]:
    """All that is known, what is needed, and the command that measures the snapshot.

    particles  of the same file, of which a density is read
    """
    from ..snapshots.snapshot import ParticleSnapshot

    snapshot = found.snapshot
    yield from _about(found)
    if isinstance(snapshot, ParticleSnapshot):
        yield from _particles(snapshot, "--particle-type" if "particle_type" in found.lacks else "")
    else:
        yield from _grids(snapshot, found)
    if particles is not None and isinstance(particles.snapshot, ParticleSnapshot):
        yield from _particles(particles.snapshot, "--format gadget")
    if found.refusal:
        yield f"missing: {found.refusal}"
    for need in found.needed:
        hint = _OF_PSI if "dataset" in need.options and snapshot.format == "hdf5" else ""
        yield f"needed: {need.what}{hint and f' ({hint})'}"
    yield f"next: {_command(path, found)}"


def _about(found: "Survey") -> Iterator[str]:
    """Files, redshift, box and cosmology."""
    snapshot, lacks = found.snapshot, found.lacks
    if snapshot.files > 1:
        yield f"files: {snapshot.files - snapshot.missing} of {snapshot.files} found"
    z = snapshot.redshift
    yield f"redshift: {_ABSENT if 'redshift' in lacks else f'{z:.4g} (a = {1 / (1 + z):.4g})'}"
    sides = [f"{side:.6g}" for side in found.box_size or ()]
    size = f"a side of {sides[0]}" if len(set(sides)) == 1 else " x ".join(sides)
    yield f"box: {f'{size} {found.box_unit}' if sides else _ABSENT}"
    h = None if "h" in lacks else snapshot.h
    known = [f"{name} = {value:g}" for name, value in (("h", h), ("Omega_m", snapshot.omega_m)) if value is not None]
    yield f"cosmology: {', '.join(known) or _ABSENT}"
    if snapshot.m22 is not None:
        yield f"boson mass: m22 = {snapshot.m22:g}"
    if snapshot.time is not None:
        yield f"time: {snapshot.time:g} Myr"


def _particles(snapshot: "ParticleSnapshot", option: str) -> Iterator[str]:
    """The types of particles; the one that is read comes first.

    option  with which it is; empty where it is read by default
    """
    here = " in these files" if snapshot.missing else ""
    of_all = f" of {snapshot.total}" if snapshot.missing and snapshot.total else ""
    speeds = "without velocities" if snapshot.velocity_unit is None else "with velocities"
    if option == "--particle-type":
        option += f" {snapshot.field.removeprefix('PartType')}"
    yield (
        f"{snapshot.field}: {snapshot.number}{of_all} particles{here}, {_mass(snapshot.particle_mass, snapshot)}, "
        f"{speeds}; {option or 'read by default'}"
    )
    for name, count in snapshot.others:
        kind = name.removeprefix("PartType")
        mass = _mass(dict(enumerate(snapshot.masses)).get(int(kind)), snapshot)
        yield f"{name}: {count} particles{here}, {mass}; --particle-type {kind}"


def _mass(mass: float | None, snapshot: "ParticleSnapshot") -> str:
    """Mass of a particle, 0 or None where each has its own."""
    if not mass:
        return "each with its own mass"
    if snapshot.mass_unit is None:
        return f"{mass:.4g} each in the file's unit of mass"
    return f"{mass * snapshot.mass_unit:.4g} Msun/h each"


def _grids(snapshot: "GridSnapshot", found: "Survey") -> Iterator[str]:
    """The fields, or arrays: cells, precision, and whether they are densities or psi."""
    from ..errors import InputError
    from ..snapshots.covering_grid import CoveringGrid

    option = "--dataset" if "dataset" in found.lacks else "--field"
    chosen = not found.lacks & {"dataset", "field"}
    several = len(found.grids) > 1
    for name, grid in found.grids.items():
        if isinstance(grid, InputError):
            yield f"{name}: not read: {grid}"
            continue
        read = f"; {'read by default' if chosen and name == snapshot.field else f'{option} {name}'}" if several else ""
        yield f"{name}: {_cells(grid)}{read}"
    if isinstance(snapshot.source, CoveringGrid):
        others = [name for name in snapshot.fields if name != snapshot.field]
        if others:
            yield f"other fields: {', '.join(others)} (--field)"
    elif len(snapshot.fields) > len(found.grids):
        yield f"other fields: {len(snapshot.fields) - len(found.grids)} more (--field)"


def _cells(grid: "GridSnapshot") -> str:
    import numpy as np

    from ..snapshots.covering_grid import CoveringGrid

    cells = f"{' x '.join(map(str, grid.cells)) if not grid.missing else 'a part of the'} cells of {grid.kind}"
    if grid.kind == "density":
        cells += f" in {grid.density_units}"
    if isinstance(grid.source, CoveringGrid):
        finest = grid.source.finest
        return f"{cells}, on the root grid{f', level 0 of 0 to {finest} (--level)' if finest else ''}"
    precision = np.dtype(grid.source.dtype).name
    return f"{cells}, {f'two {precision} numbers each' if len(grid.source.names) == 2 else precision}"


def _command(path: Path, found: "Survey") -> str:
    """The command that measures the snapshot, with the options that it needs."""
    from ..snapshots.options import flag

    words = ["gpu-fdm", "power", shlex.quote(str(path))]
    for need in found.needed:
        for name in need.options:
            value = str(need.choices[0]) if len(need.choices) == 1 else METAVARS[name]
            words += [flag(name), shlex.quote(value) if need.choices else value]
    return " ".join(words)
