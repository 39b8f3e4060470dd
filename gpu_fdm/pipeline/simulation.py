"""The same random modes evolved as a wave and as particles, and the ratios of their power spectra.

Each run of [simulation] runs goes from its initial conditions, or from a checkpoint, to redshift_end. Spectra are taken
at epochs in equal ratios of the scale factor. The spectra of a run that is done are kept, and it is not repeated.
"""

import logging
from dataclasses import asdict, replace
from math import inf
from math import log as ln
from pathlib import Path
from time import perf_counter

import h5py
import numpy as np
from attrs import evolve

from ..config.cache_keys import key_of
from ..errors import RunError
from ..io.cache import fingerprint
from ..io.digest import HDF5_DAMAGE
from ..io.result_file import atomic_result
from ..parallel.signals import deferred_signals
from ..simulation.grid import largest_velocity
from ..simulation.initial_conditions import require_small
from . import plan
from . import simulation_results as results
from .checkpoint import Checkpoint, Saved
from .context import Context
from .progress import in_words, progress
from .simulation_dynamics import ParticleRun, WaveRun
from .simulation_results import Record
from .simulation_setup import Setup, is_cold, is_wave, named, redshift_name
from .simulation_snapshots import write_density

log = logging.getLogger(__name__)


def run_simulation(context: Context, result: Path) -> list[str]:
    """All runs, one after the other: spectra, boosts and snapshots; returns lines of the summary.

    result  the result file, beside which snapshots are written
    """
    config, ranks, file = context.config, context.ranks, context.file
    setup, section = Setup.of(config, ranks), config.simulation
    _require_card(context)
    with named(config), context.timer("initial modes"):
        about = {cold: _about_modes(setup, cold, context) for cold in sorted({is_cold(run) for run in section.runs})}
    context.timer.log("initial modes")
    records, lines = {}, []
    for run in section.runs:
        with named(config, run), context.timer(run):
            records[run] = _Running(context, setup, run, result).whole_record()
        context.timer.log(run)
        attributes = {"snapshots": snapshot_names(setup, run, result) or None, **about[is_cold(run)]}
        results.write_run(file, run, records[run], setup.box, attributes)
        lines.append(results.describe_run(run, records[run]))
    m22 = config.dark_matter.m22
    boosts = results.boosts(records, setup.box, m22)
    results.write_boosts(file, boosts, records, setup.box, setup.units)
    file.attributes(
        "/simulation",
        size=section.size,
        cells=section.cells,
        redshift_start=section.redshift_start,
        redshift_end=section.redshift_end,
        m22=m22,
        transfer=section.transfer,
        linear_power=setup.power.source,
        order=section.order,
        lagrangian_order=section.lagrangian_order,
        largest_velocity_end=largest_velocity(float(np.max(setup.box.spacing)), setup.units, setup.end),
    )
    return lines + results.describe_boosts(boosts, records)


def snapshot_names(setup: Setup, run: str, result: Path) -> list[str]:
    """Names of the snapshots of a run, which lie beside the result, from the first to the last epoch."""
    redshifts = (redshift_name(setup.snapshots[a]) for a in sorted(setup.snapshots))
    return [f"{result.stem}_{run}_z{redshift}.hdf5" for redshift in redshifts]


def _about_modes(setup, cold, context):
    """Of the modes of a power; InputError where the contrast at the start is not small."""
    modes = setup.modes(cold, np.float32, ranks=context.ranks, backend=context.backend.host)
    require_small(modes, setup.start, setup.background)
    return {
        "initial_power": "cdm" if cold else setup.section.transfer,
        "rms_contrast": modes.rms(setup.start, setup.background),
        "rms_contrast_end": modes.rms(setup.end, setup.background),
        "rms_velocity_end": modes.rms_velocity(setup.end, setup.background),
    }


def _require_card(context):
    """RunError where a card is too small for this rank's part of a wave."""
    free = context.backend.device_memory
    needed = plan.wave_memory(context.config, context.ranks) if any(map(is_wave, context.config.simulation.runs)) else 0
    if free is not None and needed > free:
        raise RunError(
            f"the card is too small: a wave of {context.config.simulation.cells} cells needs {in_words(needed)} "
            f"a rank, {in_words(free)} are free (more ranks, run.precision = single, or run.backend = cpu)"
        )


