"""Mass functions of the population, and its one-filament power spectra.

Single filaments are solved at nested Chebyshev masses: every level halves the steps, until the spectrum of each boson
has converged. The nodes of all bosons are spread over ranks, and each is kept as soon as it is done.
"""

import logging
from dataclasses import replace
from functools import cached_property, lru_cache

import numpy as np

from ..config.cache_keys import key_of
from ..config.config import Config, DarkMatter
from ..filament.eigenstates import estimated_states
from ..filament.model import Filament
from ..parallel.balance import own_tasks
from ..population.population import Population
from ..population.shapes import FIT_REDSHIFT, published_mass_function, published_shape
from ..spectra.one_filament import OneFilamentSpectrum, chebyshev_masses, limit_of_small_wavenumbers, population_density
from ..spectra.single_filament import single_power
from ..units import mean_matter_density
from . import results
from .context import Context
from .model import population_of, profile_of, solve
from .progress import progress

log = logging.getLogger(__name__)

POPULATION_CHOICES = ("freeze_out", "ellipticity", "transfer", "window")
FIRST_LEVEL, LAST_LEVEL = 2, 6  # 5 masses, then 9, 17, 33, and 65 at most


@lru_cache(maxsize=2)
def prepared_population(config: Config) -> Population:
    """The population of a config, computed for all masses that its stages will ask for, after their checks."""
    window = config.one_filament
    masses: tuple[float, ...] = ()
    if window is not None:
        for key in ("mass_function", "shape"):
            if getattr(window, key) == "published" and config.cosmology.redshift != FIT_REDSHIFT:
                raise config.error("one_filament", key, f"holds at z = {FIT_REDSHIFT:g} only")
        low, high = config.population.mass_min, config.population.mass_max
        for key in ("mass_min", "mass_max"):
            if window.mass_function == "collapse" and not low <= getattr(window, key) <= high:
                raise config.error("one_filament", key, f"must be in [{low:g}, {high:g}], the masses of [population]")
        masses = window.mass_min, window.mass_max
    population = population_of(config, masses)
    with config.errors_in("population"):
        population.prepared(config.population.m22)
        for m22 in (None, *config.population.m22):
            population.mass_function(m22)
    return population


def run_population(context: Context) -> list[str]:
    """Mass functions of CDM and of every boson, and the collapse of one ellipsoid; returns lines of the summary."""
    config, timer = context.config, context.timer
    bosons = config.population.m22
    with timer("population"):
        population = context.ranks.on_root(lambda: prepared_population(config))
        if context.ranks.is_root:
            choices = {name: getattr(config.population, name) for name in POPULATION_CHOICES}
            choices |= {"redshift": config.cosmology.redshift, "linear_power": population.power.source}
            for m22 in (None, *bosons):
                function, variance = population.mass_function(m22), population.variance(m22)
                results.write_mass_function(context.file, m22, function, variance, choices)
            mass = config.population.example_mass
            examples = {m22: population.example(mass, m22) for m22 in (None, *bosons)}
            results.write_collapse(context.file, mass, examples, choices)
    timer.log("population")
    functions = f"mass functions of CDM and {len(bosons)} boson masses" if len(bosons) > 1 else "mass functions"
    return [f"{functions} at z = {config.cosmology.redshift:g}"]


def run_one_filament(context: Context) -> list[str]:
    """P_1f of every boson of the population; returns lines of the summary."""
    config, ranks, timer = context.config, context.ranks, context.timer
    section = config.one_filament
    k = np.geomspace(section.k_min, section.k_max, section.points)
    with timer("one-filament spectra"):
        population = ranks.on_root(lambda: prepared_population(config))
        tasks = {m22: _Boson(config, population, m22) for m22 in config.population.m22}
        nodes: dict[tuple[float, float], dict] = {}
        spectra: dict[float, OneFilamentSpectrum] = {}
        for level in range(FIRST_LEVEL, LAST_LEVEL + 1):
            open_bosons = [m22 for m22 in tasks if m22 not in spectra or spectra[m22].error > section.tolerance]
            if not open_bosons:
                break
            wanted = [
                (m22, mass)
                for m22 in open_bosons
                for mass in chebyshev_masses(section.mass_min, section.mass_max, level).tolist()
                if (m22, mass) not in nodes
            ]
            nodes |= _solve_nodes(context, tasks, wanted, k)
            for m22 in open_bosons:
                spectra[m22] = tasks[m22].spectrum(k, nodes)
    lines = []
    for m22, spectrum in spectra.items():
        window = tasks[m22].mass_function, section.mass_min, section.mass_max
        limit = limit_of_small_wavenumbers(*window, spectrum.density)
        names = ("mass_min", "mass_max", "normalisation", "mass_function", "shape", "beta", "mode_mass", "statistics")
        choices = {name: getattr(section, name) for name in names}
        choices |= {"weights": config.wavefunction.weights, "redshift": config.cosmology.redshift}
        choices |= {name: getattr(config.population, name) for name in POPULATION_CHOICES}
        results.write_one_filament(context.file, m22, spectrum, limit, choices)
        lines.append(
            f"one-filament spectrum, m22 = {m22:g}: {len(spectrum.masses)} masses, error {spectrum.error:.1e}, "
            f"P(k -> 0) = {limit:.4g} (Mpc/h)^3"
        )
        if spectrum.error > section.tolerance:
            log.warning(
                "one-filament spectrum, m22 = %g: error %.2g after %d masses, more than [one_filament] tolerance = %g "
                "(few modes make it a rough function of mass: take wavefunction.weights = wkb)",
                m22,
                spectrum.error,
                len(spectrum.masses),
                section.tolerance,
            )
    timer.log("one-filament spectra")
    return lines


