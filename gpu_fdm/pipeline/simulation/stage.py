"""The same random modes evolved as a wave and as particles, and the ratios of their power spectra.

Seeds are done one after the other, each on all ranks, in the memory of one. Each run of [simulation] runs goes from its
initial conditions, or from a checkpoint, to redshift_end. Spectra are taken at epochs in equal ratios of the scale
factor. The spectra of a run that is done are cached, and it is not repeated.
"""

import logging
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from ...config.config import Config
from ...io.schema import SIMULATION
from ...parallel.domain import Domain
from ...parallel.ranks import SERIAL, Ranks
from ...plots import Figure
from ...simulation.grid import largest_velocity
from ...simulation.initial_conditions import require_small
from ..inputs import Inputs
from ..progress import in_words
from ..stage import Context, Estimate, Stage
from .boosts import boosts_of, describe_boosts, write_boosts
from .evolve import RunInProgress, run_keys, snapshot_names, snapshots_of_others
from .needs import check_card, checkpoint_size, output_size, particle_memory, run_seconds, run_steps, wave_memory
from .record import Record, describe_run, is_cold, is_wave, write_run
from .setup import Setup, check_simulation, named

log = logging.getLogger(__name__)


class SimulationStage(Stage):
    """All runs, one after the other: spectra, boosts and snapshots."""

    section: ClassVar[str] = "simulation"
    begins: ClassVar[bool] = True
    selects: ClassVar[tuple[str, ...]] = ("simulation.runs", "simulation.seeds")
    beside: ClassVar[bool] = True
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            "simulation_boost",
            "P(k) of waves over particles, and where it can be trusted",
            "simulation.boost",
            ("boost",),
        ),
        Figure("simulation_power", "P(k) of all runs", "simulation.power", ("simulation",)),
        Figure("simulation_frames", "column density of all runs against time", "projections.frames", ("simulation",)),
        Figure(
            "simulation_health",
            "what the solver watched: mass, energy, unresolved velocities",
            "simulation.health",
            tuple(
                f"simulation/{of_seed}{run}/health" for run in ("wave_fdm", "wave_cdm") for of_seed in ("", "seed_*/")
            ),
        ),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """Keys that a run depends on."""
        return run_keys()

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """Warnings of runs in which nothing forms, or particles begin on their lattice."""
        return check_simulation(inputs.config, ranks)

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Memory of each run, which is in memory alone; disk and time of all seeds."""
        config, runs = inputs.config, inputs.config.simulation.runs
        memory = {
            run: wave_memory(config, ranks.size, initial=True) if is_wave(run) else particle_memory(config, ranks.size)
            for run in runs
        }
        setup = Setup.of(config)
        seeds = len(setup.each_seed)
        written = seeds * sum(output_size(config, run) for run in runs)
        return Estimate(memory, written, seeds * sum(run_seconds(setup, run) for run in runs))

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """Runs, cells, redshifts, checkpoints and steps."""
        config, section = inputs.config, inputs.config.simulation
        size = in_words(max(checkpoint_size(config, run) for run in section.runs))
        seeds = f" of {len(section.seeds)} seeds" if section.seeds else ""
        setup = Setup.of(config)
        steps = ", ".join(f"{run} {run_steps(setup, run)}" for run in section.runs)
        return [
            f"simulation: {', '.join(section.runs)}{seeds}; {' x '.join(map(str, section.cells))} cells, "
            f"z = {section.redshift_start:g} to {section.redshift_end:g}, checkpoints of up to {size}",
            f"steps{seeds and ' of each seed'}, at least: {steps} (collapse asks for shorter ones)",
        ]

    def run(self, context: Context) -> list[str]:
        """Evolve all runs of all seeds; write their spectra and boosts."""
        config, file = context.config, context.file
        setup, section = Setup.of(config, context.ranks), config.simulation
        check_card(config, context.ranks, context.backend)
        records: dict[str, list[Record]] = {run: [] for run in section.runs}
        lines = []
        for of_seed in setup.each_seed:
            for run, record in _records_of_seed(context, of_seed):
                lines.append(f"{of_seed.of_seed}{describe_run(run, record)}")
                records[run].append(record.without_pictures)
        if others := context.ranks.on_root(lambda: snapshots_of_others(setup, context.result)):
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            text = "%s%s: beside the result, but of an earlier run: it is not of these settings, remove it or rename it"
            log.warning(text, context.result.with_name(others[0]), more)
        m22, seeds = config.dark_matter.m22, [of_seed.seed for of_seed in setup.each_seed]
        boosts = boosts_of(records, setup.box, m22)
        write_boosts(file, boosts, next(iter(records.values()))[0].scale_factor, setup.box, setup.units, seeds)
        file.attributes(
            f"/{SIMULATION}",
            size=section.size,
            cells=section.cells,
            redshift_start=section.redshift_start,
            redshift_end=section.redshift_end,
            m22=m22,
            seeds=np.array(seeds, np.uint64),
            transfer=section.transfer,
            linear_power=setup.power.source,
            order=section.order,
            lagrangian_order=section.lagrangian_order,
            largest_velocity_end=largest_velocity(float(np.max(setup.box.spacing)), setup.units, setup.end),
        )
        return lines + describe_boosts(boosts, seeds)


def _records_of_seed(context: Context, setup: Setup) -> Iterator[tuple[str, Record]]:
    """Evolve all runs of a seed, write their spectra, and yield the record of each."""
    config, section, result = setup.config, setup.section, context.result
    title = f"{setup.of_seed}initial modes"
    with named(config, seed=setup.of_seed), context.timer(title):
        about = {cold: _about_modes(setup, cold, context) for cold in sorted({is_cold(run) for run in section.runs})}
    context.timer.log(title)
    for run in section.runs:
        title = f"{setup.of_seed}{run}"
        with named(config, run, setup.of_seed), context.timer(title):
            record = RunInProgress(context, setup, run).whole_record()
        context.timer.log(title)
        attributes = {"snapshots": snapshot_names(setup, run, result) or None, **about[is_cold(run)]}
        write_run(context.file, run, record, setup.box, attributes, setup.seed if setup.of_several else None)
        yield run, record


def _about_modes(setup: Setup, cold: bool, context: Context) -> dict[str, Any]:
    """Attributes of the modes of a power; InputError where the contrast at the start is not small."""
    domain = Domain(setup.box.cells, context.ranks, context.backend.host)
    modes = setup.modes(cold, np.float32, domain=domain)
    require_small(modes, setup.start, setup.background)
    return {
        "initial_power": "cdm" if cold else setup.section.transfer,
        "rms_contrast": modes.rms(setup.start, setup.background),
        "rms_contrast_end": modes.rms(setup.end, setup.background),
        "rms_velocity_end": modes.rms_velocity(setup.end, setup.background),
    }
