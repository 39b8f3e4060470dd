"""Emulators, and the combinations of inputs that they use."""

from .common import EMULATOR, INTERACTION_BASIS
from .entries import Attribute, Dataset, Group

_EDGES = "interactions <(f_j df'_i/df_j)^2> of features f of the layer and f' of the next"

LEARNING_GROUPS = (
    Group(
        f"/{EMULATOR}",
        {
            "low": Dataset("input", "1", "first value of each input, in the unit of its key"),
            "high": Dataset("input", "1", "last value"),
            "mean": Dataset("input", "1", "mean of ln of each input (of 1 + z for a redshift) over the points"),
            "width": Dataset("input", "1", "standard deviation of the same"),
            "loss": Dataset("epoch", "1", "mean square error of (ln output - output_mean)/output_width"),
        },
        {
            "inputs": Attribute("names of the inputs, in their order"),
            "output": Attribute("spectrum or boost"),
            "output_mean": Attribute("mean of ln output over the points"),
            "output_width": Attribute("standard deviation of the same"),
            "activation": Attribute("of hidden layers: h' = activation(W h + b)"),
            "points": Attribute("number of points that it was trained on"),
            "training_error": Attribute("rms error of ln output on these points"),
            "error": Attribute("rms error of ln output on points that it was not trained on"),
            "largest_error": Attribute("largest error of ln output on these"),
            "few_points": Attribute("whether the points are too few for the combinations"),
        },
    ),
    Group(
        f"/{EMULATOR}/layers/<layer>",
        {
            "weight": Dataset("neuron of the next layer, neuron", "1", "W"),
            "bias": Dataset("neuron of the next layer", "1", "b"),
        },
    ),
    Group(
        f"/{INTERACTION_BASIS}",
        {
            "combinations": Dataset(
                "combination, input", "1", "powers of the inputs in the combinations that the output depends on"
            ),
            "similarity": Dataset("2, input", "1", "those of k r0/a and m r0 sigma/hbar, in the same form"),
            "pruned_to": Dataset("number", "1", "number of features that hidden layers are reduced to", "int64"),
            "error": Dataset("number", "1", "rms error of ln output then, of points that it was not trained on"),
            "error_principal": Dataset("number", "1", "the same for principal components"),
        },
        {
            "kind": Attribute("of the basis: global"),
            "cut": Attribute("of importance over the largest, and of edges over the largest of their layer"),
            "products": Attribute("the combinations in words"),
            "summary": Attribute("lines of the summary of the run"),
            "angle": Attribute("largest, between the planes of both, of the smaller to the larger [degrees]"),
            "edges_neurons": Attribute("number of edges above the cut between neurons"),
            "edges_principal": Attribute("the same between principal components"),
            "edges": Attribute("the same between features of the basis"),
            "modularity": Attribute("Q of the modules"),
            "components": Attribute("number of groups of features without an edge between them"),
        },
    ),
    Group(
        f"/{INTERACTION_BASIS}/<layer>",
        {
            "mean": Dataset("neuron", "1", "mean activation"),
            "to_features": Dataset("neuron, feature", "1", "C: features are (activations - mean) C"),
            "from_features": Dataset("feature, neuron", "1", "C+: activations are mean + features C+"),
            "importance": Dataset("feature", "1", "Lambda, variance of a feature on which the output depends by one"),
            "module": Dataset("feature", "1", "module of each feature, the largest is 0", "int64"),
            "edges": Dataset("feature of the next layer, feature", "1", _EDGES),
            "edges_neurons": Dataset("neuron of the next layer, neuron", "1", "the same between neurons"),
            "edges_principal": Dataset(
                "component of the next layer, component", "1", "the same between principal components"
            ),
        },
        {
            "rank": Attribute("of the covariance of the activations"),
            "gradient_rank": Attribute("of <J^T J>, J the derivative of the output by the activations"),
            "effective_rank": Attribute("number of features above the cut"),
        },
    ),
)
