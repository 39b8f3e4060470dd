"""A power spectrum with its units, its bins and what it is of.

A measured spectrum knows the number of modes in its bins, so that it can be averaged over wider bins (rebinning.py).
A spectrum without modes is theory: it holds at any k within its range, and is interpolated.
"""

import numpy as np
from attrs import evolve, field, frozen
from attrs.converters import optional
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from ..cosmology.curves import read_only
from ..errors import InputError
from ..io.shot_noise import SUBTRACTED
from ..io.spectral_units import COMOVING, NORMALISED
from ..values import brief
from .checks import check_epoch, check_line, check_name, check_rows, check_wavenumbers

SAME = 1e-9  # relative, by which equal wavenumbers may differ: amply round-off


@brief
@frozen(eq=False)
class Spectrum:
    """P(k) of a field, without the mode k = 0.

    k         mean wavenumber of the modes of a bin, comoving, increasing [h/Mpc], shape (bins,)
    power     mean over the modes [units], shape (bins,); negative only where modes and error are known: shot noise that
              was subtracted scatters
    of        the field, in a word or two: fdm, smooth, cdm, n-body ...
    units     COMOVING or NORMALISED
    modes     number of modes in each bin, k and -k both counted; None for theory
    error     standard deviation of power [units] where it is known better than from the modes, else None
    edges     lower and upper edge of each bin [h/Mpc], shape (2, bins); None where they are not known
    floor     power at and below which there is nothing but round-off [units]
    box_size  sides [cMpc/h];  nyquist [h/Mpc];  redshift;  m22 [1e-22 eV];  None where not known
    source    where the spectrum comes from, one line
    object    what has this power, where that is not all matter of a box: one filament of 5e+09 Msun/h, filaments of a
              window of masses; empty where it is not known
    shot_noise  of particles, subtracted or not subtracted; empty where there are none, or it is not known
    Arrays are copied, and read-only. Raises InputError for values that are no spectrum.
    """

    k: NDArray = field(converter=read_only)
    power: NDArray = field(converter=read_only)
    of: str
    units: str = COMOVING
    modes: NDArray | None = field(default=None, converter=optional(read_only))
    error: NDArray | None = field(default=None, converter=optional(read_only))
    edges: NDArray | None = field(default=None, converter=optional(read_only))
    floor: float = 0.0
    box_size: tuple[float, float, float] | None = None
    nyquist: float | None = None
    redshift: float | None = None
    m22: float | None = None
    source: str = ""
    object: str = ""
    shot_noise: str = ""

    def __attrs_post_init__(self) -> None:
        check_name("of", self.of)
        check_line(f"{self.of}: source", self.source)
        check_line(f"{self.of}: object", self.object)
        check_epoch(self.of, self.redshift, self.m22)
        if self.units not in (COMOVING, NORMALISED):
            raise InputError(f"{self.of}: units = {self.units}: must be {COMOVING} or {NORMALISED}")
        if self.shot_noise not in SUBTRACTED.values():
            known = " or ".join(filter(None, SUBTRACTED.values()))
            raise InputError(f"{self.of}: shot_noise = {self.shot_noise}: must be {known}, or empty")
        check_wavenumbers(self.of, self.k)
        allowed = "finite and not negative (leave shot noise in: --shot-noise)"
        check_rows(self.of, self.k, "power", self.power, (self.power >= 0) | self.scatters, allowed)
        if self.modes is not None:
            check_rows(self.of, self.k, "modes", self.modes, self.modes > 0, "positive")
        if self.error is not None:
            check_rows(self.of, self.k, "error", self.error, self.error >= 0, "finite and not negative")
        if self.edges is not None:
            good = self.edges.shape == (2, len(self.k)) and np.all(
                (self.edges[0] > 0) & (self.edges[0] < self.edges[1])
            )
            if not good:
                raise InputError(f"{self.of}: edges: must be a positive lower and a larger upper edge for every bin")

    @property
    def deviation(self) -> NDArray | None:
        """Standard deviation of power [units]: `error`, or sqrt(2/modes) power, or None for theory.

        A real field has modes/2 independent modes, each with a scatter of 100 % if the field is Gaussian; filaments
        can scatter more.
        """
        if self.error is not None or self.modes is None:
            return self.error
        return np.sqrt(2 / self.modes) * self.power

    @property
    def bin_edges(self) -> NDArray:
        """Edges of the bins [h/Mpc], shape (2, bins): halfway between neighbours where they are not known."""
        if self.edges is not None:
            return self.edges
        if len(self.k) < 2:
            raise InputError(f"{self.of}: must have two or more bins where their edges are not known")
        between = (self.k[1:] + self.k[:-1]) / 2
        first, last = max(1.5 * self.k[0] - 0.5 * self.k[1], self.k[0] / 2), 1.5 * self.k[-1] - 0.5 * self.k[-2]
        return np.array([[first, *between], [*between, last]])

    @property
    def scatters(self) -> bool:
        """Whether it was measured with a known error, and may be below zero."""
        return self.modes is not None and self.error is not None

    @property
    def above_floor(self) -> NDArray:
        """Mask of the bins whose power is above round-off, shape (bins,)."""
        return self.power > self.floor

    def rows(self, chosen: NDArray | slice) -> "Spectrum":
        """The spectrum of some bins; chosen is a mask or a slice."""
        return evolve(
            self,
            k=self.k[chosen],
            power=self.power[chosen],
            modes=None if self.modes is None else self.modes[chosen],
            error=None if self.error is None else self.error[chosen],
            edges=None if self.edges is None else self.edges[:, chosen],
        )

    def at(self, k: ArrayLike) -> "Spectrum":
        """Theory at other wavenumbers [h/Mpc]: ln P is a cubic spline in ln k.

        Raises InputError for wavenumbers out of its range, and for fewer than two rows above round-off.
        """
        known = self.above_floor
        if np.count_nonzero(known) < 2:
            raise InputError(f"{self.of}: must have two or more rows above round-off to be interpolated")
        k = np.asarray(k, float)
        low, high = self.k[known][[0, -1]]
        for value in k[~self.covers(k)][:1]:
            raise InputError(f"{self.of}: k = {value:g} h/Mpc: must be in [{low:g}, {high:g}], where it is known")
        log_k = np.log(self.k[known])
        power = np.exp(CubicSpline(log_k, np.log(self.power[known]))(np.log(k)))
        error = None
        if self.error is not None:
            error = power * np.interp(np.log(k), log_k, self.error[known] / self.power[known])
        return evolve(self, k=k, power=power, error=error, edges=None)

    def covers(self, k: NDArray) -> NDArray:
        """Mask of the wavenumbers [h/Mpc] that are in the range of a theory."""
        known = self.k[self.above_floor]
        if not len(known):
            return np.zeros(len(k), bool)
        return (k >= known[0] * (1 - SAME)) & (k <= known[-1] * (1 + SAME))
