"""The particles of a simulation on a card: a step and its parts, their P(k), and initial conditions.

Particles are as many as cells, displaced from a lattice by 0.6 of a cell. In memory they are as on the lattice, or in
the order of tiles of cells, into which a simulation puts them every 32 drifts; "moved since" they are in that order
but by 2 cells, and each by 0.7 of a cell more, somewhere else; "at random" they are anywhere.
"""

from functools import partial
from itertools import pairwise
from statistics import median
from time import perf_counter

import numpy as np
from card_registry import Line, card_benchmark

from gpu_fdm.cosmology.background import Background
from gpu_fdm.fields.box import Box
from gpu_fdm.kernels import along_x, mesh_passes, particle_mesh, planes
from gpu_fdm.kernels.deposit import add_particles
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.initial_conditions import linear_modes, particles_from_modes, wave_from_modes
from gpu_fdm.simulation.integrator import Static, Times
from gpu_fdm.simulation.particle_mesh import MeshLimits, ParticleState, evolve_particles
from gpu_fdm.simulation.second_order import to_second_order
from gpu_fdm.spectra.particles import particle_spectrum
from gpu_fdm.units import CodeUnits

CELLS = 320
CELLS_AT_START = 256  # of initial conditions
STEPS = 6
STEP = 1e-3  # [T]


def _positions(grid, random):
    """Shape (3, particles) [L], NumPy."""
    generator, number = np.random.default_rng(1), grid.points
    sides, spacing = np.array(grid.sides)[:, None], grid.spacing[:, None]
    if random:
        return generator.random((3, number)) * sides
    lattice = np.indices(grid.cells).reshape(3, -1) * spacing
    return (lattice + 0.6 * spacing * generator.standard_normal((3, number), "f4")) % sides


