"""P(k) of particles: interlaced grids, the window of the assignment divided out, shot noise known exactly.

A grid of particles holds every mode k together with its images k + 2 pi n/h, each times its window. A second grid,
shifted by half a cell, has the images of odd n_x + n_y + n_z with the other sign: the average of both has lost them,
among them all the nearest (Sefusatti et al. 2016, MNRAS 460, 3624). The other images add to P(k) of a clustered mock
with P ~ 1/k, at 0.5 to 0.7 of the Nyquist wavenumber, 2e-3 for ngp, 1e-3 for cic and 1e-4 for tsc; on one grid 6e-2,
4e-3 and 1.5e-3 (tests/spectra/test_particles.py).

Particles at random have the power V sum w^2 / (sum w)^2 at all k, and so in every image: on a grid they have
V sum w^2 / (sum w)^2 times the sum of the squared windows of the images that are left, over that of the mode. This
sum is finite (Assignment.images), and what is taken off as shot noise is exact up to the corner of k space.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from math import prod
from operator import add

import numpy as np

from ..errors import InputError
from ..fields.assignment import Assignment
from ..fields.box import Box
from ..fields.particles import ParticleGrid, deposit_batches
from ..parallel.fft import Transform, transform
from ..parallel.ranks import SERIAL, Ranks
from .power import Bins, PowerSpectrum, bin_modes

_LINES = 16  # along y, of which the shot noise is found at a time


@dataclass(frozen=True, eq=False)
class ParticleSpectrum:
    """Power of the contrast of particles, and what of it is shot noise.

    spectrum     with the shot noise in it: its `error` holds
    shot_noise   expected of particles at random on the same grid, mean over the modes [(cMpc/h)^3], shape of its power
    white_noise  V sum w^2 / (sum w)^2, V/N for equal weights: shot_noise without images [(cMpc/h)^3]
    number       of particles
    assignment   by name;  interlaced  whether two grids were averaged
    """

    spectrum: PowerSpectrum
    shot_noise: np.ndarray
    white_noise: float
    number: int
    assignment: str
    interlaced: bool

    def less_shot_noise(self) -> PowerSpectrum:
        """The spectrum with its shot noise taken off; errors are those of `spectrum`."""
        return replace(self.spectrum, power=self.spectrum.power - self.shot_noise)


def particle_spectrum(
    batches: Iterable[tuple],
    box: Box,
    assignment="tsc",
    *,
    interlaced=True,
    dtype=np.float64,
    bin_width=1.0,
    mu_bins=None,
    mu_axis=2,
    name="particles",
    backend=None,
    ranks: Ranks = SERIAL,
) -> ParticleSpectrum:
    """P(k) of particles in a periodic box.

    batches     of positions, shape (particles, 3) [cMpc/h], and weights, shape (particles,), or None; over ranks each
                has some of them
    box         size [cMpc/h] and cells of the grid
    assignment  "ngp", "cic", "tsc" or "pcs"
    interlaced  average with a second grid, shifted by half a cell: twice the time, and aliasing where there would be
    dtype       of grids and transforms, float32 or float64
    The rest and what is raised as in ParticleGrid and Bins; InputError where the weights have no positive sum.
    Memory: four grids, two where not interlaced; over ranks one more.
    """
    shifts = (0.0, 0.5) if interlaced else (0.0,)
    grids = [ParticleGrid(box, assignment, shift=s, dtype=dtype, backend=backend, ranks=ranks) for s in shifts]
    deposit_batches(batches, grids)
    return spectrum_of_grids(*grids, bin_width=bin_width, mu_bins=mu_bins, mu_axis=mu_axis, name=name)


def spectrum_of_grids(
    grid: ParticleGrid, shifted: ParticleGrid | None = None, *, bin_width=1.0, mu_bins=None, mu_axis=2, name="particles"
) -> ParticleSpectrum:
    """P(k) of particles on a grid, or on two, the second shifted by half a cell; arguments as in particle_spectrum.

    Raises ValueError for two grids that are no such pair.
    """
    box, ranks, backend = grid.box, grid.ranks, grid.backend
    bins = Bins(box.cells, box.size, bin_width, mu_bins, mu_axis)
    number, total, squares = grid.totals()
    contrast = contrast_of_grids(grid, shifted)
    sums = bin_modes(contrast.values, None, contrast.y_first, bins, axis=1, backend=backend).reduce(ranks)
    spectrum = PowerSpectrum.from_sums(sums, bins, (total / prod(box.cells),), (name,))
    white_noise = prod(box.size) * squares / total**2
    noise = _noise_in_bins(grid.assignment, shifted is not None, bins, backend, ranks)
    return ParticleSpectrum(
        spectrum, white_noise * noise, white_noise, number, grid.assignment.name, shifted is not None
    )


def contrast_of_grids(grid: ParticleGrid, shifted: ParticleGrid | None = None) -> Transform:
    """Unnormalised transform of the contrast, over the window of the assignment; the mode k = 0 is zero.

    For Bins as it is, or for spectra.multipoles.
    Raises InputError where the weights have no positive sum, ValueError for two grids that are no interlaced pair.
    """
    _, total, _ = grid.totals()
    if not total > 0:
        raise InputError(f"weights of {grid.totals()[0]} particles: their sum {total} must be positive")
    if shifted is not None:
        _check_pair(grid, shifted)
    mean = total / prod(grid.box.cells)
    first = _transform_less(grid, mean)
    second = None if shifted is None else _transform_less(shifted, mean)
    phases = _phases(grid.box.cells, first)
    window = _device(grid, [grid.assignment.window(phase) for phase in phases], first.values.real.dtype)
    # each of the two grids is half of the average
    window[0] *= mean * (1 if shifted is None else 2)
    if shifted is not None:
        turns = [np.exp(1j * (shifted.shift - grid.shift) * phase) for phase in phases]
        turn = _device(grid, turns, first.values.dtype)

    def work(plane):
        part = first.values[plane]
        if second is not None:
            part += second.values[plane] * (turn[0][plane] * turn[1][:, None] * turn[2])
        part /= window[0][plane] * window[1][:, None] * window[2]

    grid.backend.for_each(range(len(first.values)), work)
    if first.y_first == 0 and first.values.shape[1] > 0:
        first.values[0, 0, 0] = 0
    return first


def _check_pair(grid, shifted):
    """ValueError unless the same particles are on both grids, half a cell apart."""
    same = (grid.box, grid.assignment, grid.slab.dtype) == (shifted.box, shifted.assignment, shifted.slab.dtype)
    if not same or abs(grid.shift - shifted.shift) != 0.5:
        raise ValueError(
            f"grids of {grid.assignment.name} and {shifted.assignment.name}, {grid.box} and {shifted.box}, "
            f"shifts {grid.shift} and {shifted.shift} [cells]: must be alike but for half a cell"
        )
    if grid.totals() != shifted.totals():
        raise ValueError(f"grids of {grid.totals()[0]} and {shifted.totals()[0]} particles: must be the same particles")


def _transform_less(grid, mean):
    """Transform of a grid less its mean, so that in single precision no round-off of it spreads over all modes."""
    return transform(grid.slab, grid.box.cells, grid.ranks, grid.backend, prepare=lambda part, begin: part - mean)


def _phases(cells, part: Transform):
    """k times the width of a cell along each axis of a rank's part of a transform, in -pi ... pi."""
    x, y = (2 * np.pi * np.fft.fftfreq(n) for n in cells[:2])
    return x, y[part.y_first : part.y_first + part.values.shape[1]], 2 * np.pi * np.fft.rfftfreq(cells[2])


