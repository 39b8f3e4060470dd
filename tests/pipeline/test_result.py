"""A result as Python objects: units, coordinates, tables and figures, without HDF5."""

import sys

import h5py
import numpy as np
import pytest

pytest.importorskip("astropy", reason="astropy is not installed")

import astropy.units as u
from tiny_runs import run_in

import gpu_fdm
from gpu_fdm import InputError

INI = (
    "[run]\noutput = {output}\n[dark_matter]\nm22 = 0.4\n[filament]\n[wavefunction]\n"
    "[cross_section]\npoints = 16\n[single_power]\npoints = 5\n[box]\nsize = 0.7, 0.8, 1.5\ncells = 8, 10, 12\n"
    "tolerance = 1e-3\n[power]\nmu_bins = 4\n"
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("result")
    run_in(folder, INI)
    return folder / "out" / "result.hdf5"


@pytest.fixture(scope="module")
def result(path):
    return gpu_fdm.open(path)


def test_a_file_its_folder_and_texts_open_alike(path):
    for name in (path, str(path), path.parent, str(path.parent)):
        assert gpu_fdm.open(name).path == path


def test_what_it_prints_is_short(result):
    assert repr(result) == f"Result({result.path}: density, filaments, power, single_power)"
    assert repr(result["density/fdm"]).startswith("Array(density/fdm: x 8, y 10, z 12; mean matter densities; ")
    page = result["single_power/00"]._repr_html_()
    assert "<td>k</td><td>k 5</td><td>h/Mpc</td><td>wavenumber, comoving</td>" in page
    assert result.config.dark_matter.m22 == 0.4


def test_arrays_have_the_numbers_of_the_file_and_units(result):
    with h5py.File(result.path) as file:
        k, density = file["single_power/00/k"][()], file["density/fdm"][()]
    array = result["single_power/00/k"]
    np.testing.assert_array_equal(array.values, k)
    np.testing.assert_array_equal(np.asarray(array), k)
    assert array.unit.is_equivalent(array.quantity.unit)
    assert str(array.unit) == "littleh / Mpc"
    planes = result["density/fdm"]
    for index in (3, -1, ..., (slice(None), 0), (2, [3, 1]), slice(None, None, -1), None, density > 1):
        np.testing.assert_array_equal(planes[index].value, density[index])
    assert [each.value for each in array] == list(k)
    # what is read goes back into functions with its unit
    model = gpu_fdm.build_model(result.config)
    spectra = gpu_fdm.single_power(model, array.quantity)
    np.testing.assert_allclose(spectra.fdm, result["single_power/00/power_fdm"].values, rtol=1e-6)


def test_a_table_has_units_descriptions_and_attributes(result):
    assert result["filaments/00/modes"].table["l"].dtype.kind == "i"
    table = result["single_power/00"].table
    assert table.colnames[0] == "k"
    assert len(table) == 5
    assert table["power_fdm"].unit == u.dimensionless_unscaled
    assert table["k"].info.description == "wavenumber, comoving"
    assert table.meta["k_cut"] > 0
    energy = result["filaments/00/modes"].table["energy"]
    assert energy.unit.is_equivalent(u.km**2 / u.s**2)
    with pytest.raises(InputError, match="/single_power has no arrays of its own; holds 00"):
        _ = result["single_power"].table
    with pytest.raises(InputError, match="/single_power has no arrays of its own; holds 00"):
        result["single_power"].to_xarray()


def test_xarray_has_coordinates(result):
    density = result["density"].to_xarray()
    assert density.fdm.dims == ("x", "y", "z")
    for axis, side, cells in zip("xyz", (0.7, 0.8, 1.5), (8, 10, 12), strict=True):
        np.testing.assert_allclose(density[axis], (np.arange(cells) + 0.5) * side / cells)
        assert density[axis].attrs["units_text"] == "cMpc/h"
    section = result["filaments/00/cross_section"].to_xarray()
    assert section.density.dims == ("v", "u")
    np.testing.assert_array_equal(section.u, result["filaments/00/cross_section/coordinate"].values)
    assert result["power/fdm"].to_xarray().power.sel(k=0) == result["power/fdm/power"].values[0]
    mu = result["power/fdm_mu/power"].to_xarray()
    np.testing.assert_allclose(mu.mu, [0.125, 0.375, 0.625, 0.875])


def test_without_xarray_one_line_says_how_to_get_it(result, monkeypatch):
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(gpu_fdm.RunError, match=r"pip install xarray"):
        result["density"].to_xarray()


def test_figures_of_a_group(result, tmp_path):
    figures = result["power"].plot(dpi=40)
    assert list(figures) == ["power", "power_mu"]
    assert list(result["power/fdm"].plot()) == ["power"]
    assert list(result["filaments/00/profile"].plot()) == ["profile"]
    assert figures._repr_html_().startswith('<img alt="power" src="data:image/png;base64,')
    assert [each.name for each in figures.save(tmp_path / "new")] == ["power.png", "power_mu.png"]
    with pytest.raises(InputError, match="no figure shows inputs"):
        gpu_fdm.Group(result.path, "inputs").plot()


def test_what_is_not_there_and_what_is_no_result(result, tmp_path):
    with pytest.raises(KeyError, match="no densty \\(did you mean density\\?\\); holds density, filaments"):
        result["densty"]
    assert "density/fdm" in result and 3 not in result
    for name in (3, None, ""):
        with pytest.raises(KeyError, match="holds density"):
            result[name]
    for index in (8, (0, 0, 0, 0), 1.5, "x"):
        with pytest.raises(IndexError, match=r"density/fdm has shape \(8, 10, 12\): "):
            result["density/fdm"][index]
    with h5py.File(tmp_path / "other.hdf5", "w") as file:
        file["a"] = 1.0
    with pytest.raises(InputError, match="must be a result of gpu-fdm run or gpu-fdm power"):
        gpu_fdm.open(tmp_path / "other.hdf5")
    with pytest.raises(InputError, match="no such file"):
        gpu_fdm.open(tmp_path / "absent.hdf5")
