"""Fourier modes of a density contrast: transformed once, they give P(k), P(k, mu), multipoles, cross spectra and xi(r).

Memory limits a spectrum: a density is read once. A number near its mean, from a few planes, is subtracted on the way,
so that in single precision no round-off of a mean spreads over all modes. The exact mean comes from sums taken on the
way too, and changes the mode k = 0 alone, which is set to zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..errors import UnfitError
from ..kernels.contrast import subtract
from ..parallel import through_card
from ..parallel.backend import backend_of
from ..parallel.domain import Domain
from ..parallel.fft import Transform, along_x, in_place, transform, transform_planes

_LEAST_MEAN = 0.1  # over the mean absolute value, which is one for densities; below it a field has no mean
_SPARSE = 16  # every so many planes give a value near the mean


@dataclass(frozen=True, eq=False)
class Modes:
    """This rank's modes of a density contrast.

    transform     unnormalised, of the contrast times `scale`, over y and z alone or along x too; k = 0 is zero
    complete      whether it is transformed along x too; else a statistic does it a few lines at a time, as it uses them
    scale         the mean, where the transform is that of density - mean
    mean_density  in the units of the density;  name  of the density
    """

    transform: Transform
    complete: bool
    scale: float
    mean_density: float
    name: str

    @property
    def domain(self) -> Domain:
        """The ranks that share the modes."""
        return self.transform.domain


def contrast_modes(
    density: Any, domain: Domain | None = None, name: str = "density", *, complete: bool = True
) -> Modes:
    """The modes of density/mean - 1 on a periodic grid.

    density   this rank's planes along x, shape domain.shape, float32 or float64, in any units; not changed
    domain    ranks that share the grid, and where the density is; by default one rank's, where it is
    complete  True for more than one statistic; False is a twentieth faster for a single P(k) or xi(r) on a CPU, on a
              card the modes are complete all the same. Of a slab that goes through a card False is faster for both:
              each statistic completes the modes there
    Memory beyond the density: its transform, over ranks twice.
    Raises ValueError for densities that are not real, finite, three-dimensional and of positive mean.
    """
    density = _checked_density(density, name)
    domain = Domain(density.shape, backend=backend_of(density)) if domain is None else domain
    _check_shape(density, name, domain)
    worker = domain.card or domain.backend
    sums, sizes = worker.xp.zeros((2, len(density)))
    near = _value_near_mean(density, domain)

    def less_near(planes: Any, begin: int, out: Any) -> None:
        part = slice(begin, begin + len(planes))
        subtract(planes, near, out, sums[part], sizes[part], worker)

    in_pieces = not in_place(domain)
    if domain.card is not None:
        transformed = through_card.transform_planes(density, domain, less_near)
    else:
        transformed = (transform_planes if in_pieces else transform)(density, domain, less_near)
    mean = _checked_mean(worker.to_host(sums), worker.to_host(sizes), name, domain)
    if domain.has_first_line:
        if in_pieces:
            transformed.values[:, 0, 0] -= transformed.values[:, 0, 0].mean()
        else:
            transformed.values[0, 0, 0] = 0
    if complete and in_pieces:
        (along_x if domain.card is None else through_card.along_x)([transformed], there=True)
    complete = complete or not in_pieces
    return Modes(transformed, complete, mean, mean, name)


def checked_pair(
    density: Any, other: Any, names: Sequence[str] | None, domain: Domain | None
) -> tuple[list[Any], Sequence[str], Domain]:
    """A density, or two, as arrays, their names, "density" and "other" by default, and their domain.

    Raises ValueError unless they are real grids of one shape, that of the domain, with as many names.
    """
    given = {"density": density} if other is None else {"density": density, "other": other}
    arrays = [_checked_density(array, name) for name, array in given.items()]
    domain = Domain(arrays[0].shape, backend=backend_of(*arrays)) if domain is None else domain
    for name, array in zip(given, arrays, strict=True):
        _check_shape(array, name, domain)
    names = tuple(given) if names is None else tuple(names)
    if len(names) != len(arrays):
        raise ValueError(f"names = {names}: must be {len(arrays)}, one a field")
    return arrays, names, domain


def require_alike(modes: Sequence[Modes]) -> None:
    """Raise ValueError unless all are of the same domain, and complete or not."""
    if len({(item.complete, item.domain.cells) for item in modes}) > 1:
        raise ValueError(
            f"modes of {' and '.join(item.name for item in modes)}: must have the same cells, all complete or none"
        )


def _checked_density(density: Any, name: str) -> Any:
    """The density as an array; ValueError unless it is a real grid."""
    array = density if hasattr(density, "dtype") else np.asarray(density)
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}: must have three dimensions, none empty")
    if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8):
        raise ValueError(f"{name} is {array.dtype}: must be float32 or float64")
    return array


def _check_shape(density: Any, name: str, domain: Domain) -> None:
    """ValueError unless the density has this rank's planes."""
    if density.shape != domain.shape:
        raise ValueError(f"{name} has shape {density.shape}: must be {domain.shape} on this rank")


def _value_near_mean(density: Any, domain: Domain) -> Any:
    """Mean of a few planes of the grid, in the density's precision, the same on all ranks; 0 unless finite."""
    planes = slice(-domain.planes.start % _SPARSE, None, _SPARSE)
    with np.errstate(invalid="ignore", over="ignore"):
        means = domain.backend.to_host(density[planes].mean(axis=(1, 2)))
        mean = np.concatenate(domain.ranks.allgather(means)).mean()
    return density.dtype.type(mean if np.isfinite(mean) else 0)


def _checked_mean(sums: np.ndarray, sizes: np.ndarray, name: str, domain: Domain) -> float:
    """Mean over all ranks in double precision, from sums over planes; UnfitError unless finite and positive."""
    # plane by plane in their order: the same sum on any number of ranks
    everywhere = domain.ranks.allgather((sums, sizes))
    total, size = (float(np.concatenate(parts).sum()) for parts in zip(*everywhere, strict=True))
    if not np.isfinite(total):
        raise UnfitError(f"{name} holds NaN or infinity")
    if size == 0:
        raise UnfitError(f"{name} is zero in all cells: has no contrast")
    # impossible for densities >= 0: what is left of a field that averages to zero is round-off
    if abs(total) < _LEAST_MEAN * size:
        raise UnfitError(f"{name} has zero mean, so no contrast: give the density, not density/mean - 1")
    mean = total / prod(domain.cells)
    if mean < 0:
        raise UnfitError(f"{name} has mean {mean}: must be positive")
    return mean
