"""A step of the wave on a card: its transforms alone, its parts, and the mass of many steps."""

import numpy as np
from card_registry import Line, card_benchmark

from gpu_fdm.kernels import wave
from gpu_fdm.parallel.cufft import lines_of
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.integrator import Static, Times
from gpu_fdm.simulation.schroedinger_poisson import Alarms, WaveLimits, WaveState, evolve_wave

STEPS = 20


def _psi(card, cells, dtype):
    """A wave of random phases, of mean density one, whose modes are far below the Nyquist wavenumber."""
    xp = card.xp
    random = xp.random.default_rng(1)
    modes = xp.zeros((cells,) * 3, dtype)
    part = slice(0, cells // 8)
    modes[part, part, part] = random.standard_normal((cells // 8,) * 3) + 1j * random.standard_normal((cells // 8,) * 3)
    psi = xp.fft.ifftn(modes).astype(dtype)
    psi /= xp.sqrt((xp.abs(psi) ** 2).mean())
    return psi


def _steps(card, psi, grid, steps, domain):
    """A function that makes steps of equal length."""
    times = Times.start(0.0)
    limits, alarms = WaveLimits(kinetic=1e9, potential=1e9), Alarms(np.inf, np.inf, np.inf)

    def run():
        clock = Static(longest=1e-4)
        last = WaveState(psi, times)
        for last in evolve_wave(
            last, grid, clock, [steps * 1e-4], limits=limits, watch=0, alarms=alarms, domain=domain
        ):
            pass
        return last

    return run


@card_benchmark
def wave_step(card):
    """Both precisions at 512^3."""
    return [line for dtype in ("complex64", "complex128") for line in _lines(card, 512, dtype)]


def _lines(card, cells, dtype):
    grid, domain = Grid((cells,) * 3, (1.0,) * 3), Domain((cells,) * 3, backend=card.backend)
    psi = _psi(card, cells, dtype)
    size, name = psi.nbytes, f"{cells}^3 {dtype}"
    plans, axes = card.backend.plans, (0, 1, 2)
    spectrum = card.xp.ones((cells, cells, cells // 2 + 1), dtype)

    def transforms():
        plans.transform(psi, axes)
        plans.transform(psi, axes, inverse=True)
        plans.from_real(spectrum, cells, axes)
        plans.to_real(spectrum, cells, axes)
        # unnormalised: keep the numbers small
        psi[...] *= psi.real.dtype.type(1 / grid.points)
        spectrum[...] *= psi.real.dtype.type(1 / grid.points)

    def scaling():
        psi[...] *= psi.real.dtype.type(1)
        spectrum[...] *= psi.real.dtype.type(1)

    alone = card.time(transforms) - card.time(scaling)
    passes = 2 * 3 * (2 * size + 2 * size / 2)
    yield Line(f"four transforms of {name}", alone, passes / card.bandwidth, "three passes there and back for each")
    potential = lines_of(spectrum)
    small = card.xp.asarray(potential)
    small *= 0
    yield Line(
        f"kick of {name}",
        card.time(lambda: wave.potential_phase(psi, potential, 0.1, card.backend)),
        2.5 * size / card.bandwidth,
        "psi there and back, the potential",
    )
    squares = wave.SquaredWavenumbers(*(grid.wavenumbers(axis) ** 2 for axis in range(3)), card.backend)
    real = wave.SquaredWavenumbers(squares.x, squares.y, grid.wavenumbers(2, real=True) ** 2, card.backend)
    flat, every = psi.reshape(cells, -1), slice(0, cells * cells)
    yield Line(
        f"phases of modes of {name}",
        card.time(lambda: wave.multiply_phases(flat, every, wave.Phases(squares, 1e-9, 1.0), card.backend)),
        2 * size / card.bandwidth,
        "modes there and back",
    )
    yield Line(
        f"density of {name}",
        card.time(lambda: wave.squared_modulus(psi, card.backend, potential)),
        1.5 * size / card.bandwidth,
        "psi, the density",
    )
    yield Line(
        f"Green's function of {name}",
        card.time(lambda: wave.divide_by_k_squared(spectrum.reshape(cells, -1), every, real, 1.0, card.backend)),
        size / card.bandwidth,
        "half of the modes there and back",
    )
    yield Line(
        f"largest potential of {name}",
        card.time(lambda: wave.largest_size(potential, cells, card.backend)),
        0.5 * size / card.bandwidth,
        "the potential",
    )
    yield Line(
        f"phase changes of {name}, every 32 steps",
        card.time(lambda: wave.phase_changes(psi, psi[:1], 0.5, card.backend)),
        size / card.bandwidth,
        "psi",
    )
    del spectrum, potential, small
    psi = _psi(card, cells, dtype)
    seconds = (
        card.time(_steps(card, psi, grid, 2 * STEPS, domain), 3) - card.time(_steps(card, psi, grid, STEPS, domain), 3)
    ) / STEPS
    floor = passes / card.bandwidth + (2.5 + 2 + 1.5 + 1 + 0.5) * size / card.bandwidth
    yield Line(f"step of {name}", seconds, floor, f"{seconds / alone:.2f} times its transforms")


@card_benchmark
def mass_of_many_steps(card):
    """What 2,000 single-precision steps do to the mass; and whether two runs end with the same bits."""
    cells, steps = 256, 2000
    grid, domain = Grid((cells,) * 3, (1.0,) * 3), Domain((cells,) * 3, backend=card.backend)
    psi = _psi(card, cells, "complex64")
    first, second = psi.copy(), psi.copy()
    before = float((card.xp.abs(psi.astype("complex128")) ** 2).mean())
    seconds = card.time(_steps(card, first, grid, steps, domain), 1)
    after = float((card.xp.abs(first.astype("complex128")) ** 2).mean())
    for _ in range(2):
        _steps(card, second, grid, steps, domain)()
    same = "the same bits" if bool((first == second).all()) else "OTHER BITS"
    method = f"mass changes by {after / before - 1:.1e} in {2 * steps} steps; a second run has {same}"
    return [Line(f"{steps} steps of {cells}^3 complex64", seconds, None, method)]
