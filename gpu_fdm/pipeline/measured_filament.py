"""A filament of a snapshot as values: how it is measured, what was found, and what lies around it."""

from typing import TypeGuard

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from ..cosmic_web.axis import Axis, period
from ..cosmic_web.centring import Centres
from ..cosmic_web.cylinder import Cylinder
from ..cosmic_web.momenta import Momenta
from ..cosmic_web.profile import MeasuredProfile
from ..cosmic_web.shells import Shells
from ..io.schema.common import MATTER
from ..snapshots.snapshot import ParticleSnapshot
from ..units import mean_matter_density
from .snapshot_ridges import Snapshot

RADIUS_SHARE = 8  # smoothing scales in the radius, where none is given
_DENSITIES = {"Msun/cMpc^3": 1.0, "Msun/ckpc^3": 1e9}  # units of grids [Msun/cMpc^3]
CONSTANTS = 1e-3  # by which G and the solar mass of codes differ: a box so close to the mean matter density has it


def mass_of_one(snapshot: Snapshot) -> float | None:
    """What the file says of its masses, None where it does not.

    Of a grid the stored density 1 [mean matter densities], of particles the weight 1 [mean matter density (cMpc/h)^3].
    """
    if isinstance(snapshot, ParticleSnapshot):
        if snapshot.mass_unit is None or not _is_positive(snapshot.omega_m):
            return None
        return snapshot.mass_unit * (snapshot.particle_mass or 1.0) / mean_matter_density(snapshot.omega_m)
    if snapshot.density_units == MATTER:
        return 1.0
    density = _DENSITIES.get(snapshot.density_units)
    if density is None or not (_is_positive(snapshot.h) and _is_positive(snapshot.omega_m)):
        return None
    return density / (snapshot.h**2 * mean_matter_density(snapshot.omega_m))


def _is_positive(number: float | None) -> TypeGuard[float]:
    """Whether a header has a number that a universe can have: Omega0 = 0 is that of runs without expansion."""
    return number is not None and number > 0


def mean_of_box(snapshot: Snapshot, stored: float, given: float | None) -> float:
    """The mean density of a box [mean matter densities]: as given, or as the file says, or else that of matter.

    stored  mean of a grid as it is stored, or the sum of the weights of particles over the volume [(cMpc/h)^-3]
    """
    if given is not None:
        return given
    one = mass_of_one(snapshot)
    if one is None:
        return 1.0
    needs_constants = one != 1.0  # as densities that are stored in mean matter densities do not
    return 1.0 if needs_constants and abs(one * stored - 1) < CONSTANTS else one * stored


@frozen
class Around:
    """How a filament is measured.

    smooth      window of centring [cMpc/h];  radius  of the last shell [cMpc/h]
    slices      along the axis;  shells  from it;  beta  anisotropy of the cylinder
    background  density beside the filament [mean matter densities]; None: it is fitted
    mask        mean density within `smooth` of the axis above which a slice is a halo, over that of the box: left out
    mean        density of the box [mean matter densities]; None: as the snapshot says, or else 1
    """

    smooth: float
    radius: float
    slices: int = 24
    shells: int = 20
    beta: float = 0.0
    background: float | None = None
    mask: float | None = None
    mean: float | None = None


@frozen(eq=False)
class Cut:
    """What lies around an axis: a lattice of a grid, or particles.

    frame    of particles (u, v, z), shape (particles, 3) [cMpc/h];  mass  of each [mean matter density (cMpc/h)^3]
    velocity of particles along u, v, z [km/s], or None
    field    of a grid on a lattice [u, v, z], psi or density; None of particles
    sides    of the lattice [cMpc/h]
    """

    frame: NDArray | None = None
    mass: NDArray | None = None
    velocity: NDArray | None = None
    field: NDArray | None = None
    sides: tuple[float, float, float] | None = None


@frozen(eq=False)
class Roundness:
    """Axis ratio b/a of the cross-section.

    whole, angle  of all slices on each other, and the angle of the long axis from u [rad]
    ratios, angles  of slices, shape (slices,); NaN where there is none
    """

    whole: float
    angle: float
    ratios: NDArray
    angles: NDArray


@frozen(eq=False)
class MeasuredFilament:
    """A filament of a snapshot.

    axis      centred;  how  it was measured;  snapshot  without its data
    shells    masses;  profile, cylinder  with errors;  centres  of slices, in the frame of the first axis
    curvature of the line of centres [h/cMpc]
    momenta, streaming  (the second of slices) None where there are no phases or velocities
    momentum_unit  km/s or h/cMpc;  mean  density of the box that was taken [mean matter densities]
    particles number within the shells, None of a grid;  cut  what lies around it;  first  axis
    length    of the filament [cMpc/h]: an axis that was found is its inner part
    roundness across it
    """

    axis: Axis
    how: Around
    snapshot: Snapshot
    shells: Shells
    profile: MeasuredProfile
    cylinder: Cylinder
    centres: Centres
    curvature: float
    momenta: Momenta | None
    streaming: NDArray | None
    momentum_unit: str
    mean: float
    particles: int | None
    length: float
    cut: Cut
    first: Axis
    roundness: Roundness

    @property
    def closed(self) -> bool:
        """Whether it goes through the whole periodic box and meets itself."""
        return self.length > 0.99 * period(self.axis, self.snapshot.box_size, 2 * self.how.smooth)

    @property
    def mean_is_known(self) -> bool:
        """Whether the file or the user says what the density of the box is; else it is taken as that of matter."""
        return self.how.mean is not None or mass_of_one(self.snapshot) is not None

    def centres_in_frame(self) -> NDArray:
        """The centres of slices in the frame of the axis, shape (slices, 3) [cMpc/h]."""
        frame = np.column_stack([self.centres.centre, self.centres.z])
        return (self.first.positions(frame) - self.axis.centre) @ self.axis.basis.T
