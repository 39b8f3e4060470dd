"""Boosts of theory, the fit of a boson mass, and the boost of a simulation in linear theory, in closed form."""

import csv
from functools import lru_cache

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.special import jv

from gpu_fdm.comparison.computed_models import Populations
from gpu_fdm.comparison.states import solve_all
from gpu_fdm.config.config import parse_config
from gpu_fdm.cosmology.background import Background
from gpu_fdm.cosmology.transfer import jeans_wavenumber
from gpu_fdm.fields.box import Box
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.parallel.domain import Domain
from gpu_fdm.parallel.ranks import SERIAL
from gpu_fdm.simulation.grid import Grid
from gpu_fdm.simulation.initial_conditions import LinearModes, particles_from_modes, wave_from_modes
from gpu_fdm.simulation.integrator import Expanding, Times
from gpu_fdm.simulation.particle_mesh import ParticleState, evolve_particles
from gpu_fdm.simulation.schroedinger_poisson import WaveState, evolve_wave
from gpu_fdm.spectra.boost import Boost
from gpu_fdm.spectra.fit import fit_m22
from gpu_fdm.units import CodeUnits

from .checks_solvers import QUIET
from .consistent_mock import REDSHIFT, WINDOW, K, mock, table
from .registry import ABSOLUTE, LOGARITHMIC, RELATIVE, Check
from .shared import OMEGA_M, ROOT, H, columns

POPULATION = """[population]
mass_min = 1e8
mass_max = 1e12
[wavefunction]
[one_filament]
mass_min = {:g}
mass_max = {:g}
mode_mass = {}
"""
MASSES = 0.8, 1.3  # m22 of the fits


@lru_cache
def grid(low, high, denominator, mode_mass="as_is"):
    """Boosts of matter with the filaments of a window, for m22 in MASSES."""
    config = parse_config(POPULATION.format(low, high, mode_mass))
    models = Populations(config, MASSES, (K[0], K[-1]), (low, high))
    return models.grid(solve_all(models.needed, SERIAL, CPU()), denominator, models.objects[1])


def at(boost, k):
    """A boost between its rows."""
    return np.exp(CubicSpline(np.log(boost.k), np.log(boost.boost))(np.log(k)))


def _excess(low, high):
    """P_1f/P_lin of m22 = 1 at k = 10 h/Mpc: the boost over the linear power of CDM, whose cut-off has left nothing."""
    return float(at(grid(low, high, "linear-cdm", "completed")(1.0), 10.0))


def _fitted(denominator):
    known = table()
    boost = Boost(K, known.boost, "fdm", denominator, error=known.error, redshift=REDSHIFT, object=known.object)
    return fit_m22(grid(*WINDOW, denominator), boost)


_BEGIN, _END, _WAVES = 0.05, 0.25, ((1, 0, 0), (0, 1, 1), (0, 0, 2), (2, 0, 1))
_BOX, _UNITS = Box((20.0, 19.0, 21.0), (32, 30, 32)), CodeUnits(0.00008, 0.7, 1.0)
_STATIC = Background(1.0)  # Einstein and de Sitter's universe: growth in closed form


@lru_cache
def _simulated():
    """P of a wave over P of particles, from the same modes, at the wavenumbers of _WAVES."""
    grid = Grid.of(_BOX, _UNITS)
    clock = Expanding(_STATIC)
    modes = _small_modes()
    psi = wave_from_modes(modes, _BEGIN, _STATIC, _UNITS)
    (wave,) = evolve_wave(WaveState(psi, Times.start(_BEGIN)), grid, clock, [_END], watch=0, alarms=QUIET)
    begin = ParticleState(*particles_from_modes(modes, _BEGIN, _STATIC, _UNITS), Times.start(_BEGIN))
    (particles,) = evolve_particles(begin, grid, clock, [_END])
    density = np.fft.fftn(np.abs(wave.psi) ** 2) / wave.psi.size
    found = []
    for n in _WAVES:
        k = 2 * np.pi * np.array(n) / np.array(grid.sides)
        found.append(abs(density[n]) ** 2 / abs(np.exp(-1j * k @ particles.position).mean()) ** 2)
    return np.array(found)


def _small_modes():
    """Waves of equal small amplitudes."""
    amplitude = np.zeros((32, 30, 17), complex)
    for n in _WAVES:
        amplitude[n] = 1e-5
        if n[2] == 0:
            amplitude[-n[0], -n[1], 0] = 1e-5
    return LinearModes(amplitude, Domain(_BOX.cells), _BOX, 1e-9, 1e-9)


