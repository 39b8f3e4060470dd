"""An emulator of spectra of filaments, and the combinations of its inputs that it uses: its interaction basis.

A multilayer perceptron is trained on points of pipeline.emulator_data, and the interaction basis of its layers is found
on the same points. Nobody tells it that there are two similarity variables: it finds them, or says that it cannot.
"""

import logging
from itertools import pairwise
from time import monotonic
from typing import ClassVar

from ..config.config import Config
from ..config.emulator_section import EmulatorSection
from ..io.ownership import require_own
from ..io.schema import INTERACTION_BASIS
from ..learn.emulator import MARK
from ..learn.layers import BATCH
from ..learn.libraries import library
from ..learn.network import Network
from ..learn.training import TrainingState, train
from ..parallel.ranks import SERIAL, Ranks
from ..plots import Figure, figure_path
from .emulator_data import EmulatorData
from .inputs import Inputs
from .progress import progress
from .stage import Context, Estimate, Stage
from .trained_emulator import Trained

log = logging.getLogger(__name__)

_AFTER = 25  # epochs between looks at the clock
_EVERY = 10.0  # seconds between checkpoints
_SECONDS, _ANALYSIS = 1.3e-10, 8.0  # of a parameter, a point and an epoch; of the analysis
_MEMORY = 350 << 20  # of JAX and compiled functions [bytes]
_CHECKPOINT = "emulator_training"  # name of its part in the cache


class EmulatorStage(Stage):
    """The emulator and its basis, on rank 0."""

    section: ClassVar[str] = "emulator"
    begins: ClassVar[bool] = True
    beside: ClassVar[bool] = True
    figures: ClassVar[tuple[Figure, ...]] = (
        Figure(
            "interactions",
            "interactions of neurons, of principal components, and of features of the basis",
            "emulator.interactions",
            (INTERACTION_BASIS,),
        ),
        Figure(
            "importance",
            "importance of the features of each layer, and errors of networks of the first of them",
            "emulator.importance",
            (INTERACTION_BASIS,),
        ),
        Figure(
            "combinations",
            "powers of the inputs in the combinations that the emulator uses, beside those of similarity",
            "emulator.combinations",
            (INTERACTION_BASIS,),
        ),
    )

    def keys(self, config: Config) -> tuple[str, ...]:
        """The units of a boson, and its own."""
        return ("cosmology.h", "cosmology.omega_m", self.section)

    def check(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """InputError for a box beyond the table, RunError without the libraries; a warning of few points."""
        data = EmulatorData.of(inputs.config)
        for name in ("jax", "optax", "networkx"):
            library(name)
        points, widest = data.section.points, max(len(data.names), *data.section.widths)
        if points <= widest:
            return [f"emulator: {points} points for {widest} neurons of a layer: ranks are at most {points - 1}"]
        return []

    def estimate(self, inputs: Inputs, ranks: Ranks = SERIAL) -> Estimate:
        """Memory of JAX, of points and of derivatives of a batch; time of training and of the analysis."""
        section = inputs.config.emulator
        parameters, widest = _parameters(section), max(section.widths)
        memory = _MEMORY + 8 * (8 * parameters + 64 * section.points + BATCH * widest**2)
        steps = parameters * section.points * section.epochs
        return Estimate({self.section: memory}, 80 * parameters, _ANALYSIS + _SECONDS * steps)

    def describe(self, inputs: Inputs, ranks: Ranks = SERIAL) -> list[str]:
        """Inputs, ranges and size of the network."""
        data = EmulatorData.of(inputs.config)
        ranges = ", ".join(
            f"{name} {low:g} to {high:g}" for name, (low, high) in zip(data.names, data.ranges, strict=True)
        )
        widths = "-".join(map(str, (len(data.names), *data.section.widths, 1)))
        return [
            f"emulator of {data.section.output}: {ranges}; {widths} neurons, {_parameters(data.section)} parameters"
        ]

    def run(self, context: Context) -> list[str]:
        """Train it, find its basis, and write both, and the emulator as .npz beside the result."""
        lines: list[str] = []
        with context.timer(self.section):
            if context.ranks.is_root:
                lines = self._on_root(context)
            context.ranks.barrier()
        context.timer.log(self.section)
        return lines

    def _on_root(self, context: Context) -> list[str]:
        path = figure_path(context.result, "emulator.npz")
        require_own(path, MARK)
        data = EmulatorData.of(context.config)
        trained = Trained.of(data, self._state(context, data))
        part = context.part(INTERACTION_BASIS, self.key(context), lambda file: trained.analysis().write(file))
        trained.write(context.file)
        part.write(context.file)
        trained.emulator.write(path)
        if trained.few_points:
            log.warning("%s", trained.few_points_text)
        return [trained.line, *part.attributes_of(f"/{INTERACTION_BASIS}")["summary"], f"emulator: {path}"]

    def _state(self, context: Context, data: EmulatorData) -> TrainingState:
        """The end of the training, which goes on from the last checkpoint."""
        section, cache, key = data.section, context.cache, self.key(context)
        arrays = None if cache is None else cache.load(_CHECKPOINT, key)
        state = None if arrays is None else TrainingState.of(arrays, section.activation)
        if state is not None and state.epoch == section.epochs:
            log.info("training of the emulator: taken from the cache")
            return state
        if state is not None:
            log.info("training of the emulator: resumed after epoch %d", state.epoch)
        written = monotonic()
        first = state.epoch if state else 0
        with progress("steps of 25 epochs", -(-(section.epochs - first) // _AFTER), context.ranks) as step:

            def report(reached: TrainingState) -> None:
                nonlocal written
                step()
                if cache is not None and (reached.epoch == section.epochs or monotonic() - written > _EVERY):
                    cache.store(_CHECKPOINT, key, reached.arrays, title="training of the emulator")
                    written = monotonic()

            network = Network.random((len(data.names), *section.widths, 1), section.activation, section.seed)
            points = data.training
            outputs, epochs, batch = points.outputs[:, None], section.epochs, section.batch
            return train(
                network,
                points.inputs,
                outputs,
                epochs,
                batch=batch,
                seed=section.seed,
                state=state,
                after=_AFTER,
                report=report,
            )


def _parameters(section: EmulatorSection) -> int:
    """Number of weights and biases."""
    sizes = (len(section.inputs), *section.widths, 1)
    return sum((before + 1) * after for before, after in pairwise(sizes))
