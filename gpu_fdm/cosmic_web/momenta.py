"""Momenta around an axis: of psi by its Fourier transform, of particles by their velocities.

The spectrum of psi along one direction, summed over the others, is the distribution of its comoving momentum there
[h/cMpc], under a Hann window w = sin^2(pi x/length) along it. The window adds a variance of its own: that of the Wigner
distribution of w psi at x is that of psi and -(ln w)''/2, so that

    p_w^2 = -(1/2) int w^2 (ln w)'' |psi|^2/int w^2 |psi|^2 = (pi/length)^2 int w |psi|^2/int w^2 |psi|^2,

which is subtracted. Velocities are peculiar: the momentum times hbar/(m a).
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray


@frozen
class Momenta:
    """Mean along the axis, and dispersions along it and across it, in one direction: [h/cMpc] of psi, else [km/s]."""

    streaming: float
    along: float
    across: float

    def times(self, unit: float) -> "Momenta":
        """In another unit."""
        return Momenta(self.streaming * unit, self.along * unit, self.across * unit)


def momenta_of_psi(psi: NDArray, sides: tuple[float, float, float]) -> Momenta:
    """Momenta of psi on a lattice (u, v, z) whose sides are `sides` [cMpc/h]; ValueError where psi is zero."""
    if not np.any(psi):
        raise ValueError("psi is zero around the axis")
    moments = []
    for axis, side in enumerate(sides):
        number = psi.shape[axis]
        shape = [-1 if other == axis else 1 for other in range(3)]
        window = np.sin(np.pi * (np.arange(number) + 0.5) / number) ** 2
        share = np.abs(np.fft.fft(psi * window.reshape(shape), axis=axis)) ** 2
        share = share.sum(axis=tuple(other for other in range(3) if other != axis))
        k = 2 * np.pi * np.fft.fftfreq(number, side / number)
        mean = np.average(k, weights=share)
        density = np.sum(np.abs(psi) ** 2, axis=tuple(other for other in range(3) if other != axis))
        of_window = (np.pi / side) ** 2 * np.sum(window * density) / np.sum(window**2 * density)
        # of a psi of one momentum nothing is left but round-off
        moments.append((float(mean), max(0.0, float(np.average((k - mean) ** 2, weights=share) - of_window))))
    (_, u), (_, v), (streaming, along) = moments
    return Momenta(streaming, float(np.sqrt(along)), float(np.sqrt((u + v) / 2)))


def momenta_of_particles(velocity: NDArray, mass: NDArray, row: NDArray, slices: int) -> tuple[Momenta, NDArray]:
    """Momenta of particles, and the mean velocity of every slice along the axis, shape (slices,), NaN without any.

    velocity  along u, v and z, shape (particles, 3);  row  their slices
    Dispersions are around the means of slices.
    """
    total = np.bincount(row, mass, slices)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.stack([np.bincount(row, mass * velocity[:, i], slices) / total for i in range(3)], axis=-1)
    off = velocity - means[row]
    u, v, along = np.average(off**2, axis=0, weights=mass)
    streaming = float(np.average(velocity[:, 2], weights=mass))
    return Momenta(streaming, float(np.sqrt(along)), float(np.sqrt((u + v) / 2))), means[:, 2]
