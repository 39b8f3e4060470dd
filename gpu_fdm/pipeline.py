"""The stages of a run, over ranks; cli.py and Python users call `run`.

config -> filaments -> solve -> cross_section, densities in the box -> power -> result file -> figures
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from time import perf_counter

import numpy as np

from . import plan, results
from .backend import CPU, BackendError, choose, cpu_count
from .config import Config
from .errors import InputError, RunError
from .fields.box import MOST_IMAGES, Box, Placement, averaged_ends, image_distance, images_touching
from .fields.cross_section import psi_at, tabulate
from .fields.fill import fill, tabulate_direct
from .fields.section import tabulate_section
from .fields.vortices import Vortices, find_vortices
from .model.eigenstates import estimated_states, extent
from .model.filament import Filament, Model, code_units, filaments, profile_of, solve
from .ranks import ALONE, Ranks
from .statistics.correlation import CorrelationFunction, correlation_function
from .statistics.power import PowerSpectrum, power_spectrum
from .store import check_writable, replacing

log = logging.getLogger(__name__)

LEAST_SHARPNESS = 6.0  # of soft ends, over 1/length: the integral of the ends is then the length to 4e-6
WORST_FIT = 0.3  # rms of ln density inside R_95 that is told as a warning when exceeded
MASS_WARNING = 0.01  # relative error of the mass in the box that is worth a warning
IMAGES_WARNING = 1e-3  # mass fraction of a filament beyond half the way to its own image that is worth a warning


@dataclass(frozen=True)
class CrossSection:
    """psi on a square grid across the filament.

    coordinate  along u (and v) [cMpc/h], shape (points,);  psi  [v, u], complex64 [sqrt(rho_m0)]
    vortices    positions [cMpc/h]
    """

    coordinate: np.ndarray
    psi: np.ndarray
    vortices: Vortices


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


@dataclass(frozen=True)
class Outcome:
    """What a run made: the result file, the figures, and lines to tell the user."""

    result: Path
    figures: tuple[Path, ...] = ()
    summary: tuple[str, ...] = ()


@dataclass
class _Clock:
    """Seconds that the stages took, told as they end."""

    seconds: dict = field(default_factory=dict)

    @contextmanager
    def __call__(self, name):
        started = perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + perf_counter() - started

    def tell(self, name):
        log.info("%s: %.2f s", name, self.seconds[name])


def build_model(config: Config) -> Model:
    """The filament of a config, solved; the first of a gas."""
    return solve(config, filaments(config)[0])


def cross_section(config: Config, model: Model, backend=None) -> CrossSection:
    """psi across the filament, and the vortices inside the square's inscribed circle."""
    section = config.cross_section
    half = float(model.profile.radius_enclosing(section.mass_fraction))
    table = tabulate(model.wave, model.code_time(config.wavefunction.time), tolerance=1e-8)
    line = np.linspace(-half, half, section.points)
    psi = psi_at(table, line[None, :], line[:, None], backend)
    found = find_vortices(table, half, backend=backend)
    unit = model.units.length
    vortices = Vortices(found.x * unit, found.y * unit, found.winding)
    return CrossSection(line * unit, psi.astype(np.complex64), vortices)


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


class _Sources:
    """Cross-sections of all filaments: each solved on one rank, once, then lent to all."""

    def __init__(self, config: Config, table: list[Filament], ranks: Ranks, backend, keep: bool, models=None):
        """models: number -> Model of filaments that are solved already."""
        self.config, self.table, self.ranks, self.backend = config, table, ranks, backend
        self._keep, self._models = keep, dict(models or {})
        self.records = {}

    def model(self, number: int) -> Model:
        """A filament of this rank, solved; remembered where it will be asked for again."""
        model = self._models.get(number) or solve(self.config, self.table[number], _threads(self.backend))
        if self._keep:
            self._models[number] = model
        if number not in self.records:
            self.records[number] = results.record(model)
        return model

    def each(self, time: float) -> Iterator[tuple[Placement, object]]:
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
    sources = _Sources(config, [model.filament], ALONE, backend or CPU(), keep=True, models={0: model})
    return _fill_slab(config, sources, config.wavefunction.time)


