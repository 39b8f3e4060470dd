"""Measures filaments of a snapshot around straight axes: every rank reads its own part.

The axis is centred in slices; then masses are summed by slice, sector and shell, of a grid at points between its cells.
An isothermal cylinder with a constant density beside it is fitted, and that density is subtracted from the profile.
"""

from collections.abc import Sequence
from functools import partial
from math import prod

import numpy as np
from numpy.typing import NDArray

from ..cosmic_web.axis import Axis, around, period
from ..cosmic_web.centring import Centres, centred
from ..cosmic_web.cylinder import Cylinder, fitted
from ..cosmic_web.ends import half_mass_ends
from ..cosmic_web.momenta import Momenta, momenta_of_particles, momenta_of_psi
from ..cosmic_web.profile import measured_profile
from ..cosmic_web.roundness import axis_ratio, axis_ratios
from ..cosmic_web.sampling import SECTORS, cylinder_points, lattice, sampled
from ..cosmic_web.shells import Shells, numbers_of, shell_edges
from ..errors import InputError, RunError, UnfitError
from ..fields.box import Box
from ..parallel.ranks import Ranks
from ..snapshots.snapshot import GridSnapshot, ParticleSnapshot
from ..units import CodeUnits
from .measured_filament import Around, Cut, MeasuredFilament, Roundness, mean_of_box
from .snapshot_ridges import Snapshot

LEAST_PARTICLES = 100
_BEYOND = 0.25  # of its length, by which an axis that was found is continued at both ends
_INNER = 0.6  # of the length of an axis that was found, without its soft ends
_FINE = 64  # slices in which ends are looked for
_MOST_POINTS = 2**22  # of a lattice


def measure_filaments(
    snapshot: Snapshot, axes: Sequence[Axis], how: Around, ranks: Ranks, found: bool
) -> list[MeasuredFilament]:
    """Measure filaments around axes; all ranks call this and get the same.

    found  whether the axes were found: then their ends are where the line mass is half its median, and the outer
           fifths of the length are left out of the profile
    Raises InputError where there is no filament along an axis: fewer than 100 particles, no mass above what is beside
    it, or a density that rises outwards, with the place.
    """
    axes = [_once(axis, snapshot, how) for axis in axes] if found else axes
    if isinstance(snapshot, GridSnapshot):
        unit, mean = _unit_of_grid(snapshot, how, ranks)
        return [_of_grid(snapshot, axis, how, ranks, found, unit, mean) for axis in axes]
    return _of_particles(snapshot, axes, how, ranks, found)


def _of_particles(
    snapshot: ParticleSnapshot, axes: Sequence[Axis], how: Around, ranks: Ranks, found: bool
) -> list[MeasuredFilament]:
    reach = [_reach(axis, snapshot, how, found) + how.smooth for axis in axes]
    near: list[list[tuple]] = [[] for _ in axes]
    total, error = 0.0, None
    with_velocity = snapshot.velocity_unit is not None
    try:
        share = ranks.share(snapshot.number)
        velocities = snapshot.velocities(*share) if with_velocity else None
        for positions, masses in snapshot.batches(*share):
            velocity = next(velocities) if velocities is not None else None
            masses = np.ones(len(positions)) if masses is None else masses
            total += float(masses.sum())
            for number, axis in enumerate(axes):
                chosen, frame = around(positions, axis, reach[number], how.radius + 2 * how.smooth, snapshot.box_size)
                of_axis = None if velocity is None else velocity[chosen]
                near[number].append((axis.positions(frame), masses[chosen], of_axis))
    except (InputError, RunError) as caught:
        error = caught
    ranks.raise_first(error)
    total = float(ranks.allreduce(total))
    if not total > 0:
        raise InputError(f"{snapshot.path}: the sum of its masses is {total:g}: must be positive")
    volume = prod(snapshot.box_size)
    mean = mean_of_box(snapshot, total / volume, how.mean)
    unit = mean * volume / total
    results = []
    for axis, parts in zip(axes, near, strict=True):
        everyone = [part for of_rank in ranks.allgather(parts) for part in of_rank]
        positions = np.concatenate([part[0] for part in everyone])
        mass = unit * np.concatenate([part[1] for part in everyone])
        velocity = np.concatenate([part[2] for part in everyone]) if with_velocity else None
        work = partial(_measure_particles, snapshot, axis, how, found, mean, positions, mass, velocity)
        results.append(ranks.on_root(work))
    return results