def _largest_difference():
    """|P of waves over P of particles - 1| in the mean of eight seeds, where less than a tenth is noise."""
    with (ROOT / "docs" / "simulation_seeds.csv").open(newline="") as file:
        means = [row for row in csv.DictReader(file) if row["seed"] == "mean" and row["m22"] == "1"]
    jeans = jeans_wavenumber(CodeUnits(1.0, H, OMEGA_M), 1 / (1 + float(means[0]["redshift"])))
    kept = [row for row in means if float(row["k"]) < jeans and float(row["shot_noise"]) < 0.1]
    return max(abs(float(row["boost"]) - 1) for row in kept)


@lru_cache
def _closed():
    """The same: a^(-1/4) J_(-5/2) and J_(5/2) of sqrt(3/2) k^2 a^(-1/2), that begin as cold matter does, over a."""
    sides = np.array(Grid.of(_BOX, _UNITS).sides)
    ratios = []
    for n in _WAVES:
        scale = np.sqrt(1.5) * np.sum((2 * np.pi * np.array(n) / sides) ** 2)

        def modes(a, scale=scale):
            return np.array([a**-0.25 * jv(order, scale / np.sqrt(a)) for order in (-2.5, 2.5)])

        step = 1e-5 * _BEGIN
        slopes = (modes(_BEGIN + step) - modes(_BEGIN - step)) / (2 * step)
        shares = np.linalg.solve([modes(_BEGIN), slopes], [_BEGIN, 1.0])
        ratios.append((shares @ modes(_END) / _END) ** 2)
    return np.array(ratios)


_MOCK = "sums of its own: validation/consistent_mock.py"

CHECKS = (
    Check(
        "fdm/cdm from 2 to 150 h/Mpc of m22 = 1, filaments of 1e8 to 1e12 and z = 4",
        lambda: mock(),
        lambda: at(grid(*WINDOW, "cdm")(1.0), K),
        0.03,
        RELATIVE,
        _MOCK,
        "a rule of 26 masses there, and limits of many states, against a lattice of nu",
        cheap=False,
    ),
    Check(
        "the same in the table of the tests",
        lambda: columns("mock_fdm_over_cdm.csv")["boost"],
        lambda: mock(),
        1e-6,
        RELATIVE,
        "tests/data/mock_fdm_over_cdm.csv",
        "round-off",
        cheap=False,
    ),
    Check(
        "m22 fitted to it with errors of 3 %",
        "1",
        lambda: _fitted("cdm").m22,
        0.015,
        ABSOLUTE,
        _MOCK,
        "a standard error",
        cheap=False,
    ),
    Check(
        "whether it is fitted as fdm/linear-cdm, whose denominator lacks the filaments of CDM",
        "0",
        lambda: float(_fitted("linear-cdm").fits),
        0,
        ABSOLUTE,
        _MOCK,
        "no boson mass describes it",
        cheap=False,
    ),
    *(
        Check(
            f"P_1f/P_lin at 10 h/Mpc, m22 = 1, filaments of {low:g} to {high:g}, z = 4",
            published,
            lambda low=low, high=high: _excess(low, high),
            0.01,
            RELATIVE,
            "the same model, by an independent program",
            "three digits, and its linear power",
            cheap=False,
        )
        for low, high, published in ((3e9, 3e10, "0.109"), (1e8, 1e12, "0.439"))
    ),
    Check(
        "P of a wave over P of particles from the same modes, from a = 0.05 to 0.25, at four k around the Jeans scale",
        _closed,
        _simulated,
        0.015,
        RELATIVE,
        "closed form: a^(-1/4) J_(5/2) and J_(-5/2) of sqrt(3/2) k^2 a^(-1/2), Einstein-de Sitter",
        "the mesh of the particles, whose waves have 13 cells or more; that of the wave alone is 5e-5",
        cheap=False,
    ),
    Check(
        "largest difference of P of simulated waves from P of particles with the same initial conditions, below k_J",
        "0.1",
        _largest_difference,
        0.7,
        LOGARITHMIC,
        "Veltmaat & Niemeyer 2016, PRD 94, 123523, abstract: O(10 %), near the quantum Jeans length",
        "an order of magnitude, of another scheme; mean of eight seeds, m22 = 1, z = 2.25 (docs/simulation_seeds.csv)",
    ),
)
