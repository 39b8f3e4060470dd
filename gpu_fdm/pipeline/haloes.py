"""Haloes of a config: the equilibrium of a mass, and the share of it in a soliton, as [halo] or its defaults say."""

from ..config.config import Config
from ..config.shared_sections import HaloSection
from ..haloes.profile import SphericalProfile
from ..haloes.relations import cored_nfw, extrapolated, soliton_mass
from .model import code_units


def halo_profile(config: Config, mass: float) -> SphericalProfile:
    """The equilibrium of a halo of a mass [Msun/h], for the boson of [dark_matter], in code units.

    Raises InputError that names the section, where the core is larger than the halo.
    """
    section, cosmology, units = config.halo or HaloSection(), config.cosmology, code_units(config)
    with config.errors_in("halo"):
        law = cored_nfw(
            mass,
            units.m22,
            units.h,
            units.omega_m,
            cosmology.redshift,
            length=units.length,
            relation=section.concentration,
            concentration_factor=section.concentration_factor,
            core_factor=section.core_factor,
        )
        in_units = mass / (units.mean_matter_density * units.length**3)
        return SphericalProfile(law, in_units, 1 / (1 + cosmology.redshift))


def soliton_share(config: Config, mass: float) -> float | None:
    """Mass of the soliton over that of its halo [Msun/h]; None where [halo] asks for none."""
    section, cosmology = config.halo or HaloSection(), config.cosmology
    if section.soliton == "no":
        return None
    m22 = config.dark_matter.m22
    return soliton_mass(mass, m22, cosmology.h, cosmology.omega_m, cosmology.redshift) / mass


def extrapolation(config: Config) -> list[str]:
    """A line where the concentrations of [halo], or its defaults, are extrapolated in redshift, or none."""
    section = config.halo or HaloSection()
    line = extrapolated(config.cosmology.redshift, section.concentration, section.concentration_factor)
    return [line] if line else []
