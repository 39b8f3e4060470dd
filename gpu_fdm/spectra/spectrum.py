"""Power spectra that know what they are of, from grids and result files, and how two are brought to the same k.

A measured spectrum knows the modes of its bins, and two of them are averaged over common, coarser bins. One without
modes is theory, known at any k within its range, and interpolated.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy.interpolate import CubicSpline

from ..errors import InputError

COMOVING = "(Mpc/h)^3"
NORMALISED = "1"  # over the mass squared, or the line mass squared in the plane across a filament
_FLAT = 1e-6  # slopes of an integral over ln k that are taken for it: the same to 1e-5
SAME = 1e-9  # relative, by which equal wavenumbers may differ: amply round-off


@dataclass(frozen=True, eq=False)
class Spectrum:
    """P(k) of something; the mode k = 0 is not in it.

    k         mean wavenumber of the modes of a bin, comoving, increasing [h/Mpc], shape (bins,)
    power     mean over the modes [units], shape (bins,)
    of        what it is of, in a word or two: fdm, smooth, cdm, n-body ...
    units     COMOVING or NORMALISED
    modes     number of modes in each bin, k and -k both counted; None for theory
    error     standard deviation of power [units] where it is known better than from the modes, else None
    edges     lower and upper edge of each bin [h/Mpc], shape (2, bins); None where they are not known
    floor     power at and below which there is nothing but round-off [units]
    box_size  sides [cMpc/h];  nyquist [h/Mpc];  redshift;  m22 [1e-22 eV];  each None where there is none
    source    where it comes from
    Arrays are copied, and read-only. Raises InputError for values that are no spectrum.
    """

    k: np.ndarray
    power: np.ndarray
    of: str
    units: str = COMOVING
    modes: np.ndarray | None = None
    error: np.ndarray | None = None
    edges: np.ndarray | None = None
    floor: float = 0.0
    box_size: tuple[float, float, float] | None = None
    nyquist: float | None = None
    redshift: float | None = None
    m22: float | None = None
    source: str = ""

    def __post_init__(self):
        check_name("of", self.of)
        check_line(f"{self.of}: source", self.source)
        check_epoch(self.of, self.redshift, self.m22)
        if self.units not in (COMOVING, NORMALISED):
            raise InputError(f"{self.of}: units = {self.units}: must be {COMOVING} or {NORMALISED}")
        for name in ("k", "power", "modes", "error", "edges"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, read_only(getattr(self, name)))
        check_wavenumbers(self.of, self.k)
        check_rows(
            self.of,
            self.k,
            "power",
            self.power,
            self.power >= 0,
            "finite and not negative (leave shot noise in: --shot-noise)",
        )
        if self.modes is not None:
            check_rows(self.of, self.k, "modes", self.modes, self.modes > 0, "positive")
        if self.error is not None:
            check_rows(self.of, self.k, "error", self.error, self.error >= 0, "finite and not negative")
        if self.edges is not None:
            good = self.edges.shape == (2, len(self.k)) and np.all(
                (self.edges[0] > 0) & (self.edges[0] < self.edges[1])
            )
            if not good:
                raise InputError(f"{self.of}: edges: must be a positive lower and an upper one of each of the bins")

    @property
    def deviation(self) -> np.ndarray | None:
        """Standard deviation of power [units]: `error`, or sqrt(2/modes) power, or None for theory.

        A real field has modes/2 independent modes, each with a scatter of 100 % if the field is Gaussian; filaments
        can scatter more.
        """
        if self.error is not None or self.modes is None:
            return self.error
        return np.sqrt(2 / self.modes) * self.power

    def rows(self, chosen) -> "Spectrum":
        """The spectrum of some bins; chosen is a mask or a slice."""
        arrays = {name: getattr(self, name) for name in ("modes", "error")}
        arrays = {name: None if values is None else values[chosen] for name, values in arrays.items()}
        edges = None if self.edges is None else self.edges[:, chosen]
        return replace(self, k=self.k[chosen], power=self.power[chosen], edges=edges, **arrays)

    def at(self, k) -> "Spectrum":
        """Theory at other wavenumbers [h/Mpc], which must be in its range: ln P a cubic spline in ln k."""
        known = self.power > self.floor
        if np.count_nonzero(known) < 2:
            raise InputError(f"{self.of}: must have two or more rows above round-off to be interpolated")
        k = np.asarray(k, float)
        low, high = self.k[known][[0, -1]]
        outside = (k < low * (1 - SAME)) | (k > high * (1 + SAME))
        for value in k[outside][:1]:
            raise InputError(f"{self.of}: k = {value:g} h/Mpc: must be in [{low:g}, {high:g}], where it is known")
        log_k = np.log(self.k[known])
        power = np.exp(CubicSpline(log_k, np.log(self.power[known]))(np.log(k)))
        error = None
        if self.error is not None:
            error = power * np.interp(np.log(k), log_k, self.error[known] / self.power[known])
        return replace(self, k=k, power=power, error=error, edges=None)

    def covers(self, k) -> np.ndarray:
        """Which of the wavenumbers [h/Mpc] are in the range of a theory; a mask."""
        known = self.k[self.power > self.floor]
        if not len(known):
            return np.zeros(len(k), bool)
        return (k >= known[0] * (1 - SAME)) & (k <= known[-1] * (1 + SAME))

    def rebinned(self, edges) -> "Spectrum":
        """Averages over wider bins, weighted with the numbers of modes; edges [h/Mpc], shape (wider bins + 1,).

        A bin on both sides of an edge is shared out: its modes as its volume in k space, its power along its slope.
        A wider bin without modes is left out. Raises InputError for theory, which has none.
        """
        modes, deviation = self.modes, self.deviation
        if modes is None or deviation is None:
            raise InputError(f"{self.of}: modes: must be known for bins to be made wider")
        low, high = self.bin_edges
        slope, variance = self._slopes(), (modes * deviation) ** 2
        found = []
        for left, right in pairwise(edges):
            bins = slice(np.searchsorted(high, left, "right"), np.searchsorted(low, right, "left"))
            inside = low[bins], high[bins], np.maximum(low[bins], left), np.minimum(high[bins], right)
            share = _share(*inside, 0.0)
            total = np.sum(share * modes[bins])
            if total > 0:
                k = np.sum(_share(*inside, 1.0) * (modes * self.k)[bins]) / total
                power = np.sum(_share(*inside, slope[bins]) * (modes * self.power)[bins]) / total
                # the variances of the parts of a bin add up to its own
                error = np.sqrt(np.sum(share * variance[bins])) / total
                found.append((k, power, total, error, left, right))
        if not found:
            raise InputError(f"{self.of}: no modes between {edges[0]:g} and {edges[-1]:g} h/Mpc")
        k, power, modes, error, left, right = np.array(found).T
        return replace(self, k=k, power=power, modes=modes, error=error, edges=np.array([left, right]))

    def _slopes(self):
        """d ln P/d ln k in every bin; 0 where the power is round-off."""
        known = self.power > self.floor
        slopes = np.zeros(len(self.k))
        if np.count_nonzero(known) > 1:
            log_k = np.log(self.k[known])
            slopes[known] = np.gradient(np.log(self.power[known]), log_k)
        return slopes

    @property
    def bin_edges(self) -> np.ndarray:
        """Edges of the bins [h/Mpc], shape (2, bins): halfway between neighbours where they are not known."""
        if self.edges is not None:
            return self.edges
        if len(self.k) < 2:
            raise InputError(f"{self.of}: must have two or more bins where their edges are not known")
        between = (self.k[1:] + self.k[:-1]) / 2
        first, last = max(1.5 * self.k[0] - 0.5 * self.k[1], self.k[0] / 2), 1.5 * self.k[-1] - 0.5 * self.k[-2]
        return np.array([[first, *between], [*between, last]])


def common_bins(first: Spectrum, second: Spectrum) -> tuple[Spectrum, Spectrum]:
    """Two measured spectra over the finest common bins, each as wide as those of both or wider.

    A common edge is where both have come to the end of a bin, or the later of the two ends: bins are then shared out,
    see Spectrum.rebinned. The lowest bin, whose few modes do not fill it, is never shared out: if the lowest bins do
    not begin together, the common ones begin where both have ended. Equal bins are left as they are.
    Raises InputError where they have no k in common.
    """
    edges = first.bin_edges, second.bin_edges
    if edges[0].shape == edges[1].shape and np.allclose(*edges, rtol=SAME, atol=0):
        return first, second
    begins, ends = [low[0] for low, _ in edges], [high[0] for _, high in edges]
    together = max(begins) <= min(begins) * (1 + SAME)
    common = [float(max(begins) if together else max(ends))]
    while True:
        ends = [high[high > common[-1] * (1 + SAME)][:1] for _, high in edges]
        if not all(len(end) for end in ends):
            break
        common.append(float(max(end[0] for end in ends)))
    if len(common) < 2:
        ranges = [
            f"{each.of} has {low[0]:g} to {high[-1]:g} h/Mpc"
            for each, (low, high) in zip((first, second), edges, strict=True)
        ]
        raise InputError(f"no k in common: {', '.join(ranges)}")
    return _with_modes_of_both(first.rebinned(common), second.rebinned(common))


def _with_modes_of_both(first, second):
    """Bins that are in both."""
    low = first.edges[0], second.edges[0]
    return first.rows(np.isin(low[0], low[1])), second.rows(np.isin(low[1], low[0]))


def _share(low, high, begin, end, slope):
    """Integral of k^slope over begin..end in k space, over that over the bin low..high; slivers are round-off."""
    part, whole = (end / low, begin / low), high / low
    volume = (part[0] ** 3 - part[1] ** 3) / (whole**3 - 1)
    power = slope + 3
    power = np.where(np.abs(power) < _FLAT, _FLAT, power)  # k^0 for ln k: round-off is the same
    share = (part[0] ** power - part[1] ** power) / (whole**power - 1)
    return np.where(volume > 1 - SAME, 1.0, np.where(volume > SAME, share, 0.0))


def read_only(values) -> np.ndarray:
    """A copy as floating-point numbers that cannot be changed."""
    copy = np.array(values, float)
    copy.setflags(write=False)
    return copy


def check_name(what: str, name: str):
    """InputError for a name that could not stand in a table's header or in "a/b"."""
    good = isinstance(name, str) and name.strip() and name == name.strip() and "/" not in name and name.isprintable()
    if not good:
        raise InputError(f"{what} = {name!r}: must be a short name in one line, without /")


