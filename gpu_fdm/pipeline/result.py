"""A result file as Python objects: groups and arrays by name, with units, coordinates, tables and figures.

    result = gpu_fdm.open("output/single_filament/result.hdf5")
    result["single_power/00"].table                   an astropy table, k and spectra with their units
    result["density/fdm"][96]                         a plane as an astropy Quantity; only what is asked for is read
    result["density"].to_xarray()                     an xarray Dataset with x, y, z [cMpc/h]
    result["power"].plot()                            the figure that gpu-fdm run drew

Files that `gpu-fdm power` writes, and snapshots of simulations, are opened too.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ..config.config import Config, parse_config
from ..errors import InputError, RunError, did_you_mean, one_line
from ..io.hdf5 import open_result
from ..io.schema import MEASUREMENT, SNAPSHOT, Schema
from ..plots import Figures, figures_within
from ..quantities import home_for_astropy, takes

_PLANE = ("v", "u")  # axes of a map whose two are one dataset `coordinate`
_SPACE = ("x", "y", "z")


def open(path: str | Path) -> "Result":
    """A result file, or result.hdf5 of a folder; arrays are read when they are asked for.

    Raises InputError for a file that is no result, or is damaged.
    """
    file = Path(path)
    file = file / "result.hdf5" if file.is_dir() else file
    with open_result(file) as opened:
        if "git_revision" not in opened.attrs:
            raise InputError(
                f"{file}: must be a result of gpu-fdm run or gpu-fdm power (open_snapshot reads snapshots)"
            )
    return Result(file, "")


@dataclass(frozen=True, repr=False)
class _Node:
    """What groups and arrays have in common: the file, and the name in it."""

    path: Path
    name: str

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes by name, as the file has them; docs/files.md has their units."""
        with self._stored() as node:
            return dict(node.attrs)

    @contextmanager
    def _stored(self) -> Iterator[Any]:
        with open_result(self.path) as file:
            yield file[self.name or "/"]

    def _box_sides(self, file: h5py.File) -> NDArray | None:
        """Sides of the box [cMpc/h] that the array, its group or one above names."""
        node = file[self.name or "/"]
        while True:
            if "box_size" in node.attrs:
                return np.broadcast_to(np.asarray(node.attrs["box_size"], float), 3)
            if node.name == "/":
                return None
            node = node.parent


