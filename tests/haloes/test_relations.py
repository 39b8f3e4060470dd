"""Sizes of haloes by name, against another code and published numbers."""

import pytest
from halo_cases import UNITS, code_mass, halo

from gpu_fdm import InputError, cored_nfw
from gpu_fdm.haloes.relations import concentration, core_radius, extrapolated, halo_radius, soliton_mass


def test_concentration_of_the_reference():
    assert concentration(1e9, 4.0) == pytest.approx(3.351, abs=5e-4)


def test_concentrations_beyond_their_fit_are_told():
    """log c(1e12) = 0.520 + 0.385 exp(-0.617 6^1.21) at z = 6, of slope 0.055 (Dutton & Maccio 2014, z < 5)."""
    assert extrapolated(5.0) == ""
    heavy = 10 ** (0.520 + 0.385 * 0.00455)
    text = extrapolated(6.0, factor=2.0)
    assert "at z = 6 are extrapolated: dutton_maccio_2014_200c was fitted up to z = 5" in text
    assert f"has {2 * heavy * 1e-3**0.055:.3g} and {2 * heavy:.3g} for 1e9 and 1e12 Msun/h" in text


@pytest.mark.filterwarnings("ignore")
def test_against_colossus():
    from colossus.cosmology import cosmology
    from colossus.halo import concentration as theirs
    from colossus.halo import mass_so

    flat = {"flat": True, "H0": 67.31, "Om0": 0.314649, "Ob0": 0.049, "sigma8": 0.83, "ns": 0.9655, "relspecies": False}
    cosmology.setCosmology("test", **flat, persistence="")
    for z in (0.0, 1.0, 4.0):
        for definition in ("200c", "200m", "vir"):
            physical = mass_so.M_to_R(1e11, z, definition) / 1e3  # kpc/h
            assert halo_radius(1e11, definition, 0.314649, z) == pytest.approx(physical * (1 + z), rel=2e-4)
        for definition in ("200c", "vir"):
            expected = theirs.modelDutton14(1e11, z, definition)[0]
            assert concentration(1e11, z, f"dutton_maccio_2014_{definition}") == pytest.approx(expected, rel=1e-10)


def test_core():
    """1.6 kpc at 1e9 Msun, m22 = 1, z = 0; scales as M^(-1/3) m22^-1."""
    mass = 1e9 * UNITS.h
    assert core_radius(mass, 1, UNITS.h, UNITS.omega_m, 0) == pytest.approx(1.6e-3 * UNITS.h, rel=1e-12)
    lighter = core_radius(mass / 8, 4, UNITS.h, UNITS.omega_m, 0)
    assert lighter == pytest.approx(0.8e-3 * UNITS.h, rel=1e-12)


def test_factors_of_concentration_and_core():
    law, other = cored_nfw(*sizes()), cored_nfw(*sizes(), concentration_factor=2, core_factor=0.5)
    assert (other.scale, other.core) == pytest.approx(
        (law.scale / 2, law.core / 2)
    ) and law.truncation == other.truncation


def test_soliton_mass():
    """M_sol r_c m22^2 is a constant, and M_sol four core masses of the core-halo relation."""
    rows = [(1e9, 1.0, 4.0), (1e10, 2.0, 4.0), (1e11, 1.0, 0.0)]
    products = [
        soliton_mass(m, m22, UNITS.h, UNITS.omega_m, z)
        * core_radius(m, m22, UNITS.h, UNITS.omega_m, z)
        / (1 + z)
        * m22**2
        for m, m22, z in rows
    ]
    assert products == pytest.approx([products[0]] * 3, rel=1e-12)
    # M_c = 1/4 (M/4.4e7 Msun)^(1/3) 4.4e7 Msun at z = 0 (PRL, eq. 6), rounded; the whole soliton is four of them
    core = 0.25 * (1e9 / 4.4e7) ** (1 / 3) * 4.4e7
    assert soliton_mass(1e9 * UNITS.h, 1, UNITS.h, UNITS.omega_m, 0) / UNITS.h == pytest.approx(4 * core, rel=0.12)


def test_reference_halo_is_its_law():
    assert halo().mass == pytest.approx(code_mass(1e9))


def sizes(mass=1e9, m22=1.0, z=4.0):
    return mass, m22, UNITS.h, UNITS.omega_m, z


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: cored_nfw(*sizes(1e5)), "its core, .* is larger than the halo, .*: must be a heavier halo or boson"),
        (
            lambda: cored_nfw(*sizes(), relation="duffy"),
            "concentration = duffy: must be one of dutton_maccio_2014_200c",
        ),
        (lambda: cored_nfw(*sizes(), core="none"), "core = none: must be one of schive_2014"),
        (lambda: halo_radius(1e9, "500c", 0.3, 0), "mass definition = 500c: must be one of 200c, 200m, vir"),
        (lambda: halo_radius(-1, "200c", 0.3, 0), "mass = -1: must be positive"),
        (lambda: concentration(1e9, -0.1), "redshift = -0.1: must not be negative"),
        (lambda: core_radius(1e9, 0, 0.7, 0.3, 0), "m22 = 0: must be positive"),
        (lambda: cored_nfw(*sizes(), core_factor=0), "core_factor = 0: must be positive"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call()
