"""Memory, disk and time of a simulation, from the number of its cells."""

from math import prod

import numpy as np

from ...config.config import Config
from ...parallel.ranks import SERIAL, Ranks
from ..model import dtype_of
from ..slab import cells_of_largest_slab
from .record import PIXELS
from .setup import Setup

# cells or particles in a stage, on two cores, see docs/performance.md; waves in single precision
_WAVE_A_SECOND, _PARTICLES_A_SECOND = 5e7, 1e7
_STAGE = 5e-3  # seconds that any stage takes
_EPOCHS = 200  # at which the length of a stage is asked for
_BATCH, _BATCH_PARTICLE = 1 << 20, 60  # particles that go to a grid at a time, and what each then needs [bytes]


def wave_memory(config: Config, ranks: Ranks = SERIAL, initial: bool = False) -> int:
    """Memory of a wave on one rank, as it is evolved and its spectrum taken, or of its initial conditions [bytes]."""
    # psi, potential and modes of Poisson's equation, |psi|^2 and its modes; what is transposed is there twice
    evolved = 6 if ranks.size == 1 else 9
    # psi, linear modes, contrast, its modes, three sums of second order, and what they are made of
    begun = 11 if ranks.size == 1 else 13
    return (begun if initial else evolved) * _itemsize(config) * cells_of_largest_slab(config.simulation.cells, ranks)


def particle_memory(config: Config, ranks: Ranks = SERIAL) -> int:
    """Memory of particles on one rank, if it has no more of them than others [bytes]."""
    # position, momentum, identity, over ranks once more; eight meshes
    numbers = 7 + 8 if ranks.size == 1 else 14 + 8
    cells = cells_of_largest_slab(config.simulation.cells, ranks)
    return 8 * numbers * cells + _BATCH_PARTICLE * min(cells, _BATCH)


def checkpoint_size(config: Config, run: str) -> int:
    """Size of a checkpoint of a run [bytes]."""
    return prod(config.simulation.cells) * (2 * _itemsize(config) if run.startswith("wave") else 7 * 8)


def output_size(config: Config, run: str) -> int:
    """Size of the snapshots, spectra and projections of a run of one seed [bytes]."""
    section, itemsize, cells = config.simulation, _itemsize(config), config.simulation.cells
    snapshots = 0 if section.content == "none" else 1 if section.snapshots is None else len(section.snapshots)
    # positions and identities are double, velocities are single
    full = 2 * itemsize if run.startswith("wave") else 3 * 8 + 3 * 4 + 8
    written = snapshots * prod(cells) * (itemsize + (full if section.content == "full" else 0))
    picture = prod(sorted(min(number, PIXELS) for number in cells)[1:])
    return written + section.spectra * (8 * 8 * max(cells) + 3 * 4 * picture)


def run_seconds(setup: Setup, run: str) -> float:
    """About how long a run of one seed takes on two cores.

    Stages of a wave are counted as the clock and the kinetic phase allow them, and those of particles as the clock
    does: what collapses may ask for more.
    """
    clock, section = setup.clock, setup.section
    epochs = np.geomspace(setup.start, setup.end, _EPOCHS)
    shortest = np.full(_EPOCHS, clock.longest)
    rate = _PARTICLES_A_SECOND
    if run.startswith("wave"):
        phase = 0.5 * setup.grid.k_squared_max * np.array([clock.drift_rate(a) for a in epochs.tolist()])
        shortest = np.minimum(shortest, section.kinetic_phase / phase)
        rate = _WAVE_A_SECOND * 4 / setup.dtype.itemsize
    stages = float(np.trapezoid(1 / shortest, np.log(epochs)))
    return stages * (_STAGE + prod(section.cells) / rate)


def _itemsize(config: Config) -> int:
    return np.dtype(dtype_of(config)).itemsize
