"""A config with what follows from it before anything is solved."""

from dataclasses import dataclass
from functools import cached_property

from ..config.config import Config
from ..filament.model import Filament
from ..population.population import Population
from .model import filaments, population_of


@dataclass(frozen=True, eq=False)
class Inputs:
    """A config, its filaments and its population: each is found when it is first asked for, once.

    Rank 0 checks a config and sends its Inputs to the others. What is wrong is raised as an InputError.
    """

    config: Config

    @cached_property
    def filaments(self) -> list[Filament]:
        """Filaments of [filament] or [gas], in their order."""
        return filaments(self.config)

    @cached_property
    def population(self) -> Population:
        """The population of [population], with barrier and variances that reach to the masses of [one_filament]."""
        window = self.config.one_filament
        population = population_of(self.config, () if window is None else (window.mass_min, window.mass_max))
        with self.config.errors_in("population"):
            return population.prepared(self.config.population.m22)