def _measure_particles(
    snapshot: ParticleSnapshot,
    first: Axis,
    how: Around,
    found: bool,
    mean: float,
    positions: NDArray,
    mass: NDArray,
    velocity: NDArray | None,
) -> MeasuredFilament:
    frame = (positions - first.centre) @ first.basis.T
    _require_particles(snapshot, first, int(np.sum(np.hypot(frame[:, 0], frame[:, 1]) <= how.radius)))
    axis, centres = _better_axis(snapshot, first, how, found, frame, mass)
    whole = axis.length
    axis = _inner(axis) if found else axis
    frame = (positions - axis.centre) @ axis.basis.T
    radius = np.hypot(frame[:, 0], frame[:, 1])
    beside = (radius <= how.radius) & (np.abs(frame[:, 2]) <= axis.length / 2)
    _require_particles(snapshot, axis, int(np.sum(beside)))
    edges = shell_edges(radius[beside], mass[beside], how.radius, how.shells, 0.0)
    shape = how.slices, SECTORS
    inside, numbers = numbers_of(frame, edges, axis.length, shape)
    shells = Shells.of(edges, axis.length, shape, mass[inside], numbers, grain=float(np.mean(mass[inside])))
    momenta = streaming = along = None
    if velocity is not None:
        along = velocity[inside] @ axis.basis.T
        momenta, streaming = momenta_of_particles(along, mass[inside], numbers[0], how.slices)
    cut = Cut(frame[inside], mass[inside], along)
    points = frame[inside], mass[inside], numbers[0]
    return _measured(
        snapshot, axis, how, shells, points, centres, first, momenta, streaming, "km/s", mean, len(inside), whole, cut
    )


def _require_particles(snapshot: ParticleSnapshot, axis: Axis, number: int) -> None:
    if number < LEAST_PARTICLES:
        raise InputError(
            f"{snapshot.path}: {number} particles around the axis {axis_in_words(axis)}: must be at least "
            f"{LEAST_PARTICLES}"
        )


def _of_grid(
    snapshot: GridSnapshot, first: Axis, how: Around, ranks: Ranks, found: bool, unit: float, mean: float
) -> MeasuredFilament:
    box = Box(snapshot.box_size, snapshot.cells)
    waves = snapshot.kind == "psi"
    planes = snapshot.wave if waves else snapshot.slab
    cell = float(np.max(box.spacing))

    def density(axis: Axis, frame: NDArray) -> NDArray:
        values = sampled(planes, box, axis.positions(frame), ranks)
        return unit * (np.abs(values) ** 2 if waves else np.maximum(values, 0.0))

    reach = _reach(first, snapshot, how, found)
    across = min(how.radius, 4 * how.smooth)
    frame, _ = _lattice(across, reach, max(cell, how.smooth / 4))
    rho = density(first, frame)
    axis, centres = ranks.on_root(lambda: _better_axis(snapshot, first, how, found, frame, rho))
    whole = axis.length
    axis = _inner(axis) if found else axis
    frame, (nu, nv, nz) = _lattice(how.radius, axis.length / 2, cell)
    field = sampled(planes, box, axis.positions(frame), ranks) * (np.sqrt(unit) if waves else unit)
    radius = np.hypot(frame[:, 0], frame[:, 1])
    inside = radius <= how.radius
    weight = np.abs(field) ** 2 if waves else np.maximum(field, 0.0)
    if not np.any(weight[inside] > 0):
        raise InputError(f"{snapshot.path}: no mass around the axis {axis_in_words(axis)}")
    edges = shell_edges(radius[inside], weight[inside], how.radius, how.shells, cell)
    points, volume, numbers = cylinder_points(axis, edges, how.slices, cell)
    mass = density(axis, points) * volume
    shells = Shells.of(edges, axis.length, (how.slices, SECTORS), mass, numbers)
    sides = 2 * how.radius, 2 * how.radius, axis.length
    field = field.reshape(nu, nv, nz)
    cut = Cut(field=field, sides=sides)

    def work() -> MeasuredFilament:
        momenta, name = None, "h/cMpc"
        if waves:
            momenta = momenta_of_psi(field, sides)
            if snapshot.m22 is not None and snapshot.h is not None and snapshot.omega_m is not None:
                units = CodeUnits(snapshot.m22, snapshot.h, snapshot.omega_m)
                momenta = momenta.times(units.length * units.velocity * (1 + snapshot.redshift))
                name = "km/s"
        of_points = points, mass, numbers[0]
        return _measured(
            snapshot, axis, how, shells, of_points, centres, first, momenta, None, name, mean, None, whole, cut
        )

    return ranks.on_root(work)


def _lattice(radius: float, reach: float, step: float) -> tuple[NDArray, tuple[int, int, int]]:
    """A lattice around an axis, of a larger step where it would have too many points."""
    points = 8 * radius**2 * reach / step**3
    return lattice(radius, -reach, reach, step * max(1.0, (points / _MOST_POINTS) ** (1 / 3)))