def heaviest_filament(config: Config) -> Filament:
    """The costliest filament of the one-filament spectra."""
    boson = _Boson(config, prepared_population(config), max(config.population.m22))
    return boson.filament(config.one_filament.mass_max)


class _Boson:
    """The population as one boson mass has it."""

    def __init__(self, config, population, m22):
        self.config = replace(config, dark_matter=DarkMatter(m22))
        self.section, self.population, self.m22 = config.one_filament, population, m22
        self.mass_function = published_mass_function
        if self.section.mass_function == "collapse":
            self.mass_function = population.mass_function(m22)

    def filament(self, mass) -> Filament:
        """A filament of this mass, [Msun/h]."""
        beta = self.section.beta
        if self.section.shape == "published":
            length, r0, sigma = published_shape(mass, beta)
        else:
            with self.config.errors_in("population"):
                shape = self.population.shape(mass, self.m22, beta)
            length, r0, sigma = float(shape.length), float(shape.r0), float(shape.sigma)
        return Filament(
            number=0,
            mass=mass,
            length=length,
            r0=r0,
            sigma=sigma,
            beta=beta,
            centre=None,
            direction=(0.0, 0.0, 1.0),
            orientation=(1.0, 0.0, 0.0),
            sharpness=10 / length,
            redshift=self.config.cosmology.redshift,
            m22=self.m22,
        )

    def cost(self, mass) -> float:
        """Of a node, in arbitrary units: its states, squared, as the matrix products grow."""
        return estimated_states(profile_of(self.config, self.filament(mass)), self.config.wavefunction.energy_cut) ** 2

    def key(self, mass, backend) -> dict:
        """Everything that the spectrum of a filament of this mass depends on."""
        return {**self._key, "m22": self.m22, "mass": mass, "backend": backend.arithmetic}

    @cached_property
    def _key(self):
        return key_of(self.config, "node")

    def node(self, mass, k, context) -> dict[str, np.ndarray]:
        """Spectra of a filament of this mass over M^2."""
        model = solve(self.config, self.filament(mass), context.threads)
        power = single_power(model, k, self.section.statistics, context.backend, plane=False)
        scale = model.weights.weight_sum**-2 if self.section.mode_mass == "scaled" else 1.0
        return {"fdm": scale * power.fdm, "smooth": scale * power.smooth, "states": np.array(len(model.library))}

    def spectrum(self, k, nodes) -> OneFilamentSpectrum:
        """P_1f from all nodes of this boson that there are."""
        section = self.section
        masses = np.array(sorted(mass for m22, mass in nodes if m22 == self.m22))
        fdm, smooth = (
            np.array([nodes[self.m22, mass][name] for mass in masses.tolist()]) for name in ("fdm", "smooth")
        )
        density = mean_matter_density(self.config.cosmology.omega_m)
        if section.normalisation == "population":
            density = population_density(self.mass_function, section.mass_min, section.mass_max)
        return OneFilamentSpectrum.of_nodes(k, masses, fdm, smooth, self.mass_function, density)


def _solve_nodes(context, tasks, wanted, k):
    """The nodes (m22, mass) that are wanted, from all ranks; the costliest are given out first."""
    cache, ranks, backend = context.cache, context.ranks, context.backend
    found = ranks.on_root(
        lambda: {each: cache.load(_name(each), tasks[each[0]].key(each[1], backend)) for each in wanted}
    )
    done = {each: arrays for each, arrays in found.items() if arrays is not None}
    if done:
        log.info("%d of %d filaments are in the cache", len(done), len(wanted))
    own = own_tasks({(m22, mass): tasks[m22].cost(mass) for m22, mass in wanted if (m22, mass) not in done}, ranks)
    mine = {}
    with progress("filaments", len(own), ranks) as step:
        for m22, mass in own:
            mine[m22, mass] = tasks[m22].node(mass, k, context)
            cache.store(_name((m22, mass)), tasks[m22].key(mass, backend), mine[m22, mass])
            step()
    return done | {each: arrays for part in ranks.allgather(mine) for each, arrays in part.items()}


def _name(node):
    return f"filament-m22_{node[0]:g}-{node[1]:.4e}"
