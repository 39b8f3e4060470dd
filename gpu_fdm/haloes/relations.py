"""Sizes of haloes by name: mass definitions, concentrations, cores and solitons.

Masses in Msun/h, lengths comoving in Mpc/h, as elsewhere; the fits' own units are converted here.
"""

from collections.abc import Callable
from math import exp, log10, pi
from typing import TypeVar

from scipy.special import beta as beta_function

from ..cosmology.background import Background
from ..errors import InputError
from ..quantities import takes
from ..units import mean_matter_density, require_h
from .laws import CoredNFW

Choice = TypeVar("Choice")

KPC_PER_MPC = 1e3
_SOLITON_SHAPE = 0.091  # (1 + 0.091 x^2)^-8, x = r/r_c: half of the central density at x = 1

# mean density inside a halo's radius over the mean matter density at the same time
MASS_DEFINITIONS: dict[str, Callable[[Background, float], float]] = {
    "200c": lambda background, a: 200 / background.matter_fraction(a),
    "200m": lambda background, a: 200.0,
    "vir": lambda background, a: background.virial_overdensity(a),  # Bryan & Norman 1998
}


def halo_radius(mass: float, definition: str, omega_m: float, redshift: float) -> float:
    """Comoving radius [Mpc/h] of a mass [Msun/h] in a definition, a name in MASS_DEFINITIONS.

    Raises InputError for an unknown name and numbers out of range, as all functions here.
    """
    _check(mass=mass)
    a = _scale_factor(redshift)
    overdensity = _named("mass definition", definition, MASS_DEFINITIONS)(Background(omega_m), a)
    return float((3 * mass / (4 * pi * overdensity * mean_matter_density(omega_m))) ** (1 / 3))


def _dutton_maccio_200(mass: float, redshift: float) -> float:
    """Dutton & Maccio 2014, MNRAS 441, 3359, eqs 10, 11: NFW fits, Planck cosmology, z < 5."""
    a = 0.520 + (0.905 - 0.520) * exp(-0.617 * redshift**1.21)
    return 10 ** (a + (-0.101 + 0.026 * redshift) * log10(mass / 1e12))


def _dutton_maccio_vir(mass: float, redshift: float) -> float:
    """Dutton & Maccio 2014, eqs 12, 13."""
    a = 0.537 + (1.025 - 0.537) * exp(-0.718 * redshift**1.08)
    return 10 ** (a + (-0.097 + 0.024 * redshift) * log10(mass / 1e12))


# name -> mass definition, and c(M [Msun/h], z)
CONCENTRATIONS: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "dutton_maccio_2014_200c": ("200c", _dutton_maccio_200),
    "dutton_maccio_2014_vir": ("vir", _dutton_maccio_vir),
}


LAST_REDSHIFT = 5.0  # to which the concentrations of both relations were fitted


def extrapolated(redshift: float, relation: str = "dutton_maccio_2014_200c", factor: float = 1.0) -> str:
    """What to say of a concentration beyond the redshifts that it was fitted to; empty where it was fitted.

    factor  of the concentration
    """
    if redshift <= LAST_REDSHIFT:
        return ""
    light, heavy = (factor * concentration(mass, redshift, relation) for mass in (1e9, 1e12))
    return (
        f"concentrations of haloes at z = {redshift:g} are extrapolated: {relation} was fitted up to z = "
        f"{LAST_REDSHIFT:g}, and has {light:.3g} and {heavy:.3g} for 1e9 and 1e12 Msun/h "
        "([halo] concentration_factor changes them)"
    )


def concentration(mass: float, redshift: float, relation: str = "dutton_maccio_2014_200c") -> float:
    """r_halo/r_s of a mass [Msun/h] in the relation's own definition; relation: a name in CONCENTRATIONS.

    Both were fitted to 1e10 to 1e15 Msun/h and z < 5; their power laws go on beyond.
    """
    _check(mass=mass)
    _scale_factor(redshift)
    return _named("concentration", relation, CONCENTRATIONS)[1](mass, redshift)


