"""GADGET's binary formats: any rank reads any part, as from HDF5, and a file that is cut or damaged is told as such."""

import pickle
import re

import numpy as np
import pytest
from snapshot_files import MPC_CM, write_gadget, write_gadget_binary

from gpu_fdm.errors import InputError
from gpu_fdm.pipeline.snapshot import Measurement, snapshot_power
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import open_snapshot

NUMBER = 1001
MPC = SnapshotOptions(unit_length=1.0)


def positions(number=NUMBER, seed=8):
    return (75 * np.random.default_rng(seed).random((number, 3))).astype(np.float32)


def masses(number=NUMBER):
    return np.random.default_rng(9).random(number).astype(np.float32)


def read(snapshot, first=0, last=None, most=1_000_000):
    batches = list(snapshot.batches(first, last, most))
    weights = None if any(m is None for _, m in batches) else np.concatenate([m for _, m in batches])
    return np.concatenate([x for x, _ in batches]), weights


FORMATS = [(named, order, dtype) for named in (False, True) for order in "<>" for dtype in ("f4", "f8")]


@pytest.mark.parametrize(("named", "order", "dtype"), FORMATS)
@pytest.mark.parametrize("files", [1, 4])
@pytest.mark.parametrize("with_masses", [False, True])
def test_any_rank_reads_any_part(tmp_path, named, order, dtype, files, with_masses):
    """Of both formats, byte orders and precisions; cut unevenly over files, of which the first has none."""
    expected, weights = positions(), masses() if with_masses else None
    about = {"files": files, "named": named, "order": order, "dtype": dtype}
    gas, stars = positions(20, 1), positions(33, 2)
    path = write_gadget_binary(tmp_path, expected, weights, others={0: gas, 4: stars}, **about)
    opened = pickle.loads(pickle.dumps(open_snapshot(path, options=MPC)))  # as by MPI
    assert (opened.format, opened.kind, opened.number) == ("gadget_binary", "particles", NUMBER)
    assert opened.box_size == (75.0,) * 3 and (opened.redshift, opened.h, opened.omega_m) == (2.0, 0.7, 0.3)
    assert opened.fields == ("PartType0", "PartType1", "PartType4") and opened.field == "PartType1"
    assert opened.others == (("PartType0", 20), ("PartType4", 33))
    assert opened.particle_mass == (None if with_masses else 0.5)
    found = read(opened)
    assert np.array_equal(found[0], expected) and found[0].dtype == np.float64
    assert found[1] is None if weights is None else np.array_equal(found[1], weights)
    parts = [read(opened, *bounds, 7) for bounds in ((0, 1), (1, 333), (333, 1000), (1000, NUMBER))]
    assert np.array_equal(np.concatenate([x for x, _ in parts]), expected)
    other = open_snapshot(path, options=SnapshotOptions(unit_length=1.0, particle_type=4))
    assert np.array_equal(read(other)[0], stars) and np.all(read(other)[1] == 2.5)


def test_header_of_gadget_4(tmp_path):
    """It has no cosmology."""
    opened = open_snapshot(write_gadget_binary(tmp_path, positions(), masses(), short=True, files=2), options=MPC)
    assert np.array_equal(read(opened)[0], positions()) and np.array_equal(read(opened)[1], masses())
    assert opened.box_size == (75.0,) * 3 and (opened.redshift, opened.h, opened.omega_m) == (2.0, None, None)


def test_the_same_power_as_from_hdf5(tmp_path):
    header = {"UnitLength_in_cm": MPC_CM, "HubbleParam": 0.7, "Omega0": 0.3}
    text = write_gadget(tmp_path, positions(), masses(), header=header)
    binary = write_gadget_binary(tmp_path, positions(), masses(), named=True, order=">")
    one, other = (
        snapshot_power(path, options=o, how=Measurement(cells=16))
        for path, o in ((text, SnapshotOptions()), (binary, MPC))
    )
    assert np.array_equal(one.spectrum.power, other.spectrum.power) and np.array_equal(one.shot_noise, other.shot_noise)


def test_names(tmp_path):
    """As of HDF5: a folder, a common name, any part; decimals are no parts, other files no snapshots."""
    folder = tmp_path / "snapdir_007"
    folder.mkdir()
    write_gadget_binary(folder, positions(), files=3)
    (folder / "parameters-usedvalues").write_text("BoxSize 75")
    (folder / ".snap_008.0").write_bytes((folder / "snap_007.0").read_bytes())
    first = open_snapshot(folder / "snap_007.0", options=MPC)
    for path in (folder, folder / "snap_007", folder / "snap_007.2"):
        assert open_snapshot(path, options=MPC).source == first.source
    (folder / "snap_007.1").unlink()
    with pytest.raises(InputError, match=r"snap_007\.1: no such file: part 1 of the 3 of this snapshot is missing"):
        open_snapshot(folder, options=MPC)
    for redshift in (0.5, 0.9):
        write_gadget_binary(tmp_path, positions(), name=f"snap_z{redshift}", redshift=redshift)
    assert open_snapshot(tmp_path / "snap_z0.9", options=MPC).redshift == 0.9
    with pytest.raises(
        InputError, match=r"a folder with several snapshots, must be one of them: snap_z0\.5, snap_z0\.9"
    ):
        open_snapshot(tmp_path, options=MPC)
    with pytest.raises(InputError, match=r"snap_z0: no such file"):
        open_snapshot(tmp_path / "snap_z0", options=MPC)


