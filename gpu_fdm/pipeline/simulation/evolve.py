"""One run of a simulation: evolved from its initial conditions or from a checkpoint, and measured on its way."""

import logging
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from math import inf
from math import log as ln
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs

from ...config.cache_keys import key_of
from ...config.config import Config
from ...io.cache import fingerprint
from ...io.opening import is_intact
from ...io.result_file import atomic_result
from ...io.schema import SNAPSHOT
from ...parallel.signals import deferred_signals
from ..progress import progress
from ..stage import Context
from .checkpoint import START_OVER, Checkpoint, Saved
from .dynamics import Dynamics, ParticleRun, State, WaveRun
from .record import Record, is_cold, is_wave, projected
from .setup import Setup, redshift_name
from .snapshots import write_density

log = logging.getLogger(__name__)


def run_keys() -> tuple[str, ...]:
    """Keys that a run depends on, but for its name; snapshots have redshifts of their own."""
    return (
        "run.seed",
        "run.precision",
        "cosmology",
        "-cosmology.redshift",
        "dark_matter",
        "simulation",
        "-simulation.runs",
        "-simulation.seeds",
        "-simulation.checkpoint_minutes",
        "-simulation.alarms",
    )


def snapshot_names(setup: Setup, run: str, result: Path) -> list[str]:
    """Names of the snapshots of a run, which lie beside the result, from the first to the last epoch."""
    of = f"seed{setup.seed}_{run}" if setup.of_several else run
    redshifts = (redshift_name(setup.snapshots[a]) for a in sorted(setup.snapshots))
    return [f"{result.stem}_{of}_z{redshift}.hdf5" for redshift in redshifts]


def snapshots_of_others(setup: Setup, result: Path) -> list[str]:
    """Names of snapshots beside the result that earlier runs left there, and that are none of this one's."""
    own = {
        name
        for of_seed in setup.each_seed
        for run in setup.section.runs
        for name in snapshot_names(of_seed, run, result)
    }
    name = re.compile(rf"{re.escape(result.stem)}_(seed\d+_)?(wave|particles)_(fdm|cdm)_z[\d.e+-]+\.hdf5")
    found = {path.name for path in result.parent.iterdir() if name.fullmatch(path.name)}
    return sorted(found - own)


