"""The measured profile that [filament] profile_table names, and the equilibrium that profile_fit makes of it."""

from functools import lru_cache

from ..config.config import Config
from ..filament.cylinder_fit import fit_cylinder
from ..filament.measured import MeasuredProfile, read_measured
from ..filament.profile import Profile
from ..filament.profile_fit import ProfileFit
from ..filament.smooth import fit_smooth
from ..filament.tabulated import tabulated
from ..io.input_content import WithContent, content_of
from ..units import CodeUnits
from .named_files import of_file


def measured_of(config: Config, units: CodeUnits) -> MeasuredProfile:
    """The rows of the table. Raises InputError that names the key, the line and the value."""
    return of_file(config, "filament", "profile_table", read_measured, *_of_table(config, units))


def fit_of(config: Config, units: CodeUnits) -> ProfileFit:
    """The fit to the rows, of profile_fit = smooth or cylinder; each is done once. Raises InputError."""
    section = config.filament
    return of_file(
        config, "filament", "profile_table", _fit, section.profile_fit, section.beta, *_of_table(config, units)
    )


def measured_equilibrium(config: Config, units: CodeUnits) -> Profile:
    """The equilibrium of the table, in code units."""
    if config.filament.profile_fit != "table":
        return fit_of(config, units).profile
    return of_file(config, "filament", "profile_table", _tabulated, config.filament.beta, *_of_table(config, units))


def _of_table(config: Config, units: CodeUnits) -> tuple[float, ...]:
    """Arguments of read_measured: code unit of length, scale factor, h and omega_m."""
    cosmology = config.cosmology
    return units.length, 1 / (1 + cosmology.redshift), cosmology.h, cosmology.omega_m


def _tabulated(path: str, beta: float, *units: float) -> Profile:
    return tabulated(read_measured(path, *units), beta, units[1])


def _fit(path: str, method: str, beta: float, *units: float) -> ProfileFit:
    return _fit_of_content(str(path), content_of(path), method, beta, *units)


@lru_cache(maxsize=8)  # a run asks for its profile many times
def _fit_of_content(name: str, content: bytes, method: str, beta: float, *units: float) -> ProfileFit:
    measured, scale_factor = read_measured(WithContent(name, content), *units), units[1]
    return fit_cylinder(measured, scale_factor) if method == "cylinder" else fit_smooth(measured, scale_factor, beta)
