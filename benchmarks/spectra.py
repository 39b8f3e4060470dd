"""Time the exact spectra, beside sampled ones, and the population."""

import os
import tempfile
from time import perf_counter

from registry import benchmark, best_of, build


def _exact(m22, repeats):
    """200 wavenumbers up to the end of the fringes, in the plane and over orientations, beside sampled spectra."""
    import numpy as np

    from gpu_fdm.spectra.sampled import sampled_spectrum
    from gpu_fdm.spectra.single_filament import single_power

    model = build(m22)
    k = np.geomspace(1, model.fringe_wavenumber, 200)
    seconds = best_of(lambda: single_power(model, k), repeats) if repeats > 1 else _once(lambda: single_power(model, k))
    draws = max(2, 64 // m22**2)
    plane = k * model.units.length
    sampled_seconds = _once(lambda: sampled_spectrum(model.library, model.wave.weight, plane, draws))
    sampled = sampled_spectrum(model.library, model.wave.weight, plane, max(draws, 16))
    fringes = k > 1.5 * 108 * m22**0.5
    scatter = float(np.median((np.sqrt(sampled.variance) / sampled.mean)[fringes]))
    # errors of draws fall with the root of their number: times for a median error of 1 % and of 1e-4
    percent = sampled_seconds / draws * (scatter / 0.01) ** 2
    return (
        seconds,
        len(model.library),
        "modes/s",
        f"sampled: {sampled_seconds / draws:.2g} s a draw, {percent:.3g} s for 1 %, {1e4 * percent:.2g} s for 1e-4",
    )


def _once(work):
    started = perf_counter()
    work()
    return perf_counter() - started


@benchmark
def exact_spectrum_m22_1():
    return _exact(1, 3)


@benchmark
def exact_spectrum_m22_2():
    return _exact(2, 3)


@benchmark
def exact_spectrum_m22_4():
    return _exact(4, 2)


@benchmark
def exact_spectrum_m22_8():
    return _exact(8, 1)


@benchmark
def mass_functions():
    """CDM and four boson masses: variances, barrier, first crossing."""
    from gpu_fdm.config.config import Config
    from gpu_fdm.config.sections import PopulationSection
    from gpu_fdm.pipeline.model import population_of

    def work():
        section = PopulationSection()
        population = population_of(Config(population=section))
        for m22 in (None, *section.m22):
            population.mass_function(m22)

    return best_of(work), 5, "functions/s", "z = 4, linear power from the shipped table"


@benchmark
def one_filament_spectra():
    """The three published spectra, m22 = 1, 2, 4 from 3e9 to 3e10 Msun/h, by sums over states."""
    from gpu_fdm.config.config import read_config
    from gpu_fdm.pipeline.run import run

    ini = os.path.join(os.path.dirname(__file__), os.pardir, "ini", "one_filament.ini")
    with tempfile.TemporaryDirectory() as folder:
        overrides = [f"run.output={folder}/r.hdf5", "figures.dpi=50", "one_filament.method=direct"]
        config = read_config(ini, overrides)
        seconds = _once(lambda: run(config))
    return seconds, None, "", "m22 = 1, 2, 4, nine masses each; peer: 16 workers with 430 GB each"
