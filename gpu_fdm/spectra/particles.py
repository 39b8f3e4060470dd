"""P(k) of particles: interlaced grids, the window of the assignment divided out, shot noise known exactly.

A grid of particles holds every mode k together with its images k + 2 pi n/h, all times their windows. A second grid,
shifted by half a cell, has the images of odd n_x + n_y + n_z with the other sign: the average of both has lost them,
among them all the nearest (Sefusatti et al. 2016, MNRAS 460, 3624). The other images add to P(k) of a clustered mock
with P ~ 1/k, at 0.5 to 0.7 of the Nyquist wavenumber, 2e-3 for ngp, 1e-3 for cic and 1e-4 for tsc; on one grid 6e-2,
4e-3 and 1.5e-3 (tests/spectra/test_particles.py).

Where P(k) has a cut-off and particles are still close to a lattice, as in initial conditions, all images are large
beside the little power there is, those that are left too: P(k) is then a few to hundreds of times too large. The power
of the images that interlacing removes says so: where it is a tenth of P(k), P(k) is off by as much (image_power).

Particles at random have the power V sum w^2 / (sum w)^2 at all k, and so in every image: on a grid they have
V sum w^2 / (sum w)^2 times the sum of the squared windows of the images that are left, over that of the mode. This
sum is finite (Assignment.images), and what is taken off as shot noise is exact up to the corner of k space.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import prod
from operator import add
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ..errors import InputError, UnfitError
from ..fields.assignment import Assignment
from ..fields.box import Box
from ..fields.particles import ParticleGrid, deposit_batches
from ..parallel.backend import CPU, GPU
from ..parallel.domain import Domain
from ..parallel.fft import Transform, in_place, mode_blocks, transform
from ..quantities import ANY, LATER, plain, takes
from ..values import brief
from .modes import Modes
from .multipoles import Multipoles, add_multipoles, multipoles_of_modes
from .power import Bins, ModeSums, PowerSpectrum, bin_modes, power_of_modes

_LINES, _LINES_BYTES = 16, 2**30  # along y, whose shot noise is found at a time, on a card as many as are so large
_MOST_IMAGES = 0.1  # over P(k), power of removed images above which it is not to be trusted
_SURELY = 0.9  # of the Nyquist wavenumber, up to which those of particles at random have less


@dataclass(frozen=True, eq=False)
class ParticleModes(Modes):
    """This rank's complete modes of the contrast of particles, over the window of their assignment.

    white_noise  V sum w^2 / (sum w)^2, V/N for equal weights: shot noise without images [(cMpc/h)^3]
    number       of particles
    assignment   of them;  interlaced  whether two grids were averaged
    images       what the average removed from the modes, over the window too; None of one grid
    """

    white_noise: float
    number: int
    assignment: Assignment
    interlaced: bool
    images: Transform | None


@brief
@dataclass(frozen=True, eq=False)
class ParticleSpectrum:
    """Power of the contrast of particles, and its shot noise.

    spectrum     with the shot noise in it: its `error` holds
    shot_noise   expected of particles at random on the same grid, mean over the modes [(cMpc/h)^3], shape of its power
    white_noise, number, interlaced  as in ParticleModes;  assignment  by name
    """

    spectrum: PowerSpectrum
    shot_noise: np.ndarray
    white_noise: float
    number: int
    assignment: str
    interlaced: bool

    def less_shot_noise(self) -> PowerSpectrum:
        """The spectrum less its shot noise; errors are those of `spectrum`."""
        return replace(self.spectrum, power=self.spectrum.power - self.shot_noise)


@takes(batches=LATER)
def particle_spectrum(
    batches: Iterable[tuple],
    box: Box,
    assignment: str = "tsc",
    *,
    interlaced: bool = True,
    dtype: DTypeLike = np.float64,
    bin_width: float = 1.0,
    mu_bins: int | None = None,
    mu_axis: int = 2,
    name: str = "particles",
    domain: Domain | None = None,
) -> ParticleSpectrum:
    """P(k) of particles in a periodic box.

    batches     of positions, shape (particles, 3) [cMpc/h], and weights, shape (particles,), or None; over ranks every
                rank gives some of them
    box         size [cMpc/h] and cells of the grid
    assignment  "ngp", "cic", "tsc" or "pcs"
    interlaced  average with a second grid, shifted by half a cell: twice the time, and less aliasing
    dtype       of grids and transforms, float32 or float64
    The rest and what is raised as in ParticleGrid and Bins; ValueError where the weights have no positive sum.
    Memory: four grids, two where not interlaced; over ranks one more.
    """
    bins = Bins(box.cells, box.size, bin_width, mu_bins, mu_axis)
    shifts = (0.0, 0.5) if interlaced else (0.0,)
    grids = [ParticleGrid(box, assignment, shift=shift, dtype=dtype, domain=domain) for shift in shifts]
    deposit_batches(map(_plain_batch, batches), grids)
    return power_of_particles(particle_modes(*grids, name=name), bins)


def _plain_batch(batch: tuple) -> tuple:
    """Positions and weights without their units; InputError for what is no pair of them."""
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise InputError("particle_spectrum: batches: must be pairs, as [(positions, None)] or [(positions, weights)]")
    positions, weights = batch
    return plain(positions, "cMpc/h", "particle_spectrum: positions"), plain(weights, ANY, "particle_spectrum: weights")


def power_of_particles(modes: ParticleModes, bins: Bins) -> ParticleSpectrum:
    """P(k) or P(k, mu) of particles from their modes; all ranks call this, and get the same.

    Raises ValueError for modes of other cells than the bins'.
    """
    spectrum = power_of_modes(modes, bins)
    noise = modes.white_noise * _noise_in_bins(modes, bins)
    about = modes.white_noise, modes.number, modes.assignment.name, modes.interlaced
    return ParticleSpectrum(spectrum, noise, *about)


def multipoles_of_particles(modes: ParticleModes, bins: Bins, *, shot_noise: bool = False) -> Multipoles:
    """Multipoles of particles, less those of particles at random unless shot_noise; all ranks call this.

    bins  as in multipoles.multipoles_of_modes, and what is raised
    The modes of a bin do not fill its shell evenly: random particles have a quadrupole and a hexadecapole there too.
    """
    found = multipoles_of_modes(modes, bins)
    if shot_noise:
        return found
    sums = _noise_sums(modes, bins, lambda amplitude, begin, backend: add_multipoles(amplitude, begin, bins, backend))
    noise = modes.white_noise * Multipoles.from_sums(sums, bins).power * (prod(bins.cells) ** 2 / prod(bins.box_size))
    return replace(found, power=found.power - noise)


def image_power(modes: ParticleModes, bins: Bins) -> np.ndarray | None:
    """Power of the images that interlacing removed [(cMpc/h)^3], shape of P(k); None of one grid. All ranks call this.

    Raises ValueError for modes of other cells than the bins'.
    """
    if modes.images is None:
        return None
    return power_of_modes(Modes(modes.images, True, 1.0, modes.mean_density, modes.name), bins).power


def first_untrusted(spectrum: PowerSpectrum, images: np.ndarray) -> float | None:
    """The wavenumber [h/Mpc] from which images that are left may be more than a tenth of the power; None up to Nyquist.

    spectrum  with its shot noise;  images  of image_power
    On lattices with displacements of 0.003 to 2 spacings and cut-offs at 0.15 to 0.5 of the Nyquist wavenumber, rows
    before it are right to 13 % (tests/spectra/test_particles.py). Close to the Nyquist wavenumber random particles have
    images of that size too, which are taken off as shot noise.
    """
    k = spectrum.k
    rows = (k > 0) & (k <= _SURELY * spectrum.nyquist) & (images > _MOST_IMAGES * spectrum.power)
    return float(k[rows][0]) if rows.any() else None


def particle_modes(
    grid: ParticleGrid, shifted: ParticleGrid | None = None, *, name: str = "particles"
) -> ParticleModes:
    """Modes of the contrast of particles on a grid, or on two, the second shifted by half a cell.

    Raises UnfitError where the weights have no positive sum, ValueError for two grids that are no interlaced pair.
    """
    number, total, squares = grid.totals()
    if not total > 0:
        raise UnfitError(f"masses of {number} particles: their sum {total:g} must be positive")
    if shifted is not None:
        _check_pair(grid, shifted)
    domain, box = grid.domain, grid.box
    mean = total / prod(box.cells)
    first = _transform_less(grid, mean)
    second = None if shifted is None else _transform_less(shifted, mean)
    phases = _phases(domain)
    window = _device(domain, [grid.assignment.window(phase) for phase in phases], first.values.real.dtype)
    # each of the two grids is half of the average
    window[0] *= mean * (1 if shifted is None else 2)
    if shifted is not None:
        turns = [np.exp(1j * (shifted.shift - grid.shift) * phase) for phase in phases]
        turn = _device(domain, turns, first.values.dtype)

    def work(planes: slice) -> None:
        part = first.values[planes]
        over = window[0][planes, None, None] * window[1][:, None] * window[2]
        if second is not None:
            turned = second.values[planes] * (turn[0][planes, None, None] * turn[1][:, None] * turn[2])
            second.values[planes] = (part - turned) / over
            part += turned
        part /= over

    domain.backend.for_each(mode_blocks(domain, 4 * first.values.itemsize), work)
    for transformed in filter(None, (first, second)):
        if domain.has_first_line:
            transformed.values[0, 0, 0] = 0
    white_noise = prod(box.size) * squares / total**2
    about = white_noise, number, grid.assignment, shifted is not None, second
    return ParticleModes(first, True, 1.0, mean, name, *about)


def _check_pair(grid: ParticleGrid, shifted: ParticleGrid) -> None:
    """ValueError unless the same particles are on both grids, half a cell apart."""
    same = (grid.box, grid.assignment, grid.slab.dtype) == (shifted.box, shifted.assignment, shifted.slab.dtype)
    if not same or abs(grid.shift - shifted.shift) != 0.5:
        raise ValueError(
            f"grids of {grid.assignment.name} and {shifted.assignment.name}, {grid.box} and {shifted.box}, "
            f"shifts {grid.shift} and {shifted.shift} [cells]: must be alike but for half a cell"
        )
    if grid.totals() != shifted.totals():
        raise ValueError(f"grids of {grid.totals()[0]} and {shifted.totals()[0]} particles: must be the same particles")


def _transform_less(grid: ParticleGrid, mean: float) -> Transform:
    """Transform of a grid less its mean, so that in single precision no round-off of it spreads over all modes."""
    xp = grid.domain.backend.xp

    def less_mean(part: Any, begin: int, out: Any) -> None:
        xp.subtract(part, mean, out=out[..., : part.shape[2]])

    return transform(grid.slab, grid.domain, prepare=less_mean)


def _phases(domain: Domain) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """k times the width of a cell along each axis of this rank's part of a transform, in -pi ... pi."""
    x, y = (2 * np.pi * np.fft.fftfreq(number) for number in domain.cells[:2])
    return x, y[domain.lines], 2 * np.pi * np.fft.rfftfreq(domain.cells[2])


