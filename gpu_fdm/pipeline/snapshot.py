"""Power spectra of snapshots: a density or psi on a grid, or particles, each rank reading its own part."""

import logging
from dataclasses import dataclass, replace
from math import prod

import numpy as np

from ..errors import InputError, RunError
from ..fields.assignment import ASSIGNMENTS
from ..fields.box import Box
from ..fields.particles import ParticleGrid, deposit_batches
from ..io.result_file import GroupWriter
from ..io.schema import POWER
from ..parallel.backend import CPU
from ..parallel.fft import transform
from ..parallel.memory import available
from ..parallel.ranks import SERIAL, Ranks
from ..snapshots.options import SnapshotOptions
from ..snapshots.registry import open_snapshot
from ..snapshots.snapshot import GridSnapshot, ParticleSnapshot
from ..spectra.multipoles import Multipoles, add_multipoles
from ..spectra.particles import contrast_of_grids, spectrum_of_grids
from ..spectra.power import PowerSpectrum, power_spectrum
from .progress import in_words
from .result_spectra import write_power

log = logging.getLogger(__name__)

_MOST_CELLS = 512  # a side, of the grid for particles where the user names none


@dataclass(frozen=True)
class Measurement:
    """How to measure.

    cells            a side of the grid that particles are put on; None: about one particle a cell, 512 at most
    assignment       of particles;  interlaced  with a second grid;  shot_noise  leave it in
    bin_width        [2 pi / largest side];  mu_bins  also P(k, mu);  axis  from which mu is counted, 0, 1 or 2
    multipoles       also P_0, P_2, P_4 along the axis
    """

    cells: int | None = None
    assignment: str = "tsc"
    interlaced: bool = True
    shot_noise: bool = False
    bin_width: float = 1.0
    mu_bins: int | None = None
    axis: int = 2
    multipoles: bool = False

    def __post_init__(self):
        if self.assignment not in ASSIGNMENTS:
            raise InputError(f"--assignment {self.assignment}: must be one of {', '.join(ASSIGNMENTS)}")
        if self.cells is not None and not 2 <= self.cells <= 2**16:
            raise InputError(f"--cells {self.cells}: must be in [2, 65536]")
        if not 0.1 <= self.bin_width <= 1e4:
            raise InputError(f"--bin-width {self.bin_width:g}: must be in [0.1, 1e+04]")


@dataclass(frozen=True, eq=False)
class SnapshotPower:
    """What was measured of a snapshot.

    spectrum     P(k); of particles less their shot noise unless it was to be left in
    error        of a Gaussian field, shot noise included [(cMpc/h)^3], shape of the power
    shot_noise   in the bins [(cMpc/h)^3], None of a grid
    of_angle     P(k, mu), None where not asked for;  multipoles  likewise
    """

    snapshot: GridSnapshot | ParticleSnapshot
    spectrum: PowerSpectrum
    error: np.ndarray
    shot_noise: np.ndarray | None = None
    of_angle: PowerSpectrum | None = None
    multipoles: Multipoles | None = None


def snapshot_power(
    path,
    format: str | None = None,
    options: SnapshotOptions = SnapshotOptions(),  # noqa: B008 - frozen
    how: Measurement = Measurement(),
    ranks: Ranks = SERIAL,
    backend=None,
) -> SnapshotPower:
    """Open a snapshot and measure it; all ranks call this and get the same.

    Raises InputError for what is wrong with the file or its values, RunError where memory is too small.
    """
    backend = backend or CPU()
    snapshot = ranks.on_root(lambda: open_snapshot(path, format, options))
    measure = _of_particles if snapshot.kind == "particles" else _of_grid
    try:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is then not finite is told
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


def _of_grid(snapshot, how, ranks, backend):
    cells = snapshot.cells
    _check_planes(snapshot.path, cells[0], ranks)
    _check_room(snapshot.path, 2 * snapshot.dtype.itemsize * prod(cells), ranks)
    slab = backend.to_device(snapshot.slab(*ranks.slab(cells[0])))
    names, size = (snapshot.field,), snapshot.box_size
    common = {"bin_width": how.bin_width, "names": names, "backend": backend, "cells": cells, "ranks": ranks}
    spectrum = power_spectrum(slab, size, **common)
    of_angle = multipoles = None
    if how.mu_bins:
        of_angle = power_spectrum(slab, size, mu_bins=how.mu_bins, mu_axis=how.axis, **common)
    if how.multipoles:
        mean = spectrum.mean_density[0]
        modes = transform(slab - slab.dtype.type(mean), cells, ranks, backend)
        if modes.y_first == 0 and modes.values.shape[1] > 0:
            modes.values[0, 0, 0] = 0  # what the rounded mean left
        multipoles = _multipoles(modes, _along(spectrum.bins, how), ranks, backend, np.float64(mean) ** -2)
    return SnapshotPower(snapshot, spectrum, spectrum.error, None, of_angle, multipoles)


def _of_particles(snapshot, how, ranks, backend):
    side = how.cells or min(_MOST_CELLS, max(8, round(snapshot.number ** (1 / 3))))
    box = Box(snapshot.box_size, tuple(_cells_along(snapshot.box_size, side)))
    _check_planes(snapshot.path, box.cells[0], ranks, " (--cells)")
    _check_room(snapshot.path, (4 if how.interlaced else 2) * 8 * prod(box.cells), ranks)
    shifts = (0.0, 0.5) if how.interlaced else (0.0,)
    grids = [ParticleGrid(box, how.assignment, shift=shift, backend=backend, ranks=ranks) for shift in shifts]
    first, last = ranks.slab(snapshot.number)
    deposit_batches(snapshot.batches(first, last, grids[0].batch), grids)
    common = {"bin_width": how.bin_width, "name": snapshot.field}
    measured = spectrum_of_grids(*grids, **common)
    spectrum = measured.spectrum if how.shot_noise else measured.less_shot_noise()
    of_angle = multipoles = None
    if how.mu_bins:
        angles = spectrum_of_grids(*grids, mu_bins=how.mu_bins, mu_axis=how.axis, **common)
        of_angle = angles.spectrum if how.shot_noise else angles.less_shot_noise()
    if how.multipoles:
        multipoles = _multipoles(contrast_of_grids(*grids), _along(spectrum.bins, how), ranks, backend, 1.0)
    error = measured.spectrum.error
    return SnapshotPower(snapshot, spectrum, error, measured.shot_noise, of_angle, multipoles)


def _along(bins, how):
    return replace(bins, mu_axis=how.axis)


def _multipoles(modes, bins, ranks, backend, factor):
    """P_0, P_2, P_4 of a transform; `factor` makes a contrast of it."""
    sums = add_multipoles(modes.values, modes.y_first, bins, backend).reduce(ranks)
    multipoles = Multipoles.from_sums(sums, bins, "sum")
    return replace(multipoles, power=multipoles.power * factor)


def _cells_along(box_size, side):
    """Cells of about one size in a box that need not be a cube."""
    longest = max(box_size)
    return [max(2, round(side * each / longest)) for each in box_size]


def _check_planes(path, planes, ranks, remedy=""):
    """InputError, the same on all ranks, where some would have no plane."""

    def check():
        if ranks.size > planes:
            raise InputError(f"{path}: more ranks ({ranks.size}) than planes along x ({planes}){remedy}")

    ranks.on_root(check)


def _check_room(path, size, ranks):
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
