"""Whether the filament stays as it is: its cross-section evolved in its own gravity, for each boson mass and method."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from time import perf_counter
from typing import Any, ClassVar

import attrs
import numpy as np

from ..config.cache_keys import key_of
from ..config.config import Config
from ..cosmology.background import Background
from ..errors import RunError, UnfitError
from ..filament.eigenstates import eigenstates, estimated_states
from ..filament.model import Filament
from ..io import schema
from ..io.result_file import GroupWriter
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from ..simulation.plane import plane_cells
from ..simulation.steady_state import FRAME_REACH, LIMITS, Evolution, evolve_cross_section
from ..units import CodeUnits
from .inputs import Inputs
from .model import code_units, filaments, for_boson, profile_of, solve
from .models import model_keys
from .sizes import ModelSize
from .stage import Context, Estimate, Stage
from .steady_axis import AXIS_KEYS, AxisCase
from .tasks import Arrays, arrays_of

log = logging.getLogger(__name__)

ESCAPED = 1e-3  # of the mass beyond the radius where the modes end, above which a warning says so
_FEW_STATES = 10  # by their phase-space area: fewer are solved for to see whether there is one
_EVOLVED = 5.2, 116  # memory: copies of the states, bytes a cell; to 10 % for m22 = 1, 4, 8
_EVOLVED_A_SECOND, _MEASURED_A_SECOND = 1.2e7, 2e6  # cells on two cores


class SteadyStateStage(Stage):
    """The cross-section of the filament for every boson mass and method, each evolved on one rank."""

    section: ClassVar[str] = "steady_state"
    within: ClassVar[str] = "wavefunction"
    selects: ClassVar[tuple[str, ...]] = ("steady_state",)
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            "steady_state",
            "how far the line mass drifts, and how the potential fluctuates",
            "steady_state.steady_state",
            ("steady_state",),
        ),
        Figure(
            "steady_state_axis",
            "growth of a modulation of the line mass along the axis",
            "steady_state.axis",
            ("steady_state_axis",),
        ),
        Figure(
            "steady_state_frames",
            "density across the filament against time",
            "steady_state.frames",
            ("steady_state",),
        ),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """What the evolution of one case depends on, but for its boson and its method."""
        return (
            *model_keys(config),
            "run.seed",
            self.section,
            "-steady_state.m22",
            "-steady_state.weights",
            "-wavefunction.axial",
            *(f"-{self.section}.{name}" for name in AXIS_KEYS),
        )

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """InputError for a boson that is too light to have a state."""
        config = inputs.config
        for case in cases_of(config):
            profile, cut = profile_of(case.config, case.filament), config.wavefunction.energy_cut
            if estimated_states(profile, cut) < _FEW_STATES:
                try:
                    eigenstates(profile, cut, threads=1)
                except UnfitError as error:
                    section = "dark_matter" if config.steady_state.m22 is None else self.section
                    raise config.error(section, "m22", f"{error}, for {case.m22:g}") from None
        return [warning for case in axis_cases(config) for warning in case.warnings()]

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Memory of the costliest cross-section, time and frames of all."""
        section, cases = inputs.config.steady_state, cases_of(inputs.config)
        size = ModelSize.of(inputs.config, cases[0].filament)
        cut, radius_max, _ = size.extent
        cells, side = plane_cells(size.profile, cut, radius_max)
        copies, cell = _EVOLVED
        memory = int(copies * size.states) + cell * cells**2
        memory = max(memory, size.solving(section.weights).get("weights", 0))
        along = axis_cases(inputs.config)
        memory = max(memory, int(copies * size.states) + max((case.memory for case in along), default=0))
        seconds = sum(case.seconds for case in cases) + sum(case.seconds for case in along)
        shown = min(1.0, 2 * FRAME_REACH * float(size.profile.radius_enclosing(0.99)) / side) * cells
        return Estimate({"steady state": memory}, int(len(cases) * section.frames * 4 * shown**2), seconds)

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """Periods and cases."""
        titles = "; ".join(case.title for case in cases_of(inputs.config))
        lines = [f"steady state: {inputs.config.steady_state.periods:g} periods of {titles}"]
        for case in axis_cases(inputs.config):
            across, along = case.cells
            lines.append(f"along the axis: {case.title}, {across} x {across} x {along} cells")
        return lines

    def run(self, context: Context) -> list[str]:
        """Evolve and write all cases."""
        config, section, file = context.config, context.config.steady_state, context.file
        with context.timer("steady state"):
            cases, along = cases_of(config), axis_cases(config)
            evolutions = arrays_of(context, [*cases, *along], "steady states")
            lines = []
            for case in sorted(cases, key=lambda case: case.m22):
                units, evolution = code_units(case.config), _evolution(evolutions[case.name])
                _write(file, case.m22, case.weights, evolution, units)
                lines.append(_describe(case.title, evolution, units))
                if evolution.beyond > ESCAPED:
                    log.warning(
                        "%s: %.2g of the mass comes farther than the modes reach, towards the sides of the periodic "
                        "plane",
                        case.title,
                        evolution.beyond,
                    )
            lines += [case.write(file, evolutions[case.name]) for case in along]
            file.attributes(
                f"/{schema.STEADY_STATE}",
                gravity=section.gravity,
                periods=section.periods,
                mass=config.filament.mass,
                redshift=config.cosmology.redshift,
                age=_age(config),
            )
        context.timer.log("steady state")
        return lines


