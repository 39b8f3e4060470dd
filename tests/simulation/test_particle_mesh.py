"""The particles against Newton's law, Zel'dovich's pancake and the linear theory; on any number of ranks."""

import shutil
import weakref
from dataclasses import replace

import numpy as np
import pytest
from cuda_on_cpu import CudaOnCpu
from rank_runs import TWO, agree, needs_mpi, run_here

from gpu_fdm.cosmology.background import Background
from gpu_fdm.errors import InputError, RunError
from gpu_fdm.fields.box import Box
from gpu_fdm.kernels.particle_mesh import prepare_push
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.exchange import alltoall_rows
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.simulation import particle_mesh
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.integrator import SCHEMES, Expanding, Static, Times
from gpu_fdm.simulation.particle_mesh import MeshLimits, ParticleState, evolve_particles
from gpu_fdm.spectra.particles import particle_spectrum

COSMOS = Expanding(Background(0.3))
PLANES = 64, 80, 64  # cells of which a card's own kernels transform all lines
HOST = CPU(1)


def particles(position, begin, momentum=None):
    """A state of particles at given places, shape (3, n), at rest if not said otherwise."""
    momentum = np.zeros_like(position) if momentum is None else momentum
    return ParticleState(position.copy(), momentum.copy(), np.arange(position.shape[1]), Times.start(begin))


def on_host(state, backend):
    """The state with NumPy arrays of its own."""
    names = ("position", "momentum", "identity")
    return replace(state, **{name: np.array(backend.to_host(getattr(state, name))) for name in names})


def evolved(state, grid, clock, end, *, backend=HOST, **options):
    """The last state of a run to one stop, on the host, particles in the order in which they were given."""
    copied = {name: backend.to_device(getattr(state, name).copy()) for name in ("position", "momentum", "identity")}
    options.setdefault("domain", Domain(grid.cells, backend=backend))
    (last,) = evolve_particles(replace(state, **copied), grid, clock, [end], **options)
    last = on_host(last, backend)
    order = np.argsort(last.identity)
    ordered = {name: getattr(last, name)[..., order] for name in copied}
    return replace(last, **ordered)


def measured(state, grid, domain):
    """P(k) of the particles where they are."""
    positions = domain.backend.xp.ascontiguousarray(state.position.T)
    return particle_spectrum([(positions, None)], Box(grid.sides, grid.cells), domain=domain).spectrum.power


def crowd(grid, number=200, seed=1):
    """Particles anywhere, some near the edges of the box, with momenta."""
    random = np.random.default_rng(seed)
    sides = np.array(grid.sides)[:, None]
    position = random.uniform(0, 1, (3, number)) * sides
    position[:, :4] = [[0, 1e-17, 0.3, 0.5]] * 3 * sides
    position[:, 4] = np.nextafter(sides[:, 0], 0)
    return particles(position, 0.1, random.standard_normal((3, number)) * 0.2)


def test_forces_of_a_pair(backend):
    """1/(4 pi r^2) of a unit mass, less r/(3 V) of the background; a lone particle feels nothing."""
    n, time = 32, 1e-3
    grid = Grid((n, n, n), (float(n),) * 3)
    random = np.random.default_rng(0)
    found = {4: [], 6: [], 8: []}
    for r, forces in found.items():
        for _ in range(5):
            direction = random.standard_normal(3)
            direction /= np.linalg.norm(direction)
            first = random.uniform(0, n, 3)
            position = np.stack([first, (first + r * direction) % n], axis=1)
            pair = evolved(particles(position, 0.0), grid, Static(2.0), time, backend=backend)
            # pairs pull each other equally: round-off
            np.testing.assert_allclose(pair.momentum.sum(axis=1), 0, atol=1e-9 * np.abs(pair.momentum).max())
            # each has half of the mass of the box, and kicks are dt/a
            pull = pair.momentum[:, 0] / (n**3 / 2) / (time / 2)
            newton = 1 / (4 * np.pi * r**2) - r / (3 * n**3)
            forces.append(pull @ direction / newton)
            assert np.linalg.norm(pull - pull @ direction * direction) < 0.03 * newton
    # the mesh
    assert np.abs(np.array(found[4]) - 1).max() < 0.08
    assert np.abs(np.array(found[6] + found[8]) - 1).max() < 0.03
    alone = evolved(particles(np.array([[3.3], [4.7], [20.1]]), 0.0), grid, Static(), 1.0, backend=backend)
    assert np.abs(alone.momentum).max() < 1e-9 * n**3 / 2 * 0.01


