"""A filament as an ini describes it: its shape, and the profile in code units."""

from dataclasses import dataclass

from ..config import Config
from ..population.shapes import FIT_REDSHIFT, published_shape
from ..units import CodeUnits
from .profile import Profile, SteadyStateCylinder
from .tabulated import read_profile


@dataclass(frozen=True)
class Filament:
    """One filament; as attributes of /filaments/<number> in a result file.

    mass       [Msun/h] that the ini names;  length  [cMpc/h]
    r0         physical scale radius [Mpc/h];  sigma  [km/s]; both None for a tabulated profile
    line_mass  of the profile [(Msun/h) / (cMpc/h)]
    centre     [cMpc/h], None for the middle of the box;  direction, orientation  as given
    sharpness  of the soft ends [h/cMpc]
    """

    mass: float
    length: float
    r0: float | None
    sigma: float | None
    beta: float
    line_mass: float
    centre: tuple | None
    direction: tuple
    orientation: tuple
    sharpness: float
    redshift: float
    m22: float

    @property
    def segment_mass(self) -> float:
        """Mass of the length that the filament has, line_mass * length [Msun/h]; `mass` where the fits hold."""
        return self.line_mass * self.length


def build_filament(config: Config) -> tuple[Filament, Profile, CodeUnits]:
    """The filament of a config, its profile and the code units.

    Raises InputError where a value is missing that the mass cannot give, or a table is wrong.
    """
    section, cosmology, m22 = config.filament, config.cosmology, config.dark_matter.m22
    units = CodeUnits(m22, cosmology.h, cosmology.omega_m)
    scale_factor = 1 / (1 + cosmology.redshift)
    given = {"length": section.length, "r0": section.r0, "sigma": section.sigma}
    if section.profile_table is not None:
        for key in ("r0", "sigma"):
            if given.pop(key) is not None:
                raise config.error("filament", key, "must be empty where profile_table gives the profile")
    missing = [key for key, value in given.items() if value is None]
    if missing and cosmology.redshift != FIT_REDSHIFT:
        raise config.error(
            "cosmology",
            "redshift",
            f"the fits from mass to shape hold at z = {FIT_REDSHIFT:g} only; "
            f"at another redshift give [filament] {', '.join(missing)}",
        )
    fits = dict(zip(("length", "r0", "sigma"), published_shape(section.mass, section.beta), strict=True))
    shape = {key: fits[key] if value is None else value for key, value in given.items()}
    if section.profile_table is not None:
        profile = _read_profile(config, units, scale_factor)
    else:
        profile = SteadyStateCylinder(
            shape["r0"] / units.length, shape["sigma"] / units.velocity, section.beta, scale_factor
        )
    filament = Filament(
        mass=section.mass,
        length=shape["length"],
        r0=shape.get("r0"),
        sigma=shape.get("sigma"),
        beta=section.beta,
        line_mass=profile.line_mass * units.line_mass,
        centre=section.centre,
        direction=section.direction,
        orientation=section.orientation,
        sharpness=10 / shape["length"] if section.sharpness is None else section.sharpness,
        redshift=cosmology.redshift,
        m22=m22,
    )
    return filament, profile, units


def _read_profile(config, units, scale_factor):
    path = config.filament.profile_table
    try:
        return read_profile(path, units.length, config.filament.beta, scale_factor)
    except FileNotFoundError:
        raise config.error("filament", "profile_table", "no such file") from None
    except (OSError, ValueError) as error:
        message = str(error).removeprefix(f"{path}: ").removeprefix(f"{path}, ")
        raise config.error("filament", "profile_table", message) from None