class _Running:
    """One run in progress: what was measured of it so far, and its checkpoint."""

    def __init__(self, context: Context, setup: Setup, run: str, result: Path):
        self.context, self.setup, self.run, self.result = context, setup, run, result
        self.dynamics = (WaveRun if is_wave(run) else ParticleRun)(context, setup, is_cold(run))
        self.key = context.ranks.on_root(lambda: _key(setup, run))
        self.checkpoint = Checkpoint(context.cache.folder, run, self.key)
        self.record: Record  # from _begin on
        self.saved_at = perf_counter()

    def whole_record(self) -> Record:
        """The record of the whole run: kept from before, or computed from where it was left."""
        ranks, cache = self.context.ranks, self.context.cache
        arrays = ranks.on_root(lambda: cache.load(self.run, self.key))
        if arrays is not None and self._snapshots_before(inf):
            log.info("%s: taken from the cache", self.run)
            # left by a run that was killed between the two
            self.checkpoint.remove(ranks)
            return Record(**arrays)
        if arrays is not None:
            log.warning("%s: snapshots that it wrote are no longer there: it is repeated", self.run)
        state = self._begin()
        with progress(self.run, 100, ranks) as step, deferred_signals() as noted:
            self._evolve(state, step, noted)
            ranks.on_root(lambda: cache.store(self.run, self.key, self.record.arrays))
            self.checkpoint.remove(ranks)
            self._end_if_asked(self._asked(noted)[0])
        return self.record

    def _begin(self):
        """The state of the checkpoint, or of the initial modes."""
        saved = self.checkpoint.load(self.context.ranks)
        if saved is not None and not self._snapshots_before(saved.numbers["epoch"]):
            log.warning("%s: snapshots that it wrote are no longer there: it starts over", self.run)
            saved = None
        if saved is None:
            state, order = self.dynamics.initial()
            self.record = Record.empty(order)
            return state
        self.record = saved.record
        log.info("%s: goes on from step %d, z = %.4g", self.run, saved.numbers["step"], 1 / saved.numbers["epoch"] - 1)
        return self.dynamics.unpacked(saved)

    def _evolve(self, begin, step, noted):
        """To the end; step() after each hundredth of the way in ln a. A signal ends it, with a checkpoint."""
        setup, told = self.setup, 0

        def on_step(state):
            nonlocal told
            self._note_health(state)
            asked, is_due = self._asked(noted)
            if asked or is_due:
                self._save(state)
            self._end_if_asked(asked)
            done = int(100 * ln(state.times.epoch / setup.start) / ln(setup.end / setup.start))
            for _ in range(told, done):
                step()
            told = done

        # a run that goes on may have been left at an epoch whose spectrum is not yet in its record
        self._at_stop(begin)
        for state in self.dynamics.evolve(begin, setup.stops, on_step):
            self._at_stop(state)

    def _at_stop(self, state):
        """Measure and write what is due at this epoch."""
        a = state.times.epoch
        if a in self.setup.snapshots:
            self._write_snapshot(state)
        if a in self.setup.epochs and a not in self.record.scale_factor:
            spectrum, noise = self.dynamics.spectrum(state)
            pictures = results.projected(self.dynamics.density(state), self.context.ranks)
            self.record = self.record.with_epoch(a, state.times.step, spectrum, pictures, noise)
            log.info("%s: z = %.4g, step %d", self.run, 1 / a - 1, state.times.step)

    def _note_health(self, state):
        health = getattr(state, "health", None)
        if health is not None and health.step not in self.record.health[:, 1]:
            self.record = self.record.with_health(health)

    def _asked(self, noted):
        """The signal that asks to end, on whatever rank, and whether a checkpoint is due, by the clock of the first."""
        is_due = perf_counter() - self.saved_at >= 60 * self.setup.section.checkpoint_minutes
        answers = self.context.ranks.allgather((noted(), is_due))
        return next((name for name, _ in answers if name), ""), answers[0][1]

    def _end_if_asked(self, name):
        """As the signal does where it is not waited for; Ctrl-C has no name."""
        if name:
            raise KeyboardInterrupt(*([] if name == "SIGINT" else [name]))

    def _save(self, state):
        arrays, numbers = self.dynamics.packed(state)
        numbers |= asdict(state.times)
        provenance = self._provenance(self.setup.config)
        self.checkpoint.save(Saved(arrays, numbers, self.record), provenance, self.context.ranks)
        self.saved_at = perf_counter()

    def _provenance(self, config):
        """Arguments of store.atomic_result."""
        return {"config_text": config.to_ini(), "seed": config.run.seed, **self.dynamics.backend.provenance}

    def _write_snapshot(self, state):
        a, ranks, box = state.times.epoch, self.context.ranks, self.setup.box
        redshift = self.setup.snapshots[a]
        # the redshift of all that is in the file
        config = self.setup.config
        config = replace(config, cosmology=evolve(config.cosmology, redshift=redshift))
        with atomic_result(self._snapshots[a], ranks=ranks, **self._provenance(config)) as file:
            file.attributes("/", run=self.run, redshift=redshift, scale_factor=a, run_key=fingerprint(self.key))
            write_density(file, self.run, box, self.dynamics.density(state), redshift, ranks)
            if self.setup.section.content == "full":
                self.dynamics.write_state(file, state)

    @property
    def _snapshots(self):
        """Scale factor -> path."""
        names = snapshot_names(self.setup, self.run, self.result)
        return {a: self.result.with_name(name) for a, name in zip(sorted(self.setup.snapshots), names, strict=True)}

    def _snapshots_before(self, epoch):
        """Whether all snapshots that a run writes before an epoch are there, and of this very run."""

        def look():
            return all(self._is_own(path) for a, path in self._snapshots.items() if a < epoch)

        return self.context.ranks.on_root(look)

    def _is_own(self, path):
        try:
            with h5py.File(path, "r") as file:
                return file.attrs["run_key"] == fingerprint(self.key)
        except HDF5_DAMAGE:
            return False


def _key(setup, run):
    """Everything on which a run depends; not the backend, on another of which it may go on."""
    return key_of(setup.config, "simulation", run=run, linear_power=setup.power.source)
