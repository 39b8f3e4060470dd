"""The schema of files against files of tiny runs: what is written is described, and what is described is written.

The units of all datasets are understood by astropy. Results of versions before units had two attributes can be read.
"""

import shutil

import h5py
import numpy as np
import pytest
from locations import TESTS
from tiny_runs import RESULT, tiny_files

from gpu_fdm.commands.main import main
from gpu_fdm.io.schema import MEASURED_FILAMENT, MEASUREMENT, SNAPSHOT, boson, filament
from gpu_fdm.io.schema.entries import ASTROPY, PLACEHOLDERS, path_pattern
from gpu_fdm.pipeline.result_spectra import result_boosts, spectrum_paths
from gpu_fdm.pipeline.snapshot import snapshot_power
from gpu_fdm.pipeline.stages import figures
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import open_snapshot

OLD_RESULT = TESTS / "data/result_0.1.hdf5"  # of the version before units could be parsed
DESCRIBED = {"units", "units_text", "description"}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return tiny_files(tmp_path_factory.mktemp("tiny"))


def nodes(path):
    """(path, node) of all groups and datasets."""
    with h5py.File(path) as file:
        found = ["/"]
        file.visit(lambda name: found.append(f"/{name}"))
        for name in found:
            yield name, file[name]


def test_all_that_is_written_is_described(files):
    for schema, path in files:
        for name, node in nodes(path):
            if not isinstance(node, h5py.Dataset):
                known = schema.group(name).attributes if node.attrs else {}
                assert set(node.attrs) <= set(known), name
                continue
            entry = schema.dataset(name)
            assert node.dtype.name in entry.dtype.split(" or "), name
            assert node.attrs["description"] == entry.description
            assert node.attrs["units_text"].endswith(entry.units)
            assert set(node.attrs) - DESCRIBED <= set(entry.attributes), name
            axes = entry.shape.split(", ")
            assert len(axes) == node.ndim, name
            for axis, length in zip(axes, node.shape, strict=True):
                if axis.isdigit():
                    assert length == int(axis), name
                elif axis in node.parent and node.parent[axis].ndim == 1 and f"/{axis}" not in name:
                    assert length == len(node.parent[axis]), (name, axis)


# attributes that a result only has where a ratio passes a threshold, which it does not in tiny runs
NOT_REACHED = {"k_detach_cdm"}


def test_all_that_is_described_is_written(files):
    for kind in (RESULT, MEASUREMENT, SNAPSHOT):
        written = [(name, set(node.attrs)) for schema, path in files if schema is kind for name, node in nodes(path)]

        def attributes(path, written=written):
            fits = path_pattern(path).fullmatch
            return [names for name, names in written if fits(name)]

        for group in kind.groups:
            found = attributes(group.path)
            assert set(group.attributes) - NOT_REACHED <= set().union(*found), group.path
            for name, entry in group.datasets.items():
                found = attributes(f"{group.path.rstrip('/')}/{name}")
                assert found, f"{group.path}/{name}"
                assert set(entry.attributes) | DESCRIBED <= set().union(*found), f"{group.path}/{name}"


def test_numbers_are_finite_but_where_a_description_says_nan(files):
    said, found = set(), set()
    for schema, path in files:
        for name, node in nodes(path):
            if isinstance(node, h5py.Dataset):
                entry = schema.dataset(name)
                described = {"": (node[()], entry.description)}
                attributes = entry.attributes
            else:
                described, attributes = {}, schema.group(name).attributes if node.attrs else {}
            described |= {key: (node.attrs[key], attributes[key].description) for key in attributes.keys() & node.attrs}
            for key, (values, description) in described.items():
                if np.asarray(values).dtype.kind in "fc":
                    assert not np.isinf(values).any(), (path.name, name, key)
                    if "NaN" in description:
                        said.add(key or name.rpartition("/")[2])
                    if np.isnan(values).any():
                        found.add(key or name.rpartition("/")[2])
                        assert "NaN" in description, (path.name, name, key)
    few_slices = {"rayleigh", "p_uniform", "p_independent"}  # as the tiny cut-out has
    crossed = {"correlation", "correlation_error"}  # at k = 0
    assert said > found == {"power", "error", "freeze", *crossed, *few_slices}  # others have none in these runs


