"""The power of all matter beside an independent program, its parts, its stage, and what it refuses."""

import h5py
import numpy as np
import pytest
from locations import DATA

from gpu_fdm.comparison.models import boost_over
from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.pipeline.inputs import Inputs, read_inputs
from gpu_fdm.pipeline.run import check, run
from gpu_fdm.pipeline.total_objects import Matter, table_of_haloes
from gpu_fdm.population.population import Population

INI = """
[population]
m22 = 1
ellipticity = collapse
[wavefunction]
[one_filament]
method = table
normalisation = matter
mass_min = 1e9
mass_max = 3e10
k_max = 2000
points = 40
[halo]
[total_power]
exact_l_max = 48
"""
WINDOW = 3e8, 1e12


def made(*overrides):
    return read_inputs(parse_config(INI, overrides=overrides))


@pytest.fixture(scope="module")
def matter() -> tuple[Population, Matter, np.ndarray]:
    config, reference = made(), np.genfromtxt(DATA / "halo_total.csv", delimiter=",", names=True)
    population = Inputs(config).population
    k = reference["k_h_per_Mpc"]
    rows = k < 2000
    table = table_of_haloes(config, (1.0,), WINDOW, 48, None)
    return population, Matter.of(config, population, k[rows], 1.0, WINDOW, table), reference[rows]


def test_population_of_the_reference(matter):
    """Variance, filaments, haloes, and the share of filaments in haloes; rounded to 7 digits there."""
    population, reference = matter[0], np.genfromtxt(DATA / "halo_population.csv", delimiter=",", names=True)
    mass = reference["mass_Msun_h"]
    assert population.variance(1.0)(mass) == pytest.approx(reference["variance"], rel=1e-6)
    assert population.mass_function(1.0)(mass) == pytest.approx(reference["dn_dlnm_filaments"], rel=1e-5)
    assert population.halo_mass_function(1.0)(mass) == pytest.approx(reference["dn_dlnm_haloes"], rel=1e-5)
    assert population.halo_share(mass, 1.0) == pytest.approx(reference["halo_fraction_in_filament"], abs=1e-5)


def test_total_over_smooth(matter):
    """As published with the equations; filaments of 3e8 to 1e9 Msun/h, which it has, are left out here."""
    total = matter[1].total
    k = [75, 139, 257, 475, 879]
    found = np.exp(np.interp(np.log(k), np.log(total.k), np.log(total.power / total.smooth)))
    assert found == pytest.approx([1.0013, 1.008, 1.05, 1.51, 10], rel=0.15)
    assert found[:4] == pytest.approx([1.0013, 1.008, 1.05, 1.51], rel=5e-3)


def test_parts(matter):
    """Linear power to 1 %; filaments at small k; the limit k -> 0 of haloes is int n M^2 of the mass function."""
    population, found, reference = matter
    total, low = found.total, found.total.k < 5
    assert total.linear[low] == pytest.approx(reference["P_lin_fdm"][low], rel=0.01)
    alone, smooth = found.filaments_alone
    assert smooth[:4] == pytest.approx(reference["P1f_smooth_all"][:4], rel=0.005)
    mass = np.geomspace(3e8, 1e12, 400)
    limit = np.trapezoid(mass**2 * population.halo_mass_function(1.0)(mass), np.log(mass)) / 87325e6**2
    assert total.haloes_smooth[0] == pytest.approx(limit, rel=3e-3)
    assert np.all(alone >= smooth) and np.all(total.power >= total.smooth)


def test_nothing_counts_twice(matter):
    """At small k haloes in filaments add up to filaments: [(1 - f) + f u]^2 -> 1."""
    total = matter[1].total
    assert total.filaments_smooth[0] == pytest.approx(matter[1].filaments_alone[1][0], rel=1e-3)


def test_a_run(tmp_path):
    """Parts sum up; marks are where ratios pass 2; the summary tells them."""
    config = parse_config(
        INI, overrides=[f"run.output={tmp_path}/r.hdf5", "total_power.exact_l_max=16", "total_power.mass_max=3e10"]
    )
    outcome = run(config)
    with h5py.File(outcome.result) as file:
        group = file["total_power/m22_1"]
        parts = {name: dataset[:] for name, dataset in group.items()}
        smooth = parts["linear"] + parts["filaments_smooth"] + parts["haloes_smooth"]
        np.testing.assert_allclose(parts["power_smooth"], smooth)
        np.testing.assert_allclose(parts["power_fdm"], smooth + parts["filaments_fringes"] + parts["haloes_fringes"])
        np.testing.assert_array_equal(parts["power_cdm"], file["total_power/cdm/power_smooth"][:])
        assert 350 < group.attrs["k_detach_smooth"] < 700 and group.attrs["k_detach_filaments"] < 200
        haloes = file["one_halo_power/m22_1"]
        assert haloes.attrs["exact_l_max"] == 16
        np.testing.assert_allclose(
            haloes["power_fdm"][:] - haloes["power_smooth"][:], parts["haloes_fringes"], atol=1e-16
        )
        shares = file["halo_mass_function/m22_1/share_in_haloes"][:]
        assert 0 <= shares[0] < 1e-3 and 0.75 < shares[-1] < 0.85
    assert any("filaments alone from" in line and "all matter from" in line for line in outcome.summary)
    for over in ("smooth", "cdm"):
        found = boost_over(outcome.result, over, object="all matter")
        rows = np.isin(parts["k"], found.k)
        np.testing.assert_allclose(found.boost, (parts["power_fdm"] / parts[f"power_{over}"])[rows], rtol=1e-13)
        assert (found.name, found.m22, found.redshift, rows.sum()) == (f"fdm/{over}", 1, 4, len(parts["k"]))
        assert found.object == "all matter with filaments of 1e+09 to 3e+10 and haloes of 3e+08 to 3e+10 Msun/h"
    with pytest.raises(InputError, match=r"more than one boost over smooth: .* from .*smooth of all matter with"):
        boost_over(outcome.result, "smooth")
    with pytest.raises(InputError, match="holds no boost over wdm; it has boosts over smooth, classical, cdm, n-body"):
        boost_over(outcome.result, "wdm", object="all matter")


def test_k_beyond_linear_power():
    assert check(made("one_filament.k_max=5000"))[1][0].startswith("power of all matter: ends at 2681 h/Mpc, as linear")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (["population.ellipticity=published"], r"ellipticity = published: must be collapse for haloes: .* 1e-4 of all"),
        (["one_filament.mode_mass=as_is"], r"mode_mass = as_is: must be completed for the power of all matter"),
        (["one_filament.shape=published"], r"shape = published: must be collapse for the power of all matter"),
        (["total_power.mass_max=2e12"], r"\[total_power\] mass_max = 2e\+12: must be in \[1e\+08, 1e\+12\]"),
        (["total_power.mass_min=2e12"], r"mass_min = 2e\+12: must be smaller than mass_max"),
        (
            ["population.m22=0.3", "one_filament.mass_min=1e10"],
            r"mass_min = 300000000: must be at least 4\.67e\+08: at m22 = 0\.3 the core",
        ),
        (["one_filament.mass_min=2e8"], r"nu = .*; the power of all matter needs a table: raise \[one_filament\]"),
        (["halo.core_factor=5"], r"\[halo\] core radius = .* must be below 1"),
        (["cosmology.redshift=45"], r"no barrier|barrier of|must be at least"),
    ],
)
def test_bad_input(changes, says):
    with pytest.raises(InputError, match=says) as caught:
        check(made(*changes))
    assert "\n" not in str(caught.value)
