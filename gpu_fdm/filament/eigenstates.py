"""Eigenstates of a wave in the potential of a cylinder, in code units.

    [ -1/(2 a^2) ( d2/dR2 + (1/R) d/dR - l^2/R^2 ) + V(R) ] R_nl = E_nl R_nl,   int_0^inf R R_nl^2 dR = 1

Method: Lagrange functions on Gauss-Legendre nodes in R over [0, R_max] (a discrete variable representation;
Baye 2015, Phys. Rep. 565, 1). The measure R dR makes them exactly orthogonal under the quadrature, the kinetic
term exact and the potential diagonal, so that every l is a dense symmetric eigenproblem of about one and a half
points per half wave. Nodes crowd at the axis, where the momentum is largest and V ~ R^(2-beta) is not smooth.
What it is not: a solver for potentials with a wall or a step inside.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import RunError, UnfitError
from ..parallel.backend import CPU, GPU, cpu_count
from ..parallel.blas import on_one_thread
from ..parallel.memory import available
from ..quantities import takes
from ..radial_states import angular_momenta, box_edge, derivatives, states_below
from ..values import brief
from .profile import Profile

_STATES_AT_ONCE = 1024  # states whose values at other radii are in memory together
_COPIES = 2  # of the states, at the least, while they are gathered
_SMALL = 256 << 20  # bytes of the states that are solved for without a look at the memory


@brief
@dataclass(frozen=True, eq=False)
class Library:
    """All eigenstates (n, l >= 0) with energy up to a cut; modes are ordered by l, then n.

    scale_factor, beta, line_mass   of the profile
    energy_cut       largest energy allowed, V(R_f) [(L/T)^2]
    radius_max       edge of the box that the states were solved in [L]
    nodes, weights   Gauss-Legendre nodes in (0, radius_max) and weights, shape (points,) [L]
    n, l, energy     shape (modes,), integers, integers, [(L/T)^2]
    radial           R_nl at the nodes, shape (modes, points) [1/L]
    """

    scale_factor: float
    beta: float
    line_mass: float
    energy_cut: float
    radius_max: float
    nodes: NDArray
    weights: NDArray
    n: NDArray
    l: NDArray
    energy: NDArray
    radial: NDArray

    def __len__(self) -> int:
        return len(self.energy)

    @property
    def multiplicity(self) -> NDArray:
        """Number of terms of a mode in psi: 1 for l = 0, else 2 (+l and -l), shape (modes,)."""
        return np.where(self.l == 0, 1, 2)

    @property
    def wavenumber_max(self) -> float:
        """Largest wavenumber in psi, that of the highest state on the axis, a sqrt(2 E) [1/L]."""
        return self.scale_factor * np.sqrt(2 * self.energy_cut)

    def interpolation_matrix(self, radius: ArrayLike) -> NDArray:
        """Matrix M with f(radius) = M @ f(nodes), exact for the states; zero outside radius_max.

        radius  shape (r,), in [0, inf) [L];  returns shape (r, points)
        """
        radius = np.asarray(radius, dtype=float)
        points = len(self.nodes)
        order = np.arange(points)
        legendre = np.polynomial.legendre.legvander
        to_legendre = (
            (2 * order[:, None] + 1)
            / self.radius_max
            * (legendre(2 * self.nodes / self.radius_max - 1, points - 1).T * self.weights)
        )
        inside = radius <= self.radius_max
        matrix = np.zeros((len(radius), points))
        matrix[inside] = legendre(2 * radius[inside] / self.radius_max - 1, points - 1) @ to_legendre
        return matrix

    def radial_at(self, radius: ArrayLike) -> NDArray:
        """R_nl at any radii, shape (modes, r) [1/L]."""
        return self.radial @ self.interpolation_matrix(radius).T

    def mean_density(
        self, weight: ArrayLike, radius: ArrayLike | None = None, backend: CPU | GPU | None = None
    ) -> NDArray:
        """Phase average (mu/2pi) sum (2 - delta_l0) w_nl R_nl^2, at the nodes or at `radius` [rho_m0].

        weight   shape (modes,)
        backend  CPU or GPU, where states at other radii are summed; the result is NumPy
        """
        terms = self.multiplicity * np.asarray(weight)
        if radius is None:
            return self.line_mass / (2 * np.pi) * terms @ self.radial**2
        backend = backend or CPU()
        to_radius, terms = backend.to_device(self.interpolation_matrix(radius)).T, backend.to_device(terms)
        density = backend.xp.zeros(to_radius.shape[1])
        # in parts, since there can be far more radii than nodes
        for first in range(0, len(self), _STATES_AT_ONCE):
            part = slice(first, first + _STATES_AT_ONCE)
            density += terms[part] @ (backend.to_device(self.radial[part]) @ to_radius) ** 2
        return self.line_mass / (2 * np.pi) * backend.to_host(density)


@takes()
@on_one_thread
def eigenstates(
    profile: Profile, mass_fraction: float = 0.99, points: int | None = None, threads: int | None = None
) -> Library:
    """Solve for all states with E_nl <= V(R_f), R_f the radius that holds `mass_fraction` of the line mass.

    points   Gauss-Legendre nodes; chosen from the largest momentum where not given: energies have then converged
             to 1e-9 (tests/filament/test_eigenstates.py), which with fewer they have not
    threads  all CPUs where not given
    Raises UnfitError where the cut leaves no state, RunError where the states are larger than the memory.
    """
    a = profile.scale_factor
    cut, radius_max, needed = extent(profile, mass_fraction)
    points = points or needed
    require_memory(profile, mass_fraction, points)
    nodes, weights, kinetic = _legendre_mesh(points, radius_max)
    kinetic /= 2 * a**2
    potential = profile.potential(nodes)
    amplitude = 1 / np.sqrt(weights * nodes)  # Lagrange function at its own node

    def hamiltonian(l: int, first: int) -> NDArray:
        matrix = kinetic[first:, first:].copy()
        matrix[np.diag_indices(points - first)] += potential[first:] + l**2 / (2 * a**2 * nodes[first:] ** 2)
        return matrix

    radius = np.linspace(0, radius_max, 20001)[1:]
    cases = angular_momenta(profile.potential, a, cut, radius, nodes, lambda l: l**2)
    if (found := states_below(hamiltonian, cases, cut, amplitude, threads or cpu_count())) is None:
        raise UnfitError(
            f"no eigenstate below the energy cut {cut:.4g}: the boson is too light for this filament "
            "(raise the boson mass, or wavefunction.energy_cut)"
        )
    n, l, energy, radial = found
    return Library(
        scale_factor=a,
        beta=profile.beta,
        line_mass=profile.line_mass,
        energy_cut=cut,
        radius_max=radius_max,
        nodes=nodes,
        weights=weights,
        n=n,
        l=l,
        energy=energy,
        radial=radial,
    )


def estimated_states(profile: Profile, mass_fraction: float = 0.99) -> float:
    """Number of states with l >= 0 by their phase-space area: a^2 int R (E - V) dR / 2, plus half of those with l = 0.

    One state fills an area of (2 pi)^2 of phase space. Good to a few states, without an eigenproblem.
    """
    radius, step, depth = _depth(profile, mass_fraction)
    signed = profile.scale_factor**2 * np.sum(radius * depth) * step
    return 0.5 * (signed + _half_waves(profile, step, depth))


def axial_states(profile: Profile, mass_fraction: float = 0.99) -> int:
    """Number of states with l = 0: half waves between the axis and the turning point."""
    _, step, depth = _depth(profile, mass_fraction)
    return _half_waves(profile, step, depth)


def _half_waves(profile: Profile, step: float, depth: NDArray) -> int:
    return int(np.sum(profile.scale_factor * np.sqrt(2 * depth)) * step / np.pi) + 1


def _depth(profile: Profile, mass_fraction: float, points: int = 4000) -> tuple[NDArray, float, NDArray]:
    """Radii inside the turning point of the cut, their spacing, and the depth of the potential below the cut."""
    edge = float(profile.radius_enclosing(mass_fraction))
    radius = edge * (np.arange(points) + 0.5) / points
    return radius, edge / points, float(profile.potential(edge)) - profile.potential(radius)


def extent(profile: Profile, mass_fraction: float = 0.99) -> tuple[float, float, int]:
    """Energy cut [(L/T)^2], edge of the box that holds the states [L], and the number of nodes that they need.

    That number is 1.25 times the mesh's local Nyquist limit for the highest state, plus 40.
    """
    edge = float(profile.radius_enclosing(mass_fraction))
    cut = float(profile.potential(edge))
    radius_max = box_edge(profile.potential, profile.scale_factor, cut, edge)
    radius = np.linspace(0, edge, 2000)
    momentum = profile.scale_factor * np.sqrt(2 * np.maximum(cut - profile.potential(radius), 0))
    # n Legendre nodes on [0, R_max] lie n / (pi sqrt(R (R_max - R))) dense
    nodes = 1.25 * np.max(momentum * np.sqrt(radius * (radius_max - radius)))
    # R^(2-beta) at the axis is resolved to an algebraic order only: more nodes where it is rougher
    return cut, radius_max, int(nodes) + 40 + int(80 * profile.beta)


def require_memory(profile: Profile, mass_fraction: float, points: int) -> None:
    """RunError where all states at so many nodes, or one eigenproblem, need more memory than there is."""
    states = estimated_states(profile, mass_fraction)
    needed = 8.0 * points * max(_COPIES * states, points)
    if needed > _SMALL and needed > (room := available()):
        raise RunError(
            f"too little memory: a filament of about {states:.4g} modes needs {needed / 2**30:.4g} GiB for them, "
            f"{room / 2**30:.4g} GiB are available (a lighter boson or filament, or a larger machine)"
        )


def _legendre_mesh(points: int, radius_max: float) -> tuple[NDArray, NDArray, NDArray]:
    """Nodes, weights and the kinetic matrix int R f_i' f_j' dR of the orthonormal Lagrange functions."""
    x, w = np.polynomial.legendre.leggauss(points)
    nodes, weights = radius_max * (1 + x) / 2, radius_max * w / 2
    barycentric = (-1.0) ** np.arange(points) * np.sqrt((1 - x**2) * w)
    derivative = derivatives(x, barycentric, np.sqrt(weights * nodes), radius_max / 2)
    return nodes, weights, derivative.T @ derivative
