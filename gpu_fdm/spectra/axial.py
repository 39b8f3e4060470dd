"""The power of a filament along its axis: the window of its soft ends, coherent or of thermal plane waves.

    coherent   A(k) = W(k)^2/L^2 = [sin(kL/2) / (kL/2)]^2 exp(-k^2/(2 s^2))                   soft ends of sharpness s
    thermal    A(k) = 1/L^2 int dp C(p) W(k - p)^2 = 2/L^2 int_0^inf dz cos(kz) R(z) exp(-(D z)^2)

with D = a sigma_z the dispersion of the momenta, C = int g(q) g(q + p) dq the Gaussian of their differences, whose
transform is exp(-(D z)^2), and R that of W^2, the autocorrelation of the ends: a triangle smoothed by a Gaussian of
dispersion 1/s, R(z) = T(z + L) + T(z - L) - 2 T(z) with T'' = that Gaussian. Both have int A L dk/(2 pi) = R(0)/L, and
far from the ends thermal A -> (2 pi/L) exp(-k^2/(4 D^2)) / (2 sqrt(pi) D).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf

from ..quadrature import gauss_legendre

WINDOW_END = 8.6  # dispersions of A(k): its power has fallen by exp(-37) there
_CORRELATION_END = 6.2  # over D: exp(-(D z)^2) has fallen to 2e-17
_SHARPEST = 200.0  # over 1/length: where R bends faster than that, nodes are dense or exp(-(D z)^2) is small
_CHUNK = 1 << 22  # cosines in memory at a time


@dataclass(frozen=True)
class AxialWindow:
    """The soft ends of a filament, and the momenta along its axis; lengths and wavenumbers in any one unit.

    length      of the filament;  sharpness  of its ends;  dispersion  D of the momenta, 0 for a coherent filament
    """

    length: float
    sharpness: float
    dispersion: float = 0.0

    @property
    def reach(self) -> float:
        """Wavenumber beyond which there is no power."""
        return WINDOW_END * float(np.hypot(self.sharpness, np.sqrt(2) * self.dispersion))

    @property
    def correlated(self) -> float:
        """Length over which it is correlated: as a function of k it has no larger frequency."""
        ends = self.length + WINDOW_END / self.sharpness
        return min(ends, _CORRELATION_END / self.dispersion) if self.dispersion else self.length

    def power(self, k: ArrayLike) -> NDArray:
        """A(k), one at k = 0 for a coherent filament, shape of k."""
        k = np.asarray(k, float)
        if not self.dispersion:
            return np.sinc(k * self.length / (2 * np.pi)) ** 2 * np.exp(-(k**2) / (2 * self.sharpness**2))
        # half as many nodes as radians of the cosine and of R integrate both to round-off
        largest = min(float(np.max(np.abs(k))), self.reach) + WINDOW_END * min(self.sharpness, _SHARPEST / self.length)
        x, w = gauss_legendre(int(0.5 * largest * self.correlated) + 40)
        z = self.correlated * (1 + x) / 2
        weight = self.correlated * w * self.autocorrelation(z) * np.exp(-((self.dispersion * z) ** 2))
        parts = np.array_split(np.minimum(np.abs(k), self.reach).ravel(), max(1, k.size * len(z) // _CHUNK))
        power = np.concatenate([np.cos(part[:, None] * z) @ weight for part in parts]).reshape(k.shape)
        return np.where(np.abs(k) <= self.reach, power, 0.0)

    def autocorrelation(self, z: NDArray) -> NDArray:
        """R(z) over length^2, shape of z."""

        def smoothed(x: NDArray) -> NDArray:
            gaussian = np.exp(-0.5 * (x * self.sharpness) ** 2) / (np.sqrt(2 * np.pi) * self.sharpness)
            return 0.5 * x * erf(x * self.sharpness / np.sqrt(2)) + gaussian

        shape: NDArray = smoothed(z + self.length) + smoothed(z - self.length) - 2 * smoothed(z)
        return shape / self.length**2
