"""Tables in ECSV, the text format of astropy: a header in YAML, then rows. Only numbers and texts are taken from it.

Nothing in the header becomes an object: tags of astropy (units, quantities, times) are read as None, units are texts,
and all other tags are refused. Source: astropy's APE 6.
"""

import csv
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError

_FIRST = re.compile(r"# ?%ECSV 1\.\d+")
# an alias repeats another part of the header, which may hold aliases itself: few of them cannot make it huge
_ALIAS = re.compile(r"(?:^|[\s\[{,:?-])\*[^\s\[\]{},]")
_MOST_DIGITS = 400  # of an integer: Python refuses to print longer ones
_MOST_ALIASES = 20
_NUMBERS = re.compile(r"(float|u?int|bool)\d*")
_KIND = "datatype", "subtype"  # of a column, in the header
_TRUTH = {"True": "1", "False": "0"}


@dataclass(frozen=True)
class EcsvTable:
    """The content of a file.

    meta, units  texts by name, of the meta data and of the columns that have a unit
    columns      texts by name, in the order of the file;  kinds  their types in the header: float64, string ...
    lines        number of the line of each row in the file, for messages
    """

    path: str
    meta: dict[str, str]
    units: dict[str, str]
    columns: dict[str, list[str]]
    kinds: dict[str, str]
    lines: list[int]

    def numbers(self, name: str) -> np.ndarray:
        """A column as numbers, shape (rows,), NaN where a value is missing; InputError for what is no number."""
        if not _NUMBERS.fullmatch(self.kinds[name]):
            raise InputError(f"{self.path}: column {name}: must be numbers")
        values = []
        for line, text in zip(self.lines, self.columns[name], strict=True):
            try:
                values.append(float(_TRUTH.get(text, text or "nan")))
            except ValueError:
                raise InputError(f"{self.path}, line {line}: {name} = {text}: must be a number") from None
        return np.array(values, float)


def read(path: str | Path, text: str) -> EcsvTable:
    """The table in a text. Raises InputError, naming the path, where it is none."""
    lines = text.split("\n")
    length = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if not _FIRST.fullmatch(lines[0].strip()):
        raise InputError(f"{path}: not an ECSV table: must begin with # %ECSV 1.0")
    header = _header(path, "\n".join(line[1:].removeprefix(" ") for line in lines[1:length]))
    about = header.get("datatype") if isinstance(header, dict) else None
    if not isinstance(about, list) or not all(isinstance(item, dict) and "name" in item for item in about):
        raise InputError(f"{path}: not an ECSV table: no list datatype with the name of each column in its header")
    delimiter = header.get("delimiter", " ")
    if delimiter not in (" ", ","):
        raise InputError(f"{path}: delimiter = {delimiter!r} in the header: must be a blank or a comma")
    columns, numbers = _rows(path, lines, length, delimiter)
    names = [str(item["name"]) for item in about]
    if list(columns) != names:
        raise InputError(f"{path}: columns {', '.join(columns)}: must be {', '.join(names)} by its header")
    units = {str(item["name"]): str(item["unit"]) for item in about if _is_plain(item.get("unit"))}
    meta = header.get("meta")
    meta = dict(meta) if _is_pairs(meta) else meta if isinstance(meta, dict) else {}
    meta = {str(name): str(value) for name, value in meta.items() if _is_plain(value)}
    kinds = {str(item["name"]): " ".join(str(item.get(key, "")) for key in _KIND).strip() for item in about}
    return EcsvTable(str(path), meta, units, columns, kinds, numbers)


def written(meta: Mapping[str, str | float], columns: Mapping[str, np.ndarray], units: Mapping[str, str]) -> str:
    """A table as text, which astropy reads.

    meta  by name;  columns  of numbers, shape (rows,) each;  units  of some of them, as astropy writes them
    """
    lines = ["%ECSV 1.0", "---", "datatype:"]
    for name, values in columns.items():
        unit = f"unit: {json.dumps(units[name])}, " if name in units else ""
        lines.append(f"- {{name: {name}, {unit}datatype: {values.dtype.name}}}")
    if meta:
        lines += ["meta: !!omap", *(f"- {{{name}: {json.dumps(value)}}}" for name, value in meta.items())]
    lines.append("schema: astropy-2.0")
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    body = [" ".join(columns), *(" ".join(map(repr, row)) for row in rows)]
    return "\n".join([*(f"# {line}" for line in lines), *body, ""])


def _header(path: str | Path, text: str) -> Any:
    """The content of the YAML of a header; tags of astropy are read as None."""
    import yaml

    class Loader(yaml.SafeLoader):
        """Reads texts, numbers, lists and mappings."""

    def integer(loader: Any, node: Any) -> int:
        if len(node.value) > _MOST_DIGITS:
            raise ValueError(f"an integer of {len(node.value)} digits")
        return yaml.SafeLoader.construct_yaml_int(loader, node)

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    Loader.add_constructor("tag:yaml.org,2002:int", integer)
    if len(_ALIAS.findall(text)) > _MOST_ALIASES:
        raise InputError(f"{path}: not an ECSV table: more than {_MOST_ALIASES} aliases in its header")
    try:
        loader = Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}: not an ECSV table: {' '.join(str(error).split())[:200]}") from None


def _rows(path: str | Path, lines: list[str], begin: int, delimiter: str) -> tuple[dict[str, list[str]], list[int]]:
    """Columns of texts by name, and the number of the line of each row, from the lines after the header."""
    reader = csv.reader(
        io.StringIO("\n".join(line.strip(" \t") for line in lines[begin:])), delimiter=delimiter, skipinitialspace=True
    )
    names: list[str] | None = None
    rows, numbers = [], []
    try:
        for row in reader:
            if names is None:
                names = row
            elif row:
                if len(row) != len(names):
                    where = f"{path}, line {begin + reader.line_num}"
                    raise InputError(f"{where}: {len(row)} values, must be {len(names)}")
                rows.append([cell.strip() for cell in row])
                numbers.append(begin + reader.line_num)
    except csv.Error as error:
        raise InputError(f"{path}, line {begin + reader.line_num}: {error}") from None
    if not names:
        raise InputError(f"{path}: empty, must have a row with the names of the columns below its header")
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}, numbers


def _is_plain(value: object) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _is_pairs(value: object) -> bool:
    """Whether it is an ordered mapping, as YAML's !!omap is read."""
    return isinstance(value, list) and all(isinstance(item, tuple) and len(item) == 2 for item in value)
