"""Power spectra of snapshots: a density or psi on a grid, or particles; every rank reads its own part."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from attrs import evolve

from ..errors import InputError, UnfitError
from ..fields.assignment import ASSIGNMENTS
from ..io.opening import check_digest
from ..io.result_file import GroupWriter
from ..io.schema import POWER
from ..io.shot_noise import shot_noise_attribute
from ..parallel.backend import CPU, GPU
from ..parallel.card_room import held_on_card
from ..parallel.domain import Domain
from ..parallel.ranks import SERIAL, Ranks
from ..quantities import takes_numbers
from ..snapshots.options import SnapshotOptions
from ..snapshots.registry import open_snapshot
from ..snapshots.snapshot import GridSnapshot, ParticleSnapshot
from ..spectra.multipoles import Multipoles, multipoles_of_modes
from ..spectra.particles import (
    ParticleModes,
    first_untrusted,
    image_power,
    multipoles_of_particles,
    power_of_particles,
)
from ..spectra.power import Bins, PowerSpectrum, powers_of_modes
from ..values import brief
from .result_spectra import write_power
from .snapshot_modes import (
    box_for_particles,
    check_planes,
    check_room,
    modes_of_grid,
    modes_of_particles,
    room_of_grid,
    room_of_particles,
)

log = logging.getLogger(__name__)

SAMPLING = "snapshot"  # of densities, which may be averages over cells or values at their centres
_MOST_BY_CHANCE = 0.75  # share of rows below shot noise, above which particles are not at random


@takes_numbers
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


@brief
@dataclass(frozen=True, eq=False)
class SnapshotPower:
    """A snapshot and its measured power.

    spectrum     P(k); of particles it, of_angle and multipoles are less their shot noise, unless Measurement.shot_noise
    error        of a Gaussian field, shot noise included [(cMpc/h)^3], shape of the power
    shot_noise   in the bins [(cMpc/h)^3], None of a grid
    of_angle     P(k, mu), None unless measured;  multipoles  likewise
    of_angle_error, multipoles_error  as error, of these; that of multipoles is of isotropic power
    images       power of the images that interlacing removed [(cMpc/h)^3]; None unless there are two grids of particles
    shot_noise_subtracted  whether spectrum, of_angle and multipoles are less their shot noise; None of a grid
    """

    snapshot: GridSnapshot | ParticleSnapshot
    spectrum: PowerSpectrum
    error: np.ndarray
    shot_noise: np.ndarray | None = None
    of_angle: PowerSpectrum | None = None
    multipoles: Multipoles | None = None
    images: np.ndarray | None = None
    of_angle_error: np.ndarray | None = None
    multipoles_error: np.ndarray | None = None
    shot_noise_subtracted: bool | None = None

    @property
    def power_with_noise(self) -> np.ndarray:
        """Its power with the shot noise that it was measured with [(cMpc/h)^3]."""
        return self.spectrum.power + self.shot_noise if self.shot_noise_subtracted else self.spectrum.power


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
    check_digest(Path(path), ranks)
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
    with errors_of_values(snapshot.path):
        found = measure(snapshot, how, ranks, backend)
    require_power(snapshot, found.spectrum)
    return found


@contextmanager
def errors_of_values(path: str) -> Iterator[None]:
    """InputError that names the snapshot for values of which spectra cannot be made."""
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # require_power finds what is not finite
            yield
    except UnfitError as error:
        raise InputError(f"{path}: {error}") from None


def require_power(snapshot: GridSnapshot | ParticleSnapshot, spectrum: PowerSpectrum) -> None:
    """InputError for a spectrum of one cell, or one that is not finite."""
    if len(spectrum.k) < 2:
        raise InputError(f"{snapshot.path}: a grid of one cell has no power")
    if not np.all(np.isfinite(spectrum.power[spectrum.modes > 0])):
        raise InputError(
            f"{snapshot.path}: {snapshot.field}: its values are too large or too small for their precision: "
            "the power is not finite"
        )


def _of_grid(snapshot: GridSnapshot, how: Measurement, ranks: Ranks, backend: CPU | GPU) -> SnapshotPower:
    domain = Domain(snapshot.cells, ranks, backend)
    check_planes(snapshot.path, domain)
    check_room(snapshot.path, room_of_grid(domain.cells, snapshot.dtype), ranks)
    if not held_on_card(domain, snapshot.dtype, fields=1):
        domain = domain.through_card
    complete = how.multipoles or (bool(how.mu_bins) and domain.card is None)
    modes = modes_of_grid(snapshot, domain, complete=complete)
    bins = Bins(domain.cells, snapshot.box_size, how.bin_width)
    all_bins = [bins, _over_mu(bins, how)] if how.mu_bins else [bins]
    spectrum, *of_angles = powers_of_modes([modes], [((0,), each) for each in all_bins])
    of_angle = of_angles[0] if of_angles else None
    multipoles = multipoles_of_modes(modes, _along_axis(bins, how)) if how.multipoles else None
    errors = _errors_of_angles(spectrum.error, of_angle, multipoles)
    return SnapshotPower(snapshot, spectrum, spectrum.error, None, of_angle, multipoles, None, *errors)


def _of_particles(snapshot: ParticleSnapshot, how: Measurement, ranks: Ranks, backend: CPU | GPU) -> SnapshotPower:
    box = box_for_particles(snapshot.box_size, snapshot.number, how.cells)
    domain = Domain(box.cells, ranks, backend)
    check_planes(snapshot.path, domain, " (--cells)")
    check_room(snapshot.path, room_of_particles(box.cells, how.interlaced), ranks)
    modes = modes_of_particles(snapshot, box, domain, how.assignment, how.interlaced)
    return power_of_snapshot_particles(snapshot, modes, Bins(domain.cells, box.size, how.bin_width), how)


def power_of_snapshot_particles(
    snapshot: ParticleSnapshot, modes: ParticleModes, bins: Bins, how: Measurement
) -> SnapshotPower:
    """What is measured of particles from their modes; all ranks call this, and rank 0 logs which rows are unsure."""
    measured = power_of_particles(modes, bins)
    angles = power_of_particles(modes, _over_mu(bins, how)) if how.mu_bins else None
    multipoles = None
    if how.multipoles:
        multipoles = multipoles_of_particles(modes, _along_axis(bins, how), shot_noise=how.shot_noise)
    spectrum, of_angle = measured.spectrum, None if angles is None else angles.spectrum
    if not how.shot_noise:
        spectrum, of_angle = measured.less_shot_noise(), None if angles is None else angles.less_shot_noise()
    images, error = image_power(modes, bins), measured.spectrum.error
    errors = _errors_of_angles(error, None if angles is None else angles.spectrum, multipoles)
    found = SnapshotPower(
        snapshot, spectrum, error, measured.shot_noise, of_angle, multipoles, images, *errors, not how.shot_noise
    )
    if modes.domain.ranks.is_root:
        _warn_of_rows(found, measured.spectrum)
    return found


def _errors_of_angles(
    error: np.ndarray, of_angle: PowerSpectrum | None, multipoles: Multipoles | None
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Errors of P(k, mu), with its shot noise, and of multipoles, from that of P(k)."""
    return (
        None if of_angle is None else of_angle.error,
        None if multipoles is None else multipoles.gaussian_error(error),
    )