def _unit_of_grid(snapshot: GridSnapshot, how: Around, ranks: Ranks) -> tuple[float, float]:
    """What the stored density 1 is in mean matter densities, and the mean of the box that follows or was given."""
    total, error = 0.0, None
    first, last = ranks.share(snapshot.cells[0])
    step = max(1, 2**24 // prod(snapshot.cells[1:]))
    try:
        for start in range(first, last, step):
            total += float(snapshot.slab(start, min(start + step, last)).sum(dtype=np.float64))
    except (InputError, RunError) as caught:
        error = caught
    ranks.raise_first(error)
    snapshot.tell_round_off(ranks)
    stored = float(ranks.allreduce(total)) / prod(snapshot.cells)
    if not stored > 0:
        raise InputError(f"{snapshot.path}: its mean density is {stored:g}: must be positive")
    mean = mean_of_box(snapshot, stored, how.mean)
    return mean / stored, mean


def _better_axis(
    snapshot: Snapshot, first: Axis, how: Around, found: bool, frame: NDArray, mass: NDArray
) -> tuple[Axis, Centres]:
    """The axis through the centres of slices; of an axis that was found, between the ends of the filament."""
    half = first.length / 2
    try:
        centres = centred(frame, mass, -half, half, how.slices, how.smooth)
        ends = (-half, half)
        if found:
            reach = _reach(first, snapshot, how, found)
            beside = np.hypot(*(frame[:, :2] - centres.offset - frame[:, 2:] * centres.slope).T) <= 2 * how.smooth
            ends = half_mass_ends(frame[beside, 2], mass[beside], -reach, reach, half, _FINE)
    except UnfitError as error:
        raise _no_filament(snapshot, first, str(error)) from None
    return first.line(centres.offset, centres.slope, *ends), centres


def _once(axis: Axis, snapshot: Snapshot, how: Around) -> Axis:
    """The axis, no longer than to where it comes back to itself."""
    half = min(axis.length, period(axis, snapshot.box_size, 2 * how.smooth)) / 2
    return axis.line((0, 0), (0, 0), -half, half)


def _reach(axis: Axis, snapshot: Snapshot, how: Around, found: bool) -> float:
    """From the middle of an axis to where its ends are looked for: beyond it where it was found, but not twice."""
    if not found:
        return axis.length / 2
    return min(axis.length * (0.5 + _BEYOND), period(axis, snapshot.box_size, 2 * how.smooth) / 2)


def _inner(axis: Axis) -> Axis:
    """The inner part of an axis, without soft ends."""
    return axis.line((0, 0), (0, 0), -_INNER * axis.length / 2, _INNER * axis.length / 2)


def _measured(
    snapshot: Snapshot,
    axis: Axis,
    how: Around,
    shells: Shells,
    points: tuple[NDArray, NDArray, NDArray],
    centres: Centres,
    first: Axis,
    momenta: Momenta | None,
    streaming: NDArray | None,
    momentum_unit: str,
    mean: float,
    particles: int | None,
    length: float,
    cut: Cut,
) -> MeasuredFilament:
    """The fit and the profile, where there is a filament.

    points  (u, v, z), mass and slice of what is within the shells
    """
    moved = float(np.max(np.abs(centres.offset)))
    if moved > 4 * how.smooth:
        raise _no_filament(snapshot, first, f"the next ridge is {moved:.3g} cMpc/h away")
    if not shells.mass.sum() > 0:
        raise _no_filament(snapshot, axis, "there is no mass")
    shells = shells.without_others()
    if how.mask is not None:
        shells = shells.without_slices(_haloes(shells, how, mean))
    if np.count_nonzero(shells.used.any(axis=1)) < 4:
        raise _no_filament(
            snapshot, axis, f"{np.count_nonzero(shells.used.any(axis=1))} slices are left, of 4 at least"
        )
    try:
        cylinder = fitted(shells.edges, shells.sample(), how.beta, how.background)
        profile = measured_profile(shells, cylinder)
    except UnfitError as error:
        raise _no_filament(snapshot, axis, str(error)) from None
    good = np.isfinite(centres.centre).all(axis=1)
    bend = np.polynomial.polynomial.polyfit(centres.z[good], centres.centre[good], 2)[2]
    curvature = float(2 * np.linalg.norm(bend))
    return MeasuredFilament(
        *(axis, how, snapshot, shells, profile, cylinder, centres, curvature, momenta, streaming, momentum_unit, mean),
        *(particles, length, cut, first, _roundness(points, shells, cylinder)),
    )


def _roundness(points: tuple[NDArray, NDArray, NDArray], shells: Shells, cylinder: Cylinder) -> Roundness:
    frame, mass, row = points
    scale, radius, column = cylinder.scale, float(shells.edges[-1]), cylinder.background * shells.length
    start = min(scale, radius / 4)
    whole, angle = axis_ratio(frame[:, :2], mass, start, radius, column)
    slices = len(shells.used)
    return Roundness(whole, angle, *axis_ratios(frame, mass, row, slices, start, radius, column / slices))


def _haloes(shells: Shells, how: Around, mean: float) -> NDArray:
    """Slices whose mean density within the smoothing scale is that of a halo, shape (slices,)."""
    inner = shells.edges[1:] <= max(how.smooth, shells.edges[1])
    volume = np.pi * shells.edges[1:][inner][-1] ** 2 * shells.length / len(shells.used)
    assert how.mask is not None
    return shells.mass[:, :, inner].sum(axis=(1, 2)) / volume > how.mask * mean


def _no_filament(snapshot: Snapshot, axis: Axis, why: str) -> InputError:
    return InputError(f"{snapshot.path}: no filament along the axis {axis_in_words(axis)}: {why}")


def axis_in_words(axis: Axis) -> str:
    """From where to where an axis goes."""
    begin, end = (",".join(f"{value:.4g}" for value in point) for point in (axis.begin, axis.end))
    return f"{begin} to {end} cMpc/h"
