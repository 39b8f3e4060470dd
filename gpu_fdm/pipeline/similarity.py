"""Tables of similarity: nodes of nu over ranks, each cached once it is done, so that a stopped command goes on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from attrs import asdict

from ..config.sections import ABSENT
from ..io.cache import Cache
from ..io.lock import only_run
from ..parallel.backend import CPU
from ..parallel.ranks import SERIAL, Ranks
from ..spectra.similarity.recipe import Recipe
from ..spectra.similarity.store import write_table
from ..spectra.similarity.table import SimilarityTable, table_of, table_rows
from .run import cache_folder
from .stage import Context
from .tasks import Arrays, arrays_of

_AS_LIMIT = 9.0  # nu of the sums that take as long as the limit of infinite nu


@dataclass(frozen=True)
class Node:
    """The rows of a table at one nu."""

    recipe: Recipe
    nu: float
    steps: int = 1

    @property
    def name(self) -> str:
        """Name of its part in the cache."""
        return f"similarity_{self.nu:.6g}"

    @property
    def cost(self) -> float:
        """Time that it takes, in any unit: an average over orientations, and sums over states."""
        return 1 + ((self.nu if np.isfinite(self.nu) else _AS_LIMIT) / 3) ** 3

    def key(self, context: Context) -> dict[str, Any]:
        """Key of its part in the cache."""
        return {"part": self.name, **asdict(self.recipe)}

    def compute(self, context: Context, step: Callable[[], None]) -> Arrays:
        """Its weight_sum and rows."""
        weight_sum, rows = table_rows(self.nu, self.recipe, context.backend)
        step()
        return {"weight_sum": np.array(weight_sum), "rows": rows}


def tabulate(recipe: Recipe, output: Path, ranks: Ranks = SERIAL) -> SimilarityTable:
    """Make a table and write it; all ranks call this.

    Nodes that an earlier command has finished are not computed again. Raises RunError where files cannot be written.
    """
    with only_run(output, ranks):
        cache = Cache(cache_folder(output))
        context = Context(ABSENT, ranks, CPU(1), output, cache=cache)
        nodes = [Node(recipe, nu) for nu in recipe.nodes]
        found = arrays_of(context, nodes, f"nodes of nu of the table of beta = {recipe.beta:g}")
        rows = [(float(found[node.name]["weight_sum"]), found[node.name]["rows"]) for node in nodes]
        table = table_of(recipe, rows)
        write_table(table, output, ranks)
        ranks.on_root(cache.clear)
    return table
