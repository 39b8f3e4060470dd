"""Cross spectra of two snapshots of one box and redshift, or of two fields or types of particles of one snapshot.

Both are on the same cells: those of a stored grid where one of them is a grid. Particles of both are assigned,
interlaced and divided by the window of their assignment alike; cells of a stored grid are taken as they are, at
(i + 1/2) size/cells, where particles are assigned too.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..fields.box import Box
from ..io.opening import check_digest
from ..io.result_file import GroupWriter
from ..io.schema import POWER
from ..io.shot_noise import shot_noise_attribute
from ..parallel.backend import CPU, GPU
from ..parallel.card_room import held_on_card
from ..parallel.domain import Domain
from ..parallel.ranks import SERIAL, Ranks
from ..snapshots.options import SnapshotOptions
from ..snapshots.registry import open_snapshot
from ..snapshots.snapshot import GridSnapshot, ParticleSnapshot
from ..spectra.boost import DIFFERENCES
from ..spectra.cross import correlation, correlation_error, cross_error
from ..spectra.modes import Modes
from ..spectra.power import Bins, PowerSpectrum, powers_of_modes
from ..values import brief
from .result_spectra import write_power
from .snapshot import (
    SAMPLING,
    Measurement,
    SnapshotPower,
    errors_of_values,
    power_of_snapshot_particles,
    require_power,
    write_snapshot_power,
)
from .snapshot_modes import (
    box_for_particles,
    check_planes,
    check_room,
    modes_of_grid,
    modes_of_particles,
    room_of_grid,
    room_of_particles,
)

_SAME_PARTICLES = 1e-9  # relative, of |P_12| below the root of P_1 P_2 with shot noise, in all rows

AnySnapshot = GridSnapshot | ParticleSnapshot


@brief
@dataclass(frozen=True, eq=False)
class SnapshotCross:
    """Two snapshots, their power and their cross power; arrays have the shape of its power.

    first, second      each with its own power, of particles less shot noise unless Measurement.shot_noise
    spectrum           P_12, with its sign; no shot noise is subtracted from it
    error              of Gaussian fields, shot noise of both included [(cMpc/h)^3]
    correlation        r = P_12/sqrt(P_1 P_2); NaN where P_1 or P_2 is not positive
    correlation_error  of Gaussian fields, to first order; NaN where the correlation is
    """

    first: SnapshotPower
    second: SnapshotPower
    spectrum: PowerSpectrum
    error: np.ndarray
    correlation: np.ndarray
    correlation_error: np.ndarray


def snapshot_cross(
    path: str | Path,
    other: str | Path,
    options: SnapshotOptions = SnapshotOptions(),  # noqa: B008 - frozen
    other_options: SnapshotOptions = SnapshotOptions(),  # noqa: B008 - frozen
    how: Measurement = Measurement(),  # noqa: B008 - frozen
    ranks: Ranks = SERIAL,
    backend: CPU | GPU | None = None,
    *,
    format: str | None = None,
    other_format: str | None = None,
) -> SnapshotCross:
    """Open two snapshots, which may be one file twice with different options, and measure their cross power.

    All ranks call this and get the same.
    Raises InputError for files or values that are wrong, and for snapshots of different boxes, redshifts or cells, or
    of the same field; RunError where memory is too small.
    """
    for each in (path, other):
        check_digest(Path(each), ranks)
    first = ranks.on_root(lambda: open_snapshot(path, format, options))
    second = ranks.on_root(lambda: open_snapshot(other, other_format, other_options))
    return measured_cross(first, second, how, ranks, backend)


def measured_cross(
    first: AnySnapshot,
    second: AnySnapshot,
    how: Measurement = Measurement(),  # noqa: B008 - frozen
    ranks: Ranks = SERIAL,
    backend: CPU | GPU | None = None,
) -> SnapshotCross:
    """Measure the cross power of two open snapshots; all ranks call this and get the same. Errors as snapshot_cross.

    Each density is transformed once. Memory: the modes of the first beside what the power of the second takes.
    """
    ranks.on_root(lambda: require_pair(first, second))
    box = ranks.on_root(lambda: common_box(first, second, how))
    both = first, second
    domain = Domain(box.cells, ranks, backend or CPU())
    of_grids = all(isinstance(each, GridSnapshot) for each in both)
    check_planes(first.path, domain, "" if of_grids else " (--cells)")
    dtype = np.result_type(*(getattr(each, "dtype", np.float64) for each in both))
    check_room(f"{first.path} and {second.path}", _room(both, box, dtype, how), ranks)
    if of_grids and not held_on_card(domain, dtype):
        domain = domain.through_card
    with errors_of_values(first.path):
        bins = Bins(domain.cells, box.size, how.bin_width)
    modes: list[Modes] = []
    powers: list[SnapshotPower | None] = []
    for each in both:
        with errors_of_values(each.path):
            if isinstance(each, GridSnapshot):
                modes.append(modes_of_grid(each, domain, dtype, complete=domain.card is None))
                powers.append(None)
            else:
                found = modes_of_particles(each, box, domain, how.assignment, how.interlaced)
                powers.append(power_of_snapshot_particles(each, found, bins, how))
                modes.append(replace(found, images=None))  # for memory
    asked = [(0, 1), *((number,) for number in range(2) if powers[number] is None)]
    with errors_of_values(first.path):
        spectrum, *of_stored = powers_of_modes(modes, [(numbers, bins) for numbers in asked])
    autos = [
        SnapshotPower(each, (auto := of_stored.pop(0)), auto.error) if power is None else power
        for each, power in zip(both, powers, strict=True)
    ]
    for each, power in zip(both, autos, strict=True):
        require_power(each, power.spectrum)
    require_power(first, spectrum)
    return _crossed(autos[0], autos[1], spectrum)


def _crossed(first: SnapshotPower, second: SnapshotPower, spectrum: PowerSpectrum) -> SnapshotCross:
    """The cross power with its errors. InputError for particles that are the same ones, whose shot noise is in it."""
    cross, modes = spectrum.power, spectrum.modes
    powers = first.spectrum.power, second.spectrum.power
    with_noise = first.power_with_noise, second.power_with_noise
    if first.shot_noise is not None and second.shot_noise is not None:
        root = np.sqrt(np.maximum(with_noise[0] * with_noise[1], 0))
        if len(root) > 2 and np.all(root[1:] > 0) and np.all(cross[1:] >= (1 - _SAME_PARTICLES) * root[1:]):
            raise InputError(
                f"{second.snapshot.path}: its particles are those of {first.snapshot.path}: a cross spectrum, from "
                "which no shot noise is subtracted, must be of different particles"
            )
    return SnapshotCross(
        first,
        second,
        spectrum,
        cross_error(cross, *with_noise, modes),
        correlation(cross, *powers),
        correlation_error(cross, powers, with_noise, modes),
    )


def require_pair(first: AnySnapshot, second: AnySnapshot) -> None:
    """InputError for snapshots of different boxes or redshifts, and for the same field of one file."""
    if Path(first.path).resolve() == Path(second.path).resolve() and first.field == second.field:
        others = [name for name in first.fields if name != first.field]
        instead = f"{', '.join(others)} of it, or another file" if others else "another file"
        raise InputError(f"{first.path}: {first.field} crossed with itself: --cross must be of {instead}")
    sides = np.array([first.box_size, second.box_size])
    if not np.allclose(sides[0], sides[1], rtol=DIFFERENCES["box_size"], atol=0):
        ours, theirs = (" x ".join(f"{side:g}" for side in box) for box in sides)
        ratio = sides[1] / sides[0]
        scaled = np.ptp(ratio) < DIFFERENCES["box_size"] * ratio[0]
        units = f", {ratio[0]:.6g} times as large: are both in the same unit of length?" if scaled else ""
        raise InputError(f"{second.path}: box of {theirs} cMpc/h: must be that of {first.path}, {ours} cMpc/h{units}")
    if abs(second.redshift - first.redshift) > DIFFERENCES["redshift"] * (1 + first.redshift):
        raise InputError(
            f"{second.path}: z = {second.redshift:.6g}: must be that of {first.path}, z = {first.redshift:.6g}, "
            f"to {DIFFERENCES['redshift']:g} in 1 + z"
        )


def common_box(first: AnySnapshot, second: AnySnapshot, how: Measurement) -> Box:
    """The box with the cells of both: those of a stored grid, else those for the larger number of particles.

    InputError for grids of different cells, and for --cells that are not those of the grid.
    """
    grids = [each for each in (first, second) if isinstance(each, GridSnapshot)]
    numbers = [each.number for each in (first, second) if isinstance(each, ParticleSnapshot)]
    if not grids:
        return box_for_particles(first.box_size, max(numbers), how.cells)
    box, words = Box(first.box_size, grids[0].cells), " x ".join(map(str, grids[0].cells))
    for grid in grids[1:]:
        if grid.cells != grids[0].cells:
            theirs = " x ".join(map(str, grid.cells))
            raise InputError(f"{grid.path}: {theirs} cells: must be those of {grids[0].path}, {words}")
    if numbers and how.cells is not None and box_for_particles(first.box_size, 1, how.cells).cells != grids[0].cells:
        raise InputError(f"--cells {how.cells}: must be the {words} cells of {grids[0].path}, or be left out")
    return box


def _room(both: tuple[AnySnapshot, AnySnapshot], box: Box, dtype: np.dtype, how: Measurement) -> int:
    """Bytes that both take: while the second is transformed, the modes of the first are there."""
    made = [
        room_of_grid(box.cells, dtype)
        if isinstance(each, GridSnapshot)
        else room_of_particles(box.cells, how.interlaced)
        for each in both
    ]
    return max(made[0], room_of_grid(box.cells, dtype) // 2 + made[1])


def write_snapshot_cross(file: GroupWriter, measured: SnapshotCross) -> None:
    """Write /power/<field> of the first, /power/<field>_other of the second, and /power/<field>_cross."""
    both = measured.first, measured.second
    snapshots = [each.snapshot for each in both]
    name = snapshots[0].field
    write_snapshot_power(file, measured.first)
    write_snapshot_power(file, measured.second, f"{name}_other")
    write_power(file, f"{name}_cross", measured.spectrum, SAMPLING)
    noise = None if all(each.shot_noise is None for each in both) else False
    file.group(
        f"/{POWER}/{name}_cross",
        {key: getattr(measured, key) for key in ("error", "correlation", "correlation_error")},
        of=[each.field for each in snapshots],
        source=[each.path for each in snapshots],
        redshift=snapshots[0].redshift,
        **shot_noise_attribute(noise),
    )