def test_figures_are_drawn_from_what_is_described():
    groups = (*RESULT.groups, *MEASURED_FILAMENT.groups, *MEASUREMENT.groups)
    for figure in figures():
        for source in (source.replace("*", "1") for source in figure.sources):
            patterns = [path_pattern(group.path) for group in groups]
            described = [pattern.fullmatch(f"/{source}") for pattern in patterns]
            below = [group.path.startswith(f"/{source}/") for group in groups]
            assert any(described) or any(below) or RESULT.dataset(f"/{source}"), f"{figure.name}: {source}"


def test_units_are_parsed_by_astropy(files):
    from astropy import units
    from astropy.cosmology import units as cosmological

    units.add_enabled_units(cosmological)
    number = 0
    for _, path in files:
        for name, node in nodes(path):
            if isinstance(node, h5py.Dataset):
                units.Unit(node.attrs["units"])
                assert node.attrs["units_text"], name
                number += 1
    assert number
    for astropy in ASTROPY.values():
        units.Unit(astropy)
    for kind in (RESULT, MEASUREMENT, SNAPSHOT):
        for group in kind.groups:
            assert {each.units for each in group.attributes.values() if each.units} <= set(ASTROPY)


def test_units_mean_what_they_say(files):
    """k r has no units, a power over a volume neither; energies are velocities squared."""
    from astropy import units
    from astropy.cosmology import units as cosmological

    units.add_enabled_units(cosmological)
    result = next(path for _, path in files if path.name == "filament.hdf5")
    with h5py.File(result) as file:
        k, power = (units.Unit(file[f"power/fdm/{name}"].attrs["units"]) for name in ("k", "power"))
        assert (k * units.Unit(file["correlation/fdm/r"].attrs["units"])).is_equivalent("")
        assert (power * k**3).is_equivalent("")
        energy = file["filaments/00/modes/energy"]
        speed = file["filaments/00"].attrs["velocity_unit"]
        assert units.Unit(energy.attrs["units"]).to("km2/s2") == pytest.approx(speed**2, rel=1e-14)


def test_placeholders():
    for path, fits, others in (
        ("/filaments/<number>", [f"/filaments/{filament(7)}", "/filaments/123"], ["/filaments/7", "/filaments/00/a"]),
        ("/density/fdm[/<frame>]", ["/density/fdm", "/density/fdm/12"], ["/density/fdm/", "/density/fdm/a"]),
        ("/collapse/<boson>", [f"/collapse/{boson(m22)}" for m22 in (None, 1.0, 0.25, 1e-3)], ["/collapse/m22"]),
        ("/boost/<run>_over_<run>/<epoch>", ["/boost/wave_fdm_over_particles_cdm/0"], ["/boost/fdm_over_cdm/0"]),
    ):
        assert all(path_pattern(path).fullmatch(each) for each in fits)
        assert not any(path_pattern(path).fullmatch(each) for each in others)
    assert all(meaning for _, meaning in PLACEHOLDERS.values())


def test_results_of_earlier_versions_are_read_and_drawn(tmp_path):
    path = shutil.copy(OLD_RESULT, tmp_path)
    with h5py.File(path) as file:
        assert file["power/fdm/k"].attrs["units"] == "h/Mpc" and "units_text" not in file["power/fdm/k"].attrs
        assert "power/fdm" in spectrum_paths(file) and result_boosts(file)
    snapshot = open_snapshot(path, "gpu_fdm")
    assert snapshot.density_units == "mean matter densities"
    measured = snapshot_power(path, options=SnapshotOptions(field="fdm")).spectrum
    with h5py.File(path) as file:
        assert np.array_equal(measured.power, file["power/fdm/power"][:])
    assert main(["plot", str(path), "--dpi", "30"]) == 0
    drawn = {each.name.removeprefix("result_0.1_") for each in tmp_path.glob("*.png")}
    assert {"projection.png", "power.png", "single_power.png", "mass_function.png"} <= drawn
