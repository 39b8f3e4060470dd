"""Weights of states from a psi that is given: its slices across the filament, projected on the eigenstates.

    psi(R, phi, z) = sqrt(mu/2pi) sum_nl R_nl(R) [a+_nl(z) e^{il phi} + a-_nl(z) e^{-il phi}],   w_nl = <|a_nl|^2>

the mean over slices and both signs. A slice is transformed over the angle on rings (rings.py). The a of one l are then
the least-squares solution of int R dR R_nl psi_l = sum_n' G_nn' a_n', G the overlaps of the states within the last
ring: states that reach beyond it are not orthogonal there. What the states do not hold, in the disc, stays out.
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from ..errors import UnfitError
from ..parallel.blas import on_one_thread
from .alignment import offsets
from .eigenstates import Library
from .leakage import ToldAxis, told_axis
from .phases import PhaseTests, phase_tests
from .rings import Rings
from .slices import Correlation, at_rest, drift, mean_momenta

LEAST_TESTED = 1e-2  # of the largest weight: an axis that is 1 % of the filament off leaves a few 1e-3 in other states
_MOST_MOVES = 4  # of the axis
_WORTH = 2.0  # rms of a move over what chance makes


@frozen(eq=False)
class Projection:
    """Amplitudes of the states of a library in slices of psi.

    amplitude    a+ and a-, shape (modes, 2, slices), complex; a- is zero where l = 0
    multiplicity of the modes, shape (modes,)
    inside       share of each state within the disc, shape (modes,)
    correlation  of psi along the axis
    mass         line mass of |psi|^2 within the disc over that of the library
    held         share of it that the states hold
    momentum, centre  that were subtracted, shape (slices, 2) [1/L], [L]; None where they are those of chance
    outer        radius of the disc [L]
    outside      share of psi in no state of those that tell the axis, around the first axis and around this one
    axis_told    whether these two tell the axis (leakage.py)
    """

    amplitude: NDArray
    multiplicity: NDArray
    inside: NDArray
    correlation: Correlation
    mass: float
    held: float
    momentum: NDArray | None
    centre: NDArray | None
    outer: float
    outside: tuple[float, float]
    axis_told: bool

    @property
    def weight(self) -> NDArray:
        """w = <|a|^2>, shape (modes,)."""
        return self._moment(1)

    @property
    def scatter(self) -> NDArray:
        """Standard deviation of |a|^2 over slices and signs, shape (modes,)."""
        return np.sqrt(np.maximum(self._moment(2) - self.weight**2, 0.0))

    @property
    def error(self) -> NDArray:
        """Standard error of the weights, shape (modes,); NaN where there are fewer than two independent slices."""
        effective = self.correlation.effective
        return (
            self.scatter / np.sqrt(effective * self.multiplicity)
            if effective >= 2
            else np.full(self.inside.shape, np.nan)
        )

    @property
    def relative_scatter(self) -> float:
        """rms of scatter over weight, by mass: 1 for Gaussian amplitudes, 0 where |a| is the same in all slices."""
        weight = self.weight
        share = self.multiplicity * weight
        return float(np.sqrt(np.average((self.scatter / np.maximum(weight, 1e-300)) ** 2, weights=share)))

    def log_ratio(self, weight: NDArray) -> tuple[float, float]:
        """rms of ln(w/w') over modes, by the mass of w', and what the scatter over slices alone makes of it.

        weight  w', shape (modes,), not negative
        A mean of N values with the scatter s of |a|^2 has nearly a gamma distribution of shape N/s^2, whose logarithm
        has the variance polygamma(1, N/s^2).
        """
        own, share = self.weight, self.multiplicity * weight
        good = (own > 0) & (weight > 0)
        square = np.average(np.log(own[good] / weight[good]) ** 2, weights=share[good])
        shape = self.correlation.effective * self.multiplicity[good] / max(self.relative_scatter, 1e-6) ** 2
        chance = polygamma(1, shape) + (digamma(shape) - np.log(shape)) ** 2
        return float(np.sqrt(square)), float(np.sqrt(np.average(chance, weights=share[good])))

    def ratio_by_energy(self, weight: NDArray, energy: NDArray) -> NDArray:
        """Mass of the states over that with weights w', in three parts by energy of equal mass of w', shape (3,)."""
        order = np.argsort(energy)
        mass, other = ((self.multiplicity * values)[order] for values in (self.weight, weight))
        until = np.cumsum(other)
        part = np.minimum((until - other / 2) / until[-1] * 3, 2.999).astype(int)
        return np.bincount(part, mass, 3) / np.maximum(np.bincount(part, other, 3), 1e-300)

    @property
    def tested(self) -> NDArray:
        """States whose phases are tested, shape (modes,): of weaker ones a little of the strong ones is most."""
        return self.weight > LEAST_TESTED * self.weight.max()

    def phase_tests(self) -> PhaseTests:
        """Whether phases of a+ of the tested states, and then of a- where l > 0, are uniform and independent.

        Slices are independent ones; the momentum of all along the axis is taken out of them.
        """
        found, count, tested = self.correlation, self.amplitude.shape[2], self.tested
        chosen = np.arange(found.spacing // 2, count, found.spacing)
        both = self.amplitude[tested, 0], self.amplitude[tested & (self.multiplicity > 1), 1]
        some = np.concatenate(both)[:, chosen]
        turned = np.exp(-1j * found.momentum * found.step * chosen)
        return phase_tests(np.exp(1j * np.angle(some)) * turned)

    def _moment(self, power: int) -> NDArray:
        """Mean of |a|^(2 power) over slices and signs."""
        return np.sum(np.mean(np.abs(self.amplitude) ** (2 * power), axis=2), axis=1) / self.multiplicity


def rings_for(library: Library, points: int, side: float) -> Rings:
    """Rings on which the states of a library are told apart.

    points, side [L]  of the lattice
    """
    return Rings(points, side, library.wavenumber_max, int(library.l.max()))


@on_one_thread
def project(
    psi: NDArray,
    sides: tuple[float, float, float],
    library: Library,
    centres: NDArray | None = None,
    wider: Library | None = None,
) -> Projection:
    """Project psi on the states of a library, slice by slice.

    psi      on a lattice around the axis, shape (u, v, slices) with as many u as v [rho_m0^1/2]
    sides    of the lattice [L]
    centres  of the slices, shape (any number, 2), evenly along the axis, NaN where one is not known [L]; None: the axis
    wider    states up to a higher energy, which tell the axis where psi has more than those of the library
    The mean momentum across, and the centres, are subtracted where chance does not make them (slices.drift). The axis
    is then moved to where the states hold psi (leakage.py), if that takes away three quarters of what they do not hold,
    and more than chance does; or else by what states of l and l + 1 say of it (alignment.offsets) where they then hold
    more. Momentum along the axis turns the phases of all states alike, and does not matter here.
    Raises UnfitError for a psi that is not finite, or zero, or on a lattice that is no square or too small.
    """
    if psi.ndim != 3 or psi.shape[0] != psi.shape[1] or abs(sides[0] / sides[1] - 1) > 1e-6:
        raise UnfitError(f"psi of shape {psi.shape}, sides {sides}: must be on a lattice with a square across the axis")
    if not np.all(np.isfinite(psi)) or not np.any(psi):
        raise UnfitError("psi: must be finite, and not zero everywhere")
    across, count = sides[:2], psi.shape[2]
    correlation = Correlation.of(psi, sides[2] / count)
    effective = correlation.effective
    momentum = drift(mean_momenta(psi, across), effective)
    centre = None if centres is None else drift(_at_slices(centres, count), min(effective, len(centres)))
    rings = rings_for(library, psi.shape[0], sides[0])

    def resting(place: NDArray | None, some: NDArray | slice) -> NDArray:
        curves = (None if curve is None else curve[some] for curve in (momentum, place))
        return at_rest(psi[:, :, some], across, *curves)

    def around(place: NDArray | None) -> _Amplitudes:
        return _amplitudes(resting(place, slice(None)), library, rings)

    def told_by(states: Library) -> ToldAxis:
        return told_axis(resting, centre, count, states, rings_for(states, psi.shape[0], sides[0]))

    told = told_by(library)
    if not told.moved and wider is not None:
        told = told_by(wider)
    centre = told.centre
    found = around(centre)
    for _ in range(0 if told.moved else _MOST_MOVES):
        offset = offsets(found.value, _mean_square(found.value, library), library, rings)
        shift = drift(offset, effective, _WORTH)
        if shift is None:
            break
        moved = shift if centre is None else centre + shift
        better = around(moved)
        if better.held <= found.held:
            break
        centre, found = moved, better
    return Projection(
        *(found.value, library.multiplicity, found.inside, correlation, found.mass, found.held / found.mass),
        *(momentum, centre, rings.outer, told.outside, told.moved),
    )


@frozen(eq=False)
class _Amplitudes:
    """a+ and a- of slices, shape (modes, 2, slices), shares of states in the disc, and masses over the library's."""

    value: NDArray
    inside: NDArray
    mass: float
    held: float


def _amplitudes(psi: NDArray, library: Library, rings: Rings) -> _Amplitudes:
    """Of the slices of psi at rest."""
    count = psi.shape[2]
    radial = library.radial_at(rings.radius)
    scaled = radial * rings.weight * np.sqrt(2 * np.pi / library.line_mass)
    states = [np.flatnonzero(library.l == l) for l in range(int(library.l.max()) + 1)]
    overlaps = [(radial[some] * rings.weight) @ radial[some].T for some in states]
    amplitude = np.zeros((len(library), 2, count), complex)
    mass = held = 0.0
    step = rings.at_once()
    for part in (slice(first, min(first + step, count)) for first in range(0, count, step)):
        on_rings = rings.of_lattice(psi[:, :, part])
        mass += 2 * np.pi * float(np.mean(np.abs(on_rings) ** 2, axis=2).sum(axis=0) @ rings.weight)
        factors = np.fft.fft(on_rings, axis=2) / rings.angles
        for l, some in enumerate(states):
            for sign in (0, 1) if l else (0,):
                seen = scaled[some] @ factors[:, :, -l if sign else l].T
                amplitude[some, sign, part] = found = np.linalg.solve(overlaps[l], seen)
                held += float(np.sum(found.conj() * seen).real)
    inside = np.concatenate([np.diag(overlap) for overlap in overlaps])
    return _Amplitudes(amplitude, inside, mass / library.line_mass / count, held / count)


def _mean_square(amplitude: NDArray, library: Library) -> NDArray:
    """Of the amplitudes of states, over slices and signs, shape (modes,)."""
    return np.sum(np.mean(np.abs(amplitude) ** 2, axis=2), axis=1) / library.multiplicity


@on_one_thread
def psi_on_lattice(library: Library, amplitude: NDArray, points: int, side: float) -> NDArray:
    """psi of amplitudes on a lattice across the axis, shape (points, points, slices) [rho_m0^1/2]: what project undoes.

    amplitude  a+ and a-, shape (modes, 2, slices);  points, side [L]  of the lattice along u and v
    """
    line = ((np.arange(points) + 0.5) / points - 0.5) * side
    radius, where = np.unique(np.round(np.hypot(line[:, None], line), 12), return_inverse=True)
    where, turn = where.ravel(), np.exp(1j * np.arctan2(line, line[:, None])).ravel()
    psi = np.zeros((points**2, amplitude.shape[2]), complex)
    for l in range(int(library.l.max()) + 1):
        some = np.flatnonzero(library.l == l)
        radial = library.radial[some] @ library.interpolation_matrix(radius).T
        states = radial.T[where]
        psi += (turn**l)[:, None] * (states @ amplitude[some, 0])
        if l:
            psi += (turn**-l)[:, None] * (states @ amplitude[some, 1])
    return np.sqrt(library.line_mass / (2 * np.pi)) * psi.reshape(points, points, -1)


def _at_slices(centres: NDArray, count: int) -> NDArray:
    """Centres of parts of the axis at its slices, shape (count, 2)."""
    place = (np.arange(count) + 0.5) / count * len(centres) - 0.5
    return np.stack([np.interp(place, np.arange(len(centres)), column) for column in centres.T], axis=-1)
