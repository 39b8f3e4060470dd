"""How long the fringes of a filament last: the autocorrelation in time of its density, averaged over phases exactly.

delta = |psi|^2 - <|psi|^2> changes as pairs of states beat. With fixed |a_nl| and independent uniform phases

    C(t) = int <delta(x, t') delta(x, t' + t)> d2x / int <delta^2> d2x  =  [ J(t) - S ] / [ J(0) - S ]
    J(t) = int R dR |Gamma(R, t)|^2,    Gamma = sum_j rho_j(R) e^{-i E_j t},    S = int R dR sum_j rho_j^2

with a sum over signed l, rho_j = (mu/2pi) w_j R_j^2, and S the pairs of a state with itself, which do not beat.
States of +l and -l have one energy: their beats stand still, and C does not fall to 0. The coherence time is where C
first falls to COHERENCE. Where psi is locally thermal, kinetic energies have the distribution
exp(-E/sigma^2)/sigma^2 at every radius, so that for beta = 0

    C = 1/(1 + (sigma^2 t)^2),    coherence time = 1/sigma^2, which is hbar/(m sigma^2).

With momentum along the axis C is that at any one point of it: Gamma takes the factor sum_q g_q e^{-iq^2 t/(2a^2)}, S
the factor sum_q g_q^2, and the locally thermal limit is C = (1 + (sigma^2 t)^2)^(-3/2).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import UnfitError
from ..quantities import takes
from .wavefunction import WaveFunction

COHERENCE = 0.5  # C at the coherence time
_STEP = 0.2  # of the search for it, over 1/spread of the energies: C is smooth on this scale
_TIMES, _MOST = 16, 512  # times of a search in one go, and in all
_STATES_AT_ONCE = 1024


@takes()
def autocorrelation(wave: WaveFunction, time: ArrayLike) -> NDArray:
    """C of the fringes of a filament, averaged over phases; of the shape of time [T].

    Raises UnfitError for a single state, which has no fringes.
    """
    time = np.asarray(time, float)
    beats, alone = _pairs(wave, np.concatenate([[0.0], time.ravel()]))
    if not beats[0] - alone > 1e-12 * beats[0]:
        raise UnfitError("psi is a single state, which has no fringes")
    return ((beats[1:] - alone) / (beats[0] - alone)).reshape(time.shape)


@takes()
def coherence_time(wave: WaveFunction) -> float:
    """The time at which C first falls to COHERENCE [T], to 1e-4 of itself.

    Raises UnfitError where it does not: where states of one energy make most of the fringes.
    """
    chosen = wave.occupied
    share = (wave.library.multiplicity * np.asarray(wave.weight))[chosen]
    energy = wave.library.energy[chosen]
    spread = np.sqrt(np.average((energy - np.average(energy, weights=share)) ** 2, weights=share))
    if not spread > 1e-12 * np.max(np.abs(energy)):
        raise UnfitError("all states have one energy: the density never changes")
    step = _STEP / spread
    for first in range(0, _MOST, _TIMES):
        times = step * (first + 1 + np.arange(_TIMES))
        below = np.flatnonzero(autocorrelation(wave, times) < COHERENCE)
        if len(below):
            end = times[below[0]]
            fine = np.linspace(end - step, end, _TIMES)
            correlation = autocorrelation(wave, fine)
            return float(np.interp(-COHERENCE, -correlation, fine))
    raise UnfitError("states of one energy make most of the fringes: they never change by half")


def _pairs(wave: WaveFunction, time: NDArray) -> tuple[NDArray, float]:
    """J at times, shape (times,), and S."""
    library, chosen = wave.library, wave.occupied
    measure = library.weights * library.nodes
    gamma, alone = np.zeros((2, len(time), len(library.nodes))), np.zeros(len(library.nodes))
    for first in range(0, len(chosen), _STATES_AT_ONCE):  # for memory
        some = chosen[first : first + _STATES_AT_ONCE]
        share = library.line_mass / (2 * np.pi) * np.asarray(wave.weight)[some, None] * library.radial[some] ** 2
        signs, turn = library.multiplicity[some], np.outer(time, library.energy[some])
        gamma += (signs * np.array([np.cos(turn), np.sin(turn)])) @ share
        alone += signs @ share**2
    beats, self_pairs = np.sum(gamma**2, axis=0) @ measure, float(alone @ measure)
    if wave.axial is None:
        return beats, self_pairs
    turn = np.outer(time, wave.axial.wavenumbers**2 / (2 * library.scale_factor**2))
    return beats * np.abs(np.exp(-1j * turn) @ wave.axial.shares) ** 2, self_pairs * wave.axial.self_share
