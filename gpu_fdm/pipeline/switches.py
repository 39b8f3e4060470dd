"""Choices of a model that a fit of m22 depends on, each switched by itself: as a key of the ini of a result."""

from dataclasses import dataclass, replace

from attrs import evolve

from ..config.config import Config
from ..config.section import MASS
from ..config.sections import PopulationSection

WEIGHTS = ("wkb", "adaptive_lasso", "poisson")  # those with a prior; least_squares has none
TRANSFERS = ("hu00", "ph22", "murgia17")
MASS_STEP = 0.1  # relative: the mass of a filament, or an end of a window, is hardly known better
PAIRS = {  # choices of two or three
    "statistics": ("fixed", "gaussian"),
    "axial": ("coherent", "thermal"),
    "mode_mass": ("completed", "scaled", "as_is"),
    "ellipticity": ("published", "collapse"),
    "freeze_out": ("virial", "bond_myers"),
}


@dataclass(frozen=True)
class Switch:
    """A config with one choice made in another way.

    name  the key and its value, as in an ini: section.key = value
    """

    name: str
    config: Config


def filament_switches(config: Config) -> list[Switch]:
    """The switches that change the boosts of the filament of a config."""
    section = config.filament
    switches = [*_of_modes(config), *_pair(config, "single_power", "statistics")]
    given = (section.length,) if section.profile_table is not None else (section.length, section.r0, section.sigma)
    if None in given:  # something follows from the mass
        switches += [_switch(config, "filament", "mass", mass) for mass in _around(section.mass)]
        if section.shape == "collapse":
            switches += _of_collapse(config)
    return switches


def population_switches(config: Config) -> list[Switch]:
    """The switches that change the boosts of the population of a config."""
    section = config.one_filament
    switches = [*_of_modes(config), *_pair(config, "one_filament", "statistics")]
    switches += _pair(config, "one_filament", "mode_mass")
    for key in ("mass_min", "mass_max"):
        for mass in _around(getattr(section, key)):
            switches += _window(config, key, mass)
    return switches + (_of_collapse(config) if "collapse" in (section.shape, section.mass_function) else [])


def _of_modes(config: Config) -> list[Switch]:
    """Weights, and momentum along the axis."""
    others = _others(config.wavefunction.weights, WEIGHTS)
    weights = [_switch(config, "wavefunction", "weights", name) for name in others]
    return [*(weights if len(others) < len(WEIGHTS) else []), *_pair(config, "wavefunction", "axial")]


def _of_collapse(config: Config) -> list[Switch]:
    """How filaments collapse."""
    config = replace(config, population=config.population or PopulationSection())
    switches = [*_pair(config, "population", "ellipticity"), *_pair(config, "population", "freeze_out")]
    others = _others(config.population.transfer, TRANSFERS)
    transfers = [_switch(config, "population", "transfer", name) for name in others]
    return switches + (transfers if len(others) < len(TRANSFERS) else [])


def _window(config: Config, key: str, mass: float) -> list[Switch]:
    """Another end of the window; none where it would be empty."""
    section, population = config.one_filament, config.population
    low, high = (mass, section.mass_max) if key == "mass_min" else (section.mass_min, mass)
    if not MASS.low <= low < high <= MASS.high:
        return []
    reaching = evolve(population, mass_min=min(population.mass_min, low), mass_max=max(population.mass_max, high))
    return [_switch(replace(config, population=reaching), "one_filament", key, mass)]


def _around(mass: float) -> list[float]:
    """Masses beside one, of four digits."""
    return [float(f"{factor * mass:.4g}") for factor in (1 - MASS_STEP, 1 + MASS_STEP)]


def _pair(config: Config, section: str, key: str) -> list[Switch]:
    value = getattr(getattr(config, section), key)
    return [_switch(config, section, key, other) for other in _others(value, PAIRS[key])]


def _others(value: str, choices: tuple[str, ...]) -> list[str]:
    return [choice for choice in choices if choice != value]


def _switch(config: Config, section: str, key: str, value: str | float) -> Switch:
    text = value if isinstance(value, str) else f"{value:g}"
    changed = evolve(getattr(config, section), **{key: value})
    return Switch(f"{section}.{key} = {text}", replace(config, **{section: changed}))
