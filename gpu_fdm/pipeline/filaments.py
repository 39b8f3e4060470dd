"""The filaments of a run, and haloes beside them: solved, and written with their modes. Other stages draw on them."""

import logging
from dataclasses import replace
from typing import ClassVar

import numpy as np

from ..config.config import Config
from ..filament.mode_fits import ModeFits
from ..filament.model import Filament
from ..io import schema
from ..io.input_content import content_of
from ..io.result_file import GroupWriter
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure
from .drawn_haloes import describe_draw, drawn_path, write_drawn
from .gas_haloes import describe_sizes, early_haloes
from .halo_models import describe_haloes, write_halo
from .inputs import Inputs
from .model import solve
from .models import Models, halo_keys, model_keys
from .profile_fits import doubts, write_profile_fit
from .records import FilamentRecord, describe, record_of, write_filament
from .slab import frames
from .stage import Context, Estimate, Stage

log = logging.getLogger(__name__)

# what a dry run solves for, in seconds: modes, and bytes of them and of a fit of their weights
CHEAP_MODES, CHEAP_MEMORY = 15_000, 1 << 30
_DRAW_SECONDS = 0.05  # of a draw of a measured profile
_COPIES = 9  # of a cut-out, while it is projected and compared
_RECORD = 40  # bytes of a mode in the result


class FilamentsStage(Stage):
    """Modes of one filament or of a gas; the stages that need them run within this one."""

    section: ClassVar[str] = "wavefunction"
    begins: ClassVar[bool] = True
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            "profile",
            "density of the modes beside that of the equilibrium",
            "filament.profile",
            ("filaments/00/profile",),
        ),
        Figure("weights", "which modes carry how much mass", "filament.weights", ("filaments/00/modes",)),
        Figure(
            "cut_out",
            "spectra of slices of the cut-out and of its box beside the model's",
            "cut_out.cut_out",
            ("filaments/00/projection/polar",),
        ),
    )

    def is_asked(self, config: Config) -> bool:
        """Whether there are filaments, and modes of them; one-filament spectra solve for their own."""
        return config.wavefunction is not None and (config.filament is not None or config.gas is not None)

    def keys(self, config: Config) -> tuple[str, ...]:
        """Keys of the models, and the seed of the phases."""
        return (*model_keys(config), *halo_keys(config), "run.seed")

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """InputError for what cannot exist; warnings of a fit that does not describe its rows, and of early haloes."""
        _ = inputs.filaments, inputs.haloes
        warnings = doubts(inputs.config) if _is_measured(inputs.config) else []
        return warnings + early_haloes(inputs.config, [size.halo for size in inputs.haloes])

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Memory of the largest filament, time and records of all; haloes are solved where they are filled."""
        method = inputs.config.wavefunction.weights
        written = int(sum(_RECORD * halo.states for halo in inputs.haloes))
        seconds = sum(halo.seconds[0] for halo in inputs.haloes)
        if not inputs.filaments:
            return Estimate({}, written, seconds)
        sizes, size = inputs.sizes, inputs.largest
        written += _RECORD * int(size.modes) * len(sizes)
        seconds += sum(each.solving_seconds(method) for each in sizes)
        if (section := inputs.config.filament) is not None:
            spectrum = size.exact_seconds() if inputs.config.single_power else 0.0
            seconds += section.profile_bootstrap * (_DRAW_SECONDS + size.solving_seconds(method) + spectrum)
        memory = size.solving((method,))
        if (cut_out := inputs.config.wavefunction.cut_out) is not None:
            memory["projection"] = size.states + _COPIES * len(content_of(cut_out))
        return Estimate(memory, written, seconds)

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """The modes of one filament, where they take seconds; else about how many there are; and the haloes."""
        haloes = describe_sizes(inputs.haloes) if inputs.haloes else []
        if inputs.drawn is not None:
            haloes.insert(0, describe_draw(inputs.drawn))
        if not inputs.filaments:
            return haloes
        size = inputs.largest
        memory = max(size.solving((inputs.config.wavefunction.weights,)).values())
        if len(inputs.filaments) == 1 and size.modes < CHEAP_MODES and memory < CHEAP_MEMORY:
            model = solve(inputs.config, inputs.filaments[0])
            fringes = f"largest wavenumber of the fringes: {model.fringe_wavenumber:.4g} h/cMpc"
            return [describe(record_of(model)), fringes, *haloes]
        count = "1 filament" if len(inputs.filaments) == 1 else f"{len(inputs.filaments)} filaments, the largest"
        return [f"{count} with about {size.modes:.4g} modes", *haloes]

    def run(self, context: Context) -> list[str]:
        """Solve, run what draws on the models, and write all filaments."""
        config, file, drawn = context.config, context.file, context.inputs.drawn
        table = None if drawn is None else context.ranks.on_root(lambda: drawn_path(context.result))
        models = Models(
            config,
            context.inputs.filaments,
            ranks=context.ranks,
            threads=context.threads,
            cache=context.cache,
            remember=config.gas is None or len(frames(config)) > 1,
            haloes=context.inputs.haloes,
        )
        if config.gas is None and context.ranks.is_root:
            with context.timer("model"):
                models.model(0)
            context.timer.log("model")
        lines = replace(context, models=models).run_within(self.section)
        records = models.records()
        centre = None if not config.box else tuple(side / 2 for side in config.box.size)
        for record in records:
            write_filament(file, record, centre)
        haloes = models.haloes.records()
        for halo in haloes:
            write_halo(file, halo)
        if config.gas and records:
            _write_gas(file, context.inputs.filaments)
        if config.wavefunction.weights == "projection":
            from .projection import write_projection  # sparse matrices, which other runs do without

            lines = [*write_projection(context, models), *lines]
        if _is_measured(config):
            lines = [*write_profile_fit(context, models), *lines]
        if records:
            _warn_of_fits(records)
        about = [describe_haloes(haloes)] if haloes else []
        if drawn is not None and table is not None:
            context.ranks.on_root(lambda: write_drawn(drawn, table))
            about.insert(0, f"{describe_draw(drawn)}: {table}")
        if records:
            about.insert(0, describe(records[0]) if len(records) == 1 else _describe_gas(records))
        return [*about, *lines]


def _is_measured(config: Config) -> bool:
    """Whether the filament has a measured profile."""
    return config.gas is None and config.filament is not None and config.filament.profile_table is not None


def _warn_of_fits(records: list[FilamentRecord]) -> None:
    """Log a warning where the modes do not make the density that they should."""
    names = "weight_sum", "rms_log_density"
    fits = ModeFits(
        np.array([record.filament.mass for record in records]),
        *(np.array([record.mode_attributes[name] for record in records]) for name in names),
    )
    if fits.text:
        log.warning("%s: take another [wavefunction] weights, a higher energy_cut, or a heavier boson", fits.text)


def _describe_gas(records: list[FilamentRecord]) -> str:
    """One line: how many filaments and modes."""
    modes = [record.mode_attributes["library_modes"] for record in records]
    kept = sum(len(record.modes["n"]) for record in records)
    return f"{len(records)} filaments with {min(modes)} to {max(modes)} modes each; {kept} of {sum(modes)} modes kept"


def _write_gas(file: GroupWriter, table: list[Filament]) -> None:
    """Write /gas: the table of filaments, one dataset a column, as read or drawn."""
    folder = f"/{schema.GAS}"
    names = schema.RESULT.group(folder).datasets
    file.group(folder, {name: np.array([getattr(filament, name) for filament in table], float) for name in names})
