"""Linear power at large k, continued from that of a Boltzmann code by the growth of cold dark matter and baryons.

Waves that enter the horizon long before matter dominates grow as delta_c = A (ln(k tau) + B), A and B the same for all
k (Hu & Sugiyama 1996, ApJ 471, 542), with corrections of k_eq/k. From then on cold dark matter and baryons are two
fluids in the same gravity: photons and neutrinos hardly cluster. Up to a = 1/4000 the photons hold baryons, which do
not cluster either; then their drag, a n_e sigma_T 4 rho_gamma/(3 rho_b), ends, and the pressure of baryons counts:

    delta_c'' + (2 + (ln H)') delta_c'           = 3/2 Om(a) (f_c delta_c + f_b delta_b)
    delta_b'' + (2 + (ln H)' + drag/aH) delta_b' = 3/2 Om(a) (f_c delta_c + f_b delta_b) - (c_s k/aH)^2 delta_b

where ' = d/dln a. Two starts, delta_c = 1 and delta_c = ln tau, give m(k) and L(k) of all matter today. Then
delta = A [(ln k + B) m + L] + (C + D ln k) m/k, and A, B, C, D follow from the last decade of the Boltzmann code. From
CAMB at 3 to 12 h/Mpc the power at 2000 h/Mpc follows to 5e-4 (camb_power), and to 1e-4 from CAMB at 5 to 35 h/Mpc.
"""

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from .parameters import CosmologicalParameters

DECOUPLED = 1 / 4000  # scale factor up to which baryons do not cluster
SMALL_K = 3.0  # [h/Mpc], from which on the power is fitted
_FIRST = 1e-8  # scale factor, long before equality
_STEPS = 300  # of ln a
_LIGHT = 2997.92458  # c over 100 km/s/Mpc [Mpc]
_PHOTONS = 2.47282e-5  # Omega_gamma h^2 of 2.7255 K
_NEUTRINOS = 3.044 * 7 / 8 * (4 / 11) ** (4 / 3) * _PHOTONS  # Omega_nu h^2 where all of them are massless
_TEMPERATURE = 1.95 * 8.617333e-5  # of neutrinos today [eV]
# the nodes and weights of two-stage Gauss-Legendre, of fourth order and stable for any drag
_NODES = 0.5 - 3**0.5 / 6, 0.5 + 3**0.5 / 6
_STAGES = (0.25, _NODES[0] - 0.25), (_NODES[1] - 0.25, 0.25)


@frozen(eq=False)
class Baryons:
    """What a Boltzmann code tells of the baryons: at scale factors a, shape (a,), increasing, from DECOUPLED to 1.

    opacity      a n_e sigma_T [1/Mpc];  sound_speed  squared, over c^2
    """

    a: NDArray
    opacity: NDArray
    sound_speed: NDArray


def continued(
    parameters: CosmologicalParameters, baryons: Baryons, k: NDArray, power: NDArray, k_more: NDArray
) -> tuple[NDArray, float]:
    """Power at k_more [h/Mpc], which are larger than k, and the largest relative misfit at the k above SMALL_K.

    k, power  of the Boltzmann code at z = 0, shape (k,) each, at least five of them above SMALL_K
    """
    known = k > SMALL_K
    all_k = np.concatenate([k[known], k_more])
    of_one, of_log = _responses(parameters, baryons, all_k * parameters.h)
    log_k = np.log(all_k * parameters.h)
    terms = np.stack([log_k * of_one + of_log, of_one, of_one / all_k, of_one * np.log(all_k) / all_k], axis=1)
    # delta over the primordial curvature, times k^2 of the transfer function
    tilt = 4 - parameters.n_s
    contrast = np.sqrt(power[known] * k[known] ** tilt)
    number = len(contrast)
    factors = np.linalg.lstsq(terms[:number] / contrast[:, None], np.ones(number), rcond=None)[0]
    fitted = terms @ factors
    misfit = float(np.abs((fitted[:number] / contrast) ** 2 - 1).max())
    return fitted[number:] ** 2 / k_more**tilt, misfit


