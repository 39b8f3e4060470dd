"""Hostile snapshots give a spectrum or one clear line; nothing outside of them is read, and memory is bounded."""

import gc
import io
import struct
import zipfile
from importlib.util import find_spec

import h5py
import numpy as np
import pytest
from hostile_hdf5 import large_chunk, nodes, wrong_nodes, wrong_values
from hostile_inputs import limits, spoiled
from snapshot_files import (
    write_axionyx,
    write_axirepo,
    write_fuzzylli,
    write_gadget,
    write_gadget_binary,
    write_gamer,
    write_jaxion,
    write_pyultralight,
    write_result,
    write_ultradark,
)

from gpu_fdm.commands.main import main
from gpu_fdm.errors import InputError, RunError
from gpu_fdm.pipeline.snapshot import Measurement, snapshot_power
from gpu_fdm.snapshots.options import SnapshotOptions
from gpu_fdm.snapshots.registry import READERS, open_snapshot

RANDOM = np.random.default_rng(5)
DENSITY = RANDOM.random((8, 8, 8)) + 0.5
PSI = RANDOM.standard_normal((6, 6, 6)) + 1j * RANDOM.standard_normal((6, 6, 6))
REPOSITORY = RANDOM.random((16, 16, 16)) + 0.5
POINTS = RANDOM.random((300, 3))
NOTHING, GIVEN = SnapshotOptions(), SnapshotOptions(box_size=7.0, redshift=1.5)
UNIT = SnapshotOptions(unit_length=1.0)
PARTICLES = {"box_size": 1.0, "parameters": {"HubbleParam": 0.7, "Omega0": 0.3, "UnitLength_in_cm": 3.085678e24}}
FILES = {
    "gpu_fdm": (lambda at: write_result(at / "r.hdf5", {"fdm": DENSITY}, (7.0, 7.0, 7.0)), NOTHING),
    "fuzzylli": (lambda at: write_fuzzylli(at / "b.h5", {"fdm/0": DENSITY, "cdm": DENSITY}), NOTHING),
    "axirepo": (lambda at: write_axirepo(at, PSI, box_size=10.0), NOTHING),
    "gadget": (lambda at: write_gadget(at, POINTS, RANDOM.random(300), **PARTICLES), NOTHING),
    "gadget parts": (lambda at: write_gadget(at, POINTS, files=3, box_size=1.0), UNIT),
    "gadget_binary": (lambda at: write_gadget_binary(at, POINTS, RANDOM.random(300), files=2, box_size=1.0), UNIT),
    "hdf5": (lambda at: write_pyultralight(at / "rho_#1.hdf5", DENSITY), GIVEN),
    "h5 of julia": (lambda at: write_ultradark(at / "psi_1.h5", PSI), GIVEN),
    "npy": (lambda at: write_pyultralight(at / "rho_#1.npy", DENSITY), GIVEN),
    "npz": (lambda at: write_pyultralight(at / "rho_#1.npz", DENSITY), GIVEN),
    "gamer": (lambda at: write_gamer(at / "Data_000001", REPOSITORY, REPOSITORY, 1.0), NOTHING),
    "axionyx": (lambda at: write_axionyx(at / "plt00001", REPOSITORY, 1.0), NOTHING),
}
if find_spec("tensorstore"):
    FILES["jaxion"] = (lambda at: write_jaxion(at / "checkpoints"), NOTHING)
NOT_IN_HDF5 = ("npy", "npz", "axionyx", "gadget_binary", "jaxion")
IN_HDF5 = [name for name in FILES if name not in NOT_IN_HDF5]
# share of the inputs that are tried, for slow formats: many attributes, files in parts, and yt
PART = {"gpu_fdm": 0.12, "fuzzylli": 0.15, "axirepo": 0.08, "gadget": 0.08, "gadget parts": 0.06, "gamer": 0.01}
SPOILED = {"gamer": 4, "axionyx": 4}
HOW = Measurement(cells=8, mu_bins=2, multipoles=True)


@pytest.fixture(autouse=True, scope="module")
def bounds(tmp_path_factory):
    # compiled loops and yt are loaded first: they are not what a file takes
    for write, options in FILES.values():
        snapshot_power(write(tmp_path_factory.mktemp("warm")), None, options, HOW)
    with limits():
        yield


def measured(path, options, format_name=None):
    """P(k) of a snapshot, whose errors name it."""
    try:
        found = snapshot_power(path, format_name, options, HOW)
    except (InputError, RunError) as error:
        assert str(path.parent) in str(error) or path.name in str(error), error
        raise
    assert np.all(np.isfinite(found.spectrum.power[1:][found.spectrum.modes[1:] > 0]))
    return found


