"""Where filaments and haloes lie in the box, and psi of them as cells need it: tabulated on one rank, lent to all."""

from collections.abc import Iterable, Iterator

import numpy as np

from ..config.config import Config
from ..errors import InputError, UnfitError
from ..fields.axial import Axial, tabulate_axial
from ..fields.box import Box, Placement, averaged_ends
from ..fields.extruded import ExtrudedTable, cell_margin, tabulate_extruded
from ..fields.fill import Direct, fill, tabulate_direct
from ..fields.halo_box import HaloSource, fill_halo
from ..filament.model import Filament
from ..parallel.backend import CPU, GPU
from .model import code_units, dtype_of
from .models import Models
from .slab import TABLES_SHARE

Section = ExtrudedTable | Direct | Axial
LEAST_SHARPNESS = 6.0  # of soft ends, over 1/length: the integral of the ends is then the length to 4e-6
_LEAST_BATCH = 16  # filaments whose cross-sections are in memory together
# what fills the box: a filament, or a halo by its centre [cMpc/h]
Source = tuple[Placement, Section] | tuple[tuple[float, float, float], HaloSource]


def place(config: Config, filament: Filament) -> tuple[Box, Placement]:
    """The box and where a filament lies in it; InputError where it cannot."""
    box = Box(config.box.size, config.box.cells)
    centre = filament.centre or tuple(side / 2 for side in box.size)
    placement = Placement(centre, filament.direction, filament.orientation, filament.length, filament.sharpness)
    try:
        basis = placement.basis
    except UnfitError:
        raise config.error("filament", "orientation", "must not be parallel to the direction of the axis") from None
    if placement.end_sharpness * placement.length < LEAST_SHARPNESS:
        raise config.error(
            "filament", "sharpness", f"must be at least {LEAST_SHARPNESS:g}/length: softer ends would not keep the mass"
        )
    for name, along, side in zip("xyz", np.abs(basis[2]), box.size, strict=True):
        if filament.length * along > side * (1 + 1e-12):
            raise InputError(
                f"{config.source}: [filament] length = {filament.length:.6g} cMpc/h: longer than the periodic box "
                f"(it extends {filament.length * along:.6g} along {name}, where [box] size is {side:.6g})"
            )
    return box, placement


def footprint(config: Config, box: Box, placement: Placement) -> float:
    """Half the width of a cell in the plane across a filament, over which densities are averaged [cMpc/h].

    0 where they are those at the centres of cells.
    """
    return cell_margin(_cell_in_plane(box, placement)) if averages_cells(config) else 0.0


def averages_cells(config: Config) -> bool:
    """Whether densities are averaged over cells."""
    return config.box.method != "direct" and config.box.sampling != "point"


def _cell_in_plane(box: Box, placement: Placement) -> np.ndarray:
    """The edges of a cell in the plane across a filament, shape (3, 2) [cMpc/h]."""
    return np.diag(box.spacing) @ placement.basis[:2].T


def sources(models: Models, time: float, backend: CPU | GPU) -> Iterator[Source]:
    """Every filament and then every halo, on all ranks, at one time [Myr]."""
    yield from cross_sections(models, time, backend)
    yield from models.haloes.sources(time, backend)


def fill_source(
    config: Config, densities: np.ndarray, box: Box, source: Source, x_first: int, backend: CPU | GPU
) -> None:
    """Add a filament or a halo to both densities of a slab, whose first plane is x_first of the box, in place."""
    (fdm, smooth), (place, psi), unit = densities, source, code_units(config).length
    if isinstance(psi, HaloSource):
        assert not isinstance(place, Placement)
        fill_halo(fdm, smooth, box, place, psi, unit, x_first, config.box.sampling, backend)
    else:
        assert isinstance(place, Placement)
        fill(fdm, smooth, box, place, psi, unit, x_first, backend)


def cross_sections(models: Models, time: float, backend: CPU | GPU) -> Iterator[tuple[Placement, Section]]:
    """Placement and cross-section of every filament in turn, on all ranks, at one time [Myr].

    Ranks share them in batches, so that none waits for another between the filaments of one. A single rank has one at a
    time, and leaves it where it was tabulated.
    """
    ranks, count = models.ranks, len(models.filaments)
    batch = max(_LEAST_BATCH, 2 * ranks.size) if ranks.size > 1 else 1
    for first in range(0, count, batch):
        numbers = range(first, min(first + batch, count))
        own = {number: _tabulate(models, number, time, backend) for number in models.own_filaments(numbers)}
        shared = {number: section for part in ranks.allgather(own) for number, section in part.items()}
        for number in numbers:
            yield shared[number]


def batches_on_card(found: Iterable[Source], backend: GPU) -> Iterator[list[Source]]:
    """The same in batches whose tables fit on a card together, one at least, with the tables on the card."""
    room = TABLES_SHARE * backend.device_memory
    batch: list[Source] = []
    size = 0
    for source in found:
        if batch and size + source[1].nbytes > room:
            yield batch
            batch, size = [], 0
        place, psi = source
        batch.append((place, psi.on(backend)) if isinstance(psi, ExtrudedTable) else source)  # type: ignore[arg-type]
        size += psi.nbytes
    yield batch


def _tabulate(models: Models, number: int, time: float, backend: CPU | GPU) -> tuple[Placement, Section]:
    model, section = models.model(number), models.config.box
    box, placement = place(models.config, model.filament)
    time, dtype = model.code_time(time), dtype_of(models.config)
    if model.wave.axial is not None:
        return placement, tabulate_axial(model.wave, time, section.tolerance / 10, dtype)
    if section.method == "direct":
        return placement, tabulate_direct(model.wave, time, min(section.tolerance, 1e-6) / 10)
    cell = None if section.sampling == "point" else _cell_in_plane(box, placement) / model.units.length
    source = tabulate_extruded(model.wave, time, section.tolerance, dtype, cell, backend)
    if models.ranks.size > 1:
        source = source.on(backend.host)  # ranks send tables to each other through the host
    return placement if cell is None else averaged_ends(placement, box), source
