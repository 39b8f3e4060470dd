"""Time measurements of snapshots, beside Pylians in the same process where it is installed (extra `bench`)."""

import os
from time import perf_counter

from registry import benchmark, best_of

CELLS, SIDE, PARTICLES = 256, 100.0, 4_000_000


def _particles():
    import numpy as np

    return (SIDE * np.random.default_rng(1).random((PARTICLES, 3))).astype(np.float32)


def _pylians():
    """The two libraries of Pylians, or None."""
    try:
        import MAS_library
        import Pk_library
    except ImportError:
        return None
    return MAS_library, Pk_library


def _deposit(name):
    import numpy as np

    from gpu_fdm.fields.box import Box
    from gpu_fdm.fields.particles import deposit

    positions, box = _particles(), Box((SIDE,) * 3, (CELLS,) * 3)
    # cells of Pylians have their centres at i h, ours at (i + 1/2) h
    seconds = best_of(lambda: deposit(positions, box, name, shift=0.5, dtype=np.float32))
    libraries, beside = _pylians(), "Pylians is not installed"
    if libraries:
        grid = np.zeros((CELLS,) * 3, np.float32)
        theirs = best_of(lambda: libraries[0].MA(positions, grid, SIDE, name.upper(), verbose=False), 1)
        grid[...] = 0
        libraries[0].MA(positions, grid, SIDE, name.upper(), verbose=False)
        ours = deposit(positions, box, name, shift=0.5, dtype=np.float32)
        beside = f"Pylians {theirs:.2f} s, cells differ by {np.abs(ours - grid).max() / grid.max():.0e} of the largest"
    return seconds, PARTICLES, "particles/s", beside


@benchmark
def deposit_tsc():
    return _deposit("tsc")


@benchmark
def deposit_pcs():
    return _deposit("pcs")


@benchmark
def power_spectrum_256_beside_pylians():
    """P(k) of one grid; pairs of bins of Pylians, [i, i + 1) k_f, are joined to ours of twice the width."""
    import numpy as np

    from gpu_fdm.fields.box import Box
    from gpu_fdm.fields.particles import deposit
    from gpu_fdm.spectra.power import power_spectrum

    grid = deposit(_particles(), Box((SIDE,) * 3, (CELLS,) * 3), "tsc", dtype=np.float32)
    seconds = best_of(lambda: power_spectrum(grid, SIDE, bin_width=2), 5)
    libraries, beside = _pylians(), "Pylians is not installed"
    if libraries:
        contrast = grid / grid.mean() - 1
        times = []
        for _ in range(3):
            copy = contrast.copy()
            started = perf_counter()
            theirs = libraries[1].Pk(copy, SIDE, 0, "None", os.cpu_count(), verbose=False)
            times.append(perf_counter() - started)
        ours = power_spectrum(grid, SIDE, bin_width=2)
        row = np.floor((theirs.k3D / ours.bins.fundamental + 1) / 2).astype(int)
        modes = np.bincount(row, theirs.Nmodes3D)
        joined = np.bincount(row, theirs.Nmodes3D * theirs.Pk[:, 0])[1:] / modes[1:]
        rows = slice(2, 1 + len(joined))  # our row 0 is k = 0, row 1 rounds to it
        count = min(len(ours.power[rows]), len(joined))
        differ = np.abs(ours.power[1 : 1 + count] / joined[:count] - 1).max()
        beside = f"Pylians {min(times):.2f} s, spectra differ by {differ:.0e}"
    return seconds, grid.size, "cells/s", beside
