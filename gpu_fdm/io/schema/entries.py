"""What a schema of files is made of: groups, datasets and attributes with units and descriptions, found by their paths.

Units are written for people (cMpc/h tells that lengths are comoving) and, in the attribute `units` of a dataset, as
astropy.units parses them once littleh is enabled: astropy.units.add_enabled_units(astropy.cosmology.units).
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from ...quantities import ASTROPY

T = TypeVar("T")

PLACEHOLDERS = {  # between < > in the paths of a schema: pattern and meaning
    "number": (r"\d\d+", "a filament or halo: 00, 01, ..."),
    "frame": (r"\d+", "one of box.frames: 0, 1, ..."),
    "epoch": (r"\d+", "an epoch of a simulation: 0, 1, ..."),
    "boson": (r"cdm|m22_[^/]+", "a boson mass, such as m22_1; cdm has no cut-off"),
    "choice": (r"[\w.+]+", "a choice of the model and its other value, such as ellipticity_collapse; or haloes"),
    "density": ("fdm|smooth", "|psi|^2 or its phase average"),
    "spectrum": ("fdm|smooth|fdm_smooth", "a density, or fdm_smooth, the cross spectrum of both"),
    "field": (".+", "the field of a snapshot"),
    "seed": (r"seed_\d+", "one of several simulation.seeds: seed_1, ..."),
    "run": ("(?:wave|particles)_(?:fdm|cdm)", "one of simulation.runs"),
    "power": ("fdm|cdm", "the initial power of a run"),
    "momentum": ("coherent|thermal", "momentum along the axis"),
    "wavelength": (r"\d+", "one of steady_state.axis: 0, 1, ..."),
    "method": (r"\w+", "a method of weights"),
    "layer": (r"\d+", "a layer of a network: 0, the inputs, 1, ..."),
    "key": (r"\w+\.\w+", "section and key of the ini that name an input, such as gas.table"),
}


@dataclass(frozen=True)
class Attribute:
    """What an attribute says; units for people, empty where it has none."""

    description: str
    units: str = ""


@dataclass(frozen=True)
class Dataset:
    """An array.

    shape   names of its axes, slowest first; an axis with the name of a dataset of the group goes along that
    units   for people, a key of ASTROPY
    dtype   of NumPy, or several with "or" between them
    """

    shape: str
    units: str
    description: str
    dtype: str = "float64"
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def stored_units(self, scale: float = 1.0) -> dict[str, str]:
        """The attributes `units` and `units_text`.

        scale  what the number 1 in the dataset stands for [units]
        """
        astropy, text = ASTROPY[self.units], self.units
        if scale != 1:
            astropy, text = f"{float(scale)!r} {astropy}".rstrip(), f"{scale:.10g} {text}"
        return {"units": astropy, "units_text": text}


@dataclass(frozen=True)
class Group:
    """A group, or all groups whose paths differ in placeholders only; what is between [ ] in a path may be absent."""

    path: str
    datasets: dict[str, Dataset] = field(default_factory=dict)
    attributes: dict[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True)
class Schema:
    """The groups of one kind of file. Where several entries fit a path, the first is meant."""

    title: str
    groups: tuple[Group, ...]

    def dataset(self, path: str) -> Dataset:
        """The entry of a dataset by its absolute path. Raises LookupError where there is none."""
        return self._first(self._datasets, path, "dataset")

    def group(self, path: str) -> Group:
        """The entry of a group by its absolute path. Raises LookupError where there is none."""
        return self._first(self._groups, path, "group")

    def _first(self, entries: list[tuple[re.Pattern[str], T]], path: str, kind: str) -> T:
        for pattern, entry in entries:
            if pattern.fullmatch(path):
                return entry
        raise LookupError(f"{path}: no such {kind} in the schema of files ({self.title})")

    @cached_property
    def _groups(self) -> list[tuple[re.Pattern[str], Group]]:
        return [(path_pattern(group.path), group) for group in self.groups]

    @cached_property
    def _datasets(self) -> list[tuple[re.Pattern[str], Dataset]]:
        return [
            (path_pattern(f"{group.path.rstrip('/')}/{name}"), entry)
            for group in self.groups
            for name, entry in group.datasets.items()
        ]


def path_pattern(path: str) -> re.Pattern[str]:
    """The paths that a path of a schema stands for."""
    optional = re.sub(r"\[(.*?)\]", r"(?:\1)?", path)
    return re.compile(re.sub(r"<(\w+)>", lambda match: f"(?:{PLACEHOLDERS[match[1]][0]})", optional))
