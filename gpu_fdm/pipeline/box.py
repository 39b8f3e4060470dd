"""Densities of all filaments and haloes in a periodic box, over ranks; stages that measure them run within this one.

placement (each filament solved and tabulated on one rank) -> fill_slab -> statistics -> the result
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any, ClassVar

import numpy as np

from ..config.config import Config
from ..fields.axial import EFFECTIVE_WAVENUMBER, TABLE_BYTES
from ..fields.box import MOST_IMAGES, Box, image_distance, images_touching
from ..fields.extruded import extruded_points
from ..fields.spline import spacing_for
from ..filament.axial import AxialModes, axial_dispersion
from ..filament.model import Filament, Model, segment_reach
from ..io.cache import Cache
from ..io.schema import DENSITY
from ..parallel.backend import CPU, GPU
from ..parallel.card_room import held_on_card
from ..parallel.domain import Domain
from ..parallel.fft import plane_blocks
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from ..quantities import takes
from .coherence import coherence_of, describe_times
from .densities import load_densities, remove_stale, store_densities, unfinished_results
from .gas_haloes import halo_in_box, memory_in_box
from .inputs import Inputs
from .model import code_units, dtype_of
from .models import Models
from .placement import averages_cells, batches_on_card, fill_source, footprint, place, sources
from .progress import progress
from .sizes import ModelSize
from .slab import (
    BOTH,
    DensitySlab,
    Frame,
    cells_of_largest_slab,
    density_keys,
    density_path,
    frames,
    on_card,
    pieces_on_device,
    stored_fields,
)
from .slab_statistic import SlabStatistic
from .stage import Context, Estimate, Stage

log = logging.getLogger(__name__)

MASS_WARNING = 0.01  # relative error of the mass in the box that is worth a warning
WIDEST_CELLS = 10  # of filaments in averages over cells: the tables of larger ones would fill the memory
IMAGES_WARNING = 1e-3  # mass fraction of a filament beyond half the way to its own image that is worth a warning
_POINT = 96  # bytes of a point of a table of a cross-section while it is made
# of the fill on two cores, see docs/performance.md: cells inside of filaments by both methods, and all cells
_EXTRUDED_A_SECOND, _DIRECT_A_SECOND, _CELLS_A_SECOND = 3e7, 1e8, 4e8
_TABLE = 0.15  # seconds for a table
# with momentum along the axis: cells, and multiply-adds of tables
_AXIAL_A_SECOND, _AXIAL_TABLES_A_SECOND = 4e7, 3e8


class BoxStage(Stage):
    """The densities in every cell, at every time that the ini names."""

    section: ClassVar[str] = "box"
    within: ClassVar[str] = "wavefunction"
    selects: ClassVar[tuple[str, ...]] = ("box.fields", "box.store", "box.frames", "wavefunction.time")
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("projection", "column density of the box", "box.projection", ("density/fdm", "density/smooth")),
        Figure(
            "halo", "profile of the first halo, and the plane through its centre", "halo.halo", ("haloes/00/profile",)
        ),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """Keys that both densities depend on."""
        return density_keys(config)

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """Warnings of cells that are too coarse, and of filaments that meet their own images."""
        config = inputs.config
        if ranks.size > config.box.cells[0]:
            raise config.error("box", "cells", f"more ranks ({ranks.size}) than planes along x ({config.box.cells[0]})")
        if config.wavefunction.axial != "coherent" and config.box.method != "direct":
            axial = config.wavefunction.axial
            raise config.error(
                "box", "method", f"must be direct where [wavefunction] axial = {axial}: psi changes along it"
            )
        if config.box.store == "no" and not (config.power or config.correlation):
            raise config.error(
                "box", "store", "must be yes where neither [power] nor [correlation] measures the densities"
            )
        return _warnings(inputs)

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Memory of the tables of cross-sections and of the slab, size of the densities that are written."""
        config = inputs.config
        itemsize = np.dtype(dtype_of(config)).itemsize
        local = 2 * cells_of_largest_slab(config.box.cells, ranks.size) * itemsize
        memory = {"box": local}
        if inputs.filaments:
            tables, filled = _memory_of_filaments(inputs)
            memory = {"box: tables": tables, "box": local + filled}
        if inputs.haloes:
            memory["box: haloes"] = local + memory_in_box(inputs.haloes, ranks.size)
        times = len(frames(config))
        written = times * len(stored_fields(config)) * prod(config.box.cells) * itemsize
        return Estimate(memory, written, times * _fill_seconds(inputs))

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """The number of cells, and their Nyquist wavenumber; on a card how they are transformed."""
        box = Box(inputs.config.box.size, inputs.config.box.cells)
        line = f"box: {' x '.join(map(str, box.cells))} cells, Nyquist wavenumber {box.nyquist:.4g} h/cMpc"
        return [line, *on_card(inputs.config, ranks)]

    def run(self, context: Context) -> list[str]:
        """Fill the box, or take it from an earlier run, write it and have it measured, frame by frame."""
        config = context.config
        statistics = [stage for stage in context.stages if isinstance(stage, SlabStatistic)]
        needed = {name for statistic in statistics for name in statistic.needs(config)} | set(config.box.fields)
        for suffix, time in frames(config):
            count = len(context.models.filaments) + len(context.models.haloes)
            with context.timer("box"), progress("box", count, context.ranks) as step:
                found = load_densities(context, time, tuple(name for name in BOTH if name in needed))
                slab, masses = found or (fill_slab(context.models, time, context.backend, step), None)
            context.timer.log("box", from_cache=found is not None)
            frame = Frame(suffix, time, slab)
            written = _write(context, frame, masses)
            replace(context, frame=frame).run_within(self.section)
            del found, slab, frame  # for memory: those of one time
        return [*_describe_frames(context), *_compare_masses(written, context.models)]

    def unfinished(self, cache: Cache) -> frozenset[str]:
        """Names of unfinished files that hold densities."""
        return unfinished_results(cache)

    def clean_up(self, context: Context) -> None:
        """Delete cached densities that are not in the result."""
        remove_stale(context)