def told(hostile, path):
    """What gpu-fdm info prints of a snapshot, or one line that names it."""
    code, out, error = hostile.command("--quiet", "info", path)
    assert path.parent.name in (error if code else out)


# yt leaves files open when it stumbles
yt_leaves_files_open = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <_io.FileIO:pytest.PytestUnraisableExceptionWarning"
)


def test_every_format_is_tried(tmp_path):
    formats = set()
    for number, (write, options) in enumerate(FILES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        formats.add(open_snapshot(write(folder), options=options).format)
    # the readers of arrays behind those of PyUltraLight and UltraDark.jl, with files of other names
    assert formats | {"hdf5", "numpy", "jaxion"} == {reader.name for reader in READERS}


@yt_leaves_files_open
@pytest.mark.parametrize("name", FILES)
def test_spoiled_files(hostile, tmp_path, name):
    """Bytes changed, cut out and put in: most of them where the structure is, before the data."""
    write, options = FILES[name]
    path, random = write(tmp_path), np.random.default_rng(6)
    files = sorted(file for file in tmp_path.rglob("*") if file.is_file())
    octets, errors = {file: file.read_bytes() for file in files}, 0
    for number in range(SPOILED.get(name, 50)):
        spoilt = files[random.integers(len(files))]
        before = octets[spoilt]
        end = 2048 if number % 2 else None
        made = spoiled(before, random, end=end)
        heap = before.find(b"GCOL")
        if heap >= 0:  # HDF5 2.0 itself can loop for ever in a damaged heap of texts
            made = before[: heap + 4096] + spoiled(before[heap + 4096 :], random) if number % 2 else before[:heap]
        spoilt.unlink()  # yt may still have it open
        spoilt.write_bytes(made)
        errors += isinstance(hostile(measured, path, options), (InputError, RunError))
        told(hostile, path)
        spoilt.write_bytes(before)
    assert errors


def test_what_yt_left_half_made_says_nothing(tmp_path, capfd):
    """Its __del__ fails, and Python would print that after our line."""
    path = FILES["gamer"][0](tmp_path)
    with h5py.File(path, "r+") as file:
        del file["Tree/Corner"]
    assert main(["power", str(path), "--output", str(tmp_path / "p.hdf5")]) == 2
    gc.collect()
    error = capfd.readouterr().err
    assert "yt cannot read it as gamer" in error and error.count("\n") == 1


@yt_leaves_files_open
@pytest.mark.parametrize("name", IN_HDF5)
def test_other_types_and_numbers(hostile, tmp_path, name):
    """Every attribute and every object in turn has a wrong value or is missing."""
    write, options = FILES[name]
    path, random = write(tmp_path), np.random.default_rng(7)
    octets = path.read_bytes()
    with h5py.File(path) as file:
        datasets, attributes = nodes(file)
    for node, key in attributes:
        for value in share_of([None, *wrong_values()], name, random):
            path.unlink()  # yt may still have it open
            path.write_bytes(octets)
            with h5py.File(path, "r+") as file:
                del file[node].attrs[key]
                if value is not None:
                    file[node].attrs[key] = value
            hostile(measured, path, options)
            told(hostile, path)
    for node in datasets:
        for value in share_of([*wrong_values(), *wrong_nodes(path)], name, random):
            path.unlink()  # yt may still have it open
            path.write_bytes(octets)
            with h5py.File(path, "r+") as file:
                attributes_before = dict(file[node].attrs)
                del file[node]
                if callable(value):
                    value(file, node)
                else:
                    file[node] = value
                if isinstance(file.get(node, getlink=True), h5py.HardLink):
                    file[node].attrs.update(attributes_before)
            hostile(measured, path, options)
            told(hostile, path)


def share_of(values, name, random):
    """A part of the inputs for slow formats, at least one."""
    chosen = [value for value in values if random.random() <= PART.get(name, 1.0)]
    return chosen or [values[random.integers(len(values))]]


def header(descr="<f8", shape="(8, 8, 8)", fortran="False", version=b"\1\0", length=None):
    """An npy file whose header says this."""
    text = f"{{'descr': {descr!r}, 'fortran_order': {fortran}, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(text) if length is None else length) + text


HEADERS = [
    *(
        header(descr)
        for descr in ("|O", "|S8", "<U2147483647", "<M8[ns]", "|V8", "?", ">f8", "<f2", "<c32", "<f16", "f", "")
    ),
    *(header(descr) for descr in ([("a", "<f8")], [("a", "O")], ("<f8", (10**9,)), ("<f8", (2, 2)), None, 8, b"<f8")),
    *(header(shape=shape) for shape in ("()", "(0, 8, 8)", "(8, 8)", "(-8, -8, 8)", "(True, 1, 1)", "(8.0, 8, 8)")),
    *(header(shape=shape) for shape in (f"({2**62}, 1, 1)", f"({2**20},) * 3", f"({10**4000}, 1, 1)", "(8, 8, 8", "8")),
    *(header(shape=shape) for shape in (f"({2**21}, {2**21}, {2**21})", "-" * 5000 + "1", "(" * 180 + ")" * 180)),
    *(header(shape=shape) for shape in ("__import__('os')", "print(1)", "[x for x in (8, 8, 8)]", "(8, 8, 8), 'a': 1")),
    *(header(fortran=fortran) for fortran in ("2", "None", "'x'", "[]", "True")),
    *(header(version=version) for version in (b"\0\0", b"\2\0", b"\3\0", b"\xff\xff")),
    *(header(length=length) for length in (0, 1, 65535)),
    b"\x93NUMPY\x02\0\xff\xff\xff\xff{}",
]


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_headers_of_numpy(hostile, tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    for begin in HEADERS:
        for data in (b"", DENSITY.tobytes(), b"\x80\x04\x95" + bytes(93)):
            if kind == "npy":
                path.write_bytes(begin + data)
            else:
                with zipfile.ZipFile(path, "w") as archive:
                    archive.writestr("f.npy", begin + data)
            hostile(measured, path, GIVEN)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_spoiled_zips(hostile, tmp_path, method):
    stream, path, random = io.BytesIO(), tmp_path / "x.npz", np.random.default_rng(8)
    np.save(stream, DENSITY)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("f.npy", stream.getvalue())
    octets = path.read_bytes()
    for _ in range(50):
        path.write_bytes(spoiled(octets, random))
        hostile(measured, path, GIVEN)


def test_a_zip_that_unpacks_to_much(hostile, tmp_path, monkeypatch):
    """A plane of 128 MiB in a few octets: what it takes is counted before it is unpacked."""
    path, begin = tmp_path / "x.npz", header(shape="(1, 4096, 4096)")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("f.npy", "w") as stream:
        stream.write(begin)
        for _ in range(4096):
            stream.write(bytes(8 * 4096))
    assert path.stat().st_size < 1 << 18
    monkeypatch.setattr("gpu_fdm.snapshots.snapshot.available", lambda: 200 << 20)
    opened = open_snapshot(path, options=GIVEN)
    found = hostile(opened.slab, 0, 1)
    assert isinstance(found, RunError) and "planes 0..1 take 0.2 GiB of memory, 0.2 GiB are available" in str(found)


def test_large_chunks(tmp_path):
    path = tmp_path / "x.hdf5"
    with h5py.File(path, "w") as file:
        large_chunk(file, "f")
    with pytest.raises(
        InputError, match=r"f: chunks of 71303168 bytes, of shape \(68, 1024, 128\): larger than the arr"
    ):
        open_snapshot(path, options=GIVEN)


@pytest.mark.parametrize(("file", "word"), [("Header", "Level_0/Cell"), ("Level_0/Cell_H", "Cell_D_00000")])
@pytest.mark.parametrize("other", ["../secret", "/etc/passwd", "Level_0/../../secret"])
def test_plotfiles_that_name_files_outside(tmp_path, file, word, other):
    path = write_axionyx(tmp_path / "plt00001", REPOSITORY, 1.0)
    spoilt = path / file
    spoilt.write_text(spoilt.read_text().replace(word, other))
    with pytest.raises(InputError, match=f": {other}: leads out of the snapshot, which is not followed$"):
        open_snapshot(path)


@pytest.mark.parametrize("name", ["GridData/Dens", "Tree/Son", "Info/KeyInfo", "Extra"])
def test_gamer_with_links_outside(tmp_path, name):
    """They are refused before yt follows them."""
    path = write_gamer(tmp_path / "Data_000001", REPOSITORY, REPOSITORY, 1.0)
    with h5py.File(path, "r+") as file:
        if name in file:
            del file[name]
        file[name] = h5py.ExternalLink("secret.hdf5", "/a")
    with pytest.raises(InputError, match=f"{name}: a link into another file, secret.hdf5, is not followed"):
        open_snapshot(path, "gamer")
