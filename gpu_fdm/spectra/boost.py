"""Boosts: ratios of power spectra that name their numerator and denominator.

    fdm/smooth      over the same modes without fringes: grows without bound where these have no power left
    fdm/classical   over filaments of particles in the same equilibrium
    fdm/n-body      over particles from the same initial conditions
    fdm/cdm         over cold dark matter
    fdm/linear-cdm  over the linear power of cold dark matter, which no simulation measures

They are different quantities, and so are those of one filament, of filaments of a window of masses, and of all matter:
what a ratio is of is its object. The error of a ratio takes its halves as uncorrelated; where both grew from the same
initial conditions they rise and fall together, and that is an upper bound.
"""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import Factory, field, frozen
from attrs.converters import optional
from numpy.typing import ArrayLike, NDArray

from ..cosmology.curves import read_only
from ..errors import InputError
from ..values import brief
from .checks import check_epoch, check_line, check_name, check_rows, check_wavenumbers
from .rebinning import common_bins
from .spectrum import SAME, Spectrum

log = logging.getLogger(__name__)

ERRORS = "standard deviation, the halves of the ratio taken as uncorrelated; of several seeds from their scatter"
# by how much what should be the same in both halves may differ: relative, for the redshift in 1 + z
DIFFERENCES = {"box_size": 1e-5, "redshift": 1e-3, "m22": 1e-5}
ALLOWED = (*DIFFERENCES, "object")  # what may be allowed to differ


# masks of the rows that are not used, and what these rows are
LIMITS = {
    "beyond_nyquist": "beyond the Nyquist wavenumber",
    "beyond_force": "beyond the force resolution of particles",
    "beyond_velocity": "of an epoch that the cells do not resolve",
}


def _read_only_mask(values: ArrayLike) -> NDArray:
    mask = np.array(values, bool)
    mask.setflags(write=False)
    return mask


_NO_ROWS: Any = Factory(lambda boost: np.zeros(boost.k.shape, bool), takes_self=True)


@brief
@frozen(eq=False)
class Boost:
    """The ratio of two power spectra.

    k            comoving, increasing [h/Mpc], shape (rows,)
    boost        shape (rows,), not negative
    numerator, denominator  what the two spectra are of, in a word or two
    error        standard deviation of boost, shape (rows,), or None
    redshift;  m22 [1e-22 eV];  None where not known
    source       where the boost comes from, one line
    object       what has the power of both, as in Spectrum; empty where it is not known
    shot_noise   from which of both it was subtracted, and from which not; empty where there is none, or it is not known
    beyond_nyquist   mask of the rows where a grid misses directions of k, shape (rows,); none by default
    beyond_force     likewise, where particles feel too weak forces
    beyond_velocity  likewise, where the cells of a wave do not resolve its velocities: all rows of an epoch
    Features, comparisons and fits use none of the rows in these masks.
    Arrays are copied, and read-only. Raises InputError for values that are no boost.
    """

    k: NDArray = field(converter=read_only)
    boost: NDArray = field(converter=read_only)
    numerator: str
    denominator: str
    error: NDArray | None = field(default=None, converter=optional(read_only))
    redshift: float | None = None
    m22: float | None = None
    source: str = ""
    beyond_nyquist: NDArray = field(default=_NO_ROWS, converter=_read_only_mask)
    object: str = ""
    beyond_force: NDArray = field(default=_NO_ROWS, converter=_read_only_mask)
    beyond_velocity: NDArray = field(default=_NO_ROWS, converter=_read_only_mask)
    shot_noise: str = ""

    def __attrs_post_init__(self) -> None:
        check_name("numerator", self.numerator)
        check_name("denominator", self.denominator)
        if self.numerator == self.denominator:
            raise InputError(f"numerator = denominator = {self.numerator}: must be two different names")
        check_line(f"{self.name}: source", self.source)
        check_line(f"{self.name}: object", self.object)
        check_line(f"{self.name}: shot_noise", self.shot_noise)
        check_epoch(self.name, self.redshift, self.m22)
        check_wavenumbers(self.name, self.k)
        check_rows(self.name, self.k, "boost", self.boost, self.boost >= 0, "finite and not negative")
        if self.error is not None:
            check_rows(self.name, self.k, "error", self.error, self.error >= 0, "finite and not negative")
        for mask in LIMITS:
            shape = getattr(self, mask).shape
            if shape != self.k.shape:
                raise InputError(f"{self.name}: {mask} of shape {shape}: must be that of k, {self.k.shape}")

    @property
    def good(self) -> NDArray:
        """Mask of the rows that are beyond no limit."""
        return ~(self.beyond_nyquist | self.beyond_force | self.beyond_velocity)

    @property
    def limits(self) -> str:
        """What the other rows are, in words; empty where all rows are good."""
        return " or ".join(words for mask, words in LIMITS.items() if getattr(self, mask).any())

    @property
    def name(self) -> str:
        """Numerator/denominator."""
        return f"{self.numerator}/{self.denominator}"

    @property
    def label(self) -> str:
        """The name, with the object, m22 and the redshift where they are known."""
        of = f" of {self.object}" if self.object else ""
        m22 = "" if self.m22 is None else f", m22 = {self.m22:g}"
        redshift = "" if self.redshift is None else f", z = {self.redshift:g}"
        return f"{self.name}{of}{m22}{redshift}"


