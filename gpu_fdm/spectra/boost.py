"""Boosts: ratios of power spectra that name what is above and what is below the line.

    fdm/smooth      over the same filaments without fringes: grows without bound where these have no power left
    fdm/cdm         over cold dark matter
    fdm/n-body      over particles from the same initial conditions

They are different quantities. The error of a ratio takes its halves as uncorrelated; where both grew from the same
initial conditions they rise and fall together, and that is an upper bound.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..cosmology.linear_power import LinearPower
from ..cosmology.transfer import Transfer
from ..errors import InputError
from .spectrum import (
    SAME,
    Spectrum,
    check_epoch,
    check_line,
    check_name,
    check_rows,
    check_wavenumbers,
    common_bins,
    read_only,
)

log = logging.getLogger(__name__)

ERRORS = "standard deviation, the halves of the ratio taken as uncorrelated"
# by how much what should be the same in both halves may differ: relative, for the redshift in 1 + z
DIFFERENCES = {"box_size": 1e-5, "redshift": 1e-3, "m22": 1e-5}


@dataclass(frozen=True, eq=False)
class Boost:
    """The ratio of two power spectra.

    k            comoving, increasing [h/Mpc], shape (rows,)
    boost        shape (rows,), not negative
    numerator    what the power above the line is of, in a word or two;  denominator  below the line
    error        standard deviation of boost, shape (rows,), or None
    redshift;  m22 [1e-22 eV];  None where not known
    source       where it comes from, one line
    beyond_nyquist  rows where a grid misses directions of k, shape (rows,); none by default
    Arrays are copied, and read-only. Raises InputError for values that are no boost.
    """

    k: np.ndarray
    boost: np.ndarray
    numerator: str
    denominator: str
    error: np.ndarray | None = None
    redshift: float | None = None
    m22: float | None = None
    source: str = ""
    beyond_nyquist: np.ndarray = None  # type: ignore[assignment]  # an array after __post_init__, whatever is given

    def __post_init__(self):
        check_name("numerator", self.numerator)
        check_name("denominator", self.denominator)
        if self.numerator == self.denominator:
            raise InputError(f"numerator = denominator = {self.numerator}: must be two different names")
        check_line(f"{self.name}: source", self.source)
        check_epoch(self.name, self.redshift, self.m22)
        for name in ("k", "boost", "error"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, read_only(getattr(self, name)))
        check_wavenumbers(self.name, self.k)
        check_rows(self.name, self.k, "boost", self.boost, self.boost >= 0, "finite and not negative")
        if self.error is not None:
            check_rows(self.name, self.k, "error", self.error, self.error >= 0, "finite and not negative")
        beyond = np.zeros(len(self.k), bool) if self.beyond_nyquist is None else np.array(self.beyond_nyquist, bool)
        if beyond.shape != self.k.shape:
            raise InputError(f"{self.name}: beyond_nyquist of shape {beyond.shape}: must be that of k, {self.k.shape}")
        beyond.setflags(write=False)
        object.__setattr__(self, "beyond_nyquist", beyond)

    @property
    def name(self) -> str:
        """Numerator/denominator."""
        return f"{self.numerator}/{self.denominator}"

    @property
    def label(self) -> str:
        """The name, with m22 and the redshift where they are known."""
        m22 = "" if self.m22 is None else f", m22 = {self.m22:g}"
        redshift = "" if self.redshift is None else f", z = {self.redshift:g}"
        return f"{self.name}{m22}{redshift}"


@dataclass(frozen=True, eq=False)
class Series:
    """What a figure draws of a boost: k [h/Mpc], boost, and boost - error, boost + error or None; shape (rows,) all."""

    label: str
    source: str
    numerator: str
    denominator: str
    redshift: float | None
    m22: float | None
    k: np.ndarray
    boost: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    beyond_nyquist: np.ndarray


@np.errstate(over="ignore", invalid="ignore")  # what is then not finite is named
def boost_of(numerator: Spectrum, denominator: Spectrum, allow: Sequence[str] = ()) -> Boost:
    """The ratio of two spectra at common wavenumbers.

    Two measured ones: over common bins, and the power below carried along its slope to the mean k of the bin above.
    A measured one and theory: theory at the k of the measured one. Two theories: at the k of that above the line.
    Rows out of the range of a theory, or with no power above round-off, are left out, which is logged.

    allow  which of box_size, redshift, m22 may differ between the halves
    Raises InputError where they differ and are not allowed to, for different units, and where no row is left.
    """
    _check_halves(numerator, denominator, allow)
    above, below = _at_common_wavenumbers(numerator, denominator)
    if below.floor == 0:
        good = below.power > 0
        check_rows(f"{below.of} below the line", below.k, "power", below.power, good, "positive")
    rows = (below.power > below.floor) & ((above.power > above.floor) | (above.floor == 0))
    if not rows.any():
        raise InputError(f"{numerator.of}/{denominator.of}: no k where both have power above round-off")
    _tell_left_out(numerator, denominator, len(rows) - np.count_nonzero(rows), "the power is round-off")
    above, below = above.rows(rows), below.rows(rows)
    ratio = above.power / below.power
    nyquist = min((each.nyquist for each in (above, below) if each.nyquist is not None), default=np.inf)
    return Boost(
        above.k,
        ratio,
        numerator.of,
        denominator.of,
        error=_error_of_ratio(above, below, ratio),
        redshift=_first_known(numerator.redshift, denominator.redshift),
        m22=_first_known(numerator.m22, denominator.m22),
        source=" over ".join(dict.fromkeys(each.source for each in (numerator, denominator) if each.source)),
        beyond_nyquist=above.k > nyquist * (1 + SAME),
    )


def _check_halves(numerator, denominator, allow):
    for name in allow:
        if name not in DIFFERENCES:
            raise InputError(f"allow = {name}: must be one of {', '.join(DIFFERENCES)}")
    if numerator.units != denominator.units:
        raise InputError(
            f"power of {numerator.of} in {numerator.units}, of {denominator.of} in {denominator.units}: "
            "must be in the same units"
        )
    for name, tolerance in DIFFERENCES.items():
        values = [getattr(each, name) for each in (numerator, denominator)]
        if None in values or name in allow:
            continue
        first, second = (np.asarray(value, float) + (name == "redshift") for value in values)
        if not np.allclose(first, second, rtol=tolerance, atol=0):
            told = [", ".join(f"{side:g}" for side in np.atleast_1d(value)) for value in values]
            raise InputError(
                f"{name} = {told[0]} of {numerator.of} and {told[1]} of {denominator.of}: "
                f"must be the same in both halves of a ratio, or be allowed to differ: --allow {name} (in Python allow)"
            )


def _at_common_wavenumbers(numerator, denominator):
    """Both at the same k."""
    if numerator.modes is not None and denominator.modes is not None:
        above, below = common_bins(numerator, denominator)
        return above, _carried(below, above.k)
    if np.array_equal(numerator.k, denominator.k):
        return numerator, denominator
    theory_above = numerator.modes is None and denominator.modes is not None
    theory, fixed = (numerator, denominator) if theory_above else (denominator, numerator)
    rows = theory.covers(fixed.k)
    if not rows.any():
        raise InputError(
            f"no k in common: {numerator.of} has {numerator.k[0]:g} to {numerator.k[-1]:g} h/Mpc, "
            f"{denominator.of} has {denominator.k[0]:g} to {denominator.k[-1]:g} h/Mpc"
        )
    _tell_left_out(numerator, denominator, len(rows) - np.count_nonzero(rows), f"{theory.of} is not known")
    fixed = fixed.rows(rows)
    theory = theory.at(fixed.k)
    return (theory, fixed) if theory_above else (fixed, theory)


def _carried(spectrum, k):
    """A spectrum in bins carried to mean wavenumbers a little beside its own, along its slope in ln k."""
    steps = np.log(k / spectrum.k)
    known = spectrum.power > spectrum.floor
    if np.all(np.abs(steps) < SAME) or np.count_nonzero(known) < 2:
        return spectrum
    log_k = np.log(spectrum.k[known])
    slope = np.interp(np.log(spectrum.k), log_k, np.gradient(np.log(spectrum.power[known]), log_k))
    factor = np.exp(slope * steps)
    return Spectrum(
        k,
        spectrum.power * factor,
        spectrum.of,
        spectrum.units,
        modes=spectrum.modes,
        error=spectrum.deviation * factor,
        floor=spectrum.floor,
        nyquist=spectrum.nyquist,
    )


def _error_of_ratio(above, below, ratio):
    """Relative errors added in quadrature; None where neither half has one."""
    known = [each for each in (above, below) if each.deviation is not None]
    if not known:
        return None
    squares = np.zeros(len(ratio))
    for each in known:
        squares += (np.divide(each.deviation, each.power, out=np.zeros(len(ratio)), where=each.power > 0)) ** 2
    return ratio * np.sqrt(squares)


def _tell_left_out(numerator, denominator, number, reason):
    if number:
        log.info("%s/%s: %d rows are left out, where %s", numerator.of, denominator.of, number, reason)


def _first_known(first, second):
    return second if first is None else first


def linear_spectrum(linear: LinearPower, k, redshift: float, cut_off: Transfer | None = None) -> Spectrum:
    """Linear power at a redshift, of cdm, or of fdm with its cut-off: D^2(z) T^2(k) P(k, z = 0).

    k  [h/Mpc], shape (k,), within the range of linear power and cut-off, else InputError
    """
    power, of, m22, source = linear.at(k, redshift), "cdm", None, f"linear power: {linear.source}"
    if cut_off is not None:
        power, of, m22 = power * cut_off(k) ** 2, "fdm", cut_off.m22
        source += f", transfer {cut_off.name}"
    return Spectrum(k, power, of, redshift=redshift, m22=m22, source=source)


def theory_boosts(linear: LinearPower, cut_off: Transfer, fdm: Spectrum, smooth: Spectrum) -> tuple[Boost, Boost]:
    """fdm/smooth and fdm/cdm of linear power with the one-filament spectra added.

        (P_linear,FDM + P_1f,fdm) / (P_linear,FDM + P_1f,smooth)        (P_linear,FDM + P_1f,fdm) / P_linear,CDM

    A sum as of a halo model: mass in filaments is in both terms, which matters where they are alike. That over CDM
    has linear power alone below the line.

    fdm, smooth  one-filament spectra at the same k and redshift, as pipeline.result_spectra reads them
    k beyond the range of linear power or cut-off are left out, and those where a sum is round-off of the one-filament
    spectrum, which is logged.
    Raises InputError where redshift, k or m22 of the spectra are not those of each other and of the cut-off.
    """
    if fdm.redshift is None:
        raise InputError(f"{fdm.of}: redshift: must be known for linear power to be added")
    if fdm.units != smooth.units or not np.array_equal(fdm.k, smooth.k):
        raise InputError(f"{fdm.of}, {smooth.of}: must be one-filament spectra at the same k, in the same units")
    _check_halves(fdm, smooth, ())
    rows = (fdm.k >= linear.k_min) & (fdm.k <= min(linear.k_max, cut_off.k_max))
    if not rows.any():
        raise InputError(f"{fdm.of}: no k within [{linear.k_min:g}, {linear.k_max:g}] h/Mpc, the range of linear power")
    _tell_left_out(fdm, smooth, len(rows) - np.count_nonzero(rows), "linear power is not known")
    k = fdm.k[rows]
    cdm, cut = linear_spectrum(linear, k, fdm.redshift), linear_spectrum(linear, k, fdm.redshift, cut_off)
    if cut.m22 is not None and fdm.m22 is not None and abs(cut.m22 / fdm.m22 - 1) > DIFFERENCES["m22"]:
        raise InputError(f"m22 = {cut.m22:g} of the transfer: must be that of the one-filament spectrum, {fdm.m22:g}")
    above, below = (
        Spectrum(
            k,
            cut.power + each.power[rows],
            each.of,
            floor=each.floor,
            redshift=fdm.redshift,
            m22=fdm.m22,
            source=f"{cut.source}, plus {each.source}",
        )
        for each in (fdm, smooth)
    )
    return boost_of(above, below), boost_of(above, cdm)


def overlay(boosts: Sequence[Boost], mixed: bool = False) -> tuple[Series, ...]:
    """What a figure of several boosts draws.

    mixed  whether ratios over different denominators may be in one figure
    Raises InputError that names two of them where they differ and may not.
    """
    for other in boosts[1:]:
        if other.denominator != boosts[0].denominator and not mixed:
            raise InputError(
                f"{boosts[0].label} and {other.label}: ratios over different denominators, {boosts[0].denominator} and "
                f"{other.denominator}, are different quantities: overlay them with mixed = yes only"
            )
    return tuple(
        Series(
            each.label,
            each.source,
            each.numerator,
            each.denominator,
            each.redshift,
            each.m22,
            each.k,
            each.boost,
            None if each.error is None else each.boost - each.error,
            None if each.error is None else each.boost + each.error,
            each.beyond_nyquist,
        )
        for each in boosts
    )
