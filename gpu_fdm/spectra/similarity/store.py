"""The table of similarity as a file: those that come with the package, and others."""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from attrs import asdict
from numpy.typing import NDArray

from ... import __version__
from ...errors import InputError
from ...io.hdf5 import opened, text
from ...io.input_content import WithContent, content_of
from ...io.result_file import atomic_hdf5, git_revision
from ...io.schema import SIMILARITY
from ...parallel.ranks import SERIAL, Ranks
from .recipe import RATIOS, Recipe
from .table import SimilarityTable

_DATA = Path(__file__).parent.parent / "data"
SHIPPED = _DATA / "similarity.hdf5", _DATA / "similarity_beta_0.5.hdf5"


@cache
def shipped_tables() -> tuple[SimilarityTable, ...]:
    """The tables that come with the package, that of isothermal filaments first."""
    return tuple(map(read_table, SHIPPED))


def shipped_table() -> SimilarityTable:
    """The table of isothermal filaments with the default energy cut, f = 0.99."""
    return shipped_tables()[0]


def table_for(wanted: Recipe, table: SimilarityTable | str | Path | None = None) -> SimilarityTable:
    """The table of the energy cut, beta and angular momentum of l = 0 of a recipe.

    table  a table or its file, which must be of them; None for one of those that come with the package
    Raises InputError that names what the tables are of and the command that makes another.
    """
    given = read_table(table) if isinstance(table, str | Path) else table
    tables = shipped_tables() if given is None else (given,)
    for found in tables:
        if found.recipe.same_states(wanted):
            return found
    where = "the tables of the package are" if given is None else f"{table if given is not table else 'the table'} is"
    of = " and ".join(f"of {found.recipe.states}" for found in tables)
    raise InputError(f"{wanted.states}: {where} {of}: {wanted.command} makes another")


def read_table(path: str | Path) -> SimilarityTable:
    """A table that write_table wrote. Raises InputError for another file, a damaged one, or one of other nodes."""
    if isinstance(path, WithContent):
        return _table_in(path, content_of(path))
    return _read(path, Path(path))


@lru_cache(maxsize=4)
def _table_in(name: str, content: bytes) -> SimilarityTable:
    """The table in the bytes of a file that has been read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.hdf5"
        path.write_bytes(content)
        return _read(name, path)


def _read(path: str | Path, file_path: Path) -> SimilarityTable:
    """path  as messages name it"""
    names = SIMILARITY.group("/").datasets
    with _named(path, file_path), opened(file_path) as file:
        stored = text(file, "recipe")
        if not stored or not all(name in file for name in names):
            raise InputError(f"{path}: must be a table of similarity, as gpu-fdm tabulate similarity writes it")
        arrays = {name: np.asarray(file[name][()]) for name in names}
        if text(file, "hash") != _hash(stored, arrays):
            raise InputError(f"{path}: recipe or numbers are not those that the hash in it is of: make the table again")
    recipe = _recipe(path, stored)
    nodes = len(recipe.nodes)
    for name, *shape in (("nu", nodes), ("weight_sum", nodes), ("rows", nodes, RATIOS, recipe.row_length)):
        if list(arrays[name].shape) != shape:
            raise InputError(f"{path}: {name} of shape {list(arrays[name].shape)}: must be {shape}")
    return SimilarityTable(recipe, **{name: values.astype(float) for name, values in arrays.items()})


@contextmanager
def _named(path: str | Path, file_path: Path) -> Iterator[None]:
    """Errors about a copy of a file name the file."""
    try:
        yield
    except InputError as error:
        raise InputError(str(error).replace(str(file_path), str(path))) from None


def write_table(table: SimilarityTable, path: str | Path, ranks: Ranks = SERIAL) -> None:
    """Write a table; its rows in single precision, which changes P by 1e-6. All ranks call this.

    Raises RunError where it cannot be written.
    """
    arrays = {"nu": table.nu, "weight_sum": table.weight_sum, "rows": table.rows.astype(np.float32)}
    with atomic_hdf5(Path(path), SIMILARITY, ranks) as file:
        file.attributes(
            "/",
            version=__version__,
            git_revision=git_revision() if ranks.is_root else "",
            recipe=table.recipe.text,
            hash=_hash(table.recipe.text, arrays),
        )
        file.group("", arrays)


def _recipe(path: str | Path, stored: str) -> Recipe:
    """The recipe in a file, which must have the grids of this version."""
    try:
        values = json.loads(stored)
        recipe = Recipe(**{name: values[name] for name in asdict(Recipe())})
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: attribute recipe: {error}: is none of this version: make the table again") from None
    if recipe.text != stored:
        raise InputError(f"{path}: has other nodes than this version of gpu_fdm: {recipe.command} makes it again")
    return recipe


def _hash(recipe: str, arrays: dict[str, NDArray]) -> str:
    """SHA-256 of a recipe and of the bytes of the arrays, 64 hexadecimal digits."""
    found = hashlib.sha256(recipe.encode())
    for name in sorted(arrays):
        found.update(np.ascontiguousarray(arrays[name]).tobytes())
    return found.hexdigest()