class _Expansion:
    """H(a) of photons, neutrinos, matter and a cosmological constant."""

    def __init__(self, parameters: CosmologicalParameters) -> None:
        self.matter = parameters.omega_c_h2 + parameters.omega_b_h2
        self.mass = parameters.m_nu / 3 / _TEMPERATURE
        self.rest = parameters.h**2 - self.matter - _PHOTONS - _NEUTRINOS * self._heavier(1.0)

    def _heavier(self, a: float) -> float:
        """Density of neutrinos over that of massless ones: Komatsu et al. 2011, ApJS 192, 18, eq. 26."""
        return (1 + (0.3173 * self.mass * a) ** 1.83) ** (1 / 1.83)

    def square(self, a: float) -> float:
        """H^2 [(100 km/s/Mpc)^2]."""
        return self.matter / a**3 + (_PHOTONS + _NEUTRINOS * self._heavier(a)) / a**4 + self.rest

    def conformal(self, a: float) -> float:
        """aH/c [1/Mpc]."""
        return a * self.square(a) ** 0.5 / _LIGHT

    def friction_and_gravity(self, log_a: float) -> tuple[float, float]:
        """2 + dlnH/dlna, and 3/2 of what clusters over the critical density."""
        a, step = np.exp(log_a), 1e-4
        slope = np.log(self.square(a * np.exp(step)) / self.square(a * np.exp(-step))) / (4 * step)
        return 2 + slope, 1.5 * self.matter / a**3 / self.square(a)


def _responses(parameters: CosmologicalParameters, baryons: Baryons, k: NDArray) -> tuple[NDArray, NDArray]:
    """delta of all matter today for delta_c = 1 and for delta_c = ln tau [Mpc] early on; shape of k [1/Mpc] each."""
    universe = _Expansion(parameters)
    of_baryons = parameters.omega_b_h2 / universe.matter
    tau = 1 / universe.conformal(_FIRST)  # aH tau = 1 in radiation

    def early(log_a: float, y: NDArray) -> list[float]:
        friction, gravity = universe.friction_and_gravity(log_a)
        pull = gravity * (1 - of_baryons)
        return [y[1], pull * y[0] - friction * y[1], y[3], pull * y[2] - friction * y[3]]

    start = np.log(DECOUPLED)
    early_on = solve_ivp(early, (np.log(_FIRST), start), [1, 0, np.log(tau), 1], rtol=1e-9, atol=1e-9).y[:, -1]
    # delta_c, its slope, delta_b, its slope, for each of the two starts
    state = np.zeros((len(k), 4, 2))
    state[:, :2] = early_on.reshape(2, 2).T
    step = -start / _STEPS
    log_opacity, log_speed = np.log(baryons.opacity), np.log(baryons.sound_speed)

    def rates(log_a: float) -> NDArray:
        friction, gravity = universe.friction_and_gravity(log_a)
        a = np.exp(log_a)
        rate = universe.conformal(a)
        opacity, speed = (np.exp(np.interp(log_a, np.log(baryons.a), values)) for values in (log_opacity, log_speed))
        matrix = np.zeros((len(k), 4, 4))
        matrix[:, 0, 1] = matrix[:, 2, 3] = 1
        matrix[:, 1::2, 0] = gravity * (1 - of_baryons)
        matrix[:, 1::2, 2] = gravity * of_baryons
        matrix[:, 3, 2] -= speed * (k / rate) ** 2
        matrix[:, 1, 1] = -friction
        matrix[:, 3, 3] = -friction - opacity * 4 * _PHOTONS / (3 * parameters.omega_b_h2 * a) / rate
        return matrix

    for i in range(_STEPS):
        at = [rates(start + (i + node) * step) for node in _NODES]
        stages = np.block([[np.eye(4) * (i == j) - step * _STAGES[i][j] * at[i] for j in (0, 1)] for i in (0, 1)])
        slopes = np.linalg.solve(stages, np.concatenate([each @ state for each in at], axis=1))
        state = state + step / 2 * (slopes[:, :4] + slopes[:, 4:])
    matter = (1 - of_baryons) * state[:, 0] + of_baryons * state[:, 2]
    return matter[:, 0], matter[:, 1]