def _memory_of_filaments(inputs: Inputs) -> tuple[int, int]:
    """Memory while the largest cross-section is tabulated, and beside the slab while it is filled [bytes]."""
    config, size = inputs.config, inputs.largest
    cut, radius_max, _ = size.extent
    wavenumber = size.profile.scale_factor * (2 * cut) ** 0.5
    averaged = inputs.filaments if averages_cells(config) else []
    margin = max((footprint(config, *place(config, filament)) for filament in averaged), default=0.0)
    margin /= code_units(config).length
    side = 0 if config.box.method == "direct" else extruded_points(radius_max, wavenumber, margin)
    tables = 2 * TABLE_BYTES if config.wavefunction.axial != "coherent" else _POINT * side**2
    return size.states + tables, size.states + 4 * side**2 * np.dtype(dtype_of(config)).itemsize


def _fill_seconds(inputs: Inputs) -> float:
    """About how long it takes to fill the box once on two cores."""
    config, unit, cells = inputs.config, code_units(inputs.config).length, prod(inputs.config.box.cells)
    seconds = cells / _CELLS_A_SECOND + sum(halo.seconds[1] for halo in inputs.haloes)
    for filament, size in zip(inputs.filaments, inputs.sizes, strict=True):
        radius = size.extent[1] * unit
        inside = cells * min(1.0, np.pi * radius**2 * filament.length / prod(config.box.size))
        if config.wavefunction.axial != "coherent":
            waves = AxialModes.of_segment(*_along_the_axis(size, filament, unit))
            slices = waves.period / spacing_for(EFFECTIVE_WAVENUMBER * waves.dispersion, config.box.tolerance / 10)
            seconds += inside * size.modes**0.5 / _AXIAL_A_SECOND
            seconds += slices * len(waves.wavenumbers) * 2 * size.modes / _AXIAL_TABLES_A_SECOND
        elif config.box.method == "direct":
            seconds += inside * size.modes**0.5 / _DIRECT_A_SECOND
        else:
            seconds += _TABLE + inside / _EXTRUDED_A_SECOND
    return float(seconds)


def _along_the_axis(size: ModelSize, filament: Filament, unit: float) -> tuple[float, float]:
    """Dispersion of momenta along the axis [1/L], and how far the filament reaches from its middle [L]."""
    return axial_dispersion(size.profile), segment_reach(filament) / unit