@np.errstate(over="ignore", invalid="ignore")  # Boost refuses and names what is then not finite
def boost_of(numerator: Spectrum, denominator: Spectrum, allow: Sequence[str] = ()) -> Boost:
    """The ratio of two spectra at common wavenumbers.

    Two measured ones: over common bins, the denominator shifted along its slope to the mean k of the numerator's bins.
    A measured one and theory: theory at the k of the measured one. Two theories: at the k of the numerator.
    Rows out of the range of a theory, or with no power above round-off or shot noise, are left out, which is logged.

    allow  which of ALLOWED may differ between the halves
    Raises InputError where they differ and are not allowed to, for different units, and where no row is left.
    """
    check_halves(numerator, denominator, allow)
    above, below = _at_common_wavenumbers(numerator, denominator)
    if below.floor == 0 and not below.scatters:
        check_rows(f"{below.of} in the denominator", below.k, "power", below.power, below.power > 0, "positive")
    rows = below.above_floor & (above.above_floor | ((above.floor == 0) & (above.power == 0)))
    if not rows.any():
        raise InputError(f"{numerator.of}/{denominator.of}: no k where both have power above round-off")
    log_left_out(numerator, denominator, rows, "the power is round-off, or not above shot noise")
    above, below = above.rows(rows), below.rows(rows)
    ratio = above.power / below.power
    nyquist = min((half.nyquist for half in (above, below) if half.nyquist is not None), default=np.inf)
    return Boost(
        above.k,
        ratio,
        numerator.of,
        denominator.of,
        error=_error_of_ratio(above, below, ratio),
        redshift=denominator.redshift if numerator.redshift is None else numerator.redshift,
        m22=denominator.m22 if numerator.m22 is None else numerator.m22,
        source=" over ".join(dict.fromkeys(half.source for half in (numerator, denominator) if half.source)),
        beyond_nyquist=above.k > nyquist * (1 + SAME),
        object=numerator.object or denominator.object,
        shot_noise=", ".join(
            f"{half.shot_noise} from {half.of}" for half in (numerator, denominator) if half.shot_noise
        ),
    )


def require_allowed(allow: Sequence[str]) -> None:
    """InputError for a name that is none of ALLOWED."""
    for name in allow:
        if name not in ALLOWED:
            raise InputError(f"allow = {name}: must be one of {', '.join(ALLOWED)}")


