"""The cut-off of fuzzy dark matter: transfer functions T(k) by name, half modes and Jeans wavenumber.

P_FDM = T^2 P_CDM. T is negative in parts of its oscillating tail.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import inf, log, pi
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from ..errors import InputError
from ..io.kinds import Number
from ..quantities import takes
from ..units import CodeUnits, require_h
from .curves import check_range, check_rows, read_curve

# T at a half mode: where the amplitude is halved, and where the power is
HALF_MODES = {"amplitude": 0.5, "power": 0.5**0.5}
TABLE_START = 1e-3  # how far from 1 a table may begin

_SCAN = 1e-6, 1e9  # range in which a half mode is searched [h/Mpc], in steps of 0.3 %
_SCAN_ROWS = 12_000
_WARM = 1.12  # mu of warm dark matter


@dataclass(frozen=True)
class Transfer:
    """T(k) of one boson mass.

    name   in TRANSFERS
    m22    boson mass [1e-22 eV]; None for cdm and table, which do not depend on it
    h      H0 / (100 km/s/Mpc), which converts k [h/Mpc] to the 1/Mpc of the published fits
    k_max  last k where T is known [h/Mpc]
    formula  T as a function of k [1/Mpc]
    """

    name: str
    m22: float | None
    h: float
    k_max: float
    formula: Callable[[NDArray], NDArray]

    @takes(k="h/Mpc")
    def __call__(self, k: ArrayLike) -> NDArray:
        """T(k), shape of k [h/Mpc]; InputError for k < 0 and k > k_max."""
        k = np.asarray(k, float)
        check_range("k", k, 0.0, self.k_max, "h/Mpc", f"transfer function {self.name}")
        return self.formula(k * self.h)

    def half_mode(self, definition: str) -> float:
        """Smallest k where T falls to 1/2 (definition = amplitude) or T^2 to 1/2 (power) [h/Mpc].

        Raises InputError for an unknown definition, and where T does not fall so far.
        """
        if definition not in HALF_MODES:
            raise InputError(f"half mode = {definition}: must be one of {', '.join(HALF_MODES)}")
        level = HALF_MODES[definition]
        k = np.geomspace(_SCAN[0], min(_SCAN[1], self.k_max), _SCAN_ROWS)
        below = np.flatnonzero(self(k) < level)
        if len(below) == 0:
            raise InputError(f"transfer = {self.name}: must fall to {level:.4g} to have a half mode, and does not")
        return brentq(lambda wavenumber: self(wavenumber) - level, k[below[0] - 1], k[below[0]], rtol=1e-14)


@takes(m22="1e-22 eV")
def transfer(name: str, m22: float | None = None, *, h: float, table: str | Path | None = None) -> Transfer:
    """T(k), k in h/Mpc, by a name in TRANSFERS: cdm, hu00, ph22, murgia17 (see the functions of FORMULAS) or table.

    m22    boson mass [1e-22 eV], for hu00, ph22 and murgia17
    h      H0 / (100 km/s/Mpc)
    table  for name = table and only then: a CSV file with columns k [h/Mpc] and transfer, a cubic spline in ln k
           between the rows. It must begin with |T - 1| < 1e-3, and T = 1 below its first k
    Raises InputError for an unknown name, a value out of range, and an invalid table.
    """
    if name not in TRANSFERS:
        raise InputError(f"transfer = {name}: must be one of {', '.join(TRANSFERS)}")
    require_h(h)
    if (name == "table") != (table is not None):
        raise InputError(
            f"transfer_table = {table or '(empty)'}: must be given with transfer = table, and only then "
            f"(transfer = {name})"
        )
    if table is not None:
        return read_curve(table, "transfer", lambda k, values: _tabulated(k, values, h))
    if name == "cdm":
        m22 = None
    else:
        _check("m22", m22, Number(1e-6, 1e6))
    return Transfer(name, m22, h, inf, partial(FORMULAS[name], m22=m22))


def jeans_wavenumber(units: CodeUnits, scale_factor: float) -> float:
    """Comoving Jeans wavenumber (16 pi G rho_m a m^2/hbar^2)^(1/4) [h/Mpc], below which contrasts grow.

    rho_m is the matter density today. In code units (k^2/(2 a^2))^2 = 1/a^3 there, so that k_J^4 = 4 a.
    """
    _check("scale_factor", scale_factor, Number(0, open_low=True))
    return (4 * scale_factor) ** 0.25 / units.length


def cdm(k: NDArray, m22: float | None = None) -> NDArray:
    """1, cold dark matter."""
    return np.ones_like(k)


def hu00(k: NDArray, m22: float) -> NDArray:
    """cos(x^3)/(1 + x^8), x = 1.61 m22^(1/18) k/k_J,eq, k in 1/Mpc.

    Source: Hu, Barkana & Gruzinov 2000, PRL 85, 1158.
    """
    x = 1.61 * m22 ** (1 / 18) * k / _jeans_wavenumber_at_equality(m22)
    return np.cos(x**3) / (1 + x**8)


def ph22(k: NDArray, m22: float) -> NDArray:
    """sin(x^2.5)/[x^2.5 (1 + B x^3.5)], x = A k/k_J,eq, k in 1/Mpc; A = 2.22 m22^(1/25 - ln(m22)/1000).

    B = 0.16 m22^(-1/20). Source: Passaglia & Hu 2022, PRD 105, 123529.
    """
    x = 2.22 * m22 ** (1 / 25 - log(m22) / 1000) * k / _jeans_wavenumber_at_equality(m22)
    return np.sinc(x**2.5 / pi) / (1 + 0.16 * m22 ** (-1 / 20) * x**3.5)


def murgia17(k: NDArray, m22: float) -> NDArray:
    """[1 + (alpha k)^5.475]^-2, T^2 = 1/2 at 4.5 m22^(4/9)/Mpc, k in 1/Mpc.

    Source: the shape of Murgia et al. 2017, JCAP 11, 046, with the exponents of Z25 (A&A 696 A145).
    """
    slope = 5.475
    alpha = (2**0.25 - 1) ** (1 / slope) / (4.5 * m22 ** (4 / 9))
    return (1 + (alpha * k) ** slope) ** -2


def warm(half_mode: float, h: float) -> Transfer:
    """Warm dark matter whose T = 1/2 lies at half_mode [h/Mpc]: [1 + (alpha k)^(2 mu)]^(-5/mu), mu = 1.12.

    Source: Viel et al. 2005, PRD 71, 063534.
    """
    alpha = (2 ** (_WARM / 5) - 1) ** (1 / (2 * _WARM)) / (half_mode * h)
    return Transfer("warm", None, h, inf, lambda k: (1 + (alpha * k) ** (2 * _WARM)) ** (-5 / _WARM))


FORMULAS: dict[str, Callable[..., NDArray]] = {"cdm": cdm, "hu00": hu00, "ph22": ph22, "murgia17": murgia17}
TRANSFERS = (*FORMULAS, "table")


def _jeans_wavenumber_at_equality(m22: float) -> float:
    """k_J,eq, comoving [1/Mpc]. Source: Hu et al. 2000."""
    return 9 * m22**0.5


def _tabulated(k: NDArray, values: NDArray, h: float) -> Transfer:
    check_rows(k, values, "transfer")
    if abs(values[0] - 1) > TABLE_START:
        raise InputError(f"row 1: transfer = {values[0]:g}: must be within {TABLE_START:g} of 1 at the first k")
    spline, first = CubicSpline(np.log(k), values), k[0]

    def interpolated(k_mpc: NDArray) -> NDArray:
        k = k_mpc / h
        return np.where(k < first, 1.0, spline(np.log(np.maximum(k, first))))

    return Transfer("table", None, h, float(k[-1]), interpolated)


def _check(name: str, value: float | None, kind: Number) -> None:
    try:
        kind.check(value)
    except ValueError as error:
        raise InputError(f"{name} = {value}: must be {error}") from None
