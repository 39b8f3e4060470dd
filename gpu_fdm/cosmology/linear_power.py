"""Linear power of matter at z = 0, by name: CAMB, the fit of Eisenstein & Hu 1998, or a table."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from attrs import field, frozen
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.special import spherical_jn

from ..errors import InputError
from ..io.input_content import WithContent, content_of
from ..io.kinds import checked
from ..quantities import takes
from ..values import brief
from .background import EARLIEST, Background
from .camb_power import K_MAX, camb_power, read_camb_table
from .curves import check_range, check_rows, read_curve, read_only
from .eisenstein_hu import T_CMB, transfer_function
from .of_astropy import parameters_of
from .parameters import PIVOT, SIGMA8, CosmologicalParameters

HUBBLE_LENGTH = 2997.92458  # c / (100 km/s/Mpc) [Mpc/h]

_FIT_RANGE = 1e-5, K_MAX  # [h/Mpc]
_FITTED = 100.0  # [h/Mpc], up to which the fit is good to 10 %
_FIT_ROWS = 4800
_SIGMA8_STEPS = 20000


@brief
@frozen(eq=False)
class LinearPower:
    """Linear power of matter at z = 0 between the rows of a table, ln P a cubic spline in ln k.

    Other redshifts follow with the growth of matter and a cosmological constant, the same at all k. Radiation and the
    streaming of neutrinos are left out of it: for the default cosmology CAMB has 0.8 % more power at z = 4 and 4 % more
    at z = 99, for k > 0.1 h/Mpc.

    k           [h/Mpc], shape (rows,), at least 8, increasing;  power  [(Mpc/h)^3], shape (rows,)
    background  whose growth scales the power to other redshifts
    source      code and parameters, or the table
    n_s, ln10As  of the primordial power; None for a table, of which they are not known
    The arrays are copied, and read-only. Raises InputError for rows that are no power spectrum.
    """

    k: NDArray = field(converter=read_only)
    power: NDArray = field(converter=read_only)
    background: Background
    source: str
    n_s: float | None = None
    ln10As: float | None = None

    def __attrs_post_init__(self) -> None:
        check_rows(self.k, self.power, "power")
        for row in np.flatnonzero(self.power <= 0)[:1]:
            raise InputError(f"row {row + 1}: power = {self.power[row]:g}: must be positive")

    @cached_property
    def _log_power(self) -> CubicSpline:
        return CubicSpline(np.log(self.k), np.log(self.power))

    @property
    def k_min(self) -> float:
        """First k of the table [h/Mpc]."""
        return float(self.k[0])

    @property
    def k_max(self) -> float:
        """Last k of the table [h/Mpc]."""
        return float(self.k[-1])

    @cached_property
    def sigma8(self) -> float:
        """Rms of the linear density contrast of all matter in spheres of 8 Mpc/h at z = 0.

        sigma8^2 = int dlnk k^3 P/(2 pi^2) W^2(8 k),   W(x) = 3 j1(x)/x
        Raises InputError where the table may leave out more than 1e-4 of sigma8^2.
        """
        log_k = np.linspace(np.log(self.k_min), np.log(self.k_max), _SIGMA8_STEPS)
        k = np.exp(log_k)
        contrast = k**3 * self(k) / (2 * np.pi**2)
        x = 8 * k
        square = float(np.sum(contrast * (3 * spherical_jn(1, x) / x) ** 2) * (log_k[1] - log_k[0]))
        # below, the contrast rises at least as k; above, it rises at most as k, and W^2 <= 9/x^4
        if contrast[0] + 3 * contrast[-1] / x[-1] ** 4 * (x[-1] > 1) + square * (x[-1] <= 1) > 1e-4 * square:
            raise InputError(
                f"sigma8: needs more than k in [{self.k_min:g}, {self.k_max:g}] h/Mpc, where the linear power is known"
            )
        return square**0.5

    @takes()
    def with_sigma8(self, sigma8: float) -> "LinearPower":
        """The same power with another amplitude; InputError as for `sigma8`."""
        log_ratio = float(2 * np.log(sigma8 / self.sigma8))
        ln10As = None if self.ln10As is None else self.ln10As + log_ratio
        told = f"; rescaled to sigma8 = {sigma8!r}" + ("" if ln10As is None else f", ln10As = {ln10As:.6g}")
        return LinearPower(
            self.k, self.power * np.exp(log_ratio), self.background, self.source + told, self.n_s, ln10As
        )

    @takes(k="h/Mpc")
    def __call__(self, k: ArrayLike) -> NDArray:
        """P(k) at z = 0 [(Mpc/h)^3], shape of k [h/Mpc]; InputError for a k outside k_min..k_max."""
        k = np.asarray(k, float)
        check_range("k", k, self.k_min, self.k_max, "h/Mpc", "linear power")
        return np.exp(self._log_power(np.log(k)))

    @takes(k="h/Mpc")
    def at(self, k: ArrayLike, redshift: float) -> NDArray:
        """P(k) at a redshift in [0, 99], D^2(a) P(k, z = 0) [(Mpc/h)^3], shape of k [h/Mpc]."""
        latest = 1 / EARLIEST - 1
        if not 0 <= redshift <= latest:
            raise InputError(f"redshift = {redshift:g}: must be in [0, {latest:g}], where growth leaves radiation out")
        return self.background.growth(1 / (1 + redshift)) ** 2 * self(k)


@takes()
def linear_power(
    name: str,
    parameters: CosmologicalParameters | Any | None = None,
    *,
    table: str | Path | None = None,
    cache_folder: str | Path | None = None,
    sigma8: float | None = None,
) -> LinearPower:
    """Linear power by a name in SOURCES.

    camb           CAMB, for all parameters, from 1e-5 to 2.7e3 h/Mpc: see camb_power. A new cosmology takes it a
                   second, another n_s, ln10As or sigma8 none
    eisenstein_hu  the fit with acoustic oscillations of Eisenstein & Hu 1998 (ApJ 496, 605), normalised by As, over the
                   same k. Neutrinos do not stream in it: up to 10 % above CAMB for the default cosmology. Beyond 100
                   h/Mpc it is its closed form, without the pressure of baryons: 1.2 times CAMB at 300 h/Mpc, 1.9
                   times at 1000
    table          a file with columns k [h/Mpc] and power [(Mpc/h)^3] at z = 0, or as CLASS and CAMB write it; omega_m
                   alone counts beside it

    name          with the content of CAMB's table, nothing else is read
    parameters    the default cosmology where not given; a cosmology of astropy has sigma8, n and Ob0
    table         the file, for name = table and only then
    cache_folder  where CAMB's results are cached; the user's cache folder where not given
    sigma8        to which the power is rescaled, so that ln10As of the parameters does not count
    Raises InputError for an unknown name, a table that is wrong, parameters that CAMB refuses; RunError where a
    library that is needed is not installed.
    """
    if parameters is not None and not isinstance(parameters, CosmologicalParameters):
        parameters, of_cosmology = parameters_of(parameters)
        sigma8 = of_cosmology if sigma8 is None and table is None else sigma8
    if sigma8 is not None:
        checked("sigma8", sigma8, SIGMA8)
        return linear_power(name, parameters, table=table, cache_folder=cache_folder).with_sigma8(sigma8)
    parameters = CosmologicalParameters() if parameters is None else parameters
    if name not in SOURCES:
        raise InputError(f"linear_power = {name}: must be one of {', '.join(SOURCES)}")
    if (name == "table") != (table is not None):
        raise InputError(
            f"linear_power_table = {table or '(empty)'}: must be given with linear_power = table, and only then "
            f"(linear_power = {name})"
        )
    if table is not None:
        background = Background(parameters.omega_m)
        return read_curve(table, "power", lambda k, power: LinearPower(k, power, background, f"table {table}"))
    if isinstance(name, WithContent):
        return _of_camb(parameters, *read_camb_table(content_of(name).decode()))
    return _METHODS[name](parameters, cache_folder)


def _camb(parameters: CosmologicalParameters, cache_folder: str | Path | None) -> LinearPower:
    return _of_camb(parameters, *camb_power(parameters, cache_folder))


def _of_camb(parameters: CosmologicalParameters, k: NDArray, power: NDArray, source: str) -> LinearPower:
    return LinearPower(k, power, Background(parameters.omega_m), source, parameters.n_s, parameters.ln10As)


def _eisenstein_hu(parameters: CosmologicalParameters, cache_folder: str | Path | None) -> LinearPower:
    """P = 2 pi^2/k^3 (4/25) (c k/H0)^4 (D T/Om)^2 As (k/k_pivot)^(n_s - 1), D = a at early times.

    This follows from the constancy of the curvature perturbation R: the potential in the era of matter is 3/5 R.
    """
    p = parameters
    k = np.geomspace(*_FIT_RANGE, _FIT_ROWS)
    transfer = transfer_function(k * p.h, p.omega_m * p.h**2, p.omega_b_h2)
    background = Background(p.omega_m)
    curvature = 1e-10 * np.exp(p.ln10As) * (k * p.h / PIVOT) ** (p.n_s - 1)
    contrast = 0.4 * (HUBBLE_LENGTH * k) ** 2 * transfer * background.unnormalised_growth(1.0) / p.omega_m
    source = (
        f"Eisenstein & Hu 1998: h = {p.h!r}, omega_m = {p.omega_m!r}, omega_b_h2 = {p.omega_b_h2!r}, "
        f"n_s = {p.n_s!r}, ln10As = {p.ln10As!r}, T_CMB = {T_CMB} K; beyond "
        f"{_FITTED:g} h/Mpc its closed form, without the pressure of baryons"
    )
    return LinearPower(k, 2 * np.pi**2 / k**3 * contrast**2 * curvature, background, source, p.n_s, p.ln10As)


_METHODS: dict[str, Callable[[CosmologicalParameters, str | Path | None], LinearPower]] = {
    "camb": _camb,
    "eisenstein_hu": _eisenstein_hu,
}
SOURCES = (*_METHODS, "table")
