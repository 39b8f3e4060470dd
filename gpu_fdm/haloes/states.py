"""Eigenstates of a wave in the potential of a halo, in code units, and their weights.

    [ -1/(2 a^2) ( d2/dr2 + (2/r) d/dr - l(l+1)/r^2 ) + V(r) ] R_nl = E_nl R_nl,    int_0^inf r^2 R_nl^2 dr = 1

Method: that of gpu_fdm.filament.eigenstates for the measure r^2 dr, Lagrange functions on Gauss-Jacobi nodes of the
weight r^2 (Baye 2015, Phys. Rep. 565, 1): exactly orthogonal under the quadrature, the kinetic term exact, the
potential diagonal. The matrix of 1/r^2 is that of the exact integrals, by Gauss-Legendre nodes, and not diagonal:
energies are good to 1e-14 instead of 1e-8. Nodes deep inside the centrifugal barrier of an l are left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import roots_jacobi

from ..errors import InputError
from ..parallel.backend import cpu_count
from ..parallel.blas import on_one_thread
from ..parallel.memory import available
from ..quadrature import gauss_legendre
from ..quantities import takes
from ..radial_states import angular_momenta, box_edge, derivatives, states_below
from ..values import brief
from .profile import SphericalProfile

_BARRIER_POINTS = 4000


@brief
@dataclass(frozen=True, eq=False)
class HaloStates:
    """All eigenstates (n, l) of a halo with energy up to a cut, each 2 l + 1 times; ordered by l, then n.

    scale_factor, mass  of the profile: a, total mass [rho_m0 L^3]
    energy_cut       largest energy allowed [(L/T)^2]
    depth            V(0) [(L/T)^2]
    radius_max       edge of the box that the states were solved in [L]
    nodes, weights   Gauss-Jacobi nodes in (0, radius_max) [L] and weights of int r^2 dr [L^3], shape (points,)
    potential        V at the nodes, shape (points,) [(L/T)^2]
    n, l, energy     shape (states,), integers, integers, [(L/T)^2]
    radial           R_nl at the nodes, shape (states, points) [L^-3/2]
    """

    scale_factor: float
    mass: float
    energy_cut: float
    depth: float
    radius_max: float
    nodes: NDArray
    weights: NDArray
    potential: NDArray
    n: NDArray
    l: NDArray
    energy: NDArray
    radial: NDArray

    def __len__(self) -> int:
        return len(self.energy)

    @property
    def multiplicity(self) -> NDArray:
        """2 l + 1, shape (states,)."""
        return 2 * self.l + 1

    @property
    def wavenumber_max(self) -> float:
        """Largest wavenumber in psi, that of the highest state at the centre, a sqrt(2 (E - V(0))) [1/L]."""
        return float(self.scale_factor * np.sqrt(2 * (self.energy_cut - self.depth)))

    def wavenumber_at(self, radius: ArrayLike) -> NDArray:
        """Largest wavenumber in psi at radii, 0 beyond the turning point of the highest state [1/L]; any shape."""
        largest = self.scale_factor * np.sqrt(2 * np.maximum(self.energy_cut - self.potential, 0))
        return np.interp(
            np.asarray(radius, float),
            np.concatenate([[0], self.nodes]),
            np.concatenate([[self.wavenumber_max], largest]),
        )

    def interpolation_matrix(self, radius: ArrayLike) -> NDArray:
        """Matrix with f(radius) = matrix @ f(nodes), exact for the states; zero outside radius_max.

        radius  shape (r,), in [0, inf) [L];  returns shape (r, points)
        """
        radius = np.asarray(radius, float)
        matrix = barycentric_matrix(radius, self.nodes, self.weights, self.radius_max)
        matrix[radius > self.radius_max] = 0
        return matrix

    def radial_at(self, radius: ArrayLike) -> NDArray:
        """R_nl at any radii, shape (states, r) [L^-3/2]."""
        return self.radial @ self.interpolation_matrix(radius).T

    def mean_density(self, weight: ArrayLike, radius: ArrayLike | None = None) -> NDArray:
        """Phase average M/(4 pi) sum (2 l + 1) w_nl R_nl^2, at the nodes or at `radius` [rho_m0].

        weight   shape (states,);  radius  shape (r,) [L]
        """
        radial = self.radial if radius is None else self.radial_at(radius)
        return self.mass / (4 * np.pi) * (self.multiplicity * np.asarray(weight)) @ radial**2


@takes()
def halo_states(
    profile: SphericalProfile, mass_fraction: float = 0.99, points: int | None = None, threads: int | None = None
) -> HaloStates:
    """Solve for all states with E_nl <= V(r_f), r_f the radius that holds `mass_fraction` of the mass.

    points   Gauss-Jacobi nodes; chosen from the largest momentum where not given
    threads  all CPUs where not given
    Raises InputError where the cut leaves no state, and where the states and their spectrum do not fit in memory.
    """
    cut = energy_cut(profile, mass_fraction)
    radius_max, needed = extent(profile, mass_fraction)
    points = points or needed
    expected, free = estimated_states(profile, mass_fraction), available()
    if (needed_bytes := states_memory(profile, mass_fraction, points)) > free:
        raise InputError(
            f"halo of mass {profile.mass:.4g} rho_m0 L^3: its {expected:.3g} states (n, l) need "
            f"{needed_bytes / 2**30:.1f} GiB, {free / 2**30:.1f} are free: must be a lighter halo or boson; "
            "the semiclassical spectrum needs no states"
        )
    return solve_states(
        profile.potential,
        profile.scale_factor,
        profile.mass,
        cut,
        radius_max,
        points,
        depth=profile.central_potential,
        threads=threads,
    )


@on_one_thread
def solve_states(
    potential: Callable[[NDArray], NDArray],
    scale_factor: float,
    mass: float,
    cut: float,
    radius_max: float,
    points: int,
    *,
    depth: float,
    threads: int | None = None,
) -> HaloStates:
    """All states with E_nl <= cut of any potential; see HaloStates for units.

    potential   V(r) at radii r > 0, shape (r,)
    radius_max  edge of the box, where states below the cut have decayed;  points  Gauss-Jacobi nodes in it
    depth       V(0);  threads  all CPUs where not given
    Raises InputError where there is no state.
    """
    a = scale_factor
    nodes, weights, derivative, between = _jacobi_mesh(points, radius_max)
    derivative /= np.sqrt(2) * a
    between /= np.sqrt(2) * a
    kinetic, inverse_square = derivative.T @ derivative, between.T @ between
    diagonal, amplitude = potential(nodes), 1 / np.sqrt(weights)  # Lagrange function at its own node

    def hamiltonian(l: int, first: int) -> NDArray:
        matrix = kinetic[first:, first:] + l * (l + 1) * inverse_square[first:, first:]
        matrix[np.diag_indices(points - first)] += diagonal[first:]
        return matrix

    def quotients(l: int, first: int, vectors: NDArray) -> NDArray:
        """<H>/<1> as sums of squares, which lose nothing by cancellation."""
        radial, angular = derivative[:, first:] @ vectors, between[:, first:] @ vectors
        squares = vectors**2
        energy = (radial**2).sum(axis=0) + l * (l + 1) * (angular**2).sum(axis=0) + diagonal[first:] @ squares
        return energy / squares.sum(axis=0)

    radius = np.linspace(0, radius_max, _BARRIER_POINTS + 1)[1:]
    cases = angular_momenta(potential, a, cut, radius, nodes, lambda l: l * (l + 1))
    if (found := states_below(hamiltonian, cases, cut, amplitude, threads or cpu_count(), quotients)) is None:
        raise InputError(
            f"halo: no eigenstate below the energy cut {cut:.4g}: the boson is too light for this halo: "
            "raise the boson mass or the mass fraction"
        )
    n, l, energy, radial = found
    return HaloStates(
        scale_factor=a,
        mass=mass,
        energy_cut=cut,
        depth=depth,
        radius_max=radius_max,
        nodes=nodes,
        weights=weights,
        potential=diagonal,
        n=n,
        l=l,
        energy=energy,
        radial=radial,
    )


@takes()
def halo_weights(profile: SphericalProfile, states: HaloStates, soliton_share: float | None = None) -> NDArray:
    """w_nl = (2 pi)^3 f(E_nl)/M, shape (states,): sum (2 l + 1) w is the share of the mass below the cut.

    soliton_share  weight of the ground state instead, in [0, 1]: a soliton's mass (relations.soliton_mass) over the
                   halo's; the other weights stay, and so does the potential, which is that of the profile's law
    Raises InputError for a share out of range, ValueError for states of another profile.
    """
    for name in ("scale_factor", "mass"):
        ours, theirs = getattr(profile, name), getattr(states, name)
        if not np.isclose(ours, theirs, rtol=1e-9, atol=0):
            raise ValueError(f"{name}: {ours} in the profile, {theirs} in the states: must be the same")
    weight = (2 * np.pi) ** 3 * profile.distribution(states.energy) / profile.mass
    if soliton_share is not None:
        if not 0 <= soliton_share <= 1:
            raise InputError(f"soliton_share = {soliton_share}: must be in [0, 1]")
        weight[ground_state(states)] = soliton_share
    return weight


def ground_state(states: HaloStates) -> NDArray:
    """Mask of n = l = 0, shape (states,)."""
    return (states.n == 0) & (states.l == 0)


def energy_cut(profile: SphericalProfile, mass_fraction: float = 0.99) -> float:
    """V at the radius that holds a fraction of the mass [(L/T)^2]."""
    return float(profile.potential(profile.radius_enclosing(mass_fraction)))


def largest_angular_momentum(profile: SphericalProfile, mass_fraction: float = 0.99) -> int:
    """l_max by WKB: the largest l + 1/2 is that of the circular orbit, a r sqrt(2 (E - V)) at its maximum."""
    radius, momentum = _momentum(profile, mass_fraction)
    return int(max(np.max(radius * momentum) - 0.5, 0))


def estimated_states(profile: SphericalProfile, mass_fraction: float = 0.99) -> float:
    """Number of (n, l) by WKB: int r p^2 dr/4 below the cut."""
    radius, momentum = _momentum(profile, mass_fraction)
    # the half waves int sqrt(p^2 - (l + 1/2)^2/r^2) dr/pi of an l, integrated over l
    return float(np.sum(radius * momentum**2) * (radius[1] - radius[0]) / 4)


def extent(profile: SphericalProfile, mass_fraction: float = 0.99) -> tuple[float, int]:
    """Edge of the box that holds the states [L], and nodes: 1.25 times the mesh's Nyquist limit, plus 40."""
    turning_point, cut = float(profile.radius_enclosing(mass_fraction)), energy_cut(profile, mass_fraction)
    radius_max = box_edge(profile.potential, profile.scale_factor, cut, turning_point)
    radius, momentum = _momentum(profile, mass_fraction)
    return radius_max, int(1.25 * np.max(momentum * np.sqrt(radius * (radius_max - radius)))) + 40


