"""gpu-fdm info of snapshots: it prints what the reader of power returns, and the command in its last line runs."""

import re
import shlex

import h5py
import numpy as np
import pytest
from snapshot_cases import CASES, density
from snapshot_files import (
    KPC_CM,
    MPC_CM,
    write_axirepo,
    write_fuzzylli,
    write_gadget,
    write_gadget_binary,
    write_pyultralight,
    write_result,
)

from gpu_fdm.commands.main import build_parser, main
from gpu_fdm.commands.shared import snapshot_options
from gpu_fdm.io.hdf5 import Hdf5Arrays
from gpu_fdm.io.result_file import atomic_result
from gpu_fdm.io.schema import SNAPSHOT
from gpu_fdm.snapshots.axirepo import FlatParts
from gpu_fdm.snapshots.covering_grid import CoveringGrid
from gpu_fdm.snapshots.gadget import Hdf5Particles
from gpu_fdm.snapshots.gadget_binary import BinaryParticles, Rows
from gpu_fdm.snapshots.jaxion import Checkpoint
from gpu_fdm.snapshots.numpy_files import NumpyArray
from gpu_fdm.snapshots.particle_files import ParticleFiles
from gpu_fdm.snapshots.registry import READERS, open_snapshot

POINTS = np.random.default_rng(4).random((300, 3)) * 75
UNITS = {"UnitLength_in_cm": KPC_CM, "UnitMass_in_g": 1.98841e43, "HubbleParam": 0.7, "Omega0": 0.3}
VALUES = {"X[,Y,Z]": "7,6,5", "Z": "1.5", "X": "0.001", "H": "0.7", "N": "1"}  # of options that a command needs
GRIDS = [pytest.param(name, make, id=f"{name}-{i}") for name, cases in CASES.items() for i, make in enumerate(cases)]


def info(capsys, *paths):
    """The rows of gpu-fdm info, by what is before their colon; "needed" is a list."""
    capsys.readouterr()
    code = main(["info", *map(str, paths)])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    first, *lines = said.out.splitlines()
    rows = {"first": first, "needed": []}
    for line in lines:
        assert line.startswith("  ")
        name, _, text = line.strip().partition(": ")
        if name == "needed":
            rows["needed"].append(text)
        else:
            assert name not in rows
            rows[name] = text
    assert lines[-1].startswith("  next: gpu-fdm power ")
    return rows