def _schive(mass: float, m22: float, h: float, omega_m: float, redshift: float) -> float:
    """Schive et al. 2014, PRL 113, 261302, eq. 7, physical kpc: half of the central density at r_c."""
    background, a = Background(omega_m), 1 / (1 + redshift)

    def zeta(a: float) -> float:
        """Virial overdensity over the mean density."""
        return background.virial_overdensity(a)

    return 1.6 / m22 * a**0.5 * (zeta(a) / zeta(1.0)) ** (-1 / 6) * (mass / h / 1e9) ** (-1 / 3)


CORES: dict[str, Callable[[float, float, float, float, float], float]] = {"schive_2014": _schive}


def core_radius(
    mass: float, m22: float, h: float, omega_m: float, redshift: float, relation: str = "schive_2014"
) -> float:
    """Comoving core radius [Mpc/h] of a halo of a mass [Msun/h]; relation: a name in CORES."""
    require_h(h)
    _check(mass=mass, m22=m22)
    a = _scale_factor(redshift)
    return _named("core", relation, CORES)(mass, m22, h, omega_m, redshift) / a * h / KPC_PER_MPC


@takes(mass="Msun/h", m22="1e-22 eV")
def soliton_mass(
    mass: float, m22: float, h: float, omega_m: float, redshift: float, relation: str = "schive_2014"
) -> float:
    """Mass of the whole soliton [Msun/h] in the core of a halo [Msun/h].

    rho = 1.9e7 m22^-2 (r_c/kpc)^-4 (1 + 0.091 (r/r_c)^2)^-8 Msun/kpc^3, physical (Schive et al. 2014, Nature Phys. 10,
    496), integrated over all radii.
    """
    core = core_radius(mass, m22, h, omega_m, redshift, relation) / h * KPC_PER_MPC / (1 + redshift)
    volume = 4 * pi * _SOLITON_SHAPE**-1.5 * beta_function(1.5, 6.5) / 2  # over r_c^3
    return float(1.9e7 / m22**2 / core * volume * h)


@takes(mass="Msun/h", m22="1e-22 eV", length="cMpc/h")
def cored_nfw(
    mass: float,
    m22: float,
    h: float,
    omega_m: float,
    redshift: float,
    *,
    length: float = 1.0,
    relation: str = "dutton_maccio_2014_200c",
    core: str = "schive_2014",
    concentration_factor: float = 1.0,
    core_factor: float = 1.0,
) -> CoredNFW:
    """Law of a halo of a mass [Msun/h], truncated at its radius.

    length          unit of its radii [Mpc/h]: CodeUnits.length for code units
    relation, core  names in CONCENTRATIONS, whose mass definition is taken, and in CORES
    concentration_factor, core_factor  of the concentration and of the core radius that these give
    Raises InputError where the core is larger than the halo: the boson is too light for this mass.
    """
    definition = _named("concentration", relation, CONCENTRATIONS)[0]
    radius = halo_radius(mass, definition, omega_m, redshift)
    _check(concentration_factor=concentration_factor, core_factor=core_factor)
    size = core_factor * core_radius(mass, m22, h, omega_m, redshift, core)
    if not size < radius:
        raise InputError(
            f"halo of {mass:.4g} Msun/h at m22 = {m22:g}: its core, {size:.4g} Mpc/h, is larger than the halo, "
            f"{radius:.4g} Mpc/h: must be a heavier halo or boson"
        )
    scale = radius / (concentration_factor * concentration(mass, redshift, relation))
    return CoredNFW(scale / length, size / length, radius / length)


def _named(what: str, name: str, choices: dict[str, Choice]) -> Choice:
    if name not in choices:
        raise InputError(f"{what} = {name}: must be one of {', '.join(choices)}")
    return choices[name]


def _check(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < float("inf"):
            raise InputError(f"halo: {name} = {value}: must be positive and finite")


def _scale_factor(redshift: float) -> float:
    if not 0 <= redshift < float("inf"):
        raise InputError(f"halo: redshift = {redshift}: must not be negative")
    return 1 / (1 + redshift)
