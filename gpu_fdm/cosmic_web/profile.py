"""The density from an axis outwards, with its errors, and whether it is that of a filament.

A shell's density is that of its mass, less the background, times the ratio of the fitted cylinder at the radius of the
row to its mean in the shell: a few per cent for wide shells.
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..errors import UnfitError
from .cylinder import Cylinder, variance_of
from .jackknife import variance
from .shells import Shells

_SIGNIFICANT = 4.0  # errors
_RISE = 1.2  # ratio below which a rise does not count
LEAST_ROWS = 8  # that a table of a profile needs


@frozen(eq=False)
class MeasuredProfile:
    """Rows of a profile, from the axis to the first that is below its error.

    radius   shape (rows,) [cMpc/h];  density, error  shape (rows,) [mean matter densities]
    line_mass, line_mass_error  within the last shell, less the background [mean matter density (cMpc/h)^2]
    variation  rms of the line mass of slices over its mean
    """

    radius: NDArray
    density: NDArray
    error: NDArray
    line_mass: float
    line_mass_error: float
    variation: float


def measured_profile(shells: Shells, cylinder: Cylinder) -> MeasuredProfile:
    """The profile of masses in shells.

    Raises UnfitError where it rises outwards, naming the place, and where there is no line mass above the background.
    """
    sample = shells.sample()
    masses, area, edges = shells.line_masses(), shells.area, shells.edges
    radius = np.sqrt((edges[1:] ** 2 + edges[:-1] ** 2) / 2)
    mean = np.diff(cylinder.enclosed(edges)) / area
    shape = np.where(mean > 0, cylinder.density(radius) / np.maximum(mean, 1e-300), 1.0)
    density = (masses / area - cylinder.background) * shape
    error = np.sqrt(variance_of(sample)) / area * shape
    whole = area.sum() * cylinder.background
    # the background is fitted to the same masses, and goes up and down with them
    left_out = sample.left_out().sum(axis=1) - area.sum() * np.array(cylinder.without_one)
    line_mass, scatter = float(masses.sum() - whole), float(np.sqrt(variance(left_out)))
    rise = _rise(radius, density, error)
    if rise:
        raise UnfitError(rise)
    if not line_mass > 3 * scatter:
        raise UnfitError(
            f"its line mass within {edges[-1]:.3g} cMpc/h is {line_mass:.3g} +- {scatter:.2g} mean matter densities "
            "(cMpc/h)^2 above the density beside it: a void, or too few particles"
        )
    below = np.flatnonzero(density <= error)
    rows = slice(0, int(below[0]) if len(below) else len(density))
    if rows.stop < LEAST_ROWS:
        raise UnfitError(
            f"its density is below its error from {radius[rows.stop]:.3g} cMpc/h on, after {rows.stop} shells: must be "
            f"above it in {LEAST_ROWS} at least"
        )
    slices = shells.of_slices()
    slices = slices[np.isfinite(slices)] - whole
    variation = float(np.std(slices, ddof=1) / np.mean(slices))
    return MeasuredProfile(radius[rows], density[rows], error[rows], line_mass, scatter, variation)


def _rise(radius: NDArray, density: NDArray, error: NDArray) -> str:
    """Where a density rises outwards by more than its errors allow, in words; empty where it does not."""
    higher = density[None, :] - density[:, None]
    allowed = _SIGNIFICANT * np.hypot(error[None, :], error[:, None])
    rises = (higher > allowed) & (density[None, :] > _RISE * density[:, None])
    pairs = np.argwhere(np.triu(rises, 1))
    if not len(pairs):
        return ""
    a, b = pairs[np.argmin(pairs[:, 1] - pairs[:, 0])]
    return (
        f"its density rises outwards, from {density[a]:.3g} +- {error[a]:.2g} at {radius[a]:.3g} cMpc/h to "
        f"{density[b]:.3g} +- {error[b]:.2g} at {radius[b]:.3g}: another is beside it (--radius), or the axis misses it"
    )
