"""An emulator: a network of the logarithm of a positive quantity over logarithms of named inputs, with their ranges.

Its file is an .npz of plain arrays, which loads without pickle; evaluating it needs NumPy alone.
"""

import zipfile
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError, require_file
from ..io.atomic import atomic_write
from ..io.ownership import require_own
from ..quantities import takes_numbers
from ..values import brief
from .network import Network

MARK = b"gpu_fdm emulator 1"  # the first array of its file
INPUTS = {"k": "h/Mpc", "m22": "1e-22 eV", "mass": "Msun/h", "redshift": ""}  # that emulators may have, and their units
SAME = 1e-9  # relative, by which an input may be beyond the end of a range


def logarithm(name: str, values: ArrayLike) -> NDArray:
    """What a network has of an input: its ln, of a redshift that of 1 + z."""
    return np.log1p(values) if name == "redshift" else np.log(np.asarray(values, float))


@brief
@takes_numbers
@frozen(eq=False)
class Emulator:
    """exp(output_mean + output_width network((ln inputs - mean)/width)).

    output      what it is of;  names  of the inputs, in their order
    low, high   ranges of the inputs, shape (inputs,);  mean, width  of their logarithms (1 + z), shape (inputs,)
    error       rms error of the logarithm on points that it was not trained on
    about       what it was trained on, in words
    """

    output: str
    names: tuple[str, ...]
    low: NDArray
    high: NDArray
    mean: NDArray
    width: NDArray
    output_mean: float
    output_width: float
    network: Network
    error: float
    about: str = ""

    def __attrs_post_init__(self) -> None:
        if unknown := [name for name in self.names if name not in INPUTS]:
            raise InputError(f"input {unknown[0]}: must be one of {', '.join(INPUTS)}")
        for name in ("low", "high", "mean", "width"):
            if getattr(self, name).shape != (len(self.names),):
                raise InputError(f"{name} of shape {list(getattr(self, name).shape)}: must be [{len(self.names)}]")
        inputs, outputs = self.network.sizes[0], self.network.sizes[-1]
        if (inputs, outputs) != (len(self.names), 1):
            raise InputError(f"network of {inputs} inputs and {outputs} outputs: must be of {len(self.names)} and 1")

    def __call__(self, **inputs: ArrayLike) -> NDArray:
        """The quantity; inputs by their names, of shapes that fit each other, which is the shape of the answer.

        Raises InputError for inputs that are missing, unknown, or outside of the range that it was trained on.
        """
        if inputs.keys() != set(self.names):
            raise InputError(f"inputs {', '.join(inputs) or 'none'}: must be {', '.join(self.names)}")
        values = np.broadcast_arrays(*(np.asarray(inputs[name], float) for name in self.names))
        for name, low, high, given in zip(self.names, self.low.tolist(), self.high.tolist(), values, strict=True):
            outside = given[~((given >= low * (1 - SAME)) & (given <= high * (1 + SAME)))]
            if outside.size:
                shown = f"{name} = {outside.flat[0]:g} {INPUTS[name]}".rstrip()
                raise InputError(f"{shown}: must be in [{low:g}, {high:g}], the range of the emulator")
        points = np.column_stack([logarithm(*each).ravel() for each in zip(self.names, values, strict=True)])
        found = self.network(self.standardised(points))[:, 0]
        return np.exp(self.output_mean + self.output_width * found).reshape(values[0].shape)

    def standardised(self, logarithms: NDArray) -> NDArray:
        """What the network takes, of logarithms of inputs of shape (points, inputs)."""
        return (logarithms - self.mean) / self.width

    def write(self, path: str | Path) -> None:
        """Write it to an .npz; another file of this name is not replaced (InputError)."""
        path = Path(path)
        require_own(path, MARK)
        arrays = {name: getattr(self, name) for name in ("low", "high", "mean", "width")}
        arrays |= {f"weight_{number}": weight for number, weight in enumerate(self.network.weights)}
        arrays |= {f"bias_{number}": bias for number, bias in enumerate(self.network.biases)}
        numbers = {name: np.array(getattr(self, name)) for name in ("output_mean", "output_width", "error")}
        texts = {name: np.array(getattr(self, name)) for name in ("output", "names", "about")}
        texts["activation"] = np.array(self.network.activation)
        parts = {**texts, **numbers, **arrays}
        with atomic_write(path) as part, open(part, "wb") as file:
            np.savez(file, format=np.array(MARK), allow_pickle=False, **parts)

    @classmethod
    def read(cls, path: str | Path) -> "Emulator":
        """The emulator of a file. Raises InputError for another file, and one of another architecture."""
        path = Path(path)
        require_file(path)
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: must be an .npz of an emulator: {error}") from None
        if bytes(arrays.get("format", np.array(b"")).tobytes()) != MARK:
            raise InputError(f"{path}: must be an emulator that gpu-fdm wrote, of this version")
        try:
            return cls._of_arrays(arrays)
        except KeyError as error:
            raise InputError(f"{path}: has no {error.args[0]}: must be an emulator, whole") from None
        except InputError as error:
            raise InputError(f"{path}: {error}") from None

    @classmethod
    def _of_arrays(cls, arrays: dict[str, NDArray]) -> "Emulator":
        layers = sum(name.startswith("weight_") for name in arrays)
        weights, biases = (tuple(arrays[f"{name}_{number}"] for number in range(layers)) for name in ("weight", "bias"))
        return cls(
            str(arrays["output"]),
            tuple(arrays["names"].tolist()),
            arrays["low"],
            arrays["high"],
            arrays["mean"],
            arrays["width"],
            float(arrays["output_mean"]),
            float(arrays["output_width"]),
            Network(weights, biases, str(arrays["activation"])),
            float(arrays["error"]),
            str(arrays["about"]),
        )