@dataclass(frozen=True, eq=False)
class Case:
    """One boson mass and one method of weights: a pipeline.tasks.Task.

    config  that of the run with both put in;  filament  for this boson
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
        """Boson mass and method, in words."""
        return f"m22 = {self.m22:g}, {self.weights}"

    @property
    def name(self) -> str:
        """Name of its part in the cache."""
        return f"steady_state-m22_{self.m22:g}-{self.weights}"

    @cached_property
    def cost(self) -> float:
        """Time that it takes, in arbitrary units: cells and steps both grow as the number of states."""
        profile = profile_of(self.config, self.filament)
        return estimated_states(profile, self.config.wavefunction.energy_cut) ** 2

    @property
    def seconds(self) -> float:
        """Rough time on two cores: of stages as long as the kinetic phase allows, and of what is measured."""
        size, section = ModelSize.of(self.config, self.filament), self.config.steady_state
        profile, (cut, radius_max, _) = size.profile, size.extent
        cells, side = plane_cells(profile, cut, radius_max)
        a, half = profile.scale_factor, float(profile.radius_enclosing(0.5))
        period = 2 * np.pi * half * np.sqrt(2 * np.pi * a**3 / float(profile.enclosed_line_mass(half)))
        stages = section.periods * period * (np.pi * cells / side) ** 2 / a**2 / LIMITS.kinetic
        seconds = cells**2 * (stages / _EVOLVED_A_SECOND + section.outputs / _MEASURED_A_SECOND)
        return float(seconds) + size.solving_seconds(self.weights)

    @property
    def steps(self) -> int:
        """Times at which it is looked at."""
        return self.config.steady_state.outputs

    def key(self, context: Context) -> dict[str, Any]:
        """Everything that the evolution depends on."""
        stage = SteadyStateStage()
        return key_of(self.config, stage.section, stage.keys(self.config), backend=context.backend.arithmetic)

    def compute(self, context: Context, step: Callable[[], None]) -> Arrays:
        """Solve for the modes and follow their psi."""
        section, started = self.config.steady_state, perf_counter()
        try:
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
        return {name: np.asarray(values) for name, values in evolution.arrays.items()}


def cases_of(config: Config) -> list[Case]:
    """Every boson mass with every method, the costliest first."""
    section = config.steady_state
    found = []
    for m22 in sorted(section.m22 or (config.dark_matter.m22,), reverse=True):
        for method in section.weights:
            # the plane knows nothing of the axis
            wave = attrs.evolve(config.wavefunction, weights=method, weights_table=None, cut_out=None, axial="coherent")
            of_case = replace(for_boson(config, m22), wavefunction=wave)
            found.append(Case(of_case, filaments(of_case)[0]))
    return found


def axis_cases(config: Config) -> list[AxisCase]:
    """Every wavelength and kind of momentum of every case: the runs in three dimensions."""
    section = config.steady_state
    return [
        AxisCase(case.config, case.filament, model_keys(config), wavelength, number, momentum)
        for case in cases_of(config)
        for number, wavelength in enumerate(section.axis or ())
        for momentum in section.axis_momentum
    ]


def _evolution(arrays: Arrays) -> Evolution:
    """An evolution from its arrays: numbers are arrays without axes."""
    values: dict[str, Any] = {name: array if array.ndim else array.item() for name, array in arrays.items()}
    return Evolution(**values)


def _age(config: Config) -> float:
    """Age of the universe at the redshift of a config [Gyr]."""
    age = float(Background(config.cosmology.omega_m).age(1 / (1 + config.cosmology.redshift)))
    hubble_time = (1.5 * config.cosmology.omega_m) ** 0.5 * code_units(config).time_myr / 1e3
    return age * hubble_time


def _write(file: GroupWriter, m22: float, weights: str, evolution: Evolution, units: CodeUnits) -> None:
    """One case: rings and fluctuations against time, frames of the density."""
    gyr, folder = units.time_myr / 1e3, f"/{schema.STEADY_STATE}/{schema.boson(m22)}"
    file.attributes(folder, m22=m22)
    periods = range(1, evolution.whole_periods + 1)
    numbers = ("weight_sum", "modes", "cells", "beyond", "mass_error", "energy_error")
    file.group(
        f"{folder}/{weights}",
        {
            "time": evolution.time * gyr,
            "edges": evolution.edges * units.length,
            "coordinate": evolution.coordinate * units.length,
            "frame_time": evolution.frame_time * gyr,
            **{name: getattr(evolution, name) for name in ("expected", "own", "fixed", "fluctuation", "frames")},
        },
        period=evolution.period * gyr,
        drift_own=[evolution.drift(number, "own") for number in periods],
        drift_fixed=[evolution.drift(number, "fixed") for number in periods],
        fluctuation=[evolution.mean_fluctuation(number) for number in periods],
        **{name: getattr(evolution, name) for name in numbers},
    )


def _describe(title: str, evolution: Evolution, units: CodeUnits) -> str:
    """One line: how far the mean density drifts, and how large the fluctuations are."""
    numbers = range(1, evolution.whole_periods + 1)
    own, fixed, fluctuation = (
        ", ".join(f"{100 * value(number):.2g}" for number in numbers)
        for value in (evolution.drift, lambda number: evolution.drift(number, "fixed"), evolution.mean_fluctuation)
    )
    return (
        f"steady state, {title}: in periods of {evolution.period * units.time_myr / 1e3:.3g} Gyr line masses drift by "
        f"{own} % (phases alone: {fixed} %), the potential fluctuates by {fluctuation} %"
    )
