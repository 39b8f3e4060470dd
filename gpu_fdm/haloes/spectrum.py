"""The power spectrum of a halo, averaged over phases and directions exactly: no random draws, no noise.

    F^L_nl(k)    = int r^2 R_nl^2 j_L(kr) dr,    G_l(r, r') = sum_n w_nl R_nl(r) R_nl(r')
    P(k)         = [ sum (2l+1) w F^0 ]^2                                                                  smooth
                 + 4 pi sum_{L=0}^{2 l_max} (2L+1) int int r^2 dr r'^2 dr' j_L(kr) C_L(r, r') j_L(kr')     interference
                 - sum w^2 (2l+1)^2 sum_{L even <= 2l} (l l L; 0 0 0)^2 [F^L]^2                            self term
    C_L          = 2 pi int_-1^1 dmu P_L(mu) G^2,    G = sum_l (2l+1)/(4 pi) G_l P_l(mu)
    (l l L;0)^2  = 1/2 int_-1^1 P_l^2 P_L dmu

P is |rho(k)|^2 of |psi|^2 over the mass squared. The self term is subtracted for states whose |a_nlm| is fixed; those
with Gaussian amplitudes have none. At k = 0 interference and self term are equal: the mass does not depend on phases.

Method: that of gpu_fdm.spectra.phase_average, with Legendre polynomials and spherical Bessel functions.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from ..errors import InputError
from ..kernels.bessel import spherical_bessel_table
from ..kernels.interference import batches, interference, legendre_angles
from ..parallel.backend import CPU, GPU
from ..parallel.slices import slices_of
from ..quadrature import gauss_legendre
from ..values import brief
from .states import HaloStates

NO_POWER = 2.5  # times the largest wavenumber of |psi|^2, above which P is below 1e-14 of P(0)
STATES_AT_ONCE = 1024  # in the self term, a part for each thread


@brief
@dataclass(frozen=True, eq=False)
class HaloSpectrum:
    """|rho(k)|^2 of a halo over its mass squared, averaged over phases and directions, in parts.

    k             [1/L], shape (k,)
    smooth        power of the mean density <|psi|^2>
    interference  power of the fringes between all pairs of states, and of each state with itself
    self_term     power of each state with itself; None in the semiclassical limit, which does not have it
    fixed_self    self term of the states whose amplitudes are fixed, zero where there are none
    route         "exact" or "semiclassical"
    l_max         largest l of the states, that by WKB in the semiclassical limit
    reason        why this route, in words
    Parts have shape (k,) and are over the square of the profile's mass, so that smooth(0) = (sum (2l+1) w)^2.
    """

    k: NDArray
    smooth: NDArray
    interference: NDArray
    self_term: NDArray | None
    fixed_self: NDArray
    route: Literal["exact", "semiclassical"]
    l_max: int
    reason: str

    @property
    def power(self) -> NDArray:
        """Average over phases, and over the amplitudes of states where these are not fixed, shape (k,)."""
        return self.smooth + self.interference - self.fixed_self

    @property
    def fixed(self) -> NDArray:
        """Average over phases alone, at fixed |a_nlm|, shape (k,); InputError in the semiclassical limit."""
        if self.self_term is None:
            raise InputError(
                "semiclassical spectrum of a halo: has Gaussian amplitudes only, fixed ones need the exact route"
            )
        return self.smooth + self.interference - self.self_term

    @property
    def gaussian(self) -> NDArray:
        """Average over Gaussian complex amplitudes with <|a_nlm|^2> = w_nl, shape (k,)."""
        return self.smooth + self.interference


def exact_spectrum(
    states: HaloStates,
    weight: ArrayLike,
    k: ArrayLike,
    fixed: ArrayLike | None = None,
    points: int | None = None,
    backend: CPU | GPU | None = None,
) -> HaloSpectrum:
    """The spectrum of states with random phases.

    weight   w_nl, shape (states,), not negative
    k        comoving [1/L], shape (k,), not negative; beyond NO_POWER times the largest wavenumber of |psi|^2 the
             spectrum is returned as zero
    fixed    mask of states whose amplitudes are fixed, shape (states,); all of them by default, none: Gaussian ones
    points   Gauss-Legendre nodes in r; by default from the largest wavenumbers, see `points_needed`
    backend  CPU or GPU, where the sums run; the spectrum is NumPy
    Raises ValueError for arrays of other shapes and values, RunError where a card has too little memory.
    """
    backend = backend or CPU()
    k, weight = np.asarray(k, float), np.asarray(weight, float)
    chosen = np.ones(len(states), bool) if fixed is None else np.asarray(fixed)
    if k.ndim != 1 or k.size == 0 or weight.shape != (len(states),) or not weight.any():
        raise ValueError(f"k {k.shape}, weight {weight.shape}: must be a list, and one weight a state, not all zero")
    if chosen.shape != weight.shape or chosen.dtype != bool:
        raise ValueError(f"fixed {chosen.shape}, {chosen.dtype}: must be a mask of the {len(states)} states")
    for name, values in (("k", k), ("weight", weight)):
        if not np.all(np.isfinite(values) & (values >= 0)):
            raise ValueError(f"{name}: must be finite and not negative")
    parts = np.zeros((4, len(k)))
    within = np.argsort(k, kind="stable")
    within = within[k[within] <= NO_POWER * 2 * states.wavenumber_max]
    if len(within):
        on_nodes = _OnNodes(states, weight, chosen, points or points_needed(states, float(k[within].max())), backend)
        for batch in np.array_split(within, batches(on_nodes.l, len(on_nodes.radius), len(within), backend)):
            parts[:, batch] = on_nodes.spectrum(k[batch])
    return HaloSpectrum(
        k=k,
        smooth=parts[0],
        interference=parts[1],
        self_term=parts[2],
        fixed_self=parts[3],
        route="exact",
        l_max=int(states.l[-1]),
        reason=f"exact: {len(states)} states (n, l)",
    )


def points_needed(states: HaloStates, k_max: float) -> int:
    """Nodes that integrate r^2 R_nl R_n'l' j_L(kr) to 1e-8 and better; see gpu_fdm.spectra.phase_average."""
    fringes = 2 * states.wavenumber_max
    wavenumber = 0.8 * (fringes + min(k_max, fringes)) + max(k_max - fringes, 0)
    return max(len(states.nodes), int(wavenumber * states.radius_max / 4) + 20)


def same_l_couplings(l_max: int) -> NDArray:
    """Squares of the 3j symbols (l l L; 0 0 0), shape (l, L/2) for l = 0 ... l_max and even L = 0 ... 2 l_max."""
    mu, weight = gauss_legendre(2 * l_max + 1)
    legendre = np.polynomial.legendre.legvander(mu, 2 * l_max)
    return (legendre[:, : l_max + 1] ** 2).T @ (weight[:, None] / 2 * legendre[:, ::2])


class _OnNodes:
    """States with a weight, on Gauss-Legendre nodes, times the roots of weight and measure, on the device."""

    def __init__(self, states: HaloStates, weight: NDArray, fixed: NDArray, points: int, backend: CPU | GPU) -> None:
        occupied = np.flatnonzero(weight)
        xp, to_device = backend.xp, backend.to_device
        x, w = gauss_legendre(points)
        self.backend, self.l, self.fixed = backend, states.l[occupied], fixed[occupied]
        self.radius = states.radius_max * (1 + x) / 2
        measure = states.radius_max / 2 * w * self.radius**2
        radial = states.radial if len(occupied) == len(states) else states.radial[occupied]
        self.scaled = to_device(radial) @ to_device(states.interpolation_matrix(self.radius)).T
        self.scaled *= xp.sqrt(to_device(measure))
        self.scaled *= xp.sqrt(to_device(weight[occupied]))[:, None]

    def spectrum(self, k: NDArray) -> NDArray:
        """Smooth, interference, self term and that of fixed states, shape (4, k); k not falling."""
        backend, xp, l_max = self.backend, self.backend.xp, int(self.l[-1])
        bessel = spherical_bessel_table(2 * l_max, backend.to_device(k[:, None] * self.radius), backend)
        coupling = same_l_couplings(l_max)
        parts = slices_of(len(self.l), STATES_AT_ONCE)
        sums = xp.zeros((len(parts), 3, len(k)))  # amplitude, self term, that of fixed states
        # number of the first k at which j_L of even L is not zero
        reached = backend.to_host(xp.argmax(bessel[::2].any(axis=2), axis=1)).tolist()

        def add(numbered: tuple[int, slice]) -> None:
            """The sums over a part of the states."""
            number, part = numbered
            l, fixed = self.l[part], self.fixed[part]
            # its transforms are w F^L; products with states as rows read them from the cache, those with columns do not
            density = self.scaled[part] ** 2
            amplitude, self_term, fixed_self = sums[number]
            amplitude += bessel[0] @ (backend.to_device(2.0 * l + 1) @ density)
            for half in range(int(l[-1]) + 1):  # L = 2 half, to which states with l >= half contribute
                from_l = int(np.searchsorted(l, half))
                share = (2.0 * l[from_l:] + 1) ** 2 * coupling[l[from_l:], half]
                forms = (density[from_l:] @ bessel[2 * half][reached[half] :].T) ** 2
                self_term[reached[half] :] += backend.to_device(share) @ forms
                if fixed.any():
                    fixed_self[reached[half] :] += backend.to_device(share * fixed[from_l:]) @ forms

        with threadpool_limits(1):  # a part a thread: threads inside such small matrices cost more than they gain
            backend.for_each(enumerate(parts), add)
        amplitude, self_term, fixed_self = backend.to_host(sums.sum(axis=0))
        fringes = interference(self.scaled, self.l, bessel, backend, legendre_angles(l_max))
        return np.stack([amplitude**2, fringes, self_term, fixed_self])
