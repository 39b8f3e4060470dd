"""Densities of all filaments in a periodic box, over ranks, and their statistics.

place -> Sources (each filament solved and tabulated on one rank) -> fill_slab -> power, correlation -> the result
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .. import plan, results
from ..backend import CPU
from ..config import Config
from ..errors import InputError, RunError
from ..fields.box import MOST_IMAGES, Box, Placement, averaged_ends, image_distance, images_touching
from ..fields.fill import Direct, fill, tabulate_direct
from ..fields.section import Section, tabulate_section
from ..model.eigenstates import estimated_states, extent
from ..model.filament import Filament, Model, code_units, profile_of, solve
from ..ranks import ALONE, Ranks
from ..statistics.correlation import CorrelationFunction, correlation_function
from ..statistics.power import PowerSpectrum, power_spectrum
from .context import Context

log = logging.getLogger(__name__)

LEAST_SHARPNESS = 6.0  # of soft ends, over 1/length: the integral of the ends is then the length to 4e-6
MASS_WARNING = 0.01  # relative error of the mass in the box that is worth a warning
IMAGES_WARNING = 1e-3  # mass fraction of a filament beyond half the way to its own image that is worth a warning


@dataclass(frozen=True)
class Slab:
    """A rank's planes of the two densities [mean matter densities], where the backend wants them.

    densities  fdm and smooth, shape (2, planes, ny, nz);  x_first  index of the first plane
    """

    box: Box
    densities: np.ndarray
    x_first: int = 0

    @property
    def fdm(self):
        """|psi|^2."""
        return self.densities[0]

    @property
    def smooth(self):
        """<|psi|^2>."""
        return self.densities[1]


def place(config: Config, filament: Filament) -> tuple[Box, Placement]:
    """The box and where a filament lies in it; InputError where it cannot."""
    box = Box(config.box.size, config.box.cells)
    centre = filament.centre or tuple(side / 2 for side in box.size)
    placement = Placement(centre, filament.direction, filament.orientation, filament.length, filament.sharpness)
    try:
        basis = placement.basis
    except ValueError:
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


def box_warnings(config: Config, table: list[Filament]) -> list[str]:
    """What a user should know about the box before it is filled, one line each."""
    unit, cut = code_units(config).length, config.wavefunction.energy_cut
    warnings, finest = [], 0.0
    for filament in table:
        box, placement = place(config, filament)
        profile = profile_of(config, filament)
        _, radius_max, _ = extent(profile, cut)
        if images_touching(box, placement, radius_max * unit) > MOST_IMAGES:
            raise config.error(
                "box", "size", f"so small that more than {MOST_IMAGES} periodic images of a filament would overlap"
            )
        edge = float(profile.radius_enclosing(cut))
        finest = max(finest, 2 * profile.scale_factor * np.sqrt(2 * float(profile.potential(edge))) / unit)
        half_way = image_distance(box, placement) / 2
        within = float(profile.enclosed_line_mass(min(edge, half_way / unit))) / profile.line_mass
        outside = 1 - within / cut
        if outside > IMAGES_WARNING:
            name = "the filament" if config.gas is None else f"filament {filament.number}"
            warnings.append(
                f"{name} is wide enough to meet its own images: {100 * outside:.3g} % of its mass lies beyond "
                f"{half_way:.4g} cMpc/h, half the way to the next one (enlarge [box] size)"
            )
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


_LEAST_BATCH = 16  # filaments whose cross-sections are in memory together


class Sources:
    """Cross-sections of all filaments: each solved on one rank, once, then lent to all."""

    def __init__(self, context: Context, table: list[Filament], keep: bool, models=None):
        """keep: remember models; models: number -> Model of filaments that are solved already."""
        self.config, self.ranks, self.backend = context.config, context.ranks, context.backend
        self.table, self._threads = table, context.threads
        self._keep, self._models = keep, dict(models or {})
        self.records: dict[int, results.FilamentRecord] = {}

    def model(self, number: int) -> Model:
        """A filament of this rank, solved; remembered where it will be asked for again."""
        model = self._models.get(number) or solve(self.config, self.table[number], self._threads)
        if self._keep:
            self._models[number] = model
        if number not in self.records:
            self.records[number] = results.record(model)
        return model

    def each(self, time: float) -> Iterator[tuple[Placement, Section | Direct]]:
        """Placement and cross-section of every filament in turn, on all ranks, at one time [Myr].

        They are shared in batches, so that no rank waits for another between the filaments of one.
        """
        batch = max(_LEAST_BATCH, 2 * self.ranks.size)
        for first in range(0, len(self.table), batch):
            numbers = range(first, min(first + batch, len(self.table)))
            owner = self._owners(numbers)
            own = {number: self._tabulate(number, time) for number in numbers if owner[number] == self.ranks.rank}
            shared = {number: source for part in self.ranks.everyone(own) for number, source in part.items()}
            for number in numbers:
                yield shared[number]

    def _owners(self, numbers):
        """The rank that solves each filament: the costliest first, to the rank that has least to do."""
        fraction = self.config.wavefunction.energy_cut
        cost = {n: estimated_states(profile_of(self.config, self.table[n]), fraction) for n in numbers}
        load, owner = [0.0] * self.ranks.size, {}
        for number in sorted(numbers, key=lambda n: (-cost[n], n)):
            owner[number] = load.index(min(load))
            load[owner[number]] += cost[number]
        return owner

    def _tabulate(self, number, time):
        model, section = self.model(number), self.config.box
        box, placement = place(self.config, model.filament)
        time, dtype = model.code_time(time), _dtype(self.config)
        if section.method == "direct":
            return placement, tabulate_direct(model.wave, time, min(section.tolerance, 1e-6) / 10)
        if section.sampling == "point":
            return placement, tabulate_section(model.wave, time, section.tolerance, dtype, backend=self.backend)
        cell = np.diag(box.spacing / model.units.length) @ placement.basis[:2].T
        source = tabulate_section(model.wave, time, section.tolerance, dtype, cell, self.backend)
        return averaged_ends(placement, box), source

    def all_records(self) -> list[results.FilamentRecord]:
        """Of every filament, in their order, on all ranks."""
        gathered = {number: kept for part in self.ranks.everyone(self.records) for number, kept in part.items()}
        return [gathered[number] for number in sorted(gathered)]


def fill_box(config: Config, model: Model, backend=None) -> Slab:
    """Both densities of one filament in every cell of the box, on one rank."""
    context = Context(config, backend=backend or CPU())
    sources = Sources(context, [model.filament], keep=True, models={0: model})
    return fill_slab(sources, config.wavefunction.time)


def fill_slab(sources: Sources, time: float, progress=None) -> Slab:
    """Densities of all filaments at one time [Myr] in this rank's slab; all ranks call.

    progress  called after each filament
    """
    config, ranks, backend = sources.config, sources.ranks, sources.backend
    box = Box(config.box.size, config.box.cells)
    first, last = ranks.slab(box.cells[0])
    unit = code_units(config).length
    shape = (2, last - first, *box.cells[1:])
    pieces = plan.pieces_on_device(shape, _dtype(config), backend)
    if pieces == 1:
        densities = backend.xp.zeros(shape, _dtype(config))
        for placement, source in sources.each(time):
            fill(densities[0], densities[1], box, placement, source, unit, first, backend)
            if progress:
                progress()
        return Slab(box, densities, first)
    log.info("the slab does not fit on the card: it is filled in %d pieces", pieces)
    densities = np.zeros(shape, _dtype(config))
    edges = np.linspace(0, last - first, pieces + 1).astype(int)
    for placement, source in sources.each(time):
        for start, stop in pairwise(edges):
            piece = backend.to_device(densities[:, start:stop])
            fill(piece[0], piece[1], box, placement, source, unit, first + start, backend)
            densities[:, start:stop] = backend.to_host(piece)
        if progress:
            progress()
    return Slab(box, densities, first)


def power(config: Config, slab: Slab, ranks: Ranks = ALONE, backend=None) -> dict[str, PowerSpectrum]:
    """The power spectra that the ini asks for: of each density that it keeps, over mu, and the cross spectrum."""
    section, names = config.power, config.box.fields
    options = {"bin_width": section.bin_width, "backend": backend, "cells": slab.box.cells, "ranks": ranks}
    size = slab.box.size
    spectra = {name: power_spectrum(getattr(slab, name), size, names=(name,), **options) for name in names}
    if section.mu_bins:
        for name in names:
            density = getattr(slab, name)
            spectra[f"{name}_mu"] = power_spectrum(density, size, names=(name,), mu_bins=section.mu_bins, **options)
    if section.cross == "yes":
        both = {"other": slab.smooth, "names": ("fdm", "smooth")}
        spectra["fdm_smooth"] = power_spectrum(slab.fdm, size, **both, **options)
    return spectra


def correlation(config: Config, slab: Slab, ranks: Ranks = ALONE, backend=None) -> dict[str, CorrelationFunction]:
    """The correlation function of each density that the ini keeps."""
    options = {"bin_width": config.correlation.bin_width, "backend": backend, "cells": slab.box.cells, "ranks": ranks}
    size = slab.box.size
    return {
        name: correlation_function(getattr(slab, name), size, names=(name,), **options) for name in config.box.fields
    }


def run_box(context: Context, sources: Sources) -> list[str]:
    """Fill, measure and write, for every time that the ini names; returns lines of the summary."""
    config, ranks, backend, clock = context.config, context.ranks, context.backend, context.clock
    section = config.box
    times = (config.wavefunction.time,) if section.frames is None else section.frames
    for frame, time in enumerate(times):
        suffix = "" if section.frames is None else f"/{frame}"
        with clock("box"), plan.progress("box", len(sources.table), ranks) as step:
            slab = fill_slab(sources, time, step)
        clock.tell("box")
        masses = _write_box(context, slab, suffix, time)
        statistics: tuple[tuple[Any, str, Callable[..., dict], Callable], ...] = (
            (config.power, "power spectra", power, results.write_power),
            (config.correlation, "correlation functions", correlation, results.write_correlation),
        )
        for wanted, title, measure, write in statistics:
            if wanted:
                with clock(title), _of_this_box(config):
                    measured = measure(config, slab, ranks, _same_place(backend, slab))
                for name, statistic in measured.items():
                    write(context.file, name + suffix, statistic, section.sampling)
                clock.tell(title)
    return _compare_masses(masses, sources.all_records())


def _compare_masses(masses, records):
    """Mass in the box against that of the modes of all filaments: lines, and warnings where they differ."""
    expected = sum(kept.mode_mass for kept in records)
    whose = "filament's" if len(records) == 1 else "filaments'"
    lines = []
    for name, found in masses.items():
        error = found / expected - 1
        lines.append(f"mass in the box, {name}: {found:.6g} Msun/h ({error:+.1e} of the {whose})")
        if abs(error) > MASS_WARNING:
            log.warning(
                "the mass in the box, %s, is off by %+.3g %%: cells too coarse (sampling = average keeps it)",
                name,
                100 * error,
            )
    return lines


@contextmanager
def _of_this_box(config):
    """A box without mass, or with NaN, has no spectrum: say so as a failed run."""
    try:
        yield
    except ValueError as error:
        raise RunError(f"{config.source}: no spectrum of this box: {error}") from None


def _same_place(backend, slab):
    """The backend for what follows: a slab that did not fit on the card is on the host."""
    return CPU() if backend.name == "gpu" and isinstance(slab.densities, np.ndarray) else backend


def _write_box(context, slab, suffix, time):
    """Write the densities that the ini keeps; returns the mass of both in the whole box [Msun/h]."""
    config, ranks, backend, file, clock = (
        context.config,
        context.ranks,
        context.backend,
        context.file,
        context.clock,
    )
    to_mass = code_units(config).mean_matter_density * slab.box.volume / np.prod(slab.box.cells)
    masses = {}
    with clock("writing"):
        for name in ("fdm", "smooth"):
            values = backend.to_host(getattr(slab, name))
            sums = [float(np.sum(plane, dtype=np.float64)) for plane in values]
            masses[name] = to_mass * sum(value for part in ranks.everyone(sums) for value in part)
            if name in config.box.fields:
                results.reserve_density(file, name + suffix, slab.box, values.dtype, config.box.sampling, time)
                file.write_slab(f"/density/{name}{suffix}", slab.x_first, values)
        file.attributes("/density", box_size=slab.box.size, **{f"mass_{name}": m for name, m in masses.items()})
    clock.tell("writing")
    return masses


def _dtype(config):
    return np.float32 if config.run.precision == "single" else np.float64
