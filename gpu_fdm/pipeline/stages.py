"""The list of stages, in the order of a run."""

from collections.abc import Iterator
from typing import Any

from ..config.cache_keys import key_of, selected_keys
from ..config.config import Config
from ..io.schema import RESULT, Schema
from ..plots import Figure
from ..plots.measured_figures import FIGURES as OF_MEASURED
from .box import BoxStage
from .correlation import CorrelationStage
from .cross_section import CrossSectionStage
from .emulator import EmulatorStage
from .filaments import FilamentsStage
from .one_filament import OneFilamentStage
from .population import PopulationStage
from .power import PowerStage
from .simulation.stage import SimulationStage
from .single_power import SinglePowerStage
from .stage import Stage
from .steady_state import SteadyStateStage
from .total_power import TotalPowerStage

STAGES: tuple[Stage, ...] = (
    PopulationStage(),
    OneFilamentStage(),
    EmulatorStage(),
    TotalPowerStage(),
    SimulationStage(),
    FilamentsStage(),
    CrossSectionStage(),
    SinglePowerStage(),
    SteadyStateStage(),
    BoxStage(),
    PowerStage(),
    CorrelationStage(),
)


def stages_of(config: Config) -> tuple[Stage, ...]:
    """The stages that a config asks for."""
    return tuple(stage for stage in STAGES if stage.is_asked(config))


def figures() -> Iterator[Figure]:
    """Figures of all stages, and of a filament of a snapshot."""
    yield from (figure for stage in STAGES for figure in stage.figures)
    yield from OF_MEASURED


def result_schema() -> Schema:
    """The groups of a result: those of io.schema, and those that stages add."""
    return Schema(RESULT.title, (*RESULT.groups, *(group for stage in STAGES for group in stage.groups)))


def result_key(config: Config, arithmetic: str) -> dict[str, Any]:
    """The key of a whole result: all that its stages depend on, and the seed and precision that it records."""
    names = {"run.seed", "run.precision"}
    for stage in stages_of(config):
        names |= selected_keys(config, stage.keys(config)) | selected_keys(config, stage.selects)
    return key_of(config, "result", names, backend=arithmetic)
