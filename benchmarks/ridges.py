"""Time the search for filaments in snapshots: a grid of 512^3 cells, and ten million particles."""

import os
import tempfile
from pathlib import Path
from time import perf_counter

from registry import benchmark

GAS = os.path.join(os.path.dirname(__file__), "..", "ini", "filament_gas.csv")
SIDE, CELLS, PARTICLES = 2.0, 512, 10_000_000


def _gas(number):
    """Particles of the eight filaments of the published gas, float32, shape (number, 3) [cMpc/h]."""
    import numpy as np

    from gpu_fdm.filament.gas_table import read_table

    table, random, parts = read_table(GAS, (SIDE,) * 3), np.random.default_rng(1), []
    for row, count in enumerate(random.multinomial(number, table.mass / table.mass.sum())):
        u, angle = random.random(count), 2 * np.pi * random.random(count)
        radius = 5 * table.r0[row] * np.sqrt(u / (1 - u))
        along, across = table.direction[row], table.orientation[row]
        positions = np.outer((random.random(count) - 0.5) * table.length[row], along)
        positions += np.outer(radius * np.cos(angle), across)
        positions += np.outer(radius * np.sin(angle), np.cross(along, across))
        parts.append(((positions + table.centre[row]) % SIDE).astype(np.float32))
    return np.concatenate(parts)


def _listed(path, options):
    """Seconds from the snapshot to the list, and the number of ridges; the file is read once before."""
    from gpu_fdm.parallel.ranks import SERIAL
    from gpu_fdm.pipeline.snapshot_ridges import Search, find_ridges, smooth_of
    from gpu_fdm.snapshots.registry import open_snapshot

    snapshot = open_snapshot(path, options=options)
    started = perf_counter()
    found = find_ridges(snapshot, Search(smooth_of(snapshot, 2 * SIDE / CELLS)), SERIAL)
    return perf_counter() - started, len(found)


@benchmark
def filaments_of_512():
    """The list of filaments of a grid, smoothed over two cells: none are joined."""
    import numpy as np

    from gpu_fdm.fields.box import Box
    from gpu_fdm.fields.particles import deposit
    from gpu_fdm.snapshots.options import SnapshotOptions

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "density.npy"
        np.save(path, deposit(_gas(PARTICLES // 5), Box((SIDE,) * 3, (CELLS,) * 3), dtype=np.float32))
        seconds, found = _listed(path, SnapshotOptions(box_size=(SIDE,) * 3, redshift=4.0))
    return seconds, CELLS**3, "cells/s", f"{found} ridges"


@benchmark
def filaments_of_10_million_particles():
    """The list of filaments of particles, on 512^3 cells."""
    import h5py

    from gpu_fdm.snapshots.options import SnapshotOptions

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "snap.hdf5"
        with h5py.File(path, "w") as file:
            numbers = [0, PARTICLES, 0, 0, 0, 0]
            header = {"NumPart_ThisFile": numbers, "NumPart_Total": numbers, "MassTable": [0.0, 1.0, 0, 0, 0, 0]}
            file.create_group("Header").attrs.update(
                header | {"BoxSize": SIDE, "Redshift": 4.0, "Time": 0.2, "NumFilesPerSnapshot": 1}
            )
            file["PartType1/Coordinates"] = _gas(PARTICLES)
        seconds, found = _listed(path, SnapshotOptions(unit_length=1.0))
    return seconds, PARTICLES, "particles/s", f"{found} ridges"