def check_halves(numerator: Spectrum, denominator: Spectrum, allow: Sequence[str] = ()) -> None:
    """InputError for two spectra that make no ratio: of different units, objects, boxes, redshifts or boson masses.

    allow  which of ALLOWED may differ
    """
    require_allowed(allow)
    if numerator.units != denominator.units:
        raise InputError(
            f"power of {numerator.of} in {numerator.units}, of {denominator.of} in {denominator.units}: "
            "must be in the same units"
        )
    if not same_object(numerator, denominator) and "object" not in allow:
        raise InputError(
            f"{numerator.of} is of {numerator.object}, {denominator.of} of {denominator.object}: "
            "must be the same in both halves of a ratio, or be allowed to differ: --allow object (in Python allow)"
        )
    for name, tolerance in DIFFERENCES.items():
        values = [getattr(half, name) for half in (numerator, denominator)]
        if None in values or name in allow:
            continue
        first, second = (np.asarray(value, float) + (name == "redshift") for value in values)
        if not np.allclose(first, second, rtol=tolerance, atol=0):
            texts = [", ".join(f"{number:g}" for number in np.atleast_1d(value)) for value in values]
            raise InputError(
                f"{name} = {texts[0]} of {numerator.of} and {texts[1]} of {denominator.of}: "
                f"must be the same in both halves of a ratio, or be allowed to differ: --allow {name} (in Python allow)"
            )


def same_object(first: "Spectrum | Boost", second: "Spectrum | Boost") -> bool:
    """Whether both are of the same object, or one of the objects is not known."""
    return not (first.object and second.object) or first.object == second.object


def log_left_out(numerator: Spectrum, denominator: Spectrum, rows: NDArray, reason: str) -> None:
    """Log how many rows of a ratio are left out, and why; rows  the mask of the others."""
    number = len(rows) - np.count_nonzero(rows)
    if number:
        log.info("%s/%s: %d rows are left out, where %s", numerator.of, denominator.of, number, reason)


def _at_common_wavenumbers(numerator: Spectrum, denominator: Spectrum) -> tuple[Spectrum, Spectrum]:
    """Both at the same k."""
    if numerator.modes is not None and denominator.modes is not None:
        above, below = common_bins(numerator, denominator)
        return above, _shifted(below, above.k)
    if np.array_equal(numerator.k, denominator.k):
        return numerator, denominator
    numerator_is_theory = numerator.modes is None and denominator.modes is not None
    theory, fixed = (numerator, denominator) if numerator_is_theory else (denominator, numerator)
    rows = theory.covers(fixed.k)
    if not rows.any():
        raise InputError(
            f"no k in common: {numerator.of} has {numerator.k[0]:g} to {numerator.k[-1]:g} h/Mpc, "
            f"{denominator.of} has {denominator.k[0]:g} to {denominator.k[-1]:g} h/Mpc"
        )
    log_left_out(numerator, denominator, rows, f"{theory.of} is not known")
    fixed = fixed.rows(rows)
    theory = theory.at(fixed.k)
    return (theory, fixed) if numerator_is_theory else (fixed, theory)


def _shifted(spectrum: Spectrum, k: NDArray) -> Spectrum:
    """A binned spectrum at mean wavenumbers close to its own, along its slope in ln k."""
    steps = np.log(k / spectrum.k)
    known = spectrum.above_floor
    deviation = spectrum.deviation
    if deviation is None or np.all(np.abs(steps) < SAME) or np.count_nonzero(known) < 2:
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
        error=deviation * factor,
        floor=spectrum.floor,
        nyquist=spectrum.nyquist,
    )


def _error_of_ratio(above: Spectrum, below: Spectrum, ratio: NDArray) -> NDArray | None:
    """Relative errors added in quadrature; None where neither half has one."""
    halves = [(half.power, half.deviation) for half in (above, below) if half.deviation is not None]
    if not halves:
        return None
    squares = np.zeros(len(ratio))
    for power, deviation in halves:
        squares += (np.divide(deviation, power, out=np.zeros(len(ratio)), where=power > 0)) ** 2
    return ratio * np.sqrt(squares)
