"""Fits of m22 to tables that were compared with models, and their systematic errors.

A fit goes over the models themselves where they are of four or more m22, else over boosts that are computed from the
config of a result; so do the fits with every switch. States are solved for between planning and fitting, over ranks.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..config.config import Config
from ..errors import InputError
from ..pipeline.progress import duration
from ..pipeline.switches import Switch, filament_switches, population_switches
from ..spectra.boost import Boost
from ..spectra.boost_grid import BoostGrid
from ..spectra.fit import fit_m22
from .compare import Comparison, same_ratio
from .computed_models import ComputedModels, Populations, SingleFilaments
from .models import grid_of
from .states import Solved, States
from .systematics import SwitchedFit, Systematics

MOST_SECONDS = 120.0  # that switches may take unless they are asked for
SECONDS_OF_SWITCH = 1.0  # besides solving for states

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Variant:
    """Models with one switch; without a name those of the config itself.

    needed  states, and the largest k of each [1/L];  reason  why they cannot be computed, "" where they can
    """

    name: str
    models: ComputedModels
    needed: dict[States, float]
    reason: str = ""


@dataclass(eq=False)
class FitPlan:
    """What is fitted with what, before states are solved for.

    comparisons  to fit;  models  of all ratios
    masses    between which m22 is fitted [1e-22 eV]
    variants  of each object, by its name: that of the config first, then one for every switch
    """

    comparisons: Sequence[Comparison]
    models: Sequence[Boost]
    masses: tuple[float, float]
    variants: Mapping[str, list[Variant]]
    _grids: dict[tuple[int, str, str], BoostGrid] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        comparisons: Sequence[Comparison],
        models: Sequence[Boost],
        masses: tuple[float, float],
        config: Config | None,
    ) -> "FitPlan":
        """The plan with all switches.

        config  of a result, None where it has none
        Raises InputError for a table that has no model to be fitted with.
        """
        tables = [comparison.table for comparison in comparisons]
        wavenumbers = min(table.k[0] for table in tables), max(table.k[-1] for table in tables)
        wanted = {comparison.model.object for comparison in comparisons}
        computed = {} if config is None else _variants_of(config, masses, wavenumbers, wanted)
        plan = cls(comparisons, models, masses, computed)
        for comparison in comparisons:
            if plan.stored(comparison) is None and not plan.variants.get(comparison.model.object):
                raise InputError(
                    f"{comparison.table.label}: a fit needs models of four or more m22: give more with --model FILE"
                )
        return plan

    def affordable(self, systematics: bool | None, ranks: int) -> "FitPlan":
        """The plan with switches if they are asked for, or where it is not said and they take no long time."""
        alone = self.without_switches()
        switches = sum(len(variants) - 1 for variants in {id(each): each for each in self.variants.values()}.values())
        if systematics is False or not switches:
            return alone
        solving = sum(states.seconds for states in self.needed.keys() - alone.needed.keys())
        seconds = solving / ranks + SECONDS_OF_SWITCH * switches
        about = f"systematic errors of fits: about {duration(seconds)}"
        if systematics is None and seconds > MOST_SECONDS:
            log.warning("%s: left out; --systematics computes them", about)
            return alone
        log.info("%s (--no-systematics leaves them out)", about)
        return self

    def without_switches(self) -> "FitPlan":
        """The same fits without systematic errors."""
        return replace(self, variants={of: variants[:1] for of, variants in self.variants.items()})

    @property
    def needed(self) -> dict[States, float]:
        """States that must be solved for, and the largest k of each [1/L]."""
        needed: dict[States, float] = {}
        for comparison in self.comparisons:
            variants = self.variants.get(comparison.model.object, [])
            for variant in variants[1 if self.stored(comparison) else 0 :]:
                for states, k_max in variant.needed.items():
                    needed[states] = max(needed.get(states, 0.0), k_max)
        return needed

    def stored(self, comparison: Comparison) -> BoostGrid | None:
        """The models themselves as a grid, None where they are too few."""
        return grid_of(models_to_fit(comparison.table, same_ratio(comparison.table, self.models), comparison.model))

    def fitted(self, solved: Solved) -> list[Comparison]:
        """The comparisons with their fits and, where there are switches, systematic errors."""
        return [self._fitted(comparison, solved) for comparison in self.comparisons]

    def _fitted(self, comparison: Comparison, solved: Solved) -> Comparison:
        variants = self.variants.get(comparison.model.object, [])
        grid = self.stored(comparison) or self._grid(variants[0], solved, comparison)
        low, high = grid.m22_range
        low, high = max(self.masses[0], low), min(self.masses[1], high)
        fit = fit_m22(grid, comparison.table, low, high)
        switched = [self._switched(variant, solved, comparison, fit.masses) for variant in variants[1:]]
        best = grid(fit.m22) if fit.fits and fit.m22 is not None and not fit.bound else None
        known = Systematics(fit, tuple(switched)) if switched else None
        return replace(comparison, fit=fit, systematics=known, best=best)

    def _switched(
        self, variant: Variant, solved: Solved, comparison: Comparison, masses: tuple[float, float]
    ) -> SwitchedFit:
        fit, reason = None, variant.reason
        if not reason:
            try:
                fit = fit_m22(self._grid(variant, solved, comparison), comparison.table, *masses)
            except InputError as error:
                reason = str(error)
        return SwitchedFit(variant.name, fit, reason)

    def _grid(self, variant: Variant, solved: Solved, comparison: Comparison) -> BoostGrid:
        """Boosts of a variant over the denominator of a table, made once."""
        key = id(variant), comparison.table.denominator, comparison.model.object
        if key not in self._grids:
            self._grids[key] = variant.models.grid(solved, *key[1:])
        return self._grids[key]


def models_to_fit(table: Boost, models: Sequence[Boost], nearest: Boost) -> list[Boost]:
    """The models of one object that a table is fitted with, that of the nearest model; a fit mixes none.

    Raises InputError for a table that does not say what it is of, where the models are of several objects.
    """
    objects = list(dict.fromkeys(model.object for model in models if model.object))
    if not table.object and len(objects) > 1:
        raise InputError(
            f"{table.label}: the models are of {', and of '.join(objects)}: say in the table which of these it is of, "
            f"with a line such as # object: {objects[0]}"
        )
    return [model for model in models if model.object == nearest.object]


def _variants_of(
    config: Config, masses: tuple[float, float], wavenumbers: tuple[float, float], wanted: set[str]
) -> dict[str, list[Variant]]:
    """The variants of the wanted objects that a config can compute boosts of, by name."""
    found: dict[str, list[Variant]] = {}
    if config.single_power is not None and config.filament is not None:
        own = SingleFilaments(config, masses)
        if wanted & set(own.objects):
            variants = [Variant("", own, own.needed)]
            for switch in filament_switches(config):
                variants.append(_variant(switch, SingleFilaments(switch.config, masses, own.nu)))
            found |= dict.fromkeys(own.objects, variants)
    if config.one_filament is not None:
        window = config.one_filament.mass_min, config.one_filament.mass_max
        population = Populations(config, masses, wavenumbers, window)
        if wanted & set(population.objects):
            variants = [Variant("", population, population.needed)]
            for switch in population_switches(config):
                variants.append(_variant(switch, Populations(switch.config, masses, wavenumbers, window)))
            found |= dict.fromkeys(population.objects, variants)
    return found


def _variant(switch: Switch, models: ComputedModels) -> Variant:
    try:
        return Variant(switch.name, models, models.needed)
    except InputError as error:
        return Variant(switch.name, models, {}, str(error))
