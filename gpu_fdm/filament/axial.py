"""Momentum along the axis of a filament: plane waves with a Maxwellian of momenta.

    psi(R, phi, z) = L^(-1/2) sum_jq a_jq u_j(R, phi) e^{iqz},   |a_jq|^2 = w_j g_q,   sum_q g_q = 1

with u_j a state across the axis, and g a Maxwellian of comoving momenta q = a v_z of dispersion a sigma_z. Phases are
independent for every state and plane wave. An isothermal equilibrium has the same dispersion in all directions; psi
without momentum along its axis (coherent) has none along it.
"""

from dataclasses import dataclass
from functools import cached_property
from math import ceil, pi

import numpy as np
from numpy.typing import NDArray

from ..values import brief
from .eigenstates import Library
from .profile import Profile

AXIAL = ("coherent", "thermal")
LARGEST_MOMENTUM = 6.0  # dispersions: the share beyond is 2e-9
CORRELATION_END = 6.0  # over the dispersion: |<psi psi*>|^2 along the axis has fallen to exp(-36)
_STREAM = 1  # tells these phases from those of coherent states of the same seed


def axial_dispersion(profile: Profile | Library) -> float:
    """Dispersion a sigma_z of momenta along the axis [1/L]: that along one direction across it, in the mean.

    The virial theorem of a cylinder gives it for any profile, sigma_z^2 = mu/(8 pi a) (Fiege & Pudritz 2000); where
    beta = 0 it is sigma.
    """
    return float(profile.scale_factor * np.sqrt(profile.line_mass / (8 * pi * profile.scale_factor)))


@brief
@dataclass(frozen=True, eq=False)
class AxialModes:
    """Plane waves along the axis, and where the phases of each with every state across it come from.

    dispersion      of the momenta, a sigma_z [1/L];  period  of psi along the axis [L]
    seed, filament  of the phases;  largest  momentum [dispersions]
    Raises ValueError for a dispersion or a period that is not positive.
    """

    dispersion: float
    period: float
    seed: int = 1
    filament: int = 0
    largest: float = LARGEST_MOMENTUM

    def __post_init__(self) -> None:
        for name in ("dispersion", "period"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} = {getattr(self, name)}: must be positive and finite")

    @classmethod
    def of_segment(cls, dispersion: float, reach: float, seed: int = 1, filament: int = 0) -> "AxialModes":
        """Those of a segment up to `reach` [L] on either side of the middle, out of an endless filament.

        The period is so long that no two points of the segment are correlated across it.
        """
        return cls(dispersion, float(2 * reach + CORRELATION_END / dispersion), seed, filament)

    @cached_property
    def wavenumbers(self) -> NDArray:
        """q = 2 pi n/period, n = -N ... N, up to the largest [1/L]."""
        most = ceil(self.largest * self.dispersion * self.period / (2 * pi))
        return 2 * pi / self.period * np.arange(-most, most + 1)

    @cached_property
    def shares(self) -> NDArray:
        """g_q, of the shape of wavenumbers; they sum to one."""
        shares = np.exp(-0.5 * (self.wavenumbers / self.dispersion) ** 2)
        return shares / shares.sum()

    @property
    def self_share(self) -> float:
        """sum g_q^2: the share of pairs of plane waves that are one with itself."""
        return float(np.sum(self.shares**2))

    def phases(self, l: int, states: int) -> NDArray:
        """Independent uniform phases of the first states of one l [rad], shape (states, 2, plane waves).

        A phase depends on (seed, filament, n, l, sign, q) and on the number of plane waves alone. The second of two
        signs is not used where l = 0.
        """
        stream = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, self.filament, l, _STREAM])))
        return 2 * pi * stream.random((states, 2, len(self.wavenumbers)))

    def waves(self, z: NDArray, factors: NDArray | float = 1.0) -> NDArray:
        """sqrt(g_q) e^{iqz}, shape (plane waves, z), complex.

        z  from the middle of the filament, shape (z,) [L];  factors  of the plane waves, of the shape of wavenumbers
        """
        root = np.sqrt(self.shares) * factors
        return root[:, None] * np.exp(1j * self.wavenumbers[:, None] * np.asarray(z, float))

    def amplitudes(self, library: Library, l: int, time: float, waves: NDArray) -> tuple[NDArray, NDArray]:
        """Amplitudes of the states of one l at points of the axis, without sqrt(w), and indices of these states.

        time   [T];  waves  at the points, from self.waves, shape (plane waves, z)
        Returns sum_q sqrt(g_q) e^{i(th_nq + q z)} e^{-i (E_nl + q^2/(2 a^2)) t}, shape (states, 2, z), complex, whose
        mean square is one, and the indices in the library, shape (states,).
        """
        chosen = np.flatnonzero(library.l == l)
        number = library.n[chosen]
        energy = library.energy[chosen, None, None] + self.wavenumbers**2 / (2 * library.scale_factor**2)
        turning = np.exp(1j * (self.phases(l, int(number.max()) + 1)[number] - energy * time))
        if l == 0:
            turning[:, 1] = 0
        amplitudes = turning.reshape(-1, len(waves)) @ waves
        return amplitudes.reshape(len(chosen), 2, -1), chosen