def test_values_that_are_missing(tmp_path):
    path = write_gadget_binary(tmp_path, positions(), box_size=0.0)
    with pytest.raises(InputError) as error:
        open_snapshot(path)
    both = "the file has no unit_length and no box_size: give --unit-length [cMpc/h] "
    both += "(0.001 for kpc/h, 1 for Mpc/h) and --box-size [cMpc/h]"
    assert str(error.value) == f"{path}: {both}"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"numbers": [0, -5, 0, 0, 0, 0]}, "header with [0, -5, 0, 0, 0, 0] particles of masses [0.0, 0.5, "),
        (
            {"masses": [0, np.nan, 0, 0, 0, 0]},
            "particles of masses [0.0, nan, 0.0, 0.0, 0.0, 0.0] in 1 files: must not be",
        ),
        ({"files": -3}, "in -3 files: must not be negative"),
        ({"files": 5}, "one of 5 parts by its header, must be called NAME.0, NAME.1, ..."),
        (
            {"numbers": [0, 1000, 0, 0, 0, 0]},
            "NumPart_Total is 1001 for PartType1: must be 1000, the particles in its 1",
        ),
        ({"total": [0, 0, 0, 0, 7, 0], "numbers": [0, 0, 0, 0, 7, 0]}, "no particles of PartType1; found: PartType4"),
        (
            {"numbers": [0, 2000, 0, 0, 0, 0], "total": [0, 2000, 0, 0, 0, 0]},
            "record of 12012 bytes at byte 264: must have 24000 or 48000 bytes (the file is cut or damaged)",
        ),
        ({"redshift": np.inf}, "redshift = inf in the file: must be a number in"),
        ({"box_size": -1.0}, "box_size = -1,-1,-1 [cMpc/h] in the file: must be"),
    ],
)
def test_headers_that_make_no_sense(tmp_path, header, message):
    path = write_gadget_binary(tmp_path, positions(), header=header)
    with pytest.raises(InputError) as error:
        open_snapshot(path, options=MPC)
    assert str(error.value).startswith(str(path)) and message in str(error.value)


def test_a_file_that_ends_within_a_record(tmp_path):
    path = write_gadget_binary(tmp_path, positions())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="record of 12012 bytes at byte 264: must have its length again at its end"):
        open_snapshot(path, options=MPC)


def test_initial_conditions_without_a_total(tmp_path):
    path = write_gadget_binary(tmp_path, positions(), header={"total": 0})
    assert open_snapshot(path, options=MPC).number == NUMBER


@pytest.mark.parametrize(("named", "order"), [(False, "<"), (True, ">")])
def test_truncated_files(tmp_path, named, order):
    path = write_gadget_binary(tmp_path, positions(50), masses(50), named=named, order=order)
    octets = path.read_bytes()
    for length in [*range(0, len(octets), 37), len(octets) - 1]:
        path.write_bytes(octets[:length])
        with pytest.raises(InputError, match=re.escape(str(path))):
            open_snapshot(path, options=MPC if length > 300 else SnapshotOptions())


def test_files_with_wrong_bytes(tmp_path):
    """They are read, or one line says what is wrong; a file that becomes shorter is told of as it is read."""
    path, random = write_gadget_binary(tmp_path, positions(50), masses(50), named=True), np.random.default_rng(1)
    octets = path.read_bytes()
    for _ in range(200):
        spoiled = bytearray(octets)
        for place in random.integers(0, 400, 3):
            spoiled[place] = random.integers(256)
        path.write_bytes(spoiled)
        try:
            read(open_snapshot(path, "gadget_binary", MPC))
        except InputError as error:
            assert str(path) in str(error)
    path.write_bytes(octets)
    opened = open_snapshot(path, options=MPC)
    path.write_bytes(octets[:700])
    with pytest.raises(InputError, match="has become shorter since it was opened"):
        read(opened)


def test_lengths_of_four_gigabytes_and_more(tmp_path):
    """A sparse file of 4.6 GB: its records have their lengths modulo 2^32."""
    number = 64_000_000
    path = write_gadget_binary(
        tmp_path, positions(4), header={"numbers": [0, number, 0, 0, 0, 0], "total": [0, number, 0, 0, 0, 0]}
    )
    with open(path, "r+b") as file:
        file.truncate(264)
        for length, last in ((24 * number, 74.0), (24 * number, 0.0)):
            marker = np.array(length % 2**32, "<u4").tobytes()
            file.seek(0, 2)
            file.write(marker)
            file.seek(length - 8, 1)
            file.write(np.array(last).tobytes() + marker)
    assert 24 * number < 2**32 < 2 * path.stat().st_size
    opened = open_snapshot(path, options=MPC)
    found = read(opened, number - 2)[0]
    assert found.tolist() == [[0, 0, 0], [0, 0, 74]]


@pytest.mark.parametrize(("fmt", "endian"), [(1, "<"), (1, ">"), (2, "<"), (2, ">")])
def test_files_that_yt_writes(tmp_path, fmt, endian):
    """And what yt reads from them is what is read here."""
    yt = pytest.importorskip("yt", reason="the extra yt is not installed")
    from yt.frontends.gadget.testing import fake_gadget_binary

    yt.set_log_level("error")
    path = tmp_path / "snap"
    fake_gadget_binary(str(path), npart=(10, 30, 0, 0, 5, 0), fmt=fmt, endian=endian)
    loaded = yt.load(str(path), bounding_box=[[0, 1]] * 3)
    expected = (
        loaded.r["Halo", "particle_position"].to("code_length").d,
        loaded.r["Halo", "particle_mass"].to("code_mass").d,
    )
    opened = open_snapshot(path, options=MPC)
    found = read(opened)
    order = [np.lexsort(x.T) for x in (expected[0], found[0])]
    assert opened.number == 30 and opened.others == (("PartType0", 10), ("PartType4", 5))
    assert np.allclose(found[0][order[1]], expected[0][order[0]], rtol=1e-7)
    assert np.allclose(found[1][order[1]], expected[1][order[0]], rtol=1e-6)
