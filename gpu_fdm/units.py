"""Code units, in which hbar = m = 1 and the comoving Schroedinger-Poisson equations read

    i dpsi/dt = [ -1/(2 a^2) laplacian + V ] psi,      laplacian V = |psi|^2 / a

with |psi|^2 the comoving density over the mean matter density today. A wavenumber is a momentum.
Constants: CODATA 2022 and IAU 2015, in SI units.
"""

from dataclasses import dataclass
from functools import cached_property
from math import inf, pi

from .errors import InputError
from .quantities import takes

HBAR = 6.62607015e-34 / (2 * pi)
LIGHT = 299792458.0
ELECTRONVOLT = 1.602176634e-19
GRAVITY = 6.6743e-11
SOLAR_MASS = 1.3271244e20 / GRAVITY
MEGAPARSEC = 648000 / pi * 149597870700 * 1e6
BOSON_MASS_UNIT_EV = 1e-22  # unit of m22


@takes(m22="1e-22 eV")
@dataclass(frozen=True)
class CodeUnits:
    """Sizes of the code units for one boson mass and one cosmology.

    time T = (3/2 Om H0^2)^(-1/2), length L = sqrt(hbar/m) T^(1/2) (comoving), mass rho_m0 L^3.

    m22      boson mass [1e-22 eV]
    h        H0 / (100 km/s/Mpc)
    omega_m  matter density today over the critical density
    Raises InputError for values out of range.
    """

    m22: float
    h: float
    omega_m: float

    def __post_init__(self) -> None:
        if not 0 < self.m22 < inf:
            raise InputError(f"m22 = {self.m22:g}: must be positive and finite (unit: 1e-22 eV)")
        require_h(self.h)
        if not 0 < self.omega_m <= 1:
            raise InputError(f"omega_m = {self.omega_m:g}: must be in (0, 1]")

    @cached_property
    def hubble(self) -> float:
        """H0 [1/s]."""
        return 100e3 * self.h / MEGAPARSEC

    @cached_property
    def time_s(self) -> float:
        """Unit of time [s]."""
        return (1.5 * self.omega_m * self.hubble**2) ** -0.5

    @cached_property
    def length_mpc(self) -> float:
        """Unit of comoving length [Mpc]."""
        mass_kg = self.m22 * BOSON_MASS_UNIT_EV * ELECTRONVOLT / LIGHT**2
        return (HBAR / mass_kg * self.time_s) ** 0.5 / MEGAPARSEC

    @property
    def length(self) -> float:
        """Unit of comoving length [Mpc/h]."""
        return self.length_mpc * self.h

    @property
    def velocity(self) -> float:
        """Unit of velocity, L/T [km/s]."""
        return self.length_mpc * MEGAPARSEC / self.time_s / 1e3

    @property
    def time_myr(self) -> float:
        """Unit of time [Myr] (Julian years)."""
        return self.time_s / (1e6 * 365.25 * 86400)

    @property
    def mean_matter_density(self) -> float:
        """Mean comoving matter density [(Msun/h) / (Mpc/h)^3]."""
        return mean_matter_density(self.omega_m)

    @property
    def line_mass(self) -> float:
        """Unit of comoving line mass, rho_m0 L^2 [(Msun/h) / (Mpc/h)]."""
        return self.mean_matter_density * self.length**2


def require_h(h: float) -> None:
    """InputError for an h out of range, H0 in km/s/Mpc say."""
    if not 0.01 <= h <= 10:
        raise InputError(f"h = {h:g}: must be in [0.01, 10], H0 / (100 km/s/Mpc)")


def mean_matter_density(omega_m: float) -> float:
    """Mean comoving matter density, Om 3 H0^2 / (8 pi G) [(Msun/h) / (Mpc/h)^3]; h cancels."""
    hubble = 100e3 / MEGAPARSEC
    return omega_m * 3 * hubble**2 / (8 * pi * GRAVITY) * MEGAPARSEC**3 / SOLAR_MASS
