"""Time and memory of the interaction basis of a large network: 1.0e6 parameters, 1e4 points.

    python -m benchmarks.interaction_basis

A random network of 10 inputs, three hidden layers of 703 tanh neurons and 4 outputs; 32 features a layer are kept.
"""

import resource
from time import perf_counter

import numpy as np

from gpu_fdm.learn.basis import interaction_basis
from gpu_fdm.learn.degeneracy import hessian_eigenvalues
from gpu_fdm.learn.edges import interactions
from gpu_fdm.learn.modules import find_modules
from gpu_fdm.learn.network import Network

SIZES = (10, 703, 703, 703, 4)
POINTS, FEATURES, RANK, HESSIAN_POINTS = 10_000, 32, 4, 1000


def main() -> None:
    """Print the time of each step and the largest memory."""
    network = Network.random(SIZES, "tanh", 1)
    data = np.random.default_rng(2).standard_normal((POINTS, SIZES[0]))
    number = sum(weight.size + bias.size for weight, bias in network.parameters)
    print(f"{number} parameters, {POINTS} points, {FEATURES} features of each layer")
    begun = last = perf_counter()

    def say(what: str) -> None:
        nonlocal last
        now, memory = perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{what}: {now - last:.1f} s, at most {memory:.2f} GiB", flush=True)
        last = now

    layers = network.layers()
    basis = interaction_basis(layers, data, ranks=FEATURES, batch=64)
    say("global basis")
    edges = interactions(layers, basis, data, batch=64)
    say("interactions")
    modules = find_modules(edges)
    say(f"{modules.number} modules")
    hessian_eigenvalues(network.output, network.parameters, data[:HESSIAN_POINTS], RANK, more=4)
    say(f"{RANK} eigenvalues of the Hessian, {HESSIAN_POINTS} points")
    print(f"all: {perf_counter() - begun:.1f} s")


if __name__ == "__main__":
    main()
