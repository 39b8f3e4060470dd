"""A gas of filaments in a periodic box: read from a table, or drawn from a mass function.

Lengths are comoving, in cMpc/h, but for the scale radius r0, which is physical, in Mpc/h. Masses are in Msun/h.
"""

from math import isfinite

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray
from scipy.special import exprel

from ..cosmology.curves import read_only
from ..io.kinds import Choice, Maybe, Number, Several
from ..io.tables import read_columns
from ..population.shapes import FIT_REDSHIFT, PUBLISHED_SLOPE, RADIUS_MASS_FRACTION, published_shape
from ..vectors import PARALLEL, unit_vectors
from .model import Filament
from .overlap import closest_approach, own_image_distance, periodic_distance

# purposes of random numbers; beyond any l, which takes this place in the seeds of the phases of a filament's states
MASS, AXIS, CENTRE = 2**31 + 1, 2**31 + 2, 2**31 + 3
_COUNT, _POSITIVE = Number(1, integer=True), Number(0, open_low=True)
MOST_DARTS = 100_000  # thrown for filaments that hit others, over all: half a minute
_UNIT_TOLERANCE = 1e-9  # round-off of unit vectors; 1e-16/PARALLEL where one was made perpendicular to the other
_SCALARS = {
    "mass": ("Msun/h", "mass"),
    "length": ("cMpc/h", "length, comoving"),
    "r0": ("Mpc/h", "scale radius, physical"),
    "sigma": ("km/s", "velocity dispersion"),
}
_VECTORS = {
    "centre": ("cMpc/h", "centre, comoving"),
    "direction": ("1", "unit vector of the axis"),
    "orientation": ("1", "unit vector of phi = 0"),
}


@frozen(eq=False)
class FilamentTable:
    """N filaments. The arrays are copied, and read-only.

    mass       (N,) [Msun/h];  length  (N,) [cMpc/h]
    r0         (N,), physical [Mpc/h];  sigma  (N,) [km/s]
    centre     (N, 3) [cMpc/h];  direction, orientation  (N, 3), perpendicular unit vectors
    Raises ValueError, naming the filament (from 0) and the value, where a shape differs, a number is not finite,
    a mass, length, r0 or sigma is not positive, or direction and orientation are not perpendicular unit vectors.
    """

    mass: NDArray = field(converter=read_only)
    length: NDArray = field(converter=read_only)
    r0: NDArray = field(converter=read_only)
    sigma: NDArray = field(converter=read_only)
    centre: NDArray = field(converter=read_only)
    direction: NDArray = field(converter=read_only)
    orientation: NDArray = field(converter=read_only)

    def __attrs_post_init__(self) -> None:
        for name in (*_SCALARS, *_VECTORS):
            values = getattr(self, name)
            shape = (np.size(self.mass), 3)[: 1 if name in _SCALARS else 2]
            if values.shape != shape or not len(values):
                raise ValueError(f"{name} of shape {values.shape}: must be {shape}, at least one filament")
            self._require(name, values, np.isfinite(values), "finite")
            if name in _SCALARS:
                self._require(name, values, values > 0, "> 0")
        for name in ("direction", "orientation"):
            vectors = getattr(self, name)
            norm = np.linalg.norm(vectors, axis=1)
            self._require(name, vectors, np.abs(norm - 1) < _UNIT_TOLERANCE, "a unit vector")
        cosine = np.sum(self.direction * self.orientation, axis=1)
        self._require("orientation", self.orientation, np.abs(cosine) < _UNIT_TOLERANCE, "perpendicular to direction")

    def __len__(self):
        return len(self.mass)

    def filaments(self, beta: float, redshift: float, m22: float) -> list[Filament]:
        """The filaments one by one, with what they have in common."""
        rows = zip(*(getattr(self, name).tolist() for name in (*_SCALARS, *_VECTORS)), strict=True)
        return [
            Filament(
                number=number,
                mass=mass,
                length=length,
                r0=r0,
                sigma=sigma,
                beta=beta,
                centre=tuple(centre),
                direction=tuple(direction),
                orientation=tuple(orientation),
                sharpness=10 / length,
                redshift=redshift,
                m22=m22,
            )
            for number, (mass, length, r0, sigma, centre, direction, orientation) in enumerate(rows)
        ]

    def columns(self) -> dict[str, tuple[np.ndarray, str, str]]:
        """Name: (values, units, description) of every column, for the datasets of a result file."""
        return {name: (getattr(self, name), *words) for name, words in (_SCALARS | _VECTORS).items()}

    @staticmethod
    def _require(name, values, good, allowed):
        row = np.flatnonzero(~good.reshape(len(values), -1).all(axis=1))
        if row.size:
            raise ValueError(f"filament {row[0]}: {name} = {values[row[0]]}: must be {allowed}")