def _warn_of_rows(found: SnapshotPower, with_noise: PowerSpectrum) -> None:
    """Log how many rows have less power than shot noise, and from where images make rows unsure."""
    path, spectrum = found.snapshot.path, found.spectrum
    inside = (spectrum.k > 0) & (spectrum.k <= spectrum.nyquist)
    below = int(np.count_nonzero(spectrum.power[inside] < 0))
    if below:
        rows = np.count_nonzero(inside)
        why = "half of the rows of particles at random have, by chance"
        if below > _MOST_BY_CHANCE * rows:
            why = "particles close to a lattice, as in initial conditions, have none (--shot-noise leaves it in)"
        log.warning(
            "%s: %d of %d rows up to the Nyquist wavenumber have less power than shot noise, which is subtracted: %s",
            *(path, below, rows, why),
        )
    untrusted = None if found.images is None else first_untrusted(with_noise, found.images)
    if untrusted is not None:
        log.warning(
            "%s: rows from k = %.4g h/Mpc on, %.2g of the Nyquist wavenumber, are not to be trusted: images of other "
            "modes may be more than a tenth of their power, or most of it (more --cells)",
            *(path, untrusted, untrusted / spectrum.nyquist),
        )


def _over_mu(bins: Bins, how: Measurement) -> Bins:
    """The bins, of mu too."""
    return evolve(bins, mu_bins=how.mu_bins, mu_axis=how.axis)


def _along_axis(bins: Bins, how: Measurement) -> Bins:
    """The bins, with the axis of the multipoles."""
    return evolve(bins, mu_axis=how.axis)


def write_snapshot_power(file: GroupWriter, measured: SnapshotPower, name: str | None = None) -> None:
    """Write /power/<field> and what else was measured of a snapshot; name  instead of that of the field."""
    snapshot = measured.snapshot
    name = snapshot.field if name is None else name
    noise = shot_noise_attribute(measured.shot_noise_subtracted)
    write_power(file, name, measured.spectrum, SAMPLING)
    known = {key: getattr(snapshot, key) for key in ("redshift", "h", "omega_m", "m22", "time")}
    about = {"of": snapshot.field, "source": snapshot.path, "format": snapshot.format}
    datasets = {key: getattr(measured, key) for key in ("error", "shot_noise", "images")}
    file.group(f"/{POWER}/{name}", datasets, **about, **known, **noise)
    if measured.of_angle is not None:
        write_power(file, f"{name}_mu", measured.of_angle, SAMPLING)
        axis = "xyz"[measured.of_angle.bins.mu_axis]
        file.group(f"/{POWER}/{name}_mu", {"error": measured.of_angle_error}, axis=axis, **noise)
    if (multipoles := measured.multipoles) is not None:
        file.group(
            f"/{POWER}/{name}_multipoles",
            {key: getattr(multipoles, key) for key in ("k", "power", "modes", "mixing")}
            | {"error": measured.multipoles_error},
            axis="xyz"[multipoles.bins.mu_axis],
            nyquist=measured.spectrum.nyquist,
            **noise,
        )
