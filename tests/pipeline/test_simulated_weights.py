"""Rows that validation prints of measured filaments: those of a psi that was made of the weights of WKB."""

import numpy as np
import pytest
from cut_outs import model, slices, write_cut_out

from validation.simulated_weights import of_fit, of_projection, run_with

INI = """[run]
threads = 1
backend = cpu
[dark_matter]
m22 = 0.7
[filament]
[wavefunction]
energy_cut = 0.9
[single_power]
"""


@pytest.mark.slow
def test_psi_of_wkb_weights_is_described_by_them(tmp_path):
    one = model(0.7, 0.96)
    side = 2.9 * float(one.profile.radius_enclosing(0.9))
    path = write_cut_out(tmp_path / "z4_0.hdf5", one, slices(one, 36, side, 30)[0], side, 4 * side)
    radius = np.geomspace(0.02, 1.5, 16) * side
    rows = np.column_stack([radius * one.units.length, one.profile.density(radius), 0.01 * one.profile.density(radius)])
    np.savetxt(path.with_suffix(".csv"), rows, delimiter=",", header="radius,density,error", comments="")
    path.with_suffix(".ini").write_text(INI)
    fit = of_fit(run_with(path, "wkb", tmp_path))
    assert fit["states"] == fit["bound"] and fit["rows"] > 10 and fit["smooth"] < 1
    assert 0.9 < fit["share"] < 1.01 and fit["log"] < 0.15
    found = of_projection(run_with(path, "projection", tmp_path))
    assert found["bound_share"] > 0.9 and found["relative_scatter"] < 0.1 and found["rms_log_wkb"] < 0.05
    assert found["p_independent"] > 1e-3 and found["p_uniform"] > 1e-3 and found["low"] < 0.96