class RunInProgress:
    """Record of what was measured of a run so far, and its checkpoint."""

    def __init__(self, context: Context, setup: Setup, run: str):
        self.context, self.setup, self.run = context, setup, run
        self.title = f"{setup.of_seed}{run}"
        # parts of seeds have names of their own: of each name, a few parts stay in the cache
        self.part = f"{run}-seed{setup.seed}" if setup.of_several else run
        self.dynamics: Dynamics = (WaveRun if is_wave(run) else ParticleRun)(context, setup, is_cold(run))
        self.key = context.ranks.on_root(lambda: _key(setup, run))
        self.checkpoint = Checkpoint(context.cache, self.part, self.key)
        self.record: Record  # from _begin on
        self.saved_at = perf_counter()

    def whole_record(self) -> Record:
        """The record of the whole run: from the cache, or computed from where it was left."""
        ranks, cache = self.context.ranks, self.context.cache
        arrays = ranks.on_root(lambda: cache.load(self.part, self.key, report=False))
        if arrays is not None and self._snapshots_before(inf):
            log.info("%s: taken from the cache", self.title)
            # left by a run that was killed between the two
            self.checkpoint.remove(ranks)
            return Record(**arrays)
        if arrays is not None:
            log.warning("%s: snapshots that it wrote are no longer there: it is repeated", self.title)
        state = self._begin()
        with progress(self.title, 100, ranks) as step, deferred_signals() as noted:
            self._evolve(state, step, noted)
            title = f"{self.title}: the complete run of {int(self.record.steps[-1])} steps"
            ranks.on_root(lambda: cache.store(self.part, self.key, self.record.arrays, title=title))
            self.checkpoint.remove(ranks)
            self._end_if_asked(self._asked(noted)[0])
        return self.record

    def _begin(self) -> State:
        """The state of the checkpoint, or of the initial modes."""
        ranks, cache = self.context.ranks, self.context.cache
        saved = self.checkpoint.load(ranks)
        if saved is not None and not self._snapshots_before(saved.numbers["epoch"]):
            log.warning("%s: snapshots that it wrote are no longer there: it starts at step 0", self.title)
            saved = None
        elif saved is None:
            names = [self.checkpoint.name, self.part]
            ranks.on_root(lambda: cache.report_unused(names, self.key, START_OVER))
        if saved is None:
            state, order = self.dynamics.initial()
            self.record = Record.empty(order)
            return state
        self.record = saved.record
        log.info("%s: resumes at step %d, z = %.4g", self.title, saved.numbers["step"], 1 / saved.numbers["epoch"] - 1)
        return self.dynamics.unpacked(saved)

    def _evolve(self, begin: State, step: Callable[[], None], noted: Callable[[], str]) -> None:
        """Evolve to the end; step() after each hundredth of the way in ln a. A signal ends it, with a checkpoint."""
        setup, shown = self.setup, 0

        def on_step(state: State) -> None:
            nonlocal shown
            self.note_health(state)
            asked, is_due = self._asked(noted)
            if asked or is_due:
                self._save(state)
            self._end_if_asked(asked)
            done = int(100 * ln(state.times.epoch / setup.start) / ln(setup.end / setup.start))
            for _ in range(shown, done):
                step()
            shown = done

        # a run that goes on may have been left at an epoch whose spectrum is not yet in its record
        self._at_stop(begin)
        for state in self.dynamics.evolve(begin, setup.stops, on_step):
            self._at_stop(state)

    def _at_stop(self, state: State) -> None:
        """Measure and write what is due at this epoch."""
        a = state.times.epoch
        if a in self.setup.snapshots:
            self._write_snapshot(state)
        if a in self.setup.epochs and a not in self.record.scale_factor:
            spectrum, noise = self.dynamics.spectrum(state)
            pictures = projected(self.dynamics.density(state), self.dynamics.domain)
            self.record = self.record.with_epoch(a, state.times.step, spectrum, pictures, noise)
            log.info("%s: z = %.4g, step %d", self.title, 1 / a - 1, state.times.step)

    def note_health(self, state: State) -> None:
        """Add the last look at the health of a wave to the record."""
        health = getattr(state, "health", None)
        if health is not None and health.step not in self.record.health[:, 1]:
            self.record = self.record.with_health(health)

    def _asked(self, noted: Callable[[], str]) -> tuple[str, bool]:
        """The signal that asks to end, on whatever rank, and whether a checkpoint is due, by the clock of the first."""
        is_due = perf_counter() - self.saved_at >= 60 * self.setup.section.checkpoint_minutes
        answers = self.context.ranks.allgather((noted(), is_due))
        return next((name for name, _ in answers if name), ""), answers[0][1]

    def _end_if_asked(self, name: str) -> None:
        """Raise what the signal would have raised at once; Ctrl-C has no name."""
        if name:
            raise KeyboardInterrupt(*([] if name == "SIGINT" else [name]))

    def _save(self, state: State) -> None:
        arrays, numbers = self.dynamics.packed(state)
        numbers |= asdict(state.times)
        self.checkpoint.save(Saved(arrays, numbers, self.record), self.context.ranks)
        self.saved_at = perf_counter()

    def _provenance(self, config: Config) -> dict[str, Any]:
        """Arguments of atomic_result."""
        return {"config_text": config.to_ini(), "seed": config.run.seed, **self.dynamics.backend.provenance}

    def _write_snapshot(self, state: State) -> None:
        a, ranks, box = state.times.epoch, self.context.ranks, self.setup.box
        redshift = self.setup.snapshots[a]
        # the redshift of all that is in the file
        config = self.setup.config
        config = replace(config, cosmology=attrs.evolve(config.cosmology, redshift=redshift))
        with atomic_result(self._snapshots[a], ranks=ranks, schema=SNAPSHOT, **self._provenance(config)) as file:
            file.attributes("/", run=self.run, redshift=redshift, scale_factor=a, run_key=fingerprint(self.key))
            write_density(file, self.run, box, self.dynamics.density(state), redshift, ranks)
            if self.setup.section.content == "full":
                self.dynamics.write_state(file, state)

    @property
    def _snapshots(self) -> dict[float, Path]:
        """Scale factor -> path."""
        result = self.context.result
        names = snapshot_names(self.setup, self.run, result)
        return {a: result.with_name(name) for a, name in zip(sorted(self.setup.snapshots), names, strict=True)}

    def _snapshots_before(self, epoch: float) -> bool:
        """Whether all snapshots that a run writes before an epoch are there, whole, and of this very run."""
        key, ranks = fingerprint(self.key), self.context.ranks
        return all(is_intact(path, key, ranks, "run_key") for a, path in self._snapshots.items() if a < epoch)


def _key(setup: Setup, run: str) -> dict[str, Any]:
    """Everything on which a run depends; not the backend, on another of which it may go on."""
    return key_of(setup.config, "simulation", run_keys(), run=run, linear_power=setup.power.source)
