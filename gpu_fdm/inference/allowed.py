"""What a config allows predictions to be of: known before CAMB or anything else is run, and light to import."""

from ..config.config import Config
from ..config.section import BOSON_MASS
from ..config.sections import OneFilamentSection, PopulationSection
from ..population.population import LATEST_REDSHIFT
from ..population.shapes import FIT_REDSHIFT
from .model_keys import filaments_of

DENOMINATORS = ("smooth", "n-body", "cdm", "wdm", "linear-cdm")  # what boosts may be over
M22_RANGE = BOSON_MASS.low, BOSON_MASS.high  # [1e-22 eV]
_OF_COLLAPSE = ("cdm", "wdm")  # of which no mass function is published


def denominators(section: OneFilamentSection) -> tuple[str, ...]:
    """Names of what boosts may be over, as [one_filament] allows."""
    published = section.mass_function == "published"
    return tuple(name for name in DENOMINATORS if not (published and name in _OF_COLLAPSE))


def require_redshift(config: Config) -> None:
    """InputError for a redshift before ellipsoids collapse, or at which published fits do not hold."""
    redshift, section = config.cosmology.redshift, filaments_of(config)
    if redshift > LATEST_REDSHIFT:
        raise config.error("cosmology", "redshift", f"must be at most {LATEST_REDSHIFT:g}")
    for key in ("mass_function", "shape"):
        if getattr(section, key) == "published" and redshift != FIT_REDSHIFT:
            allowed = f"must be {FIT_REDSHIFT:g} where [one_filament] {key} = published"
            raise config.error("cosmology", "redshift", allowed)


def masses_of(config: Config) -> tuple[float, float]:
    """The masses of [population], within which filaments are [Msun/h]."""
    population = config.population or PopulationSection()
    return population.mass_min, population.mass_max


def require_window(config: Config, keys: tuple[str, ...] = ("mass_min", "mass_max")) -> None:
    """InputError for keys of [one_filament] that are beyond the masses of [population]."""
    low, high = masses_of(config)
    for key in keys if config.one_filament else ():
        if not low <= getattr(config.one_filament, key) <= high:
            raise config.error("one_filament", key, f"must be in [{low:g}, {high:g}], the masses of [population]")