def _transforms(card, grid, dtype):
    """One real transform there and three back, in place."""
    plans, (nx, ny, nz), axes = card.backend.plans, grid.cells, (0, 1, 2)
    values = card.xp.zeros((nx, ny, nz // 2 + 1), np.result_type(dtype, "complex64"))

    def work():
        plans.from_real(values, nz, axes)
        for _ in range(3):
            plans.to_real(values, nz, axes)

    return work


@card_benchmark
def particle_parts(card):
    """Deposit, kick with drift, slopes and planes of the mesh, each beside its bytes."""
    lines, backend = [], card.backend
    grid = Grid((CELLS,) * 3, (1.0,) * 3)
    number, shape = grid.points, grid.cells
    mesh = particle_mesh.Mesh((float(CELLS),) * 3, shape, 0, grid.sides)
    mass = card.xp.zeros((CELLS + 1, *shape[1:]), np.int64)
    position = None
    for where in ("near a lattice", "in the order of tiles", "moved since", "at random"):
        if where == "moved since":  # as much as particles move between two times that they are put in order
            position += (2 + 0.7 * card.xp.random.RandomState(2).standard_normal((3, number), np.float32)) / CELLS
            position %= 1
        else:
            position = backend.to_device(_positions(grid, where == "at random"))
        momentum = card.xp.zeros_like(position)
        if where == "in the order of tiles":
            particles = position, momentum, card.xp.arange(number)
            seconds = card.time(partial(particle_mesh.sort_by_tile, *particles, mesh, backend), 3)
            floor = number * (24 + 2 * 56 + 16) / card.bandwidth
            lines.append(Line(f"order of tiles {CELLS}^3", seconds, floor, "particles there and back, and their tiles"))
            del particles
        seconds = card.time(partial(particle_mesh.deposit_clouds, position, mesh, mass, backend))
        floor = number * (24 + 16) / card.bandwidth
        lines.append(
            Line(f"deposit {CELLS}^3 in integers, {where}", seconds, floor, "positions; masses there and back")
        )
        for dtype in ("float64", "float32"):
            size = np.dtype(dtype).itemsize
            forces, beyond = [card.xp.ones(shape, dtype) for _ in range(3)], card.xp.ones((3, *shape[1:]), dtype)
            push = partial(particle_mesh.push, position, momentum, mesh, forces, beyond, 1e-9, 1e-9, backend)
            floor = number * (96 + 3 * size) / card.bandwidth
            work = f"kick and drift {CELLS}^3, {where}, mesh {dtype}"
            lines.append(Line(work, card.time(push), floor, "positions, momenta there and back; three forces"))
            seconds, floor = card.time(partial(push, mass)), floor + number * 16 / card.bandwidth
            lines.append(Line(f"{work}, with deposit", seconds, floor, "the same, and masses there and back"))
        del momentum, forces, beyond
    for dtype in ("float64", "float32"):
        size, length = np.dtype(dtype).itemsize, CELLS // 2 + 1
        modes = card.xp.ones((CELLS, CELLS, length), np.result_type(dtype, "complex64"))
        green = card.xp.ones((CELLS // 2 + 1, CELLS, length), dtype)
        along = [card.xp.ones(number) for number in modes.shape]
        work = partial(mesh_passes.gradient, modes, green, along, backend)
        floor = modes.size * 8.5 * size / card.bandwidth
        method = "modes, those of 3 slopes, Green's function"
        lines.append(Line(f"gradient {CELLS}^3, {dtype}", card.time(work), floor, method))
        seconds = card.time(partial(along_x.slopes_along_x, modes, green, along, backend))
        lines.append(Line(f"slopes {CELLS}^3, lines along x there and back, {dtype}", seconds, floor, method))
        floor = number * (16 + 3 * size) / card.bandwidth
        work = partial(planes.masses_to_modes, mass[:-1], 1.0, 0, modes, backend)
        method = "masses there and back, modes there, and there and back"
        lines.append(Line(f"masses {CELLS}^3 to modes of planes, {dtype}", card.time(work), floor, method))
        largest = card.xp.empty(planes.blocks_of(grid.cells))
        work = partial(planes.modes_to_real, modes, largest, backend)
        method = "modes twice there and back"
        floor = number * 4 * size / card.bandwidth
        lines.append(
            Line(f"modes {CELLS}^3 of planes to a force and its largest, {dtype}", card.time(work), floor, method)
        )
        forces = [card.xp.ones(grid.cells, dtype) for _ in range(3)]
        seconds = card.time(partial(mesh_passes.largest_size, forces, backend))
        lines.append(
            Line(
                f"largest of three meshes {CELLS}^3, {dtype}", seconds, 3 * forces[0].nbytes / card.bandwidth, "meshes"
            )
        )
    return lines


def _step_times(card, grid, dtype):
    """Time of each step but the last, which is synchronised too [s]."""
    position = card.backend.to_device(_positions(grid, False))
    state = ParticleState(position, card.xp.zeros_like(position), card.xp.arange(grid.points), Times.start(0.0))
    times = []

    def on_step(state):
        times.append(perf_counter())  # a step ends when the largest force has been read

    domain = Domain(grid.cells, backend=card.backend)
    options = {"limits": MeshLimits(1e9, 1e9), "dtype": dtype, "on_step": on_step, "domain": domain}
    for _ in evolve_particles(state, grid, Static(1.0, STEP), [STEPS * STEP], **options):
        pass
    return [after - before for before, after in pairwise(times[:-1])]


@card_benchmark
def particle_step(card):
    """The whole step beside its four transforms alone, which are taken for its floor."""
    lines = []
    grid = Grid((CELLS,) * 3, (1.0,) * 3)
    for dtype in ("float64", "float32"):
        alone = card.time(_transforms(card, grid, dtype))
        bytes_moved = {"float64": 306, "float32": 217}[dtype] * grid.points  # as in docs/performance.md
        method = f"4 transforms alone; all bytes of a step take {1e3 * bytes_moved / card.bandwidth:.3g} ms"
        seconds = median(_step_times(card, grid, dtype))
        lines.append(Line(f"step of {CELLS}^3 particles, mesh {dtype}", seconds, alone, method))
    return lines


@card_benchmark
def particle_power(card):
    """P(k) of particles that are on the card."""
    grid, box = Grid((CELLS,) * 3, (1.0,) * 3), Box((1.0,) * 3, (CELLS,) * 3)
    lines = []
    scale, empty = (float(CELLS),) * 3, card.xp.zeros(grid.cells)
    for where, random in (("at random", True), ("near a lattice", False)):
        positions = card.backend.to_device(np.ascontiguousarray(_positions(grid, random).T))
        given = positions, scale, 0.0, grid.cells, None, 3, 0, empty, card.backend
        seconds, floor = card.time(partial(add_particles, *given)), grid.points * (24 + 16 + 24) / card.bandwidth
        method = "positions, integers there and back, then to the grid"
        lines.append(Line(f"deposit {CELLS}^3, TSC, {where}", seconds, floor, method))
    for dtype in ("float64", "float32"):
        domain, size = Domain(box.cells, backend=card.backend), np.dtype(dtype).itemsize
        work = partial(particle_spectrum, [(positions, None)], box, "tsc", dtype=dtype, domain=domain)
        floor = grid.points * 2 * (24 + 16 + 8 * size) / card.bandwidth
        method = "two grids: positions, integers, cells, transforms in two passes, bins"
        lines.append(Line(f"P(k) of {CELLS}^3 particles, TSC, interlaced, {dtype}", card.time(work, 3), floor, method))
    return lines


@card_benchmark
def initial_conditions(card):
    """Modes, which are drawn on the host, a wave and particles to second order."""
    number, background, units = CELLS_AT_START**3, Background(0.3), CodeUnits(1.0, 0.7, 0.3)
    box, a = Box((1.0,) * 3, (CELLS_AT_START,) * 3), 0.02
    domain, lines = Domain(box.cells, backend=card.backend), []

    def timed(work, function, transforms, size):
        floor = number * 2 * size * transforms / card.bandwidth
        method = f"bytes of {transforms} transforms, each moved once" if transforms else "on the host"
        lines.append(Line(f"{work}, {CELLS_AT_START}^3", card.time(function, 3), floor or None, method))

    for dtype in ("float64", "float32"):
        size = np.dtype(dtype).itemsize
        draw = partial(linear_modes, box, lambda k: 1e-3 * k**-2.5, 1, dtype=dtype, domain=domain)
        timed(f"modes drawn by {card.backend.threads} host threads and copied, {dtype}", draw, 0, size)
        modes = draw()
        timed(f"wave, {dtype}", partial(wave_from_modes, modes, a, background, units), 2, size)
        psi = wave_from_modes(modes, a, background, units)
        second = partial(to_second_order, psi, modes, a, background, units)
        timed(f"wave to second order, {dtype}", second, 16, size)
        if dtype == "float64":
            timed("particles to second order", partial(particles_from_modes, modes, a, background, units), 13, size)
        del modes, psi, second
    return lines
