"""Runs of filaments with measured profiles: what results hold, and messages of keys and tables."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hostile_inputs import watched
from locations import REPOSITORY

from gpu_fdm import parse_config, run
from gpu_fdm.errors import InputError
from gpu_fdm.filament import eigenstates
from gpu_fdm.filament.cylinder_fit import CylinderFit
from gpu_fdm.filament.profile import SteadyStateCylinder
from gpu_fdm.parallel.backend import CPU
from gpu_fdm.pipeline.profile_fits import Draws
from gpu_fdm.pipeline.run import check

TABLE = REPOSITORY / "ini" / "measured_profile.csv"
INI = """[run]
backend = cpu
output = {folder}
[dark_matter]
m22 = 0.3
[filament]
profile_table = {table}
profile_fit = {fit}
profile_bootstrap = 20
[wavefunction]
[single_power]
points = 20
[figures]
dpi = 20
"""


@pytest.mark.parametrize("fit", ["smooth", "cylinder"])
def test_a_run_with_bands(tmp_path, fit):
    outcome = run(parse_config(INI.format(folder=tmp_path, table=TABLE, fit=fit)))
    assert any(f"measured profile ({fit}): chi-squared = " in line for line in outcome.summary)
    with h5py.File(outcome.result) as file:
        group, power = file["filaments/00/profile_fit"], file["single_power/00"]
        attributes = dict(group.attrs)
        residual = (group["density"][:] - group["model"][:]) / group["error"][:]
        assert attributes["chi_squared"] == pytest.approx(np.sum(residual**2))
        assert attributes["draws"] == 20 and 0.001 < attributes["p_value"] < 1
        # 5e9 Msun/h at z = 4, of which the table is
        assert attributes["line_mass"] == pytest.approx(4.36e9, rel=0.04)
        assert 0 < attributes["line_mass_error"] < 0.03 * attributes["line_mass"]
        assert {"r0_error", "sigma_error", "beta_error"} <= set(attributes) or fit == "smooth"
        for values in (power, group):
            assert np.all(values["band_low"][:] <= values["band_high"][:])
        seen = power["power_fdm"][:] > 1e-8
        low, fdm, high = (power[name][:][seen] for name in ("band_low", "power_fdm", "band_high"))
        assert np.all((low <= 1.02 * fdm) & (fdm <= 1.02 * high))
    again = run(parse_config(INI.format(folder=tmp_path, table=TABLE, fit=fit)))
    assert "nothing to compute" in again.summary[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("profile_fit = smooth", "[filament] profile_fit = smooth: needs the rows of a profile_table"),
        (f"profile_fit = cylinder\nbeta = 0.2\nprofile_table = {TABLE}", "beta = 0.2: must be left out where"),
        (f"profile_bootstrap = 30\nprofile_table = {TABLE}", "profile_bootstrap = 30: must be 0 where profile_fit ="),
        (
            f"profile_fit = smooth\nprofile_bootstrap = 3\nprofile_table = {TABLE}",
            "profile_bootstrap = 3: must be at least 20 to have a band, or 0",
        ),
    ],
)
def test_keys_that_do_not_go_together(text, says):
    with pytest.raises(InputError) as caught:
        parse_config(f"[filament]\n{text}\n[wavefunction]\n")
    assert says in str(caught.value)


def test_a_doubtful_fit_warns_and_a_rising_profile_is_refused(tmp_path):
    lines = TABLE.read_text().splitlines()
    path = tmp_path / "table.csv"
    rows = [line.rsplit(",", 1) for line in lines[4:]]
    path.write_text("\n".join([*lines[:4], *(f"{row},{float(error) / 1.6:.4g}" for row, error in rows)]))
    config = parse_config(INI.format(folder=tmp_path, table=path, fit="smooth"))
    _, warnings = check(config)
    assert len(warnings) == 1 and "(p = " in warnings[0] and " standard errors in line " in warnings[0]
    path.write_text("\n".join([*lines[:10], lines[10].replace(",", ",9", 1), *lines[11:]]))
    with pytest.raises(InputError, match=r"table\.csv: line 11: the density rises outwards: "):
        check(config)


@pytest.mark.parametrize(
    ("wider", "hotter", "says"),
    [
        (100, 1, "modes: must be at most 5000, or 10 times the "),
        (1000, 1e-3, "cMpc/h to where they end: must be at most"),
    ],
)
def test_a_draw_far_larger_than_the_fit_has_no_spectrum(tmp_path, monkeypatch, caplog, wider, hotter, says):
    """Errors that leave the outer density open have draws of minutes, or of all memory: they are not solved for."""

    def far(fit, random):
        cylinder = fit.profile
        return SteadyStateCylinder(wider * cylinder.r0, hotter * cylinder.sigma, cylinder.beta, cylinder.scale_factor)

    monkeypatch.setattr(CylinderFit, "draw", far)
    caplog.set_level("DEBUG", "gpu_fdm")
    config = parse_config(INI.format(folder=tmp_path, table=TABLE, fit="cylinder"))
    inputs, _ = check(config)
    draws = Draws(config, inputs.filaments[0], 0, 1, np.geomspace(1, 100, 5))
    with watched(30):
        arrays = draws.compute(SimpleNamespace(threads=1, backend=CPU(1)), lambda: None)
    assert np.isnan(arrays["power"]).all() and np.isfinite(arrays["density"]).all()
    assert says in caplog.text


def test_a_draw_larger_than_the_memory_has_no_spectrum(tmp_path, monkeypatch, caplog):
    """It is left out as those that are far larger than the fit, and does not end the run."""
    monkeypatch.setattr(eigenstates, "_SMALL", 0)
    monkeypatch.setattr(eigenstates, "available", lambda: 1)
    caplog.set_level("DEBUG", "gpu_fdm")
    config = parse_config(INI.format(folder=tmp_path, table=TABLE, fit="cylinder"))
    inputs, _ = check(config)
    draws = Draws(config, inputs.filaments[0], 0, 2, np.geomspace(1, 100, 5))
    arrays = draws.compute(SimpleNamespace(threads=1, backend=CPU(1)), lambda: None)
    assert np.isnan(arrays["power"]).all() and np.isfinite(arrays["density"]).all()
    assert "draw 1 of the profile: too little memory: a filament of about " in caplog.text
