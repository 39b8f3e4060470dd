"""Parameters of a flat universe of baryons, cold dark matter, massive neutrinos and a cosmological constant."""

from typing import Any

from attrs import Converter, field, frozen

from ..errors import InputError
from ..io.kinds import Number, checked, option
from ..quantities import takes

PIVOT = 0.05  # wavenumber at which As and n_s are given [1/Mpc]
NEUTRINO_MASS = 93.14  # sum of masses for omega_nu h^2 = 1 [eV]: Mangano et al. 2005, hep-ph/0506164
# relative; the published omega_m = 0.314649 and the published densities differ by 6e-5
OMEGA_M_TOLERANCE = 2e-4

SIGMA8 = Number(0.01, 10)
_COLD = Number(1e-3, 4)  # omega_c_h2


def _omega_c_h2(value: float | None, p: Any) -> float:
    """The density as given, or what the other densities of parameters p leave."""
    if value is not None:
        return checked("omega_c_h2", value, _COLD)
    left = p.omega_m * p.h**2 - p.omega_b_h2 - p.omega_nu_h2
    try:
        return _COLD.check(left)
    except ValueError:
        raise InputError(
            f"omega_m = {p.omega_m:g}: must be larger: it leaves omega_c_h2 = {left:.6g} "
            f"beside omega_b_h2 = {p.omega_b_h2:g} and m_nu = {p.m_nu:g} eV for h = {p.h:g}"
        ) from None


@takes(m_nu="eV")
@frozen
class CosmologicalParameters:
    """What a linear power spectrum is computed from.

    h           H0 / (100 km/s/Mpc)
    omega_m     density of all matter, neutrinos among it, today over the critical density
    omega_b_h2  density of baryons, Omega_b h^2
    m_nu        sum of the masses of three equal neutrinos [eV]
    omega_c_h2  density of cold dark matter, Omega_c h^2; None: what the other densities leave of omega_m h^2
    n_s         slope of the primordial power
    ln10As      ln(1e10 As), As the primordial power of curvature at 0.05/Mpc
    The defaults are those of Planck 2015 (A&A 594 A13), as in Z25 (A&A 696 A145).
    Raises InputError for a value out of range, and for densities that do not add up to omega_m within 2e-4.
    """

    h: float = option(0.6731, Number(0.2, 2))
    omega_m: float = option(0.314649, Number(1e-3, 1))
    omega_b_h2: float = option(0.02222, Number(0.005, 0.1))
    m_nu: float = option(0.06, Number(0, 5))
    omega_c_h2: Any = field(default=0.1197, converter=Converter(_omega_c_h2, takes_self=True))  # type: ignore[misc]
    n_s: float = option(0.9655, Number(0.5, 1.5))
    ln10As: float = option(3.089, Number(0, 6))

    def __attrs_post_init__(self) -> None:
        of_cold = self.omega_m * self.h**2 - self.omega_b_h2 - self.omega_nu_h2
        total = (self.omega_b_h2 + self.omega_c_h2 + self.omega_nu_h2) / self.h**2
        if abs(total / self.omega_m - 1) > OMEGA_M_TOLERANCE:
            raise InputError(
                f"omega_m = {self.omega_m:g}: must be {total:.6g}, to which omega_b_h2 = {self.omega_b_h2:g}, "
                f"omega_c_h2 = {self.omega_c_h2:g} and m_nu = {self.m_nu:g} eV add up for h = {self.h:g}; "
                f"or give omega_c_h2 = {of_cold:.6g}, or leave omega_c_h2 empty"
            )

    @property
    def omega_nu_h2(self) -> float:
        """Massive neutrinos, Omega_nu h^2."""
        return self.m_nu / NEUTRINO_MASS
