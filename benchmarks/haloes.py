"""Time haloes: equilibrium, states and exact spectrum, the semiclassical limit, and the power of all matter."""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

from registry import benchmark, best_of

INI = Path(__file__).parents[1] / "ini" / "total_power.ini"


def halo(mass, m22, z=4.0):
    """A cored NFW halo of a mass [Msun/h], and its code units."""
    from gpu_fdm import CodeUnits, SphericalProfile, cored_nfw

    units = CodeUnits(m22, 0.6731, 0.314649)
    law = cored_nfw(mass, m22, units.h, units.omega_m, z, length=units.length)
    return SphericalProfile(law, mass / (units.mean_matter_density * units.length**3), 1 / (1 + z)), units


def wavenumbers(units):
    """60 wavenumbers [1/L]."""
    import numpy as np

    return np.geomspace(1, 1e4, 60) * units.length


@benchmark
def halo_of_12000_states():
    """States and spectrum of 12,000 (n, l): 1e10 Msun/h, m22 = 3.2, z = 4; the goal is 15 s and 2 GB on 2 cores."""
    from gpu_fdm.haloes.spectrum import exact_spectrum
    from gpu_fdm.haloes.states import halo_states, halo_weights

    started, of_processor = perf_counter(), process_time()
    profile, units = halo(1e10, 3.2)
    states = halo_states(profile)
    solved = perf_counter() - started
    exact_spectrum(states, halo_weights(profile, states), wavenumbers(units))
    seconds, of_processor = perf_counter() - started, process_time() - of_processor
    remark = f"{solved:.2g} s of it for profile and states; {of_processor:.3g} s of processor time"
    return seconds, len(states), "states/s", f"l_max = {states.l.max()}; {remark}"


@benchmark
def total_power_of_three_bosons():
    """gpu-fdm run ini/total_power.ini, m22 = 1, 2, 4, in a new folder; the goal is 3 minutes on 2 cores."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "gpu_fdm", "run", str(INI), "--set", f"run.output={folder}"]
        started = perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds = perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, 3, "bosons/s", f"{used.ru_utime + used.ru_stime:.3g} s of processor time; with its figure"


@benchmark
def halo_in_box():
    """Densities of 1e9 Msun/h, m22 = 1, at the centres of 128^3 cells; 28 (l_max + 1) multiply-adds a cell."""
    import numpy as np

    from gpu_fdm import Box, HaloWave, fill_halo, halo_source, halo_states, halo_weights, random_amplitudes

    profile, _ = halo(1e9, 1)
    states = halo_states(profile)
    wave = HaloWave(states, halo_weights(profile, states), random_amplitudes(states, 1))
    side, cells = 2.02 * states.radius_max, 128
    box, densities = Box((side,) * 3, (cells,) * 3), np.zeros((2, cells, cells, cells), np.float32)
    source = halo_source(wave, dtype=np.float32)
    seconds = best_of(lambda: fill_halo(*densities, box, (side / 2,) * 3, source, 1.0), 3)
    inside = 4 / 3 * np.pi * (states.radius_max * cells / side) ** 3
    sums = 28e-9 * (int(states.l.max()) + 1) * inside / seconds
    return seconds, int(inside), "cells/s", f"l_max = {states.l.max()}; {sums:.2g} G multiply-adds a second"


@benchmark
def halo_semiclassical():
    """60 wavenumbers of a halo of 1e11 Msun/h, m22 = 4."""
    from gpu_fdm.haloes.semiclassical import semiclassical_spectrum

    profile, units = halo(1e11, 4)
    return best_of(lambda: semiclassical_spectrum(profile, wavenumbers(units)), 1), 60, "wavenumbers/s", ""