def read_table(path, box_size) -> FilamentTable:
    """Filaments from a CSV file; `#` lines are comments.

    path      columns mass [Msun/h], length [cMpc/h], r0 [Mpc/h, physical], sigma [km/s], cx, cy, cz (centre in units of
              the three sides of the box), dx, dy, dz (direction) and ox, oy, oz (orientation: phi = 0, of which the
              part perpendicular to the direction is taken); vectors need not be normalised
    box_size  (3,) [cMpc/h]
    Raises FileNotFoundError, or ValueError that names file, line and value: a column is missing, a value is no number,
    a mass, length, r0 or sigma is not positive, a vector is zero, the orientation is parallel to the direction,
    or a filament extends along an axis of the box over more than the side there.
    """
    box_size = _box_sides(box_size)
    vectors = ("cx,cy,cz", "dx,dy,dz", "ox,oy,oz")
    columns = read_columns(path, (*_SCALARS, *",".join(vectors).split(",")))
    centre, direction, orientation = (np.stack([columns[n] for n in names.split(",")], 1) for names in vectors)

    def require(good, names, allowed):
        for row in np.flatnonzero(~good)[:1]:
            value = ", ".join(f"{columns[name][row]:.10g}" for name in names.split(","))
            raise ValueError(f"{path}, line {columns['line'][row]}: {names} = {value}: must be {allowed}")

    for name in _SCALARS:
        require(columns[name] > 0, name, "> 0")
    for names, given in zip(vectors[1:], (direction, orientation), strict=True):
        require(np.any(given != 0, axis=1), names, "a vector that is not zero")
    direction, orientation = unit_vectors(direction), unit_vectors(orientation)
    across = orientation - np.sum(orientation * direction, axis=1, keepdims=True) * direction
    require(np.linalg.norm(across, axis=1) > PARALLEL, vectors[2], "a vector that is not parallel to the direction")
    extent = columns["length"][:, None] * np.abs(direction)
    inside = np.all(extent <= box_size, axis=1)
    require(inside, "length", f"such that the extent along every axis fits the box, {_text(box_size)} cMpc/h")
    scalars = {name: columns[name] for name in _SCALARS}
    return FilamentTable(**scalars, centre=centre * box_size, direction=direction, orientation=unit_vectors(across))


def sample_power_law(uniform, slope: float, mass_min: float, mass_max: float) -> np.ndarray:
    """Masses with dn/dM proportional to M^slope between two limits, in the unit of the limits.

    uniform   in [0, 1], any shape: the fraction of the number below the mass that is returned
    slope     of dn/dM, not of dn/dlnM; any finite one, -1 included
    Raises ValueError, naming the argument, where the slope is not finite or the limits are not 0 < mass_min < mass_max.
    """
    _check_limits(mass_min, mass_max)
    _checked("slope", slope, Number())
    width = np.log(mass_max / mass_min)
    mass = mass_min * np.exp(width * _exponential_quantile(_fractions(uniform), (slope + 1) * width))
    return np.clip(mass, mass_min, mass_max)


def sample_tabulated(uniform, mass, dn_dlnm, mass_min: float, mass_max: float) -> np.ndarray:
    """Masses from a tabulated mass function, a power law between every two rows; in the unit of the table.

    uniform         in [0, 1], any shape: the fraction of the number below the mass that is returned
    mass, dn_dlnm   (rows,), masses increasing, dn/dlnM positive in any unit
    Raises ValueError, naming the row or the argument, for a table that is none, or where the limits are not inside it.
    """
    mass, dn_dlnm = np.asarray(mass, float), np.asarray(dn_dlnm, float)
    if mass.ndim != 1 or mass.shape != dn_dlnm.shape or len(mass) < 2:
        raise ValueError(f"mass function of shapes {mass.shape}, {dn_dlnm.shape}: must be two columns of >= 2 rows")
    for name, column, good, allowed in (
        ("mass", mass, np.isfinite(mass) & (np.diff(mass, prepend=0) > 0), "> 0, finite and increasing"),
        ("dn_dlnm", dn_dlnm, np.isfinite(dn_dlnm) & (dn_dlnm > 0), "> 0 and finite"),
    ):
        for row in np.flatnonzero(~good)[:1]:
            raise ValueError(f"mass function, row {row + 1}: {name} = {column[row]:g}: must be {allowed}")
    _check_limits(mass_min, mass_max)
    if mass_min < mass[0] or mass_max > mass[-1]:
        raise ValueError(
            f"mass_min = {mass_min:g}, mass_max = {mass_max:g}: "
            f"must be in [{mass[0]:g}, {mass[-1]:g}], the range of the mass function"
        )
    edge = np.log(np.concatenate([[mass_min], mass[(mass > mass_min) & (mass < mass_max)], [mass_max]]))
    log_dn = np.interp(edge, np.log(mass), np.log(dn_dlnm))
    steepness, width = np.diff(log_dn), np.diff(edge)
    # the integral over a piece in ln M, from its higher end so that it cannot overflow
    number = width * np.exp(np.maximum(log_dn[:-1], log_dn[1:])) * exprel(-np.abs(steepness))
    cumulative = np.concatenate([[0], np.cumsum(number)])
    wanted = _fractions(uniform) * cumulative[-1]
    piece = np.clip(np.searchsorted(cumulative, wanted) - 1, 0, len(number) - 1)
    within = np.clip((wanted - cumulative[piece]) / number[piece], 0, 1)
    sampled = np.exp(edge[piece] + width[piece] * _exponential_quantile(within, steepness[piece]))
    return np.clip(sampled, mass_min, mass_max)


