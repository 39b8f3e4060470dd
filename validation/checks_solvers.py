"""The wave and particle solvers: soliton, linear growth, order of convergence, Zel'dovich's pancake."""

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from gpu_fdm.cosmology.background import Background
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.integrator import SCHEMES, Expanding, Static, Times
from gpu_fdm.simulation.particle_mesh import ParticleState, evolve_particles
from gpu_fdm.simulation.schroedinger_poisson import Alarms, WaveLimits, WaveState, evolve_wave
from gpu_fdm.simulation.soliton import Soliton, periodic_soliton

from .registry import ABSOLUTE, RELATIVE, Check

COSMOS = Expanding(Background(0.3))
QUIET, UNLIMITED = Alarms(1, 1, 1), WaveLimits(1e9, 1e9)
MADELUNG = 2.837297


def evolved(psi, grid, clock, begin, end, **options):
    """psi at the end of a run."""
    options = {"watch": 0, "alarms": QUIET, **options}
    (state,) = evolve_wave(WaveState(psi.astype(complex), Times.start(begin)), grid, clock, [end], **options)
    return state.psi


def _core_profile(ours):
    """Density over the central density, out to three core radii."""
    soliton = Soliton(1.0)
    r = np.linspace(0, 3, 31)
    return soliton.psi(r * soliton.core_radius) ** 2 if ours else (1 + 0.091 * r**2) ** -8


@lru_cache
def _energy_in_a_box():
    """Energy of a soliton of central density 1 in a box of 24 L."""
    return periodic_soliton(Grid((30, 30, 30), (24.0,) * 3), Soliton(1.0))[1]


def _madelung():
    return (_energy_in_a_box() - Soliton(1.0).energy) * 4 * np.pi * 24.0 / Soliton(1.0).mass


@lru_cache
def _ten_periods():
    """Largest relative change of the central density over ten periods, and the error of the phase [rad]."""
    soliton = Soliton(1.0)
    grid = Grid((16, 16, 16), (16.0,) * 3)
    psi, energy = periodic_soliton(grid, soliton)
    stops = np.arange(1, 36) * soliton.period / 3.5
    begin = WaveState(psi.astype(complex), Times.start(0))
    change = 0.0
    for state in evolve_wave(begin, grid, Static(), stops, order=4, watch=0, alarms=QUIET):
        change = max(change, abs(np.max(np.abs(state.psi) ** 2) / np.max(psi**2) - 1))
    return change, float(np.angle(np.vdot(psi * np.exp(-1j * energy * stops[-1]), state.psi)))


def _breathing_period():
    """Period of the central density of a perturbed soliton, from three upward crossings of its mean [T]."""
    soliton, side = Soliton(1.0), 24.0
    grid = Grid((24, 24, 24), (side,) * 3)
    f, _ = periodic_soliton(grid, soliton)
    x = [(grid.centres(axis) - 0.5 * side) ** 2 for axis in range(3)]
    squared = x[0][:, None, None] + x[1][:, None] + x[2]
    begin = WaveState(f * np.exp(0.005j * squared * np.exp(-squared / 20)), Times.start(0))
    stops = np.linspace(0, 3.4 * soliton.period, 120)[1:]
    run = evolve_wave(begin, grid, Static(), stops, order=4, limits=WaveLimits(4, 1), watch=0, alarms=QUIET)
    centre = np.array([np.abs(state.psi[12, 12, 12]) ** 2 for state in run])
    centre -= centre.mean()
    rising = np.flatnonzero((centre[:-1] < 0) & (centre[1:] >= 0))
    crossing = stops[rising] - (stops[1] - stops[0]) * centre[rising] / (centre[rising + 1] - centre[rising])
    return np.mean(np.diff(crossing))


_BEGIN, _END, _SMALL = 0.05, 1.0, 1e-7
_MODES = np.array([1, 2, 4, 6, 8, 10])
_K = 0.15 * _MODES


@lru_cache
def _linear_modes():
    """Contrast of six small modes at a = 1 over that at a = 0.05."""
    grid = Grid((24, 1, 1), (2 * np.pi / 0.15, 1.0, 1.0))
    x = grid.centres(0)[:, None]
    delta = _SMALL * np.cos(_K * x + _MODES)
    rate = float(COSMOS.background.growth_rate(_BEGIN))
    phase = _BEGIN**2 * rate * COSMOS.hubble(_BEGIN) * delta / _K**2
    psi = np.sqrt(1 + delta.sum(axis=1)) * np.exp(1j * phase.sum(axis=1))
    density = np.abs(evolved(psi.reshape(24, 1, 1), grid, COSMOS, _BEGIN, _END)[:, 0, 0]) ** 2
    return 2 / 24 * (np.exp(-1j * (_K * x + _MODES)) * density[:, None]).sum(axis=0).real / _SMALL


