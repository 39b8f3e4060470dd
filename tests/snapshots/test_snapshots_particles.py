"""GADGET and AREPO particles: any rank reads any part, units are those of the file, and headers are checked."""

import pickle
import re
import shutil
import tracemalloc
from itertools import pairwise

import h5py
import numpy as np
import pytest
from snapshot_files import KPC_CM, MPC_CM, write_axirepo, write_gadget

from gpu_fdm.errors import InputError
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import open_snapshot

NUMBER = 1001
KPC = {"UnitLength_in_cm": KPC_CM, "HubbleParam": 0.7, "Omega0": 0.3}
UNIT = SnapshotOptions(unit_length=1e-3)


def positions(dtype=np.float64, side=75.0, number=NUMBER):
    return (side * np.random.default_rng(8).random((number, 3))).astype(dtype)


def masses(number=NUMBER):
    return np.random.default_rng(9).random(number).astype(np.float32)


def read(snapshot, first=0, last=None, most=1_000_000):
    batches = list(snapshot.batches(first, last, most))
    assert all(len(x) <= most and x.dtype == np.float64 for x, _ in batches)
    weights = None if any(m is None for _, m in batches) else np.concatenate([m for _, m in batches])
    return np.concatenate([x for x, _ in batches]), weights


@pytest.mark.parametrize("files", [1, 2, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("with_masses", [True, False])
def test_any_rank_reads_any_part(tmp_path, files, dtype, with_masses):
    """Cut unevenly over files of which the first is empty; exact: the unit of length is 1 cMpc/h."""
    expected, weights = positions(dtype), masses() if with_masses else None
    header = {"UnitLength_in_cm": MPC_CM, "HubbleParam": 0.7, "Omega0": 0.3}
    path = write_gadget(tmp_path, expected, weights, files=files, header=header)
    opened = pickle.loads(pickle.dumps(open_snapshot(path)))  # as by MPI
    assert opened.format == "gadget" and opened.kind == "particles" and opened.number == NUMBER
    assert opened.box_size == (75.0, 75.0, 75.0) and opened.redshift == 2.0 and (opened.h, opened.omega_m) == (0.7, 0.3)
    assert opened.fields == ("PartType1",) and opened.field == "PartType1"
    assert opened.particle_mass == (None if with_masses else 0.5)
    found = read(opened)
    assert np.array_equal(found[0], expected)
    assert found[1] is None if weights is None else np.array_equal(found[1], weights)
    for bounds in ([0, 500, NUMBER], [0, 1, 333, 334, 1000, NUMBER]):
        for most in (7, 100_000):
            parts = [read(opened, a, b, most) for a, b in pairwise(bounds)]
            assert np.array_equal(np.concatenate([x for x, _ in parts]), expected)
            if with_masses:
                assert np.array_equal(np.concatenate([m for _, m in parts]), weights)
    assert list(opened.batches(5, 5)) == []
    for wrong in ((-1, 3), (3, 2), (0, NUMBER + 1), (0, 1, 0)):
        with pytest.raises(ValueError, match=r"must be in 0\.\.1001, at least 1"):
            opened.batches(*wrong)


def test_a_snapshot_may_be_named_in_any_way(tmp_path):
    folder = tmp_path / "snapdir_007"
    folder.mkdir()
    write_gadget(folder, positions(), files=3)
    first = open_snapshot(folder / "snap_007.0.hdf5", options=UNIT)
    assert len(first.source.files) == 2  # and one without particles
    for path in (folder, folder / "snap_007", folder / "snap_007.2.hdf5"):
        other = open_snapshot(path, options=UNIT)
        assert other.source == first.source and other.box_size == first.box_size
    (folder / "notes.txt").write_text("")
    for path in (folder, folder / "snap_007"):
        (folder / "snap_007.0.hdf5").rename(folder / "elsewhere")
        with pytest.raises(InputError, match=r"snap_007\.0\.hdf5: no such file: part 0 of the 3 of this snapshot"):
            open_snapshot(path, options=UNIT)
        (folder / "elsewhere").rename(folder / "snap_007.0.hdf5")
    single = write_gadget(tmp_path, positions(), name="run.5")
    assert [(file.path, file.count) for file in open_snapshot(single, options=UNIT).source.files] == [
        (str(single), NUMBER)
    ]
    assert open_snapshot(tmp_path / "run.5", options=UNIT).number == NUMBER
    write_gadget(folder, positions(), files=2, name="other")
    message = f"{folder}: a folder with several snapshots, must be one of them: other.0.hdf5, snap_007.0.hdf5"
    with pytest.raises(InputError, match=re.escape(message)):
        open_snapshot(folder, options=UNIT)


COMOVING_PER_H = {"a_scaling": 1.0, "h_scaling": -1.0, "to_cgs": KPC_CM}
PHYSICAL = {"a_scaling": 0.0, "h_scaling": 0.0, "to_cgs": KPC_CM}


@pytest.mark.parametrize(
    "written, given, factor",
    [
        ({"header": KPC}, {}, 1e-3),
        ({"parameters": {**KPC, "UnitLength_in_cm": MPC_CM}}, {}, 1.0),
        # a unit that is no power of ten is used as it is: 10 kpc exactly, and 2 Mpc
        ({"parameters": {**KPC, "UnitLength_in_cm": 10 * KPC_CM}}, {}, 1e-2),
        ({"parameters": {**KPC, "UnitLength_in_cm": 2 * 3.0856775814913673e24}}, {}, 2.0),
        ({"header": KPC, "scaling": COMOVING_PER_H}, {}, 1e-3),
        # SWIFT: comoving, not per h
        ({"header": KPC, "scaling": {"a-scale exponent": 1.0, "h-scale exponent": 0.0}}, {}, 0.7e-3),
        # EAGLE: comoving, per h
        ({"header": KPC, "scaling": {"aexp-scale-exponent": 1.0, "h-scale-exponent": -1.0}}, {}, 1e-3),
        # GADGET-4 without expansion: physical at z = 2 and not per h
        ({"header": KPC, "scaling": PHYSICAL}, {}, 3 * 0.7e-3),
        ({"parameters": {**KPC, "ComovingIntegrationOn": 0}}, {}, 3 * 0.7e-3),
        ({"header": {"UnitLength_in_cm": KPC_CM}, "scaling": PHYSICAL}, {"h": 0.5}, 3 * 0.5e-3),
        ({"header": {"UnitLength_in_cm": KPC_CM}, "scaling": PHYSICAL}, {"unit_length": 0.01}, 0.01),
        ({}, {"unit_length": 1e-3}, 1e-3),
        ({"header": KPC}, {"unit_length": 1.0}, 1.0),
    ],
)
def test_units_of_length(tmp_path, written, given, factor):
    """Of box and positions alike; 1e-15: two products in double precision."""
    path = write_gadget(tmp_path, positions(), files=3, **written)
    opened = open_snapshot(path, options=SnapshotOptions(**given))
    assert opened.box_size == pytest.approx((75 * factor,) * 3, rel=1e-15)
    assert read(opened)[0] == pytest.approx(positions() * factor, rel=1e-15)


def test_units_that_are_missing(tmp_path):
    path = write_gadget(tmp_path, positions())
    with pytest.raises(InputError) as error:
        open_snapshot(path)
    says = "the file has no unit_length: give --unit-length [cMpc/h] (0.001 for kpc/h, 1 for Mpc/h)"
    assert str(error.value) == f"{path}: {says}"
    path = write_gadget(tmp_path, positions(), header={"UnitLength_in_cm": KPC_CM}, scaling=PHYSICAL)
    with pytest.raises(InputError) as error:
        open_snapshot(path)
    assert str(error.value) == f"{path}: lengths are not per h, and the file has no h: give --h"
    # an isolated run has no box
    path = write_gadget(tmp_path, positions(), box_size=0.0)
    with pytest.raises(InputError, match=r"the file has no box_size: give --box-size \[cMpc/h\]"):
        open_snapshot(path, options=UNIT)
    opened = open_snapshot(path, options=SnapshotOptions(unit_length=1.0, box_size=(75.0, 80.0, 90.0)))
    assert opened.box_size == (75.0, 80.0, 90.0)


@pytest.mark.parametrize(
    "written, message",
    [
        ({"header": {"BoxSize": -5.0}}, "box_size = -0.005,-0.005,-0.005 [cMpc/h] in the file: must be"),
        ({"header": {"BoxSize": np.nan}}, "box_size = nan,nan,nan [cMpc/h] in the file: must be"),
        ({"header": {"BoxSize": [1.0, 2.0]}}, "BoxSize = (1.0, 2.0): must be one or three numbers"),
        ({"header": {"BoxSize": "large"}}, "attribute BoxSize of /Header: is of type object: must be a number"),
        ({"header": {"BoxSize": np.zeros(1000)}}, "attribute BoxSize of /Header: must be one or a few numbers"),
        ({"header": {"BoxSize": h5py.Empty("f8")}}, "attribute BoxSize of /Header: must be one or a few numbers"),
        ({"header": {"Redshift": [0.0, 1.0]}}, "attribute Redshift of /Header = (0.0, 1.0): must be one number"),
        ({"header": {"Redshift": np.inf}}, "redshift = inf in the file: must be a number in (-1, 10000]"),
        ({"header": {"UnitLength_in_cm": 0.0}}, "UnitLength_in_cm = 0: must be positive"),
        ({"header": {"NumFilesPerSnapshot": 0}}, "NumFilesPerSnapshot = (0,): must be a positive integer"),
        (
            {"header": {"NumFilesPerSnapshot": 2**40}},
            "one of 1099511627776 parts by its header, must be called NAME.0.hdf5",
        ),
        ({"header": {"NumFilesPerSnapshot": np.nan}}, "NumFilesPerSnapshot = (nan,): must be numbers of files"),
        ({"header": {"MassTable": np.full(6, np.nan)}}, "MassTable[1] = nan: must be finite and not negative"),
        (
            {"header": {"NumPart_ThisFile": np.array([0, 2**62, 0, 0, 0, 0])}},
            "/PartType1/Coordinates has shape (1001, 3): must be (4611686018427387904, 3) by NumPart_ThisFile",
        ),
        (
            {"header": {"NumPart_Total_HighWord": np.array([0, 1, 0, 0, 0, 0], np.uint32)}},
            "NumPart_Total is 4294968297 for PartType1: must be 1001, the particles in its 1 files",
        ),
        (
            {"header": {"NumPart_Total": np.array([0, -1, 0, 0, 0, 0], np.int32)}},
            "NumPart_Total is 4294967295 for PartType1: must be 1001, the particles in its 1 files",
        ),
        (
            {"header": {"NumPart_ThisFile": np.zeros(6, int)}},
            "NumPart_Total is 1001 for PartType1: must be 0, the particles in its 1 files",
        ),
        ({"header": {"NumPart_ThisFile": np.ones(1, int)}}, "--particle-type 1: its header has 1 types, from 0"),
        (
            {"scaling": {"a_scaling": 3.0}, "header": KPC},
            "attribute a_scaling of /PartType1/Coordinates = 3: must be 0 or 1 for a length",
        ),
        ({"mass": 0.0}, "PartType1: must have Masses, or a mass above zero in the MassTable of Header"),
        ({"kind": 4}, "no particles of PartType1; found: PartType4 (--particle-type)"),
    ],
)
def test_headers_that_make_no_sense(tmp_path, written, message):
    """One line, at opening, without memory for what a header claims."""
    options = SnapshotOptions() if "UnitLength_in_cm" in written.get("header", ()) else UNIT
    path = write_gadget(tmp_path, positions(), **written)
    tracemalloc.start()
    with pytest.raises(InputError) as error:
        open_snapshot(path, options=options)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value) and peak < 2e6


def test_other_types_of_particles(tmp_path):
    path = write_gadget(tmp_path, positions(), masses(), kind=4, files=3)
    opened = open_snapshot(path, options=SnapshotOptions(unit_length=1.0, particle_type=4))
    assert np.array_equal(read(opened)[0], positions()) and np.array_equal(read(opened)[1], masses())


def test_a_redshift_that_is_zero_but_for_round_off(tmp_path):
    path = write_gadget(tmp_path, positions(), redshift=-1e-16)
    assert open_snapshot(path, options=UNIT).redshift == -1e-16


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_a_missing_part(tmp_path, missing):
    write_gadget(tmp_path, positions(), files=4)
    part = tmp_path / f"snap_007.{missing}.hdf5"
    part.unlink()
    with pytest.raises(InputError) as error:
        open_snapshot(tmp_path / "snap_007.2.hdf5", options=UNIT)
    assert str(error.value) == f"{part}: no such file: part {missing} of the 4 of this snapshot is missing"


def test_a_part_that_is_cut(tmp_path):
    write_gadget(tmp_path, positions(), files=4)
    part = tmp_path / "snap_007.3.hdf5"
    part.write_bytes(part.read_bytes()[:-1000])
    with pytest.raises(InputError, match=re.escape(f"{part}: not an HDF5 file, or damaged or cut: ") + ".*truncated"):
        open_snapshot(tmp_path / "snap_007.0.hdf5", options=UNIT)


def test_parts_of_different_snapshots(tmp_path):
    (tmp_path / "later").mkdir()
    write_gadget(tmp_path, positions(), files=4)
    write_gadget(tmp_path / "later", positions(), files=4, redshift=1.0)
    shutil.copy(tmp_path / "later" / "snap_007.2.hdf5", tmp_path)
    message = f"{tmp_path}/snap_007.2.hdf5: box size, redshift, masses or total numbers in its header differ from those"
    with pytest.raises(InputError, match=re.escape(message)):
        open_snapshot(tmp_path, options=UNIT)


@pytest.mark.parametrize("place, bad", [((700, 2), np.nan), ((0, 0), np.inf), ((1000, 1), -75.1), ((3, 0), 150.0)])
def test_positions_that_make_no_sense(tmp_path, place, bad):
    """They are found when they are read; earlier particles are returned."""
    x = positions()
    x[place] = bad
    opened = open_snapshot(write_gadget(tmp_path, x), options=SnapshotOptions(unit_length=2.0))
    assert len(read(opened, 0, place[0])[0] if place[0] else []) == place[0]
    with pytest.raises(InputError) as error:
        read(opened, 0, NUMBER, 10)
    far = (
        f", that is {2 * bad:g} cMpc/h: must be less than a box length outside of 0 to 150 cMpc/h "
        "(--box-size or --unit-length, if the units are wrong)"
    )
    wrong = far if np.isfinite(bad) else ": must be finite"
    assert str(error.value) == f"{opened.path}: PartType1/Coordinates[{place[0]}, {place[1]}] = {bad:g}{wrong}"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_masses_that_make_no_sense(tmp_path, bad):
    m = masses()
    m[777] = bad
    opened = open_snapshot(write_gadget(tmp_path, positions(), m), options=UNIT)
    message = f"{opened.path}: PartType1/Masses[777] = {bad:g}: must be finite and not negative"
    with pytest.raises(InputError, match=re.escape(message)):
        read(opened, 0, NUMBER, 10)


@pytest.mark.parametrize(
    "replaced, message",
    [
        (np.zeros((1001, 2)), "/PartType1/Coordinates has shape (1001, 2): must be (1001, 3) by NumPart_ThisFile"),
        (np.zeros(1001), "PartType1/Coordinates: has shape (1001,): must have 2 dimensions, none of them empty"),
        (np.zeros((1001, 3), int), "PartType1/Coordinates: holds values of type int64: must be real numbers"),
        (np.zeros((1001, 3), complex), "PartType1/Coordinates: holds values of type complex128: must be real numbers"),
    ],
)
def test_coordinates_of_another_kind(tmp_path, replaced, message):
    path = write_gadget(tmp_path, positions())
    with h5py.File(path, "r+") as file:
        del file["PartType1/Coordinates"]
        file["PartType1/Coordinates"] = replaced
    with pytest.raises(InputError, match=re.escape(f"{path}: {message}")):
        open_snapshot(path, options=UNIT)


def test_batches_are_bounded(tmp_path):
    """3e5 particles, 1e4 at a time: the memory of a few batches (0.24 MB each), not of all (7 MB)."""
    path = write_gadget(tmp_path, positions(number=300_000), files=2)
    opened = open_snapshot(path, options=SnapshotOptions(unit_length=1.0))
    tracemalloc.start()
    count = sum(len(x) for x, _ in opened.batches(batch_size=10_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 300_000 and peak < 2e6


class TestAxirepo:
    """Its parts are checked as those of particles are."""

    @staticmethod
    def psi(n=7):
        random = np.random.default_rng(6)
        return random.standard_normal((n, n, n)) + 1j * random.standard_normal((n, n, n))

    def test_a_missing_part(self, tmp_path):
        write_axirepo(tmp_path, self.psi(), files=4)
        (tmp_path / "snap_000.3.hdf5").unlink()
        with pytest.raises(InputError, match=r"snap_000\.3\.hdf5: no such file: part 3 of the 4 of this snapshot"):
            open_snapshot(tmp_path / "snap_000")

    def test_parts_that_are_no_cube(self, tmp_path):
        first = write_axirepo(tmp_path, self.psi(), files=4)
        for name in ("PsiRe", "PsiIm"):
            with h5py.File(tmp_path / "snap_000.2.hdf5", "r+") as file:
                values = file[f"FuzzyDM/{name}"][:-1]
                del file[f"FuzzyDM/{name}"]
                file[f"FuzzyDM/{name}"] = values
            message = {
                "PsiRe": f"{tmp_path}/snap_000.2.hdf5: FuzzyDM/PsiIm has 86 cells: must be 85",
                "PsiIm": f"{first}: 342 cells of psi in its 4 files: must be those of a cube",
            }[name]
            with pytest.raises(InputError) as error:
                open_snapshot(first)
            assert str(error.value) == message

    def test_a_part_of_another_snapshot(self, tmp_path):
        first = write_axirepo(tmp_path, self.psi(), files=2)
        with h5py.File(tmp_path / "snap_000.1.hdf5", "r+") as file:
            file["Header"].attrs["Redshift"] = 9.0
        with pytest.raises(InputError) as error:
            open_snapshot(first)
        assert str(error.value) == (
            f"{tmp_path}/snap_000.1.hdf5: its header differs from {first}: not a part of the same snapshot"
        )

    def test_its_particles_are_read_by_name(self, tmp_path):
        path = write_axirepo(tmp_path, self.psi())
        with pytest.raises(InputError, match=r"no particles of PartType1; found: none|NumPart_Total is 7"):
            open_snapshot(path, "gadget")


def test_particles_without_a_header(tmp_path):
    """As a program of the user's own writes them, in cMpc/h."""
    path = tmp_path / "mine.hdf5"
    with h5py.File(path, "w") as file:
        file["PartType1/Coordinates"], file["PartType1/Masses"] = positions(), np.ones(len(positions()))
    with pytest.raises(
        InputError, match="has no redshift and no unit_length and no box_size: give --redshift and --unit-"
    ):
        open_snapshot(path)
    opened = open_snapshot(path, options=SnapshotOptions(box_size=(75.0,), redshift=4.0, unit_length=1.0))
    assert opened.box_size == (75.0,) * 3 and opened.redshift == 4.0 and opened.omega_m is None
    assert read(opened)[0] == pytest.approx(positions())


def test_bare_positions_are_told_where_to_be(tmp_path):
    says = "particles are read from HDF5, as PartType1/Coordinates and PartType1/Masses"
    np.save(tmp_path / "mine.npy", positions())
    with pytest.raises(InputError, match=f"must have 3 dimensions, none of them empty; {says}"):
        open_snapshot(tmp_path / "mine.npy")
    with h5py.File(tmp_path / "mine.hdf5", "w") as file:
        file["k"], file["pos"] = np.ones(4), positions()
    with pytest.raises(InputError, match=f"holds no array of three dimensions; pos has three columns: {says}"):
        open_snapshot(tmp_path / "mine.hdf5")
