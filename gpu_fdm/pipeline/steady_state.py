"""Whether the filament stays as it is: its cross-section evolved in its own gravity, for each boson mass and method.

The cases are spread over ranks, the costliest first, and each is kept as soon as it is done.
"""

import logging
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from attrs import evolve

from ..config.cache_keys import key_of
from ..config.config import Config, DarkMatter
from ..cosmology.background import Background
from ..errors import RunError
from ..filament.eigenstates import eigenstates, estimated_states
from ..filament.model import Filament
from ..parallel.balance import own_tasks
from ..simulation.steady_state import Evolution, evolve_cross_section
from . import steady_state_results as results
from .context import Context
from .model import code_units, filaments, profile_of, solve
from .progress import progress

log = logging.getLogger(__name__)

_FEW_STATES = 10  # by their phase-space area: fewer are solved for to see whether there is one
ESCAPED = 1e-3  # of the mass beyond the radius where the modes end: told as a warning when exceeded


@dataclass(frozen=True)
class Case:
    """One boson mass and one method of weights.

    config  that of the run with both put in;  filament  as this boson has it
    """

    config: Config
    filament: Filament

    @property
    def m22(self) -> float:
        """Boson mass [1e-22 eV]."""
        return self.config.dark_matter.m22

    @property
    def weights(self) -> str:
        """The method."""
        return self.config.wavefunction.weights

    @property
    def title(self) -> str:
        """In words."""
        return f"m22 = {self.m22:g}, {self.weights}"

    @property
    def name(self) -> str:
        """Of the part that is kept."""
        return f"steady_state-m22_{self.m22:g}-{self.weights}"

    @property
    def cost(self) -> float:
        """Time that it takes, in arbitrary units: cells and steps both grow as the number of states."""
        profile = profile_of(self.config, self.filament)
        return estimated_states(profile, self.config.wavefunction.energy_cut) ** 2

    def key(self, context: Context) -> dict:
        """Everything that the evolution depends on."""
        return key_of(self.config, "steady_state", backend=context.backend.arithmetic)

    def run(self, context: Context) -> Evolution:
        """Solve for the modes and follow their psi."""
        section, started = self.config.steady_state, perf_counter()
        try:
            with progress(self.title, section.outputs, context.ranks) as step:
                evolution = evolve_cross_section(
                    solve(self.config, self.filament, context.threads),
                    section.periods,
                    section.outputs,
                    section.frames,
                    section.gravity,
                    backend=context.backend,
                    on_output=step,
                )
        except RunError as error:
            # on this rank alone: one that all ranks raised would leave the others waiting
            raise RunError(f"[steady_state] {self.title}: {error}") from error
        log.info("%s: %d cells a side, %.1f s", self.title, evolution.cells, perf_counter() - started)
        return evolution


def steady_state_cases(config: Config) -> list[Case]:
    """Every boson mass with every method, the costliest first."""
    section = config.steady_state
    found = []
    for m22 in sorted(section.m22 or (config.dark_matter.m22,), reverse=True):
        for method in section.weights:
            wave = evolve(config.wavefunction, weights=method, weights_table=None)
            of_case = replace(config, dark_matter=DarkMatter(m22), wavefunction=wave)
            found.append(Case(of_case, filaments(of_case)[0]))
    return found


def check_steady_state(config: Config):
    """InputError for a boson that is too light to have a state."""
    for case in steady_state_cases(config):
        profile, cut = profile_of(case.config, case.filament), config.wavefunction.energy_cut
        if estimated_states(profile, cut) < _FEW_STATES:
            try:
                eigenstates(profile, cut, threads=1)
            except ValueError as error:
                place = ("dark_matter" if config.steady_state.m22 is None else "steady_state"), "m22"
                raise config.error(*place, f"{error}, for {case.m22:g}") from None


def run_steady_state(context: Context) -> list[str]:
    """All cases, each on one rank; returns lines of the summary."""
    config = context.config
    with context.timer("steady state"):
        cases = steady_state_cases(config)
        evolutions = _evolved(context, cases)
        age = float(Background(config.cosmology.omega_m).age(1 / (1 + config.cosmology.redshift)))
        lines = []
        for case in sorted(cases, key=lambda case: case.m22):
            units, evolution = code_units(case.config), evolutions[case.name]
            results.write_evolution(context.file, case.m22, case.weights, evolution, units)
            lines.append(results.describe(case.title, evolution, units))
            if evolution.beyond > ESCAPED:
                log.warning(
                    "%s: %.2g of the mass comes farther than the modes reach, towards the sides of the periodic plane",
                    case.title,
                    evolution.beyond,
                )
        section = config.steady_state
        results.write_about(
            context.file,
            gravity=section.gravity,
            periods=section.periods,
            mass=config.filament.mass,
            redshift=config.cosmology.redshift,
            age=age * _hubble_time(config),
        )
    context.timer.log("steady state")
    return lines


def _hubble_time(config):
    """1/H0 [Gyr]."""
    return (1.5 * config.cosmology.omega_m) ** 0.5 * code_units(config).time_myr / 1e3


def _evolved(context, cases):
    """The evolution of every case, by its name, on all ranks: kept from before, or found here."""
    cache, ranks = context.cache, context.ranks
    arrays = ranks.on_root(lambda: {case.name: cache.load(case.name, case.key(context)) for case in cases})
    done = {name: _evolution(found) for name, found in arrays.items() if found is not None}
    if done:
        log.info("%d of %d cross-sections are in the cache", len(done), len(cases))
    missing = {case.name: case for case in cases if case.name not in done}
    mine = {}
    for name in own_tasks({name: case.cost for name, case in missing.items()}, ranks):
        mine[name] = missing[name].run(context)
        cache.store(name, missing[name].key(context), mine[name].arrays)
    return done | {name: evolution for part in ranks.allgather(mine) for name, evolution in part.items()}


def _evolution(arrays):
    """From what was kept: numbers come back as arrays without axes."""
    return Evolution(**{name: values.item() if np.ndim(values) == 0 else values for name, values in arrays.items()})
