"""Haloes in filaments: their share of the mass, and that none is counted twice."""

import numpy as np
import pytest
from variances import smooth_k_variance

from gpu_fdm.cosmology.background import Background
from gpu_fdm.errors import InputError
from gpu_fdm.population.barrier import collapse_barrier
from gpu_fdm.population.collapse import CollapseModel
from gpu_fdm.population.haloes import halo_share, share_by_halo
from gpu_fdm.population.mass_function import first_crossing, mass_function


@pytest.fixture(scope="module")
def variance():
    """S(M) of m22 = 1."""
    return smooth_k_variance(1.0)


def barriers(largest, ellipticity="collapse"):
    model = CollapseModel(Background(0.314649), 0.2)
    return [collapse_barrier(model, largest, axes=axes, ellipticity=ellipticity) for axes in (2, 3)]


def mass_in(crossing):
    return np.trapezoid(crossing(crossing.variance) * crossing.variance, np.log(crossing.variance))


def test_all_haloes_are_in_filaments(variance):
    """int f2 share dS is the mass in haloes of their own first crossing: 0.1324 and 0.0587 of all mass, z = 4."""
    filaments, haloes = barriers(float(variance(1e7)))
    crossings = [first_crossing(barrier, barrier.variance_max) for barrier in (filaments, haloes)]
    assert [mass_in(crossing) for crossing in crossings] == pytest.approx([0.1324, 0.0587], abs=6e-5)
    crossed = crossings[0].variance
    share = halo_share(crossed, filaments, haloes)
    in_filaments = np.trapezoid(crossings[0](crossed) * share * crossed, np.log(crossed))
    assert in_filaments == pytest.approx(mass_in(crossings[1]), rel=2e-4)


def test_share_of_masses(variance):
    """Found by an independent program."""
    found = halo_share(variance(np.array([1e9, 3e9, 1e10, 3e10, 1e11])), *barriers(float(variance(1e7))))
    assert found == pytest.approx([0.0002, 0.194, 0.468, 0.600, 0.693], abs=6e-4)


def test_the_lightest_filament_has_no_haloes():
    filaments, haloes = barriers(10.0)
    assert halo_share(10.0, filaments, haloes) == 0
    assert 0 <= halo_share(9.9, filaments, haloes) < 1e-3


def test_barriers_that_do_not_fit():
    filaments, haloes = barriers(5.0)
    with pytest.raises(InputError, match="barrier of 3 axes, ellipticity = collapse: must be of 2 axes, collapse"):
        halo_share(1.0, haloes, filaments)
    with pytest.raises(InputError, match="barrier of 2 axes, ellipticity = published: must be of 2 axes, collapse"):
        halo_share(1.0, barriers(5.0, "published")[0], haloes)


def test_share_by_halo(variance):
    """Rows sum to the share, and all filaments together hold the haloes of the mass function."""
    filaments, haloes = barriers(float(variance(1e8)))
    mass, halo_mass = np.geomspace(2e8, 1e13, 61), np.geomspace(2e8, 1e13, 41)
    found = share_by_halo(mass, halo_mass, variance, filaments, haloes)
    assert found.sum(axis=1) == pytest.approx(halo_share(variance(mass), filaments, haloes), abs=1e-9)
    of_filaments, of_haloes = (mass_function(each, variance, b) for each, b in ((mass, filaments), (halo_mass, haloes)))
    step, halo_step = np.log(mass[1] / mass[0]), np.log(halo_mass[1] / halo_mass[0])
    for power in (0.3, 0.6):
        held = step * (mass * of_filaments.dn_dlnm) @ (found @ halo_mass**power)
        assert held == pytest.approx(halo_step * np.sum(halo_mass ** (1 + power) * of_haloes.dn_dlnm), rel=5e-3)
