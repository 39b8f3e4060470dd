"""The table of similarity as a file: that which comes with the package, and others."""

from functools import cache
from pathlib import Path

import numpy as np

from ...errors import InputError
from ...io.hdf5 import opened
from ...io.result_file import atomic_hdf5
from ...io.schema import SIMILARITY
from .table import SimilarityTable

SHIPPED = Path(__file__).parent.parent / "data" / "similarity.hdf5"


@cache
def shipped_table() -> SimilarityTable:
    """The table of isothermal filaments with the default energy cut, f = 0.99."""
    return read_table(SHIPPED)


def read_table(path: str | Path) -> SimilarityTable:
    """A table that write_table wrote. Raises InputError for another file, or a damaged one."""
    names = SIMILARITY.group("/").datasets
    with opened(Path(path)) as file:
        if not all(name in file for name in names) or "mass_fraction" not in file.attrs:
            raise InputError(f"{path}: not a table of similarity")
        found = {name: np.asarray(file[name][()], float) for name in names}
        return SimilarityTable(float(file.attrs["mass_fraction"]), **found)


def write_table(table: SimilarityTable, path: str | Path) -> None:
    """Write a table; its rows in single precision, which changes P by 1e-6. Raises RunError where that fails."""
    with atomic_hdf5(Path(path), SIMILARITY) as file:
        file.attributes("/", mass_fraction=table.mass_fraction)
        file.dataset("/nu", table.nu)
        file.dataset("/weight_sum", table.weight_sum)
        file.dataset("/rows", table.rows.astype(np.float32))
