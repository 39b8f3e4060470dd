"""Densities of all filaments in a periodic box, over ranks, and their statistics.

place -> Sources (each filament solved and tabulated on one rank) -> fill_slab -> power, correlation -> the result
"""

import logging
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from ..config.cache_keys import key_of
from ..config.config import Config
from ..errors import RunError
from ..fields.box import MOST_IMAGES, Box, image_distance, images_touching
from ..fields.fill import fill
from ..filament.eigenstates import extent
from ..filament.model import Filament, Model
from ..parallel.backend import CPU
from ..parallel.ranks import SERIAL, Ranks
from ..spectra.correlation import CorrelationFunction, correlation_function
from ..spectra.power import PowerSpectrum, power_spectrum
from . import densities as stored
from . import plan, results
from .context import Context
from .densities import BOTH, Slab, density_path
from .model import code_units, profile_of
from .progress import progress
from .sources import Sources, dtype_of, place

log = logging.getLogger(__name__)

MASS_WARNING = 0.01  # relative error of the mass in the box that is worth a warning
IMAGES_WARNING = 1e-3  # mass fraction of a filament beyond half the way to its own image that is worth a warning


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
    pieces = plan.pieces_on_device(shape, dtype_of(config), backend)
    if pieces == 1:
        densities = backend.xp.zeros(shape, dtype_of(config))
        for placement, source in sources.each(time):
            fill(densities[0], densities[1], box, placement, source, unit, first, backend)
            if progress:
                progress()
        return Slab(box, densities, first)
    log.info("the slab does not fit on the card: it is filled in %d pieces", pieces)
    densities = np.zeros(shape, dtype_of(config))
    edges = np.linspace(0, last - first, pieces + 1).astype(int)
    for placement, source in sources.each(time):
        for start, stop in pairwise(edges):
            piece = backend.to_device(densities[:, start:stop])
            fill(piece[0], piece[1], box, placement, source, unit, first + start, backend)
            densities[:, start:stop] = backend.to_host(piece)
        if progress:
            progress()
    return Slab(box, densities, first)


def power(config: Config, slab: Slab, ranks: Ranks = SERIAL, backend=None) -> dict[str, PowerSpectrum]:
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


def correlation(config: Config, slab: Slab, ranks: Ranks = SERIAL, backend=None) -> dict[str, CorrelationFunction]:
    """The correlation function of each density that the ini keeps."""
    options = {"bin_width": config.correlation.bin_width, "backend": backend, "cells": slab.box.cells, "ranks": ranks}
    size = slab.box.size
    return {
        name: correlation_function(getattr(slab, name), size, names=(name,), **options) for name in config.box.fields
    }


def run_box(context: Context, sources: Sources, result: Path) -> list[str]:
    """Fill, measure and write, for every time that the ini names; returns lines of the summary.

    result  the file that the run makes: what runs before left of it is not computed again
    """
    config, ranks, timer = context.config, context.ranks, context.timer
    for suffix, time in stored.frames(config):
        with timer("box"), progress("box", len(sources.table), ranks) as step:
            before = stored.before(context, time, result)
            slab, masses = before or (fill_slab(sources, time, step), None)
        timer.log("box", from_cache=before is not None)
        masses = _write_box(context, slab, suffix, time, masses)
        for part, title, measure in (
            ("power", "power spectra", _record_power),
            ("correlation", "correlation functions", _record_correlation),
        ):
            if getattr(config, part):
                key = key_of(config, part, time=time, backend=context.backend.arithmetic)
                with timer(title), _of_this_box(config):
                    measured = context.part_of_all(
                        f"{part}{suffix.replace('/', '-')}", key, partial(measure, context, slab, suffix)
                    )
                measured.write(context.file)
                timer.log(title, measured.from_cache)
    return _compare_masses(masses, sources.all_records())


def _record_power(context, slab, suffix, file):
    for name, spectrum in power(context.config, slab, context.ranks, context.backend.holding(slab.densities)).items():
        results.write_power(file, name + suffix, spectrum, context.config.box.sampling)


def _record_correlation(context, slab, suffix, file):
    for name, function in correlation(
        context.config, slab, context.ranks, context.backend.holding(slab.densities)
    ).items():
        results.write_correlation(file, name + suffix, function, context.config.box.sampling)


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


def _write_box(context, slab, suffix, time, masses):
    """Write the densities that the ini keeps; returns the mass of both in the whole box [Msun/h].

    masses  of both, where they are known
    """
    config, ranks, backend, file = context.config, context.ranks, context.backend, context.file
    with context.timer("writing"):
        masses = masses or _masses(context, slab)
        for name in config.box.fields:
            values, path = backend.to_host(getattr(slab, name)), density_path(name, suffix)
            results.reserve_density(file, name + suffix, slab.box, values.dtype, config.box.sampling, time)
            file.write_slab(path, slab.x_first, values)
        ranks.barrier()
        stored.note(context, suffix, time, masses)
        file.attributes("/density", box_size=slab.box.size, **{f"mass_{name}": m for name, m in masses.items()})
    context.timer.log("writing")
    return masses


def _masses(context, slab):
    """Of both densities [Msun/h]: planes are summed alone, so that ranks do not matter."""
    to_mass = code_units(context.config).mean_matter_density * slab.box.volume / np.prod(slab.box.cells)
    masses = {}
    for name in BOTH:
        sums = [float(np.sum(plane, dtype=np.float64)) for plane in context.backend.to_host(getattr(slab, name))]
        masses[name] = to_mass * sum(value for part in context.ranks.allgather(sums) for value in part)
    return masses