def check_line(what: str, text: str):
    """InputError for text that could not stand in a line of a table's header."""
    if text != text.strip() or "\n" in text or "\r" in text:
        raise InputError(f"{what} = {text!r}: must be one line, without blanks at its ends")


def check_epoch(of: str, redshift: float | None, m22: float | None):
    """InputError for a redshift that is not above -1, and for a boson mass [1e-22 eV] that is not positive."""
    if redshift is not None and not -1 < redshift < np.inf:
        raise InputError(f"{of}: redshift = {redshift:g}: must be above -1, and finite")
    if m22 is not None and not 0 < m22 < np.inf:
        raise InputError(f"{of}: m22 = {m22:g}: must be positive, and finite")


def check_wavenumbers(of: str, k):
    """InputError unless k is a list of positive, increasing numbers [h/Mpc]."""
    if k.ndim != 1 or len(k) == 0:
        raise InputError(f"{of}: k of shape {k.shape}: must be a list of one or more")
    for value in k[~((k > 0) & np.isfinite(k))][:1]:
        raise InputError(f"{of}: k = {value:g} h/Mpc: must be positive and finite")
    for row in np.flatnonzero(np.diff(k) <= 0)[:1]:
        raise InputError(f"{of}: k = {k[row + 1]:g} h/Mpc after {k[row]:g}: must increase")


def check_rows(of: str, k, name: str, values, good, allowed: str):
    """InputError for the first of the values that is not finite or not good, naming its k."""
    if values.shape != k.shape:
        raise InputError(f"{of}: {name} of shape {values.shape}: must be that of k, {k.shape}")
    for row in np.flatnonzero(~(good & np.isfinite(values)))[:1]:
        raise InputError(f"{of}: {name} = {values[row]:g} at k = {k[row]:g} h/Mpc: must be {allowed}")
