"""Power spectra of snapshots: a density or psi on a grid, or particles; every rank reads its own part."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from attrs import evolve

from ..errors import InputError, RunError
from ..fields.assignment import ASSIGNMENTS
from ..fields.box import Box
from ..fields.particles import ParticleGrid, deposit_batches
from ..io.result_file import GroupWriter
from ..io.schema import POWER
from ..parallel.backend import CPU, GPU
from ..parallel.domain import Domain
from ..parallel.memory import available
from ..parallel.ranks import SERIAL, Ranks
from ..snapshots.options import SnapshotOptions
from ..snapshots.registry import open_snapshot
from ..snapshots.snapshot import GridSnapshot, ParticleSnapshot
from ..spectra.modes import contrast_modes
from ..spectra.multipoles import Multipoles, multipoles_of_modes
from ..spectra.particles import particle_modes, power_of_particles
from ..spectra.power import Bins, PowerSpectrum, power_of_modes
from ..vectors import three
from .progress import in_words
from .result_spectra import write_power

log = logging.getLogger(__name__)

_MOST_CELLS = 512  # a side, of the grid for particles where the user names none


@dataclass(frozen=True)
class Measurement:
    """How to measure.

    cells        a side of the grid of particles; None: about one particle a cell, 512 at most
    assignment   of particles;  interlaced  with a second grid;  shot_noise  whether it stays in the power
    bin_width    [2 pi / largest side];  mu_bins  also P(k, mu);  axis  from which mu is counted, 0, 1 or 2
    multipoles   also P_0, P_2, P_4 along the axis
    """

    cells: int | None = None
    assignment: str = "tsc"
    interlaced: bool = True
    shot_noise: bool = False
    bin_width: float = 1.0
    mu_bins: int | None = None
    axis: int = 2
    multipoles: bool = False

    def __post_init__(self) -> None:
        if self.assignment not in ASSIGNMENTS:
            raise InputError(f"--assignment {self.assignment}: must be one of {', '.join(ASSIGNMENTS)}")
        if self.cells is not None and not 2 <= self.cells <= 2**16:
            raise InputError(f"--cells {self.cells}: must be in [2, 65536]")
        if not 0.1 <= self.bin_width <= 1e4:
            raise InputError(f"--bin-width {self.bin_width:g}: must be in [0.1, 1e+04]")


@dataclass(frozen=True, eq=False)
class SnapshotPower:
    """A snapshot and its measured power.

    spectrum     P(k); of particles less their shot noise, unless Measurement.shot_noise
    error        of a Gaussian field, shot noise included [(cMpc/h)^3], shape of the power
    shot_noise   in the bins [(cMpc/h)^3], None of a grid
    of_angle     P(k, mu), None unless measured;  multipoles  likewise
    """

    snapshot: GridSnapshot | ParticleSnapshot
    spectrum: PowerSpectrum
    error: np.ndarray
    shot_noise: np.ndarray | None = None
    of_angle: PowerSpectrum | None = None
    multipoles: Multipoles | None = None


def snapshot_power(
    path: str | Path,
    format: str | None = None,
    options: SnapshotOptions = SnapshotOptions(),  # noqa: B008 - frozen
    how: Measurement = Measurement(),
    ranks: Ranks = SERIAL,
    backend: CPU | GPU | None = None,
) -> SnapshotPower:
    """Open a snapshot and measure it; all ranks call this and get the same.

    Raises InputError for a file or values that are wrong, RunError where memory is too small.
    """
    return measured_power(ranks.on_root(lambda: open_snapshot(path, format, options)), how, ranks, backend)


def measured_power(
    snapshot: GridSnapshot | ParticleSnapshot,
    how: Measurement = Measurement(),
    ranks: Ranks = SERIAL,
    backend: CPU | GPU | None = None,
) -> SnapshotPower:
    """Measure an open snapshot; all ranks call this and get the same. Every density is transformed once.

    Raises InputError for values that are wrong, RunError where memory is too small.
    """
    backend = backend or CPU()
    measure: Callable = _of_particles if snapshot.kind == "particles" else _of_grid
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # numbers that are not finite raise below
            found = measure(snapshot, how, ranks, backend)
    except InputError:
        raise  # it names the file, or the part of it
    except ValueError as error:
        raise InputError(f"{snapshot.path}: {error}") from None
    if not np.all(np.isfinite(found.spectrum.power[found.spectrum.modes > 0])):
        raise InputError(
            f"{snapshot.path}: {snapshot.field}: its values are too large or too small for their precision: "
            "the power is not finite"
        )
    return found


def _of_grid(snapshot: GridSnapshot, how: Measurement, ranks: Ranks, backend: CPU | GPU) -> SnapshotPower:
    domain = Domain(snapshot.cells, ranks, backend)
    _check_planes(snapshot.path, domain)
    _check_room(snapshot.path, 2 * snapshot.dtype.itemsize * prod(domain.cells), ranks)
    density = backend.to_device(snapshot.slab(domain.planes.start, domain.planes.stop))
    modes = contrast_modes(density, domain, snapshot.field, complete=bool(how.mu_bins or how.multipoles))
    bins = Bins(domain.cells, snapshot.box_size, how.bin_width)
    spectrum = power_of_modes(modes, bins)
    of_angle = power_of_modes(modes, _over_mu(bins, how)) if how.mu_bins else None
    multipoles = multipoles_of_modes(modes, _along_axis(bins, how)) if how.multipoles else None
    return SnapshotPower(snapshot, spectrum, spectrum.error, None, of_angle, multipoles)


def _of_particles(snapshot: ParticleSnapshot, how: Measurement, ranks: Ranks, backend: CPU | GPU) -> SnapshotPower:
    side = how.cells or min(_MOST_CELLS, max(8, round(snapshot.number ** (1 / 3))))
    box = Box(snapshot.box_size, three(_cells_along(snapshot.box_size, side)))
    domain = Domain(box.cells, ranks, backend)
    _check_planes(snapshot.path, domain, " (--cells)")
    _check_room(snapshot.path, (4 if how.interlaced else 2) * 8 * prod(box.cells), ranks)
    shifts = (0.0, 0.5) if how.interlaced else (0.0,)
    grids = [ParticleGrid(box, how.assignment, shift=shift, domain=domain) for shift in shifts]
    deposit_batches(snapshot.batches(*ranks.share(snapshot.number), grids[0].batch), grids)
    modes = particle_modes(*grids, name=snapshot.field)
    bins = Bins(domain.cells, box.size, how.bin_width)
    measured = power_of_particles(modes, bins)
    angles = power_of_particles(modes, _over_mu(bins, how)) if how.mu_bins else None
    multipoles = multipoles_of_modes(modes, _along_axis(bins, how)) if how.multipoles else None
    spectrum, of_angle = measured.spectrum, None if angles is None else angles.spectrum
    if not how.shot_noise:
        spectrum, of_angle = measured.less_shot_noise(), None if angles is None else angles.less_shot_noise()
    error = measured.spectrum.error
    return SnapshotPower(snapshot, spectrum, error, measured.shot_noise, of_angle, multipoles)


def _over_mu(bins: Bins, how: Measurement) -> Bins:
    """The bins, of mu too."""
    return evolve(bins, mu_bins=how.mu_bins, mu_axis=how.axis)


def _along_axis(bins: Bins, how: Measurement) -> Bins:
    """The bins, with the axis of the multipoles."""
    return evolve(bins, mu_axis=how.axis)


def _cells_along(box_size: Sequence[float], side: int) -> list[int]:
    """Cells of about one size in a box that need not be a cube."""
    longest = max(box_size)
    return [max(2, round(side * length / longest)) for length in box_size]


def _check_planes(path: str, domain: Domain, remedy: str = "") -> None:
    """InputError, the same on all ranks, where some would have no plane."""

    def check() -> None:
        try:
            domain.require_planes()
        except ValueError as error:
            raise InputError(f"{path}: {error}{remedy}") from None

    domain.ranks.on_root(check)


def _check_room(path: str, size: int, ranks: Ranks) -> None:
    """RunError where the ranks of this node would need more memory than there is."""
    needed = size * ranks.local_size // ranks.size
    if needed > available():
        raise RunError(
            f"{path}: too little memory: the grids need {in_words(needed)} on this node, {in_words(available())} are "
            "available (more nodes, or for particles fewer --cells)"
        )


def write_snapshot_power(file: GroupWriter, measured: SnapshotPower) -> None:
    """Write /power/<field> and what else was measured of a snapshot."""
    snapshot, name = measured.snapshot, measured.snapshot.field
    write_power(file, name, measured.spectrum, "point")
    known = {key: getattr(snapshot, key) for key in ("redshift", "h", "omega_m", "m22", "time")}
    about = {"of": name, "source": snapshot.path, "format": snapshot.format}
    file.group(f"/{POWER}/{name}", {"error": measured.error, "shot_noise": measured.shot_noise}, **about, **known)
    if measured.of_angle is not None:
        write_power(file, f"{name}_mu", measured.of_angle, "point")
    if (multipoles := measured.multipoles) is not None:
        file.group(
            f"/{POWER}/{name}_multipoles",
            {name: getattr(multipoles, name) for name in ("k", "power", "modes")},
            axis="xyz"[multipoles.bins.mu_axis],
            nyquist=measured.spectrum.nyquist,
        )
