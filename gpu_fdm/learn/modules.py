"""Modules: groups of features that interact more with each other than with others, by Newman's modularity.

Nodes are the features of all layers. The weight of an edge is max(0, log10(E / (cut E_max))), E_max of its layer, since
interactions spread over many decades. Communities are those of Louvain's method (networkx).
"""

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..errors import InputError
from ..quantities import takes
from ..values import brief
from .libraries import library


@brief
@frozen(eq=False)
class Modules:
    """Modules of a network.

    labels      of the module of each feature, by layer, shape (features,) each; the largest module is 0
    modularity  Q: share of the weight within modules, less that of random edges of the same degrees
    components  number of groups of features without an edge between them, features without any edge left out
    """

    labels: tuple[NDArray, ...]
    modularity: float
    components: int

    @property
    def number(self) -> int:
        """Number of modules of two features or more."""
        sizes = np.unique(np.concatenate(self.labels), return_counts=True)[1]
        return int(np.count_nonzero(sizes > 1))


@takes()
def find_modules(edges: Sequence[NDArray], cut: float = 1e-3, resolution: float = 1.0, seed: int = 0) -> Modules:
    """The modules of interactions.

    edges       of `interactions`, shape (features of the next layer, features) each
    cut         of an interaction over the largest of its layer, below which there is no edge
    resolution  gamma of the modularity: larger ones make smaller modules
    seed        of the order in which Louvain's method visits features
    """
    if not 0 < cut < 1:
        raise InputError(f"cut = {cut:g}: must be in (0, 1)")
    networkx = library("networkx")
    graph = networkx.Graph()
    widths = [edges[0].shape[1], *(each.shape[0] for each in edges)]
    first = np.concatenate([[0], np.cumsum(widths)]).astype(int)
    graph.add_nodes_from(range(int(first[-1])))
    for number, each in enumerate(edges):
        if not (np.all(np.isfinite(each)) and each.max() > 0):
            raise InputError(f"edges of layer {number}: must be finite, and not all zero")
        weight = np.log10(np.maximum(each / (cut * each.max()), 1e-300))
        for after, before in np.argwhere(weight > 0).tolist():
            graph.add_edge(first[number] + before, first[number + 1] + after, weight=float(weight[after, before]))
    found = networkx.community.louvain_communities(graph, weight="weight", resolution=resolution, seed=seed)
    found = sorted(found, key=lambda nodes: (-len(nodes), min(nodes)))
    label = np.empty(int(first[-1]), int)
    for number, nodes in enumerate(found):
        label[list(nodes)] = number
    modularity = float(networkx.community.modularity(graph, found, weight="weight", resolution=resolution))
    components = sum(len(nodes) > 1 for nodes in networkx.connected_components(graph))
    return Modules(tuple(np.split(label, first[1:-1])), modularity, components)