def _fill_slab(config, sources, time, progress=None):
    """Densities of all filaments at one time in this rank's slab."""
    ranks, backend = sources.ranks, sources.backend
    box = Box(config.box.size, config.box.cells)
    first, last = ranks.slab(box.cells[0])
    unit = code_units(config).length
    shape = (2, last - first, *box.cells[1:])
    pieces = plan.pieces_on_device(shape, _dtype(config), backend)
    if pieces == 1:
        densities = backend.xp.zeros(shape, _dtype(config))
        for placement, source in sources.each(time):
            fill(*densities, box, placement, source, unit, first, backend)
            if progress:
                progress()
        return Slab(box, densities, first)
    log.info("the slab does not fit on the card: it is filled in %d pieces", pieces)
    densities = np.zeros(shape, _dtype(config))
    edges = np.linspace(0, last - first, pieces + 1).astype(int)
    for placement, source in sources.each(time):
        for start, stop in pairwise(edges):
            piece = backend.to_device(densities[:, start:stop])
            fill(*piece, box, placement, source, unit, first + start, backend)
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


def run(config: Config, ranks: Ranks = ALONE) -> Outcome:
    """All stages that a config asks for; results appear under their final names when they are whole.

    Every rank calls it with the same config.
    """
    clock = _Clock()
    with clock("all"):
        result = result_path(config)
        table, warnings = ranks.on_first(lambda: check(config, ranks))
        for warning in warnings:
            log.warning("%s", warning)
        backend = _backend(config, ranks)
        planned = plan.plan(config, table, ranks)
        ranks.on_first(lambda: plan.check_memory(planned, ranks))
        ranks.on_first(lambda: check_writable(result.parent))
        summary = _compute(config, ranks, backend, table, result, clock)
        figures = ()
        if config.figures and ranks.first:
            from .plots import draw

            with clock("figures"):
                figures = tuple(draw(result, config.figures.dpi))
            clock.tell("figures")
        ranks.wait()
    summary.append(f"{clock.seconds['all']:.1f} s")
    return Outcome(result, figures, tuple(summary))


def check(config: Config, ranks: Ranks = ALONE) -> tuple[list[Filament], list[str]]:
    """The filaments and the warnings of a config, after all checks that cost nothing."""
    if config.wavefunction is None:
        raise InputError(f"{config.source}: nothing to do: there is no section [wavefunction]")
    if config.box and ranks.size > config.box.cells[0]:
        raise config.error("box", "cells", f"more ranks ({ranks.size}) than planes along x ({config.box.cells[0]})")
    check_tables(config)
    table = filaments(config)
    return table, box_warnings(config, table) if config.box else []


def _compute(config, ranks, backend, table, result, clock):
    """Solve, fill, measure and write; returns the lines of the summary."""
    section = config.box
    times = (config.wavefunction.time,) if not section or section.frames is None else section.frames
    sources = _Sources(config, table, ranks, backend, keep=len(times) > 1 or config.gas is None)
    summary = []
    provenance = {"seed": config.run.seed, "backend": backend.name, "device": backend.device, "ranks": ranks}
    with replacing(result, config.to_ini(), **provenance) as file:
        if config.gas is None and ranks.first:
            with clock("model"):
                model = sources.model(0)
            log.info("%s", results.describe(sources.records[0]))
            clock.tell("model")
            if config.cross_section:
                with clock("cross-section"):
                    results.write_cross_section(file, 0, cross_section(config, model, backend))
                clock.tell("cross-section")
        if section:
            for frame, time in enumerate(times):
                suffix = "" if section.frames is None else f"/{frame}"
                with clock("box"), plan.progress("box", len(table), ranks) as step:
                    slab = _fill_slab(config, sources, time, step)
                clock.tell("box")
                mass = _write_box(config, file, slab, ranks, backend, suffix, time, clock)
                for wanted, title, measure, write in (
                    (config.power, "power spectra", power, results.write_power),
                    (config.correlation, "correlation functions", correlation, results.write_correlation),
                ):
                    if wanted:
                        with clock(title), _of_this_box(config):
                            measured = measure(config, slab, ranks, _same_place(backend, slab))
                        for name, statistic in measured.items():
                            write(file, name + suffix, statistic, section.sampling)
                        clock.tell(title)
        records = sources.all_records()
        centre = None if not section else tuple(side / 2 for side in section.size)
        for kept in records:
            results.write_filament(file, kept, centre)
        if config.gas:
            results.write_gas(file, table)
    summary.append(results.describe(records[0]) if len(records) == 1 else _describe_gas(records))
    _warn_of_fits(records)
    if section:
        expected = sum(kept.mode_mass for kept in records)
        for name, found in mass.items():
            error = found / expected - 1
            whose = "filament's" if len(records) == 1 else "filaments'"
            summary.append(f"mass in the box, {name}: {found:.6g} Msun/h ({error:+.1e} of the {whose})")
            if abs(error) > MASS_WARNING:
                log.warning(
                    "the mass in the box, %s, is off by %+.3g %%: cells too coarse (sampling = average keeps it)",
                    name,
                    100 * error,
                )
    return summary


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