def _warnings(inputs: Inputs) -> list[str]:
    """Warnings of cells that do not resolve the fringes, and of filaments that meet their own images."""
    config, warnings, finest = inputs.config, [], 0.0
    with progress("filaments in the box", len(inputs.filaments)) as step:
        for filament, size in zip(inputs.filaments, inputs.sizes, strict=True):
            warnings += _warnings_of_one(config, filament, size)
            finest = max(finest, size.fringe_wavenumber)
            step()
    for halo in inputs.haloes:
        finest = max(finest, halo.fringes)
        warnings += halo_in_box(config, halo, IMAGES_WARNING)
    box = Box(config.box.size, config.box.cells)
    if box.nyquist < finest:
        needed = ", ".join(map(str, box.cells_resolving(finest)))
        remedy = f"cells = {needed} would"
        if config.box.sampling == "point":
            remedy += "; or take sampling = average, which keeps the mass"
        warnings.append(
            f"the cells do not resolve the finest fringes: their Nyquist wavenumber is {box.nyquist:.4g} h/cMpc, "
            f"the fringes reach {finest:.4g} ({remedy})"
        )
    return warnings


def _warnings_of_one(config: Config, filament: Filament, size: ModelSize) -> list[str]:
    """A warning where a filament meets its own images; InputError where it cannot be in this box."""
    unit, cut = code_units(config).length, config.wavefunction.energy_cut
    box, placement = place(config, filament)
    radius = size.extent[1] * unit
    if footprint(config, box, placement) > WIDEST_CELLS * radius:
        raise config.error(
            "box",
            "cells",
            f"make cells of {max(box.spacing):.4g} cMpc/h: with sampling = average they must be at most "
            f"{WIDEST_CELLS} times as wide as a filament of radius {radius:.4g} cMpc/h",
        )
    if images_touching(box, placement, radius) > MOST_IMAGES:
        raise config.error(
            "box",
            "size",
            f"so small that a filament of radius {radius:.4g} cMpc/h meets more than {MOST_IMAGES} of its images",
        )
    half_way = image_distance(box, placement) / 2
    edge = min(float(size.profile.radius_enclosing(cut)), half_way / unit)
    outside = 1 - float(size.profile.enclosed_line_mass(edge)) / size.profile.line_mass / cut
    if outside <= IMAGES_WARNING:
        return []
    name = "the filament" if config.gas is None else f"filament {filament.number}"
    return [
        f"{name} is wide enough to meet its own images: {100 * outside:.3g} % of its mass lies beyond "
        f"{half_way:.4g} cMpc/h, half the way to the next one (enlarge [box] size)"
    ]


@takes()
def fill_box(config: Config, model: Model, backend: CPU | GPU | None = None) -> DensitySlab:
    """Both densities of one filament in every cell of the box, on one rank."""
    config.require([("box",)], "fill_box")
    backend = backend or CPU()
    models = Models(config, [model.filament], ranks=SERIAL, threads=backend.threads, known={0: model})
    return fill_slab(models, config.wavefunction.time, backend)


def fill_slab(models: Models, time: float, backend: CPU | GPU, step: Callable[[], None] | None = None) -> DensitySlab:
    """Densities of all filaments and haloes at one time [Myr] in this rank's slab; all ranks call.

    step  called after each of them
    """
    config = models.config
    box = Box(config.box.size, config.box.cells)
    domain = Domain(box.cells, models.ranks, backend)
    if not held_on_card(domain, dtype_of(config)):
        return _fill_in_pieces(models, time, box, domain, step)
    densities = backend.xp.zeros((2, *domain.shape), dtype_of(config))
    for source in sources(models, time, backend):
        fill_source(config, densities, box, source, domain.planes.start, backend)
        if step:
            step()
    return DensitySlab(box, densities, domain)


