"""States of haloes: closed forms, the reference halo, convergence, orthonormality."""

from itertools import pairwise

import numpy as np
import pytest
from halo_cases import halo, reference_halo, reference_table
from scipy.integrate import quad

from gpu_fdm import InputError, SphericalProfile, halo_states, halo_weights
from gpu_fdm.haloes.laws import Plummer
from gpu_fdm.haloes.states import estimated_states, ground_state, largest_angular_momentum, solve_states


def test_oscillator():
    """E = 2 n + l + 3/2; R_00 = 2 pi^(-1/4) exp(-r^2/2)."""
    states = solve_states(lambda r: r**2 / 2, 1.0, 1.0, 30.1, 11.0, 70, depth=0.0)
    assert len(states) == 225 and states.l.max() == 28
    assert states.energy == pytest.approx(2 * states.n + states.l + 1.5, rel=5e-14)
    r = np.linspace(0, 5, 30)
    assert states.radial_at(r)[0] == pytest.approx(2 * np.pi**-0.25 * np.exp(-(r**2) / 2), abs=1e-11)


def test_scale_factor_of_the_kinetic_term():
    """An oscillator r^2/2 at a: E = (2 n + l + 3/2)/a."""
    states = solve_states(lambda r: r**2 / 2, 0.5, 1.0, 20.1, 13.0, 70, depth=0.0)
    assert states.energy == pytest.approx((2 * states.n + states.l + 1.5) / 0.5, rel=5e-14)


def test_reference():
    profile, states, weight = reference_halo()
    rows = reference_table("states")
    assert len(states) == len(rows) == 58 and states.l.max() == 11
    ours = {(n, l): values for n, l, *values in zip(states.n, states.l, states.energy, weight, strict=True)}
    energy, w = np.transpose([ours[int(n), int(l)] for n, l in zip(rows["n"], rows["l"], strict=True)])
    assert energy == pytest.approx(rows["energy"], rel=1e-9)
    assert w == pytest.approx(rows["weight"], rel=1e-8)
    assert profile.central_potential == pytest.approx(-3151.22440328, rel=1e-8)
    # the reference took r_99 from a coarser table: the next test has it by other quadratures
    assert states.energy_cut == pytest.approx(-410.96088718, rel=2e-6)
    assert states.multiplicity @ weight == pytest.approx(0.93688, abs=5e-6)


def test_cut_by_other_quadratures():
    profile, states, _ = reference_halo()
    cells = np.geomspace(1e-7, 1e5, 40)

    def integral(power, first, last):
        """int r^power rho dr."""
        edges = [first, *cells[(cells > first) & (cells < last)], last]
        return sum(
            quad(lambda r: r**power * float(profile.density(r)), *cell, epsrel=1e-12)[0] for cell in pairwise(edges)
        )

    edge = float(profile.radius_enclosing(0.99))
    inside, outside = 4 * np.pi * integral(2, 1e-7, edge), integral(1, edge, 1e5)
    assert inside / profile.mass == pytest.approx(0.99, rel=1e-11)
    assert states.energy_cut == pytest.approx(-(inside / (4 * np.pi * edge) + outside) / 0.2, rel=1e-11)
    assert profile.central_potential == pytest.approx(-integral(1, 1e-7, 1e5) / 0.2, rel=1e-11)


@pytest.mark.parametrize("m22", [1, 2])
def test_converged_and_orthonormal(m22):
    profile = halo(m22=m22)
    states = halo_states(profile)
    finer = halo_states(profile, points=int(1.5 * len(states.nodes)))
    assert finer.energy == pytest.approx(states.energy, rel=1e-10)
    x, w = np.polynomial.legendre.leggauss(2 * len(states.nodes))
    radius = states.radius_max * (1 + x) / 2
    radial, measure = states.radial_at(radius), states.radius_max / 2 * w * radius**2
    for l in range(states.l.max() + 1):
        of_l = radial[states.l == l]
        assert np.max(np.abs((of_l * measure) @ of_l.T - np.eye(len(of_l)))) < 1e-10


def test_estimates():
    profile, states, _ = reference_halo()
    assert estimated_states(profile) == pytest.approx(len(states), rel=0.02)
    assert abs(largest_angular_momentum(profile) - states.l.max()) <= 1


def test_mean_density():
    """Integrates to the share of the mass; many states make the density far inside the cut."""
    profile, states, weight = reference_halo()
    # what a soliton's own weight is for
    assert states.mean_density(weight, [1e-3]) == pytest.approx(0.573 * profile.density(1e-3), rel=2e-3)
    mass = 4 * np.pi * states.weights @ states.mean_density(weight)
    assert mass == pytest.approx(states.mass * (states.multiplicity @ weight), rel=1e-12)
    # 60 wavelengths in a scale radius, where the classical limit is close
    profile = SphericalProfile(Plummer(1.0), 3e4, 1.0)
    states = halo_states(profile, 0.9)
    r = np.array([0.3, 0.5, 0.8])
    assert states.mean_density(halo_weights(profile, states), r) == pytest.approx(profile.density(r), rel=0.02)


def test_soliton_has_its_own_weight():
    profile, states, weight = reference_halo()
    ground = ground_state(states)
    with_soliton = halo_weights(profile, states, 0.2)
    assert with_soliton[ground] == [0.2] and np.all(with_soliton[~ground] == weight[~ground])


def test_bad_input():
    profile, states, _ = reference_halo()
    with pytest.raises(InputError, match=r"soliton_share = 1.5: must be in \[0, 1\]"):
        halo_weights(profile, states, 1.5)
    with pytest.raises(InputError, match=r"no eigenstate below the energy cut .* raise the boson mass"):
        halo_states(SphericalProfile(Plummer(1.0), 1.0, 1.0))
    with pytest.raises(
        InputError, match=r"states .* need .* GiB, .* are free: must be a lighter halo or boson; the semiclassical"
    ):
        halo_states(halo(1e12, 8))
    with pytest.raises(ValueError, match=r"mass: .* must be the same"):
        halo_weights(halo(2e9), states)
