"""Models of the filaments of a run, and its haloes: each is solved on one rank, once, or taken from the cache."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from ..config.cache_keys import key_of
from ..config.config import Config
from ..filament.eigenstates import estimated_states
from ..filament.model import Filament, Model
from ..io.cache import Cache
from ..parallel.balance import own_tasks
from ..parallel.ranks import Ranks
from .gas_haloes import HaloSize
from .halo_models import HaloModels
from .model import profile_of, solve, solved_before
from .records import FilamentRecord, record_of

log = logging.getLogger(__name__)


def model_keys(config: Config) -> tuple[str, ...]:
    """Keys that eigenstates and weights depend on; phases depend on run.seed too."""
    names: tuple[str, ...] = ("cosmology", "dark_matter", "filament", "gas", "wavefunction", "-wavefunction.time")
    names += ("-gas.haloes", "-gas.halo_mass_min", "-gas.halo_mass_max")
    if config.gas is not None:
        names += ("box.size", "run.seed")  # centres are drawn
    if "collapse" in [owner.shape for owner in (config.filament, config.gas) if owner is not None]:
        names += ("population", "-population.m22", "-population.masses")
    return names


def halo_keys(config: Config) -> tuple[str, ...]:
    """Keys that haloes beside filaments depend on, but for the seed of their phases."""
    names: tuple[str, ...] = ("gas.haloes", "gas.halo_mass_min", "gas.halo_mass_max")
    if config.gas is None or (config.gas.haloes, config.gas.halo_mass_min) == (None, None):
        return names
    names += ("cosmology", "dark_matter", "halo", "box.size")
    if config.gas.halo_mass_min is not None:
        names += ("population", "-population.m22", "-population.masses")
    return names


class Models:
    """The filaments of a config and, on each rank, the models of those that it solves."""

    def __init__(
        self,
        config: Config,
        filaments: list[Filament],
        *,
        ranks: Ranks,
        threads: int,
        cache: Cache | None = None,
        remember: bool = True,
        known: Mapping[int, Model] | None = None,
        haloes: Sequence[HaloSize] = (),
    ):
        """Solve nothing yet.

        threads   CPU threads of this rank
        remember  keep models in memory once they are solved
        known     models of filaments that are solved already, by their numbers
        haloes    beside the filaments, whose wave functions are not kept in memory unless remembered
        """
        self.config, self.filaments, self.ranks, self.threads = config, filaments, ranks, threads
        self._cache, self._remember, self._models = cache, remember, dict(known or {})
        self._records: dict[int, FilamentRecord] = {}
        self.haloes = HaloModels(config, haloes, ranks=ranks, threads=threads, cache=cache, remember=remember)

    def model(self, number: int) -> Model:
        """The model of a filament, solved on this rank where it is not known."""
        model = self._models.get(number) or self._cached_or_solved(number)
        if self._remember:
            self._models[number] = model
        if number not in self._records:
            self._records[number] = record_of(model)
        return model

    def own_filaments(self, numbers: Iterable[int]) -> list[int]:
        """Which of these filaments this rank solves, the costliest first."""
        fraction = self.config.wavefunction.energy_cut
        costs = {n: estimated_states(profile_of(self.config, self.filaments[n]), fraction) for n in numbers}
        return own_tasks(costs, self.ranks)

    def records(self) -> list[FilamentRecord]:
        """Records of all filaments, in their order, on all ranks; solves those that nobody has asked for. All call."""
        known = {number for part in self.ranks.allgather(set(self._records)) for number in part}
        for number in self.own_filaments(sorted(set(range(len(self.filaments))) - known)):
            self.model(number)
        gathered = {number: found for part in self.ranks.allgather(self._records) for number, found in part.items()}
        return [gathered[number] for number in sorted(gathered)]

    def _cached_or_solved(self, number: int) -> Model:
        filament, name = self.filaments[number], f"model-{number:02d}"
        if self._cache is None:
            return solve(self.config, filament, self.threads)
        key = {**self._key, "filament": number}
        arrays = self._cache.load(name, key)
        if arrays is not None:
            log.debug("%s: taken from the cache", name)
            return solved_before(self.config, filament, arrays)
        model = solve(self.config, filament, self.threads)
        self._cache.store(name, key, model.arrays)
        return model

    @cached_property
    def _key(self) -> dict[str, Any]:
        return key_of(self.config, "model", model_keys(self.config))
