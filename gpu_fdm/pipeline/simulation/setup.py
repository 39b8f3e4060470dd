"""The common setup of the runs of a simulation: box, epochs, initial modes; and checks before hours are spent."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import attrs
import numpy as np
from numpy.typing import DTypeLike

from ...config.config import Config
from ...config.simulation_sections import SimulationSection
from ...cosmology.background import Background
from ...cosmology.linear_power import LinearPower
from ...cosmology.transfer import transfer
from ...errors import InputError, RunError
from ...fields.box import Box
from ...parallel.domain import Domain
from ...parallel.ranks import SERIAL, Ranks
from ...simulation.grid import Grid, largest_velocity, require_resolved
from ...simulation.initial_conditions import LARGEST_RMS, LinearModes, linear_modes, require_small
from ...simulation.integrator import Expanding
from ...units import CodeUnits
from ..linear_power import linear_power_of
from ..model import code_units, dtype_of
from .record import is_cold, is_wave

MARGIN = 1.9  # least ratio of largest_velocity to the rms linear velocity at the end, see docs/simulation.md
RESOLVED = 3.0  # the same ratio, above which less than 1 % of the mass was unresolved in all boxes that were tried
COARSE = 64  # cells a side from whose modes, the largest of the box, velocities are known before the run
MOST_CHECKED = 32  # seeds whose modes are drawn before the run
NEGLIGIBLE = 1e-12  # of the power of CDM: taken for none beyond the last k where it is known
LEAST_WAY = 0.5  # of a particle from its place in the lattice at the start, rms along an axis [cells]
LEAST_CONTRAST = 0.05  # rms of the linear contrast at the end: with less nothing forms
SAME_EPOCH = 1e-9  # relative difference of scale factors


@dataclass(frozen=True)
class Setup:
    """A simulation of a config, of one seed of its modes: run.seed.

    power       linear power of CDM at z = 0
    of_several  whether other seeds of the same simulation are run too
    """

    config: Config
    power: LinearPower
    of_several: bool = False

    @classmethod
    def of(cls, config: Config, ranks: Ranks = SERIAL) -> "Setup":
        """The setup with the power of its cosmology, found once for all ranks."""
        return cls(config, ranks.on_root(lambda: linear_power_of(config)))

    @property
    def each_seed(self) -> tuple["Setup", ...]:
        """The simulation of each of [simulation] seeds, with the config that would run this seed alone."""
        seeds = self.section.seeds
        if seeds is None:
            return (self,)
        config = replace(self.config, simulation=attrs.evolve(self.section, seeds=None))
        return tuple(
            replace(self, config=replace(config, run=attrs.evolve(config.run, seed=seed)), of_several=len(seeds) > 1)
            for seed in seeds
        )

    @property
    def seed(self) -> int:
        """The seed of the modes."""
        return self.config.run.seed

    @property
    def of_seed(self) -> str:
        """What begins a message about one of several seeds; empty where there is one."""
        return f"seed {self.seed}: " if self.of_several else ""

    @property
    def section(self) -> SimulationSection:
        """[simulation]."""
        return self.config.simulation

    @property
    def box(self) -> Box:
        """The box and its cells."""
        return Box(self.section.size, self.section.cells)

    @property
    def units(self) -> CodeUnits:
        """Code units of the boson."""
        return code_units(self.config)

    @property
    def grid(self) -> Grid:
        """The grid in code units."""
        return Grid.of(self.box, self.units)

    @property
    def background(self) -> Background:
        """The background of the cosmology."""
        return Background(self.config.cosmology.omega_m)

    @property
    def clock(self) -> Expanding:
        """The clock of the evolution."""
        return Expanding(self.background)

    @property
    def dtype(self) -> np.dtype:
        """Precision of densities."""
        return np.dtype(dtype_of(self.config))

    @property
    def start(self) -> float:
        """Scale factor where it starts."""
        return 1 / (1 + self.section.redshift_start)

    @property
    def end(self) -> float:
        """Scale factor where it ends."""
        return 1 / (1 + self.section.redshift_end)

    @cached_property
    def epochs(self) -> tuple[float, ...]:
        """Scale factors of the spectra."""
        number = self.section.spectra
        return (self.end,) if number == 1 else tuple(np.geomspace(self.start, self.end, number).tolist())

    @cached_property
    def snapshots(self) -> dict[float, float]:
        """Scale factor -> redshift of each snapshot."""
        section = self.section
        if section.content == "none":
            return {}
        found = {}
        for redshift in (section.redshift_end,) if section.snapshots is None else section.snapshots:
            a = 1 / (1 + redshift)
            # the epoch of a spectrum where there is one so near that a step between them would be round-off
            near = [epoch for epoch in self.epochs if abs(a / epoch - 1) < SAME_EPOCH]
            found[near[0] if near else a] = redshift
        return found

    @property
    def stops(self) -> list[float]:
        """Scale factors at which there is something to be done, ascending."""
        return sorted({*self.epochs, *self.snapshots})

    def modes(
        self,
        cold: bool,
        dtype: DTypeLike,
        *,
        cells: tuple[int, int, int] | None = None,
        domain: Domain | None = None,
    ) -> LinearModes:
        """Linear modes with the power of CDM (cold), or of FDM.

        cells  of another grid, which has the same modes as far as it reaches; those of the box where not given
        Raises InputError where the box has modes for which the power is not known, and not negligible.
        """
        section, known = self.section, self.power
        name, table = ("cdm", None) if cold else (section.transfer, section.transfer_table)
        cut_off = transfer(name, self.config.dark_matter.m22, h=self.config.cosmology.h, table=table)
        last = min(known.k_max, cut_off.k_max)
        corner = float(np.sqrt(np.sum((np.pi / self.box.spacing) ** 2)))
        if corner > last and float(cut_off(last)) ** 2 > NEGLIGIBLE:
            raise InputError(
                f"cells = {', '.join(map(str, section.cells))}: modes reach k = {corner:.4g} h/Mpc: must be at most "
                f"{last:.4g}, up to where the {'CDM' if cold else 'FDM'} power is known (fewer cells, or a larger box)"
            )

        def power(k: np.ndarray) -> np.ndarray:
            return np.where(k <= last, known(np.minimum(k, last)), 0.0)

        def cut(k: np.ndarray) -> np.ndarray:
            return cut_off(np.minimum(k, last))

        box = self.box if cells is None else Box(self.box.size, cells)
        return linear_modes(box, power, self.seed, transfer=cut, dtype=dtype, domain=domain)


def check_simulation(config: Config, ranks: Ranks = SERIAL) -> list[str]:
    """Warnings of a config; InputError for a simulation that cannot be run.

    Takes up to a second for each seed, for it draws the largest modes of the box alone; of many seeds some are checked,
    and each when it is run. One rank calls this.
    """
    setup, section = Setup.of(config), config.simulation
    if ranks.size > section.cells[0]:
        raise config.error("simulation", "cells", f"more ranks ({ranks.size}) than planes along x ({section.cells[0]})")
    seeds = setup.each_seed
    checked = seeds[:: -(-len(seeds) // MOST_CHECKED)]
    warnings = [warning for one in checked for warning in _warnings_of_modes(one)]
    if len(checked) < len(seeds):
        what = f"{len(checked)} of {len(seeds)} seeds are checked now, each of the others when it is run"
        warnings.append(f"{config.source}: [simulation] {what}")
    return warnings


def _warnings_of_modes(setup: Setup) -> list[str]:
    """Warnings about the modes of one seed; InputError where they cannot be evolved."""
    config, section, warnings = setup.config, setup.section, []
    where = f"{config.source}: [simulation] {setup.of_seed}"
    coarse = tuple(min(number, COARSE) for number in section.cells)
    with named(config, seed=setup.of_seed):
        for cold in sorted({is_cold(run) for run in section.runs}):
            modes = setup.modes(cold, np.float64, cells=coarse)
            require_small(modes, setup.start, setup.background)
            if any(is_wave(run) and is_cold(run) == cold for run in section.runs):
                warnings += [f"{where}{warning}" for warning in _warn_of_velocities(setup, modes)]
            contrast = modes.rms(setup.end, setup.background)
            if contrast < LEAST_CONTRAST:
                warnings.append(
                    f"{where}redshift_end = {section.redshift_end:g}: the linear "
                    f"{'CDM' if cold else 'FDM'} contrast has an rms of {contrast:.2g} there: nothing will form "
                    "(take a larger box, a later end, or a heavier boson)"
                )
            elif any(not is_wave(run) and is_cold(run) == cold for run in section.runs):
                warnings += [f"{where}{warning}" for warning in _warn_of_lattice(setup, modes)]
    return warnings


def _warn_of_velocities(setup: Setup, modes: LinearModes) -> list[str]:
    """InputError where cells do not resolve the velocities of the modes at the end; a warning where they hardly do."""
    rms = modes.rms_velocity(setup.end, setup.background)
    try:
        require_resolved(setup.box, MARGIN * rms, setup.units, setup.end)
    except InputError as error:
        raise InputError(f"{error}, {MARGIN:g} times the rms linear velocity at redshift_end") from None
    largest = largest_velocity(float(np.max(setup.box.spacing)), setup.units, setup.end)
    if largest >= RESOLVED * rms:
        return []
    ratio = largest / rms
    # the ratio falls as a^(3/2), and grows with the number of cells
    until = (1 + setup.section.redshift_end) * (RESOLVED / ratio) ** (2 / 3) - 1
    return [
        f"redshift_end = {setup.section.redshift_end:g}: cells resolve {ratio:.3g} times the rms linear velocity: "
        f"below {RESOLVED:g} more than 0.01 of the mass may be unresolved, and such epochs are not used (end at "
        f"z = {until:.3g}, or take {RESOLVED / ratio:.3g} times as many cells along each side)"
    ]


def _warn_of_lattice(setup: Setup, modes: LinearModes) -> list[str]:
    """A warning where particles begin so near to their lattice that the mesh does not see what is of second order."""
    section, spacing = setup.section, float(np.min(setup.box.spacing))
    way = float(setup.background.growth(setup.start)) * np.sqrt(modes.displacement / 3) / spacing
    if way >= LEAST_WAY:
        return []
    # displacements grow as a does
    latest, remedy = LEAST_WAY / way * setup.start, "take more cells"
    if latest < setup.end and modes.rms(latest, setup.background) <= LARGEST_RMS:
        remedy += f", or start later, at {1 / latest - 1:.3g}"
    return [
        f"redshift_start = {section.redshift_start:g}: particles begin {way:.2g} cells off their lattice (rms along "
        f"an axis): below {LEAST_WAY:g} the mesh misses part of what one mode makes of another ({remedy})"
    ]


@contextmanager
def named(config: Config, run: str = "", seed: str = "") -> Iterator[None]:
    """Put the file and the section before the message of an InputError, and the run before that of a RunError.

    seed  Setup.of_seed
    """
    try:
        yield
    except (InputError, RunError) as error:
        where = f"{config.source}: [simulation] {seed}" if isinstance(error, InputError) else f"{seed}{run}: "
        complete = type(error)(f"{where}{error}")
        complete.on_all_ranks = getattr(error, "on_all_ranks", False)
        raise complete from error


def redshift_name(redshift: float) -> str:
    """A redshift in the name of a file."""
    return f"{redshift:.6g}"
