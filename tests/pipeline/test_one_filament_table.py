"""one_filament.method: which spectra come from the table of similarity, and how a run and a dry run say so."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from gpu_fdm.config.config import parse_config
from gpu_fdm.errors import InputError
from gpu_fdm.pipeline.one_filament import warn_of_modes
from gpu_fdm.pipeline.one_filament_table import FromTable
from gpu_fdm.pipeline.run import check, dry_run, run
from gpu_fdm.spectra.similarity.recipe import Recipe
from gpu_fdm.spectra.similarity.store import write_table
from gpu_fdm.spectra.similarity.table import table_of, table_rows

INI = """
[run]
output = {output}
backend = cpu
[wavefunction]
[population]
m22 = 0.5, 0.9
masses = 20
mass_min = 2e9
mass_max = 1e11
[one_filament]
mass_min = 4e9
mass_max = 7e9
points = 20
k_max = 3000
"""


def made(folder, **changes):
    text = INI.format(output=folder / "out")
    return parse_config(text, overrides=[f"{name.replace('__', '.')}={value}" for name, value in changes.items()])


def spectra(path):
    with h5py.File(path) as file:
        groups = {name: group for name, group in file["one_filament_power"].items() if name != "cdm"}
        return {
            name: {key: dataset[:] for key, dataset in group.items()} | dict(group.attrs)
            for name, group in groups.items()
        }


def test_what_the_table_covers_comes_from_it(tmp_path):
    """The lighter boson has too few states; both routes agree, and where fringes have ended both are zero."""
    auto = run(made(tmp_path / "auto"))
    changes = {"one_filament__method": "direct", "one_filament__tolerance": 1e-4, "population__m22": "0.9"}
    direct = run(made(tmp_path / "direct", **changes))
    ours, theirs = spectra(auto.result), spectra(direct.result)
    assert [ours[name]["method"] for name in ("m22_0.5", "m22_0.9")] == ["direct", "table"]
    assert {found["method"] for found in theirs.values()} == {"direct"}
    found, expected = ours["m22_0.9"], theirs["m22_0.9"]
    assert found["error"] == 5e-4
    good = expected["power_fdm"] > 1e-7 * expected["power_fdm"][0]
    np.testing.assert_allclose(found["power_fdm"][good], expected["power_fdm"][good], rtol=5e-4)
    assert found["power_fdm"][-1] == 0 and found["power_fdm"][0] > 0
    (line,) = [line for line in auto.summary if "m22 = 0.9" in line]
    assert "m22 = 0.9: from the table of similarity, error 5.0e-04, P(k -> 0)" in line
    assert any("m22 = 0.5: 5 masses, error" in line for line in auto.summary)


def test_a_dry_run_says_where_spectra_come_from(tmp_path):
    told = "\n".join(dry_run(made(tmp_path)))
    assert "one-filament spectra, m22 = 0.9: from the table of similarity, error 5.0e-04" in told
    assert "m22 = 0.5: sums over states (nu = " in told and "have few states)" in told
    told = "\n".join(dry_run(made(tmp_path, one_filament__tolerance=1e-5)))
    assert "m22 = 0.9: sums over states (tolerance = 1e-05, less than the error of the table, 0.0005)" in told
    told = "\n".join(dry_run(made(tmp_path, wavefunction__weights="poisson")))
    assert "m22 = 0.9: sums over states ([wavefunction] weights = poisson: must be wkb for spectra from a table" in told
    told = "\n".join(dry_run(made(tmp_path, population__m22="8")))
    assert "sums over states" not in told and "table of similarity:" in told  # memory and time are those of the table


def test_few_states_are_told(tmp_path, caplog):
    run(made(tmp_path, one_filament__method="table", population__m22="0.5"))
    (warning,) = [text for text in caplog.messages if "few modes" in text]
    assert "m22 = 0.5: filaments of up to" in warning and "nu < 0.9" in warning


def test_modes_that_lack_mass_are_told(caplog):
    """As sums over states tell it; filaments of nu < 0.9 have few modes, which is told by itself."""
    nu = np.array([0.8, 1.0, 1.5, 3.0])
    table = SimpleNamespace(mass=lambda nu: 0.81 - 1 / (9 * nu**2), recipe=Recipe(energy_cut=0.9))
    found = FromTable(None, table, 1e9 * nu, np.ones(4), np.array([nu, nu, nu]))
    warn_of_modes({1.0: found})
    assert found.error == pytest.approx(2.5e-3)
    few, lack = caplog.messages
    assert "m22 = 1: filaments of up to 8e+08 Msun/h have few modes (nu < 0.9)" in few
    assert "m22 = 1: the modes of filaments from 1e+09 to 3e+09 Msun/h do not describe them: at worst" in lack
    assert "they make 69.9 % of the line mass" in lack


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"wavefunction__weights": "poisson"}, r"\[wavefunction\] weights = poisson: must be wkb"),
        ({"wavefunction__axial": "thermal"}, r"\[wavefunction\] axial = thermal: must be coherent"),
        ({"wavefunction__energy_cut": "0.9"}, r"gpu-fdm tabulate similarity --energy-cut 0.9 --output FILE"),
        ({"population__m22": "0.15"}, r"m22 = 0.15: nu = .*: must be in \[0.5, inf\]"),
    ],
)
def test_what_no_table_covers(tmp_path, changes, says):
    with pytest.raises(InputError, match=says):
        check(made(tmp_path, one_filament__method="table", **changes))


def test_a_table_of_another_energy_cut(tmp_path):
    """Its content is in the result, and what a table is not of is told."""
    recipe = Recipe(energy_cut=0.95, nu_min=1.0)
    rows = {node: table_rows(node, recipe) for node in recipe.nodes[:8]}
    table = table_of(recipe, [rows[min(node, recipe.nodes[7])] for node in recipe.nodes])
    write_table(table, tmp_path / "cut.hdf5")
    changes = {"one_filament__table": str(tmp_path / "cut.hdf5"), "population__m22": "1.2"}
    result = run(made(tmp_path, wavefunction__energy_cut="0.95", **changes)).result
    direct = run(made(tmp_path / "direct", wavefunction__energy_cut="0.95", population__m22="1.2")).result
    ours, theirs = spectra(result)["m22_1.2"], spectra(direct)["m22_1.2"]
    assert (ours["method"], theirs["method"]) == ("table", "direct")
    assert ours["error"] == pytest.approx(1.25e-3)  # that of the tables of the package is 5e-4
    good = theirs["power_fdm"] > 1e-5 * theirs["power_fdm"][0]
    np.testing.assert_allclose(ours["power_fdm"][good], theirs["power_fdm"][good], rtol=1e-2)
    with pytest.raises(InputError, match=r"\[one_filament\] energy_cut = 0.99, beta = 0: .*cut.hdf5 is of energy_cut"):
        check(made(tmp_path, **changes))
    with pytest.raises(InputError, match=r"table = .*cut\.hdf5: must be empty where method = direct"):
        made(tmp_path, one_filament__method="direct", **changes)
    (tmp_path / "bad.hdf5").write_bytes(b"no table")
    with pytest.raises(InputError, match=r"bad\.hdf5: not an HDF5 file"):
        check(made(tmp_path, one_filament__table=str(tmp_path / "bad.hdf5")))
