"""Time steps of the wave and of the particles, beside only their transforms and beside another code.

A step and the work beside it run in turn, so that other load on the machine affects both.
"""

import tracemalloc
from time import perf_counter

from registry import benchmark

CELLS = 128
STEPS = 8  # timed, after one that is not
STEP = 1e-3  # [T]


def _begin(dtype):
    """A grid of sides 2 pi, and a wave with contrasts of some per cent."""
    import numpy as np

    from gpu_fdm.simulation.grid import Grid

    grid = Grid((CELLS,) * 3, (2 * np.pi,) * 3)
    x, y, z = (grid.centres(axis) for axis in range(3))
    psi = 1 + 0.03 * np.cos(x[:, None, None] + 2 * y[:, None]) + 0.02j * np.sin(3 * z - y[:, None])
    return grid, psi.astype(dtype)


def _wave_steps(psi, grid, threads, steps, on_step=None):
    """The state after a number of equal steps."""
    from gpu_fdm.parallel.backend import CPU
    from gpu_fdm.parallel.domain import Domain
    from gpu_fdm.simulation.integrator import Static, Times
    from gpu_fdm.simulation.schroedinger_poisson import WaveLimits, WaveState, evolve_wave

    options = {"limits": WaveLimits(1e9, 1e9), "watch": 0, "on_step": on_step}
    options["domain"] = Domain(grid.cells, backend=CPU(threads))
    state = WaveState(psi, Times.start(0.0))
    (last,) = evolve_wave(state, grid, Static(1.0, STEP), [steps * STEP], **options)
    return last


def _in_turn(integrate, beside):
    """Shortest time of a step, and of beside(), which runs after every step [s].

    integrate  integrates STEPS + 2 steps and calls on_step after every one
    """
    times, others = [], []
    begun = perf_counter()

    def on_step(state):
        nonlocal begun
        times.append(perf_counter() - begun)
        started = perf_counter()
        beside()
        begun = perf_counter()
        others.append(begun - started)

    integrate(on_step)
    # the first step compiles, and the last is measured too
    return min(times[1:-1]), min(others[1:-1])


def _wave(dtype, threads):
    import numpy as np
    from scipy import fft

    grid, psi = _begin(dtype)
    spare, real = psi.copy(), np.abs(psi)

    def transforms():
        nonlocal spare, real
        modes = fft.fftn(spare, workers=threads, overwrite_x=True)
        spare = fft.ifftn(modes, workers=threads, overwrite_x=True)
        real = fft.irfftn(fft.rfftn(real, workers=threads), s=real.shape, workers=threads, overwrite_x=True)

    seconds, alone = _in_turn(lambda on_step: _wave_steps(psi, grid, threads, STEPS + 2, on_step), transforms)
    del spare, real
    tracemalloc.start()
    grid, psi = _begin(dtype)
    tracemalloc.reset_peak()
    _wave_steps(psi, grid, threads, 2)
    copies = tracemalloc.get_traced_memory()[1] / psi.nbytes
    tracemalloc.stop()
    remark = f"{seconds / alone:.2f} times its transforms alone ({alone:.3f} s); at most {copies:.2f} copies of psi"
    return seconds, CELLS**3, "cells/s", remark


@benchmark
def wave_step_128_single_one_core():
    return _wave("complex64", 1)


@benchmark
def wave_step_128_single_two_cores():
    return _wave("complex64", 2)


@benchmark
def wave_step_128_double_one_core():
    return _wave("complex128", 1)


@benchmark
def wave_step_128_double_two_cores():
    return _wave("complex128", 2)


def _peer(psi, grid, threads):
    """Functions for a step and a kick with the algorithm of PyUltraLight (Edwards et al. 2018), and for its psi.

    It uses complete arrays, planned transforms of FFTW, and np.exp for the phases of every step. Half a kick is merged
    with that of the next step.
    """
    import numpy as np
    import pyfftw

    psi = psi.copy()
    k = [grid.wavenumbers(axis) ** 2 for axis in range(3)]
    squared = k[0][:, None, None] + k[1][:, None] + k[2]
    squared_real = squared[..., : CELLS // 2 + 1].copy()
    squared_real[0, 0, 0] = np.inf
    sample, plan = pyfftw.zeros_aligned(psi.shape, "complex128"), {"threads": threads}
    forward, backward = (pyfftw.builders.fftn(sample, **plan), pyfftw.builders.ifftn(sample.copy(), **plan))
    real_forward = pyfftw.builders.rfftn(pyfftw.zeros_aligned(psi.shape, "float64"), **plan)
    real_backward = pyfftw.builders.irfftn(pyfftw.zeros_aligned(squared_real.shape, "complex128"), **plan)

    def potential():
        density = real_forward(np.abs(psi) ** 2)
        return real_backward(-density / squared_real)

    phi = potential().copy()

    def kick(length):
        nonlocal psi
        psi *= np.exp(-1j * length * phi)

    def step(length=STEP):
        nonlocal psi, phi
        kick(length)
        psi = backward(np.exp(-0.5j * STEP * squared) * forward(psi))
        phi = potential()

    return step, kick, lambda: psi


@benchmark
def wave_step_128_double_beside_pyultralight():
    """The same steps from the same psi with both; PyUltraLight has only double precision."""
    import numpy as np

    try:
        import pyfftw  # noqa: F401 - whether it is installed
    except ImportError:
        return float("nan"), None, "", "pyfftw is not installed"
    grid, psi = _begin("complex128")
    step, kick, theirs = _peer(psi, grid, 1)
    ours = _wave_steps(psi.copy(), grid, 1, 3).psi
    for length in (STEP / 2, STEP, STEP):
        step(length)
    kick(STEP / 2)
    difference = float(np.abs(ours - theirs()).max())
    seconds, beside = _in_turn(lambda on_step: _wave_steps(psi, grid, 1, STEPS + 2, on_step), step)
    remark = f"algorithm of PyUltraLight on FFTW: {beside:.3f} s, {beside / seconds:.2f} times as long; one core"
    return seconds, CELLS**3, "cells/s", f"{remark}; psi differs by {difference:.0e} after 3 steps"


@benchmark
def particle_mesh_step_128():
    """One step with as many particles as cells, on one core."""
    import numpy as np
    from scipy import fft

    from gpu_fdm.parallel.backend import CPU
    from gpu_fdm.parallel.domain import Domain
    from gpu_fdm.simulation.integrator import Static, Times
    from gpu_fdm.simulation.particle_mesh import MeshLimits, ParticleState, evolve_particles

    grid, _ = _begin("complex64")
    lattice = np.array(np.meshgrid(*(grid.centres(axis) for axis in range(3)), indexing="ij")).reshape(3, -1)
    random = np.random.default_rng(1)
    position = (lattice + 0.03 * random.standard_normal(lattice.shape)) % (2 * np.pi)
    state = ParticleState(position, np.zeros_like(position), np.arange(CELLS**3), Times.start(0.0))
    real = random.random((CELLS,) * 3)

    def transforms():
        modes = fft.rfftn(real, workers=1)
        for _ in range(3):
            fft.irfftn(modes, s=real.shape, workers=1)

    def integrate(on_step):
        domain = Domain(grid.cells, backend=CPU(1))
        options = {"limits": MeshLimits(1e9, 1e9), "on_step": on_step, "domain": domain}
        for _ in evolve_particles(state, grid, Static(1.0, STEP), [(STEPS + 2) * STEP], **options):
            pass

    seconds, alone = _in_turn(integrate, transforms)
    return seconds, CELLS**3, "particles/s", f"{seconds / alone:.2f} times its transforms alone ({alone:.3f} s)"