def _device(domain: Domain, arrays: Sequence[np.ndarray], dtype: DTypeLike) -> list[Any]:
    """Arrays where the grid is, in a precision."""
    return [domain.backend.to_device(array.astype(dtype)) for array in arrays]


def _noise_in_bins(modes: ParticleModes, bins: Bins) -> np.ndarray:
    """Power of particles at random on a grid, over the window, over that without images; shape of a spectrum."""

    def add_powers(amplitude: Any, begin: int, backend: CPU | GPU) -> ModeSums:
        return bin_modes(amplitude, None, begin, bins, axis=1, backend=backend)

    power = PowerSpectrum.from_sums(_noise_sums(modes, bins, add_powers), bins, (1.0,)).power
    return power * (prod(bins.cells) ** 2 / prod(bins.box_size))


def _noise_sums(modes: ParticleModes, bins: Bins, sums_of: Callable[[Any, int, CPU | GPU], Any]) -> Any:
    """Sums over the modes of all ranks of the power of particles at random, over that without images.

    sums_of  amplitudes of a slab of lines along y, of the first of which it is told, as sums that add and reduce
    """
    domain, assignment = modes.domain, modes.assignment
    backend, xp = domain.backend, domain.backend.xp
    phases = [2 * np.pi * np.fft.fftfreq(number) for number in bins.cells[:2]]
    phases.append(2 * np.pi * np.fft.rfftfreq(bins.cells[2]))
    windows = [assignment.window(phase) ** 2 for phase in phases]
    kinds = [
        [backend.to_device(assignment.images(p, odd) / window) for p, window in zip(phases, windows, strict=True)]
        for odd in ((False, True) if modes.interlaced else (False,))
    ]
    sums = []
    # many small kernels and copies of sums take a card longer than the numbers
    number = max(_LINES, _LINES_BYTES // (16 * len(phases[0]) * len(phases[2]))) if in_place(domain) else _LINES
    for begin in [*range(domain.lines.start, domain.lines.stop, number)] or [domain.lines.start]:
        lines = slice(begin, min(begin + number, domain.lines.stop))
        terms = [x[:, None, None] * y[lines, None] * z for x, y, z in kinds]
        # its square is binned; numbers below zero are round-off
        amplitude = xp.sqrt(xp.maximum(reduce(add, terms) / len(terms), 0)).astype(xp.complex128)
        sums.append(sums_of(amplitude, begin, backend))
    return reduce(add, sums).reduce(domain.ranks)
