"""The wave function of a filament: a few eigenstates with random phases, grouped by angular momentum.

    psi(R, phi, t) = sqrt(mu/2pi) sum_{n,l} a_nl R_nl(R) [ e^{i th+} e^{il phi} + e^{i th-} e^{-il phi} ] e^{-i E_nl t}
                   = sum_l F+_l(R) e^{il phi} + F-_l(R) e^{-il phi}

with l = 0 counted once. Summing over n first, once for each time, leaves 2 l_max + 1 terms a point. With momentum along
the axis (axial.py) the F_l depend on z too.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..parallel.backend import CPU, GPU
from ..quantities import takes, takes_numbers
from ..values import brief
from .axial import AxialModes
from .eigenstates import Library


@brief
@takes_numbers
@dataclass(frozen=True, eq=False)
class WaveFunction:
    """Weights and phases of the states of a library.

    weight  w = a_nl^2, shape (modes,), not negative; the phase-averaged line mass is mu sum (2 - delta_l0) w
    phase   th+ and th- [rad], shape (modes, 2); the second is not used where l = 0
    axial   plane waves along the axis, whose phases are used instead; None: psi is the same all along it
    """

    library: Library
    weight: NDArray
    phase: NDArray
    axial: AxialModes | None = None

    def __post_init__(self) -> None:
        modes = len(self.library)
        if np.shape(self.weight) != (modes,) or np.shape(self.phase) != (modes, 2):
            raise ValueError(
                f"weight {np.shape(self.weight)} and phase {np.shape(self.phase)}: "
                f"must have shapes ({modes},) and ({modes}, 2)"
            )
        if not (np.all(np.isfinite(self.weight)) and np.all(np.asarray(self.weight) >= 0)):
            raise ValueError("weight: must be finite and not negative")

    @property
    def occupied(self) -> NDArray:
        """Indices of the modes whose weight is not 0."""
        return np.flatnonzero(self.weight)

    @property
    def line_mass(self) -> float:
        """Line mass of |psi|^2, the same for any phases [rho_m0 L^2]."""
        return float(self.library.line_mass * np.sum(self.library.multiplicity * self.weight))

    def mean_density(self, radius: ArrayLike | None = None, backend: CPU | GPU | None = None) -> NDArray:
        """<|psi|^2> over phases, at the library's nodes or at `radius`, summed by a backend [rho_m0]."""
        return self.library.mean_density(self.weight, radius, backend)

    def azimuthal(self, time: float = 0.0, z: float = 0.0) -> NDArray:
        """F+_l and F-_l at the library's nodes, shape (2, l_max + 1, points), complex; F-_0 = 0.

        time  [T];  z  from the middle of the filament [L], which matters where there is momentum along the axis
        """
        library = self.library
        if self.axial is not None:
            return self._azimuthal_at(self.axial, time, z)
        amplitude = np.sqrt(library.line_mass / (2 * np.pi) * np.asarray(self.weight))
        turning = amplitude[:, None] * np.exp(1j * (np.asarray(self.phase) - (library.energy * time)[:, None]))
        turning[library.l == 0, 1] = 0
        factors = np.zeros((2, int(library.l.max()) + 1, len(library.nodes)), complex)
        occupied = self.occupied
        for n in range(int(library.n[occupied].max(initial=-1)) + 1):  # one state of every l at a time
            some = occupied[library.n[occupied] == n]
            factors[:, library.l[some]] += turning[some].T[..., None] * library.radial[some]
        return factors

    def azimuthal_terms(self, l: int, waves: NDArray, time: float = 0.0) -> tuple[NDArray, NDArray]:
        """Amplitudes b of the states of one l along the axis, and sqrt(mu w/2pi) R_nl: F+-_l = sum_n b_n+-(z) R_n(R).

        waves  at points of the axis, from self.axial.waves, shape (plane waves, z);  time  [T]
        Returns complex (states, 2, z), and real (states, points) at the library's nodes.
        Raises ValueError where psi is the same all along the axis.
        """
        if self.axial is None:
            raise ValueError("psi is the same all along the axis: it has no plane waves along it")
        amplitudes, chosen = self.axial.amplitudes(self.library, l, time, waves)
        root = np.sqrt(self.library.line_mass / (2 * np.pi) * np.asarray(self.weight)[chosen])
        return amplitudes, root[:, None] * self.library.radial[chosen]

    def amplitudes(self, z: NDArray) -> NDArray:
        """a+ and a- of every mode at points of the axis, at time 0, shape (modes, 2, z), complex; a- is 0 where l = 0.

        z  from the middle of the filament [L]
        """
        library, root = self.library, np.sqrt(np.asarray(self.weight))
        if self.axial is None:
            found = np.repeat(np.exp(1j * np.asarray(self.phase))[:, :, None], len(z), axis=2)
            found[library.l == 0, 1] = 0
        else:
            found, waves = np.zeros((len(library), 2, len(z)), complex), self.axial.waves(z)
            for l in range(int(library.l.max()) + 1):
                of_l, chosen = self.axial.amplitudes(library, l, 0.0, waves)
                found[chosen] = of_l
        return root[:, None, None] * found

    def _azimuthal_at(self, axial: AxialModes, time: float, z: float) -> NDArray:
        waves = axial.waves(np.array([z]))
        factors = np.zeros((2, int(self.library.l.max()) + 1, len(self.library.nodes)), complex)
        for l in range(factors.shape[1]):
            amplitudes, radial = self.azimuthal_terms(l, waves, time)
            factors[:, l] = amplitudes[..., 0].T @ radial
        return factors


@takes()
def random_phases(library: Library, seed: int, filament: int = 0) -> NDArray:
    """Independent uniform phases [rad], shape (modes, 2).

    A phase depends on (seed, filament, n, l, sign) alone, not on the other modes or on the rank that computes it.
    """
    phase = np.empty((len(library), 2))
    for l in range(int(library.l.max()) + 1):
        of_l = library.l == l
        stream = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, filament, l])))
        # row n of the stream belongs to mode n, however many modes there are
        phase[of_l] = 2 * np.pi * stream.random((int(library.n[of_l].max()) + 1, 2))[library.n[of_l]]
    return phase
