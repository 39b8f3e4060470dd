"""Haloes of every mass from the table over nu, beside sums over their states, and form factors of laws."""

import numpy as np
import pytest
from halo_cases import MASS, UNITS, halo
from scipy.special import k1

from gpu_fdm import InputError, halo_spectrum
from gpu_fdm.haloes.form_factor import form_factor
from gpu_fdm.haloes.laws import CoredNFW, Plummer
from gpu_fdm.haloes.relations import core_radius, halo_radius
from gpu_fdm.haloes.scaled import HaloScaling, HaloTable, X, concentration_nodes, exact_row, halo_table
from gpu_fdm.haloes.semiclassical import smooth_below

C = 3.351


def nu_and_core(mass, m22, z=4.0):
    """nu, and core/R times nu."""
    profile, radius = halo(mass, m22, z), halo_radius(mass, "200c", UNITS.omega_m, z)
    in_units = profile.law.truncation
    nu = float(np.sqrt(profile.scale_factor * in_units * profile.mass / (4 * np.pi)))
    return nu, nu * core_radius(mass, m22, UNITS.h, UNITS.omega_m, z) / radius


@pytest.fixture(scope="module")
def table():
    """Of z = 4, one concentration, sums over states up to l_max = 48."""
    return halo_table(HaloScaling(nu_and_core(MASS, 1.0)[1], exact_l_max=48), 100.0, [C])


def test_form_factor_of_plummer():
    """k K_1(k)."""
    k = np.geomspace(1e-3, 50, 40)
    assert form_factor(Plummer(1.0), k) == pytest.approx(k * k1(k), abs=2e-7)


def test_form_factor_below_the_cut_tends_to_that_of_the_law():
    """Of the whole mass, but for the 1e-4 beyond the cut."""
    profile, k = halo(), np.array([0.5, 2.0, 5.0])
    found = form_factor(profile.law, k)
    assert smooth_below(profile, k, 0.9999) == pytest.approx(found, abs=2e-3)


def test_core_is_a_wavelength():
    """core/R times nu is the same for all masses and bosons."""
    found = [nu_and_core(mass, m22)[1] for mass, m22 in ((1e9, 1.0), (1e10, 1.0), (3e8, 4.0), (1e11, 2.0))]
    assert found == pytest.approx([found[0]] * 4, rel=1e-9)


def test_reference_halo_in_units_of_its_own(table):
    """The same states, in lengths of R and with a = 1."""
    profile, (nu, core) = halo(), nu_and_core(MASS, 1.0)
    c = profile.law.truncation / profile.law.scale
    row = exact_row(HaloScaling(core), nu, c)
    k = X * row.end * nu / profile.law.truncation
    expected = halo_spectrum(profile, k, fixed_amplitudes=True)
    fringes = expected.power - expected.smooth
    np.testing.assert_allclose(row.fringes, fringes, rtol=1e-6, atol=1e-10 * fringes.max())
    np.testing.assert_allclose(row.deficit, np.sqrt(expected.smooth) - smooth_below(profile, k), atol=1e-8)


@pytest.mark.parametrize("nu, most", [(3.3, 1e-2), (14.0, 2e-3), (30.0, 2e-2)])
def test_between_nodes(table, nu, most):
    """Interpolation in ln nu, up to the nu of the last sums over states."""
    row = exact_row(table.scaling, nu, C)
    fringes, deficit, _ = table.parts([nu], [C], row.end * nu * X[None])
    rows = (row.fringes > 1e-2 * row.fringes.max()) & (X > 0.05)
    np.testing.assert_allclose(fringes[0, rows], row.fringes[rows], rtol=most)
    np.testing.assert_allclose(deficit[0, :-1], row.deficit[:-1], atol=6e-4)  # the last is where fringes end


def test_beyond_sums_over_states(table):
    """An octave beyond them, where fringes are above 5 % of their largest and beyond the halo's own scale."""
    nu = 1.9 * table.exact_nu
    row = exact_row(table.scaling, nu, C)
    fringes, deficit, _ = table.parts([nu], [C], row.end * nu * X[None])
    rows = (row.fringes > 0.05 * row.fringes.max()) & (X > 0.1)
    np.testing.assert_allclose(fringes[0, rows], row.fringes[rows], rtol=0.06)
    np.testing.assert_allclose(deficit[0, :-1], row.deficit[:-1], atol=5e-4)


def test_small_wavenumbers_and_stored_tables(table):
    """Fringes of fixed amplitudes fall as k^2 and more, and end; arrays make the same table."""
    fringes, deficit, of_all = table.parts([10.0], [C], [[1e-4, 1e-3, 1e3]])
    assert fringes[0, 1] / fringes[0, 0] == pytest.approx(100, rel=0.05) and fringes[0, 2] == 0 == deficit[0, 2]
    assert deficit[0, 0] == pytest.approx(of_all[0]) and -0.05 < of_all[0] < 0
    again = HaloTable.from_arrays(table.scaling, table.arrays)
    ours, theirs = (each.parts([10.0], [C], [[1.0, 2.0]]) for each in (again, table))
    assert all(np.array_equal(*pair) for pair in zip(ours, theirs, strict=True))


def test_bad_input(table):
    with pytest.raises(InputError, match=r"nu = 1: must be in \[2, "):
        table.parts([1.0], [C], [[1.0]])
    with pytest.raises(InputError, match=r"core radius = 1\.5 of the radius of a halo"):
        HaloScaling(3.0)
    with pytest.raises(InputError, match=r"exact_l_max = 8: must be in \[16, 1000\]"):
        HaloScaling(1.0, exact_l_max=8)
    assert len(concentration_nodes(3.3, 3.35)) == 1 and len(concentration_nodes(8.0, 16.0)) == 3
    assert form_factor(CoredNFW(0.3, 0.1, 1.0), np.zeros(1)) == pytest.approx(1)