def stream(seed: int, index: int, purpose: int) -> np.random.Generator:
    """Random numbers of filament `index` for one purpose (MASS, AXIS, CENTRE); attempt k takes the k-th three."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index, purpose])))


def random_axes(uniform) -> tuple[np.ndarray, np.ndarray]:
    """Isotropic unit vectors and, uniform about each, perpendicular ones; both (..., 3), from uniform numbers (..., 3).

    The three numbers give the cosine of the polar angle, the azimuth, and the angle about the axis.
    """
    theta, phi, turn = np.arccos(2 * uniform[..., 0] - 1), 2 * np.pi * uniform[..., 1], 2 * np.pi * uniform[..., 2]
    direction = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1)
    theta_hat = np.stack([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), -np.sin(theta)], -1)
    phi_hat = np.stack([-np.sin(phi), np.cos(phi), np.zeros_like(phi)], -1)
    return direction, np.cos(turn)[..., None] * theta_hat + np.sin(turn)[..., None] * phi_hat


def enclosing_radius(r0, *, mass_fraction: float, redshift: float, beta: float = 0.0):
    """Comoving radius [cMpc/h] within which a filament of physical scale radius r0 [Mpc/h] has a fraction of its mass.

    R = (1 + z) r0 (f/(1-f))^(1/(2-beta))
    """
    return (1 + redshift) * r0 * (mass_fraction / (1 - mass_fraction)) ** (1 / (2 - beta))


def draw_gas(
    number: int,
    box_size,
    *,
    seed: int,
    mass_min: float,
    mass_max: float,
    slope: float = PUBLISHED_SLOPE,
    mass_table=None,
    beta: float = 0.0,
    redshift: float = FIT_REDSHIFT,
    shape=published_shape,
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
    and the attempt alone (see `stream`).
    Raises ValueError for an argument that is not allowed, a filament that extends beyond the box, and a box too full.
    """
    number = _checked("number", number, _COUNT)
    box_size = _box_sides(box_size)
    seed = _checked("seed", seed, Number(0, integer=True))
    beta = _checked("beta", beta, Number(0, 1, open_high=True))
    redshift = _checked("redshift", redshift, Number(0))
    centres = _checked("centres", centres, Choice(("uniform", "poisson_disk")))
    shortest = Number(0, float(box_size.min()), open_low=True)  # a filament's own image is as near as a side
    min_distance = _checked("min_distance", min_distance, shortest if centres == "poisson_disk" else Maybe(shortest))
    fraction = _checked("overlap_mass_fraction", overlap_mass_fraction, Number(0, 1, open_high=True))
    max_attempts = _checked("max_attempts", max_attempts, _COUNT)
    if centres == "uniform" and min_distance is not None:
        raise ValueError(f"min_distance = {min_distance:g}: must be given with centres = poisson_disk only")
    if shape is published_shape and redshift != FIT_REDSHIFT:
        raise ValueError(f"redshift = {redshift:g}: must be {FIT_REDSHIFT:g}, for which the published shapes hold")

    uniform = np.array([stream(seed, index, MASS).random() for index in range(number)])
    if mass_table is None:
        mass = sample_power_law(uniform, slope, mass_min, mass_max)
    else:
        mass = sample_tabulated(uniform, mass_table[0], mass_table[1], mass_min, mass_max)
    shapes = np.array([_checked_shape(shape(m, beta), m) for m in mass.tolist()])
    length, r0, sigma = shapes.T
    radius = enclosing_radius(r0, mass_fraction=fraction, redshift=redshift, beta=beta)
    axes = [
        _draw_axis(stream(seed, index, AXIS), *filament, box_size, max_attempts)
        for index, filament in enumerate(zip(mass, length, radius, strict=True))
    ]
    direction, orientation = np.swapaxes(axes, 0, 1)
    half = direction * length[:, None] / 2
    centre = np.zeros((number, 3))
    heaviest_first, darts = np.argsort(-mass, kind="stable"), number + MOST_DARTS
    for rank, index in enumerate(heaviest_first):
        placed = heaviest_first[:rank]
        others, other_halves, allowed = centre[placed], half[placed], radius[placed] + radius[index]
        random = stream(seed, index, CENTRE)
        attempts = min(max_attempts, darts)
        for _ in range(attempts):
            darts -= 1
            dart = random.random(3) * box_size
            if min_distance is not None and np.any(periodic_distance(dart, others, box_size) < min_distance):
                continue
            if np.all(closest_approach(dart, half[index], others, other_halves, box_size, allowed) >= allowed):
                break
        else:
            raise ValueError(
                f"only {rank} of {number} filaments fitted into a box of {_text(box_size)} cMpc/h: {attempts} "
                f"centres were tried for one of {mass[index]:.4g} Msun/h; lower number, mass_max, "
                "overlap_mass_fraction or min_distance, or raise box_size or max_attempts"
            )
        centre[index] = dart
    return FilamentTable(mass, length, r0, sigma, centre, direction, orientation)


