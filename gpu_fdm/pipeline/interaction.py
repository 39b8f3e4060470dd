"""What the interaction basis of an emulator says, as its result holds it and as lines of the summary."""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..io.result_file import GroupWriter
from ..io.schema import INTERACTION_BASIS
from ..learn.basis import LayerBasis, interaction_basis
from ..learn.directions import SMALLEST, angle, echelon, in_words
from ..learn.edges import interactions, number_of_edges
from ..learn.emulator import Emulator
from ..learn.modules import Modules, find_modules
from ..learn.pruning import pruning_errors

CUT = 1e-3  # of Lambda over the largest, and of interactions over the largest of a layer
NAMES = {"neurons": "neurons", "principal": "principal components", "global": "features of the basis"}
SYMBOLS = {"k": "k", "m22": "m22", "mass": "M", "redshift": "(1+z)"}


@frozen(eq=False)
class Analysis:
    """Bases of a network, interactions in each, and what follows.

    bases, edges, modules  by kind;  combinations  powers of the inputs, shape (combinations, inputs)
    expected    those of q and nu in the same form, shape (2, inputs)
    pruned_to   numbers of features;  pruned  rms errors by kind, shape of pruned_to
    """

    names: tuple[str, ...]
    bases: dict[str, tuple[LayerBasis, ...]]
    edges: dict[str, tuple[NDArray, ...]]
    modules: dict[str, Modules]
    combinations: NDArray
    expected: NDArray
    pruned_to: NDArray
    pruned: dict[str, NDArray]

    @classmethod
    def of(
        cls, emulator: Emulator, inputs: NDArray, test_inputs: NDArray, test_outputs: NDArray, powers: NDArray
    ) -> "Analysis":
        """The analysis of an emulator over standardised inputs, shape (points, inputs).

        test_inputs, test_outputs  standardised, for the errors of pruning;  powers  of the inputs in q and nu
        """
        layers = emulator.network.layers()
        bases = {kind: interaction_basis(layers, inputs, kind) for kind in NAMES}
        edges = {kind: interactions(layers, found, inputs) for kind, found in bases.items()}
        modules = {kind: find_modules(found, CUT) for kind, found in edges.items()}
        first = bases["global"][0]
        rows = first.to_features[:, : first.effective_rank(CUT)].T / emulator.width
        combinations = echelon(np.linalg.qr(rows.T)[0].T)
        widest = max(emulator.network.sizes[1:-1])
        numbers = np.unique(np.rint(np.geomspace(2, widest, 12)).astype(int))
        truth, scale = test_outputs[:, None], emulator.output_width
        pruned = {
            kind: scale * pruning_errors(layers, bases[kind], test_inputs, truth, numbers.tolist())
            for kind in ("global", "principal")
        }
        return cls(emulator.names, bases, edges, modules, combinations, echelon(powers), numbers, pruned)

    @property
    def symbols(self) -> list[str]:
        """Names of the inputs in products of powers."""
        return [SYMBOLS[name] for name in self.names]

    @property
    def products(self) -> list[str]:
        """The combinations in words."""
        return [in_words(row, self.symbols) for row in self.combinations]

    @property
    def products_expected(self) -> list[str]:
        """Those of q and nu in words."""
        return [in_words(row, self.symbols) for row in self.expected]

    @property
    def angle(self) -> float:
        """Largest angle between the planes of both, of the smaller to the larger [degrees]."""
        return angle(self.combinations, self.expected)

    def number_of_edges(self, kind: str) -> int:
        """Number of interactions above the cut."""
        return number_of_edges(self.edges[kind], CUT)

    def lines(self) -> list[str]:
        """Lines of the summary."""
        number, products = len(self.combinations), " and ".join(self.products)
        lines = [f"the output depends on {number} combination{'s' if number > 1 else ''}: {products}"]
        missing = [
            symbol
            for symbol, column in zip(self.symbols, self.combinations.T, strict=True)
            if not np.any(np.abs(column) >= SMALLEST)
        ]
        lines += [f"it does not depend on {', '.join(missing)}"] if missing else []
        if number == len(self.expected):
            lines.append(f"similarity has {' and '.join(self.products_expected)}, at {self.angle:.2g} degrees")
        edges = ", ".join(f"{self.number_of_edges(kind)} between {name}" for kind, name in NAMES.items())
        modules = self.modules["global"]
        lines.append(f"interactions above {CUT:g} of the largest: {edges}; modularity {modules.modularity:.2f}")
        return lines

    def write(self, file: GroupWriter) -> None:
        """Write /interaction_basis and a group for each layer."""
        found = self.modules["global"]
        file.group(
            f"/{INTERACTION_BASIS}",
            {
                "combinations": self.combinations,
                "similarity": self.expected,
                "pruned_to": self.pruned_to,
                "error": self.pruned["global"],
                "error_principal": self.pruned["principal"],
            },
            kind="global",
            cut=CUT,
            products=self.products,
            summary=self.lines(),
            angle=self.angle,
            edges_neurons=self.number_of_edges("neurons"),
            edges_principal=self.number_of_edges("principal"),
            edges=self.number_of_edges("global"),
            modularity=found.modularity,
            components=found.components,
        )
        for number, basis in enumerate(self.bases["global"]):
            columns = {name: getattr(basis, name) for name in ("mean", "to_features", "from_features", "importance")}
            columns["module"] = found.labels[number]
            if number < len(self.edges["global"]):
                columns["edges"] = self.edges["global"][number]
                columns["edges_neurons"] = self.edges["neurons"][number]
                columns["edges_principal"] = self.edges["principal"][number]
            file.group(
                f"/{INTERACTION_BASIS}/{number}",
                columns,
                rank=basis.rank,
                gradient_rank=basis.gradient_rank,
                effective_rank=basis.effective_rank(CUT),
            )