def fails(capsys, path, *words):
    """One line, and exit code 2."""
    capsys.readouterr()
    assert main(["info", str(path)]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    assert all(word in said.err for word in (str(path), *words)), said.err


def opened_by(command, **values):
    """The snapshot that the command of the last line reads, with values in place of what stands for them."""
    words = [(VALUES | values).get(word, word) for word in shlex.split(command)[1:]]
    options = build_parser().parse_args(words)
    return open_snapshot(options.snapshot, options.format, snapshot_options(options))


def numbers(text):
    return [float(word) for word in re.findall(r"\d[\d.e+-]*", text)]


@pytest.fixture(autouse=True)
def no_data_is_read(monkeypatch):
    def refuse(*_):
        raise AssertionError("data are read")

    sources = (Hdf5Arrays, FlatParts, CoveringGrid, Checkpoint, NumpyArray, ParticleFiles)
    for of in (*sources, Hdf5Particles, BinaryParticles, Rows):
        found = {"arrays", "batches", "velocities", "__getitem__"} & set(vars(of))
        assert found
        for name in found:
            monkeypatch.setattr(of, name, refuse)


@pytest.mark.parametrize("name, make", GRIDS)
def test_grids(capsys, tmp_path, name, make):
    case = make(tmp_path)
    rows = info(capsys, case.path)
    expected = open_snapshot(case.path, options=case.options)
    if name == "gpu_fdm":
        assert "whole by the digest of its bytes" in rows["first"]
    else:
        assert rows["first"].startswith(f"{case.path}: {name} snapshot, ")
    if case.options.redshift is None:
        assert numbers(rows["redshift"]) == pytest.approx([expected.redshift, 1 / (1 + expected.redshift)], rel=1e-3)
        sides = numbers(rows["box"])
        assert (sides * 3 if len(sides) == 1 else sides) == pytest.approx(list(expected.box_size), rel=1e-5)
        assert rows["box"].endswith("cMpc/h")
    else:
        assert rows["redshift"] == rows["box"] == "not in the file"
    known = [value for value in (expected.h, expected.omega_m) if value is not None and case.options.h is None]
    assert numbers(rows["cosmology"].replace("Omega_m", "")) == pytest.approx(known)
    if expected.m22 is not None:
        assert numbers(rows["boson mass"].replace("m22", "")) == pytest.approx([expected.m22], rel=1e-5)
    if len(expected.source.names) == 1:
        text = rows[expected.field]
        assert text.startswith(f"{' x '.join(map(str, expected.cells))} cells of {expected.kind}")
        if name not in ("gamer", "axionyx"):
            assert np.dtype(expected.source.dtype).name in text
    chosen = case.options.dataset or case.options.field
    again = opened_by(rows["next"], NAME=chosen[0] if isinstance(chosen, tuple) else chosen)
    assert (again.format, again.cells, again.redshift) == (expected.format, expected.cells, expected.redshift)
    assert again.box_size == pytest.approx(expected.box_size)


def test_every_grid_reader_is_here():
    assert {*CASES, "gadget", "gadget_binary"} == {reader.name for reader in READERS}


@pytest.mark.parametrize("files", [1, 3])
@pytest.mark.parametrize("parameters", [None, UNITS])
def test_particles_of_gadget(capsys, tmp_path, files, parameters):
    path = write_gadget(tmp_path, POINTS, files=files, parameters=parameters)
    for given in (path, *([] if files == 1 else [tmp_path, tmp_path / "snap_007", tmp_path / "snap_007.2.hdf5"])):
        rows = info(capsys, given)
        assert rows.get("files") == (None if files == 1 else "3 of 3 found")
        assert rows["redshift"] == "2 (a = 0.3333)"
        if parameters:
            expected = open_snapshot(given)
            assert numbers(rows["box"]) == list(expected.box_size[:1]) == [0.075]
            assert rows["cosmology"] == "h = 0.7, Omega_m = 0.3"
            assert rows["PartType1"] == "300 particles, 5e+09 Msun/h each, without velocities; read by default"
            assert not rows["needed"]
        else:
            assert rows["box"] == "a side of 75 in the file's unit of length"
            assert "0.5 each in the file's unit of mass" in rows["PartType1"]
            assert rows["needed"] == [
                "the file has no unit_length: give --unit-length [cMpc/h] (0.001 for kpc/h, 1 for Mpc/h)"
            ]
        again = opened_by(rows["next"])
        assert (again.number, again.box_size[0], again.files) == (300, pytest.approx(0.075), files)


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("short", [False, True])
def test_particles_of_binary_gadget(capsys, tmp_path, named, short):
    others = {0: POINTS[:40], 4: POINTS[:7]}
    path = write_gadget_binary(tmp_path, POINTS, others=others, named=named, short=short, files=2)
    rows = info(capsys, path)
    again = opened_by(rows["next"])
    assert rows["files"] == "2 of 2 found"
    assert numbers(rows["redshift"])[0] == again.redshift == 2
    assert rows["box"] == "a side of 75 in the file's unit of length" and again.box_size[0] == pytest.approx(0.075)
    assert rows["cosmology"] == ("not in the file" if short else "h = 0.7, Omega_m = 0.3")
    assert (
        rows["PartType1"].startswith(f"{again.number} particles, 0.5 each") and "with velocities" in rows["PartType1"]
    )
    assert rows["PartType0"] == "40 particles, each with its own mass; --particle-type 0"
    assert rows["PartType4"] == "7 particles, each with its own mass; --particle-type 4"
    assert len(rows["needed"]) == 1 and "--unit-length" in rows["needed"][0]


def test_boxes_of_any_size_in_unknown_units(capsys, tmp_path):
    for number, side in enumerate((3e6, 1.0)):  # 3 Gpc/h in kpc/h, and in box lengths
        folder = tmp_path / str(number)
        folder.mkdir()
        rows = info(capsys, write_gadget_binary(folder, POINTS, box_size=side))
        assert rows["box"] == f"a side of {side:g} in the file's unit of length"


def test_another_type_of_particles(capsys, tmp_path):
    path = write_gadget(tmp_path, POINTS, np.ones(300), kind=4, parameters=UNITS)
    rows = info(capsys, path)
    assert rows["PartType4"] == "300 particles, each with its own mass, without velocities; --particle-type 4"
    assert "no particles of PartType1" in rows["needed"][0]
    assert rows["next"].endswith(" --particle-type 4") and opened_by(rows["next"]).number == 300


def test_lengths_whose_h_or_redshift_is_not_known(capsys, tmp_path):
    scaling = {"a_scaling": 0.0, "h_scaling": 0.0}
    path = write_gadget(tmp_path, POINTS, scaling=scaling, header={"UnitLength_in_cm": MPC_CM})
    rows = info(capsys, path)
    assert rows["box"] == "a side of 225 cMpc" and rows["needed"] == [
        "lengths are not per h, and the file has no h: give --h"
    ]
    assert rows["cosmology"] == "not in the file"
    assert opened_by(rows["next"]).box_size[0] == pytest.approx(225 * 0.7)
    with h5py.File(path, "r+") as file:
        del file["Header"].attrs["Redshift"]
    rows = info(capsys, path)
    assert (rows["redshift"], rows["box"]) == ("not in the file", "a side of 75 Mpc")
    assert rows["next"].endswith("--redshift Z --h H")
    assert opened_by(rows["next"]).box_size[0] == pytest.approx(75 * 2.5 * 0.7)
    # comoving lengths do not depend on it
    path = write_gadget(tmp_path, POINTS, header={"UnitLength_in_cm": MPC_CM})
    with h5py.File(path, "r+") as file:
        del file["Header"].attrs["Redshift"]
    assert info(capsys, path)["box"] == "a side of 75 cMpc/h"


def test_one_part_of_several(capsys, tmp_path):
    path = write_gadget(tmp_path, POINTS, files=4, parameters=UNITS)
    alone = tmp_path / "alone" / "snap_007.2.hdf5"
    alone.parent.mkdir()
    path.with_name("snap_007.2.hdf5").rename(alone)
    (tmp_path / "alone" / "snap_007.03.hdf5").write_bytes(alone.read_bytes())  # no part has this name
    with h5py.File(alone) as file:
        here = len(file["PartType1/Coordinates"])
    rows = info(capsys, alone)
    assert rows["files"] == "1 of 4 found" and rows["redshift"] == "2 (a = 0.3333)"
    assert rows["box"] == "a side of 0.075 cMpc/h" and here < 300
    assert rows["PartType1"].startswith(f"{here} of 300 particles in these files, 5e+09 Msun/h each")
    missing = alone.with_name("snap_007.0.hdf5")
    assert rows["missing"] == f"{missing}: no such file: part 0 of the 4 of this snapshot is missing"
    # of those that are left, in the folder
    (tmp_path / "rest").mkdir()
    for number in (0, 1, 3):
        path.with_name(f"snap_007.{number}.hdf5").rename(tmp_path / "rest" / f"snap_007.{number}.hdf5")
    rows = info(capsys, tmp_path / "rest")
    assert rows["files"] == "3 of 4 found" and f"{300 - here} of 300 particles" in rows["PartType1"]


def test_a_part_of_a_wave_function(capsys, tmp_path):
    path = write_axirepo(tmp_path, np.ones((6, 6, 6), complex), files=3)
    (tmp_path / "snap_000.1.hdf5").unlink()
    rows = info(capsys, path)
    assert (rows["files"], rows["box"]) == ("2 of 3 found", "a side of 10 cMpc/h")
    assert rows["psi"] == "a part of the cells of psi, two float32 numbers each"
    assert "snap_000.1.hdf5: no such file" in rows["missing"]


def test_an_absurd_number_of_files(capsys, tmp_path):
    path = write_gadget(tmp_path, POINTS, name="snap.0", parameters=UNITS, header={"NumFilesPerSnapshot": 2**31 - 1})
    rows = info(capsys, path)
    assert rows["files"] == f"1 of {2**31 - 1} found"


def test_fields_and_arrays_to_choose_from(capsys, tmp_path):
    path = write_fuzzylli(tmp_path / "box.h5", {"fdm/0": density((6, 6, 6)), "cdm": density((6, 6, 6))})
    rows = info(capsys, path)
    assert rows["fdm/0"].endswith("; read by default") and rows["cdm"].endswith("; --field cdm")
    with h5py.File(tmp_path / "any.h5", "w") as file:
        file["re"], file["im"] = np.ones((4, 5, 6), np.float32), np.ones((4, 5, 6), np.float32)
    rows = info(capsys, tmp_path / "any.h5")
    assert rows["re"] == "4 x 5 x 6 cells of density in units of the file, float32; --dataset re"
    assert rows["needed"][0] == (
        "no array chosen: give --dataset; found: im, re (twice for the real and the imaginary part of psi)"
    )
    assert opened_by(rows["next"], NAME="re").field == "re"


def test_a_field_that_is_no_grid_does_not_hide_the_others(capsys, tmp_path):
    path = write_fuzzylli(tmp_path / "box.h5", {"fdm/0": density((6, 6, 6))})
    with h5py.File(path, "r+") as file:
        file["density/k"] = np.ones(5)
    rows = info(capsys, path)
    assert rows["fdm/0"].startswith("6 x 6 x 6 cells of density")
    assert rows["k"].startswith("not read: ") and "must have 3 dimensions" in rows["k"]


def test_particles_beside_a_density_of_this_program(capsys, tmp_path):
    path = write_result(tmp_path / "s.hdf5", {"particles_cdm": density()}, (7.0, 6.0, 5.0), schema=SNAPSHOT)
    assert "PartType1" not in info(capsys, path)
    with atomic_result(
        path, "[cosmology]\nredshift = 4", seed=1, backend="cpu", device="test", schema=SNAPSHOT
    ) as file:
        file.dataset("/density/particles_cdm", density(), box_size=(7.0, 6.0, 5.0))
        for name, values in (("Coordinates", POINTS), ("Velocities", POINTS.astype(np.float32))):
            file.dataset(f"/PartType1/{name}", values)
        numbers_of = [0, 300, 0, 0, 0, 0]
        about = {"NumPart_ThisFile": numbers_of, "NumPart_Total": numbers_of, "MassTable": [0, 0.5, 0, 0, 0, 0]}
        file.attributes("/Header", **about, BoxSize=75.0, Redshift=4.0, NumFilesPerSnapshot=1, **UNITS)
    rows = info(capsys, path)
    assert rows["particles_cdm"].startswith("7 x 6 x 5 cells of density")
    assert rows["PartType1"] == "300 particles, 5e+09 Msun/h each, with velocities; --format gadget"


def test_several_files_and_a_warning_once(capsys, tmp_path):
    path = write_gadget(tmp_path, POINTS)
    with h5py.File(path, "r+") as file:
        del file["Header"].attrs["NumPart_ThisFile"]  # headers are read again with a unit of length
    grid = write_pyultralight(tmp_path / "rho_#1.npy", density())
    assert main(["info", str(path), str(grid)]) == 0
    said = capsys.readouterr()
    assert [line for line in said.out.splitlines() if not line.startswith(" ")] == [
        f"{path}: gadget snapshot, GADGET or AREPO particles in HDF5, one file or many",
        f"{grid}: pyultralight snapshot, PyUltraLight grid, npy, npz or HDF5",
    ]
    assert said.err.count("\n") == 1 and "no NumPart_ThisFile" in said.err


def test_what_is_no_snapshot(capsys, tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("no snapshot\n")
    fails(capsys, text, "not an HDF5 file")
    fails(capsys, tmp_path / "none.hdf5", "no such file")
    (tmp_path / "empty").mkdir()
    fails(capsys, tmp_path / "empty", "is no file")
    np.save(tmp_path / "plane.npy", np.ones((3, 3)))
    fails(capsys, tmp_path / "plane.npy", "must have 3 dimensions")
    run = tmp_path / "run"
    run.mkdir()
    result = write_result(run / "result.hdf5", {"fdm": density()}, (7.0, 6.0, 5.0))
    write_gadget(run, POINTS)
    fails(capsys, run, f"a folder: give {result}")
    table = tmp_path / "table.h5"
    with h5py.File(table, "w") as file:
        file["k"] = np.ones(4)
    assert main(["info", str(table)]) == 0
    assert capsys.readouterr().out == (
        f"{table}: HDF5 that gpu-fdm did not write; holds no array of three dimensions\n"
    )


@pytest.mark.parametrize("write", [write_gadget, write_gadget_binary])
def test_damage(capsys, tmp_path, write):
    path = write(tmp_path, POINTS)
    octets = path.read_bytes()
    path.write_bytes(octets[: len(octets) // 2])
    fails(capsys, path)


def test_several_snapshots_in_a_folder(capsys, tmp_path):
    for name in ("snap_001", "snap_002"):
        write_gadget(tmp_path, POINTS, name=name)
    fails(capsys, tmp_path, "a folder with several snapshots, must be one of them: snap_001.hdf5, snap_002.hdf5")


def test_names_that_a_shell_would_take_apart(capsys, tmp_path):
    path = write_pyultralight(tmp_path / "a b;c.npy", density())
    assert opened_by(info(capsys, path)["next"]).path == str(path)
