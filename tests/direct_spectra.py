"""P_1f by the direct route: states of filaments at Chebyshev masses, averaged over phases and orientations."""

import numpy as np

from gpu_fdm.pipeline.inputs import Inputs
from gpu_fdm.pipeline.model import solve
from gpu_fdm.pipeline.population_filaments import Boson
from gpu_fdm.spectra.one_filament import chebyshev_masses
from gpu_fdm.spectra.single_filament import single_power


def direct_spectrum(config, m22, k, level):
    """The OneFilamentSpectrum of a config at k, from 2^level + 1 masses."""
    boson = Boson(config, Inputs(config).population, m22)
    section, nodes = config.one_filament, {}
    for mass in chebyshev_masses(section.mass_min, section.mass_max, level).tolist():
        model = solve(boson.config, boson.filament(mass))
        power = single_power(model, k, plane=False, beyond=True)
        nodes[m22, mass] = {
            "modes": power.smooth,
            "completed": power.completed,
            "interference": power.interference,
            "self_term": power.self_term,
            "weight_sum": np.array(model.weights.weight_sum),
        }
    return boson.spectrum(k, nodes)
