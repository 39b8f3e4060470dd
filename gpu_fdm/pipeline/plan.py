"""What a run will need, before it is run: memory, output, pieces of a slab on a card."""

from dataclasses import dataclass, replace
from math import ceil, prod

import numpy as np

from ..config.config import Config, DarkMatter
from ..errors import RunError
from ..fields.extruded import extruded_points
from ..filament.eigenstates import axial_states, estimated_states, extent
from ..filament.model import Filament
from ..filament.weights import RADII_PER_HALF_WAVE
from ..parallel.backend import cpu_count
from ..parallel.ranks import SERIAL, Ranks
from ..simulation.plane import plane_cells
from ..simulation.steady_state import FRAME_REACH
from ..spectra.phase_average import memory_needed
from .model import profile_of
from .progress import in_words
from .simulation_results import PIXELS

_BASE = 235 << 20  # interpreter, libraries and compiled loops [bytes]
_FIGURES = 40 << 20  # what draws them [bytes]
_EIGENPROBLEMS = 3  # copies of the states while they are solved for
_POPULATION = 4 << 20  # tables of linear power, variance and barrier [bytes]
_EXACT_POINTS = 2.25, -48  # nodes of the exact spectra from those of the states, a line
_EXACT_WAVENUMBERS = 0.93, 230  # of their table, likewise
_CARD_SHARE = 0.8  # of the free memory of a card that fields and tables may take
_BATCH, _BATCH_PARTICLE = 1 << 20, 60  # particles that go to a grid at a time, and what each then needs [bytes]
_EVOLVED = 5.2, 116  # of an evolved cross-section: copies of the states, bytes a cell; to 10 % for m22 = 1, 4, 8


@dataclass(frozen=True)
class Plan:
    """Peak memory of each stage on one rank, and size of the output [bytes].

    modes   states of the largest filament, by their phase-space area
    stages  name -> bytes while it runs;  output  bytes of the result file
    """

    modes: float
    stages: dict[str, int]
    output: int

    @property
    def peak(self) -> int:
        """Memory of the hungriest stage [bytes]."""
        return max(self.stages.values())


def plan(config: Config, table: list[Filament], ranks: Ranks = SERIAL, evolved: Filament | None = None) -> Plan:
    """Estimate from the sizes of the arrays that each stage holds at once, on the rank with the thickest slab.

    table    the filaments of the config; of a population, its heaviest for the heaviest boson
    evolved  that of [steady_state] for the heaviest boson
    """
    stages, modes, output = {}, 0.0, 1 << 20
    if config.population:
        stages["population"] = _POPULATION
        output += 32 * config.population.masses * (1 + len(config.population.m22))
    if table:
        largest = max((profile_of(_for_boson(config, f), f) for f in table), key=lambda p: p.line_mass)
        fraction = config.wavefunction.energy_cut
        modes = estimated_states(largest, fraction)
        _, _, nodes = extent(largest, fraction)
        states = int(modes) * nodes * 8
        stages["model"] = _EIGENPROBLEMS * states
        if config.wavefunction.weights in ("adaptive_lasso", "poisson", "least_squares"):
            # the response of every radius to every mode, and a copy of what is in use
            radii = config.wavefunction.radii or RADII_PER_HALF_WAVE * axial_states(largest, fraction)
            stages["weights"] = states + int(1.5 * 8 * modes * radii)
        if config.single_power or config.one_filament:
            points, wavenumbers = (int(slope * nodes + start) for slope, start in (_EXACT_POINTS, _EXACT_WAVENUMBERS))
            stages["exact spectra"] = states + memory_needed(modes, points, wavenumbers, cpu_count())
    if config.simulation:
        of_simulation, size = _plan_simulation(config, ranks)
        stages, output = stages | of_simulation, output + size
    if evolved is not None:
        stages["steady state"], size = _plan_steady_state(config, evolved)
        output += size
    if config.filament or config.gas:
        output += 40 * int(modes) * len(table)
        box_stages, box_output = _plan_box(config, largest, states, ranks)
        stages, output = stages | box_stages, output + box_output
    always = _BASE + (_FIGURES if config.figures else 0)
    return Plan(modes, {name: always + size for name, size in stages.items()}, output)


def _plan_steady_state(config, evolved):
    """Of the costliest cross-section that is evolved, and the frames of all."""
    section, profile = config.steady_state, profile_of(_for_boson(config, evolved), evolved)
    fraction = config.wavefunction.energy_cut
    cut, radius_max, nodes = extent(profile, fraction)
    cells, side = plane_cells(profile, cut, radius_max)
    modes = estimated_states(profile, fraction)
    states = int(modes * nodes * 8)
    memory = int(_EVOLVED[0] * states) + _EVOLVED[1] * cells**2
    if set(section.weights) != {"wkb"}:
        radii = config.wavefunction.radii or RADII_PER_HALF_WAVE * axial_states(profile, fraction)
        memory = max(memory, states + int(1.5 * 8 * modes * radii))
    shown = min(1.0, 2 * FRAME_REACH * float(profile.radius_enclosing(0.99)) / side) * cells
    cases = len(section.weights) * len(section.m22 or (0,))
    return memory, int(cases * section.frames * 4 * shown**2)


