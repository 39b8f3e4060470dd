"""Points on the ridges of a density that is smoothed by a Gaussian, each with its direction and line mass.

With the gradient g and the Hessian of the smoothed density, its eigenvalues l1 <= l2 < l3 and eigenvectors e1, e2, e3,
the ridge near a cell centre is at

    x = -e1 (e1 . g)/l1 - e2 (e2 . g)/l2

from it (Steger 1998, IEEE Trans. Pattern Anal. Mach. Intell. 20, 113), and the cell holds a point of the ridge if x is
inside it. The ridge goes along e3, which is little curved where |l3| << |l2|. A Gaussian cross-section of peak rho has
the line mass 2 pi rho^2/sqrt(l1 l2), whatever was smoothed. Derivatives are taken in Fourier space, over ranks.
"""

from collections.abc import Sequence

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..errors import UnfitError
from ..fields.box import Box
from ..parallel.domain import Domain, domain_of
from ..parallel.fft import Transform, inverse, transform

_FLAT = 0.5  # largest |l3|/|l2| of a ridge
_ROUND = 0.1  # least l2/l1: below it is a wall
_INSIDE = 0.55  # cells: half a cell, and a little more, so that no point falls between two cells


@frozen(eq=False)
class RidgePoints:
    """Points on ridges.

    position   shape (points, 3), in the box [cMpc/h];  direction  unit vectors of either sign, shape (points, 3)
    density    smoothed, over the mean of the box, shape (points,)
    line_mass  of a Gaussian cross-section [mean densities of the box (cMpc/h)^2], shape (points,)
    """

    position: NDArray
    direction: NDArray
    density: NDArray
    line_mass: NDArray

    def __len__(self) -> int:
        return len(self.density)


def ridge_points(
    density: NDArray,
    box: Box,
    smooth: float,
    least: float = 5.0,
    most: float | None = None,
    domain: Domain | None = None,
) -> RidgePoints:
    """The points on the ridges of a density; all ranks call this and get all points.

    density  this rank's slab, any unit, real, shape domain.shape
    smooth   dispersion of the Gaussian [cMpc/h];  least  smoothed density of a point over the mean of the box
    most     smoothed density above which a cell belongs to a halo and has no ridge; None for no limit
    domain   ranks that share the grid, on the CPU
    Memory beyond the slab: two complex and one real copy of it, and 80 bytes for each cell above `least`.
    Raises UnfitError for a density without mass.
    """
    domain = domain_of(box.cells, domain)
    total = float(domain.ranks.allreduce(density.sum(dtype=np.float64)))
    if not 0 < total < np.inf:
        raise UnfitError(f"a density whose sum is {total:g} has no ridges: it must be positive")
    modes = transform(density, domain)
    k = _wavenumbers(box, domain, modes.values.real.dtype)
    for axis in k:
        modes.values[...] *= np.exp(-0.5 * (axis * smooth) ** 2)
    smoothed = _derivative(modes, k, ())
    smoothed *= smoothed.dtype.type(np.prod(box.cells) / total)
    chosen = np.nonzero((smoothed > least) & (smoothed <= (np.inf if most is None else most)))
    rho = smoothed[chosen].astype(float)
    del smoothed
    scale = float(np.prod(box.cells) / total)
    gradient = np.stack([scale * _derivative(modes, k, (i,))[chosen].astype(float) for i in range(3)], axis=-1)
    hessian = np.empty((len(rho), 3, 3))
    for i in range(3):
        for j in range(i, 3):
            hessian[:, i, j] = hessian[:, j, i] = scale * _derivative(modes, k, (i, j))[chosen]
    values, vectors = np.linalg.eigh(hessian)
    # parts of the gradient along e1 and e2; a cell where the second eigenvalue is not negative has no ridge
    good = (np.abs(values[:, 2]) <= -_FLAT * values[:, 1]) & (values[:, 1] < _ROUND * values[:, 0])
    rho, gradient, values, vectors = rho[good], gradient[good], values[good], vectors[good]
    slope = np.einsum("ni,nij->nj", gradient, vectors)[:, :2]
    offset = -np.einsum("nj,nij->ni", slope / values[:, :2], vectors[:, :, :2])
    inside = np.all(np.abs(offset) <= _INSIDE * box.spacing, axis=1)
    cells = np.stack(chosen, axis=-1)[good][inside] + [domain.planes.start, 0, 0]
    position = (cells + 0.5) * box.spacing + offset[inside]
    # on the ridge the density is that at the centre plus half of the way there
    peak = rho[inside] + 0.5 * np.einsum("ni,ni->n", gradient[inside], offset[inside])
    line_mass = 2 * np.pi * peak**2 / np.sqrt(values[inside, 0] * values[inside, 1])
    parts = domain.ranks.allgather((position % box.size, vectors[inside, :, 2], peak, line_mass))
    return RidgePoints(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _wavenumbers(box: Box, domain: Domain, dtype: np.dtype) -> list[NDArray]:
    """Those of the modes along x, y and z, in shapes that broadcast [h/cMpc]."""
    (nx, ny, nz), spacing = box.cells, box.spacing
    along = (
        np.fft.fftfreq(nx, spacing[0]),
        np.fft.fftfreq(ny, spacing[1])[domain.lines],
        np.fft.rfftfreq(nz, spacing[2]),
    )
    shapes = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
    return [(2 * np.pi * axis).astype(dtype).reshape(shape) for axis, shape in zip(along, shapes, strict=True)]


def _derivative(modes: Transform, k: Sequence[NDArray], axes: tuple[int, ...]) -> NDArray:
    """The derivative of the field of some modes along axes, this rank's slab."""
    values = modes.values.copy()
    for axis in axes:
        values *= k[axis]
    if axes:
        values *= values.dtype.type(1j ** len(axes))
    return inverse(Transform(values, modes.domain))