def states_memory(profile: SphericalProfile, mass_fraction: float = 0.99, points: int | None = None) -> int:
    """Memory of the states of a halo while they are solved for, or their spectrum is summed [bytes]."""
    points = points or extent(profile, mass_fraction)[1]
    # twice while they are gathered; their spectrum has them on twice as many nodes
    return int(32 * points * estimated_states(profile, mass_fraction))


@lru_cache(maxsize=1)  # states, angular momentum and nodes of one halo are asked for in turn
def _momentum(profile: SphericalProfile, mass_fraction: float) -> tuple[NDArray, NDArray]:
    """Radii inside the turning point of the cut, equally spaced, and the largest momentum there."""
    edge = profile.radius_enclosing(mass_fraction)
    radius = edge * (np.arange(_BARRIER_POINTS) + 0.5) / _BARRIER_POINTS
    kinetic = np.maximum(energy_cut(profile, mass_fraction) - profile.potential(radius), 0)
    return radius, profile.scale_factor * np.sqrt(2 * kinetic)


def _jacobi_mesh(points: int, radius_max: float) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Nodes, weights of int r^2 dr, and two matrices of the orthonormal functions f_j.

    For vectors v the squares of the first matrix times v sum to int r^2 f'^2 dr, of the second to int f^2 dr.
    """
    x, w = roots_jacobi(points, 0, 2)
    nodes, weights = radius_max * (1 + x) / 2, w * (radius_max / 2) ** 3
    barycentric, measure = _barycentric(nodes, weights, radius_max), np.sqrt(weights)
    legendre, gauss = gauss_legendre(points)
    at = barycentric_matrix(radius_max * (1 + legendre) / 2, nodes, weights, radius_max)
    at *= np.sqrt(radius_max / 2 * gauss)[:, None] / measure
    return nodes, weights, derivatives(nodes, barycentric, measure), at


def _barycentric(nodes: NDArray, weights: NDArray, radius_max: float) -> NDArray:
    """Barycentric weights of Gauss-Jacobi nodes (Wang, Huybrechs & Vandewalle 2014, Math. Comp. 83, 2893)."""
    scaled = weights / weights.max()
    return (-1.0) ** np.arange(len(nodes)) * np.sqrt((radius_max - nodes) * nodes / radius_max**2 * scaled)


def barycentric_matrix(radius: NDArray, nodes: NDArray, weights: NDArray, radius_max: float) -> NDArray:
    """Matrix from values at Gauss-Jacobi nodes to those at radii, shape (r, points): exact for polynomials."""
    distance = radius[:, None] - nodes
    row, column = np.nonzero(distance == 0)
    distance[row] = 1
    matrix = _barycentric(nodes, weights, radius_max) / distance
    matrix /= matrix.sum(axis=1, keepdims=True)
    matrix[row] = 0
    matrix[row, column] = 1
    return matrix