def _for_boson(config, filament):
    return config if filament.m22 == config.dark_matter.m22 else replace(config, dark_matter=DarkMatter(filament.m22))


def _plan_box(config, largest, states, ranks):
    """Stages on grids: their memory, and what they write."""
    stages, output = {}, 0
    cut, radius_max, _ = extent(largest, config.wavefunction.energy_cut)
    if config.cross_section:
        points = config.cross_section.points**2
        stages["cross-section"] = states + 64 * points
        output += 8 * points
    if config.box:
        itemsize, cells, local = _itemsize(config), prod(config.box.cells), _local_cells(config.box.cells, ranks)
        wavenumber = largest.scale_factor * (2 * cut) ** 0.5
        side = 0 if config.box.method == "direct" else extruded_points(radius_max, wavenumber)
        stages["box: tables"] = states + 96 * side**2
        stages["box"] = states + 2 * (local + 2 * side**2) * itemsize
        frames = 1 if config.box.frames is None else len(config.box.frames)
        output += frames * len(config.box.fields) * cells * itemsize
        if config.power:
            # both densities and a complex transform, twice where it is turned over ranks
            transforms = 1 if ranks.size == 1 else 2
            stages["power spectra"] = states + (2 + transforms) * local * itemsize
    return stages, output


def wave_memory(config: Config, ranks: Ranks = SERIAL, initial: bool = False) -> int:
    """Of a wave on one rank, as it is evolved and its spectrum taken, or of its initial conditions [bytes]."""
    # psi, potential and modes of Poisson's equation, |psi|^2 and its modes; what is turned over ranks is there twice
    evolved = 6 if ranks.size == 1 else 9
    # psi, linear modes, contrast, its modes, three sums of second order, and what they are made of
    begun = 11 if ranks.size == 1 else 13
    return (begun if initial else evolved) * _itemsize(config) * _local_cells(config.simulation.cells, ranks)


def particle_memory(config: Config, ranks: Ranks = SERIAL) -> int:
    """Of particles on one rank, if it has no more of them than others [bytes]."""
    # position, momentum, identity, over ranks once more; eight meshes
    numbers = 7 + 8 if ranks.size == 1 else 14 + 8
    cells = _local_cells(config.simulation.cells, ranks)
    return 8 * numbers * cells + _BATCH_PARTICLE * min(cells, _BATCH)


def checkpoint_size(config: Config) -> int:
    """Of the largest checkpoint of the runs [bytes]."""
    runs, cells = config.simulation.runs, prod(config.simulation.cells)
    return cells * max(2 * _itemsize(config) if run.startswith("wave") else 7 * 8 for run in runs)


def _plan_simulation(config, ranks):
    """Stages of a simulation, and the size of its snapshots, spectra and projections."""
    section, stages, output = config.simulation, {}, 0
    cells = prod(section.cells)
    snapshots = 0 if section.content == "none" else 1 if section.snapshots is None else len(section.snapshots)
    for run in section.runs:
        of_wave = run.startswith("wave")
        stages[run] = wave_memory(config, ranks, initial=True) if of_wave else particle_memory(config, ranks)
        # positions and identities are double, velocities are single
        full = 2 * _itemsize(config) if of_wave else 3 * 8 + 3 * 4 + 8
        output += snapshots * cells * (_itemsize(config) + (full if section.content == "full" else 0))
        picture = prod(sorted(min(number, PIXELS) for number in section.cells)[1:])
        output += section.spectra * (8 * 8 * max(section.cells) + 3 * 4 * picture)
    return stages, output


def _itemsize(config):
    return 4 if config.run.precision == "single" else 8


def _local_cells(cells, ranks):
    """Of the rank with the thickest slab."""
    return ceil(cells[0] / ranks.size) * prod(cells[1:])


def check_memory(planned: Plan, ranks: Ranks = SERIAL):
    """RunError if the ranks of this node would need more memory than there is."""
    from ..parallel.memory import available

    room = available()
    needed = (planned.peak - _BASE) * ranks.local_size
    if needed > room:
        stage = max(planned.stages, key=lambda name: planned.stages[name])
        on_node = f" on {ranks.local_size} ranks of a node" if ranks.local_size > 1 else ""
        raise RunError(
            f"too little memory: {stage} needs {in_words(needed)}{on_node}, {in_words(room)} are available "
            "(fewer cells, run.precision = single, more nodes, or a larger machine)"
        )


def pieces_on_device(shape, dtype, backend) -> int:
    """Pieces along x in which both densities of a slab go through a card; 1 on the CPU.

    Raises RunError where not even a single plane fits.
    """
    free = backend.device_memory
    if free is None:
        return 1
    plane = 2 * prod(shape[2:]) * np.dtype(dtype).itemsize
    # the transform that follows holds as much again, and the tables their share
    room = _CARD_SHARE * free / 2
    if plane > room:
        raise RunError(
            f"the card is too small: one plane of the box needs {in_words(2 * plane)}, {in_words(room * 2)} are free "
            f"(at most {int(room / plane * prod(shape[2:])):.3g} cells a plane would fit; or run.backend = cpu)"
        )
    return ceil(shape[1] * plane / room)