@lru_cache
def _linear_theory():
    """The same from delta'' + 2H delta' + (k^4/(4a^4) - 1/a^3) delta = 0, and the largest contrasts after a = 0.5."""
    final, largest = [], []
    for k in _K:

        def slopes(log_a, y, k=k):
            a = np.exp(log_a)
            hubble = COSMOS.hubble(a)
            return y[1] / hubble, -2 * y[1] + (1 / a**3 - k**4 / (4 * a**4)) * y[0] / hubble

        start = (1, float(COSMOS.background.growth_rate(_BEGIN) * COSMOS.hubble(_BEGIN)))
        options = {"method": "DOP853", "rtol": 1e-10, "atol": 1e-12, "dense_output": True}
        solution = solve_ivp(slopes, np.log([_BEGIN, _END]), start, **options).sol
        final.append(solution(0.0)[0])
        largest.append(np.abs(solution(np.linspace(np.log(0.5), 0, 200))[0]).max())
    return np.array(final), np.array(largest)


@lru_cache
def _matrix_errors(order):
    """rms error with 64 and 128 steps in an external potential, against exp(-iHt) on the same grid."""
    grid, a = Grid((24, 1, 1), (7.0, 1.0, 1.0)), 0.8
    x = 2 * np.pi * grid.centres(0) / 7.0
    u = (1.5 * np.cos(x) + 0.7 * np.sin(2 * x)).reshape(24, 1, 1)
    psi = np.exp(np.cos(x) + 1j * np.sin(x)).reshape(24, 1, 1)
    fourier = np.fft.fft(np.eye(24), axis=0)
    kinetic = np.fft.ifft(grid.wavenumbers(0)[:, None] ** 2 / (2 * a**2) * fourier, axis=0)
    exact = expm(-2j * (kinetic + np.diag(u[:, 0, 0] / a))) @ psi[:, 0, 0]
    errors = []
    for steps in (64, 128):
        clock = replace(Static(a), longest=2.0 / steps / SCHEMES[order].stages)
        found = evolved(psi, grid, clock, 0, 2, order=order, limits=UNLIMITED, gravity=0.0, external=u)
        errors.append(np.sqrt(np.mean(np.abs(found[:, 0, 0] - exact) ** 2)))
    return errors


@lru_cache
def _gravity_errors(order):
    """rms error of a self-gravitating wave in an expanding universe, with 64 or 32 steps, and twice as many."""
    grid = Grid((12, 10, 9), (6.0, 5.0, 4.5))
    x, y, z = np.meshgrid(*(2 * np.pi * grid.centres(i) / grid.sides[i] for i in range(3)), indexing="ij")
    psi = np.sqrt(1 + 0.3 * np.cos(x) + 0.21 * np.cos(y + z)) * np.exp(1j * (0.5 * np.sin(x) + 0.2 * np.cos(z)))

    def run(steps, order):
        clock = replace(COSMOS, longest=COSMOS.between(0.1, 0.2) / steps / SCHEMES[order].stages)
        return evolved(psi, grid, clock, 0.1, 0.2, order=order, limits=UNLIMITED)

    exact, number = run(160, 4), {2: 64, 4: 32}[order]
    return [np.sqrt(np.mean(np.abs(run(steps, order) - exact) ** 2)) for steps in (number, 2 * number)]


def _order(errors, order):
    first, second = errors(order)
    return np.log2(first / second)


def _pancake():
    """Scale factor at which a plane wave of particles crosses; exact: 0.2."""
    n, begin, crossing = 64, 0.02, 0.2
    grid, q, k = Grid((n, 1, 1), (1.0, 1.0, 1.0)), np.arange(n) / n, 2 * np.pi
    shift = -float(COSMOS.background.growth(begin) / COSMOS.background.growth(crossing)) * np.sin(k * q) / k
    position, momentum = np.full((3, n), 0.25), np.zeros((3, n))
    position[0] = (q + shift) % 1.0
    momentum[0] = begin**2 * float(COSMOS.background.growth_rate(begin) * COSMOS.hubble(begin)) * shift
    state = ParticleState(position, momentum, np.arange(n), Times.start(begin))
    for later in evolve_particles(state, grid, COSMOS, np.arange(0.19, 0.2101, 0.001)):
        moved = (later.position[0] - q + 0.5) % 1.0 - 0.5
        if np.any(np.diff(q + moved) < 0):
            return later.times.epoch
    return np.nan