def _fill_in_pieces(
    models: Models, time: float, box: Box, domain: Domain, step: Callable[[], None] | None
) -> DensitySlab:
    """The slab in the memory of the host, from pieces that are filled on the card.

    A piece goes there and back for as many filaments and haloes as have their tables on the card: once, for most boxes.
    """
    config, card, dtype = models.config, domain.through_card.card, dtype_of(models.config)
    assert card is not None
    pieces = pieces_on_device(domain, dtype)
    log.info("the slab does not fit on the card: it is filled and transformed there in pieces, here %d", len(pieces))
    densities = np.zeros((2, *domain.shape), dtype)
    for number, batch in enumerate(batches_on_card(sources(models, time, card), card)):
        for planes in pieces:
            here = densities[:, planes]
            piece = card.xp.zeros(here.shape, dtype)
            for target, values in zip(piece, here, strict=True) if number else ():
                target[...] = card.to_device(values)
            for source in batch:
                fill_source(config, piece, box, source, domain.planes.start + planes.start, card)
            for target, filled in zip(here, piece, strict=True):
                card.to_host(filled, target)
            del piece, filled  # for memory: the next one takes their place
        if step:
            for _ in batch:
                step()
    return DensitySlab(box, densities, domain.through_card)


def _describe_frames(context: Context) -> list[str]:
    """A line about the times of the frames of one filament, on rank 0; nothing for several, or without fringes."""
    times, models = context.config.box.frames, context.models
    if times is None or len(times) < 2 or "fdm" not in context.config.box.fields or not context.ranks.is_root:
        return []
    if len(models.filaments) != 1 or models.haloes:
        return []
    return [describe_times("box", sorted(times), coherence_of(models.model(0))[0])]


def _compare_masses(masses: dict[str, float], models: Models) -> list[str]:
    """Mass in the box against that of the modes of all filaments and haloes: lines, and warnings where they differ."""
    records, haloes = models.records(), models.haloes.records()
    counts = {"filament": len(records), "halo": len(haloes)}
    plurals = {"filament": "filaments'", "halo": "haloes'"}
    whose = " and ".join(f"{name}'s" if count == 1 else plurals[name] for name, count in counts.items() if count)
    lines = []
    for name, found in masses.items():
        expected = sum(record.mode_mass for record in records) + sum(halo.masses[name] for halo in haloes)
        error = found / expected - 1
        lines.append(f"mass in the box, {name}: {found:.6g} Msun/h ({error:+.1e} of the {whose})")
        if abs(error) > MASS_WARNING:
            log.warning(
                "the mass in the box, %s, is off by %+.3g %%: cells too coarse (sampling = average keeps it)",
                name,
                100 * error,
            )
    return lines


def _write(context: Context, frame: Frame, masses: dict[str, float] | None) -> dict[str, float]:
    """Write the densities that the ini keeps; returns the mass of both in the whole box [Msun/h].

    masses  of both, where they are known
    """
    config, file, slab = context.config, context.file, frame.slab
    with context.timer("writing"):
        masses = masses or _masses(context, slab)
        about = {"box_size": slab.box.size, "sampling": config.box.sampling, "time": frame.time}
        for name in stored_fields(config):
            values = getattr(slab, name)
            file.reserve(density_path(name, frame.suffix), slab.box.cells, values.dtype, **about)
            file.write_slab(density_path(name, frame.suffix), slab.domain.planes.start, values)
        context.ranks.barrier()
        store_densities(context, frame.suffix, frame.time, masses)
        file.attributes(f"/{DENSITY}", box_size=slab.box.size, **{f"mass_{name}": m for name, m in masses.items()})
    context.timer.log("writing")
    return masses


def _masses(context: Context, slab: DensitySlab) -> dict[str, float]:
    """Masses of both densities [Msun/h]: planes are summed alone, so that ranks do not matter."""
    to_mass = code_units(context.config).mean_matter_density * slab.box.volume / np.prod(slab.box.cells)
    masses, backend, parts = {}, slab.domain.backend, plane_blocks(slab.domain, slab.densities.dtype.itemsize)
    for name in BOTH:
        values, of_planes = getattr(slab, name), backend.xp.empty(slab.domain.shape[0])

        def add(planes: slice, values: Any = values, of_planes: Any = of_planes) -> None:
            of_planes[planes] = values[planes].sum(axis=(1, 2), dtype=np.float64)

        backend.for_each(parts, add)
        sums = backend.to_host(of_planes).tolist()
        masses[name] = to_mass * sum(value for part in context.ranks.allgather(sums) for value in part)
    return masses
