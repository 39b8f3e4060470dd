"""Parameters of a flat universe of baryons, cold dark matter, massive neutrinos and a cosmological constant."""

from dataclasses import dataclass

from ..errors import InputError
from ..io.kinds import Number

PIVOT = 0.05  # wavenumber at which As and n_s are given [1/Mpc]
NEUTRINO_MASS = 93.14  # sum of masses for omega_nu h^2 = 1 [eV]: Mangano et al. 2005, hep-ph/0506164
# relative; the published omega_m = 0.314649 and the published densities differ by 6e-5
OMEGA_M_TOLERANCE = 2e-4

_RANGES = {
    "h": Number(0.2, 2),
    "omega_m": Number(1e-3, 1),
    "omega_b_h2": Number(0.005, 0.1),
    "omega_c_h2": Number(1e-3, 4),
    "m_nu": Number(0, 5),
    "n_s": Number(0.5, 1.5),
    "ln10As": Number(0, 6),
}


@dataclass(frozen=True)
class CosmologicalParameters:
    """What a linear power spectrum is computed from.

    h           H0 / (100 km/s/Mpc)
    omega_m     density of all matter, neutrinos among it, today over the critical density
    omega_b_h2  baryons, Omega_b h^2
    omega_c_h2  cold dark matter, Omega_c h^2; None: what omega_m h^2 leaves beside baryons and neutrinos
    m_nu        sum of the masses of three equal neutrinos [eV]
    n_s         slope of the primordial power
    ln10As      ln(1e10 As), As the primordial power of curvature at 0.05/Mpc
    The defaults are those of Planck 2015 (A&A 594 A13), as in Z25 (A&A 696 A145).
    Raises InputError for a value out of range, and for densities that do not add up to omega_m within 2e-4.
    """

    h: float = 0.6731
    omega_m: float = 0.314649
    omega_b_h2: float = 0.02222
    omega_c_h2: float | None = 0.1197
    m_nu: float = 0.06
    n_s: float = 0.9655
    ln10As: float = 3.089

    def __post_init__(self):
        for name, kind in _RANGES.items():
            if self.omega_c_h2 is not None or name != "omega_c_h2":
                self._check(name, kind, getattr(self, name))
        left = self.omega_m * self.h**2 - self.omega_b_h2 - self.omega_nu_h2
        if self.omega_c_h2 is None:
            try:
                self._check("omega_c_h2", _RANGES["omega_c_h2"], left)
            except InputError:
                raise InputError(
                    f"omega_m = {self.omega_m:g}: must be larger: it leaves omega_c_h2 = {left:.6g} "
                    f"beside omega_b_h2 = {self.omega_b_h2:g} and m_nu = {self.m_nu:g} eV for h = {self.h:g}"
                ) from None
            return
        total = (self.omega_b_h2 + self.omega_c_h2 + self.omega_nu_h2) / self.h**2
        if abs(total / self.omega_m - 1) > OMEGA_M_TOLERANCE:
            raise InputError(
                f"omega_m = {self.omega_m:g}: must be {total:.6g}, to which omega_b_h2 = {self.omega_b_h2:g}, "
                f"omega_c_h2 = {self.omega_c_h2:g} and m_nu = {self.m_nu:g} eV add up for h = {self.h:g}; "
                f"or give omega_c_h2 = {left:.6g}, or leave omega_c_h2 empty"
            )

    @property
    def omega_nu_h2(self) -> float:
        """Massive neutrinos, Omega_nu h^2."""
        return self.m_nu / NEUTRINO_MASS

    def _check(self, name, kind, value):
        try:
            object.__setattr__(self, name, kind.check(value))
        except ValueError as error:
            raise InputError(f"{name} = {value}: must be {error}") from None