_GROUND = "Guzman & Urena-Lopez 2004, PRD 69, 124033"

CHECKS = (
    Check(
        "energy of the soliton of central density 1, a = 1",
        "-0.69223",
        lambda: Soliton(1.0).energy,
        1e-5,
        ABSOLUTE,
        _GROUND,
        "five digits",
    ),
    Check(
        "its mass over 4 pi",
        "2.0622",
        lambda: Soliton(1.0).mass / (4 * np.pi),
        5e-5,
        ABSOLUTE,
        _GROUND,
        "five digits",
    ),
    Check(
        "its density out to three core radii, over that at the centre",
        partial(_core_profile, False),
        partial(_core_profile, True),
        0.01,
        ABSOLUTE,
        "Schive et al. 2014, Nature Phys. 10, 496: (1 + 0.091 (r/r_c)^2)^-8",
        "a fit, good to 2 % in the density",
    ),
    Check(
        "energy in a periodic box of 24 L over the isolated one, in M/(4 pi L)",
        str(MADELUNG),
        _madelung,
        0.06,
        ABSOLUTE,
        "Madelung's constant of a cubic lattice in a uniform background",
        "the next term, of the soliton's size, is 3 M r_c^2/L^3",
        False,
    ),
    Check(
        "change of the soliton's central density over ten periods, fourth order",
        "0",
        lambda: _ten_periods()[0],
        2e-5,
        ABSOLUTE,
        "a stationary state",
        "the scheme",
        False,
    ),
    Check(
        "phase of the soliton after ten periods, less -Et [rad]",
        "0",
        lambda: _ten_periods()[1],
        1e-3,
        ABSOLUTE,
        "a stationary state",
        "the scheme",
        False,
    ),
    Check(
        "period of the slowest radial oscillation of the soliton [T]",
        lambda: Soliton(1.0).period,
        _breathing_period,
        0.05,
        RELATIVE,
        "Veltmaat, Niemeyer & Schwabe 2018, PRD 98, 043509: 10.94 (rho_c/1e9 Msun kpc^-3)^(1/2) per Gyr",
        "periodic images, the amplitude and their fit",
        False,
    ),
    Check(
        "growth of six modes of the wave from a = 0.05 to 1, below and above the Jeans wavenumber",
        lambda: _linear_theory()[0] / _linear_theory()[1],
        lambda: _linear_modes() / _linear_theory()[1],
        3e-3,
        ABSOLUTE,
        "linear theory: Hu, Barkana & Gruzinov 2000; integrated apart",
        "over the largest contrast of each after a = 0.5; the scheme",
    ),
    Check(
        "growth of the longest of them, k = 0.15/L",
        lambda: COSMOS.background.growth(_END) / COSMOS.background.growth(_BEGIN),
        lambda: _linear_modes()[0],
        0.01,
        RELATIVE,
        "D(1)/D(0.05) of cold dark matter",
        "the limit of k -> 0; (k/k_J)^4 is left",
    ),
    *(
        Check(
            f"order of the splitting in an external potential, {order}",
            f"{order}",
            partial(_order, _matrix_errors, order),
            0.15,
            ABSOLUTE,
            "against the exponential of the Hamiltonian's matrix",
            "64 and 128 steps",
            order == 2,
        )
        for order in (2, 4)
    ),
    *(
        Check(
            f"order of the splitting of a self-gravitating wave, expanding, {order}",
            f"{order}",
            partial(_order, _gravity_errors, order),
            allowed,
            ABSOLUTE,
            "Yoshida 1990 (fourth order), Strang 1968 (second)",
            "against 160 steps of fourth order",
            False,
        )
        for order, allowed in ((2, 0.1), (4, 0.35))
    ),
    Check(
        "scale factor at which a plane wave of particles crosses",
        "0.2",
        _pancake,
        0.02,
        RELATIVE,
        "Zel'dovich 1970: exact until then",
        "looked at in steps of 0.001; the mesh",
        False,
    ),
)
