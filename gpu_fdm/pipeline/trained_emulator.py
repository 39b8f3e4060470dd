"""A trained emulator: its errors, and what a result holds of it."""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..errors import InputError, RunError
from ..io.result_file import GroupWriter
from ..io.schema import EMULATOR
from ..learn.emulator import Emulator
from ..learn.training import TrainingState
from .emulator_data import EmulatorData
from .interaction import Analysis

FEW = 2.0  # times the error on its own points, from which that on others says that these are too few


@frozen(eq=False)
class Trained:
    """An emulator, the points that it was trained on, and others, all standardised.

    error, training_error, largest_error  of ln output: rms on the others and on its own points, and the largest
    """

    data: EmulatorData
    state: TrainingState
    emulator: Emulator
    training_error: float
    largest_error: float

    @classmethod
    def of(cls, data: EmulatorData, state: TrainingState) -> "Trained":
        """The emulator at the end of a training."""
        own, others = (
            points.width * (state.network(points.inputs)[:, 0] - points.outputs)
            for points in (data.training, data.tests)
        )
        points, section = data.training, data.section
        length = f"{section.length_ratio:g}" if section.length_ratio else "published"
        about = f"{section.points} points, seed {section.seed}, h = {data.h:g}, omega_m = {data.omega_m:g}"
        low, high = data.ranges.T
        emulator = Emulator(
            section.output,
            data.names,
            low,
            high,
            points.input_mean,
            points.input_width,
            points.mean,
            points.width,
            state.network,
            _rms(others),
            f"{about}, length over r0: {length}",
        )
        return cls(data, state, emulator, _rms(own), float(np.max(np.abs(others))))

    @property
    def few_points(self) -> bool:
        """Whether the error on other points is much larger than on its own."""
        return self.emulator.error > FEW * self.training_error

    @property
    def few_points_text(self) -> str:
        """What to say then."""
        return (
            f"emulator: {self.data.section.points} points are too few: the rms error of ln {self.emulator.output} is "
            f"{self.emulator.error:.2g} on other points, {self.training_error:.2g} on them; take more [emulator] points"
        )

    @property
    def line(self) -> str:
        """Its line of the summary."""
        section, output = self.data.section, self.emulator.output
        return (
            f"emulator of {output}: {section.points} points, {self.state.epoch} epochs; rms error of ln {output} "
            f"{self.emulator.error:.2g} on {section.test_points} other points, largest {self.largest_error:.2g}; "
            f"{self.training_error:.2g} on its own"
        )

    def analysis(self) -> Analysis:
        """Its interaction basis, over the points of the training; RunError where nothing goes through a layer."""
        data = self.data
        try:
            return Analysis.of(self.emulator, data.training.inputs, data.tests.inputs, data.tests.outputs, data.powers)
        except InputError as error:
            raise RunError(f"emulator: {error}: take another [emulator] seed, activation or widths") from None

    def write(self, file: GroupWriter) -> None:
        """Write /emulator."""
        emulator = self.emulator
        columns = {name: getattr(emulator, name) for name in ("low", "high", "mean", "width")}
        file.group(
            f"/{EMULATOR}",
            columns | {"loss": self.state.loss},
            inputs=list(emulator.names),
            output=emulator.output,
            output_mean=emulator.output_mean,
            output_width=emulator.output_width,
            activation=emulator.network.activation,
            points=self.data.section.points,
            training_error=self.training_error,
            error=emulator.error,
            largest_error=self.largest_error,
            few_points=self.few_points,
        )
        for number, (weight, bias) in enumerate(emulator.network.parameters):
            file.group(f"/{EMULATOR}/layers/{number}", {"weight": weight, "bias": bias})


def _rms(values: NDArray) -> float:
    return float(np.sqrt(np.mean(values**2)))