def _device(grid, arrays, dtype):
    """Arrays where the grid is, in a precision."""
    return [grid.backend.to_device(array.astype(dtype)) for array in arrays]


def _noise_in_bins(assignment: Assignment, interlaced, bins: Bins, backend, ranks: Ranks):
    """Power of particles at random on a grid, window divided out, over that without images; shape of a spectrum."""
    phases = [2 * np.pi * np.fft.fftfreq(n) for n in bins.cells[:2]]
    phases.append(2 * np.pi * np.fft.rfftfreq(bins.cells[2]))
    over = [assignment.window(phase) ** 2 for phase in phases]
    kinds = [[backend.to_device(assignment.images(p) / w) for p, w in zip(phases, over, strict=True)]]
    if interlaced:
        kinds.append([backend.to_device(assignment.images(p, True) / w) for p, w in zip(phases, over, strict=True)])
    first, last = ranks.slab(bins.cells[1])
    xp, sums = backend.xp, []
    for begin in [*range(first, last, _LINES)] or [first]:
        lines = slice(begin, min(begin + _LINES, last))
        terms = [x[:, None, None] * y[lines, None] * z for x, y, z in kinds]
        # whose square is binned; less than nothing is round-off
        amplitude = xp.sqrt(xp.maximum(reduce(add, terms) / len(terms), 0)).astype(xp.complex128)
        sums.append(bin_modes(amplitude, None, begin, bins, axis=1, backend=backend))
    total = reduce(add, sums).reduce(ranks)
    return PowerSpectrum.from_sums(total, bins, (1.0,)).power * (prod(bins.cells) ** 2 / prod(bins.box_size))