def _draw_axis(random, mass, length, radius, box_size, max_attempts):
    """Direction and orientation of one filament: the first along which it keeps clear of its own images."""
    for _ in range(max_attempts):
        direction, orientation = random_axes(random.random(3))
        extent = length * np.abs(direction)
        if np.any(extent > box_size):
            axis = int(np.argmax(extent / box_size))
            raise ValueError(
                f"a filament of {mass:.4g} Msun/h, {length:.4g} cMpc/h long, extends over {extent[axis]:.4g} cMpc/h "
                f"along {'xyz'[axis]}: must fit the box, {_text(box_size)} cMpc/h; lower mass_max or raise box_size"
            )
        if own_image_distance(direction * length / 2, box_size, 2 * radius) >= 2 * radius:
            return direction, orientation
    raise ValueError(
        f"a filament of {mass:.4g} Msun/h, {length:.4g} cMpc/h long and of radius {radius:.4g} cMpc/h, overlaps its "
        f"own images in a box of {_text(box_size)} cMpc/h along each of {max_attempts} axes that were tried; "
        "lower mass_max or overlap_mass_fraction, or raise box_size"
    )


def _exponential_quantile(fraction, steepness):
    """The x in [0, 1] below which a density proportional to exp(steepness x) on [0, 1] has a fraction of its integral.

    x = ln(1 + fraction (e^steepness - 1))/steepness, taken from the end where the density is high: no overflow.
    """
    rising, fall = np.greater(steepness, 0), -np.abs(steepness)
    from_high_end = np.where(rising, 1 - fraction, fraction)
    flat = fall == 0
    with np.errstate(divide="ignore"):  # ln 0 at the low end of a steep density, where x is 1
        x = np.where(flat, from_high_end, np.log1p(from_high_end * np.expm1(fall)) / np.where(flat, 1, fall))
    return np.where(rising, 1 - np.minimum(x, 1), np.minimum(x, 1))


def _fractions(uniform):
    uniform = np.asarray(uniform, float)
    for outside in uniform[~((uniform >= 0) & (uniform <= 1))][:1]:
        raise ValueError(f"uniform = {outside:g}: must be in [0, 1]")
    return uniform


def _check_limits(mass_min, mass_max):
    _checked("mass_min", mass_min, _POSITIVE)
    _checked("mass_max", mass_max, Number(mass_min, open_low=True))


def _checked(name, value, kind):
    try:
        return kind.check(value)
    except ValueError as error:
        raise ValueError(f"{name} = {value}: must be {error}") from None


def _checked_shape(values, mass):
    if not (len(values) == 3 and all(isfinite(value) and value > 0 for value in values)):
        raise ValueError(f"shape of {mass:.4g} Msun/h = {values}: must be length, r0 and sigma, each > 0 and finite")
    return values


def _box_sides(box_size):
    return np.array(_checked("box_size", tuple(np.ravel(box_size).tolist()), Several(_POSITIVE, 3)))


def _text(box_size):
    return " x ".join(f"{side:g}" for side in box_size)
