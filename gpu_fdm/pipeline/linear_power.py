"""The linear power of a config. Other packages are not imported, so that CAMB can begin before they are."""

from ..config.config import Config
from ..cosmology.linear_power import LinearPower, linear_power
from ..cosmology.parameters import CosmologicalParameters


def cosmological_parameters(config: Config) -> CosmologicalParameters:
    """[cosmology] without the redshift; with the default ln10As where sigma8 is given instead.

    The published densities add up to the default omega_m in four digits only: they are taken where all of them are the
    default.
    """
    section, default = config.cosmology, CosmologicalParameters()
    densities = {name: getattr(section, name) for name in ("h", "omega_m", "omega_b_h2", "m_nu")}
    omega_c_h2 = section.omega_c_h2
    if omega_c_h2 is None and all(value == getattr(default, name) for name, value in densities.items()):
        omega_c_h2 = default.omega_c_h2
    ln10As = default.ln10As if section.ln10As is None else section.ln10As
    return CosmologicalParameters(**densities, omega_c_h2=omega_c_h2, n_s=section.n_s, ln10As=ln10As)


def linear_power_of(config: Config) -> LinearPower:
    """Linear power of CDM at z = 0."""
    section = config.cosmology
    with config.errors_in("cosmology"):
        return linear_power(
            section.linear_power,
            cosmological_parameters(config),
            table=section.linear_power_table,
            sigma8=section.sigma8,
        )