class Array(_Node):
    """A dataset: its numbers, unit, axes and meaning."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""
        with self._stored() as node:
            return node.shape

    @property
    def axes(self) -> tuple[str, ...]:
        """Names of its axes, slowest first."""
        with self._stored() as node:
            return _axes(node)

    @property
    def values(self) -> NDArray:
        """All of its numbers, in the unit of `unit`."""
        with self._stored() as node:
            return node[()]

    @property
    def unit(self) -> Any:
        """Unit of astropy; lengths are comoving."""
        return _unit(self.attributes.get("units", ""))

    @property
    def quantity(self) -> Any:
        """All of it as a Quantity of astropy."""
        return self[()]

    def __getitem__(self, index: Any) -> Any:
        """A part as a Quantity of astropy, of which only this is read.

        Raises NoSuchIndex, an InputError and an IndexError, as NumPy does.
        """
        with self._stored() as node:
            try:
                _ = np.broadcast_to(False, node.shape)[index]
            except IndexError as error:
                raise NoSuchIndex(f"{self.path}: {self.name} has shape {node.shape}: {error}") from None
            try:
                part = node[index]
            except (TypeError, ValueError):  # of NumPy alone: lists that do not increase, steps below 0, new axes
                part = node[()][index]
            return part << _unit(node.attrs.get("units", ""))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.quantity)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray:
        """The numbers without their unit, for NumPy; Matplotlib too."""
        return np.asarray(self.values, dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def to_xarray(self) -> Any:
        """An xarray DataArray with coordinates; units and description are in its `attrs`."""
        folder, _, name = self.name.rpartition("/")
        return Group(self.path, folder).to_xarray(name)[name]

    def __repr__(self) -> str:
        about = self.attributes
        axes = ", ".join(f"{name} {length}" for name, length in zip(self.axes, self.shape, strict=True))
        return f"Array({self.name}: {axes or 'a number'}; {_unit_text(about)}; {about.get('description', '')})"


class Group(_Node, Mapping):
    """A group of arrays and groups, by name; a name may be a path, such as "single_power/00/k"."""

    def __getitem__(self, name: str) -> "Group | Array":
        path = f"{self.name}/{name}".strip("/")
        with open_result(self.path) as file:
            if not name or not isinstance(name, str) or path not in file:
                known = list(file[self.name or "/"])
                raise NoSuchName(f"{self.path}: no {path}{did_you_mean(str(name), known)}; holds {', '.join(known)}")
            return (Group if isinstance(file[path], h5py.Group) else Array)(self.path, path)

    def __iter__(self) -> Iterator[str]:
        with self._stored() as node:
            return iter(list(node))

    def __len__(self) -> int:
        with self._stored() as node:
            return len(node)

    def __contains__(self, name: object) -> bool:
        with self._stored() as node:
            return isinstance(name, str) and name in node

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    @property
    def table(self) -> Any:
        """An astropy QTable of the arrays along the axis that most of them have, with units and descriptions.

        Its meta has the attributes of the group, and under "left_out" names of arrays along other axes.
        Raises InputError for a group without arrays.
        """
        with home_for_astropy():
            from astropy.table import QTable

        with self._stored() as node:
            arrays = self._arrays(node)
            first = {name: _axes(array)[0] if array.ndim else "" for name, array in arrays.items()}
            axis = Counter(first.values()).most_common(1)[0][0]
            names = sorted((name for name in arrays if first[name] == axis), key=lambda name: name != axis)
            units = {name: arrays[name].attrs.get("units", "") for name in names}
            table = QTable({name: _column(arrays[name][()], units[name]) for name in names})
            for name in names:
                table[name].info.description = str(arrays[name].attrs.get("description", ""))
            left_out = [name for name in arrays if name not in names]
            table.meta |= dict(node.attrs) | ({"left_out": left_out} if left_out else {})
        table.meta.pop("config", None)
        return table

    def to_xarray(self, *names: str) -> Any:
        """An xarray Dataset of the arrays of the group, or of those named, with coordinates.

        Axes are those of docs/files.md; x, y and z [cMpc/h] are those of the centres of cells, v and u those of a map.
        Units (astropy parses them) and descriptions are in the `attrs` of each. All is read.
        Raises InputError for a group without arrays, RunError where xarray is not installed.
        """
        try:
            import xarray
        except ImportError:
            raise RunError("xarray is not installed, which to_xarray makes: pip install xarray") from None
        with self._stored() as node:
            arrays = self._arrays(node)
            chosen = names or tuple(name for name in arrays if name != "coordinate" or len(arrays) == 1)
            sides = self._box_sides(node.file)
            lengths = {a: n for name in chosen for a, n in zip(_axes(arrays[name]), arrays[name].shape, strict=True)}
            found = {axis: _coordinate(axis, length, arrays, sides) for axis, length in lengths.items()}
            coordinates = {axis: (axis, *made) for axis, made in found.items() if made is not None}
            variables = {
                name: (_axes(arrays[name]), arrays[name][()], _about(arrays[name]))
                for name in chosen
                if name not in coordinates
            }
            attributes = {name: value for name, value in node.attrs.items() if name != "config"}
        return xarray.Dataset(variables, coordinates, attributes)

    def _arrays(self, node: h5py.Group) -> dict[str, h5py.Dataset]:
        """The arrays of the group; InputError where it has groups alone."""
        if arrays := _arrays(node):
            return arrays
        raise InputError(f"{self.path}: /{self.name} has no arrays of its own; holds {', '.join(node)}")

    @takes()
    def plot(self, dpi: int = 100) -> Figures:
        """The figures of what is in this group, drawn now; a notebook shows them, `save(folder)` writes PNGs.

        dpi  resolution [1/inch]
        Raises InputError where no figure shows it.
        """
        from .stages import figures

        return figures_within(self.path, figures(), self.name, dpi)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name or self.path}: {', '.join(self) or 'empty'})"

    def _repr_html_(self) -> str:
        rows = []
        for name in self:
            node = self[name]
            about = node.attributes
            if isinstance(node, Array):
                axes = ", ".join(f"{a} {n}" for a, n in zip(node.axes, node.shape, strict=True))
                cells = axes, _unit_text(about), str(about.get("description", ""))
            else:
                cells = f"{len(node)} inside", "", ", ".join(list(node)[:8]) + (" ..." if len(node) > 8 else "")
            rows.append("".join(f"<td>{escape(cell)}</td>" for cell in (name, *cells)))
        head = "".join(f"<th>{each}</th>" for each in ("name", "axes", "unit", "what"))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        title = escape(f"{self.path}{f': {self.name}' if self.name else ''}")
        return f"<p>{title}</p><table><tr>{head}</tr>{body}</table>"


class Result(Group):
    """A result file: its groups by name, and the config that repeats the run."""

    @property
    def config(self) -> Config:
        """The resolved config of the run; InputError where the file is a measurement, which has none."""
        text = str(self.attributes["config"])
        if not text:
            raise InputError(f"{self.path}: has no config: it was measured, not run")
        return parse_config(text, str(self.path))


class NoSuchName(InputError, KeyError):
    """A group has no array or group of a name."""

    def __str__(self) -> str:
        return one_line(self.args[0])


class NoSuchIndex(InputError, IndexError):
    """An array has no element, or no axis, of an index."""


def _arrays(node: h5py.Group) -> dict[str, h5py.Dataset]:
    return {name: each for name, each in node.items() if isinstance(each, h5py.Dataset)}


def _axes(array: h5py.Dataset) -> tuple[str, ...]:
    """Names of the axes of a dataset, each once."""
    names: list[str] = []
    for schema in _schemas():
        try:
            names = [name.strip() for name in schema.dataset(array.name).shape.split(",")]
        except LookupError:
            continue
        if len(names) == array.ndim:
            break
    else:
        names = [f"axis_{number}" for number in range(array.ndim)]
    names = [f"component_{name}" if name.isdigit() else name for name in names]
    if names[-2:] == ["coordinate", "coordinate"]:
        names[-2:] = _PLANE
    return tuple(
        f"{name}_{names[:at].count(name) + 1}" if name in names[:at] else name for at, name in enumerate(names)
    )


@cache
def _schemas() -> tuple[Schema, ...]:
    from .stages import result_schema

    return result_schema(), MEASUREMENT, SNAPSHOT


def _coordinate(axis: str, length: int, arrays: dict[str, h5py.Dataset], sides: NDArray | None) -> tuple | None:
    """Values and attributes of the coordinate of an axis, or None."""
    stored = arrays.get("coordinate" if axis in _PLANE else axis)
    if stored is not None and stored.shape == (length,):
        return stored[()], _about(stored)
    edges = arrays.get("edges" if axis == "ring" else f"{axis}_edges")
    if edges is not None and edges.shape == (length + 1,):
        centres = edges[()]
        return (centres[1:] + centres[:-1]) / 2, _about(edges) | {"description": "middles of the bins"}
    if axis in _SPACE and sides is not None:
        about = {"units": "Mpc/littleh", "units_text": "cMpc/h", "description": "of the centres of cells"}
        return (np.arange(length) + 0.5) * sides[_SPACE.index(axis)] / length, about
    return None


def _about(array: h5py.Dataset) -> dict[str, Any]:
    return dict(array.attrs)


def _unit(text: str) -> Any:
    with home_for_astropy():
        import astropy.cosmology.units as with_h
        from astropy import units

    with units.add_enabled_units(with_h):
        return units.Unit(text)


def _column(values: NDArray, unit: str) -> Any:
    """A Quantity; integers without unit stay integers, which a Quantity cannot be."""
    return values if values.dtype.kind in "iu" and not unit else values << _unit(unit)


def _unit_text(about: Mapping[str, Any]) -> str:
    text = str(about.get("units_text", "1"))
    return "no unit" if text == "1" else text