def test_particles_on_a_lattice_stay(backend):
    grid = Grid((6, 5, 4), (3.0, 2.0, 1.0))
    lattice = np.array([each.ravel() for each in np.meshgrid(*map(grid.centres, range(3)), indexing="ij")])
    for offset in (0.0, 0.1):
        last = evolved(particles(lattice + offset * grid.spacing[:, None], 0.1), grid, COSMOS, 0.2, backend=backend)
        # masses are rounded to 1/FIXED_POINT
        assert np.abs(last.momentum).max() < 1e-9


def plane_wave(grid, a, crossing):
    """Zel'dovich's plane wave, exact until it crosses: x = q - D(a)/D(crossing) sin(k q)/k. Returns q, x, p."""
    n, side = grid.cells[0], grid.sides[0]
    background = COSMOS.background
    q, k = np.arange(n) / n * side, 2 * np.pi / side
    growth = float(background.growth(a) / background.growth(crossing))
    shift = -growth * np.sin(k * q) / k
    rate = a**2 * float(background.growth_rate(a) * COSMOS.hubble(a))
    return q, q + shift, rate * shift


def test_pancake():
    """It keeps to the exact solution until it collapses, at the scale factor that Zel'dovich says."""
    n, begin, crossing = 64, 0.02, 0.2
    grid = Grid((n, 1, 1), (1.0, 1.0, 1.0))
    q, x, p = plane_wave(grid, begin, crossing)
    position, momentum = np.full((3, n), 0.25), np.zeros((3, n))
    position[0], momentum[0] = x % 1.0, p
    stops = [0.05, 0.1, 0.15, *np.arange(0.19, 0.21, 0.002)]
    collapsed = None
    for state in evolve_particles(particles(position, begin, momentum), grid, COSMOS, stops):
        a = state.times.epoch
        shift = (state.position[0] - q + 0.5) % 1.0 - 0.5
        if a <= 0.15:
            _, exact, wanted = plane_wave(grid, a, crossing)
            # the mesh: a tenth of a cell, where particles have moved by up to 7.6
            assert np.abs(q + shift - exact).max() < 0.12 / n
            assert np.abs(state.momentum[0] - wanted).max() < 0.025 * np.abs(wanted).max()
        if collapsed is None and np.any(np.diff(q + shift) < 0):
            collapsed = a
    assert collapsed == pytest.approx(crossing, rel=0.02)
    assert np.all(state.momentum[1:] == 0)