def _write_box(config, file, slab, ranks, backend, suffix, time, clock):
    """Write the densities that the ini keeps; returns the mass of both in the whole box [Msun/h]."""
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


def _warn_of_fits(records):
    """Say where the modes do not make the density that they should."""
    for kept in records:
        modes = kept.mode_attributes
        if modes["rms_log_density"] > WORST_FIT or not 0.8 < modes["weight_sum"] < 1.1:
            log.warning(
                "filament %d: its %s modes make %.3g %% of the line mass, rms of ln density %.2g: "
                "take another [wavefunction] weights, a higher energy_cut, or a heavier boson",
                kept.filament.number,
                modes["weights"],
                100 * modes["weight_sum"],
                modes["rms_log_density"],
            )


def _describe_gas(records):
    modes = [kept.mode_attributes["library_modes"] for kept in records]
    kept = sum(len(one.modes["n"]) for one in records)
    return f"{len(records)} filaments with {min(modes)} to {max(modes)} modes each; {kept} of {sum(modes)} modes kept"


def result_path(config: Config) -> Path:
    """The result file of a config: run.output itself if it ends in .hdf5 or .h5, else result.hdf5 in that folder."""
    output = Path(config.run.output).expanduser()
    return output if output.suffix.lower() in (".hdf5", ".h5") else output / "result.hdf5"


def check_tables(config: Config):
    """InputError for a table that is named but not there."""
    for section, key in (
        ("filament", "profile_table"),
        ("wavefunction", "weights_table"),
        ("gas", "table"),
        ("gas", "mass_function"),
    ):
        owner = getattr(config, section)
        name = None if owner is None else getattr(owner, key)
        if name is not None and not Path(name).is_file():
            raise config.error(section, key, "is no file that can be read" if Path(name).exists() else "no such file")


def _dtype(config):
    return np.float32 if config.run.precision == "single" else np.float64


def _threads(backend):
    return getattr(backend, "threads", None)


def _backend(config, ranks):
    """This rank's backend; RunError where only some ranks have a GPU, or one was asked for and is not there."""
    try:
        backend = choose(config.run.backend, ranks.local_rank, config.run.threads or cpu_share(ranks))
    except BackendError as error:
        raise RunError(str(error)) from None
    names = ranks.everyone(backend.name)

    def same_everywhere():
        if len(set(names)) > 1:
            without = ", ".join(str(rank) for rank, name in enumerate(names) if name == "cpu")
            raise RunError(f"no CUDA device that CuPy can use on rank {without}, but on others (or use backend = cpu)")

    ranks.on_first(same_everywhere)
    return backend


def cpu_share(ranks: Ranks) -> int:
    """Threads for this rank: its own CPUs where the launcher bound it to some, else its share of the node's."""
    import os

    mine = cpu_count()
    return mine if mine < (os.cpu_count() or 1) else max(1, mine // ranks.local_size)
