"""A gas of filaments drawn at random in a periodic box: masses from a mass function, isotropic axes, no overlap.

Lengths are comoving, in cMpc/h, but for the scale radius r0, which is physical, in Mpc/h. Masses are in Msun/h.
"""

from collections.abc import Callable
from math import isfinite

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from ..io.kinds import Choice, Maybe, Number, checked
from ..population.sampling import sample_power_law, sample_tabulated
from ..population.shapes import FIT_REDSHIFT, PUBLISHED_SLOPE, RADIUS_MASS_FRACTION, published_shape
from .gas_table import FilamentTable, box_sides, box_text
from .overlap import closest_approach, own_image_distance, periodic_distance

# purposes of random numbers; beyond any l, which takes this place in the seeds of the phases of a filament's states
MASS, AXIS, CENTRE = 2**31 + 1, 2**31 + 2, 2**31 + 3
_COUNT = Number(1, integer=True)
MOST_DARTS = 100_000  # thrown for filaments that hit others, of all filaments together: half a minute


def random_stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    """Random numbers of filament `index` for one purpose (MASS, AXIS, CENTRE); attempt k takes the k-th three."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index, purpose])))


def random_axes(uniform: NDArray) -> tuple[NDArray, NDArray]:
    """Isotropic unit vectors and, uniform about each, perpendicular ones; both (..., 3), from uniform numbers (..., 3).

    The three numbers give the cosine of the polar angle, the azimuth, and the angle about the axis.
    """
    theta, phi, turn = np.arccos(2 * uniform[..., 0] - 1), 2 * np.pi * uniform[..., 1], 2 * np.pi * uniform[..., 2]
    direction = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1)
    theta_hat = np.stack([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)], -1)
    phi_hat = np.stack([-np.sin(phi), np.cos(phi), np.zeros_like(phi)], -1)
    return direction, np.cos(turn)[..., None] * theta_hat + np.sin(turn)[..., None] * phi_hat


def enclosing_radius(r0: NDArray, *, mass_fraction: float, redshift: float, beta: float = 0.0) -> NDArray:
    """Comoving radius [cMpc/h] within which a filament of physical scale radius r0 [Mpc/h] has a fraction of its mass.

    R = (1 + z) r0 (f/(1-f))^(1/(2-beta))
    """
    return (1 + redshift) * r0 * (mass_fraction / (1 - mass_fraction)) ** (1 / (2 - beta))


def draw_gas(
    number: int,
    box_size: ArrayLike,
    *,
    seed: int,
    mass_min: float,
    mass_max: float,
    slope: float = PUBLISHED_SLOPE,
    mass_table: tuple[ArrayLike, ArrayLike] | None = None,
    beta: float = 0.0,
    redshift: float = FIT_REDSHIFT,
    shape: Callable[[float, float], tuple[float, float, float]] = published_shape,
    centres: str = "uniform",
    min_distance: float | None = None,
    overlap_mass_fraction: float = RADIUS_MASS_FRACTION,
    max_attempts: int = 1000,
) -> FilamentTable:
    """Filaments at random in a periodic box that do not overlap, in the order of their index.

    box_size               (3,) [cMpc/h]
    mass_min, mass_max     [Msun/h];  slope  of dn/dM, not used where `mass_table` = (mass [Msun/h], dn/dlnM) is given
    shape                  (mass, beta) -> length [cMpc/h, comoving], r0 [Mpc/h, physical], sigma [km/s]
    centres                "uniform", or "poisson_disk": at least min_distance [cMpc/h] apart, periodically
    overlap_mass_fraction  axes come no closer than the sum of the comoving radii that hold this fraction of the line
                           mass (see `enclosing_radius`), over all periodic images, those of the filament itself
                           included; 0 lets them overlap
    max_attempts           darts thrown for one filament; over all filaments they are at most number + MOST_DARTS

    The heaviest are placed first, since they are the hardest to place. A rejected filament gets another centre but
    keeps its mass and its axis, so that a full box changes neither the mass function nor isotropy; only an axis along
    which a filament meets its own images is drawn anew. The random numbers of a filament depend on the seed, its index
    and the attempt alone (see `random_stream`).
    Raises InputError for a value out of range, a filament that extends beyond the box, and a box too full.
    """
    number = checked("number", number, _COUNT)
    sides = box_sides(box_size)
    seed = checked("seed", seed, Number(0, integer=True))
    beta = checked("beta", beta, Number(0, 1, open_high=True))
    redshift = checked("redshift", redshift, Number(0))
    centres = checked("centres", centres, Choice(("uniform", "poisson_disk")))
    shortest = Number(0, float(sides.min()), open_low=True)  # a filament's own image is as near as a side
    min_distance = checked("min_distance", min_distance, shortest if centres == "poisson_disk" else Maybe(shortest))
    fraction = checked("overlap_mass_fraction", overlap_mass_fraction, Number(0, 1, open_high=True))
    max_attempts = checked("max_attempts", max_attempts, _COUNT)
    if centres == "uniform" and min_distance is not None:
        raise InputError(f"min_distance = {min_distance:g}: must be given with centres = poisson_disk only")
    if shape is published_shape and redshift != FIT_REDSHIFT:
        raise InputError(f"redshift = {redshift:g}: must be {FIT_REDSHIFT:g}, for which the published shapes hold")

    uniform = np.array([random_stream(seed, index, MASS).random() for index in range(number)])
    mass = _masses(uniform, slope, mass_table, mass_min, mass_max)
    length, r0, sigma = np.array([_checked_shape(shape(m, beta), m) for m in mass.tolist()]).T
    radius = enclosing_radius(r0, mass_fraction=fraction, redshift=redshift, beta=beta)
    direction, orientation = _draw_axes(seed, mass, length, radius, sides, max_attempts)
    half = direction * length[:, None] / 2
    centre = _draw_centres(seed, mass, half, radius, sides, min_distance, max_attempts)
    return FilamentTable(mass, length, r0, sigma, centre, direction, orientation)


def _masses(
    uniform: NDArray, slope: float, mass_table: tuple[ArrayLike, ArrayLike] | None, mass_min: float, mass_max: float
) -> NDArray:
    """Masses of random numbers in [0, 1) from a power law, or from a table where it is given [Msun/h]."""
    if mass_table is None:
        return sample_power_law(uniform, slope, mass_min, mass_max)
    return sample_tabulated(uniform, mass_table[0], mass_table[1], mass_min, mass_max)


def _draw_axes(
    seed: int, mass: NDArray, length: NDArray, radius: NDArray, sides: NDArray, max_attempts: int
) -> tuple[NDArray, NDArray]:
    """Directions of the axes and of phi = 0 of all filaments, shape (N, 3) each."""
    axes = [
        _draw_axis(random_stream(seed, index, AXIS), *filament, sides, max_attempts)
        for index, filament in enumerate(zip(mass, length, radius, strict=True))
    ]
    direction, orientation = np.swapaxes(axes, 0, 1)
    return direction, orientation


def _draw_centres(
    seed: int,
    mass: NDArray,
    half: NDArray,
    radius: NDArray,
    sides: NDArray,
    min_distance: float | None,
    max_attempts: int,
) -> NDArray:
    """Centres of all filaments, the heaviest placed first, shape (N, 3) [cMpc/h].

    half  from the centre to an end, shape (N, 3) [cMpc/h]
    """
    number, centre = len(mass), np.zeros((len(mass), 3))
    heaviest_first, darts = np.argsort(-mass, kind="stable"), number + MOST_DARTS
    for rank, index in enumerate(heaviest_first):
        placed = heaviest_first[:rank]
        others, other_halves, allowed = centre[placed], half[placed], radius[placed] + radius[index]
        random = random_stream(seed, index, CENTRE)
        attempts = min(max_attempts, darts)
        for _ in range(attempts):
            darts -= 1
            dart = random.random(3) * sides
            if min_distance is not None and np.any(periodic_distance(dart, others, sides) < min_distance):
                continue
            if np.all(closest_approach(dart, half[index], others, other_halves, sides, allowed) >= allowed):
                break
        else:
            wider = box_text(np.ceil(10 * sides * (number / max(rank, 1)) ** (1 / 3)) / 10)
            raise InputError(
                f"only {rank} of {number} filaments fitted into a box of {box_text(sides)} cMpc/h: {attempts} "
                f"centres were tried for one of {mass[index]:.4g} Msun/h; lower number, mass_max, "
                f"overlap_mass_fraction or min_distance, raise max_attempts, or take a box of about {wider} cMpc/h"
            )
        centre[index] = dart
    return centre


def _draw_axis(
    random: np.random.Generator, mass: float, length: float, radius: float, sides: NDArray, max_attempts: int
) -> tuple[NDArray, NDArray]:
    """Direction and orientation of one filament: the first axis along which it does not overlap its own images."""
    for _ in range(max_attempts):
        direction, orientation = random_axes(random.random(3))
        extent = length * np.abs(direction)
        if np.any(extent > sides):
            axis = int(np.argmax(extent / sides))
            raise InputError(
                f"a filament of {mass:.4g} Msun/h, {length:.4g} cMpc/h long, extends over {extent[axis]:.4g} cMpc/h "
                f"along {'xyz'[axis]}: must fit the box, {box_text(sides)} cMpc/h; lower mass_max or take a larger box"
            )
        # an image is no farther than a side; within a radius of many sides there would be millions
        if 2 * radius <= sides.min() and own_image_distance(direction * length / 2, sides, 2 * radius) >= 2 * radius:
            return direction, orientation
    raise InputError(
        f"a filament of {mass:.4g} Msun/h, {length:.4g} cMpc/h long and of radius {radius:.4g} cMpc/h, overlaps its "
        f"own images in a box of {box_text(sides)} cMpc/h along each of {max_attempts} axes that were tried; "
        "lower mass_max or overlap_mass_fraction, or raise box_size"
    )


def _checked_shape(values: tuple[float, ...], mass: float) -> tuple[float, ...]:
    if not (len(values) == 3 and all(isfinite(value) and value > 0 for value in values)):
        raise InputError(f"shape of {mass:.4g} Msun/h = {values}: must be length, r0 and sigma, each > 0 and finite")
    return values
