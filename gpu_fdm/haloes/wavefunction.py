"""The wave function of a halo: its eigenstates with random phases, each of the 2 l + 1 orders m on its own.

    psi(x, t) = sqrt(M) sum_nlm a_nlm R_nl(r) Y_lm(theta, phi) e^{-i E_nl t},       <|a_nlm|^2> = w_nl

Y_lm are orthonormal, with the phase of Condon and Shortley. The phase average is <|psi|^2> = M/(4 pi) sum (2 l + 1) w
R^2, and the mass of |psi|^2 is M sum |a_nlm|^2.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..quantities import takes, takes_numbers
from ..values import brief
from .states import HaloStates

_HALO = 2**31 + 4  # purpose of the random numbers of a halo, beyond those of filaments (gpu_fdm.filament.gas)


@brief
@takes_numbers
@dataclass(frozen=True, eq=False)
class HaloWave:
    """Amplitudes of the states of a halo.

    weight     w_nl, shape (states,), not negative
    amplitude  a_nlm over the root of its weight, complex, shape (states_m,): m = -l ... l of every state, in the order
               of the states; see random_amplitudes
    Raises ValueError for arrays of other shapes and values.
    """

    states: HaloStates
    weight: NDArray
    amplitude: NDArray

    def __post_init__(self) -> None:
        count, orders = len(self.states), int(self.states.multiplicity.sum())
        if np.shape(self.weight) != (count,) or np.shape(self.amplitude) != (orders,):
            raise ValueError(
                f"weight {np.shape(self.weight)} and amplitude {np.shape(self.amplitude)}: must have shapes ({count},) "
                f"and ({orders},)"
            )
        if not (np.all(np.isfinite(self.weight)) and np.all(np.asarray(self.weight) >= 0)):
            raise ValueError("weight: must be finite and not negative")
        if not np.all(np.isfinite(self.amplitude)):
            raise ValueError("amplitude: must be finite")

    @property
    def mass(self) -> float:
        """Mass of |psi|^2 [rho_m0 L^3]: with fixed amplitudes the same for any phases."""
        return float(self.states.mass * np.sum(self._weights_of_orders * np.abs(self.amplitude) ** 2))

    @property
    def mean_mass(self) -> float:
        """Mass of <|psi|^2> [rho_m0 L^3]."""
        return float(self.states.mass * np.sum(self.states.multiplicity * self.weight))

    def mean_density(self, radius: ArrayLike | None = None) -> NDArray:
        """<|psi|^2>, at the nodes of the states or at `radius` [rho_m0]; zero outside radius_max."""
        return self.states.mean_density(self.weight, radius)

    def of_l(self, l: int, time: float = 0.0) -> tuple[slice, NDArray]:
        """The states of one l, and sqrt(M) a_nlm e^{-i E t}, complex, shape (n, 2 l + 1); time [T]."""
        states = self.states
        first, last = np.searchsorted(states.l, [l, l + 1]).tolist()
        begin = int(self._begins[first])
        unit = self.amplitude[begin : begin + (last - first) * (2 * l + 1)].reshape(last - first, 2 * l + 1)
        turning = np.sqrt(states.mass * self.weight[first:last]) * np.exp(-1j * states.energy[first:last] * time)
        return slice(first, last), turning[:, None] * unit

    @cached_property
    def _begins(self) -> NDArray:
        """Where the orders of each state begin."""
        return np.cumsum(self.states.multiplicity) - self.states.multiplicity

    @property
    def _weights_of_orders(self) -> NDArray:
        return np.repeat(self.weight, self.states.multiplicity)


@takes()
def random_amplitudes(states: HaloStates, seed: int, halo: int = 0, fixed: ArrayLike | None = None) -> NDArray:
    """Amplitudes of mean square one, complex, shape (states_m,), as HaloWave takes them.

    seed, halo  an amplitude depends on these and on n, l, m alone, not on the other states or on the rank that draws it
    fixed       mask of states with |a| = 1 and random phases, shape (states,), all of them by default; the others have
                Gaussian real and imaginary parts, with the same phases
    Raises ValueError for a mask of another shape.
    """
    mask = np.ones(len(states), bool) if fixed is None else np.asarray(fixed)
    if mask.shape != (len(states),) or mask.dtype != bool:
        raise ValueError(f"fixed {mask.shape}, {mask.dtype}: must be a mask of the {len(states)} states")
    parts = []
    for l in range(int(states.l[-1]) + 1):
        first, last = np.searchsorted(states.l, [l, l + 1])
        stream = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, halo, l, _HALO])))
        # row n of the stream belongs to state n, however many states there are
        uniform = stream.random((last - first, 2 * l + 1, 2))
        size = np.where(mask[first:last, None], 1.0, np.sqrt(-np.log1p(-uniform[..., 1])))
        parts.append((size * np.exp(2j * np.pi * uniform[..., 0])).ravel())
    return np.concatenate(parts)
