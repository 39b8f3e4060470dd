"""A step of the wave on a card: its transforms alone, its parts, and the mass of many steps."""

from functools import partial

import numpy as np
from card_registry import Line, card_benchmark

from gpu_fdm.kernels import along_x, wave
from gpu_fdm.parallel.cufft import lines_of
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.integrator import Static, Times
from gpu_fdm.simulation.schroedinger_poisson import Alarms, WaveLimits, WaveState, evolve_wave

STEPS = 20
PASSES = 3  # of a transform of three dimensions over memory, at least: one an axis


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


def _steps(psi, grid, steps, domain):
    """Make steps of equal length, of a wave that nothing but its number of steps limits."""
    length = 1e-4
    clock, limits, alarms = Static(longest=length), WaveLimits(1e9, 1e9), Alarms(np.inf, np.inf, np.inf)
    state = WaveState(psi, Times.start(0.0))
    for _ in evolve_wave(state, grid, clock, [steps * length], limits=limits, watch=0, alarms=alarms, domain=domain):
        pass


def _transforms(card, psi, spectrum, cells):
    """Seconds of the four transforms of a step alone."""
    plans, axes, one = card.backend.plans, (0, 1, 2), psi.real.dtype.type(1)

    def scale(by):
        psi[...] *= by
        spectrum[...] *= by

    def transforms():
        plans.transform(psi, axes)
        plans.transform(psi, axes, inverse=True)
        plans.from_real(spectrum, cells, axes)
        plans.to_real(spectrum, cells, axes)
        scale(one / cells**3)  # they are not normalised

    return card.time(transforms) - card.time(partial(scale, one))


def _parts(card, psi, grid, name):
    """Seconds of the transforms alone; lines of them and of the passes between them."""
    backend, cells, size = card.backend, grid.cells[0], psi.nbytes
    spectrum = card.xp.ones((cells, cells, cells // 2 + 1), psi.dtype)
    alone, passes = _transforms(card, psi, spectrum, cells), PASSES * 6 * size / card.bandwidth
    potential = lines_of(spectrum)
    potential *= 0
    squares = wave.SquaredWavenumbers(*(grid.wavenumbers(axis) ** 2 for axis in range(3)), backend)
    real = wave.SquaredWavenumbers(squares.x, squares.y, grid.wavenumbers(2, real=True) ** 2, backend)
    flat, half, every = psi.reshape(cells, -1), spectrum.reshape(cells, -1), slice(None)

    def phases():
        wave.multiply_phases(flat, every, wave.Phases(squares, 1e-9, 1.0), backend)

    small = wave.Phases(squares, 1e-9, 1 / cells)
    works = [
        (
            "along x, with phases,",
            partial(along_x.phases_along_x, psi, small, backend),
            2,
            "psi there and back",
        ),
        (
            "along x, with Green's function,",
            partial(along_x.green_along_x, spectrum, real, 1 / cells, backend),
            1,
            "half of the modes there and back",
        ),
        ("kick", partial(wave.potential_phase, psi, potential, 0.1, backend), 2.5, "psi there and back, the potential"),
        ("phases of modes", phases, 2, "modes there and back"),
        ("density", partial(wave.squared_modulus, psi, backend, potential), 1.5, "psi, the density"),
        (
            "Green's function",
            partial(wave.divide_by_k_squared, half, every, real, 1.0, backend),
            1,
            "half of the modes there and back",
        ),
        ("largest potential", partial(wave.largest_size, potential, cells, backend), 0.5, "the potential"),
        (
            "phase changes, every 32 steps,",
            partial(wave.phase_changes, psi, psi[:1], 0.5, backend),
            1,
            "psi",
        ),
    ]
    lines = [Line(f"four transforms of {name}", alone, passes, "three passes there and back for each")]
    for words, work, share, method in works:
        lines.append(Line(f"{words} of {name}", card.time(work), share * size / card.bandwidth, method))
    return alone, lines


def _lines(card, cells, dtype):
    grid, domain, name = (
        Grid((cells,) * 3, (1.0,) * 3),
        Domain((cells,) * 3, backend=card.backend),
        f"{cells}^3 {dtype}",
    )
    alone, lines = _parts(card, _psi(card, cells, dtype), grid, name)
    psi = _psi(card, cells, dtype)
    some, more = (card.time(partial(_steps, psi, grid, steps, domain), 3) for steps in (STEPS, 2 * STEPS))
    seconds = (more - some) / STEPS
    # psi: planes there and back, along x, kick, density; half as many bytes for the potential, and its largest
    floor = (4 * 2 + 2 + 2.5 + 1.5 + 4 + 1 + 0.5) * psi.nbytes / card.bandwidth
    method = f"all its passes, 10 over psi, 5 over half; {seconds / alone:.2f} times four transforms"
    return [*lines, Line(f"step of {name}", seconds, floor, method)]


@card_benchmark
def wave_step(card):
    """Both precisions at 512^3."""
    return [line for dtype in ("complex64", "complex128") for line in _lines(card, 512, dtype)]


@card_benchmark
def mass_of_many_steps(card):
    """What 2,000 single-precision steps do to the mass; and whether two runs end with the same bits."""
    cells, steps = 256, 2000
    grid, domain = Grid((cells,) * 3, (1.0,) * 3), Domain((cells,) * 3, backend=card.backend)
    psi = _psi(card, cells, "complex64")
    first, second = psi.copy(), psi.copy()
    before = float((card.xp.abs(psi.astype("complex128")) ** 2).mean())
    seconds = card.time(partial(_steps, first, grid, steps, domain), 1)
    after = float((card.xp.abs(first.astype("complex128")) ** 2).mean())
    for _ in range(2):
        _steps(second, grid, steps, domain)
    same = "the same bits" if bool((first == second).all()) else "OTHER BITS"
    method = f"mass changes by {after / before - 1:.1e} in {2 * steps} steps; a second run has {same}"
    return [Line(f"{steps} steps of {cells}^3 complex64", seconds, None, method)]
