"""Memory, disk and time of a simulation, from the number of its cells."""

from math import prod

import numpy as np

from ...config.config import Config
from ...errors import RunError
from ...parallel.backend import CPU, GPU
from ...parallel.ranks import Ranks
from ...simulation.integrator import scheme_of_order
from ..model import dtype_of
from ..progress import in_words
from ..slab import cells_of_largest_slab
from .record import PIXELS
from .setup import Setup

# cells or particles in a stage, on two cores, see docs/performance.md; waves in single precision
_WAVE_A_SECOND, _PARTICLES_A_SECOND = 5e7, 1.7e7
_STAGE = 5e-3  # seconds that any stage takes
_EPOCHS = 200  # at which the length of a stage is asked for
# particles that go to a grid at a time, on a CPU and on a card, and bytes that each then needs
BATCH, BATCH_ON_CARD = 1 << 20, 1 << 23
_BATCH_PARTICLE = 60


def wave_memory(config: Config, ranks: int = 1, initial: bool = False) -> int:
    """Memory of a wave on one of `ranks`, as it is evolved and measured, or of its initial conditions [bytes]."""
    # psi, potential and modes of Poisson's equation, |psi|^2 and its modes; what is transposed is there twice
    evolved = 6 if ranks == 1 else 9
    # psi, linear modes, contrast, its modes, three sums of second order, and what they are made of
    begun = 11 if ranks == 1 else 13
    return (begun if initial else evolved) * _itemsize(config) * cells_of_largest_slab(config.simulation.cells, ranks)


def particle_memory(config: Config, ranks: int = 1) -> int:
    """Memory of particles on one of `ranks`, if it has no more of them than others [bytes]."""
    # position, momentum, identity, over ranks once more; masses, forces and the four meshes of P(k), which are double
    numbers = 7 if ranks == 1 else 14
    meshes = 8 if config.simulation.mesh_precision == "double" else 6.5
    cells = cells_of_largest_slab(config.simulation.cells, ranks)
    return int(8 * (numbers + meshes) * cells) + _BATCH_PARTICLE * min(cells, BATCH)


def check_card(config: Config, ranks: Ranks, backend: CPU | GPU) -> None:
    """RunError on all ranks, which all call this, where the part of a run of one of them does not fit on its card."""
    free, error = backend.device_memory, None
    if free is None:
        return
    what, needed = _on_card(config, ranks.size)
    if needed > free:
        cells = config.simulation.cells
        enough = next((n for n in range(ranks.size + 1, cells[0] + 1) if _on_card(config, n)[1] <= free), None)
        fewer = ", ".join(f"{int(n * (free / needed) ** (1 / 3))}" for n in cells)
        more = f"{enough} ranks with such cards, or " if enough else ""
        error = RunError(
            f"the card is too small ({backend.device}): {what} of {', '.join(map(str, cells))} cells need "
            f"{in_words(needed)} a rank, {in_words(free)} are free ({more}about cells = {fewer} would fit; "
            "or run.precision = single, or run.backend = cpu)"
        )
    ranks.raise_first(error)


def _on_card(config: Config, ranks: int) -> tuple[str, int]:
    """What needs most of the card of one of `ranks`, from its initial conditions on, and how much [bytes]."""
    waves = [run.startswith("wave") for run in config.simulation.runs]
    # of cuFFT's transforms of the mesh there and back, and of particles that go to a grid
    cells = cells_of_largest_slab(config.simulation.cells, ranks)
    work_areas = 2 * 8 * cells + _BATCH_PARTICLE * min(cells, BATCH_ON_CARD)
    needs = {
        "waves": wave_memory(config, ranks, initial=True) if any(waves) else 0,
        "particles": 0 if all(waves) else particle_memory(config, ranks) + work_areas,
    }
    return max(needs.items(), key=lambda item: item[1])


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


def run_steps(setup: Setup, run: str) -> int:
    """About how many steps a run of one seed takes at least.

    Those of a wave as the clock and the kinetic phase allow them, those of particles as the clock does: deep potentials
    of a wave, and particles that cross a cell or fall into another within a step, ask for more.
    """
    clock, section = setup.clock, setup.section
    epochs = np.geomspace(setup.start, setup.end, _EPOCHS)
    shortest = np.full(_EPOCHS, clock.longest)
    if run.startswith("wave"):
        phase = 0.5 * setup.grid.k_squared_max * np.array([clock.drift_rate(a) for a in epochs.tolist()])
        shortest = np.minimum(shortest, section.kinetic_phase / phase)
    stages = float(np.trapezoid(1 / shortest, np.log(epochs))) / scheme_of_order(section.order).stages
    # between two stops there is a whole number of them
    return round(stages + 0.5 * len(setup.stops))


def run_seconds(setup: Setup, run: str) -> float:
    """About how long these steps take on two cores."""
    rate = _WAVE_A_SECOND * 4 / setup.dtype.itemsize if run.startswith("wave") else _PARTICLES_A_SECOND
    stages = scheme_of_order(setup.section.order).stages * run_steps(setup, run)
    return stages * (_STAGE + prod(setup.section.cells) / rate)


def _itemsize(config: Config) -> int:
    return np.dtype(dtype_of(config)).itemsize