@pytest.mark.parametrize("order", SCHEMES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_run_goes_on_with_the_same_bits(backend, order, dtype):
    """From what a checkpoint saves: NumPy arrays."""
    grid = Grid((7, 6, 5), (3.0, 2.0, 1.0))
    stops, saved = [0.12, 0.2], {}

    def save(state):
        saved[state.times.step] = on_host(state, backend)

    domain = Domain(grid.cells, backend=backend)
    options = {"order": order, "limits": MeshLimits(4.0, 4.0), "dtype": dtype, "domain": domain}
    *_, whole = evolve_particles(crowd(grid), grid, COSMOS, stops, on_step=save, **options)
    whole, power = on_host(whole, backend), measured(whole, grid, domain)
    for step in (1, whole.times.step // 2, whole.times.step - 1):
        if step == 1:
            assert not saved[step].times.synchronised
        *_, again = evolve_particles(saved[step], grid, COSMOS, stops, **options)
        np.testing.assert_array_equal(measured(again, grid, domain), power)
        again = on_host(again, backend)
        assert again.times == whole.times and again.times.synchronised
        np.testing.assert_array_equal(again.position, whole.position)
        np.testing.assert_array_equal(again.momentum, whole.momentum)
        np.testing.assert_array_equal(again.identity, whole.identity)


def test_order_and_threads_change_nothing():
    """Masses are added as integers."""
    grid = Grid((7, 6, 5), (3.0, 2.0, 1.0))
    state = crowd(grid, 300_000)
    shuffle = np.random.default_rng(2).permutation(300_000)
    other = replace(state, position=state.position[:, shuffle], momentum=state.momentum[:, shuffle])
    clock = replace(COSMOS, longest=0.01)
    one = evolved(state, grid, clock, 0.102, limits=MeshLimits(9, 9), domain=Domain(grid.cells, backend=CPU(1)))
    two = evolved(other, grid, clock, 0.102, limits=MeshLimits(9, 9), domain=Domain(grid.cells, backend=CPU(2)))
    np.testing.assert_array_equal(one.position[:, shuffle], two.position)
    np.testing.assert_array_equal(one.momentum[:, shuffle], two.momentum)
    for axis in range(3):
        assert one.position[axis].min() >= 0 and one.position[axis].max() < grid.sides[axis]


def test_momentum_is_kept(backend):
    grid = Grid((7, 6, 5), (3.0, 2.0, 1.0))
    state = crowd(grid)
    last = evolved(state, grid, COSMOS, 0.15, backend=backend)
    assert np.abs(last.momentum - state.momentum).max() > 0.01
    # round-off, and masses rounded to 1/FIXED_POINT
    np.testing.assert_allclose(last.momentum.sum(axis=1), state.momentum.sum(axis=1), rtol=0, atol=1e-8)


def test_steps_follow_the_fastest_particle():
    """Free flight in a static box: ten cells of way in drifts of half a cell."""
    grid = Grid((16, 1, 1), (16.0, 1.0, 1.0))
    position, momentum = np.zeros((3, 16)), np.zeros((3, 16))
    position[0], momentum[0] = np.arange(16), 3.0
    state = particles(position, 0.0, momentum)
    last = evolved(state, grid, Static(2.0), 4 * 10 / 3.0, limits=MeshLimits(courant=0.5))
    assert last.times.step == 20
    np.testing.assert_allclose(last.position[0], (position[0] + 10) % 16, rtol=0, atol=1e-9)


def test_wrong_input():
    grid = Grid((4, 4, 4), (1.0, 1.0, 1.0))
    state = particles(np.full((3, 5), 0.5), 0.1)
    with pytest.raises(InputError, match=r"^order = 3: must be one of 2, 4$"):
        evolve_particles(state, grid, COSMOS, [0.2], order=3)
    with pytest.raises(InputError, match=r"^courant = -1: must be > 0$"):
        MeshLimits(courant=-1)
    with pytest.raises(InputError, match=r"^longest = 0: must be > 0$"):
        evolve_particles(state, grid, replace(COSMOS, longest=0), [0.2])
    single = replace(state, momentum=np.zeros((3, 5), np.float32))
    with pytest.raises(ValueError, match=r"^dtype = float16: must be float32 or float64$"):
        evolve_particles(state, grid, COSMOS, [0.2], dtype=np.float16)
    with pytest.raises(ValueError, match=r"^momentum is float32 of shape \(3, 5\): must be float64, \(3, 5\)$"):
        evolve_particles(single, grid, COSMOS, [0.2])
    state.momentum[1, 2] = np.inf
    for bad in (state, particles(np.full((3, 5), np.nan), 0.1)):
        with pytest.raises(RunError, match=r"^positions or momenta of particles are no longer finite$"):
            evolved(bad, grid, COSMOS, 0.2)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cells", [PLANES, (64, 80, 72)], ids=str)
def test_lines_of_a_card(cuda, cells, dtype):
    """Where its kernels transform all lines, or, as 72 is no multiple of 16, those along x alone.

    Particles go as on the CPU, and on with the same bits.
    """
    grid, saved = Grid(cells, tuple(n / 64 for n in cells)), []
    options = {"limits": MeshLimits(9.0, 9.0), "dtype": dtype}
    expected = evolved(crowd(grid, 2000), grid, COSMOS, 0.105, **options)

    def save(state):
        saved.append(on_host(state, cuda))

    found = evolved(crowd(grid, 2000), grid, COSMOS, 0.105, backend=cuda, on_step=save, **options)
    assert found.times.step == expected.times.step == len(saved) > 1
    error = 1e-11 if dtype == np.float64 else 1e-5
    again = evolved(saved[0], grid, COSMOS, 0.105, backend=cuda, **options)
    for name in ("position", "momentum"):
        mine, theirs = getattr(found, name), getattr(expected, name)
        assert np.abs(theirs).max() > 1e-3
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=error * np.abs(theirs).max())
        np.testing.assert_array_equal(getattr(again, name), mine)


# ranks

SIZES = [(9, 10, 8), (5, 2, 7), (3, 1, 1)]


def run_on(ranks, cells, order, backend=HOST):
    """Positions and momenta of all ranks by identity, after a short run."""
    grid, domain = Grid(cells, (3.0, 2.0, 1.0)), Domain(cells, ranks, backend)
    state = crowd(grid)
    # any rank may begin with any particles, or without
    mine = slice(*ranks.share(200, ranks.size - 1 - ranks.rank))
    if cells == PLANES:
        mine = slice(0, 200 if ranks.rank == 0 else 0)
    part = ParticleState(state.position[:, mine], state.momentum[:, mine], state.identity[mine], state.times)
    options = {"order": order, "limits": MeshLimits(cells[0] / 3, 3.0), "domain": domain}
    (last,) = evolve_particles(part, grid, COSMOS, [0.12], **options)
    last = on_host(last, backend)
    planes = np.floor(last.position[0] / grid.spacing[0] - 0.5).astype(int) % cells[0]
    assert np.all((planes >= domain.planes.start) & (planes < domain.planes.stop))
    arrays = (last.position, last.momentum, last.identity)
    position, momentum, identity = (np.concatenate(ranks.allgather(each), axis=-1) for each in arrays)
    order = np.argsort(identity)
    np.testing.assert_array_equal(identity[order], np.arange(200))
    return last.times, position[:, order], momentum[:, order]


def check_ranks(ranks):
    """The CUDA kernels too: what they do with planes beyond a slab, and with particles that change ranks."""
    kernels = CudaOnCpu() if shutil.which("g++") else CPU(2)
    for cells, order in zip([*SIZES, PLANES], (2, 4, 2, 2), strict=True):
        expected = run_on(SERIAL, cells, order)
        for backend in (CPU(1), kernels):
            found = run_on(ranks, cells, order, backend)
            assert found[0] == expected[0]
            for mine, alone in zip(found[1:], expected[1:], strict=True):
                np.testing.assert_allclose(mine, alone, rtol=0, atol=1e-11)


def check_memory(ranks):
    """Nothing holds forces, nor the push that is prepared for them, while particles change ranks."""
    held, freed = [], []

    def prepare(*given):
        held[:] = map(weakref.ref, (*given[3], given[4]))
        return prepare_push(*given)

    def exchange(arrays, sent, domain):
        freed.extend(reference() is None for reference in held)
        return alltoall_rows(arrays, sent, domain)

    with pytest.MonkeyPatch.context() as patches:
        patches.setattr(particle_mesh, "prepare_push", prepare)
        patches.setattr(particle_mesh, "alltoall_rows", exchange)
        run_on(ranks, SIZES[0], 2)
    assert freed and all(freed)


def check(ranks):
    check_ranks(ranks)
    if ranks.size > 1:
        check_memory(ranks)


@needs_mpi
@pytest.mark.parametrize("number", [1, TWO, 3])
def test_same_particles_on_any_number_of_ranks(number):
    agree(__file__, number)


if __name__ == "__main__":
    run_here(check)
