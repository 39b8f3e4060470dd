"""The filaments of a run, each solved on one rank, once, and lent to all; their places in the box."""

import logging
from collections.abc import Iterable, Iterator
from functools import cached_property

import numpy as np

from ..config.cache_keys import key_of
from ..config.config import Config
from ..errors import InputError
from ..fields.box import Box, Placement, averaged_ends
from ..fields.extruded import ExtrudedTable, tabulate_extruded
from ..fields.fill import Direct, tabulate_direct
from ..filament.eigenstates import estimated_states
from ..filament.model import Filament, Model
from ..parallel.balance import own_tasks
from . import results
from .context import Context
from .model import profile_of, solve, solved_before

log = logging.getLogger(__name__)

LEAST_SHARPNESS = 6.0  # of soft ends, over 1/length: the integral of the ends is then the length to 4e-6


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


_LEAST_BATCH = 16  # filaments whose cross-sections are in memory together


class Sources:
    """Models and cross-sections of all filaments: each solved on one rank, once, and kept; then lent to all."""

    def __init__(self, context: Context, table: list[Filament], keep: bool, models=None):
        """keep: remember models; models: number -> Model of filaments that are solved already."""
        self.context = context
        self.config, self.ranks, self.backend = context.config, context.ranks, context.backend
        self.table = table
        self._keep, self._models = keep, dict(models or {})
        self.records: dict[int, results.FilamentRecord] = {}

    def model(self, number: int) -> Model:
        """A filament of this rank, solved; remembered where it will be asked for again."""
        model = self._models.get(number) or self._kept_or_solved(number)
        if self._keep:
            self._models[number] = model
        if number not in self.records:
            self.records[number] = results.record(model)
        return model

    def _kept_or_solved(self, number):
        cache, filament, name = self.context.cache, self.table[number], f"model-{number:02d}"
        if cache is None:
            return solve(self.config, filament, self.context.threads)
        key = {**self._key, "filament": number}
        arrays = cache.load(name, key)
        if arrays is not None:
            log.debug("%s: taken from the cache", name)
            return solved_before(self.config, filament, arrays)
        model = solve(self.config, filament, self.context.threads)
        cache.store(name, key, model.arrays)
        return model

    @cached_property
    def _key(self):
        return key_of(self.config, "model")

    def each(self, time: float) -> Iterator[tuple[Placement, ExtrudedTable | Direct]]:
        """Placement and cross-section of every filament in turn, on all ranks, at one time [Myr].

        They are shared in batches, so that no rank waits for another between the filaments of one.
        """
        batch = max(_LEAST_BATCH, 2 * self.ranks.size)
        for first in range(0, len(self.table), batch):
            numbers = range(first, min(first + batch, len(self.table)))
            own = {number: self._tabulate(number, time) for number in self.own_filaments(numbers)}
            shared = {number: source for part in self.ranks.allgather(own) for number, source in part.items()}
            for number in numbers:
                yield shared[number]

    def own_filaments(self, numbers: Iterable[int]) -> list[int]:
        """Which of these filaments this rank solves, the costliest first."""
        fraction = self.config.wavefunction.energy_cut
        costs = {n: estimated_states(profile_of(self.config, self.table[n]), fraction) for n in numbers}
        return own_tasks(costs, self.ranks)

    def _tabulate(self, number, time):
        model, section = self.model(number), self.config.box
        box, placement = place(self.config, model.filament)
        time, dtype = model.code_time(time), dtype_of(self.config)
        if section.method == "direct":
            return placement, tabulate_direct(model.wave, time, min(section.tolerance, 1e-6) / 10)
        if section.sampling == "point":
            return placement, tabulate_extruded(model.wave, time, section.tolerance, dtype, backend=self.backend)
        cell = np.diag(box.spacing / model.units.length) @ placement.basis[:2].T
        source = tabulate_extruded(model.wave, time, section.tolerance, dtype, cell, self.backend)
        return averaged_ends(placement, box), source

    def all_records(self) -> list[results.FilamentRecord]:
        """Of every filament, in their order, on all ranks; all call this."""
        known = {number for part in self.ranks.allgather(set(self.records)) for number in part}
        for number in self.own_filaments(sorted(set(range(len(self.table))) - known)):
            self.model(number)
        gathered = {number: kept for part in self.ranks.allgather(self.records) for number, kept in part.items()}
        return [gathered[number] for number in sorted(gathered)]


def dtype_of(config: Config):
    """Of densities."""
    return np.float32 if config.run.precision == "single" else np.float64
