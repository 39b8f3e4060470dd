"""psi in slices along a filament: over what length they are alike, and how they move and lie as a whole.

    C(d) = sum psi*(z) psi(z + d) / sum |psi|^2

The number of independent slices follows from |C|^2, the correlation of |a|^2 where amplitudes are Gaussian. Slices are
taken as independent 1.3 times as far apart as |C| takes to fall to a tenth: a Gaussian C is then 2 %. A parabola along
the axis through the slices' mean momenta, or centres, is what moves or lies beside it as a whole, where that is larger
than chance makes it.
"""

from math import ceil

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.ndimage import shift

_FALLEN = 0.1  # |C|
_APART = 1.3  # times that distance
_LEAST_FOR_MEAN, _LEAST_FOR_PARABOLA = 4, 12  # independent slices
SIGNIFICANT = 3.0  # times what chance makes


@frozen(eq=False)
class Correlation:
    """How alike slices are.

    value      C at distances of 0, 1, ... steps, shape (slices,), complex
    step       between slices [L]
    """

    value: NDArray
    step: float

    @classmethod
    def of(cls, psi: NDArray, step: float) -> "Correlation":
        """Of slices psi, shape (..., slices)."""
        count = psi.shape[-1]
        rows = psi.reshape(-1, count)
        power = np.zeros(2 * count)
        for first in range(0, len(rows), 4096):  # for memory
            power += np.sum(np.abs(np.fft.fft(rows[first : first + 4096], 2 * count)) ** 2, axis=0)
        value = np.fft.ifft(power)[:count] / (count - np.arange(count))
        return cls(value / value[0].real, step)

    @property
    def momentum(self) -> float:
        """Along the axis, of all slices together [1/L]: the phase of C after one step."""
        return float(np.angle(self.value[1])) / self.step if len(self.value) > 1 else 0.0

    @property
    def effective(self) -> float:
        """Number of independent values of |a|^2 that have the scatter of the mean over all slices."""
        count, size = len(self.value), np.abs(self.value)
        distance = np.arange(1, self._fallen)
        return float(count / (1 + 2 * np.sum((1 - distance / count) * size[1 : self._fallen] ** 2)))

    @property
    def length(self) -> float:
        """Length of the axis for each of these [L]."""
        return len(self.value) * self.step / self.effective

    @property
    def spacing(self) -> int:
        """Steps between slices that are independent; all of them where C does not fall so far."""
        return min(ceil(_APART * self._fallen), len(self.value))

    @property
    def independent(self) -> int:
        """Number of slices that far apart."""
        return ceil((len(self.value) - self.spacing // 2) / self.spacing)

    @property
    def _fallen(self) -> int:
        """Steps at which |C| has fallen to a tenth."""
        fallen = np.flatnonzero(np.abs(self.value) < _FALLEN)
        return int(fallen[0]) if len(fallen) else len(self.value)


def mean_momenta(psi: NDArray, sides: tuple[float, float]) -> NDArray:
    """Mean momentum of every slice along u and v, under Hann windows, shape (slices, 2) [1/L].

    psi  shape (u, v, slices);  sides  of the lattice across [L]
    """
    windows = [np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in psi.shape[:2]]
    windowed = psi * (windows[0][:, None] * windows[1])[:, :, None]
    means = []
    for axis, side in enumerate(sides):
        share = np.sum(np.abs(np.fft.fft(windowed, axis=axis)) ** 2, axis=1 - axis)
        k = 2 * np.pi * np.fft.fftfreq(psi.shape[axis], side / psi.shape[axis])
        means.append(k @ share / share.sum(axis=0))
    return np.stack(means, axis=-1)


def drift(values: NDArray, effective: float, least: float = SIGNIFICANT) -> NDArray | None:
    """The curve through values of slices that chance does not make, shape (slices, values); None where there is none.

    values     shape (slices, values), NaN where one is not known
    effective  number of independent slices: below 4 nothing is known, below 12 the curve is their mean
    least      its rms over what chance makes
    """
    known = np.isfinite(values).all(axis=1)
    if effective < _LEAST_FOR_MEAN or np.count_nonzero(known) < _LEAST_FOR_MEAN:
        return None
    degree = 2 if effective >= _LEAST_FOR_PARABOLA else 0
    z = np.linspace(-1, 1, len(values))
    fit = np.polynomial.polynomial.polyfit(z[known], values[known], degree)
    curve = np.polynomial.polynomial.polyval(z, fit).T
    scatter = np.mean(np.sum((values - curve)[known] ** 2, axis=1))
    by_chance = scatter * (degree + 1) / effective
    return curve if np.mean(np.sum(curve**2, axis=1)) > least**2 * by_chance else None


def at_rest(psi: NDArray, sides: tuple[float, float], momentum: NDArray | None, centre: NDArray | None) -> NDArray:
    """psi of slices around their centres, in the frames in which they rest; shape (u, v, slices).

    momentum  shape (slices, 2) [1/L];  centre  the same [L]; None for none
    """
    lines = [((np.arange(n) + 0.5) / n - 0.5) * side for n, side in zip(psi.shape[:2], sides, strict=True)]
    if momentum is not None:
        phases = [np.exp(-1j * np.outer(line, momentum[:, i])) for i, line in enumerate(lines)]
        psi = psi * phases[0][:, None] * phases[1][None, :]
    if centre is not None:
        steps = centre / (np.array(sides) / psi.shape[:2])
        slices = [shift(psi[:, :, n], -steps[n], order=5, mode="nearest") for n in range(psi.shape[2])]
        psi = np.stack(slices, axis=-1)
    return psi
