"""The spread of momentum of psi at every place of a periodic box, along axes of its own: is there any along a filament?

The density and the flux of momentum of a wave, averaged under a Gaussian window over several fringes,

    rho = <|psi|^2>,   j_i = <Im(psi* d_i psi)>,   P_ij = <Re(d_i psi* d_j psi)>,   S_ij = P_ij/rho - j_i j_j/rho^2,

make the covariance S of its momenta: of many waves with momenta q it is their covariance, plus what the gradient of
their envelope has. The same as a phase-space density smoothed in both (Husimi), without the spectrum's own width. The
axis of a filament is that of the smallest curvature of the density under a window twice as wide: the eigenvector whose
eigenvalue of its Hessian is the largest, where the other two are clearly negative.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from ..quantities import ANY, takes
from ..values import brief
from .box import Box


@brief
@dataclass(frozen=True, eq=False)
class MomentumSpread:
    """Spread of momentum in the cells that belong to filaments, one value a cell.

    weight         smoothed density over the mean, shape (cells,)
    along, across  variance of momentum along the axis, and along one direction across it, [1/length^2 of the box]
    mass_fraction  share of all the mass in these cells
    """

    weight: NDArray
    along: NDArray
    across: NDArray
    mass_fraction: float

    @property
    def ratio(self) -> float:
        """Variance along the axis over that across it, both weighted with mass: 0 coherent, 1 isotropic."""
        return float(np.sum(self.weight * self.along) / np.sum(self.weight * self.across))


@takes(psi=ANY, width="cMpc/h")
def momentum_spread(
    psi: NDArray, box: Box, width: float, overdensity: float = 10.0, anisotropy: float = 0.3
) -> MomentumSpread:
    """Spread of momentum along and across the filaments of a box.

    psi         complex, of the shape of the box's cells, any unit;  width  dispersion of the window [unit of the box]
    overdensity  least smoothed density of a cell over the mean
    anisotropy  of the Hessian of the smoothed density: its largest eigenvalue is at most this share, in size, of the
                middle one, which is negative
    Raises ValueError for a psi of another shape, or where no cell belongs to a filament.
    """
    if psi.shape != tuple(box.cells):
        raise ValueError(f"psi has shape {psi.shape}: must be {tuple(box.cells)}")
    wave = [2 * np.pi * fft.fftfreq(n, s / n) for n, s in zip(box.cells, box.size, strict=True)]
    k = [axis.reshape([-1 if i == j else 1 for j in range(3)]) for i, axis in enumerate(wave)]
    window = np.exp(-0.5 * width**2 * (k[0] ** 2 + k[1] ** 2 + k[2] ** 2))[..., : box.cells[2] // 2 + 1]
    real = [k[0], k[1], k[2][..., : box.cells[2] // 2 + 1]]

    def smooth(values: NDArray) -> NDArray:
        return fft.irfftn(fft.rfftn(values) * window, s=values.shape)

    spectrum = fft.fftn(psi)
    slope = [fft.ifftn(1j * axis * spectrum) for axis in k]
    density = smooth(np.abs(psi) ** 2)
    # the window once more, and in all twice as wide: granules that the first leaves have axes of their own
    modes = fft.rfftn(density) * window**3
    hessian = _symmetric(lambda i, j: -fft.irfftn(real[i] * real[j] * modes, s=psi.shape))
    mean = float(density.mean())
    dense = density > overdensity * mean
    values, vectors = np.linalg.eigh(hessian[dense])
    chosen = (values[:, 1] < 0) & (np.abs(values[:, 2]) < anisotropy * np.abs(values[:, 1]))
    if not chosen.any():
        raise ValueError(f"no cell denser than {overdensity:g} means belongs to a filament")
    flux = [smooth((np.conj(psi) * part).imag)[dense][chosen] for part in slope]
    pressure = _symmetric(lambda i, j: smooth((np.conj(slope[i]) * slope[j]).real)[dense][chosen])
    weight = density[dense][chosen]
    flow = np.stack(flux, axis=-1) / weight[:, None]
    spread = pressure / weight[:, None, None] - flow[:, :, None] * flow[:, None, :]
    axis = vectors[chosen][:, :, 2]
    along = np.einsum("ni,nij,nj->n", axis, spread, axis)
    across = (np.trace(spread, axis1=1, axis2=2) - along) / 2
    return MomentumSpread(weight / mean, along, across, float(weight.sum() / density.sum()))


def _symmetric(part: Callable[[int, int], NDArray]) -> NDArray:
    """A field of symmetric matrices from its parts (i, j), shape (..., 3, 3)."""
    parts = {(i, j): part(i, j) for i in range(3) for j in range(i, 3)}
    return np.stack([np.stack([parts[min(i, j), max(i, j)] for j in range(3)], axis=-1) for i in range(3)], axis=-2)
